//! Records that come twice, late, in halves, or to several readers at once.

use std::time::Duration;

use evercount_local::put::Entry;
use evercount_local::stack::{invoke, now};
use evercount_local::{Poller, StartingPosition};
use evercount_tests::simulation::invariants;
use evercount_tests::simulation::plan::{Faults, SourceKind};

use super::feed::Feed;
use super::stage::{LANE, LEDGER, Stage, counting};

/// A producer that times out puts its records again, under new sequence numbers: each change is
/// counted once.
#[tokio::test]
async fn records_put_twice_are_counted_once() {
    for kind in [SourceKind::DynamoDb, SourceKind::Debezium, SourceKind::Keyless] {
        let mut feed = Feed::new(kind, 20, Faults::default());
        let stage = Stage::with_shards(2).await;
        let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
        let records = feed.changes(150);
        // All of it, some of it again at once, and a window of it long after.
        let twice: Vec<Entry> =
            records.iter().enumerate().flat_map(|(n, one)| vec![one.clone(); 1 + n % 2]).collect();
        stage.put(&twice).await;
        stage.put(&records[40..90]).await;
        stage.count(LEDGER).await;
        for version in &logic {
            stage.assert_exact(version, &feed.images()).await;
        }
        stage.stop().await;
    }
}

/// An invocation that was given up goes on beside its successor: two pollers read everything from
/// the oldest record at the same time, a third one later, and nothing is counted twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_poller_from_the_oldest_record_changes_nothing() {
    for (kind, options) in [(SourceKind::Debezium, LEDGER), (SourceKind::Ordered, LANE)] {
        let mut feed = Feed::new(kind, 20, Faults::default());
        let stage = Stage::with_shards(2).await;
        let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
        stage.put(&feed.changes(300)).await;
        let mut one = stage.poller(stage.options(30)).await;
        let mut other = stage.poller(stage.options(17)).await;
        let (counter, zombie) = (stage.counter(options), stage.counter(options));
        let both = tokio::join!(one.run_until_idle(invoke(&counter)), other.run_until_idle(invoke(&zombie)));
        assert_eq!((both.0.unwrap().succeeded, both.1.unwrap().succeeded), (300, 300));
        stage.count(options).await;
        for version in &logic {
            stage.assert_exact(version, &feed.images()).await;
        }
        let commits = stage.reports().iter().filter(|report| report.commits == 0).count();
        assert!(commits > 0, "some batches were taken by somebody else");
        stage.stop().await;
    }
}

/// A counter that is killed between any two calls and started again without memory goes on where
/// the last commit stands.
#[tokio::test]
async fn a_counter_killed_and_started_cold_goes_on() {
    let mut feed = Feed::new(SourceKind::Debezium, 25, Faults { truncate: 10, ..Faults::default() });
    let stage = Stage::with_shards(2).await;
    let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
    stage.put(&feed.changes(400)).await;
    let mut killed = 0;
    for attempt in 0_u64.. {
        let mut poller = stage.poller(stage.options(25)).await;
        let function = invoke(&stage.counter(LEDGER));
        let run = poller.run_until_idle(function);
        let life = Duration::from_millis(3 + attempt * 7);
        if tokio::time::timeout(life, run).await.is_ok() {
            break;
        }
        killed += 1;
    }
    assert!(killed >= 3, "only {killed} were killed");
    assert!(feed.strikes("truncate") > 0);
    for version in &logic {
        stage.assert_exact(version, &feed.images()).await;
    }
    stage.stop().await;
}

/// An invocation whose time runs out hands back what it has not counted, and the next one counts
/// it.
#[tokio::test]
async fn an_invocation_without_time_hands_the_rest_back() {
    let mut feed = Feed::new(SourceKind::Debezium, 400, Faults::default());
    let stage = Stage::with_shards(1).await;
    let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
    stage.put(&feed.changes(500)).await;
    let mut poller = stage.poller(stage.options(500)).await;
    let counter = stage.counter(LEDGER);
    let handler = move |event| {
        let counter = counter.clone();
        async move { counter.handle(event, now() + 40_000).await }
    };
    let tally = poller.run_until_idle(handler).await.unwrap();
    assert!(tally.invocations > 1, "{tally:?}");
    let handed_back = stage.reports().iter().filter(|report| report.first_unapplied.is_some()).count();
    assert!(handed_back > 0);
    for version in &logic {
        stage.assert_exact(version, &feed.images()).await;
    }
    stage.stop().await;
}

/// Two streams, of two kinds of source, are counted into one store side by side.
#[tokio::test]
async fn two_streams_are_counted_into_one_store() {
    let mut orders = Feed::new(SourceKind::DynamoDb, 20, Faults::default());
    let mut shop = Feed::new(SourceKind::Debezium, 20, Faults { key_change: 50, ..Faults::default() });
    let stage = Stage::with_shards(1).await;
    stage.stack.create_stream("binlog", 2).await.unwrap();
    let of_orders = stage.define(counting("orders", orders.table(), &["status"])).await;
    let of_shop = stage.define(counting("shop", shop.table(), &["status"])).await;
    stage.put(&orders.changes(120)).await;
    stage.put_on("binlog", &shop.changes(120)).await;
    let counter = stage.counter(LEDGER);
    let mut one = stage.poller(stage.options(40)).await;
    let binlog = stage.stack.poller("binlog", 40, StartingPosition::TrimHorizon);
    let mut other: Poller = binlog.await.unwrap();
    let both = tokio::join!(one.run_until_idle(invoke(&counter)), other.run_until_idle(invoke(&counter)));
    both.0.unwrap();
    both.1.unwrap();
    stage.assert_exact(&of_orders, &orders.images()).await;
    stage.assert_exact(&of_shop, &shop.images()).await;
    assert_eq!(stage.read(&of_orders).await.cut.len(), 3);
    stage.stop().await;
}

/// An ordered stream without duplicates is counted in lane mode, without a ledger, in batches of
/// a hundred.
#[tokio::test]
async fn an_ordered_stream_is_counted_without_a_ledger() {
    let mut feed = Feed::new(SourceKind::Ordered, 50, Faults::default());
    let stage = Stage::with_shards(2).await;
    let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
    for _ in 0..5 {
        stage.put(&feed.changes(200)).await;
        stage.count(LANE).await;
        for version in &logic {
            stage.assert_exact(version, &feed.images()).await;
        }
    }
    let ledger = &stage.stack.store().tables().ledger;
    assert_eq!(stage.stack.dynamodb().scan().table_name(ledger).send().await.unwrap().count, 0);
    stage.stop().await;
}
