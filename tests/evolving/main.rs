//! Real captures, counted through every schema change: listener, analyzer, counter and validator
//! over the store in memory, with the counts held against the database's own `GROUP BY` at every
//! checkpoint; in order, with each line delivered twice, shuffled within windows of fifty lines, and
//! by two shards.
//!
//! The captures are not part of the project; where their folder is absent, the test says so and
//! passes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic and says what it skips"
)]

mod run;
mod truth;

use std::path::{Path, PathBuf};

use run::{Delivery, Run};
use truth::Truth;

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cdc");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: there are no captures beside the project");
        return Vec::new();
    };
    let mut captures: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    captures.sort();
    captures
}

fn check(delivery: Delivery) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let only = std::env::var("EVERCOUNT_CAPTURE").ok();
    let mut wrong = Vec::new();
    for folder in captures() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let truth = Truth::read(&folder);
        let report = runtime.block_on(Run::new(&folder, &name, delivery, &truth).run(&truth));
        println!("{name} {delivery:?}: {report}");
        assert!(report.checks > 0 && report.source_items_read == 0);
        if !report.wrong.is_empty() {
            report.story.iter().chain(&report.wrong).for_each(|line| println!("  {line}"));
            wrong.push(format!("{name}: {} wrong, first: {}", report.wrong.len(), report.wrong[0]));
        }
    }
    assert!(wrong.is_empty(), "{delivery:?}: {wrong:#?}");
}

#[test]
fn counts_follow_every_change_in_order() {
    check(Delivery::InOrder);
}

#[test]
fn counts_follow_every_change_when_every_line_comes_twice() {
    check(Delivery::Twice);
}

#[test]
fn counts_follow_every_change_when_lines_are_shuffled() {
    check(Delivery::Shuffled);
}

#[test]
fn counts_follow_every_change_over_two_shards() {
    check(Delivery::TwoShards);
}
