//! Findings about the records of Kinesis Data Streams for DynamoDB.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use evercount_core::change::{Change, Record};
use evercount_core::decimal::Decimal;
use evercount_core::image::Image;
use evercount_core::order::{Basis, OrderVersion};
use evercount_core::value::Value;
use evercount_wire::cdc::{Decoder, Envelope, Format, Reason, Undecodable};

const INSERT: &str = include_str!("fixtures/cdc/dynamodb/insert-microsecond.json");
const MODIFY_MILLISECOND: &str = include_str!("fixtures/cdc/dynamodb/modify-millisecond.json");
const MODIFY_NO_PRECISION: &str = include_str!("fixtures/cdc/dynamodb/modify-no-precision.json");
const REMOVE: &str = include_str!("fixtures/cdc/dynamodb/remove.json");
const REMOVE_TTL: &str = include_str!("fixtures/cdc/dynamodb/remove-ttl.json");
const EVERY_TYPE: &str = include_str!("fixtures/cdc/dynamodb/every-type.json");
const STREAMS: &str = include_str!("fixtures/cdc/dynamodb/streams-shaped.json");

/// Decodes with the format named and with the format detected, which must agree.
fn decode(text: &str) -> Result<Record, Undecodable> {
    let envelope = Envelope::of(text.as_bytes());
    let named = Decoder::new(Some(Format::DynamoDb), 3).decode(&envelope);
    let detected = Decoder::new(None, 3).decode(&envelope);
    let essence = |error: Undecodable| (error.reason, error.table);
    assert_eq!(named.clone().map_err(essence), detected.map_err(essence));
    named
}

