//! What is done about versions time and again: open adjustments are taken further, promoted
//! versions are held against those that stand by, what stood by long enough is retired and drained,
//! and counts are cut for looking back.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::backfill::Segment;
use evercount_core::change::TableName;
use evercount_core::counting;
use evercount_core::definition::DefinitionName;
use evercount_core::group::{Cell, Outcome};
use evercount_core::ledger;
use evercount_core::logic::{LogicState, LogicVersion};
use evercount_core::order::Micros;

use crate::adapt::{self, AdaptOptions, Adapted, entry, touched};
use crate::alert::Alert;
use crate::ports::{CatalogEdit, Cut, SourceTable, Store, StoreError};
use crate::{drain, read, validate};

/// How often counts are cut, microseconds: an hour.
pub const CUT_EVERY: Micros = 3_600 * 1_000_000;

/// Rounds in which a promoted version must differ more than in the one before, until a recount is
/// asked who is right: a single difference may be a record on its way.
pub const MISMATCH_ROUNDS: u32 = 3;

/// Pages of ledger rows that one round drains.
const DRAIN_PAGES: u32 = 200;

/// Where the draining of each table goes on: what one caller keeps from round to round. Losing it
/// costs reads.
pub type Draining = BTreeMap<TableName, String>;

/// One round over every definition.
///
/// # Errors
/// As [`run_from`].
pub async fn run<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    options: AdaptOptions,
    now: Micros,
) -> Result<Adapted, StoreError> {
    run_from(store, source, &mut Draining::new(), options, now).await
}

/// One round over every definition, draining on from where the round before came to.
///
/// # Errors
/// What keeps it from knowing the definitions. What befalls one definition is in the answer, and
/// keeps it from no other; what was done stays done.
pub async fn run_from<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    draining: &mut Draining,
    options: AdaptOptions,
    now: Micros,
) -> Result<Adapted, StoreError> {
    let book = store.policy_book().await?;
    let mut adapted = Adapted::default();
    let definitions: BTreeSet<DefinitionName> =
        store.versions().await?.into_iter().map(|one| one.id.definition).collect();
    for name in definitions {
        match Box::pin(definition(store, source, &name, book.standby, options, now)).await {
            Ok(done) => adapted.add(done),
            Err(error) => adapted.failed.push((name, error)),
        }
    }
    let tables: BTreeSet<_> = read::catalog(store).await?.tables().cloned().collect();
    draining.retain(|table, _| tables.contains(table));
    for table in tables {
        let after = draining.remove(&table);
        if let Some(next) = drain::run(store, &table, after, DRAIN_PAGES).await? {
            draining.insert(table, next);
        }
    }
    Ok(adapted)
}

/// One round over a definition.
async fn definition<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    name: &DefinitionName,
    standby: Micros,
    options: AdaptOptions,
    now: Micros,
) -> Result<Adapted, StoreError> {
    let mut adapted = Adapted::default();
    for adjustment in store.adjustments(Some(name)).await? {
        let done = if is_open(&adjustment) {
            Box::pin(adapt::advance(store, source, adjustment, options, now)).await
        } else if adjustment.outcome == PlanOutcome::Promoted {
            Box::pin(stand_by(store, source, adjustment, options, now)).await
        } else {
            continue;
        };
        match done {
            Ok(done) => adapted.add(done),
            Err(error) => adapted.failed.push((name.clone(), error)),
        }
    }
    validate::retire(store, name, standby, now).await?;
    forget_gone(store, name).await?;
    adapted.negative += cut(store, name, now).await?;
    Ok(adapted)
}

fn is_open(adjustment: &Adjustment) -> bool {
    matches!(
        adjustment.outcome,
        PlanOutcome::Watching | PlanOutcome::Backfilling | PlanOutcome::AwaitingApproval
    )
}

