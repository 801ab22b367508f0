//! Owns what a batch tells CloudWatch: one line in the Embedded Metric Format, written to
//! standard output before the invocation ends. A library with a background queue would write it
//! whenever the frozen process runs again.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use evercount_core::adjustment::Class;
use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::lane::LaneId;
use evercount_core::order::Micros;
#[cfg(feature = "forecast")]
use evercount_core::prediction::Standing;
use evercount_core::verdict::Compared;
use evercount_pipeline::adapt::Adapted;
use evercount_pipeline::count::BatchReport;
#[cfg(feature = "forecast")]
use evercount_pipeline::forecast::{ForecastReport, Settled};
use evercount_pipeline::listen::ListenReport;
use evercount_pipeline::transform::TransformReport;
#[cfg(feature = "proxy")]
use evercount_proxy::tally::Tally;
use serde_json::{Value, json};

use crate::analyzer::AnalyzeReport;
use crate::validator::ValidateReport;

/// Where metrics belong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metrics {
    /// The CloudWatch namespace.
    pub namespace: String,
    /// The service, the one dimension: a dimension for each shard would make every shard a
    /// custom metric to pay for. The lane is in the line as a property.
    pub service: String,
}

/// One number of a batch, with its CloudWatch unit.
type Metric = (&'static str, &'static str, f64);

impl Metrics {
    /// The line of a counted batch. `iterator_age` is the age of its newest record and `now` the
    /// time, both in microseconds.
    #[must_use]
    pub fn counted(&self, lane: &LaneId, report: &BatchReport, iterator_age: Micros, now: Micros) -> String {
        let tally = &report.tally;
        let metrics = [
            ("records", "Count", tally.read as f64),
            ("duplicates", "Count", tally.duplicates as f64),
            ("late", "Count", tally.late as f64),
            ("quarantined", "Count", tally.quarantined as f64),
            ("uncertain", "Count", (tally.quarantined + tally.ambiguous) as f64),
            ("iterator_age_ms", "Milliseconds", (iterator_age / 1_000) as f64),
            ("write_units", "Count", report.cost.write_units),
            ("commits", "Count", report.commits as f64),
            ("overflowed", "Count", report.overflowed as f64),
        ];
        self.line(Some(lane), &metrics, now)
    }

    /// The line of a batch that was listened to; times as in [`Metrics::counted`].
    #[must_use]
    pub fn listened(
        &self,
        lane: &LaneId,
        report: &ListenReport,
        iterator_age: Micros,
        now: Micros,
    ) -> String {
        let changes: usize = report.found.iter().map(|found| found.event.changes.len()).sum();
        let metrics = [
            ("records", "Count", report.read as f64),
            ("undecodable", "Count", report.undecodable as f64),
            ("late", "Count", report.late as f64),
            ("schema_changes", "Count", changes as f64),
            ("changes_held", "Count", report.held.len() as f64),
            ("drift", "None", report.drift),
            ("schema_cache_hits", "Count", (report.cache.hits + report.cache.revalidated) as f64),
            ("schema_cache_misses", "Count", report.cache.misses as f64),
            ("iterator_age_ms", "Milliseconds", (iterator_age / 1_000) as f64),
            ("write_units", "Count", report.write_units),
            ("commits", "Count", report.commits as f64),
        ];
        self.line(Some(lane), &metrics, now)
    }

    /// The line of a batch that was made to conform; times as in [`Metrics::counted`]. Of drift nothing is
    /// said where no attribute was looked at.
    #[must_use]
    pub fn transformed(
        &self,
        lane: &LaneId,
        report: &TransformReport,
        iterator_age: Micros,
        now: Micros,
    ) -> String {
        let mut metrics = vec![
            ("records", "Count", report.read as f64),
            ("conformed", "Count", report.put as f64),
            ("unregistered", "Count", report.unregistered as f64),
            ("migrated", "Count", report.migrated as f64),
            ("nonconforming", "Count", report.refused() as f64),
            ("iterator_age_ms", "Milliseconds", (iterator_age / 1_000) as f64),
        ];
        if report.read > 0 {
            metrics.push(("error_rate", "Percent", 100.0 * report.refused() as f64 / report.read as f64));
        }
        metrics.extend(report.drift().map(|drift| ("item_drift", "None", drift)));
        self.line(Some(lane), &metrics, now)
    }

