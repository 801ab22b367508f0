//! Findings about Debezium's row changes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use evercount_core::change::{
    Change, Clause, ColumnCoding, Passed, Record, RowIdentity, TableEvent, TableName, TableShape, Told,
};
use evercount_core::order::{Floor, LogRank, OrderVersion};
use evercount_core::value::Value;
use evercount_wire::cdc::{Decoder, Envelope, Format, Reason, Undecodable};

const UPDATE: &str = include_str!("fixtures/cdc/debezium/mysql-update.json");
const SNAPSHOT: &str = include_str!("fixtures/cdc/debezium/mysql-snapshot.json");
const DELETE: &str = include_str!("fixtures/cdc/debezium/mysql-delete.json");
const TOMBSTONE: &str = include_str!("fixtures/cdc/debezium/mysql-tombstone.json");
const TRUNCATE: &str = include_str!("fixtures/cdc/debezium/mysql-truncate.json");
const TOAST: &str = include_str!("fixtures/cdc/debezium/postgres-update-toast.json");
const DEFAULT_IDENTITY: &str = include_str!("fixtures/cdc/debezium/postgres-delete-default-identity.json");
const SQLSERVER: &str = include_str!("fixtures/cdc/debezium/sqlserver-create.json");
const SCHEMA: &str = include_str!("fixtures/cdc/debezium/schema-envelope.json");
const SCHEMA_KEY: &str = include_str!("fixtures/cdc/debezium/schema-envelope-binary-key.json");
const HEARTBEAT: &str = include_str!("fixtures/cdc/debezium/heartbeat.json");
const TRANSACTION: &str = include_str!("fixtures/cdc/debezium/transaction.json");
const MESSAGE: &str = include_str!("fixtures/cdc/debezium/message.json");

fn learned() -> Decoder {
    let mut decoder = Decoder::new(Some(Format::Debezium), 3);
    let columns = [
        ("price", ColumnCoding::UnscaledDecimal { scale: 6 }),
        ("serial", ColumnCoding::Unsigned64),
        ("label", ColumnCoding::Binary),
    ];
    let columns = columns.map(|(name, coding)| (name.to_owned(), coding)).to_vec();
    decoder.learn(TableName::new("shop.parcels"), TableShape { key: vec!["id".to_owned()], columns });
    decoder
}

fn decode_with(decoder: &Decoder, text: &str, partition_key: Option<&str>) -> Result<Record, Undecodable> {
    decoder.decode(&Envelope { data: text.as_bytes(), partition_key, arrival: None })
}

/// Decodes with the format named and with the format detected, which must agree.
fn decode(text: &str) -> Result<Record, Undecodable> {
    let named = decode_with(&Decoder::new(Some(Format::Debezium), 3), text, None);
    let detected = decode_with(&Decoder::new(None, 3), text, None);
    let essence = |error: Undecodable| (error.reason, error.table);
    assert_eq!(named.clone().map_err(essence), detected.map_err(essence));
    named
}

