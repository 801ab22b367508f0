//! What the poller does with a function that fails.

use std::sync::{Arc, Mutex};

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use evercount_local::PollerOptions;
use evercount_local::poller::{Delivered, DiscardedBatch, OnFailure};
use evercount_pipeline::event_source::{Condition, MappingConfig};

use crate::scene::{Log, Scene, texts};

#[derive(Debug, Default)]
struct Destination {
    batches: Mutex<Vec<DiscardedBatch>>,
    refusals: Mutex<u32>,
}

impl OnFailure for Destination {
    fn discarded(&self, batch: DiscardedBatch) -> Delivered<'_> {
        Box::pin(async move {
            let mut refusals = self.refusals.lock().unwrap();
            if *refusals > 0 {
                *refusals -= 1;
                return Err("the bucket is away".to_owned());
            }
            self.batches.lock().unwrap().push(batch);
            Ok(())
        })
    }
}

fn options(mapping: MappingConfig) -> PollerOptions {
    let pause = std::time::Duration::from_millis(1);
    PollerOptions { mapping, retry_pause: (pause, pause * 4), ..PollerOptions::default() }
}

fn number(text: &str) -> u32 {
    text.rsplit(':').next().unwrap().parse().unwrap()
}

fn holds(event: &KinesisEvent, poison: u32) -> bool {
    texts(event).iter().any(|text| number(text) == poison)
}

fn spans(log: &Log) -> Vec<(u32, u32)> {
    log.batches().iter().map(|batch| (number(&batch[0]), number(&batch[batch.len() - 1]))).collect()
}

#[tokio::test]
async fn a_partial_reply_delivers_again_from_the_lowest_reported_record() {
    let scene = Scene::with_shards(1).await;
    scene.put(0..10).await;
    let mapping = MappingConfig { batch_size: 10, report_item_failures: true, ..MappingConfig::default() };
    let mut poller = scene.poller(options(mapping)).await;
    let log = Log::default();
    let seen = log.clone();
    let function = log.reply(move |event| {
        let mut response = KinesisEventResponse::default();
        if seen.events().len() == 1 {
            for index in [8, 4, 6] {
                response.add_failure(event.records[index].kinesis.sequence_number.clone());
            }
        }
        Ok(response)
    });
    let tally = poller.run_until_idle(function).await.unwrap();
    assert_eq!(spans(&log), [(0, 9), (4, 9)]);
    assert_eq!((tally.delivered, tally.succeeded), (16, 10));
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_bisect_brings_one_poison_record_to_the_destination_and_all_others_through() {
    let scene = Scene::with_shards(1).await;
    scene.put(0..20).await;
    let mapping = MappingConfig {
        batch_size: 20,
        bisect_on_error: true,
        maximum_retry_attempts: Some(1),
        ..MappingConfig::default()
    };
    // The destination refuses twice, which must not lose the batch.
    let destination = Arc::new(Destination { refusals: Mutex::new(2), ..Destination::default() });
    let mut poller = scene.poller(options(mapping)).await.on_failure(destination.clone());
    let log = Log::default();
    let function = log.reply(|event| {
        if holds(event, 13) { Err("poison".to_owned()) } else { Ok(KinesisEventResponse::default()) }
    });
    let tally = poller.run_until_idle(function).await.unwrap();
    assert_eq!(
        spans(&log),
        [
            (0, 19),
            (0, 9),
            (10, 19),
            (10, 14),
            (10, 11),
            (12, 14),
            (12, 12),
            (13, 14),
            (13, 13),
            (13, 13),
            (14, 14),
            (15, 19)
        ]
    );
    assert_eq!((tally.succeeded, tally.discarded), (19, 1));
    let batches = destination.batches.lock().unwrap().clone();
    assert_eq!(batches.len(), 1);
    assert_eq!(texts(&batches[0].event), ["key5:13"]);
    assert_eq!(batches[0].start, batches[0].end);
    scene.aws.stop().await;
}

#[tokio::test]
async fn an_exhausted_batch_goes_to_the_destination_whole_and_the_shard_goes_on() {
    let scene = Scene::with_shards(1).await;
    scene.put(0..10).await;
    let mapping =
        MappingConfig { batch_size: 4, maximum_retry_attempts: Some(2), ..MappingConfig::default() };
    let destination = Arc::new(Destination::default());
    let mut poller = scene.poller(options(mapping)).await.on_failure(destination.clone());
    let log = Log::default();
    // A panic is an error like any other.
    let noting = log.clone();
    let function = move |event: KinesisEvent| {
        let noting = noting.clone();
        async move {
            noting.note(&event);
            assert!(!holds(&event, 5), "the function panics on this record");
            Ok::<_, String>(KinesisEventResponse::default())
        }
    };
    poller.run_until_idle(function).await.unwrap();
    assert_eq!(spans(&log), [(0, 3), (4, 7), (4, 7), (4, 7), (8, 9)]);
    let batches = destination.batches.lock().unwrap().clone();
    assert_eq!(batches.len(), 1);
    let batch = &batches[0];
    let sequence = |index: usize| batch.event.records[index].kinesis.sequence_number.clone();
    assert_eq!(batch.condition, Condition::RetryAttemptsExhausted);
    assert_eq!(batch.shard_id, "shardId-000000000000");
    assert_eq!(batch.stream_arn, "arn:aws:kinesis:eu-central-1:000000000000:stream/cdc");
    assert_eq!((batch.start.clone(), batch.end.clone()), (sequence(0), sequence(3)));
    assert_eq!(texts(&batch.event).iter().map(|text| number(text)).collect::<Vec<_>>(), [4, 5, 6, 7]);
    scene.aws.stop().await;
}

#[tokio::test]
async fn a_response_without_failures_by_mistake_drops_the_data() {
    let scene = Scene::with_shards(1).await;
    scene.put(0..5).await;
    let mapping = MappingConfig { report_item_failures: true, ..MappingConfig::default() };
    let mut poller = scene.poller(options(mapping)).await;
    let log = Log::default();
    poller.run_until_idle(log.succeed()).await.unwrap();
    let tally = poller.run_until_idle(log.succeed()).await.unwrap();
    assert_eq!((spans(&log), tally.delivered), (vec![(0, 4)], 0), "Lambda takes it for success");
    scene.aws.stop().await;
}
