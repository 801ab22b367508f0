//! Decides when which shard of a stream is read: discovery, parents and children, the two ways to
//! run, and what the caller learns.
//!
//! What a batch is and what becomes of it is decided by [`evercount_pipeline::event_source`]; how
//! one shard is read and delivered is in `shard`, and the event's envelope is in `envelope`.

mod envelope;
mod shard;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use evercount_pipeline::event_source::{Condition, MappingConfig, ShardView, Stage, readable};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use envelope::Envelope;
use shard::{Mode, Shard};

/// Where the shards known at the first discovery are read from. Shards that appear later, and
/// shards that a map does not name, are read from their start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StartingPosition {
    /// The oldest record still kept.
    #[default]
    TrimHorizon,
    /// Only records put from now on.
    Latest,
    /// By shard id, the sequence number of the first record to deliver.
    AtSequenceNumbers(BTreeMap<String, String>),
    /// By shard id, the sequence number after which to deliver: a checkpoint.
    AfterSequenceNumbers(BTreeMap<String, String>),
}

/// How a stream is polled.
#[derive(Debug, Clone)]
pub struct PollerOptions {
    /// The event source mapping.
    pub mapping: MappingConfig,
    /// Where reading starts.
    pub start: StartingPosition,
    /// The shortest and longest pause between two reads that find nothing; it doubles from one to
    /// the other. AWS allows five reads per shard and second, the embedded Kinesis any number.
    pub idle_pause: (Duration, Duration),
    /// Changes when records were put: ends an idle pause at once.
    pub wake: Option<watch::Receiver<()>>,
    /// The shortest and longest pause before a failed batch or a failed read is tried again; it
    /// doubles, with jitter.
    pub retry_pause: (Duration, Duration),
    /// How often a running poller looks for new shards; it also looks when a shard ends.
    pub discovery_pause: Duration,
}

impl Default for PollerOptions {
    fn default() -> Self {
        Self {
            mapping: MappingConfig::default(),
            start: StartingPosition::TrimHorizon,
            idle_pause: (Duration::from_millis(5), Duration::from_millis(40)),
            wake: None,
            retry_pause: (Duration::from_millis(10), Duration::from_secs(5)),
            discovery_pause: Duration::from_secs(1),
        }
    }
}

/// A batch the mapping gave up on, as Lambda's S3 destination gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscardedBatch {
    /// The stream.
    pub stream_arn: String,
    /// The shard.
    pub shard_id: String,
    /// Why it was given up.
    pub condition: Condition,
    /// Sequence number of the first record.
    pub start: String,
    /// Sequence number of the last record.
    pub end: String,
    /// The whole invocation that will not be made again.
    pub event: KinesisEvent,
}

/// The future of [`OnFailure::discarded`].
pub type Delivered<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// The on-failure destination of the mapping.
pub trait OnFailure: Send + Sync {
    /// Takes a batch that will not be delivered again. An error is logged and the call repeated
    /// with a growing pause, so nothing is lost; the shard waits meanwhile.
    fn discarded(&self, batch: DiscardedBatch) -> Delivered<'_>;
}

impl<F: Fn(DiscardedBatch) + Send + Sync> OnFailure for F {
    fn discarded(&self, batch: DiscardedBatch) -> Delivered<'_> {
        self(batch);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Invocations of the function.
    pub invocations: u64,
    /// Records handed to the function; a record handed over twice counts twice.
    pub delivered: u64,
    /// Records that were processed.
    pub succeeded: u64,
    /// Records that went to the on-failure destination.
    pub discarded: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.invocations += other.invocations;
        self.delivered += other.delivered;
        self.succeeded += other.succeeded;
        self.discarded += other.discarded;
    }
}

/// Why polling stopped.
#[derive(Debug, thiserror::Error)]
pub enum PollerError {
    /// Kinesis refused a call, or could not be reached through all retries.
    #[error("{call} failed on stream `{stream}`: {reason}")]
    Call {
        /// The API operation.
        call: &'static str,
        /// The stream.
        stream: String,
        /// What the SDK said.
        reason: String,
    },
    /// The task that read a shard ended by itself.
    #[error("the reader of a shard ended: {0}")]
    Reader(#[from] JoinError),
}

/// One shard as the poller keeps it between runs.
struct Known {
    parents: [Option<String>; 2],
    stage: SharedStage,
    /// Held by the task that reads the shard; a cancelled run leaves it as it was.
    shard: Arc<tokio::sync::Mutex<Shard>>,
}

/// A stage that the task reading the shard sets and the poller looks at.
#[derive(Debug, Clone)]
struct SharedStage(Arc<Mutex<Stage>>);

impl SharedStage {
    fn get(&self) -> Stage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, stage: Stage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }
}

