//! Owns an event transformer's invocation, as [`crate::counter`] owns a counter's: the Lambda function
//! and the local runner both run exactly this.

use std::fmt;
use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use bytes::Bytes;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::order::Micros;
use evercount_pipeline::count::StreamRecord;
use evercount_pipeline::kinesis::{EventError, ShardBatch, read_event};
use evercount_pipeline::ports::{FunctionStore, QuarantineStore, RegistryStore, TableStore};
use evercount_pipeline::transform::{
    self, ConformedStream, TransformOptions, TransformReport, Transformer, Warm,
};

use crate::kinesis::{lane_and_records, response};
use crate::metrics::Metrics;
use crate::shelf::Shelf;

/// Told of every batch.
pub type TransformHook = Arc<dyn Fn(&LaneId, &TransformReport) + Send + Sync>;

/// Transforms the batches of an event source mapping.
pub struct EventTransformer<S, C> {
    store: S,
    stream: C,
    options: TransformOptions,
    clock: fn() -> Micros,
    metrics: Option<Metrics>,
    hook: Option<TransformHook>,
    warm: Shelf<Warm>,
}

impl<S, C> fmt::Debug for EventTransformer<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventTransformer")
            .field("options", &self.options)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

impl<S, C> EventTransformer<S, C>
where
    S: RegistryStore + TableStore + QuarantineStore + FunctionStore + Send,
    C: ConformedStream,
{
    /// A transformer. `clock` gives the time in microseconds since the epoch.
    #[must_use]
    pub fn new(store: S, stream: C, options: TransformOptions, clock: fn() -> Micros) -> Self {
        Self { store, stream, options, clock, metrics: None, hook: None, warm: Shelf::default() }
    }

    /// Writes a line of metrics to standard output for every batch.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Reports every batch to `hook`.
    #[must_use]
    pub fn with_report(mut self, hook: TransformHook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Transforms an event.
    ///
    /// # Errors
    /// [`EventError`]. What goes wrong in store or stream is in the response: the records from there on
    /// are delivered again.
    pub async fn handle(&self, event: KinesisEvent) -> Result<KinesisEventResponse, EventError> {
        Ok(self.transform(lane_and_records(&event)?).await)
    }

    /// Transforms an event as it came, as [`EventTransformer::handle`].
    ///
    /// # Errors
    /// As [`EventTransformer::handle`].
    pub async fn handle_payload(&self, payload: Bytes) -> Result<KinesisEventResponse, EventError> {
        Ok(self.transform(read_event(&payload)?).await)
    }

    async fn transform(&self, batches: Vec<ShardBatch>) -> KinesisEventResponse {
        let mut unapplied: Vec<SequenceNumber> = Vec::new();
        for (lane, records) in &batches {
            let mut warm = self.warm.take(lane).unwrap_or_default();
            let transformer =
                Transformer { store: &self.store, stream: &self.stream, options: &self.options };
            // Boxed: with the store's calls inside, the future is large.
            let transforming = transform::run(&transformer, &mut warm, lane, records, (self.clock)());
            let report = Box::pin(transforming).await;
            self.warm.keep(lane, warm);
            self.tell(lane, records, &report);
            unapplied.extend(report.first_unapplied);
        }
        response(&unapplied)
    }

    /// Says what became of a batch, and which versions are used from now on.
    fn tell(&self, lane: &LaneId, records: &[StreamRecord], report: &TransformReport) {
        let now = (self.clock)();
        let newest = records.iter().map(|record| record.arrived_at).max().unwrap_or(now);
        let iterator_age = now.saturating_sub(newest).max(0);
        for (subject, schema) in &report.acknowledged {
            tracing::info!(%lane, %subject, %schema, "schema version used from now on");
        }
        for (reason, records) in &report.refused {
            tracing::warn!(%lane, reason, records, "records put aside");
        }
        let stopped_by = report.stopped_by.as_ref().map(ToString::to_string);
        tracing::info!(
            %lane,
            records = report.read,
            put = report.put,
            migrated = report.migrated,
            refused = report.refused(),
            iterator_age_ms = iterator_age / 1_000,
            first_unapplied = report.first_unapplied.as_ref().map(SequenceNumber::as_str),
            stopped_by,
            "batch transformed"
        );
        if let Some(metrics) = &self.metrics {
            println!("{}", metrics.transformed(lane, report, iterator_age, now));
        }
        if let Some(hook) = &self.hook {
            hook(lane, report);
        }
    }
}
