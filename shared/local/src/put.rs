//! Decides how records are put on a stream: how many go in one call, and what is sent again when
//! Kinesis takes only some of them.
//!
//! Limits: 500 records and 5 MiB in one `PutRecords`, partition keys included
//! (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>).

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use backon::{BackoffBuilder, ExponentialBuilder};

/// The most records of one `PutRecords` call.
pub const CALL_RECORDS: usize = 500;
/// The most bytes of one `PutRecords` call, data and partition keys together.
pub const CALL_BYTES: usize = 5 * 1024 * 1024;

const RETRIES: usize = 12;

/// One record to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Decides the shard; records of one key stay in order.
    pub partition_key: String,
    /// The record itself.
    pub data: Vec<u8>,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }
}

/// Why records could not be put. Records before `done` are on the stream, later ones may be.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// Kinesis refused the call, or could not be reached, through all retries.
    #[error("could not put records on stream `{stream}` after the first {done}: {reason}")]
    Call {
        /// The stream.
        stream: String,
        /// How many leading records are on the stream.
        done: usize,
        /// What the SDK said.
        reason: String,
    },
    /// Kinesis kept refusing single records, through all retries.
    #[error("stream `{stream}` kept refusing records after the first {done}: {reason}")]
    Refused {
        /// The stream.
        stream: String,
        /// How many leading records are on the stream.
        done: usize,
        /// The first refused record's error code and message.
        reason: String,
    },
}

/// Puts all `entries`, keeping the order of each partition key, and says each one's sequence
/// number.
///
/// When Kinesis refuses some records of a call, these are sent again, and with them the records of
/// the same partition keys that stood behind them: those are then twice on the stream, but the
/// last record of a key is always its last. The number of such a record is that of its last time.
///
/// # Errors
/// When Kinesis refuses or cannot be reached through about a dozen tries, some seconds in all.
pub async fn put_in_order(client: &Client, stream: &str, entries: &[Entry]) -> Result<Vec<String>, PutError> {
    let mut sequences = Vec::with_capacity(entries.len());
    while let Some(rest) = entries.get(sequences.len()..).filter(|rest| !rest.is_empty()) {
        let call = rest.get(..call_len(rest)).unwrap_or(rest);
        sequences.extend(put_call(client, stream, call, sequences.len()).await?);
    }
    Ok(sequences)
}

async fn put_call(
    client: &Client,
    stream: &str,
    call: &[Entry],
    done: usize,
) -> Result<Vec<String>, PutError> {
    let mut delays = ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_secs(2))
        .with_max_times(RETRIES)
        .build();
    let mut sequences = vec![String::new(); call.len()];
    let mut pending: Vec<(usize, &Entry)> = call.iter().enumerate().collect();
    loop {
        let records = pending.iter().filter_map(|(_, entry)| {
            PutRecordsRequestEntry::builder()
                .partition_key(&entry.partition_key)
                .data(Blob::new(entry.data.as_slice()))
                .build()
                .ok()
        });
        let sent = client.put_records().stream_name(stream).set_records(Some(records.collect())).send().await;
        let error = match sent {
            Ok(output) => {
                for ((at, _), result) in pending.iter().zip(output.records()) {
                    if let (Some(slot), Some(sequence)) = (sequences.get_mut(*at), result.sequence_number()) {
                        sequence.clone_into(slot);
                    }
                }
                let refused: Vec<bool> =
                    output.records().iter().map(|result| result.error_code().is_some()).collect();
                let Some(first) = output.records().iter().find(|result| result.error_code().is_some()) else {
                    return Ok(sequences);
                };
                let reason = format!(
                    "{}: {}",
                    first.error_code().unwrap_or_default(),
                    first.error_message().unwrap_or_default()
                );
                pending = to_send_again(&pending, &refused);
                PutError::Refused { stream: stream.to_owned(), done, reason }
            }
            Err(error) => PutError::Call {
                stream: stream.to_owned(),
                done,
                reason: DisplayErrorContext(&error).to_string(),
            },
        };
        let Some(delay) = delays.next() else {
            return Err(error);
        };
        tracing::warn!(stream, records = pending.len(), %error, "records are put again");
        tokio::time::sleep(delay).await;
    }
}

/// How many leading entries fit in one call; one that is too large alone is left to Kinesis to
/// refuse.
fn call_len(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    entries
        .iter()
        .take(CALL_RECORDS)
        .enumerate()
        .take_while(|(index, entry)| {
            bytes += entry.bytes();
            *index == 0 || bytes <= CALL_BYTES
        })
        .count()
}

/// The refused entries and what stood behind them under the same keys, in order.
fn to_send_again<'a>(sent: &[(usize, &'a Entry)], refused: &[bool]) -> Vec<(usize, &'a Entry)> {
    let mut keys = BTreeSet::new();
    sent.iter()
        .zip(refused)
        .filter(|((_, entry), refused)| {
            if **refused {
                keys.insert(entry.partition_key.as_str());
            }
            keys.contains(entry.partition_key.as_str())
        })
        .map(|(one, _)| *one)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, bytes: usize) -> Entry {
        Entry { partition_key: key.to_owned(), data: vec![0; bytes] }
    }

    #[test]
    fn a_call_takes_500_records_or_5_mib_and_always_one() {
        let half = CALL_BYTES / 2 - 1;
        for (entries, expected) in [
            (vec![], 0),
            (vec![entry("k", 10); 501], 500),
            (vec![entry("k", half); 3], 2),
            (vec![entry("k", half + 1); 3], 1),
            (vec![entry("k", CALL_BYTES + 1), entry("k", 1)], 1),
        ] {
            assert_eq!(call_len(&entries), expected, "{} entries", entries.len());
        }
    }

    #[test]
    fn a_refused_record_takes_the_later_ones_of_its_key_with_it() {
        let entries = [entry("a", 1), entry("b", 2), entry("a", 3), entry("c", 4), entry("b", 5)];
        let sent: Vec<(usize, &Entry)> = entries.iter().enumerate().collect();
        let again = to_send_again(&sent, &[true, false, false, true, false]);
        let places: Vec<usize> = again.iter().map(|(at, _)| *at).collect();
        assert_eq!(places, [0, 2, 3]);
    }
}
