//! Prints the error table of `evercount_wire::sketch`, and what an insert costs.

#![expect(clippy::print_stdout, reason = "the table is what this is for")]

mod measure;

use std::time::Instant;

use evercount_core::sketch::Precision;
use evercount_core::value::Value;
use evercount_wire::sketch::Sketch;

const SEEDS: u64 = 200;
const SIZES: [u64; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];

fn main() {
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
