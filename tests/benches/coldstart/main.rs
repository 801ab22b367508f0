//! How long each function takes from its start to its first poll, and what memory it takes, beside
//! the least that a function in Rust can be, without any SDK (`bootstrap.rs`), and beside one in
//! Python 3.11 and boto3 that makes the item counter's client (`handler.py`). What the item counter is
//! meant to keep to is said with the figures.
//!
//! `cargo bench -p evercount-tests --no-default-features --bench coldstart [-- --json]`
//!
//! The functions are started as Lambda starts them, against a Runtime API on loopback that notes
//! when it is asked for the first invocation and never answers. Starts take turns, so that whatever
//! else the machine does befalls all alike, and in each turn in another order, because one that starts behind a
//! program like it finds much of what it needs at hand. Ratios of CPU are taken turn by turn, and of them the median.
//! Programs are started from copies, written in one go as those of Lambda are: a linker writes its output in pieces,
//! and how those lie in memory is a twentieth of a start.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use comfy_table::{Table, presets};
use evercount_tests::figures::{self, Figure, Goal};
use evercount_tests::runtime_api::{Function, Processors, built};
use serde_json::{Value, json};

/// Starts of each function.
const STARTS: usize = 101;
/// What the orders of the turns are drawn by.
const SEED: u64 = 1;
/// The names of what the functions are compared with.
const BASELINE: &str = "Python 3.11 + boto3";
const BARE: &str = "no SDK";

/// The function that runs most often, and what it has to keep to: a stripped binary of at most so many
/// bytes, and CPU to the first poll at most so many times that of a function without an SDK, and at least
/// so many times less than Python's.
const HELD_TO: &str = "item-counter";
const BYTES_MAX: f64 = 6e6;
const TIMES_BARE_MAX: f64 = 1.3;
const TIMES_LESS_CPU_MIN: f64 = 80.0;

struct Candidate {
    name: String,
    program: PathBuf,
    arguments: Vec<PathBuf>,
    starts: Vec<Start>,
}

/// One start, at its first poll.
#[derive(Clone, Copy)]
struct Start {
    wall_ms: f64,
    cpu_ms: f64,
    peak_kib: f64,
}

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let json = std::env::args().any(|argument| argument == "--json");
    let copies = tempfile::tempdir()?;
    let mut candidates = functions(&root)?;
    candidates.push(bare(&root)?);
    for candidate in &mut candidates {
        let copy = copies.path().join(&candidate.name);
        std::fs::copy(&candidate.program, &copy)?;
        candidate.program = copy;
    }
    match python(&root) {
        Ok(baseline) => candidates.push(baseline),
        Err(why) => eprintln!("without {BASELINE}: {why}"),
    }
    let (mut orders, mut order) = (fastrand::Rng::with_seed(SEED), Vec::from_iter(0..candidates.len()));
    for round in 0..STARTS {
        orders.shuffle(&mut order);
        for at in &order {
            let Some(candidate) = candidates.get_mut(*at) else { continue };
            let start = start(candidate)?;
            candidate.starts.push(start);
        }
        eprint!("\rstart {} of {STARTS}", round + 1);
    }
    eprintln!();
    let named = |name| candidates.iter().find(|one| one.name == name);
    let (baseline, bare) = (named(BASELINE), named(BARE));
    let rows: Vec<Value> =
        candidates.iter().map(|one| row(one, baseline, bare)).collect::<io::Result<_>>()?;
    let figures = named(HELD_TO).map_or(Ok(Vec::new()), |held| held_to(held, bare, baseline))?;
    println!(
        "{}",
        figures::report("coldstart", &figures, &json!({ "starts": STARTS, "functions": rows }), json)
    );
    if json {
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "function",
        "first poll",
        "CPU",
        "peak memory",
        "size",
        "CPU / no SDK",
        "time ×",
        "CPU ×",
        "memory ×",
    ]);
    for row in rows {
        let figure = |name: &str, per: f64, unit: &str| {
            let n = row.get(name).and_then(Value::as_f64);
            n.map_or_else(String::new, |n| format!("{:.2}{unit}", n / per))
        };
        table.add_row([
            row.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            figure("first_poll_ms", 1.0, " ms"),
            figure("cpu_ms", 1.0, " ms"),
            figure("peak_memory_kib", 1024.0, " MiB"),
            figure("binary_bytes", 1e6, " MB"),
            figure("cpu_to_bare", 1.0, ""),
            figure("times_faster", 1.0, ""),
            figure("times_less_cpu", 1.0, ""),
            figure("times_less_memory", 1.0, ""),
        ]);
    }
    println!("\n{table}");
    println!("medians of {STARTS} starts; × is how much less than {BASELINE}, CPU turn by turn");
    Ok(())
}

