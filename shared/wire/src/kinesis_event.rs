//! Owns the event of a Lambda invocation by Kinesis: its JSON as records.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html>. A record whose data
//! is not base64 must not fail the invocation, or it would block its shard until it expires; so the
//! data that cannot be decoded travels on as the text that it came as.
//!
//! An event is larger than what a processor keeps at hand, and a record is not. So data stays in base64 until
//! its record is read.

use std::borrow::Cow;

use bytes::Bytes;
use evercount_core::order::Micros;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json;

pub use crate::scan::event::{Found, Records, Unusual};

/// One record of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventRecord<'a> {
    /// Its id: `shardId-000000000006:49590338…`.
    pub id: Cow<'a, str>,
    /// The stream's ARN, or that of a fan-out consumer.
    pub source: Cow<'a, str>,
    /// Its sequence number.
    pub sequence: Cow<'a, str>,
    /// Its partition key.
    pub partition_key: Cow<'a, str>,
    /// When Kinesis took it, microseconds since the epoch.
    pub arrived_at: Micros,
    /// The text that its data stands in: base64, unless whoever made the event erred.
    pub data: Cow<'a, str>,
}

/// A record's data.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Data {
    /// As it is.
    Plain(Bytes),
    /// As an event has it: what stands between the quotes of a JSON string, which should be base64.
    Base64(Bytes),
    /// A text that is no base64.
    Text(String),
}

impl From<Vec<u8>> for Data {
    fn from(data: Vec<u8>) -> Self {
        Self::Plain(data.into())
    }
}

impl Data {
    /// The data, for which `room` is used where it has to be decoded.
    ///
    /// # Errors
    /// The text that stands in its place where that is no base64.
    pub fn read<'a>(&'a self, room: &'a mut Vec<u8>) -> Result<&'a [u8], String> {
        let text = match self {
            Self::Plain(data) => return Ok(data),
            Self::Text(text) => return Err(text.clone()),
            Self::Base64(text) => text,
        };
        match decode(text, room) {
            Some(length) => Ok(room.get(..length).unwrap_or_default()),
            None => {
                *room = carefully(text)?;
                Ok(room)
            }
        }
    }

    /// The data, for who reads few of them.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, String> {
        match self {
            Self::Plain(data) => Ok(Cow::Borrowed(data)),
            Self::Base64(_) | Self::Text(_) => {
                let mut room = Vec::new();
                let length = self.read(&mut room)?.len();
                room.truncate(length);
                Ok(Cow::Owned(room))
            }
        }
    }

    /// All there is of it: the data, or the text that stands in its place.
    #[must_use]
    pub fn raw(&self) -> Vec<u8> {
        self.bytes().map_or_else(String::into_bytes, Cow::into_owned)
    }

    /// Most bytes that it has.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        match self {
            Self::Plain(data) | Self::Base64(data) => data.len(),
            Self::Text(text) => text.len(),
        }
    }
}

/// Decodes base64 into the beginning of `room`, which grows as needed and never shrinks: how many bytes; `None` where
/// it is none.
#[inline]
fn decode(text: &[u8], room: &mut Vec<u8>) -> Option<usize> {
    let length_max = base64_turbo::STANDARD.decoded_len_estimate(text.len());
    if room.len() < length_max {
        room.resize(length_max, 0);
    }
    base64_turbo::STANDARD.decode_slice(text, room).ok()
}

impl Found<'_> {
    /// Its data, for which `room` is used.
    ///
    /// # Errors
    /// Where it is no base64, or has escapes.
    #[inline]
    pub fn read<'r>(&self, room: &'r mut Vec<u8>) -> Result<&'r [u8], Unusual> {
        let decoded = decode(self.data, room);
        ask_for(self.ahead);
        decoded.and_then(|length| room.get(..length)).ok_or(Unusual)
    }
}

