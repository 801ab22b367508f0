//! The counts of decoded rows by differential dataflow: the groups that a row belongs to, counted.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use differential_dataflow::input::InputSession;
use differential_dataflow::operators::CountTotal;
use evercount_peers::rows::{self, Row};

/// A group: of which count, and by which values.
type Group = (u8, String, String);

fn groups(row: Row) -> impl Iterator<Item = Group> {
    let is_large = row.status == "ACTIVE" && row.hundredths > 10_000;
    let large = is_large.then_some((0, row.country, row.plan));
    large.into_iter().chain(std::iter::once((1, row.status, String::new())))
}

fn main() -> Result<(), Box<dyn Error>> {
    let asked = rows::asked()?;
    let counts: Arc<Mutex<BTreeMap<Group, i64>>> = Arc::default();
    let told = Arc::clone(&counts);
    timely::execute_directly(move |worker| {
        let mut input = InputSession::new();
        let probe = worker.dataflow(|scope| {
            let counted = input.to_collection(scope).flat_map(groups).count_total();
            let counted = counted.inspect(move |((group, n), _, times): &((Group, isize), u64, isize)| {
                if let Ok(mut counts) = told.lock() {
                    *counts.entry(group.clone()).or_default() += (n * times) as i64;
                }
            });
            counted.probe().0
        });
        for chunk in 0..asked.chunks {
            for row in asked.chunk.iter().cloned() {
                let times = row.times as isize;
                input.update(row, times);
            }
            input.advance_to(chunk as u64 + 1);
            input.flush();
            worker.step_while(|| probe.less_than(input.time()));
        }
    });
    let counts = counts.lock().map_err(|_| "poisoned")?;
    for ((count, first, second), n) in counts.iter().filter(|(_, n)| **n != 0) {
        println!("{count} {first} {second}\t{n}");
    }
    Ok(())
}
