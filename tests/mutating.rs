//! Runs the mutation simulator: many seeds over production code, and each known-wrong design until it is
//! caught.
//!
//! `EVERCOUNT_MUTATE_SEED=n cargo test -p evercount-tests --test mutating -- one_seed --nocapture` replays
//! one seed and tells its story. `EVERCOUNT_MUTATE_SEEDS=n` sets how many seeds are run.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may panic, and a simulation tells its story"
)]

use evercount_tests::mutating::controls::Control;
use evercount_tests::mutating::plan::Plan;
use evercount_tests::mutating::world;
use evercount_tests::simulation::seeds::{Outcome, from_env, sweep};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 1_200;
/// Mutations of one seed.
const MUTATIONS: u32 = 60;
/// Seeds within which a wrong design must be caught.
const CONTROL_SEEDS: u64 = 2_000;

fn fail(seed: u64, plan: &Plan, outcome: &Outcome) -> ! {
    eprintln!("seed {seed} breaks an invariant under {plan:#?}");
    for line in &outcome.story {
        eprintln!("  {line}");
    }
    eprintln!(
        "replay: EVERCOUNT_MUTATE_SEED={seed} cargo test -p evercount-tests --test mutating -- one_seed --nocapture"
    );
    panic!("seed {seed}: {}", outcome.violation.clone().unwrap_or_default());
}

#[test]
fn no_seed_breaks_an_invariant() {
    let seeds = from_env("EVERCOUNT_MUTATE_SEEDS").unwrap_or(SEEDS);
    let first = from_env("EVERCOUNT_MUTATE_FIRST").unwrap_or(0);
    let plan = |seed| Plan::of(seed, MUTATIONS);
    let swept = sweep(first, seeds, plan, |seed, plan| world::run(seed, plan, None));
    if let Some((seed, plan, outcome)) = swept.failed {
        fail(seed, &plan, &outcome);
    }
    println!("{seeds} seeds, {} steps, {} writes of items", swept.delivered, swept.commits);
    for (what, n) in &swept.strikes {
        println!("  {what}: {n}");
    }
    // "Sometimes" assertions: what never happens is not tested.
    let rare: Vec<_> = swept.strikes.iter().filter(|(_, n)| **n < seeds / 100).collect();
    assert!(swept.strikes.len() >= 13, "only these happened: {:?}", swept.strikes.keys());
    assert!(rare.is_empty(), "these hardly happened: {rare:?}");
}

#[test]
fn every_wrong_design_is_caught() {
    for control in Control::ALL {
        let caught = (0..CONTROL_SEEDS).find_map(|seed| {
            let plan = Plan::of(seed, MUTATIONS);
            let violation = world::run(seed, &plan, Some(control)).violation?;
            let right = world::run(seed, &plan, None).violation;
            assert_eq!(right, None, "seed {seed} catches the right design too");
            Some((seed, violation))
        });
        match caught {
            Some((seed, violation)) => {
                let short: String = violation.chars().take(100).collect();
                println!("{control:?} is caught by seed {seed}: {short}");
            }
            None => panic!("{control:?} survives {CONTROL_SEEDS} seeds"),
        }
    }
}

#[test]
fn one_seed() {
    let Some(seed) = from_env("EVERCOUNT_MUTATE_SEED") else {
        println!("skipped: EVERCOUNT_MUTATE_SEED names no seed");
        return;
    };
    let plan = Plan::of(seed, MUTATIONS);
    let outcome = world::run(seed, &plan, None);
    println!("{} steps, {} writes of items, {:?}", outcome.delivered, outcome.commits, outcome.strikes);
    if outcome.violation.is_some() {
        fail(seed, &plan, &outcome);
    }
}