/// How the function that is held to something stands, as far as it was measured.
fn held_to(
    held: &Candidate,
    bare: Option<&Candidate>,
    baseline: Option<&Candidate>,
) -> io::Result<Vec<Figure>> {
    let bytes = std::fs::metadata(&held.program)?.len() as f64;
    let of_bare = bare.and_then(|bare| held.cpu_of(bare)).ok_or("it does not build");
    let of_python = baseline.and_then(|python| python.cpu_of(held)).ok_or("its packages cannot be installed");
    Ok(vec![
        Figure::of(
            "cpu_of_bare",
            "item counter, CPU to the first poll, of one without an SDK",
            of_bare,
            Goal::AtMost(TIMES_BARE_MAX),
        ),
        Figure::of(
            "times_less_cpu",
            "CPU to the first poll of Python and boto3, by the item counter's",
            of_python,
            Goal::AtLeast(TIMES_LESS_CPU_MIN),
        ),
        Figure::new("megabytes", "item counter, stripped, MB", bytes / 1e6, Goal::AtMost(BYTES_MAX / 1e6)),
    ])
}

/// What functions are compared with that use an SDK.
fn bare(root: &Path) -> io::Result<Candidate> {
    let release = built(
        root,
        &["-p", "evercount-tests", "--no-default-features", "--example", "bootstrap"],
        Processors::Lambda,
    )?;
    Ok(Candidate {
        name: BARE.to_owned(),
        program: release.join("examples/bootstrap"),
        arguments: Vec::new(),
        starts: Vec::new(),
    })
}

/// The deployed functions, built as they are deployed: each by itself, or one would get what is built in
/// for another.
fn functions(root: &Path) -> io::Result<Vec<Candidate>> {
    let mut names = Vec::new();
    for folder in std::fs::read_dir(root.join("functions"))? {
        names.push(folder?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let candidate = |name: String| {
        let program = built(root, &["-p", &name], Processors::Lambda)?.join(&name);
        Ok(Candidate { program, arguments: Vec::new(), starts: Vec::new(), name })
    };
    names.into_iter().map(candidate).collect()
}

/// The baseline, in an environment with what `infra/tools/baseline.txt` pins.
fn python(root: &Path) -> io::Result<Candidate> {
    let output = Command::new("bash")
        .args(["-c", "source infra/tools/env.sh && tool baseline"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other("its packages cannot be installed"));
    }
    let programs = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    Ok(Candidate {
        name: BASELINE.to_owned(),
        program: programs.join("python3"),
        arguments: vec![root.join("tests/benches/coldstart/handler.py")],
        starts: Vec::new(),
    })
}

fn start(candidate: &Candidate) -> io::Result<Start> {
    let mut command = Command::new(&candidate.program);
    command.args(&candidate.arguments).env_clear().envs([
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("EVERCOUNT_METADATA_TABLE", "metadata"),
        ("EVERCOUNT_LEDGER_TABLE", "ledger"),
        ("EVERCOUNT_COUNTS_TABLE", "counts"),
        ("EVERCOUNT_SCHEMA_EVENTS_STREAM", "schema-events"),
    ]);
    let began = Instant::now();
    let function = Function::start(&mut command)
        .map_err(|error| io::Error::other(format!("{}: {error}", candidate.name)))?;
    let wall_ms = began.elapsed().as_secs_f64() * 1e3;
    let (cpu_ms, peak_kib) = (function.cpu_us()? / 1e3, function.peak_bytes()? / 1_024.0);
    Ok(Start { wall_ms, cpu_ms, peak_kib })
}

impl Candidate {
    /// How many times the CPU of another it takes.
    fn cpu_of(&self, other: &Self) -> Option<f64> {
        figures::times(self.cpu(), other.cpu())
    }

    /// CPU milliseconds, turn by turn.
    fn cpu(&self) -> impl Iterator<Item = &f64> {
        self.starts.iter().map(|start| &start.cpu_ms)
    }

    fn median(&self) -> Start {
        let of = |pick: fn(&Start) -> f64| figures::median(self.starts.iter().map(pick)).unwrap_or(f64::NAN);
        Start {
            wall_ms: of(|one| one.wall_ms),
            cpu_ms: of(|one| one.cpu_ms),
            peak_kib: of(|one| one.peak_kib),
        }
    }
}

fn row(candidate: &Candidate, baseline: Option<&Candidate>, bare: Option<&Candidate>) -> io::Result<Value> {
    let median = candidate.median();
    let is_baseline = candidate.name == BASELINE;
    let mut row = serde_json::Map::new();
    row.insert("name".to_owned(), json!(candidate.name));
    let mut figure = |name: &str, n: f64| row.insert(name.to_owned(), json!(n));
    figure("first_poll_ms", median.wall_ms);
    figure("cpu_ms", median.cpu_ms);
    figure("peak_memory_kib", median.peak_kib);
    if !is_baseline {
        figure("binary_bytes", std::fs::metadata(&candidate.program)?.len() as f64);
    }
    if let Some(times) = bare.and_then(|bare| candidate.cpu_of(bare)) {
        figure("cpu_to_bare", times);
    }
    if let Some(baseline) = baseline.filter(|_| !is_baseline) {
        let theirs = baseline.median();
        figure("times_faster", theirs.wall_ms / median.wall_ms);
        baseline.cpu_of(candidate).map(|times| figure("times_less_cpu", times));
        figure("times_less_memory", theirs.peak_kib / median.peak_kib);
    }
    Ok(Value::Object(row))
}
