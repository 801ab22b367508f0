//! Findings about the scanner: it reads what DynamoDB writes, and as the decoder reads it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use evercount_core::value::{Item, Value};
use evercount_wire::cdc::{Decoder, Envelope, Format};
use evercount_wire::json::dynamodb_json;
use proptest::prelude::*;

mod kept;
mod strategies;

fn check(text: &str) -> bool {
    let envelope = Envelope::of(text.as_bytes());
    let scanned = [Some(Format::DynamoDb), None].map(|format| {
        let decoder = Decoder::new(format, 0);
        kept::check(&decoder, &envelope, decoder.decode(&envelope))
    });
    assert_eq!(scanned[0], scanned[1], "{text}");
    scanned[0]
}

#[test]
fn records_as_dynamodb_writes_them_are_scanned() {
    for text in [
        include_str!("fixtures/cdc/dynamodb/every-type.json"),
        include_str!("fixtures/cdc/dynamodb/insert-microsecond.json"),
        include_str!("fixtures/cdc/dynamodb/modify-millisecond.json"),
        include_str!("fixtures/cdc/dynamodb/modify-no-precision.json"),
        include_str!("fixtures/cdc/dynamodb/remove.json"),
        include_str!("fixtures/cdc/dynamodb/remove-ttl.json"),
    ] {
        assert!(check(text), "{text}");
        // With white space wherever it may be.
        assert!(check(&text.replace("\":", "\" : ").replace(",\"", " ,\r\n\t\"")), "{text}");
        for (spaced, close) in
            [("\" }", "\"}"), ("} }", "}}"), ("{ \"", "{\""), ("\" :", "\":"), (", \"", ",\"")]
        {
            check(&text.replace(close, spaced));
        }
    }
    assert!(!check(include_str!("fixtures/cdc/dynamodb/streams-shaped.json")));
}

fn columns() -> impl Strategy<Value = Item> {
    let name = prop_oneof![
        4 => prop::sample::select(kept::READ.to_vec()).prop_map(str::to_owned),
        3 => prop::sample::select(kept::KNOWN.to_vec()).prop_map(str::to_owned),
        3 => strategies::name(),
        2 => Just("_ver".to_owned()),
        1 => "[a-z]{8,12}",
    ];
    let number = prop_oneof![
        "-?[0-9]{1,40}(\\.[0-9]{1,5})?",
        Just("-0".to_owned()),
        Just("00.10".to_owned()),
        Just("1E5".to_owned()),
        // As versions of items are, near the time of the records.
        (0_u64..9).prop_map(|since| (1_720_740_233_012_000 + since).to_string()),
    ];
    let value = prop_oneof![
        4 => strategies::value(),
        // A number keeps its spelling in the record, and not in the value; see below.
        2 => number.prop_map(|text| Value::String(format!("number {text}"))),
        2 => "[a-z ]{0,30}".prop_map(Value::String),
    ];
    prop::collection::btree_map(name, value, 0..20)
}

