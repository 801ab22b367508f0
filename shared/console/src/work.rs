//! Long work: what is being filled, and audits.

use std::collections::BTreeMap;
use std::sync::Arc;

use evercount_core::adoption::Adjustment;
use evercount_core::audit::Audited;
use evercount_pipeline::audit::{self, AuditOptions};
use evercount_pipeline::backfill;
use evercount_pipeline::count::CountMode;
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::ports::SourceTable;
use evercount_view::{WalkDoc, is_walking, time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::console::{ConsoleStore, Served};
use crate::counts::{active, versions_of};
use crate::problem::Problem;

/// What is being filled.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Walks {
    /// The walks that are not over.
    pub walks: Vec<WalkDoc>,
    /// What would happen, or what did; null where nothing was asked for.
    #[schema(required)]
    pub will: Option<String>,
}

/// Which audit is asked for.
#[derive(Clone, PartialEq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditAsk {
    /// The count.
    #[schema(example = "by_status")]
    pub count: String,
    /// Look at this share of the rows, above 0 and at most 1.
    #[serde(default)]
    #[schema(example = 0.5)]
    pub sample: Option<f64>,
    /// Repair what differs.
    #[serde(default)]
    pub repair: bool,
    /// Say only what would happen, and do nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// An audit that runs or ran.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AuditDoc {
    /// Its number.
    pub id: String,
    /// The count.
    pub count: String,
    /// The logic version it recounts.
    pub version: u32,
    /// `running`, `done` or `failed`.
    pub state: String,
    /// Whether it repairs what differs.
    pub repair: bool,
    /// It looks at one row in so many.
    pub one_in: u64,
    /// When it began.
    pub started_at: String,
    /// When it ended; null while it runs.
    #[schema(required)]
    pub ended_at: Option<String>,
    /// Rows read so far.
    pub rows: u64,
    /// About how many there are; null where nobody knows.
    #[schema(required)]
    pub of: Option<u64>,
    /// Seconds to go; null where nobody knows.
    #[schema(required)]
    pub seconds_left: Option<f64>,
    /// What it found: null until it is over.
    #[schema(required)]
    pub found: Option<AuditFound>,
    /// Why it failed; null where it did not.
    #[schema(required)]
    pub failure: Option<String>,
}

/// What an audit found.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AuditFound {
    /// Rows counted as a recount would.
    pub agreeing: u64,
    /// Rows that changed too lately to judge.
    pub in_flux: u64,
    /// Rows that differ, by cause.
    pub differing: BTreeMap<String, u64>,
    /// Rows repaired.
    pub repaired: u64,
    /// Whether the sums of cells were judged as well.
    pub cells_judged: bool,
    /// Cells whose sum is not what the ledger adds up to.
    pub cells_off: u64,
    /// Whether nothing is left that is counted wrong.
    pub clean: bool,
    /// All of it in a sentence.
    pub summary: String,
}

impl From<&Audited> for AuditFound {
    fn from(audit: &Audited) -> Self {
        Self {
            agreeing: audit.agreeing,
            in_flux: audit.in_flux,
            differing: audit.differing.clone(),
            repaired: audit.repaired,
            cells_judged: audit.cells_judged,
            cells_off: audit.cells_off,
            clean: audit.is_clean(),
            summary: audit.summary(),
        }
    }
}

impl From<&Audited> for AuditDoc {
    fn from(audit: &Audited) -> Self {
        Self {
            id: audit.began.to_string(),
            count: audit.definition.to_string(),
            version: audit.version,
            state: "done".to_owned(),
            repair: audit.repair,
            one_in: audit.one_in,
            started_at: time(audit.began),
            ended_at: Some(time(audit.ended)),
            rows: audit.rows,
            of: None,
            seconds_left: None,
            found: Some(AuditFound::from(audit)),
            failure: None,
        }
    }
}

/// Audits, the newest first.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Audits {
    /// Those that this console remembers, and the last one of each count that is kept.
    pub audits: Vec<AuditDoc>,
    /// What would happen, or what does; null where nothing was asked for.
    #[schema(required)]
    pub will: Option<String>,
}

async fn walking<S: ConsoleStore>(store: &S) -> Result<Vec<Adjustment>, Problem> {
    let mut all = store.adjustments(None).await?;
    all.retain(is_walking);
    Ok(all)
}

/// What is being filled.
pub async fn walks<S, T, D>(served: &Served<S, T, D>) -> Result<Walks, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let budget = served.store.policy_book().await?.backfill_units_a_second;
    let walks = walking(&served.store).await?.iter().map(|one| WalkDoc::of(one, budget)).collect();
    Ok(Walks { walks, will: None })
}

/// Halts the walks of a count, or lets them go on.
pub async fn pause<S, T, D>(
    served: &Served<S, T, D>,
    count: &str,
    paused: bool,
    dry_run: bool,
) -> Result<Walks, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    versions_of(&served.store, count).await?;
    let mut concerned = walking(&served.store).await?;
    concerned.retain(|one| one.plan.definition.as_str() == count && one.progress.paused != paused);
    if concerned.is_empty() {
        let is = if paused { "running" } else { "paused" };
        return Err(Problem::conflict(
            format!("no backfill of `{count}` is {is}"),
            "`GET /api/v1/backfills` lists what there is",
        ));
    }
    let will = if paused {
        format!("the backfill of `{count}` halts where it is, and goes on from there when it is resumed")
    } else {
        format!(
            "the backfill of `{count}` goes on from where it was halted, with the next round of the functions"
        )
    };
    if !dry_run {
        served.may_write()?;
        for one in &concerned {
            backfill::pause(&served.store, one, paused, served.now()).await?;
            served.memory.forget();
        }
    }
    Ok(Walks { will: Some(will), ..walks(served).await? })
}

