//! Splits and merges, before and while the stream is read.

use std::time::{Duration, Instant};

use aws_lambda_events::event::kinesis::KinesisEvent;
use evercount_local::PollerOptions;
use evercount_pipeline::event_source::{MappingConfig, ReadOrder};

use crate::scene::{Log, MIDDLE, Scene, assert_all_in_order};

const PARENT: &str = "shardId-000000000000";
const LEFT: &str = "shardId-000000000001";
const RIGHT: &str = "shardId-000000000002";
const MERGED: &str = "shardId-000000000003";

fn options(read_order: ReadOrder) -> PollerOptions {
    let mapping = MappingConfig { batch_size: 10, read_order, ..MappingConfig::default() };
    PollerOptions { mapping, discovery_pause: Duration::from_millis(20), ..PollerOptions::default() }
}

fn shard(event: &KinesisEvent) -> String {
    let id = event.records[0].event_id.clone().unwrap();
    id.split(':').next().unwrap().to_owned()
}

/// The shards in the order in which each was first delivered from.
fn shards(log: &Log) -> Vec<String> {
    let mut order = Vec::new();
    for event in log.events() {
        let id = shard(&event);
        if !order.contains(&id) {
            order.push(id);
        }
    }
    order
}

async fn split_and_merged() -> Scene {
    let scene = Scene::with_shards(1).await;
    scene.put(0..40).await;
    scene.split(PARENT, MIDDLE).await;
    scene.put(40..80).await;
    scene.merge(LEFT, RIGHT).await;
    scene.put(80..120).await;
    scene
}

#[tokio::test]
async fn parents_are_read_to_their_end_before_their_children() {
    let scene = split_and_merged().await;
    let log = Log::default();
    let mut poller = scene.poller(options(ReadOrder::ParentFirst)).await;
    poller.run_until_idle(log.succeed()).await.unwrap();
    assert_all_in_order(&log.texts(), 120);
    let order = shards(&log);
    assert_eq!((order[0].as_str(), order[3].as_str()), (PARENT, MERGED));
    let tally = poller.run_until_idle(log.succeed()).await.unwrap();
    assert_eq!(tally.invocations, 0, "a drained shard is not read again");
    scene.aws.stop().await;
}

#[tokio::test]
async fn children_first_delivers_the_changes_of_a_key_out_of_order() {
    let scene = split_and_merged().await;
    let log = Log::default();
    scene.poller(options(ReadOrder::ChildFirst)).await.run_until_idle(log.succeed()).await.unwrap();
    let order = shards(&log);
    assert_eq!((order[0].as_str(), order[3].as_str()), (MERGED, PARENT));
    let mut texts = log.texts();
    let numbers = crate::scene::numbers_of(&texts, "key3");
    assert!(numbers[0] >= 80 && numbers.last().is_some_and(|last| *last < 40), "{numbers:?}");
    texts.sort_by_key(|text| text.rsplit(':').next().unwrap().parse::<u32>().unwrap());
    assert_all_in_order(&texts, 120);
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_split_and_a_merge_while_reading_lose_and_reorder_nothing() {
    for read_order in [ReadOrder::ParentFirst, ReadOrder::ChildFirst] {
        let scene = Scene::with_shards(1).await;
        let mut poller = scene.poller(options(read_order)).await;
        let log = Log::default();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let function = log.succeed();
        let running = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            poller.run(function, shutdown).await
        });
        for round in 0..30 {
            scene.put(round * 20..(round + 1) * 20).await;
            match round {
                10 => scene.split(PARENT, MIDDLE).await,
                20 => scene.merge(LEFT, RIGHT).await,
                _ => {}
            }
        }
        let put = Instant::now();
        while log.texts().len() < 600 && put.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
        let mut texts = log.texts();
        assert_eq!(shards(&log).len(), 4);
        if read_order == ReadOrder::ChildFirst {
            texts.sort_by_key(|text| text.rsplit(':').next().unwrap().parse::<u32>().unwrap());
        }
        assert_all_in_order(&texts, 600);
        scene.aws.stop().await;
    }
}
