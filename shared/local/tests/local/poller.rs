//! How the poller delivers: order, positions, envelope, pacing and shutdown.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use evercount_local::put::{Entry, put_in_order};
use evercount_local::{PollerOptions, StartingPosition};
use evercount_pipeline::event_source::MappingConfig;

use crate::scene::{Log, STREAM, Scene, assert_all_in_order};

fn batches_of(batch_size: usize) -> PollerOptions {
    PollerOptions {
        mapping: MappingConfig { batch_size, ..MappingConfig::default() },
        ..PollerOptions::default()
    }
}

#[tokio::test]
async fn every_record_is_delivered_once_in_order_of_its_key() {
    let scene = Scene::with_shards(4).await;
    scene.put(0..1_200).await;
    let mut poller = scene.poller(batches_of(50)).await;
    let log = Log::default();
    let tally = poller.run_until_idle(log.succeed()).await.unwrap();
    assert_all_in_order(&log.texts(), 1_200);
    assert!(log.batches().iter().all(|batch| batch.len() <= 50));
    assert_eq!((tally.delivered, tally.succeeded, tally.discarded), (1_200, 1_200, 0));
    assert_eq!(tally.invocations, log.batches().len() as u64);

    scene.put(1_200..1_300).await;
    let tally = poller.run_until_idle(log.succeed()).await.unwrap();
    assert_eq!(tally.delivered, 100, "a second run goes on where the first ended");
    assert_all_in_order(&log.texts(), 1_300);
    scene.aws.stop().await;
}

