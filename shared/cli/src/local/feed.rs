//! What `evercount local` tells while it runs: at most a line a second of what was counted, and
//! each trouble once.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercount_aws::analyzer::AnalyzeHook;
use evercount_aws::counter::ReportHook;
use evercount_aws::forecaster::ForecastHook;
use evercount_aws::listener::ListenHook;
use evercount_aws::transformer::TransformHook;
use evercount_aws::validator::ValidateHook;
use evercount_core::adoption::PlanOutcome;
use evercount_core::chunk::Tally;
use evercount_core::lane::LaneId;
use evercount_core::logic::PlanId;
use evercount_pipeline::adapt::Adapted;
use evercount_pipeline::alert::{Alert, Alerts};
use evercount_pipeline::count::{BatchReport, Stop};
use evercount_pipeline::forecast::ForecastReport;
use evercount_pipeline::listen::ListenReport;
use evercount_pipeline::ports::StoreError;
use evercount_pipeline::transform::TransformReport;
use evercount_wire::items::event_summary;

use crate::show;

/// The shortest time between two lines on batches.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints a line on standard output. A reader that went away, as `head -1` does, must not end the
/// service, so a line that cannot be printed is lost.
pub fn out(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// What happens in a running `evercount local`.
pub struct Feed {
    quiet: bool,
    tally: Mutex<Tally>,
    /// Whether a row may be waiting for a recheck. It starts true: an earlier run may have left one.
    ambiguous: AtomicBool,
    /// By what it is about, the trouble told last.
    troubles: Mutex<BTreeMap<String, String>>,
    /// What was told last of each plan.
    outcomes: Mutex<BTreeMap<PlanId, PlanOutcome>>,
}

impl Feed {
    /// A feed; a quiet one keeps standard output to its caller.
    pub fn new(quiet: bool) -> Self {
        let (tally, troubles, outcomes) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { quiet, tally, ambiguous: AtomicBool::new(true), troubles, outcomes }
    }

    /// Hears of every batch.
    pub fn hook(self: &Arc<Self>) -> ReportHook {
        let feed = Arc::clone(self);
        Arc::new(move |lane, report| feed.heard(lane, report))
    }

    /// Hears of every batch that was listened to.
    pub fn listen_hook(self: &Arc<Self>) -> ListenHook {
        let feed = Arc::clone(self);
        Arc::new(move |lane, report| feed.listened(lane, report))
    }

    fn listened(&self, lane: &LaneId, report: &ListenReport) {
        for found in report.found.iter().filter(|found| !found.event.changes.is_empty()) {
            let (subject, what) = (&found.event.subject, event_summary(&found.event));
            self.tell(format!("{}  schema of `{subject}`: {what}", clock()));
        }
        self.stopped(format!("listening on lane {lane}"), report.stopped_by.as_ref());
    }

    /// Hears of every batch of schema change events that was analyzed.
    pub fn analyze_hook(self: &Arc<Self>) -> AnalyzeHook {
        let feed = Arc::clone(self);
        Arc::new(move |lane, report| {
            feed.adjusted(&report.adapted);
            feed.stopped(format!("analyzing on lane {lane}"), report.stopped_by.as_ref());
        })
    }

    /// Hears of every round of validation.
    pub fn validate_hook(self: &Arc<Self>) -> ValidateHook {
        let feed = Arc::clone(self);
        Arc::new(move |report| feed.adjusted(&report.adapted))
    }

    /// Hears of every forecast.
    pub fn forecast_hook(self: &Arc<Self>) -> ForecastHook {
        let feed = Arc::clone(self);
        Arc::new(move |report| feed.forecast(report))
    }

    /// Tells of predictions that came or came to their end, and of columns that are held ready.
    fn forecast(&self, report: &ForecastReport) {
        for one in &report.settled {
            let what = match &one.column {
                Some((column, _)) => format!("`{column}` of `{}`", one.table),
                None => format!("a change of `{}`", one.table),
            };
            self.tell(format!(
                "{}  predicted: {what}: {}: {}",
                clock(),
                one.standing.name(),
                one.discrepancy
            ));
        }
        for (table, column, state) in &report.shadowed {
            self.tell(format!("{}  shadow schema of `{table}`: `{column}` {state}", clock()));
        }
    }

    /// Tells of adjustments that are new, or of which something new is to be told.
    fn adjusted(&self, adapted: &Adapted) {
        for adjustment in &adapted.adjustments {
            let (plan, outcome) = (&adjustment.plan, adjustment.outcome);
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            let before = outcomes.insert(plan.id.clone(), outcome);
            drop(outcomes);
            if before.is_none() {
                let class = plan.class.name();
                self.tell(format!(
                    "{}  plan for `{}` ({class}): {}",
                    clock(),
                    plan.definition,
                    plan.sentence
                ));
            }
            if before != Some(outcome) && outcome != PlanOutcome::NotAffected {
                let verdict = adjustment.verdict.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
                let to = adjustment.to.map(|to| format!(" v{to:04}")).unwrap_or_default();
                let what = outcome.name().replace('_', " ");
                self.tell(format!("{}  `{}`{to} {what}{verdict}", clock(), plan.definition));
            }
        }
    }

    /// Hears of every batch that was transformed.
    pub fn transform_hook(self: &Arc<Self>) -> TransformHook {
        let feed = Arc::clone(self);
        Arc::new(move |lane, report| feed.transformed(lane, report))
    }

    fn transformed(&self, lane: &LaneId, report: &TransformReport) {
        for (subject, schema) in &report.acknowledged {
            self.tell(format!("{}  records of `{subject}` conform to {schema} from now on", clock()));
        }
        for (reason, records) in &report.refused {
            self.tell(format!(
                "{}  {records} records do not conform: {reason} (see `evercount quarantine list`)",
                clock()
            ));
        }
        self.stopped(format!("transforming on lane {lane}"), report.stopped_by.as_ref());
    }

    fn heard(&self, lane: &LaneId, report: &BatchReport) {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(&report.tally);
        if report.tally.ambiguous > 0 {
            self.look_for_ambiguous();
        }
        self.stopped(format!("lane {lane}"), report.stopped_by.as_ref());
    }

    /// Tells why a batch was not finished, or that all is well again.
    fn stopped(&self, about: String, stopped_by: Option<&Stop>) {
        match stopped_by {
            None => self.well(&about),
            Some(Stop::OutOfTime) => self.trouble(&about, "a batch ran out of time and is delivered again"),
            Some(Stop::Store(error)) => {
                self.trouble(&about, format!("{error}; the batch is delivered again"))
            }
        }
    }

    /// Whether to look for ambiguous rows; asking is taken as going to.
    pub fn take_ambiguous(&self) -> bool {
        self.ambiguous.swap(false, Ordering::Relaxed)
    }

    /// There may be ambiguous rows.
    pub fn look_for_ambiguous(&self) {
        self.ambiguous.store(true, Ordering::Relaxed);
    }

    /// Tells of something.
    pub fn tell(&self, text: impl Display) {
        if !self.quiet {
            out(text);
        }
    }

    /// Tells of trouble, on standard error, unless that was the last word on it.
    pub fn trouble(&self, about: &str, text: impl Display) {
        let text = text.to_string();
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.get(about) != Some(&text) {
            show::remark(format!("note: {about}: {text}"));
            troubles.insert(about.to_owned(), text);
        }
    }

    /// A trouble is over; the next one is told again.
    pub fn well(&self, about: &str) {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).remove(about);
    }

    /// Tells of what was counted, once in a while.
    pub async fn run(&self) -> Infallible {
        loop {
            tokio::time::sleep(PAUSE).await;
            self.flush();
        }
    }

    /// Tells of what was counted since the last time.
    pub fn flush(&self) {
        let tally = std::mem::take(&mut *self.tally.lock().unwrap_or_else(PoisonError::into_inner));
        if tally.read > 0 {
            self.tell(format!("{}  {}", clock(), sentence(&tally)));
        }
    }
}

