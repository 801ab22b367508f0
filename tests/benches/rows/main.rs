//! What it costs to keep counts of decoded rows: this counter beside engines that keep any query of
//! them, and beside a map by texts.
//!
//! `cargo bench -p evercount-tests --no-default-features --bench rows [-- --json]`
//!
//! Rows come as images that are there from now on and images that are gone, in chunks, and each chunk's
//! sums are told, as a transaction of the counter or a step of an engine tells them. All must count the
//! same before any figure is taken. Each program is run under callgrind with two numbers of chunks; the
//! difference leaves out start-up and set-up. It prints why, and measures nothing, where there is no
//! valgrind.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic and prints its figures")]

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use evercount_core::change::{Record, TableName};
use evercount_core::chunk::LaneTally;
use evercount_core::counting::Contributions;
use evercount_core::decimal::Decimal;
use evercount_core::group::Cell;
use evercount_core::image::Image;
use evercount_core::logic::{Catalog, Coverage, LogicState, LogicVersion};
use evercount_core::memo::Memo;
use evercount_core::order::OrderVersion;
use evercount_core::placement::Placement;
use evercount_core::projection::Projection;
use evercount_core::value::{Item, Value};
use evercount_tests::figures::{self, Figure, Goal};
use evercount_tests::peers::peer;
use evercount_tests::{callgrind, workload};
use evercount_wire::cdc::{Decoder, Envelope, Format, Scanner};
use evercount_wire::definition;
use serde_json::json;

/// Images of a chunk.
const CHUNK: usize = 4_000;
/// Chunks of the two runs.
const CHUNKS: [usize; 2] = [4, 16];
/// How much less than an engine it must take.
const TIMES_LESS: f64 = 6.0;

/// An image that is there from now on, or is gone, as the counter's decoder leaves it.
struct Row {
    image: Image,
    at: OrderVersion,
    times: i64,
}

/// What is counted, by a line for each group.
type Counts = BTreeMap<String, i64>;

fn table() -> TableName {
    TableName::new("orders")
}

fn catalog() -> Catalog {
    let definitions = definition::from_toml(workload::DEFINITIONS, "counts.toml").unwrap();
    let versions = definitions
        .into_iter()
        .map(|definition| LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0));
    Catalog::new(1, versions, [])
}

fn rows() -> Vec<Row> {
    let decoder = Decoder::new(Some(Format::DynamoDb), 0);
    let mut scanner = Scanner::default();
    scanner.project(table(), Projection::for_lanes(catalog().table(&table()).unwrap()));
    let mut rows = Vec::with_capacity(CHUNK + 1);
    for record in workload::records(3, CHUNK) {
        let decoded = decoder.decode_kept(&mut scanner, &Envelope::of(record.as_bytes()));
        let Ok(Record::Changes(changes)) = decoded else { continue };
        for change in changes {
            for (image, times) in [(change.before, -1), (change.after, 1)] {
                let Some(image) = image else { continue };
                rows.push(Row { image, at: change.version.clone(), times });
            }
        }
    }
    rows.truncate(CHUNK);
    rows
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, variant, chunks] if variant == "ours" || variant == "text" => {
            for (group, n) in run(variant, chunks.parse().unwrap()) {
                println!("{group}\t{n}");
            }
        }
        _ => compare(arguments.iter().any(|argument| argument == "--json")),
    }
}

fn run(variant: &str, chunks: usize) -> Counts {
    let rows = rows();
    let mut counts = if variant == "ours" { ours(&rows, chunks) } else { by_text(&rows, chunks) };
    counts.retain(|_, n| *n != 0);
    counts
}

fn ours(rows: &[Row], chunks: usize) -> Counts {
    let (table, catalog) = (table(), catalog());
    let logic = catalog.table(&table).unwrap();
    let (mut placement, mut memo) = (Placement::default(), Memo::default());
    let mut counts = Counts::new();
    for _ in 0..chunks {
        let mut tally = LaneTally::default();
        for row in rows {
            let image = Some(row.image.by_ref());
            let images = if row.times > 0 { (None, image) } else { (image, None) };
            tally.stage((&table, memo.of(&table, logic)), images, &row.at).unwrap();
            tally.take_staged();
        }
        let (mut sum, mut evidence) = (Contributions::new(), Contributions::new());
        tally.finish(&memo, &mut placement, &mut sum, &mut evidence);
        for (logic, cells) in sum {
            let count = if logic.definition.as_str() == "large_active" { "0" } else { "1" };
            for (cell, n) in cells {
                if let Cell::Group(key) = cell {
                    let part = |at: usize| key.parts().get(at).map_or("", |(_, value)| text_of(value));
                    *counts.entry(format!("{count} {} {}", part(0), part(1))).or_default() += n;
                }
            }
        }
    }
    counts
}

