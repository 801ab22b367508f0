//! The records that the writes of a table become.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType, TimeToLiveSpecification};
use evercount_local::{Pump, PumpError, PumpStart};
use serde_json::{Value, json};

use crate::embedded::{create_table, number, text};
use crate::scene::{Log, STREAM, Scene};

const TABLE: &str = "orders";

async fn captured(scene: &Scene) -> Pump {
    create_table(&scene.dynamodb, TABLE).await;
    let mut pump = new_pump(scene);
    pump.attach(TABLE, &PumpStart::TrimHorizon).unwrap();
    pump
}

fn new_pump(scene: &Scene) -> Pump {
    Pump::new(scene.aws.database(), scene.aws.kinesis(), STREAM, scene.aws.region())
}

async fn put(scene: &Scene, id: &str, amount: i64) {
    let call = scene.dynamodb.put_item().table_name(TABLE);
    call.item("id", text(id)).item("amount", number(amount)).send().await.unwrap();
}

async fn delete(scene: &Scene, id: &str) {
    scene.dynamodb.delete_item().table_name(TABLE).key("id", text(id)).send().await.unwrap();
}

/// All records on the stream, decoded, in order of delivery.
async fn records(scene: &Scene) -> Vec<Value> {
    let log = Log::default();
    let mut poller = scene.poller(evercount_local::PollerOptions::default()).await;
    poller.run_until_idle(log.succeed()).await.unwrap();
    log.texts().iter().map(|record| serde_json::from_str(record).unwrap()).collect()
}

fn names(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["eventName"].as_str().unwrap()).collect()
}

fn times(records: &[Value]) -> Vec<u64> {
    let time = |record: &Value| record["dynamodb"]["ApproximateCreationDateTime"].as_u64().unwrap();
    records.iter().map(time).collect()
}

