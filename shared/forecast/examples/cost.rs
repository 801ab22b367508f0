//! What training costs: seconds and memory, on each history of a folder alone and on all together; without a
//! folder, on a made-up history of 4,000 changes.
//!
//! ```sh
//! cargo run --release -p evercount-forecast --example cost -- DIR
//! ```
//!
//! The goal is 2 seconds and 64 MiB for the largest history, so that a function of the smallest sizes could
//! train. Memory is the highest that the process ever had, less what it had before anything was read, as Linux
//! tells it.

use std::error::Error;
use std::time::Instant;

use evercount_forecast::history::{DAY, Event, EventKind, History, read};
use evercount_forecast::trained::Model;

/// Bytes of a line of the process's status, such as `VmHWM`.
fn memory(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1_024)
}

/// A hundred tables over twenty years: somewhat more than the largest history known.
fn made_up() -> History {
    let mut events = Vec::new();
    for n in 0..4_000_i64 {
        let table = format!("t{}", n * n % 100);
        let kind = match n % 100 {
            _ if n < 100 => EventKind::CreateTable,
            each if each % 7 == 0 => EventKind::ChangeType,
            _ => EventKind::AddColumn,
        };
        let table = if n < 100 { format!("t{n}") } else { table };
        events.push(Event {
            at: n * DAY * 365 * 20 / 4_000,
            table: table.into(),
            kind,
            column: format!("c{}", n / 13).into(),
            typed: "INT".into(),
            before: "".into(),
        });
    }
    History::new("made up", events)
}

fn train(name: &str, histories: &[History]) {
    let (before, began) = (memory("VmRSS"), Instant::now());
    let model = Model::train(histories);
    let seconds = began.elapsed().as_secs_f64();
    let events: usize = histories.iter().map(|history| history.events().len()).sum();
    let peak = memory("VmHWM").zip(before).map(|(peak, before)| peak.saturating_sub(before) >> 20);
    let peak =
        peak.map_or_else(|| "memory is not told here".to_owned(), |peak| format!("{peak} MiB at most"));
    println!("{name}: {events} events, {} models, {seconds:.2} s, {peak}", model.parts.len());
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(folder) = std::env::args().nth(1) else {
        train("made up", &[made_up()]);
        return Ok(());
    };
    let mut paths: Vec<_> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    paths.sort();
    let mut histories = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        histories.push(read(&name, &std::fs::read(&path)?)?.history);
    }
    // The smallest first: the highest memory so far is then that of the one just trained on.
    histories.sort_by_key(|history| history.events().len());
    for history in &histories {
        train(&history.project, std::slice::from_ref(history));
    }
    train("all together", &histories);
    Ok(())
}
