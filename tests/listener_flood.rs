//! A table whose rows have each another shape: what the listener keeps of it stays small, and the
//! time for a row does not grow.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and prints its figures")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use evercount_core::detection::records::{Known, RowSeen, Watch};
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::order::OrderVersion;
use evercount_core::registry::Origin;
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};
use evercount_pipeline::count::StreamRecord;
use evercount_pipeline::listen::{self, ListenOptions, Listener, Warm};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::publish::MemorySchemaEvents;
use evercount_tests::listening::world::drive;
use evercount_tests::simulation::source::EPOCH;

/// Longest stored watch, in bytes.
const STORED_MAX: usize = 100_000;

/// `EVERCOUNT_FLOOD=n` makes `n` times as many rows of it: 10 are a million shapes.
fn flood(rows: u32) -> u32 {
    std::env::var("EVERCOUNT_FLOOD").ok().and_then(|times| times.parse().ok()).unwrap_or(1) * rows
}

/// A row that has a column of its own.
fn record(number: u32) -> StreamRecord {
    let at = EPOCH + i64::from(number) * 100;
    let data = format!(
        r#"{{"eventName":"INSERT","tableName":"hostile","eventSource":"aws:dynamodb","dynamodb":{{"ApproximateCreationDateTime":{at},"ApproximateCreationDateTimePrecision":"MICROSECOND","Keys":{{"id":{{"S":"k{number}"}}}},"NewImage":{{"id":{{"S":"k{number}"}},"status":{{"S":"NEW"}},"column_{number}":{{"N":"{number}"}}}}}}}}"#
    );
    StreamRecord {
        sequence: SequenceNumber::parse(&(number + 1).to_string()).unwrap(),
        partition_key: number.to_string(),
        arrived_at: at,
        data: data.into_bytes().into(),
    }
}

#[test]
fn many_shapes_of_one_table_leave_a_small_watch_and_few_versions() {
    const BATCH: u32 = 1_000;
    let rows = flood(20_000);
    let (memory, events) = (Memory::default(), MemorySchemaEvents::default());
    let options = ListenOptions { format: None, epoch: 0 };
    let listener = Listener { store: &memory, events: &events, options };
    let (lane, mut warm) = (LaneId::named("cdc/0"), Warm::default());
    let began = Instant::now();
    let (mut longest, mut slowest, mut kept) = (0, Duration::ZERO, 0);
    for batch in 0..rows / BATCH {
        let records: Vec<StreamRecord> = (batch * BATCH..(batch + 1) * BATCH).map(record).collect();
        let started = Instant::now();
        let now = records.last().unwrap().arrived_at;
        let report = drive(listen::run(&listener, &mut warm, &lane, &records, now, || true));
        slowest = slowest.max(started.elapsed());
        assert_eq!((report.stopped_by, report.seen), (None, u64::from(BATCH)));
        let stored = memory.inspect(|state| {
            state.registry.watches.values().map(|watch| watch.state.len()).max().unwrap_or(0)
        });
        longest = longest.max(stored);
        if batch % 5 == 4 {
            // All that is warm, as text: its size does not follow the number of rows.
            kept = format!("{warm:?}").len();
            println!("{} rows: watch {stored} bytes, warm {kept} bytes as text", (batch + 1) * BATCH);
        }
    }
    let took = began.elapsed();
    let (versions, fields, sketches) = memory.inspect(|state| {
        let registry = &state.registry;
        let current = registry.subjects.get(&Subject::new("hostile")).unwrap().current.unwrap();
        let version = registry.versions.get(&(Subject::new("hostile"), current.version)).unwrap();
        (registry.versions.len(), version.0.schema.fields.len(), registry.sketches.len())
    });
    println!(
        "{rows} shapes in {took:.1?}, slowest batch {slowest:.0?}; longest watch {longest} bytes; {versions} versions, the last of {fields} fields; {sketches} sketches"
    );
    assert!(longest < STORED_MAX, "a watch of {longest} bytes");
    assert!(kept < 20_000_000, "{kept} bytes of text are warm");
    // Its column names are soon taken for data.
    assert!(fields <= 100 && versions <= 10, "{versions} versions, {fields} fields");
    assert!(sketches <= 2 * listen::FIELDS_MAX, "{sketches} sketches");
}

#[test]
fn shapes_without_end_leave_a_small_watch() {
    let rows = flood(100_000);
    let string = Field::of(TypeSet::of(FieldType::STRING));
    let schema =
        Schema { fields: [(FieldPath::column("id"), string)].into(), key: vec![FieldPath::column("id")] };
    let retired = BTreeSet::new();
    let known = Known {
        schema: &schema,
        origin: Origin::Observed,
        position: None,
        since: 0,
        retired: &retired,
        version: 1,
    };
    let mut watch = Watch::default();
    let began = Instant::now();
    let mut longest = 0;
    for batch in 0..rows / 100 {
        let items: Vec<(Item, OrderVersion, i64)> = (batch * 100..(batch + 1) * 100)
            .map(|number| {
                let item = Item::from([
                    ("id".to_owned(), Value::String(format!("k{number}"))),
                    (format!("column_{number}"), Value::Bool(true)),
                ]);
                (item, OrderVersion::clock(0, i64::from(number) + 1), i64::from(number) + 1)
            })
            .collect();
        let seen: Vec<RowSeen<'_>> = items
            .iter()
            .map(|(item, version, at)| RowSeen { after: Some(item), before: None, version, at: *at })
            .collect();
        watch.fold(&known, &seen);
        if batch.is_multiple_of(100) {
            longest = longest.max(evercount_wire::watch::to_json(&watch).len());
        }
    }
    let (took, gathered) = (began.elapsed(), watch.gathered());
    println!(
        "{rows} shapes in {took:.1?}; longest watch {longest} bytes, {} entries at the end, {} let go",
        gathered.entries.len(),
        gathered.overflow
    );
    assert!(longest < STORED_MAX, "a watch of {longest} bytes");
}
