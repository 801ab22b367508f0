//! One to a thousand lanes under the load of a million records a second, on a simulated clock.
//!
//! `cargo bench -p evercount-tests --no-default-features --bench lanes [-- --json]`

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use evercount_tests::scale::lanes::{BATCHES_A_SECOND, Design, simulate, table};
use serde_json::{Value, json};

/// Simulated seconds of each: enough for every one of a thousand lanes to commit.
const SECONDS: u64 = 4;

fn main() -> Result<(), String> {
    let mut outcomes = Vec::new();
    for design in Design::ALL {
        for lanes in [1, 10, 100, 1_000] {
            outcomes.push(simulate(design, lanes, SECONDS)?);
        }
    }
    if std::env::args().any(|argument| argument == "--json") {
        let lanes: Value = outcomes.iter().map(evercount_tests::scale::lanes::Outcome::json).collect();
        println!("{}", json!({ "lanes": lanes }));
        return Ok(());
    }
    println!("{}", table(&outcomes));
    println!("{BATCHES_A_SECOND} batches a second are due in all; a lane commits one after the other");
    Ok(())
}
