//! Evaluation, atom by atom, and the laws of three-valued logic.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::Truth::{False, True, Unknown};
use super::*;
use crate::decimal::Decimal;

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn number(number: i64) -> Value {
    Value::Number(Decimal::from(number))
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// One attribute of every kind; `absent` is the one that is not there.
fn item() -> Item {
    let inner: Item = [("b".to_owned(), number(1)), ("none".to_owned(), Value::Null)].into();
    let attributes = [
        ("one", number(1)),
        ("two", number(2)),
        ("name", text("Bern")),
        ("yes", Value::Bool(true)),
        ("null", Value::Null),
        ("bytes", Value::Binary(vec![1, 2, 3])),
        ("list", Value::List(vec![number(1), text("x"), Value::Null])),
        ("map", Value::Map(inner)),
        ("texts", Value::StringSet(["x".to_owned(), "y".to_owned()].into())),
        ("numbers", Value::NumberSet([Decimal::from(1)].into())),
        ("binaries", Value::BinarySet([vec![1]].into())),
        ("unsent", Value::Unavailable),
    ];
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

fn compare_with(left: &str, op: &str, right: Operand) -> Atom {
    let op = Comparison::ALL.into_iter().find(|(_, spelling)| *spelling == op).unwrap().0;
    Atom::Compare { left: Operand::Path(path(left)), op, right }
}

fn is(left: &str, op: &str, right: Value) -> Atom {
    compare_with(left, op, Operand::Literal(right))
}

fn evaluate(atom: Atom) -> Evaluation {
    Predicate::Atom(atom).evaluate(&item())
}

#[track_caller]
fn check(atom: Atom, truth: Truth) {
    assert_eq!(evaluate(atom), Evaluation { truth, missing: vec![], unavailable: false });
}

#[test]
fn values_of_one_type_compare_and_values_of_two_types_only_differ() {
    for (op, against_one, against_two, against_text) in [
        ("=", True, False, False),
        ("<>", False, True, True),
        ("<", False, True, Unknown),
        ("<=", True, True, Unknown),
        (">", False, False, Unknown),
        (">=", True, False, Unknown),
    ] {
        check(is("one", op, number(1)), against_one);
        check(is("one", op, number(2)), against_two);
        check(is("one", op, text("1")), against_text);
        check(is("null", op, number(1)), Unknown);
        check(compare_with("one", op, Operand::Path(path("null"))), Unknown);
    }
    check(is("name", "<", text("Bonn")), True);
    check(is("bytes", ">", Value::Binary(vec![1, 2])), True);
    check(is("yes", "=", Value::Bool(true)), True);
    check(is("yes", "<", Value::Bool(false)), Unknown);
    check(is("numbers", "=", Value::NumberSet([Decimal::from(1)].into())), True);
    check(is("one", "=", Value::Number("1.0".parse().unwrap())), True);
    check(compare_with("one", "<", Operand::Path(path("two"))), True);
    check(compare_with("map.b", "=", Operand::Path(path("list[0]"))), True);
}

#[test]
fn text_is_ordered_by_its_bytes() {
    // The order of UTF-16 units, which JavaScript and Java use, would say otherwise of these two.
    let item: Item = [("a".to_owned(), text("\u{ff5e}"))].into();
    let evaluation = Predicate::Atom(is("a", "<", text("\u{1f600}"))).evaluate(&item);
    assert_eq!(evaluation.truth, True);
}

#[test]
fn size_counts_characters_bytes_and_elements() {
    let size = |of: &str, expected: i64| Atom::Compare {
        left: Operand::Size(path(of)),
        op: Comparison::Equal,
        right: Operand::Literal(number(expected)),
    };
    for (of, expected) in
        [("name", 4), ("bytes", 3), ("list", 3), ("map", 2), ("texts", 2), ("numbers", 1), ("binaries", 1)]
    {
        check(size(of, expected), True);
        check(size(of, expected + 1), False);
    }
    for of in ["one", "yes", "null"] {
        check(size(of, 1), Unknown);
    }
    let item: Item = [("a".to_owned(), text("Zürich"))].into();
    assert_eq!(Predicate::Atom(size("a", 6)).evaluate(&item).truth, True);
    assert_eq!(evaluate(size("absent", 1)).missing, [0]);
}

#[test]
fn lists_and_ranges_of_literals() {
    let is_in =
        |operand: &str, values: Vec<Value>| Atom::In { operand: Operand::Path(path(operand)), values };
    check(is_in("one", vec![text("x"), number(1)]), True);
    check(is_in("one", vec![text("1"), number(2)]), False);
    check(is_in("null", vec![number(1)]), Unknown);
    let between = |operand: &str, low: Value, high: Value| Atom::Between {
        operand: Operand::Path(path(operand)),
        low,
        high,
    };
    check(between("two", number(1), number(2)), True);
    check(between("two", number(2), number(3)), True);
    check(between("two", number(3), number(4)), False);
    check(between("two", text("1"), text("3")), Unknown);
    check(between("null", number(1), number(2)), Unknown);
    check(between("name", text("A"), text("C")), True);
}

#[test]
fn functions_ask_for_the_type_they_work_on() {
    check(Atom::BeginsWith(path("name"), text("Be")), True);
    check(Atom::BeginsWith(path("name"), text("be")), False);
    check(Atom::BeginsWith(path("bytes"), Value::Binary(vec![1])), True);
    check(Atom::BeginsWith(path("one"), text("1")), Unknown);
    check(Atom::Contains(path("name"), text("er")), True);
    check(Atom::Contains(path("bytes"), Value::Binary(vec![2, 3])), True);
    check(Atom::Contains(path("bytes"), Value::Binary(vec![])), True);
    check(Atom::Contains(path("bytes"), Value::Binary(vec![3, 2])), False);
    check(Atom::Contains(path("list"), text("x")), True);
    check(Atom::Contains(path("list"), number(7)), False);
    check(Atom::Contains(path("texts"), text("y")), True);
    check(Atom::Contains(path("texts"), number(1)), Unknown);
    check(Atom::Contains(path("numbers"), number(1)), True);
    check(Atom::Contains(path("binaries"), Value::Binary(vec![1])), True);
    check(Atom::Contains(path("one"), number(1)), Unknown);
    for (name, value) in &item() {
        let of_type = |name: &str| AttributeType::named(name).unwrap();
        let Some(named) = AttributeType::named(value.type_name()) else { continue };
        check(Atom::AttributeType(path(name), named), True);
        let other = if named == of_type("N") { of_type("S") } else { of_type("N") };
        check(Atom::AttributeType(path(name), other), False);
    }
}

#[test]
fn null_is_there_and_missing_is_not() {
    check(Atom::IsNull(path("null")), True);
    check(Atom::IsNull(path("map.none")), True);
    check(Atom::IsNull(path("one")), False);
    check(Atom::IsMissing(path("absent")), True);
    check(Atom::IsMissing(path("map.absent")), True);
    check(Atom::IsMissing(path("list[3]")), True);
    check(Atom::IsMissing(path("one.absent")), True);
    check(Atom::IsMissing(path("null")), False);
    check(Atom::IsMissing(path("list[2]")), False);
}

#[test]
fn every_atom_but_is_missing_reports_a_missing_attribute() {
    let absent = || path("absent");
    let atoms = [
        is("absent", "=", number(1)),
        is("absent", "<>", number(1)),
        compare_with("one", "=", Operand::Path(absent())),
        compare_with("null", "=", Operand::Path(absent())),
        Atom::In { operand: Operand::Path(absent()), values: vec![number(1)] },
        Atom::Between { operand: Operand::Size(absent()), low: number(1), high: number(2) },
        Atom::IsNull(absent()),
        Atom::BeginsWith(absent(), text("x")),
        Atom::Contains(absent(), text("x")),
        Atom::AttributeType(absent(), AttributeType::named("S").unwrap()),
    ];
    for atom in atoms {
        let expected = Evaluation { truth: Unknown, missing: vec![0], unavailable: false };
        assert_eq!(evaluate(atom.clone()), expected, "{atom:?}");
        let negated = Predicate::Not(Box::new(Predicate::Atom(atom.clone())));
        assert_eq!(negated.evaluate(&item()), expected, "NOT {atom:?}");
    }
    // An atom that meets two missing attributes is one atom.
    let both = compare_with("absent", "=", Operand::Path(path("gone")));
    assert_eq!(evaluate(both).missing, [0]);
}

#[test]
fn a_value_that_was_not_sent_leaves_an_atom_open() {
    let open = |atom: Atom| {
        let expected = Evaluation { truth: Unknown, missing: vec![], unavailable: true };
        assert_eq!(evaluate(atom.clone()), expected, "{atom:?}");
    };
    open(is("unsent", "=", number(1)));
    open(is("unsent.b", "=", number(1)));
    open(Atom::IsNull(path("unsent")));
    open(Atom::AttributeType(path("unsent"), AttributeType::named("S").unwrap()));
    open(Atom::IsMissing(path("unsent.b")));
    open(Atom::IsMissing(path("unsent[0]")));
    // The column itself is there, whatever it holds.
    check(Atom::IsMissing(path("unsent")), False);
    let mixed = compare_with("unsent", "=", Operand::Path(path("absent")));
    assert_eq!(evaluate(mixed), Evaluation { truth: Unknown, missing: vec![0], unavailable: true });
}

fn constant(truth: Truth) -> Predicate {
    Predicate::Atom(match truth {
        True => is("one", "=", number(1)),
        False => is("one", "=", number(2)),
        Unknown => is("null", "=", number(1)),
    })
}

#[test]
fn connectives_follow_the_tables_of_three_valued_logic() {
    for (a, b, and, or) in [
        (True, True, True, True),
        (True, False, False, True),
        (True, Unknown, Unknown, True),
        (False, True, False, True),
        (False, False, False, False),
        (False, Unknown, False, Unknown),
        (Unknown, True, Unknown, True),
        (Unknown, False, False, Unknown),
        (Unknown, Unknown, Unknown, Unknown),
    ] {
        let truth = |predicate: Predicate| predicate.evaluate(&item()).truth;
        assert_eq!(truth(Predicate::And(vec![constant(a), constant(b)])), and, "{a:?} AND {b:?}");
        assert_eq!(truth(Predicate::Or(vec![constant(a), constant(b)])), or, "{a:?} OR {b:?}");
    }
    for (a, not) in [(True, False), (False, True), (Unknown, Unknown)] {
        assert_eq!(Predicate::Not(Box::new(constant(a))).evaluate(&item()).truth, not, "NOT {a:?}");
    }
}

#[test]
fn a_missing_attribute_is_reported_even_where_another_part_decides() {
    let absent = |name: &str| Predicate::Atom(is(name, "=", number(1)));
    let predicate = Predicate::Or(vec![
        constant(True),
        absent("gone"),
        Predicate::Not(Box::new(Predicate::And(vec![constant(False), absent("lost")]))),
    ]);
    let evaluation = predicate.evaluate(&item());
    assert_eq!(evaluation, Evaluation { truth: True, missing: vec![1, 3], unavailable: false });
    let reported = evaluation
        .missing
        .iter()
        .filter_map(|atom| predicate.atoms().get(usize::from(*atom)).copied().cloned());
    assert_eq!(reported.collect::<Vec<_>>(), [is("gone", "=", number(1)), is("lost", "=", number(1))]);
}

fn operand() -> impl Strategy<Value = Path> {
    let names = ["one", "two", "name", "yes", "null", "list", "map.b", "unsent", "absent", "map.absent"];
    prop::sample::select(names.to_vec()).prop_map(path)
}

fn atom() -> impl Strategy<Value = Atom> {
    let value = || prop::sample::select(vec![number(1), number(2), text("Bern"), Value::Bool(true)]);
    prop_oneof![
        (operand(), prop::sample::select(Comparison::ALL.to_vec()), value()).prop_map(
            |(left, (op, _), right)| Atom::Compare {
                left: Operand::Path(left),
                op,
                right: Operand::Literal(right)
            }
        ),
        (operand(), prop::collection::vec(value(), 1..3))
            .prop_map(|(path, values)| Atom::In { operand: Operand::Path(path), values }),
        operand().prop_map(Atom::IsNull),
        operand().prop_map(Atom::IsMissing),
        (operand(), value()).prop_map(|(path, value)| Atom::Contains(path, value)),
    ]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    atom().prop_map(Predicate::Atom).prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Predicate::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Predicate::Or),
            inner.prop_map(|part| Predicate::Not(Box::new(part))),
        ]
    })
}

