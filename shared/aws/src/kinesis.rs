//! Owns the two sides of an invocation: a Kinesis event as records of lanes, and the answer.
//!
//! A record whose data is not base64 must not fail the invocation, or it would block its shard
//! until it expires; so the payload is read with the data as text, and what cannot be decoded
//! travels on as it came.

use std::borrow::Cow;

use aws_lambda_events::event::kinesis::{KinesisEvent, KinesisEventRecord};
use aws_lambda_events::event::streams::KinesisEventResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::order::Micros;
use evercount_pipeline::count::StreamRecord;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Why a payload is no Kinesis event. Nothing can be told apart in it, so nothing is lost by
/// having it delivered again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EventError {
    /// It is not the JSON of a Kinesis event.
    #[error("the payload is no Kinesis event: {0}")]
    Json(String),
    /// A record does not say which shard it is from.
    #[error("a record has the event id `{0}`, which names no shard")]
    Shard(String),
    /// A record does not say which stream it is from.
    #[error("a record has the event source `{0}`, which is no stream")]
    Stream(String),
    /// A record does not say when it arrived.
    #[error("a record has the arrival time `{0}`, which is none")]
    Arrival(String),
    /// A record has no sequence number.
    #[error("a record has the sequence number `{0}`, which is none")]
    Sequence(String),
}

/// The records of one shard, in the order they came.
pub type ShardBatch = (LaneId, Vec<StreamRecord>);

#[derive(Deserialize)]
struct RawEvent<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<RawRecord<'a>>,
}

#[derive(Deserialize)]
struct RawRecord<'a> {
    #[serde(rename = "eventID", borrow)]
    event_id: Cow<'a, str>,
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

/// Seconds with three decimals, which a double holds exactly in microseconds until the year
/// 2255. Lambda sends a number; an event that went through the typed form has a string.
fn arrival(seconds: &RawValue) -> Result<Micros, EventError> {
    let text = seconds.get().trim_matches('"');
    let seconds: f64 = text.parse().map_err(|_| EventError::Arrival(text.to_owned()))?;
    Ok((seconds * 1e6).round() as Micros)
}

/// Reads an invocation's payload.
///
/// It does not go by way of [`KinesisEvent`]: besides failing on bad base64, that type cannot
/// read a number as a time in a build where `serde_json` keeps all digits of numbers, as this
/// one must.
///
/// # Errors
/// [`EventError`].
pub fn read_event(payload: &str) -> Result<Vec<ShardBatch>, EventError> {
    let event: RawEvent<'_> = serde_json::from_str(payload).map_err(|error| {
        // Where it is wrong, and not what stands there: that may be somebody's data.
        EventError::Json(format!(
            "{:?} error at line {} column {}",
            error.classify(),
            error.line(),
            error.column()
        ))
    })?;
    let mut batches = Vec::new();
    for record in event.records {
        let lane = lane(&record.source, &record.event_id)?;
        let kinesis = record.kinesis;
        let stream_record = StreamRecord {
            sequence: sequence(&kinesis.sequence_number)?,
            partition_key: kinesis.partition_key.into_owned(),
            arrived_at: arrival(kinesis.approximate_arrival_timestamp)?,
            data: STANDARD.decode(kinesis.data.as_bytes()).map_err(|_| kinesis.data.into_owned()),
        };
        push(&mut batches, lane, stream_record);
    }
    Ok(batches)
}

/// The records of a decoded event, by lane. Lambda's events hold one shard's records; anything
/// else that makes events need not know that.
///
/// # Errors
/// [`EventError`].
pub fn lane_and_records(event: &KinesisEvent) -> Result<Vec<ShardBatch>, EventError> {
    let mut batches = Vec::new();
    for record in &event.records {
        let lane = lane_of(record)?;
        let stream_record = StreamRecord {
            sequence: sequence(&record.kinesis.sequence_number)?,
            partition_key: record.kinesis.partition_key.clone(),
            arrived_at: record.kinesis.approximate_arrival_timestamp.timestamp_micros(),
            data: Ok(record.kinesis.data.0.clone()),
        };
        push(&mut batches, lane, stream_record);
    }
    Ok(batches)
}

fn push(batches: &mut Vec<ShardBatch>, lane: LaneId, record: StreamRecord) {
    match batches.iter_mut().find(|(known, _)| *known == lane) {
        Some((_, records)) => records.push(record),
        None => batches.push((lane, vec![record])),
    }
}

fn lane_of(record: &KinesisEventRecord) -> Result<LaneId, EventError> {
    lane(
        record.event_source_arn.as_deref().unwrap_or_default(),
        record.event_id.as_deref().unwrap_or_default(),
    )
}

