//! A counter that has functions of users run elsewhere counts what one counts that runs them itself, whatever
//! goes wrong on the way.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod stand_in;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use evercount_aws::counter::{Counter, ReportHook};
use evercount_aws::lambda::LambdaRunner;
use evercount_core::counting::Cells;
use evercount_core::definition::DefinitionName;
use evercount_core::function::{FunctionEntry, FunctionKind, FunctionName};
use evercount_core::logic::{Coverage, LogicId};
use evercount_core::order::Micros;
use evercount_pipeline::asking::Runner;
use evercount_pipeline::count::{BatchReport, CountMode, CountOptions};
use evercount_pipeline::define;
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{CountStore as _, FunctionStore as _, QuarantineStore as _};
use evercount_sandbox::function::id_of;
use evercount_wire::definition::{DefinitionParts, build};
use serde_json::{Value, json};

use stand_in::{Fault, NAME, StandIn};

/// Judges an item by how long it is: a third is false, true and unknown each; it gives up on what has a length
/// that eleven divides.
const BY_LENGTH: &str = r#"(module (memory (export "memory") 1)
  (func (export "evercount_abi") (result i32) i32.const 1)
  (func (export "alloc") (param i32) (result i32) i32.const 1024)
  (func (export "predicate") (param i32 i32) (result i32)
    (if (i32.eqz (i32.rem_u (local.get 1) (i32.const 11))) (then unreachable))
    (i32.rem_u (local.get 1) (i32.const 3))))"#;

fn module() -> Vec<u8> {
    wat::parse_str(BY_LENGTH).unwrap()
}

/// A store in which a count of orders asks the function, and one asks none.
async fn store(is_added: bool) -> Memory {
    let store = Memory::default();
    let id = id_of(&module());
    let entry = FunctionEntry {
        name: FunctionName::parse("by_length").unwrap(),
        id,
        kind: FunctionKind::Predicate,
        abi: 1,
        description: String::new(),
        added_at: 1,
        examples: Vec::new(),
    };
    if is_added {
        store.put_function(None, &entry, &module()).await.unwrap();
    }
    for (name, filter) in [("asking", Some(format!("\"function:{id}\" = true"))), ("all", None)] {
        let parts = DefinitionParts {
            name: name.to_owned(),
            table: "orders".to_owned(),
            filter,
            ..DefinitionParts::default()
        };
        define::create(&store, build(parts).unwrap(), Coverage::Whole, 0).await.unwrap();
    }
    store
}

/// An event of one shard: orders that are written, and each third of which is changed at once.
fn event(shard: u32, orders: u32) -> String {
    let image =
        |n: u32, length: u32| json!({"id": {"S": n.to_string()}, "note": {"S": "x".repeat(length as usize)}});
    let change = |n: u32, kind: &str, old: Option<Value>, new: Value| {
        let at = 1_700_000_000_000_000_i64 + i64::from(n) * 10 + i64::from(kind == "MODIFY");
        json!({
            "eventID": format!("{kind}-{n}"), "eventName": kind, "tableName": "orders",
            "dynamodb": {"ApproximateCreationDateTime": at, "ApproximateCreationDateTimePrecision": "MICROSECOND",
                         "Keys": {"id": {"S": n.to_string()}}, "OldImage": old, "NewImage": new},
            "eventSource": "aws:dynamodb"
        })
    };
    let changes = (1..=orders).flat_map(|n| {
        let (first, then) = (image(n, n), image(n, n * 7 % 40));
        let changed = (n % 3 == 0).then(|| change(n, "MODIFY", Some(first.clone()), then));
        std::iter::once(change(n, "INSERT", None, first)).chain(changed)
    });
    let record = |(place, change): (usize, Value)| {
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, change.to_string());
        json!({
            "eventID": format!("shardId-{shard}:{place}"),
            "eventSourceARN": "arn:aws:kinesis:eu-central-1:1:stream/orders-cdc",
            "kinesis": {"sequenceNumber": (place + 1).to_string(), "partitionKey": "p", "data": data,
                        "approximateArrivalTimestamp": 1_700_000_000.5}
        })
    };
    json!({ "Records": changes.enumerate().map(record).collect::<Vec<_>>() }).to_string()
}

/// A counter's time: always the same, so that there is enough.
fn now() -> Micros {
    0
}

fn options(mode: CountMode) -> CountOptions {
    CountOptions { mode, format: None, epoch: 0 }
}

/// What came of an event: the first record that was handed back, and the report.
async fn counted<R: Runner<Memory> + Clone>(
    counter: Counter<Memory, R>,
    event: String,
) -> (Option<String>, BatchReport, Counter<Memory, R>) {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&reports);
    let hook: ReportHook = Arc::new(move |_, report| kept.lock().unwrap().push(report.clone()));
    let counter = counter.with_report(hook);
    let answer = counter.handle_payload(event.into(), 1_000_000_000).await.unwrap();
    let first = answer.batch_item_failures.into_iter().find_map(|one| one.item_identifier);
    let report = reports.lock().unwrap().pop().unwrap();
    (first, report, counter)
}

