//! Plans: what schema changes ask of counts, each as a story, and a person's word on it.

use evercount_core::adjustment::{self, AdjustmentPlan, Certificate, Class, Start};
use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::counting::{self, Cells};
use evercount_core::definition::DefinitionName;
use evercount_core::group::{Cell, GroupKey};
use evercount_core::logic::{LogicState, LogicVersion};
use evercount_core::value::{Item, Value as CoreValue};
use evercount_pipeline::adapt::{self, Decision};
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::ports::SourceTable;
use evercount_pipeline::{read, validate};
use evercount_view::{AdjustmentDoc, Compared, class_words, is_open, outcome_words, time};
use evercount_wire::group::{group_json, value_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::console::{ConsoleStore, Served};
use crate::problem::Problem;
use crate::versions::{will_promote, will_roll_back};

/// Groups of a plan that are listed; the rest is told as a number.
const MOVES_MAX: usize = 200;

/// What a person says.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Say {
    /// Say only what would happen, and do nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Which answer to an open question.
    #[serde(default)]
    pub choice: Option<u32>,
    /// The plan's revision as it was shown: where it has another by now, nothing is done.
    #[serde(default)]
    pub revision: Option<u32>,
}

impl Say {
    /// Whether what was confirmed is what stands.
    pub fn holds(&self, revision: u32) -> Result<(), Problem> {
        if self.revision.is_none_or(|shown| shown == revision) {
            return Ok(());
        }
        Err(Problem::conflict(
            "the plan has changed since it was shown",
            "look at it again, and confirm what it says now",
        ))
    }
}

/// What a word did, or would do.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Decided {
    /// What happens, in a sentence to be shown before it is confirmed.
    pub will: String,
    /// What was done; null for a dry run.
    #[schema(required)]
    pub done: Option<String>,
    /// The plan as it stands now; null where there is none.
    #[schema(required)]
    pub plan: Option<AdjustmentDoc>,
}

impl Decided {
    /// Nothing was done.
    pub fn dry(will: String, plan: &Adjustment) -> Self {
        Self { will, done: None, plan: Some(plan.into()) }
    }

    /// Something was done.
    pub fn done(will: String, done: String, plan: &Adjustment) -> Self {
        Self { will, done: Some(done), plan: Some(plan.into()) }
    }
}

/// All plans, the newest first.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct PlanList {
    /// Plans that go on or wait.
    pub open: usize,
    /// Plans that wait for a person.
    pub waiting: usize,
    /// The plans.
    pub plans: Vec<AdjustmentDoc>,
}

/// Where a group goes.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Move {
    /// The group as it was.
    #[schema(value_type = Object)]
    pub was: Value,
    /// What it becomes; null where it is no longer counted.
    #[schema(value_type = Option<Object>, required)]
    pub becomes: Option<Value>,
    /// Items of it.
    pub n: i64,
}

/// A group of one of a witness's tables.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Counted {
    /// The group; null for groups that are counted together.
    #[schema(value_type = Option<Object>, required)]
    pub key: Option<Value>,
    /// Items.
    pub n: i64,
}

/// One of two small tables that have equal stored counts and different new ones.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct WitnessTable {
    /// Its rows.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<Value>,
    /// What is stored of it.
    pub stored: Vec<Counted>,
    /// What would be counted of it; empty where nothing says.
    pub new: Vec<Counted>,
}

/// Comparisons at a time.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Agreement {
    /// When this console saw them.
    pub at: String,
    /// The comparisons so far.
    #[serde(flatten)]
    pub compared: Compared,
}

/// Something a person may do now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PlanAction {
    /// `approve`, `reject`, `promote` or `rollback`.
    pub action: String,
    /// Where to POST it.
    pub path: String,
    /// The `choice` of its body; null where there is none.
    #[schema(required)]
    pub choice: Option<u32>,
    /// What will happen, to be shown before it is confirmed.
    pub will: String,
}

/// What was decided or done at a time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct TrailDoc {
    /// When.
    pub at: String,
    /// What, in a word.
    pub what: String,
    /// The version, where one is concerned.
    #[schema(required)]
    pub version: Option<u32>,
    /// It in a sentence.
    pub summary: String,
}

