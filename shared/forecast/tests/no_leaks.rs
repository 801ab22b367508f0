//! No prediction knows the future, or what became of the project it is made for.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use evercount_forecast::bench::bench;
use evercount_forecast::choose::choose;
use evercount_forecast::features::Feature;
use evercount_forecast::history::{DAY, Event, EventKind, HALF_YEAR, History, Seconds};
use evercount_forecast::linear::probability;
use evercount_forecast::models::{Hazard, Recipe, Set};
use evercount_forecast::split::{Project, leave_one_out};
use evercount_forecast::units::ANY_IN_HALF_A_YEAR;
use proptest::prelude::*;

const END: Seconds = 10 * HALF_YEAR;

/// A made-up project: some tables change often, others never.
fn made_up(name: &str, seed: u64) -> History {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut events = Vec::new();
    for table in 0..12 {
        let mut event = |at: Seconds, kind: EventKind, column: String| {
            events.push(Event {
                at,
                table: format!("t{table}").into(),
                kind,
                column: column.into(),
                typed: "INT".into(),
                before: "".into(),
            });
        };
        for column in 0..2 + table {
            event(0, EventKind::Initial, format!("c{column}"));
        }
        for day in (1..END / DAY).step_by(40) {
            if random.i64(0..60) < table {
                event(day * DAY, EventKind::AddColumn, format!("d{day}"));
            }
        }
        event(END, EventKind::ChangeKey, "c0".to_owned());
    }
    History::new(name, events)
}

/// Another future for a history: what came later comes at other times and to other tables, or not at all.
fn altered(history: &History, after: Seconds, seed: u64) -> History {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut events = Vec::new();
    for event in history.events() {
        if event.at <= after || event.at == END {
            events.push(event.clone());
        } else if random.bool() {
            let table = format!("t{}", random.u8(0..12)).into();
            events.push(Event { at: random.i64(after + 1..END), table, ..event.clone() });
        }
    }
    History::new(history.project.clone(), events)
}

fn project(history: &History) -> Project {
    Project::of(history, HALF_YEAR, ANY_IN_HALF_A_YEAR)
}

/// What every model says about the last project's units until a time.
fn said(projects: &[Project], until: Seconds) -> Vec<f64> {
    let folds = leave_one_out(projects);
    let (training, held) = folds.last().unwrap();
    let choice = choose(training);
    let ours: Vec<f64> =
        held.units().iter().map(|unit| probability(choice.model.log_odds(&unit.row))).collect();
    let hazard = Hazard { set: Set::Smoothed, penalty: 100 };
    let recipes = [
        Recipe::BaseRate,
        Recipe::OwnRate,
        Recipe::Recency,
        Recipe::Logistic,
        Recipe::Series(Feature::Smoothed),
        Recipe::Hazard(hazard),
    ];
    let mut all = vec![ours];
    all.extend(recipes.iter().map(|recipe| recipe.fit(training).probabilities(*held)));
    let upto = held.units().iter().filter(|unit| unit.at <= until).count();
    all.iter().flat_map(|said| said.iter().take(upto).copied()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn another_future_of_the_target_changes_no_prediction(seed in 0_u64..1_000, cut in 1_i64..9) {
        let others = [made_up("a", seed), made_up("b", seed + 1), made_up("c", seed + 2)];
        let target = made_up("target", seed + 3);
        let until = cut * HALF_YEAR;
        let with = |target: &History| {
            let mut projects: Vec<Project> = others.iter().map(project).collect();
            projects.push(project(target));
            said(&projects, until)
        };
        let before = with(&target);
        prop_assert!(!before.is_empty());
        prop_assert_eq!(before, with(&altered(&target, until, seed)));
    }
}

#[test]
fn what_closed_is_all_that_a_held_project_shows() {
    let projects = [made_up("a", 1), made_up("b", 2)].map(|history| project(&history));
    for (training, held) in leave_one_out(&projects) {
        assert!(!training.names().contains(&held.name()));
        for unit in held.units() {
            assert!(held.closed(unit.at).all(|(closed, _)| closed.at + HALF_YEAR <= unit.at));
        }
    }
}

#[test]
fn few_projects_and_empty_ones_are_no_failure() {
    let empty = History::new("empty", Vec::new());
    let flat =
        History::new("flat", made_up("flat", 0).events().iter().filter(|one| one.at == 0).cloned().collect());
    let one = made_up("a", 1);
    for histories in [vec![], vec![empty.clone()], vec![one.clone()], vec![one.clone(), empty, flat]] {
        let found = bench(&histories, 1);
        let text = found.json_with_details().to_string() + &found.text();
        assert!(text.contains("projects"));
    }
    let two = bench(&[one, made_up("b", 2)], 1);
    assert_eq!(two.projects.len(), 2);
}
