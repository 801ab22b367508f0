//! What a person may do about a plan, and the command for it.

use anstyle::Style;
use evercount_core::adoption::PlanOutcome;
use evercount_core::logic::LogicState;

use super::text::reads_source;
use super::view::View;
use crate::schema::text::{FAINT, STRONG, paint, plain, table};

/// What to do next: commands, each with what follows.
#[must_use]
pub fn lines(view: &View) -> Vec<String> {
    let (adjustment, plan) = (&view.adjustment, &view.adjustment.plan);
    let (id, name) = (&plan.id, &plan.definition);
    if !plan.choices.is_empty() && (view.is_simulated || adjustment.outcome == PlanOutcome::AwaitingApproval)
    {
        return question(view);
    }
    if view.is_simulated {
        return simulated(view);
    }
    let steps = match adjustment.outcome {
        PlanOutcome::NotAffected => Vec::new(),
        PlanOutcome::AwaitingApproval => {
            let draft = view.made.as_ref().is_none_or(|made| made.state == LogicState::Draft);
            let approved = match (draft, reads_source(adjustment)) {
                (true, true) => "reads the source, and lets the new version take over once that agrees",
                (true, false) => {
                    "counts the new version beside this one, and lets it take over once they agree"
                }
                (false, _) => "lets the new version take over",
            };
            vec![
                (format!("evercount plan approve {id}"), approved.to_owned()),
                (format!("evercount plan reject {id}"), "leaves the logic as it is".to_owned()),
            ]
        }
        PlanOutcome::Watching => watching(view),
        PlanOutcome::Backfilling => vec![
            (format!("evercount backfill status {name}"), "says how long it has to go".to_owned()),
            (format!("evercount backfill pause {name}"), "halts it, and `resume` lets it go on".to_owned()),
            (format!("evercount plan reject {id}"), "gives it up; the active version never moved".to_owned()),
        ],
        PlanOutcome::Promoted => promoted(view),
        PlanOutcome::Rejected => vec![
            (format!("evercount counts {name}"), "is as it was: the active version never moved".to_owned()),
            (format!("evercount audit {name}"), "says whether its counts are right".to_owned()),
        ],
        PlanOutcome::Reverted => vec![
            (format!("evercount counts {name}"), format!("is counted under version {} again", plan.from)),
            (format!("evercount audit {name}"), "says whether its counts are right".to_owned()),
        ],
    };
    if steps.is_empty() {
        return vec!["nothing".to_owned()];
    }
    commands(&steps)
}

fn commands(steps: &[(String, String)]) -> Vec<String> {
    let rows: Vec<(Style, Vec<String>)> = steps
        .iter()
        .map(|(command, follows)| (Style::new(), vec![command.clone(), follows.clone()]))
        .collect();
    table(&["", ""], &rows).into_iter().map(|line| line.trim_start().to_owned()).collect()
}

fn watching(view: &View) -> Vec<(String, String)> {
    let (adjustment, plan) = (&view.adjustment, &view.adjustment.plan);
    let mut steps = Vec::new();
    if let Some(to) = adjustment.to {
        let command = format!("evercount version promote {} {to}", plan.definition);
        steps.push((command, "lets it take over now, without more evidence".to_owned()));
    }
    let command = format!("evercount plan reject {}", plan.id);
    steps.push((command, "gives it up; the active version never moved".to_owned()));
    steps
}

fn promoted(view: &View) -> Vec<(String, String)> {
    let name = &view.adjustment.plan.definition;
    let mut steps = vec![(format!("evercount counts {name}"), "shows the counts".to_owned())];
    let standbys = view.versions.iter().filter(|one| one.state == LogicState::Standby);
    let stands_by = standbys.max_by_key(|one| one.id.number);
    let is_active = view.made.as_ref().is_some_and(|made| made.state == LogicState::Active);
    if let (Some(standby), true) = (stands_by, is_active) {
        let follows = format!("takes it back: version {} is active again", standby.id.number);
        steps.push((format!("evercount version rollback {name}"), follows));
    }
    steps
}

fn simulated(view: &View) -> Vec<String> {
    let adjustment = &view.adjustment;
    let follows = match adjustment.outcome {
        PlanOutcome::NotAffected => "the definition would stay as it is",
        PlanOutcome::AwaitingApproval => "the plan would wait for a person",
        PlanOutcome::Watching => {
            "the new version would be counted beside this one at once, and take over once they agree"
        }
        _ => "the new version would be filled, and take over once that agrees",
    };
    vec![format!("nothing was changed; under the policy `{}`, {follows}", adjustment.policy.name())]
}

/// An open question: the answers, each with what follows and the command.
fn question(view: &View) -> Vec<String> {
    let plan = &view.adjustment.plan;
    let mut lines = Vec::new();
    for (number, choice) in plan.choices.iter().enumerate() {
        let meanwhile = if number == 0 { " (what the counts do meanwhile)" } else { "" };
        lines.push(format!("{number}  {}{}", paint(STRONG, plain(&choice.answer)), paint(FAINT, meanwhile)));
        lines.push(format!("   {}", plain(&choice.consequence)));
        if !view.is_simulated {
            lines.push(format!("   evercount plan approve {} --choice {number}", plan.id));
        }
    }
    if view.is_simulated {
        lines.push("nothing was changed; the plan would wait for one of these answers".to_owned());
    } else {
        lines.push(format!("`evercount plan reject {}` leaves the logic as it is", plan.id));
    }
    lines
}
