//! What the parts of a plan are called.

use evercount_core::adjustment::{AdjustmentPlan, Cause, Partitions, Start};
use evercount_core::adoption::PlanPolicy;
use evercount_core::logic::Relation;
use evercount_core::schema_change::{ChangeKind, SchemaChange};
use evercount_wire::group::value_json;

use crate::schema::text::plain;

/// Changes that are told one by one where there is little room.
const TOLD_MAX: usize = 2;

/// Values of the partition key that are told one by one.
const KEYS_TOLD_MAX: usize = 10;

pub use evercount_view::{class_words as class, outcome_words as outcome};

/// What is done with a plan, in words.
#[must_use]
pub fn policy(policy: PlanPolicy) -> &'static str {
    match policy {
        PlanPolicy::Auto => "takes over by itself on a clean verdict",
        PlanPolicy::Approve => "waits for a person",
        PlanPolicy::Ignore => "is logged, and the logic stays as it is",
        PlanPolicy::Freeze => "leaves the counts frozen as of the change",
    }
}

/// What a plan is for, in a few words.
#[must_use]
pub fn what(cause: &Cause) -> String {
    let Cause::Schema { changes, .. } = cause else { return "another definition".to_owned() };
    let told: Vec<String> = changes.iter().take(TOLD_MAX).map(short).collect();
    let more = changes.len().saturating_sub(TOLD_MAX);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{more}", told.join(", "))
}

fn short(change: &SchemaChange) -> String {
    plain(match &change.kind {
        ChangeKind::CreateTable => "table created".to_owned(),
        ChangeKind::DropTable => "table dropped".to_owned(),
        ChangeKind::RenameTable { to } => format!("table → {to}"),
        ChangeKind::TruncateTable => "table emptied".to_owned(),
        ChangeKind::AddColumn { column, .. } => format!("+ {column}"),
        ChangeKind::DropColumn { column, .. } => format!("- {column}"),
        ChangeKind::RenameColumn { column, to, .. } => format!("{column} → {to}"),
        ChangeKind::ChangeType { column, typed, previous, .. } => {
            format!("{column}: {} → {}", previous.text(), typed.text())
        }
        ChangeKind::ChangeKey { .. } => "key changed".to_owned(),
    })
}

/// How rows must stand to what they counted for before.
#[must_use]
pub fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::Mapped => "every row counts as the image of what it counted for before",
        Relation::MappedWhileEarlier => {
            "every row of the earlier shape counts as the image of what it counted for before; rows of the new shape may differ, and the change explains it"
        }
        Relation::AtMost => "what counts now counted before: a narrower condition",
        Relation::AtLeast => "what counted before counts now: a wider condition",
        Relation::Unrelated => "nothing is known of how rows compare, so no difference speaks against it",
    }
}

/// What has to be looked at.
#[must_use]
pub fn affected(plan: &AdjustmentPlan) -> String {
    let start = plan.update.as_ref().map(|update| &update.start);
    match (&plan.affected, start) {
        (Partitions::None, Some(Start::Ledger)) => "the ledger rows of the table".to_owned(),
        (Partitions::None, _) => "none".to_owned(),
        (Partitions::All, Some(Start::Ledger)) => "all ledger rows of the table".to_owned(),
        (Partitions::All, _) => format!("all of `{}`", plan.table),
        (Partitions::Keys { attribute, values }, _) => {
            let told: Vec<String> =
                values.iter().take(KEYS_TOLD_MAX).map(|value| value_json(value).to_string()).collect();
            let more = values.len().saturating_sub(KEYS_TOLD_MAX);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            format!("items whose `{attribute}` is {}{more}", told.join(", "))
        }
    }
}
