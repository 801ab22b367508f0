//! Rules of a table that is counted and written for somebody else, and of what is kept beside it.

#![expect(clippy::unwrap_used, reason = "rules of a contract fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::decimal::Decimal;
use evercount_core::mutation::Stamp;
use evercount_core::mutation::once::{Once, REMEMBERED_FOR};
use evercount_core::order::ItemVersion;
use evercount_core::shadow::{ShadowRow, ShadowSchema, ShadowValue};
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{
    BesideWrite, CountedTable, ItemWrite, ShadowSchemaStore, ShadowStore, StoreError, TableWrite,
};

/// Hands the names of all rules to a macro, as `every_rule!` does. A rule is given the table, which has the
/// key `id`, a text, and is called `orders`, and the store beside it.
#[macro_export]
macro_rules! every_counted_rule {
    ($run:ident) => {
        $run! {
            an_item_comes_back_as_it_was_written,
            an_item_is_created_once,
            a_write_from_an_earlier_version_conflicts,
            an_item_without_a_version_is_as_it_was_read_where_it_changes,
            what_a_write_leaves_alone_stays,
            what_is_replaced_is_what_was_written_and_nothing_else,
            a_deletion_is_conditional,
            what_goes_beside_the_table_goes_with_the_item_or_not_at_all,
            what_was_decided_by_another_shadow_schema_is_not_written,
            a_request_is_noted_with_what_it_writes_and_once_under_its_token,
        }
    };
}

