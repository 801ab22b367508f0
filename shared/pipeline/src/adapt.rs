//! The adaptation step: a schema change event (or a definition somebody asks for) in, a plan for
//! each count of the table, and its version planned, deployed, settled, judged and set.
//!
//! Every part is one conditional edit of the catalog, or may be repeated; whoever finds an
//! adjustment half done goes on from where it stands. So the analyzer, the validator and a person
//! at the command line all run [`advance`], and any of them may die anywhere.

mod anew;
mod deciding;
mod planning;

use evercount_core::adjustment::{self, AdjustmentPlan, Cause, Facts, PlanCost, Start};
use evercount_core::adoption::{self, Adjustment, NextStep, TrailEntry};
use evercount_core::change::TableName;
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::logic::{AdoptedShape, Base, Coverage, LogicState, LogicVersion};
use evercount_core::order::Micros;
use evercount_core::path::Path;
use evercount_core::registry::Origin;
use evercount_core::schema_change::{ChangeKind, SchemaChangeEvent};
use evercount_core::verdict::Verdict;

use crate::alert::Alert;
use crate::count::ATTEMPTS_MAX;
use crate::empty_table::fence_all;
use crate::ports::{CatalogEdit, RegistryStore, SourceTable, Store, StoreError};
use crate::{backfill, read, settle, validate};
use planning::{
    Arrival, OVERTAKEN, definitions_of, known_steps, overtaken, plan_filling, plan_for, remembered,
};

pub use deciding::{Decision, decide};
pub use planning::{head, simulate};

/// What the surroundings allow.
#[derive(Clone, Copy, Debug)]
pub struct AdaptOptions {
    /// Whether each source row has a ledger row: not so in lane mode.
    pub has_ledger: bool,
    /// Whether the source can be read back.
    pub source_is_readable: bool,
    /// The epoch of the source's versions.
    pub epoch: u16,
    /// Bound on clock skew and timestamp error between reader and source, and on how long one
    /// invocation may take, microseconds: what an invocation began by then has been told to every
    /// lane.
    pub margin: Micros,
    /// Pages of ledger or source that one call may walk; the next call goes on.
    pub pages: u32,
    /// Segments that a source is read in at the same time; a page of each is in memory at once.
    pub segments: u32,
    /// What the walking has taken so far.
    pub meter: fn() -> Spent,
}

impl AdaptOptions {
    /// A ledger and no source, walked page by page by somebody with exact clocks who measures nothing.
    pub const BARE: Self = Self {
        has_ledger: true,
        source_is_readable: false,
        epoch: 0,
        margin: 0,
        pages: 1,
        segments: 1,
        meter: Spent::default,
    };
}

/// What whoever walks has taken so far, since some time in the past.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Spent {
    /// CPU seconds.
    pub cpu_seconds: f64,
    /// Seconds.
    pub seconds: f64,
}

/// Adds what a page took to what a walk did.
pub(crate) fn add_spent(cost: &mut PlanCost, from: Spent, to: Spent) {
    cost.cpu_seconds += (to.cpu_seconds - from.cpu_seconds).max(0.0);
    cost.seconds += (to.seconds - from.seconds).max(0.0);
}

/// What a step did.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Adapted {
    /// The adjustments it touched, as they stand now.
    pub adjustments: Vec<Adjustment>,
    /// What administrators should hear of.
    pub alerts: Vec<Alert>,
    /// Definitions that could not be taken further, and why.
    pub failed: Vec<(DefinitionName, StoreError)>,
    /// Groups of active versions that hold less than nothing, in the cuts that were taken: changes
    /// were missed.
    pub negative: u64,
    /// When the first walk that waits may go on, for its budget or because its version was not
    /// counted for long enough; microseconds since the epoch.
    pub resumes_at: Option<Micros>,
}

impl Adapted {
    /// Adds what another step did.
    pub fn add(&mut self, other: Self) {
        self.adjustments.extend(other.adjustments);
        self.alerts.extend(other.alerts);
        self.failed.extend(other.failed);
        self.negative += other.negative;
        self.resumes_at = self.resumes_at.into_iter().chain(other.resumes_at).min();
    }
}

/// What makes a plan of a change: [`adjustment::plan`], where it is not a stand-in for it.
pub type Planner = fn(&Cause, &LogicVersion, &Facts) -> AdjustmentPlan;

