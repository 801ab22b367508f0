//! Rules of a store of shadow schemas, and of one of what is kept beside tables.

#![expect(clippy::unwrap_used, reason = "rules of a contract fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::decimal::Decimal;
use evercount_core::order::ItemVersion;
use evercount_core::schema::{Constraints, FieldType, TypeSet};
use evercount_core::shadow::{
    Prefetch, PrefetchFrom, SHADOW_COLUMNS_MAX, ShadowColumn, ShadowRow, ShadowSchema, ShadowState,
    ShadowValue,
};
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{ShadowSchemaStore, ShadowStore, StoreError};

/// Hands the names of all rules to a macro, as `every_rule!` does.
#[macro_export]
macro_rules! every_shadow_rule {
    ($run:ident) => {
        $run! {
            a_shadow_schema_comes_back_as_it_was_written,
            shadow_schemas_are_listed_by_table,
            a_shadow_schema_is_replaced_only_from_its_revision,
            a_shadow_schema_of_too_many_columns_is_rejected,
            shadow_values_come_back_as_they_were_written,
            shadow_values_of_odd_identities_are_kept_apart,
            a_shadow_row_is_replaced_only_from_its_revision,
            a_shadow_row_is_deleted_only_from_its_revision,
            of_two_shadow_writes_at_once_one_wins,
            shadow_rows_of_a_table_are_paged_through_once_each,
            shadow_rows_may_be_deleted_while_they_are_paged_through,
        }
    };
}

const AT: i64 = 1_769_851_800_123_456;

fn key(table: &str, text: &str) -> RowKey {
    RowKey { table: TableName::new(table), identity: RowIdentity::Key(text.into()) }
}

fn number(n: i64) -> Value {
    Value::Number(Decimal::from(n))
}

fn column(state: ShadowState, prefetch: Option<PrefetchFrom>) -> ShadowColumn {
    ShadowColumn {
        types: TypeSet::of(FieldType::String { max_length: Some(40) }).nullable(true),
        default: Some(Value::List(vec![Value::Null, number(7)])),
        constraints: Constraints {
            minimum: Some(Decimal::from(1)),
            pattern: Some("^a".into()),
            closed: true,
            ..Constraints::default()
        },
        expected_at: Some(AT + 86_400_000_000),
        probability: 0.87,
        source: "a field that 31 % of today's events carry".to_owned(),
        prefetch: prefetch.map(|from| Prefetch { from, fresh_for: 3_600_000_000 }),
        state,
    }
}

fn schema(table: &str, revision: u64) -> ShadowSchema {
    let http = PrefetchFrom::Http { url: "https://a/{id}".to_owned(), pointer: "/tier".to_owned() };
    let (bucket, pointer) = ("b".to_owned(), String::new());
    let s3 = PrefetchFrom::S3 { bucket, key: "{id}.json".to_owned(), pointer };
    let other = PrefetchFrom::Table { table: TableName::new("tiers"), attribute: "tier".to_owned() };
    let columns = [
        ("a.b", column(ShadowState::Expected, None)),
        ("tier", column(ShadowState::Arrived { at: AT }, Some(http))),
        ("tier2", column(ShadowState::Moved { at: AT + 1 }, Some(s3))),
        ("tier3", column(ShadowState::GivenUp { at: -1 }, Some(other))),
    ];
    ShadowSchema {
        table: TableName::new(table),
        at: AT,
        revision,
        columns: columns.map(|(name, column)| (name.to_owned(), column)).into(),
    }
}

fn row(revision: u64) -> ShadowRow {
    let of = |value, order| ShadowValue { value, order: ItemVersion(order), at: AT };
    let map = Item::from([("x".to_owned(), Value::Binary(vec![0, 255]))]);
    let values = [
        ("a.b", of(Some(Value::Map(map)), u64::try_from(AT).unwrap())),
        ("removed", of(None, 5)),
        ("tier", of(Some(Value::Null), 0)),
    ];
    ShadowRow { revision, values: values.map(|(name, value)| (name.to_owned(), value)).into() }
}

