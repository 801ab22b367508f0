//! Findings about JSON and values.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use evercount_core::decimal::Decimal;
use proptest::prelude::*;

const MARKER: &str = "$serde_json::private::Number";

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

fn number(value: &str) -> Value {
    Value::Number(value.parse().unwrap())
}

fn item(attributes: &[(&str, Value)]) -> Item {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn fault_of<T>(result: Result<T, JsonError>) -> Option<Fault> {
    result.err().map(|error| error.fault)
}

#[test]
fn plain_json_becomes_the_value_it_says() {
    let check = |json: &str, value: Value| assert_eq!(read_plain(json), Ok(value), "{json}");
    check("null", Value::Null);
    check(" true ", Value::Bool(true));
    check("-0.50e1", number("-5"));
    check("18446744073709551615", number("18446744073709551615"));
    check("\"a\\u00e9\\n\"", text("aé\n"));
    check("[]", Value::List(vec![]));
    check("{}", Value::Map(Item::new()));
    check("[1,{\"a\":null}]", Value::List(vec![number("1"), Value::Map(item(&[("a", Value::Null)]))]));
}

#[test]
fn dynamodb_json_becomes_the_value_its_descriptor_says() {
    let check = |json: &str, value: Value| assert_eq!(read_dynamodb(json), Ok(value), "{json}");
    check("{\"S\":\"\"}", text(""));
    check("{\"N\":\"1.0\"}", number("1"));
    check("{\"B\":\"AAE=\"}", Value::Binary(vec![0, 1]));
    check("{\"BOOL\":false}", Value::Bool(false));
    check("{\"NULL\":true}", Value::Null);
    check("{\"L\":[{\"S\":\"a\"}]}", Value::List(vec![text("a")]));
    check("{\"M\":{\"a\":{\"N\":\"7\"}}}", Value::Map(item(&[("a", number("7"))])));
    check("{\"SS\":[\"b\",\"a\"]}", Value::StringSet(["a".to_owned(), "b".to_owned()].into()));
    check("{\"NS\":[\"2\",\"1e0\"]}", Value::NumberSet([Decimal::from(1), Decimal::from(2)].into()));
    check("{\"BS\":[\"AQ==\"]}", Value::BinarySet([vec![1]].into()));
}

#[test]
fn what_breaks_a_rule_says_which() {
    let plain = |json: &str, fault| assert_eq!(fault_of(read_plain(json)), Some(fault), "{json}");
    for json in [
        "",
        "{",
        "[1,]",
        "nul",
        "1 2",
        "\"a",
        "{\"a\" 1}",
        "01",
        "+1",
        "1.",
        "\"\\ud800\"",
        "{\"\\ud800\":1}",
    ] {
        plain(json, if json.contains(":1") { Fault::WrongType } else { Fault::NotJson });
    }
    plain("{\"a\":1,\"a\":1}", Fault::DuplicateKey);
    plain("{\"a\":1,\"\\u0061\":1}", Fault::DuplicateKey);
    plain("1e9999", Fault::AbsurdNumber);
    plain(&format!("[{}]", "9".repeat(1_001)), Fault::AbsurdNumber);
    assert_eq!(fault_of(read_plain_item("[]")), Some(Fault::WrongType));
    assert_eq!(fault_of(read_plain_item("5")), Some(Fault::WrongType));
    let dynamodb = |json: &str, fault| assert_eq!(fault_of(read_dynamodb(json)), Some(fault), "{json}");
    for json in [
        "5",
        "\"a\"",
        "{}",
        "{\"X\":\"a\"}",
        "{\"S\":5}",
        "{\"N\":5}",
        "{\"N\":\"\"}",
        "{\"N\":\"1 \"}",
        "{\"NULL\":false}",
        "{\"BOOL\":\"true\"}",
        "{\"S\":\"a\",\"N\":\"1\"}",
        "{\"M\":[]}",
        "{\"L\":{}}",
        "{\"M\":5}",
        "{\"NS\":[1]}",
    ] {
        dynamodb(json, Fault::WrongType);
    }
    for json in ["{\"B\":\"AA\"}", "{\"B\":\"A A=\"}", "{\"BS\":[\"?\"]}"] {
        dynamodb(json, Fault::BadBase64);
    }
}

#[test]
fn a_dynamodb_number_is_refused_just_beyond_what_dynamodb_stores() {
    let check = |digits: &str, fault| {
        assert_eq!(fault_of(read_dynamodb(&format!("{{\"N\":\"{digits}\"}}"))), fault, "{digits}");
    };
    let nines = "9".repeat(38);
    check(&nines, None);
    check(&format!("-{nines}e89"), Some(Fault::AbsurdNumber));
    check(&format!("-{nines}e88"), None);
    check("1", None);
    check(&format!("{nines}9"), Some(Fault::AbsurdNumber));
    check("1e-130", None);
    check("1e-131", Some(Fault::AbsurdNumber));
    check("1e126", Some(Fault::AbsurdNumber));
    check("0e999", None);
}

#[test]
fn an_object_that_wears_the_number_marker_is_an_object() {
    for name in [MARKER, "\\u0024serde_json::private::Number", "$serde_json::private::RawValue"] {
        let spelled = name.replace("\\u0024", "$");
        for (json, value) in
            [("\"5\"", text("5")), ("5.0", number("5")), ("5", number("5")), ("{}", Value::Map(Item::new()))]
        {
            let object = format!("{{\"{name}\":{json}}}");
            let expected = item(&[(&spelled, value)]);
            assert_eq!(read_plain(&object), Ok(Value::Map(expected.clone())), "{object}");
            assert_eq!(read_plain_item(&object), Ok(expected), "{object}");
        }
        let described = format!("{{\"{name}\":\"5\"}}");
        assert_eq!(fault_of(read_dynamodb(&described)), Some(Fault::WrongType));
    }
}

#[test]
fn nesting_and_width_end_at_their_limits() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(read_plain_item(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(fault_of(read_plain_item(&nested(DEPTH_MAX + 1))), Some(Fault::TooDeep));
    assert_eq!(fault_of(read_plain_item(&nested(100_000))), Some(Fault::TooDeep));
    let nested = |depth: usize| {
        format!("{{\"a\":{}{{\"L\":[]}}{}}}", "{\"M\":{\"b\":".repeat(depth), "}}".repeat(depth))
    };
    assert!(read_dynamodb_item(&nested(DEPTH_MAX - 1)).is_ok());
    assert_eq!(fault_of(read_dynamodb_item(&nested(DEPTH_MAX))), Some(Fault::TooDeep));
    let wide = |fields: usize| {
        let fields: Vec<String> = (0..fields).map(|field| format!("\"{field}\":1")).collect();
        format!("{{{}}}", fields.join(","))
    };
    assert!(read_plain_item(&wide(FIELDS_MAX)).is_ok());
    assert_eq!(fault_of(read_plain_item(&wide(FIELDS_MAX + 1))), Some(Fault::TooManyFields));
}

#[test]
fn an_error_says_where_and_never_what() {
    let error = read_plain_item("{\"card\":\"4111\",\"card\":\"4111\"}").unwrap_err();
    assert_eq!(error.to_string(), "a field named twice at line 1 column 29");
    let error = read_dynamodb_item("{\"card\":{\"N\":\"secret\"}}").unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn a_key_has_one_text_and_different_keys_have_different_texts() {
    let keys = [
        (item(&[("id", text("a"))]), "{\"id\":\"a\"}"),
        (
            item(&[("z", number("1.50")), ("a", text("\"\\\n\u{1}é"))]),
            "{\"a\":\"\\\"\\\\\\n\\u0001é\",\"z\":1.5}",
        ),
        (item(&[("id", Value::Binary(vec![0, 1]))]), "{\"id\":{\"B\":\"AAE=\"}}"),
        (item(&[("id", Value::Map(item(&[("B", text("AAE="))])))]), "{\"id\":{\"M\":{\"B\":\"AAE=\"}}}"),
        (item(&[("id", text("AAE="))]), "{\"id\":\"AAE=\"}"),
        (item(&[("id", number("1"))]), "{\"id\":1}"),
        (item(&[("id", text("1"))]), "{\"id\":\"1\"}"),
        (item(&[("id", Value::Null)]), "{\"id\":null}"),
        (item(&[("id", Value::List(vec![Value::Bool(true)]))]), "{\"id\":[true]}"),
        (item(&[]), "{}"),
    ];
    for (key, canonical) in keys {
        assert_eq!(canonical_key(&key), canonical);
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|integer| Value::Number(Decimal::from(integer))),
        ".{0,8}".prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(Value::Binary),
        prop::collection::btree_set(".{0,3}", 1..3).prop_map(Value::StringSet),
        prop::collection::btree_set(any::<i64>().prop_map(Decimal::from), 1..3).prop_map(Value::NumberSet),
        prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..3), 1..3)
            .prop_map(Value::BinarySet),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::btree_map(".{0,4}", inner, 0..3).prop_map(Value::Map),
        ]
    })
}

fn items() -> impl Strategy<Value = Item> {
    prop::collection::btree_map(".{0,6}", values(), 0..4)
}

proptest! {
    #[test]
    fn an_item_reads_back_from_its_dynamodb_json(item in items()) {
        prop_assert_eq!(read_dynamodb_item(&dynamodb_json(&item)), Ok(item));
    }

    #[test]
    fn plain_json_and_key_texts_are_json_and_keys_are_injective(a in items(), b in items()) {
        prop_assert!(read_plain_item(&plain_json(&a)).is_ok());
        prop_assert!(read_plain_item(&canonical_key(&a)).is_ok());
        prop_assert_eq!(canonical_key(&a) == canonical_key(&b), a == b);
    }

    #[test]
    fn plain_json_agrees_with_serde_json(text in "[ \\[\\]{}\":,0-9a-z.eE+-]{0,24}") {
        let known: Result<serde_json::Value, _> = serde_json::from_str(&text);
        match read_plain(&text) {
            Ok(_) => prop_assert!(known.is_ok()),
            Err(error) => prop_assert!(error.fault != Fault::NotJson || known.is_err()),
        }
    }
}
