//! Decides how one shard is read, delivered and paced.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::types::ShardIteratorType;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use evercount_pipeline::event_source::{Discard, MappingConfig, Next, Outcome, Reply, ShardReader, Stage};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::envelope::{Waiting, milliseconds};
use super::{DiscardedBatch, PollerError, SharedStage, Source, StartingPosition, Tally, call_error};

/// The most records one `GetRecords` call may ask for.
const CALL_RECORDS: usize = 10_000;
/// How often a read that may pass is tried before a run that should end gives up.
const READ_TRIES: usize = 8;

/// When the reading of a shard ends, besides at the end of a closed shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// At the tip, with everything settled.
    UntilTip,
    /// When the run is stopped.
    UntilStopped,
}

/// One shard: its reader and its place in the stream.
#[derive(Debug)]
pub(super) struct Shard {
    id: String,
    reader: ShardReader<Waiting>,
    start: (ShardIteratorType, Option<String>),
    iterator: Option<String>,
    at_tip: bool,
}

/// What to do next with the shard.
enum Step {
    Deliver(KinesisEvent),
    Discard(Discard<Waiting>),
    ReadOn,
    Pause(Duration),
    TipReached,
    Drained,
}

impl Shard {
    pub(super) fn new(id: &str, mapping: MappingConfig, start: &StartingPosition) -> Self {
        let named = |positions: &BTreeMap<String, String>, kind: ShardIteratorType| {
            positions.get(id).map(|number| (kind, Some(number.clone())))
        };
        let start = match start {
            StartingPosition::TrimHorizon => None,
            StartingPosition::Latest => Some((ShardIteratorType::Latest, None)),
            StartingPosition::AtSequenceNumbers(at) => named(at, ShardIteratorType::AtSequenceNumber),
            StartingPosition::AfterSequenceNumbers(after) => {
                named(after, ShardIteratorType::AfterSequenceNumber)
            }
        };
        Self {
            id: id.to_owned(),
            reader: ShardReader::new(id, mapping),
            start: start.unwrap_or((ShardIteratorType::TrimHorizon, None)),
            iterator: None,
            at_tip: false,
        }
    }

    pub(super) fn checkpoint(&self) -> Option<&str> {
        self.reader.checkpoint()
    }

    /// Reads and delivers until the mode's end or the shard's.
    pub(super) async fn drive<H, F, E>(
        &mut self,
        source: &Source,
        handler: &H,
        mode: Mode,
        stage: &SharedStage,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<Tally, PollerError>
    where
        H: Fn(KinesisEvent) -> F + Send + Sync + 'static,
        F: Future<Output = Result<KinesisEventResponse, E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let (shortest, longest) = source.options.idle_pause;
        let mut tally = Tally::default();
        let mut retries = pauses(source.options.retry_pause);
        let mut idle = shortest;
        let mut wake = source.options.wake.clone();
        self.at_tip = false;
        while !*stopped.borrow() {
            // A page is read for each batch, and never more than two batches ahead.
            if self.reader.room() > source.options.mapping.batch_size {
                self.read(source, mode, &mut stopped).await?;
            }
            let event = match self.step(source, mode, milliseconds(SystemTime::now())) {
                Step::Deliver(event) => event,
                Step::Discard(discard) => {
                    tally.discarded += hand_over(source, discard).await;
                    continue;
                }
                Step::ReadOn => continue,
                Step::Pause(most) => {
                    sleep_unless_woken(idle.min(most), wake.as_mut(), &mut stopped).await;
                    idle = (idle * 2).min(longest);
                    continue;
                }
                Step::TipReached => {
                    stage.set(Stage::AtTip);
                    if mode == Mode::UntilTip {
                        return Ok(tally);
                    }
                    sleep_unless_woken(idle, wake.as_mut(), &mut stopped).await;
                    idle = (idle * 2).min(longest);
                    continue;
                }
                Step::Drained => {
                    stage.set(Stage::Drained);
                    return Ok(tally);
                }
            };
            idle = shortest;
            tally.invocations += 1;
            tally.delivered += count(event.records.len());
            let reply = invoke(handler, event).await;
            let Some(settled) = self.reader.settle(&reply) else {
                continue;
            };
            tally.succeeded += count(settled.succeeded);
            if settled.succeeded > 0 {
                retries = pauses(source.options.retry_pause);
            }
            match settled.outcome {
                Outcome::Succeeded | Outcome::Bisected(..) => {}
                Outcome::Retry { retry, attempts } => {
                    let pause = retries.next().unwrap_or(source.options.retry_pause.1);
                    tracing::debug!(shard = self.id, retry, attempts, ?pause, "a batch is retried");
                    sleep_unless_stopped(pause, &mut stopped).await;
                }
                Outcome::Discarded(discard) => {
                    tally.discarded += hand_over(source, discard).await;
                    retries = pauses(source.options.retry_pause);
                }
            }
        }
        Ok(tally)
    }

