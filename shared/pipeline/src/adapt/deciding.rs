//! What a person says to a plan that waits, and what follows.

use evercount_core::adjustment::{self, Certificate, Class, Start};
use evercount_core::adoption::{Adjustment, PlanOutcome, PlanPolicy, Progress};
use evercount_core::logic::LogicState;
use evercount_core::order::Micros;
use evercount_core::verdict::ShadowReport;

use super::planning::is_told_overtaken;
use super::{
    AdaptOptions, Adapted, advance, can_be_filled, cannot_be_filled, entry, fills_from_source, touched,
    version_of,
};
use crate::define::next_number;
use crate::ports::{CatalogEdit, SourceTable, Store, StoreError};
use crate::validate;

/// Records that a person approves or refuses what waits for it, and goes on.
///
/// # Errors
/// [`StoreError::Rejected`] where it does not wait; else whatever the stores answer.
pub async fn decide<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    adjustment: Adjustment,
    decision: Decision,
    options: AdaptOptions,
    now: Micros,
) -> Result<Adapted, StoreError> {
    let versions = store.versions().await?;
    let version = version_of(&adjustment, &versions).cloned();
    let waits = adjustment.outcome == PlanOutcome::AwaitingApproval;
    if !waits {
        return Err(StoreError::Rejected(format!(
            "plan {} does not wait for a decision: it is `{}`",
            adjustment.plan.id,
            adjustment.outcome.name()
        )));
    }
    match decision {
        Decision::Reject => {
            let because = "a person said no";
            let refused = Adjustment { verdict: Some(because.to_owned()), ..adjustment };
            let after = validate::reject(store, &refused, version.as_ref(), because, now).await?;
            Ok(Adapted { adjustments: vec![after], ..Adapted::default() })
        }
        Decision::Choose(number) => {
            let Some(choice) = adjustment.plan.choices.get(number).cloned() else {
                return Err(StoreError::Rejected(format!(
                    "plan {} has {} answers, numbered from 0",
                    adjustment.plan.id,
                    adjustment.plan.choices.len()
                )));
            };
            choose(store, source, adjustment, choice, options, now).await
        }
        Decision::Approve => {
            if fills_from_source(&adjustment) && !can_be_filled(options) {
                return Err(StoreError::Rejected(format!(
                    "plan {} needs the source to be read, and {}",
                    adjustment.plan.id,
                    cannot_be_filled(options)
                )));
            }
            if let Some(because) = is_told_overtaken(&adjustment).map(str::to_owned) {
                let after = validate::reject(store, &adjustment, version.as_ref(), &because, now).await?;
                return Ok(Adapted { adjustments: vec![after], ..Adapted::default() });
            }
            let mut after = touched(&adjustment, now);
            after.policy = PlanPolicy::Auto;
            let draft = version.as_ref().is_some_and(|one| one.state == LogicState::Draft);
            after.outcome = if draft { PlanOutcome::Backfilling } else { PlanOutcome::Watching };
            let edit = CatalogEdit {
                adjustments: vec![(Some(adjustment.clone()), after.clone())],
                trail: vec![entry(&after, "approved", "A person approved the plan.".to_owned(), now)],
                ..CatalogEdit::default()
            };
            store.edit_catalog(&edit).await?;
            Box::pin(advance(store, source, after, options, now)).await
        }
    }
}

/// What a person says to a plan that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Go on with it.
    Approve,
    /// Leave the logic as it is.
    Reject,
    /// The answer of this number, from 0.
    Choose(usize),
}

/// Follows an answer to an open question: a plan of its own, on the version that was asked about.
async fn choose<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    asked: Adjustment,
    choice: adjustment::Choice,
    options: AdaptOptions,
    now: Micros,
) -> Result<Adapted, StoreError> {
    let versions = store.versions().await?;
    let parent = versions
        .iter()
        .find(|one| one.id.definition == asked.plan.definition && one.id.number == asked.plan.from)
        .filter(|one| one.state.is_live());
    let Some(parent) = parent else {
        return Err(StoreError::Rejected(format!(
            "version {} that the question was about is no longer counted; plan the change anew",
            asked.plan.from
        )));
    };
    let mut after = touched(&asked, now);
    after.verdict = Some(format!("a person answered: {}", choice.answer));
    let Some(update) = choice.update else {
        after.outcome = PlanOutcome::NotAffected;
        let mut edit = CatalogEdit {
            adjustments: vec![(Some(asked.clone()), after.clone())],
            trail: vec![entry(&after, "approved", choice.consequence, now)],
            ..CatalogEdit::default()
        };
        validate::no_longer_waits(store, &mut edit, &asked.plan.id).await?;
        store.edit_catalog(&edit).await?;
        return Ok(Adapted { adjustments: vec![after], ..Adapted::default() });
    };
    let number = next_number(&versions, &asked.plan.definition);
    let version = adjustment::version_of(&asked.plan, &update, parent, number, now);
    // The plan is that of the answer from here on.
    (after.plan.class, after.plan.certificate) = match &update.start {
        Start::Image(transform) => (Class::A1, Certificate::Exact(transform.clone())),
        Start::Ledger => (Class::A4, Certificate::Undecided),
        Start::Source => (Class::A5, Certificate::Undecided),
    };
    after.plan.relation = version.relation;
    after.plan.sentence.clone_from(&choice.consequence);
    after.plan.update = Some(update);
    after.policy = PlanPolicy::Auto;
    after.outcome = PlanOutcome::Watching;
    after.to = Some(number);
    after.progress = Progress::default();
    after.report = ShadowReport::default();
    let edit = CatalogEdit {
        create: vec![version],
        adjustments: vec![(Some(asked.clone()), after.clone())],
        trail: vec![entry(&after, "approved", choice.consequence, now)],
        ..CatalogEdit::default()
    };
    store.edit_catalog(&edit).await?;
    Box::pin(advance(store, source, after, options, now)).await
}
