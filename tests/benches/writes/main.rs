//! What a record costs in DynamoDB, in both modes, beside designs that write with every record.
//!
//! `cargo bench -p evercount-tests --no-default-features --bench writes [-- --json]`
//!
//! Nothing here depends on time or on the machine: the bill is computed from the items that commits
//! leave, so two runs print the same. Counts are compared before anything is printed.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use comfy_table::{Table, presets};
use evercount_tests::figures;
use evercount_tests::scale::writes::measure;
use serde_json::json;

/// Batches that are billed.
const BATCHES: usize = 20;

fn main() -> Result<(), String> {
    let measured = measure(BATCHES)?;
    let rows: serde_json::Map<_, _> =
        measured.row_bytes.iter().map(|(name, bytes)| (name.clone(), json!(bytes))).collect();
    let as_json = std::env::args().any(|argument| argument == "--json");
    println!(
        "{}",
        figures::report("writes", &measured.figures, &json!({ "ledger_row_bytes": rows }), as_json)
    );
    if as_json {
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["attribute of a ledger row", "mean bytes"]);
    for (name, bytes) in &measured.row_bytes {
        table.add_row([name.clone(), format!("{bytes:.1}")]);
    }
    println!("\n{table}");
    Ok(())
}
