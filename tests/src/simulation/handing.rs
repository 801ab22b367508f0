//! Owns how a batch is handed to a counter: as the event that Lambda makes of it, or as its records.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evercount_core::lane::LaneId;
use evercount_core::order::Micros;
use evercount_pipeline::asking::Runner;
use evercount_pipeline::count::{self, BatchReport, CountMode, CountOptions, StreamRecord, Warm};
use evercount_pipeline::kinesis::ShardEvent;
use evercount_pipeline::ports::Store;
use serde_json::json;

/// Counts a batch. In lane mode every other one comes as an event, so that every fault meets both ways.
pub async fn count<S: Store, R: Runner<S>>(
    store: &S,
    warm: &mut Warm<R>,
    lane: &LaneId,
    records: &[StreamRecord],
    options: CountOptions,
    now: Micros,
    keep_going: impl Fn() -> bool + Send,
) -> BatchReport {
    let is_odd = |record: &StreamRecord| record.sequence.as_str().ends_with(['1', '3', '5', '7', '9']);
    if options.mode == CountMode::Lane && records.first().is_some_and(is_odd) && keep_going() {
        let payload = payload(lane, records);
        let of_shard = ShardEvent::of(payload.as_bytes());
        if let Some((_, event)) = of_shard.filter(|(read, _)| read == lane)
            && let Some(report) = count::run_event(store, warm, lane, event, options, now).await
        {
            return report;
        }
    }
    count::run(store, warm, lane, records, options, now, keep_going).await
}

/// The event of a shard's records.
fn payload(lane: &LaneId, records: &[StreamRecord]) -> String {
    let shard = lane.as_str().rsplit('/').next().unwrap_or_default();
    let record = |record: &StreamRecord| {
        let StreamRecord { sequence, partition_key, arrived_at, data } = record;
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": partition_key,
                "sequenceNumber": sequence.as_str(),
                "data": STANDARD.encode(data.raw()),
                "approximateArrivalTimestamp": *arrived_at as f64 / 1e6,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("{shard}:{}", sequence.as_str()),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/counter",
            "awsRegion": "eu-central-1",
            "eventSourceARN": format!("arn:aws:kinesis:eu-central-1:123456789012:stream/{}", lane.stream()),
        })
    };
    json!({ "Records": records.iter().map(record).collect::<Vec<_>>() }).to_string()
}

#[cfg(test)]
mod tests {
    use evercount_core::lane::SequenceNumber;

    use super::*;

    #[test]
    fn an_event_holds_the_records_that_it_was_made_of() {
        let lane = LaneId::of_shard("cdc", "shardId-000000000000");
        let record = |number: i64| StreamRecord {
            sequence: SequenceNumber::parse(&number.to_string()).unwrap_or_else(|| unreachable!("digits")),
            partition_key: format!("\u{e9}{number}"),
            arrived_at: 1_700_000_000_000_000 + number,
            data: vec![number as u8; 3].into(),
        };
        let payload = payload(&lane, &[record(1), record(22)]);
        let (of, event) = ShardEvent::of(payload.as_bytes()).unwrap_or_else(|| unreachable!("it is usual"));
        assert_eq!(of, lane);
        let mut room = Vec::new();
        let read: Vec<_> = event
            .records()
            .map(|found| {
                let (sequence, found) = found.unwrap_or_else(|_| unreachable!("it is usual"));
                let data = found.read(&mut room).map(<[u8]>::to_vec).unwrap_or_default();
                (sequence.to_number().to_string(), found.arrived_at, data)
            })
            .collect();
        let expected = [1, 22].map(|n| (n.to_string(), 1_700_000_000_000_000 + n, vec![n as u8; 3]));
        assert_eq!(read, expected);
    }
}
