//! Owns the event of a Lambda invocation by Kinesis: its JSON as records.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html>. A record whose data
//! is not base64 must not fail the invocation, or it would block its shard until it expires; so the
//! data that cannot be decoded travels on as the text that it came as.
//!
//! An event is as large as Lambda lets one be, and lives as long as its records do. So data is decoded
//! where it stands, in the event's own memory, once all else has been read from there.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Buf as _, Bytes, BytesMut};
use evercount_core::order::Micros;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json;
use crate::scan::event::scan;

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

/// A record's data, or the text that stands for it where that is no base64.
pub type Data = Result<Bytes, String>;

/// Where the data of a record is to be found when its event has been read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place(At);

#[derive(Clone, PartialEq, Eq, Debug)]
enum At {
    /// In the payload.
    Here(Range<usize>),
    /// Not as it stands in the payload, because that has escapes.
    Apart(String),
}

impl EventRecord<'_> {
    /// The place of its data in the payload that it was read from.
    #[must_use]
    pub fn place(&self, payload: &[u8]) -> Place {
        let text = self.data.as_bytes();
        let start = text.as_ptr().addr().wrapping_sub(payload.as_ptr().addr());
        let range = start..start.wrapping_add(text.len());
        let is_there = payload.get(range.clone()).is_some_and(|found| std::ptr::eq(found, text));
        Place(if is_there { At::Here(range) } else { At::Apart(self.data.clone().into_owned()) })
    }
}

/// The data at places of a payload, which stand in its order, each with what it came with.
///
/// # Errors
/// [`EventError::Json`] where a text that was not looked at before is none in JSON.
pub fn unpack<T>(
    payload: Bytes,
    places: impl IntoIterator<Item = (T, Place)>,
) -> impl Iterator<Item = Result<(T, Data), EventError>> {
    let mut rest = payload.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
    let (mut passed, mut decoded) = (0, Vec::new());
    places.into_iter().map(move |(with, Place(at))| {
        let Range { start, end } = match at {
            At::Here(range) => range,
            At::Apart(text) => return Ok((with, decode(text))),
        };
        rest.advance(start.saturating_sub(passed).min(rest.len()));
        let mut data = rest.split_to(end.saturating_sub(start).min(rest.len()));
        passed = end;
        // Beside it first: of what cannot be decoded, all is wanted.
        decoded.clear();
        if base64_simd::STANDARD.decode_append(&data, &mut decoded).is_err() {
            return Ok((with, decode(unescaped(&data)?)));
        }
        data.truncate(decoded.len());
        data.copy_from_slice(&decoded);
        Ok((with, Ok(data.freeze())))
    })
}

fn decode(text: String) -> Data {
    json::read_base64(&text).map(Bytes::from).map_err(|_| text)
}

/// What stands between the quotes of a string.
fn unescaped(content: &[u8]) -> Result<String, EventError> {
    let quoted = [b"\"", content, b"\""].concat();
    serde_json::from_slice(&quoted)
        .map_err(|error| EventError::Json(format!("{:?} error in data", error.classify())))
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