/// Plans for every count of the event's table, and takes each plan as far as it goes.
///
/// # Errors
/// Whatever the stores answer; the caller hands in the event again.
pub async fn schema_changed<S: Store + RegistryStore, T: SourceTable>(
    store: &S,
    source: &T,
    event: &SchemaChangeEvent,
    options: AdaptOptions,
    now: Micros,
) -> Result<Adapted, StoreError> {
    let version = store.schema_version(&event.subject, event.to.version, now).await?.found();
    let declared = store.subject(&event.subject).await?.is_some_and(|state| state.origin == Origin::Declared);
    let shape = version.map(|version| {
        let columns = version.schema.fields.keys().filter(|path| path.is_column());
        let columns = columns.filter_map(|path| Path::parse(path.as_str()).ok());
        let columns = columns.map(|path| path.column_name().to_owned()).collect();
        AdoptedShape { version: event.to.version, columns, declared }
    });
    follow(store, source, event, shape, adjustment::plan, options, now).await
}

/// As [`schema_changed`], with the shape to adopt (`None` where the event's schema is no longer
/// kept) and with plans made by `planner`.
///
/// # Errors
/// Whatever the stores answer; the caller hands in the event again.
pub async fn follow<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    event: &SchemaChangeEvent,
    shape: Option<AdoptedShape>,
    planner: Planner,
    options: AdaptOptions,
    now: Micros,
) -> Result<Adapted, StoreError> {
    let catalog = read::catalog(store).await?;
    let table = catalog.ledger_name(&event.subject).clone();
    if event.changes.is_empty() {
        // The first schema of a table: there is nothing to plan for.
        if let Some(shape) = shape {
            adopt(store, &table, event, shape).await?;
        }
        return Ok(Adapted::default());
    }
    let cause = Cause::Schema {
        event: event.id(),
        changes: event.changes.clone(),
        position: event.position.clone(),
        at: event.at,
    };
    let (mut adapted, mut failed) = (Adapted::default(), None);
    let renamed = event.changes.iter().find_map(|change| match &change.kind {
        ChangeKind::RenameTable { to } => Some(to),
        _ => None,
    });
    let versions = store.versions().await?;
    let of_table = definitions_of(&catalog, &table);
    let arrived = renamed.map(|to| definitions_of(&catalog, to)).unwrap_or_default();
    for name in of_table.iter().chain(arrived.difference(&of_table)) {
        let arrived_as = (!of_table.contains(name)).then(|| Arrival {
            from: &table,
            // Before any count of the table goes on under the new name.
            remembered: remembered(catalog.table(&table).into_iter().flat_map(|logic| &logic.live)),
            migration: known_steps(&catalog, &versions, &table),
        });
        let planned =
            match plan_for(store, source, name, &cause, planner, arrived_as.as_ref(), options, now).await {
                Ok(Some(adjustment)) => Box::pin(advance(store, source, adjustment, options, now)).await,
                Ok(None) => continue,
                Err(error) => Err(error),
            };
        match planned {
            Ok(planned) => adapted.add(planned),
            // Soon to be tried again, in the same order: a count that was planned for while another
            // was not would know less of the change than its plan says.
            Err(error @ (StoreError::Conflict | StoreError::Unavailable(_))) => return Err(error),
            // One count's trouble does not keep the others from being planned for.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    // Only now: until a version that reads a new column is counted, rows must go on remembering it
    // as one they do not know.
    if let Some(shape) = shape {
        adopt(store, &table, event, shape).await?;
    }
    Ok(adapted)
}

/// Plans another definition under the same name, and takes the plan as far as it goes; `None` where
/// there is no count of that name.
///
/// # Errors
/// Whatever the stores answer.
pub async fn redefine<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    definition: CountDefinition,
    options: AdaptOptions,
    now: Micros,
) -> Result<Option<Adapted>, StoreError> {
    redefine_at(store, source, (definition, now), adjustment::plan, options, now).await
}

/// As [`redefine`], with plans made by `planner`, for a definition asked for at a time: asked for
/// again, it is the same plan.
///
/// # Errors
/// Whatever the stores answer.
pub async fn redefine_at<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    (definition, at): (CountDefinition, Micros),
    planner: Planner,
    options: AdaptOptions,
    now: Micros,
) -> Result<Option<Adapted>, StoreError> {
    let name = definition.name.clone();
    let cause = Cause::Redefinition { definition, at };
    match plan_for(store, source, &name, &cause, planner, None, options, now).await? {
        Some(adjustment) => Box::pin(advance(store, source, adjustment, options, now)).await.map(Some),
        None => Ok(None),
    }
}

