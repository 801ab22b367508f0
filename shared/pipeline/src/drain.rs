//! Draining: rows of versions that are no longer counted hand over what they hold to the versions
//! derived from them, so that a retired version's cells can go.
//!
//! A row hands over in one transaction: what leaves the parent's cells arrives, as its image, in
//! the child's, so no reading changes at any cut. Rows that writers touch hand over by themselves;
//! this walks over the rest.

use evercount_core::change::{RowKey, TableName};
use evercount_core::ledger::{self, LedgerRow};
use evercount_core::logic::{Base, LogicVersion, TableLogic};
use evercount_core::placement::Placement;

use crate::empty_table::fence_all;
use crate::operator;
use crate::ports::{CatalogEdit, Store, StoreError};
use crate::read;

/// Hands over up to so many pages of rows. Returns where to go on, or `None` once all rows have
/// handed over and the drained versions are gone.
///
/// # Errors
/// Whatever the store answers.
pub async fn run<S: Store>(
    store: &S,
    table: &TableName,
    after: Option<String>,
    pages: u32,
) -> Result<Option<String>, StoreError> {
    let catalog = read::catalog(store).await?;
    if catalog.draining_of(table).is_empty() {
        return Ok(None);
    }
    if after.is_none() {
        // Whoever retired the versions may have died before all lanes were told.
        fence_all(store).await?;
    }
    let table = catalog.ledger_name(table).clone();
    let mut placement = Placement::default();
    let mut after = after;
    for _ in 0..pages {
        let judge = |_: &RowKey, row: &LedgerRow, logic: &TableLogic| ledger::drained(row, logic);
        let (_, next) = operator::rewrite_page(store, &table, after, &mut placement, judge).await?;
        match next {
            Some(next) => after = Some(next),
            None => {
                finish(store, catalog.draining_of(&table)).await?;
                return Ok(None);
            }
        }
    }
    Ok(after)
}

/// Cuts the ties to versions that hold nothing any more, and removes their cells.
async fn finish<S: Store>(store: &S, drained: &[std::sync::Arc<LogicVersion>]) -> Result<(), StoreError> {
    for gone in drained {
        let cells = store.cells(&gone.id).await?;
        let holds = |(cell, n): (&evercount_core::group::Cell, &i64)| {
            *n != 0 && !matches!(cell, evercount_core::group::Cell::Evidence { .. })
        };
        if cells.iter().any(holds) {
            // A row was written by somebody who did not know yet: the next walk finds it.
            return Ok(());
        }
    }
    let versions = store.versions().await?;
    for gone in drained {
        let mut edit = CatalogEdit::default();
        for child in versions.iter().filter(|one| one.base_id().as_ref() == Some(&gone.id)) {
            edit.change.push((child.clone(), LogicVersion { base: Base::Own, ..child.clone() }));
        }
        if !edit.change.is_empty() {
            store.edit_catalog(&edit).await?;
        }
        store.delete_cells(&gone.id).await?;
    }
    Ok(())
}
