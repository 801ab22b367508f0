//! An adjustment: a plan, and what became of it.

use evercount_core::adjustment::{Cause, Class, Partitions, PlanCost};
use evercount_core::adoption::{Adjustment, PlanOutcome, Progress};
use evercount_core::logic::Relation;
use evercount_core::verdict::{Census, Compared as Comparisons};
use evercount_wire::definition::definition_lines;
use evercount_wire::group::{group_json, value_json};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{CertificateDoc, ChangeDoc, time};

/// What something costs, estimated or measured.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CostDoc {
    /// CPU seconds.
    pub cpu_seconds: f64,
    /// Read units of DynamoDB.
    pub read_units: f64,
    /// Write units of DynamoDB.
    pub write_units: f64,
    /// Items read from the source.
    pub source_items: u64,
    /// Ledger rows judged anew.
    pub ledger_rows: u64,
    /// Seconds.
    pub seconds: f64,
}

/// How comparisons of the active version with the new one came out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Compared {
    /// As the plan says.
    pub agreed: u64,
    /// Otherwise, and the change explains it.
    pub explained: u64,
    /// Otherwise, and nothing explains it.
    pub unexplained: u64,
    /// The new logic failed on the row.
    pub failed: u64,
}

/// The comparisons of one group.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct GroupCompared {
    /// The group.
    #[schema(value_type = Object)]
    pub key: Value,
    /// Its comparisons.
    #[serde(flatten)]
    pub compared: Compared,
}

/// A row that the two versions count differently.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Example {
    /// A hash of its key.
    pub key_hash: String,
    /// How the comparison came out.
    pub outcome: String,
    /// The group it counts for.
    #[schema(value_type = Option<Object>, required)]
    pub group: Option<Value>,
    /// What the plan makes of that group.
    #[schema(value_type = Option<Object>, required)]
    pub image: Option<Value>,
}

/// The census: every ledger row compared once.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CensusDoc {
    /// Whether every row was looked at.
    pub complete: bool,
    /// Rows looked at.
    pub rows: u64,
    /// Rows judged anew.
    pub rejudged: u64,
    /// Rows whose columns nobody kept.
    pub not_remembered: u64,
    /// Some of the rows that differ.
    pub examples: Vec<Example>,
    /// Its comparisons.
    #[serde(flatten)]
    pub compared: Compared,
}

/// What has to have been seen before a verdict.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Minimum {
    /// Whether a whole census is needed.
    pub census: bool,
    /// Changes that have to be compared.
    pub changes: u64,
}

/// How far a walk over ledger or source has come.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ProgressDoc {
    /// Rows or items read.
    pub visited: u64,
    /// Whether it is over.
    pub done: bool,
    /// Whether a person halted it.
    pub paused: bool,
    /// When it began; null where it has not.
    #[schema(required)]
    pub started_at: Option<String>,
}

/// One answer to an open question.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ChoiceDoc {
    /// Its number.
    pub choice: usize,
    /// The answer.
    pub answer: String,
    /// What follows from it.
    pub consequence: String,
    /// The definition it makes; null where that stays.
    #[schema(required)]
    pub becomes: Option<Vec<String>>,
}

/// Which partitions a plan touches: `none`, `all`, or the values of a partition key.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Affected {
    /// None or all of them.
    Word(String),
    /// Those with these values.
    Keys {
        /// The attribute of the partition key.
        attribute: String,
        /// Its values.
        #[schema(value_type = Vec<Object>)]
        values: Vec<Value>,
    },
}

/// A plan and what became of it.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AdjustmentDoc {
    /// The plan's id.
    pub id: String,
    /// Its count.
    pub count: String,
    /// The table.
    pub table: String,
    /// What it says, in one sentence.
    pub sentence: String,
    /// The kinds of change, joined by `+`; `redefine` where a person asked for another definition, `fill` for
    /// the rows from before a count.
    pub change: String,
    /// Each change.
    pub changes: Vec<ChangeDoc>,
    /// When the source made the change, or the person asked.
    pub at: String,
    /// `A0` to `A6`.
    pub class: String,
    /// The version planned on.
    pub from_version: u32,
    /// The version it made, or null.
    #[schema(required)]
    pub to_version: Option<u32>,
    /// How it is treated: `auto`, `approve`, `ignore`, `freeze`.
    pub policy: String,
    /// What became of it.
    pub outcome: String,
    /// The last verdict in words, or null.
    #[schema(required)]
    pub verdict: Option<String>,
    /// Lines of the definition it makes, or null where that stays.
    #[schema(required)]
    pub becomes: Option<Vec<String>>,
    /// Why the new counts are right, or why rows have to be read.
    pub certificate: CertificateDoc,
    /// How rows must stand to what they counted for before.
    pub relation: String,
    /// Which partitions it touches.
    pub affected: Affected,
    /// What it was estimated to cost.
    pub estimate: CostDoc,
    /// What it has cost.
    pub actual: CostDoc,
    /// Source items read so far.
    pub source_items_read: u64,
    /// Every ledger row compared once.
    pub census: CensusDoc,
    /// Comparisons of changes.
    pub compared_changes: Compared,
    /// The same by group.
    pub by_group: Vec<GroupCompared>,
    /// What has to have been seen before a verdict.
    pub minimum: Minimum,
    /// The walk over ledger or source.
    pub progress: ProgressDoc,
    /// What was taken for granted.
    pub assumptions: Vec<String>,
    /// The answers to an open question.
    pub choices: Vec<ChoiceDoc>,
    /// When it was made.
    pub created_at: String,
    /// When it changed last.
    pub updated_at: String,
    /// All comparisons, of ledger rows and of changes.
    #[serde(flatten)]
    pub compared: Compared,
}

