//! The scanner reads an event as the careful reader does, or leaves it to that.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

fn record(sequence: u64, key: &str, data: &[u8]) -> serde_json::Value {
    serde_json::json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": key,
            "sequenceNumber": sequence.to_string(),
            "data": STANDARD.encode(data),
            "approximateArrivalTimestamp": 1_545_084_650.987
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": format!("shardId-000000000006:{sequence}"),
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
        "awsRegion": "us-east-2",
        "eventSourceARN": "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"
    })
}

fn event(records: &[serde_json::Value]) -> String {
    serde_json::json!({ "Records": records }).to_string()
}

/// Whatever the scanner accepts, the careful reader reads alike.
fn check(payload: &[u8]) {
    if let Some(scanned) = scan(payload) {
        assert_eq!(read_carefully(payload).as_ref(), Ok(&scanned), "{}", String::from_utf8_lossy(payload));
    }
}

#[test]
fn an_event_as_lambda_sends_it_is_scanned() {
    let text = event(&[record(1, "p", b"hi"), record(2, "p\u{e9}", b""), record(3, "", &[0, 255, 7])]);
    let scanned = scan(text.as_bytes()).unwrap();
    assert_eq!(read_carefully(text.as_bytes()), Ok(scanned.clone()));
    assert_eq!(scanned.len(), 3);
    let spaced = text.replace("\":", "\" : ").replace(',', " ,\n ");
    assert_eq!(scan(spaced.as_bytes()).unwrap(), scanned);
    assert_eq!(scan(br#"{"Records":[]}"#), Some(Vec::new()));
}

#[test]
fn what_is_unusual_is_left_to_the_careful_reader() {
    let plain = event(&[record(1, "p", b"hi")]);
    for (from, to) in [
        ("\"aGk=\"", "\"aGk\""),
        ("\"aGk=\"", "\"aGl=\""),
        ("\"aGk=\"", "\"aG k=\""),
        ("\"aGk=\"", "null"),
        ("\"p\"", "\"\\u0070\""),
        ("1545084650.987", "\"1545084650.987\""),
        ("1545084650.987", "1.545e9"),
        ("\"Records\"", "\"More\":1,\"Records\""),
        ("\"eventID\"", "\"eventID\":\"x:1\",\"eventID\""),
        ("\"data\"", "\"data\":\"\",\"data\""),
        ("\"eventID\"", "\"event\""),
    ] {
        let unusual = plain.replace(from, to);
        assert_ne!(unusual, plain);
        assert_eq!(scan(unusual.as_bytes()), None, "{unusual}");
    }
    let not_base64 = plain.replace("aGk=", "***");
    assert_eq!(read(not_base64.as_bytes()).unwrap().pop().unwrap().data, Err("***".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_scanner_and_the_careful_reader_agree(
        data in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..3),
        key in "[a-z\"\\\\\u{e9}\u{1}]{0,9}",
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..4),
    ) {
        let records: Vec<_> = data.iter().zip(1..).map(|(data, number)| record(number, &key, data)).collect();
        let mut bytes = event(&records).into_bytes();
        check(&bytes);
        for (at, byte, how) in cuts {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
            check(&bytes);
        }
    }
}