/// What all shards of a run share.
struct Source {
    client: Client,
    stream: String,
    envelope: Envelope,
    options: PollerOptions,
    on_failure: Arc<dyn OnFailure>,
}

/// An event source mapping from one Kinesis stream to a function.
///
/// Its positions live as long as it does: a run goes on where the last one ended, and a run that
/// is cancelled loses nothing (a batch that was out is delivered again).
pub struct Poller {
    source: Arc<Source>,
    shards: BTreeMap<String, Known>,
    discovered: bool,
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller")
            .field("stream", &self.source.stream)
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}

impl Poller {
    /// A poller of `stream` that has read nothing. Discarded batches are logged as errors unless
    /// [`Poller::on_failure`] names a destination.
    ///
    /// # Errors
    /// When the stream does not exist or Kinesis cannot be reached.
    pub async fn open(client: Client, stream: &str, options: PollerOptions) -> Result<Self, PollerError> {
        let summary = client
            .describe_stream_summary()
            .stream_name(stream)
            .send()
            .await
            .map_err(|error| call_error("DescribeStreamSummary", stream, &error))?;
        let arn = summary
            .stream_description_summary()
            .map(|description| description.stream_arn().to_owned())
            .unwrap_or_default();
        let log = |batch: DiscardedBatch| {
            tracing::error!(
                shard = batch.shard_id,
                start = batch.start,
                end = batch.end,
                records = batch.event.records.len(),
                condition = batch.condition.as_str(),
                "a batch was discarded"
            );
        };
        Ok(Self {
            source: Arc::new(Source {
                client,
                stream: stream.to_owned(),
                envelope: Envelope::new(arn),
                options,
                on_failure: Arc::new(log),
            }),
            shards: BTreeMap::new(),
            discovered: false,
        })
    }

    /// Sends discarded batches to `destination`.
    #[must_use]
    pub fn on_failure(self, destination: Arc<dyn OnFailure>) -> Self {
        let source = Source {
            client: self.source.client.clone(),
            stream: self.source.stream.clone(),
            envelope: self.source.envelope.clone(),
            options: self.source.options.clone(),
            on_failure: destination,
        };
        Self { source: Arc::new(source), ..self }
    }

    /// By shard id, the last sequence number that will not be delivered again. Shards of which
    /// nothing is settled are left out.
    pub async fn checkpoints(&self) -> BTreeMap<String, String> {
        let mut checkpoints = BTreeMap::new();
        for (id, known) in &self.shards {
            if let Some(checkpoint) = known.shard.lock().await.checkpoint() {
                checkpoints.insert(id.clone(), checkpoint.to_owned());
            }
        }
        checkpoints
    }

