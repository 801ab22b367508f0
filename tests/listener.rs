//! Runs the listener's simulator: many seeds over production code, and each known-wrong listener
//! until it is caught.
//!
//! `EVERCOUNT_LISTEN_SEED=n cargo test -p evercount-tests --test listener -- one_seed --nocapture`
//! replays one seed and tells its story. `EVERCOUNT_LISTEN_SEEDS=n` sets how many seeds are run.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may panic, and a simulation tells its story"
)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use evercount_tests::listening::controls::Control;
use evercount_tests::listening::plan::Plan;
use evercount_tests::listening::world::{self, Outcome};
use evercount_tests::simulation::seeds::{from_env, on_all_processors, told_once};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 300;
/// Seeds within which a wrong listener must be caught.
const CONTROL_SEEDS: u64 = 200;

fn fail(seed: u64, plan: &Plan, outcome: &Outcome) -> ! {
    eprintln!("seed {seed} breaks an invariant under {plan:#?}");
    for line in &outcome.story {
        eprintln!("  {line}");
    }
    eprintln!(
        "replay: EVERCOUNT_LISTEN_SEED={seed} cargo test -p evercount-tests --test listener -- one_seed --nocapture"
    );
    panic!("seed {seed}: {}", outcome.violation.as_deref().unwrap_or_default());
}

#[test]
fn the_registry_ends_the_same_whatever_goes_wrong() {
    let seeds = from_env("EVERCOUNT_LISTEN_SEEDS").unwrap_or(SEEDS);
    let first = from_env("EVERCOUNT_LISTEN_FIRST").unwrap_or(0);
    let survey = from_env("EVERCOUNT_LISTEN_SURVEY").is_some();
    let apart = AtomicU64::new(0);
    let all: Mutex<Outcome> = Mutex::default();
    let failed: Mutex<BTreeMap<u64, Outcome>> = Mutex::default();
    let began = Instant::now();
    on_all_processors(first, seeds, |seed| {
        let plan = Plan::of(seed);
        let outcome = told_once(seed, || world::run(seed, &plan, None), |outcome| outcome.trace);
        if let Ok(mut all) = all.lock() {
            all.delivered += outcome.delivered;
            all.done += outcome.done;
            all.reported += outcome.reported;
            apart.fetch_add(u64::from(outcome.apart), Ordering::Relaxed);
            outcome.strikes.iter().for_each(|(fault, n)| *all.strikes.entry(fault).or_insert(0) += n);
        }
        if let (Some(violation), Ok(mut failed)) = (&outcome.violation, failed.lock()) {
            if survey {
                println!("seed {seed}: {violation}");
            }
            failed.insert(seed, outcome);
            if !survey {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    let failed = failed.into_inner().unwrap_or_default();
    if survey {
        println!("{} of {seeds} seeds fail", failed.len());
    }
    if let Some((seed, outcome)) = failed.first_key_value() {
        fail(*seed, &Plan::of(*seed), outcome);
    }
    let all = all.into_inner().unwrap_or_default();
    let rate = seeds as f64 / began.elapsed().as_secs_f64();
    let apart = apart.into_inner();
    println!(
        "{seeds} seeds at {rate:.0} a second, {} delivered records, {} changes made, {} reported, {apart} seeds with a rename told otherwise",
        all.delivered, all.done, all.reported
    );
    assert!(apart * 500 <= seeds + 499, "{apart} of {seeds} seeds tell a rename otherwise");
    for (fault, n) in &all.strikes {
        println!("  {fault}: {n}");
    }
    assert!(all.reported * 100 >= all.done * 98, "{} of {} changes were reported", all.reported, all.done);
    // "Sometimes" assertions: a fault that never strikes tests nothing.
    let rare: Vec<_> = all.strikes.iter().filter(|(_, n)| **n < seeds / 10).collect();
    assert!(all.strikes.len() >= 16, "only these faults struck: {:?}", all.strikes.keys());
    assert!(rare.is_empty(), "these faults hardly struck: {rare:?}");
}

#[test]
fn every_wrong_listener_is_caught() {
    for control in Control::ALL {
        let caught = (0..CONTROL_SEEDS).find_map(|seed| {
            let plan = Plan::of(seed);
            let violation = world::run(seed, &plan, Some(control)).violation?;
            let right = world::run(seed, &plan, None).violation;
            assert_eq!(right, None, "seed {seed} catches the right listener too");
            Some((seed, violation))
        });
        match caught {
            Some((seed, violation)) => {
                let short: String = violation.chars().take(140).collect();
                println!("{control:?} is caught by seed {seed}: {short}");
            }
            None => panic!("{control:?} survives {CONTROL_SEEDS} seeds"),
        }
    }
}

#[test]
fn one_seed() {
    let Some(seed) = from_env("EVERCOUNT_LISTEN_SEED") else {
        println!("skipped: EVERCOUNT_LISTEN_SEED names no seed");
        return;
    };
    let plan = Plan::of(seed);
    println!("{plan:#?}");
    let outcome = world::run(seed, &plan, None);
    println!("{} delivered, faults {:?}", outcome.delivered, outcome.strikes);
    if outcome.violation.is_some() {
        fail(seed, &plan, &outcome);
    }
}