/// Holds a promoted version against the one it took over from, while that one stands by.
async fn stand_by<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    adjustment: Adjustment,
    options: AdaptOptions,
    now: Micros,
) -> Result<Adapted, StoreError> {
    let versions = store.versions().await?;
    let Some(version) = adapt::version_of(&adjustment, &versions) else { return Ok(Adapted::default()) };
    let parent = versions.iter().find(|one| {
        one.id.definition == version.id.definition
            && Some(one.id.number) == version.parent
            && one.state == LogicState::Standby
    });
    let (LogicState::Active, Some(parent)) = (version.state, parent) else { return Ok(Adapted::default()) };
    let report = validate::report(store, &adjustment, version, now).await?;
    if report.changes.unexplained <= adjustment.report.changes.unexplained {
        return Ok(Adapted::default());
    }
    let unexplained = report.changes.unexplained;
    let mut after = touched(&adjustment, now);
    after.mismatches += 1;
    // What the next round has to exceed.
    after.report.changes = report.changes;
    let asks = after.mismatches >= MISMATCH_ROUNDS && options.source_is_readable;
    if !(asks && differs_at_source(store, source, version).await?) {
        if asks {
            // The source sides with the version; it is asked again only after as many new doubts.
            after.mismatches = 0;
        }
        let summary = format!("{unexplained} changes differ since {} took over.", version.id);
        let edit = CatalogEdit {
            adjustments: vec![(Some(adjustment.clone()), after.clone())],
            trail: vec![entry(&after, "mismatch", summary, now)],
            ..CatalogEdit::default()
        };
        store.edit_catalog(&edit).await?;
        return Ok(Adapted { adjustments: vec![after], ..Adapted::default() });
    }
    let because = format!(
        "{unexplained} changes differ since it took over, in {MISMATCH_ROUNDS} rounds, and a recount sides with {}",
        parent.id
    );
    let (_, reverted) = validate::roll_back(store, &version.id, &because, now).await?;
    let reverted = reverted.unwrap_or(after);
    let alerts = Alert::of(&reverted).into_iter().collect();
    Ok(Adapted { adjustments: vec![reverted], alerts, ..Adapted::default() })
}

/// Whether the source has rows that the version judges otherwise than the image of its parent, and
/// must not.
async fn differs_at_source<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    version: &LogicVersion,
) -> Result<bool, StoreError> {
    let catalog = read::catalog(store).await?;
    let live = catalog.of_table(&version.definition.table);
    let mut after = None;
    loop {
        let page = source.scan(&version.definition.table, Segment::WHOLE, after).await?;
        for (_, image) in &page.rows {
            let Ok(targets) = counting::targets(live, Some(image), None) else { continue };
            let target = targets.cells.get(&version.id).cloned().unwrap_or_default();
            let image = counting::parent_image(version, &targets.cells);
            let was_earlier = targets.earlier.contains(&version.id);
            if ledger::compare(version.relation, &target, &image, was_earlier) == Outcome::Unexplained {
                return Ok(true);
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(false),
        }
    }
}

/// Removes the cells of versions that are neither counted nor drained: nothing is derived from
/// them. Whoever drained one may have died just before it did so.
async fn forget_gone<S: Store>(store: &S, name: &DefinitionName) -> Result<(), StoreError> {
    let versions = store.versions().await?;
    let catalog = read::catalog(store).await?;
    for version in versions.iter().filter(|one| one.id.definition == *name) {
        let is_gone = matches!(version.state, LogicState::Rejected | LogicState::Retired);
        let drains = catalog.draining_of(&version.definition.table).iter().any(|one| one.id == version.id);
        if is_gone && !drains && !store.cells(&version.id).await?.is_empty() {
            store.delete_cells(&version.id).await?;
        }
    }
    Ok(())
}

/// Keeps what the active version counts, once in [`CUT_EVERY`]. Returns how many of its groups hold
/// less than nothing: a lane's may, the sum over lanes may not.
async fn cut<S: Store>(store: &S, name: &DefinitionName, now: Micros) -> Result<u64, StoreError> {
    let versions = store.versions().await?;
    let active = versions.iter().find(|one| one.id.definition == *name && one.state == LogicState::Active);
    let Some(active) = active else { return Ok(0) };
    let last = store.cut_at(&active.id, now).await?;
    if last.is_some_and(|cut| now.saturating_sub(cut.at) < CUT_EVERY) {
        return Ok(0);
    }
    let cut = take_cut(store, active, now).await?;
    let counts_items = |cell: &Cell| matches!(cell, Cell::Group(_) | Cell::Overflow | Cell::Register { .. });
    Ok(cut.cells.iter().filter(|(cell, n)| counts_items(cell) && **n < 0).count() as u64)
}

/// Keeps what a version counts now.
///
/// # Errors
/// Whatever the store answers.
pub async fn take_cut<S: Store>(store: &S, version: &LogicVersion, now: Micros) -> Result<Cut, StoreError> {
    let lanes = store.lanes().await?;
    let mut cells = read::whole(store, version).await?;
    read::add_doubts(store, &version.id.definition, &mut cells).await?;
    let cut = Cut { logic: version.id.clone(), at: now, lanes, cells };
    store.put_cut(&cut).await?;
    Ok(cut)
}