/// A plan as a story.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Story {
    /// The plan, and what became of it.
    pub plan: AdjustmentDoc,
    /// Its revision, to be said back with a word on it.
    pub revision: u32,
    /// What its class means.
    pub class_words: String,
    /// What its outcome means.
    pub outcome_words: String,
    /// The definition before, line by line; null where that version is no longer kept.
    #[schema(required)]
    pub was: Option<Vec<String>>,
    /// Where the groups that are stored now go; null where no arithmetic says.
    #[schema(required)]
    pub groups: Option<Vec<Move>>,
    /// How many groups go somewhere, listed or not.
    pub groups_total: usize,
    /// The two tables of a witness; null where the certificate is none.
    #[schema(required)]
    pub witness: Option<[WitnessTable; 2]>,
    /// Comparisons over time, as this console has seen them.
    pub agreement: Vec<Agreement>,
    /// What was decided and done about it.
    pub trail: Vec<TrailDoc>,
    /// What a person may do now.
    pub actions: Vec<PlanAction>,
}

/// All plans, of a count or of all.
pub async fn list<S, T, D>(
    served: &Served<S, T, D>,
    count: Option<&str>,
    only_open: bool,
) -> Result<PlanList, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let name = match count {
        Some(name) => {
            crate::counts::versions_of(&served.store, name).await?;
            DefinitionName::parse(name)
        }
        None => None,
    };
    let mut all = served.store.adjustments(name.as_ref()).await?;
    all.sort_by_key(|one| std::cmp::Reverse((one.created_at, one.plan.id.clone())));
    let open = all.iter().filter(|one| is_open(one)).count();
    let waiting = all.iter().filter(|one| one.outcome == PlanOutcome::AwaitingApproval).count();
    all.retain(|one| !only_open || is_open(one));
    Ok(PlanList { open, waiting, plans: all.iter().map(AdjustmentDoc::from).collect() })
}

async fn find<S: ConsoleStore>(store: &S, id: &str) -> Result<Adjustment, Problem> {
    let all = store.adjustments(None).await?;
    let ids = all.iter().map(|one| one.plan.id.as_str());
    match all.iter().find(|one| one.plan.id.as_str() == id) {
        Some(found) => Ok(found.clone()),
        None => Err(Problem::unknown("plan", id, ids, "GET /api/v1/plans")),
    }
}

/// One plan as a story.
pub async fn story<S, T, D>(served: &Served<S, T, D>, id: &str) -> Result<Story, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let adjustment = find(&served.store, id).await?;
    let plan = &adjustment.plan;
    let mut versions = served.store.versions().await?;
    versions.retain(|one| one.id.definition == plan.definition);
    let parent = versions.iter().find(|one| one.id.number == plan.from);
    let moves = match parent.filter(|parent| parent.state.is_live()) {
        Some(parent) => moves(&served.store, plan, parent).await?,
        None => None,
    };
    let mut trail = served.store.trail(&plan.definition).await?;
    trail.retain(|entry| entry.plan.as_ref() == Some(&plan.id));
    let doc = AdjustmentDoc::from(&adjustment);
    let sample = Agreement { at: time(served.now()), compared: doc.compared.clone() };
    Ok(Story {
        revision: adjustment.revision,
        class_words: class_words(plan.class).to_owned(),
        outcome_words: outcome_words(adjustment.outcome).to_owned(),
        was: parent.map(|parent| evercount_wire::definition::definition_lines(&parent.definition)),
        groups_total: moves.as_ref().map_or(0, Vec::len),
        groups: moves.map(|moves| moves.into_iter().take(MOVES_MAX).collect()),
        witness: parent.and_then(|parent| witness(plan, parent)),
        agreement: served.memory.sample(plan.id.as_str(), sample),
        trail: trail
            .into_iter()
            .map(|entry| TrailDoc {
                at: time(entry.at),
                what: entry.what,
                version: entry.version,
                summary: entry.summary,
            })
            .collect(),
        actions: actions(&adjustment, &versions),
        plan: doc,
    })
}

/// Where the groups that are stored go, the largest first; nothing where no arithmetic says.
async fn moves<S: ConsoleStore>(
    store: &S,
    plan: &AdjustmentPlan,
    parent: &LogicVersion,
) -> Result<Option<Vec<Move>>, Problem> {
    let Some(update) = &plan.update else { return Ok(None) };
    let transform = match (&plan.certificate, &update.start) {
        (Certificate::Exact(transform), _) | (_, Start::Image(transform)) => transform,
        _ => return Ok(None),
    };
    let stored = read::whole(store, parent).await?;
    let moves = evercount_view::moves(transform, &stored, &parent.definition, &update.definition);
    let mut moves: Vec<Move> = moves
        .into_iter()
        .map(|((was, becomes), n)| Move {
            was: group_json(&was),
            becomes: becomes.as_ref().map(group_json),
            n,
        })
        .collect();
    moves.sort_by_key(|one| std::cmp::Reverse(one.n));
    Ok(Some(moves))
}

