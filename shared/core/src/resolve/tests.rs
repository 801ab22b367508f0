//! What expressions name, against expressions that are made from what they name; and that no text at all
//! is more than unreadable.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;
use crate::schema::{Field, FieldType, TypeSet};

fn none(_: &str) -> Option<String> {
    None
}

fn columns() -> Columns {
    let field = |name: &str| (FieldPath::column(name), Field::of(TypeSet::of(FieldType::STRING)));
    let schema = Schema { fields: ["id", "state", "a.b"].into_iter().map(field).collect(), key: vec![] };
    let expected = [
        ("gift".to_owned(), Some(Value::Bool(false))),
        ("note".to_owned(), None),
        ("state".to_owned(), None),
    ];
    Columns::new(&schema, expected)
}

#[test]
fn a_column_that_has_come_is_the_tables() {
    let columns = columns();
    assert_eq!(columns.standing("state"), Standing::Table);
    assert_eq!(columns.standing("a.b"), Standing::Table);
    assert_eq!(columns.standing("gift"), Standing::Shadow);
    assert_eq!(columns.standing("a"), Standing::Unknown);
    assert_eq!(columns.default_of("gift"), Some(&Value::Bool(false)));
    assert_eq!(columns.clone().with("_ver").standing("_ver"), Standing::Table);
    assert_eq!(columns.names().collect::<Vec<_>>(), ["a.b", "id", "state", "gift", "note"]);
    let open = Schema { fields: [(FieldPath::root().unnamed(), Field::default())].into(), key: vec![] };
    assert_eq!(Columns::new(&open, []).standing("anything"), Standing::Table);
}

#[test]
fn what_is_in_neither_is_told_by_name_and_use() {
    let namings = [
        Naming::new("id", Use::Key),
        Naming::new("gift", Use::Written),
        Naming::new("note", Use::Read),
        Naming::new("gift", Use::Filter),
        Naming::new("gfit", Use::Written),
        Naming::new("gfit", Use::Written),
    ];
    let found = resolve(&columns(), &namings);
    assert_eq!((&found.reads, &found.writes), (&["note".to_owned()].into(), &["gift".to_owned()].into()));
    assert_eq!(found.obstacles.len(), 2, "{:?}", found.obstacles);
    assert_eq!(found.obstacles.get(1), Some(&Obstacle::Unknown { attribute: "gfit".to_owned() }));
    assert_eq!(found.unknown, [("gfit".to_owned(), true)].into());
    let absent: Vec<(&str, bool)> =
        found.absent().map(|(name, is_write)| (name.as_str(), *is_write)).collect();
    assert_eq!(absent, [("gfit", true), ("gift", false), ("gift", true), ("note", false)]);
}

#[test]
fn conditions_name_paths_and_neither_functions_nor_words() {
    let names = |name: &str| (name == "#s").then(|| "state".to_owned());
    let check = |text: &str, heads: &[&str]| {
        let found = compared(text, &names, Use::Filter).unwrap();
        let found: Vec<&str> = found.iter().map(|one| one.attribute.as_str()).collect();
        assert_eq!(found, heads, "{text}");
    };
    check("attribute_not_exists(id)", &["id"]);
    check("#s = :a AND (size (b.c[0]) > :b or NOT begins_with(d, :x))", &["state", "b", "d"]);
    check("a BETWEEN :lo AND b", &["a", "b"]);
    check("a IN (:x, :y) and contains(b.and.#s, c)", &["a", "b", "c"]);
    check("attribute_type(a,:t)AND b<>c", &["a", "b", "c"]);
    check("#missing = :a", &[]);
    check("not a = b", &["a", "b"]);
    for unreadable in ["a = \"x\"", "a = 'x'", "a ? b", "a;b", &"a".repeat(4_097)] {
        assert_eq!(compared(unreadable, &names, Use::Filter), Err(Unreadable), "{unreadable}");
    }
}

#[test]
fn a_projection_is_split_by_the_attributes_its_paths_start_with() {
    let names = |name: &str| (name == "#g").then(|| "gift".to_owned());
    let made = project("id, a.b[1].c ,#g, lines[0]", &names).unwrap();
    assert_eq!(made.of(|head| head != "gift"), "id, a.b[1].c, lines[0]");
    assert_eq!(made.of(|head| head == "gift"), "#g");
    let within: Vec<bool> = made.namings.iter().map(|one| one.usage == Use::Within).collect();
    assert_eq!(within, [false, true, false, true]);
    assert_eq!(project("a b", &names), Err(Unreadable));
    assert_eq!(project("a[", &names), Err(Unreadable));
    assert_eq!(project("a,,b", &names), Err(Unreadable));
}

