//! What expressions say of an item and make of it, by DynamoDB's rules; that no text is more than invalid.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;
use crate::decimal::Decimal;

fn number(text: &str) -> Value {
    Value::Number(text.parse().unwrap())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn map(all: &[(&str, Value)]) -> Item {
    all.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn values() -> Item {
    let set = |all: &[&str]| Value::StringSet(all.iter().map(|one| (*one).to_owned()).collect());
    map(&[
        (":one", number("1")),
        (":two", number("2.0")),
        (":a", text("a")),
        (":abc", text("abc")),
        (":S", text("S")),
        (":set", set(&["x", "z"])),
        (":x", set(&["x", "y"])),
        (":list", Value::List(vec![number("9")])),
        (":map", Value::Map(map(&[("in", number("1"))]))),
    ])
}

fn item() -> Item {
    map(&[
        ("id", text("abc")),
        ("n", number("2")),
        ("flag", Value::Bool(true)),
        ("none", Value::Null),
        ("state", text("OPEN")),
        ("tags", Value::StringSet(["x".to_owned(), "y".to_owned()].into())),
        ("lines", Value::List(vec![number("1"), Value::Map(map(&[("q", number("5"))])), text("c")])),
        ("map", Value::Map(map(&[("a", number("7")), ("b", text("B"))]))),
    ])
}

fn names(name: &str) -> Option<String> {
    (name == "#s").then(|| "state".to_owned())
}

#[test]
fn conditions_hold_as_dynamodb_has_it() {
    let values = values();
    let given = Given { names: &names, values: &values };
    let check = |text: &str, holds: bool| {
        assert_eq!(Condition::read(text, &given).unwrap().holds(&item()), holds, "{text}");
    };
    check("n = :two AND NOT n = :one", true);
    check("n > :one and n <= :two", true);
    check("n < :a", false);
    check("n <> :a", true);
    check("missing = :a", false);
    check("missing <> :a", true);
    check("NOT missing < :a", true);
    check("n BETWEEN :one AND :two", true);
    check("id IN (:a, :abc)", true);
    check("missing IN (:a)", false);
    check("attribute_exists(lines[1].q) AND attribute_not_exists(lines[3])", true);
    check("attribute_type(#s, :S)", true);
    check("begins_with(id, :a) AND contains(id, :a)", true);
    check("contains(tags, :a) OR contains(lines, :one)", true);
    check("size(map) = :two AND size(tags) = :two", true);
    check("size(n) = :one", false);
    check("tags = :x", true);
    check("(n = :one OR flag = :one) AND n = :two", false);
    check("none = :a OR map.a > :two", true);
    for text in
        ["", "n", "n =", "n = :none", "#q = :a", "(n = :one", "size(n)", "foo(n)", "n = :one)", "n : :one"]
    {
        assert!(Condition::read(text, &given).is_err(), "{text}");
    }
    let deep = format!("{}n = :one{}", "(".repeat(2_000), ")".repeat(2_000));
    assert!(Condition::read(&deep, &given).is_err());
}

#[test]
fn an_equality_that_has_to_hold_is_parted_from_the_rest() {
    let values = values();
    let given = Given { names: &names, values: &values };
    let part = |text: &str| Condition::read(text, &given).unwrap().without_equality("_ver");
    let (rest, found) = part("n = :two AND (_ver = :one AND attribute_exists(id))");
    assert_eq!(found, Some(number("1")));
    assert!(rest.holds(&item()) && !rest.names("_ver"));
    assert_eq!(part(":one = _ver").1, Some(number("1")));
    for text in ["_ver = :one OR n = :two", "NOT _ver = :one", "_ver < :one", "_ver.a = :one"] {
        let (rest, found) = part(text);
        assert!(found.is_none() && rest.names("_ver"), "{text}");
    }
}

#[test]
fn an_update_reads_the_item_as_it_was() {
    let values = values();
    let given = Given { names: &names, values: &values };
    let apply = |text: &str| Update::read(text, &given)?.apply(&item());
    let got = |text: &str, name: &str| apply(text).unwrap().get(name).cloned();
    assert_eq!(got("SET n = n + :one, m = n", "n"), Some(number("3")));
    assert_eq!(got("SET n = n + :one, m = n", "m"), Some(number("2")));
    assert_eq!(got("SET n = :one - n", "n"), Some(number("-1")));
    assert_eq!(got("SET k = if_not_exists(k, :one) + :two", "k"), Some(number("3")));
    assert_eq!(got("REMOVE #s", "state"), None);
    assert_eq!(got("ADD k :two", "k"), Some(number("2")));
    assert_eq!(got("DELETE tags :x", "tags"), None);
    let set = |all: &[&str]| Value::StringSet(all.iter().map(|one| (*one).to_owned()).collect());
    assert_eq!(got("DELETE tags :set", "tags"), Some(set(&["y"])));
    assert_eq!(got("ADD tags :set", "tags"), Some(set(&["x", "y", "z"])));
    let lines = |all: &[Value]| Some(Value::List(all.to_vec()));
    let q = |n: &str| Value::Map(map(&[("q", number(n))]));
    assert_eq!(
        got("SET lines[9] = :one, lines[7] = :two REMOVE lines[0]", "lines"),
        lines(&[q("5"), text("c"), number("2"), number("1")])
    );
    assert_eq!(got("SET lines[1].q = :one", "lines"), lines(&[number("1"), q("1"), text("c")]));
    assert_eq!(
        got("SET lines = list_append(:list, lines)", "lines")
            .map(|list| matches!(list, Value::List(all) if all.len() == 4)),
        Some(true)
    );
    for (text, told) in [
        ("SET a.b = :one", "document path"),
        ("SET n.b = :one", "document path"),
        ("SET a = missing", "does not exist in the item"),
        ("SET n = id + :one", "incorrect data type"),
        ("ADD id :one", "incorrect data type"),
        ("DELETE n :set", "incorrect data type"),
        ("SET map.a = :one, map = :map", "overlap"),
        ("SET map.x = :one, map[0] = :one", "conflict"),
        ("SET a = :one SET b = :one", "only be used once"),
        ("", "empty"),
        ("SET a = foo(b)", "function"),
    ] {
        let failed = apply(text).unwrap_err();
        assert!(failed.0.contains(told), "{text}: {failed}");
    }
}

#[test]
fn a_projection_shows_what_it_names_within_what_it_stands_in() {
    let values = values();
    let given = Given { names: &names, values: &values };
    let show = |text: &str| Shown::read(text, &given).unwrap().show(&item());
    assert_eq!(show("#s, missing"), map(&[("state", text("OPEN"))]));
    assert_eq!(
        show("lines[2], lines[0], map.a"),
        map(&[
            ("lines", Value::List(vec![number("1"), text("c")])),
            ("map", Value::Map(map(&[("a", number("7"))])))
        ])
    );
    assert_eq!(show("map.x, n.y, lines[7]"), Item::new());
    assert!(Shown::read("map, map.a", &given).is_err());
    assert!(Shown::read("map,", &given).is_err());
}

fn small() -> impl Strategy<Value = (i64, i64)> {
    (-1_000_000_000_000i64..1_000_000_000_000, -12i64..12)
}

proptest! {
    #[test]
    fn sums_are_those_of_numbers((a, x) in small(), (b, y) in small()) {
        let of = |n: i64, exponent: i64| Decimal::from_digits(n < 0, &n.unsigned_abs().to_string(), exponent).unwrap();
        let scaled = |n: i64, exponent: i64| i128::from(n) * 10_i128.pow(u32::try_from(exponent + 12).unwrap());
        let sum = scaled(a, x) + scaled(b, y);
        let sum = Decimal::from_digits(sum < 0, &sum.unsigned_abs().to_string(), -12).unwrap();
        prop_assert_eq!(of(a, x).plus(&of(b, y)), Some(sum));
        prop_assert_eq!(of(a, x).plus(&of(a, x).negated()), Some(Decimal::zero()));
    }

    #[test]
    fn no_text_is_more_than_invalid(parts in prop::collection::vec("SET|REMOVE|ADD|NOT|AND|size|contains|#s|:one|[an(),.=<>+\\[\\]0 -]", 0..40)) {
        let values = values();
        let given = Given { names: &names, values: &values };
        for text in [parts.join(" "), parts.concat()] {
            let _ = Condition::read(&text, &given).map(|condition| condition.holds(&item()));
            let _ = Update::read(&text, &given).map(|update| update.apply(&item()));
            let _ = Shown::read(&text, &given).map(|shown| shown.show(&item()));
        }
    }
}
