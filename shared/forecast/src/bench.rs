//! The benchmark: every project forecast by models that have not seen it.
//!
//! Unit, target and split are those of [`crate::units`] and [`crate::split`]; scores and intervals those of
//! [`crate::scores`].

mod report;

use crate::choose::{Choice, choose};
use crate::features::Feature;
use crate::history::{HALF_YEAR, History};
use crate::linear::probability;
use crate::models::{Hazard, Recipe};
use crate::online::Adjustment;
use crate::scores::{Compared, Judged, Scores, Sorted, compare};
use crate::split::{Held, Project, leave_one_out};
use crate::units::ANY_IN_HALF_A_YEAR;

/// The four models of the main table, ours first, because the others are compared with it.
pub const MODELS: [&str; 4] = ["ours", "base_rate", "recency", "logistic"];

/// What the benchmark found.
#[derive(Clone, PartialEq, Debug)]
pub struct Bench {
    /// For each project.
    pub projects: Vec<ProjectBench>,
    /// All projects' predictions together: [`MODELS`] in their order.
    pub pooled: Vec<Compared>,
    /// Every model tried.
    pub tried: Vec<Tried>,
    /// What acting on the predictions would have brought ([`crate::advisor`]).
    pub headroom: Vec<Headroom>,
}

/// What the benchmark found for a project.
#[derive(Clone, PartialEq, Debug)]
pub struct ProjectBench {
    /// Its name.
    pub name: String,
    /// Its units.
    pub rows: usize,
    /// The share that changed.
    pub base_rate: f64,
    /// [`MODELS`] in their order.
    pub models: Vec<Compared>,
    /// The hazard models that were kept on the other projects.
    pub kept: Vec<Hazard>,
}

/// A model's scores.
#[derive(Clone, PartialEq, Debug)]
pub struct Tried {
    /// Which.
    pub model: String,
    /// By project, in the order of [`Bench::projects`].
    pub by_project: Vec<Scores>,
    /// All predictions together.
    pub pooled: Scores,
}

/// The headroom rule's outcome for one model.
///
/// The rule: one count stands on every table, and a change of the table within the half-year costs one
/// rescan, unless an extra counter was bought for the table when the half-year began. One is bought
/// where the probability of a change is at least [`BUY_FROM`]. Rescans avoided per extra counter is then
/// the share of counters bought that were needed. The baselines buy as many for each project as ours, each
/// its highest, so that rules are compared and not budgets.
#[derive(Clone, PartialEq, Debug)]
pub struct Headroom {
    /// Which model.
    pub model: &'static str,
    /// Extra counters bought.
    pub counters: usize,
    /// Rescans that were not needed for it.
    pub avoided: f64,
    /// Rescans there would have been without.
    pub rescans: usize,
}

/// The probability from which the rule buys: right where a rescan costs four times what a counter costs in
/// half a year, or more.
pub const BUY_FROM: f64 = 0.25;

impl Headroom {
    /// Rescans avoided per extra counter.
    #[must_use]
    pub fn per_counter(&self) -> f64 {
        self.avoided / (self.counters as f64).max(1.0)
    }
}

