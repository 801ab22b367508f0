//! Adoption: what becomes of plans, and under which policy.

use std::collections::BTreeMap;

use crate::adjustment::{AdjustmentPlan, Class, PlanCost, Start};
use crate::backfill::{Allowance, Place, UNITS_A_SECOND_DEFAULT};
use crate::change::TableName;
use crate::definition::DefinitionName;
use crate::logic::{LogicState, LogicVersion, PlanId};
use crate::order::Micros;
use crate::verdict::{ShadowReport, Tolerance};

/// What is done with a plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PlanPolicy {
    /// The new version is counted and takes over on a clean verdict.
    Auto,
    /// The new version is counted, and a person promotes it.
    Approve,
    /// The change is logged and the logic stays as it is.
    Ignore,
    /// The logic stays as it is, and its counts say as of when they are frozen.
    Freeze,
}

impl PlanPolicy {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Auto, "auto"),
        (Self::Approve, "approve"),
        (Self::Ignore, "ignore"),
        (Self::Freeze, "freeze"),
    ];

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, name)| name)
    }
}

/// How plans are treated: by table and kind of change, by class otherwise.
#[derive(Clone, PartialEq, Debug)]
pub struct PolicyBook {
    /// By table and kind of change ([`crate::schema_change::ChangeKind::name`], or `redefine`).
    pub by_kind: BTreeMap<(TableName, String), PlanPolicy>,
    /// By table, for kinds without an entry of their own.
    pub by_table: BTreeMap<TableName, PlanPolicy>,
    /// By class, for tables without an entry of their own.
    pub by_class: BTreeMap<Class, PlanPolicy>,
    /// What verdicts tolerate.
    pub tolerance: Tolerance,
    /// How long a version that was replaced is counted on, for a rollback, microseconds.
    pub standby: Micros,
    /// Read units a second that a backfill may take.
    pub backfill_units_a_second: f64,
}

/// How long a version that was replaced is kept live unless a policy says otherwise: three days,
/// a long weekend in which somebody notices.
pub const STANDBY_DEFAULT: Micros = 72 * 3_600 * 1_000_000;

impl Default for PolicyBook {
    fn default() -> Self {
        let by_class = Class::ALL.into_iter().map(|(class, _)| {
            // Reading the source costs money and a guess costs trust: both are asked for.
            let policy = if class >= Class::A5 { PlanPolicy::Approve } else { PlanPolicy::Auto };
            (class, policy)
        });
        Self {
            by_kind: BTreeMap::new(),
            by_table: BTreeMap::new(),
            by_class: by_class.collect(),
            tolerance: Tolerance::default(),
            standby: STANDBY_DEFAULT,
            backfill_units_a_second: UNITS_A_SECOND_DEFAULT,
        }
    }
}

impl PolicyBook {
    /// What is done with a plan for changes of these kinds: the strictest of what each asks for.
    #[must_use]
    pub fn policy<'a>(
        &self,
        table: &TableName,
        kinds: impl IntoIterator<Item = &'a str>,
        class: Class,
    ) -> PlanPolicy {
        let by_class = self.by_class.get(&class).copied().unwrap_or(PlanPolicy::Approve);
        let of_table = self.by_table.get(table).copied();
        let asked = kinds
            .into_iter()
            .filter_map(|kind| self.by_kind.get(&(table.clone(), kind.to_owned())).copied().or(of_table));
        asked.max().or(of_table).unwrap_or(by_class)
    }
}

/// What became of a plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PlanOutcome {
    /// The definition is not affected, or its logic stays.
    NotAffected,
    /// Its version has taken over.
    Promoted,
    /// A person has to say.
    AwaitingApproval,
    /// It was found wrong, or a person said no.
    Rejected,
    /// It took over and was taken back.
    Reverted,
    /// Its version is counted beside its parent.
    Watching,
    /// Its version is being filled from ledger or source.
    Backfilling,
}

impl PlanOutcome {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::NotAffected, "not_affected"),
        (Self::Promoted, "promoted"),
        (Self::AwaitingApproval, "awaiting_approval"),
        (Self::Rejected, "rejected"),
        (Self::Reverted, "reverted"),
        (Self::Watching, "watching"),
        (Self::Backfilling, "backfilling"),
    ];

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, name)| name)
    }
}

/// How far a walk over ledger or source has come.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Progress {
    /// Where the next page of the ledger starts; `None` before the first and after the last.
    pub after: Option<String>,
    /// Where each segment of the source stands, while it is read.
    pub segments: Vec<Place>,
    /// What it may still take of its budget, while the source is read.
    pub allowance: Allowance,
    /// Whether it reached the end.
    pub done: bool,
    /// Whether a person paused it.
    pub paused: bool,
    /// Rows or items visited.
    pub visited: u64,
    /// When it started, microseconds since the epoch.
    pub started_at: Micros,
}

/// A plan and what became of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Adjustment {
    /// The plan.
    pub plan: AdjustmentPlan,
    /// The policy it is treated under.
    pub policy: PlanPolicy,
    /// What became of it.
    pub outcome: PlanOutcome,
    /// The version it made; `None` where it made none.
    pub to: Option<u32>,
    /// What is known of that version beside its parent.
    pub report: ShadowReport,
    /// The last verdict, in words.
    pub verdict: Option<String>,
    /// The ledger walk or backfill.
    pub progress: Progress,
    /// What it has cost so far.
    pub actual: PlanCost,
    /// Rounds in which the promoted version differed more than in the one before.
    pub mismatches: u32,
    /// When it was made, microseconds since the epoch.
    pub created_at: Micros,
    /// When it last changed.
    pub updated_at: Micros,
    /// Rises with every change of it.
    pub revision: u32,
}

