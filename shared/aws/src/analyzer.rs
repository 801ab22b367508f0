//! Owns an impact analyzer's invocation, as [`crate::counter`] owns a counter's: the Lambda function
//! and the local runner both run exactly this.
//!
//! Events of one subject are taken in order, and none is passed over. An event that fails holds up
//! its subject and no other: what stands behind it is delivered again anyway, and finds its plans.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use bytes::Bytes;
use evercount_core::adoption::Adjustment;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::order::Micros;
use evercount_core::schema_change::{SchemaChangeEvent, Subject};
use evercount_pipeline::adapt::{self, AdaptOptions, Adapted};
use evercount_pipeline::alert::{self, Alerts};
use evercount_pipeline::count::{Stop, StreamRecord};
use evercount_pipeline::ports::{RegistryStore, SourceTable, Store, StoreError};
use evercount_wire::schema_event::from_json;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::counter::stop_at;
use crate::kinesis::{lane_and_records, response};
use crate::metrics::Metrics;
use evercount_pipeline::kinesis::{EventError, ShardBatch, read_event};

/// What became of a batch of schema change events.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AnalyzeReport {
    /// Events that were planned for.
    pub events: u64,
    /// Records that are no event, and were passed over.
    pub undecodable: u64,
    /// What was adjusted.
    pub adapted: Adapted,
    /// Alerts that were raised.
    pub told: usize,
    /// The first record that was not planned for; it and what follows is delivered again.
    pub first_unapplied: Option<SequenceNumber>,
    /// Why.
    pub stopped_by: Option<Stop>,
}

impl AnalyzeReport {
    fn stop(&mut self, at: &SequenceNumber, by: Stop) {
        if self.first_unapplied.is_none() {
            (self.first_unapplied, self.stopped_by) = (Some(at.clone()), Some(by));
        }
    }
}

/// Told of every batch.
pub type AnalyzeHook = Arc<dyn Fn(&LaneId, &AnalyzeReport) + Send + Sync>;

/// Plans for the schema change events of an event source mapping.
pub struct Analyzer<S, T, A> {
    store: S,
    source: T,
    alerts: A,
    options: AdaptOptions,
    clock: fn() -> Micros,
    metrics: Option<Metrics>,
    hook: Option<AnalyzeHook>,
}

impl<S, T, A> fmt::Debug for Analyzer<S, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analyzer")
            .field("options", &self.options)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

impl<S: Store + RegistryStore + Send, T: SourceTable, A: Alerts> Analyzer<S, T, A> {
    /// An analyzer. `clock` gives the time in microseconds since the epoch.
    #[must_use]
    pub fn new(store: S, source: T, alerts: A, options: AdaptOptions, clock: fn() -> Micros) -> Self {
        Self { store, source, alerts, options, clock, metrics: None, hook: None }
    }

