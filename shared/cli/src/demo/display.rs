//! Decides what is shown while the demo runs: one live line, and a remark for each thing that
//! happens. Without a terminal there is no live line, and the remarks are lines of the output.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use evercount_aws::dynamo::DynamoStore;
use evercount_core::definition::DefinitionName;
use evercount_core::logic::{LogicState, LogicVersion};
use evercount_core::reading::Reading;
use evercount_pipeline::ports::CatalogStore;
use evercount_pipeline::read;
use evercount_wire::group::value_json;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::counting::Observed;
use super::workload::Written;
use crate::show;

/// How often the numbers are read.
const TICK: Duration = Duration::from_millis(250);

/// The live line; hidden where nobody watches.
pub struct Display {
    teller: Teller,
    ticker: JoinHandle<()>,
}

/// Says what happens, as it happens.
#[derive(Clone, Debug)]
pub struct Teller {
    bar: ProgressBar,
    began: Instant,
    quiet: bool,
}

impl Display {
    /// Shows writes, records and the live counts of a definition until it is dropped.
    #[must_use]
    pub fn start(
        quiet: bool,
        store: &DynamoStore,
        definition: &DefinitionName,
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
            let (bar, store, definition) = (bar.clone(), store.clone(), definition.clone());
            let (written, observed) = (written.clone(), observed.clone());
            tokio::spawn(async move {
                loop {
                    bar.set_message(progress(&written, &observed));
                    // A reading that fails now is made again in a moment.
                    if let Some(reading) = live(&store, &definition).await {
                        bar.set_prefix(counts(&reading));
                    }
                    bar.tick();
                    tokio::time::sleep(TICK).await;
                }
            })
        };
        Self { teller: Teller { bar, began: Instant::now(), quiet }, ticker }
    }

    /// Whoever has something to say says it by this.
    #[must_use]
    pub fn teller(&self) -> &Teller {
        &self.teller
    }
}

impl Teller {
    /// Leaves a line above the live one.
    pub fn say(&self, text: impl std::fmt::Display) {
        let line = format!("  {:>4.1} s  {text}", self.began.elapsed().as_secs_f64());
        if !self.bar.is_hidden() {
            self.bar.println(line);
        } else if !self.quiet {
            show::line(line);
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.ticker.abort();
        self.teller.bar.finish_and_clear();
    }
}

/// A reading of the version that readers see now.
async fn live(store: &DynamoStore, definition: &DefinitionName) -> Option<Reading> {
    let versions = store.versions().await.ok()?;
    let is_it = |one: &&LogicVersion| one.id.definition == *definition && one.state == LogicState::Active;
    read::run(store, versions.iter().find(is_it)?).await.ok()
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
    let id = &reading.logic.id;
    // Lanes commit while their cells are read, so most readings are a little off.
    let mark = if reading.is_exact() { "" } else { "~" };
    let mut text = format!("{} v{} {mark} ", id.definition, id.number);
    for (key, n) in &reading.groups {
        let names: Vec<String> = key
            .parts()
            .iter()
            .map(|(_, value)| value_json(value).as_str().unwrap_or_default().to_owned())
            .collect();
        let name = if names.is_empty() { "(absent)".to_owned() } else { names.join(" ") };
        // Writing to a string cannot fail.
        let _ = write!(text, "{name} {n}  ");
    }
    text
}
