//! Findings about Debezium's schema changes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use evercount_core::change::{ColumnCoding, Passed, Record, TableEvent, TableName, TableShape};
use evercount_core::order::{Floor, LogRank, OrderVersion};
use evercount_wire::cdc::{Decoder, Envelope, Reason, Undecodable};

const CREATE: &str = include_str!("fixtures/cdc/debezium/ddl-create.json");
const ALTER: &str = include_str!("fixtures/cdc/debezium/ddl-alter.json");
const DROP: &str = include_str!("fixtures/cdc/debezium/ddl-drop.json");
const DROP_SNAPSHOT: &str = include_str!("fixtures/cdc/debezium/ddl-drop-snapshot.json");
const RENAME: &str = include_str!("fixtures/cdc/debezium/ddl-rename.json");
const SETTINGS: &str = include_str!("fixtures/cdc/debezium/ddl-settings.json");
const UNLISTED: &str = include_str!("fixtures/cdc/debezium/ddl-unlisted.json");
const HISTORY: &str = include_str!("fixtures/cdc/debezium/history-alter.json");
const SNAPSHOT_ROW: &str = include_str!("fixtures/cdc/debezium/mysql-snapshot.json");

fn decode(text: &str) -> Result<Record, Undecodable> {
    Decoder::new(None, 3).decode(&Envelope::of(text.as_bytes()))
}

fn event(text: &str) -> TableEvent {
    match decode(text).unwrap() {
        Record::Tables(mut events) if events.len() == 1 => events.pop().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn with(text: &str, piece: &str, replacement: &str) -> String {
    assert!(text.contains(piece), "{piece}");
    text.replace(piece, replacement)
}

fn binlog(offset: u64, rank: LogRank) -> OrderVersion {
    OrderVersion::binlog(3, 4, offset, 0, rank)
}

fn shape() -> TableShape {
    let columns = [
        ("price", ColumnCoding::UnscaledDecimal { scale: 6 }),
        ("serial", ColumnCoding::Unsigned64),
        ("label", ColumnCoding::Binary),
    ];
    TableShape {
        key: vec!["id".to_owned()],
        columns: columns.map(|(name, coding)| (name.to_owned(), coding)).to_vec(),
    }
}

#[test]
fn a_schema_change_tells_the_tables_shape_or_that_it_is_gone() {
    let check = |text: &str, operation: &str, floor: Option<OrderVersion>, shape| {
        let event = event(text);
        assert_eq!(event.table.as_str(), "shop.parcels");
        assert_eq!(event.operation, operation);
        assert_eq!((event.floor, event.shape), (floor.map(Floor::Version), shape), "{text}");
    };
    check(CREATE, "CREATE", None, Some(shape()));
    check(ALTER, "ALTER", None, Some(shape()));
    check(RENAME, "ALTER", None, Some(shape()));
    check(HISTORY, "ALTER", None, Some(shape()));
    check(DROP, "DROP", Some(binlog(9_000_000, LogRank::Change)), None);
    check(DROP_SNAPSHOT, "DROP", Some(binlog(7_335_886, LogRank::SnapshotFloor)), None);
    assert_eq!(event(HISTORY).at, 1_726_802_588_449_000);
}

#[test]
fn a_table_dropped_by_a_snapshot_does_not_take_the_snapshots_rows_with_it() {
    let Ok(Record::Changes(changes)) = decode(SNAPSHOT_ROW) else { panic!("a row") };
    let row = changes.first().unwrap();
    let floor = event(DROP_SNAPSHOT).floor.unwrap();
    assert!(!floor.covers(&row.version, row.at));
    assert!(event(DROP).floor.unwrap().covers(&row.version, row.at));
    for snapshot in ["true", "\"first\"", "\"last\"", "\"initial\"", "\"incremental\""] {
        let text = with(DROP_SNAPSHOT, "\"snapshot\":\"true\"", &format!("\"snapshot\":{snapshot}"));
        assert_eq!(event(&text).floor, Some(floor.clone()), "{snapshot}");
    }
    for streaming in ["false", "\"false\"", "null"] {
        let text = with(DROP_SNAPSHOT, "\"snapshot\":\"true\"", &format!("\"snapshot\":{streaming}"));
        let expected = binlog(7_335_886, LogRank::Change);
        assert_eq!(event(&text).floor, Some(Floor::Version(expected)), "{streaming}");
    }
}

#[test]
fn a_statement_announced_without_its_tables_changes_none_of_them() {
    let unattributed = with(UNLISTED, "\"databaseName\":\"shop\"", "\"databaseName\":\"\"");
    let mention = event(&unattributed);
    assert_eq!((mention.operation.as_str(), mention.floor, mention.shape), ("DDL", None, None));
    assert_eq!(mention.table, event(ALTER).table);
}

#[test]
fn settings_and_statements_without_a_table_are_passed() {
    assert_eq!(decode(SETTINGS), Ok(Record::Passed(Passed::NotAChange)));
    let cleared = with(UNLISTED, "\"table\":\"parcels\"", "\"table\":null");
    assert_eq!(decode(&cleared), Ok(Record::Passed(Passed::NotAChange)));
}

#[test]
fn a_statement_on_several_tables_is_an_event_for_each() {
    let dropped =
        |name: &str| format!("{{\"type\":\"DROP\",\"id\":\"\\\"shop\\\".\\\"{name}\\\"\",\"table\":null}}");
    let one = dropped("parcels");
    let text = with(DROP, &one, &format!("{one},{}", dropped("boxes")));
    let Ok(Record::Tables(events)) = decode(&text) else { panic!("table events") };
    let tables: Vec<TableName> = events.into_iter().map(|event| event.table).collect();
    assert_eq!(tables, [TableName::new("shop.parcels"), TableName::new("shop.boxes")]);
    let text = with(UNLISTED, "\"table\":\"parcels\"", "\"table\":\"parcels,boxes\"");
    let Ok(Record::Tables(events)) = decode(&text) else { panic!("table events") };
    assert_eq!(events.len(), 2);
}

#[test]
fn what_a_schema_change_lacks_or_has_wrong_is_named() {
    let check = |piece: &str, replacement: &str, reason: Reason, table: bool| {
        let error = decode(&with(ALTER, piece, replacement)).unwrap_err();
        assert_eq!(error.reason, reason, "{piece} -> {replacement}: {error}");
        assert_eq!(error.table.is_some(), table, "{piece} -> {replacement}: {error}");
    };
    check("\"type\":\"ALTER\"", "\"type\":\"SPLIT\"", Reason::UnknownOperation, true);
    check("\"id\":\"\\\"shop\\\"", "\"ident\":\"\\\"shop\\\"", Reason::MissingField, false);
    check("\"primaryKeyColumnNames\":[\"id\"]", "\"primaryKeyColumnNames\":[5]", Reason::WrongType, true);
    check("\"name\":\"price\"", "\"name\":5", Reason::WrongType, true);
    check("\"source\"", "\"origin\"", Reason::MissingField, false);
}