/// Begins to read the rows from before a count, or goes on with it; `None` where the count has seen
/// every row, or there is none of that name.
///
/// # Errors
/// [`StoreError::Rejected`] where the source cannot be read, or nothing could tell what was read from
/// what was counted; else whatever the stores answer.
pub async fn fill<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    name: &DefinitionName,
    options: AdaptOptions,
    now: Micros,
) -> Result<Option<Adapted>, StoreError> {
    if !can_be_filled(options) {
        return Err(StoreError::Rejected(cannot_be_filled(options).to_owned()));
    }
    match plan_filling(store, source, name, options, now).await? {
        Some(adjustment) => Box::pin(advance(store, source, adjustment, options, now)).await.map(Some),
        None => Ok(None),
    }
}

/// Notes the columns of the event's schema as known to the counts of the table.
async fn adopt<S: Store>(
    store: &S,
    table: &TableName,
    event: &SchemaChangeEvent,
    shape: AdoptedShape,
) -> Result<(), StoreError> {
    let catalog = read::catalog(store).await?;
    let Some(logic) = catalog.table(table) else { return Ok(()) };
    // An event that comes late must not make known columns strange again.
    let is_older =
        logic.adopted.as_ref().is_some_and(|known| *table == event.subject && known.version >= shape.version);
    if is_older {
        return Ok(());
    }
    let adopt = Some((table.clone(), shape));
    store.edit_catalog(&CatalogEdit { adopt, ..CatalogEdit::default() }).await
}

/// Takes an adjustment as far as it goes now.
///
/// # Errors
/// Whatever the stores answer.
pub async fn advance<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    adjustment: Adjustment,
    options: AdaptOptions,
    now: Micros,
) -> Result<Adapted, StoreError> {
    let (mut adjustment, mut alerts) = (adjustment, Vec::new());
    let mut resumes_at = None;
    let mut pages = options.pages;
    let mut conflicts = 0;
    loop {
        let versions = store.versions().await?;
        let version = match adjustment.is_filling() {
            true => active(&adjustment.plan.definition, &versions),
            false => version_of(&adjustment, &versions),
        };
        let step = adoption::next_step(&adjustment, version.map(|one| one.state), options.has_ledger);
        let over = version.and_then(|one| overtaken(one, &versions));
        let done = match (step, version) {
            (NextStep::Wait, _) => break,
            (NextStep::Deploy | NextStep::Backfill, _)
                if fills_from_source(&adjustment) && !can_be_filled(options) =>
            {
                break;
            }
            (_, Some(version)) if over.is_some() => {
                let because = over.map_or_else(String::new, |parent| {
                    format!("{OVERTAKEN}{} no longer stands; plan the change anew", parent.id)
                });
                let judged = Adjustment { verdict: Some(because.clone()), ..adjustment.clone() };
                let rejected = validate::reject(store, &judged, Some(version), &because, now).await;
                if let Ok(after) = &rejected {
                    alerts.extend(Alert::of(after));
                }
                rejected
            }
            (NextStep::Deploy, Some(version)) => {
                let parent = versions.iter().find(|one| version.comes_from(one));
                if parent.is_some_and(|one| one.state == LogicState::Draft) {
                    break;
                }
                deploy(store, &adjustment, version, parent, now).await
            }
            (NextStep::Fence, Some(_)) => start(store, &adjustment, now).await,
            (NextStep::Settle | NextStep::Backfill, Some(_)) if pages == 0 => break,
            // Rows do not remember what the version's parent is still being filled with.
            (NextStep::Settle, Some(version)) if parent_is_filled(version, &versions) => break,
            (NextStep::Settle, Some(version)) => {
                pages -= 1;
                settle::page(store, &adjustment, version, options, now).await
            }
            (NextStep::Backfill, Some(version)) => {
                let budget = store.policy_book().await?.backfill_units_a_second;
                let due = backfill::due(&adjustment, version, options, budget);
                // Nothing is wrong with a wait, so nobody has to hand the event in again for it.
                if now < due {
                    resumes_at = Some(due);
                    break;
                }
                pages -= 1;
                backfill::page(store, source, &adjustment, version, (options, budget), now).await
            }
            (NextStep::Judge, Some(version)) => {
                let judged = validate::judge(store, &adjustment, version, now).await;
                if let Ok((after, Verdict::Reject { .. })) = &judged {
                    alerts.extend(Alert::of(after));
                }
                let keeps = matches!(&judged, Ok((_, Verdict::KeepWatching { .. })));
                match judged {
                    Ok((after, _)) if keeps => {
                        adjustment = after;
                        break;
                    }
                    judged => judged.map(|(after, _)| after),
                }
            }
            _ => break,
        };
        match done {
            Ok(after) => adjustment = after,
            Err(StoreError::Conflict | StoreError::Unavailable(_)) if conflicts < ATTEMPTS_MAX => {
                // Somebody else went on with it, or a reply was lost: what is stored tells.
                conflicts += 1;
                let stored = store.adjustments(Some(&adjustment.plan.definition)).await?;
                let Some(stored) = stored.into_iter().find(|one| one.plan.id == adjustment.plan.id) else {
                    break;
                };
                adjustment = stored;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Adapted { adjustments: vec![adjustment], alerts, resumes_at, ..Adapted::default() })
}

fn fills_from_source(adjustment: &Adjustment) -> bool {
    adjustment.plan.update.as_ref().is_some_and(|update| update.start == Start::Source)
}

/// Whether what was read of the source can be counted: a row that is read counts in place of what
/// its ledger row counted before, and without a ledger it would count twice.
fn can_be_filled(options: AdaptOptions) -> bool {
    options.has_ledger && options.source_is_readable
}

/// Why not.
fn cannot_be_filled(options: AdaptOptions) -> &'static str {
    if options.has_ledger {
        "this source cannot be read back"
    } else {
        "in lane mode what is read cannot be told from what is counted"
    }
}

/// Whether a version comes, at whatever distance, from one that is counted beside the active one and
/// does not count every row yet.
fn parent_is_filled(version: &LogicVersion, versions: &[LogicVersion]) -> bool {
    let parent = |of: &&LogicVersion| versions.iter().find(|one| of.comes_from(one));
    std::iter::successors(parent(&version), parent).any(|one| {
        one.state == LogicState::Shadow && one.base == Base::Own && one.coverage != Coverage::Whole
    })
}

/// The version that an adjustment made.
#[must_use]
pub fn version_of<'a>(adjustment: &Adjustment, versions: &'a [LogicVersion]) -> Option<&'a LogicVersion> {
    let number = adjustment.to?;
    versions.iter().find(|one| one.id.definition == adjustment.plan.definition && one.id.number == number)
}

