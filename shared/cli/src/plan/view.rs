//! `evercount plan show`: everything that is known of a plan, brought together.

use evercount_core::adoption::Adjustment;
use evercount_core::logic::LogicVersion;
use evercount_pipeline::ports::CatalogStore;
use evercount_pipeline::{adapt, read};
use evercount_view::Moves;
use evercount_wire::group::group_json;
use serde_json::{Value, json};

use super::{certificate, find, text};
use crate::answer::Answer;
use crate::args::adjust::PlanArgs;
use crate::show;
use crate::target::Opened;

/// A plan with what is needed to tell of it.
#[derive(Clone, Debug)]
pub struct View {
    /// The plan and what became of it.
    pub adjustment: Adjustment,
    /// The version it was planned on, while it is kept.
    pub parent: Option<LogicVersion>,
    /// The version it made.
    pub made: Option<LogicVersion>,
    /// Every version of the count.
    pub versions: Vec<LogicVersion>,
    /// Where the groups that are stored now go, where there is a transform and they are still
    /// counted.
    pub moves: Option<Moves>,
    /// Whether nothing of it is stored.
    pub is_simulated: bool,
}

impl View {
    /// Brings together what is known of a plan.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn of(opened: &Opened, adjustment: Adjustment, is_simulated: bool) -> anyhow::Result<Self> {
        let store = opened.stack.store();
        let mut versions = store.versions().await?;
        versions.retain(|one| one.id.definition == adjustment.plan.definition);
        let parent = versions.iter().find(|one| one.id.number == adjustment.plan.from).cloned();
        let made = if is_simulated { None } else { adapt::version_of(&adjustment, &versions).cloned() };
        let mut moves = None;
        if let Some(parent) = parent.as_ref().filter(|parent| parent.state.is_live())
            && let (Some(transform), Some(update)) =
                (certificate::transform(&adjustment.plan), &adjustment.plan.update)
        {
            let stored = read::whole(store, parent).await?;
            moves = Some(evercount_view::moves(transform, &stored, &parent.definition, &update.definition));
        }
        Ok(Self { adjustment, parent, made, versions, moves, is_simulated })
    }

    /// The plan for programs: [`show::adjustment_json`] with the stored groups and where they go.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut document = show::adjustment_json(&self.adjustment);
        if let Some(moves) = &self.moves {
            let groups: Vec<Value> = moves
                .iter()
                .map(|((was, becomes), n)| {
                    json!({"was": group_json(was), "becomes": becomes.as_ref().map(group_json), "n": n})
                })
                .collect();
            show::extend(&mut document, json!({"groups": groups}));
        }
        if self.is_simulated {
            show::extend(&mut document, json!({"simulated": true}));
        }
        document
    }
}

/// Shows a plan.
pub async fn run(opened: &Opened, args: &PlanArgs) -> anyhow::Result<Answer> {
    let adjustment = find::one(opened.stack.store(), &args.plan).await?;
    let view = View::of(opened, adjustment, false).await?;
    Ok(answer_with(&view, &[]))
}

/// A plan as an answer, with what a command did about it at its end.
#[must_use]
pub fn answer_with(view: &View, done: &[String]) -> Answer {
    let mut document = view.to_json();
    let mut lines = text::lines(view);
    if !done.is_empty() {
        show::extend(&mut document, json!({"done": done}));
        lines.push(String::new());
        lines.extend(done.iter().cloned());
    }
    Answer::ok(document, lines)
}
