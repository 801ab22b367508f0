//! Streams of records and the truth behind them: the simulator's sources, and records written by
//! hand in the words of DMS and Debezium.

use evercount_core::value::Item;
use evercount_local::put::Entry;
use evercount_tests::simulation::plan::{Faults, Plan, SourceKind, Stamping};
use evercount_tests::simulation::source::{EPOCH, Source};
use evercount_wire::json;
use fastrand::Rng;

/// A source that makes changes at random.
pub struct Feed {
    plan: Plan,
    source: Source,
    rng: Rng,
    now: i64,
}

impl Feed {
    pub fn new(kind: SourceKind, keys: u32, faults: Faults) -> Self {
        let plan = Plan {
            source: kind,
            keys,
            writes: 0,
            shards: 1,
            batch_size: 100,
            unique_images: true,
            stamping: Stamping::Nobody,
            pace: 400_000,
            groups_max: 1_000,
            faults,
        };
        Self { source: Source::new(&plan), plan, rng: Rng::with_seed(7), now: EPOCH }
    }

    /// Makes that many changes; the records they emit.
    pub fn changes(&mut self, count: u32) -> Vec<Entry> {
        let mut entries = Vec::new();
        for _ in 0..count {
            self.now += self.rng.i64(1..self.plan.pace);
            let emitted = self.source.change(&self.plan, &mut self.rng, self.now);
            entries.extend(emitted.into_iter().map(|record| entry(&record.partition_key, record.data)));
        }
        entries
    }

    pub fn table(&self) -> &'static str {
        self.source.table()
    }

    /// How often the source did what is a fault to count through.
    pub fn strikes(&self, fault: &str) -> u64 {
        self.source.strikes.get(fault).copied().unwrap_or(0)
    }

    /// Every row there is.
    pub fn images(&self) -> Vec<Item> {
        let typed = matches!(self.plan.source, SourceKind::DynamoDb | SourceKind::Ordered);
        let read = if typed { json::read_dynamodb_item } else { json::read_plain_item };
        self.source.images().iter().map(|image| read(image).unwrap()).collect()
    }
}

pub fn entry(partition_key: &str, data: impl Into<Vec<u8>>) -> Entry {
    Entry { partition_key: partition_key.to_owned(), data: data.into() }
}

/// A change of Debezium on PostgreSQL, of the table `shop.orders`.
pub fn postgres(op: &str, lsn: u64, id: u32, before: &str, after: &str) -> Entry {
    let snapshot = if op == "r" { "true" } else { "false" };
    let data = format!(
        r#"{{"topic":"x.shop.orders","key":{{"id":{id}}},"value":{{"before":{before},"after":{after},"source":{{"version":"3.6","connector":"postgresql","name":"x","ts_us":{at},"snapshot":"{snapshot}","db":"main","schema":"shop","table":"orders","lsn":{lsn}}},"op":"{op}"}}}}"#,
        at = 1_767_225_600_000_000 + lsn,
    );
    entry(&id.to_string(), data)
}

/// A data record of DMS, of the table `shop.orders`; the second of the minute is its place.
pub fn dms(operation: &str, second: u32, data: &str, before: Option<&str>) -> Entry {
    let before = before.map(|before| format!(r#""before-image":{before},"#)).unwrap_or_default();
    let place = second * 100;
    let position = match operation {
        "load" => String::new(),
        _ => format!(
            r#","transaction-id":{second},"transaction-record-id":1,"commit-timestamp":"2026-07-29T00:58:{second:02}.000000Z","stream-position":"00000002/{place:08X}.2.00000002/{place:08X}""#
        ),
    };
    let data = format!(
        r#"{{{before}"data":{data},"metadata":{{"timestamp":"2026-07-29T00:58:{second:02}.500000Z","record-type":"data","operation":"{operation}","partition-key-type":"schema-table","schema-name":"shop","table-name":"orders"{position}}}}}"#
    );
    entry("shop.orders", data)
}

/// A control record of DMS.
pub fn dms_control(operation: &str, second: u32) -> Entry {
    let definition = match operation {
        "create-table" => {
            r#""control":{"table-def":{"columns":{"id":{"type":"INT64"},"depot":{"type":"WSTRING"},"label":{"type":"BYTES"}},"primary-key":["id"]}},"#
        }
        _ => "",
    };
    let data = format!(
        r#"{{{definition}"metadata":{{"timestamp":"2026-07-29T00:58:{second:02}.000000Z","record-type":"control","operation":"{operation}","partition-key-type":"task-id","partition-key-value":"task","schema-name":"shop","table-name":"orders"}}}}"#
    );
    entry("task", data)
}