fn active<'a>(name: &DefinitionName, versions: &'a [LogicVersion]) -> Option<&'a LogicVersion> {
    versions.iter().find(|one| one.id.definition == *name && one.state == LogicState::Active)
}

/// The adjustment after something happened to it.
pub(crate) fn touched(adjustment: &Adjustment, now: Micros) -> Adjustment {
    Adjustment { updated_at: now, revision: adjustment.revision + 1, ..adjustment.clone() }
}

/// A line of the trail on an adjustment. What befell it in one call is told a microsecond apart, so
/// that it reads in the order in which it came about.
pub(crate) fn entry(adjustment: &Adjustment, what: &str, summary: String, now: Micros) -> TrailEntry {
    TrailEntry {
        at: now.saturating_add(Micros::from(adjustment.revision)),
        definition: adjustment.plan.definition.clone(),
        what: what.to_owned(),
        version: adjustment.to,
        plan: Some(adjustment.plan.id.clone()),
        summary,
    }
}

async fn deploy<S: Store>(
    store: &S,
    adjustment: &Adjustment,
    version: &LogicVersion,
    parent: Option<&LogicVersion>,
    now: Micros,
) -> Result<Adjustment, StoreError> {
    let after = touched(adjustment, now);
    let summary = format!("{} is counted beside its parent.", version.id);
    let mut change = vec![(version.clone(), version.entering(LogicState::Shadow, now))];
    // Only while the parent stands as it was seen: it may be taken back at any time.
    change.extend(parent.map(|parent| (parent.clone(), parent.clone())));
    let edit = CatalogEdit {
        change,
        adjustments: vec![(Some(adjustment.clone()), after.clone())],
        trail: vec![entry(&after, "shadow", summary, now)],
        ..CatalogEdit::default()
    };
    store.edit_catalog(&edit).await?;
    Ok(after)
}

/// Whoever commits after this knows of the version.
async fn start<S: Store>(store: &S, adjustment: &Adjustment, now: Micros) -> Result<Adjustment, StoreError> {
    store.register_lane(&evercount_core::lane::LaneId::operator()).await?;
    fence_all(store).await?;
    let mut after = touched(adjustment, now);
    after.progress.started_at = now.max(1);
    let edit = CatalogEdit {
        adjustments: vec![(Some(adjustment.clone()), after.clone())],
        ..CatalogEdit::default()
    };
    store.edit_catalog(&edit).await?;
    Ok(after)
}
