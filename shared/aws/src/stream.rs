//! Owns how entries are put on a Kinesis stream.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use evercount_pipeline::ports::StoreError;

use crate::calls::{Destination, Entry, Outcome};
use crate::dynamo::{judge, timeouts};

/// Longest partition key, in characters
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecordsRequestEntry.html>).
const KEY_CHARACTERS_MAX: usize = 256;

/// A stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    client: Client,
    name: String,
}

impl Stream {
    pub(crate) fn new(client: &Client, name: &str) -> Self {
        let config = client.config().to_builder();
        let config = config.retry_config(RetryConfig::disabled()).timeout_config(timeouts()).build();
        Self { client: Client::from_conf(config), name: name.to_owned() }
    }
}

/// The subject, cut: a key only has to send the entries of one subject to one shard.
fn partition_key(entry: &Entry) -> String {
    let key: String = entry.subject.chars().take(KEY_CHARACTERS_MAX).collect();
    if key.is_empty() { "-".to_owned() } else { key }
}

/// Every error of a record is one of the moment: throughput, or a failure within Kinesis.
fn outcome(result: &PutRecordsResultEntry) -> Outcome {
    match result.error_code() {
        None => Outcome::Taken,
        Some(code) => Outcome::Later(format!("{code}: {}", result.error_message().unwrap_or_default())),
    }
}

impl Destination for Stream {
    /// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>
    const ENTRIES_MAX: usize = 500;
    const BYTES_MAX: usize = 5 * 1_024 * 1_024;
    /// A record is 1 MiB with its partition key, whose characters have four bytes at most.
    const BODY_BYTES_MAX: usize = 1_024 * 1_024 - 4 * KEY_CHARACTERS_MAX;
    const NAME: &'static str = "kinesis";
    const ORDERED: bool = true;

    fn bytes(entry: &Entry) -> usize {
        entry.body.len() + 4 * KEY_CHARACTERS_MAX
    }

    async fn put(&self, entries: &[&Entry]) -> Result<Vec<Outcome>, StoreError> {
        let mut call = self.client.put_records().stream_name(&self.name);
        for entry in entries {
            let record = PutRecordsRequestEntry::builder()
                .partition_key(partition_key(entry))
                .data(Blob::new(entry.body.as_bytes()))
                .build()
                .map_err(|error| StoreError::Rejected(error.to_string()))?;
            call = call.records(record);
        }
        match call.send().await {
            Ok(output) => Ok(output.records().iter().map(outcome).collect()),
            Err(error) if error.code() == Some("KMSThrottlingException") => {
                Err(StoreError::Unavailable("KMSThrottlingException".to_owned()))
            }
            Err(error) => Err(judge(&error).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_key_is_the_subject_as_far_as_kinesis_takes_it() {
        let check = |subject: &str, expected: &str| {
            let entry = Entry { subject: subject.to_owned(), kind: "", body: String::new(), at: 0 };
            assert_eq!(partition_key(&entry), expected, "{subject}");
        };
        check("shop.orders", "shop.orders");
        check(&"é".repeat(300), &"é".repeat(256));
        check("", "-");
    }
}
