//! Findings about bytes that no well-meaning producer sends: every input is a record or says why
//! it is none.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use evercount_core::change::{ColumnCoding, TableName, TableShape};
use evercount_wire::cdc::{Decoder, Envelope, Format, RECORD_BYTES_MAX, Reason, from_base64};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

mod kept;

/// Inputs tried for each format, and once more for bytes of no format.
const INPUTS: usize = 100_000;

/// Edits of one case. Each is an input more, for each of a format's records.
const EDITS: usize = 5;

const DYNAMODB: &[&str] = &[
    include_str!("fixtures/cdc/dynamodb/every-type.json"),
    include_str!("fixtures/cdc/dynamodb/modify-millisecond.json"),
    include_str!("fixtures/cdc/dynamodb/streams-shaped.json"),
    include_str!("fixtures/cdc/dynamodb/remove-ttl.json"),
];

const DMS: &[&str] = &[
    include_str!("fixtures/cdc/dms/insert-mysql.json"),
    include_str!("fixtures/cdc/dms/update-primary-key.json"),
    include_str!("fixtures/cdc/dms/load.json"),
    include_str!("fixtures/cdc/dms/create-table.json"),
];

const DEBEZIUM: &[&str] = &[
    include_str!("fixtures/cdc/debezium/mysql-update.json"),
    include_str!("fixtures/cdc/debezium/postgres-update-toast.json"),
    include_str!("fixtures/cdc/debezium/schema-envelope.json"),
    include_str!("fixtures/cdc/debezium/schema-envelope-binary-key.json"),
    include_str!("fixtures/cdc/debezium/ddl-alter.json"),
    include_str!("fixtures/cdc/debezium/history-alter.json"),
];

/// Pieces that have broken JSON readers before.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\",
    "null",
    "true",
    "-",
    "0",
    "1e999999999",
    "-0.0",
    "\\ud800",
    "\\u0000",
    "99999999999999999999999999999999999999999",
    "\"\"",
    "{}",
    "[]",
    "{\"$serde_json::private::Number\":\"1\"}",
    "{\"$serde_json::private::RawValue\":\"{\"}",
    "{\"schema\":{},\"payload\":null}",
    "\u{feff}",
    "é",
    "==",
    "/",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "{\"M\":{\"a\":{\"M\":{\"a\":",
    "18446744073709551616",
];

/// One change to a text.
#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, Index),
    Remove(Index, usize),
    Repeat(Index, usize),
    Overwrite(Index, u8),
    Truncate(Index),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        (any::<Index>(), any::<Index>()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<Index>(), 1usize..40).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<Index>(), 1usize..200).prop_map(|(at, length)| Edit::Repeat(at, length)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Overwrite(at, byte)),
        any::<Index>().prop_map(Edit::Truncate),
    ];
    prop::collection::vec(edit, EDITS)
}

fn apply(bytes: &mut Vec<u8>, edit: &Edit) {
    let place = |index: &Index| index.index(bytes.len() + 1);
    match edit {
        Edit::Insert(at, piece) => {
            let at = place(at);
            bytes.splice(at..at, piece.get(PIECES).bytes());
        }
        Edit::Remove(at, length) => {
            let at = place(at);
            bytes.drain(at..(at + length).min(bytes.len()));
        }
        Edit::Repeat(at, length) => {
            let at = place(at);
            let piece: Vec<u8> = bytes.iter().skip(at).take(*length).copied().collect();
            bytes.splice(at..at, piece);
        }
        Edit::Overwrite(at, byte) => {
            let at = place(at);
            if let Some(place) = bytes.get_mut(at) {
                *place = *byte;
            }
        }
        Edit::Truncate(at) => bytes.truncate(place(at)),
    }
}

fn decoders(format: Format) -> [Decoder; 3] {
    let mut learned = Decoder::new(Some(format), 1);
    for table in ["shop.parcels", "public.parcels", "shop.codes"] {
        let columns = vec![
            ("price".to_owned(), ColumnCoding::UnscaledDecimal { scale: 6 }),
            ("depot".to_owned(), ColumnCoding::Binary),
            ("id".to_owned(), ColumnCoding::Unsigned64),
        ];
        learned.learn(TableName::new(table), TableShape { key: vec!["id".to_owned()], columns });
    }
    [Decoder::new(Some(format), 0), Decoder::new(None, 0), learned]
}

/// What is asked of a hostile record: no panic, a short reason, and that the scanner makes of it what
/// the decoder does.
fn check(decoders: &[Decoder], data: &[u8], partition_key: Option<&str>) {
    let envelope = Envelope { data, partition_key, arrival: Some(1) };
    for decoder in decoders {
        let decoded = decoder.decode(&envelope);
        if let Err(error) = &decoded {
            assert!(error.detail.len() < 4_096, "{}", error.detail.len());
        }
        kept::check(decoder, &envelope, decoded);
    }
}

fn runner(inputs_of_a_case: usize) -> TestRunner {
    let cases = u32::try_from(INPUTS.div_ceil(inputs_of_a_case)).unwrap();
    TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) })
}

