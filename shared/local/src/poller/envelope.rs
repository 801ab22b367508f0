//! Decides what a Kinesis record looks like inside the event that Lambda hands to a function.
//!
//! Shape: <https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html#services-kinesis-event-example>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lambda_events::encodings::SecondTimestamp;
use aws_lambda_events::event::kinesis::{
    KinesisEncryptionType, KinesisEvent, KinesisEventRecord, KinesisRecord,
};
use aws_sdk_kinesis::types::{EncryptionType, Record};
use evercount_pipeline::event_source::StreamRecord;

use crate::embedded::ACCOUNT_ID;

/// What the envelope of one record takes in the event's JSON besides key, number and data; a
/// little more than it really is, so that a batch never exceeds the limit.
const ENVELOPE_BYTES: usize = 640;

/// A record as it waits for its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    sequence_number: String,
    partition_key: String,
    arrival: SystemTime,
    encrypted: bool,
    data: Vec<u8>,
}

impl From<Record> for Waiting {
    fn from(record: Record) -> Self {
        // A time that no clock can show would be Kinesis' fault; the epoch is then as good.
        let arrival = record
            .approximate_arrival_timestamp
            .and_then(|time| SystemTime::try_from(time).ok())
            .unwrap_or(UNIX_EPOCH);
        Self {
            sequence_number: record.sequence_number,
            // Kinesis gives every record a key; the SDK only types it as optional.
            partition_key: record.partition_key.unwrap_or_default(),
            arrival,
            encrypted: record.encryption_type == Some(EncryptionType::Kms),
            data: record.data.into_inner(),
        }
    }
}

impl StreamRecord for Waiting {
    fn sequence_number(&self) -> &str {
        &self.sequence_number
    }

    fn payload_bytes(&self) -> usize {
        // The sequence number stands in the record and in its event id.
        self.data.len().div_ceil(3) * 4
            + self.partition_key.len()
            + 2 * self.sequence_number.len()
            + ENVELOPE_BYTES
    }

    fn arrival_ms(&self) -> u64 {
        milliseconds(self.arrival)
    }
}

/// Milliseconds since the Unix epoch; 0 before it.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What is the same in every record of a stream.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    stream_arn: String,
    region: String,
    role_arn: String,
}

impl Envelope {
    pub(super) fn new(stream_arn: String) -> Self {
        // arn:aws:kinesis:region:account:stream/name
        let mut parts = stream_arn.split(':').skip(3);
        let region = parts.next().unwrap_or_default().to_owned();
        let account = parts.next().unwrap_or(ACCOUNT_ID);
        let role_arn = format!("arn:aws:iam::{account}:role/evercount-local");
        Self { region, role_arn, stream_arn }
    }

    pub(super) fn stream_arn(&self) -> &str {
        &self.stream_arn
    }

    /// The event that delivers `batch`, the records of one shard.
    pub(super) fn event(&self, shard_id: &str, batch: &[Waiting]) -> KinesisEvent {
        let mut event = KinesisEvent::default();
        event.records = batch.iter().map(|waiting| self.record(shard_id, waiting)).collect();
        event
    }

    fn record(&self, shard_id: &str, waiting: &Waiting) -> KinesisEventRecord {
        let mut kinesis = KinesisRecord::default();
        kinesis.approximate_arrival_timestamp = SecondTimestamp(waiting.arrival.into());
        kinesis.data.0.clone_from(&waiting.data);
        kinesis.encryption_type =
            if waiting.encrypted { KinesisEncryptionType::Kms } else { KinesisEncryptionType::None };
        kinesis.partition_key.clone_from(&waiting.partition_key);
        kinesis.sequence_number.clone_from(&waiting.sequence_number);
        kinesis.kinesis_schema_version = Some("1.0".to_owned());
        let mut record = KinesisEventRecord::default();
        record.aws_region = Some(self.region.clone());
        record.event_id = Some(format!("{shard_id}:{}", waiting.sequence_number));
        record.event_name = Some("aws:kinesis:record".to_owned());
        record.event_source = Some("aws:kinesis".to_owned());
        record.event_source_arn = Some(self.stream_arn.clone());
        record.event_version = Some("1.0".to_owned());
        record.invoke_identity_arn = Some(self.role_arn.clone());
        record.kinesis = kinesis;
        record
    }
}
