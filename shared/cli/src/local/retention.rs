//! What the embedded Kinesis forgets. It is in memory and keeps records for a day, so a busy day
//! would fill the machine; what was counted long ago may go.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lambda_events::event::kinesis::KinesisEvent;
use evercount_local::EmbeddedAws;
use evercount_local::stack::HandlerFuture;

/// Records that stay readable for other readers of the stream, at least; twice as many stay at
/// most. About 1 KB each.
const KEPT_RECORDS: u64 = 100_000;

/// How often it is looked whether there is something to forget.
const PAUSE: Duration = Duration::from_secs(5);

/// Remembers what was counted.
#[derive(Clone, Default)]
pub struct Retention(Arc<Mutex<Counted>>);

#[derive(Default)]
struct Counted {
    /// Records since the last time some were forgotten.
    records: u64,
    /// By shard id, the sequence number of the last record.
    last: BTreeMap<String, String>,
}

impl Retention {
    /// A handler that is watched for what it has counted.
    pub fn watching<H>(
        &self,
        handler: H,
    ) -> impl Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static + use<H>
    where
        H: Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static,
    {
        let retention = self.clone();
        move |event| {
            let retention = retention.clone();
            let records = event.records.len() as u64;
            let last = event.records.last().and_then(|last| last.event_id.clone());
            let handled = handler(event);
            Box::pin(async move {
                let answer = handled.await?;
                // An event id is the shard id, a colon and the sequence number.
                if let Some((shard, sequence)) = last.as_deref().and_then(|id| id.split_once(':'))
                    && answer.batch_item_failures.is_empty()
                {
                    retention.counted(records, shard, sequence);
                }
                Ok(answer)
            })
        }
    }

    fn counted(&self, records: u64, shard: &str, sequence: &str) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.records += records;
        counted.last.insert(shard.to_owned(), sequence.to_owned());
    }

    /// How far everything was counted, once enough records have come since the last time.
    fn due(&self) -> Option<BTreeMap<String, String>> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (counted.records >= KEPT_RECORDS).then(|| {
            counted.records = 0;
            counted.last.clone()
        })
    }

    /// Forgets what has to be.
    pub async fn run(&self, aws: &EmbeddedAws, stream: &str) -> Infallible {
        let mut before = BTreeMap::new();
        loop {
            tokio::time::sleep(PAUSE).await;
            if let Some(counted) = self.due() {
                // One turn late, which is what keeps the last records readable.
                aws.forget(stream, &before).await;
                before = counted;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgetting_is_due_once_enough_was_counted() {
        let retention = Retention::default();
        retention.counted(KEPT_RECORDS - 1, "shardId-0", "1");
        assert_eq!(retention.due(), None);
        retention.counted(1, "shardId-0", "2");
        let marks = BTreeMap::from([("shardId-0".to_owned(), "2".to_owned())]);
        assert_eq!(retention.due(), Some(marks));
        assert_eq!(retention.due(), None);
    }
}