    /// The line of a batch of schema change events that was analyzed; times as in
    /// [`Metrics::counted`].
    #[must_use]
    pub fn analyzed(
        &self,
        lane: &LaneId,
        report: &AnalyzeReport,
        iterator_age: Micros,
        now: Micros,
    ) -> String {
        let mut metrics = vec![
            ("schema_events", "Count", report.events as f64),
            ("undecodable", "Count", report.undecodable as f64),
            ("iterator_age_ms", "Milliseconds", (iterator_age / 1_000) as f64),
        ];
        metrics.extend(adjusted(&report.adapted, report.told));
        self.line(Some(lane), &metrics, now)
    }

    /// The line of a round of validation. Of the share that agrees nothing is said where nothing
    /// was compared: no evidence is no agreement.
    #[must_use]
    pub fn validated(&self, report: &ValidateReport, now: Micros) -> String {
        let mut metrics = vec![
            ("rounds", "Count", f64::from(report.rounds)),
            ("shadows", "Count", report.shadows as f64),
            ("standbys", "Count", report.standbys as f64),
            ("draining", "Count", report.draining as f64),
            ("negative_sums", "Count", report.adapted.negative as f64),
        ];
        metrics.extend(adjusted(&report.adapted, report.told));
        let compared = compared(&report.adapted);
        if compared.total() > 0 {
            let agreed = compared.agreed.saturating_add(compared.explained);
            metrics.push(("shadow_agreement", "Percent", 100.0 * agreed as f64 / compared.total() as f64));
        }
        self.line(None, &metrics, now)
    }

    /// The line of a forecast. Of reliability nothing is said before any prediction has come to its end.
    #[cfg(feature = "forecast")]
    #[must_use]
    pub fn forecast(&self, report: &ForecastReport, now: Micros) -> String {
        let settled = |standing: Standing, column: bool| {
            let is = |one: &&Settled| one.standing == standing && one.column.is_some() == column;
            report.settled.iter().filter(is).count() as f64
        };
        let mut metrics = vec![
            ("tables_forecast", "Count", report.tables as f64),
            ("predictions_made", "Count", report.made as f64),
            ("predictions_open", "Count", report.open as f64),
            ("predictions_confirmed", "Count", settled(Standing::Confirmed, false)),
            ("predictions_refuted", "Count", settled(Standing::Refuted, false)),
            ("predictions_expired", "Count", settled(Standing::Expired, false)),
            ("columns_confirmed", "Count", settled(Standing::Confirmed, true)),
            ("columns_refuted", "Count", settled(Standing::Refuted, true)),
            ("columns_expired", "Count", settled(Standing::Expired, true)),
            ("imports_left_out", "Count", report.left_out.len() as f64),
        ];
        if let Some((brier, bias)) = report.reliability() {
            metrics.push(("forecast_brier", "None", brier));
            metrics.push(("forecast_bias", "None", bias));
        }
        self.line(None, &metrics, now)
    }

