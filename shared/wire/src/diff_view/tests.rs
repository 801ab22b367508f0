//! What is shown of differences.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use evercount_core::schema::{FieldType, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, Typed};
use proptest::prelude::*;

use super::*;

/// Fields as `path type`, with `!` behind the type where NULL is shut out.
fn schema(fields: &[&str]) -> Schema {
    let field = |text: &&str| {
        let (path, declared) = text.split_once(' ').unwrap();
        let one = match declared.trim_end_matches('!') {
            "map" => FieldType::Map,
            "list" => FieldType::List,
            "int" => FieldType::Integer { bits: Some(32), unsigned: false },
            "bigint" => FieldType::Integer { bits: Some(64), unsigned: false },
            _ => FieldType::STRING,
        };
        (FieldPath::new(path), Field::of(TypeSet::of(one).nullable(!declared.ends_with('!'))))
    };
    Schema { fields: fields.iter().map(field).collect(), key: Vec::new() }
}

fn rename(from: &str, to: &str) -> (FieldPath, FieldPath) {
    (FieldPath::new(from), FieldPath::new(to))
}

/// Each row as `symbol depth before|after notes`.
fn told(view: &DiffView) -> Vec<String> {
    let name = |side: &Option<Side>| side.as_ref().map_or("", |side| &side.name).to_owned();
    let row = |row: Row<'_>| {
        let Row { depth, node } = row;
        let notes: Vec<String> = node.notes.iter().map(Note::sentence).collect();
        let (before, after) = (name(&node.before), name(&node.after));
        format!("{}{depth} {before}|{after} {}", node.mark.symbol(), notes.join("; ")).trim_end().to_owned()
    };
    view.rows().into_iter().map(row).collect()
}

#[test]
fn a_rename_is_one_row_and_what_it_holds_moves_with_it() {
    let before = schema(&["id int!", "status text", "ship map", "ship.city text", "ship.zip int"]);
    let after = schema(&["id bigint!", "state text", "dest map", "dest.city text", "dest.country text"]);
    let shown = view(&before, &after, &[rename("status", "state"), rename("ship", "dest")]);
    assert_eq!(
        told(&shown),
        [
            "→0 ship|dest",
            " 1 city|city",
            "-1 zip|",
            "+1 |country",
            "~0 id|id integer(32) → integer(64) (widening)",
            "→0 status|state",
        ]
    );
    let tally: Vec<(&str, usize)> = shown.tally().iter().map(|(mark, n)| (mark.name(), *n)).collect();
    assert_eq!(tally, [("added", 1), ("dropped", 1), ("renamed", 2), ("retyped", 1)]);
}

#[test]
fn without_the_rename_it_is_a_drop_and_an_addition() {
    let shown = view(&schema(&["status text"]), &schema(&["state text"]), &[]);
    assert_eq!(told(&shown), ["-0 status|", "+0 |state"]);
}

#[test]
fn parts_of_what_came_are_shown_and_not_counted() {
    let shown = view(&schema(&["id int"]), &schema(&["id int", "ship map", "ship.city text"]), &[]);
    assert_eq!(told(&shown), [" 0 id|id", "+0 |ship", "+1 |city"]);
    assert_eq!(shown.tally(), [(Mark::Added, 1)].into());
    assert_eq!(shown.fields[1].size(), 1);
}

#[test]
fn columns_stand_as_their_source_orders_them_and_a_dropped_one_where_it_stood() {
    let placed = |fields: &[&str]| {
        let mut schema = schema(fields);
        for (at, text) in fields.iter().enumerate() {
            let path = FieldPath::new(text.split_once(' ').unwrap().0);
            schema.fields.get_mut(&path).unwrap().position = Some(at as u32 + 1);
        }
        schema
    };
    let before = placed(&["z int", "m int", "old int", "a int"]);
    let after = placed(&["z int", "m int", "a int", "b int"]);
    assert_eq!(told(&view(&before, &after, &[])), [" 0 z|z", " 0 m|m", "-0 old|", " 0 a|a", "+0 |b"]);
    let names: Vec<String> = outline(&after).into_iter().map(|line| line.side.name).collect();
    assert_eq!(names, ["z", "m", "a", "b"]);
}

#[test]
fn what_else_differs_is_said_in_words() {
    let check = |before: &str, after: &str, edit: fn(&mut Field), expected: &[&str]| {
        let (before, mut after) = (schema(&[before]), schema(&[after]));
        after.fields.values_mut().for_each(edit);
        let shown = view(&before, &after, &[]);
        let notes: Vec<String> = shown.fields[0].notes.iter().map(Note::sentence).collect();
        assert_eq!(notes, expected);
    };
    check("a int!", "a int", |_| {}, &["may be NULL now"]);
    check("a int", "a int!", |_| {}, &["must not be NULL now"]);
    check("a int", "a text", |_| {}, &["integer(32) or null → string or null (re-encoding)"]);
    check("a int", "a int", |field| field.default = Some("7".into()), &["default none → 7"]);
    check(
        "a text",
        "a text",
        |field| field.constraints.min_length = Some(3),
        &["min length none → 3 (tightened)"],
    );
}

