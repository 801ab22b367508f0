//! Findings about what control records tell of a table's schema.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use evercount_core::change::{Clause, Record, STATEMENT_BYTES_MAX, TableEvent, TableName};
use evercount_core::order::{Floor, LogRank, OrderVersion};
use evercount_core::schema::{FieldPath, Schema};
use evercount_wire::cdc::{Decoder, Envelope};

const CREATE: &str = include_str!("fixtures/cdc/debezium/ddl-create.json");
const ALTER: &str = include_str!("fixtures/cdc/debezium/ddl-alter.json");
const DROP: &str = include_str!("fixtures/cdc/debezium/ddl-drop.json");
const RENAME: &str = include_str!("fixtures/cdc/debezium/ddl-rename.json");
const UNLISTED: &str = include_str!("fixtures/cdc/debezium/ddl-unlisted.json");
const HISTORY: &str = include_str!("fixtures/cdc/debezium/history-alter.json");
const TRUNCATE: &str = include_str!("fixtures/cdc/debezium/mysql-truncate.json");
const DMS_CREATE: &str = include_str!("fixtures/cdc/dms/create-table.json");
const DMS_DROP: &str = include_str!("fixtures/cdc/dms/drop-table.json");
const DMS_RENAME_COLUMN: &str = include_str!("fixtures/cdc/dms/synthetic-rename-column.json");

fn events(text: &str) -> Vec<TableEvent> {
    match Decoder::new(None, 3).decode(&Envelope::of(text.as_bytes())).unwrap() {
        Record::Tables(events) => events,
        other => panic!("{other:?}"),
    }
}

fn event(text: &str) -> TableEvent {
    let mut events = events(text);
    assert_eq!(events.len(), 1);
    events.pop().unwrap()
}

fn with(text: &str, piece: &str, replacement: &str) -> String {
    assert!(text.contains(piece), "{piece}");
    text.replace(piece, replacement)
}

/// Columns in order, as `name: declared = types`, key columns with a star.
fn columns(schema: Option<Schema>) -> Vec<String> {
    let schema = schema.unwrap();
    let mut columns: Vec<_> = schema.fields.iter().collect();
    columns.sort_by_key(|(_, field)| field.position);
    let star = |path: &FieldPath| if schema.key.contains(path) { "*" } else { "" };
    columns
        .into_iter()
        .map(|(path, field)| format!("{path}{}: {} = {}", star(path), field.type_text(), field.types))
        .collect()
}

const PARCELS: [&str; 5] = [
    "id*: INT = integer(32)",
    "depot: VARCHAR(255) = string(255) or null",
    "price: DECIMAL(20,6) = decimal(20,6) or null",
    "serial: BIGINT UNSIGNED = integer(64) unsigned or null",
    "label: VARBINARY(20) = binary(20) or null",
];

fn rename(from: &str, to: &str) -> Clause {
    Clause::RenameColumn { from: from.to_owned(), to: to.to_owned() }
}

fn was(name: &str) -> Clause {
    Clause::RenameTable { from: TableName::new(name) }
}

#[test]
fn a_schema_change_tells_the_schema_the_clauses_and_the_place() {
    let check = |text: &str, offset: u64, rank: LogRank, snapshot: bool, clauses: &[Clause]| {
        let told = event(text).told;
        let file = if text == HISTORY { 7 } else { 4 };
        assert_eq!(told.version, Some(OrderVersion::binlog(3, file, offset, 0, rank)), "{text}");
        assert_eq!((told.snapshot, told.clauses.as_slice()), (snapshot, clauses), "{text}");
        assert!(told.statement.is_some());
        assert_eq!(columns(told.schema), PARCELS);
    };
    check(CREATE, 7_335_886, LogRank::SnapshotFloor, true, &[Clause::Create]);
    check(ALTER, 8_081_779, LogRank::Change, false, &[rename("town", "depot")]);
    check(RENAME, 8_081_779, LogRank::Change, false, &[was("shop.boxes")]);
    check(HISTORY, 12_475, LogRank::Change, false, &[Clause::AddColumn("price".to_owned())]);
    let told = event(DROP).told;
    assert_eq!((told.schema, told.clauses), (None, vec![Clause::Drop]));
}

#[test]
fn a_table_that_was_emptied_tells_when() {
    let event = event(TRUNCATE);
    assert_eq!(event.told.clauses, [Clause::Truncate]);
    assert_eq!(event.told.version.map(Floor::Version), event.floor);
}