impl From<&Adjustment> for AdjustmentDoc {
    fn from(adjustment: &Adjustment) -> Self {
        let (plan, report) = (&adjustment.plan, &adjustment.report);
        let (change, changes, at) = match &plan.cause {
            Cause::Schema { changes, at, .. } => {
                let kinds: Vec<&str> = changes.iter().map(|change| change.kind.name()).collect();
                (kinds.join("+"), changes.iter().map(ChangeDoc::from).collect(), *at)
            }
            Cause::Redefinition { at, .. } => {
                let change = if adjustment.is_filling() { "fill" } else { "redefine" };
                (change.to_owned(), Vec::new(), *at)
            }
        };
        let choices = plan.choices.iter().enumerate().map(|(number, choice)| ChoiceDoc {
            choice: number,
            answer: choice.answer.clone(),
            consequence: choice.consequence.clone(),
            becomes: choice.update.as_ref().map(|update| definition_lines(&update.definition)),
        });
        let by_group = report
            .by_group
            .iter()
            .map(|(key, compared)| GroupCompared { key: group_json(key), compared: (*compared).into() });
        Self {
            id: plan.id.to_string(),
            count: plan.definition.to_string(),
            table: plan.table.to_string(),
            sentence: plan.sentence.clone(),
            change,
            changes,
            at: time(at),
            class: plan.class.name().to_owned(),
            from_version: plan.from,
            to_version: adjustment.to,
            policy: adjustment.policy.name().to_owned(),
            outcome: adjustment.outcome.name().to_owned(),
            verdict: adjustment.verdict.clone(),
            becomes: plan.update.as_ref().map(|update| definition_lines(&update.definition)),
            certificate: plan.into(),
            relation: relation_name(plan.relation).to_owned(),
            affected: affected(&plan.affected),
            estimate: (&plan.estimate).into(),
            actual: (&adjustment.actual).into(),
            source_items_read: adjustment.actual.source_items,
            census: (&report.census).into(),
            compared_changes: report.changes.into(),
            by_group: by_group.collect(),
            minimum: Minimum { census: plan.minimum.census, changes: plan.minimum.changes },
            progress: (&adjustment.progress).into(),
            assumptions: plan.assumptions.clone(),
            choices: choices.collect(),
            created_at: time(adjustment.created_at),
            updated_at: time(adjustment.updated_at),
            compared: report.census.compared.and(report.changes).into(),
        }
    }
}

impl From<&PlanCost> for CostDoc {
    fn from(cost: &PlanCost) -> Self {
        Self {
            cpu_seconds: cost.cpu_seconds,
            read_units: cost.read_units,
            write_units: cost.write_units,
            source_items: cost.source_items,
            ledger_rows: cost.ledger_rows,
            seconds: cost.seconds,
        }
    }
}

impl From<Comparisons> for Compared {
    fn from(compared: Comparisons) -> Self {
        let Comparisons { agreed, explained, unexplained, failed } = compared;
        Self { agreed, explained, unexplained, failed }
    }
}

impl From<&Census> for CensusDoc {
    fn from(census: &Census) -> Self {
        let examples = census.examples.iter().map(|one| Example {
            key_hash: format!("{:016x}", one.key_hash),
            outcome: one.outcome.name().to_owned(),
            group: one.group.as_ref().map(group_json),
            image: one.image.as_ref().map(group_json),
        });
        Self {
            complete: census.complete,
            rows: census.rows,
            rejudged: census.rejudged,
            not_remembered: census.not_remembered,
            examples: examples.collect(),
            compared: census.compared.into(),
        }
    }
}

impl From<&Progress> for ProgressDoc {
    fn from(progress: &Progress) -> Self {
        Self {
            visited: progress.visited,
            done: progress.done,
            paused: progress.paused,
            started_at: (progress.started_at > 0).then(|| time(progress.started_at)),
        }
    }
}

fn affected(partitions: &Partitions) -> Affected {
    match partitions {
        Partitions::None => Affected::Word("none".to_owned()),
        Partitions::All => Affected::Word("all".to_owned()),
        Partitions::Keys { attribute, values } => Affected::Keys {
            attribute: attribute.to_string(),
            values: values.iter().map(value_json).collect(),
        },
    }
}

/// The stored name of a relation.
#[must_use]
pub fn relation_name(relation: Relation) -> &'static str {
    Relation::ALL.iter().find(|(one, _)| *one == relation).map_or("unrelated", |(_, name)| name)
}

/// How much has to be looked at, in words.
#[must_use]
pub fn class_words(class: Class) -> &'static str {
    match class {
        Class::A0 => "the count is not affected",
        Class::A1 => "the definition follows by name, and the counts stand",
        Class::A2 => "arithmetic on the stored counts, and no row is read",
        Class::A3 => "arithmetic on the stored counts, with what rows from before the change have",
        Class::A4 => "the ledger is judged anew, and the source is not read",
        Class::A5 => "the source has to be read: what is asked for was never stored",
        Class::A6 => "a person has to say what the change means",
    }
}

/// What became of a plan, in words.
#[must_use]
pub fn outcome_words(outcome: PlanOutcome) -> &'static str {
    match outcome {
        PlanOutcome::NotAffected => "not affected",
        PlanOutcome::Promoted => "promoted",
        PlanOutcome::AwaitingApproval => "waits for you",
        PlanOutcome::Rejected => "rejected",
        PlanOutcome::Reverted => "taken back",
        PlanOutcome::Watching => "watching",
        PlanOutcome::Backfilling => "backfilling",
    }
}

/// Whether a plan goes on, or waits for a person.
#[must_use]
pub fn is_open(adjustment: &Adjustment) -> bool {
    matches!(
        adjustment.outcome,
        PlanOutcome::AwaitingApproval | PlanOutcome::Watching | PlanOutcome::Backfilling
    )
}