#[tokio::test]
async fn the_event_is_the_envelope_that_lambda_sends() {
    let scene = Scene::with_shards(1).await;
    let entry = Entry { partition_key: "68406A36".to_owned(), data: b"{}".to_vec() };
    let put = scene.kinesis.put_record().stream_name(STREAM).partition_key(&entry.partition_key);
    let put = put.data(aws_sdk_kinesis::primitives::Blob::new(entry.data)).send().await.unwrap();
    let number = put.sequence_number();
    let log = Log::default();
    scene.poller(batches_of(1)).await.run_until_idle(log.succeed()).await.unwrap();

    let mut event = serde_json::to_value(&log.events()[0]).unwrap();
    let arrival = event["Records"][0]["kinesis"]["approximateArrivalTimestamp"].take();
    let seconds: f64 = arrival.as_str().unwrap().parse().unwrap();
    assert!((1.7e9..1e11).contains(&seconds), "{seconds} are seconds since the epoch");
    assert_eq!(
        event,
        serde_json::json!({"Records": [{
            "eventID": format!("shardId-000000000000:{number}"),
            "eventName": "aws:kinesis:record",
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventSourceARN": "arn:aws:kinesis:eu-central-1:000000000000:stream/cdc",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/evercount-local",
            "awsRegion": "eu-central-1",
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "68406A36",
                "sequenceNumber": number,
                "approximateArrivalTimestamp": null,
                "encryptionType": "NONE",
                "data": "e30="
            }
        }]})
    );
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_restart_at_an_older_position_delivers_again_and_after_the_checkpoint_does_not() {
    let scene = Scene::with_shards(1).await;
    scene.put(0..20).await;
    let log = Log::default();
    let mut first = scene.poller(batches_of(5)).await;
    first.run_until_idle(log.succeed()).await.unwrap();
    let older = log.events()[2].records[0].kinesis.sequence_number.clone();
    let shard = "shardId-000000000000".to_owned();
    let checkpoints = first.checkpoints().await;
    assert_eq!(checkpoints[&shard], log.events()[3].records[4].kinesis.sequence_number);

    let after_older =
        StartingPosition::AfterSequenceNumbers(BTreeMap::from([(shard.clone(), older.clone())]));
    for (start, expected) in [
        (StartingPosition::TrimHorizon, 20),
        (StartingPosition::AtSequenceNumbers(BTreeMap::from([(shard, older)])), 10),
        (after_older, 9),
        (StartingPosition::AfterSequenceNumbers(checkpoints), 0),
        (StartingPosition::Latest, 0),
    ] {
        let again = Log::default();
        let options = PollerOptions { start: start.clone(), ..batches_of(5) };
        scene.poller(options).await.run_until_idle(again.succeed()).await.unwrap();
        let all = log.texts();
        assert_eq!(again.texts(), all[all.len() - expected..], "{start:?}");
    }
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_put_wakes_a_running_poller_and_a_shutdown_ends_its_pause() {
    let scene = Scene::with_shards(2).await;
    let minute = Duration::from_secs(60);
    let options = PollerOptions { idle_pause: (minute, minute), ..scene.aws.poller_options() };
    let mut poller = scene.poller(options).await;
    let log = Log::default();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let function = log.succeed();
    let running = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        poller.run(function, shutdown).await.map(|tally| (poller, tally))
    });
    // Time enough for both shards to be found empty.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let put = Instant::now();
    scene.put(0..40).await;
    while log.texts().len() < 40 {
        assert!(put.elapsed() < Duration::from_secs(10), "records are not delivered");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.send(()).unwrap();
    let (mut poller, tally) = running.await.unwrap().unwrap();
    assert_eq!((tally.delivered, tally.succeeded), (40, 40));
    scene.put(40..50).await;
    poller.run_until_idle(log.succeed()).await.unwrap();
    assert_all_in_order(&log.texts(), 50);
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_cancelled_run_loses_nothing() {
    let scene = Scene::with_shards(2).await;
    scene.put(0..30).await;
    let mut poller = scene.poller(batches_of(100)).await;
    let log = Log::default();
    let failing = log.reply(|_| Err("never".to_owned()));
    let cancelled = tokio::time::timeout(Duration::from_millis(100), poller.run_until_idle(failing)).await;
    assert!(cancelled.is_err(), "with endless retries a failing function keeps the run going");
    assert!(poller.checkpoints().await.is_empty());
    let after = Log::default();
    poller.run_until_idle(after.succeed()).await.unwrap();
    assert_all_in_order(&after.texts(), 30);
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_batch_window_gathers_records_and_is_cut_short_at_the_tip() {
    let scene = Scene::with_shards(1).await;
    let mapping = MappingConfig { batch_size: 100, batch_window_ms: 60_000, ..MappingConfig::default() };
    let mut poller = scene.poller(PollerOptions { mapping, ..PollerOptions::default() }).await;
    scene.put(0..250).await;
    let log = Log::default();
    poller.run_until_idle(log.succeed()).await.unwrap();
    assert_eq!(log.batches().iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    scene.aws.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn producers_that_put_at_once_lose_no_record_to_a_reader() {
    let scene = Scene::with_shards(1).await;
    let mut poller = scene.poller(batches_of(1_000)).await;
    let log = Log::default();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let function = log.succeed();
    let running = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        poller.run(function, shutdown).await
    });
    let mut producers = tokio::task::JoinSet::new();
    for producer in 0..8 {
        let client = scene.aws.kinesis();
        producers.spawn(async move {
            for call in 0..10 {
                let entries: Vec<Entry> = (0..50)
                    .map(|index| Entry {
                        partition_key: format!("p{producer}"),
                        data: format!("p{producer}:{}", call * 50 + index).into_bytes(),
                    })
                    .collect();
                put_in_order(&client, STREAM, &entries).await.unwrap();
            }
        });
    }
    while let Some(done) = producers.join_next().await {
        done.unwrap();
    }
    let put = Instant::now();
    while log.texts().len() < 4_000 && put.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    let texts = log.texts();
    assert_eq!(texts.len(), 4_000);
    for producer in 0..8 {
        let expected: Vec<u32> = (0..500).collect();
        assert_eq!(crate::scene::numbers_of(&texts, &format!("p{producer}")), expected);
    }
    scene.aws.stop().await;
}

#[tokio::test]
async fn records_up_to_the_checkpoints_can_be_forgotten() {
    let scene = Scene::with_shards(3).await;
    scene.put(0..100).await;
    let mut poller = scene.poller(batches_of(10)).await;
    poller.run_until_idle(Log::default().succeed()).await.unwrap();
    scene.put(100..120).await;
    assert_eq!(scene.aws.forget(STREAM, &poller.checkpoints().await).await, 100);
    let rest = Log::default();
    scene.poller(batches_of(10)).await.run_until_idle(rest.succeed()).await.unwrap();
    assert_eq!(rest.texts().len(), 20);
    poller.run_until_idle(rest.succeed()).await.unwrap();
    assert_eq!(rest.texts().len(), 40, "the first poller goes on undisturbed");
    scene.aws.stop().await;
}
