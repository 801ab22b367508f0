//! Backfill: the part of the source that a version needs and nobody stored, read online.
//!
//! An item read at time `t` is a change like any other with version `t − margin`, so it loses to
//! every write that came after and the two may arrive in any order (see
//! [`evercount_core::audit`]). A page is only read once the version has been counted for a margin:
//! whatever the page loses to has then been judged under the version.

use evercount_core::adjustment::{Partitions, Start};
use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::audit;
use evercount_core::backfill::{Allowance, Place, Segment};
use evercount_core::change::RowKey;
use evercount_core::logic::{Base, Coverage, LogicVersion};
use evercount_core::order::Micros;
use futures_util::future::try_join_all;

use crate::adapt::{AdaptOptions, add_spent, entry, touched};
use crate::operator;
use crate::ports::{CatalogEdit, Page, SourceTable, Store, StoreError};
use crate::{read, settle};

/// Items applied in one transaction.
const ITEMS_MAX: usize = 20;

/// When the next page may be read, under a budget of so many read units a second: once what was taken
/// before is made up for, and the version has been counted for long enough. Whatever a page loses to
/// has then been judged under it.
#[must_use]
pub fn due(adjustment: &Adjustment, version: &LogicVersion, options: AdaptOptions, budget: f64) -> Micros {
    let since = if adjustment.is_filling() { version.state_since } else { adjustment.progress.started_at };
    let counted = since.saturating_add(options.margin.saturating_mul(2));
    counted.max(adjustment.progress.allowance.due(budget))
}

/// Reads the next page of each segment of the source and records how far it came. `budget` is in read
/// units a second.
///
/// # Errors
/// [`StoreError::Unavailable`] before it is [`due`]; else whatever the stores answer. The pages are
/// then read again, which changes nothing that they changed already.
pub async fn page<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    adjustment: &Adjustment,
    version: &LogicVersion,
    (options, budget): (AdaptOptions, f64),
    now: Micros,
) -> Result<Adjustment, StoreError> {
    if now < due(adjustment, version, options, budget) {
        return Err(StoreError::Unavailable("the next page may not be read yet".to_owned()));
    }
    let started = (options.meter)();
    let mut after = touched(adjustment, now);
    let mut places = places(adjustment, options);
    let pages = next_pages(source, adjustment, version, &places).await?;
    let catalog = read::catalog(store).await?;
    let rows_of = catalog.ledger_name(&version.definition.table).clone();
    let at = audit::read_version(options.epoch, now, options.margin);
    let waited = adjustment.progress.allowance;
    let mut allowance = waited.by(budget, now);
    for (number, page) in pages {
        for part in page.rows.chunks(ITEMS_MAX) {
            let observed: Vec<_> = part
                .iter()
                .map(|(key, image)| {
                    let key = RowKey { table: rows_of.clone(), identity: key.identity.clone() };
                    audit::observation(key, Some(image.clone()), at.clone())
                })
                .collect();
            let (_, cost) = operator::apply(store, &observed, None, now).await?;
            after.actual.write_units += cost.write_units;
        }
        let visited = page.rows.len() as u64;
        after.progress.visited += visited;
        after.actual.source_items += visited;
        after.actual.read_units += page.read_units;
        allowance = allowance.less(page.read_units);
        if let Some(place) = places.get_mut(number) {
            *place = Place::behind(page.next);
        }
    }
    add_spent(&mut after.actual, started, (options.meter)());
    after.actual.seconds += waited.due(budget).saturating_sub(waited.at) as f64 / 1e6;
    // Older releases wrote where the only segment stood.
    after.progress.after = None;
    (after.progress.segments, after.progress.allowance) = (places, allowance);
    let mut edit = CatalogEdit::default();
    if after.progress.segments.iter().all(|place| *place == Place::End) {
        finish(store, &mut after, version, &mut edit, now).await?;
    }
    edit.adjustments.push((Some(adjustment.clone()), after.clone()));
    store.edit_catalog(&edit).await?;
    Ok(after)
}

