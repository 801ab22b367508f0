//! The plan: what a cause asks of a count, with its class, its proof and its price.

use xxhash_rust::xxh3::xxh3_64;

use super::draft::{Answers, Asked, LostAnswer, OrderAnswer, RenameAnswer};
use super::settle::{outline, relation_of, settle, version};
use super::{AdjustmentPlan, Cause, Certificate, Choice, Class, Facts, LogicUpdate, redefinition, shape};
use crate::logic::{LogicVersion, PlanId};
use crate::order::Micros;

/// What a cause asks of the count that a logic version is of. A fact that is not known is assumed
/// to be the worse one, so more facts never make a plan dearer.
#[must_use]
pub fn plan(cause: &Cause, logic: &LogicVersion, facts: &Facts) -> AdjustmentPlan {
    let draft = |answers| match cause {
        Cause::Schema { changes, position, .. } => shape::draft(changes, position.as_ref(), logic, answers),
        Cause::Redefinition { definition, .. } => redefinition::draft(definition, logic, facts),
    };
    let first = draft(Answers::default());
    let asked = first.asked;
    let meanwhile = settle(first, cause, logic, facts);
    // What counts do meanwhile is the first answer.
    let follows = |answers| match answers == Answers::default() {
        true => (meanwhile.sentence.clone(), meanwhile.update.clone()),
        false => outline(draft(answers), cause, logic, facts),
    };
    let choices =
        if asked.any() { choices(asked, &|answers| draft(answers).asked, &follows) } else { Vec::new() };
    let (class, certificate) = if asked.any() {
        (Class::A6, Certificate::Undecided)
    } else {
        (meanwhile.class, meanwhile.certificate)
    };
    AdjustmentPlan {
        id: id(cause, logic),
        definition: logic.definition.name.clone(),
        table: logic.definition.table.clone(),
        from: logic.id.number,
        cause: cause.clone(),
        class,
        update: meanwhile.update,
        certificate,
        affected: meanwhile.affected,
        estimate: meanwhile.estimate,
        relation: meanwhile.relation,
        minimum: meanwhile.minimum,
        sentence: meanwhile.sentence,
        assumptions: meanwhile.assumptions,
        choices,
    }
}

/// The answers that a person may give; the first is what the counts do meanwhile.
fn choices(
    asked: Asked,
    asks: &impl Fn(Answers) -> Asked,
    follows: &impl Fn(Answers) -> (String, Option<LogicUpdate>),
) -> Vec<Choice> {
    use {LostAnswer as L, OrderAnswer as O, RenameAnswer as R};
    let renames = if asked.rename { &[R::Open, R::Rename, R::Apart][..] } else { &[R::Open] };
    let mut choices = Vec::new();
    for rename in renames {
        let open = asks(Answers { rename: *rename, ..Answers::default() });
        let losts = if open.lost { &[L::Freeze, L::Remove][..] } else { &[L::Freeze] };
        let orders = if open.order { &[O::AsNumber, O::AsText][..] } else { &[O::AsNumber] };
        for lost in losts {
            for order in orders {
                let words = [
                    asked.rename.then_some(match rename {
                        R::Open => "read both names until it is known",
                        R::Rename => "it is a rename",
                        R::Apart => "it is a drop and an addition",
                    }),
                    open.lost.then_some(match lost {
                        L::Freeze => "freeze what the dropped column decided",
                        L::Remove => "remove what reads the dropped column",
                    }),
                    open.order.then_some(match order {
                        O::AsNumber => "go on comparing numbers",
                        O::AsText => "compare texts",
                    }),
                ];
                let answers = Answers { rename: *rename, lost: *lost, order: *order };
                let (consequence, update) = follows(answers);
                let answer = words.into_iter().flatten().collect::<Vec<_>>().join(", and ");
                choices.push(Choice { answer, consequence, update });
            }
        }
    }
    choices
}

/// The same cause, planned again for the same version, is the same plan.
fn id(cause: &Cause, logic: &LogicVersion) -> PlanId {
    let of = match cause {
        Cause::Schema { event, .. } => format!("schema\0{event}"),
        // Who asks again for what was refused once has another plan.
        Cause::Redefinition { definition, at } => format!("redefinition\0{at}\0{definition:?}"),
    };
    let text = format!("{}\0{}\0{of}", logic.id, logic.definition.table);
    PlanId::new(format!("{:016x}", xxh3_64(text.as_bytes())))
}

/// The version that a plan's update (or that of one of its answers) makes of its parent: a draft,
/// which nothing is counted under until it is started.
#[must_use]
pub fn version_of(
    plan: &AdjustmentPlan,
    update: &LogicUpdate,
    parent: &LogicVersion,
    number: u32,
    now: Micros,
) -> LogicVersion {
    version(update, parent, relation_of(plan, update, parent), Some(plan.id.clone()), number, now)
}

#[cfg(test)]
mod tests;