fn one_in(sample: Option<f64>) -> Result<u64, Problem> {
    match sample {
        None => Ok(1),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share above 0 and at most 1 gives a number of at least 1, and a conversion that saturates"
        )]
        Some(share) if share > 0.0 && share <= 1.0 => Ok((1.0 / share).round() as u64),
        Some(_) => Err(Problem::bad(
            "`sample` is no share of the rows",
            "give a number above 0 and at most 1, such as 0.01",
        )),
    }
}

/// Audits that run or ran here, and the last one of each count that is kept, the newest first.
pub async fn audits<S, T, D>(served: &Served<S, T, D>) -> Result<Audits, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let mut audits = served.memory.audits().audits;
    let kept: Vec<AuditDoc> = served.store.last_audits().await?.iter().map(AuditDoc::from).collect();
    let is_known = |kept: &AuditDoc| {
        audits.iter().any(|one| (&one.count, &one.started_at) == (&kept.count, &kept.started_at))
    };
    let kept: Vec<AuditDoc> = kept.into_iter().filter(|kept| !is_known(kept)).collect();
    audits.extend(kept);
    audits.sort_by(|one, other| other.started_at.cmp(&one.started_at));
    Ok(Audits { audits, will: None })
}

/// Starts an audit, which goes on after the answer.
pub async fn audit<S, T, D>(served: Arc<Served<S, T, D>>, ask: AuditAsk) -> Result<Audits, Problem>
where
    S: ConsoleStore + Send + Sync + 'static,
    T: SourceTable + Send + Sync + 'static,
    D: ServiceDirectory + Send + Sync + 'static,
{
    let one_in = one_in(ask.sample)?;
    let versions = versions_of(&served.store, &ask.count).await?;
    let logic = active(&ask.count, &versions)?;
    let by_hand = format!("`evercount audit {}` does it", ask.count);
    if !served.settings.audits {
        return Err(Problem::conflict("an audit takes longer than a request to this function may", by_hand));
    }
    if served.settings.count.mode == CountMode::Lane {
        return Err(Problem::conflict(
            "lane mode keeps no ledger to audit row by row",
            "count the table in ledger mode to audit it",
        ));
    }
    let table = logic.definition.table.clone();
    let facts = served.source.facts(&table).await;
    if facts.partition_key.is_none() {
        return Err(Problem::conflict(
            format!("table `{table}` cannot be read from here"),
            "only DynamoDB tables can be audited; a table captured by DMS or Debezium is recounted by replaying a fresh snapshot",
        ));
    }
    let running = served.memory.audits();
    if running.audits.iter().any(|one| one.state == "running" && one.count == ask.count) {
        return Err(Problem::conflict(format!("an audit of `{}` is running", ask.count), "wait for its end"));
    }
    let what =
        if ask.repair { ", and rows that are counted wrong are repaired" } else { "; nothing is changed" };
    let will = format!("table `{table}` is read{}{what}", share(one_in));
    if ask.dry_run {
        return Ok(Audits { will: Some(will), ..running });
    }
    if ask.repair {
        served.may_write()?;
    }
    let started = served.now();
    let doc = AuditDoc {
        id: format!("{started}"),
        count: ask.count.clone(),
        version: logic.id.number,
        state: "running".to_owned(),
        repair: ask.repair,
        one_in,
        started_at: time(started),
        ended_at: None,
        rows: 0,
        of: facts.items.map(|items| items / one_in.max(1)),
        seconds_left: None,
        found: None,
        failure: None,
    };
    served.memory.tell_audit(doc.clone());
    let adapt = served.settings.adapt;
    let options = AuditOptions { one_in, repair: ask.repair, margin: adapt.margin, epoch: adapt.epoch };
    let of = served.clone();
    tokio::spawn(async move {
        let (clock, memory) = (of.settings.clock, &of.memory);
        let told = doc.clone();
        let tell = |rows: u64| {
            let took = clock().saturating_sub(started) as f64 / 1e6;
            let left = told.of.filter(|_| rows > 0).map(|all| all.saturating_sub(rows));
            let seconds_left = left.map(|left| left as f64 * took / rows as f64);
            memory.tell_audit(AuditDoc { rows, seconds_left, ..told.clone() });
        };
        let report = audit::run(&of.store, &of.source, &logic, options, clock, tell).await;
        let ended_at = Some(time(clock()));
        if let (Ok(report), true) = (&report, of.settings.target.writes)
            && let Err(error) = of.store.put_audit(&report.kept(&logic.id, options)).await
        {
            tracing::warn!(%error, "the audit is not kept");
        }
        memory.forget();
        memory.tell_audit(match report {
            Ok(report) => AuditDoc { id: doc.id, ..AuditDoc::from(&report.kept(&logic.id, options)) },
            Err(error) => {
                AuditDoc { state: "failed".to_owned(), ended_at, failure: Some(error.to_string()), ..doc }
            }
        });
    });
    Ok(Audits { will: Some(will), ..served.memory.audits() })
}

fn share(one_in: u64) -> String {
    if one_in <= 1 { " row by row".to_owned() } else { format!(", about one row in {one_in}") }
}
