//! From an event's bytes to deltas, through the Lambda runtime: this counter beside the same counts
//! the way they are usually written.
//!
//! `cargo bench -p evercount-tests --no-default-features --bench decode [-- --json | --check | --renew]`
//!
//! Each variant is a function of its own, started by a Runtime API on loopback, that is handed the
//! same events. All must tell the same counts before any figure is taken; figures are CPU time, in
//! turns, and instructions under callgrind, and what is quoted are ratios of one run. The time that counts is
//! from where the runtime has an event's bytes to where their counts are told. That of the whole process,
//! in which the kernel and the runtime's HTTP client bring those bytes, is told beside it, and so is what
//! instructions are of.
//! The floor reads an event and looks at each byte of each record once, and counts nothing.
//!
//! With `--check` only the instructions are counted, and held against `baseline.json` beside this
//! file; with `--renew` they are written there. They are those of one compiler on one kind of
//! processor, so both stand there too, and nothing is held against another's.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use evercount_tests::figures::{self, Figure, Goal};
use evercount_tests::peers::peer;
use evercount_tests::runtime_api::{Function, Processors, built};
use evercount_tests::{callgrind, workload};
use serde_json::{Value, json};

/// Records of a run: some twenty events.
const RECORDS: usize = 60_000;
/// Events before the measuring starts: memory is taken from the system until then.
const WARM_UP: usize = 4;
/// Turns of each variant: single ones differ by a tenth on a machine that others use, too.
const TURNS: usize = 15;
/// Events of the longer run under callgrind; the shorter one has one.
const COUNTED_EVENTS: usize = 3;
/// By how much a record's instructions may differ from the baseline, as a share.
const TOLERANCE: f64 = 0.02;
/// What a record may take in lane mode.
const INSTRUCTIONS_MAX: f64 = 22_000.0;

/// How a variant is started.
struct Variant {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    turns: Vec<Turn>,
    peak: f64,
    instructions: Option<f64>,
}

/// CPU microseconds a record of one turn.
#[derive(Clone, Copy)]
struct Turn {
    /// From bytes to counts.
    counting: f64,
    /// Of the whole process.
    process: f64,
}

impl Variant {
    fn new(name: &'static str, program: PathBuf, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|one| (*one).to_owned()).collect();
        Self { name, program, arguments, turns: Vec::new(), peak: 0.0, instructions: None }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }

    /// CPU microseconds a record from where the runtime has its bytes, turn by turn.
    fn counting(&self) -> impl Iterator<Item = &f64> {
        self.turns.iter().map(|turn| &turn.counting)
    }

    /// CPU microseconds a record.
    fn median(&self, of: fn(&Turn) -> f64) -> Option<f64> {
        figures::median(self.turns.iter().map(of))
    }
}

fn main() -> io::Result<()> {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize()?;
    let events = workload::events(&workload::records(7, RECORDS), 1);
    if has("--check") {
        return check(&root, &events);
    }
    if has("--renew") {
        return renew(&root, &events);
    }
    let mut variants = variants(&root)?;
    let told = agree(&variants, &events)?;
    variants.push(Variant::new("floor", handler(&root)?, &["floor"]));
    for turn in 0..TURNS {
        for variant in &mut variants {
            measure(variant, &events)?;
        }
        eprint!("\rturn {} of {TURNS}", turn + 1);
    }
    eprintln!();
    for variant in variants.iter_mut().filter(|variant| !PYTHON.contains(&variant.name)) {
        variant.instructions = instructions(variant, &events)?;
    }
    let details = json!({ "records": RECORDS, "counts_alike": told });
    println!("{}", figures::report("decode", &figures(&variants, &events), &details, has("--json")));
    Ok(())
}

/// The libraries that Python counts with.
const PYTHON: [&str; 2] = ["json", "orjson"];

/// Builds what is compared, and finds out what is there.
fn variants(root: &Path) -> io::Result<Vec<Variant>> {
    let mut variants = vec![
        Variant::new("lane", handler(root)?, &["lane"]),
        Variant::new("ledger", handler(root)?, &["ledger"]),
        Variant::new("naive", peer(root, "naive", None, Processors::Lambda)?, &[]),
    ];
    let script = root.join("benches/decode/handler.py").display().to_string();
    for library in PYTHON {
        let found = Command::new("python3").args(["-c", &format!("import {library}")]).output();
        if found.is_ok_and(|output| output.status.success()) {
            variants.push(Variant::new(library, "python3".into(), &[&script, library]));
        }
    }
    Ok(variants)
}

