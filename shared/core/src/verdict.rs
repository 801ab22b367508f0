//! Verdicts: whether a version that was counted beside its parent may take over.

use std::collections::BTreeMap;

use crate::adjustment::MinimumEvidence;
use crate::group::{GroupKey, Outcome};
use crate::order::Micros;

/// Most differences that a report gives an example of.
pub const EXAMPLES_MAX: usize = 10;

/// How often a version's judgement compared how with the image of its parent's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compared {
    /// As the plan says it must.
    pub agreed: u64,
    /// Otherwise, for a reason the plan names.
    pub explained: u64,
    /// Otherwise, and it must not.
    pub unexplained: u64,
    /// Not at all: the version could not judge the row.
    pub failed: u64,
}

impl Compared {
    /// Counts one comparison, or several of one outcome.
    pub fn add(&mut self, outcome: Outcome, n: u64) {
        let sum = match outcome {
            Outcome::Agreed => &mut self.agreed,
            Outcome::Explained => &mut self.explained,
            Outcome::Unexplained => &mut self.unexplained,
            Outcome::Failed => &mut self.failed,
        };
        *sum = sum.saturating_add(n);
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            agreed: self.agreed.saturating_add(other.agreed),
            explained: self.explained.saturating_add(other.explained),
            unexplained: self.unexplained.saturating_add(other.unexplained),
            failed: self.failed.saturating_add(other.failed),
        }
    }

    /// How many comparisons there were.
    #[must_use]
    pub fn total(self) -> u64 {
        self.agreed
            .saturating_add(self.explained)
            .saturating_add(self.unexplained)
            .saturating_add(self.failed)
    }
}

/// A row whose contributions differ, named without showing it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Example {
    /// A hash of the row's key ([`crate::audit::key_hash`]).
    pub key_hash: u64,
    /// How they compared.
    pub outcome: Outcome,
    /// The group under the new version; `None` where it counts the row in none.
    pub group: Option<GroupKey>,
    /// The group that the image of the parent's judgement is.
    pub image: Option<GroupKey>,
}

/// Every ledger row of a table, judged under a version from what it remembers.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Census {
    /// Whether all rows were visited.
    pub complete: bool,
    /// Rows visited.
    pub rows: u64,
    /// Rows that were counted otherwise before, because they had the new shape already.
    pub rejudged: u64,
    /// Rows that do not remember enough to be judged.
    pub not_remembered: u64,
    /// How rows compared with the image of their parent's judgement.
    pub compared: Compared,
    /// The first rows that differ.
    pub examples: Vec<Example>,
}

/// What is known of a version beside its parent.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ShadowReport {
    /// The ledger rows.
    pub census: Census,
    /// Changes counted under both versions, over all lanes.
    pub changes: Compared,
    /// The same by group of the new version, for those tallied by name.
    pub by_group: BTreeMap<GroupKey, Compared>,
    /// Whether the version counts every row of the table: its backfill, if it needs one, is over.
    pub is_whole: bool,
    /// Changes of doubtful order, and records in quarantine, that touch the table.
    pub uncertain: u64,
    /// How long it has been counted beside its parent, microseconds.
    pub watched_for: Micros,
}

/// How much difference is tolerated.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tolerance {
    /// Unexplained differences that still promote. Zero: where a certificate says that two counts
    /// are equal, one confirmed difference refutes it.
    pub unexplained_max: u64,
    /// The share of explained differences, among all comparisons, above which a person decides.
    pub explained_share_max: f64,
    /// How long a version without enough evidence is watched before that is said, microseconds.
    pub patience: Micros,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { unexplained_max: 0, explained_share_max: 1.0, patience: 24 * 3_600 * 1_000_000 }
    }
}

/// What becomes of a version.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// It takes over.
    Promote {
        /// Why, with the numbers.
        because: String,
    },
    /// It goes on being counted beside its parent.
    KeepWatching {
        /// What is missing, with the numbers.
        because: String,
    },
    /// It is wrong.
    Reject {
        /// Why, with the numbers.
        because: String,
    },
}

/// Judges a report by what the plan asks for. No evidence is no verdict.
#[must_use]
pub fn judge(report: &ShadowReport, minimum: MinimumEvidence, tolerance: Tolerance) -> Verdict {
    let compared = report.census.compared.and(report.changes);
    if compared.unexplained > tolerance.unexplained_max {
        return Verdict::Reject {
            because: format!(
                "{} of {} comparisons differ where the plan says they must not",
                compared.unexplained,
                compared.total()
            ),
        };
    }
    if compared.failed > 0 {
        return Verdict::Reject {
            because: format!("it could not judge {} of {} rows", compared.failed, compared.total()),
        };
    }
    let missing = [
        (!report.is_whole, "its backfill is not over".to_owned()),
        (
            minimum.census && !report.census.complete,
            format!("{} ledger rows were judged, and not yet all", report.census.rows),
        ),
        (
            report.changes.total() < minimum.changes,
            format!("{} of {} changes were counted under both", report.changes.total(), minimum.changes),
        ),
        (
            !minimum.census && minimum.changes == 0 && compared.total() == 0,
            "nothing was compared yet".to_owned(),
        ),
    ];
    let missing: Vec<String> = missing.into_iter().filter(|(holds, _)| *holds).map(|(_, why)| why).collect();
    if !missing.is_empty() {
        return Verdict::KeepWatching { because: missing.join("; ") };
    }
    let share = if compared.total() == 0 { 0.0 } else { compared.explained as f64 / compared.total() as f64 };
    if share > tolerance.explained_share_max {
        return Verdict::KeepWatching {
            because: format!(
                "{} of {} comparisons differ for a reason the plan names, more than is tolerated without a person",
                compared.explained,
                compared.total()
            ),
        };
    }
    Verdict::Promote {
        because: format!(
            "{} comparisons agree, {} differ for the reason the plan names, none otherwise",
            compared.agreed, compared.explained
        ),
    }
}
