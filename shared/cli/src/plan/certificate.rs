//! Certificates as people read them: a transform in words, what it makes of the groups that are
//! stored now, and a witness as two tables side by side.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::adjustment::{self, AdjustmentPlan, Certificate, Start};
use evercount_core::counting::{self, Cells};
use evercount_core::definition::CountDefinition;
use evercount_core::group::{Cell, GroupKey};
use evercount_core::logic::LogicVersion;
use evercount_core::migration::{Action, Conversion};
use evercount_core::path::Path;
use evercount_core::predicate::Predicate;
use evercount_core::transform::Transform;
use evercount_core::value::{Item, Value};
use evercount_wire::group::value_json;
use evercount_wire::predicate::to_text;
use serde_json::json;

use super::text::group;
use crate::schema::text::plain;
use crate::show;

/// Where groups go: from which, to which (`None` where they are no longer counted), how many items.
pub type Moves = BTreeMap<(GroupKey, Option<GroupKey>), i64>;

/// The transform that a plan makes of the stored counts, if it makes one.
#[must_use]
pub fn transform(plan: &AdjustmentPlan) -> Option<&Transform> {
    match (&plan.certificate, plan.update.as_ref().map(|update| &update.start)) {
        (Certificate::Exact(transform), _) | (_, Some(Start::Image(transform))) => Some(transform),
        _ => None,
    }
}

/// A transform in words, one sentence for each thing it does.
#[must_use]
pub fn words(transform: &Transform, parent: &CountDefinition) -> Vec<String> {
    let mut told: Vec<String> = transform.actions.iter().filter_map(action).collect();
    match &transform.keep {
        Some(keep) if is_never(keep) => told.push("no group goes on: every count is zero".to_owned()),
        Some(keep) => told.push(format!("only groups where {} go on", to_text(keep))),
        None => {}
    }
    let gone = summed(transform, parent);
    if !gone.is_empty() {
        told.push(format!("groups that differ in {} alone are added up", gone.join(", ")));
    }
    if told.is_empty() {
        told.push("every group goes on as it is".to_owned());
    }
    told
}

/// Names that stand for no column: truths of conditions, and places between.
fn is_internal(path: &Path) -> bool {
    let name = path.column_name();
    ["where[", "was[", "renaming["].iter().any(|prefix| name.starts_with(prefix))
}

fn action(action: &Action) -> Option<String> {
    let (before, now) = action.paths();
    if is_internal(before) || is_internal(now) {
        return None;
    }
    Some(match action {
        Action::Rename { from, to } => format!("group {from}=x becomes {to}=x"),
        Action::Drop { path } => format!("groups that differ in {path} alone are added up"),
        Action::Default { path, value } => {
            format!("every group without {path} gets {path}={}", value_json(value))
        }
        Action::FillNull { path, value } => format!("group {path}=null becomes {path}={}", value_json(value)),
        Action::Convert { path, conversion } => {
            let alike =
                if conversion.is_injective() { "" } else { "; groups that become alike are added up" };
            format!("group {path}=x becomes {path}={}{alike}", converted(*conversion))
        }
    })
}

fn converted(conversion: Conversion) -> String {
    match conversion {
        Conversion::ToText { max_length: None } => "the text of x".to_owned(),
        Conversion::ToText { max_length: Some(most) } => {
            format!("the text of x, its first {most} characters")
        }
        Conversion::ToBinary { max_length: None } => "the bytes of x".to_owned(),
        Conversion::ToBinary { max_length: Some(most) } => format!("the bytes of x, the first {most}"),
        Conversion::ToNumber { scale: None } => "the number that x is".to_owned(),
        Conversion::ToNumber { scale: Some(0) } => "the whole number nearest to x".to_owned(),
        Conversion::ToNumber { scale: Some(digits) } => {
            format!("the number that x is, to {digits} digits after the point")
        }
        Conversion::ToBool => "true or false".to_owned(),
    }
}

/// Whether a condition is the one that no item meets: an attribute cannot be missing and NULL.
fn is_never(keep: &Predicate) -> bool {
    let Predicate::And(parts) = keep else { return false };
    let mut missing = parts.iter().filter_map(|part| match part {
        Predicate::Atom(evercount_core::predicate::Atom::IsMissing(path)) => Some(path),
        _ => None,
    });
    missing.any(|path| {
        parts.iter().any(
            |part| matches!(part, Predicate::Atom(evercount_core::predicate::Atom::IsNull(null)) if null == path),
        )
    })
}

/// Dimensions of the parent that are not among those of the image, and that no action names.
fn summed(transform: &Transform, parent: &CountDefinition) -> Vec<String> {
    let named: BTreeSet<&Path> = transform.actions.iter().map(|action| action.paths().0).collect();
    let gone = parent
        .dimensions()
        .into_iter()
        .filter(|path| !transform.group_by.contains(path) && !named.contains(path));
    gone.map(|path| path.to_string()).collect()
}

