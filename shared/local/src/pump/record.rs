//! Decides the bytes of one CDC record: the JSON that Kinesis Data Streams for DynamoDB puts on a
//! stream, made from one entry of a table's change log.
//!
//! Shape: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds_using-shards-and-metrics.html>
//! and captured records: both images always, no `SequenceNumber`, `StreamViewType`,
//! `eventSourceARN` or `eventVersion`, and `userIdentity` null but for time-to-live deletes.

use std::collections::BTreeMap;

use dynoxide::actions::get_records::Record;
use dynoxide::{AttributeValue, Item};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::put::Entry;

/// The most bytes of a record's data and partition key.
const RECORD_BYTES: usize = 1024 * 1024;
/// What the change log adds to a microsecond time to make its 21-digit numbers.
const NUMBER_OFFSET: u128 = 100_000_000_000_000_000_000;

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Converted {
    /// The record to put.
    Entry(Entry),
    /// Both images are equal: DynamoDB makes no record of such a write.
    Unchanged,
    /// The record exceeds what Kinesis takes.
    Oversized {
        /// Its size, partition key included.
        bytes: usize,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cdc<'a> {
    aws_region: &'a str,
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: &'a str,
    user_identity: Option<Identity<'a>>,
    record_format: &'a str,
    table_name: &'a str,
    dynamodb: Change<'a>,
    event_source: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    principal_id: &'a str,
    r#type: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Change<'a> {
    approximate_creation_date_time: u64,
    keys: Image<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_image: Option<Image<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_image: Option<Image<'a>>,
    size_bytes: i64,
    approximate_creation_date_time_precision: &'a str,
}

/// An item with its attributes in one order, so that a change pumped twice gives the same bytes.
type Image<'a> = BTreeMap<&'a str, &'a AttributeValue>;

fn image(item: &Item) -> Image<'_> {
    item.iter().map(|(name, value)| (name.as_str(), value)).collect()
}

/// Makes the record of one change.
///
/// # Errors
/// When an attribute value has no JSON form.
pub fn convert(change: &Record, table: &str, region: &str) -> Result<Converted, serde_json::Error> {
    let log = &change.dynamodb;
    if log.new_image.is_some() && log.new_image == log.old_image {
        return Ok(Converted::Unchanged);
    }
    let keys = image(&log.keys);
    // On AWS too the partition key is a hash: 32 hexadecimal digits, the same for every change of
    // an item.
    let partition_key = format!("{:032X}", xxh3_128(&serde_json::to_vec(&keys)?));
    let data = serde_json::to_vec(&Cdc {
        aws_region: region,
        event_id: event_id(&change.event_id),
        event_name: &change.event_name,
        user_identity: change.user_identity.as_ref().map(|identity| Identity {
            principal_id: &identity.principal_id,
            r#type: &identity.identity_type,
        }),
        record_format: "application/json",
        table_name: table,
        dynamodb: Change {
            approximate_creation_date_time: creation_us(
                &log.sequence_number,
                log.approximate_creation_date_time,
            ),
            keys,
            new_image: log.new_image.as_ref().map(image),
            old_image: log.old_image.as_ref().map(image),
            size_bytes: log.size_bytes,
            approximate_creation_date_time_precision: "MICROSECOND",
        },
        event_source: "aws:dynamodb",
    })?;
    let bytes = data.len() + partition_key.len();
    if bytes > RECORD_BYTES {
        return Ok(Converted::Oversized { bytes });
    }
    Ok(Converted::Entry(Entry { partition_key, data }))
}

/// The time of a change in microseconds since the Unix epoch.
///
/// The change log tells the time in seconds, but numbers the changes of a table by the microsecond
/// they were made in, or one above the last number if that is not later. So the number gives a
/// time that is exact, ascends with the writes, and is the same whenever the change is read.
fn creation_us(number: &str, seconds: f64) -> u64 {
    number
        .parse::<u128>()
        .ok()
        .and_then(|number| number.checked_sub(NUMBER_OFFSET))
        .and_then(|us| u64::try_from(us).ok())
        // Such a number is not of this change log; a float beyond u64 saturates.
        .unwrap_or((seconds * 1e6) as u64)
}

/// The change log's 32 hexadecimal digits, in the hyphenated form the stream uses.
fn event_id(digits: &str) -> String {
    let part = |from: usize, to: usize| digits.get(from..to);
    match (part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)) {
        (Some(a), Some(b), Some(c), Some(d), Some(e)) if digits.len() == 32 => {
            format!("{a}-{b}-{c}-{d}-{e}")
        }
        _ => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_number_is_the_microsecond_of_the_write() {
        assert_eq!(creation_us("101720740233012995000", 0.0), 1_720_740_233_012_995_000);
        assert_eq!(creation_us("100001720740233012995", 1.0), 1_720_740_233_012_995);
        assert_eq!(creation_us("17", 1_720_740_233.0), 1_720_740_233_000_000);
    }

    #[test]
    fn an_event_id_is_hyphenated_only_if_it_is_one() {
        assert_eq!(event_id("b015b5f0c0954b508ad04279aa3d88c6"), "b015b5f0-c095-4b50-8ad0-4279aa3d88c6");
        assert_eq!(event_id("1732117000000001"), "1732117000000001");
    }
}
