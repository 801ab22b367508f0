//! The event transformer's step over the registry and a stream that fails: what conforms is put, in
//! order and at least once, and what does not is put aside with its bytes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::{Mutex, MutexGuard};

use evercount_core::conform::Unknown;
use evercount_core::decimal::Decimal;
use evercount_core::diff::diff_with_renames;
use evercount_core::drift::drift;
use evercount_core::evolution::{Judgement, Proposal, evolve, new_subject};
use evercount_core::function::{FunctionEntry, FunctionKind, FunctionName};
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::migration::function::MigrationFunction;
use evercount_core::migration::graph::Migration;
use evercount_core::order::Micros;
use evercount_core::path::Path;
use evercount_core::registration::Registration;
use evercount_core::registry::{Origin, Policy};
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, Subject, Typed};
use evercount_core::value::{Item, Value};
use evercount_pipeline::count::{StreamRecord, decode_record};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{FunctionStore, QuarantineStore, RegistryStore, StoreError};
use evercount_pipeline::quarantine::{Replayed, replay};
use evercount_pipeline::transform::{
    ConformedStream, Outgoing, TransformOptions, TransformReport, Transformer, Warm, run,
};
use evercount_sandbox::function::id_of;
use evercount_wire::cdc::Decoder;
use fastrand::Rng;

const NEW_YEAR: Micros = 1_767_225_600_000_000;
const HOUR: Micros = 3_600_000_000;
const PLACED: &str = "event:order_placed";

/// A stream that takes some of a call and says that it failed, as often as it is told to.
#[derive(Default)]
struct Stream {
    taken: Mutex<Vec<Outgoing>>,
    failures: Mutex<Vec<usize>>,
    bytes_max: usize,
}

impl Stream {
    fn taken(&self) -> MutexGuard<'_, Vec<Outgoing>> {
        self.taken.lock().unwrap()
    }
}

impl ConformedStream for Stream {
    async fn put(&self, records: &[Outgoing]) -> Result<Vec<usize>, StoreError> {
        if let Some(after) = self.failures.lock().unwrap().pop() {
            self.taken().extend(records.iter().take(after).cloned());
            return Err(StoreError::Unavailable("throughput".to_owned()));
        }
        let is_large = |one: &Outgoing| self.bytes_max > 0 && one.record.to_json().len() > self.bytes_max;
        let (large, fits): (Vec<_>, Vec<_>) = records.iter().enumerate().partition(|(_, one)| is_large(one));
        self.taken().extend(fits.into_iter().map(|(_, one)| one.clone()));
        Ok(large.into_iter().map(|(index, _)| index).collect())
    }
}

fn lane() -> LaneId {
    LaneId::of_shard("orders-cdc", "shardId-000000000000")
}

fn record(number: u64, data: &str) -> StreamRecord {
    StreamRecord {
        sequence: SequenceNumber::parse(&number.to_string()).unwrap(),
        partition_key: format!("k{}", number % 3),
        arrived_at: NEW_YEAR,
        data: data.as_bytes().to_vec().into(),
    }
}

fn placed(fields: &str) -> String {
    format!("{{\"type\":\"order_placed\",\"source\":\"shop\",{fields}}}")
}

fn schema(fields: &[(&str, FieldType, Option<&str>)]) -> Schema {
    let text = |name: &str| (name.to_owned(), FieldType::STRING, None);
    let all = [text("type"), text("source")].into_iter();
    let given = fields.iter().map(|(name, one, default)| ((*name).to_owned(), one.clone(), *default));
    let field = |(name, one, default): (String, FieldType, Option<&str>)| {
        let field = Field { required: true, default: default.map(Into::into), ..Field::of(TypeSet::of(one)) };
        (FieldPath::column(&name), field)
    };
    Schema { fields: all.chain(given).map(field).collect(), key: Vec::new() }
}

/// Makes a version of the events' schema.
async fn register(store: &Memory, schema: Schema, changes: Vec<ChangeKind>, at: Micros) {
    let subject = Subject::new(PLACED);
    let stored = store.subject(&subject).await.unwrap();
    let policy = Policy { retention: HOUR, ..Policy::default() };
    let state = stored.clone().unwrap_or_else(|| new_subject(subject.clone(), Origin::Event, policy, at));
    let current = match state.current {
        Some(id) => store.schema_version(&subject, id.version, at).await.unwrap().found(),
        None => None,
    };
    let current = current.map(|version| version.schema);
    let evidence = || Evidence::Declared { statement: "a person".to_owned() };
    let changes = changes.into_iter().map(|kind| SchemaChange { kind, evidence: evidence() }).collect();
    let judge = |next: &Schema| Judgement {
        drift: current.as_ref().map_or(0.0, |current| drift(&diff_with_renames(current, next, &[])).score),
        breaks: Vec::new(),
    };
    let proposal = Proposal { schema, changes, position: None, at };
    let evolved = evolve(&state, current.as_ref(), &proposal, judge, at);
    let mut registration = Registration::empty(subject, at);
    registration.add(stored.map(|state| state.revision), &state, evolved);
    store.register(&registration).await.unwrap();
}

