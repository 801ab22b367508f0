//! Reading an item as a version of the schema has it, together with what is kept beside the table for it.

use evercount_core::change::{RowKey, TableName};
use evercount_core::mutation::decide::{InForce, Reader, seen};
use evercount_core::mutation::refusal::Refusal;
use evercount_core::mutation::without_stamp;
use evercount_core::order::Micros;
use evercount_core::shadow::ShadowRow;
use evercount_core::value::Item;

use super::knowledge::Knowledge;
use super::{Agent, Warm};
use crate::beside;
use crate::ports::{CountedTable, RegistryStore, ShadowSchemaStore, ShadowStore, StoreError};

/// An item as a reader of a version sees it; `None` for the version is the one in force, and of the item that
/// there is none.
///
/// # Errors
/// Whatever the stores answer.
pub async fn item<R, S, T>(
    agent: &Agent<'_, R, S, T>,
    warm: &Warm,
    key: &RowKey,
    reads_for: Option<u32>,
    now: Micros,
) -> Result<Result<Option<Item>, Refusal>, StoreError>
where
    R: RegistryStore,
    S: ShadowSchemaStore + ShadowStore,
    T: CountedTable,
{
    let (known, (item, row)) = Knowledge::and_item(agent, warm, key, reads_for, now).await?;
    let Some(item) = item else { return Ok(Ok(None)) };
    Ok(shown(agent, &known, &item, row.as_ref(), reads_for).map(Some))
}

/// Items that were read, as by a query, as a reader of a version sees them; one that is gone meanwhile is
/// left out.
///
/// # Errors
/// Whatever the stores answer.
pub async fn items<R, S, T>(
    agent: &Agent<'_, R, S, T>,
    warm: &Warm,
    table: &TableName,
    read: Vec<(RowKey, Item)>,
    reads_for: Option<u32>,
    now: Micros,
) -> Result<Vec<(RowKey, Result<Item, Refusal>)>, StoreError>
where
    R: RegistryStore,
    S: ShadowSchemaStore + ShadowStore,
    T: CountedTable,
{
    let mut known = Knowledge::load(agent, warm, table, now).await?;
    if read.iter().any(|(_, item)| known.is_behind(Some(item), reads_for)) {
        warm.forget(table);
        known = Knowledge::load(agent, warm, table, now).await?;
    }
    let whole = beside::items(agent.table, agent.store, read, known.shadow()).await?;
    let seen = whole.into_iter().map(|(key, item, row)| {
        let seen = shown(agent, &known, &item, row.as_ref(), reads_for);
        (key, seen)
    });
    Ok(seen.collect())
}

fn shown<R, S, T>(
    agent: &Agent<'_, R, S, T>,
    known: &Knowledge,
    item: &Item,
    row: Option<&ShadowRow>,
    reads_for: Option<u32>,
) -> Result<Item, Refusal> {
    let in_force = known.in_force().map(|number| InForce { number, graph: known.graph() });
    let unnamed = known.unnamed(reads_for);
    let stored_in = known.detected(&without_stamp(item), true);
    let reader = Reader { reads_for, stored_in, unnamed: &unnamed };
    seen(item, row, known.shadow(), in_force, reader, agent.functions)
}
