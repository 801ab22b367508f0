//! Decides what is shown while the demo runs: one live line, and a remark for each fault.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use evercount_aws::dynamo::DynamoStore;
use evercount_core::logic::LogicVersion;
use evercount_core::reading::Reading;
use evercount_pipeline::read;
use evercount_wire::group::value_json;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::counting::Observed;
use super::workload::Written;

/// How often the numbers are read.
const TICK: Duration = Duration::from_millis(150);

/// The live line; hidden where nobody watches.
pub struct Display {
    bar: ProgressBar,
    ticker: JoinHandle<()>,
}

impl Display {
    /// Shows writes, records and the live counts of `logic` until it is dropped.
    #[must_use]
    pub fn start(
        quiet: bool,
        store: &DynamoStore,
        logic: &LogicVersion,
        written: &Written,
        observed: &Observed,
    ) -> Self {
        let bar = if quiet || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner()
        };
        if let Ok(style) =
            ProgressStyle::with_template("{spinner:.cyan} {elapsed:>3.dim}  {wide_msg}\n       {prefix}")
        {
            bar.set_style(style);
        }
        // Without a terminal nothing is read either: the reads would only slow the demo down.
        let ticker = if bar.is_hidden() {
            tokio::spawn(std::future::ready(()))
        } else {
            let (bar, store, logic) = (bar.clone(), store.clone(), logic.clone());
            let (written, observed) = (written.clone(), observed.clone());
            tokio::spawn(async move {
                loop {
                    bar.set_message(progress(&written, &observed));
                    // A reading that fails now is made again in a moment.
                    if let Ok(reading) = read::run(&store, &logic).await {
                        bar.set_prefix(counts(&reading));
                    }
                    bar.tick();
                    tokio::time::sleep(TICK).await;
                }
            })
        };
        Self { bar, ticker }
    }

    /// Leaves a line above the live one.
    pub fn say(&self, text: &str) {
        let seconds = self.bar.elapsed().as_secs_f64();
        self.bar.println(format!("  {seconds:>4.1} s  {text}"));
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.ticker.abort();
        self.bar.finish_and_clear();
    }
}

fn progress(written: &Written, observed: &Observed) -> String {
    let tally = observed.totals().tally;
    format!(
        "{} orders written, {} records counted, {} duplicates absorbed",
        HumanCount(written.so_far().total()),
        HumanCount(tally.read),
        HumanCount(tally.duplicates),
    )
}

fn counts(reading: &Reading) -> String {
    let mut text = String::new();
    for (key, n) in &reading.groups {
        for (_, value) in &key.0 {
            let name = value_json(value);
            // Writing to a string cannot fail.
            let _ = write!(text, "{} {n}  ", name.as_str().unwrap_or_default());
        }
    }
    text
}