fn one(record: Record) -> Change {
    match record {
        Record::Changes(mut changes) if changes.len() == 1 => changes.pop().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn change(text: &str) -> Change {
    one(decode(text).unwrap())
}

fn with(text: &str, piece: &str, replacement: &str) -> String {
    assert!(text.contains(piece), "{piece}");
    text.replace(piece, replacement)
}

/// The value of a `topic`, `key` and `value` line, alone.
fn value_of(line: &str) -> &str {
    line.split_once("\"value\":").unwrap().1.trim().strip_suffix('}').unwrap()
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

fn number(value: &str) -> Value {
    Value::Number(value.parse().unwrap())
}

#[test]
fn each_operation_says_which_row_when_and_what_is_left() {
    let binlog = |offset, row, rank| OrderVersion::binlog(3, 4, offset, row, rank);
    let lsn = |lsn| OrderVersion::lsn(3, lsn, 0, LogRank::Change);
    let check = |line: &str, table: &str, version: OrderVersion, at, before: bool, after: bool| {
        let change = change(line);
        assert_eq!(change.row.table.as_str(), table);
        assert_eq!(change.row.identity, RowIdentity::Key("{\"id\":63}".into()));
        assert_eq!((change.version, change.at), (version, at));
        assert_eq!((change.before.is_some(), change.after.is_some()), (before, after), "{line}");
    };
    let (mysql, postgres) = (1_795_187_547_000_000, 1_795_187_719_171_733);
    check(UPDATE, "shop.parcels", binlog(8_081_779, 0, LogRank::Change), mysql, true, true);
    check(SNAPSHOT, "shop.parcels", binlog(7_335_886, 0, LogRank::Snapshot), mysql, false, true);
    check(DELETE, "shop.parcels", binlog(8_081_999, 2, LogRank::Change), mysql, true, false);
    check(TOAST, "public.parcels", lsn(44_105_520), postgres, false, true);
    check(DEFAULT_IDENTITY, "public.parcels", lsn(44_105_600), postgres, true, false);
    let created = change(SQLSERVER);
    assert_eq!(created.row.table.as_str(), "dbo.parcels");
    assert_eq!(created.version, OrderVersion::commit(3, 1_559_729_468_470_000, 0, 0));
}

#[test]
fn nothing_is_counted_from_tombstones_heartbeats_markers_and_messages() {
    for tombstone in [TOMBSTONE, "null", " null\n", "{\"schema\":null,\"payload\":null}"] {
        assert_eq!(decode(tombstone), Ok(Record::Passed(Passed::Tombstone)), "{tombstone}");
    }
    for other in
        [HEARTBEAT, TRANSACTION, MESSAGE, value_of(HEARTBEAT), value_of(TRANSACTION), value_of(MESSAGE)]
    {
        assert_eq!(decode(other), Ok(Record::Passed(Passed::NotAChange)), "{other}");
    }
}

#[test]
fn a_truncation_empties_the_table_at_its_position() {
    let version = OrderVersion::binlog(3, 4, 8_082_500, 0, LogRank::Change);
    let event = TableEvent {
        table: TableName::new("shop.parcels"),
        operation: "t".to_owned(),
        floor: Some(Floor::Version(version.clone())),
        shape: None,
        told: Told { version: Some(version), clauses: vec![Clause::Truncate], ..Told::default() },
        at: 1_795_187_547_000_000,
    };
    assert_eq!(decode(TRUNCATE), Ok(Record::Tables(vec![event])));
}

#[test]
fn one_record_is_one_change_in_every_wrapping() {
    let expected = change(UPDATE);
    let value = value_of(UPDATE);
    let none = Decoder::new(None, 3);
    let schema = "{\"type\":\"struct\",\"fields\":[{\"type\":\"int32\",\"field\":\"id\"}]}";
    let enveloped_key = format!("{{\"schema\":{schema},\"payload\":{{\"id\":63}}}}");
    let enveloped_value = format!("{{\"schema\":{{}},\"payload\":{value}}}");
    for (text, partition_key) in [
        (value.to_owned(), Some("{\"id\":63}")),
        (value.to_owned(), Some("{ \"id\" : 63.0 }")),
        (value.to_owned(), Some(enveloped_key.as_str())),
        (enveloped_value.clone(), Some("{\"id\":63}")),
        (format!("{{\"key\":{enveloped_key},\"value\":{enveloped_value}}}"), None),
        (
            format!("{{\"topic\":\"t\",\"key\":{{\"id\":63}},\"value\":{enveloped_value}}}"),
            Some("{\"id\":1}"),
        ),
    ] {
        assert_eq!(one(decode_with(&none, &text, partition_key).unwrap()), expected, "{text}");
    }
    let from_shape = one(decode_with(&learned(), value, Some("default")).unwrap());
    assert_eq!(from_shape.row, expected.row);
}

#[test]
fn key_columns_named_schema_and_payload_are_key_columns() {
    let line = with(UPDATE, "\"key\":{\"id\":63}", "\"key\":{\"schema\":\"a\",\"payload\":{\"x\":1}}");
    let identity = change(&line).row.identity;
    assert_eq!(identity.as_str(), "{\"payload\":{\"M\":{\"x\":1}},\"schema\":\"a\"}");
    let line = with(UPDATE, "\"key\":{\"id\":63}", "\"key\":\"63\"");
    assert_eq!(change(&line).row.identity.as_str(), "\"63\"");
}

#[test]
fn coded_columns_become_what_they_hold() {
    let check = |change: Change| {
        let after = change.after.unwrap().into_item();
        let found = |name: &str| after.get(name).cloned().unwrap();
        assert_eq!(found("price"), number("12.5"));
        assert_eq!(found("label"), text("foo"));
        after
    };
    let after = check(one(decode_with(&learned(), UPDATE, None).unwrap()));
    assert_eq!(after.get("serial"), Some(&number("18446744073709551615")));
    let after = check(change(SCHEMA));
    assert_eq!(after.get("amount"), Some(&number("12.34")));
    assert_eq!(after.get("sent"), Some(&number("1795187547000000")));
    assert_eq!(after.get("serial"), Some(&number("-1")));
    let after = check(one(decode_with(&learned(), SCHEMA, None).unwrap()));
    assert_eq!(after.get("serial"), Some(&number("18446744073709551615")));
}

#[test]
fn a_key_column_turned_binary_keeps_its_rows() {
    let row = "{\"code\":\"foo\"}";
    let text_line = with(UPDATE, "\"key\":{\"id\":63}", "\"key\":{\"code\":\"foo\"}");
    let text_line = with(&text_line, "\"table\":\"parcels\"", "\"table\":\"codes\"");
    assert_eq!(change(&text_line).row.identity.as_str(), row);
    assert_eq!(change(SCHEMA_KEY).row.identity.as_str(), row);
    let mut decoder = learned();
    let columns = vec![("code".to_owned(), ColumnCoding::Binary)];
    decoder.learn(TableName::new("shop.codes"), TableShape { key: vec!["code".to_owned()], columns });
    let binary_line = with(&text_line, "\"code\":\"foo\"", "\"code\":\"Zm9v\"");
    assert_eq!(one(decode_with(&decoder, &binary_line, None).unwrap()).row.identity.as_str(), row);
}

#[test]
fn an_unchanged_toasted_column_is_unavailable() {
    assert_eq!(change(TOAST).after.unwrap().item().get("note"), Some(&Value::Unavailable));
    let binary = with(TOAST, "__debezium_unavailable_value", "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==");
    assert_eq!(change(&binary).after.unwrap().item().get("note"), Some(&Value::Unavailable));
}

#[test]
fn an_integer_beyond_double_precision_keeps_every_digit() {
    let line = with(UPDATE, "\"serial\":-1", "\"serial\":9007199254740993");
    assert_eq!(change(&line).after.unwrap().item().get("serial"), Some(&number("9007199254740993")));
}

#[test]
fn a_primary_key_update_is_two_rows_at_one_position() {
    let removed = change(&with(DELETE, "\"row\":2", "\"row\":0"));
    let created = with(UPDATE, "\"op\":\"u\"", "\"op\":\"c\"");
    let created = change(&with(&created, "\"key\":{\"id\":63}", "\"key\":{\"id\":64}"));
    let created_at_same =
        with(&with(UPDATE, "8081779", "8081999"), "\"key\":{\"id\":63}", "\"key\":{\"id\":64}");
    assert_eq!(change(&created_at_same).version, removed.version);
    assert_ne!(created.row, removed.row);
}

#[test]
fn rows_without_a_key_are_told_apart_by_position() {
    let keyless = |line: &str| with(line, "\"key\":{\"id\":63}", "\"key\":null");
    let identity = |line: &str| change(line).row.identity;
    let update = keyless(UPDATE);
    assert_eq!(identity(&update), RowIdentity::Position("binlog.000004:8081779:0".into()));
    assert!(change(&update).before.is_some() && change(&update).after.is_some());
    assert_ne!(identity(&with(&update, "\"row\":0", "\"row\":1")), identity(&update));
    // Every row of a snapshot stands at one position.
    let row = keyless(SNAPSHOT);
    assert_eq!(identity(&row), identity(&row));
    assert_ne!(identity(&with(&row, "Łódź", "Brno")), identity(&row));
    assert_ne!(identity(&with(&row, "1795187547863491887", "1795187547863491888")), identity(&row));
    // Rows that one PostgreSQL statement copies share a log record.
    let copied = keyless(TOAST);
    assert_ne!(identity(&with(&copied, "Brno", "Graz")), identity(&copied));
    let ordered = |order: u32| {
        let transaction =
            format!("\"transaction\":{{\"id\":\"9\",\"total_order\":{order},\"data_collection_order\":1}}");
        change(&with(&copied, "\"transaction\":null", &transaction))
    };
    assert_eq!(ordered(7).row.identity, RowIdentity::Position("44105520:7".into()));
    assert!(ordered(7).version < ordered(8).version);
}

#[test]
fn a_snapshot_row_is_older_than_a_change_at_its_position() {
    let changed = change(&with(UPDATE, "8081779", "7335886"));
    assert!(change(SNAPSHOT).version < changed.version);
    let as_creation = change(&with(SNAPSHOT, "\"op\":\"r\"", "\"op\":\"c\""));
    assert_eq!(as_creation.version, change(SNAPSHOT).version);
}

#[test]
fn tables_are_named_as_their_sources_name_them() {
    let check = |line: String, name: &str| assert_eq!(change(&line).row.table.as_str(), name);
    check(with(UPDATE, "\"connector\":\"mysql\"", "\"connector\":\"mariadb\""), "shop.parcels");
    check(with(TOAST, "\"schema\":\"public\"", "\"schema\":\"depots\""), "depots.parcels");
    let mongo = "{\"op\":\"c\",\"after\":\"{\\\"_id\\\": 1, \\\"town\\\": \\\"Brno\\\"}\",\"ts_ms\":1795187547863,\
        \"source\":{\"connector\":\"mongodb\",\"db\":\"shop\",\"collection\":\"parcels\",\"ts_ms\":1795187547000}}";
    check(mongo.to_owned(), "shop.parcels");
    assert_eq!(change(mongo).after.unwrap().item().get("town"), Some(&text("Brno")));
}

#[test]
fn what_a_record_lacks_or_has_wrong_is_named() {
    let check = |line: &str, piece: &str, replacement: &str, reason: Reason, table: bool| {
        let error = decode(&with(line, piece, replacement)).unwrap_err();
        assert_eq!(error.reason, reason, "{piece} -> {replacement}: {error}");
        assert_eq!(error.table.is_some(), table, "{piece} -> {replacement}: {error}");
    };
    check(UPDATE, "\"op\":\"u\"", "\"op\":\"x\"", Reason::UnknownOperation, true);
    check(UPDATE, "\"op\":\"u\"", "\"op\":5", Reason::WrongType, false);
    check(UPDATE, "\"op\":\"u\"", "\"operation\":\"u\"", Reason::MissingField, false);
    check(UPDATE, "\"after\"", "\"afters\"", Reason::MissingField, true);
    check(UPDATE, "\"source\"", "\"origin\"", Reason::MissingField, false);
    check(UPDATE, "\"table\":\"parcels\"", "\"table\":null", Reason::MissingField, false);
    check(UPDATE, "\"pos\":8081779", "\"pos\":-4", Reason::WrongType, true);
    check(UPDATE, "\"depot\":\"Brno\"", "\"depot\":1e5000", Reason::AbsurdNumber, true);
    check(UPDATE, "\"depot\":\"Brno\"", "\"id\":1", Reason::DuplicateKey, true);
    check(UPDATE, "\"key\":{\"id\":63}", "\"key\":{\"id\":63,\"id\":64}", Reason::DuplicateKey, false);
    let deep = format!("\"depot\":{}{}", "[".repeat(33), "]".repeat(33));
    check(UPDATE, "\"depot\":\"Brno\"", &deep, Reason::TooDeep, true);
}