impl Adjustment {
    /// A plan that nothing has been done about.
    #[must_use]
    pub fn new(plan: AdjustmentPlan, policy: PlanPolicy, outcome: PlanOutcome, now: Micros) -> Self {
        Self {
            plan,
            policy,
            outcome,
            to: None,
            report: ShadowReport::default(),
            verdict: None,
            progress: Progress::default(),
            actual: PlanCost::default(),
            mismatches: 0,
            created_at: now,
            updated_at: now,
            revision: 0,
        }
    }

    /// Whether it reads the rows from before a count ([`crate::adjustment::filling`]): it makes no
    /// version.
    #[must_use]
    pub fn is_filling(&self) -> bool {
        let reads = self.plan.update.as_ref().is_some_and(|update| update.start == Start::Source);
        self.to.is_none() && reads && matches!(self.outcome, PlanOutcome::Backfilling | PlanOutcome::Promoted)
    }
}

/// One line of the audit trail: what was decided or done, when, and why.
#[derive(Clone, PartialEq, Debug)]
pub struct TrailEntry {
    /// When, microseconds since the epoch.
    pub at: Micros,
    /// The definition.
    pub definition: DefinitionName,
    /// What happened, as a stable word: `planned`, `shadow`, `promoted`, `rejected`, `reverted`,
    /// `retired`, `drained`, `backfill`, `approved`, `policy`.
    pub what: String,
    /// The version it is about.
    pub version: Option<u32>,
    /// The plan it is about.
    pub plan: Option<PlanId>,
    /// One sentence for a person.
    pub summary: String,
}

/// What a plan begins as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Beginning {
    /// Its outcome so far.
    pub outcome: PlanOutcome,
    /// Whether its version is counted from now on, beside its parent.
    pub deploy: bool,
}

/// What a plan begins as under a policy. A version whose start costs reads of the source waits for
/// approval before it is counted; one that only has to be watched is counted meanwhile.
#[must_use]
pub fn beginning(plan: &AdjustmentPlan, policy: PlanPolicy) -> Beginning {
    let asks = policy == PlanPolicy::Approve;
    match (&plan.update, policy) {
        (_, PlanPolicy::Ignore | PlanPolicy::Freeze) => {
            Beginning { outcome: PlanOutcome::NotAffected, deploy: false }
        }
        (None, _) if plan.class == Class::A6 => {
            Beginning { outcome: PlanOutcome::AwaitingApproval, deploy: false }
        }
        // What empties or leaves a table has been counted by the time anybody plans.
        (None, _) => Beginning { outcome: PlanOutcome::NotAffected, deploy: false },
        (Some(update), _) if update.start == Start::Source && asks => {
            Beginning { outcome: PlanOutcome::AwaitingApproval, deploy: false }
        }
        (Some(update), _) if matches!(update.start, Start::Image(_)) => {
            let outcome =
                if plan.class == Class::A6 { PlanOutcome::AwaitingApproval } else { PlanOutcome::Watching };
            Beginning { outcome, deploy: true }
        }
        (Some(_), _) => Beginning { outcome: PlanOutcome::Backfilling, deploy: true },
    }
}

/// What to do next about an adjustment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NextStep {
    /// Nothing, until a person or time does something.
    Wait,
    /// Count its version beside its parent.
    Deploy,
    /// Make sure every lane knows of the version, then begin to walk.
    Fence,
    /// Judge the next ledger rows anew.
    Settle,
    /// Read the next items of the source.
    Backfill,
    /// Judge what is known.
    Judge,
}

/// What to do next about an adjustment whose version is in a state.
#[must_use]
pub fn next_step(adjustment: &Adjustment, state: Option<LogicState>, has_ledger: bool) -> NextStep {
    let Some(update) = &adjustment.plan.update else { return NextStep::Wait };
    if adjustment.is_filling() {
        return match &adjustment.progress {
            progress if progress.paused || progress.done => NextStep::Wait,
            _ => NextStep::Backfill,
        };
    }
    let waits_for_a_person =
        adjustment.outcome == PlanOutcome::AwaitingApproval && adjustment.plan.class != Class::A6;
    match state {
        Some(LogicState::Draft) if waits_for_a_person => NextStep::Wait,
        Some(LogicState::Draft) => NextStep::Deploy,
        Some(LogicState::Shadow) if adjustment.progress.paused => NextStep::Wait,
        Some(LogicState::Shadow) if adjustment.progress.started_at == 0 => NextStep::Fence,
        Some(LogicState::Shadow) if adjustment.progress.done => NextStep::Judge,
        Some(LogicState::Shadow) => match update.start {
            Start::Source => NextStep::Backfill,
            Start::Image(_) | Start::Ledger if has_ledger => NextStep::Settle,
            Start::Image(_) | Start::Ledger => NextStep::Judge,
        },
        _ => NextStep::Wait,
    }
}

/// Versions that may be retired, oldest first: those that stand by and whose own parent is not
/// counted any more, once a rollback to them is out of the question (`standby` is over) or a newer
/// one stands by. A version is only ever drained after the one it is derived from.
#[must_use]
pub fn retirable(versions: &[LogicVersion], standby: Micros, now: Micros) -> Vec<LogicVersion> {
    let live = |number: u32| versions.iter().any(|one| one.id.number == number && one.state.is_live());
    let newest =
        versions.iter().filter(|one| one.state == LogicState::Standby).map(|one| one.id.number).max();
    let mut retirable: Vec<LogicVersion> = versions
        .iter()
        .filter(|one| one.state == LogicState::Standby)
        .filter(|one| one.base_id().is_none_or(|parent| !live(parent.number)))
        .filter(|one| Some(one.id.number) != newest || now.saturating_sub(one.state_since) >= standby)
        .cloned()
        .collect();
    retirable.sort_by_key(|one| one.id.number);
    retirable
}
