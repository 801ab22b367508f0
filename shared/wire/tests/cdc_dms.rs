//! Findings about the records of AWS DMS.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use evercount_core::change::{
    Change, Clause, ColumnCoding, Passed, Record, RowIdentity, TableEvent, TableName, TableShape, Told,
};
use evercount_core::order::{Floor, LogRank, OrderVersion};
use evercount_core::value::Value;
use evercount_wire::cdc::{Decoder, Envelope, Format, Reason, Undecodable};

const INSERT_MYSQL: &str = include_str!("fixtures/cdc/dms/insert-mysql.json");
const INSERT_OTHER_LOG: &str = include_str!("fixtures/cdc/dms/insert-other-log.json");
const UPDATE_EMPTY_BEFORE: &str = include_str!("fixtures/cdc/dms/update-empty-before-image.json");
const UPDATE_FULL_BEFORE: &str = include_str!("fixtures/cdc/dms/update-full-before-image.json");
const UPDATE_KEY: &str = include_str!("fixtures/cdc/dms/update-primary-key.json");
const DELETE: &str = include_str!("fixtures/cdc/dms/delete.json");
const LOAD: &str = include_str!("fixtures/cdc/dms/load.json");
const CREATE_TABLE: &str = include_str!("fixtures/cdc/dms/create-table.json");
const DROP_TABLE: &str = include_str!("fixtures/cdc/dms/drop-table.json");
const RENAME_COLUMN: &str = include_str!("fixtures/cdc/dms/synthetic-rename-column.json");
const TASK_CONTROL: &str = include_str!("fixtures/cdc/dms/task-control.json");

const COMMIT: i64 = 1_722_214_724_886_717;
const LOADED: i64 = 1_722_214_200_000_001;

fn keyless() -> Decoder {
    Decoder::new(Some(Format::Dms), 3)
}

fn keyed() -> Decoder {
    let mut decoder = keyless();
    let shape = TableShape { key: vec!["id".to_owned()], columns: vec![] };
    decoder.learn(TableName::new("public.parcels"), shape);
    decoder
}

fn decode(decoder: &Decoder, text: &str) -> Result<Record, Undecodable> {
    decoder.decode(&Envelope::of(text.as_bytes()))
}

fn changes(decoder: &Decoder, text: &str) -> Vec<Change> {
    match decode(decoder, text).unwrap() {
        Record::Changes(changes) => changes,
        other => panic!("{other:?}"),
    }
}

fn change(decoder: &Decoder, text: &str) -> Change {
    let mut changes = changes(decoder, text);
    assert_eq!(changes.len(), 1, "{changes:?}");
    changes.pop().unwrap()
}

