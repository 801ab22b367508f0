//! Owns what a batch tells CloudWatch: one line in the Embedded Metric Format, written to
//! standard output before the invocation ends. A library with a background queue would write it
//! whenever the frozen process runs again.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use evercount_core::lane::LaneId;
use evercount_core::order::Micros;
use evercount_pipeline::count::BatchReport;
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

/// The metrics of a batch, with their units.
const UNITS: [(&str, &str); 9] = [
    ("records", "Count"),
    ("duplicates", "Count"),
    ("late", "Count"),
    ("quarantined", "Count"),
    ("uncertain", "Count"),
    ("iterator_age_ms", "Milliseconds"),
    ("write_units", "Count"),
    ("commits", "Count"),
    ("overflowed", "Count"),
];

impl Metrics {
    /// The line of a batch. `iterator_age` is the age of its newest record and `now` the time,
    /// both in microseconds.
    #[must_use]
    pub fn line(&self, lane: &LaneId, report: &BatchReport, iterator_age: Micros, now: Micros) -> String {
        let metrics: Vec<Value> =
            UNITS.iter().map(|(name, unit)| json!({ "Name": name, "Unit": unit })).collect();
        let tally = &report.tally;
        json!({
            "_aws": {
                "Timestamp": now / 1_000,
                "CloudWatchMetrics": [{
                    "Namespace": self.namespace,
                    "Dimensions": [["service"]],
                    "Metrics": metrics,
                }],
            },
            "service": self.service,
            "lane": lane.as_str(),
            "records": tally.read,
            "duplicates": tally.duplicates,
            "late": tally.late,
            "quarantined": tally.quarantined,
            "uncertain": tally.quarantined + tally.ambiguous,
            "iterator_age_ms": iterator_age / 1_000,
            "write_units": report.cost.write_units,
            "commits": report.commits,
            "overflowed": report.overflowed,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;
    use evercount_core::chunk::Tally;

    #[test]
    fn every_declared_metric_has_a_number() {
        let metrics = Metrics { namespace: "Evercount".to_owned(), service: "item-counter".to_owned() };
        let tally = Tally { read: 10, quarantined: 1, ambiguous: 2, ..Tally::default() };
        let report = BatchReport { tally, commits: 1, ..BatchReport::default() };
        let line = metrics.line(&LaneId::operator(), &report, 1_500_000, 7_000_000);
        assert!(!line.contains('\n'));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["_aws"]["Timestamp"], 7_000);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([["service"]]));
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        assert_eq!((&line["uncertain"], &line["iterator_age_ms"]), (&json!(3), &json!(1_500)));
    }
}
