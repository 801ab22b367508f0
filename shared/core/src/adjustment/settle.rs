//! Settling a draft: its class for the facts at hand, and the proof.

use super::cost::{affected, backfill, census};
use super::draft::{Answers, Draft, Reread};
use super::rows::Rows;
use super::shape::{self, show};
use super::witness::Trial;
use super::{
    AdjustmentPlan, Cause, Certificate, Class, Facts, LogicUpdate, MinimumEvidence, Partitions, PlanCost,
    SHADOW_CHANGES_MIN, Start, columns, condition, form,
};
use crate::logic::{Base, Coverage, LogicState, LogicVersion, PlanId, Relation};
use crate::migration::{Action, STEPS_MAX};
use crate::order::{Micros, OrderVersion};
use crate::path::Path;
use crate::transform::Transform;

/// A draft with everything decided.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Settled {
    pub class: Class,
    pub update: Option<LogicUpdate>,
    pub certificate: Certificate,
    pub relation: Relation,
    pub affected: Partitions,
    pub estimate: PlanCost,
    pub minimum: MinimumEvidence,
    pub sentence: String,
    pub assumptions: Vec<String>,
}

/// How a count goes on.
enum Course {
    /// As it is.
    Same,
    /// From the image of its stored counts.
    Image(Transform, Relation),
    /// From rows.
    Rows(Reread),
}

/// Decides a draft.
pub(super) fn settle(mut draft: Draft, cause: &Cause, logic: &LogicVersion, facts: &Facts) -> Settled {
    match course(&mut draft, cause, logic, facts) {
        Course::Same => unchanged(draft, logic),
        Course::Image(transform, relation) => derived(draft, facts, transform, relation),
        Course::Rows(reread) => from_rows(draft, &reread, cause, logic, facts),
    }
}

/// What would follow, as an answer shows it: in a sentence, and with the update. What proves it is
/// found when it is asked for.
pub(super) fn outline(
    mut draft: Draft,
    cause: &Cause,
    logic: &LogicVersion,
    facts: &Facts,
) -> (String, Option<LogicUpdate>) {
    match course(&mut draft, cause, logic, facts) {
        Course::Same => (sentence(&draft, unread(draft.class)), None),
        Course::Image(transform, _) => {
            (sentence(&draft, unread(draft.class)), Some(update(&draft, Start::Image(transform))))
        }
        Course::Rows(reread) => {
            let reading = reading(&draft, &reread, facts);
            (reading.sentence, Some(reading.update))
        }
    }
}

fn position_of(cause: &Cause) -> Option<&OrderVersion> {
    match cause {
        Cause::Schema { position, .. } => position.as_ref(),
        Cause::Redefinition { .. } => None,
    }
}

fn course(draft: &mut Draft, cause: &Cause, logic: &LogicVersion, facts: &Facts) -> Course {
    let position = position_of(cause);
    if !draft.changed {
        return Course::Same;
    }
    draft.forget_idle_steps();
    if draft.earlier_steps.len() + draft.steps.len() > STEPS_MAX {
        draft.earlier_steps.clear();
        draft.needs_rows(false, false, "rows would go through too many steps to the latest shape");
    }
    expect_registers(draft, logic);
    if let Some(transform) = derivable(draft, logic, facts) {
        let (is_exact, relation) = if form::only_renames(draft, logic, position, &transform) {
            (true, draft.relation)
        } else {
            prove(draft, logic, &facts.not_null, position, &transform)
        };
        // Records of a renamed table's new name are another matter than their shape.
        let is_moved = draft.definition.table != logic.definition.table;
        let needs_none_seen =
            matches!(cause, Cause::Schema { .. }) && (is_moved || relation != Relation::Mapped);
        if !is_exact {
            draft.assume("the transform that the rules give is not exact for every row, so it is not used");
            draft.needs_rows(true, true, "stored counts do not tell");
        } else if needs_none_seen && !facts.has_ledger && facts.new_shape_seen != Some(false) {
            let why = match facts.new_shape_seen {
                Some(_) => {
                    "rows of the new shape were counted before, and without a ledger they cannot be judged anew"
                }
                None => {
                    "rows of the new shape may have been counted before, and without a ledger they cannot be judged anew"
                }
            };
            draft.needs_rows(false, false, why);
        } else {
            return Course::Image(transform, relation);
        }
    }
    draft.reread.clone().map_or(Course::Same, Course::Rows)
}

