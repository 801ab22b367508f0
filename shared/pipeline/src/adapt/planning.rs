//! What is planned for a cause, on which version, from which facts.

use std::collections::BTreeSet;
use std::sync::Arc;

use evercount_core::adjustment::{self, AdjustmentPlan, Cause, Facts, Rates, Start};
use evercount_core::adoption::{self, Adjustment, PlanOutcome, PlanPolicy, PolicyBook};
use evercount_core::change::TableName;
use evercount_core::definition::DefinitionName;
use evercount_core::group::Cell;
use evercount_core::logic::{Catalog, Coverage, LogicState, LogicVersion};
use evercount_core::migration::Step;
use evercount_core::order::Micros;
use evercount_core::path::Path;

use super::anew::plan_anew;
use super::{AdaptOptions, Planner, active, entry, version_of};
use crate::count::ATTEMPTS_MAX;
use crate::define::next_number;
use crate::ports::{CatalogEdit, SourceFacts, SourceTable, Store, StoreError};
use crate::read;

/// Groups of a count that a plan is told of, to name the affected ones.
const GROUPS_TOLD_MAX: usize = 100;

pub(super) fn definitions_of(catalog: &Catalog, table: &TableName) -> BTreeSet<DefinitionName> {
    catalog.of_table(table).iter().map(|version| version.id.definition.clone()).collect()
}

/// A table that takes the name of one that is counted.
pub(super) struct Arrival<'a> {
    /// Its name before.
    pub(super) from: &'a TableName,
    /// What its ledger rows remember.
    pub(super) remembered: Vec<String>,
    /// What brings those rows to the present shape.
    pub(super) migration: Vec<Step>,
}

/// Everything that the counts of a table know of its earlier shapes, those included that are about
/// to be counted: a version that judges ledger rows meets columns whose history another count has
/// followed.
pub(super) fn known_steps(catalog: &Catalog, versions: &[LogicVersion], table: &TableName) -> Vec<Step> {
    let rows_of = catalog.ledger_name(table);
    let is_draft = |one: &&LogicVersion| {
        one.state == LogicState::Draft && catalog.ledger_name(&one.definition.table) == rows_of
    };
    let live = catalog.of_table(table).iter().map(Arc::as_ref);
    let all = live.chain(versions.iter().filter(is_draft));
    all.fold(Vec::new(), |known, version| merged(known, &version.migration))
}

/// Steps of changes that other counts have followed and the one of this name has not been planned
/// for: its definition speaks of the shape before them.
fn steps_ahead(name: &DefinitionName, versions: &[LogicVersion], plans: &[Adjustment]) -> Vec<Step> {
    let event = |one: &Adjustment| match &one.plan.cause {
        Cause::Schema { event, .. } => Some(event.clone()),
        Cause::Redefinition { .. } => None,
    };
    let planned: BTreeSet<String> =
        plans.iter().filter(|one| one.plan.definition == *name).filter_map(event).collect();
    let mut ahead = Vec::new();
    for one in plans.iter().filter(|one| event(one).is_some_and(|event| !planned.contains(&event))) {
        let Some(version) = version_of(one, versions) else { continue };
        let parent = versions.iter().find(|parent| version.comes_from(parent));
        let before = parent.map_or(&[][..], |parent| parent.migration.as_slice());
        ahead.extend(version.migration.iter().filter(|step| !before.contains(step)).cloned());
    }
    ahead
}