/// The function under measurement, its own package at the level of the item counter's: what waits for calls is made
/// with that.
fn handler(root: &Path) -> io::Result<PathBuf> {
    let level = "profile.release.package.evercount-tests.opt-level='z'";
    let what =
        ["--config", level, "--package", "evercount-tests", "--no-default-features", "--example", "deltas"];
    Ok(built(root, &what, Processors::Lambda)?.join("examples/deltas"))
}

/// Lets every variant count everything once; how many lines of counts they agree on.
fn agree(variants: &[Variant], events: &[String]) -> io::Result<usize> {
    let mut known: Option<(&str, Vec<String>)> = None;
    for variant in variants {
        let mut function = Function::start(&mut variant.command())?;
        let mut told = String::new();
        for event in events {
            told = function.invoke(event)?;
        }
        let text = text_of(told);
        // The first is how long it took.
        let lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
        match &known {
            Some((name, expected)) if *expected != lines => {
                return Err(io::Error::other(format!("{} and {name} count differently", variant.name)));
            }
            Some(_) => {}
            None => known = Some((variant.name, lines)),
        }
    }
    Ok(known.map_or(0, |(_, lines)| lines.len()))
}

/// What a function answered, which some write as JSON.
fn text_of(told: String) -> String {
    serde_json::from_str(&told).unwrap_or(told)
}

/// For how many microseconds a function says that it ran.
fn counting_us(told: String) -> io::Result<f64> {
    let nanoseconds = text_of(told).lines().next().and_then(|line| line.parse::<f64>().ok());
    nanoseconds.map(|n| n / 1e3).ok_or_else(|| io::Error::other("it did not tell how long it ran"))
}

fn records(events: &[String]) -> f64 {
    events.iter().map(|event| event.matches("\"eventSourceARN\"").count()).sum::<usize>() as f64
}

fn measure(variant: &mut Variant, events: &[String]) -> io::Result<()> {
    let mut function = Function::start(&mut variant.command())?;
    let (warm_up, measured) = events.split_at(WARM_UP);
    let at_rest = function.peak_bytes()?;
    for (number, event) in warm_up.iter().enumerate() {
        function.invoke(event)?;
        if number == 0 {
            variant.peak = function.peak_bytes()? - at_rest;
        }
    }
    let (before, mut counting) = (function.cpu_us()?, 0.0);
    for event in measured {
        counting += counting_us(function.invoke(event)?)?;
    }
    let (process, records) = (function.cpu_us()? - before, records(measured));
    variant.turns.push(Turn { counting: counting / records, process: process / records });
    Ok(())
}

/// Instructions a record; `None` where there is no valgrind.
fn instructions(variant: &Variant, events: &[String]) -> io::Result<Option<f64>> {
    if !callgrind::is_there() {
        return Ok(None);
    }
    let run = |events: &[String]| -> io::Result<f64> {
        let out = tempfile::NamedTempFile::new()?;
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!("--callgrind-out-file={}", out.path().display()))
            .arg(&variant.program)
            .args(&variant.arguments);
        let mut function = Function::start(&mut command)?;
        for event in events {
            function.invoke(event)?;
        }
        function.end()?;
        let text = std::fs::read_to_string(out.path())?;
        let total =
            text.lines().find_map(|line| line.strip_prefix("totals:").or(line.strip_prefix("summary:")));
        total.and_then(|n| n.trim().parse().ok()).ok_or_else(|| io::Error::other("callgrind told nothing"))
    };
    let (few, many) =
        (run(events.get(..1).unwrap_or(events))?, run(events.get(..COUNTED_EVENTS).unwrap_or(events))?);
    Ok(Some((many - few) / records(events.get(1..COUNTED_EVENTS).unwrap_or_default())))
}