async fn kept(store: &impl ShadowStore, key: &RowKey) -> Option<ShadowRow> {
    store.shadow_rows(&[key.clone()].into()).await.unwrap().remove(key)
}

/// Everything of it.
pub async fn a_shadow_schema_comes_back_as_it_was_written(store: &impl ShadowSchemaStore) {
    let written = schema("orders", 1);
    assert_eq!(store.shadow_schema(&written.table).await, Ok(None));
    store.replace_shadow_schema(None, &written).await.unwrap();
    assert_eq!(store.shadow_schema(&written.table).await, Ok(Some(written)));
}

/// However they were written, long names among them.
pub async fn shadow_schemas_are_listed_by_table(store: &impl ShadowSchemaStore) {
    let long = "l".repeat(1_200);
    let mut tables = ["b", "orders", "a", "a.b", &long].map(str::to_owned).to_vec();
    for table in &tables {
        store.replace_shadow_schema(None, &schema(table, 1)).await.unwrap();
    }
    tables.sort();
    let listed = store.shadow_schemas().await.unwrap();
    assert_eq!(listed, tables.iter().map(|table| schema(table, 1)).collect::<Vec<_>>());
}

/// Whoever read an earlier one has to read again.
pub async fn a_shadow_schema_is_replaced_only_from_its_revision(store: &impl ShadowSchemaStore) {
    let table = TableName::new("orders");
    assert_eq!(store.replace_shadow_schema(Some(0), &schema("orders", 1)).await, Err(StoreError::Conflict));
    store.replace_shadow_schema(None, &schema("orders", 1)).await.unwrap();
    let nothing = ShadowSchema { revision: 2, ..ShadowSchema::nothing(table.clone(), AT) };
    assert_eq!(store.replace_shadow_schema(None, &nothing).await, Err(StoreError::Conflict));
    assert_eq!(store.replace_shadow_schema(Some(2), &nothing).await, Err(StoreError::Conflict));
    store.replace_shadow_schema(Some(1), &nothing).await.unwrap();
    assert_eq!(store.shadow_schema(&table).await, Ok(Some(nothing)));
    assert_eq!(store.replace_shadow_schema(Some(1), &schema("orders", 2)).await, Err(StoreError::Conflict));
}

/// It has to fit one item.
pub async fn a_shadow_schema_of_too_many_columns_is_rejected(store: &impl ShadowSchemaStore) {
    let mut wide = schema("orders", 1);
    let columns = (0..SHADOW_COLUMNS_MAX).map(|n| (format!("c{n}"), column(ShadowState::Expected, None)));
    wide.columns = columns.collect();
    store.replace_shadow_schema(None, &wide).await.unwrap();
    wide.columns.insert("more".to_owned(), column(ShadowState::Expected, None));
    let refused = store.replace_shadow_schema(Some(1), &ShadowSchema { revision: 2, ..wide }).await;
    assert!(matches!(refused, Err(StoreError::Rejected(_))), "{refused:?}");
}

/// Values of every kind, and what was removed.
pub async fn shadow_values_come_back_as_they_were_written(store: &impl ShadowStore) {
    let key = key("orders", "{\"id\":\"1\"}");
    assert_eq!(kept(store, &key).await, None);
    store.replace_shadow_row(&key, None, Some(&row(1))).await.unwrap();
    assert_eq!(kept(store, &key).await, Some(row(1)));
}

/// Identities that are long, alike, of positions, and of tables whose names are alike.
pub async fn shadow_values_of_odd_identities_are_kept_apart(store: &impl ShadowStore) {
    let long = "k".repeat(2_000);
    let position = RowIdentity::Position("1".into());
    let keys = [
        key("orders", "1"),
        key("orders#0", "1"),
        key("orders", &long),
        key("orders", &format!("{long}2")),
        key("orders", "#1"),
        RowKey { table: TableName::new("orders"), identity: position },
    ];
    for (key, revision) in keys.iter().zip(1..) {
        store.replace_shadow_row(key, None, Some(&row(revision))).await.unwrap();
    }
    let read = store.shadow_rows(&keys.iter().cloned().collect()).await.unwrap();
    let expected: BTreeMap<RowKey, ShadowRow> = keys.into_iter().zip((1..).map(row)).collect();
    assert_eq!(read, expected);
}

