//! What it takes to plan a schema change for ten thousand counts of a table, for each of some kinds of
//! change: CPU time, and memory with all of the counts and all of one kind's plans in it.
//!
//! `cargo bench -p evercount-tests --no-default-features --bench plan [-- --json]`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic and prints its figures")]

use std::fs;

use evercount_core::adjustment::{Cause, Facts, plan};
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::logic::{Coverage, LogicState, LogicVersion};
use evercount_core::order::{LogRank, OrderVersion};
use evercount_core::schema::{FieldPath, FieldType, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, Retype, SchemaChange, Typed};
use evercount_tests::figures::{self, Figure, Goal};
use evercount_wire::definition;
use serde_json::json;

const DEFINITIONS: usize = 10_000;
const GROUPS: [&str; 4] = ["\"country\", \"plan\"", "\"status\"", "\"plan\", \"status\"", ""];
const CONDITIONS: [&str; 5] = [
    "status = 'ACTIVE' AND amount > 100",
    "amount BETWEEN 5 AND 500",
    "status IN ('NEW', 'PAUSED') OR plan = 'free'",
    "NOT status = 'CLOSED'",
    "country <> 'C01' AND status IS NOT NULL",
];

/// Counts of every grouping and condition, each under a name of its own.
fn versions() -> Vec<LogicVersion> {
    let mut text = String::new();
    for (group, group_by) in GROUPS.iter().enumerate() {
        for (condition, filter) in CONDITIONS.iter().enumerate() {
            text.push_str(&format!(
                "[[count]]\nname = \"g{group}c{condition}\"\ntable = \"orders\"\nwhere = \"{filter}\"\ngroup_by = [{group_by}]\n"
            ));
        }
    }
    let kinds = definition::from_toml(&text, "counts.toml").unwrap();
    let named = |(number, kind): (usize, &CountDefinition)| CountDefinition {
        name: DefinitionName::parse(&format!("d{number:05}")).unwrap(),
        ..kind.clone()
    };
    let definitions = kinds.iter().cycle().take(DEFINITIONS).enumerate().map(named);
    definitions.map(|one| LogicVersion::new(1, one, LogicState::Active, Coverage::Whole, 0)).collect()
}

/// A kind of change, of a column that most of them read.
struct Kind {
    figure: &'static str,
    name: &'static str,
    changes: Vec<ChangeKind>,
}

fn kinds() -> Vec<Kind> {
    let status = || FieldPath::new("status");
    let typed = |one| Typed { types: TypeSet::of(one), declared: None };
    let text = || typed(FieldType::STRING);
    let drop = || ChangeKind::DropColumn { column: status(), typed: text() };
    let add = |name: &str| ChangeKind::AddColumn {
        column: FieldPath::new(name),
        typed: text(),
        default: Some("'NEW'".into()),
    };
    let rename = ChangeKind::RenameColumn {
        column: status(),
        to: FieldPath::new("state"),
        typed: text(),
        previous: text(),
    };
    let retype = ChangeKind::ChangeType {
        column: status(),
        typed: typed(FieldType::String { max_length: Some(8) }),
        previous: text(),
        retype: Retype::Narrowing,
    };
    let kind = |figure, name, changes| Kind { figure, name, changes };
    vec![
        kind("plan_seconds", "a renamed column", vec![rename]),
        kind("plan_dropped_seconds", "a dropped column", vec![drop()]),
        kind("plan_retyped_seconds", "a column of another type", vec![retype]),
        kind("plan_added_seconds", "an added column with a default", vec![add("status")]),
        kind("plan_split_seconds", "a column split in two", vec![drop(), add("phase"), add("outcome")]),
    ]
}

fn cause(changes: Vec<ChangeKind>) -> Cause {
    let evidence = || Evidence::Declared { statement: "ALTER TABLE orders".into() };
    let changes = changes.into_iter().map(|kind| SchemaChange { kind, evidence: evidence() }).collect();
    let position = OrderVersion::binlog(0, 1, 500, 0, LogRank::Change);
    Cause::Schema { event: "e-1".to_owned(), changes, position: Some(position), at: 1_700_000_000_000_000 }
}

/// CPU time of this process so far, seconds (proc(5), `schedstat`).
fn cpu() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split_whitespace().next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e9)
}

/// The largest resident set so far, megabytes (proc(5), `VmHWM`).
fn peak() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib * 1_024.0 / 1e6)
}

fn main() {
    let facts = Facts {
        has_ledger: true,
        ledger_rows: Some(1_000_000),
        source_items: Some(1_000_000),
        source_bytes: Some(1_000_000_000),
        source_is_readable: true,
        new_shape_seen: Some(true),
        ..Facts::default()
    };
    let versions = versions();
    let missing = "this system has no /proc";
    let (mut figures, mut updates) = (Vec::new(), serde_json::Map::new());
    for kind in kinds() {
        let cause = cause(kind.changes);
        let before = cpu();
        let plans: Vec<_> = versions.iter().map(|version| plan(&cause, version, &facts)).collect();
        let seconds = cpu().zip(before).map(|(after, before)| after - before);
        assert_eq!((plans.len(), versions.len()), (DEFINITIONS, DEFINITIONS));
        let follow = plans.iter().filter(|plan| plan.update.is_some() || !plan.choices.is_empty()).count();
        assert!(follow > 0, "{} concerns no count", kind.name);
        updates.insert(kind.figure.to_owned(), json!(follow));
        figures.push(Figure::of(
            kind.figure,
            &format!("CPU s to plan {} for 10,000 counts", kind.name),
            seconds.ok_or(missing),
            Goal::AtMost(1.0),
        ));
    }
    figures.push(Figure::of(
        "plan_megabytes",
        "peak MB of memory with all of them",
        peak().ok_or(missing),
        Goal::AtMost(100.0),
    ));
    let as_json = std::env::args().any(|argument| argument == "--json");
    println!("{}", figures::report("plan", &figures, &json!({ "updates": updates }), as_json));
}
