//! Backfill: the part of the source that a version needs and nobody stored, read online.
//!
//! An item read at time `t` is a change like any other with version `t − margin`, so it loses to
//! every write that came after and the two may arrive in any order (see
//! [`evercount_core::audit`]). A page is only read once the version has been counted for a margin:
//! whatever the page loses to has then been judged under the version.

use evercount_core::adjustment::Partitions;
use evercount_core::adoption::Adjustment;
use evercount_core::audit;
use evercount_core::change::RowKey;
use evercount_core::logic::{Coverage, LogicVersion};
use evercount_core::order::Micros;

use crate::adapt::{AdaptOptions, entry, touched};
use crate::operator;
use crate::ports::{CatalogEdit, SourceTable, Store, StoreError};
use crate::read;

/// Items applied in one transaction.
const ITEMS_MAX: usize = 20;

/// Whether the version has been counted for long enough to begin: whatever a page loses to has then
/// been judged under it.
#[must_use]
pub fn is_due(adjustment: &Adjustment, options: AdaptOptions, now: Micros) -> bool {
    now.saturating_sub(adjustment.progress.started_at) >= options.margin.saturating_mul(2)
}

/// Reads the next page of the source and records how far it came.
///
/// # Errors
/// [`StoreError::Unavailable`] before the version has been counted for a margin; else whatever the
/// stores answer. The page is then read again, which changes nothing that it changed already.
pub async fn page<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    adjustment: &Adjustment,
    version: &LogicVersion,
    options: AdaptOptions,
    now: Micros,
) -> Result<Adjustment, StoreError> {
    let mut after = touched(adjustment, now);
    if !is_due(adjustment, options, now) {
        return Err(StoreError::Unavailable("the version has not been counted for long enough".to_owned()));
    }
    let table = &version.definition.table;
    let (page, next) = match &adjustment.plan.affected {
        Partitions::Keys { attribute, values } => {
            source.partition(table, attribute, values, adjustment.progress.after.clone()).await?
        }
        Partitions::None | Partitions::All => source.scan(table, adjustment.progress.after.clone()).await?,
    };
    let catalog = read::catalog(store).await?;
    let rows_of = catalog.ledger_name(table).clone();
    let at = audit::read_version(options.epoch, now, options.margin);
    for part in page.chunks(ITEMS_MAX) {
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
    let visited = page.len() as u64;
    after.progress.visited += visited;
    after.actual.source_items += visited;
    after.progress.after = next;
    let mut edit = CatalogEdit::default();
    if after.progress.after.is_none() {
        after.progress.done = true;
        // Each item was judged under both versions as it was applied, or by the write it lost to.
        after.report.census.complete = true;
        after.actual.seconds = now.saturating_sub(after.progress.started_at).max(0) as f64 / 1e6;
        let summary = format!("{} source items were read for {}.", after.progress.visited, version.id);
        edit.trail.push(entry(&after, "backfill", summary, now));
        if version.coverage != Coverage::Whole {
            let whole = LogicVersion { coverage: Coverage::Whole, ..version.clone() };
            edit.change.push((version.clone(), whole));
        }
    }
    edit.adjustments.push((Some(adjustment.clone()), after.clone()));
    store.edit_catalog(&edit).await?;
    Ok(after)
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
