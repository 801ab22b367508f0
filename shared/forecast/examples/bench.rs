//! The benchmark on the histories of a folder, and what training costs.
//!
//! ```sh
//! cargo run --release -p evercount-forecast --example bench -- DIR [--json | --details | --cost | --fewer]
//! ```
//!
//! `--json` prints the main table as JSON, `--details` everything as JSON, `--cost` the time and the peak
//! memory of training on the longest history, `--fewer` how often ours is better than plain logistic
//! regression when only some of the other projects are there to learn from.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use evercount_forecast::bench::bench;
use evercount_forecast::choose::choose;
use evercount_forecast::history::{HALF_YEAR, History, read};
use evercount_forecast::linear::probability;
use evercount_forecast::models::{Hazard, Recipe};
use evercount_forecast::scores::Sorted;
use evercount_forecast::split::{Project, Training, leave_one_out};
use evercount_forecast::trained::Model;
use evercount_forecast::units::ANY_IN_HALF_A_YEAR;

/// Decides the draws of the intervals.
const SEED: u64 = 20_260_101;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: bench DIR [--json | --details | --cost | --fewer]")?;
    let how = arguments.next().unwrap_or_default();
    let histories = histories(Path::new(&folder))?;
    match how.as_str() {
        "--cost" => return cost(&histories),
        "--fewer" => fewer(&histories),
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

/// Every choice of at least two projects to learn from, and every other project to forecast.
fn fewer(histories: &[History]) {
    let projects: Vec<Project> =
        histories.iter().map(|history| Project::of(history, HALF_YEAR, ANY_IN_HALF_A_YEAR)).collect();
    for size in 2..projects.len() {
        let (mut tries, mut brier, mut ap) = (0, 0, 0);
        for chosen in (0_u32..1 << projects.len()).filter(|chosen| chosen.count_ones() as usize == size) {
            let (learnt, others): (Vec<_>, Vec<_>) =
                projects.iter().enumerate().partition(|(at, _)| chosen >> at & 1 == 1);
            let learnt: Vec<Project> = learnt.into_iter().map(|(_, project)| project.clone()).collect();
            for (_, other) in others {
                let mut all = learnt.clone();
                all.push(other.clone());
                // The last one held out is the other one.
                let Some((training, held)) = leave_one_out(&all).pop() else { continue };
                let model = choose(&training).model;
                let ours: Vec<f64> =
                    held.units().iter().map(|unit| probability(model.log_odds(&unit.row))).collect();
                let ours = Sorted::of(&held.judge(&ours)).scores();
                let plain = Recipe::Logistic.fit(&training).probabilities(held);
                let plain = Sorted::of(&held.judge(&plain)).scores();
                tries += 1;
                brier += u32::from(ours.brier < plain.brier);
                ap += u32::from(ours.ap > plain.ap);
            }
        }
        println!("learnt from {size}: of {tries} forecasts, Brier is better in {brier} and AP in {ap}");
    }
}

/// Trains on the longest history: units, features, and every hazard model for the benchmark's target; then a
/// whole model, with every kind of change and horizon.
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
    let before = Instant::now();
    let parts = Model::train(std::slice::from_ref(longest)).parts.len();
    println!("a model of {parts} targets trained on it in {:.2?}", before.elapsed());
    // What the process held at most, files included; the kernel counts it where there is one that does.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(line) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("peak memory of the process: {}", line.trim_start_matches("VmHWM:").trim());
    }
    Ok(())
}
