//! Findings about records that are no table's rows: events and telemetry documents.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use evercount_core::change::{Passed, Record};
use evercount_core::value::Value;
use evercount_wire::cdc::{Decoder, Envelope, Format, Reason, Undecodable};
use evercount_wire::event::{ITEMS_MAX, Observed, SUBJECTS_MAX, read};
use evercount_wire::json::plain_json;
use proptest::prelude::*;
use proptest::sample::Index;

const LOGS: &str = include_str!("fixtures/event/logs.json");
const METRICS: &str = include_str!("fixtures/event/metrics.json");
const SPANS: &str = include_str!("fixtures/event/spans.json");
const CLOUD_EVENT: &str = include_str!("fixtures/event/cloud-event.json");
const EVENT_BRIDGE: &str = include_str!("fixtures/event/event-bridge.json");

fn items(text: &str) -> Vec<Observed> {
    read(text).unwrap().unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> Undecodable {
    read(text).unwrap().unwrap_err()
}

/// `subject producer time item` for each item.
fn told(text: &str) -> Vec<String> {
    let line = |observed: &Observed| {
        let (producer, at) = (observed.producer.as_deref().unwrap_or("?"), observed.at.unwrap_or_default());
        format!("{} {producer} {at} {}", observed.subject, plain_json(&observed.item))
    };
    items(text).iter().map(line).collect()
}

fn decoded(format: Option<Format>, text: &str) -> Result<Record, Reason> {
    Decoder::new(format, 0).decode(&Envelope::of(text.as_bytes())).map_err(|error| error.reason)
}

#[test]
fn an_event_is_an_item_of_its_type() {
    let check = |text: &str, expected: &str| assert_eq!(told(text), [expected], "{text}");
    check(
        CLOUD_EVENT,
        r#"event:com.shop.order.placed /shop/checkout 1720740233012000 {"lines":[{"qty":2,"sku":"a-1"}],"order_id":"o-1","total":12.5}"#,
    );
    check(EVENT_BRIDGE, r#"event:Order Placed com.shop 1720740233000000 {"order_id":"o-1","paid":true}"#);
    check(
        r#"{"type":"order_placed","source":"shop","time":"yesterday","payload":{"id":1}}"#,
        r#"event:order_placed shop 0 {"payload":{"id":1},"source":"shop","time":"yesterday","type":"order_placed"}"#,
    );
    check(r#"{"specversion":"1.0","type":"ping","source":"s"}"#, "event:ping s 0 {}");
    check(r#"{"specversion":"1.0","type":"t","source":"s","data":[1,2]}"#, r#"event:t s 0 {"data":[1,2]}"#);
    check(
        r#"{"specversion":"1.0","type":"t","source":"s","data_base64":"AQI="}"#,
        r#"event:t s 0 {"data_base64":"AQI="}"#,
    );
    check(
        r#"{"specversion":"1.0","type":"t","source":"s","time":"1066-10-14T09:00:00Z","data":null}"#,
        "event:t s 0 {}",
    );
    check(
        r#"{"type":"a\nb%","source":"s\u0000"}"#,
        "event:a%0Ab%25 s%00 0 {\"source\":\"s\\u0000\",\"type\":\"a\\nb%\"}",
    );
}

#[test]
fn a_log_record_is_an_item_of_its_scope() {
    assert_eq!(
        told(LOGS),
        [
            concat!(
                r#"otlp:log/my.library checkout 1544712660300000 {"attributes":{"array":["many",1],"#,
                r#""boolean":true,"bytes":"AQI=","double":637.704,"integer":10,"map":{"inner":"value"},"#,
                r#""string":"some"},"body":"Example log record","event_name":"order.placed","#,
                r#""severity":"Information","severity_number":10,"#,
                r#""span_id":"eee19b7ec3c1b174","trace_id":"5b8efff798038103d269b633813fc60c"}"#,
            ),
            r#"otlp:log/ checkout 1544712661300000 {"body":{"message":"told later","tries":3}}"#,
        ]
    );
}

#[test]
fn a_data_point_says_what_its_metric_is() {
    assert_eq!(
        told(METRICS),
        [
            concat!(
                r#"otlp:metric/github.com/shop/cart/cart.items checkout 1544712660300000 "#,
                r#"{"attributes":{"shop":"de"},"monotonic":true,"temporality":"cumulative","type":"sum","unit":"{item}","value":5}"#,
            ),
            concat!(
                r#"otlp:metric/github.com/shop/cart/cart.age checkout 1544712660300000 "#,
                r#"{"type":"gauge","unit":"s","value":10.5}"#,
            ),
            concat!(
                r#"otlp:metric/github.com/shop/cart/cart.age checkout 1544712661300000 "#,
                r#"{"type":"gauge","unit":"s"}"#,
            ),
            concat!(
                r#"otlp:metric/github.com/shop/cart/http.duration checkout 1544712660300000 "#,
                r#"{"bucket_counts":[1,1],"count":2,"explicit_bounds":[1],"max":2,"min":0,"sum":2,"#,
                r#""temporality":"delta","type":"histogram","unit":"ms"}"#,
            ),
            concat!(
                r#"otlp:metric/github.com/shop/cart/http.size checkout 1544712660300000 "#,
                r#"{"count":10,"negative":{"bucket_counts":[]},"positive":{"bucket_counts":[1,2],"offset":1},"#,
                r#""scale":12,"sum":100,"temporality":"cumulative","type":"exponential_histogram","zero_count":1}"#,
            ),
            concat!(
                r#"otlp:metric/github.com/shop/cart/gc%2Fpauses checkout 1544712660300000 "#,
                r#"{"count":2,"quantile_values":[{"quantile":0.99,"value":0.5}],"sum":1,"type":"summary"}"#,
            ),
        ]
    );
    // A double that is no number is there and shows no type.
    assert_eq!(items(METRICS)[2].item["value"], Value::Unavailable);
}

#[test]
fn a_span_is_an_item_of_its_name_in_its_scope() {
    assert_eq!(
        told(SPANS),
        [
            concat!(
                r#"otlp:trace/my.library/GET %2Forders%2F{id} checkout 1544712660000000 "#,
                r#"{"attributes":{"http.status_code":200},"events":[{"attributes":{"exception.type":"Timeout"},"#,
                r#""name":"exception"}],"kind":"server","parent_span_id":"eee19b7ec3c1b173","#,
                r#""span_id":"eee19b7ec3c1b174","status":"error","trace_id":"5b8efff798038103d269b633813fc60c"}"#,
            ),
            r#"otlp:trace/my.library/ checkout 0 {"kind":"client","status":"ok"}"#,
            r#"otlp:trace/my.library/batch checkout 0 {"kind":17}"#,
        ]
    );
}

#[test]
fn only_a_stream_of_unnamed_format_passes_events_over() {
    for text in [LOGS, METRICS, SPANS, CLOUD_EVENT, EVENT_BRIDGE, r#"{"type":"t","source":"s","payload":{}}"#]
    {
        assert_eq!(decoded(None, text), Ok(Record::Passed(Passed::NotAChange)), "{text}");
        for format in [Format::DynamoDb, Format::Dms, Format::Debezium] {
            assert!(decoded(Some(format), text).is_err(), "{format} {text}");
        }
    }
}

#[test]
fn a_row_change_in_the_envelope_of_an_event_is_not_passed_over() {
    for text in [
        r#"{"specversion":"1.0","type":"io.debezium.connector.mysql.DataChangeEvent","source":"/debezium/mysql/a",
            "iodebeziumop":"c","data":{"before":null,"after":{"id":1}}}"#,
        r#"{"specversion":"1.0","type":"t","source":"s","data":{"schema":{},"payload":{"op":"c","source":{},"after":{"id":1}}}}"#,
        r#"{"version":"0","detail-type":"Event from aws:dynamodb","source":"Pipe p",
            "detail":{"eventName":"INSERT","dynamodb":{"Keys":{"id":{"S":"a"}}}}}"#,
        r#"{"type":"t","source":"s","__op":"c","id":1}"#,
    ] {
        assert!(read(text).is_none(), "{text}");
        assert_eq!(decoded(None, text), Err(Reason::UnknownFormat), "{text}");
    }
}

#[test]
fn a_document_says_what_is_wrong_with_it_and_none_of_its_data() {
    let check = |text: &str, reason: Reason| {
        let error = refused(text);
        assert_eq!(error.reason, reason, "{text}: {error}");
        assert!(!error.detail.contains("secret"), "{error}");
    };
    let log = |record: &str| format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#);
    check(&log(r#"{"body":"secret"}"#), Reason::WrongType);
    check(&log(r#"{"body":{"intValue":"secret"}}"#), Reason::WrongType);
    check(&log(r#"{"body":{"doubleValue":1e5000}}"#), Reason::AbsurdNumber);
    check(&log(r#"{"body":{"bytesValue":"secret!"}}"#), Reason::BadBase64);
    check(&log(r#"{"attributes":[1]}"#), Reason::WrongType);
    check(&log(r#"{"attributes":[{"key":5}]}"#), Reason::WrongType);
    check(&log(r#""secret""#), Reason::WrongType);
    check(&log(r#"{"severityNumber":"secret"}"#), Reason::WrongType);
    let nested = |levels: usize| {
        let open = r#"{"arrayValue":{"values":["#.repeat(levels);
        log(&format!(r#"{{"body":{open}{}}}"#, "]}}".repeat(levels)))
    };
    assert_eq!(items(&nested(24)).len(), 1);
    check(&nested(25), Reason::TooDeep);
    check(&nested(10_000), Reason::TooDeep);
    let attributes: Vec<String> = (0..1_001).map(|n| format!(r#"{{"key":"{n}"}}"#)).collect();
    check(&log(&format!(r#"{{"attributes":[{}]}}"#, attributes.join(","))), Reason::TooManyFields);
    check(r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{}}]}]}]}"#, Reason::MissingField);
    let long = "n".repeat(513);
    check(&format!(r#"{{"type":"{long}","source":"s"}}"#), Reason::TooLarge);
    check(
        &format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"a","unit":"{long}"}}]}}]}}]}}"#
        ),
        Reason::TooLarge,
    );
    check(r#"{"specversion":"1.0","type":"t","source":"s","data_base64":"secret!"}"#, Reason::BadBase64);
    check(r#"{"specversion":"1.0","type":"t","source":"s","data":{"a":1,"a":2}}"#, Reason::DuplicateKey);
}

#[test]
fn a_document_holds_so_many_items_of_so_many_subjects() {
    let logs = |records: usize| {
        let records = vec!["{}"; records].join(",");
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#)
    };
    assert_eq!(items(&logs(ITEMS_MAX)).len(), ITEMS_MAX);
    assert_eq!(refused(&logs(ITEMS_MAX + 1)).reason, Reason::TooLarge);
    let spans = |names: usize| {
        let spans: Vec<String> = (0..names).map(|n| format!(r#"{{"name":"{n}"}}"#)).collect();
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, spans.join(","))
    };
    assert_eq!(items(&spans(SUBJECTS_MAX)).len(), SUBJECTS_MAX);
    assert_eq!(refused(&spans(SUBJECTS_MAX + 1)).reason, Reason::TooLarge);
}

#[test]
fn of_two_values_of_one_attribute_the_last_stands() {
    let text = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[
        {"key":"a","value":{"intValue":"1"}},{"key":"a","value":{"intValue":2,"novelty":{"x":[]}}}]}]}]}]}"#;
    assert_eq!(told(text), [r#"otlp:log/ ? 0 {"attributes":{"a":2}}"#]);
}

const DOCUMENTS: [&str; 5] = [LOGS, METRICS, SPANS, CLOUD_EVENT, EVENT_BRIDGE];

/// Pieces that have broken JSON readers before, and the ends of this grammar.
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
    "-1",
    "1e999999999",
    "\\ud800",
    "\\u0000",
    "\"\"",
    "{}",
    "[]",
    "{\"$serde_json::private::Number\":\"1\"}",
    "{\"$serde_json::private::RawValue\":\"{\"}",
    "\"NaN\"",
    "{\"arrayValue\":{\"values\":[",
    "{\"kvlistValue\":{\"values\":[{\"key\":\"\",\"value\":",
    "18446744073709551616",
    "{\"intValue\":",
    "{\"stringValue\":null}",
    "\"op\":\"c\",",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_text_is_read_or_refused_and_the_decoder_agrees(
        document in 0..DOCUMENTS.len(),
        edits in prop::collection::vec((any::<Index>(), any::<Index>(), 0..3_usize, 0..40_usize), 0..6),
    ) {
        let mut text: Vec<char> = DOCUMENTS[document].chars().collect();
        for (place, piece, edit, length) in edits {
            let at = place.index(text.len() + 1);
            let end = (at + length).min(text.len());
            match edit {
                0 => drop(text.splice(at..at, PIECES[piece.index(PIECES.len())].chars())),
                1 => drop(text.drain(at..end)),
                _ => {
                    let again: Vec<char> = text[at..end].to_vec();
                    drop(text.splice(at..at, again));
                }
            }
        }
        let text: String = text.into_iter().collect();
        let first = read(&text);
        prop_assert_eq!(&first, &read(&text));
        prop_assert_eq!(first.is_some(), decoded(None, &text) == Ok(Record::Passed(Passed::NotAChange)));
        for observed in first.and_then(Result::ok).unwrap_or_default() {
            prop_assert!(observed.subject.as_str().len() < 1_100);
            prop_assert!(!observed.subject.as_str().contains(char::is_control));
            prop_assert!(observed.producer.is_none_or(|producer| producer.len() <= 512));
        }
    }

    #[test]
    fn every_attribute_value_is_read_back(value in attribute()) {
        let text = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{}}}]}}]}}]}}"#, written(&value));
        let read = items(&text);
        prop_assert_eq!(read[0].item.get("body"), Some(&value));
    }
}

fn attribute() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<String>().prop_map(Value::String),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Number(number.into())),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::Binary),
        Just(Value::Null),
    ];
    leaf.prop_recursive(5, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(Value::Map),
        ]
    })
}

/// A value as a producer writes it.
fn written(value: &Value) -> serde_json::Value {
    use serde_json::json;
    match value {
        Value::String(text) => json!({ "stringValue": text }),
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::Binary(bytes) => {
            use base64::Engine as _;
            json!({ "bytesValue": base64::engine::general_purpose::STANDARD.encode(bytes) })
        }
        Value::List(values) => {
            json!({ "arrayValue": { "values": values.iter().map(written).collect::<Vec<_>>() } })
        }
        Value::Map(map) => {
            let entry = |(key, value): (&String, &Value)| json!({ "key": key, "value": written(value) });
            json!({ "kvlistValue": { "values": map.iter().map(entry).collect::<Vec<_>>() } })
        }
        _ => json!({}),
    }
}
