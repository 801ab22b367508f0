//! What counting costs and how far it goes, as failing tests: write units of a record, what is not
//! written at all, and where lanes meet; and the bill, held against what the embedded DynamoDB says.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and prints its figures")]

use std::collections::BTreeSet;

use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::logic::Coverage;
use evercount_pipeline::count::{self, CountMode, CountOptions, StreamRecord, Warm};
use evercount_pipeline::define;
use evercount_tests::figures;
use evercount_tests::listening::world::drive;
use evercount_tests::scale::bill::Kind;
use evercount_tests::scale::lanes::{self, Design};
use evercount_tests::scale::metered::{Meter, Metered};
use evercount_tests::scale::workload::{self, Workload, count_by};
use evercount_tests::scale::writes::measure;
use evercount_tests::simulation::controls::Control;
use evercount_tests::simulation::plan::Plan;
use evercount_tests::simulation::world;

/// Write units that a partition takes in a second, and so an item at most.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>
const ITEM_UNITS_MAX: f64 = 1_000.0;
/// Seeds of the design that is tried.
const OUTSIDE_SEEDS: u64 = 100;
/// Simulated seconds of each design and number of lanes.
const SIMULATED_SECONDS: u64 = 1;

#[test]
fn a_record_costs_what_was_promised() {
    let measured = measure(4).unwrap();
    println!("{}", figures::table(&measured.figures));
    assert_eq!(figures::missed(&measured.figures), Vec::<String>::new());
}

fn lane() -> LaneId {
    LaneId::of_shard("orders-cdc", "shardId-000000000000")
}

/// Counts a table until it stands, and then a batch; returns the batch's records, and what commits,
/// items and units it took.
fn after_filling(mode: CountMode, batch: impl Fn(&mut Workload) -> Vec<StreamRecord>) -> (usize, Meter) {
    let store = Metered::default();
    for (name, by) in [("orders_by_city", "city"), ("orders_by_status", "status")] {
        drive(define::create(&store.memory, count_by(name, &[by]), Coverage::Whole, 0)).unwrap();
    }
    let (lane, mut warm) = (lane(), Warm::default());
    let options = CountOptions { mode, format: None, epoch: 0 };
    let kind =
        workload::Kind { orders: 200, moved_per_mille: 0, removed_per_mille: 0, ..workload::Kind::ORDINARY };
    let mut workload = Workload::new(kind, 3);
    let mut count = |records: &[StreamRecord]| {
        let before = store.meter();
        let report = drive(count::run(&store, &mut warm, &lane, records, options, 0, || true));
        assert_eq!((report.stopped_by, report.tally.applied), (None, records.len() as u64));
        let after = store.meter();
        Meter {
            write_units: after.write_units - before.write_units,
            commits: after.commits - before.commits,
            items: after.items - before.items,
            ..after
        }
    };
    count(&workload.batch(5_000));
    let records = batch(&mut workload);
    let rows: BTreeSet<_> = records.iter().map(|record| &record.partition_key).collect();
    (rows.len(), count(&records))
}

