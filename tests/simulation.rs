//! Runs the simulator: many seeds over production code, and each known-wrong design until it is
//! caught.
//!
//! `EVERCOUNT_SIM_SEED=n cargo test -p evercount-tests --test simulation -- one_seed --nocapture`
//! replays one seed and tells its story. `EVERCOUNT_SIM_SEEDS=n` sets how many seeds are run.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may panic, and a simulation tells its story"
)]

use evercount_tests::simulation::controls::Control;
use evercount_tests::simulation::plan::{Faults, Plan, SourceKind, Stamping};
use evercount_tests::simulation::seeds::{Outcome, from_env, sweep};
use evercount_tests::simulation::shrink::shrink;
use evercount_tests::simulation::world;

/// Seeds of an ordinary test run; CI runs 100,000.
const SEEDS: u64 = 4_000;
/// Changes the source makes in one seed.
const WRITES: u32 = 300;
/// Seeds within which a wrong design must be caught.
const CONTROL_SEEDS: u64 = 200;

fn fail(seed: u64, plan: &Plan, outcome: Outcome) -> ! {
    let shrunk = shrink(seed, plan, None, outcome);
    eprintln!("seed {seed} breaks an invariant; shrunk to {:#?}", shrunk.plan);
    for line in &shrunk.outcome.story {
        eprintln!("  {line}");
    }
    eprintln!(
        "replay: EVERCOUNT_SIM_SEED={seed} cargo test -p evercount-tests --test simulation -- one_seed --nocapture"
    );
    panic!("seed {seed}: {}", shrunk.outcome.violation.unwrap_or_default());
}

#[test]
fn no_seed_breaks_an_invariant() {
    let seeds = from_env("EVERCOUNT_SIM_SEEDS").unwrap_or(SEEDS);
    let first = from_env("EVERCOUNT_SIM_FIRST").unwrap_or(0);
    let swept = sweep(first, seeds, |seed| Plan::of(seed, WRITES), |seed, plan| world::run(seed, plan, None));
    if let Some((seed, plan, outcome)) = swept.failed {
        fail(seed, &plan, outcome);
    }
    let (delivered, strikes) = (swept.delivered, swept.strikes);
    println!("{seeds} seeds, {delivered} delivered records, {} commits", swept.commits);
    for (fault, n) in &strikes {
        println!("  {fault}: {n}");
    }
    assert!(delivered >= seeds * 300, "only {delivered} records were delivered");
    // "Sometimes" assertions: a fault that never strikes tests nothing.
    let expected = seeds / 10;
    let rare: Vec<_> = strikes.iter().filter(|(_, n)| **n < expected).collect();
    assert!(strikes.len() >= 19, "only these faults struck: {:?}", strikes.keys());
    assert!(rare.is_empty(), "these faults hardly struck: {rare:?}");
}

#[test]
fn every_wrong_design_is_caught() {
    for control in Control::ALL {
        let caught = (0..CONTROL_SEEDS).find_map(|seed| {
            let mut plan = Plan::of(seed, WRITES);
            if control == Control::ForgottenDoubt {
                // What is forgotten is what is read back, so changes of a row must not share a chunk; and a
                // repair of what was lost would hide what doubt should have told.
                plan.source = SourceKind::DynamoDb;
                plan.batch_size = 5;
                plan.unique_images = false;
                (plan.keys, plan.pace) = (4, 20_000);
                plan.faults =
                    Faults { reorder: 200, milliseconds: plan.faults.milliseconds, ..Faults::default() };
            }
            if control == Control::NoFence {
                // What fences are for is a table that is emptied, which few plans do.
                plan.source = SourceKind::Debezium;
                plan.faults.truncate = 30;
            }
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

/// What a stamped version is for: where every writer stamps one, changes that come out of order within what
/// clocks may be off leave no doubt.
#[test]
fn items_that_every_writer_stamps_are_never_in_doubt() {
    let doubts = |stamping| -> u64 {
        let doubts_of = |seed| {
            let mut plan = Plan::of(seed, WRITES);
            (plan.source, plan.stamping, plan.unique_images) = (SourceKind::DynamoDb, stamping, false);
            (plan.keys, plan.pace) = (4, 2_000);
            plan.faults = Faults { reorder: 200, duplicate: 50, lose: 20, ..Faults::default() };
            let outcome = world::run(seed, &plan, None);
            assert_eq!(outcome.violation, None, "seed {seed}, {stamping:?}");
            outcome.strikes.get(world::AMBIGUOUS).copied().unwrap_or(0)
        };
        (0..CONTROL_SEEDS).map(doubts_of).sum()
    };
    let (nobody, everybody) = (doubts(Stamping::Nobody), doubts(Stamping::Everybody));
    println!("changes in doubt: {nobody} where nobody stamps versions, {everybody} where everybody does");
    assert!(nobody > CONTROL_SEEDS, "only {nobody} changes were in doubt where nobody stamps versions");
    assert_eq!(everybody, 0);
}

#[test]
fn one_seed() {
    let Some(seed) = from_env("EVERCOUNT_SIM_SEED") else {
        println!("skipped: EVERCOUNT_SIM_SEED names no seed");
        return;
    };
    let plan = Plan::of(seed, WRITES);
    println!("{plan:#?}");
    let outcome = world::run(seed, &plan, None);
    println!("{} delivered, {} commits, faults {:?}", outcome.delivered, outcome.commits, outcome.strikes);
    if outcome.violation.is_some() {
        fail(seed, &plan, outcome);
    }
}
