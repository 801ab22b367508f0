//! Findings about what control records say changed.

use super::*;
use crate::change::{TableName, Told};
use crate::schema::{FieldType, TypeSet};

/// A declared schema from columns such as `id* INT` (a key column), `b? TEXT` (may be NULL) and
/// `c INT =5` (with a default).
fn schema(columns: &[&str]) -> Schema {
    let mut schema = Schema::default();
    for (column, position) in columns.iter().zip(1..) {
        let mut words = column.split(' ');
        let name = words.next().unwrap_or_default();
        let declared = words.next().unwrap_or_default();
        let types = match declared {
            "INT" => FieldType::Integer { bits: Some(32), unsigned: false },
            "BIGINT" => FieldType::Integer { bits: Some(64), unsigned: false },
            _ => FieldType::STRING,
        };
        let path = FieldPath::column(name.trim_end_matches(['*', '?']));
        if name.ends_with('*') {
            schema.key.push(path.clone());
        }
        let field = Field {
            types: TypeSet::of(types).nullable(name.ends_with('?')),
            required: true,
            declared: Some(declared.into()),
            default: words.next().and_then(|word| word.strip_prefix('=')).map(Into::into),
            position: Some(position),
            ..Field::default()
        };
        schema.fields.insert(path, field);
    }
    schema
}

fn add(name: &str) -> Clause {
    Clause::AddColumn(name.to_owned())
}

fn drop_column(name: &str) -> Clause {
    Clause::DropColumn(name.to_owned())
}

fn modify(name: &str) -> Clause {
    Clause::ModifyColumn(name.to_owned())
}

fn rename(from: &str, to: &str) -> Clause {
    Clause::RenameColumn { from: from.to_owned(), to: to.to_owned() }
}

fn event(schema: Option<Schema>, clauses: &[Clause]) -> TableEvent {
    TableEvent {
        table: TableName::new("shop.orders"),
        operation: "ALTER".to_owned(),
        floor: None,
        shape: None,
        told: Told { schema, clauses: clauses.to_vec(), ..Told::default() },
        at: 0,
    }
}

