//! What it costs to keep counts of decoded rows: this counter beside engines that keep any query of
//! them, and beside a map by texts.
//!
//! `cargo bench -p evercount-tests --no-default-features --bench rows [-- --json] [-- --dbsp]`
//!
//! Rows come as images that are there from now on and images that are gone, in chunks, and each chunk's
//! sums are told, as a transaction of the counter or a step of an engine tells them. All must count the
//! same before any figure is taken. Each program is run with two numbers of chunks; the difference leaves
//! out start-up and set-up. Figures are CPU time, in turns, and instructions under callgrind. An engine
//! sorts what it keeps, so that it waits for memory and for branches that were foreseen wrongly, where a map
//! does not: by time it is further behind than by instructions.
//!
//! The engine of dbsp is built only where `--dbsp` asks for it, which takes a quarter of an hour.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark may panic and prints its figures"
)]

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
use evercount_tests::runtime_api::Processors;
use evercount_tests::{callgrind, workload};
use evercount_wire::cdc::{Decoder, Envelope, Format, Scanner};
use evercount_wire::definition;
use serde_json::json;

/// Images of a chunk.
const CHUNK: usize = 4_000;
/// Chunks of the two runs whose instructions are counted.
const COUNTED: [usize; 2] = [4, 16];
/// Chunks of the two runs whose time is taken: of the counter, and of what is slower.
const TIMED: [usize; 2] = [500, 4_500];
const TIMED_SLOWER: [usize; 2] = [100, 500];
/// Turns of each program.
const TURNS: usize = 15;
/// Ticks of a second in which the kernel tells of time (proc(5), `sysconf(_SC_CLK_TCK)`): of these turns a
/// tick is a hundredth at most.
const TICKS: f64 = 100.0;
/// How much less than differential dataflow it must take.
const TIMES_DIFFERENTIAL: f64 = 6.0;
/// How much less than dbsp.
const TIMES_DBSP: f64 = 12.0;

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
        _ => compare(|flag| arguments.iter().any(|argument| argument == flag)),
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
        let judged = memo.of(&table, logic);
        for row in rows {
            tally.stage((&table, judged), (row.image.by_ref(), row.times), &row.at).unwrap();
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
    timed: [usize; 2],
    /// CPU nanoseconds a row.
    turns: Vec<f64>,
}

impl Program {
    fn new(path: PathBuf, argument: &str, timed: [usize; 2]) -> Self {
        Self { path, arguments: vec![argument.to_owned()], timed, turns: Vec::new() }
    }

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

    /// Takes one turn.
    fn time(&mut self) {
        let [few, many] = self.timed.map(|chunks| {
            let before = seconds_of_children();
            self.counts(chunks);
            seconds_of_children() - before
        });
        self.turns.push((many - few) * 1e9 / rows_between(self.timed));
    }

    /// Instructions a row.
    fn instructions(&self) -> f64 {
        let [few, many] = COUNTED.map(|chunks| callgrind::of_command(&self.command(chunks)).unwrap());
        (many - few) as f64 / rows_between(COUNTED)
    }
}

fn rows_between([few, many]: [usize; 2]) -> f64 {
    ((many - few) * CHUNK) as f64
}

/// CPU time of all programs that were started and have ended (proc(5), `stat`).
fn seconds_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program, in parentheses, may have spaces in it; behind it, `cutime` is the 14th field.
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(13).take(2);
    fields.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS
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

fn compare(has: impl Fn(&str) -> bool) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let this = std::env::current_exe().unwrap();
    let file = file_of_rows();
    let engine = |name| {
        let path = peer(tests, name, Some(name), Processors::All).unwrap();
        Program::new(path, &file.path().display().to_string(), TIMED_SLOWER)
    };
    let mut programs = vec![
        Program::new(this.clone(), "ours", TIMED),
        Program::new(this, "text", TIMED_SLOWER),
        engine("differential"),
    ];
    if has("--dbsp") {
        programs.push(engine("dbsp"));
    }
    let groups = programs.first().unwrap().counts(2);
    for other in &programs {
        assert_eq!(other.counts(2), groups, "{} counts otherwise", other.path.display());
    }
    for turn in 0..TURNS {
        programs.iter_mut().for_each(Program::time);
        eprint!("\rturn {} of {TURNS}", turn + 1);
    }
    eprintln!();
    let ours = programs.first().unwrap();
    let nanoseconds = figures::median(ours.turns.iter().copied()).unwrap();
    let instructions: Vec<f64> =
        if callgrind::is_there() { programs.iter().map(Program::instructions).collect() } else { Vec::new() };
    let (unbuilt, uncounted) = ("it is built with `--dbsp`", callgrind::MISSING);
    let by_ours = |name, what, program: usize, goal| {
        let ratio = programs.get(program).and_then(|theirs| figures::times(&theirs.turns, &ours.turns));
        Figure::of(name, what, ratio.ok_or(unbuilt), goal)
    };
    let counted = |name, what, value: Option<f64>| Figure::of(name, what, value.ok_or(uncounted), Goal::None);
    let ours_counted = instructions.first().copied();
    let differential_counted = instructions.get(2).zip(ours_counted).map(|(theirs, ours)| theirs / ours);
    let (differential, dbsp) = (Goal::AtLeast(TIMES_DIFFERENTIAL), Goal::AtLeast(TIMES_DBSP));
    let in_instructions = "instructions of differential dataflow, by ours";
    let figures = [
        counted("row", "instructions a decoded row", ours_counted),
        Figure::new("row_ns", "CPU ns a decoded row", nanoseconds, Goal::None),
        by_ours("times_text", "CPU of a map by texts, by ours", 1, Goal::None),
        by_ours("times_differential", "CPU of differential dataflow, by ours", 2, differential),
        counted("times_differential_instructions", in_instructions, differential_counted),
        by_ours("times_dbsp", "CPU of dbsp, by ours", 3, dbsp),
    ];
    let details = json!({ "rows_of_a_chunk": CHUNK, "groups": groups.len() });
    println!("{}", figures::report("rows", &figures, &details, has("--json")));
}
