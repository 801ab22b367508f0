//! The event transformer on the embedded AWS: what it makes of a batch stands on the conformed stream,
//! and what it refuses in the metadata table.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercount_aws::conformed::KinesisConformed;
use evercount_aws::dynamo::TableNames;
use evercount_aws::transformer::EventTransformer;
use evercount_core::conform::Unknown;
use evercount_local::stack::now;
use evercount_local::{EmbeddedOptions, Stack};
use evercount_pipeline::ports::QuarantineStore;
use evercount_pipeline::transform::TransformOptions;
use serde_json::{Value, json};

use super::schema_events::{STREAM, on_stream, text};

fn payload(records: &[(&str, &str)]) -> Vec<u8> {
    let record = |(number, (key, data)): (usize, &(&str, &str))| {
        json!({
            "eventID": format!("shardId-000000000000:{}", number + 1),
            "eventSourceARN": "arn:aws:kinesis:eu-central-1:111122223333:stream/orders-cdc",
            "kinesis": {
                "sequenceNumber": (number + 1).to_string(), "partitionKey": key,
                "approximateArrivalTimestamp": 1_767_225_600.5, "data": STANDARD.encode(data),
            },
        })
    };
    let records: Vec<Value> = records.iter().enumerate().map(record).collect();
    json!({"Records": records}).to_string().into_bytes()
}

#[tokio::test]
async fn what_conforms_is_on_the_stream_under_its_key_and_what_does_not_is_aside() {
    let stack = Stack::embedded(EmbeddedOptions::default(), TableNames::default()).await.unwrap();
    stack.ensure_stream(STREAM).await.unwrap();
    let options = TransformOptions {
        format: None,
        epoch: 0,
        unknown: Unknown::KeepAside,
        consumer: "event-transformer".to_owned(),
    };
    let stream = KinesisConformed::new(stack.kinesis(), STREAM);
    let transformer = EventTransformer::new(stack.store().clone(), stream, options, now);
    let placed = r#"{"type":"order_placed","source":"shop","id":7}"#;
    let large = format!(r#"{{"type":"order_placed","source":"shop","note":"{}"}}"#, "x".repeat(1 << 20));
    let records = [("a", placed), ("b", "not json"), ("c", &large), ("b", placed)];
    let response = transformer.handle_payload(payload(&records).into()).await.unwrap();
    assert!(response.batch_item_failures.is_empty(), "{response:?}");
    let there = on_stream(&stack).await;
    let keys: Vec<_> = there.iter().map(|record| record.partition_key().unwrap()).collect();
    assert_eq!(keys, ["a", "b"]);
    let first: Value = serde_json::from_str(text(&there[0])).unwrap();
    assert_eq!((&first["subject"], &first["item"]["id"]), (&json!("event:order_placed"), &json!({"N": "7"})));
    assert_eq!(
        (&first["lane"], &first["sequence"]),
        (&json!("orders-cdc/shardId-000000000000"), &json!("1"))
    );
    let aside = stack.store().quarantined().await.unwrap();
    let reasons: Vec<_> = aside.iter().map(|one| one.poison.reason.as_str()).collect();
    assert_eq!(reasons, ["not-json", "too-large"]);
    assert_eq!(aside[1].poison.raw, large.as_bytes());
    stack.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_missing_leaves_the_batch_to_be_delivered_again() {
    let stack = Stack::embedded(EmbeddedOptions::default(), TableNames::default()).await.unwrap();
    let options =
        TransformOptions { format: None, epoch: 0, unknown: Unknown::Drop, consumer: "t".to_owned() };
    let stream = KinesisConformed::new(stack.kinesis(), "nowhere");
    let transformer = EventTransformer::new(stack.store().clone(), stream, options, now);
    let records = [("a", "not json"), ("a", r#"{"type":"order_placed","source":"shop","id":7}"#)];
    let response = transformer.handle_payload(payload(&records).into()).await.unwrap();
    assert_eq!(response.batch_item_failures.len(), 1, "{response:?}");
    assert!(
        stack.store().quarantined().await.unwrap().is_empty(),
        "nothing is put aside before the rest is put"
    );
    stack.stop().await;
}
