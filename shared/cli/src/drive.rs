//! Takes an adjustment as far as it goes while somebody watches: page after page of ledger or
//! source, with how far it has come.
//!
//! It may be stopped anywhere: what was done is stored with each page, and whoever comes next (this
//! command again, or the function that maintains versions) goes on from there.

use std::io::IsTerminal;
use std::time::Duration;

use evercount_aws::config::SEGMENTS;
use evercount_aws::dynamo::CountedTables;
use evercount_aws::meter::meter;
use evercount_core::adjustment::Start;
use evercount_core::adoption::Adjustment;
use evercount_core::change::TableName;
use evercount_core::order::Micros;
use evercount_local::stack::now;
use evercount_pipeline::adapt::{self, AdaptOptions};
use evercount_pipeline::count::CountMode;
use indicatif::{ProgressBar, ProgressStyle};

use crate::target::Opened;

/// Pages of one round: how far goes on without the progress being shown.
const PAGES: u32 = 8;

/// Longest wait for a walk to begin or go on, with somebody watching. What takes longer is for whoever
/// comes next.
const WAIT_MAX: Micros = 10_000_000;

/// The source of tables on a target.
#[must_use]
pub fn source(opened: &Opened) -> CountedTables {
    opened.stack.counted_tables()
}

/// What the target allows for a table; `margin` is what a person says of clocks, in seconds.
pub async fn options(opened: &Opened, table: &TableName, margin: Option<u32>) -> AdaptOptions {
    let described = opened.stack.dynamodb().describe_table().table_name(table.as_str()).send().await;
    AdaptOptions {
        has_ledger: opened.config.options.mode == CountMode::Ledger,
        source_is_readable: described.is_ok(),
        epoch: opened.config.options.epoch,
        margin: opened.margin(margin),
        pages: PAGES,
        segments: SEGMENTS,
        meter,
    }
}

pub use evercount_view::is_walking as walks;

/// Whether the version starts from nothing and has not seen every row yet, so that its counts are not
/// whole.
#[must_use]
pub fn is_filled(adjustment: &Adjustment) -> bool {
    let starts_from_nothing = adjustment
        .plan
        .update
        .as_ref()
        .is_some_and(|update| matches!(update.start, Start::Source | Start::Ledger));
    starts_from_nothing && !adjustment.progress.done
}

pub use evercount_view::extent;

/// Takes an adjustment as far as it goes.
///
/// # Errors
/// Whatever the stores answer.
pub async fn on(
    opened: &Opened,
    adjustment: Adjustment,
    options: AdaptOptions,
    quiet: bool,
) -> anyhow::Result<Adjustment> {
    let (store, source, bar) = (opened.stack.store(), source(opened), bar(quiet));
    let mut adjustment = adjustment;
    loop {
        let mut adapted = adapt::advance(store, &source, adjustment.clone(), options, now()).await?;
        let Some(after) = adapted.adjustments.pop() else { break };
        let stands_still = (&after.progress, after.outcome) == (&adjustment.progress, adjustment.outcome);
        adjustment = after;
        bar.set_position(adjustment.progress.visited);
        if let Some(extent) = extent(&adjustment) {
            bar.set_length(extent.max(adjustment.progress.visited));
        }
        if !walks(&adjustment) || adjustment.progress.paused {
            break;
        }
        let wait = adapted.resumes_at.map(|due| due.saturating_sub(now()));
        match wait {
            Some(wait) if wait > WAIT_MAX => break,
            Some(wait) => {
                bar.set_message("waiting: for its budget, or until the version is counted for long enough");
                tokio::time::sleep(Duration::from_micros(u64::try_from(wait).unwrap_or(0))).await;
            }
            None if stands_still => break,
            None => {}
        }
    }
    bar.finish_and_clear();
    Ok(adjustment)
}

/// How far long work has come and how long it has to go, for whoever watches at a terminal.
#[must_use]
pub fn bar(quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length();
    styled(bar, "{spinner} {pos} of {len} rows ({per_sec}, {eta} to go)  {msg}")
}

/// The same of a file, by its bytes; `None` where nobody knows how many there are.
#[must_use]
pub fn bar_of_bytes(quiet: bool, bytes: Option<u64>) -> ProgressBar {
    match bytes {
        Some(bytes) if !quiet && std::io::stderr().is_terminal() => styled(
            ProgressBar::new(bytes),
            "{spinner} {bytes} of {total_bytes} ({bytes_per_sec}, {eta} to go)",
        ),
        _ => ProgressBar::hidden(),
    }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