#[tokio::test]
async fn an_insert_a_modify_and_a_remove_have_the_shapes_of_kinesis_data_streams_for_dynamodb() {
    let scene = Scene::with_shards(1).await;
    let mut pump = captured(&scene).await;
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    put(&scene, "a", 1).await;
    put(&scene, "a", 2).await;
    delete(&scene, "a").await;
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    assert_eq!(pump.run_until_idle().await.unwrap().records, 3);

    let mut records = records(&scene).await;
    let times = times(&records);
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    assert!(
        times.iter().all(|time| (before..=after).contains(&u128::from(*time))),
        "{before} {times:?} {after}"
    );
    let item = |amount: &str| json!({"id": {"S": "a"}, "amount": {"N": amount}});
    for (record, (name, new, old)) in records.iter_mut().zip([
        ("INSERT", Some(item("1")), None),
        ("MODIFY", Some(item("2")), Some(item("1"))),
        ("REMOVE", None, Some(item("2"))),
    ]) {
        let id = record["eventID"].take();
        let parts: Vec<usize> = id.as_str().unwrap().split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert!(record["dynamodb"]["SizeBytes"].take().as_u64().unwrap() > 0);
        record["dynamodb"]["ApproximateCreationDateTime"].take();
        let mut expected = json!({
            "awsRegion": "eu-central-1", "eventID": null, "eventName": name, "userIdentity": null,
            "recordFormat": "application/json", "tableName": TABLE, "eventSource": "aws:dynamodb",
            "dynamodb": {
                "ApproximateCreationDateTime": null, "Keys": {"id": {"S": "a"}}, "SizeBytes": null,
                "ApproximateCreationDateTimePrecision": "MICROSECOND"
            }
        });
        if let Some(image) = new {
            expected["dynamodb"]["NewImage"] = image;
        }
        if let Some(image) = old {
            expected["dynamodb"]["OldImage"] = image;
        }
        assert_eq!(*record, expected);
    }
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_write_that_changes_nothing_makes_no_record() {
    let scene = Scene::with_shards(1).await;
    let mut pump = captured(&scene).await;
    put(&scene, "a", 1).await;
    put(&scene, "a", 1).await;
    delete(&scene, "b").await;
    let pumped = pump.run_until_idle().await.unwrap();
    assert_eq!((pumped.records, pumped.unchanged), (1, 1));
    assert_eq!(names(&records(&scene).await), ["INSERT"]);
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_time_to_live_delete_names_the_service() {
    let scene = Scene::with_shards(1).await;
    let mut pump = captured(&scene).await;
    let client = &scene.dynamodb;
    let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("until").build().unwrap();
    client.update_time_to_live().table_name(TABLE).time_to_live_specification(ttl).send().await.unwrap();
    let item = client.put_item().table_name(TABLE).item("id", text("a")).item("until", number(1_600_000_000));
    item.send().await.unwrap();
    assert_eq!(scene.aws.database().sweep_ttl().unwrap(), 1);
    pump.run_until_idle().await.unwrap();
    let records = records(&scene).await;
    assert_eq!(names(&records), ["INSERT", "REMOVE"]);
    assert_eq!(records[0]["userIdentity"], Value::Null);
    assert_eq!(
        records[1]["userIdentity"],
        json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"})
    );
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_new_pump_goes_on_after_a_position_and_from_the_start_repeats_the_same_bytes() {
    let scene = Scene::with_shards(1).await;
    let mut pump = captured(&scene).await;
    put(&scene, "a", 1).await;
    put(&scene, "b", 1).await;
    pump.run_until_idle().await.unwrap();
    let position = pump.positions()[TABLE].clone();
    drop(pump);
    put(&scene, "c", 1).await;

    for (start, expected) in
        [(PumpStart::After(position), 1), (PumpStart::TrimHorizon, 3), (PumpStart::Latest, 0)]
    {
        let mut pump = new_pump(&scene);
        pump.attach(TABLE, &start).unwrap();
        assert_eq!(pump.run_until_idle().await.unwrap().records, expected, "{start:?}");
    }
    let records = records(&scene).await;
    assert_eq!(records.len(), 6);
    assert_eq!(records[..3], records[3..]);
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_table_without_both_images_is_refused_and_so_is_one_that_is_not_there() {
    let scene = Scene::with_shards(1).await;
    create_table(&scene.dynamodb, TABLE).await;
    let keys_only =
        StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::KeysOnly);
    let call = scene.dynamodb.update_table().table_name(TABLE);
    call.stream_specification(keys_only.build().unwrap()).send().await.unwrap();
    let mut pump = new_pump(&scene);
    let refused = pump.attach(TABLE, &PumpStart::Latest).unwrap_err();
    assert!(matches!(refused, PumpError::ViewType { view_type, .. } if view_type == "KEYS_ONLY"));
    assert!(matches!(pump.attach("none", &PumpStart::Latest), Err(PumpError::Table { .. })));
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_running_pump_and_poller_carry_many_writes_through_in_order_of_each_item() {
    let scene = Scene::with_shards(3).await;
    let mut pump = captured(&scene).await;
    let mut poller = scene.poller(scene.aws.poller_options()).await;
    let log = Log::default();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let shutdown = |mut stopped: tokio::sync::watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let (function, poll_until, pump_until) = (log.succeed(), shutdown(stopped.clone()), shutdown(stopped));
    let polling = tokio::spawn(async move { poller.run(function, poll_until).await });
    let pumping = tokio::spawn(async move { pump.run(pump_until).await });
    for amount in 0..30 {
        for id in ["a", "b", "c", "d"] {
            put(&scene, id, amount).await;
        }
    }
    let done = std::time::Instant::now();
    while log.texts().len() < 120 && done.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send(true).unwrap();
    polling.await.unwrap().unwrap();
    pumping.await.unwrap();
    let records: Vec<Value> =
        log.texts().iter().map(|record| serde_json::from_str(record).unwrap()).collect();
    assert_eq!(records.len(), 120);
    for id in ["a", "b", "c", "d"] {
        let of_item = records.iter().filter(|record| record["dynamodb"]["Keys"]["id"]["S"] == id);
        let amounts: Vec<String> = of_item
            .map(|record| record["dynamodb"]["NewImage"]["amount"]["N"].as_str().unwrap().to_owned())
            .collect();
        let expected: Vec<String> = (0..30).map(|amount: u32| amount.to_string()).collect();
        assert_eq!(amounts, expected, "{id}");
    }
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_deleted_table_is_an_error_that_does_not_hold_up_the_others() {
    let scene = Scene::with_shards(1).await;
    let mut pump = captured(&scene).await;
    create_table(&scene.dynamodb, "aaa").await;
    pump.attach("aaa", &PumpStart::TrimHorizon).unwrap();
    scene.dynamodb.delete_table().table_name("aaa").send().await.unwrap();
    put(&scene, "a", 1).await;
    let error = pump.run_until_idle().await.unwrap_err();
    assert!(matches!(error, PumpError::Table { table, .. } if table == "aaa"));
    assert_eq!(names(&records(&scene).await), ["INSERT"]);
    scene.aws.stop().await;
}
