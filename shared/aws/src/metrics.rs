//! Owns what a batch tells CloudWatch: one line in the Embedded Metric Format, written to
//! standard output before the invocation ends. A library with a background queue would write it
//! whenever the frozen process runs again.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use evercount_core::lane::LaneId;
use evercount_core::order::Micros;
use evercount_pipeline::count::BatchReport;
use evercount_pipeline::listen::ListenReport;
use serde_json::{Value, json};

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
        self.line(lane, &metrics, now)
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
        self.line(lane, &metrics, now)
    }

    fn line(&self, lane: &LaneId, metrics: &[Metric], now: Micros) -> String {
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
            "lane": lane.as_str(),
        });
        if let Some(fields) = line.as_object_mut() {
            fields.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), number(*value))));
        }
        line.to_string()
    }
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
    }
}