/// The figures of one run.
fn figures(variants: &[Variant], events: &[String]) -> Vec<Figure> {
    let of = |name: &str| variants.iter().find(|variant| variant.name == name);
    let median = |name: &str, which| of(name).and_then(|variant| variant.median(which));
    let counting = |name: &str| median(name, |turn| turn.counting);
    let process = |name: &str| median(name, |turn| turn.process);
    let instructions = |name: &str| of(name).and_then(|variant| variant.instructions);
    let held = |name, what, variant, goal| {
        let counted = instructions(variant).ok_or(callgrind::MISSING);
        let (baseline, floor) = (instructions("naive"), instructions("floor"));
        Figure { baseline, floor, ..Figure::of(name, what, counted, goal) }
    };
    let missing = "its library cannot be imported by `python3`";
    let times = |name, what, variant: &str, least| {
        let pair = of(variant).zip(of("lane"));
        let ratio = pair.and_then(|(theirs, ours)| figures::times(theirs.counting(), ours.counting()));
        Figure::of(name, what, ratio.ok_or(missing), Goal::AtLeast(least))
    };
    let event = events.first().map_or(f64::NAN, |event| event.len() as f64);
    let peak = of("lane").map_or(f64::NAN, |variant| variant.peak / event);
    let time = |name, what, of: &dyn Fn(&str) -> Option<f64>| {
        let figure = Figure::of(name, what, of("lane").ok_or("it did not run"), Goal::None);
        Figure { baseline: of("naive"), floor: of("floor"), ..figure }
    };
    vec![
        held("instructions", "instructions a record, lane mode", "lane", Goal::AtMost(INSTRUCTIONS_MAX)),
        held("ledger_instructions", "instructions a record, ledger mode", "ledger", Goal::None),
        time("cpu_us", "CPU µs a record, lane mode", &counting),
        time("process_us", "the same of the whole process, which is handed it over HTTP", &process),
        times("times_naive", "CPU of KinesisEvent and serde_json::Value, by ours", "naive", 7.5),
        times("times_json", "CPU of Python's json, by ours", "json", 15.0),
        times("times_orjson", "CPU of Python's orjson, by ours", "orjson", 12.0),
        Figure::new(
            "peak_of_event",
            "peak memory by an event of 6 MiB, of its size",
            peak,
            Goal::AtMost(3.0),
        ),
    ]
}

/// What the figures of the baseline hold for: the compiler and the processor's architecture.
fn compiler() -> io::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output()?;
    Ok(format!("{} on {}", String::from_utf8_lossy(&output.stdout).trim(), std::env::consts::ARCH))
}

fn baseline_file(root: &Path) -> PathBuf {
    root.join("benches/decode/baseline.json")
}

/// The modes whose instructions are written down.
const MODES: [&str; 2] = ["lane", "ledger"];

/// The instructions of a record in one mode.
fn counted(root: &Path, mode: &'static str, events: &[String]) -> io::Result<f64> {
    let found = instructions(&Variant::new(mode, handler(root)?, &[mode]), events)?;
    found.ok_or_else(|| io::Error::other(callgrind::MISSING))
}

/// Writes the instructions of a record down.
fn renew(root: &Path, events: &[String]) -> io::Result<()> {
    let mut baseline = serde_json::Map::from_iter([("compiler".to_owned(), json!(compiler()?))]);
    for mode in MODES {
        baseline.insert(mode.to_owned(), json!(counted(root, mode, events)?.round()));
    }
    std::fs::write(baseline_file(root), format!("{:#}\n", Value::Object(baseline)))
}

/// Holds the instructions of a record against those that are written down.
fn check(root: &Path, events: &[String]) -> io::Result<()> {
    let file = baseline_file(root);
    let baseline: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    if !callgrind::is_there() {
        println!("not compared: {}", callgrind::MISSING);
        return Ok(());
    }
    let (here, there) = (compiler()?, baseline.get("compiler").and_then(Value::as_str).unwrap_or_default());
    let mut wrong = Vec::new();
    for mode in MODES {
        let found = counted(root, mode, events)?;
        let written = baseline.get(mode).and_then(Value::as_f64).unwrap_or(f64::NAN);
        println!("{mode} mode: {found:.0} instructions a record, {written:.0} written down");
        // What is not written down compares with nothing, and is wrong too.
        let is_near = (found - written).abs() <= written * TOLERANCE;
        if !is_near {
            wrong.push(mode);
        }
    }
    if here != there {
        println!("not compared: they are those of {there}, and this is {here}");
        return Ok(());
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "instructions of {wrong:?} differ by more than {} % from {}: find out why, and where it is meant write the \
         new figures down with `infra/gate --renew`",
        TOLERANCE * 100.0,
        file.display()
    )))
}
