//! From an event's bytes to deltas, through the Lambda runtime: this counter beside the same counts
//! the way they are usually written.
//!
//! `cargo bench -p evercount-tests --no-default-features --bench decode [-- --json | --check]`
//!
//! Each variant is a function of its own, started by a Runtime API on loopback, that is handed the
//! same events. All must tell the same counts before any figure is taken; figures are CPU time of
//! the process, in turns, and instructions under callgrind, and what is quoted are ratios of one run.
//! With `--check` only the instructions are counted, and held against `baseline.json` beside this file.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use comfy_table::{Table, presets};
use evercount_tests::runtime_api::{Function, built};
use evercount_tests::workload;
use serde_json::{Value, json};

/// Records of a run: about a dozen events.
const RECORDS: usize = 30_000;
/// Events before the measuring starts.
const WARM_UP: usize = 2;
/// Turns of each variant.
const TURNS: usize = 5;
/// Events of the longer run under callgrind; the shorter one has one.
const COUNTED_EVENTS: usize = 3;
/// By how much a record's instructions may differ from the baseline, as a share.
const TOLERANCE: f64 = 0.02;

/// How a variant is started.
struct Variant {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    /// What the ratio to it is to be.
    goal: Option<f64>,
    cpu: Vec<f64>,
    peak: f64,
    instructions: Option<f64>,
}

impl Variant {
    fn new(name: &'static str, program: PathBuf, arguments: &[&str], goal: Option<f64>) -> Self {
        let arguments = arguments.iter().map(|one| (*one).to_owned()).collect();
        Self { name, program, arguments, goal, cpu: Vec::new(), peak: 0.0, instructions: None }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }

    /// CPU microseconds a record.
    fn median(&self) -> f64 {
        let mut figures = self.cpu.clone();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

fn main() -> io::Result<()> {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize()?;
    let events = workload::events(&workload::records(7, RECORDS), 1);
    if has("--check") {
        return check(&root, &events);
    }
    let mut variants = variants(&root)?;
    let told = agree(&variants, &events)?;
    for turn in 0..TURNS {
        for variant in &mut variants {
            measure(variant, &events)?;
        }
        eprint!("\rturn {} of {TURNS}", turn + 1);
    }
    eprintln!();
    for variant in variants.iter_mut().filter(|variant| !variant.name.starts_with("Python")) {
        variant.instructions = instructions(variant, &events)?;
    }
    report(&variants, &events, told, has("--json"));
    Ok(())
}

/// Builds what is compared, and finds out what is there.
fn variants(root: &Path) -> io::Result<Vec<Variant>> {
    let mut variants = vec![
        Variant::new("Evercount, lane mode", handler(root)?, &["lane"], None),
        Variant::new("Evercount, ledger mode", handler(root)?, &["ledger"], None),
        Variant::new("Rust: KinesisEvent, serde_json::Value", peer(root, "naive")?, &[], Some(7.5)),
    ];
    let script = root.join("benches/decode/handler.py").display().to_string();
    for (name, library, goal) in [("Python 3: json", "json", 15.0), ("Python 3: orjson", "orjson", 12.0)] {
        let found = Command::new("python3").args(["-c", &format!("import {library}")]).output();
        if found.is_ok_and(|output| output.status.success()) {
            variants.push(Variant::new(name, "python3".into(), &[&script, library], Some(goal)));
        } else {
            eprintln!("without {name}: `python3 -c 'import {library}'` fails; install it to compare");
        }
    }
    Ok(variants)
}

/// The function under measurement, built as functions are.
fn handler(root: &Path) -> io::Result<PathBuf> {
    let what = ["--package", "evercount-tests", "--no-default-features", "--example", "deltas"];
    Ok(built(root, &what)?.join("examples/deltas"))
}

/// A baseline, from the workspace of baselines.
fn peer(root: &Path, name: &str) -> io::Result<PathBuf> {
    let target = std::env::current_exe()?.parent().and_then(Path::parent).unwrap_or(root).join("peers");
    let into = target.display().to_string();
    built(&root.join("peers"), &["--bin", name, "--target-dir", &into])?;
    Ok(target.join("release").join(name))
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
        let text: String = serde_json::from_str(&told).unwrap_or(told);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
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
    let before = function.cpu_us()?;
    for event in measured {
        function.invoke(event)?;
    }
    variant.cpu.push((function.cpu_us()? - before) / records(measured));
    Ok(())
}

/// Instructions a record; `None` where there is no valgrind.
fn instructions(variant: &Variant, events: &[String]) -> io::Result<Option<f64>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("without instructions: valgrind is not installed");
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

fn report(variants: &[Variant], events: &[String], told: usize, as_json: bool) {
    let ours = variants.first().map_or(f64::NAN, Variant::median);
    let bytes = events.first().map_or(f64::NAN, |event| event.len() as f64);
    let rows: Vec<Value> = variants
        .iter()
        .map(|variant| {
            json!({
                "variant": variant.name,
                "cpu_us_a_record": variant.median(),
                "times": variant.median() / ours,
                "goal": variant.goal,
                "instructions_a_record": variant.instructions,
                "peak_of_event": variant.peak / bytes,
            })
        })
        .collect();
    if as_json {
        println!(
            "{}",
            json!({ "bench": "decode", "records": RECORDS, "counts_alike": told, "variants": rows })
        );
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["event bytes → deltas", "CPU a record", "×", "goal", "instructions", "peak / event"]);
    for row in rows {
        let figure = |name: &str| row.get(name).and_then(Value::as_f64);
        table.add_row([
            row.get("variant").and_then(Value::as_str).unwrap_or_default().to_owned(),
            figure("cpu_us_a_record").map_or_else(String::new, |n| format!("{n:.2} µs")),
            figure("times").map_or_else(String::new, |n| format!("{n:.1}")),
            figure("goal").map_or_else(String::new, |n| format!("≥ {n}")),
            figure("instructions_a_record").map_or_else(String::new, |n| format!("{n:.0}")),
            figure("peak_of_event").map_or_else(String::new, |n| format!("{n:.1}")),
        ]);
    }
    println!("{table}");
    println!("medians of {TURNS} turns; all {told} counts alike in every variant");
}

/// Holds the instructions of a record against those that are written down.
fn check(root: &Path, events: &[String]) -> io::Result<()> {
    let file = root.join("benches/decode/baseline.json");
    let baseline: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    let mut wrong = Vec::new();
    for mode in ["lane", "ledger"] {
        let variant = Variant::new("Evercount", handler(root)?, &[mode], None);
        let Some(found) = instructions(&variant, events)? else { return Ok(()) };
        let written = baseline.get(mode).and_then(Value::as_f64).unwrap_or(f64::NAN);
        println!("{mode} mode: {found:.0} instructions a record, {written:.0} written down");
        // What is not written down compares with nothing, and is wrong too.
        let is_near = (found - written).abs() <= written * TOLERANCE;
        if !is_near {
            wrong.push(mode);
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "instructions of {wrong:?} differ by more than {} % from {}: find out why, and write the new figure down \
         where it is meant",
        TOLERANCE * 100.0,
        file.display()
    )))
}
