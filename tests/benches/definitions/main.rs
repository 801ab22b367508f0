//! What a row costs under one definition and under a hundred, beside counting each definition by a
//! text key of its own.
//!
//! `cargo bench -p evercount-tests --no-default-features --bench definitions [-- --json]`
//!
//! Rows are decoded before; a row is an insert in lane mode, tallied as the counter tallies it. Both
//! ways must count the same before any figure is taken. The benchmark runs itself under callgrind with
//! two numbers of rows; the difference leaves out start-up and set-up. It prints why, and measures
//! nothing, where there is no valgrind.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may panic and prints its figures"
)]

use std::collections::{BTreeMap, HashMap};

use comfy_table::{Table, presets};
use evercount_core::change::{Change, Record, TableName};
use evercount_core::chunk::LaneTally;
use evercount_core::counting::Contributions;
use evercount_core::decimal::Decimal;
use evercount_core::group::Cell;
use evercount_core::image::Image;
use evercount_core::logic::{Catalog, Coverage, LogicState, LogicVersion};
use evercount_core::memo::Memo;
use evercount_core::placement::Placement;
use evercount_core::value::{Item, Value};
use evercount_tests::figures::{self, Figure, Goal};
use evercount_tests::{callgrind, workload};
use evercount_wire::cdc::{Decoder, Envelope, Format};
use evercount_wire::definition;
use serde_json::json;

const NUMBERS: [usize; 4] = [1, 10, 50, 100];
/// Chunks of the two runs.
const CHUNKS: [usize; 2] = [2, 6];
const CHUNK: usize = 2_000;
/// What a hundred definitions may cost of one, and how much less than text keys they must.
const GOALS: (f64, f64) = (4.0, 8.0);

const GROUPS: [&str; 4] = ["\"country\", \"plan\"", "\"status\"", "\"plan\"", ""];
const STATUSES: [&str; 5] = ["NEW", "ACTIVE", "PAUSED", "CLOSED", "RETURNED"];

/// The condition of one of a hundred definitions: a status, or an amount above a bound, or both.
fn condition(number: usize) -> (Option<&'static str>, Option<i64>) {
    let status = STATUSES.get(number % STATUSES.len()).copied().filter(|_| number % 3 != 1);
    let bound = (!number.is_multiple_of(3)).then_some(number as i64 * 5);
    (status, bound)
}

fn catalog(definitions: usize) -> Catalog {
    let mut text = String::new();
    for number in 0..definitions {
        let parts = match condition(number) {
            (Some(status), Some(bound)) => format!("status = '{status}' AND amount > {bound}"),
            (Some(status), None) => format!("status = '{status}'"),
            (None, bound) => format!("amount > {}", bound.unwrap_or(0)),
        };
        let group_by = GROUPS[number % GROUPS.len()];
        text.push_str(&format!(
            "[[count]]\nname = \"d{number:03}\"\ntable = \"orders\"\nwhere = \"{parts}\"\ngroup_by = [{group_by}]\n"
        ));
    }
    let definitions = definition::from_toml(&text, "counts.toml").unwrap();
    let versions = definitions
        .into_iter()
        .map(|definition| LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0));
    Catalog::new(1, versions, [])
}

/// The rows that the table of orders has had.
fn rows() -> Vec<Change> {
    let decoder = Decoder::new(Some(Format::DynamoDb), 0);
    let records = workload::records(3, CHUNK * 2);
    let inserts = records.iter().filter(|record| record.contains("\"INSERT\""));
    let changes = inserts.filter_map(|record| match decoder.decode(&Envelope::of(record.as_bytes())) {
        Ok(Record::Changes(changes)) => changes.into_iter().next(),
        _ => None,
    });
    changes.collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, variant, definitions, chunks] if variant == "memo" || variant == "text" => {
            let counted = run(variant, definitions.parse().unwrap(), chunks.parse().unwrap());
            println!("{}", counted.len());
        }
        _ => compare(arguments.iter().any(|argument| argument == "--json")),
    }
}

/// Counts rows, again and again; what was counted.
fn run(variant: &str, definitions: usize, chunks: usize) -> BTreeMap<String, i64> {
    let rows = rows();
    let chunk: Vec<Change> = rows.iter().cycle().take(CHUNK).cloned().collect();
    match variant {
        "memo" => by_memo(&catalog(definitions), &chunk, chunks),
        _ => by_text(definitions, &chunk, chunks),
    }
}

