//! Planning anew: the table changes again while a plan waits for a person.

use xxhash_rust::xxh3::xxh3_64;

use super::{AdjustmentPlan, Cause, Certificate, Class, Facts, LogicUpdate, MinimumEvidence, Start, cost};
use crate::logic::{LogicVersion, PlanId, Relation};

/// What a plan that waits comes to after another change of the table. `followed` is what that change
/// asks of the version the plan would have made, and `parent` what is counted meanwhile: nobody read
/// the source for the plan yet, so its version starts from the source, in the shape the table has now.
///
/// `None` where what the change makes of the version is not certain, or where it makes none.
#[must_use]
pub fn anew(
    waiting: &AdjustmentPlan,
    followed: AdjustmentPlan,
    parent: &LogicVersion,
    facts: &Facts,
) -> Option<AdjustmentPlan> {
    if followed.class == Class::A6 {
        return None;
    }
    let update = LogicUpdate { start: Start::Source, ..followed.update? };
    let event = match &followed.cause {
        Cause::Schema { event, .. } => event.clone(),
        Cause::Redefinition { at, .. } => at.to_string(),
    };
    let id = format!("anew\0{}\0{event}\0{}", waiting.id, parent.id);
    let affected = cost::affected(&update.definition, facts);
    let mut assumptions =
        vec!["the table changed again since this was planned first, so nothing is proved of both".to_owned()];
    let estimate = cost::backfill(facts, &affected, &mut assumptions);
    Some(AdjustmentPlan {
        id: PlanId::new(format!("{:016x}", xxh3_64(id.as_bytes()))),
        from: parent.id.number,
        class: Class::A5,
        update: Some(update),
        certificate: Certificate::Undecided,
        affected,
        estimate,
        relation: Relation::Unrelated,
        minimum: MinimumEvidence { census: facts.has_ledger, changes: 0 },
        sentence: format!("{} Since then: {}", waiting.sentence, followed.sentence),
        assumptions,
        choices: Vec::new(),
        ..waiting.clone()
    })
}
