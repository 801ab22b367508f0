//! Rules of ledger rows.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::ledger::LedgerRow;
use evercount_core::order::{LogRank, OrderVersion};
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{Page, Store, StoreError};

use super::*;

/// Every field, and values that DynamoDB itself cannot hold.
pub async fn a_row_comes_back_as_it_was_written<S: Store>(store: &S) {
    let number = |text: &str| Value::Number(text.parse().unwrap());
    let nested = (0..31).fold(Value::Null, |inner, _| Value::List(vec![inner]));
    let remembered = Item::from([
        ("null".to_owned(), Value::Null),
        ("empty".to_owned(), Value::String(String::new())),
        ("decimal".to_owned(), number("12345678901234567890123456789012345678901234567890.123456789012345")),
        ("tiny".to_owned(), number("1e-300")),
        ("plain".to_owned(), number("-0.5")),
        ("bytes".to_owned(), Value::Binary(vec![0, 255])),
        ("set".to_owned(), Value::StringSet(["a".to_owned(), "b".to_owned()].into())),
        ("empty set".to_owned(), Value::StringSet([].into())),
        ("deep".to_owned(), nested),
        ("map".to_owned(), Value::Map([("k \"#".to_owned(), Value::Bool(true))].into())),
    ]);
    let full = LedgerRow {
        version: OrderVersion::binlog(3, 7, 154, 2, LogRank::Change),
        remembered,
        before_digest: 1,
        ambiguous: Some(OrderVersion::clock(0, AT)),
        ..row(u64::from(u32::MAX))
    };
    let tombstone = LedgerRow {
        present: false,
        contributions: [].into(),
        remembered: Item::new(),
        after_digest: 0,
        expires_at: Some(1_770_543_001_000_000),
        ..row(1)
    };
    let written = vec![
        write(key("full"), None, Some(full.clone())),
        write(key("tombstone"), None, Some(tombstone.clone())),
    ];
    store.commit(&rows_commit(written)).await.unwrap();
    let read = store.rows(&[key("full"), key("tombstone")].into()).await.unwrap();
    assert_eq!(read, [(key("full"), full), (key("tombstone"), tombstone)].into());
}

/// A row is written by whoever read it last, and by nobody else.
pub async fn a_row_written_from_a_stale_revision_conflicts<S: Store>(store: &S) {
    let attempt = async |expected, to| store.commit(&rows_commit(vec![write(key("1"), expected, to)])).await;
    assert_eq!(attempt(Some(1), Some(row(2))).await.unwrap_err(), StoreError::Conflict);
    assert_eq!(attempt(Some(1), None).await.unwrap_err(), StoreError::Conflict);
    attempt(None, Some(row(1))).await.unwrap();
    assert_eq!(attempt(None, Some(row(1))).await.unwrap_err(), StoreError::Conflict);
    attempt(Some(1), Some(row(2))).await.unwrap();
    assert_eq!(attempt(Some(1), Some(row(2))).await.unwrap_err(), StoreError::Conflict);
    assert_eq!(attempt(Some(1), None).await.unwrap_err(), StoreError::Conflict);
    attempt(Some(2), None).await.unwrap();
    assert!(store.rows(&[key("1")].into()).await.unwrap().is_empty());
    attempt(None, Some(row(1))).await.unwrap();
}