fn by_memo(catalog: &Catalog, rows: &[Change], chunks: usize) -> BTreeMap<String, i64> {
    let table = TableName::new("orders");
    let logic = catalog.table(&table).unwrap();
    let (mut placement, mut memo) = (Placement::default(), Memo::default());
    let mut counts = BTreeMap::new();
    for _ in 0..chunks {
        let mut tally = LaneTally::default();
        for row in rows {
            let image = row.after.as_ref().unwrap().by_ref();
            tally.stage((&table, memo.of(&table, logic)), (image, 1), &row.version).unwrap();
            tally.take_staged();
        }
        let (mut sum, mut evidence) = (Contributions::new(), Contributions::new());
        tally.finish(&memo, &mut placement, &mut sum, &mut evidence);
        for (logic, cells) in sum {
            for (cell, n) in cells {
                if let Cell::Group(key) = cell {
                    let parts = key.parts().iter().map(|(_, value)| text_of(value));
                    let name = std::iter::once(logic.definition.as_str()).chain(parts);
                    *counts.entry(name.collect::<Vec<_>>().join(" ")).or_insert(0) += n;
                }
            }
        }
    }
    counts
}

fn text_of(value: &Value) -> &str {
    if let Value::String(text) = value { text } else { "" }
}

/// As it is usually written: every definition looks at the row, and makes a text of its group.
fn by_text(definitions: usize, rows: &[Change], chunks: usize) -> BTreeMap<String, i64> {
    let mut counts: HashMap<String, i64> = HashMap::new();
    let bounds: Vec<_> = (0..definitions)
        .map(|number| {
            let (status, bound) = condition(number);
            (number, status, bound.map(Decimal::from))
        })
        .collect();
    for _ in 0..chunks {
        for image in rows.iter().filter_map(|row| row.after.as_ref()).map(Image::item) {
            let text = |column: &str| image.get(column).map_or("", text_of);
            for (number, status, bound) in &bounds {
                let is_status = status.is_none_or(|status| text("status") == status);
                if is_status && bound.as_ref().is_none_or(|bound| is_above(&image, bound)) {
                    let key = match number % GROUPS.len() {
                        0 => format!("d{number:03} {} {}", text("country"), text("plan")),
                        1 => format!("d{number:03} {}", text("status")),
                        2 => format!("d{number:03} {}", text("plan")),
                        _ => format!("d{number:03}"),
                    };
                    *counts.entry(key).or_default() += 1;
                }
            }
        }
    }
    counts.into_iter().collect()
}

fn is_above(image: &Item, bound: &Decimal) -> bool {
    matches!(image.get("amount"), Some(Value::Number(amount)) if amount > bound)
}

fn compare(as_json: bool) {
    for definitions in NUMBERS {
        assert_eq!(run("memo", definitions, 2), run("text", definitions, 2), "{definitions} definitions");
    }
    let goals = (Goal::AtMost(GOALS.0), Goal::AtLeast(GOALS.1));
    let figures_of = |of_one, below| {
        [
            Figure::of("hundred_of_one", "a row under 100 definitions, of one under 1", of_one, goals.0),
            Figure::of("below_text_keys", "the same, text keys by ours", below, goals.1),
        ]
    };
    if !callgrind::is_there() {
        let why = Err(callgrind::MISSING);
        println!("{}", figures::report("definitions", &figures_of(why, why), &json!(null), as_json));
        return;
    }
    let measured: Vec<(usize, f64, f64)> =
        NUMBERS.map(|number| (number, a_row("memo", number), a_row("text", number))).to_vec();
    let one = measured.first().map_or(f64::NAN, |(_, memo, _)| *memo);
    let last = measured.last().copied().unwrap_or((0, f64::NAN, f64::NAN));
    let details: Vec<_> = measured
        .iter()
        .map(|(number, memo, text)| {
            json!({ "definitions": number, "instructions_a_row": memo, "text_keys": text })
        })
        .collect();
    let figures = figures_of(Ok(last.1 / one), Ok(last.2 / last.1));
    println!("{}", figures::report("definitions", &figures, &json!(details), as_json));
    if as_json {
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["definitions", "instructions a row", "of one", "by text keys", "times less"]);
    for (number, memo, text) in &measured {
        table.add_row([
            number.to_string(),
            format!("{memo:.0}"),
            format!("{:.1}", memo / one),
            format!("{text:.0}"),
            format!("{:.1}", text / memo),
        ]);
    }
    println!("\n{table}");
}

/// Instructions a row.
fn a_row(variant: &str, definitions: usize) -> f64 {
    let [few, many] = CHUNKS.map(|chunks| {
        callgrind::instructions(&[variant, &definitions.to_string(), &chunks.to_string()]).unwrap()
    });
    (many - few) as f64 / ((CHUNKS[1] - CHUNKS[0]) * CHUNK) as f64
}
