//! Decides how the parts of the pipeline that run by themselves read their streams, how they are told
//! to finish what is under way, and how long that may take.

use std::time::Duration;

use anyhow::{Context, anyhow};
use evercount_local::{Poller, PollerError, PollerOptions, Stack, StartingPosition};
use evercount_pipeline::event_source::MappingConfig;
use tokio::sync::oneshot;

/// How long what is under way may take.
pub const REST_TIMEOUT: Duration = Duration::from_secs(90);

/// From one read of a shard that finds nothing to the next. A put wakes no reader here, as it would
/// elsewhere: with this many readers and a put for each write they would do little else.
const READ_PAUSE: Duration = Duration::from_millis(200);

/// A reader of a stream as the event source mappings of the template read it.
///
/// # Errors
/// Where the stream cannot be opened.
pub async fn poller(
    stack: &Stack,
    stream: &str,
    batch_size: usize,
    start: StartingPosition,
) -> Result<Poller, PollerError> {
    let mapping = MappingConfig {
        batch_size,
        bisect_on_error: true,
        report_item_failures: true,
        ..MappingConfig::default()
    };
    let options = PollerOptions { mapping, start, ..options() };
    Poller::open(stack.kinesis().clone(), stream, options).await
}

/// How every reader reads.
pub fn options() -> PollerOptions {
    PollerOptions { idle_pause: (READ_PAUSE, READ_PAUSE), ..PollerOptions::default() }
}

/// A task that can be told to finish what is under way.
pub struct Background {
    name: &'static str,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Background {
    /// Starts a task that hears when it is to finish.
    pub fn start<F>(name: &'static str, task: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        Self { name, stop, task: tokio::spawn(task(stopped)) }
    }

    /// Tells the task to finish, and waits until it has.
    ///
    /// # Errors
    /// What went wrong in it, or that it took too long.
    pub async fn finish(self) -> anyhow::Result<()> {
        // The receiver is gone only if the task ended by itself; then it says why.
        let _ = self.stop.send(());
        let name = self.name;
        let task = self.task;
        rest(name, async { task.await?.with_context(|| format!("the {name} failed")) }).await
    }
}

/// Waits until a part of the pipeline has done all there is to do.
///
/// # Errors
/// What went wrong in it, or that it took too long.
pub async fn rest<T>(part: &str, done: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(REST_TIMEOUT, done).await.map_err(|_| {
        anyhow!(
            "the {part} did not come to rest within {} s; is the machine very busy?",
            REST_TIMEOUT.as_secs()
        )
    })?
}