/// Keys are data: of any length, in any script, with any separator in them.
pub async fn rows_of_odd_identities_are_kept_apart<S: Store>(store: &S) {
    let long = "x".repeat(1_990);
    let position = |table: &str, text: &str| RowKey {
        table: TableName::new(table),
        identity: RowIdentity::Position(text.into()),
    };
    let keys = [
        key(r#"{"id":"a"}"#),
        key(r#"{"id":"A"}"#),
        key(r#"{"id":"a#b"}"#),
        key("1"),
        position("orders", "1"),
        key_of("orders#1", "2"),
        key_of("orders", "1#2"),
        key_of("orders@1", "2"),
        position("orders", "1@2"),
        position("orders", ""),
        key_of("shop.orders", "1"),
        key_of("Bestellungen \u{e4}\u{1F600}", "\u{e4}"),
        key_of("Bestellungen \u{e4}\u{1F600}", "a\u{308}"),
        key(&format!("{long}1")),
        key(&format!("{long}2")),
        key(&"\u{1F600}".repeat(2_000)),
        key(&format!("{}\0\u{1}", "\u{e4}".repeat(760))),
    ];
    let writes = (1..).zip(&keys).map(|(n, key)| write(key.clone(), None, Some(row(n)))).collect();
    store.commit(&rows_commit(writes)).await.unwrap();
    let read = store.rows(&keys.iter().cloned().collect()).await.unwrap();
    let expected: BTreeMap<RowKey, LedgerRow> = keys.iter().cloned().zip((1..).map(row)).collect();
    assert_eq!(read, expected);
    for table in ["orders", "orders#1", "orders@1", "shop.orders"] {
        let wanted: BTreeSet<&RowKey> = keys.iter().filter(|key| key.table.as_str() == table).collect();
        let rows = store.rows_of_table(&TableName::new(table), None).await.unwrap().rows;
        assert_eq!(rows.iter().map(|(key, _)| key).collect::<BTreeSet<_>>(), wanted, "{table}");
    }
}

async fn fill<S: Store>(store: &S, table: &str, rows: u64) {
    // Long values, so that a page of 1 MB does not hold them all.
    let remembered = Item::from([("text".to_owned(), Value::String("x".repeat(4_000)))]);
    let numbers: Vec<u64> = (0..rows).collect();
    for numbers in numbers.chunks(50) {
        let one = |n: &u64| LedgerRow { remembered: remembered.clone(), ..row(*n) };
        let writes =
            numbers.iter().map(|n| write(key_of(table, &n.to_string()), None, Some(one(n)))).collect();
        store.commit(&rows_commit(writes)).await.unwrap();
    }
}

/// More keys than one request takes, some of which are not there.
pub async fn many_rows_are_read_at_once_and_missing_ones_left_out<S: Store>(store: &S) {
    fill(store, "orders", 150).await;
    let keys: BTreeSet<RowKey> = (100..260).map(|n: u64| key(&n.to_string())).collect();
    let read = store.rows(&keys).await.unwrap();
    assert_eq!(read.len(), 50);
    assert!(read.iter().all(|(key, row)| key.identity.as_str() == row.revision.to_string()));
    assert!(store.rows(&BTreeSet::new()).await.unwrap().is_empty());
}

/// Pages hold each row of the table once, and none of another's.
pub async fn rows_of_a_table_are_paged_through_once_each<S: Store>(store: &S) {
    fill(store, "orders", 400).await;
    fill(store, "other", 20).await;
    let (mut seen, mut pages, mut after) = (BTreeSet::new(), 0, None);
    loop {
        let Page { rows, next, read_units } =
            store.rows_of_table(&TableName::new("orders"), after).await.unwrap();
        pages += 1;
        assert_eq!(read_units > 0.0, !rows.is_empty(), "{read_units}");
        for (key, _) in rows {
            assert_eq!(key.table.as_str(), "orders");
            assert!(seen.insert(key));
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 400);
    assert!(pages > 1, "one page of everything proves nothing");
}

/// Emptying a table deletes each page before it asks for the next one.
pub async fn rows_may_be_forgotten_while_they_are_paged_through<S: Store>(store: &S) {
    fill(store, "orders", 400).await;
    let mut after = None;
    loop {
        let Page { rows, next, .. } = store.rows_of_table(&TableName::new("orders"), after).await.unwrap();
        for rows in rows.chunks(50) {
            let forget = |(key, row): &(RowKey, LedgerRow)| write(key.clone(), Some(row.revision), None);
            store.commit(&rows_commit(rows.iter().map(forget).collect())).await.unwrap();
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    let left = store.rows_of_table(&TableName::new("orders"), None).await.unwrap();
    assert_eq!((left.rows, left.next), (Vec::new(), None));
}
