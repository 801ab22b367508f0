//! Owns the two sides of an invocation: a typed Kinesis event as records of lanes, and the answer.
//! The event as it came is read by [`evercount_pipeline::kinesis`].

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use evercount_core::lane::SequenceNumber;
use evercount_pipeline::count::StreamRecord;
use evercount_pipeline::kinesis::{EventError, ShardBatch, lane, push, sequence};

/// The records of a decoded event, by lane. Lambda's events hold one shard's records; anything
/// else that makes events need not know that.
///
/// # Errors
/// [`EventError`].
pub fn lane_and_records(event: &KinesisEvent) -> Result<Vec<ShardBatch>, EventError> {
    let mut batches = Vec::new();
    for record in &event.records {
        let source = record.event_source_arn.as_deref().unwrap_or_default();
        let lane = lane(source, record.event_id.as_deref().unwrap_or_default())?;
        let stream_record = StreamRecord {
            sequence: sequence(&record.kinesis.sequence_number)?,
            partition_key: record.kinesis.partition_key.clone(),
            arrived_at: record.kinesis.approximate_arrival_timestamp.timestamp_micros(),
            data: record.kinesis.data.0.clone().into(),
        };
        push(&mut batches, lane, stream_record);
    }
    Ok(batches)
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
    use bytes::Bytes;
    use evercount_core::lane::LaneId;
    use evercount_pipeline::kinesis::read_event;

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
        let batches = read_event(&text.clone().into()).unwrap();
        assert_eq!(read_event(&quoted.into()).unwrap(), batches);
        let mut decoded = batches.clone();
        for record in decoded.iter_mut().flat_map(|(_, records)| records) {
            record.data = record.data.raw().into();
        }
        assert_eq!(decoded, lane_and_records(&event).unwrap());
        let lanes: Vec<(&str, usize)> =
            batches.iter().map(|(lane, records)| (lane.as_str(), records.len())).collect();
        assert_eq!(
            lanes,
            [("lambda-stream/shardId-000000000006", 2), ("lambda-stream/shardId-000000000007", 1)]
        );
        let (_, records) = batches.first().unwrap();
        let first = records.first().unwrap();
        assert_eq!((first.data.raw(), first.arrived_at), (b"hi".to_vec(), 1_545_084_650_987_000));
        assert_eq!(first.partition_key, "p\u{e9}");
    }

    #[test]
    fn data_that_is_not_base64_comes_through_as_text() {
        let batches = read_event(&payload(&[(A, "1", "aGk="), (A, "2", "***")]).into()).unwrap();
        let (_, records) = batches.first().unwrap();
        let data: Vec<_> = records.iter().map(|record| record.data.bytes()).collect();
        assert_eq!(data, [Ok(b"hi".into()), Err("***".to_owned())]);
    }

    #[test]
    fn a_payload_that_names_no_shard_is_refused() {
        let check = |text: &str, expected: &str| {
            assert!(
                read_event(&text.to_owned().into()).unwrap_err().to_string().contains(expected),
                "{text}"
            );
        };
        check("{}", "no Kinesis event");
        check("[", "no Kinesis event");
        check(&payload(&[(A, "x", "")]), "the sequence number `x`");
        check(&payload(&[("", "1", "")]), "names no shard");
        check(&payload(&[(A, "1", "")]).replace("1545084650.987", "null"), "the arrival time `null`");
        check(&payload(&[(A, "1", "")]).replace(":stream/", ":table/"), "which is no stream");
        assert_eq!(read_event(&Bytes::from_static(br#"{"Records":[]}"#)), Ok(Vec::new()));
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