/// The lane of a record: `arn:aws:kinesis:eu-central-1:123456789012:stream/orders-cdc` (a fan-out
/// consumer's goes on with `/consumer/…`) and `shardId-000000000006:49590338…`.
fn lane(source: &str, event_id: &str) -> Result<LaneId, EventError> {
    let stream = source.split_once(":stream/").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    let stream =
        stream.filter(|name| !name.is_empty()).ok_or_else(|| EventError::Stream(source.to_owned()))?;
    let shard = event_id.split_once(':').map(|(shard, _)| shard).filter(|shard| !shard.is_empty());
    Ok(LaneId::of_shard(stream, shard.ok_or_else(|| EventError::Shard(event_id.to_owned()))?))
}

fn sequence(text: &str) -> Result<SequenceNumber, EventError> {
    SequenceNumber::parse(text).ok_or_else(|| EventError::Sequence(text.to_owned()))
}

/// The answer to an invocation: for each shard that was not finished, the first record that is
/// not in the counts; an explicit empty list where all were, because anything less explicit can
/// be misread as failure or as success.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html>
#[must_use]
pub fn response(first_unapplied: &[SequenceNumber]) -> KinesisEventResponse {
    let mut response = KinesisEventResponse::default();
    response.set_failures(first_unapplied.iter().map(SequenceNumber::as_str));
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn payload(records: &[(&str, &str, &str)]) -> String {
        let record = |(shard, sequence, data): &(&str, &str, &str)| {
            serde_json::json!({
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "p\u{e9}",
                    "sequenceNumber": sequence,
                    "data": data,
                    "approximateArrivalTimestamp": 1_545_084_650.987
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": format!("{shard}:{sequence}"),
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
                "awsRegion": "us-east-2",
                "eventSourceARN": "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"
            })
        };
        serde_json::json!({ "Records": records.iter().map(record).collect::<Vec<_>>() }).to_string()
    }

    const A: &str = "shardId-000000000006";
    const B: &str = "shardId-000000000007";

    #[test]
    fn both_readers_give_the_same_records() {
        let text = payload(&[(A, "4959", "aGk="), (A, "4960", ""), (B, "12", "eA==")]);
        let quoted = text.replace("1545084650.987", "\"1545084650.987\"");
        let event: KinesisEvent = serde_json::from_str(&quoted).unwrap();
        let batches = read_event(&text).unwrap();
        assert_eq!(read_event(&quoted).unwrap(), batches);
        assert_eq!(batches, lane_and_records(&event).unwrap());
        let lanes: Vec<(&str, usize)> =
            batches.iter().map(|(lane, records)| (lane.as_str(), records.len())).collect();
        assert_eq!(
            lanes,
            [("lambda-stream/shardId-000000000006", 2), ("lambda-stream/shardId-000000000007", 1)]
        );
        let (_, records) = batches.first().unwrap();
        let first = records.first().unwrap();
        assert_eq!((first.data.as_deref(), first.arrived_at), (Ok(b"hi".as_slice()), 1_545_084_650_987_000));
        assert_eq!(first.partition_key, "p\u{e9}");
    }

    #[test]
    fn data_that_is_not_base64_comes_through_as_text() {
        let batches = read_event(&payload(&[(A, "1", "aGk="), (A, "2", "***")])).unwrap();
        let (_, records) = batches.first().unwrap();
        let data: Vec<_> = records.iter().map(|record| record.data.clone()).collect();
        assert_eq!(data, [Ok(b"hi".to_vec()), Err("***".to_owned())]);
    }

    #[test]
    fn a_payload_that_names_no_shard_is_refused() {
        let check = |text: &str, expected: &str| {
            assert!(read_event(text).unwrap_err().to_string().contains(expected), "{text}");
        };
        check("{}", "no Kinesis event");
        check("[", "no Kinesis event");
        check(&payload(&[(A, "x", "")]), "the sequence number `x`");
        check(&payload(&[("", "1", "")]), "names no shard");
        check(&payload(&[(A, "1", "")]).replace("1545084650.987", "null"), "the arrival time `null`");
        check(&payload(&[(A, "1", "")]).replace(":stream/", ":table/"), "which is no stream");
        assert_eq!(read_event(r#"{"Records":[]}"#), Ok(Vec::new()));
    }

    #[test]
    fn a_fan_out_consumer_reads_the_same_lane() {
        let consumer = "arn:aws:kinesis:eu-central-1:1:stream/orders/consumer/fast:1";
        assert_eq!(lane(consumer, "shardId-0:5"), Ok(LaneId::of_shard("orders", "shardId-0")));
    }

    #[test]
    fn success_is_an_explicit_empty_list() {
        let text = |failures: &[SequenceNumber]| serde_json::to_string(&response(failures)).unwrap();
        assert_eq!(text(&[]), r#"{"batchItemFailures":[]}"#);
        let failed =
            SequenceNumber::parse("49590338271490256608559692538361571095921575989136588898").unwrap();
        let expected = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{failed}"}}]}}"#);
        assert_eq!(text(&[failed]), expected);
    }
}