    /// Writes a line of metrics to standard output for every batch.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Reports every batch to `hook`.
    #[must_use]
    pub fn with_report(mut self, hook: AnalyzeHook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Plans for an event of the mapping. `deadline` is when the invocation must have ended,
    /// microseconds since the epoch.
    ///
    /// # Errors
    /// [`EventError`]. What goes wrong in the store is in the response: the records from there on
    /// are delivered again.
    pub async fn handle(
        &self,
        event: KinesisEvent,
        deadline: Micros,
    ) -> Result<KinesisEventResponse, EventError> {
        Ok(self.analyze(lane_and_records(&event)?, deadline).await)
    }

    /// Plans for an event as it came, as [`Analyzer::handle`].
    ///
    /// # Errors
    /// As [`Analyzer::handle`].
    pub async fn handle_payload(
        &self,
        payload: Bytes,
        deadline: Micros,
    ) -> Result<KinesisEventResponse, EventError> {
        Ok(self.analyze(read_event(&payload)?, deadline).await)
    }

    async fn analyze(&self, batches: Vec<ShardBatch>, deadline: Micros) -> KinesisEventResponse {
        let stop_at = stop_at((self.clock)(), deadline);
        let mut unapplied: Vec<SequenceNumber> = Vec::new();
        for (lane, records) in &batches {
            let report = Box::pin(self.batch(lane, records, stop_at)).await;
            self.tell(lane, records, &report);
            unapplied.extend(report.first_unapplied);
        }
        response(&unapplied)
    }

    async fn batch(&self, lane: &LaneId, records: &[StreamRecord], stop_at: Micros) -> AnalyzeReport {
        let mut report = AnalyzeReport::default();
        let mut held_up: BTreeSet<Subject> = BTreeSet::new();
        for record in records {
            if (self.clock)() >= stop_at {
                report.stop(&record.sequence, Stop::OutOfTime);
                break;
            }
            let event = match self.read(record).await {
                Ok(Some(event)) => event,
                Ok(None) => {
                    report.undecodable += 1;
                    tracing::error!(
                        %lane,
                        sequence = record.sequence.as_str(),
                        "a record is no schema change event and is passed over; the registry's history has the events"
                    );
                    continue;
                }
                // Which subject it is of cannot be told, so everything behind it waits.
                Err(error) => {
                    report.stop(&record.sequence, Stop::Store(error));
                    break;
                }
            };
            if held_up.contains(&event.subject) {
                continue;
            }
            match Box::pin(self.plan(&event, &mut report)).await {
                Ok(()) => report.events += 1,
                Err(error) => {
                    report.stop(&record.sequence, Stop::Store(error));
                    held_up.insert(event.subject);
                }
            }
        }
        report
    }

    /// The event of a record; one that was cut to fit is looked up in the registry. `None` where
    /// it cannot be read.
    async fn read(&self, record: &StreamRecord) -> Result<Option<SchemaChangeEvent>, StoreError> {
        let mut room = Vec::new();
        let data = record.data.read(&mut room);
        let Some(text) = data.ok().and_then(|data| std::str::from_utf8(data).ok()) else {
            return Ok(None);
        };
        let Ok(event) = from_json(text) else { return Ok(None) };
        if !serde_json::from_str::<Cut>(text).is_ok_and(|cut| cut.truncated.is_some()) {
            return Ok(Some(event));
        }
        let id = event.id();
        let history = self.store.history(&event.subject).await?;
        Ok(history.into_iter().map(|recorded| recorded.event).find(|one| one.id() == id))
    }

    async fn plan(&self, event: &SchemaChangeEvent, report: &mut AnalyzeReport) -> Result<(), StoreError> {
        let now = (self.clock)();
        let adapting = adapt::schema_changed(&self.store, &self.source, event, self.options, now);
        let adapted = Box::pin(adapting).await?;
        adapted.adjustments.iter().for_each(log_adjustment);
        let told = alert::tell(&self.store, &self.alerts, &adapted.adjustments, now).await;
        report.adapted.add(adapted);
        match told {
            Ok(told) => report.told += told.len(),
            // Planning for the next change must not wait for a topic whose permissions are wrong.
            // The validator fails until the alert is delivered.
            Err(StoreError::Rejected(why)) => {
                tracing::error!(why, "an alert is refused; the shadow validator goes on trying");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Says what became of a batch.
    fn tell(&self, lane: &LaneId, records: &[StreamRecord], report: &AnalyzeReport) {
        let now = (self.clock)();
        let newest = records.iter().map(|record| record.arrived_at).max().unwrap_or(now);
        let iterator_age = now.saturating_sub(newest).max(0);
        let stopped_by = report.stopped_by.as_ref().map(ToString::to_string);
        tracing::info!(
            %lane,
            records = records.len(),
            events = report.events,
            undecodable = report.undecodable,
            adjustments = report.adapted.adjustments.len(),
            alerts = report.told,
            iterator_age_ms = iterator_age / 1_000,
            first_unapplied = report.first_unapplied.as_ref().map(SequenceNumber::as_str),
            stopped_by,
            "schema changes analyzed"
        );
        if let Some(metrics) = &self.metrics {
            println!("{}", metrics.analyzed(lane, report, iterator_age, now));
        }
        if let Some(hook) = &self.hook {
            hook(lane, report);
        }
    }
}

/// The mark of an event whose changes were cut ([`crate::schema_events`]).
#[derive(Deserialize)]
struct Cut {
    truncated: Option<IgnoredAny>,
}

/// One line on an adjustment, that a person can search for by definition or plan.
pub(crate) fn log_adjustment(adjustment: &Adjustment) {
    let plan = &adjustment.plan;
    tracing::info!(
        definition = %plan.definition,
        table = %plan.table,
        plan = %plan.id,
        class = plan.class.name(),
        outcome = adjustment.outcome.name(),
        from = plan.from,
        to = adjustment.to,
        verdict = adjustment.verdict.as_deref(),
        sentence = plan.sentence,
        "adjustment"
    );
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::sync::atomic::{AtomicI64, Ordering};

    use evercount_core::adoption::PlanOutcome;
    use evercount_core::fingerprint::{Fingerprint, SchemaId};
    use evercount_core::logic::Coverage;
    use evercount_core::schema::FieldPath;
    use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, Typed};
    use evercount_pipeline::alert::MemoryAlerts;
    use evercount_pipeline::define;
    use evercount_pipeline::memory::Memory;
    use evercount_pipeline::ports::{CatalogStore, NoSource};
    use evercount_pipeline::publish::Mishap;
    use evercount_wire::definition::{DefinitionParts, build};
    use evercount_wire::schema_event::to_json;

    use super::*;

    static CLOCK: AtomicI64 = AtomicI64::new(1_000_000_000_000_000);

    /// A clock on which every look takes a second.
    fn clock() -> Micros {
        CLOCK.fetch_add(1_000_000, Ordering::Relaxed)
    }

    const OPTIONS: AdaptOptions = AdaptOptions { pages: 10, ..AdaptOptions::BARE };
    const LONG: Micros = 1_000_000_000;

    fn event(subject: &str) -> String {
        let kind = ChangeKind::RenameColumn {
            column: FieldPath::column("status"),
            to: FieldPath::column("state"),
            typed: Typed::default(),
            previous: Typed::default(),
        };
        let evidence = Evidence::Declared { statement: "RENAME status TO state".to_owned() };
        let id = |version: u32| SchemaId { version, fingerprint: Fingerprint(u64::from(version)) };
        to_json(&SchemaChangeEvent {
            subject: Subject::new(subject),
            from: Some(id(1)),
            to: id(2),
            changes: vec![SchemaChange { kind, evidence }],
            drift: 0.0,
            position: None,
            at: 1_000_000_000_000_000,
        })
    }

    fn payload(records: &[&str]) -> String {
        let record = |(n, text): (usize, &&str)| {
            let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
            serde_json::json!({
                "eventID": format!("shardId-1:{}", n + 1),
                "eventSourceARN": "arn:aws:kinesis:eu-central-1:1:stream/schema-events",
                "kinesis": {"sequenceNumber": (n + 1).to_string(), "partitionKey": "p", "data": data,
                            "approximateArrivalTimestamp": "1700000000.500"}
            })
        };
        let records: Vec<_> = records.iter().enumerate().map(record).collect();
        serde_json::json!({ "Records": records }).to_string()
    }

    type TestAnalyzer = Analyzer<Memory, NoSource, Arc<MemoryAlerts>>;

    async fn analyzing() -> (TestAnalyzer, Arc<MemoryAlerts>) {
        let store = Memory::default();
        for table in ["orders", "carts"] {
            let parts = DefinitionParts {
                name: format!("{table}_by_status"),
                table: table.to_owned(),
                group_by: vec!["status".to_owned()],
                ..DefinitionParts::default()
            };
            define::create(&store, build(parts).unwrap(), Coverage::Whole, 0).await.unwrap();
        }
        let alerts: Arc<MemoryAlerts> = Arc::default();
        (Analyzer::new(store, NoSource, alerts.clone(), OPTIONS, clock), alerts)
    }

    async fn failures(analyzer: &TestAnalyzer, records: &[&str], time: Micros) -> Vec<String> {
        let answer = analyzer.handle_payload(payload(records).into(), clock() + time).await.unwrap();
        answer.batch_item_failures.into_iter().filter_map(|one| one.item_identifier).collect()
    }

    #[tokio::test]
    async fn each_event_is_planned_for_once_and_what_is_no_event_is_passed_over() {
        let (analyzer, _) = analyzing().await;
        let (orders, carts) = (event("orders"), event("carts"));
        let batch = [orders.as_str(), "{", carts.as_str(), "{}"];
        for _ in 0..2 {
            assert_eq!(failures(&analyzer, &batch, LONG).await, [""; 0]);
            let adjustments = analyzer.store.adjustments(None).await.unwrap();
            assert_eq!(adjustments.len(), 2);
            assert!(adjustments.iter().all(|one| one.to == Some(2)), "{adjustments:?}");
            assert_eq!(analyzer.store.versions().await.unwrap().len(), 4);
        }
    }

    #[tokio::test]
    async fn without_time_the_first_event_is_handed_back() {
        let (analyzer, _) = analyzing().await;
        assert_eq!(failures(&analyzer, &[&event("orders"), &event("carts")], 2_000_000).await, ["1"]);
        assert!(analyzer.store.adjustments(None).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_alert_that_did_not_arrive_hands_its_event_back_and_no_other_subject_waits() {
        let (analyzer, alerts) = analyzing().await;
        let (orders, carts) = (event("orders"), event("carts"));
        assert_eq!(failures(&analyzer, &[&orders], LONG).await, [""; 0]);
        analyzer.store.tamper(|state| {
            for one in state.adjustments.values_mut() {
                one.outcome = PlanOutcome::Rejected;
                one.verdict = Some("reject: planted".to_owned());
            }
        });
        alerts.expect(Mishap::CutAfter(0));
        assert_eq!(failures(&analyzer, &[&orders, &carts, &orders], LONG).await, ["1"]);
        assert_eq!(analyzer.store.adjustments(None).await.unwrap().len(), 2, "the cart's is planned");
        alerts.expect(Mishap::Refused);
        assert_eq!(failures(&analyzer, &[&orders], LONG).await, [""; 0], "the validator goes on trying");
        assert_eq!(failures(&analyzer, &[&orders, &orders], LONG).await, [""; 0]);
        assert_eq!(alerts.alerts().len(), 1);
    }

    #[tokio::test]
    async fn an_event_whose_changes_were_cut_and_that_the_registry_lost_is_passed_over() {
        let (analyzer, _) = analyzing().await;
        let cut = event("orders").replacen('{', r#"{"truncated":{"changes":9},"#, 1);
        assert_eq!(failures(&analyzer, &[&cut], LONG).await, [""; 0]);
        assert!(analyzer.store.adjustments(None).await.unwrap().is_empty());
    }
}
