//! What is under way with a count beside what it shows: a version that is watched or filled, plans
//! that wait for a person, and counts that a policy has frozen.

use evercount_core::adoption::{Adjustment, PlanOutcome, PlanPolicy};
use evercount_core::bounds::{Bounds, bounds};
use evercount_core::logic::{LogicState, LogicVersion, PlanId, Relation};
use evercount_core::order::Micros;
use evercount_core::reading::Reading;
use evercount_pipeline::ports::Store;
use evercount_pipeline::{adapt, read};
use serde_json::{Value, json};

use crate::schema::text::plain;
use crate::{drive, plan, show};

/// A version that is counted beside the active one.
struct Watched {
    version: LogicVersion,
    adjustment: Adjustment,
    /// What it will come to, while it is being filled.
    bounds: Option<Bounds>,
}

/// What is under way with a count.
pub struct UnderWay {
    watched: Vec<Watched>,
    open: Vec<Adjustment>,
    frozen: Option<(String, Micros)>,
}

impl UnderWay {
    /// What is under way with the count of a reading; nothing where that is not of the active
    /// version.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn of<S: Store>(store: &S, reading: &Reading) -> anyhow::Result<Self> {
        let mut under_way = Self { watched: Vec::new(), open: Vec::new(), frozen: None };
        if reading.logic.state != LogicState::Active {
            return Ok(under_way);
        }
        let versions = store.versions().await?;
        for adjustment in store.adjustments(Some(&reading.logic.id.definition)).await? {
            let is_frozen = adjustment.policy == PlanPolicy::Freeze
                && adjustment.outcome == PlanOutcome::NotAffected
                && adjustment.plan.update.is_some();
            if is_frozen {
                let at = match &adjustment.plan.cause {
                    evercount_core::adjustment::Cause::Schema { at, .. }
                    | evercount_core::adjustment::Cause::Redefinition { at, .. } => *at,
                };
                under_way.frozen = Some((adjustment.plan.id.to_string(), at));
            }
            if !plan::is_open(&adjustment) {
                continue;
            }
            if adjustment.is_filling() {
                // Each row that is still to be read adds to the count, or adds nothing.
                let bounds = bounds(Relation::Unrelated, 0, reading.uncertain, reading.total);
                let version = reading.logic.clone();
                under_way.watched.push(Watched { version, adjustment, bounds: Some(bounds) });
                continue;
            }
            let version = adapt::version_of(&adjustment, &versions);
            if let Some(version) = version.filter(|version| version.state == LogicState::Shadow) {
                let bounds = bounds_of(store, &adjustment, version, reading).await?;
                let (version, adjustment) = (version.clone(), adjustment.clone());
                under_way.watched.push(Watched { version, adjustment, bounds });
            }
            if adjustment.outcome == PlanOutcome::AwaitingApproval {
                under_way.open.push(adjustment);
            }
        }
        Ok(under_way)
    }

    /// What is under way, in lines below the reading.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let waits = |id: &PlanId| self.open.iter().any(|open| open.plan.id == *id);
        for one in &self.watched {
            let (number, id) = (one.version.id.number, &one.adjustment.plan.id);
            match one.bounds {
                Some(bounds) if one.adjustment.is_filling() => lines.push(format!(
                    "  note: {} of the rows from before it are read, and it will count {}; `evercount backfill status`",
                    one.adjustment.progress.visited,
                    told(bounds)
                )),
                Some(bounds) => lines.push(format!(
                    "  note: version {number} is being filled, and will count {}; `evercount plan show {id}`",
                    told(bounds)
                )),
                None if waits(id) => {}
                None => lines.push(format!(
                    "  note: version {number} is watched beside it; `evercount plan show {id}`"
                )),
            }
        }
        for one in &self.open {
            let id = &one.plan.id;
            let watched = self.watched.iter().find(|watched| watched.adjustment.plan.id == *id);
            let watched = watched.map_or_else(String::new, |watched| {
                format!("; version {} is watched beside it", watched.version.id.number)
            });
            lines.push(format!("  note: a change waits for you: `evercount plan show {id}`{watched}"));
            lines.push(format!("        {}", plain(&one.plan.sentence)));
        }
        if let Some((id, at)) = &self.frozen {
            let at = show::time(*at);
            lines.push(format!(
                "  note: frozen as of {at} by the policy for a change that it does not follow; `evercount plan show {id}`"
            ));
        }
        lines
    }

    /// What is under way, as fields beside the reading's.
    pub fn to_json(&self) -> Value {
        let mut document = json!({});
        if !self.watched.is_empty() {
            let watched: Vec<Value> = self
                .watched
                .iter()
                .map(|one| {
                    let mut watched = json!({
                        "version": one.version.id.number,
                        "plan": one.adjustment.plan.id.as_str(),
                        "outcome": one.adjustment.outcome.name(),
                    });
                    if let Some(Bounds { min, max }) = one.bounds {
                        show::extend(&mut watched, json!({"n_min": min, "n_max": max}));
                    }
                    watched
                })
                .collect();
            show::extend(&mut document, json!({"watched": watched}));
        }
        if !self.open.is_empty() {
            let open: Vec<Value> = self
                .open
                .iter()
                .map(|one| {
                    json!({
                        "id": one.plan.id.as_str(),
                        "outcome": one.outcome.name(),
                        "sentence": one.plan.sentence,
                    })
                })
                .collect();
            show::extend(&mut document, json!({"open_plans": open}));
        }
        if let Some((id, at)) = &self.frozen {
            show::extend(&mut document, json!({"frozen": {"plan": id, "at": show::time(*at)}}));
        }
        document
    }
}

fn told(bounds: Bounds) -> String {
    match bounds {
        Bounds { min, max: Some(max) } if min == max => format!("{min} items"),
        Bounds { min, max: Some(max) } => format!("{min} to {max} items"),
        Bounds { min, max: None } => format!("at least {min} items"),
    }
}

/// What a version will come to, while it is being filled.
async fn bounds_of<S: Store>(
    store: &S,
    adjustment: &Adjustment,
    version: &LogicVersion,
    active: &Reading,
) -> anyhow::Result<Option<Bounds>> {
    if !drive::is_filled(adjustment) {
        return Ok(None);
    }
    let seen = read::run(store, version).await?;
    // How it stands is known of its parent, which may be another one than the active version.
    let is_of_active = version.parent == Some(active.logic.id.number);
    let relation = if is_of_active { adjustment.plan.relation } else { Relation::Unrelated };
    Ok(Some(bounds(relation, active.total, active.uncertain, seen.total)))
}
