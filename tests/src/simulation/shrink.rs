//! Shrinking: the smallest plan in which a seed still breaks an invariant.

use super::controls::Control;
use super::plan::{Faults, Plan};
use super::seeds::{self, Outcome, Shrunk};
use super::world;

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
        if writes > 0 && writes < plan.writes {
            candidates.push(with(&|plan| plan.writes = writes));
        }
    }
    if plan.keys > 1 {
        candidates.push(with(&|plan| plan.keys = 1));
        candidates.push(with(&|plan| plan.keys -= 1));
    }
    if plan.shards > 1 {
        candidates.push(with(&|plan| plan.shards = 1));
    }
    let switches: [fn(&mut Faults) -> &mut u32; 19] = [
        |faults| &mut faults.duplicate,
        |faults| &mut faults.reorder,
        |faults| &mut faults.replay,
        |faults| &mut faults.lose,
        |faults| &mut faults.backward,
        |faults| &mut faults.poison,
        |faults| &mut faults.corrupt,
        |faults| &mut faults.reshard,
        |faults| &mut faults.crash,
        |faults| &mut faults.zombie,
        |faults| &mut faults.malformed_reply,
        |faults| &mut faults.rewind,
        |faults| &mut faults.out_of_time,
        |faults| &mut faults.refuse,
        |faults| &mut faults.lost_reply,
        |faults| &mut faults.stale_read,
        |faults| &mut faults.truncate,
        |faults| &mut faults.key_change,
        |faults| &mut faults.repair,
    ];
    for switch in switches {
        if *switch(&mut plan.faults.clone()) > 0 {
            candidates.push(with(&|plan| *switch(&mut plan.faults) = 0));
        }
    }
    candidates
}
