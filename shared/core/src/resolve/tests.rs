//! What expressions name, against expressions that are made from what they name; and that no text at all
//! is more than unreadable.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

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
    let reads = ["gift".to_owned(), "note".to_owned()].into();
    assert_eq!((&found.reads, &found.writes), (&reads, &["gift".to_owned()].into()));
    assert_eq!(found.obstacles.len(), 1, "{:?}", found.obstacles);
    assert_eq!(found.obstacles.first(), Some(&Obstacle::Unknown { attribute: "gfit".to_owned() }));
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
fn a_projection_names_the_attributes_its_paths_start_with() {
    let names = |name: &str| (name == "#g").then(|| "gift".to_owned());
    let made = projected("id, a.b[1].c ,#g, lines[0]", &names).unwrap();
    let told: Vec<_> = made.iter().map(|one| (one.attribute.as_str(), one.usage == Use::Within)).collect();
    assert_eq!(told, [("id", false), ("a", true), ("gift", false), ("lines", true)]);
    assert_eq!(projected("a b", &names), Err(Unreadable));
    assert_eq!(projected("a[", &names), Err(Unreadable));
    assert_eq!(projected("a,,b", &names), Err(Unreadable));
}

#[test]
fn an_update_names_what_it_writes_and_reads() {
    let names = |name: &str| (name == "#g").then(|| "gift".to_owned());
    let text = "set #g = :g, n = if_not_exists(m, :zero) + :one REMOVE note, a.set ADD tags :t DELETE x :y";
    let told: Vec<_> =
        updated(text, &names).unwrap().into_iter().map(|one| (one.attribute, one.usage)).collect();
    let expected = [
        ("gift", Use::Written),
        ("n", Use::Computed),
        ("m", Use::Computed),
        ("note", Use::Written),
        ("a", Use::Within),
        ("tags", Use::Computed),
        ("x", Use::Computed),
    ];
    assert_eq!(told, expected.map(|(name, usage)| (name.to_owned(), usage)));
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
        let read = updated(unreadable, &names);
        assert!(read.is_err() || unreadable == "SET a = (:b", "{unreadable}: {read:?}");
    }
}

#[test]
fn an_expected_column_is_part_of_no_key_and_of_no_statement() {
    let found = |usage| resolve(&columns(), &[Naming::new("gift", usage)]);
    for usage in [Use::Key, Use::Statement] {
        assert_eq!(found(usage).obstacles.len(), 1, "{usage:?}");
    }
    for usage in [Use::Read, Use::Written, Use::Within, Use::Computed, Use::Condition, Use::Filter] {
        assert!(found(usage).obstacles.is_empty(), "{usage:?}");
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
    fn no_text_is_more_than_unreadable(text in "\\PC{0,60}", parts in prop::collection::vec("SET|REMOVE|ADD|#a|:v|[a(),.=<>+\\[\\]0 -]", 0..40)) {
        for text in [text, parts.join(" "), parts.concat()] {
            let _ = compared(&text, &none, Use::Filter);
            let _ = projected(&text, &none);
            let _ = placeholders(&text);
            let _ = updated(&text, &none);
        }
    }
}
