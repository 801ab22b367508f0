//! Decides how the counting function lives and dies: a poller and a counter that start from a
//! position, can be cut off in the middle of a batch, and can be brought to rest.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lambda_events::event::kinesis::KinesisEvent;
use evercount_core::chunk::Tally;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_local::stack::{HandlerFuture, invoke};
use evercount_local::{Poller, PollerError, Stack, StartingPosition};
use evercount_pipeline::count::{BatchReport, CountMode, CountOptions};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::background;

/// Records of one invocation.
const BATCH_SIZE: usize = 200;
/// How long a crash waits for a batch to be in the middle of.
const CRASH_WAIT: Duration = Duration::from_secs(5);

/// Totals over all batches that were reported, of every counter that lived.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// What became of the records.
    pub tally: Tally,
    /// Transactions committed.
    pub commits: u64,
    /// Write units these cost.
    pub write_units: f64,
}

/// What is seen of the counting from outside.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    totals: Arc<Mutex<Totals>>,
    delivered: Arc<Mutex<Delivered>>,
    in_flight: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Delivered {
    records: u64,
    again: u64,
    newest: BTreeMap<String, SequenceNumber>,
    settled: BTreeMap<String, String>,
}

impl Observed {
    /// The totals so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records handed to a counter so far, and how many of them had been handed over before.
    #[must_use]
    pub fn delivered(&self) -> (u64, u64) {
        let delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        (delivered.records, delivered.again)
    }

    /// By shard, the newest record whose batch was finished.
    #[must_use]
    pub fn position(&self) -> BTreeMap<String, String> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner).settled.clone()
    }

    fn note_report(&self, report: &BatchReport) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.tally.add(&report.tally);
        totals.commits += report.commits;
        totals.write_units += report.cost.write_units;
    }

    fn note_delivery(&self, places: &[(String, SequenceNumber)]) {
        let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        for (shard, sequence) in places {
            delivered.records += 1;
            match delivered.newest.get(shard) {
                Some(newest) if newest >= sequence => delivered.again += 1,
                _ => {
                    delivered.newest.insert(shard.clone(), sequence.clone());
                }
            }
        }
    }

    fn note_settled(&self, places: Vec<(String, SequenceNumber)>) {
        let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        for (shard, sequence) in places {
            delivered.settled.insert(shard, sequence.as_str().to_owned());
        }
    }

    /// A counter as a handler that is watched.
    fn watch<H>(
        &self,
        counter: H,
    ) -> impl Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static + use<H>
    where
        H: Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static,
    {
        let observed = self.clone();
        move |event| {
            let places: Vec<_> = event.records.iter().filter_map(place).collect();
            let (observed, counter) = (observed.clone(), counter.clone());
            Box::pin(async move {
                observed.note_delivery(&places);
                let _in_flight = InFlight::enter(&observed.in_flight);
                let response = counter(event).await?;
                if response.batch_item_failures.is_empty() {
                    observed.note_settled(places);
                }
                Ok(response)
            })
        }
    }
}

/// Shard and sequence number of a record; its event id is `shardId-000000000000:number`.
fn place(record: &aws_lambda_events::event::kinesis::KinesisEventRecord) -> Option<(String, SequenceNumber)> {
    let (shard, sequence) = record.event_id.as_deref()?.split_once(':')?;
    Some((shard.to_owned(), SequenceNumber::parse(sequence)?))
}

/// One invocation that is under way; also one that is cut off leaves.
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn enter(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A function that is counting.
pub struct Counting {
    observed: Observed,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), PollerError>>,
}

impl Counting {
    /// Starts to count the records of `stream` from `start`, with a counter that knows nothing.
    ///
    /// # Errors
    /// Where the stream cannot be opened.
    pub async fn start(
        stack: &Stack,
        stream: &str,
        start: StartingPosition,
        observed: &Observed,
    ) -> anyhow::Result<Self> {
        let mut poller = background::poller(stack, stream, BATCH_SIZE, start).await?;
        let options = CountOptions { mode: CountMode::Ledger, format: None, epoch: 0 };
        let hook = {
            let observed = observed.clone();
            Arc::new(move |_: &LaneId, report: &BatchReport| observed.note_report(report))
        };
        let handler = observed.watch(invoke(&stack.counter(options, hook)));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move { until_stopped(&mut poller, handler, stopped).await });
        Ok(Self { observed: observed.clone(), stop, task })
    }

    /// Cuts the function off, in the middle of a batch if one comes soon. Returns whether one did.
    pub async fn crash(self) -> bool {
        let busy = async {
            while self.observed.in_flight.load(Ordering::SeqCst) == 0 {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        };
        let in_a_batch = tokio::time::timeout(CRASH_WAIT, busy).await.is_ok();
        self.task.abort();
        // Waiting for an aborted task gives the cancellation and nothing else.
        let _ = self.task.await;
        in_a_batch
    }

    /// Counts all that is on the stream, and ends.
    ///
    /// # Errors
    /// Where the stream cannot be read.
    pub async fn finish(self) -> anyhow::Result<()> {
        // The receiver is gone only if the function ended by itself; its task says why.
        let _ = self.stop.send(());
        Ok(self.task.await??)
    }
}

/// Runs a poller until it is told to stop, and then until nothing is left on its stream.
///
/// # Errors
/// Where the stream cannot be read.
pub async fn until_stopped<H, F, E>(
    poller: &mut Poller,
    handler: H,
    stopped: oneshot::Receiver<()>,
) -> Result<(), PollerError>
where
    H: Fn(KinesisEvent) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<aws_lambda_events::event::streams::KinesisEventResponse, E>> + Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    let shutdown = async {
        // An error means that nobody is left who could tell, which is also an end.
        let _ = stopped.await;
    };
    poller.run(handler.clone(), shutdown).await?;
    poller.run_until_idle(handler).await?;
    Ok(())
}