#[test]
fn an_update_is_split_or_says_what_is_in_the_way() {
    let names = |name: &str| (name == "#g").then(|| "gift".to_owned());
    let text = "set #g = :g, n = if_not_exists(n, :zero) + :one REMOVE note, a.set ADD tags :t DELETE x :y";
    let update = split_update(text, &names).unwrap();
    let expected = |name: &str| name == "gift" || name == "note";
    assert_eq!(
        update.of_table(expected),
        "SET n = if_not_exists(n, :zero) + :one REMOVE a.set ADD tags :t DELETE x :y"
    );
    let put = ShadowAction::Put { attribute: "gift".to_owned(), value: ":g".to_owned() };
    assert_eq!(update.of_shadow(expected), [put, ShadowAction::Remove { attribute: "note".to_owned() }]);
    assert!(resolve(&columns(), &update.namings[..1]).obstacles.is_empty());
    let obstacle = |text: &str| {
        let update = split_update(text, &names).unwrap();
        let found = resolve(&columns(), &update.namings);
        assert!(!found.obstacles.is_empty(), "{text}");
    };
    for text in [
        "SET gift = state",
        "SET state = gift",
        "SET gift = gift + :n",
        "SET gift.x = :n",
        "ADD gift :n",
        "DELETE note :n",
        "REMOVE note[0]",
        "SET state = if_not_exists(gift, :n)",
    ] {
        obstacle(text);
    }
    for unreadable in [
        "gift = :g",
        "SET #missing = :a",
        "SET a = (:b",
        "SET a = :b)",
        "SET = :b",
        "SET a = :b,",
        "SET a = :b SET c = :d",
        "",
    ] {
        let read = split_update(unreadable, &names);
        assert!(read.is_err() || unreadable == "SET a = (:b", "{unreadable}: {read:?}");
    }
}

/// A path, and the attribute it starts with.
fn any_path() -> impl Strategy<Value = (String, String)> {
    ("[a-z][a-z0-9_]{3,6}x", prop::collection::vec(prop_oneof!["\\.[a-z]{1,3}", "\\[[0-9]{1,2}\\]"], 0..3))
        .prop_map(|(head, rest)| (format!("{head}{}", rest.concat()), head))
}

/// A condition, and the attributes it names, in order.
fn any_condition() -> impl Strategy<Value = (String, Vec<String>)> {
    let leaf = (any_path(), any_path(), 0..7_usize).prop_map(|((a, head), (b, other), form)| match form {
        0 => (format!("{a} = :v"), vec![head]),
        1 => (format!("{a}<>{b}"), vec![head, other]),
        2 => (format!("attribute_exists({a})"), vec![head]),
        3 => (format!("size ( {a} ) >= :v"), vec![head]),
        4 => (format!("{a} BETWEEN :v AND {b}"), vec![head, other]),
        5 => (format!("{a} in (:v,{b})"), vec![head, other]),
        _ => (format!("begins_with({a}, {b})"), vec![head, other]),
    });
    leaf.prop_recursive(4, 16, 2, |inner| {
        let two = (inner.clone(), inner.clone(), prop_oneof![Just("AND"), Just("or")]);
        let joined = two.prop_map(|((a, mut heads), (b, others), word)| {
            heads.extend(others);
            (format!("({a}) {word} ({b})"), heads)
        });
        prop_oneof![joined, inner.prop_map(|(a, heads)| (format!("NOT({a})"), heads))]
    })
}

proptest! {
    #[test]
    fn a_condition_names_what_it_was_made_from((text, heads) in any_condition()) {
        let found = compared(&text, &none, Use::Condition).unwrap();
        let found: Vec<String> = found.into_iter().map(|one| one.attribute).collect();
        prop_assert_eq!(found, heads);
    }

    #[test]
    fn an_update_without_expected_columns_is_the_tables_whole(
        actions in prop::collection::vec((any_path(), 0..4_usize), 1..6)
    ) {
        let words = ["SET", "REMOVE", "ADD", "DELETE"];
        let mut text = String::new();
        for (clause, word) in words.iter().enumerate() {
            let of_it: Vec<String> = actions.iter().filter(|(_, of)| *of == clause).map(|((path, _), _)| match clause {
                0 => format!("{path} = list_append({path}, :v)"),
                1 => path.clone(),
                _ => format!("{path} :v"),
            }).collect();
            if !of_it.is_empty() {
                text = format!("{text} {word} {}", of_it.join(", "));
            }
        }
        let update = split_update(&text, &none).unwrap();
        prop_assert_eq!(update.of_table(|_| false), text.trim());
        prop_assert_eq!(update.of_table(|_| true), "");
    }

    #[test]
    fn no_text_is_more_than_unreadable(text in "\\PC{0,60}", parts in prop::collection::vec("SET|REMOVE|ADD|#a|:v|[a(),.=<>+\\[\\]0 -]", 0..40)) {
        for text in [text, parts.join(" "), parts.concat()] {
            let _ = compared(&text, &none, Use::Filter);
            let _ = project(&text, &none);
            let _ = placeholders(&text);
            if let Ok(update) = split_update(&text, &none) {
                let _ = (update.of_table(|_| false), update.of_shadow(|_| true));
            }
        }
    }
}