/// The two tables of a witness, with what is stored of each and what would be counted.
fn witness(plan: &AdjustmentPlan, parent: &LogicVersion) -> Option<[WitnessTable; 2]> {
    let Certificate::Witness { one, other } = &plan.certificate else { return None };
    let child = plan
        .update
        .as_ref()
        .map(|update| adjustment::version_of(plan, update, parent, plan.from.saturating_add(1), 0));
    let table = |rows: &[Item]| WitnessTable {
        rows: rows.iter().map(|row| value_json(&CoreValue::Map(row.clone()))).collect(),
        stored: counted(&count(parent, rows)),
        new: child.as_ref().map_or_else(Vec::new, |child| {
            let cells = count(child, rows);
            counted(&child.definition.view().map_or_else(|| cells.clone(), |view| view.apply(&cells)))
        }),
    };
    Some([table(one), table(other)])
}

fn count(version: &LogicVersion, rows: &[Item]) -> Cells {
    let mut sum = Cells::new();
    for row in rows {
        let cells = counting::contribution(version, Some(row), None).unwrap_or_default();
        counting::add_cells(&mut sum, &cells, 1);
    }
    sum
}

fn counted(cells: &Cells) -> Vec<Counted> {
    let of = |key: Option<&GroupKey>, n: i64| Counted { key: key.map(group_json), n };
    cells
        .iter()
        .filter_map(|(cell, n)| match cell {
            Cell::Group(key) => Some(of(Some(key), *n)),
            Cell::Overflow => Some(of(None, *n)),
            _ => None,
        })
        .collect()
}

/// What a person may do about a plan now.
fn actions(adjustment: &Adjustment, versions: &[LogicVersion]) -> Vec<PlanAction> {
    let (plan, name) = (&adjustment.plan, &adjustment.plan.definition);
    let of_plan = |action: &str, choice: Option<u32>, will: String| PlanAction {
        action: action.to_owned(),
        path: format!("/api/v1/plans/{}/{action}", plan.id),
        choice,
        will,
    };
    let mut actions = Vec::new();
    if adjustment.outcome == PlanOutcome::AwaitingApproval {
        for (number, choice) in (0_u32..).zip(&plan.choices) {
            let will = format!("{}: {}", choice.answer, choice.consequence);
            actions.push(of_plan("approve", Some(number), will));
        }
        if plan.choices.is_empty() {
            actions.push(of_plan("approve", None, will_approve(adjustment, versions)));
        }
    }
    if is_open(adjustment) {
        actions.push(of_plan("reject", None, will_reject(adjustment)));
    }
    let active = versions.iter().find(|one| one.state == LogicState::Active);
    let made = adapt::version_of(adjustment, versions);
    if let (PlanOutcome::Watching, Some(made), Some(active)) = (adjustment.outcome, made, active)
        && made.state == LogicState::Shadow
    {
        actions.push(PlanAction {
            action: "promote".to_owned(),
            path: format!("/api/v1/counts/{name}/versions/{}/promote", made.id.number),
            choice: None,
            will: will_promote(made.id.number, active.id.number),
        });
    }
    let standby = versions.iter().rfind(|one| one.state == LogicState::Standby);
    if let (PlanOutcome::Promoted, Some(made), Some(standby)) = (adjustment.outcome, made, standby)
        && made.state == LogicState::Active
    {
        actions.push(PlanAction {
            action: "rollback".to_owned(),
            path: format!("/api/v1/counts/{name}/rollback"),
            choice: None,
            will: will_roll_back(standby.id.number, made.id.number),
        });
    }
    actions
}

fn will_approve(adjustment: &Adjustment, versions: &[LogicVersion]) -> String {
    let made = adapt::version_of(adjustment, versions);
    let draft = made.is_none_or(|made| made.state == LogicState::Draft);
    let reads_source = adjustment.plan.update.as_ref().is_some_and(|update| update.start == Start::Source);
    match (draft, reads_source) {
        (true, true) => {
            let cost = &adjustment.plan.estimate;
            format!(
                "the source is read (about {} items, {} read units), and the new version takes over once that agrees",
                cost.source_items, cost.read_units
            )
        }
        (true, false) => {
            "the new version is counted beside this one, and takes over once they agree".to_owned()
        }
        (false, _) => "the new version takes over".to_owned(),
    }
}

