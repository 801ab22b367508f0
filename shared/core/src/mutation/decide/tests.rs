//! The decision about single mutations, each with the outcome that it is named by.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::change::TableName;
use crate::decimal::Decimal;
use crate::fingerprint::{Fingerprint, SchemaId};
use crate::function::{FunctionId, NoFunctions};
use crate::migration::function::MigrationFunction;
use crate::migration::graph::Migration;
use crate::mutation::Mutation;
use crate::mutation::settings::Strategy;
use crate::path::Path;
use crate::predicate::Truth;
use crate::registry::SchemaVersion;
use crate::schema::{Constraints, FieldPath, FieldType, Schema, TypeSet};
use crate::schema_change::{ChangeKind, Evidence, SchemaChange, Typed};
use crate::shadow::{ShadowColumn, ShadowValue};

const NOW: Micros = 1_000_000;

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn number(n: i64) -> Value {
    Value::Number(Decimal::from(n))
}

fn item(all: &[(&str, Value)]) -> Item {
    all.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn typed() -> Typed {
    Typed { types: TypeSet::of(FieldType::STRING), declared: None }
}

fn version(number: u32, kinds: Vec<ChangeKind>) -> SchemaVersion {
    let evidence = || Evidence::Declared { statement: "ALTER TABLE orders".to_owned() };
    SchemaVersion {
        subject: TableName::new("orders"),
        id: SchemaId { version: number, fingerprint: Fingerprint(u64::from(number)) },
        parent: (number > 1).then(|| number - 1),
        schema: Schema::default(),
        changes: kinds.into_iter().map(|kind| SchemaChange { kind, evidence: evidence() }).collect(),
        drift: 0.1,
        breaks: Vec::new(),
        position: None,
        at: 0,
        created_at: 0,
    }
}

/// 1 → 2 renames `state` to `status` and adds `tier`; 2 → 3 drops `note`.
fn graph(written: Vec<Migration>) -> SchemaGraph {
    let (from, to, tier) = ("state", "status", "tier");
    let second = vec![
        ChangeKind::RenameColumn {
            column: FieldPath::column(from),
            to: FieldPath::column(to),
            typed: typed(),
            previous: typed(),
        },
        ChangeKind::AddColumn {
            column: FieldPath::column(tier),
            typed: typed(),
            default: Some("'tin'".into()),
        },
    ];
    let third = vec![ChangeKind::DropColumn { column: FieldPath::column("note"), typed: typed() }];
    SchemaGraph::new(
        &[version(1, vec![ChangeKind::CreateTable]), version(2, second), version(3, third)],
        written,
    )
}

fn auto() -> TableSettings {
    TableSettings { strategy: Strategy::auto(), stamps: true, ..TableSettings::default() }
}

/// A mutation written for version 1 while version 2 is in force, against a stored item.
struct Case {
    graph: SchemaGraph,
    stored: Option<Item>,
    row: Option<ShadowRow>,
    shadow: Option<ShadowSchema>,
    in_force: u32,
    written_for: Option<u32>,
    expected: Option<u64>,
}

impl Default for Case {
    fn default() -> Self {
        let stored = item(&[
            ("id", text("1")),
            ("status", text("OPEN")),
            ("tier", text("gold")),
            ("_ver", number(7)),
            ("_schema", number(2)),
        ]);
        let (row, shadow) = (None, None);
        Self {
            graph: graph(Vec::new()),
            stored: Some(stored),
            row,
            shadow,
            in_force: 2,
            written_for: Some(1),
            expected: None,
        }
    }
}

impl Case {
    fn decide(&self, mutation: &Mutation, settings: &TableSettings) -> Result<Decision, Refusal> {
        self.decide_with(mutation, settings, &NoFunctions)
    }

    fn decide_with(
        &self,
        mutation: &Mutation,
        settings: &TableSettings,
        functions: &dyn Functions,
    ) -> Result<Decision, Refusal> {
        let facts = Facts {
            key: &item(&[("id", text("1"))]),
            item: self.stored.as_ref(),
            row: self.row.as_ref(),
            shadow: self.shadow.as_ref(),
            in_force: Some(InForce { number: self.in_force, graph: &self.graph }),
            written_for: self.written_for,
            unnamed: &BTreeSet::new(),
            stored_in: None,
            expected: self.expected.map(ItemVersion),
            now: NOW,
        };
        decide(&facts, mutation, settings, functions)
    }
}

fn update(set: &[(&str, Value)], remove: &[&str]) -> Mutation {
    Mutation::Update {
        key: item(&[("id", text("1"))]),
        set: set.iter().map(|(name, value)| (Path::column(*name), value.clone())).collect(),
        remove: remove.iter().map(|name| Path::column(*name)).collect::<BTreeSet<_>>(),
    }
}

#[test]
fn an_update_of_an_earlier_version_changes_what_it_means() {
    let decision = Case::default().decide(&update(&[("state", text("DONE"))], &[]), &auto()).unwrap();
    let stands = item(&[
        ("id", text("1")),
        ("status", text("DONE")),
        ("tier", text("gold")),
        ("_ver", number(NOW)),
        ("_schema", number(2)),
    ]);
    assert_eq!(decision.item, Some(stands));
    assert_eq!(decision.outcome(), "migrated");
    assert_eq!(decision.migrated.unwrap().functions, ["rename", "add"]);
    assert_eq!(decision.after, Some(item(&[("id", text("1")), ("state", text("DONE"))])));
}

#[test]
fn a_put_of_an_earlier_version_leaves_what_it_cannot_name() {
    let put = Mutation::Put(item(&[("id", text("1")), ("state", text("DONE"))]));
    let decision = Case::default().decide(&put, &auto()).unwrap();
    assert_eq!(decision.item.unwrap().get("tier"), Some(&text("gold")));
    let current = Case { written_for: Some(2), ..Case::default() };
    let put = Mutation::Put(item(&[("id", text("1")), ("status", text("DONE"))]));
    let decision = current.decide(&put, &auto()).unwrap();
    assert_eq!((decision.outcome(), decision.item.unwrap().get("tier")), ("as-it-is", None));
}

#[test]
fn a_new_item_of_an_earlier_version_gets_the_defaults() {
    let case = Case { stored: None, ..Case::default() };
    let put = Mutation::Put(item(&[("id", text("1")), ("state", text("NEW"))]));
    let made = case.decide(&put, &auto()).unwrap().item.unwrap();
    assert_eq!((made.get("status"), made.get("tier")), (Some(&text("NEW")), Some(&text("tin"))));
}

#[test]
fn an_item_of_an_earlier_version_catches_up_with_an_update() {
    let stored =
        item(&[("id", text("1")), ("state", text("OPEN")), ("_ver", number(7)), ("_schema", number(1))]);
    let case = Case { stored: Some(stored), written_for: None, ..Case::default() };
    let decision = case.decide(&update(&[("tier", text("gold"))], &[]), &auto()).unwrap();
    let made = decision.item.unwrap();
    assert_eq!((made.get("status"), made.get("state")), (Some(&text("OPEN")), None));
    assert_eq!((decision.caught_up.unwrap().from, decision.migrated), (1, None));
}

#[test]
fn what_the_strategy_does_not_allow_is_refused_with_the_reason() {
    let mutation = update(&[("state", text("DONE"))], &[]);
    let refused = Case::default().decide(&mutation, &TableSettings::default());
    assert!(matches!(refused, Err(Refusal::NotAllowed { strategy: "reject", .. })), "{refused:?}");
    let third = Case { in_force: 3, ..Case::default() };
    assert!(third.decide(&mutation, &auto()).is_ok(), "it touches nothing that was dropped");
    let touching = update(&[("note", text("x"))], &[]);
    let refused = third.decide(&touching, &auto());
    let Err(Refusal::NotAllowed { from: 1, to: 3, strategy: "auto", because }) = refused else {
        panic!("{refused:?}")
    };
    assert!(because.contains("`drop`"), "{because}");
    let lossy =
        Migration { from: 1, to: 3, functions: vec![MigrationFunction::Drop { path: Path::column("note") }] };
    let written = Case { in_force: 3, graph: graph(vec![lossy]), ..Case::default() };
    let current = Some(item(&[("id", text("1")), ("_ver", number(7)), ("_schema", number(3))]));
    let written = Case { stored: current, ..written };
    let refused = written.decide(&touching, &TableSettings::default());
    assert_eq!(refused.map(|_| ()), Err(Refusal::Lossy { from: 1, to: 3, step: "drop" }));
    assert!(written.decide(&touching, &auto()).is_ok());
    let nowhere = Case { written_for: Some(9), ..Case::default() };
    let refused = nowhere.decide(&mutation, &auto()).unwrap_err();
    assert_eq!(refused.reason(), "no-path");
    assert!(refused.to_string().contains("version 9 is not known"), "{refused}");
}

#[test]
fn deletions_need_no_path() {
    for written_for in [1, 9] {
        let case = Case { written_for: Some(written_for), in_force: 3, ..Case::default() };
        let decision = case.decide(&Mutation::Delete, &TableSettings::default()).unwrap();
        assert_eq!((decision.outcome(), decision.item), ("as-it-is", None));
    }
}

#[test]
fn a_data_conflict_is_no_schema_conflict() {
    let mutation = update(&[("state", text("DONE")), ("new", text("x"))], &[]);
    let stale = Case { expected: Some(6), ..Case::default() };
    let refused = stale.decide(&mutation, &auto()).unwrap_err();
    let conflict = Refusal::DataConflict { expected: ItemVersion(6), stored: ItemVersion(7) };
    assert_eq!((refused.clone(), refused.is_of_schema()), (conflict, false));
    let fresh = Case { expected: Some(7), ..Case::default() };
    assert!(fresh.decide(&mutation, &auto()).is_ok());
    let merging = TableSettings { on_conflict: OnConflict::Automerge, ..auto() };
    let decision = stale.decide(&mutation, &merging).unwrap();
    let made = decision.item.clone().unwrap();
    assert_eq!(decision.outcome(), "merged");
    assert_eq!((made.get("status"), made.get("new")), (Some(&text("OPEN")), Some(&text("x"))));
    assert_eq!(decision.after.unwrap().get("state"), Some(&text("OPEN")));
    assert_eq!(stale.decide(&Mutation::Delete, &merging).unwrap_err().reason(), "data-conflict");
}

/// Takes what came, and says of which item.
struct Latest;

impl Functions for Latest {
    fn judge(&self, _: &FunctionId, _: &Item) -> Option<Truth> {
        None
    }

    fn migrate(&self, _: &FunctionId, item: &Item) -> Result<Item, String> {
        match (item.get("stored"), item.get("incoming")) {
            (Some(Value::Map(_)), Some(Value::Map(incoming))) => Ok(incoming.clone()),
            _ => Err("it is not two maps".to_owned()),
        }
    }
}

#[test]
fn a_function_may_decide_and_cannot_change_the_key() {
    let function = OnConflict::Function(FunctionId::of_digest([7; 32]));
    let settings = TableSettings { on_conflict: function, ..auto() };
    let stale = Case { expected: Some(6), ..Case::default() };
    let mutation = update(&[("state", text("DONE"))], &[]);
    let decision = stale.decide_with(&mutation, &settings, &Latest).unwrap();
    assert_eq!(decision.outcome(), "resolved-by-function");
    assert_eq!(decision.item.unwrap().get("status"), Some(&text("DONE")));
    assert_eq!(stale.decide(&mutation, &settings).unwrap_err().reason(), "undecided");
    let strays = Migration {
        from: 1,
        to: 2,
        functions: vec![MigrationFunction::Rename { from: Path::column("id"), to: Path::column("key") }],
    };
    let case = Case { graph: graph(vec![strays]), stored: None, ..Case::default() };
    assert_eq!(case.decide(&mutation, &auto()).unwrap_err().reason(), "key-changed");
}

fn expecting(state: ShadowState) -> Option<ShadowSchema> {
    let column = ShadowColumn {
        types: TypeSet::of(FieldType::STRING),
        default: Some(text("none")),
        constraints: Constraints::default(),
        expected_at: None,
        probability: 0.9,
        source: "a person".to_owned(),
        prefetch: None,
        state,
    };
    let columns = BTreeMap::from([("mood".to_owned(), column)]);
    Some(ShadowSchema { columns, ..ShadowSchema::nothing(TableName::new("orders"), 0) })
}

#[test]
fn a_value_of_an_expected_column_goes_beside_the_table_and_into_it_when_the_column_has_arrived() {
    let mutation = update(&[("state", text("DONE")), ("mood", text("calm"))], &[]);
    let expected = Case { shadow: expecting(ShadowState::Expected), ..Case::default() };
    let decision = expected.decide(&mutation, &auto()).unwrap();
    let (made, row) = (decision.item.unwrap(), decision.row.unwrap());
    assert_eq!((made.get("mood"), made.get("status")), (None, Some(&text("DONE"))));
    let kept = ShadowValue { value: Some(text("calm")), order: ItemVersion(NOW as u64), at: NOW };
    assert_eq!(row.values.get("mood"), Some(&kept));

    let put = Mutation::Put(item(&[("id", text("1")), ("state", text("NEW"))]));
    let later = Case { stored: Some(made), row: Some(row), ..expected };
    let decision = later.decide(&put, &auto()).unwrap();
    assert_eq!((decision.row, decision.version), (None, ItemVersion(NOW as u64 + 1)));

    let arrived = Case { shadow: expecting(ShadowState::Arrived { at: 9 }), ..later };
    let decision = arrived.decide(&update(&[("state", text("GONE"))], &[]), &auto()).unwrap();
    assert_eq!(decision.item.unwrap().get("mood"), Some(&text("calm")));
    let decision = arrived.decide(&update(&[], &["mood"]), &auto()).unwrap();
    assert_eq!(decision.item.unwrap().get("mood"), None);
    assert_eq!(decision.row.unwrap().values["mood"].value, None);
}

#[test]
fn every_reader_sees_the_version_it_asks_for() {
    let case = Case { shadow: expecting(ShadowState::Expected), ..Case::default() };
    let in_force = |number| Some(InForce { number, graph: &case.graph });
    let see = |now: u32, asked: u32| {
        let (stored, shadow) = (case.stored.as_ref().unwrap(), case.shadow.as_ref());
        let reader = Reader { reads_for: Some(asked), stored_in: None, unnamed: &BTreeSet::new() };
        seen(stored, None, shadow, in_force(now), reader, &NoFunctions)
    };
    let second =
        item(&[("id", text("1")), ("status", text("OPEN")), ("tier", text("gold")), ("mood", text("none"))]);
    assert_eq!(see(2, 2), Ok(second.clone()));
    assert_eq!(see(3, 2), Ok(second));
    let first = item(&[("id", text("1")), ("state", text("OPEN")), ("mood", text("none"))]);
    assert_eq!(see(3, 1), Ok(first));
    assert_eq!(see(3, 9).unwrap_err().reason(), "no-path");
}