/// A change that moves an order from a status to another, by an order that is new.
fn to_and_fro(workload: &Workload) -> Vec<StreamRecord> {
    let image = |status: &str| {
        format!(r#"{{"id":{{"S":"order-x"}},"status":{{"S":"{status}"}},"city":{{"S":"Kiel"}}}}"#)
    };
    let record = |number: i64, from: &str, to: &str| {
        let at = workload.now() + number * 1_000_000;
        let (from, to) = (image(from), image(to));
        let data = format!(
            r#"{{"eventName":"MODIFY","tableName":"orders","eventSource":"aws:dynamodb","dynamodb":{{"ApproximateCreationDateTime":{at},"ApproximateCreationDateTimePrecision":"MICROSECOND","Keys":{{"id":{{"S":"order-x"}}}},"OldImage":{from},"NewImage":{to}}}}}"#
        );
        StreamRecord {
            sequence: SequenceNumber::parse(&format!("{}{number}", "9".repeat(60))).unwrap(),
            partition_key: "order-x".to_owned(),
            arrived_at: at,
            data: data.into_bytes().into(),
        }
    };
    vec![record(1, "NEW", "PAID"), record(2, "PAID", "NEW")]
}

#[test]
fn what_moves_no_count_writes_no_counter_item() {
    // In lane mode that leaves a checkpoint, and that is an ordinary write.
    let (_, lane) = after_filling(CountMode::Lane, |workload| workload.batch(80));
    assert_eq!((lane.commits, lane.items, lane.write_units), (1, 1, 1.0));
    let (_, lane) = after_filling(CountMode::Lane, |workload| to_and_fro(workload));
    assert_eq!((lane.commits, lane.items, lane.write_units), (1, 1, 1.0));
    // In ledger mode, rows and a checkpoint.
    let (rows, ledger) = after_filling(CountMode::Ledger, |workload| workload.batch(80));
    assert_eq!((ledger.commits, ledger.items), (1, rows as u64 + 1));
    assert!((ledger.write_units - 2.0 * (rows as f64 + 1.0)).abs() < 0.1, "{ledger:?}");
}

#[test]
fn lanes_meet_only_where_the_design_lets_them() {
    let mut outcomes = Vec::new();
    for lanes in [10, 1_000] {
        for design in Design::ALL {
            outcomes.push(lanes::simulate(design, lanes, SIMULATED_SECONDS).unwrap());
        }
    }
    println!("{}", lanes::table(&outcomes));
    for one in &outcomes {
        let (checkpoints, rows, counters) =
            (one.conflicts(Kind::Checkpoint), one.conflicts(Kind::Row), one.conflicts(Kind::Counter));
        if one.design != Design::SharedCounters {
            assert!(one.traffic.hottest_item <= ITEM_UNITS_MAX, "{one:?}");
            assert_eq!((checkpoints, counters), (0, 0), "{one:?}");
        }
        match one.design {
            Design::Lane | Design::Ledger => assert_eq!(rows, 0, "{one:?}"),
            // Where rows of one table come by any lane, two lanes may want one row; and where all
            // lanes want the same counters, they must get in each other's way.
            Design::LedgerStrewn => assert!(rows > 0, "{one:?}"),
            Design::SharedCounters => {
                assert!(counters > one.traffic.commits / 10, "{one:?}")
            }
        }
    }
}

/// Rows that move no count could be written before the transaction, each conditional on its revision,
/// at half the price. While logic stands still that counts right. It is not how rows are written,
/// because such a write passes by the lane's fence: a worker that was given up, and that judged a row
/// by the logic of before a version started, may write it after the start has judged the row anew,
/// and the version never hears of the change. And what a batch notes of doubt is lost where the
/// transaction fails after its rows were written: delivered again, they are duplicates.
#[test]
fn rows_outside_the_transaction_count_right_while_logic_stands_still() {
    for seed in 0..OUTSIDE_SEEDS {
        let outcome = world::run(seed, &Plan::of(seed, 300), Some(Control::VersionsOutside));
        assert_eq!(outcome.violation, None, "seed {seed}");
    }
}

/// The bill is ours to compute, so it is held against one that is not.
#[cfg(feature = "embedded")]
mod embedded {
    use evercount_aws::dynamo::{DynamoStore, TableNames};
    use evercount_aws::setup::create_tables;
    use evercount_local::{EmbeddedAws, EmbeddedOptions};
    use evercount_pipeline::count::BatchReport;
    use evercount_pipeline::ports::Store;

    use super::*;

    /// Batches of each mode, the last of them with a record that is no JSON.
    const BATCHES: usize = 12;
    /// Records of a batch: more than a chunk of the ledger takes.
    const RECORDS: usize = 150;

    async fn reports<S: Store>(store: &S, mode: CountMode) -> Vec<BatchReport> {
        for (name, by) in [("orders_by_city", "city"), ("orders_by_status", "status")] {
            define::create(store, count_by(name, &[by]), Coverage::Whole, 0).await.unwrap();
        }
        let (lane, mut warm) = (lane(), Warm::default());
        let options = CountOptions { mode, format: None, epoch: 0 };
        let mut workload = Workload::new(workload::Kind { orders: 600, ..workload::Kind::ORDINARY }, 5);
        let mut reports = Vec::new();
        for number in 1..=BATCHES {
            let mut batch = workload.batch(RECORDS);
            if number == BATCHES {
                let mut broken = batch.last().cloned().unwrap();
                broken.sequence = SequenceNumber::parse(&"9".repeat(60)).unwrap();
                broken.data = vec![b'x'; 3_000].into();
                batch.push(broken);
            }
            reports.push(count::run(store, &mut warm, &lane, &batch, options, 0, || true).await);
        }
        reports
    }

    #[tokio::test]
    async fn the_bill_is_the_one_that_dynamodb_writes() {
        for mode in [CountMode::Lane, CountMode::Ledger] {
            let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
            create_tables(&aws.dynamodb(), &TableNames::default()).await.unwrap();
            let theirs = reports(&DynamoStore::new(&aws.dynamodb(), TableNames::default()), mode).await;
            let ours = reports(&Metered::default(), mode).await;
            aws.stop().await;
            for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                assert_eq!(
                    (&ours.tally, ours.commits),
                    (&theirs.tally, theirs.commits),
                    "{mode:?}, batch {number}"
                );
                assert!(theirs.cost.write_units > 0.0);
                assert_eq!(ours.cost.write_units, theirs.cost.write_units, "{mode:?}, batch {number}");
            }
            let units: f64 = ours.iter().map(|report| report.cost.write_units).sum();
            println!("{mode:?}: {units} write units on both bills");
        }
    }
}