/// Bytes that a processor fetches at once.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// Asks for memory ahead of its use. An event is larger than what a processor keeps at hand. What it sees coming
/// it fetches by itself, but not from one page to the next, and not while it is busy with a record.
#[inline]
fn ask_for(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    {
        let (fours, rest) = bytes.as_chunks::<{ 4 * LINE }>();
        for four in fours {
            for line in [0, LINE, 2 * LINE, 3 * LINE] {
                four.get(line).into_iter().for_each(safe_arch::prefetch_t0);
            }
        }
        rest.iter().step_by(LINE).for_each(safe_arch::prefetch_t0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}

/// Decodes what stands between the quotes of a string, which may have escapes.
fn carefully(content: &[u8]) -> Result<Vec<u8>, String> {
    let quoted = [b"\"", content, b"\""].concat();
    let text = serde_json::from_slice(&quoted);
    let text = text.unwrap_or_else(|_| String::from_utf8_lossy(content).into_owned());
    json::read_base64(&text).map_err(|_| text)
}

impl EventRecord<'_> {
    /// Its data, as the payload has it that it was read from.
    #[must_use]
    pub fn data(&self, payload: &Bytes) -> Data {
        let text = self.data.as_bytes();
        let start = text.as_ptr().addr().wrapping_sub(payload.as_ptr().addr());
        let range = start..start.wrapping_add(text.len());
        match payload.get(range.clone()) {
            Some(found) if std::ptr::eq(found, text) => Data::Base64(payload.slice(range)),
            // A text that had escapes stands nowhere.
            _ => match json::read_base64(&self.data) {
                Ok(data) => data.into(),
                Err(_) => Data::Text(self.data.clone().into_owned()),
            },
        }
    }
}

/// Why a payload is no Kinesis event. Nothing can be told apart in it, so nothing is lost by having
/// it delivered again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EventError {
    /// It is not the JSON of a Kinesis event.
    #[error("the payload is no Kinesis event: {0}")]
    Json(String),
    /// A record does not say when it arrived.
    #[error("a record has the arrival time `{0}`, which is none")]
    Arrival(String),
}

#[derive(Deserialize)]
struct RawEvent<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<RawRecord<'a>>,
}

#[derive(Deserialize)]
struct RawRecord<'a> {
    #[serde(rename = "eventID", borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "eventSourceARN", borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    kinesis: RawKinesis<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawKinesis<'a> {
    #[serde(borrow)]
    sequence_number: Cow<'a, str>,
    #[serde(borrow, default)]
    partition_key: Cow<'a, str>,
    #[serde(borrow)]
    approximate_arrival_timestamp: &'a RawValue,
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// Seconds with three decimals, which a double holds exactly in microseconds until the year 2255.
/// Lambda sends a number; an event that went through a typed form has a string.
pub(crate) fn arrival(text: &str) -> Result<Micros, EventError> {
    let text = text.trim_matches('"');
    let seconds: f64 = text.parse().map_err(|_| EventError::Arrival(text.to_owned()))?;
    Ok((seconds * 1e6).round() as Micros)
}

/// Reads an invocation's payload.
///
/// # Errors
/// [`EventError`].
pub fn read(payload: &[u8]) -> Result<Vec<EventRecord<'_>>, EventError> {
    match scan(payload) {
        Some(records) => Ok(records),
        None => read_carefully(payload),
    }
}

/// Reads an event; `None` where it is unusual in any way.
fn scan(payload: &[u8]) -> Option<Vec<EventRecord<'_>>> {
    let (mut records, mut all) = (Vec::new(), Records::of(payload));
    while let Some(found) = all.next() {
        let Found { id, source, sequence, partition_key, arrived_at, data, .. } = found.ok()?;
        let (id, sequence, partition_key) = (as_text(id)?, as_text(sequence)?, as_text(partition_key)?);
        let data = as_text(data)?;
        // As many as there are if the others are as long as this one.
        if records.is_empty() {
            records.reserve(payload.len() / all.passed().max(1));
        }
        let [id, source, sequence, partition_key, data] =
            [id, source, sequence, partition_key, data].map(Cow::Borrowed);
        records.push(EventRecord { id, source, sequence, partition_key, arrived_at, data });
    }
    Some(records)
}

fn as_text(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

fn read_carefully(payload: &[u8]) -> Result<Vec<EventRecord<'_>>, EventError> {
    let event: RawEvent<'_> = serde_json::from_slice(payload).map_err(|error| {
        // Where it is wrong, and not what stands there: that may be somebody's data.
        let (line, column) = (error.line(), error.column());
        EventError::Json(format!("{:?} error at line {line} column {column}", error.classify()))
    })?;
    let records = event.records.into_iter().map(|RawRecord { id, source, kinesis }| {
        Ok(EventRecord {
            id,
            source,
            sequence: kinesis.sequence_number,
            partition_key: kinesis.partition_key,
            arrived_at: arrival(kinesis.approximate_arrival_timestamp.get())?,
            data: kinesis.data,
        })
    });
    records.collect()
}

#[cfg(test)]
mod tests;