/// The registers of a distinct count that is no longer asked for stay behind in the parent's
/// image. Cells differ by them; items do not.
fn expect_registers(draft: &mut Draft, logic: &LogicVersion) {
    if logic.definition.distinct.is_none() || draft.definition.distinct.is_some() {
        return;
    }
    draft.relation = match draft.relation {
        Relation::Mapped => Relation::AtMost,
        Relation::MappedWhileEarlier => Relation::Unrelated,
        other => other,
    };
}

/// What can be expected of cells that start so.
fn expected(relation: Relation, start: &Start) -> Relation {
    match (start, relation) {
        // Counts that start from nothing are no image of the parent's.
        (Start::Ledger | Start::Source, Relation::Mapped | Relation::MappedWhileEarlier) => {
            Relation::Unrelated
        }
        (_, relation) => relation,
    }
}

/// What happens to a count whose logic stays.
fn unchanged(draft: Draft, logic: &LogicVersion) -> Settled {
    let certificate = match (draft.class, draft.transform(&logic.definition)) {
        (Class::A0, _) => Certificate::Untouched,
        (Class::A6, _) | (_, None) => Certificate::Undecided,
        (_, Some(transform)) => Certificate::Exact(transform),
    };
    let sentence = sentence(&draft, unread(draft.class));
    Settled {
        class: draft.class,
        update: None,
        certificate,
        relation: Relation::Mapped,
        affected: Partitions::None,
        estimate: PlanCost::default(),
        minimum: MinimumEvidence { census: false, changes: 0 },
        sentence,
        assumptions: draft.assumptions,
    }
}

/// The transform of a draft that needs no rows; notes why where there is none.
fn derivable(draft: &mut Draft, logic: &LogicVersion, facts: &Facts) -> Option<Transform> {
    if draft.reread.is_some() {
        return None;
    }
    let Some(transform) = draft.transform(&logic.definition) else {
        draft.needs_rows(true, true, "the truth of a test was not counted by");
        return None;
    };
    // An emptied table's overflow is empty, too.
    if facts.overflowed && transform.keep.as_ref().is_some_and(|keep| *keep != condition::never()) {
        draft.needs_rows(
            true,
            false,
            "groups beyond the cap were counted together, and not all of them go on",
        );
        return None;
    }
    Some(transform)
}

/// Whether a transform is exact for every row, and how each stands to the parent's.
fn prove(
    draft: &Draft,
    logic: &LogicVersion,
    not_null: &[Path],
    position: Option<&OrderVersion>,
    transform: &Transform,
) -> (bool, Relation) {
    let rows = Rows::of(&logic.definition, draft, not_null);
    let next =
        version(&update(draft, Start::Image(transform.clone())), logic, Relation::Unrelated, None, 0, 0);
    let trial = trial(draft, logic, &next, &rows, position);
    if columns::bear_out(&trial, transform, draft.relation) {
        (true, draft.relation)
    } else {
        try_out(&trial, transform, draft.relation)
    }
}

/// The same, as far as rows that are tried tell.
pub(super) fn try_out(trial: &Trial<'_>, transform: &Transform, expected: Relation) -> (bool, Relation) {
    // What an emptied table held before is gone, and not changed.
    let is_emptied = transform.keep.as_ref() == Some(&condition::never());
    let is_exact = is_emptied || trial.is_exact(transform);
    let is_known_of_earlier = is_exact && !is_emptied && trial.tells_of_earlier_rows();
    (is_exact, trial.relation(expected, is_known_of_earlier))
}

