//! What plans say, change by change.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::adjustment::{MinimumEvidence, Partitions, Rates, SHADOW_CHANGES_MIN, Start};
use crate::change::TableName;
use crate::definition::{CountDefinition, DefinitionName, Headroom};
use crate::group::GroupKey;
use crate::logic::{Coverage, LogicState, Relation};
use crate::migration::{Action, Step};
use crate::order::{LogRank, OrderVersion};
use crate::path::Path;
use crate::predicate::{Atom, Comparison, Operand, Predicate};
use crate::schema::{FieldPath, FieldType, TypeSet};
use crate::schema_change::{ChangeKind, Evidence, SchemaChange, Typed};
use crate::value::Value;

fn definition(group_by: &[&str]) -> CountDefinition {
    CountDefinition {
        name: DefinitionName::parse("orders_by").unwrap(),
        table: TableName::new("orders"),
        group_by: group_by.iter().map(|path| Path::parse(path).unwrap()).collect(),
        filter: None,
        distinct: None,
        groups_max: 100,
        headroom: Headroom::default(),
    }
}

fn logic(definition: CountDefinition) -> LogicVersion {
    LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0)
}

fn declared(kind: ChangeKind) -> SchemaChange {
    SchemaChange { kind, evidence: Evidence::Declared { statement: "ALTER TABLE orders".into() } }
}

fn rename(from: &str, to: &str) -> ChangeKind {
    let typed = || Typed { types: TypeSet::of(FieldType::STRING), declared: None };
    ChangeKind::RenameColumn {
        column: FieldPath::new(from),
        to: FieldPath::new(to),
        typed: typed(),
        previous: typed(),
    }
}

fn position() -> OrderVersion {
    OrderVersion::binlog(0, 1, 500, 0, LogRank::Change)
}

fn schema(changes: Vec<SchemaChange>) -> Cause {
    Cause::Schema { event: "e1".into(), changes, position: Some(position()), at: 0 }
}

fn with_ledger() -> Facts {
    Facts {
        has_ledger: true,
        remembered: vec!["status".into()],
        ledger_rows: Some(1_000),
        ..Facts::default()
    }
}

#[test]
fn a_declared_rename_follows_by_name() {
    let logic = logic(definition(&["status", "region"]));
    let plan = plan(&schema(vec![declared(rename("status", "state"))]), &logic, &with_ledger());
    assert_eq!(plan.class, Class::A1, "{plan:#?}");
    assert_eq!(
        plan.sentence,
        "`status` was renamed to `state`; the count follows by name, and no row is read."
    );
    assert_eq!(plan.relation, Relation::MappedWhileEarlier);
    let update = plan.update.clone().unwrap();
    assert_eq!(update.definition.group_by, [Path::column("state"), Path::column("region")]);
    assert!(matches!(update.start, Start::Image(_)));
    assert_eq!(update.migration.first().unwrap().until, Some(position()));
    let version = version_of(&plan, &update, &logic, 2, 9);
    assert_eq!((version.state, version.coverage), (LogicState::Draft, Coverage::Whole));
    assert_eq!(version.plan, Some(plan.id.clone()));
}

#[test]
fn a_step_that_takes_a_name_away_stays_while_the_name_is_read() {
    let step = Step {
        action: Action::Rename { from: Path::column("status"), to: Path::column("state") },
        until: None,
    };
    let logic = LogicVersion { migration: vec![step.clone()], ..logic(definition(&["status", "town"])) };
    let cause = Cause::Schema {
        event: "e1".into(),
        changes: vec![declared(rename("town", "city"))],
        position: None,
        at: 0,
    };
    let update = plan(&cause, &logic, &with_ledger()).update.unwrap();
    assert_eq!(update.migration.first(), Some(&step), "{update:#?}");
    let unread = LogicVersion { definition: definition(&["town"]), ..logic };
    let update = plan(&cause, &unread, &with_ledger()).update.unwrap();
    assert_eq!(update.migration.len(), 1, "{update:#?}");
}

fn without_ledger(new_shape_seen: Option<bool>) -> Facts {
    Facts { new_shape_seen, source_is_readable: true, ..Facts::default() }
}

#[test]
fn without_a_ledger_an_image_needs_that_no_row_of_the_new_shape_came_first() {
    let logic = logic(definition(&["status", "region"]));
    let class =
        |kind: ChangeKind, seen| plan(&schema(vec![declared(kind)]), &logic, &without_ledger(seen)).class;
    assert_eq!(class(rename("status", "state"), Some(false)), Class::A1);
    assert_eq!(class(rename("status", "state"), Some(true)), Class::A5);
    assert_eq!(class(rename("status", "state"), None), Class::A5);
    // A row without the column is in the same group as one whose column is summed over.
    let drop = || ChangeKind::DropColumn { column: FieldPath::new("status"), typed: Typed::default() };
    assert_eq!(class(drop(), None), Class::A2);
    let moved = || ChangeKind::RenameTable { to: TableName::new("purchases") };
    assert_eq!(class(moved(), Some(false)), Class::A1);
    assert_eq!(class(moved(), None), Class::A5);
    let plan = plan(&schema(vec![declared(rename("status", "state"))]), &logic, &without_ledger(Some(false)));
    assert_eq!(plan.minimum, MinimumEvidence { census: false, changes: SHADOW_CHANGES_MIN });
}