fn event(text: &str) -> TableEvent {
    match decode(&keyless(), text).unwrap() {
        Record::Tables(mut events) if events.len() == 1 => events.pop().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn key(text: &str) -> RowIdentity {
    RowIdentity::Key(text.into())
}

fn with(text: &str, piece: &str, replacement: &str) -> String {
    assert!(text.contains(piece), "{piece}");
    text.replace(piece, replacement)
}

#[test]
fn each_operation_says_which_row_when_and_what_is_left() {
    let lsn = || OrderVersion::lsn(3, 0x2_7C00_7328, 2, LogRank::Change);
    let check = |text: &str, identity: &str, version: OrderVersion, at, before: bool, after: bool| {
        let change = change(&keyed(), text);
        assert_eq!(change.row.table.as_str(), "public.parcels");
        assert_eq!(change.row.identity, key(identity));
        assert_eq!(change.version, version);
        assert_eq!(change.at, at);
        assert_eq!((change.before.is_some(), change.after.is_some()), (before, after), "{text}");
    };
    check(UPDATE_EMPTY_BEFORE, "{\"id\":42}", lsn(), COMMIT, false, true);
    check(UPDATE_FULL_BEFORE, "{\"id\":45}", lsn(), COMMIT, true, true);
    check(DELETE, "{\"id\":45}", lsn(), COMMIT, false, false);
    check(LOAD, "{\"id\":7}", OrderVersion::load(3, LOADED), LOADED, false, true);
    check(INSERT_OTHER_LOG, "{\"id\":8}", OrderVersion::commit(3, COMMIT, 1_140, 1), COMMIT, false, true);
}

#[test]
fn a_mysql_change_is_placed_by_its_binary_log() {
    let change = change(&keyless(), INSERT_MYSQL);
    assert_eq!(change.row.table.as_str(), "shop.parcels");
    assert_eq!(change.row.identity, key("\"100000161\""));
    assert_eq!(change.version, OrderVersion::binlog(3, 2_171, 36_912_271, 1, LogRank::Change));
    assert_eq!(change.at, 1_572_562_435_000_000);
    assert_eq!(change.after.unwrap().item().get("REGION"), Some(&Value::Null));
}

#[test]
fn a_record_without_transaction_details_is_placed_by_its_time() {
    let bare = with(DELETE, "\"stream-position\"", "\"x\"");
    assert_eq!(change(&keyed(), &bare).version, OrderVersion::commit(3, COMMIT, 1_140, 1));
    let bare = with(&bare, "\"commit-timestamp\"", "\"y\"");
    let written = 1_722_214_724_895_275;
    assert_eq!(change(&keyed(), &bare).version, OrderVersion::clock(3, written));
    assert_eq!(change(&keyed(), &bare).at, written);
    let bare = with(&bare, "\"timestamp\"", "\"z\"");
    assert_eq!(decode(&keyed(), &bare).unwrap_err().reason, Reason::MissingField);
    let envelope = Envelope { data: bare.as_bytes(), partition_key: None, arrival: Some(9) };
    let Ok(Record::Changes(changes)) = keyed().decode(&envelope) else { panic!("an arrival is a time") };
    assert_eq!(changes.first().unwrap().at, 9);
}

#[test]
fn an_update_of_the_key_removes_one_row_and_writes_another() {
    let check = |decoder: &Decoder, text: &str, old: &str, new: &str| {
        let changes = changes(decoder, text);
        let [removed, written] = changes.as_slice() else { panic!("{changes:?}") };
        assert_eq!((&removed.row.identity, &written.row.identity), (&key(old), &key(new)));
        assert!(removed.after.is_none() && written.after.is_some() && written.before.is_none());
        assert_eq!(removed.version, written.version);
    };
    check(&keyed(), UPDATE_KEY, "{\"id\":46}", "{\"id\":45}");
    let partitioned = with(
        UPDATE_KEY,
        "\"partition-key-type\":\"schema-table\"",
        "\"partition-key-type\":\"primary-key\",\"partition-key-value\":\"public.parcels.45\"",
    );
    check(&keyless(), &partitioned, "\"46\"", "\"45\"");
    let unchanged = with(&partitioned, "{\"id\":46}", "{\"id\":45}");
    assert_eq!(change(&keyless(), &unchanged).row.identity, key("\"45\""));
    // A column that happens to equal the key and changes is not the key.
    let coincidence = with(&partitioned, "\"weight\":31", "\"weight\":45");
    let coincidence = with(&coincidence, "{\"id\":46}", "{\"id\":45,\"weight\":31}");
    assert_eq!(change(&keyless(), &coincidence).row.identity, key("\"45\""));
    // With the key columns alone in the before image, the coincidence does no harm.
    let coincidence = with(&partitioned, "\"weight\":31", "\"weight\":45");
    check(&keyless(), &coincidence, "\"46\"", "\"45\"");
}

#[test]
fn a_before_image_counts_only_when_it_is_whole() {
    assert_eq!(change(&keyed(), UPDATE_EMPTY_BEFORE).before, None);
    let partial = with(UPDATE_EMPTY_BEFORE, "\"before-image\":{}", "\"before-image\":{\"depot\":\"Graz\"}");
    assert_eq!(change(&keyed(), &partial).before, None);
    let before = change(&keyed(), UPDATE_FULL_BEFORE).before.unwrap().into_item();
    assert_eq!(before.get("depot"), Some(&Value::String("Graz".to_owned())));
}

#[test]
fn a_delete_without_a_before_image_still_names_its_row() {
    let change = change(&keyed(), DELETE);
    assert_eq!((change.row.identity, change.before, change.after), (key("{\"id\":45}"), None, None));
}

#[test]
fn a_number_in_scientific_notation_is_the_number() {
    let plain = with(INSERT_OTHER_LOG, "5e+16", "50000000000000000");
    assert_eq!(change(&keyed(), INSERT_OTHER_LOG), change(&keyed(), &plain));
    let partitioned = |number: &str, spelled: &str| {
        let text = with(
            INSERT_OTHER_LOG,
            "\"partition-key-type\":\"schema-table\"",
            &format!(
                "\"partition-key-type\":\"primary-key\",\"partition-key-value\":\"public.parcels.{spelled}\""
            ),
        );
        change(&keyless(), &with(&text, "\"id\":8", &format!("\"id\":{number}"))).row.identity
    };
    assert_eq!(partitioned("9.1e16", "9.1E16"), partitioned("91000000000000000", "91000000000000000"));
    // A text that looks like a number is the text.
    assert_ne!(partitioned("\"1e2\"", "1e2"), partitioned("\"100\"", "100"));
}

#[test]
fn a_row_without_any_key_is_known_by_its_position() {
    let identity = |text: &str| change(&keyless(), text).row.identity;
    let position = identity(DELETE);
    assert_eq!(position, RowIdentity::Position("00000002/7C007328.2.00000002/7C007328#1".into()));
    assert_ne!(
        identity(&with(DELETE, "\"transaction-record-id\":1", "\"transaction-record-id\":2")),
        position
    );
    assert_eq!(identity(LOAD), identity(LOAD));
    assert_ne!(identity(LOAD), identity(&with(LOAD, "Graz", "Brno")));
}

#[test]
fn a_control_record_tells_the_tables_shape_or_that_it_was_emptied() {
    let created = event(CREATE_TABLE);
    let shape = TableShape {
        key: vec!["id".to_owned()],
        columns: vec![
            ("label".to_owned(), ColumnCoding::Binary),
            ("serial".to_owned(), ColumnCoding::Unsigned64),
        ],
    };
    assert_eq!(
        (created.operation.as_str(), created.floor, created.shape),
        ("create-table", None, Some(shape))
    );
    let at = 1_722_213_047_258_815;
    let expected = |operation: &str, floor, clause| TableEvent {
        table: TableName::new("public.parcels"),
        operation: operation.to_owned(),
        floor,
        shape: None,
        told: Told { clauses: vec![clause], ..Told::default() },
        at,
    };
    assert_eq!(event(DROP_TABLE), expected("drop-table", Some(Floor::Time(at)), Clause::Drop));
    assert_eq!(event(RENAME_COLUMN), expected("rename-column", None, Clause::Unspecified));
    for operation in ["rename-table", "add-column", "drop-column", "column-type-change", "change-columns"] {
        assert_eq!(
            event(&with(RENAME_COLUMN, "rename-column", operation)),
            expected(operation, None, Clause::Unspecified)
        );
    }
    let truncated = with(RENAME_COLUMN, "rename-column", "truncate-table");
    assert_eq!(event(&truncated), expected("truncate-table", Some(Floor::Time(at)), Clause::Truncate));
}

#[test]
fn a_tasks_own_tables_are_passed() {
    assert_eq!(decode(&keyless(), TASK_CONTROL), Ok(Record::Passed(Passed::NotAChange)));
}

#[test]
fn what_a_record_lacks_or_has_wrong_is_named() {
    let check = |text: &str, piece: &str, replacement: &str, reason: Reason, table: bool| {
        let error = decode(&keyed(), &with(text, piece, replacement)).unwrap_err();
        assert_eq!(error.reason, reason, "{piece} -> {replacement}: {error}");
        assert_eq!(error.table.is_some(), table, "{piece} -> {replacement}: {error}");
    };
    check(UPDATE_KEY, "\"metadata\"", "\"meta\"", Reason::MissingField, false);
    check(
        UPDATE_KEY,
        "\"record-type\":\"data\"",
        "\"record-type\":\"note\"",
        Reason::UnknownOperation,
        false,
    );
    check(UPDATE_KEY, "\"table-name\"", "\"table\"", Reason::MissingField, false);
    check(UPDATE_KEY, "\"update\"", "\"upsert\"", Reason::UnknownOperation, true);
    check(UPDATE_KEY, "\"data\":{", "\"datum\":{", Reason::MissingField, true);
    check(UPDATE_KEY, "\"id\":45", "\"id\":45,\"id\":45", Reason::DuplicateKey, true);
    check(UPDATE_KEY, "\"id\":45", "\"ident\":45", Reason::MissingField, true);
    check(UPDATE_KEY, "\"weight\":31", "\"weight\":1e1001", Reason::AbsurdNumber, true);
    check(UPDATE_KEY, "\"transaction-id\":1140", "\"transaction-id\":\"x\"", Reason::WrongType, true);
    check(DROP_TABLE, "drop-table", "drop-everything", Reason::UnknownOperation, true);
}