/// Version 1 has `id` and `state`; in version 2, `state` is `status`, and there is a `tier`.
async fn registry() -> Memory {
    let store = Memory::default();
    let first = schema(&[("id", FieldType::INTEGER, None), ("state", FieldType::STRING, None)]);
    register(&store, first, vec![ChangeKind::CreateTable], NEW_YEAR).await;
    store
}

async fn second_version(store: &Memory) {
    let text = || Typed { types: TypeSet::of(FieldType::STRING), declared: None };
    let second = schema(&[
        ("id", FieldType::INTEGER, None),
        ("status", FieldType::STRING, None),
        ("tier", FieldType::STRING, Some("'tin'")),
    ]);
    let changes = vec![
        ChangeKind::RenameColumn {
            column: FieldPath::column("state"),
            to: FieldPath::column("status"),
            typed: text(),
            previous: text(),
        },
        ChangeKind::AddColumn {
            column: FieldPath::column("tier"),
            typed: text(),
            default: Some("'tin'".into()),
        },
    ];
    register(store, second, changes, NEW_YEAR + HOUR).await;
}

fn options(unknown: Unknown) -> TransformOptions {
    TransformOptions { format: None, epoch: 0, unknown, consumer: "event-transformer".to_owned() }
}

async fn transform(
    store: &Memory,
    stream: &Stream,
    warm: &mut Warm,
    unknown: Unknown,
    records: &[StreamRecord],
    now: Micros,
) -> TransformReport {
    let options = options(unknown);
    let transformer = Transformer { store, stream, options: &options };
    run(&transformer, warm, &lane(), records, now).await
}