#[test]
fn a_dropped_grouping_attribute_returns_to_its_place() {
    let text = || Typed { types: TypeSet::of(FieldType::STRING), declared: None };
    let drop = |name: &str| declared(ChangeKind::DropColumn { column: FieldPath::new(name), typed: text() });
    let add = |name: &str| {
        let (column, default) = (FieldPath::new(name), Some("'x'".into()));
        declared(ChangeKind::AddColumn { column, typed: text(), default })
    };
    let mut logic = logic(definition(&["a", "b", "c"]));
    let mut follow = |change: SchemaChange| {
        let plan = plan(&schema(vec![change]), &logic, &with_ledger());
        let update = plan.update.clone().unwrap();
        logic = version_of(&plan, &update, &logic, logic.id.number + 1, 0);
        let names = logic.definition.group_by.iter().map(ToString::to_string).collect::<Vec<_>>();
        (plan.class, names.join(" "))
    };
    assert_eq!(follow(drop("a")), (Class::A2, "b c".to_owned()));
    assert_eq!(follow(drop("b")), (Class::A2, "c".to_owned()));
    assert_eq!(follow(add("b")), (Class::A3, "b c".to_owned()));
    assert_eq!(follow(add("a")), (Class::A3, "a b c".to_owned()));
}

#[test]
fn an_unsure_rename_is_a_question_and_both_names_are_read_meanwhile() {
    let change = SchemaChange {
        kind: rename("status", "state"),
        evidence: Evidence::Proposed { score: 0.55, parts: Vec::new() },
    };
    let logic = logic(definition(&["status"]));
    let plan = plan(&schema(vec![change]), &logic, &with_ledger());
    assert_eq!((plan.class, &plan.certificate), (Class::A6, &Certificate::Undecided));
    assert_eq!(plan.choices.first().unwrap().update, plan.update);
    let update = plan.update.clone().unwrap();
    assert_eq!(update.definition, logic.definition);
    let (from, to) = (Path::column("state"), Path::column("status"));
    assert_eq!(update.migration, [Step { action: Action::Rename { from, to }, until: None }]);
    // An answer's version stands to its parent as the answer says.
    let renamed = plan.choices.get(1).unwrap().update.clone().unwrap();
    let version = version_of(&plan, &renamed, &logic, 2, 0);
    assert_eq!(version.relation, Relation::MappedWhileEarlier);
    assert_eq!(version.definition.group_by, [Path::column("state")]);
}

#[test]
fn a_pinned_partition_key_says_what_is_read_and_what_that_costs() {
    let pinned = |names: &[&str]| {
        let values = names.iter().map(|name| Value::String((*name).to_owned())).collect();
        Predicate::Atom(Atom::In { operand: Operand::Path(Path::column("customer")), values })
    };
    let text = |name: &str| Value::String(name.to_owned());
    let customer = |name: &str| GroupKey::new(vec![(Path::column("customer"), text(name))]);
    let facts = Facts {
        source_items: Some(1_000),
        source_bytes: Some(4_096_000),
        source_is_readable: true,
        partition_key: Some("customer".into()),
        groups: [("a", 200), ("b", 300), ("c", 500)].map(|(name, n)| (customer(name), n)).to_vec(),
        rates: Rates { read_units_a_second: 10.0, source_items_a_second: 100.0, ..Rates::default() },
        ..Facts::default()
    };
    let wanted = |filter, facts: &Facts| {
        let definition = CountDefinition { filter, ..definition(&["region"]) };
        plan(&Cause::Redefinition { definition, at: 0 }, &logic(definition_of_all()), facts)
    };
    let some = wanted(Some(pinned(&["a", "b"])), &facts);
    assert_eq!(some.class, Class::A5);
    assert!(matches!(&some.affected, Partitions::Keys { values, .. } if values.len() == 2));
    assert_eq!((some.estimate.source_items, some.estimate.read_units), (500, 500.0));
    // 500 units of a budget of 10 a second take longer than 500 items.
    assert!((some.estimate.seconds - 50.0).abs() < 1e-9, "{:?}", some.estimate);
    let all = wanted(None, &facts);
    assert_eq!((all.affected, all.estimate.read_units), (Partitions::All, 1_000.0));
    // Of a value that no group tells of, the worst is assumed, and said.
    let unknown = wanted(Some(pinned(&["a", "z"])), &facts);
    assert_eq!((unknown.estimate.source_items, unknown.assumptions.len()), (1_000, 1), "{unknown:?}");
}

fn definition_of_all() -> CountDefinition {
    definition(&[])
}

#[test]
fn a_plan_has_the_same_id_when_it_is_made_again() {
    let logic = logic(definition(&["status"]));
    let cause = schema(vec![declared(rename("status", "state"))]);
    let (one, other) = (plan(&cause, &logic, &with_ledger()), plan(&cause, &logic, &Facts::default()));
    assert_eq!(one.id, other.id);
    let next = LogicVersion { id: crate::logic::LogicId { number: 2, ..logic.id.clone() }, ..logic };
    assert_ne!(plan(&cause, &next, &with_ledger()).id, one.id);
}

#[test]
fn what_is_counted_together_cannot_be_taken_apart() {
    let logic = logic(definition(&["status"]));
    let paid = Predicate::Atom(Atom::Compare {
        left: Operand::Path(Path::column("status")),
        op: Comparison::Equal,
        right: Operand::Literal(Value::String("paid".into())),
    });
    let cause = Cause::Redefinition {
        definition: CountDefinition { filter: Some(paid), ..definition(&["status"]) },
        at: 0,
    };
    let class = |overflowed| plan(&cause, &logic, &Facts { overflowed, ..with_ledger() }).class;
    assert_eq!((class(false), class(true)), (Class::A2, Class::A4));
}
