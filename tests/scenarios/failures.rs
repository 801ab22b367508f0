//! A function that fails, a store that is gone, replies that are lost.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use evercount_aws::dynamo::TableNames;
use evercount_local::poller::DiscardedBatch;
use evercount_local::stack::invoke;
use evercount_local::{EmbeddedAws, EmbeddedOptions, PollerOptions, Stack};
use evercount_pipeline::count::Stop;
use evercount_pipeline::ports::StoreError;
use evercount_tests::simulation::invariants;
use evercount_tests::simulation::plan::{Faults, SourceKind};

use super::feed::{Feed, entry};
use super::stage::{LEDGER, STREAM, Stage};

/// A function that fails on one record loses nothing else: the batch is halved down to that
/// record, which goes to the destination, and putting it on the stream again heals the counts.
#[tokio::test]
async fn a_function_that_fails_on_one_record_sends_only_that_one_to_the_destination() {
    let mut feed = Feed::new(SourceKind::Debezium, 200, Faults::default());
    let stage = Stage::with_shards(1).await;
    let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
    let mut records = feed.changes(90);
    records[33].partition_key = "marked".to_owned();
    stage.put(&records).await;
    let options = stage.options(40);
    let mut mapping = options.mapping.clone();
    mapping.maximum_retry_attempts = Some(2);
    let discarded: Arc<Mutex<Vec<DiscardedBatch>>> = Arc::default();
    let destination = discarded.clone();
    let poller = stage.poller(PollerOptions { mapping, ..options }).await;
    let mut poller = poller.on_failure(Arc::new(move |batch| destination.lock().unwrap().push(batch)));
    let counter = stage.counter(LEDGER);
    let function = invoke(&counter);
    let handler = move |event: aws_lambda_events::event::kinesis::KinesisEvent| {
        let marked = event.records.iter().any(|record| record.kinesis.partition_key == "marked");
        let counting = function(event);
        async move {
            if marked {
                Err("out of memory".to_owned())
            } else {
                counting.await.map_err(|error| error.to_string())
            }
        }
    };
    let tally = poller.run_until_idle(handler).await.unwrap();
    assert_eq!((tally.succeeded, tally.discarded), (89, 1));
    let again: Vec<Vec<u8>> = {
        let batches = discarded.lock().unwrap();
        assert_eq!(batches.len(), 1);
        batches[0].event.records.iter().map(|record| record.kinesis.data.0.clone()).collect()
    };
    assert_eq!(again, [records[33].data.clone()]);
    stage.put(&[entry("again", again[0].clone())]).await;
    poller.run_until_idle(invoke(&counter)).await.unwrap();
    for version in &logic {
        stage.assert_exact(version, &feed.images()).await;
    }
    stage.stop().await;
}

/// While the store is gone a batch comes back unapplied and is tried again, and once it is back
/// the counts catch up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_gone_for_seconds_is_caught_up_with() {
    let directory = tempfile::tempdir().unwrap();
    let streams = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    let data_file = Some(directory.path().join("counts.db"));
    let options = EmbeddedOptions { data_file, ..EmbeddedOptions::default() };
    let tables = EmbeddedAws::start(options.clone()).await.unwrap();
    let port = tables.dynamodb_endpoint().rsplit(':').next().unwrap().parse().unwrap();
    let stack = Stack::on(tables.dynamodb(), streams.kinesis(), TableNames::default()).await.unwrap();
    stack.create_stream(STREAM, 2).await.unwrap();
    let stage = Stage::on(stack);
    let mut feed = Feed::new(SourceKind::Debezium, 30, Faults::default());
    let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
    let counter = stage.counter(LEDGER);
    let mut poller = stage.poller(stage.options(50)).await;
    stage.put(&feed.changes(100)).await;
    poller.run_until_idle(invoke(&counter)).await.unwrap();

    tables.stop().await;
    stage.put(&feed.changes(100)).await;
    let function = invoke(&counter);
    let counting = tokio::spawn(async move { poller.run_until_idle(function).await });
    let failed = || {
        let reports = stage.reports();
        reports.into_iter().any(|report| {
            matches!(report.stopped_by, Some(Stop::Store(StoreError::Unavailable(_))))
                && report.first_unapplied.is_some()
        })
    };
    for _ in 0..200 {
        if failed() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(failed(), "a batch came back");
    let tables = EmbeddedAws::start(EmbeddedOptions { dynamodb_port: port, ..options }).await.unwrap();
    assert_eq!(counting.await.unwrap().unwrap().succeeded, 100);
    for version in &logic {
        stage.assert_exact(version, &feed.images()).await;
    }
    stage.stop().await;
    tables.stop().await;
    streams.stop().await;
}

/// Loses every third reply: the service has done what it was asked.
#[derive(Debug, Default)]
struct Losing {
    calls: AtomicU32,
    lost: Arc<AtomicU32>,
}

impl Intercept for Losing {
    fn name(&self) -> &'static str {
        "Losing"
    }

    fn modify_before_deserialization(
        &self,
        _: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
            return Ok(());
        }
        self.lost.fetch_add(1, Ordering::Relaxed);
        Err("the reply was lost".into())
    }
}

/// A commit whose reply is lost is neither lost nor made twice.
#[tokio::test]
async fn commits_whose_replies_are_lost_are_counted_once() {
    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    let lost = Arc::new(AtomicU32::new(0));
    let losing = Losing { calls: AtomicU32::default(), lost: lost.clone() };
    let client = aws.dynamodb();
    let losing = Client::from_conf(client.config().to_builder().interceptor(losing).build());
    let stack = Stack::on(losing, aws.kinesis(), TableNames::default()).await.unwrap();
    stack.create_stream(STREAM, 1).await.unwrap();
    let stage = Stage::on(stack);
    let faults = Faults { truncate: 15, key_change: 50, ..Faults::default() };
    let mut feed = Feed::new(SourceKind::Debezium, 20, faults);
    let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
    stage.put(&feed.changes(150)).await;
    stage.put(&[entry("poison", "not json")]).await;
    let mut poller = stage.poller(stage.options(15)).await;
    poller.run_until_idle(invoke(&stage.counter(LEDGER))).await.unwrap();
    assert!(lost.load(Ordering::Relaxed) > 20);
    for version in &logic {
        let reading = stage.read(version).await;
        assert_eq!(super::stage::counts(&reading), super::stage::recount(version, &feed.images()));
        assert_eq!(reading.uncertain, 1);
    }
    stage.stop().await;
    aws.stop().await;
}
