//! A walk over ledger or source: how far, how fast, how long to go.

use evercount_core::adjustment::Start;
use evercount_core::adoption::{Adjustment, PlanOutcome};
use serde::Serialize;
use utoipa::ToSchema;

use crate::time;

/// How a version is being filled.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct WalkDoc {
    /// The count.
    pub count: String,
    /// The plan that asks for it.
    pub plan: String,
    /// The version that is filled, null while there is none.
    #[schema(required)]
    pub version: Option<u32>,
    /// `ledger` or `source`.
    pub reads: String,
    /// Rows or items read so far.
    pub visited: u64,
    /// About how many there are; null where nobody knows.
    #[schema(required)]
    pub of: Option<u64>,
    /// Rows or items a second, as measured.
    #[schema(required)]
    pub per_second: Option<f64>,
    /// Seconds to go; null where nobody knows.
    #[schema(required)]
    pub seconds_left: Option<f64>,
    /// `waiting`, `running`, `paused` or `done`.
    pub state: String,
    /// Read units taken so far.
    pub read_units: f64,
    /// Read units a second that it may take; null for the ledger.
    #[schema(required)]
    pub units_a_second: Option<f64>,
    /// When it began.
    pub started_at: String,
}

impl WalkDoc {
    /// A walk, with the budget it has over a source in read units a second.
    #[must_use]
    pub fn of(adjustment: &Adjustment, budget: f64) -> Self {
        let (plan, progress) = (&adjustment.plan, &adjustment.progress);
        // Until the last page: how long ago that was says nothing of the speed.
        let took = adjustment.updated_at.saturating_sub(progress.started_at) as f64 / 1e6;
        let per_second = (took > 0.0 && progress.visited > 0).then(|| progress.visited as f64 / took);
        let left = extent(adjustment).map(|extent| extent.saturating_sub(progress.visited));
        let reads_source = plan.update.as_ref().is_some_and(|update| update.start == Start::Source);
        let state = match (progress.done, progress.paused, progress.visited) {
            (true, _, _) => "done",
            (_, true, _) => "paused",
            (_, _, 0) => "waiting",
            _ => "running",
        };
        Self {
            count: plan.definition.to_string(),
            plan: plan.id.to_string(),
            version: adjustment.to,
            reads: if reads_source { "source" } else { "ledger" }.to_owned(),
            visited: progress.visited,
            of: extent(adjustment),
            per_second,
            seconds_left: left.zip(per_second).map(|(left, rate)| left as f64 / rate),
            state: state.to_owned(),
            read_units: adjustment.actual.read_units,
            units_a_second: reads_source.then_some(budget),
            started_at: time(progress.started_at),
        }
    }
}

/// Whether there is a walk over ledger or source that has begun and is not over.
#[must_use]
pub fn is_walking(adjustment: &Adjustment) -> bool {
    let progress = &adjustment.progress;
    let open = matches!(
        adjustment.outcome,
        PlanOutcome::Watching | PlanOutcome::Backfilling | PlanOutcome::AwaitingApproval
    );
    open && progress.started_at > 0 && !progress.done
}

/// How many rows or items a walk is estimated to visit; `None` where nobody knows.
#[must_use]
pub fn extent(adjustment: &Adjustment) -> Option<u64> {
    let plan = &adjustment.plan;
    let reads_source = plan.update.as_ref().is_some_and(|update| update.start == Start::Source);
    let extent = if reads_source { plan.estimate.source_items } else { plan.estimate.ledger_rows };
    (extent > 0).then_some(extent)
}