fn will_reject(adjustment: &Adjustment) -> String {
    let from = adjustment.plan.from;
    match adjustment.outcome {
        PlanOutcome::AwaitingApproval => {
            format!("the logic stays as it is: version {from} is read as before")
        }
        _ => format!("the new version is given up; version {from} never moved, and is read as before"),
    }
}

/// Goes on with a plan that waits.
pub async fn approve<S, T, D>(served: &Served<S, T, D>, id: &str, say: Say) -> Result<Decided, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let adjustment = find(&served.store, id).await?;
    say.holds(adjustment.revision)?;
    let plan = &adjustment.plan;
    if adjustment.outcome != PlanOutcome::AwaitingApproval {
        return Err(Problem::conflict(
            format!("plan {id} does not wait for anybody: it is {}", outcome_words(adjustment.outcome)),
            "look at it again",
        ));
    }
    let numbers = format!("its answers are 0 to {}", plan.choices.len().saturating_sub(1));
    let (decision, will) = match say.choice {
        None if plan.class == Class::A6 && !plan.choices.is_empty() => {
            return Err(Problem::bad(
                format!("plan {id} asks a question"),
                format!("give a `choice`: {numbers}"),
            ));
        }
        None => {
            let versions = served.store.versions().await?;
            (Decision::Approve, will_approve(&adjustment, &versions))
        }
        Some(_) if plan.choices.is_empty() => {
            return Err(Problem::bad(format!("plan {id} asks no question"), "leave `choice` out"));
        }
        Some(number) => {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            let Some(choice) = plan.choices.get(number) else {
                return Err(Problem::bad(format!("plan {id} has no answer {number}"), numbers));
            };
            (Decision::Choose(number), format!("{}: {}", choice.answer, choice.consequence))
        }
    };
    if say.dry_run {
        return Ok(Decided::dry(will, &adjustment));
    }
    served.may_write()?;
    let after = decide(served, adjustment, decision).await?;
    let done = format!("plan {id} is {} now", outcome_words(after.outcome));
    Ok(Decided::done(will, done, &after))
}

async fn decide<S, T, D>(
    served: &Served<S, T, D>,
    adjustment: Adjustment,
    decision: Decision,
) -> Result<Adjustment, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let options = served.adapt_options(&adjustment.plan.table).await;
    let id = adjustment.plan.id.clone();
    let (store, source) = (&served.store, &served.source);
    let adapted = adapt::decide(store, source, adjustment, decision, options, served.now()).await;
    served.memory.forget();
    match adapted?.adjustments.pop() {
        Some(after) => Ok(after),
        None => find(store, id.as_str()).await,
    }
}

/// Leaves the logic as it is.
pub async fn reject<S, T, D>(served: &Served<S, T, D>, id: &str, say: Say) -> Result<Decided, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let adjustment = find(&served.store, id).await?;
    say.holds(adjustment.revision)?;
    if !is_open(&adjustment) {
        let fix = match adjustment.outcome {
            PlanOutcome::Promoted => "a rollback takes a promotion back",
            _ => "look at it again",
        };
        let is = outcome_words(adjustment.outcome);
        return Err(Problem::conflict(format!("plan {id} is {is} already"), fix));
    }
    let will = will_reject(&adjustment);
    if say.dry_run {
        return Ok(Decided::dry(will, &adjustment));
    }
    served.may_write()?;
    let after = if adjustment.outcome == PlanOutcome::AwaitingApproval {
        decide(served, adjustment, Decision::Reject).await?
    } else {
        let versions = served.store.versions().await?;
        let version = adapt::version_of(&adjustment, &versions);
        let because = "a person said no";
        let stored = Adjustment { verdict: Some(because.to_owned()), ..adjustment.clone() };
        let rejected = validate::reject(&served.store, &stored, version, because, served.now()).await;
        served.memory.forget();
        rejected?
    };
    let done = format!(
        "plan {id} is {}; version {} is read as before",
        outcome_words(after.outcome),
        after.plan.from
    );
    Ok(Decided::done(will, done, &after))
}
