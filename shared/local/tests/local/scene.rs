//! What the tests share: a stream on the embedded AWS, and a function that remembers its events.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use evercount_local::put::{Entry, put_in_order};
use evercount_local::{EmbeddedAws, EmbeddedOptions, Poller, PollerOptions};

pub const STREAM: &str = "cdc";

pub struct Scene {
    pub aws: EmbeddedAws,
    pub kinesis: aws_sdk_kinesis::Client,
    pub dynamodb: aws_sdk_dynamodb::Client,
}

impl Scene {
    pub async fn with_shards(shards: i32) -> Self {
        let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
        let kinesis = aws.kinesis();
        kinesis.create_stream().stream_name(STREAM).shard_count(shards).send().await.unwrap();
        let dynamodb = aws.dynamodb();
        let scene = Self { aws, kinesis, dynamodb };
        scene.until_active().await;
        scene
    }

    /// A reshard is done in the background; the next one is refused until then.
    pub async fn until_active(&self) {
        for _ in 0..200 {
            let summary = self.kinesis.describe_stream_summary().stream_name(STREAM).send().await.unwrap();
            let status = summary.stream_description_summary().unwrap().stream_status().as_str().to_owned();
            if status == "ACTIVE" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the stream did not become active");
    }

    /// Puts records that carry their own text, as `key:number`, spread over eight keys.
    pub async fn put(&self, numbers: std::ops::Range<u32>) {
        let entries: Vec<Entry> = numbers
            .map(|number| {
                let partition_key = format!("key{}", number % 8);
                let data = format!("{partition_key}:{number}").into_bytes();
                Entry { partition_key, data }
            })
            .collect();
        put_in_order(&self.kinesis, STREAM, &entries).await.unwrap();
    }

    pub async fn split(&self, shard: &str, at: &str) {
        let call = self.kinesis.split_shard().stream_name(STREAM);
        call.shard_to_split(shard).new_starting_hash_key(at).send().await.unwrap();
        self.until_active().await;
    }

    pub async fn merge(&self, shard: &str, adjacent: &str) {
        let call = self.kinesis.merge_shards().stream_name(STREAM);
        call.shard_to_merge(shard).adjacent_shard_to_merge(adjacent).send().await.unwrap();
        self.until_active().await;
    }

    pub async fn poller(&self, options: PollerOptions) -> Poller {
        Poller::open(self.kinesis.clone(), STREAM, options).await.unwrap()
    }
}

/// Half of the hash key space: a split here gives two even children.
pub const MIDDLE: &str = "170141183460469231731687303715884105728";

/// The invocations of a function, in the order they were made.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<KinesisEvent>>>);

impl Log {
    pub fn note(&self, event: &KinesisEvent) {
        self.0.lock().unwrap().push(event.clone());
    }

    pub fn events(&self) -> Vec<KinesisEvent> {
        self.0.lock().unwrap().clone()
    }

    /// The texts of the records of each invocation.
    pub fn batches(&self) -> Vec<Vec<String>> {
        self.events().iter().map(texts).collect()
    }

    /// The texts of all records in the order of delivery.
    pub fn texts(&self) -> Vec<String> {
        self.batches().concat()
    }

    /// A function that notes its event and succeeds.
    pub fn succeed(&self) -> impl Fn(KinesisEvent) -> Replying + Send + Sync + 'static + use<> {
        self.reply(|_| Ok(KinesisEventResponse::default()))
    }

    /// A function that notes its event and answers what `reply` says.
    pub fn reply<R>(&self, reply: R) -> impl Fn(KinesisEvent) -> Replying + Send + Sync + 'static + use<R>
    where
        R: Fn(&KinesisEvent) -> Result<KinesisEventResponse, String> + Send + Sync + 'static,
    {
        let log = self.clone();
        move |event| {
            log.note(&event);
            let answer = reply(&event);
            Box::pin(async move { answer })
        }
    }
}

pub type Replying = std::pin::Pin<Box<dyn Future<Output = Result<KinesisEventResponse, String>> + Send>>;

pub fn texts(event: &KinesisEvent) -> Vec<String> {
    let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
    event.records.iter().map(|record| text(&record.kinesis.data)).collect()
}

/// The numbers in `texts` by key, in the order given.
pub fn numbers_of(texts: &[String], key: &str) -> Vec<u32> {
    let numbers = texts.iter().filter_map(|text| text.strip_prefix(key)?.strip_prefix(':')?.parse().ok());
    numbers.collect()
}

/// Asserts that the numbers 0 to `count` were delivered exactly once each, in order of their key.
pub fn assert_all_in_order(texts: &[String], count: u32) {
    assert_eq!(texts.len(), count as usize);
    for key in 0..8 {
        let expected: Vec<u32> = (0..count).filter(|number| number % 8 == key).collect();
        assert_eq!(numbers_of(texts, &format!("key{key}")), expected, "key{key}");
    }
}
