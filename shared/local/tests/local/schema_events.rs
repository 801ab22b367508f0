//! Schema change events on the embedded Kinesis, and on an EventBridge that says what it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use aws_smithy_http_client::Builder;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use evercount_aws::dynamo::TableNames;
use evercount_aws::schema_events::{AwsSchemaEvents, DETAIL_TYPE, SOURCE};
use evercount_core::fingerprint::{Fingerprint, SchemaId};
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, SchemaChangeEvent, Subject, Typed};
use evercount_local::{EmbeddedOptions, Stack};
use evercount_pipeline::ports::StoreError;
use evercount_pipeline::publish::SchemaEvents;
use evercount_wire::schema_event::{from_json, to_json};
use serde_json::{Value, json};

pub const STREAM: &str = "schema-events";
const BUS: &str = "shop-bus";

fn event(subject: &str, version: u32, changes: usize) -> SchemaChangeEvent {
    let change = |n: usize| SchemaChange {
        kind: ChangeKind::AddColumn {
            column: FieldPath::column(&format!("c{n}")),
            typed: Typed::default(),
            default: None,
        },
        evidence: Evidence::Observed {
            rows: n as u64,
            false_alarm: 0.01,
            because: format!("{n} rows have it").repeat(10),
        },
    };
    let id = |version: u32| SchemaId { version, fingerprint: Fingerprint(u64::from(version)) };
    SchemaChangeEvent {
        subject: Subject::new(subject),
        from: (version > 1).then(|| id(version - 1)),
        to: id(version),
        changes: (0..changes).map(change).collect(),
        drift: 0.25,
        position: None,
        at: 1_700_000_000_000_000 + i64::from(version) * 1_000_000,
    }
}

fn ids(events: &[SchemaChangeEvent]) -> Vec<String> {
    events.iter().map(SchemaChangeEvent::id).collect()
}

async fn stack() -> Stack {
    let stack = Stack::embedded(EmbeddedOptions::default(), TableNames::default()).await.unwrap();
    stack.ensure_stream(STREAM).await.unwrap();
    stack
}

/// Everything on the stream.
pub async fn on_stream(stack: &Stack) -> Vec<Record> {
    let shards = stack.kinesis().list_shards().stream_name(STREAM).send().await.unwrap();
    let start = stack.kinesis().get_shard_iterator().stream_name(STREAM);
    let start =
        start.shard_id(shards.shards()[0].shard_id()).shard_iterator_type(ShardIteratorType::TrimHorizon);
    let mut iterator = start.send().await.unwrap().shard_iterator;
    let mut found = Vec::new();
    while let Some(from) = iterator {
        let page = stack.kinesis().get_records().shard_iterator(from).send().await.unwrap();
        if page.records().is_empty() {
            break;
        }
        found.extend(page.records().iter().cloned());
        iterator = page.next_shard_iterator;
    }
    found
}

pub fn text(record: &Record) -> &str {
    std::str::from_utf8(record.data().as_ref()).unwrap()
}

