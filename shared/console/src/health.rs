//! Health: lanes and how far behind they are, what waits, what was read, the last audit.

use evercount_core::adoption::PlanOutcome;
use evercount_core::logic::LogicState;
use evercount_pipeline::count::CountMode;
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::ports::SourceTable;
use evercount_view::{is_open, time};
use serde::Serialize;
use utoipa::ToSchema;

use crate::console::{ConsoleStore, Served};
use crate::problem::Problem;
use crate::work::{self, AuditDoc};

/// A lane, and how far it has come.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LaneDoc {
    /// Its name: stream and shard.
    pub lane: String,
    /// Records it has counted.
    pub records: u64,
    /// The last sequence number it counted; null where it has counted none.
    #[schema(required)]
    pub sequence: Option<String>,
    /// When that arrived; null where it came from no stream.
    #[schema(required)]
    pub at: Option<String>,
    /// Seconds since then: how far it is behind, where records keep coming.
    #[schema(required)]
    pub seconds_since: Option<f64>,
    /// How often it was fenced.
    pub fence: u64,
}

/// What adjustments have cost.
#[derive(Clone, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct Spent {
    /// Write units.
    pub write_units: f64,
    /// Read units.
    pub read_units: f64,
}

/// What this console had at hand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Caches {
    /// Readings that were at hand.
    pub hits: u64,
    /// Readings that had to be made.
    pub misses: u64,
}

/// How things stand.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Health {
    /// When this was said.
    pub at: String,
    /// `ledger` or `lane`.
    pub mode: String,
    /// The revision of the catalog that counters evaluate.
    pub catalog_revision: u64,
    /// The lanes.
    pub lanes: Vec<LaneDoc>,
    /// Records in quarantine.
    pub quarantined: usize,
    /// Schema change events that are not published yet.
    pub unpublished: usize,
    /// Plans that go on or wait.
    pub open_plans: usize,
    /// Plans that wait for a person.
    pub waiting_plans: usize,
    /// What all adjustments have cost so far. What counting costs is in the metric `WriteUnits` of the counter.
    pub adjustments: Spent,
    /// What this console had at hand.
    pub caches: Caches,
    /// The last audit that ended; null where none ever did.
    #[schema(required)]
    pub last_audit: Option<AuditDoc>,
    /// Counts that were never audited.
    pub never_audited: Vec<String>,
}

/// How things stand.
pub async fn look<S, T, D>(served: &Served<S, T, D>) -> Result<Health, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let (store, now) = (&served.store, served.now());
    let lanes = store.lanes().await?.into_iter().map(|(lane, state)| LaneDoc {
        lane: lane.to_string(),
        records: state.records,
        sequence: state.sequence.as_ref().map(ToString::to_string),
        at: (state.at > 0).then(|| time(state.at)),
        seconds_since: (state.at > 0).then(|| now.saturating_sub(state.at) as f64 / 1e6),
        fence: state.fence,
    });
    let lanes = lanes.collect();
    let plans = store.adjustments(None).await?;
    let adjustments = plans.iter().fold(Spent::default(), |sum, one| Spent {
        write_units: sum.write_units + one.actual.write_units,
        read_units: sum.read_units + one.actual.read_units,
    });
    let audited = store.last_audits().await?;
    let mut never_audited: Vec<String> = store
        .versions()
        .await?
        .iter()
        .filter(|version| version.state == LogicState::Active)
        .map(|version| version.id.definition.to_string())
        .filter(|name| !audited.iter().any(|audit| audit.definition.as_str() == name))
        .collect();
    never_audited.sort();
    let (hits, misses) = served.memory.tally();
    let mode = if served.settings.count.mode == CountMode::Ledger { "ledger" } else { "lane" };
    Ok(Health {
        at: time(now),
        mode: mode.to_owned(),
        catalog_revision: store.catalog(None).await?.map_or(0, |catalog| catalog.revision),
        lanes,
        quarantined: store.quarantined().await?.len(),
        unpublished: store.unpublished().await?.len(),
        open_plans: plans.iter().filter(|one| is_open(one)).count(),
        waiting_plans: plans.iter().filter(|one| one.outcome == PlanOutcome::AwaitingApproval).count(),
        adjustments,
        caches: Caches { hits, misses },
        last_audit: work::audits(served).await?.audits.into_iter().find(|audit| audit.state == "done"),
        never_audited,
    })
}