    /// The line of an invocation of the data proxy, with what there was of it; `None` where there was nothing.
    #[cfg(feature = "proxy")]
    #[must_use]
    pub fn proxied(&self, tally: &Tally, now: Micros) -> Option<String> {
        let requests = tally.passed + tally.carried_out + tally.refused + tally.failed;
        if requests == 0 && tally.prefetch_asked == 0 {
            return None;
        }
        let words =
            |words: &[&str]| -> u64 { words.iter().filter_map(|word| tally.mutations.get(word)).sum() };
        // What is neither is a conflict of schema versions.
        let others = ["as-it-is", "condition", "migrated", "merged", "resolved-by-function"];
        let conflicts = ["data-conflict", "undecided", "attempts-used-up"];
        let all: u64 = tally.mutations.values().sum();
        let metrics = [
            ("requests", requests),
            ("requests_passed", tally.passed),
            ("requests_carried_out", tally.carried_out),
            ("requests_refused", tally.refused),
            ("requests_failed", tally.failed),
            ("unknown_refused", tally.unknown_refused),
            ("unknown_passed", tally.unknown_passed),
            ("beside_reads", tally.reads_beside),
            ("beside_writes", tally.writes_beside),
            ("migrations", words(&["migrated"])),
            ("migrations_refused", all - words(&others) - words(&conflicts)),
            ("conflicts_resolved", words(&["merged", "resolved-by-function"])),
            ("conflicts_refused", words(&conflicts)),
            ("prefetch_asked", tally.prefetch_asked),
            ("prefetch_fetched", tally.prefetch_fetched),
            ("prefetch_failed", tally.prefetch_failed),
        ];
        let metrics = metrics.into_iter().filter(|(_, value)| *value > 0);
        let mut metrics: Vec<Metric> = metrics.map(|(name, value)| (name, "Count", value as f64)).collect();
        let times = [("upstream_ms", tally.upstream), ("prefetch_ms", tally.prefetch_took)];
        let times = times.into_iter().filter(|(_, took)| *took > 0);
        metrics.extend(times.map(|(name, took)| (name, "Milliseconds", took as f64 / 1_000.0)));
        Some(self.line(None, &metrics, now))
    }

    fn line(&self, lane: Option<&LaneId>, metrics: &[Metric], now: Micros) -> String {
        let declared: Vec<Value> =
            metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
        let mut line = json!({
            "_aws": {
                "Timestamp": now / 1_000,
                "CloudWatchMetrics": [{
                    "Namespace": self.namespace,
                    "Dimensions": [["service"]],
                    "Metrics": declared,
                }],
            },
            "service": self.service,
        });
        if let Some(fields) = line.as_object_mut() {
            fields.extend(lane.map(|lane| ("lane".to_owned(), json!(lane.as_str()))));
            fields.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), number(*value))));
        }
        line.to_string()
    }
}

/// What adjustments add to a line: how many of which class and outcome, and what was compared.
fn adjusted(adapted: &Adapted, told: usize) -> Vec<Metric> {
    let of_class = |class: Class| adapted.adjustments.iter().filter(|one| one.plan.class == class).count();
    let of_outcome = |is: PlanOutcome| adapted.adjustments.iter().filter(|one| one.outcome == is).count();
    let classes = Class::ALL.map(|(class, _)| {
        let name = match class {
            Class::A0 => "plans_a0",
            Class::A1 => "plans_a1",
            Class::A2 => "plans_a2",
            Class::A3 => "plans_a3",
            Class::A4 => "plans_a4",
            Class::A5 => "plans_a5",
            Class::A6 => "plans_a6",
        };
        (name, "Count", of_class(class) as f64)
    });
    let outcomes = PlanOutcome::ALL.map(|(outcome, name)| (name, "Count", of_outcome(outcome) as f64));
    let rows: u64 = adapted.adjustments.iter().map(|one| one.report.census.rows).sum();
    let rest = [
        ("census_rows", "Count", rows as f64),
        ("unexplained", "Count", compared(adapted).unexplained as f64),
        ("alerts", "Count", told as f64),
        ("definitions_failed", "Count", adapted.failed.len() as f64),
    ];
    [&classes[..], &outcomes, &rest].concat()
}

