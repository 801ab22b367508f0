//! Reading an item together with what is kept beside the table for it, so that the two are of one moment.
//!
//! The item is read first. Whatever a mutation writes beside the table carries the item's version from then
//! on, so a value newer than the item tells that the two are not of one moment, and both are read again. A
//! value that was moved into the table meanwhile is beside it still: it is deleted only long after. Where a
//! value beside the table shows, the item is read once more: it may have gone and come back since, with a
//! version that some clock had fallen behind with. So it is where nobody stamped the item: only that it is the
//! same before and after then tells that the two are of one moment.

use std::collections::BTreeSet;

use evercount_core::change::RowKey;
use evercount_core::mutation::Stamp;
use evercount_core::order::ItemVersion;
use evercount_core::shadow::beside::is_newer;
use evercount_core::shadow::{ShadowRow, ShadowSchema};
use evercount_core::value::Item;

use crate::ports::{CountedTable, ShadowStore, StoreError};

/// Times that an item is read before it counts as one that keeps changing.
const READS_MAX: u32 = 8;

/// An item, and what is kept beside the table for it.
pub type Whole = (Option<Item>, Option<ShadowRow>);

/// Whether anything is kept beside the table that this schema is of.
#[must_use]
pub fn is_consulted(schema: Option<&ShadowSchema>) -> bool {
    schema.is_some_and(|schema| schema.kept_beside().next().is_some())
}

/// An item with what is kept beside the table for it, of one moment.
///
/// # Errors
/// Whatever the stores answer; [`StoreError::Unavailable`] where the item keeps changing.
pub async fn item<T: CountedTable, S: ShadowStore>(
    table: &T,
    store: &S,
    key: &RowKey,
    schema: Option<&ShadowSchema>,
) -> Result<Whole, StoreError> {
    for _ in 0..READS_MAX {
        let item = table.item(key).await?;
        if !is_consulted(schema) {
            return Ok((item, None));
        }
        let row = store.shadow_rows(&[key.clone()].into()).await?.remove(key);
        let is_of_one_moment = is_of_one_moment(item.as_ref(), row.as_ref());
        let is_stamped = item.as_ref().is_none_or(|item| Stamp::of(item).version > ItemVersion::NONE);
        if !is_of_one_moment && is_stamped {
            continue;
        }
        let is_sure = is_of_one_moment && !is_shown(item.as_ref(), row.as_ref());
        if is_sure || table.item(key).await? == item {
            return Ok((item, row));
        }
    }
    Err(StoreError::Unavailable(format!("an item of `{}` keeps changing", key.table)))
}

/// Items that were read, as by a query, each with what is kept beside the table for it. Those that changed
/// meanwhile, and those of which something beside the table shows, are read again; one that is gone is left
/// out.
///
/// # Errors
/// As [`item`].
pub async fn items<T: CountedTable, S: ShadowStore>(
    table: &T,
    store: &S,
    read: Vec<(RowKey, Item)>,
    schema: Option<&ShadowSchema>,
) -> Result<Vec<(RowKey, Item, Option<ShadowRow>)>, StoreError> {
    if !is_consulted(schema) {
        return Ok(read.into_iter().map(|(key, item)| (key, item, None)).collect());
    }
    let keys: BTreeSet<RowKey> = read.iter().map(|(key, _)| key.clone()).collect();
    let mut rows = store.shadow_rows(&keys).await?;
    let mut whole = Vec::with_capacity(read.len());
    for (key, one) in read {
        let row = rows.remove(&key);
        if is_of_one_moment(Some(&one), row.as_ref()) && !is_shown(Some(&one), row.as_ref()) {
            whole.push((key, one, row));
        } else if let (Some(one), row) = item(table, store, &key, schema).await? {
            whole.push((key, one, row));
        }
    }
    Ok(whole)
}

fn is_of_one_moment(item: Option<&Item>, row: Option<&ShadowRow>) -> bool {
    match (item, row) {
        (Some(item), Some(row)) => !is_newer(row, item),
        // Of an item that does not exist nothing is shown.
        _ => true,
    }
}

/// Whether the item shows a value that is beside the table.
fn is_shown(item: Option<&Item>, row: Option<&ShadowRow>) -> bool {
    let (Some(item), Some(row)) = (item, row) else { return false };
    row.values.iter().any(|(name, one)| one.value.is_some() && !item.contains_key(name))
}
