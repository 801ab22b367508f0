//! Rules of the catalog and of table facts.

use evercount_core::change::{ColumnCoding, TableName, TableShape};
use evercount_core::chunk::Commit;
use evercount_core::definition::DefinitionName;
use evercount_core::logic::{Coverage, LogicState, LogicVersion};
use evercount_core::order::{Floor, LogRank, OrderVersion};
use evercount_pipeline::define::{self, DefineError};
use evercount_pipeline::ports::{Store, StoreError};

use super::*;

fn version(name: &str) -> LogicVersion {
    LogicVersion::new(1, definition(name), LogicState::Active, Coverage::Whole, AT)
}

/// Whatever order floors come in, the latest stands.
pub async fn a_later_floor_stands<S: Store>(store: &S) {
    let (orders, log) = (TableName::new("orders"), TableName::new("shop.orders"));
    let at = |offset| Floor::Version(OrderVersion::binlog(0, 1, offset, 0, LogRank::Change));
    for offset in [5, 9, 7, 9] {
        store.raise_floor(&orders, &at(offset)).await.unwrap();
    }
    for time in [AT, AT - 1] {
        store.raise_floor(&log, &Floor::Time(time)).await.unwrap();
    }
    let facts = store.table_facts().await.unwrap();
    assert_eq!(facts.floors, [(orders.clone(), at(9)), (log.clone(), Floor::Time(AT))].into());
    assert!(facts.shapes.is_empty());
    // A floor by time gives way to one that compares with versions, and not the other way round.
    store.raise_floor(&log, &at(1)).await.unwrap();
    store.raise_floor(&log, &Floor::Time(AT + 5)).await.unwrap();
    assert_eq!(store.table_facts().await.unwrap().floors.get(&log), Some(&at(1)));
}

fn shape(column: &str) -> TableShape {
    TableShape {
        key: vec!["id".to_owned(), "zweiter Schl\u{fc}ssel".to_owned()],
        columns: vec![
            (column.to_owned(), ColumnCoding::UnscaledDecimal { scale: -2 }),
            ("photo".to_owned(), ColumnCoding::Binary),
            ("hits".to_owned(), ColumnCoding::Unsigned64),
        ],
    }
}

/// What was said last stands; what was said at the same time and arrives later does, too.
pub async fn the_newest_shape_stands<S: Store>(store: &S) {
    let table = TableName::new("orders");
    for (at, column) in [(AT, "a"), (AT + 2, "b"), (AT + 1, "c")] {
        store.learn_shape(&table, at, &shape(column)).await.unwrap();
    }
    assert_eq!(store.table_facts().await.unwrap().shapes, [(table.clone(), (AT + 2, shape("b")))].into());
    store.learn_shape(&table, AT + 2, &shape("d")).await.unwrap();
    assert_eq!(store.table_facts().await.unwrap().shapes, [(table, (AT + 2, shape("d")))].into());
}

/// They are facts of one table and change at different times, at once too.
pub async fn floors_and_shapes_do_not_disturb_each_other<S: Store>(store: &S) {
    let table = TableName::new(format!("{}.orders", "schema".repeat(300)));
    for at in AT..=AT + 4 {
        let (floor, empty) = (Floor::Time(at), TableShape::default());
        let (one, other) =
            tokio::join!(store.raise_floor(&table, &floor), store.learn_shape(&table, at, &empty));
        one.unwrap();
        other.unwrap();
    }
    let (newer, empty) = (Floor::Time(AT + 4), TableShape::default());
    let facts = store.table_facts().await.unwrap();
    assert_eq!(facts.floors, [(table.clone(), newer)].into());
    assert_eq!(facts.shapes, [(table, (AT + 4, empty))].into());
}

/// A counter asks before every batch, so the common answer is "nothing new".
pub async fn the_catalog_is_told_only_when_it_changed<S: Store>(store: &S) {
    let before = store.catalog(None).await.unwrap().unwrap();
    assert_eq!(before.all().count(), 0);
    assert!(store.catalog(Some(before.revision)).await.unwrap().is_none());
    store.create_version(&version("orders_by_status")).await.unwrap();
    let created = store.catalog(Some(before.revision)).await.unwrap().unwrap();
    assert!(created.revision > before.revision);
    assert_eq!(created.of_table(&TableName::new("orders")).len(), 1);
    let retired = LogicVersion { state: LogicState::Retired, ..version("orders_by_status") };
    store.update_version(&version("orders_by_status"), &retired).await.unwrap();
    let changed = store.catalog(Some(created.revision)).await.unwrap().unwrap();
    assert!(changed.of_table(&TableName::new("orders")).is_empty());
    assert_eq!(store.versions().await.unwrap(), [retired]);
}

