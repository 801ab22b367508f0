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

/// The data of records that were read from a payload.
fn data(
    payload: &[u8],
    read: fn(&[u8]) -> Option<Vec<EventRecord<'_>>>,
) -> Option<Vec<Result<Vec<u8>, String>>> {
    let payload = Bytes::copy_from_slice(payload);
    let of = |record: &EventRecord<'_>| record.data(&payload).bytes().map(Cow::into_owned);
    Some(read(&payload)?.iter().map(of).collect())
}

fn but_data(record: EventRecord<'_>) -> EventRecord<'_> {
    EventRecord { data: Cow::default(), ..record }
}

/// Whatever the scanner accepts, the careful reader reads alike, and finds the same data there. Only what stands
/// in place of data the scanner does not look at, and leaves it to whoever reads it to find that it is none.
fn check(payload: &[u8]) {
    let Some(scanned) = scan(payload) else { return };
    let text = String::from_utf8_lossy(payload);
    let found = data(payload, scan).unwrap();
    match read_carefully(payload) {
        Ok(careful) => {
            assert_eq!(Some(found), data(payload, |payload| read_carefully(payload).ok()), "{text}");
            let [scanned, careful] =
                [scanned, careful].map(|all| all.into_iter().map(but_data).collect::<Vec<_>>());
            assert_eq!(scanned, careful, "{text}");
        }
        Err(_) => assert!(found.iter().any(Result::is_err), "{text}"),
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
fn arrivals_are_read_as_the_careful_reader_reads_them() {
    for arrival in [
        "0.001",
        "9.999",
        "1545084650.987",
        "4294967295.999",
        "4294967296.001",
        "9999999999.999",
        "99999999999.999",
        "-1.500",
        "1545084650",
        "1545084650.98",
        "1545084650.987654",
        "0.000",
        "253402300799.999",
    ] {
        let text = event(&[record(1, "p", b"hi")]).replace("1545084650.987", arrival);
        assert_eq!(read_carefully(text.as_bytes()), Ok(scan(text.as_bytes()).unwrap()), "{arrival}");
    }
}

#[test]
fn what_is_unusual_is_left_to_the_careful_reader() {
    let plain = event(&[record(1, "p", b"hi")]);
    for (from, to) in [
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
}

#[test]
fn data_is_decoded_when_it_is_read_and_what_is_no_base64_stays_as_it_is() {
    let of = |text: &str| {
        let payload = event(&[record(1, "p", b"hi")]).replace("aGk=", text);
        data(payload.as_bytes(), |payload| read(payload).ok()).map(|mut one| one.pop().unwrap())
    };
    for text in ["***", "aGk", "aGl=", "aG k=", "\u{e9}", "\\x", "a\nb"] {
        assert_eq!(of(text), Some(Err(text.to_owned())));
    }
    assert_eq!(of("aGk="), Some(Ok(b"hi".to_vec())));
    // Escapes are of JSON, and not of what it says.
    assert_eq!(of("aGk\\u003d"), Some(Ok(b"hi".to_vec())));
    assert_eq!(of("\\u002a\\\""), Some(Err("*\"".to_owned())));

    let payload = Bytes::from(event(&[record(1, "p", b"hi")]));
    let data = read(&payload).unwrap()[0].data(&payload);
    let mut room = b"left over".to_vec();
    assert_eq!((data.read(&mut room), data.raw()), (Ok(b"hi".as_slice()), b"hi".to_vec()));
    assert_eq!(Data::Text("***".to_owned()).raw(), b"***");
}

#[test]
fn an_event_of_long_records_is_scanned() {
    let long = "\u{e9}".repeat(90_000);
    for keys in [["p"; 900], ["\u{e9}p"; 900], [long.as_str(); 900]] {
        let count = if keys[0].len() > 9 { 5 } else { keys.len() };
        let records: Vec<_> = keys
            .iter()
            .zip(1..)
            .take(count)
            .map(|(key, n)| record(n, key, &vec![n as u8; n as usize]))
            .collect();
        let payload = event(&records);
        assert!(payload.len() > 3 * 128 * 1_024);
        let scanned = scan(payload.as_bytes()).unwrap();
        assert_eq!(scanned, read_carefully(payload.as_bytes()).unwrap());
        let cut = payload.len() - 2;
        assert!(scan(&payload.as_bytes()[..cut]).is_none() && scan(&payload.as_bytes()[..cut / 2]).is_none());
        assert!(scan([payload.as_bytes(), b"\xff"].concat().as_slice()).is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Of all lengths for which a processor has a way of its own, and wrong in one place or none.
    #[test]
    fn data_is_decoded_as_the_careful_reader_decodes_it(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        unpadded in any::<bool>(),
        wrong in prop::option::of((any::<prop::sample::Index>(), "[+/=_ A\u{e9}\u{0}-]")),
        mut room in prop::collection::vec(any::<u8>(), 0..900),
    ) {
        let mut text = STANDARD.encode(&bytes);
        if unpadded {
            text.retain(|byte| byte != '=');
        }
        if let Some((at, with)) = wrong {
            let at = at.index(text.len() + 1);
            text.replace_range(at..(at + 1).min(text.len()), &with);
        }
        let decoded = decode(text.as_bytes(), &mut room).map(|length| room[..length].to_vec());
        prop_assert_eq!(decoded, json::read_base64(&text).ok(), "{}", text);
    }

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
