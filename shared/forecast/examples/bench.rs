//! The benchmark on the histories of a folder, and what training costs.
//!
//! ```sh
//! cargo run --release -p evercount-forecast --example bench -- DIR [--json | --details | --cost]
//! ```
//!
//! `--json` prints the main table as JSON, `--details` everything as JSON, `--cost` the time and the peak
//! memory of training on the longest history.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use evercount_forecast::bench::bench;
use evercount_forecast::history::{HALF_YEAR, History, read};
use evercount_forecast::models::Hazard;
use evercount_forecast::split::{Project, Training};
use evercount_forecast::units::ANY_IN_HALF_A_YEAR;

/// Decides the draws of the intervals.
const SEED: u64 = 20_260_101;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: bench DIR [--json | --details | --cost]")?;
    let how = arguments.next().unwrap_or_default();
    let histories = histories(Path::new(&folder))?;
    match how.as_str() {
        "--cost" => return cost(&histories),
        "--json" => println!("{:#}", bench(&histories, SEED).json()),
        "--details" => println!("{:#}", bench(&histories, SEED).json_with_details()),
        _ => print!("{}", bench(&histories, SEED).text()),
    }
    Ok(())
}

fn histories(folder: &Path) -> Result<Vec<History>, Box<dyn Error>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    paths.sort();
    let mut histories = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let read = read(&name, &std::fs::read(&path)?)?;
        for skipped in &read.skipped {
            eprintln!("{name}, line {}: {}", skipped.line, skipped.because);
        }
        histories.push(read.history);
    }
    Ok(histories)
}

/// Trains on the longest history: units, features, and every hazard model.
fn cost(histories: &[History]) -> Result<(), Box<dyn Error>> {
    let longest = histories.iter().max_by_key(|history| history.events().len()).ok_or("no histories")?;
    let before = Instant::now();
    let projects = [Project::of(longest, HALF_YEAR, ANY_IN_HALF_A_YEAR)];
    let training = Training::of_all(&projects);
    let fitted: Vec<_> = Hazard::all().map(|hazard| hazard.fit(&training.samples())).collect();
    let took = before.elapsed();
    println!(
        "{}: {} events, {} units, {} models fitted in {took:.2?}",
        longest.project,
        longest.events().len(),
        training.samples().len(),
        fitted.len()
    );
    // What the process held at most, files included; the kernel counts it where there is one that does.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(line) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("peak memory of the process: {}", line.trim_start_matches("VmHWM:").trim());
    }
    Ok(())
}