/// Runs the benchmark. The seed decides the draws of the intervals and nothing else.
#[must_use]
pub fn bench(histories: &[History], seed: u64) -> Bench {
    let projects: Vec<Project> =
        histories.iter().map(|history| Project::of(history, HALF_YEAR, ANY_IN_HALF_A_YEAR)).collect();
    let mut found = Vec::new();
    let mut pooled: Vec<Vec<(f64, bool, String)>> = vec![Vec::new(); MODELS.len()];
    let mut headroom: Vec<Headroom> =
        MODELS.iter().map(|model| Headroom { model, counters: 0, avoided: 0.0, rescans: 0 }).collect();
    let mut tried: Vec<(Tried, Vec<Owned>)> = Vec::new();
    for (training, held) in leave_one_out(&projects) {
        let choice = choose(&training);
        let ours = ours(&choice, held);
        let said = [
            ours.clone(),
            Recipe::BaseRate.fit(&training).probabilities(held),
            Recipe::Recency.fit(&training).probabilities(held),
            Recipe::Logistic.fit(&training).probabilities(held),
        ];
        let judged: Vec<Vec<Judged<'_>>> = said.iter().map(|said| held.judge(said)).collect();
        let bought = ours.iter().filter(|p| **p >= BUY_FROM).count();
        for (headroom, judged) in headroom.iter_mut().zip(&judged) {
            buy(headroom, judged, bought);
        }
        for (pooled, judged) in pooled.iter_mut().zip(&judged) {
            pooled.extend(owned(judged, held.name()));
        }
        let mut try_out = |model: String, said: &[f64]| {
            let judged = held.judge(said);
            let scores = Sorted::of(&judged).scores();
            let at = tried.iter().position(|(one, _)| one.model == model);
            if at.is_none() {
                let none = Tried { model: model.clone(), by_project: Vec::new(), pooled: scores };
                tried.push((none, Vec::new()));
            }
            if let Some((tried, all)) = tried.iter_mut().find(|(one, _)| one.model == model) {
                tried.by_project.push(scores);
                all.extend(owned(&judged, held.name()));
            }
        };
        let simple = [
            Recipe::BaseRate,
            Recipe::OwnRate,
            Recipe::Recency,
            Recipe::Series(Feature::Smoothed),
            Recipe::Series(Feature::Autoregressed),
            Recipe::Logistic,
        ];
        for recipe in simple.into_iter().chain(Hazard::all().map(Recipe::Hazard)) {
            try_out(recipe.name(), &recipe.fit(&training).probabilities(held));
        }
        try_out("ours".to_owned(), &ours);
        try_out("ours, adjusted online".to_owned(), &adjusted(&choice, held));
        let project = projects.iter().find(|project| project.name() == held.name());
        found.push(ProjectBench {
            name: held.name().to_owned(),
            rows: held.units().len(),
            base_rate: project.map_or(0.0, Project::base_rate),
            models: compare(&judged, seed),
            kept: choice.kept,
        });
    }
    let pooled: Vec<Vec<Judged<'_>>> = pooled.iter().map(|all| borrowed(all)).collect();
    let tried = tried
        .iter()
        .map(|(tried, all)| Tried { pooled: Sorted::of(&borrowed(all)).scores(), ..tried.clone() })
        .collect();
    Bench { projects: found, pooled: compare(&pooled, seed), tried, headroom }
}

/// A prediction that outlives its project; tables of two projects may have one name.
type Owned = (f64, bool, String);

fn owned(judged: &[Judged<'_>], project: &str) -> Vec<Owned> {
    judged.iter().map(|one| (one.p, one.changed, format!("{project}/{}", one.cluster))).collect()
}

fn borrowed(all: &[Owned]) -> Vec<Judged<'_>> {
    all.iter().map(|(p, changed, cluster)| Judged { p: *p, changed: *changed, cluster }).collect()
}

fn ours(choice: &Choice, held: Held<'_>) -> Vec<f64> {
    held.units().iter().map(|unit| probability(choice.model.log_odds(&unit.row))).collect()
}

/// Ours with its own past predictions confirmed or refuted as their windows close.
fn adjusted(choice: &Choice, held: Held<'_>) -> Vec<f64> {
    let mut adjustment = Adjustment::default();
    let mut learnt = 0;
    let mut said: Vec<f64> = Vec::new();
    for unit in held.units() {
        for (at, (_, changed)) in held.closed(unit.at).enumerate().skip(learnt) {
            adjustment.observe(said.get(at).copied().unwrap_or(0.5), changed);
            learnt += 1;
        }
        said.push(probability(choice.model.log_odds(&unit.row) + adjustment.shift()));
    }
    said
}

/// Buys so many counters, those with the highest probabilities. Where some at the edge are equal, each
/// counts by its share.
fn buy(headroom: &mut Headroom, judged: &[Judged<'_>], bought: usize) {
    let mut sorted: Vec<(f64, bool)> = judged.iter().map(|one| (one.p, one.changed)).collect();
    sorted.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut left = bought as f64;
    for tied in sorted.chunk_by(|one, next| one.0.total_cmp(&next.0).is_eq()) {
        let changed = tied.iter().filter(|one| one.1).count() as f64;
        let taken = left.min(tied.len() as f64);
        headroom.avoided += changed * taken / tied.len() as f64;
        left -= taken;
    }
    headroom.counters += bought;
    headroom.rescans += judged.iter().filter(|one| one.changed).count();
}
