//! Shrinking: the smallest plan in which a seed still breaks an invariant.

use super::controls::Control;
use super::plan::Plan;
use super::world;
use crate::simulation::seeds::{self, Outcome, Shrunk};

/// Switches faults off and takes writes away, one after the other, as long as the seed still fails.
#[must_use]
pub fn shrink(seed: u64, plan: &Plan, control: Option<Control>, outcome: Outcome) -> Shrunk<Plan> {
    let failing = Shrunk { plan: plan.clone(), outcome };
    seeds::shrink(failing, candidates, |plan| world::run(seed, plan, control))
}

fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut candidates = Vec::new();
    let with = |change: &dyn Fn(&mut Plan)| {
        let mut smaller = plan.clone();
        change(&mut smaller);
        smaller
    };
    for writes in [plan.writes / 2, plan.writes * 3 / 4, plan.writes.saturating_sub(1)] {
        if writes > 1 && writes < plan.writes {
            candidates.push(with(&|plan| plan.writes = writes));
        }
    }
    for number in [1, plan.keys / 2] {
        if (1..plan.keys).contains(&number) {
            candidates.push(with(&|plan| plan.keys = number));
        }
    }
    if plan.changes > 1 {
        candidates.push(with(&|plan| plan.changes -= 1));
    }
    if plan.shards > 1 {
        candidates.push(with(&|plan| plan.shards = 1));
    }
    if plan.headroom {
        candidates.push(with(&|plan| plan.headroom = false));
    }
    if plan.page_rows < 25 {
        candidates.push(with(&|plan| plan.page_rows = 25));
    }
    if plan.pages < 100 {
        candidates.push(with(&|plan| plan.pages = 100));
    }
    if plan.budget < 1_000.0 {
        candidates.push(with(&|plan| plan.budget = 1_000.0));
    }
    if plan.segments > 1 {
        candidates.push(with(&|plan| plan.segments = 1));
    }
    let switches: [fn(&mut Plan) -> &mut u32; 27] = [
        |plan| &mut plan.faults.duplicate,
        |plan| &mut plan.faults.reorder,
        |plan| &mut plan.faults.replay,
        |plan| &mut plan.faults.lose,
        |plan| &mut plan.faults.poison,
        |plan| &mut plan.faults.reshard,
        |plan| &mut plan.faults.crash,
        |plan| &mut plan.faults.zombie,
        |plan| &mut plan.faults.malformed_reply,
        |plan| &mut plan.faults.rewind,
        |plan| &mut plan.faults.out_of_time,
        |plan| &mut plan.faults.refuse,
        |plan| &mut plan.faults.lost_reply,
        |plan| &mut plan.faults.stale_read,
        |plan| &mut plan.faults.truncate,
        |plan| &mut plan.faults.repair,
        |plan| &mut plan.faults.spurious_conflict,
        |plan| &mut plan.following.lag,
        |plan| &mut plan.following.twice,
        |plan| &mut plan.following.crash,
        |plan| &mut plan.following.zombie,
        |plan| &mut plan.following.redefine,
        |plan| &mut plan.following.ahead,
        |plan| &mut plan.following.roll_back,
        |plan| &mut plan.following.read,
        |plan| &mut plan.following.fill,
        |plan| &mut plan.old_rows,
    ];
    for switch in switches {
        if *switch(&mut plan.clone()) > 0 {
            candidates.push(with(&|plan| *switch(plan) = 0));
        }
    }
    candidates
}
