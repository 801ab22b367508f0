//! Commits that come from no stream: rechecks, repairs, replayed quarantine.
//!
//! They go through the same last-writer-wins rule as deliveries, under a lane of their own whose
//! checkpoint only carries the fence, so that they too cannot miss that a table was emptied.

use std::collections::BTreeSet;

use evercount_core::change::Change;
use evercount_core::chunk::{self, Commit, Content, Delivery, Facts, Mode};
use evercount_core::counting::Contributions;
use evercount_core::group::Cell;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::logic::LogicId;
use evercount_core::order::Micros;
use evercount_core::placement::Placement;

use crate::count::{ATTEMPTS_MAX, TOMBSTONE_LIFE};
use crate::ports::{Cost, Store, StoreError};

/// Applies changes in one transaction, releasing a quarantined record with them where one is
/// named. Returns what became of them.
///
/// # Errors
/// [`StoreError::Rejected`] where a change cannot be judged; else whatever the store answers.
pub async fn apply<S: Store>(
    store: &S,
    changes: &[Change],
    releases: Option<&chunk::Quarantined>,
    now: Micros,
) -> Result<(chunk::Tally, Cost), StoreError> {
    let lane = LaneId::operator();
    store.register_lane(&lane).await?;
    for _ in 0..ATTEMPTS_MAX {
        let state = store.lane(&lane).await?;
        let catalog = store.catalog(None).await?.unwrap_or_default();
        let floors = store.table_facts().await?.floors;
        let next = SequenceNumber::parse(&(state.records + 1).to_string());
        let Some(sequence) = next else { return Err(StoreError::Rejected("no sequence number".to_owned())) };
        let content = Content::Changes(changes.to_vec());
        let delivery = Delivery { sequence, arrived_at: now, bytes: 0, content };
        let window = std::slice::from_ref(&delivery);
        let (keys, _): (BTreeSet<_>, _) = chunk::rows_needed(window, &catalog);
        let loaded = store.rows(&keys).await?;
        let facts = Facts {
            catalog: &catalog,
            floors: &floors,
            tombstone_expires_at: now.saturating_add(TOMBSTONE_LIFE),
        };
        let mut placement = known_placement(store, &lane, &catalog, changes).await?;
        let mut planned =
            chunk::plan(Mode::Ledger { loaded: &loaded }, window, &lane, &state, &facts, &mut placement);
        if let Some(poison) = planned.commit.quarantined.first() {
            return Err(StoreError::Rejected(poison.poison.detail.clone()));
        }
        if let Some(record) = releases {
            release(&mut planned.commit, record, &catalog, &mut placement);
        }
        match store.commit(&planned.commit).await {
            Ok(cost) => return Ok((planned.tally, cost)),
            Err(StoreError::Conflict) => {
                if let Some(record) = releases
                    && store.quarantined_record(&record.lane, &record.sequence).await?.is_none()
                {
                    // Somebody else replayed it, or our own reply was lost.
                    return Ok((chunk::Tally { duplicates: 1, ..chunk::Tally::default() }, Cost::default()));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict)
}

async fn known_placement<S: Store>(
    store: &S,
    lane: &LaneId,
    catalog: &evercount_core::logic::Catalog,
    changes: &[Change],
) -> Result<Placement, StoreError> {
    let mut placement = Placement::default();
    let tables: BTreeSet<_> = changes.iter().map(|change| &change.row.table).collect();
    for logic in tables.into_iter().flat_map(|table| catalog.of_table(table)) {
        placement.start(&logic.id);
        for (bucket, cells) in store.cells_of_lane(&logic.id, lane).await? {
            cells.keys().for_each(|cell| placement.learn(&logic.id, cell, bucket));
        }
    }
    Ok(placement)
}

/// Takes a record out of quarantine, and its doubt out of the counts it touched.
fn release(
    commit: &mut Commit,
    record: &chunk::Quarantined,
    catalog: &evercount_core::logic::Catalog,
    placement: &mut Placement,
) {
    commit.released = Some((record.lane.clone(), record.sequence.clone()));
    let live = |id: &&LogicId| **id == LogicId::unattributed() || catalog.all().any(|logic| logic.id == **id);
    let doubts: Contributions =
        record.affects.iter().filter(live).map(|id| (id.clone(), [(Cell::Uncertain, -1)].into())).collect();
    for one in chunk::moves(doubts, placement) {
        let same =
            commit.moves.iter_mut().find(|known| known.logic == one.logic && known.bucket == one.bucket);
        match same {
            Some(known) => evercount_core::counting::add_cells(&mut known.cells, &one.cells, 1),
            None => commit.moves.push(one),
        }
    }
    commit.moves.retain(|one| !one.cells.is_empty());
}
