//! What holds for every predicate: its text and its stored form read back, and no text at all
//! makes the reader panic.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use evercount_core::decimal::Decimal;
use evercount_core::path::{Path, Segment};
use evercount_core::predicate::{Atom, AttributeType, Comparison, Operand, Predicate};
use evercount_core::value::Value;
use evercount_wire::predicate::{atom_text, from_json, parse, to_json, to_text};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_][a-zA-Z0-9_$]{0,5}",
        prop::sample::select(vec!["in", "MISSING", "size", "Null", "größe", "2fa", "user-id", "_x", "x"])
            .prop_map(str::to_owned),
        "[a-z.\\[\\]\"'\\-\n ü]{1,5}",
    ]
}

fn path() -> impl Strategy<Value = Path> {
    let segment = prop_oneof![name().prop_map(Segment::Field), (0usize..100).prop_map(Segment::Index)];
    (name(), prop::collection::vec(segment, 0..4)).prop_map(|(column, rest)| Path::new(column, rest))
}

fn number() -> impl Strategy<Value = Decimal> {
    ("-?[0-9]{1,45}", -60i32..60)
        .prop_map(|(digits, exponent)| format!("{digits}e{exponent}").parse().unwrap())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z' ]{0,6}", any::<String>()]
}

fn ordered() -> impl Strategy<Value = Value> {
    prop_oneof![
        number().prop_map(Value::Number),
        text().prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(Value::Binary),
    ]
}

fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![4 => ordered(), 1 => any::<bool>().prop_map(Value::Bool), 1 => collection()]
}

fn collection() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        ordered(),
        Just(Value::Null),
        prop::collection::btree_set(text(), 1..4).prop_map(Value::StringSet),
        prop::collection::btree_set(number(), 1..4).prop_map(Value::NumberSet),
        prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..3), 1..3)
            .prop_map(Value::BinarySet),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::btree_map(text(), inner, 0..3).prop_map(Value::Map),
        ]
    })
    .prop_filter("NULL is not compared", |value| *value != Value::Null)
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![path().prop_map(Operand::Path), path().prop_map(Operand::Size)]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop::sample::select(Comparison::ALL.map(|(op, _)| op).to_vec())
}

fn range() -> impl Strategy<Value = (Value, Value)> {
    prop_oneof![
        (number(), number())
            .prop_map(|(a, b)| (Value::Number(a.clone().min(b.clone())), Value::Number(a.max(b)))),
        (text(), text())
            .prop_map(|(a, b)| (Value::String(a.clone().min(b.clone())), Value::String(a.max(b)))),
    ]
}

fn atom() -> impl Strategy<Value = Atom> {
    let of_number = (operand(), number().prop_map(Value::Number));
    prop_oneof![
        (operand(), comparison(), operand()).prop_map(|(left, op, right)| Atom::Compare { left, op, right }),
        (of_number, comparison(), any::<bool>()).prop_map(|((operand, value), op, swap)| {
            let literal = Operand::Literal(value);
            let (left, right) = if swap { (literal, operand) } else { (operand, literal) };
            Atom::Compare { left, op, right }
        }),
        (path(), literal()).prop_map(|(path, value)| Atom::Compare {
            left: Operand::Path(path),
            op: Comparison::Equal,
            right: Operand::Literal(value)
        }),
        (path(), prop::collection::vec(literal(), 1..4))
            .prop_map(|(path, values)| Atom::In { operand: Operand::Path(path), values }),
        (path(), range()).prop_map(|(path, (low, high))| Atom::Between {
            operand: Operand::Path(path),
            low,
            high
        }),
        path().prop_map(Atom::IsNull),
        path().prop_map(Atom::IsMissing),
        (path(), text()).prop_map(|(path, prefix)| Atom::BeginsWith(path, Value::String(prefix))),
        (path(), literal()).prop_map(|(path, value)| Atom::Contains(path, value)),
        (path(), prop::sample::select(AttributeType::ALL.to_vec()))
            .prop_map(|(path, name)| Atom::AttributeType(path, AttributeType::named(name).unwrap())),
    ]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    atom().prop_map(Predicate::Atom).prop_recursive(5, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Predicate::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Predicate::Or),
            inner.prop_map(|part| Predicate::Not(Box::new(part))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_predicate_reads_back_from_its_text(predicate in predicate()) {
        let text = to_text(&predicate);
        prop_assert_eq!(parse(&text), Ok(predicate), "{}", text);
    }

    #[test]
    fn a_predicate_reads_back_from_its_stored_form(predicate in predicate()) {
        let stored = to_json(&predicate).to_string();
        prop_assert_eq!(from_json(&serde_json::from_str(&stored).unwrap()), Ok(predicate), "{}", stored);
    }

    #[test]
    fn an_atom_reads_back_from_its_text_alone(atom in atom()) {
        prop_assert_eq!(parse(&atom_text(&atom)), Ok(Predicate::Atom(atom)));
    }

    #[test]
    fn text_of_any_kind_gives_a_predicate_or_a_place_in_it(text in any::<String>()) {
        if let Err(error) = parse(&text) {
            prop_assert!(text.get(error.span).is_some());
        }
    }

    #[test]
    fn text_out_of_the_languages_own_words_gives_a_predicate_or_a_place_in_it(
        words in prop::collection::vec(prop::sample::select(vec![
            "a", "\"b c\"", ".", "[", "]", "0", "1.5", "'x'", "''", "X'00'", "(", ")", ",", "=", "<>", "<", "<<", ">>", "{", "}", ":",
            "AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "MISSING", "TRUE", "size(", "contains(", "begins_with(", "attribute_type(",
            "-", "+", "--", "/*", "'", "\"", "ü", "\n", "._", "$", "@", "#", "LIKE", "CASE", "WHEN", "SELECT", "DATE", "||", "\u{0}",
        ]), 0..24),
        spaced: bool,
    ) {
        let text = words.join(if spaced { " " } else { "" });
        match parse(&text) {
            Ok(predicate) => prop_assert_eq!(parse(&to_text(&predicate)), Ok(predicate)),
            Err(error) => prop_assert!(text.get(error.span).is_some()),
        }
    }
}
