//! Prints the error table of `evercount_wire::sketch`, and what an insert costs.
//!
//! `cargo bench -p evercount-wire --bench sketch [-- --json]`; with `--json` the worst error alone, beside
//! that of the crate's own `len`.

#![expect(clippy::print_stdout, reason = "the table is what this is for")]

mod measure;

use std::time::Instant;

use evercount_core::sketch::Precision;
use evercount_core::value::Value;
use evercount_wire::sketch::Sketch;

const SEEDS: u64 = 200;
const SIZES: [u64; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];

/// What the error may be of what theory says.
const OF_THEORY_MAX: f64 = 1.15;

fn main() {
    if std::env::args().any(|argument| argument == "--json") {
        return print_json();
    }
    println!("| precision | values | RMSE % | 1.04/√m % | crate's `len` % | bytes stored |");
    println!("|---|---|---|---|---|---|");
    for row in measure::table(&SIZES, SEEDS) {
        println!(
            "| {} | {} | {:.2} | {:.2} | {:.2} | {} |",
            row.precision.bits(),
            row.values,
            row.ours * 100.0,
            row.theory * 100.0,
            row.crates * 100.0,
            row.bytes
        );
    }
    let values: Vec<Value> = (0..100_000).map(|n| Value::String(format!("customer-{n}"))).collect();
    for precision in [Precision::WINDOW, Precision::LIVE] {
        let mut sketch = Sketch::new(precision);
        let ns = |start: Instant| start.elapsed().as_nanos() / values.len() as u128;
        let start = Instant::now();
        sketch.extend(&values);
        let together = ns(start);
        let start = Instant::now();
        let grew = values.iter().filter(|value| sketch.insert(value)).count();
        let one_by_one = ns(start);
        println!(
            "precision {}: {together} ns a value in `extend`, {one_by_one} ns in `insert` ({grew} grew)",
            precision.bits()
        );
    }
}

/// In the form of the figures of all benchmarks.
fn print_json() {
    let rows = measure::table(&SIZES, SEEDS);
    let worst =
        |of: fn(&measure::Row) -> f64| rows.iter().map(|row| of(row) / row.theory).fold(0.0, f64::max);
    let (ours, crates) = (worst(|row| row.ours), worst(|row| row.crates));
    let figure = serde_json::json!({
        "name": "rmse_of_theory", "what": "worst RMSE of a sketch, 100 to 1,000,000 values, by its theory",
        "value": ours, "not_measured": null, "baseline": crates, "floor": null,
        "at_most": OF_THEORY_MAX, "at_least": null, "reached": ours <= OF_THEORY_MAX,
    });
    println!(
        "{}",
        serde_json::json!({ "bench": "sketch", "figures": [figure], "details": { "seeds": SEEDS } })
    );
}