/// All that was compared of the adjustments.
fn compared(adapted: &Adapted) -> Compared {
    let of = |one: &Adjustment| one.report.census.compared.and(one.report.changes);
    adapted.adjustments.iter().map(of).fold(Compared::default(), Compared::and)
}

/// Whole numbers without a decimal point.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;
    use evercount_core::chunk::Tally;

    fn check(line: &str, expected: &[(&str, f64)]) {
        assert!(!line.contains('\n'));
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["_aws"]["Timestamp"], 7_000);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([["service"]]));
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        for (name, value) in expected {
            assert_eq!(line[name].as_f64(), Some(*value), "{name}");
        }
    }

    #[test]
    fn every_declared_metric_has_a_number() {
        let metrics = Metrics { namespace: "Evercount".to_owned(), service: "item-counter".to_owned() };
        let tally = Tally { read: 10, quarantined: 1, ambiguous: 2, ..Tally::default() };
        let report = BatchReport { tally, commits: 1, ..BatchReport::default() };
        let counted = metrics.counted(&LaneId::operator(), &report, 1_500_000, 7_000_000);
        check(&counted, &[("uncertain", 3.0), ("iterator_age_ms", 1_500.0)]);
        let report = ListenReport { read: 10, drift: 0.25, ..ListenReport::default() };
        let listened = metrics.listened(&LaneId::operator(), &report, 1_500_000, 7_000_000);
        check(&listened, &[("records", 10.0), ("drift", 0.25), ("iterator_age_ms", 1_500.0)]);
        let report = AnalyzeReport { events: 3, undecodable: 1, told: 1, ..AnalyzeReport::default() };
        let analyzed = metrics.analyzed(&LaneId::operator(), &report, 1_500_000, 7_000_000);
        check(&analyzed, &[("schema_events", 3.0), ("plans_a6", 0.0), ("rejected", 0.0), ("alerts", 1.0)]);
        let report = ValidateReport { rounds: 2, standbys: 1, ..ValidateReport::default() };
        let validated = metrics.validated(&report, 7_000_000);
        check(&validated, &[("rounds", 2.0), ("standbys", 1.0), ("unexplained", 0.0)]);
        assert!(!validated.contains("shadow_agreement"), "nothing was compared");
    }

    #[cfg(feature = "proxy")]
    #[test]
    fn a_proxys_line_has_what_there_was_and_no_line_says_that_there_was_nothing() {
        use evercount_proxy::tally::Tally as Proxied;
        let metrics = Metrics { namespace: "Evercount".to_owned(), service: "data-proxy".to_owned() };
        assert_eq!(metrics.proxied(&Proxied::default(), 7_000_000), None);
        let mutations =
            [("as-it-is", 4), ("migrated", 3), ("lossy", 2), ("condition", 1), ("data-conflict", 1)];
        let tally = Proxied {
            passed: 2,
            carried_out: 7,
            refused: 3,
            mutations: mutations.into(),
            upstream: 2_500,
            ..Proxied::default()
        };
        let line = metrics.proxied(&tally, 7_000_000).unwrap();
        let told = [
            ("requests", 12.0),
            ("requests_passed", 2.0),
            ("migrations", 3.0),
            ("migrations_refused", 2.0),
            ("conflicts_refused", 1.0),
            ("upstream_ms", 2.5),
        ];
        check(&line, &told);
        assert!(!line.contains("requests_failed") && !line.contains("beside_reads"), "{line}");
        let fetched = Proxied {
            prefetch_asked: 5,
            prefetch_fetched: 3,
            prefetch_failed: 1,
            prefetch_took: 40_000,
            ..Proxied::default()
        };
        let line = metrics.proxied(&fetched, 7_000_000).unwrap();
        let told = [
            ("prefetch_asked", 5.0),
            ("prefetch_fetched", 3.0),
            ("prefetch_failed", 1.0),
            ("prefetch_ms", 40.0),
        ];
        check(&line, &told);
        assert!(!line.contains("requests"), "{line}");
    }
}