pub(super) fn trial<'a>(
    draft: &'a Draft,
    parent: &'a LogicVersion,
    next: &'a LogicVersion,
    rows: &'a Rows<'a>,
    position: Option<&'a OrderVersion>,
) -> Trial<'a> {
    let steps_before = draft.earlier_steps.len();
    Trial { parent, next, change: &draft.change, position, rows, steps_before }
}

pub(super) fn update(draft: &Draft, start: Start) -> LogicUpdate {
    LogicUpdate {
        definition: draft.definition.clone(),
        migration: draft.earlier_steps.iter().chain(&draft.steps).cloned().collect(),
        start,
        earlier_tables: draft.earlier_tables.clone(),
        suspended: draft.suspended.clone(),
    }
}

fn derived(draft: Draft, facts: &Facts, transform: Transform, relation: Relation) -> Settled {
    let mut assumptions = draft.assumptions.clone();
    let estimate = if facts.has_ledger { census(facts, &mut assumptions) } else { PlanCost::default() };
    let certificate =
        if draft.class == Class::A6 { Certificate::Undecided } else { Certificate::Exact(transform.clone()) };
    Settled {
        class: draft.class.max(Class::A1),
        update: Some(update(&draft, Start::Image(transform))),
        certificate,
        relation,
        affected: Partitions::None,
        estimate,
        minimum: minimum(facts),
        sentence: sentence(&draft, unread(draft.class)),
        assumptions,
    }
}

fn minimum(facts: &Facts) -> MinimumEvidence {
    if facts.has_ledger {
        MinimumEvidence { census: true, changes: 0 }
    } else {
        MinimumEvidence { census: false, changes: SHADOW_CHANGES_MIN }
    }
}

/// Where rows are read, and what it takes.
struct Reading {
    class: Class,
    update: LogicUpdate,
    affected: Partitions,
    estimate: PlanCost,
    sentence: String,
    /// What is assumed of it.
    assumptions: Vec<String>,
}

/// What is left where stored counts do not do: the ledger, or the source.
fn reading(draft: &Draft, reread: &Reread, facts: &Facts) -> Reading {
    let forgotten = forgotten(draft, facts);
    let from_ledger = facts.has_ledger && reread.ledger && forgotten.is_none();
    let start = if from_ledger { Start::Ledger } else { Start::Source };
    let affected = affected(&draft.definition, facts);
    let mut assumptions = Vec::new();
    let (class, estimate, tail) = if from_ledger {
        let estimate = census(facts, &mut assumptions);
        let rows =
            facts.ledger_rows.map_or_else(|| "every row".to_owned(), |rows| format!("each of {rows} rows"));
        let write_units = estimate.ledger_rows as f64 * facts.rates.write_units_a_row;
        let tail = format!("; {rows} of the ledger is judged anew, and the source is not read");
        (Class::A4, PlanCost { write_units, ..estimate }, tail)
    } else {
        if !facts.source_is_readable {
            assumptions.push(
                "the source cannot be read back, so rows that do not change again stay uncounted".to_owned(),
            );
        }
        let estimate = backfill(facts, &affected, &mut assumptions);
        let column = match &forgotten {
            Some(column) if facts.has_ledger && reread.ledger => {
                format!("; not every row of the ledger remembers `{column}`")
            }
            _ => String::new(),
        };
        let what = match &affected {
            Partitions::Keys { attribute, values } => {
                let values: Vec<String> = values.iter().map(show).collect();
                format!("items of the source with `{attribute}` {} are read", values.join(", "))
            }
            _ => "the source is read".to_owned(),
        };
        (Class::A5, estimate, format!("{column}; {what}"))
    };
    let sentence = sentence(draft, &format!(": {}{tail}", reread.why));
    Reading { class, update: update(draft, start), affected, estimate, sentence, assumptions }
}