#[test]
fn another_key_is_told_apart_from_the_fields() {
    let before = Schema { key: vec![FieldPath::new("a")], ..schema(&["a int!", "b int!"]) };
    let after = Schema { key: vec![FieldPath::new("b"), FieldPath::new("a")], ..before.clone() };
    let shown = view(&before, &after, &[]);
    assert!(!shown.is_empty() && shown.changed().is_empty());
    let json = shown.to_json();
    assert_eq!(json["key"]["now"], serde_json::json!(["b", "a"]));
    assert_eq!(json["tree"][0]["after"]["key"], 1);
    assert_eq!(json["tree"][0]["after"]["name"], "b");
}

#[test]
fn names_with_dots_stay_whole() {
    let shown =
        view(&schema(&[]), &schema(&["\"a.b\" map", "\"a.b\".\"c.d\" int", "l list", "l[] map"]), &[]);
    assert_eq!(told(&shown), ["+0 |\"a.b\"", "+1 |\"c.d\"", "+0 |l", "+1 |[]"]);
}

#[test]
fn renames_through_several_versions_are_one() {
    let typed = Typed::default;
    let renamed = |from: &str, to: &str| ChangeKind::RenameColumn {
        column: FieldPath::new(from),
        to: FieldPath::new(to),
        typed: typed(),
        previous: typed(),
    };
    let dropped = |path: &str| ChangeKind::DropColumn { column: FieldPath::new(path), typed: typed() };
    let check = |kinds: Vec<ChangeKind>, expected: &[(FieldPath, FieldPath)]| {
        let evidence = Evidence::Declared { statement: String::new() };
        let changes: Vec<SchemaChange> =
            kinds.into_iter().map(|kind| SchemaChange { kind, evidence: evidence.clone() }).collect();
        assert_eq!(renames_through(&changes), expected);
    };
    check(vec![renamed("a", "b"), renamed("b", "c")], &[rename("a", "c")]);
    check(vec![renamed("a", "b"), renamed("b", "a")], &[]);
    check(vec![renamed("a", "b"), dropped("b")], &[]);
    check(vec![renamed("a", "b"), renamed("b.x", "b.y")], &[rename("a", "b"), rename("a.x", "b.y")]);
    check(vec![renamed("a.x", "a.y"), renamed("a", "b")], &[rename("a.x", "b.y"), rename("a", "b")]);
    check(vec![renamed("a", "c"), renamed("b", "a")], &[rename("a", "c"), rename("b", "a")]);
}

/// Small schemas that share names, at two depths.
fn schemas() -> impl Strategy<Value = Schema> {
    prop::collection::btree_set(prop::sample::select(vec!["a int", "b text", "c map", "d bigint"]), 0..4)
        .prop_flat_map(|top| {
            prop::collection::btree_set(prop::sample::select(vec!["c.x int", "c.y text", "c.z int!"]), 0..3)
                .prop_map(move |nested| {
                    let nested = nested.into_iter().filter(|_| top.contains("c map"));
                    schema(&top.iter().copied().chain(nested).collect::<Vec<_>>())
                })
        })
}

proptest! {
    #[test]
    fn every_field_of_both_versions_is_shown_once(
        before in schemas(),
        after in schemas(),
        renames in prop::collection::vec((0..7_usize, 0..7_usize), 0..3),
    ) {
        let names = ["a", "b", "c", "d", "c.x", "c.y", "c.z"];
        let renames: Vec<_> = renames.iter().map(|(from, to)| rename(names[*from], names[*to])).collect();
        let shown = view(&before, &after, &renames);
        let sides = |of: fn(&Node) -> &Option<Side>| {
            let mut paths: Vec<FieldPath> = shown
                .rows()
                .iter()
                .filter_map(|row| of(row.node).as_ref().map(|side| side.path.clone()))
                .collect();
            paths.sort_unstable();
            paths
        };
        prop_assert_eq!(sides(|node| &node.before), before.fields.keys().cloned().collect::<Vec<_>>());
        prop_assert_eq!(sides(|node| &node.after), after.fields.keys().cloned().collect::<Vec<_>>());
    }

    #[test]
    fn a_schema_does_not_differ_from_itself(schema in schemas()) {
        prop_assert!(view(&schema, &schema, &[]).is_empty());
    }
}