async fn elsewhere(aws: &StandIn, mode: CountMode, is_added: bool) -> Counter<Memory, LambdaRunner> {
    Counter::asking(aws.asked_for(NAME), store(is_added).await, options(mode), now)
}

async fn cells(store: &Memory, definition: &str) -> Cells {
    let id = LogicId { definition: DefinitionName::parse(definition).unwrap(), number: 1 };
    store.cells(&id).await.unwrap()
}

#[tokio::test]
async fn counts_are_those_of_a_counter_that_runs_functions_itself() {
    for mode in [CountMode::Ledger, CountMode::Lane] {
        let aws = StandIn::start(store(true).await, now).await;
        aws.fail(&[Fault::Throttled, Fault::Crashed, Fault::Failed]);
        let here = Counter::new(store(true).await, options(mode), now);
        // The counter's own store has no module: it is not for the counter to read.
        let there = elsewhere(&aws, mode, false).await;
        let (first_here, report_here, here) = counted(here, event(1, 120)).await;
        let (first_there, report_there, there) = counted(there, event(1, 120)).await;
        assert_eq!((first_here, first_there), (None, None));
        assert_eq!(report_here, report_there);
        let (function, unanswered) = report_there.unanswered.iter().next().unwrap();
        assert_eq!((*function, unanswered.images > 0), (id_of(&module()), true));
        assert!(unanswered.because.contains("gave up"), "{}", unanswered.because);
        for definition in ["asking", "all"] {
            let counted = cells(here.store(), definition).await;
            assert!(!counted.is_empty(), "{definition}");
            assert_eq!(counted, cells(there.store(), definition).await, "{definition}");
        }
        let aside = here.store().quarantined().await.unwrap();
        assert!(!aside.is_empty());
        assert_eq!(aside, there.store().quarantined().await.unwrap());
        assert_eq!((aws.calls(), aws.refused()), (4, Vec::<String>::new()));
    }
}

#[tokio::test]
async fn what_a_runner_answered_is_counted_before_it_is_asked_for_the_rest() {
    static NOW: AtomicI64 = AtomicI64::new(0);
    let aws = StandIn::start(store(true).await, || NOW.fetch_add(1_000_000, Ordering::Relaxed)).await;
    let here = Counter::new(store(true).await, options(CountMode::Lane), now);
    let (_, report_here, here) = counted(here, event(1, 6)).await;
    let there = elsewhere(&aws, CountMode::Lane, false).await;
    let (first, report_there, there) = counted(there, event(1, 6)).await;
    assert_eq!((first, report_here.tally.applied), (None, report_there.tally.applied));
    assert_eq!(report_here.unanswered, report_there.unanswered);
    assert_eq!(cells(here.store(), "asking").await, cells(there.store(), "asking").await);
    assert!(aws.calls() > 3 && report_there.commits == aws.calls(), "{} calls", aws.calls());
}

#[tokio::test]
async fn where_nobody_can_be_asked_the_batch_comes_again_and_is_counted_once() {
    let aws = StandIn::start(store(true).await, now).await;
    let counter =
        Counter::asking(aws.asked_for("another"), store(false).await, options(CountMode::Ledger), now);
    let (first, report, counter) = counted(counter, event(1, 30)).await;
    assert_eq!((first.as_deref(), report.tally.applied), (Some("1"), 0));
    let told = report.stopped_by.unwrap().to_string();
    assert!(told.contains("EVERCOUNT_FUNCTION_RUNNER names another than there is"), "{told}");
    assert!(cells(counter.store(), "all").await.is_empty());
    assert_eq!((aws.calls(), aws.refused()), (0, Vec::<String>::new()));

    let counter = elsewhere(&aws, CountMode::Ledger, false).await;
    let (first, _, counter) = counted(counter, event(1, 30)).await;
    let (again, report, counter) = counted(counter, event(1, 30)).await;
    assert_eq!((first, again, report.tally.applied), (None, None, 0));
    let here = Counter::new(store(true).await, options(CountMode::Ledger), now);
    let (_, _, here) = counted(here, event(1, 30)).await;
    assert_eq!(cells(counter.store(), "asking").await, cells(here.store(), "asking").await);
}

#[tokio::test]
async fn a_module_that_is_nowhere_puts_records_aside_and_stops_nothing() {
    let aws = StandIn::start(Memory::default(), now).await;
    let counter = elsewhere(&aws, CountMode::Ledger, false).await;
    let (first, report, counter) = counted(counter, event(1, 9)).await;
    assert_eq!(first, None);
    assert_eq!(report.unanswered[&id_of(&module())].because, "the store has no such module");
    assert_eq!(counter.store().quarantined().await.unwrap().len(), 12);
}