    fn step(&mut self, source: &Source, mode: Mode, now_ms: u64) -> Step {
        let drained = self.reader.is_drained();
        match self.reader.next(now_ms) {
            Next::Batch(batch) => Step::Deliver(source.envelope.event(&self.id, batch)),
            Next::Discarded(discard) => Step::Discard(discard),
            Next::Idle if drained => Step::Drained,
            Next::Idle if self.at_tip => Step::TipReached,
            Next::Idle => Step::ReadOn,
            // Nothing more will join the batch in this run, so its window ends now.
            Next::Wait { until_ms } if self.at_tip && mode == Mode::UntilTip => {
                self.step(source, mode, until_ms)
            }
            Next::Wait { until_ms } if self.at_tip => {
                Step::Pause(Duration::from_millis(until_ms.saturating_sub(now_ms)))
            }
            Next::Wait { .. } => Step::ReadOn,
        }
    }

    /// Reads one page, however often it takes; returns early when the run is stopped.
    async fn read(
        &mut self,
        source: &Source,
        mode: Mode,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<(), PollerError> {
        let mut retries = pauses(source.options.retry_pause);
        let mut tries = 0;
        loop {
            let error = match self.read_page(source).await {
                Ok(()) => return Ok(()),
                Err(ReadError::Expired) => {
                    self.iterator = None;
                    continue;
                }
                Err(ReadError::Final(error)) => return Err(error),
                Err(ReadError::Passing(error)) => error,
            };
            tries += 1;
            if mode == Mode::UntilTip && tries == READ_TRIES {
                return Err(error);
            }
            tracing::warn!(shard = self.id, %error, "a read is tried again");
            let pause = retries.next().unwrap_or(source.options.retry_pause.1);
            sleep_unless_stopped(pause, stopped).await;
            if *stopped.borrow() {
                return Ok(());
            }
        }
    }

    async fn read_page(&mut self, source: &Source) -> Result<(), ReadError> {
        let iterator = match self.iterator.take() {
            Some(iterator) => iterator,
            None => self.shard_iterator(source).await?,
        };
        let limit = i32::try_from(self.reader.room().min(CALL_RECORDS)).unwrap_or(i32::MAX);
        let sent = source.client.get_records().shard_iterator(&iterator).limit(limit).send().await;
        let page = sent.map_err(|error| classify("GetRecords", source, &error))?;
        let now_ms = milliseconds(SystemTime::now());
        self.at_tip = page.records.is_empty() && page.millis_behind_latest.unwrap_or_default() == 0;
        for record in page.records {
            // A record read before is skipped: it is still queued, or it is settled.
            let _ = self.reader.push(Waiting::from(record), now_ms);
        }
        self.iterator = page.next_shard_iterator;
        if self.iterator.is_none() {
            self.reader.close();
        }
        Ok(())
    }

    async fn shard_iterator(&self, source: &Source) -> Result<String, ReadError> {
        let (kind, number) = match self.reader.last_read() {
            Some(last) => (ShardIteratorType::AfterSequenceNumber, Some(last.to_owned())),
            None => self.start.clone(),
        };
        let sent = source
            .client
            .get_shard_iterator()
            .stream_name(&source.stream)
            .shard_id(&self.id)
            .shard_iterator_type(kind)
            .set_starting_sequence_number(number)
            .send()
            .await;
        let output = sent.map_err(|error| classify("GetShardIterator", source, &error))?;
        Ok(output.shard_iterator.unwrap_or_default())
    }
}

/// Why a page could not be read.
enum ReadError {
    /// The iterator is older than five minutes; another one is to be had.
    Expired,
    /// It may work when tried again.
    Passing(PollerError),
    /// It will not.
    Final(PollerError),
}

fn classify<E>(call: &'static str, source: &Source, error: &E) -> ReadError
where
    E: std::error::Error + ProvideErrorMetadata,
{
    let explained = call_error(call, &source.stream, error);
    match error.code() {
        Some("ExpiredIteratorException") => ReadError::Expired,
        // No code: the call did not come through.
        None
        | Some(
            "ProvisionedThroughputExceededException"
            | "KMSThrottlingException"
            | "LimitExceededException"
            | "InternalFailure"
            | "InternalFailureException"
            | "ServiceUnavailable",
        ) => ReadError::Passing(explained),
        Some(_) => ReadError::Final(explained),
    }
}

/// Calls the function; a panic of its future is an error reply, as Lambda makes of it.
async fn invoke<H, F, E>(handler: &H, event: KinesisEvent) -> Reply
where
    H: Fn(KinesisEvent) -> F,
    F: Future<Output = Result<KinesisEventResponse, E>> + Send + 'static,
    E: Display + Send + 'static,
{
    // A set of one, because dropping the set ends the task: a cancelled run leaves no invocation.
    let mut invocation = JoinSet::new();
    invocation.spawn(handler(event));
    match invocation.join_next().await {
        Some(Ok(Ok(response))) => Reply::Failures(
            response
                .batch_item_failures
                .into_iter()
                .map(|failure| failure.item_identifier.unwrap_or_default())
                .collect(),
        ),
        Some(Ok(Err(error))) => {
            tracing::warn!(%error, "the function failed");
            Reply::Error
        }
        Some(Err(error)) => {
            tracing::warn!(%error, "the function panicked");
            Reply::Error
        }
        None => Reply::Error,
    }
}

/// Gives a discarded batch to the on-failure destination; returns how many records it holds.
async fn hand_over(source: &Source, discard: Discard<Waiting>) -> u64 {
    let batch = DiscardedBatch {
        stream_arn: source.envelope.stream_arn().to_owned(),
        event: source.envelope.event(&discard.shard_id, &discard.records),
        shard_id: discard.shard_id,
        condition: discard.condition,
        start: discard.start,
        end: discard.end,
    };
    let mut retries = pauses(source.options.retry_pause);
    while let Err(error) = source.on_failure.discarded(batch.clone()).await {
        tracing::error!(shard = batch.shard_id, error, "the on-failure destination failed");
        tokio::time::sleep(retries.next().unwrap_or(source.options.retry_pause.1)).await;
    }
    count(batch.event.records.len())
}

fn pauses((shortest, longest): (Duration, Duration)) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(shortest)
        .with_max_delay(longest)
        .without_max_times()
        .build()
}

async fn sleep_unless_woken(
    pause: Duration,
    wake: Option<&mut watch::Receiver<()>>,
    stopped: &mut watch::Receiver<bool>,
) {
    let Some(wake) = wake else {
        return sleep_unless_stopped(pause, stopped).await;
    };
    let woken = async {
        // Without a sender nothing will ever wake the poller, so it only sleeps.
        if wake.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = sleep_unless_stopped(pause, stopped) => {}
        () = woken => {}
    }
}

async fn sleep_unless_stopped(pause: Duration, stopped: &mut watch::Receiver<bool>) {
    // Either end of the wait is as good: the caller looks at the signal itself.
    let _ = tokio::time::timeout(pause, stopped.wait_for(|stopped| *stopped)).await;
}

fn count(records: usize) -> u64 {
    u64::try_from(records).unwrap_or(u64::MAX)
}
