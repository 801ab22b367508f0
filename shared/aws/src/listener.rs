//! Owns a schema listener's invocation, as [`crate::counter`] owns a counter's: the Lambda
//! function and the local runner both run exactly this.

use std::fmt;
use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use bytes::Bytes;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::order::Micros;
use evercount_pipeline::count::StreamRecord;
use evercount_pipeline::listen::{self, ListenOptions, ListenReport, Warm};
use evercount_pipeline::ports::{RegistryStore, TableStore};
use evercount_pipeline::publish::SchemaEvents;

use crate::counter::stop_at;
use crate::kinesis::{lane_and_records, response};
use crate::metrics::Metrics;
use crate::shelf::Shelf;
use evercount_pipeline::kinesis::{EventError, ShardBatch, read_event};

/// Told of every batch.
pub type ListenHook = Arc<dyn Fn(&LaneId, &ListenReport) + Send + Sync>;

/// Listens to the batches of an event source mapping.
pub struct SchemaListener<S, E> {
    store: S,
    events: E,
    options: ListenOptions,
    clock: fn() -> Micros,
    metrics: Option<Metrics>,
    hook: Option<ListenHook>,
    warm: Shelf<Warm>,
}

impl<S, E> fmt::Debug for SchemaListener<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaListener")
            .field("options", &self.options)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

impl<S: RegistryStore + TableStore + Send, E: SchemaEvents> SchemaListener<S, E> {
    /// A listener. `clock` gives the time in microseconds since the epoch.
    #[must_use]
    pub fn new(store: S, events: E, options: ListenOptions, clock: fn() -> Micros) -> Self {
        Self { store, events, options, clock, metrics: None, hook: None, warm: Shelf::default() }
    }

    /// Writes a line of metrics to standard output for every batch.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Reports every batch to `hook`.
    #[must_use]
    pub fn with_report(mut self, hook: ListenHook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Listens to an event. `deadline` is when the invocation must have ended, microseconds since
    /// the epoch.
    ///
    /// # Errors
    /// [`EventError`]. What goes wrong in the store is in the response: the records from there on
    /// are delivered again.
    pub async fn handle(
        &self,
        event: KinesisEvent,
        deadline: Micros,
    ) -> Result<KinesisEventResponse, EventError> {
        Ok(self.listen(lane_and_records(&event)?, deadline).await)
    }

    /// Listens to an event as it came, as [`SchemaListener::handle`].
    ///
    /// # Errors
    /// As [`SchemaListener::handle`].
    pub async fn handle_payload(
        &self,
        payload: Bytes,
        deadline: Micros,
    ) -> Result<KinesisEventResponse, EventError> {
        Ok(self.listen(read_event(&payload)?, deadline).await)
    }

    async fn listen(&self, batches: Vec<ShardBatch>, deadline: Micros) -> KinesisEventResponse {
        let stop_at = stop_at((self.clock)(), deadline);
        let mut unapplied: Vec<SequenceNumber> = Vec::new();
        for (lane, records) in &batches {
            let mut warm = self.warm.take(lane).unwrap_or_default();
            let keep_going = || (self.clock)() < stop_at;
            let listener =
                listen::Listener { store: &self.store, events: &self.events, options: self.options };
            // Boxed: with the store's calls inside, the future is large.
            let listening = listen::run(&listener, &mut warm, lane, records, (self.clock)(), keep_going);
            let report = Box::pin(listening).await;
            self.warm.keep(lane, warm);
            self.tell(lane, records, &report);
            unapplied.extend(report.first_unapplied);
        }
        response(&unapplied)
    }

    /// Says what became of a batch, and of each schema change one line that a person can search
    /// for by table.
    fn tell(&self, lane: &LaneId, records: &[StreamRecord], report: &ListenReport) {
        let now = (self.clock)();
        let newest = records.iter().map(|record| record.arrived_at).max().unwrap_or(now);
        let iterator_age = now.saturating_sub(newest).max(0);
        for found in &report.found {
            let event = &found.event;
            for change in &event.changes {
                tracing::info!(
                    %lane,
                    subject = %event.subject,
                    change = change.kind.name(),
                    column = change.kind.column().map(ToString::to_string),
                    evidence = change.evidence.sentence(),
                    schema = %event.to,
                    drift = event.drift,
                    "schema changed"
                );
            }
        }
        for held in &report.held {
            tracing::warn!(
                %lane,
                subject = %held.subject,
                change = held.change.kind.name(),
                column = held.change.kind.column().map(ToString::to_string),
                why = held.why.sentence(),
                "schema change held"
            );
        }
        let stopped_by = report.stopped_by.as_ref().map(ToString::to_string);
        tracing::info!(
            %lane,
            records = report.read,
            undecodable = report.undecodable,
            commits = report.commits,
            iterator_age_ms = iterator_age / 1_000,
            first_unapplied = report.first_unapplied.as_ref().map(SequenceNumber::as_str),
            stopped_by,
            "batch listened to"
        );
        if let Some(metrics) = &self.metrics {
            println!("{}", metrics.listened(lane, report, iterator_age, now));
        }
        if let Some(hook) = &self.hook {
            hook(lane, report);
        }
    }
}