/// Whoever read an earlier one has to read again.
pub async fn a_shadow_row_is_replaced_only_from_its_revision(store: &impl ShadowStore) {
    let key = key("orders", "1");
    assert_eq!(store.replace_shadow_row(&key, Some(1), Some(&row(2))).await, Err(StoreError::Conflict));
    store.replace_shadow_row(&key, None, Some(&row(1))).await.unwrap();
    assert_eq!(store.replace_shadow_row(&key, None, Some(&row(2))).await, Err(StoreError::Conflict));
    assert_eq!(store.replace_shadow_row(&key, Some(3), Some(&row(4))).await, Err(StoreError::Conflict));
    let fewer = ShadowRow { revision: 2, values: BTreeMap::new() };
    store.replace_shadow_row(&key, Some(1), Some(&fewer)).await.unwrap();
    assert_eq!(kept(store, &key).await, Some(fewer));
}

/// A row that was changed since it was read stays.
pub async fn a_shadow_row_is_deleted_only_from_its_revision(store: &impl ShadowStore) {
    let key = key("orders", "1");
    assert_eq!(store.replace_shadow_row(&key, Some(1), None).await, Err(StoreError::Conflict));
    assert_eq!(store.replace_shadow_row(&key, None, None).await, Ok(()));
    store.replace_shadow_row(&key, None, Some(&row(1))).await.unwrap();
    assert_eq!(store.replace_shadow_row(&key, Some(2), None).await, Err(StoreError::Conflict));
    assert_eq!(store.replace_shadow_row(&key, None, None).await, Err(StoreError::Conflict));
    assert_eq!(kept(store, &key).await, Some(row(1)));
    store.replace_shadow_row(&key, Some(1), None).await.unwrap();
    assert_eq!(kept(store, &key).await, None);
}

/// Of two that read the same, the second has to read again.
pub async fn of_two_shadow_writes_at_once_one_wins(store: &impl ShadowStore) {
    let key = key("orders", "1");
    let (one, other) = (row(1), ShadowRow { revision: 2, values: BTreeMap::new() });
    let (first, second) = tokio::join!(
        store.replace_shadow_row(&key, None, Some(&one)),
        store.replace_shadow_row(&key, None, Some(&other))
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let winner = if first.is_ok() { one } else { other };
    assert_eq!(kept(store, &key).await, Some(winner));
}

async fn fill(store: &impl ShadowStore, rows: usize) -> BTreeSet<RowKey> {
    let keys: BTreeSet<RowKey> = (0..rows).map(|n| key("orders", &n.to_string())).collect();
    for key in &keys {
        store.replace_shadow_row(key, None, Some(&row(1))).await.unwrap();
    }
    store.replace_shadow_row(&key("orders2", "1"), None, Some(&row(1))).await.unwrap();
    keys
}

/// All of the table, each once, and none of another.
pub async fn shadow_rows_of_a_table_are_paged_through_once_each(store: &impl ShadowStore) {
    let keys = fill(store, 240).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.shadow_rows_of_table(&TableName::new("orders"), after).await.unwrap();
        seen.extend(page.rows.into_iter().map(|(key, _)| key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), keys.len());
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), keys);
    let none = store.shadow_rows_of_table(&TableName::new("nobody"), None).await.unwrap();
    assert!(none.rows.is_empty());
}

/// What is deleted on the way hides no other.
pub async fn shadow_rows_may_be_deleted_while_they_are_paged_through(store: &impl ShadowStore) {
    let keys = fill(store, 60).await;
    let (mut seen, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.shadow_rows_of_table(&TableName::new("orders"), after).await.unwrap();
        for (key, row) in page.rows {
            store.replace_shadow_row(&key, Some(row.revision), None).await.unwrap();
            seen.insert(key);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, keys);
}
