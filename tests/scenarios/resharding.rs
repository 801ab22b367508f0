//! Counts while the stream splits and merges.

use evercount_core::logic::LogicVersion;
use evercount_local::PollerOptions;
use evercount_local::stack::invoke;
use evercount_pipeline::event_source::ReadOrder;
use evercount_tests::simulation::invariants;
use evercount_tests::simulation::plan::{Faults, SourceKind};

use super::feed::Feed;
use super::stage::{LEDGER, MIDDLE, Stage};

const PARENT: &str = "shardId-000000000000";
const LEFT: &str = "shardId-000000000001";
const RIGHT: &str = "shardId-000000000002";

async fn counted(shards: i32, feed: &Feed) -> (Stage, Vec<LogicVersion>) {
    let stage = Stage::with_shards(shards).await;
    let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
    (stage, logic)
}

/// Runs a poller while records are put and the stream is resharded, then drains it.
async fn reshard_while_reading(stage: &Stage, feed: &mut Feed, reshard: impl AsyncFn(&Stage)) {
    let mut poller = stage.poller(stage.options(10)).await;
    let counter = stage.counter(LEDGER);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let function = invoke(&counter);
    let running = tokio::spawn(async move {
        let until = async {
            let _ = stopped.await;
        };
        poller.run(function, until).await.unwrap();
        poller
    });
    for round in 0..12 {
        stage.put(&feed.changes(20)).await;
        if round == 6 {
            reshard(stage).await;
        }
    }
    stop.send(()).unwrap();
    running.await.unwrap().run_until_idle(invoke(&counter)).await.unwrap();
}

/// A shard that splits while it is read is counted on by its two children.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_split_while_reading_changes_no_count() {
    let mut feed = Feed::new(SourceKind::Debezium, 30, Faults::default());
    let (stage, logic) = counted(1, &feed).await;
    reshard_while_reading(&stage, &mut feed, async |stage| stage.split(PARENT, MIDDLE).await).await;
    for version in &logic {
        stage.assert_exact(version, &feed.images()).await;
    }
    assert_eq!(stage.read(&logic[0]).await.cut.len(), 3);
    stage.stop().await;
}

/// Two shards that merge while they are read are counted on by their child.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_while_reading_changes_no_count() {
    let mut feed = Feed::new(SourceKind::Debezium, 30, Faults::default());
    let (stage, logic) = counted(2, &feed).await;
    let merge = async |stage: &Stage| stage.merge(PARENT, LEFT).await;
    reshard_while_reading(&stage, &mut feed, merge).await;
    for version in &logic {
        stage.assert_exact(version, &feed.images()).await;
    }
    assert_eq!(stage.read(&logic[0]).await.cut.len(), 3);
    stage.stop().await;
}

/// AWS does not promise that a parent is read to its end before its children: newest records
/// first, through a split and a merge, give the same counts.
#[tokio::test]
async fn children_read_before_their_parents_change_no_count() {
    for kind in [SourceKind::Debezium, SourceKind::DynamoDb] {
        let mut feed = Feed::new(kind, 25, Faults::default());
        let (stage, logic) = counted(1, &feed).await;
        stage.put(&feed.changes(80)).await;
        stage.split(PARENT, MIDDLE).await;
        stage.put(&feed.changes(80)).await;
        stage.merge(LEFT, RIGHT).await;
        stage.put(&feed.changes(80)).await;
        let options = stage.options(20);
        let mut mapping = options.mapping.clone();
        mapping.read_order = ReadOrder::ChildFirst;
        let mut poller = stage.poller(PollerOptions { mapping, ..options }).await;
        poller.run_until_idle(invoke(&stage.counter(LEDGER))).await.unwrap();
        let late: u64 = stage.reports().iter().map(|report| report.tally.late).sum();
        assert!(late > 50, "{kind:?}: {late} records were overtaken");
        for version in &logic {
            stage.assert_exact(version, &feed.images()).await;
        }
        stage.stop().await;
    }
}