fn item(attributes: &[(&str, Value)]) -> Item {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn number(number: i64) -> Value {
    Value::Number(Decimal::from(number))
}

#[tokio::test]
async fn a_new_version_is_used_for_all_later_events_and_is_acknowledged() {
    let (store, stream, mut warm) = (registry().await, Stream::default(), Warm::default());
    let told = placed("\"id\":\"7\",\"state\":\"OPEN\"");
    let report =
        transform(&store, &stream, &mut warm, Unknown::KeepAside, &[record(1, &told)], NEW_YEAR + 1).await;
    assert_eq!((report.put, report.converted, report.stopped_by), (1, 1, None));
    let first = stream.taken()[0].record.clone();
    let envelope = [("source", text("shop")), ("type", text("order_placed"))];
    assert_eq!(first.schema.unwrap().version, 1);
    assert_eq!(
        first.item.unwrap(),
        item(&[&envelope[..], &[("id", number(7)), ("state", text("OPEN"))]].concat())
    );

    second_version(&store).await;
    let later = placed("\"id\":8,\"status\":\"OPEN\",\"coupon\":\"X\"");
    let now = NEW_YEAR + HOUR + 2_000_000;
    let report = transform(&store, &stream, &mut warm, Unknown::KeepAside, &[record(2, &later)], now).await;
    assert_eq!((report.put, report.filled, report.unknown), (1, 1, 1));
    assert!((report.drift().unwrap() - 2.0 / 6.0).abs() < 1e-9, "{report:?}");
    let second = stream.taken()[1].record.clone();
    assert_eq!(second.aside, item(&[("coupon", text("X"))]));
    assert_eq!(second.item.unwrap().get("tier"), Some(&text("tin")));
    let lineage = store.lineage(&Subject::new(PLACED)).await.unwrap();
    assert_eq!(lineage.consumers["event-transformer"].applied.unwrap().version, 2);
}

#[tokio::test]
async fn an_earlier_version_is_migrated_for_its_time_and_then_refused_with_the_way_out() {
    let (store, stream, mut warm) = (registry().await, Stream::default(), Warm::default());
    second_version(&store).await;
    let old = placed("\"id\":7,\"state\":\"OPEN\",\"schema_version\":1");
    let report =
        transform(&store, &stream, &mut warm, Unknown::Reject, &[record(1, &old)], NEW_YEAR + HOUR + 1).await;
    assert_eq!((report.put, report.migrated, report.refused()), (1, 1, 0), "{report:?}");
    let made = stream.taken()[0].record.clone();
    assert_eq!(
        (made.migrated_from, made.item.as_ref().unwrap().get("status")),
        (Some(1), Some(&text("OPEN")))
    );
    assert_eq!(made.item.unwrap().get("schema_version"), None);

    let late = NEW_YEAR + 3 * HOUR;
    let never = placed("\"id\":7,\"schema_version\":\"v9\"");
    let report =
        transform(&store, &stream, &mut warm, Unknown::Reject, &[record(2, &old), record(3, &never)], late)
            .await;
    assert_eq!((report.put, report.refused["expired-version"], report.refused["unknown-version"]), (0, 1, 1));
    let aside = store.quarantined().await.unwrap();
    assert_eq!(aside[0].poison.raw, old.as_bytes());
    assert!(aside[0].poison.detail.contains("evercount schema policy event:order_placed --retention"));
    assert!(aside[0].lane.is_of_transformer());
}

/// A migration that a person wrote, with a function that somebody added while the transformer runs; and
/// one that loops.
#[tokio::test]
async fn a_written_migration_is_used_at_the_next_record_and_a_function_that_fails_is_contained() {
    const ANSWER: &str = concat!(
        r#"{"item":{"id":{"N":"7"},"type":{"S":"order_placed"},"source":{"S":"shop"},"#,
        r#""status":{"S":"MADE"}}}"#
    );
    let migrating = |body: &str| {
        wat::parse_str(format!(
            r#"(module (memory (export "memory") 2)
                 (func (export "evercount_abi") (result i32) i32.const 1)
                 (func (export "alloc") (param i32) (result i32) i32.const 4096)
                 (data (i32.const 16) "{}")
                 (func (export "migrate") (param i32 i32) (result i64) {body}))"#,
            ANSWER.replace('"', "\\\"")
        ))
        .unwrap()
    };
    let (length, place) = (ANSWER.len(), 16_u64 << 32);
    let makes = migrating(&format!("(i64.const {})", place + length as u64));
    let loops = migrating("(loop br 0) (i64.const 0)");
    let (store, stream, mut warm) = (registry().await, Stream::default(), Warm::default());
    second_version(&store).await;
    let subject = Subject::new(PLACED);
    let old = placed("\"id\":7,\"state\":\"OPEN\",\"schema_version\":1");
    let keep = async |name: &str, module: &[u8]| {
        let entry = FunctionEntry {
            name: FunctionName::parse(name).unwrap(),
            id: id_of(module),
            kind: FunctionKind::Migration,
            abi: 1,
            description: String::new(),
            added_at: NEW_YEAR,
            examples: Vec::new(),
        };
        store.put_function(None, &entry, module).await.unwrap();
        let columns = vec!["state".to_owned(), "status".to_owned()];
        let custom = MigrationFunction::Custom { function: entry.id, columns, inverse: None };
        let tier = MigrationFunction::Add { path: Path::column("tier"), default: text("tin") };
        let migration = Migration { from: 1, to: 2, functions: vec![custom, tier] };
        let known = store.written(&subject).await.unwrap();
        store.replace_written(&subject, known.revision, &known.with(migration).unwrap()).await.unwrap();
    };
    let statuses = async |warm: &mut Warm, now: Micros, sequence: u64| {
        let records = [record(sequence, &old)];
        let report = transform(&store, &stream, warm, Unknown::KeepAside, &records, now).await;
        let made = stream.taken().pop().and_then(|one| one.record.item);
        (report, made.and_then(|item| item.get("status").cloned()))
    };
    let begun = NEW_YEAR + HOUR + 1;
    assert_eq!(statuses(&mut warm, begun, 1).await.1, Some(text("OPEN")));
    keep("makes", &makes).await;
    let (report, status) = statuses(&mut warm, begun + 2_000_000, 2).await;
    assert_eq!((report.put, status), (1, Some(text("MADE"))), "{report:?}");
    keep("loops", &loops).await;
    let (report, _) = statuses(&mut warm, begun + 4_000_000, 3).await;
    assert_eq!((report.put, report.refused["migration-failed"]), (0, 1), "{report:?}");
    let aside = store.quarantined().await.unwrap();
    assert_eq!(aside[0].poison.raw, old.as_bytes());
    assert!(
        aside[0].poison.detail.contains("function 1 of the way from version 1"),
        "{:?}",
        aside[0].poison.detail
    );
}