/// Where the groups of a parent's stored cells go, each as its definition shows it.
#[must_use]
pub fn moves(
    transform: &Transform,
    stored: &Cells,
    parent: &CountDefinition,
    child: &CountDefinition,
) -> Moves {
    let seen = |view: Option<Transform>, key: &GroupKey| match view {
        Some(view) => view.group(key),
        None => Some(key.clone()),
    };
    let mut moves = Moves::new();
    for (cell, n) in stored {
        let Cell::Group(key) = cell else { continue };
        let was = seen(parent.view(), key);
        let becomes = transform.group(key).and_then(|to| seen(child.view(), &to));
        // What was counted beside, and is still not shown, is nobody's business.
        if was.is_none() && becomes.is_none() {
            continue;
        }
        *moves.entry((was.unwrap_or_default(), becomes)).or_insert(0) += n;
    }
    moves.retain(|_, n| *n != 0);
    moves
}

/// A witness as a table of two tables: the rows, the stored counts that both have, and the counts
/// that differ. `None` where the certificate is no witness, or nothing says what would be counted.
#[must_use]
pub fn witness(plan: &AdjustmentPlan, parent: &LogicVersion) -> Option<Vec<String>> {
    let Certificate::Witness { one, other } = &plan.certificate else { return None };
    let mut shown = show::table(&["", "one table", "another"], 0);
    shown.add_row(vec!["rows".to_owned(), rows(one), rows(other)]);
    let stored = |rows: &[Item]| cells(&counted(parent, rows), &parent.definition);
    shown.add_row(vec!["stored counts, the same".to_owned(), stored(one), stored(other)]);
    if let Some(update) = &plan.update {
        let child = adjustment::version_of(plan, update, parent, plan.from + 1, 0);
        let new = |rows: &[Item]| cells(&viewed(&child, counted(&child, rows)), &child.definition);
        shown.add_row(vec!["new counts, which differ".to_owned(), new(one), new(other)]);
    }
    Some(shown.lines().map(|line| line.trim_end().to_owned()).collect())
}

/// What rows count for, all together.
#[must_use]
pub fn counted(version: &LogicVersion, rows: &[Item]) -> Cells {
    let mut sum = Cells::new();
    for row in rows {
        let cells = counting::contribution(version, Some(row), None).unwrap_or_default();
        counting::add_cells(&mut sum, &cells, 1);
    }
    sum
}

fn viewed(version: &LogicVersion, cells: Cells) -> Cells {
    match version.definition.view() {
        Some(view) => view.apply(&cells),
        None => cells,
    }
}

fn cells(cells: &Cells, definition: &CountDefinition) -> String {
    let told: Vec<String> = cells
        .iter()
        .filter_map(|(cell, n)| match cell {
            Cell::Group(key) => Some(format!("{}: {n}", group(key, definition))),
            Cell::Overflow => Some(format!("(other groups): {n}")),
            _ => None,
        })
        .collect();
    if told.is_empty() { "nothing: 0".to_owned() } else { told.join("\n") }
}

/// Rows as a small table, one line for each.
fn rows(rows: &[Item]) -> String {
    if rows.is_empty() {
        return "(no rows)".to_owned();
    }
    let line = |item: &Item| {
        let told: Vec<String> = item
            .iter()
            .map(|(name, value)| format!("{}={}", Path::column(name.as_str()), value_json(value)))
            .collect();
        if told.is_empty() { "(a row without attributes)".to_owned() } else { plain(told.join("  ")) }
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A certificate for programs: its `kind`, and what there is of `words`, or of the rows `one` and
/// `other`.
#[must_use]
pub fn json(plan: &AdjustmentPlan) -> serde_json::Value {
    let rows = |rows: &[Item]| -> Vec<serde_json::Value> {
        rows.iter().map(|row| value_json(&Value::Map(row.clone()))).collect()
    };
    match &plan.certificate {
        Certificate::Untouched => json!({"kind": "untouched"}),
        Certificate::Exact(transform) => {
            let told: Vec<String> = transform.actions.iter().filter_map(action).collect();
            let keep = transform.keep.as_ref().map(to_text);
            let group_by: Vec<String> = transform.group_by.iter().map(Path::to_string).collect();
            json!({"kind": "exact", "words": told, "keep": keep, "group_by": group_by})
        }
        Certificate::Witness { one, other } => {
            json!({"kind": "witness", "one": rows(one), "other": rows(other)})
        }
        Certificate::Undecided => json!({"kind": "undecided"}),
    }
}
