//! `evercount plan approve` and `reject`: a person's word on a plan.

use anyhow::bail;
use evercount_core::adjustment::Class;
use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_local::stack::now;
use evercount_pipeline::adapt::{self, Decision};
use evercount_pipeline::ports::{CatalogStore, StoreError};
use evercount_pipeline::validate;

use super::view::{View, answer_with};
use super::{find, words};
use crate::answer::Answer;
use crate::args::adjust::{ApproveArgs, PlanArgs};
use crate::drive;
use crate::target::Opened;

/// What was said to a plan that is left.
const REFUSED: &str = "rejected";

/// Goes on with a plan that waits.
pub async fn approve(opened: &Opened, args: &ApproveArgs) -> anyhow::Result<Answer> {
    let adjustment = find::one(opened.stack.store(), &args.on.plan).await?;
    let plan = &adjustment.plan;
    if adjustment.outcome != PlanOutcome::AwaitingApproval {
        bail!("plan {} does not wait for anybody: it is {}", plan.id, words::outcome(adjustment.outcome));
    }
    let choices = plan.choices.len();
    let decision = match (args.choice, choices) {
        (None, 0) => Decision::Approve,
        (None, _) if plan.class == Class::A6 => bail!(
            "plan {} asks a question; give one of its answers with `--choice N`, as `evercount plan show {}` lists them",
            plan.id,
            plan.id
        ),
        (None, _) => Decision::Approve,
        (Some(number), 0) => bail!("plan {} asks no question, so leave `--choice {number}` out", plan.id),
        (Some(number), _) if number >= choices => {
            bail!("plan {} has no answer {number}; its answers are 0 to {}", plan.id, choices - 1)
        }
        (Some(number), _) => Decision::Choose(number),
    };
    let said = match decision {
        Decision::Choose(number) => {
            let answer = plan.choices.get(number).map_or_else(String::new, |choice| choice.answer.clone());
            format!("answered: {answer}")
        }
        _ => "approved".to_owned(),
    };
    let after = decided(opened, adjustment, decision, args.on.output.json).await?;
    told(opened, after, said).await
}

/// Leaves the logic as it is.
pub async fn reject(opened: &Opened, args: &PlanArgs) -> anyhow::Result<Answer> {
    let store = opened.stack.store();
    let adjustment = find::one(store, &args.plan).await?;
    let plan = &adjustment.plan;
    let after = match adjustment.outcome {
        PlanOutcome::AwaitingApproval => {
            decided(opened, adjustment, Decision::Reject, args.output.json).await?
        }
        PlanOutcome::Watching | PlanOutcome::Backfilling => {
            let versions = store.versions().await?;
            let version = adapt::version_of(&adjustment, &versions);
            let because = "a person said no";
            let verdict = Some(because.to_owned());
            let stored = Adjustment { verdict, ..adjustment.clone() };
            validate::reject(store, &stored, version, because, now()).await.map_err(lost_race)?
        }
        PlanOutcome::Promoted => bail!(
            "plan {} has been promoted; `evercount version rollback {}` takes that back",
            plan.id,
            plan.definition
        ),
        other => bail!("plan {} is {} already", plan.id, words::outcome(other)),
    };
    told(opened, after, REFUSED.to_owned()).await
}

async fn decided(
    opened: &Opened,
    adjustment: Adjustment,
    decision: Decision,
    quiet: bool,
) -> anyhow::Result<Adjustment> {
    let (store, source) = (opened.stack.store(), drive::source(opened));
    let options = drive::options(opened, &adjustment.plan.table, None).await;
    let id = adjustment.plan.id.clone();
    let adapted = adapt::decide(store, &source, adjustment, decision, options, now()).await;
    let adapted = adapted.map_err(lost_race)?.adjustments.pop();
    let after = match adapted {
        Some(after) => after,
        None => find::one(store, id.as_str()).await?,
    };
    drive::on(opened, after, options, quiet).await
}

/// Somebody else was faster.
pub fn lost_race(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Conflict => {
            anyhow::anyhow!("somebody else changed it just now; look at it again, and repeat the command")
        }
        StoreError::Rejected(why) => anyhow::anyhow!(why),
        other => other.into(),
    }
}

async fn told(opened: &Opened, after: Adjustment, said: String) -> anyhow::Result<Answer> {
    let done = vec![match after.outcome {
        PlanOutcome::Rejected if said == REFUSED => {
            format!("plan {} is rejected; version {} is read as before", after.plan.id, after.plan.from)
        }
        outcome => format!("plan {} was {said}, and is {} now", after.plan.id, words::outcome(outcome)),
    }];
    let view = View::of(opened, after, false).await?;
    Ok(answer_with(&view, &done))
}