/// Where each segment stands. Values of a partition key are looked up one after the other.
fn places(adjustment: &Adjustment, options: AdaptOptions) -> Vec<Place> {
    let progress = &adjustment.progress;
    if let Some(place) = &progress.after {
        return vec![Place::After(place.clone())];
    }
    if !progress.segments.is_empty() {
        return progress.segments.clone();
    }
    let segments = match &adjustment.plan.affected {
        Partitions::Keys { .. } => 1,
        Partitions::None | Partitions::All => options.segments.max(1),
    };
    (0..segments).map(|_| Place::Start).collect()
}

/// The next page of each segment that has one, read at the same time.
async fn next_pages<T: SourceTable>(
    source: &T,
    adjustment: &Adjustment,
    version: &LogicVersion,
    places: &[Place],
) -> Result<Vec<(usize, Page<evercount_core::value::Item>)>, StoreError> {
    let table = &version.definition.table;
    let of = u32::try_from(places.len()).unwrap_or(u32::MAX);
    let open = (0..of).zip(places).filter_map(|(number, place)| Some((number, place.next()?)));
    let reads = open.map(async |(number, from)| {
        let page = match &adjustment.plan.affected {
            Partitions::Keys { attribute, values } => {
                source.partition(table, attribute, values, from).await?
            }
            Partitions::None | Partitions::All => source.scan(table, Segment { number, of }, from).await?,
        };
        Ok((number as usize, page))
    });
    try_join_all(reads).await
}

/// Adds to an edit that every item was read: each was judged under every version that is counted as
/// it was applied, or by the write it lost to.
async fn finish<S: Store>(
    store: &S,
    after: &mut Adjustment,
    version: &LogicVersion,
    edit: &mut CatalogEdit,
    now: Micros,
) -> Result<(), StoreError> {
    let is_filling = after.is_filling();
    (after.progress.segments, after.progress.allowance) = (Vec::new(), Allowance::default());
    after.progress.done = true;
    after.report.census.complete = true;
    let whole = |one: &LogicVersion| LogicVersion { coverage: Coverage::Whole, ..one.clone() };
    if is_filling {
        after.outcome = PlanOutcome::Promoted;
        let name = &version.id.definition;
        let walks = store.adjustments(Some(name)).await?;
        for one in store.versions().await? {
            let is_partial =
                one.id.definition == *name && one.state.is_live() && one.coverage != Coverage::Whole;
            if is_partial && !is_being_filled(&one, &walks) {
                edit.change.push((one.clone(), whole(&one)));
            }
        }
    } else {
        edit.change.extend(settle::covered(version, Coverage::Whole, &store.versions().await?));
    }
    let of = if is_filling { &version.id.definition.to_string() } else { &version.id.to_string() };
    let summary = format!("{} source items were read for {of}.", after.progress.visited);
    edit.trail.push(entry(after, "backfill", summary, now));
    Ok(())
}

/// Whether a version starts from nothing, and its own walk over ledger or source is not over.
fn is_being_filled(version: &LogicVersion, walks: &[Adjustment]) -> bool {
    version.base == Base::Own
        && walks.iter().any(|one| {
            let starts =
                one.plan.update.as_ref().is_some_and(|update| !matches!(update.start, Start::Image(_)));
            one.to == Some(version.id.number) && starts && !one.progress.done
        })
}

/// Halts a walk over ledger or source after the page it is at, or lets it go on.
///
/// # Errors
/// [`StoreError::Conflict`] where the adjustment changed meanwhile; else whatever the store answers.
pub async fn pause<S: Store>(
    store: &S,
    adjustment: &Adjustment,
    paused: bool,
    now: Micros,
) -> Result<Adjustment, StoreError> {
    let mut after = touched(adjustment, now);
    after.progress.paused = paused;
    let summary = if paused { "A person paused the backfill." } else { "A person let the backfill go on." };
    let edit = CatalogEdit {
        adjustments: vec![(Some(adjustment.clone()), after.clone())],
        trail: vec![entry(&after, "backfill", summary.to_owned(), now)],
        ..CatalogEdit::default()
    };
    store.edit_catalog(&edit).await?;
    Ok(after)
}

#[cfg(test)]
mod tests;