/// An item in DynamoDB JSON, in which some texts are numbers as they are spelled.
fn image(item: &Item, order: bool) -> String {
    let mut fields: Vec<String> = item
        .iter()
        .map(|(name, value)| {
            let alone = dynamodb_json(&Item::from([(name.clone(), value.clone())]));
            let field = alone.trim_start_matches('{').strip_suffix('}').unwrap().to_owned();
            match value {
                Value::String(text) if text.starts_with("number ") => {
                    field.replace("{\"S\":\"number ", "{\"N\":\"")
                }
                _ => field,
            }
        })
        .collect();
    if order {
        fields.reverse();
    }
    format!("{{{}}}", fields.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_an_item_holds_the_scanner_and_the_decoder_agree(
        new in columns(),
        old in prop::option::of(columns()),
        table in prop::sample::select(vec![kept::TABLE, "others", ""]),
        twice in prop::option::weighted(0.1, strategies::name()),
        order: bool,
    ) {
        let mut new = image(&new, order);
        if let Some(name) = twice {
            let field = format!("{}:{{\"NULL\":true}}", serde_json::to_string(&name).unwrap());
            new = new.replacen('{', &format!("{{{field},{field},"), 1);
        }
        let old = old.map(|old| format!(",\"OldImage\":{}", image(&old, !order))).unwrap_or_default();
        check(&format!(
            "{{\"awsRegion\":\"eu-central-1\",\"eventName\":\"MODIFY\",\"userIdentity\":null,\"tableName\":\"{table}\",\
             \"dynamodb\":{{\"ApproximateCreationDateTime\":1720740233012,\"Keys\":{{\"id\":{{\"S\":\"P-1\"}}}},\
             \"NewImage\":{new}{old},\"SizeBytes\":99}},\"eventSource\":\"aws:dynamodb\"}}"
        ));
    }
}

/// Keys of one text, and others.
const KEYS: [&str; 8] = [
    r#"{"id":{"S":"P-1"}}"#,
    r#"{"id":{"S":" P-2 "}}"#,
    r#"{"id":{"S":""}}"#,
    r#"{"parcel":{"S":"P-1"}}"#,
    r#"{"id" :{"S":"P-1"}}"#,
    r#"{"id":{"S":"P-1"} }"#,
    r#"{"id":{"N":"1"}}"#,
    r#"{"id":{"S":"P-1"},"sk":{"N":"1"}}"#,
];

/// A record of one event, as DynamoDB writes them.
fn record(event: &str, keys: &str, images: &str) -> String {
    format!(
        "{{\"awsRegion\":\"eu-central-1\",\"eventID\":\"e-1\",\"eventName\":\"{event}\",\"userIdentity\":null,\
         \"tableName\":\"{}\",\"dynamodb\":{{\"ApproximateCreationDateTime\":1720740233012,\
         \"Keys\":{keys},{images}\"SizeBytes\":99}},\"eventSource\":\"aws:dynamodb\"}}",
        kept::TABLE
    )
}

/// Names and values of one record in the place of another's, and bytes that are wrong.
fn changed(text: &str, changes: &[(usize, u8, usize)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, byte, kind) in changes {
        let at = at % bytes.len();
        match kind {
            0 => bytes[at] = *byte,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, *byte),
            _ => {
                // A field of its own, once more and somewhere else.
                let field = [
                    r#""eventName":"REMOVE","#,
                    r#""Keys":{"id":{"S":"P-2"}},"#,
                    r#""awsRegion":"x","#,
                    r#""SizeBytes":1,"#,
                    r#""OldImage":{},"#,
                ][usize::from(*byte) % 5];
                let commas: Vec<usize> = text.match_indices(',').map(|(comma, _)| comma + 1).collect();
                let at = commas[at % commas.len()].min(bytes.len());
                bytes.splice(at..at, field.bytes());
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_came_before_a_record_makes_no_difference_to_it(
        records in prop::collection::vec(
            (0_usize..3, prop::sample::select(KEYS.to_vec()), columns(), prop::collection::vec((any::<usize>(), any::<u8>(), 0_usize..5), 0..2)),
            1..8,
        ),
    ) {
        let decoder = Decoder::new(Some(Format::DynamoDb), 0);
        let mut scanners = kept::scanners();
        for (kind, keys, columns, changes) in records {
            let image = image(&columns, false);
            let text = match kind {
                0 => record("INSERT", keys, &format!("\"NewImage\":{image},")),
                1 => record("MODIFY", keys, &format!("\"NewImage\":{image},\"OldImage\":{image},")),
                _ => record("REMOVE", keys, &format!("\"OldImage\":{image},")),
            };
            let bytes = changed(&text, &changes);
            kept::check_with(&mut scanners, &decoder, &Envelope::of(&bytes));
        }
    }
}
