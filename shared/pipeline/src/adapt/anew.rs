//! What becomes of plans that wait for a person when the table changes without them.

use evercount_core::adjustment::{self, Cause, Class};
use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::logic::{LogicState, LogicVersion, PlanId};
use evercount_core::migration::Step;
use evercount_core::order::Micros;

use super::planning::{OVERTAKEN, facts, knowing};
use super::{AdaptOptions, entry, touched, version_of};
use crate::define::next_number;
use crate::ports::{CatalogEdit, SourceTable, Store, StoreError};

/// Adds to the edit that stores the plan for a schema change what the change makes of plans that wait:
/// each is planned anew on the version that follows the change, and where that is not certain it says
/// so. Who approves one at this moment conflicts. `earlier` are the steps that a plan made now has to
/// know: while one waited, the table may have changed in what it did not read then.
#[expect(clippy::too_many_arguments, reason = "what a plan is made of, each once")]
pub(super) async fn plan_anew<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    cause: &Cause,
    (known, versions): (&[Adjustment], &[LogicVersion]),
    earlier: &[Step],
    edit: &mut CatalogEdit,
    options: AdaptOptions,
    now: Micros,
) -> Result<(), StoreError> {
    for waiting in known.iter().filter(|one| one.outcome == PlanOutcome::AwaitingApproval) {
        let Some(draft) = version_of(waiting, versions).filter(|one| one.state == LogicState::Draft) else {
            continue;
        };
        let facts = facts(store, source, draft, options).await?;
        let followed = adjustment::plan(cause, draft, &facts);
        let mut after = touched(waiting, now);
        if followed.class == Class::A0 {
            edit.adjustments.push((Some(waiting.clone()), after));
            continue;
        }
        let why = format!("{OVERTAKEN}the table changed since, and this plan knows nothing of it");
        let sentence = followed.sentence.clone();
        let Some(parent) = next_head(edit) else { continue };
        let Some(plan) = adjustment::anew(&waiting.plan, followed, &parent, &facts) else {
            after.verdict = Some(format!("{why} ({sentence}); plan anew"));
            edit.adjustments.push((Some(waiting.clone()), after));
            continue;
        };
        let plan = knowing(plan, earlier);
        let all: Vec<LogicVersion> = versions.iter().chain(&edit.create).cloned().collect();
        let number = next_number(&all, &plan.definition);
        let version = plan.update.as_ref().map(|update| LogicVersion {
            waits_for: parent.waits_for.clone(),
            ..adjustment::version_of(&plan, update, &parent, number, now)
        });
        let summary = plan.sentence.clone();
        let planned = Adjustment {
            to: Some(number),
            ..Adjustment::new(plan, waiting.policy, PlanOutcome::AwaitingApproval, now)
        };
        after.outcome = PlanOutcome::Rejected;
        after.verdict = Some(format!("{why}; planned anew as {}", planned.plan.id));
        edit.trail.push(entry(&after, "rejected", format!("Planned anew as {}.", planned.plan.id), now));
        edit.trail.push(entry(&planned, "planned", summary, now));
        edit.change.push((draft.clone(), draft.entering(LogicState::Rejected, now)));
        edit.create.extend(version);
        wait_for(edit, versions, &waiting.plan.id, &planned.plan.id);
        edit.adjustments.push((Some(waiting.clone()), after));
        edit.adjustments.push((None, planned));
    }
    Ok(())
}

/// The version that is counted once the edit is done: the one that the change's own plan makes, unless
/// that waits, too, and else the one it was planned on.
fn next_head(edit: &CatalogEdit) -> Option<LogicVersion> {
    let (_, own) = edit.adjustments.iter().find(|(from, _)| from.is_none())?;
    let made = edit.create.iter().find(|one| Some(one.id.number) == own.to);
    let made = made.filter(|_| own.outcome != PlanOutcome::AwaitingApproval || own.plan.class == Class::A6);
    made.or(edit.change.first().map(|(_, planned_on)| planned_on)).cloned()
}

/// Whatever waited for one plan waits for another.
fn wait_for(edit: &mut CatalogEdit, versions: &[LogicVersion], from: &PlanId, to: &PlanId) {
    let waits = |one: &LogicVersion| one.waits_for.as_ref() == Some(from);
    let edited = edit.create.iter_mut().chain(edit.change.iter_mut().map(|(_, after)| after));
    for one in edited.filter(|one| waits(one)) {
        one.waits_for = Some(to.clone());
    }
    for one in versions.iter().filter(|one| waits(one)) {
        if edit.change.iter().all(|(from, _)| from.id != one.id) {
            edit.change.push((one.clone(), LogicVersion { waits_for: Some(to.clone()), ..one.clone() }));
        }
    }
}