fn row(id: &str) -> RowKey {
    let identity = RowIdentity::Key(format!("{{\"id\":\"{id}\"}}").into());
    RowKey { table: TableName::new("orders"), identity }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn item(id: &str, version: u64, status: &str) -> Item {
    let number = Value::Number(Decimal::from(7));
    let all =
        [("id", text(id)), ("status", text(status)), ("a.b #c", Value::List(vec![number, Value::Null]))];
    let mut item: Item = all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if version > 0 {
        Stamp { version: ItemVersion(version), schema: Some(3) }.put(&mut item);
    }
    item
}

fn write(id: &str, from: Option<Item>, to: Option<Item>) -> TableWrite {
    let item = ItemWrite { from, to, absent: BTreeSet::new(), replaces: false };
    TableWrite { row: row(id), item: Some(item), beside: None }
}

fn beside(from: Option<u64>, revision: u64, schema: u64) -> Option<BesideWrite> {
    let value = ShadowValue { value: Some(text("calm")), order: ItemVersion(revision), at: 5 };
    let to = ShadowRow { revision, values: BTreeMap::from([("mood".to_owned(), value)]) };
    Some(BesideWrite { from, to, schema })
}

/// Attributes of every name and kind.
pub async fn an_item_comes_back_as_it_was_written(
    table: &impl CountedTable,
    _: &(impl ShadowSchemaStore + ShadowStore),
) {
    assert_eq!(table.item(&row("1")).await, Ok(None));
    table.write(&write("1", None, Some(item("1", 5, "OPEN")))).await.unwrap();
    assert_eq!(table.item(&row("1")).await, Ok(Some(item("1", 5, "OPEN"))));
}

/// Where there is an item, another one is not created.
pub async fn an_item_is_created_once(table: &impl CountedTable, _: &(impl ShadowSchemaStore + ShadowStore)) {
    table.write(&write("1", None, Some(item("1", 5, "OPEN")))).await.unwrap();
    let again = table.write(&write("1", None, Some(item("1", 6, "DONE")))).await;
    assert_eq!(again, Err(StoreError::Conflict));
    assert_eq!(table.item(&row("1")).await, Ok(Some(item("1", 5, "OPEN"))));
}

/// Whoever read an earlier version has to read again, also where the item is gone.
pub async fn a_write_from_an_earlier_version_conflicts(
    table: &impl CountedTable,
    _: &(impl ShadowSchemaStore + ShadowStore),
) {
    table.write(&write("1", None, Some(item("1", 5, "OPEN")))).await.unwrap();
    let from = |version| Some(item("1", version, "OPEN"));
    table.write(&write("1", from(5), Some(item("1", 6, "DONE")))).await.unwrap();
    for version in [5, 7, 0] {
        let stale = table.write(&write("1", from(version), Some(item("1", 8, "GONE")))).await;
        assert_eq!(stale, Err(StoreError::Conflict), "from version {version}");
    }
    let nobody = table.write(&write("2", Some(item("2", 5, "OPEN")), Some(item("2", 6, "DONE")))).await;
    assert_eq!(nobody, Err(StoreError::Conflict));
    assert_eq!(table.item(&row("1")).await, Ok(Some(item("1", 6, "DONE"))));
    assert_eq!(table.item(&row("2")).await, Ok(None));
}

/// Others write it past the proxy: what changes must be as it was read.
pub async fn an_item_without_a_version_is_as_it_was_read_where_it_changes(
    table: &impl CountedTable,
    _: &(impl ShadowSchemaStore + ShadowStore),
) {
    table.write(&write("1", None, Some(item("1", 0, "OPEN")))).await.unwrap();
    let read = Some(item("1", 0, "CLOSED"));
    let stale = table.write(&write("1", read, Some(item("1", 6, "DONE")))).await;
    assert_eq!(stale, Err(StoreError::Conflict));
    table.write(&write("1", Some(item("1", 0, "OPEN")), Some(item("1", 6, "DONE")))).await.unwrap();
    assert_eq!(table.item(&row("1")).await, Ok(Some(item("1", 6, "DONE"))));
}

/// An attribute that came since stays, and one that goes is gone.
pub async fn what_a_write_leaves_alone_stays(
    table: &impl CountedTable,
    _: &(impl ShadowSchemaStore + ShadowStore),
) {
    let mut stored = item("1", 5, "OPEN");
    stored.insert("note".to_owned(), text("x"));
    table.write(&write("1", None, Some(stored))).await.unwrap();
    let mut to = item("1", 6, "OPEN");
    to.remove("status");
    table.write(&write("1", Some(item("1", 5, "OPEN")), Some(to.clone()))).await.unwrap();
    to.insert("note".to_owned(), text("x"));
    assert_eq!(table.item(&row("1")).await, Ok(Some(to)));
}

/// An attribute that came since goes.
pub async fn what_is_replaced_is_what_was_written_and_nothing_else(
    table: &impl CountedTable,
    _: &(impl ShadowSchemaStore + ShadowStore),
) {
    let mut stored = item("1", 0, "OPEN");
    stored.insert("note".to_owned(), text("x"));
    table.write(&write("1", None, Some(stored))).await.unwrap();
    let replacing = |from| {
        let mut write = write("1", Some(item("1", 0, from)), Some(item("1", 0, "DONE")));
        write.item.iter_mut().for_each(|item| item.replaces = true);
        write
    };
    assert_eq!(table.write(&replacing("CLOSED")).await, Err(StoreError::Conflict));
    table.write(&replacing("OPEN")).await.unwrap();
    assert_eq!(table.item(&row("1")).await, Ok(Some(item("1", 0, "DONE"))));
}

/// An item that was written since stays.
pub async fn a_deletion_is_conditional(
    table: &impl CountedTable,
    _: &(impl ShadowSchemaStore + ShadowStore),
) {
    table.write(&write("1", None, Some(item("1", 5, "OPEN")))).await.unwrap();
    let stale = table.write(&write("1", Some(item("1", 4, "OPEN")), None)).await;
    assert_eq!(stale, Err(StoreError::Conflict));
    table.write(&write("1", Some(item("1", 5, "OPEN")), None)).await.unwrap();
    assert_eq!(table.item(&row("1")).await, Ok(None));
}

async fn believe(store: &impl ShadowSchemaStore, from: Option<u64>, revision: u64) {
    let schema = ShadowSchema { revision, ..ShadowSchema::nothing(TableName::new("orders"), 0) };
    store.replace_shadow_schema(from, &schema).await.unwrap();
}

/// Both or neither.
pub async fn what_goes_beside_the_table_goes_with_the_item_or_not_at_all(
    table: &impl CountedTable,
    store: &(impl ShadowSchemaStore + ShadowStore),
) {
    believe(store, None, 4).await;
    let kept = async || store.shadow_rows(&[row("1")].into()).await.unwrap().remove(&row("1"));
    let first = TableWrite { beside: beside(None, 5, 4), ..write("1", None, Some(item("1", 5, "OPEN"))) };
    table.write(&first).await.unwrap();
    assert_eq!(kept().await.map(|row| row.revision), Some(5));
    let read = || Some(item("1", 5, "OPEN"));
    let stale_item = write("1", Some(item("1", 4, "OPEN")), Some(item("1", 6, "DONE")));
    let stale_item = TableWrite { beside: beside(Some(5), 6, 4), ..stale_item };
    let stale_row = write("1", read(), Some(item("1", 6, "DONE")));
    let stale_row = TableWrite { beside: beside(Some(4), 6, 4), ..stale_row };
    for stale in [stale_item, stale_row] {
        assert_eq!(table.write(&stale).await, Err(StoreError::Conflict));
    }
    assert_eq!(kept().await.map(|row| row.revision), Some(5));
    assert_eq!(table.item(&row("1")).await, Ok(read()));
    let gone = TableWrite { beside: beside(Some(5), 6, 4), ..write("1", read(), None) };
    table.write(&gone).await.unwrap();
    assert_eq!((table.item(&row("1")).await, kept().await.map(|row| row.revision)), (Ok(None), Some(6)));
}

/// A column may have arrived since.
pub async fn what_was_decided_by_another_shadow_schema_is_not_written(
    table: &impl CountedTable,
    store: &(impl ShadowSchemaStore + ShadowStore),
) {
    believe(store, None, 4).await;
    believe(store, Some(4), 5).await;
    let write = TableWrite { beside: beside(None, 5, 4), ..write("1", None, Some(item("1", 5, "OPEN"))) };
    assert_eq!(table.write(&write).await, Err(StoreError::Conflict));
    assert_eq!(table.item(&row("1")).await, Ok(None));
    let alone = TableWrite { item: None, ..write.clone() };
    assert_eq!(table.write(&alone).await, Err(StoreError::Conflict));
    assert_eq!(store.shadow_rows(&[row("1")].into()).await, Ok(BTreeMap::new()));
    let current = TableWrite { beside: beside(None, 5, 5), ..write };
    table.write(&current).await.unwrap();
    assert_eq!(table.item(&row("1")).await, Ok(Some(item("1", 5, "OPEN"))));
}

/// A token stands for one request until it is forgotten; what conflicts is not noted.
pub async fn a_request_is_noted_with_what_it_writes_and_once_under_its_token(
    table: &impl CountedTable,
    _: &(impl ShadowSchemaStore + ShadowStore),
) {
    let once = |request, at| Once { token: "a token".to_owned(), request, at: 1_700_000_000_000_000 + at };
    let new = |id: &str| [write(id, None, Some(item(id, 5, "OPEN")))];
    assert_eq!(table.carried_out("a token").await, Ok(None));
    let conflicting = [write("1", Some(item("1", 4, "OPEN")), None)];
    assert_eq!(table.write_all(&conflicting, Some(&once(6, 0))).await, Err(StoreError::Conflict));
    assert_eq!(table.carried_out("a token").await, Ok(None));
    table.write_all(&new("1"), Some(&once(7, 0))).await.unwrap();
    assert_eq!(table.carried_out("a token").await, Ok(Some(once(7, 0))));
    for (request, at) in [(7, 1), (8, REMEMBERED_FOR - 1)] {
        let again = table.write_all(&new("2"), Some(&once(request, at))).await;
        assert_eq!(again, Err(StoreError::Conflict));
    }
    assert_eq!(table.item(&row("2")).await, Ok(None));
    table.write_all(&new("2"), Some(&once(8, REMEMBERED_FOR))).await.unwrap();
    assert_eq!(table.carried_out("a token").await, Ok(Some(once(8, REMEMBERED_FOR))));
    table.write_all(&new("3"), None).await.unwrap();
}