fn not(part: Predicate) -> Predicate {
    Predicate::Not(Box::new(part))
}

/// The atoms that met a missing attribute, whatever their numbers.
fn missing_atoms(predicate: &Predicate) -> BTreeSet<String> {
    let atoms = predicate.atoms();
    let numbers = predicate.evaluate(&item()).missing;
    numbers
        .iter()
        .filter_map(|number| atoms.get(usize::from(*number)))
        .map(|atom| format!("{atom:?}"))
        .collect()
}

proptest! {
    #[test]
    fn de_morgan_and_double_negation_hold(a in predicate(), b in predicate()) {
        let item = item();
        let pairs = [
            (not(Predicate::And(vec![a.clone(), b.clone()])), Predicate::Or(vec![not(a.clone()), not(b.clone())])),
            (not(Predicate::Or(vec![a.clone(), b.clone()])), Predicate::And(vec![not(a.clone()), not(b)])),
            (not(not(a.clone())), a),
        ];
        for (left, right) in pairs {
            prop_assert_eq!(left.evaluate(&item), right.evaluate(&item));
        }
    }

    #[test]
    fn the_order_of_conditions_changes_neither_the_truth_nor_what_is_reported(a in predicate(), b in predicate()) {
        let item = item();
        for join in [Predicate::And, Predicate::Or] {
            let (left, right) = (join(vec![a.clone(), b.clone()]), join(vec![b.clone(), a.clone()]));
            let (x, y) = (left.evaluate(&item), right.evaluate(&item));
            prop_assert_eq!((x.truth, x.unavailable), (y.truth, y.unavailable));
            prop_assert_eq!(missing_atoms(&left), missing_atoms(&right));
        }
    }

    #[test]
    fn in_is_a_disjunction_and_between_a_conjunction(path in operand(), a in 0i64..3, b in 0i64..3) {
        let item = item();
        let test = |op: Comparison, value: i64| Predicate::Atom(Atom::Compare {
            left: Operand::Path(path.clone()), op, right: Operand::Literal(number(value)),
        });
        let operand = Operand::Path(path.clone());
        let is_in = Predicate::Atom(Atom::In { operand: operand.clone(), values: vec![number(a), number(b)] });
        let either = Predicate::Or(vec![test(Comparison::Equal, a), test(Comparison::Equal, b)]);
        prop_assert_eq!(is_in.evaluate(&item).truth, either.evaluate(&item).truth);
        let between = Predicate::Atom(Atom::Between { operand, low: number(a), high: number(b) });
        let both = Predicate::And(vec![test(Comparison::GreaterOrEqual, a), test(Comparison::LessOrEqual, b)]);
        prop_assert_eq!(between.evaluate(&item).truth, both.evaluate(&item).truth);
    }

    #[test]
    fn reported_atoms_are_numbered_as_atoms_are_listed(predicate in predicate()) {
        let atoms = predicate.atoms();
        let missing = predicate.evaluate(&item()).missing;
        prop_assert!(missing.is_sorted_by(|a, b| a < b));
        for (number, atom) in atoms.iter().enumerate() {
            let alone = !Predicate::Atom((*atom).clone()).evaluate(&item()).missing.is_empty();
            prop_assert_eq!(missing.contains(&u16::try_from(number).unwrap()), alone);
        }
    }
}