    /// Delivers until every shard is read to the tip and settled, children included.
    ///
    /// Batches of different shards run at once, one per shard at a time. A batch that fails is
    /// tried again as the mapping says, so with unlimited retries a function that always fails
    /// keeps this from returning. A batch window is cut short at the tip.
    ///
    /// # Errors
    /// When Kinesis refuses a call or cannot be reached; positions are kept.
    pub async fn run_until_idle<H, F, E>(&mut self, handler: H) -> Result<Tally, PollerError>
    where
        H: Fn(KinesisEvent) -> F + Send + Sync + 'static,
        F: Future<Output = Result<KinesisEventResponse, E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let handler = Arc::new(handler);
        // The sender lives to the end of the run: nothing stops it from outside.
        let (_running, stopped) = watch::channel(false);
        let mut tally = Tally::default();
        for known in self.shards.values().filter(|known| known.stage.get() == Stage::AtTip) {
            known.stage.set(Stage::Behind);
        }
        loop {
            self.discover().await?;
            let behind: Vec<String> = self
                .readable()
                .into_iter()
                .filter(|id| self.shards.get(id).is_some_and(|known| known.stage.get() == Stage::Behind))
                .collect();
            if behind.is_empty() {
                return Ok(tally);
            }
            let mut readers = JoinSet::new();
            for id in behind {
                self.spawn(&mut readers, &id, &handler, Mode::UntilTip, &stopped);
            }
            while let Some(read) = readers.join_next().await {
                let (_, outcome) = read?;
                tally.add(outcome?);
            }
        }
    }

    /// Delivers until `shutdown` resolves; then the batches that are out are finished and settled.
    ///
    /// # Errors
    /// When the stream is gone or Kinesis refuses a call; what can pass is tried again for ever.
    pub async fn run<H, F, E>(
        &mut self,
        handler: H,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Tally, PollerError>
    where
        H: Fn(KinesisEvent) -> F + Send + Sync + 'static,
        F: Future<Output = Result<KinesisEventResponse, E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let handler = Arc::new(handler);
        let (stop, stopped) = watch::channel(false);
        let mut shutdown = std::pin::pin!(shutdown);
        let mut tally = Tally::default();
        let mut readers = JoinSet::new();
        let mut reading: Vec<String> = Vec::new();
        loop {
            self.discover().await?;
            for id in self.readable() {
                if !reading.contains(&id) {
                    self.spawn(&mut readers, &id, &handler, Mode::UntilStopped, &stopped);
                    reading.push(id);
                }
            }
            tokio::select! {
                () = &mut shutdown => break,
                () = tokio::time::sleep(self.source.options.discovery_pause) => {}
                Some(read) = readers.join_next() => {
                    let (id, outcome) = read?;
                    reading.retain(|other| *other != id);
                    tally.add(outcome?);
                }
            }
        }
        // Sending fails only if no reader is left, and then none has to be told.
        let _ = stop.send(true);
        while let Some(read) = readers.join_next().await {
            let (_, outcome) = read?;
            tally.add(outcome?);
        }
        Ok(tally)
    }

    fn readable(&self) -> Vec<String> {
        let views: Vec<ShardView<'_>> = self
            .shards
            .iter()
            .map(|(id, known)| ShardView {
                id,
                parents: [known.parents[0].as_deref(), known.parents[1].as_deref()],
                stage: known.stage.get(),
            })
            .collect();
        let order = self.source.options.mapping.read_order;
        readable(order, &views).into_iter().map(ToOwned::to_owned).collect()
    }

    fn spawn<H, F, E>(
        &self,
        readers: &mut JoinSet<(String, Result<Tally, PollerError>)>,
        id: &str,
        handler: &Arc<H>,
        mode: Mode,
        stopped: &watch::Receiver<bool>,
    ) where
        H: Fn(KinesisEvent) -> F + Send + Sync + 'static,
        F: Future<Output = Result<KinesisEventResponse, E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let Some(known) = self.shards.get(id) else {
            return;
        };
        let (id, shard, stage) = (id.to_owned(), Arc::clone(&known.shard), known.stage.clone());
        let (source, handler, stopped) = (Arc::clone(&self.source), Arc::clone(handler), stopped.clone());
        readers.spawn(async move {
            let mut shard = shard.lock_owned().await;
            let tally = shard.drive(&source, handler.as_ref(), mode, &stage, stopped).await;
            (id, tally)
        });
    }

    /// Adds the shards that are not known yet.
    async fn discover(&mut self) -> Result<(), PollerError> {
        let stream = self.source.stream.as_str();
        let mut token: Option<String> = None;
        loop {
            let call = self.source.client.list_shards();
            let call = match &token {
                Some(token) => call.next_token(token),
                None => call.stream_name(stream),
            };
            let page = call.send().await.map_err(|error| call_error("ListShards", stream, &error))?;
            for listed in page.shards() {
                if self.shards.contains_key(listed.shard_id()) {
                    continue;
                }
                let start = if self.discovered {
                    StartingPosition::TrimHorizon
                } else {
                    self.source.options.start.clone()
                };
                let parents = [listed.parent_shard_id(), listed.adjacent_parent_shard_id()];
                let shard = Shard::new(listed.shard_id(), self.source.options.mapping.clone(), &start);
                self.shards.insert(
                    listed.shard_id().to_owned(),
                    Known {
                        parents: parents.map(|parent| parent.map(ToOwned::to_owned)),
                        stage: SharedStage(Arc::new(Mutex::new(Stage::Behind))),
                        shard: Arc::new(tokio::sync::Mutex::new(shard)),
                    },
                );
            }
            token = page.next_token().map(ToOwned::to_owned);
            if token.is_none() {
                self.discovered = true;
                return Ok(());
            }
        }
    }
}

fn call_error<E>(call: &'static str, stream: &str, error: &E) -> PollerError
where
    E: std::error::Error,
{
    let reason = DisplayErrorContext(error).to_string();
    PollerError::Call { call, stream: stream.to_owned(), reason }
}
