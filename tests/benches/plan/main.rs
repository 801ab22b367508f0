//! What it takes to plan a schema change for ten thousand counts of a table: CPU time, and memory
//! with all of the counts and all of the plans in it. A rename is proved by its form; what a change
//! takes that is tried on rows is told beside it.
//!
//! `cargo bench -p evercount-tests --no-default-features --bench plan [-- --json]`

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may panic and prints its figures"
)]

use std::fs;

use evercount_core::adjustment::{Cause, Facts, plan};
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::logic::{Coverage, LogicState, LogicVersion};
use evercount_core::schema::{FieldPath, FieldType, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, Typed};
use evercount_tests::figures::{self, Figure, Goal};
use evercount_wire::definition;
use serde_json::json;

const DEFINITIONS: usize = 10_000;
/// Counts that a change is planned for which is tried on rows.
const TRIED: usize = 200;
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

/// What happens to a column that most of them read.
fn cause(kind: impl FnOnce(FieldPath, Typed) -> ChangeKind) -> Cause {
    let typed = Typed { types: TypeSet::of(FieldType::STRING), declared: None };
    let evidence = Evidence::Declared { statement: "ALTER TABLE orders".into() };
    let changes = vec![SchemaChange { kind: kind(FieldPath::new("status"), typed), evidence }];
    Cause::Schema { event: "e-1".to_owned(), changes, position: None, at: 1_700_000_000_000_000 }
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
    let rename = cause(|column, typed| {
        let to = FieldPath::new("state");
        ChangeKind::RenameColumn { column, to, typed: typed.clone(), previous: typed }
    });
    let drop = cause(|column, typed| ChangeKind::DropColumn { column, typed });
    let versions = versions();
    let planned = |cause: &Cause, versions: &[LogicVersion]| {
        let before = cpu();
        let plans: Vec<_> = versions.iter().map(|version| plan(cause, version, &facts)).collect();
        (plans, cpu().zip(before).map(|(after, before)| after - before))
    };
    let (plans, seconds) = planned(&rename, &versions);
    let peak = peak();
    let (_, tried) = planned(&drop, &versions[..TRIED]);
    let moved = plans.iter().filter(|plan| plan.update.is_some()).count();
    assert_eq!((plans.len(), versions.len()), (DEFINITIONS, DEFINITIONS));
    let missing = "this system has no /proc";
    let figures = [
        Figure::of(
            "plan_seconds",
            "CPU s to plan a change for 10,000 counts",
            seconds.ok_or(missing),
            Goal::AtMost(1.0),
        ),
        Figure::of(
            "plan_megabytes",
            "peak MB of memory with all of them",
            peak.ok_or(missing),
            Goal::AtMost(100.0),
        ),
        Figure::of(
            "plan_tried_us",
            "CPU µs a count for a dropped column, tried on rows",
            tried.map(|seconds| seconds * 1e6 / TRIED as f64).ok_or(missing),
            Goal::None,
        ),
    ];
    let as_json = std::env::args().any(|argument| argument == "--json");
    println!("{}", figures::report("plan", &figures, &json!({ "updates": moved }), as_json));
}
