//! How the counts followed the schema: each plan with its evidence and what became of it.

use std::collections::BTreeSet;

use comfy_table::{CellAlignment, presets};
use evercount_core::adjustment::Class;
use evercount_core::adoption::PlanOutcome;
use evercount_core::schema_change::{ChangeKind, SchemaChange};
use evercount_core::verdict::Compared;
use serde_json::{Value, json};

use crate::{plan, show};

/// What became of one plan.
#[derive(Clone, Debug)]
pub struct Adjusted {
    /// The count.
    pub count: String,
    /// What changed.
    pub change: String,
    /// How much had to be looked at.
    pub class: Class,
    /// The version planned on.
    pub from_version: u32,
    /// The version made; `None` where the logic stays.
    pub to_version: Option<u32>,
    /// What became of it.
    pub outcome: PlanOutcome,
    /// Items of the table that were read for it.
    pub source_items_read: u64,
    /// Ledger rows and changes judged under both versions.
    pub compared: Compared,
}

impl Adjusted {
    /// Whether the count follows the change: its new version has taken over, or none was needed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, PlanOutcome::Promoted | PlanOutcome::NotAffected)
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "count": self.count,
            "change": self.change,
            "class": self.class.name(),
            "from_version": self.from_version,
            "to_version": self.to_version,
            "outcome": self.outcome.name(),
            "source_items_read": self.source_items_read,
            "agreed": self.compared.agreed,
            "explained": self.compared.explained,
            "unexplained": self.compared.unexplained,
        })
    }

    fn versions(&self) -> String {
        match self.to_version {
            Some(to) => format!("v{} → v{to}", self.from_version),
            None => format!("v{}", self.from_version),
        }
    }

    fn outcome(&self) -> String {
        match (self.outcome, self.to_version) {
            (PlanOutcome::Promoted, _) => "took over".to_owned(),
            (PlanOutcome::NotAffected, None) => "goes on as it is".to_owned(),
            (other, _) => plan::outcome(other).to_owned(),
        }
    }
}

/// Prints what became of each plan.
pub fn print(adjusted: &[Adjusted], untouched: u64) {
    show::line("");
    show::line("How the counts followed the schema");
    let headers =
        ["count", "change", "class", "versions", "orders read", "agree", "explained", "unexplained"];
    let mut table = show::table(&[headers.as_slice(), &[""]].concat(), 0);
    table.load_style(presets::NOTHING);
    for number in 4..headers.len() {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for one in adjusted {
        let counted = |n: u64| if one.to_version.is_some() { n.to_string() } else { String::new() };
        let compared = one.compared;
        table.add_row([
            one.count.clone(),
            one.change.clone(),
            one.class.name().to_owned(),
            one.versions(),
            one.source_items_read.to_string(),
            counted(compared.agreed),
            counted(compared.explained),
            counted(compared.unexplained),
            one.outcome(),
        ]);
    }
    show::line(table.trim_fmt());
    let classes: BTreeSet<Class> = adjusted.iter().map(|one| one.class).collect();
    for class in classes {
        show::line(format!("  {}: {}.", class.name(), plan::class(class)));
    }
    show::line(
        "  agree, explained, unexplained: orders and changes judged under both versions at once; explained",
    );
    show::line("  is what the version before cannot know, such as an order that has only the new name.");
    show::line(format!("  In {untouched} more cases the count reads nothing of what changed."));
}

/// A change of the schema, in a few words.
#[must_use]
pub fn described(change: &SchemaChange) -> String {
    match &change.kind {
        ChangeKind::AddColumn { column, .. } => format!("`{column}` added"),
        ChangeKind::DropColumn { column, .. } => format!("`{column}` dropped"),
        ChangeKind::RenameColumn { column, to, .. } => format!("`{column}` renamed to `{to}`"),
        ChangeKind::ChangeType { column, typed, previous, .. } => {
            format!("`{column}` retyped from {} to {}", previous.text(), typed.text())
        }
        other => other.name().replace('_', " "),
    }
}
