//! Owns the event of a Lambda invocation by Kinesis: its JSON as records.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html>. A record whose data
//! is not base64 must not fail the invocation, or it would block its shard until it expires; so the
//! data that cannot be decoded travels on as the text that it came as.

use std::borrow::Cow;

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
    /// Its data, or the text it stands in where that is not base64.
    pub data: Result<Vec<u8>, String>,
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
            data: json::read_base64(&kinesis.data).map_err(|_| kinesis.data.into_owned()),
        })
    });
    records.collect()
}

#[cfg(test)]
mod tests;
