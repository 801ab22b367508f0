//! Owns which records of an invocation's event are of which lane.

use std::borrow::Cow;

use bytes::Bytes;
use evercount_core::lane::{LaneId, SequenceNumber, SequenceRef};
use evercount_wire::kinesis_event::{self, Found, Records, Unusual};

use crate::count::StreamRecord;

/// Why an event cannot be counted. Nothing can be told apart in it, so nothing is lost by having it
/// delivered again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EventError {
    /// It is no Kinesis event.
    #[error(transparent)]
    Event(#[from] kinesis_event::EventError),
    /// A record does not say which shard it is from.
    #[error("a record has the event id `{0}`, which names no shard")]
    Shard(String),
    /// A record does not say which stream it is from.
    #[error("a record has the event source `{0}`, which is no stream")]
    Stream(String),
    /// A record has no sequence number.
    #[error("a record has the sequence number `{0}`, which is none")]
    Sequence(String),
}

/// The records of one shard, in the order they came.
pub type ShardBatch = (LaneId, Vec<StreamRecord>);

/// Reads an invocation's payload. Lambda's events hold one shard's records; anything else that makes
/// events need not know that.
///
/// # Errors
/// [`EventError`].
pub fn read_event(payload: &Bytes) -> Result<Vec<ShardBatch>, EventError> {
    let records = kinesis_event::read(payload)?;
    let mut batches: Vec<ShardBatch> = Vec::new();
    let mut left = records.len();
    // The next record is of the same shard nearly always.
    let mut last: Option<Last<'_>> = None;
    for record in records {
        let data = record.data(payload);
        let is_same = |last: &&Last<'_>| last.source == record.source && record.id.starts_with(&*last.shard);
        let batch = match last.as_ref().filter(is_same) {
            Some(last) => last.batch,
            None => {
                let lane = lane(&record.source, &record.id)?;
                let shard = record.id.split_inclusive(':').next().unwrap_or_default().to_owned();
                let batch = batch_of(&mut batches, lane, left);
                last = Some(Last { source: record.source, shard, batch });
                batch
            }
        };
        let stream_record = StreamRecord {
            sequence: sequence(&record.sequence)?,
            partition_key: record.partition_key.to_string(),
            arrived_at: record.arrived_at,
            data,
        };
        left -= 1;
        if let Some((_, records)) = batches.get_mut(batch) {
            records.push(stream_record);
        }
    }
    Ok(batches)
}

/// An event all of whose records are of one shard, as Lambda sends them.
#[derive(Clone, Copy, Debug)]
pub struct ShardEvent<'a> {
    payload: &'a [u8],
    source: &'a str,
    /// What the ids of its records begin with: `shardId-000000000006:`.
    shard: &'a str,
}

impl<'a> ShardEvent<'a> {
    /// The event of a payload, by its first record; and its lane. `None` where it is unusual, and has to be
    /// [read](read_event) carefully.
    #[must_use]
    pub fn of(payload: &'a [u8]) -> Option<(LaneId, Self)> {
        let first = Records::of(payload).next()?.ok()?;
        let id = std::str::from_utf8(first.id).ok()?;
        let lane = lane(first.source, id).ok()?;
        let shard = id.split_inclusive(':').next()?;
        Some((lane, Self { payload, source: first.source, shard }))
    }

    /// Its records, with their sequence numbers.
    pub fn records(self) -> impl Iterator<Item = Result<(SequenceRef<'a>, Found<'a>), Unusual>> {
        Records::of(self.payload).map(move |found| {
            let found = found?;
            let is_of_shard = found.source == self.source && found.id.starts_with(self.shard.as_bytes());
            let sequence = SequenceRef::parse(found.sequence).filter(|_| is_of_shard);
            sequence.map(|sequence| (sequence, found)).ok_or(Unusual)
        })
    }
}

/// Where a record was from.
struct Last<'a> {
    source: Cow<'a, str>,
    /// What the ids of its shard's records begin with: `shardId-000000000006:`.
    shard: String,
    /// Which batch it is in.
    batch: usize,
}

/// Adds a record to its lane's batch.
pub fn push(batches: &mut Vec<ShardBatch>, lane: LaneId, record: StreamRecord) {
    let batch = batch_of(batches, lane, 1);
    if let Some((_, records)) = batches.get_mut(batch) {
        records.push(record);
    }
}

/// Which batch is a lane's: one with room for so many records, where it has none yet.
fn batch_of(batches: &mut Vec<ShardBatch>, lane: LaneId, room: usize) -> usize {
    let known = batches.iter().position(|(known, _)| *known == lane);
    known.unwrap_or_else(|| {
        batches.push((lane, Vec::with_capacity(room)));
        batches.len() - 1
    })
}

/// The lane of a record: `arn:aws:kinesis:eu-central-1:123456789012:stream/orders-cdc` (a fan-out
/// consumer's goes on with `/consumer/…`) and `shardId-000000000006:49590338…`.
///
/// # Errors
/// [`EventError`] where it names no stream or no shard.
pub fn lane(source: &str, event_id: &str) -> Result<LaneId, EventError> {
    let stream = source.split_once(":stream/").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    let stream =
        stream.filter(|name| !name.is_empty()).ok_or_else(|| EventError::Stream(source.to_owned()))?;
    let shard = event_id.split_once(':').map(|(shard, _)| shard).filter(|shard| !shard.is_empty());
    Ok(LaneId::of_shard(stream, shard.ok_or_else(|| EventError::Shard(event_id.to_owned()))?))
}

/// The sequence number that a text is.
///
/// # Errors
/// [`EventError`] where it is none.
pub fn sequence(text: &str) -> Result<SequenceNumber, EventError> {
    SequenceNumber::parse(text).ok_or_else(|| EventError::Sequence(text.to_owned()))
}