fn mutants_of(format: Format, records: &[&str]) {
    let decoders = decoders(format);
    let result = runner(records.len() * EDITS).run(&edits(), |edits| {
        for record in records {
            let mut bytes = record.as_bytes().to_vec();
            for edit in &edits {
                apply(&mut bytes, edit);
                check(&decoders, &bytes, std::str::from_utf8(&bytes).ok());
            }
        }
        Ok(())
    });
    result.unwrap();
}

#[test]
fn no_mutant_of_a_dynamodb_record_breaks_the_decoder() {
    mutants_of(Format::DynamoDb, DYNAMODB);
}

#[test]
fn no_mutant_of_a_dms_record_breaks_the_decoder() {
    mutants_of(Format::Dms, DMS);
}

#[test]
fn no_mutant_of_a_debezium_record_breaks_the_decoder() {
    mutants_of(Format::Debezium, DEBEZIUM);
}

#[test]
fn no_bytes_break_the_decoder() {
    let decoders = [Format::DynamoDb, Format::Dms, Format::Debezium].map(decoders).concat();
    let bytes = prop::collection::vec(any::<u8>(), 0..32);
    let tokens = prop::collection::vec(any::<Index>(), 0..16);
    let result = runner(2).run(&(bytes, tokens), |(bytes, tokens)| {
        check(&decoders, &bytes, None);
        let text: String = tokens.iter().map(|token| *token.get(PIECES)).collect();
        check(&decoders, text.as_bytes(), Some(&text));
        Ok(())
    });
    result.unwrap();
}

fn reason(data: &[u8]) -> Option<Reason> {
    Decoder::new(None, 0).decode(&Envelope::of(data)).err().map(|error| error.reason)
}

#[test]
fn what_is_no_record_says_so() {
    assert_eq!(reason(b"{\"a\":1}"), Some(Reason::UnknownFormat));
    assert_eq!(reason(b"{}"), Some(Reason::UnknownFormat));
    assert_eq!(reason(b"{\"metadata\":{}}"), Some(Reason::UnknownFormat));
    assert_eq!(reason(b"[]"), Some(Reason::WrongType));
    assert_eq!(reason(b"5"), Some(Reason::WrongType));
    assert_eq!(reason(b""), Some(Reason::NotJson));
    assert_eq!(reason(b"{\"op\":\"c\",\"op\":\"d\"}"), Some(Reason::DuplicateKey));
    assert_eq!(reason(b"\xff{}"), Some(Reason::NotUtf8));
    assert_eq!(reason(b"{\"op\":\"c\",\"source\":{\"table\":\"a\"}}"), Some(Reason::MissingField));
}

#[test]
fn size_depth_and_width_are_bounded_before_they_cost_anything() {
    assert_eq!(reason(&vec![b' '; RECORD_BYTES_MAX + 1]), Some(Reason::TooLarge));
    let arrays = "[".repeat(RECORD_BYTES_MAX);
    assert_eq!(reason(arrays.as_bytes()), Some(Reason::WrongType));
    for record in [
        "{\"tableName\":\"t\",\"eventName\":\"INSERT\",\"dynamodb\":{\"NewImage\":@}}",
        "{\"metadata\":{\"record-type\":\"data\",\"table-name\":\"t\",\"operation\":\"insert\",\"timestamp\":\"2024-07-29T00:58:44Z\"},\"data\":@}",
        "{\"op\":\"c\",\"ts_ms\":1,\"source\":{\"table\":\"t\"},\"after\":@}",
    ] {
        let check = |image: String, expected: &[Reason]| {
            let found = reason(record.replace('@', &image).as_bytes());
            assert!(found.is_some_and(|reason| expected.contains(&reason)), "{record}: {found:?}");
        };
        let open = "{\"M\":{\"L\":".repeat(10_000);
        check(format!("{{\"a\":{open}1{}}}", "}}".repeat(10_000)), &[Reason::TooDeep]);
        let fields: Vec<String> = (0..1_001).map(|field| format!("\"{field}\":{{\"S\":\"\"}}")).collect();
        check(format!("{{{}}}", fields.join(",")), &[Reason::TooManyFields]);
        let digits = "9".repeat(200_000);
        check(format!("{{\"N\":{{\"N\":\"{digits}\"}},\"n\":{digits}}}"), &[Reason::AbsurdNumber]);
    }
}

#[test]
fn a_tolerated_field_may_be_as_deep_as_it_likes() {
    let record = include_str!("fixtures/cdc/dms/delete.json");
    let deep = format!("{{\"x\":{}{},", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(reason(record.replacen('{', &deep, 1).as_bytes()), None);
}

#[test]
fn record_data_in_base64_is_decoded_or_refused() {
    assert_eq!(from_base64("e30="), Ok(b"{}".to_vec()));
    assert_eq!(from_base64("e30").map_err(|error| error.reason), Err(Reason::BadBase64));
    assert_eq!(from_base64("e3 0=").map_err(|error| error.reason), Err(Reason::BadBase64));
    let long = "A".repeat(2 * RECORD_BYTES_MAX);
    assert_eq!(from_base64(&long).map_err(|error| error.reason), Err(Reason::TooLarge));
}

#[test]
fn a_format_reads_back_from_its_name() {
    for format in [Format::DynamoDb, Format::Dms, Format::Debezium] {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert!("DynamoDB".parse::<Format>().is_err());
}