/// Of two that create one version, one is told so.
pub async fn a_version_is_created_once<S: Store>(store: &S) {
    store.create_version(&version("orders_by_status")).await.unwrap();
    let revision = store.catalog(None).await.unwrap().unwrap().revision;
    let again = LogicVersion { state: LogicState::Shadow, ..version("orders_by_status") };
    assert_eq!(store.create_version(&again).await.unwrap_err(), StoreError::Conflict);
    assert_eq!(store.versions().await.unwrap(), [version("orders_by_status")]);
    assert!(store.catalog(Some(revision)).await.unwrap().is_none());
    store.create_version(&version("a-second")).await.unwrap();
    assert_eq!(store.versions().await.unwrap(), [version("a-second"), version("orders_by_status")]);
}

/// Promotion and rollback are conditional on what was looked at.
pub async fn a_version_is_updated_only_from_what_is_stored<S: Store>(store: &S) {
    let stored = version("orders_by_status");
    let standby = LogicVersion { state: LogicState::Standby, ..stored.clone() };
    let since = LogicVersion { coverage: Coverage::Since(AT), ..standby.clone() };
    assert_eq!(store.update_version(&stored, &standby).await.unwrap_err(), StoreError::Conflict);
    store.create_version(&stored).await.unwrap();
    assert_eq!(store.update_version(&standby, &since).await.unwrap_err(), StoreError::Conflict);
    store.update_version(&stored, &standby).await.unwrap();
    assert_eq!(store.update_version(&stored, &standby).await.unwrap_err(), StoreError::Conflict);
    store.update_version(&standby, &since).await.unwrap();
    assert_eq!(store.versions().await.unwrap(), [since]);
}

/// Rows still remember what they contributed to a deleted definition's versions, so a new
/// definition of the name must not take their numbers.
pub async fn a_deleted_definition_is_gone_and_its_number_is_not_reused<S: Store>(store: &S) {
    let name = DefinitionName::parse("orders_by_status").unwrap();
    assert!(!store.delete_definition(&name).await.unwrap());
    let first = define::create(store, definition("orders_by_status"), Coverage::Whole, AT).await.unwrap();
    let other = define::create(store, definition("orders_by_status_2"), Coverage::Whole, AT).await.unwrap();
    let again = define::create(store, definition("orders_by_status"), Coverage::Whole, AT).await;
    assert_eq!(again, Err(DefineError::Exists("orders_by_status".to_owned())));
    for name in ["a", "b"] {
        let many: Vec<_> = (0..40).map(|bucket| move_of(&first.id, bucket, &[(group("OPEN"), 1)])).collect();
        store.commit(&Commit { moves: many, ..Commit::empty(lane(name)) }).await.unwrap();
        let kept = vec![move_of(&other.id, 0, &[(group("OPEN"), 1)])];
        store.commit(&Commit { moves: kept, ..Commit::empty(lane(name)) }).await.unwrap();
    }
    let revision = store.catalog(None).await.unwrap().unwrap().revision;
    assert!(store.delete_definition(&name).await.unwrap());
    assert!(!store.delete_definition(&name).await.unwrap());
    assert!(store.cells(&first.id).await.unwrap().is_empty());
    assert_eq!(store.cells(&other.id).await.unwrap(), cells(&[(group("OPEN"), 2)]));
    let catalog = store.catalog(Some(revision)).await.unwrap().unwrap();
    assert_eq!(catalog.all().map(|version| version.id.clone()).collect::<Vec<_>>(), [other.id]);
    let second = define::create(store, definition("orders_by_status"), Coverage::Whole, AT).await.unwrap();
    assert_eq!(second.id, logic("orders_by_status", 2));
    assert!(store.cells(&second.id).await.unwrap().is_empty());
}