/// Alerts are told on standard error: whoever runs this is the administrator.
impl Alerts for Feed {
    async fn raise(&self, alert: &Alert) -> Result<(), StoreError> {
        show::remark(format!("alert: {} Look closer with `{}`.", alert.sentence, alert.command));
        Ok(())
    }
}

/// The time of day, UTC, in seconds.
fn clock() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

fn sentence(tally: &Tally) -> String {
    let parts = [
        (tally.applied, "applied"),
        (tally.duplicates, "duplicates"),
        (tally.late, "late"),
        (tally.passed, "passed by"),
        (tally.ambiguous, "ambiguous"),
        (tally.quarantined, "quarantined (see `evercount quarantine list`)"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    format!("{} records: {}", tally.read, parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_only_what_happened() {
        let tally = Tally { read: 5, applied: 3, duplicates: 2, ..Tally::default() };
        assert_eq!(sentence(&tally), "5 records: 3 applied, 2 duplicates");
    }

    #[test]
    fn ambiguous_rows_are_looked_for_at_the_start_and_after_each_doubt() {
        let feed = Feed::new(true);
        assert!(feed.take_ambiguous());
        assert!(!feed.take_ambiguous());
        feed.look_for_ambiguous();
        assert!(feed.take_ambiguous());
    }
}
