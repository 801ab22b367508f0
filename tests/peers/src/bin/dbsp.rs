//! The counts of decoded rows by dbsp: the groups that a row belongs to, counted.

use std::collections::BTreeMap;
use std::error::Error;

use dbsp::typed_batch::IndexedZSetReader;
use dbsp::utils::{Tup2, Tup3};
use dbsp::{OrdZSet, Runtime};
use evercount_peers::rows::{self, Row};

/// A group: of which count, and by which values.
type Group = Tup3<u8, String, String>;

/// The groups of a chunk, by weight. Rows come into the circuit as a plain value: an input of type Z-set
/// would sort them by all columns first, which nothing here needs and which takes half as long again.
fn groups(rows: Vec<Row>) -> OrdZSet<Group> {
    let mut groups = Vec::with_capacity(2 * rows.len());
    for row in rows {
        if row.status == "ACTIVE" && row.hundredths > 10_000 {
            groups.push(Tup2(Tup2(Tup3(0, row.country, row.plan), ()), row.times));
        }
        groups.push(Tup2(Tup2(Tup3(1, row.status, String::new()), ()), row.times));
    }
    OrdZSet::from_tuples((), groups)
}

fn main() -> Result<(), Box<dyn Error>> {
    let asked = rows::asked()?;
    let (mut circuit, (input, output)) = Runtime::init_circuit(1, |circuit| {
        let (rows, input) = circuit.add_input_stream::<Vec<Row>>();
        Ok((input, rows.apply_owned(groups).weighted_count().accumulate_output()))
    })?;
    let mut counts: BTreeMap<Group, i64> = BTreeMap::new();
    for _ in 0..asked.chunks {
        input.set_for_all(asked.chunk.clone());
        circuit.transaction()?;
        for (group, n, times) in output.concat().iter() {
            *counts.entry(group).or_default() += n * times;
        }
    }
    circuit.kill().map_err(|_| "a worker of dbsp has panicked")?;
    for (Tup3(count, first, second), n) in counts.iter().filter(|(_, n)| **n != 0) {
        println!("{count} {first} {second}\t{n}");
    }
    Ok(())
}
