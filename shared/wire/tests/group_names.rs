//! The names of cells, and groups as JSON for programs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use evercount_core::decimal::Decimal;
use evercount_core::group::{Cell, GroupId, GroupKey};
use evercount_core::path::{Path, Segment};
use evercount_core::value::Value;
use evercount_wire::group::{cell_from_name, cell_name, group_json};
use proptest::prelude::*;

fn number(text: &str) -> Value {
    Value::Number(text.parse().unwrap())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn group(entries: &[(&str, Value)]) -> GroupKey {
    GroupKey::new(entries.iter().map(|(path, value)| (Path::parse(path).unwrap(), value.clone())).collect())
}

fn check(cell: &Cell, name: &str) {
    assert_eq!(cell_name(cell), name);
    assert_eq!(cell_from_name(name).as_ref(), Some(cell), "{name}");
}

#[test]
fn names_of_cells_are_made_to_be_read() {
    check(&Cell::Overflow, "overflow");
    check(&Cell::Uncertain, "uncertain");
    check(&Cell::ByDelta, "by_delta");
    check(&Cell::Missing(3), "missing 3");
    check(&Cell::Group(GroupKey::default()), "{}");
    let of_sketch = |group, register, rank| Cell::Register { group, register, rank };
    check(&of_sketch(Some(GroupId(0xabcd_ef01_2345_6789)), 0x7c9, 2), "d12.q83vASNFZ4k.7c9.2");
    check(&of_sketch(Some(GroupId(0)), 4_095, 53), "d12.AAAAAAAAAAA.fff.53");
    check(&of_sketch(None, 0, 1), "d12.*.000.1");
    let of = |entries: &[(&str, Value)]| Cell::Group(group(entries));
    check(&of(&[("year", number("2026")), ("status", text("ACTIVE"))]), r#"{"year":2026,"status":"ACTIVE"}"#);
    check(&of(&[("a", Value::Null), ("b", Value::Bool(true))]), r#"{"a":null,"b":true}"#);
    check(&of(&[("a", text("1"))]), r#"{"a":"1"}"#);
    check(&of(&[("a", number("1.50"))]), r#"{"a":1.5}"#);
    check(&of(&[("a", number("1e-130"))]), r#"{"a":1e-130}"#);
    check(
        &of(&[("a", number("99999999999999999999999999999999999999"))]),
        r#"{"a":99999999999999999999999999999999999999}"#,
    );
    check(&of(&[("address.city", text("Zürich \"x\"\n"))]), r#"{"address.city":"Zürich \"x\"\n"}"#);
    check(&of(&[("\"a.b\"", text(""))]), r#"{"\"a.b\"":""}"#);
    check(&of(&[("a", Value::Binary(vec![0, 255]))]), r#"{"a":{"B":"AP8="}}"#);
    check(&of(&[("a", Value::List(vec![number("1"), text("x")]))]), r#"{"a":[1,"x"]}"#);
    let map = Value::Map([("B".to_owned(), text("AP8="))].into());
    check(&of(&[("a", map)]), r#"{"a":{"M":{"B":"AP8="}}}"#);
    check(
        &of(&[("a", Value::StringSet(["y".to_owned(), "x".to_owned()].into()))]),
        r#"{"a":{"SS":["x","y"]}}"#,
    );
    check(
        &of(&[("a", Value::NumberSet([Decimal::from(10), Decimal::from(9)].into()))]),
        r#"{"a":{"NS":[9,10]}}"#,
    );
    check(&of(&[("a", Value::BinarySet([vec![1]].into()))]), r#"{"a":{"BS":["AQ=="]}}"#);
}

#[test]
fn other_spellings_of_a_cell_are_no_names() {
    for name in [
        "",
        "Overflow",
        "missing",
        "missing 03",
        "d12.*.000",
        "d12.*.000.0",
        "d12.*.000.54",
        "d12.*.000.01",
        "d12.*.1000.1",
        "d12.*.0A0.1",
        "d12.*.0.1",
        "d12.*.000.1.1",
        "d13.*.000.1",
        "d12.q83vASNFZ4.000.1",
        "d12.q83vASNFZ4k=.000.1",
        "missing +3",
        "missing 65536",
        "missing -1",
        "{",
        "{} ",
        "{\"a\": 1}",
        "{\"a\":1.0}",
        "{\"a\":01}",
        "{\"a\":1e0}",
        "{\"a\":\"\\u0041\"}",
        "{\"a\":{}}",
        "{\"a\":{\"X\":1}}",
        "{\"a\":{\"B\":\"AP8\"}}",
        "{\"a\":{\"SS\":[\"y\",\"x\"]}}",
        "{\"a\":{\"SS\":[\"x\",\"x\"]}}",
        "{\"a..b\":1}",
        "{\"\\\"a\\\"\":1}",
        "[]",
        "null",
        "{\"a\":1e9999}",
    ] {
        assert_eq!(cell_from_name(name), None, "{name}");
    }
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    assert_eq!(cell_from_name(&deep), None);
}

#[test]
fn a_group_is_an_ordinary_object_for_programs() {
    let json = |entries: &[(&str, Value)]| group_json(&group(entries)).to_string();
    assert_eq!(json(&[]), "{}");
    assert_eq!(json(&[("a", Value::Null), ("b.c", number("1.10"))]), r#"{"a":null,"b.c":1.1}"#);
    assert_eq!(
        json(&[("a", number("12345678901234567890.123456789"))]),
        r#"{"a":12345678901234567890.123456789}"#
    );
    assert_eq!(
        json(&[("a", Value::Binary(b"key".to_vec())), ("b", Value::Binary(vec![255]))]),
        r#"{"a":"key","b":{"base64":"/w=="}}"#
    );
    let list = Value::List(vec![Value::Bool(false), Value::Map([("x".to_owned(), number("1"))].into())]);
    assert_eq!(
        json(&[("a", list), ("b", Value::NumberSet([Decimal::from(2)].into()))]),
        r#"{"a":[false,{"x":1}],"b":[2]}"#
    );
}

fn decimal() -> impl Strategy<Value = Decimal> {
    ("-?[0-9]{1,45}", -200i32..200)
        .prop_map(|(digits, exponent)| format!("{digits}e{exponent}").parse().unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    let binary = || prop::collection::vec(any::<u8>(), 0..4);
    let words = || prop_oneof!["[a-cA-Z\"{}]{0,3}", any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(Value::Unavailable),
        any::<bool>().prop_map(Value::Bool),
        decimal().prop_map(Value::Number),
        words().prop_map(Value::String),
        binary().prop_map(Value::Binary),
        prop::collection::btree_set(words(), 0..3).prop_map(Value::StringSet),
        prop::collection::btree_set(decimal(), 0..3).prop_map(Value::NumberSet),
        prop::collection::btree_set(binary(), 0..3).prop_map(Value::BinarySet),
    ];
    leaf.prop_recursive(4, 12, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::btree_map(prop_oneof!["B|M|SS|a|b", any::<String>()], inner, 0..3)
                .prop_map(Value::Map),
        ]
    })
}

fn path() -> impl Strategy<Value = Path> {
    let name = || "[a-c.\\[\"ü -]{1,3}";
    let segment = prop_oneof![name().prop_map(Segment::Field), (0usize..20).prop_map(Segment::Index)];
    (name(), prop::collection::vec(segment, 0..3)).prop_map(|(column, rest)| Path::new(column, rest))
}

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        8 => prop::collection::vec((path(), value()), 0..4).prop_map(|key| Cell::Group(GroupKey::new(key))),
        1 => any::<u16>().prop_map(Cell::Missing),
        1 => Just(Cell::Overflow),
        1 => Just(Cell::Uncertain),
        1 => Just(Cell::ByDelta),
        1 => (any::<Option<u64>>(), 0_u16..4_096, 1_u8..=53).prop_map(|(group, register, rank)| {
            Cell::Register { group: group.map(GroupId), register, rank }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_cell_reads_back_from_its_name_so_no_two_cells_share_one(cell in cell()) {
        prop_assert_eq!(cell_from_name(&cell_name(&cell)), Some(cell));
    }

    #[test]
    fn a_text_that_is_a_name_is_the_name_of_its_cell(name in "[{}\"a:,0-9.e\\[\\]nultre -]{0,12}|missing [0-9]{1,6}") {
        if let Some(cell) = cell_from_name(&name) {
            prop_assert_eq!(cell_name(&cell), name);
        }
    }
}
