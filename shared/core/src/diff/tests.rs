//! What a difference is, and what is none.

use proptest::prelude::*;

use super::arbitrary::schema;
use super::*;
use crate::schema::{Constraints, TypeSet};

fn table(columns: &[(&str, &str)]) -> Schema {
    let field = |(at, (name, one)): (usize, &(&str, &str))| {
        let (words, nullable) = one.strip_suffix('?').map_or((*one, false), |words| (words, true));
        let types = match words {
            "INT" | "INT(5)" => FieldType::Integer { bits: Some(32), unsigned: false },
            "BIGINT" => FieldType::Integer { bits: Some(64), unsigned: false },
            "JSON" => FieldType::Map,
            _ => FieldType::STRING,
        };
        let field = Field {
            types: TypeSet::of(types).nullable(nullable),
            required: true,
            declared: Some(words.into()),
            position: Some(at as u32),
            ..Field::default()
        };
        (FieldPath::new(name), field)
    };
    Schema { fields: columns.iter().enumerate().map(field).collect(), key: vec![FieldPath::new("id")] }
}

fn check(before: &Schema, after: &Schema, renames: &[(&str, &str)], expected: &[&str]) {
    let renames: Vec<_> =
        renames.iter().map(|(from, to)| (FieldPath::new(from), FieldPath::new(to))).collect();
    let found = diff_with_renames(before, after, &renames);
    let texts: Vec<String> = found
        .changes()
        .iter()
        .map(|change| match change {
            ChangeKind::ChangeType { column, retype, .. } => format!("{} {column}", retype.name()),
            ChangeKind::RenameColumn { column, to, .. } => format!("rename {column} {to}"),
            ChangeKind::AddColumn { column, .. } => format!("add {column}"),
            ChangeKind::DropColumn { column, .. } => format!("drop {column}"),
            other => other.name().to_owned(),
        })
        .collect();
    assert_eq!(texts, expected, "{found:?}");
}

#[test]
fn columns_come_go_move_and_change() {
    let before = table(&[("id", "INT"), ("b", "TEXT"), ("n", "INT"), ("w", "INT"), ("z", "TEXT")]);
    let moved = table(&[("z", "TEXT"), ("w", "INT"), ("id", "INT"), ("b", "TEXT"), ("n", "INT")]);
    check(&before, &moved, &[], &[]);
    let after = table(&[("id", "INT"), ("a", "TEXT"), ("n", "BIGINT?"), ("w", "INT(5)"), ("z", "INT")]);
    check(&before, &after, &[], &["add a", "drop b", "widening n", "restated w", "re_encoding z"]);
}

#[test]
fn a_rename_is_one_change_whatever_else_it_brings() {
    let before = table(&[("id", "INT"), ("b", "INT")]);
    let after = table(&[("id", "INT"), ("a", "BIGINT")]);
    check(&before, &after, &[("b", "a")], &["rename b a"]);
    check(&before, &after, &[("b", "c"), ("x", "a")], &["add a", "drop b"]);
    let keyed = Schema { key: vec![FieldPath::new("pid")], ..table(&[("pid", "INT"), ("b", "INT")]) };
    check(&before, &keyed, &[("id", "pid")], &["rename id pid"]);
    check(&before, &keyed, &[], &["drop id", "add pid", "change_key"]);
}

#[test]
fn what_stands_in_a_field_comes_goes_and_moves_with_it() {
    let without = table(&[("id", "INT")]);
    let with = table(&[("id", "INT"), ("a", "JSON"), ("a.x", "INT"), ("a.y", "INT")]);
    check(&without, &with, &[], &["add a"]);
    check(&with, &without, &[], &["drop a"]);
    let renamed = table(&[("id", "INT"), ("c", "JSON"), ("c.x", "INT"), ("c.z", "INT")]);
    check(&with, &renamed, &[("a", "c")], &["drop a.y", "rename a c", "add c.z"]);
    let text = table(&[("id", "INT"), ("a", "TEXT")]);
    check(&text, &with, &[], &["re_encoding a"]);
}

#[test]
fn documents_tell_what_may_stand_in_place_of_a_field() {
    let document = |closed: bool, names: &[&str]| {
        let mut schema = Schema::default();
        let map = Field {
            constraints: Constraints { closed, ..Default::default() },
            ..Field::of(TypeSet::of(FieldType::Map))
        };
        schema.fields.insert(FieldPath::root(), map);
        for name in names {
            schema.fields.insert(FieldPath::new(name), Field::of(TypeSet::of(FieldType::STRING)));
        }
        schema
    };
    let place = |before: &Schema, after: &Schema| match diff(before, after).differences.first() {
        Some(Difference::Added { place, .. } | Difference::Dropped { place, .. }) => Some(*place),
        _ => None,
    };
    assert_eq!(place(&document(true, &[]), &document(true, &["a"])), Some(Place::Closed));
    assert_eq!(place(&document(false, &[]), &document(false, &["a"])), Some(Place::Open));
    assert_eq!(place(&document(true, &["a"]), &document(true, &[])), Some(Place::Closed));
    assert_eq!(place(&table(&[]), &table(&[("a", "INT")])), Some(Place::Table));
}

proptest! {
    #[test]
    fn a_schema_does_not_differ_from_itself(schema in schema()) {
        prop_assert_eq!(diff(&schema, &schema), Diff::default());
    }

    #[test]
    fn what_one_way_is_added_is_the_other_way_dropped(a in schema(), b in schema()) {
        let paths = |diff: Diff, name: &str| -> Vec<FieldPath> {
            diff.differences.iter().filter(|one| one.name() == name).map(Difference::path).collect()
        };
        prop_assert_eq!(paths(diff(&a, &b), "added"), paths(diff(&b, &a), "dropped"));
        prop_assert_eq!(paths(diff(&a, &b), "required").len(), paths(diff(&b, &a), "optional").len());
    }
}