/// The steps of both, each once, in the order of the source's log where it is known.
fn merged(known: Vec<Step>, more: &[Step]) -> Vec<Step> {
    let mut steps = known;
    for step in more {
        if !steps.contains(step) {
            steps.push(step.clone());
        }
    }
    // Stable, so that steps of one statement stay in its order.
    steps.sort_by(|a, b| match (&a.until, &b.until) {
        (Some(a), Some(b)) => a.cmp(b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    });
    steps
}

/// A plan that judges rows itself goes by every step of before that is known.
pub(super) fn knowing(mut plan: AdjustmentPlan, earlier: &[Step]) -> AdjustmentPlan {
    if let Some(update) = plan.update.as_mut().filter(|update| !matches!(update.start, Start::Image(_))) {
        update.migration = merged(earlier.to_vec(), &update.migration);
    }
    plan
}

/// What a version that has seen every row reads, every row remembers.
pub(super) fn remembered<'a>(live: impl Iterator<Item = &'a Arc<LogicVersion>>) -> Vec<String> {
    let whole = live.filter(|version| version.coverage == Coverage::Whole);
    let columns: BTreeSet<&str> =
        whole.flat_map(|version| version.definition.paths().map(Path::column_name)).collect();
    columns.into_iter().map(str::to_owned).collect()
}

/// The version that a plan is made on: the newest one that is counted.
#[must_use]
pub fn head(versions: &[LogicVersion], name: &DefinitionName) -> Option<LogicVersion> {
    let counted = |one: &&LogicVersion| {
        one.id.definition == *name && matches!(one.state, LogicState::Shadow | LogicState::Active)
    };
    versions.iter().filter(counted).max_by_key(|one| one.id.number).cloned()
}

/// The version that the next plan is made on: the newest one that is counted or about to be. One
/// that waits for a person may never be.
fn newest(versions: &[LogicVersion], known: &[Adjustment], name: &DefinitionName) -> Option<LogicVersion> {
    let counted = |one: &&LogicVersion| match one.state {
        LogicState::Shadow | LogicState::Active => true,
        LogicState::Draft => known.iter().any(|made| {
            made.to == Some(one.id.number)
                && made.plan.definition == *name
                && made.outcome != PlanOutcome::AwaitingApproval
        }),
        _ => false,
    };
    let of_name = versions.iter().filter(|one| one.id.definition == *name);
    of_name.filter(counted).max_by_key(|one| one.id.number).cloned()
}

/// What the verdict on an overtaken plan begins with.
pub(super) const OVERTAKEN: &str = "overtaken: ";

/// Whether a plan came to nothing because another version took over from the one it was made on.
/// The same change may then be planned anew.
fn was_overtaken(adjustment: &Adjustment) -> bool {
    adjustment.outcome == PlanOutcome::Rejected && is_told_overtaken(adjustment).is_some()
}

/// Why a plan can come to nothing any more, where something took over meanwhile.
pub(super) fn is_told_overtaken(adjustment: &Adjustment) -> Option<&str> {
    adjustment.verdict.as_deref().filter(|why| why.starts_with(OVERTAKEN))
}

/// The version that a version not yet active came from, where that one can no longer become or be
/// the active one: then neither can the version, or it would undo what took over meanwhile. What
/// the same plan counted until its question was answered is there to be taken over from.
pub(super) fn overtaken<'a>(
    version: &LogicVersion,
    versions: &'a [LogicVersion],
) -> Option<&'a LogicVersion> {
    use LogicState::{Active, Draft, Shadow};
    let parent = versions.iter().find(|one| version.comes_from(one))?;
    let is_open = matches!(version.state, Draft | Shadow);
    let stands = matches!(parent.state, Draft | Shadow | Active)
        || versions.iter().any(|one| one.state == Active && version.answers(one));
    (is_open && !stands).then_some(parent)
}

/// What would be planned, without touching anything.
///
/// # Errors
/// Whatever the store answers.
pub async fn simulate<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    head: &LogicVersion,
    cause: &Cause,
    options: AdaptOptions,
) -> Result<AdjustmentPlan, StoreError> {
    Ok(adjustment::plan(cause, head, &facts(store, source, head, options).await?))
}