#[tokio::test]
async fn what_does_not_conform_is_put_aside_whole_and_blocks_nothing() {
    let (store, stream, mut warm) = (registry().await, Stream::default(), Warm::default());
    let records = [
        record(1, &placed("\"id\":\"seven\",\"state\":\"OPEN\"")),
        record(2, "not json"),
        record(3, &placed("\"id\":7,\"state\":\"OPEN\",\"coupon\":\"X\"")),
        record(4, &placed("\"id\":7,\"state\":\"OPEN\"")),
        record(5, "{\"type\":\"other\",\"source\":\"shop\"}"),
        record(6, "{\"neither\":1}"),
    ];
    let report = transform(&store, &stream, &mut warm, Unknown::Reject, &records, NEW_YEAR + 1).await;
    assert_eq!((report.read, report.put, report.unregistered), (6, 2, 1), "{report:?}");
    assert_eq!(report.refused["nonconforming"], 2);
    let other = stream.taken()[1].record.clone();
    assert_eq!(
        (other.schema, other.item),
        (None, Some(item(&[("source", text("shop")), ("type", text("other"))])))
    );
    let aside = store.quarantined().await.unwrap();
    assert_eq!(aside.len() as u64 + report.put + report.passed, 6, "nothing is lost: {report:?}");
    assert!(aside[0].poison.detail.contains("`id` is S where the schema has integer"), "{:?}", aside[0]);
    let counted = evercount_pipeline::count::CountOptions {
        mode: evercount_pipeline::count::CountMode::Ledger,
        format: None,
        epoch: 0,
    };
    let replayed = replay(&store, &aside[0], counted, NEW_YEAR).await.unwrap();
    assert!(matches!(replayed, Replayed::StillPoison(_)), "no count takes it in: {replayed:?}");
}

#[tokio::test]
async fn a_record_that_grows_too_large_is_put_aside_once() {
    let store = registry().await;
    let (stream, mut warm) = (Stream { bytes_max: 400, ..Stream::default() }, Warm::default());
    let long = placed(&format!("\"id\":7,\"state\":\"{}\"", "x".repeat(500)));
    let records = [record(1, &long), record(2, &placed("\"id\":7,\"state\":\"OPEN\""))];
    let report = transform(&store, &stream, &mut warm, Unknown::Drop, &records, NEW_YEAR + 1).await;
    assert_eq!((report.put, report.refused["too-large"]), (1, 1));
    assert_eq!(store.quarantined().await.unwrap().len(), 1);
}

/// Whatever a stream takes before it fails, in the end each record is there, each key's in order from
/// its last first appearance on, and what is delivered again is told by lane and sequence.
#[tokio::test]
async fn nothing_is_lost_and_no_key_out_of_order_where_the_stream_fails() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let store = registry().await;
        let records: Vec<StreamRecord> = (0..rng.u64(1..20))
            .map(|n| match rng.u8(0..5) {
                0 => record(n, "{"),
                _ => record(n, &placed(&format!("\"id\":{n},\"state\":\"OPEN\""))),
            })
            .collect();
        let failures = (0..rng.usize(0..4)).map(|_| rng.usize(0..=records.len())).collect();
        let stream = Stream { failures: Mutex::new(failures), ..Stream::default() };
        let mut warm = Warm::default();
        let mut rounds = 0;
        while let Some(first) =
            transform(&store, &stream, &mut warm, Unknown::KeepAside, &records, NEW_YEAR + 1)
                .await
                .first_unapplied
        {
            assert_eq!(first, records[0].sequence, "seed {seed}");
            rounds += 1;
            assert!(rounds < 10, "seed {seed}");
            if rng.bool() {
                warm = Warm::default();
            }
        }
        let is_good = |record: &&StreamRecord| record.data.raw().len() > 1;
        let aside = store.quarantined().await.unwrap().len();
        let taken = stream.taken();
        for key in ["k0", "k1", "k2"] {
            let sent = records.iter().filter(is_good).filter(|record| record.partition_key == key);
            let sent: Vec<SequenceNumber> = sent.map(|record| record.sequence.clone()).collect();
            let of_key = taken.iter().filter(|one| one.partition_key == key);
            let there: Vec<SequenceNumber> = of_key.map(|one| one.record.sequence.clone()).collect();
            assert!(there.ends_with(&sent), "seed {seed}, {key}: {sent:?} is not the end of {there:?}");
        }
        assert_eq!(aside, records.iter().filter(|record| !is_good(record)).count(), "seed {seed}");
    }
}

#[test]
fn what_a_decoder_passes_over_is_what_an_event_is() {
    let event = record(1, &placed("\"id\":1"));
    let content = decode_record(&Decoder::new(None, 0), None, &event, &mut Vec::new());
    assert!(matches!(content, evercount_core::chunk::Content::Passed(_)));
}
