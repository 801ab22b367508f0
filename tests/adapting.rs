//! Runs the simulator of schema changes: many seeds over production code, and each wrong way of
//! following a change until it is caught.
//!
//! `EVERCOUNT_ADAPT_SEED=n cargo test -p evercount-tests --test adapting -- one_seed --nocapture`
//! replays one seed and tells its story. `EVERCOUNT_ADAPT_SEEDS=n` sets how many seeds are run, and
//! `EVERCOUNT_ADAPT_WRITES=n` how many changes the source makes in most of them.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may panic, and a simulation tells its story"
)]

use std::collections::BTreeMap;

use evercount_tests::simulation::adapting::controls::Control;
use evercount_tests::simulation::adapting::plan::{Kind, Plan};
use evercount_tests::simulation::adapting::shrink::shrink;
use evercount_tests::simulation::adapting::world;
use evercount_tests::simulation::seeds::{Outcome, from_env, sweep};

/// Seeds of an ordinary test run; CI runs 4,000.
const SEEDS: u64 = 1_500;
/// Changes the source makes in most seeds; see [`Plan::of`].
const WRITES: u32 = 150;
/// Seeds within which a wrong design must be caught.
const CONTROL_SEEDS: u64 = 400;

/// Seeds that broke an invariant once.
const ONCE_BROKEN: [u64; 4] = [659, 3_130, 11_458, 17_668];

/// The plan of a seed, as long as the environment asks for.
fn plan_of(seed: u64) -> Plan {
    let writes = from_env("EVERCOUNT_ADAPT_WRITES").and_then(|writes| u32::try_from(writes).ok());
    Plan::of(seed, writes.unwrap_or(WRITES))
}

fn fail(seed: u64, plan: &Plan, outcome: Outcome) -> ! {
    eprintln!("seed {seed}: {}", outcome.violation.clone().unwrap_or_default());
    let shrunk = shrink(seed, plan, None, outcome);
    eprintln!("seed {seed} breaks an invariant; shrunk to {:#?}", shrunk.plan);
    for line in &shrunk.outcome.story {
        eprintln!("  {line}");
    }
    eprintln!(
        "replay: EVERCOUNT_ADAPT_SEED={seed} cargo test -p evercount-tests --test adapting -- one_seed --nocapture"
    );
    panic!("seed {seed}: {}", shrunk.outcome.violation.unwrap_or_default());
}

#[test]
fn no_seed_breaks_an_invariant() {
    let seeds = from_env("EVERCOUNT_ADAPT_SEEDS").unwrap_or(SEEDS);
    let first = from_env("EVERCOUNT_ADAPT_FIRST").unwrap_or(0);
    let swept = sweep(first, seeds, plan_of, |seed, plan| world::run(seed, plan, None));
    if let Some((seed, plan, outcome)) = swept.failed {
        fail(seed, &plan, outcome);
    }
    let (delivered, strikes) = (swept.delivered, swept.strikes);
    println!("{seeds} seeds, {delivered} delivered records, {} commits", swept.commits);
    for (what, n) in &strikes {
        println!("  {what}: {n}");
    }
}

#[test]
fn what_was_broken_once_stays_mended() {
    for seed in ONCE_BROKEN {
        let plan = Plan::of(seed, WRITES);
        let outcome = world::run(seed, &plan, None);
        if outcome.violation.is_some() {
            fail(seed, &plan, outcome);
        }
    }
}

#[test]
fn every_wrong_design_is_caught() {
    for control in Control::ALL {
        let caught = (0..CONTROL_SEEDS).find_map(|seed| {
            let mut plan = Plan::of(seed, WRITES);
            if control == Control::PageDatedLate {
                // The source has to be read, and writers must go on meanwhile.
                (plan.kind, plan.following.redefine, plan.pace) = (Kind::DynamoDb, 20, 60_000);
                (plan.old_rows, plan.following.fill) = (plan.keys, 10);
                // What was lost is repaired, and with it what a page has hidden.
                (plan.faults.truncate, plan.faults.lose, plan.faults.repair) = (0, 0, 0);
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

#[test]
fn one_seed() {
    let Some(seed) = from_env("EVERCOUNT_ADAPT_SEED") else {
        println!("skipped: EVERCOUNT_ADAPT_SEED names no seed");
        return;
    };
    let plan = plan_of(seed);
    println!("{plan:#?}");
    let outcome = world::run(seed, &plan, None);
    println!("{} delivered, {} commits, {:?}", outcome.delivered, outcome.commits, outcome.strikes);
    if outcome.violation.is_some() {
        fail(seed, &plan, outcome);
    }
}

#[test]
#[ignore = "for a person who wants to see what is wrong where"]
fn survey() {
    let seeds = from_env("EVERCOUNT_ADAPT_SEEDS").unwrap_or(SEEDS);
    let first = from_env("EVERCOUNT_ADAPT_FIRST").unwrap_or(0);
    let mut kinds: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for seed in first..first + seeds {
        if let Some(violation) = world::run(seed, &plan_of(seed), None).violation {
            let kind = violation.chars().filter(|c| !c.is_ascii_digit()).take(40).collect();
            kinds.entry(kind).or_default().push(seed);
        }
    }
    for (kind, seeds) in kinds {
        println!("{kind}: {} {:?}", seeds.len(), seeds.iter().take(8).collect::<Vec<_>>());
    }
}

#[test]
#[ignore = "for a person"]
fn story() {
    let seed = from_env("EVERCOUNT_ADAPT_SEED").unwrap_or(0);
    let plan = plan_of(seed);
    let outcome = world::run(seed, &plan, None);
    println!("{plan:#?}");
    for line in &outcome.story {
        println!("  {}", line.chars().take(300).collect::<String>());
    }
    println!("{:?}", outcome.violation);
}