fn text_of(value: &Value) -> &str {
    if let Value::String(text) = value { text } else { "" }
}

/// As it is usually written.
fn by_text(rows: &[Row], chunks: usize) -> Counts {
    let above = Decimal::from(100);
    let rows: Vec<(Item, i64)> = rows.iter().map(|row| (row.image.item().into_owned(), row.times)).collect();
    let mut counts: HashMap<(String, String, String), i64> = HashMap::new();
    for _ in 0..chunks {
        for (image, times) in &rows {
            let text = |column: &str| image.get(column).map_or("", text_of).to_owned();
            let is_large = matches!(image.get("amount"), Some(Value::Number(amount)) if *amount > above);
            if text("status") == "ACTIVE" && is_large {
                *counts.entry(("0".to_owned(), text("country"), text("plan"))).or_default() += times;
            }
            *counts.entry(("1".to_owned(), text("status"), String::new())).or_default() += times;
        }
    }
    counts.into_iter().map(|((count, first, second), n)| (format!("{count} {first} {second}"), n)).collect()
}

/// A program that counts, and what comes before the number of chunks.
struct Program {
    path: PathBuf,
    arguments: Vec<String>,
}

impl Program {
    fn command(&self, chunks: usize) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).arg(chunks.to_string());
        command
    }

    fn counts(&self, chunks: usize) -> Counts {
        let output = self.command(chunks).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8(output.stdout).unwrap();
        let lines = told.lines().filter_map(|line| line.split_once('\t'));
        lines.map(|(group, n)| (group.to_owned(), n.parse().unwrap())).collect()
    }

    /// Instructions a row.
    fn a_row(&self) -> f64 {
        let [few, many] = CHUNKS.map(|chunks| callgrind::of_command(&self.command(chunks)).unwrap());
        (many - few) as f64 / ((CHUNKS[1] - CHUNKS[0]) * CHUNK) as f64
    }
}

/// The rows as the engines read them.
fn file_of_rows() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for Row { image, times, .. } in rows() {
        let image = image.into_item();
        let text = |column: &str| image.get(column).map_or("", text_of);
        let Some(Value::Number(amount)) = image.get("amount") else { continue };
        let hundredths = (amount.to_string().parse::<f64>().unwrap() * 100.0).round();
        let columns = [text("status"), text("country"), text("plan")].join("\t");
        writeln!(file, "{times}\t{columns}\t{hundredths}").unwrap();
    }
    file
}

fn compare(as_json: bool) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let this = |variant: &str| Program {
        path: std::env::current_exe().unwrap(),
        arguments: vec![variant.to_owned()],
    };
    let file = file_of_rows();
    let differential = Program {
        path: peer(tests, "differential", Some("differential")).unwrap(),
        arguments: vec![file.path().display().to_string()],
    };
    let (ours, text) = (this("ours"), this("text"));
    let groups = ours.counts(2);
    for other in [&text, &differential] {
        assert_eq!(other.counts(2), groups, "{} counts otherwise", other.path.display());
    }
    let measured = match callgrind::is_there() {
        true => Ok([&ours, &text, &differential].map(Program::a_row)),
        false => Err(callgrind::MISSING),
    };
    let figure = |name, what, of: fn([f64; 3]) -> f64, goal| Figure::of(name, what, measured.map(of), goal);
    let goal = Goal::AtLeast(TIMES_LESS);
    let figures = [
        figure("row", "instructions a decoded row", |[ours, ..]| ours, Goal::None),
        figure("times_text", "a map by texts, by ours", |[ours, text, _]| text / ours, Goal::None),
        figure("times_differential", "differential dataflow, by ours", |[ours, _, other]| other / ours, goal),
    ];
    let details = json!({ "rows_of_a_chunk": CHUNK, "groups": groups.len() });
    println!("{}", figures::report("rows", &figures, &details, as_json));
}