#[test]
fn a_statement_announced_without_its_tables_tells_nothing_of_them() {
    let text = with(UNLISTED, "ADD INDEX (depot)", "ADD COLUMN size int");
    let text = with(&text, "\"databaseName\":\"shop\"", "\"databaseName\":\"\"");
    let told = event(&text).told;
    assert_eq!((told.schema, told.clauses), (None, vec![]));
    assert!(told.statement.unwrap().contains("size"));
}

#[test]
fn a_renamed_table_tells_its_old_name_wherever_the_record_has_it() {
    let check = |text: &str| assert_eq!(event(text).told.clauses, [was("shop.boxes")], "{text}");
    let previous = "\"previousId\":\"\\\"shop\\\".\\\"boxes\\\"\"";
    let ids = "\\\"shop\\\".\\\"boxes\\\",\\\"shop\\\".\\\"parcels\\\"";
    let one_id = "\\\"shop\\\".\\\"parcels\\\"";
    let statement = "RENAME TABLE `boxes` TO `parcels`";
    check(&with(&with(RENAME, previous, "\"previousId\":null"), ids, one_id));
    check(&with(&with(RENAME, statement, "…"), ids, one_id));
    check(&with(&with(RENAME, statement, "…"), previous, "\"previousId\":null"));
    check(&with(RENAME, statement, "ALTER TABLE boxes RENAME parcels"));
}

#[test]
fn a_statement_on_several_tables_gives_each_its_own_clauses_once() {
    let other =
        "{\"type\":\"ALTER\",\"id\":\"\\\"shop\\\".\\\"boxes\\\"\",\"table\":null},{\"type\":\"ALTER\"";
    let text = with(ALTER, "{\"type\":\"ALTER\"", other);
    let statement = "ALTER TABLE Parcels RENAME COLUMN town TO depot; ALTER TABLE shop.boxes DROP lid";
    let text = with(&text, "ALTER TABLE parcels RENAME COLUMN town TO depot", statement);
    let clauses = |text: &str| -> Vec<(String, Vec<Clause>)> {
        events(text).into_iter().map(|event| (event.table.as_str().to_owned(), event.told.clauses)).collect()
    };
    let boxes = ("shop.boxes".to_owned(), vec![Clause::DropColumn("lid".to_owned())]);
    let parcels = ("shop.parcels".to_owned(), vec![rename("town", "depot")]);
    assert_eq!(clauses(&text), [boxes.clone(), parcels]);
    let twice = with(&text, "\\\"parcels\\\"", "\\\"boxes\\\"");
    assert_eq!(clauses(&twice), [boxes, ("shop.boxes".to_owned(), vec![])]);
}

#[test]
fn a_table_that_replaces_another_empties_it() {
    let text = with(CREATE, "\"snapshot\":\"true\"", "\"snapshot\":\"false\"");
    let created = event(&text);
    assert_eq!((created.told.clauses, created.floor), (vec![Clause::Create], None));
    let replaced = event(&with(&text, "CREATE TABLE", "CREATE OR REPLACE TABLE"));
    assert_eq!(replaced.told.clauses, [Clause::Drop, Clause::Create]);
    assert_eq!(replaced.floor, replaced.told.version.map(Floor::Version));
}

#[test]
fn a_long_statement_is_kept_in_part() {
    let text = with(ALTER, "TO depot", &format!("TO depot, COMMENT '{}'", "é".repeat(STATEMENT_BYTES_MAX)));
    let told = event(&text).told;
    let kept = told.statement.unwrap().len();
    assert!((STATEMENT_BYTES_MAX - 1..=STATEMENT_BYTES_MAX).contains(&kept), "{kept}");
    assert_eq!(told.clauses, [rename("town", "depot")]);
}

#[test]
fn a_control_record_of_dms_tells_a_definition_or_that_something_changed() {
    let told = event(DMS_CREATE).told;
    assert_eq!(told.clauses, [Clause::Create]);
    assert_eq!(
        columns(told.schema),
        [
            "id*: INT64 = integer(64)",
            "depot: WSTRING(512) = string(512) or null",
            "label: BYTES(64) = binary(64) or null",
            "serial: UINT64 = integer(64) unsigned or null",
        ]
    );
    assert_eq!(event(DMS_DROP).told.clauses, [Clause::Drop]);
    for operation in
        ["add-column", "drop-column", "rename-column", "column-type-change", "change-columns", "rename-table"]
    {
        let bare = event(&with(DMS_RENAME_COLUMN, "rename-column", operation)).told;
        assert_eq!((bare.schema, bare.clauses), (None, vec![Clause::Unspecified]), "{operation}");
        let whole = event(&with(DMS_CREATE, "create-table", operation)).told;
        assert_eq!((whole.schema.is_some(), whole.clauses), (true, vec![]), "{operation}");
    }
}
