//! Certificates as people read them: a transform in words, what it makes of the groups that are
//! stored now, and a witness as two tables side by side.

use std::collections::BTreeSet;

use evercount_core::adjustment::{self, AdjustmentPlan, Certificate, Start};
use evercount_core::counting::{self, Cells};
use evercount_core::definition::CountDefinition;
use evercount_core::group::Cell;
use evercount_core::logic::LogicVersion;
use evercount_core::path::Path;
use evercount_core::predicate::Predicate;
use evercount_core::transform::Transform;
use evercount_core::value::Item;
use evercount_view::action;
use evercount_wire::group::value_json;
use evercount_wire::predicate::to_text;

use super::text::group;
use crate::schema::text::plain;
use crate::show;

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