fn change(text: &str) -> Change {
    match decode(text).unwrap() {
        Record::Changes(changes) if changes.len() == 1 => changes.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// A fixture with one piece of its text replaced.
fn with(text: &str, piece: &str, replacement: &str) -> String {
    assert!(text.contains(piece), "{piece}");
    text.replace(piece, replacement)
}

#[test]
fn each_event_says_what_the_item_was_and_is() {
    let check = |text: &str, before: Option<&str>, after: Option<&str>, at| {
        let change = change(text);
        assert_eq!(change.row.table.as_str(), "parcels");
        assert_eq!(change.row.identity.as_str(), "{\"id\":\"P-1\"}");
        let depot = |image: Option<&evercount_core::value::Item>| {
            image.map(|item| item.get("depot").cloned().unwrap())
        };
        assert_eq!(
            depot(change.before.map(Image::into_item).as_ref()),
            before.map(|text| Value::String(text.to_owned()))
        );
        assert_eq!(
            depot(change.after.map(Image::into_item).as_ref()),
            after.map(|text| Value::String(text.to_owned()))
        );
        assert_eq!(change.at, at);
        assert_eq!(change.version, OrderVersion::clock(3, at));
        assert_eq!(change.version.basis(), Basis::Clock);
    };
    check(INSERT, None, Some("Łódź"), 1_720_740_233_012_995);
    check(MODIFY_MILLISECOND, Some("Łódź"), Some("Brno"), 1_720_740_234_900_000);
    check(MODIFY_NO_PRECISION, Some("Łódź"), Some("Brno"), 1_651_495_525_900_000);
    check(REMOVE, Some("Brno"), None, 1_720_740_235_012_995);
    check(REMOVE_TTL, Some("Brno"), None, 1_720_740_236_012_995);
    check(STREAMS, Some("Brno"), Some("Łódź"), 1_720_740_237_000_000);
}

#[test]
fn a_change_carries_the_version_that_its_item_was_given() {
    let version = 1_720_740_233_012_990_u64;
    let stamp = |number: u64| format!("\"_ver\":{{\"N\":\"{number}\"}},\"depot\"");
    let item_version = |text: &str| change(text).version.item_version().map(|version| version.0);
    assert_eq!(item_version(&with(INSERT, "\"depot\"", &stamp(version))), Some(version));
    assert_eq!(item_version(&with(REMOVE, "\"depot\"", &stamp(version))), Some(version));
    // In both images alike: whoever wrote it went past the proxy.
    assert_eq!(item_version(&with(MODIFY_MILLISECOND, "\"depot\"", &stamp(version))), None);
    assert_eq!(item_version(&with(INSERT, "\"depot\"", &stamp(7))), None);
    assert_eq!(item_version(INSERT), None);
}

#[test]
fn a_switch_of_precision_in_the_stream_keeps_the_order() {
    let versions = [MODIFY_NO_PRECISION, INSERT, MODIFY_MILLISECOND, REMOVE, REMOVE_TTL, STREAMS];
    assert!(versions.map(|text| change(text).version).is_sorted());
}

#[test]
fn a_time_in_another_unit_than_the_record_says_is_refused() {
    let check = |text: String| {
        let error = decode(&text).unwrap_err();
        assert_eq!(error.reason, Reason::AbsurdNumber, "{text}");
        assert_eq!(error.table.unwrap().as_str(), "parcels");
    };
    check(with(INSERT, "MICROSECOND", "MILLISECOND"));
    check(with(MODIFY_MILLISECOND, "MILLISECOND", "MICROSECOND"));
    check(with(MODIFY_NO_PRECISION, "1651495525900", "1651495525"));
    check(with(MODIFY_NO_PRECISION, "1651495525900", "1651495525900000"));
    check(with(STREAMS, "1720740237.0", "56498"));
    check(with(INSERT, "1720740233012995", "1e400"));
}

#[test]
fn fractions_of_a_second_are_kept_in_the_shape_of_dynamodb_streams() {
    assert_eq!(change(&with(STREAMS, "1720740237.0", "1720740237.25")).at, 1_720_740_237_250_000);
    assert_eq!(change(&with(STREAMS, "1720740237.0", "1720740237250")).at, 1_720_740_237_250_000);
}

#[test]
fn every_type_of_attribute_is_read_and_the_key_has_one_text() {
    let change = change(EVERY_TYPE);
    assert_eq!(change.row.identity.as_str(), "{\"pk\":{\"B\":\"AAH/\"},\"sk\":-1.5}");
    let after = change.after.unwrap().into_item();
    let names: Vec<(&str, &str)> =
        after.iter().map(|(name, value)| (name.as_str(), value.type_name())).collect();
    let types = [
        ("b", "B"),
        ("bool", "BOOL"),
        ("bs", "BS"),
        ("l", "L"),
        ("m", "M"),
        ("ns", "NS"),
        ("null", "NULL"),
        ("pk", "B"),
        ("s", "S"),
        ("sk", "N"),
        ("ss", "SS"),
    ];
    assert_eq!(names, types);
    // Bytes that happen to be text stay bytes: DynamoDB says which is which.
    assert_eq!(after.get("b"), Some(&Value::Binary(b"hi".to_vec())));
    assert_eq!(after.get("ns"), Some(&Value::NumberSet([Decimal::from(1), Decimal::from(2)].into())));
}

#[test]
fn spellings_of_one_key_number_are_one_row_and_a_text_is_another() {
    let identity = |descriptor: &str| {
        let text =
            with(INSERT, "\"Keys\":{\"id\":{\"S\":\"P-1\"}}", &format!("\"Keys\":{{\"id\":{descriptor}}}"));
        change(&text).row.identity
    };
    let one = identity("{\"N\":\"1\"}");
    for spelling in ["1.0", "1e0", "10E-1", "01"] {
        assert_eq!(identity(&format!("{{\"N\":\"{spelling}\"}}")), one, "{spelling}");
    }
    assert_ne!(identity("{\"S\":\"1\"}"), one);
    assert_ne!(identity("{\"B\":\"MQ==\"}"), identity("{\"S\":\"MQ==\"}"));
}

#[test]
fn what_a_record_lacks_or_has_wrong_is_named() {
    let check = |text: &str, piece: &str, replacement: &str, reason: Reason, table: bool| {
        let error = decode(&with(text, piece, replacement)).unwrap_err();
        assert_eq!(error.reason, reason, "{piece} -> {replacement}: {error}");
        assert_eq!(error.table.is_some(), table, "{piece} -> {replacement}: {error}");
    };
    check(INSERT, "\"NewImage\"", "\"Image\"", Reason::MissingField, true);
    check(INSERT, "\"Keys\"", "\"Key\"", Reason::MissingField, true);
    check(INSERT, "\"Keys\":{\"id\":{\"S\":\"P-1\"}}", "\"Keys\":{}", Reason::MissingField, true);
    check(
        INSERT,
        "\"Keys\":{\"id\":{\"S\":\"P-1\"}}",
        "\"Keys\":{\"id\":{\"NULL\":true}}",
        Reason::WrongType,
        true,
    );
    check(INSERT, "\"tableName\":\"parcels\"", "\"tableName\":null", Reason::MissingField, false);
    check(INSERT, "\"tableName\":\"parcels\"", "\"tableName\":5", Reason::WrongType, false);
    check(INSERT, "\"INSERT\"", "\"UPSERT\"", Reason::UnknownOperation, true);
    check(INSERT, "MICROSECOND", "NANOSECOND", Reason::WrongType, true);
    check(INSERT, "\"84.840\"", "84.840", Reason::WrongType, true);
    check(INSERT, "\"84.840\"", "\"1e126\"", Reason::AbsurdNumber, true);
    check(INSERT, "\"84.840\"", "\"NaN\"", Reason::WrongType, true);
    check(INSERT, "{\"N\":\"84.840\"}", "{\"B\":\"?\"}", Reason::BadBase64, true);
    check(INSERT, "\"weight\"", "\"depot\"", Reason::DuplicateKey, true);
    check(INSERT, "\"eventName\"", "\"tableName\":\"b\",\"eventName\"", Reason::DuplicateKey, false);
    check(INSERT, "{\"N\":\"84.840\"}", "{\"$serde_json::private::Number\":\"5\"}", Reason::WrongType, true);
    check(INSERT, "\"eventSource\":\"aws:dynamodb\"}", "\"eventSource\"", Reason::NotJson, false);
    check(STREAMS, ":table/", ":bucket/", Reason::MissingField, false);
    let long = format!("{{\"S\":\"{}\"}}", "k".repeat(evercount_wire::cdc::KEY_BYTES_MAX + 1));
    check(
        INSERT,
        "\"Keys\":{\"id\":{\"S\":\"P-1\"}}",
        &format!("\"Keys\":{{\"id\":{long}}}"),
        Reason::TooLarge,
        true,
    );
}

#[test]
fn fields_that_no_rule_knows_are_tolerated() {
    let extra = with(INSERT, "\"eventSource\"", "\"new\":{\"a\":[1,{\"a\":1,\"a\":2}]},\"eventSource\"");
    assert_eq!(change(&extra), change(INSERT));
}