/// How the bus answers a call.
#[derive(Clone)]
enum Answer {
    /// An error code for each entry; an empty one takes it.
    Entries(Vec<&'static str>),
    /// The call as a whole fails.
    Fails(u16, &'static str),
}

/// An EventBridge on loopback.
struct EventBridge {
    calls: Arc<Mutex<Vec<Vec<Value>>>>,
    client: aws_sdk_eventbridge::Client,
}

impl EventBridge {
    /// One that answers as told and then takes everything.
    async fn answering(answers: Vec<Answer>) -> Self {
        let calls: Arc<Mutex<Vec<Vec<Value>>>> = Arc::default();
        let (heard, answers) = (calls.clone(), Arc::new(Mutex::new(VecDeque::from(answers))));
        let router = Router::new().fallback(move |request: Request| {
            let (heard, answers) = (heard.clone(), answers.clone());
            async move {
                assert_eq!(request.headers()["x-amz-target"], "AWSEvents.PutEvents");
                assert_eq!(request.headers()["content-type"], "application/x-amz-json-1.1");
                let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
                let body: Value = serde_json::from_slice(&body).unwrap();
                let entries = body["Entries"].as_array().unwrap().clone();
                let taken = Answer::Entries(vec![""; entries.len()]);
                let answer = answers.lock().unwrap().pop_front().unwrap_or(taken);
                heard.lock().unwrap().push(entries);
                reply(&answer)
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { calls, client: client(&endpoint) }
    }

    /// The ids of the events of each call.
    fn ids(&self) -> Vec<Vec<String>> {
        let id = |entry: &Value| detail(entry)["id"].as_str().unwrap().to_owned();
        self.calls.lock().unwrap().iter().map(|call| call.iter().map(id).collect()).collect()
    }
}

fn detail(entry: &Value) -> Value {
    serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap()
}

fn reply(answer: &Answer) -> Response {
    let (status, body) = match answer {
        Answer::Fails(status, code) => (*status, json!({ "__type": code, "message": "as told" })),
        Answer::Entries(codes) => {
            let entry = |code: &&str| match *code {
                "" => json!({ "EventId": "e" }),
                code => json!({ "ErrorCode": code, "ErrorMessage": "as told" }),
            };
            let failed = codes.iter().filter(|code| !code.is_empty()).count();
            let entries: Vec<Value> = codes.iter().map(entry).collect();
            (200, json!({ "FailedEntryCount": failed, "Entries": entries }))
        }
    };
    let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    response.header("content-type", "application/x-amz-json-1.1").body(Body::from(body.to_string())).unwrap()
}

fn client(endpoint: &str) -> aws_sdk_eventbridge::Client {
    use aws_sdk_eventbridge::config::{BehaviorVersion, Config, Credentials, Region};
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(Builder::new().build_http())
        .build();
    aws_sdk_eventbridge::Client::from_conf(config)
}

#[tokio::test]
async fn events_stand_on_the_stream_in_order_under_their_subject() {
    let stack = stack().await;
    // A stream that is there already is used.
    stack.ensure_stream(STREAM).await.unwrap();
    let events: Vec<SchemaChangeEvent> =
        (1..=600).map(|n| event(["orders", "shop.carts"][n as usize % 2], n, 2)).collect();
    let port = AwsSchemaEvents::new(stack.kinesis(), STREAM);
    port.publish(&[]).await.unwrap();
    port.publish(&events).await.unwrap();
    let records = on_stream(&stack).await;
    let read: Vec<SchemaChangeEvent> =
        records.iter().map(|record| from_json(text(record)).unwrap()).collect();
    assert_eq!(read, events);
    for (record, event) in records.iter().zip(&events) {
        assert_eq!(record.partition_key(), Some(event.subject.as_str()));
    }
    stack.stop().await;
}

#[tokio::test]
async fn an_event_too_large_for_a_record_is_on_the_stream_with_its_changes_cut() {
    let stack = stack().await;
    let events = [event("wide", 1, 10_000), event("narrow", 1, 1)];
    assert!(to_json(&events[0]).len() > 1 << 20);
    AwsSchemaEvents::new(stack.kinesis(), STREAM).publish(&events).await.unwrap();
    let records = on_stream(&stack).await;
    let wide: Value = serde_json::from_str(text(&records[0])).unwrap();
    assert_eq!(
        wide["truncated"],
        json!({ "changes": 10_000, "subject": "wide", "schema_id": events[0].to.to_string() })
    );
    assert!(wide["changes"].as_array().unwrap().len() > 1_000);
    assert_eq!(
        (wide["id"].as_str(), text(&records[1])),
        (Some(events[0].id().as_str()), &*to_json(&events[1]))
    );
    stack.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_missing_is_no_matter_of_trying_again() {
    let stack = Stack::embedded(EmbeddedOptions::default(), TableNames::default()).await.unwrap();
    let result = AwsSchemaEvents::new(stack.kinesis(), "nowhere").publish(&[event("orders", 1, 1)]).await;
    assert!(matches!(result, Err(StoreError::Rejected(_))), "{result:?}");
    stack.stop().await;
}

#[tokio::test]
async fn the_bus_gets_the_same_json_ten_events_at_a_time() {
    let (stack, bus) = (stack().await, EventBridge::answering(vec![]).await);
    let events: Vec<SchemaChangeEvent> = (1..=23).map(|n| event("orders", n, 1)).collect();
    let port = AwsSchemaEvents::new(stack.kinesis(), STREAM).with_bus(&bus.client, BUS);
    port.publish(&events).await.unwrap();
    let on_stream = on_stream(&stack).await;
    let calls = bus.calls.lock().unwrap().clone();
    assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 3]);
    for ((entry, record), event) in calls.concat().iter().zip(&on_stream).zip(&events) {
        assert_eq!(
            *entry,
            json!({
                "EventBusName": BUS, "Source": SOURCE, "DetailType": DETAIL_TYPE,
                "Detail": text(record), "Time": event.at / 1_000_000,
            })
        );
    }
    assert_eq!((SOURCE, DETAIL_TYPE), ("evercount", "schema updated"));
    stack.stop().await;
}

#[tokio::test]
async fn entries_the_bus_does_not_take_are_sent_again_alone() {
    let told = vec![
        Answer::Fails(400, "ThrottlingException"),
        Answer::Entries(vec!["", "ThrottlingException", "", "InternalFailure"]),
        Answer::Fails(500, "InternalException"),
        Answer::Entries(vec!["", "InternalFailure"]),
    ];
    let (stack, bus) = (stack().await, EventBridge::answering(told).await);
    let events: Vec<SchemaChangeEvent> = (1..=4).map(|n| event("orders", n, 1)).collect();
    let port = AwsSchemaEvents::new(stack.kinesis(), STREAM).with_bus(&bus.client, BUS);
    port.publish(&events).await.unwrap();
    let all = ids(&events);
    let two = vec![all[1].clone(), all[3].clone()];
    assert_eq!(bus.ids(), [all.clone(), all.clone(), two.clone(), two, vec![all[3].clone()]]);
    // What went wrong with the bus put nothing on the stream twice.
    assert_eq!(on_stream(&stack).await.len(), 4);
    stack.stop().await;
}

#[tokio::test]
async fn a_bus_that_refuses_is_told_of_after_everything_else_is_there() {
    let stack = stack().await;
    let events = [event("orders", 1, 1), event("carts", 1, 1)];
    let refusing = vec![Answer::Entries(vec!["NotAuthorizedForSourceException", "ThrottlingException"])];
    let bus = EventBridge::answering(refusing).await;
    let port = AwsSchemaEvents::new(stack.kinesis(), STREAM).with_bus(&bus.client, BUS);
    let result = port.publish(&events).await;
    let why = "NotAuthorizedForSourceException: as told".to_owned();
    assert_eq!(result, Err(StoreError::Rejected(why)));
    assert_eq!(bus.ids(), [ids(&events), vec![events[1].id()]]);
    let denied = EventBridge::answering(vec![Answer::Fails(400, "AccessDeniedException")]).await;
    let port = AwsSchemaEvents::new(stack.kinesis(), STREAM).with_bus(&denied.client, BUS);
    assert!(matches!(port.publish(&events).await, Err(StoreError::Rejected(_))));
    let away = EventBridge::answering(vec![Answer::Fails(503, "ServiceUnavailable"); 20]).await;
    let port = AwsSchemaEvents::new(stack.kinesis(), STREAM).with_bus(&away.client, BUS);
    assert!(matches!(port.publish(&events).await, Err(StoreError::Unavailable(_))));
    // The stream does not wait for the bus: each of the three has put both events on it.
    assert_eq!(on_stream(&stack).await.len(), 6);
    stack.stop().await;
}

#[tokio::test]
async fn calls_to_the_bus_stay_below_256_kb_and_larger_events_are_cut() {
    let (stack, bus) = (stack().await, EventBridge::answering(vec![]).await);
    let events = [event("a", 1, 400), event("b", 1, 400), event("c", 1, 400), event("d", 1, 3_000)];
    let port = AwsSchemaEvents::new(stack.kinesis(), STREAM).with_bus(&bus.client, BUS);
    port.publish(&events).await.unwrap();
    let calls = bus.calls.lock().unwrap().clone();
    for call in &calls {
        let size: usize =
            call.iter().map(|entry| entry["Detail"].as_str().unwrap().len() + 14 + 9 + 14).sum();
        assert!(size < 256 * 1_024, "{size}");
    }
    assert!(calls.len() > 1);
    let entries = calls.concat();
    let told: Vec<Value> = entries.iter().map(detail).collect();
    assert_eq!(ids(&events), told.iter().map(|told| told["id"].as_str().unwrap()).collect::<Vec<_>>());
    let cut: Vec<bool> = told.iter().map(|told| told.get("truncated").is_some()).collect();
    assert_eq!(cut, [false, false, false, true]);
    // The stream takes more in one record, so there the same event is whole.
    assert!(from_json(text(&on_stream(&stack).await[3])).as_ref() == Ok(&events[3]));
    stack.stop().await;
}