/// Plans one definition's adjustment and stores it, unless it is stored already.
#[expect(clippy::too_many_arguments, reason = "what a plan is made of, each once")]
pub(super) async fn plan_for<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    name: &DefinitionName,
    cause: &Cause,
    planner: Planner,
    arrival: Option<&Arrival<'_>>,
    options: AdaptOptions,
    now: Micros,
) -> Result<Option<Adjustment>, StoreError> {
    for _ in 0..ATTEMPTS_MAX {
        // Versions first: a plan made after they were read changed the one that this is planned on.
        let versions = store.versions().await?;
        let known = store.adjustments(Some(name)).await?;
        // By what it is for, and not by what it was planned on: the version it made is the head now.
        if let Some(known) = known.iter().find(|one| is_for(&one.plan, cause) && !was_overtaken(one)) {
            return Ok(Some(known.clone()));
        }
        let Some(head) = newest(&versions, &known, name) else { return Ok(None) };
        let book = store.policy_book().await?;
        let catalog = read::catalog(store).await?;
        let facts = facts(store, source, &head, options).await?;
        let plan = match arrival {
            None => planner(cause, &head, &facts),
            Some(Arrival { from, remembered, .. }) => {
                let facts = Facts { remembered: remembered.clone(), ..facts };
                adjustment::arrival(cause, from.as_str(), &head, &facts)
            }
        };
        let earlier = match arrival {
            None => {
                let ahead = steps_ahead(name, &versions, &store.adjustments(None).await?);
                let known = known_steps(&catalog, &versions, &head.definition.table);
                known.into_iter().filter(|step| !ahead.contains(step)).collect()
            }
            // The definition has met no row of the table that takes the name.
            Some(arrival) => arrival.migration.clone(),
        };
        let plan = knowing(plan, &earlier);
        let (mut edit, planned) = begin(plan, &head, &versions, &book, now);
        if matches!(cause, Cause::Schema { .. }) {
            let met = (known.as_slice(), versions.as_slice());
            plan_anew(store, source, cause, met, &earlier, &mut edit, options, now).await?;
        }
        match store.edit_catalog(&edit).await {
            Ok(()) => return Ok(Some(planned)),
            // Somebody else planned, or the reply was lost: look again.
            Err(StoreError::Conflict | StoreError::Unavailable(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict)
}

/// Plans to read the rows from before a count, unless that is under way.
pub(super) async fn plan_filling<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    name: &DefinitionName,
    options: AdaptOptions,
    now: Micros,
) -> Result<Option<Adjustment>, StoreError> {
    for _ in 0..ATTEMPTS_MAX {
        let known = store.adjustments(Some(name)).await?;
        if let Some(known) = known.into_iter().find(|one| one.is_filling() && !one.progress.done) {
            return Ok(Some(known));
        }
        let versions = store.versions().await?;
        let Some(active) = active(name, &versions).filter(|one| one.coverage != Coverage::Whole) else {
            return Ok(None);
        };
        let plan = adjustment::filling(active, &facts(store, source, active, options).await?, now);
        let summary = plan.sentence.clone();
        let mut planned = Adjustment::new(plan, PlanPolicy::Auto, PlanOutcome::Backfilling, now);
        planned.progress.started_at = now.max(1);
        let edit = CatalogEdit {
            // Whoever asks at the same moment conflicts, and finds this one.
            change: vec![(active.clone(), LogicVersion { epoch: active.epoch + 1, ..active.clone() })],
            adjustments: vec![(None, planned.clone())],
            trail: vec![entry(&planned, "planned", summary, now)],
            ..CatalogEdit::default()
        };
        match store.edit_catalog(&edit).await {
            Ok(()) => return Ok(Some(planned)),
            Err(StoreError::Conflict | StoreError::Unavailable(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict)
}

fn is_for(plan: &AdjustmentPlan, cause: &Cause) -> bool {
    match (&plan.cause, cause) {
        (Cause::Schema { event: known, .. }, Cause::Schema { event, .. }) => known == event,
        (known, asked) => known == asked,
    }
}

/// The edit that stores a plan, and with it the version it makes.
fn begin(
    plan: AdjustmentPlan,
    head: &LogicVersion,
    versions: &[LogicVersion],
    book: &PolicyBook,
    now: Micros,
) -> (CatalogEdit, Adjustment) {
    let kinds: Vec<&str> = match &plan.cause {
        Cause::Schema { changes, .. } => changes.iter().map(|change| change.kind.name()).collect(),
        Cause::Redefinition { .. } => vec!["redefine"],
    };
    let policy = book.policy(&plan.table, kinds, plan.class);
    let beginning = adoption::beginning(&plan, policy);
    let number = next_number(versions, &plan.definition);
    let made = plan.update.as_ref().filter(|_| !matches!(policy, PlanPolicy::Ignore | PlanPolicy::Freeze));
    let version = made.map(|update| LogicVersion {
        waits_for: head.waits_for.clone(),
        ..adjustment::version_of(&plan, update, head, number, now)
    });
    // Until a person decides, or the source is read, the counts say that they do not follow.
    // What a person asks for anew takes nothing from what is counted so far.
    let is_behind = matches!(plan.cause, Cause::Schema { .. });
    let waits = is_behind && beginning.outcome == PlanOutcome::AwaitingApproval && !beginning.deploy;
    let waits_for = if waits { Some(plan.id.clone()) } else { head.waits_for.clone() };
    // Plans of one count are made one after the other, each knowing those before it.
    let planned_on = LogicVersion { waits_for, epoch: head.epoch + 1, ..head.clone() };
    let verdict = matches!(policy, PlanPolicy::Ignore | PlanPolicy::Freeze)
        .then(|| format!("the policy for this change is `{}`", policy.name()));
    let summary = plan.sentence.clone();
    let to = version.as_ref().map(|one| one.id.number);
    let planned = Adjustment { to, verdict, ..Adjustment::new(plan, policy, beginning.outcome, now) };
    let entry = entry(&planned, "planned", summary, now);
    let edit = CatalogEdit {
        create: version.into_iter().collect(),
        change: vec![(head.clone(), planned_on)],
        adjustments: vec![(None, planned.clone())],
        trail: vec![entry],
        ..CatalogEdit::default()
    };
    (edit, planned)
}

/// What is known for a plan.
pub(super) async fn facts<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    head: &LogicVersion,
    options: AdaptOptions,
) -> Result<Facts, StoreError> {
    let catalog = read::catalog(store).await?;
    let logic = catalog.table(&head.definition.table).cloned().unwrap_or_default();
    let whole = read::whole(store, head).await?;
    let groups: Vec<_> = whole
        .iter()
        .filter_map(|(cell, n)| match cell {
            Cell::Group(key) => Some((key.clone(), *n)),
            _ => None,
        })
        .collect();
    let items: i64 = groups.iter().map(|(_, n)| *n).sum();
    let SourceFacts { partition_key, items: source_items, bytes: source_bytes } =
        if options.source_is_readable {
            source.facts(&head.definition.table).await
        } else {
            SourceFacts::default()
        };
    let budget = store.policy_book().await?.backfill_units_a_second;
    let known = store.adjustments(None).await?;
    let over = known.iter().filter(|one| one.progress.done).map(|one| one.actual);
    let rates = Rates::measured(&over.collect::<Vec<_>>(), budget);
    let is_unfiltered = head.definition.filter.is_none() || head.definition.headroom.truth;
    Ok(Facts {
        has_ledger: options.has_ledger,
        remembered: remembered(logic.live.iter()),
        ledger_rows: u64::try_from(items).ok().filter(|_| is_unfiltered && options.has_ledger),
        source_items: source_items.or_else(|| u64::try_from(items).ok().filter(|_| is_unfiltered)),
        source_bytes,
        partition_key,
        rates,
        source_is_readable: options.source_is_readable,
        overflowed: whole.contains_key(&Cell::Overflow),
        groups: groups.into_iter().take(GROUPS_TOLD_MAX).collect(),
        adopted: logic.adopted,
        ..Facts::default()
    })
}
