//! Commits that come from no stream: rechecks, repairs, replayed quarantine.
//!
//! They go through the same last-writer-wins rule as deliveries, under a lane of their own whose
//! checkpoint only carries the fence, so that they too cannot miss that a table was emptied.

use std::collections::BTreeSet;

use evercount_core::change::{Change, RowKey, TableName};
use evercount_core::chunk::{self, Commit, Content, Delivery, Facts, Hints, LaneAdvance, Mode, RowWrite};
use evercount_core::counting::{self, Contributions};
use evercount_core::group::Cell;
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::{LogicId, TableLogic};
use evercount_core::order::Micros;
use evercount_core::placement::Placement;

use crate::count::{ATTEMPTS_MAX, TOMBSTONE_LIFE};
use crate::ports::{Cost, Page, Store, StoreError};

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
        if !chunk::knows_all(&catalog, &loaded) && store.catalog(Some(catalog.revision)).await?.is_some() {
            // A version started since the catalog was read, and a row is counted under it already.
            continue;
        }
        let facts = Facts {
            catalog: &catalog,
            floors: &floors,
            tombstone_expires_at: now.saturating_add(TOMBSTONE_LIFE),
        };
        let placement = known_placement(store, &lane, &catalog, changes).await?;
        let mut hints = Hints { placement, ..Hints::default() };
        let mode = Mode::Ledger { loaded: &loaded };
        let mut planned = chunk::plan(mode, window, &lane, &state, &facts, &mut hints);
        if let Some(poison) = planned.commit.quarantined.first() {
            return Err(StoreError::Rejected(poison.poison.detail.clone()));
        }
        if let Some(record) = releases {
            release(&mut planned.commit, record, &catalog, &mut hints.placement);
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

/// Takes a tally back to zero: what it told of has been looked into.
///
/// # Errors
/// Whatever the store answers.
pub async fn clear<S: Store>(store: &S, id: &LogicId, cell: &Cell) -> Result<(), StoreError> {
    let lane = LaneId::operator();
    store.register_lane(&lane).await?;
    for _ in 0..ATTEMPTS_MAX {
        let from = store.lane(&lane).await?;
        let n = store.cells(id).await?.get(cell).copied().unwrap_or(0);
        if n == 0 {
            return Ok(());
        }
        let mut placement = Placement::default();
        let sum = Contributions::from([(id.clone(), [(cell.clone(), -n)].into())]);
        let moves = chunk::moves(sum, &mut placement);
        let commit = Commit { advance: Some(next(&from)), moves, ..Commit::empty(lane.clone()) };
        match store.commit(&commit).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict)
}

/// One step of the operator's lane. The checkpoint carries the fence, so whoever changed what is
/// counted has raised it; and it makes a repetition after a lost reply conflict.
pub(crate) fn next(from: &LaneState) -> LaneAdvance {
    let records = from.records + 1;
    let sequence = SequenceNumber::parse(&records.to_string()).or_else(|| from.sequence.clone());
    LaneAdvance { from: from.clone(), to: LaneState { sequence, records, ..from.clone() } }
}

/// What a rewrite of ledger rows did.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Rewritten {
    /// Rows written.
    pub rows: u64,
    /// What it cost.
    pub cost: Cost,
}

/// Rows rewritten in one transaction: what they move must fit beside them.
const REWRITTEN_MAX: usize = 20;

/// Rewrites the ledger rows of one page of a table: `judge` says what a row becomes, or `None` where
/// it stays. Cells move by the difference. Rows that somebody else wrote meanwhile are read and
/// judged again. Returns where the next page starts.
///
/// Rows are taken as the page has them, which is read consistently: of a row as it was once, nobody
/// can say that it may stay as it is.
///
/// # Errors
/// Whatever the store answers; the page may then be rewritten again.
pub async fn rewrite_page<S: Store>(
    store: &S,
    table: &TableName,
    after: Option<String>,
    placement: &mut Placement,
    mut judge: impl FnMut(&RowKey, &LedgerRow, &TableLogic) -> Option<LedgerRow> + Send,
) -> Result<(Rewritten, Option<String>), StoreError> {
    let mut rewritten = Rewritten::default();
    let mut done: BTreeSet<RowKey> = BTreeSet::new();
    for _ in 0..ATTEMPTS_MAX {
        let Page { mut rows, next, read_units } = store.rows_of_table(table, after.clone()).await?;
        rewritten.cost.read_units += read_units;
        rows.retain(|(key, _)| !done.contains(key));
        let mut is_complete = true;
        for part in rows.chunks(REWRITTEN_MAX) {
            match rewrite(store, table, part, placement, &mut judge).await {
                Ok(one) => {
                    rewritten.rows += one.rows;
                    rewritten.cost.write_units += one.cost.write_units;
                    rewritten.cost.read_units += one.cost.read_units;
                    done.extend(part.iter().map(|(key, _)| key.clone()));
                }
                Err(StoreError::Conflict) => is_complete = false,
                Err(error) => return Err(error),
            }
        }
        if is_complete {
            return Ok((rewritten, next));
        }
    }
    Err(StoreError::Conflict)
}

/// Rewrites rows in one transaction, conditional on each as it was read.
async fn rewrite<S: Store>(
    store: &S,
    table: &TableName,
    rows: &[(RowKey, LedgerRow)],
    placement: &mut Placement,
    judge: &mut (impl FnMut(&RowKey, &LedgerRow, &TableLogic) -> Option<LedgerRow> + Send),
) -> Result<Rewritten, StoreError> {
    let lane = LaneId::operator();
    let from = store.lane(&lane).await?;
    let catalog = store.catalog(None).await?.unwrap_or_default();
    let Some(logic) = catalog.table(table) else { return Ok(Rewritten::default()) };
    let mut commit = Commit::empty(lane.clone());
    let mut sum = Contributions::new();
    for (key, row) in rows {
        let Some(again) = judge(key, row, logic) else { continue };
        for version in logic.live.iter().chain(&logic.draining) {
            for (contributions, sign) in [(&again.contributions, 1), (&row.contributions, -1)] {
                if let Some(cells) = contributions.get(&version.id) {
                    counting::add_cells(sum.entry(version.id.clone()).or_default(), cells, sign);
                }
            }
        }
        commit.rows.push(RowWrite {
            key: key.clone(),
            expected_revision: Some(row.revision),
            row: Some(again),
        });
    }
    if commit.rows.is_empty() {
        return Ok(Rewritten::default());
    }
    commit.moves = chunk::moves(sum, placement);
    commit.advance = Some(next(&from));
    let rows = commit.rows.len() as u64;
    Ok(Rewritten { rows, cost: store.commit(&commit).await? })
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
    let live = |id: &&LogicId| {
        **id == LogicId::unattributed()
            || catalog.all().any(|logic| logic.id == **id || LogicId::doubt_of(&logic.id.definition) == **id)
    };
    let doubts: Contributions =
        record.affects.iter().filter(live).map(|id| (id.clone(), [(Cell::Uncertain, -1)].into())).collect();
    for one in chunk::moves(doubts, placement) {
        let same =
            commit.moves.iter_mut().find(|known| known.logic == one.logic && known.bucket == one.bucket);
        match same {
            Some(known) => counting::add_cells(&mut known.cells, &one.cells, 1),
            None => commit.moves.push(one),
        }
    }
    commit.moves.retain(|one| !one.cells.is_empty());
}
