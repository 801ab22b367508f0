//! What any simulator is run by: many seeds on all processors, and the smallest plan in which a
//! failing one still fails.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use evercount_core::counting::Cells;

use super::chaos::Strikes;

/// Seeds of which one is run twice, to see that it tells one story.
const RUN_TWICE_EVERY: u64 = 100;

/// A number of the environment: how many seeds are run, or which.
#[must_use]
pub fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What came of one seed, and the invariant it broke, if any.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The broken invariant.
    pub violation: Option<String>,
    /// Records handed to invocations, redeliveries included.
    pub delivered: u64,
    /// Transactions committed.
    pub commits: u64,
    /// A hash of everything that happened: one seed has one.
    pub trace: u64,
    /// How often each fault struck and each change was made.
    pub strikes: Strikes,
    /// The last things that happened, for a person.
    pub story: Vec<String>,
    /// What each definition's active version counts in the end, where logic changes on the way.
    pub counts: BTreeMap<String, Cells>,
}

/// What came of many seeds.
#[derive(Debug)]
pub struct Swept<P> {
    /// Records handed to invocations, redeliveries included.
    pub delivered: u64,
    /// Transactions committed.
    pub commits: u64,
    /// How often each thing struck.
    pub strikes: Strikes,
    /// The seed that broke an invariant, with its plan; the others were not begun after it.
    pub failed: Option<(u64, P, Outcome)>,
}

/// Runs so many seeds on all processors, until `run` says of one that no other has to be begun.
pub fn on_all_processors(first: u64, seeds: u64, run: impl Fn(u64) -> ControlFlow<()> + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, is_over) = (AtomicU64::new(first), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds || is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    if run(seed).is_break() {
                        is_over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// Runs a seed, and now and then again to see that it tells one story.
///
/// # Panics
/// Where it tells two.
pub fn told_once<O>(seed: u64, run: impl Fn() -> O, trace: impl Fn(&O) -> u64) -> O {
    let outcome = run();
    if seed.is_multiple_of(RUN_TWICE_EVERY) {
        assert_eq!(trace(&run()), trace(&outcome), "seed {seed} tells two stories");
    }
    outcome
}

/// Runs so many seeds until one breaks an invariant.
///
/// # Panics
/// Where a seed that is run twice tells two stories.
pub fn sweep<P: Send>(
    first: u64,
    seeds: u64,
    plan: impl Fn(u64) -> P + Sync,
    run: impl Fn(u64, &P) -> Outcome + Sync,
) -> Swept<P> {
    let (delivered, commits) = (AtomicU64::new(0), AtomicU64::new(0));
    let strikes: Mutex<Strikes> = Mutex::default();
    let failed: Mutex<Option<(u64, P, Outcome)>> = Mutex::new(None);
    on_all_processors(first, seeds, |seed| {
        let plan = plan(seed);
        let outcome = told_once(seed, || run(seed, &plan), |outcome| outcome.trace);
        delivered.fetch_add(outcome.delivered, Ordering::Relaxed);
        commits.fetch_add(outcome.commits, Ordering::Relaxed);
        if let Ok(mut strikes) = strikes.lock() {
            outcome.strikes.iter().for_each(|(what, n)| *strikes.entry(what).or_insert(0) += n);
        }
        if outcome.violation.is_none() {
            return ControlFlow::Continue(());
        }
        if let Ok(mut failed) = failed.lock() {
            *failed = Some((seed, plan, outcome));
        }
        ControlFlow::Break(())
    });
    Swept {
        delivered: delivered.into_inner(),
        commits: commits.into_inner(),
        strikes: strikes.into_inner().unwrap_or_default(),
        failed: failed.into_inner().ok().flatten(),
    }
}

/// A failing run, made small.
#[derive(Clone, Debug)]
pub struct Shrunk<P> {
    /// The plan that still fails.
    pub plan: P,
    /// What happens under it.
    pub outcome: Outcome,
}

/// Takes the first smaller plan under which the seed still fails, as long as there is one. The
/// random choices are the seed's, so a smaller plan is another run, not a part of the same one; what
/// counts is that it fails.
pub fn shrink<P>(
    failing: Shrunk<P>,
    candidates: impl Fn(&P) -> Vec<P>,
    run: impl Fn(&P) -> Outcome,
) -> Shrunk<P> {
    let mut best = failing;
    loop {
        let smaller = candidates(&best.plan).into_iter().find_map(|plan| {
            let outcome = run(&plan);
            outcome.violation.is_some().then_some(Shrunk { plan, outcome })
        });
        match smaller {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}
