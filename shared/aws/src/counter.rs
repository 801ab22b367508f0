//! Owns a counter's invocation: which records are of which lane, how much time there is, what is
//! kept warm, and what is told of each batch. The Lambda function and the local runner both run
//! exactly this.

use std::fmt;
use std::sync::Arc;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use bytes::Bytes;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::order::Micros;
use evercount_pipeline::asking::{InProcess, Runner};
use evercount_pipeline::count::{self, BatchReport, CountOptions, Warm};
use evercount_pipeline::ports::Store;

use crate::kinesis::{lane_and_records, response};
use crate::metrics::Metrics;
use crate::shelf::Shelf;
use evercount_pipeline::kinesis::{EventError, ShardBatch, ShardEvent, read_event};

/// The share of the remaining time that is kept in hand, as a divisor: a fifth. A chunk begun
/// within the rest has that long to end and to be reported.
const TIME_IN_HAND: Micros = 5;

/// When an invocation that started at `started` and must have ended by `deadline` begins nothing
/// more.
pub(crate) fn stop_at(started: Micros, deadline: Micros) -> Micros {
    started.saturating_add(deadline.saturating_sub(started).max(0) / TIME_IN_HAND * (TIME_IN_HAND - 1))
}

/// Told of every batch.
pub type ReportHook = Arc<dyn Fn(&LaneId, &BatchReport) + Send + Sync>;

/// Counts the batches of an event source mapping.
pub struct Counter<S, R = InProcess> {
    store: S,
    options: CountOptions,
    clock: fn() -> Micros,
    metrics: Option<Metrics>,
    hook: Option<ReportHook>,
    runner: R,
    warm: Shelf<Warm<R>>,
}

impl<S, R> fmt::Debug for Counter<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter")
            .field("options", &self.options)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

impl<S> Counter<S> {
    /// A counter that runs functions of users itself. `clock` gives the time in microseconds since the epoch.
    #[must_use]
    pub fn new(store: S, options: CountOptions, clock: fn() -> Micros) -> Self {
        Self::asking(InProcess::default(), store, options, clock)
    }
}

impl<S, R> Counter<S, R> {
    /// A counter that has functions of users run. `clock` gives the time in microseconds since the epoch.
    #[must_use]
    pub fn asking(runner: R, store: S, options: CountOptions, clock: fn() -> Micros) -> Self {
        Self { store, options, clock, metrics: None, hook: None, runner, warm: Shelf::default() }
    }
}

impl<S: Store + Send, R: Runner<S> + Clone> Counter<S, R> {
    /// Writes a line of metrics to standard output for every batch.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Reports every batch to `hook`.
    #[must_use]
    pub fn with_report(mut self, hook: ReportHook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// The store it counts in.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Counts an event. `deadline` is when the invocation must have ended, microseconds since
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
        let stop_at = stop_at((self.clock)(), deadline);
        Ok(self.count(lane_and_records(&event)?, stop_at).await)
    }

    /// Counts an event as it came, as [`Counter::handle`]; records whose data is no base64 are
    /// put aside.
    ///
    /// # Errors
    /// As [`Counter::handle`].
    pub async fn handle_payload(
        &self,
        payload: Bytes,
        deadline: Micros,
    ) -> Result<KinesisEventResponse, EventError> {
        let stop_at = stop_at((self.clock)(), deadline);
        if self.counts_at_once(&payload, stop_at).await {
            return Ok(response(&[]));
        }
        Ok(self.count(read_event(&payload)?, stop_at).await)
    }

    /// Counts an event as it is read, where that can be; whether it did.
    async fn counts_at_once(&self, payload: &[u8], stop_at: Micros) -> bool {
        let now = (self.clock)();
        let Some((lane, event)) = ShardEvent::of(payload).filter(|_| now < stop_at) else { return false };
        let mut warm = self.warm(&lane);
        let report =
            Box::pin(count::run_event(&self.store, &mut warm, &lane, event, self.options, now)).await;
        self.warm.keep(&lane, warm);
        if let Some(report) = &report {
            self.tell(&lane, report);
        }
        report.is_some()
    }

    fn warm(&self, lane: &LaneId) -> Warm<R> {
        self.warm.take(lane).unwrap_or_else(|| Warm::asking(self.runner.clone()))
    }

    async fn count(&self, batches: Vec<ShardBatch>, stop_at: Micros) -> KinesisEventResponse {
        let mut unapplied: Vec<SequenceNumber> = Vec::new();
        for (lane, records) in &batches {
            let mut warm = self.warm(lane);
            let clock = self.clock;
            let (now, keep_going) = (clock(), || clock() < stop_at);
            // Boxed: with the store's calls inside, the future is large and its type too deep for
            // the compiler to lay out within another's.
            let counting = count::run(&self.store, &mut warm, lane, records, self.options, now, keep_going);
            let report = Box::pin(counting).await;
            self.warm.keep(lane, warm);
            self.tell(lane, &report);
            unapplied.extend(report.first_unapplied);
        }
        response(&unapplied)
    }