/// Changes as one line: `+a INT`, `-a INT`, `a>b`, `a INT->BIGINT widening`, `key a->b`.
fn line(changes: &[SchemaChange]) -> String {
    let names = |columns: &[FieldPath]| columns.iter().map(FieldPath::as_str).collect::<Vec<_>>().join("+");
    let text = |change: &SchemaChange| match &change.kind {
        ChangeKind::AddColumn { column, typed, .. } => format!("+{column} {}", typed.text()),
        ChangeKind::DropColumn { column, typed } => format!("-{column} {}", typed.text()),
        ChangeKind::RenameColumn { column, to, .. } => format!("{column}>{to}"),
        ChangeKind::ChangeType { column, typed, previous, retype } => {
            format!("{column} {}->{} {}", previous.text(), typed.text(), retype.name())
        }
        ChangeKind::ChangeKey { previous, key } => format!("key {}->{}", names(previous), names(key)),
        ChangeKind::RenameTable { to } => format!("rename_table {to}"),
        other => other.name().to_owned(),
    };
    changes.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn check(before: &[&str], clauses: &[Clause], after: &[&str], expected: &str) {
    let event = event(Some(schema(after)), clauses);
    assert_eq!(line(&changes(Some(&schema(before)), &event)), expected, "{before:?} {clauses:?} {after:?}");
}

#[test]
fn a_statements_changes_come_in_its_order_and_once_each() {
    check(
        &["id* INT", "a INT", "b TEXT", "c INT"],
        &[modify("c"), drop_column("a"), add("d"), modify("c")],
        &["id* INT", "b TEXT", "c BIGINT", "d INT"],
        "c INT->BIGINT widening, -a INT, +d INT",
    );
    check(&["a INT"], &[], &["a INT"], "");
}

#[test]
fn a_difference_that_no_clause_tells_is_reported_after_those_that_clauses_tell() {
    check(
        &["id* INT", "a INT", "b TEXT"],
        &[add("d")],
        &["id INT", "z TEXT", "b? TEXT", "d INT"],
        "+d INT, -a INT, +z TEXT, b TEXT->TEXT nullable, key id->",
    );
}

#[test]
fn a_clause_that_the_definition_does_not_bear_out_changed_nothing() {
    let same = ["id* INT", "a INT"];
    check(&same, &[drop_column("a"), add("a2"), rename("id", "x"), drop_column("z"), modify("z")], &same, "");
    check(&same, &[add("a"), add("A")], &same, "");
    // The same record a second time.
    check(
        &["id* INT", "b INT", "d INT"],
        &[rename("a", "b"), drop_column("c"), add("d")],
        &["id* INT", "b INT", "d INT"],
        "",
    );
}

#[test]
fn a_column_that_is_dropped_and_made_anew_is_both() {
    check(&["a INT"], &[drop_column("a"), add("a")], &["a TEXT"], "-a INT, +a TEXT");
    check(&["a INT"], &[add("a"), drop_column("a")], &["a INT"], "+a INT, -a INT");
}

#[test]
fn a_rename_with_another_type_is_a_rename_and_a_change_of_type() {
    check(&["a INT"], &[rename("a", "b")], &["b INT"], "a>b");
    check(&["a INT"], &[rename("a", "b")], &["b BIGINT"], "a>b, b INT->BIGINT widening");
    check(&["a INT"], &[rename("a", "b")], &["b INT =5"], "a>b");
    check(&["a INT"], &[rename("A", "b"), modify("b")], &["b INT"], "a>b");
    check(&["id* INT"], &[rename("id", "nr")], &["nr* INT"], "id>nr");
}

#[test]
fn columns_that_trade_names_are_followed() {
    check(&["a INT", "b TEXT"], &[rename("a", "b"), rename("b", "a")], &["b INT", "a TEXT"], "a>b, b>a");
    check(&["a INT", "b TEXT"], &[rename("b", "a"), drop_column("a")], &["a TEXT"], "b>a, -a INT");
    check(&["a INT"], &[rename("a", "b"), rename("b", "c")], &["c INT"], "a>c");
    check(&["a INT"], &[rename("a", "b"), add("a")], &["b INT", "a TEXT"], "a>b, +a TEXT");
}

#[test]
fn a_column_that_is_defined_over_again_is_reported_whatever_came_of_it() {
    check(&["a INT"], &[modify("a")], &["a INT"], "a INT->INT restated");
    check(&["a INT"], &[modify("a")], &["a INT =5"], "a INT->INT restated");
    check(&["a? INT"], &[modify("a")], &["a INT"], "a INT->INT not_null");
    check(&["a INT"], &[add("b"), modify("b")], &["a INT", "b INT"], "+b INT");
}

#[test]
fn a_name_in_another_case_is_the_same_to_a_statement_and_another_to_rows() {
    check(&["a INT"], &[drop_column("A")], &[], "-a INT");
    check(&["A INT"], &[modify("a")], &["A BIGINT"], "A INT->BIGINT widening");
    check(&["a INT"], &[modify("A")], &["A BIGINT"], "a>A, A INT->BIGINT widening");
    check(&["a INT"], &[rename("A", "B")], &["b INT"], "a>b");
    check(&["a INT"], &[], &["A INT"], "-a INT, +A INT");
    check(&["a INT", "A INT"], &[drop_column("A")], &["a INT"], "-A INT");
}

#[test]
fn a_key_changes_where_the_definitions_say_so() {
    check(&["a INT"], &[Clause::ChangeKey, add("b")], &["a* INT", "b INT"], "key ->a, +b INT");
    check(&["a* INT"], &[Clause::ChangeKey], &["a* INT"], "");
}

#[test]
fn a_snapshot_tells_how_a_table_stands_and_changes_nothing() {
    let mut event = event(Some(schema(&["a TEXT"])), &[Clause::Create]);
    event.told.snapshot = true;
    assert_eq!(changes(None, &event), []);
    assert_eq!(changes(Some(&schema(&["a INT"])), &event), []);
    assert_eq!(after(None, &event), Some(schema(&["a TEXT"])));
    event.told = Told { snapshot: true, clauses: vec![Clause::Drop], ..Told::default() };
    let known = schema(&["a INT"]);
    assert_eq!((changes(Some(&known), &event), after(Some(&known), &event)), (vec![], Some(known)));
}

#[test]
fn a_table_as_a_whole_is_created_dropped_renamed_or_emptied() {
    let check = |known: Option<&Schema>, told: Option<&[&str]>, clauses: &[Clause], expected: &str| {
        assert_eq!(line(&changes(known, &event(told.map(schema), clauses))), expected, "{clauses:?}");
    };
    let known = schema(&["a INT"]);
    let from = TableName::new("shop.baskets");
    check(None, Some(&["a INT"]), &[Clause::Create], "create_table");
    check(None, Some(&["a INT"]), &[Clause::Drop, Clause::Create], "create_table");
    check(Some(&known), Some(&["b INT"]), &[Clause::Drop, Clause::Create], "drop_table, create_table");
    // `IF NOT EXISTS`, or the same record a second time.
    check(Some(&known), Some(&["a INT"]), &[Clause::Create], "");
    check(Some(&known), None, &[Clause::Drop], "drop_table");
    check(Some(&known), None, &[Clause::Truncate], "truncate_table");
    let renamed = [Clause::RenameTable { from }, add("b")];
    check(Some(&known), Some(&["a INT", "b INT"]), &renamed, "rename_table shop.orders, +b INT");
    check(None, Some(&["a INT", "b INT"]), &renamed, "rename_table shop.orders, +b INT");
    check(Some(&known), None, &[Clause::Unspecified], "");
}

#[test]
fn where_one_side_is_not_known_the_clauses_are_all_there_is() {
    let clauses = [add("b"), drop_column("c"), rename("d", "e"), modify("f"), modify("f"), Clause::ChangeKey];
    let told = event(Some(schema(&["a* INT", "b TEXT", "e INT", "f INT"])), &clauses);
    let expected = "+b TEXT, -c nothing, d>e, f nothing->INT re_encoding, key ->a";
    assert_eq!(line(&changes(None, &told)), expected);
    // What rows show is no measure of what the source defines.
    let mut observed = schema(&["c TEXT"]);
    observed.fields.values_mut().for_each(|field| field.declared = None);
    assert_eq!(line(&changes(Some(&observed), &told)), expected.replace("nothing,", "string,"));
    let untold = event(None, &clauses);
    let known = schema(&["a* INT", "c TEXT", "d INT", "f INT"]);
    let expected = "+b nothing, -c TEXT, d>e, f INT->nothing re_encoding, key a->";
    assert_eq!(line(&changes(Some(&known), &untold)), expected);
    let left = after(Some(&known), &untold);
    let columns = left.iter().flat_map(Schema::columns).map(|(path, _)| path.as_str()).collect::<Vec<_>>();
    assert_eq!(columns, ["a", "b", "e", "f"]);
    assert_eq!(changes(None, &event(Some(schema(&["a INT"])), &[])), []);
}