/// A reading with its proof.
fn from_rows(
    mut draft: Draft,
    reread: &Reread,
    cause: &Cause,
    logic: &LogicVersion,
    facts: &Facts,
) -> Settled {
    let reading = reading(&draft, reread, facts);
    let next = version(&reading.update, logic, Relation::Unrelated, None, 0, 0);
    let rows = Rows::of(&logic.definition, &draft, &facts.not_null);
    let trial = trial(&draft, logic, &next, &rows, position_of(cause));
    let certificate = if reread.provable { trial.witness() } else { None };
    let relation = trial.relation(expected(draft.relation, &reading.update.start), false);
    if certificate.is_none() {
        draft.assume(if reread.provable {
            "no two tables were found that prove it, so it is taken for granted that stored counts do not do"
        } else {
            "what the change makes of each row is not known, so nothing is proved"
        });
    }
    Settled {
        class: reading.class,
        certificate: certificate.unwrap_or(Certificate::Undecided),
        update: Some(reading.update),
        relation,
        affected: reading.affected,
        estimate: reading.estimate,
        minimum: minimum(facts),
        sentence: reading.sentence,
        assumptions: draft.assumptions.into_iter().chain(reading.assumptions).collect(),
    }
}

/// A column that the new logic needs and that not every ledger row remembers.
fn forgotten(draft: &Draft, facts: &Facts) -> Option<String> {
    let made = |path: &Path| {
        draft.change.iter().any(|action| match action {
            Action::Default { path: new, .. } => is_in(path, new),
            _ => false,
        })
    };
    let read = draft.definition.paths().filter(|path| !made(path)).map(|path| draft.name_before(path));
    read.map(|path| path.column_name().to_owned()).find(|column| !facts.remembered.contains(column))
}

fn is_in(path: &Path, parent: &Path) -> bool {
    super::paths::segments(path).starts_with(&super::paths::segments(parent))
}

/// How a sentence ends where nothing is read.
fn unread(class: Class) -> &'static str {
    match class {
        Class::A0 => "",
        Class::A6 => "; no row is read meanwhile",
        _ => ", and no row is read",
    }
}

/// What happened and what it takes, as one sentence.
fn sentence(draft: &Draft, tail: &str) -> String {
    let mut text = draft.notes.join("; ");
    if text.is_empty() {
        text.push_str("nothing changed");
    }
    text.push_str(tail);
    text.push('.');
    text
}

/// The version that an update makes.
pub(super) fn version(
    update: &LogicUpdate,
    parent: &LogicVersion,
    relation: Relation,
    plan: Option<PlanId>,
    number: u32,
    now: Micros,
) -> LogicVersion {
    let (base, coverage) = match &update.start {
        Start::Image(transform) => {
            (Base::Derived { parent: parent.id.number, transform: transform.clone() }, parent.coverage)
        }
        Start::Ledger | Start::Source => (Base::Own, Coverage::Since(now)),
    };
    LogicVersion {
        base,
        migration: update.migration.clone(),
        relation,
        parent: Some(parent.id.number),
        plan,
        earlier_tables: update.earlier_tables.clone(),
        suspended: update.suspended.clone(),
        ..LogicVersion::new(number, update.definition.clone(), LogicState::Draft, coverage, now)
    }
}

/// How rows stand to the parent's under one of a plan's updates: an answer's is not the plan's.
pub(super) fn relation_of(plan: &AdjustmentPlan, update: &LogicUpdate, parent: &LogicVersion) -> Relation {
    let Cause::Schema { changes, position, .. } = &plan.cause else { return plan.relation };
    if plan.update.as_ref() == Some(update) {
        return plan.relation;
    }
    let drafts = Answers::all().map(|answers| shape::draft(changes, position.as_ref(), parent, answers));
    for mut draft in drafts {
        draft.forget_idle_steps();
        expect_registers(&mut draft, parent);
        if self::update(&draft, update.start.clone()) == *update {
            let rows = Rows::of(&parent.definition, &draft, &[]);
            let next = version(update, parent, Relation::Unrelated, None, 0, 0);
            let expected = expected(draft.relation, &update.start);
            return trial(&draft, parent, &next, &rows, position.as_ref()).relation(expected, false);
        }
    }
    Relation::Unrelated
}

#[cfg(test)]
mod tests;
