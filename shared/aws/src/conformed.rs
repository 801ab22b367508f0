//! Owns where conformed records are put: a Kinesis stream of their own, with the partition keys that
//! the records came by, so that what was in order stays so.

use evercount_pipeline::ports::StoreError;
use evercount_pipeline::transform::{ConformedStream, Outgoing};

use crate::calls::{Destination, Entry, put_all};
use crate::stream::Stream;

/// Conformed records on a Kinesis stream.
#[derive(Clone, Debug)]
pub struct KinesisConformed {
    stream: Stream,
}

impl KinesisConformed {
    /// Puts records on a stream. Retries and timeouts of the client are replaced by this crate's.
    #[must_use]
    pub fn new(kinesis: &aws_sdk_kinesis::Client, stream: &str) -> Self {
        Self { stream: Stream::new(kinesis, stream) }
    }
}

impl ConformedStream for KinesisConformed {
    async fn put(&self, records: &[Outgoing]) -> Result<Vec<usize>, StoreError> {
        let mut entries = Vec::with_capacity(records.len());
        let mut too_large = Vec::new();
        for (index, one) in records.iter().enumerate() {
            let body = one.record.to_json();
            if body.len() > Stream::BODY_BYTES_MAX {
                too_large.push(index);
                continue;
            }
            let (subject, at) = (one.partition_key.clone(), one.record.at);
            entries.push(Entry { subject, kind: "conformed record", body, at });
        }
        put_all(&self.stream, &entries).await?;
        Ok(too_large)
    }
}
