//! What every scenario stands on: a stack with a stream, definitions, and readings to compare.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evercount_aws::counter::{Counter, ReportHook};
use evercount_aws::dynamo::{DynamoStore, TableNames};
use evercount_core::counting::{self, Cells};
use evercount_core::definition::CountDefinition;
use evercount_core::group::GroupKey;
use evercount_core::logic::{Coverage, LogicVersion};
use evercount_core::reading::Reading;
use evercount_core::value::{Item, Value};
use evercount_local::put::{Entry, put_in_order};
use evercount_local::stack::{invoke, now};
use evercount_local::{EmbeddedAws, EmbeddedOptions, Poller, PollerOptions, Stack, StartingPosition};
use evercount_pipeline::count::{BatchReport, CountMode, CountOptions};
use evercount_pipeline::event_source::MappingConfig;
use evercount_pipeline::{define, read};
use evercount_wire::definition::{DefinitionParts, build};

pub const STREAM: &str = "cdc";
pub const LEDGER: CountOptions = CountOptions { mode: CountMode::Ledger, format: None, epoch: 0 };
pub const LANE: CountOptions = CountOptions { mode: CountMode::Lane, format: None, epoch: 0 };
/// Half of the hash key space: a split here gives two even children.
pub const MIDDLE: &str = "170141183460469231731687303715884105728";

pub type TestCounter = Arc<Counter<DynamoStore>>;

pub struct Stage {
    pub stack: Stack,
    reports: Arc<Mutex<Vec<BatchReport>>>,
}

impl Stage {
    pub async fn with_shards(shards: i32) -> Self {
        let stack = Stack::embedded(EmbeddedOptions::default(), TableNames::default()).await.unwrap();
        stack.create_stream(STREAM, shards).await.unwrap();
        Self { stack, reports: Arc::default() }
    }

    /// A stage on a stack of the scenario's own.
    pub fn on(stack: Stack) -> Self {
        Self { stack, reports: Arc::default() }
    }

    pub async fn define(&self, parts: DefinitionParts) -> LogicVersion {
        self.define_since(parts, Coverage::Whole).await
    }

    pub async fn define_since(&self, parts: DefinitionParts, coverage: Coverage) -> LogicVersion {
        define::create(self.stack.store(), build(parts).unwrap(), coverage, now()).await.unwrap()
    }

    pub async fn define_all(&self, definitions: Vec<CountDefinition>) -> Vec<LogicVersion> {
        let mut versions = Vec::new();
        for definition in definitions {
            let created = define::create(self.stack.store(), definition, Coverage::Whole, now()).await;
            versions.push(created.unwrap());
        }
        versions
    }

    /// A counter that knows nothing yet, as a new instance of the function.
    pub fn counter(&self, options: CountOptions) -> TestCounter {
        let reports = self.reports.clone();
        let hook: ReportHook = Arc::new(move |_, report| reports.lock().unwrap().push(report.clone()));
        self.stack.counter(options, hook)
    }

    /// What became of all batches so far.
    pub fn reports(&self) -> Vec<BatchReport> {
        self.reports.lock().unwrap().clone()
    }

    pub async fn put(&self, entries: &[Entry]) {
        self.put_on(STREAM, entries).await;
    }

    pub async fn put_on(&self, stream: &str, entries: &[Entry]) {
        put_in_order(self.stack.kinesis(), stream, entries).await.unwrap();
    }

    /// The template's event source mapping with another batch size, and quick to try again.
    pub fn options(&self, batch_size: usize) -> PollerOptions {
        let options =
            self.stack.embedded_aws().map_or_else(PollerOptions::default, EmbeddedAws::poller_options);
        let mapping = MappingConfig {
            batch_size,
            bisect_on_error: true,
            report_item_failures: true,
            ..MappingConfig::default()
        };
        PollerOptions {
            mapping,
            start: StartingPosition::TrimHorizon,
            retry_pause: (Duration::from_millis(5), Duration::from_millis(50)),
            discovery_pause: Duration::from_millis(20),
            ..options
        }
    }

    pub async fn poller(&self, options: PollerOptions) -> Poller {
        Poller::open(self.stack.kinesis().clone(), STREAM, options).await.unwrap()
    }

    /// Counts everything on the stream from its start, with a new poller and a new counter.
    pub async fn count(&self, options: CountOptions) {
        let mut poller = self.poller(self.options(100)).await;
        poller.run_until_idle(invoke(&self.counter(options))).await.unwrap();
    }

    pub async fn read(&self, logic: &LogicVersion) -> Reading {
        let versions = evercount_pipeline::ports::CatalogStore::versions(self.stack.store()).await.unwrap();
        let logic = versions.into_iter().find(|version| version.id == logic.id).unwrap();
        read::run(self.stack.store(), &logic).await.unwrap()
    }

    /// Asserts that a count is exact and equals a recount.
    pub async fn assert_exact(&self, logic: &LogicVersion, images: &[Item]) {
        let reading = self.read(logic).await;
        assert_eq!(counts(&reading), recount(logic, images), "{}", logic.id);
        assert!(reading.is_exact(), "{}: {:?}", logic.id, reading.exactness);
    }

    /// Splits an open shard in the middle of the stream's hash keys.
    pub async fn split(&self, shard: &str, at: &str) {
        let call = self.stack.kinesis().split_shard().stream_name(STREAM);
        call.shard_to_split(shard).new_starting_hash_key(at).send().await.unwrap();
        self.until_active().await;
    }

    pub async fn merge(&self, shard: &str, adjacent: &str) {
        let call = self.stack.kinesis().merge_shards().stream_name(STREAM);
        call.shard_to_merge(shard).adjacent_shard_to_merge(adjacent).send().await.unwrap();
        self.until_active().await;
    }

    /// A reshard is done in the background; the next one is refused until then.
    async fn until_active(&self) {
        for _ in 0..400 {
            let call = self.stack.kinesis().describe_stream_summary().stream_name(STREAM);
            let summary = call.send().await.unwrap();
            if summary.stream_description_summary().unwrap().stream_status().as_str() == "ACTIVE" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the stream did not become active");
    }

    pub async fn stop(self) {
        self.stack.stop().await;
    }
}

/// A definition by its name, table and grouping.
pub fn counting(name: &str, table: &str, group_by: &[&str]) -> DefinitionParts {
    DefinitionParts {
        name: name.to_owned(),
        table: table.to_owned(),
        group_by: group_by.iter().map(|path| (*path).to_owned()).collect(),
        ..DefinitionParts::default()
    }
}

/// Counts by the text of their group.
pub type Counts = BTreeMap<String, i64>;

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn name(key: &GroupKey) -> String {
    key.parts().iter().map(|(_, value)| text(value)).collect::<Vec<_>>().join("/")
}

/// The groups of a reading.
pub fn counts(reading: &Reading) -> Counts {
    reading.groups.iter().map(|(key, n)| (name(key), *n)).collect()
}

/// A recount of a source's rows.
pub fn recount(logic: &LogicVersion, images: &[Item]) -> Counts {
    let mut cells = Cells::new();
    for image in images {
        counting::add_cells(&mut cells, &counting::contribution(logic, Some(image), None).unwrap(), 1);
    }
    counts(&Reading::sum(logic.clone(), cells, BTreeMap::new(), false))
}

/// Counts as they are written in a scenario.
pub fn expected(groups: &[(&str, i64)]) -> Counts {
    groups.iter().map(|(group, n)| ((*group).to_owned(), *n)).collect()
}