    /// Says what became of a batch: one log line and one line of metrics, with numbers and ids
    /// and nothing of any record.
    fn tell(&self, lane: &LaneId, report: &BatchReport) {
        let now = (self.clock)();
        let iterator_age = now.saturating_sub(report.newest.unwrap_or(now)).max(0);
        log(lane, report, iterator_age / 1_000);
        for (function, unanswered) in &report.unanswered {
            let (images, because) = (unanswered.images, &unanswered.because);
            tracing::warn!(%lane, %function, images, because, "a function gave no answer");
        }
        if let Some(metrics) = &self.metrics {
            println!("{}", metrics.counted(lane, report, iterator_age, now));
        }
        if let Some(hook) = &self.hook {
            hook(lane, report);
        }
    }
}

fn log(lane: &LaneId, report: &BatchReport, iterator_age_ms: i64) {
    let tally = &report.tally;
    let first_unapplied = report.first_unapplied.as_ref().map(SequenceNumber::as_str);
    let stopped_by = report.stopped_by.as_ref().map(ToString::to_string);
    // The same fields at two levels: a batch that was not finished is somebody's business.
    macro_rules! line {
        ($level:expr, $message:literal) => {
            tracing::event!(
                $level,
                %lane,
                records = tally.read,
                applied = tally.applied,
                duplicates = tally.duplicates,
                late = tally.late,
                passed = tally.passed,
                quarantined = tally.quarantined,
                ambiguous = tally.ambiguous,
                commits = report.commits,
                write_units = report.cost.write_units,
                iterator_age_ms,
                first_unapplied,
                stopped_by,
                $message
            )
        };
    }
    match report.stopped_by {
        None => line!(tracing::Level::INFO, "batch counted"),
        Some(_) => line!(tracing::Level::WARN, "batch not finished"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use evercount_core::definition::DefinitionName;
    use evercount_core::logic::{Coverage, LogicId};
    use evercount_pipeline::count::CountMode;
    use evercount_pipeline::define;
    use evercount_pipeline::memory::Memory;
    use evercount_pipeline::ports::CountStore;
    use evercount_wire::definition::{DefinitionParts, build};

    use super::*;

    static CLOCK: AtomicI64 = AtomicI64::new(1_000_000_000_000_000);

    /// A clock on which every look takes a second.
    fn clock() -> Micros {
        CLOCK.fetch_add(1_000_000, Ordering::Relaxed)
    }

    const OPTIONS: CountOptions = CountOptions { mode: CountMode::Ledger, format: None, epoch: 0 };

    fn payload(lane: u32, records: u32) -> String {
        let record = |n: u32| {
            let change = serde_json::json!({
                "awsRegion": "eu-central-1", "eventID": format!("e-{n}"), "eventName": "INSERT",
                "userIdentity": null, "recordFormat": "application/json", "tableName": "orders",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_700_000_000_000_000_i64 + i64::from(n) * 1_000_000,
                    "ApproximateCreationDateTimePrecision": "MICROSECOND",
                    "Keys": {"id": {"S": format!("o-{n}")}},
                    "NewImage": {"id": {"S": format!("o-{n}")}},
                    "SizeBytes": 10
                },
                "eventSource": "aws:dynamodb"
            });
            let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, change.to_string());
            serde_json::json!({
                "eventID": format!("shardId-{lane}:{n}"),
                "eventSourceARN": "arn:aws:kinesis:eu-central-1:1:stream/orders-cdc",
                "kinesis": {"sequenceNumber": n.to_string(), "partitionKey": "p", "data": data,
                            "approximateArrivalTimestamp": "1700000000.500"}
            })
        };
        serde_json::json!({ "Records": (1..=records).map(record).collect::<Vec<_>>() }).to_string()
    }

    async fn counting() -> (Counter<Memory>, LogicId) {
        let store = Memory::default();
        let parts = DefinitionParts {
            name: "all".to_owned(),
            table: "orders".to_owned(),
            ..DefinitionParts::default()
        };
        define::create(&store, build(parts).unwrap(), Coverage::Whole, 0).await.unwrap();
        let id = LogicId { definition: DefinitionName::parse("all").unwrap(), number: 1 };
        (Counter::new(store, OPTIONS, clock), id)
    }

    #[tokio::test]
    async fn an_event_is_counted_and_every_batch_reported() {
        let (counter, id) = counting().await;
        let reported = Arc::new(AtomicU64::new(0));
        let sum = Arc::clone(&reported);
        let hook: ReportHook = Arc::new(move |_, report| {
            sum.fetch_add(report.tally.applied, Ordering::Relaxed);
        });
        let counter = counter.with_report(hook);
        let answer = counter.handle_payload(payload(1, 5).into(), clock() + 1_000_000_000).await.unwrap();
        assert!(answer.batch_item_failures.is_empty());
        let event: KinesisEvent = serde_json::from_str(&payload(1, 5)).unwrap();
        assert!(counter.handle(event, clock() + 1_000_000_000).await.unwrap().batch_item_failures.is_empty());
        assert_eq!(reported.load(Ordering::Relaxed), 5);
        assert_eq!(counter.store().cells(&id).await.unwrap().values().sum::<i64>(), 5);
    }

    #[tokio::test]
    async fn without_time_the_first_record_is_handed_back() {
        let (counter, id) = counting().await;
        let answer = counter.handle_payload(payload(1, 5).into(), clock() + 2_000_000).await.unwrap();
        let failures: Vec<_> =
            answer.batch_item_failures.iter().map(|one| one.item_identifier.as_deref()).collect();
        assert_eq!(failures, [Some("1")]);
        assert!(counter.store().cells(&id).await.unwrap().is_empty());
    }
}
