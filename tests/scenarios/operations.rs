//! Limits and prices.

use evercount_core::reading::{Doubt, Exactness};
use evercount_local::stack::invoke;
use evercount_pipeline::count::CountOptions;
use evercount_tests::simulation::plan::{Faults, SourceKind};

use super::feed::Feed;
use super::stage::{LANE, LEDGER, Stage, counting, recount};

/// Write units that one record may take: what counting promises to cost.
const LEDGER_UNITS: f64 = 2.4;
const LANE_UNITS: f64 = 0.16;

/// Groups beyond a definition's cap are counted together: the total stays exact, and the reading
/// says what it no longer tells apart.
#[tokio::test]
async fn groups_beyond_the_cap_are_counted_together() {
    for (kind, options) in [(SourceKind::Debezium, LEDGER), (SourceKind::Ordered, LANE)] {
        let mut feed = Feed::new(kind, 40, Faults::default());
        let stage = Stage::with_shards(1).await;
        let mut parts = counting("capped", feed.table(), &["address.city", "plan"]);
        parts.groups_max = Some(4);
        let logic = stage.define(parts).await;
        stage.put(&feed.changes(200)).await;
        stage.count(options).await;
        let reading = stage.read(&logic).await;
        let truth = recount(&logic, &feed.images());
        assert_eq!(reading.total, truth.values().sum::<i64>());
        assert!(truth.len() > 4 && reading.groups.len() <= 4 && reading.overflow != 0, "{reading:?}");
        assert_eq!(reading.exactness, Exactness::Inexact(vec![Doubt::Overflow]));
        stage.stop().await;
    }
}

/// Write units of one record, as DynamoDB says it consumed them, in batches of 500 records over
/// 40 groups.
async fn write_units(kind: SourceKind, options: CountOptions) -> f64 {
    let mut feed = Feed::new(kind, 20_000, Faults::default());
    let stage = Stage::with_shards(1).await;
    let logic = stage.define(counting("forty", feed.table(), &["status", "amount"])).await;
    for _ in 0..8 {
        stage.put(&feed.changes(500)).await;
    }
    let mut poller = stage.poller(stage.options(500)).await;
    poller.run_until_idle(invoke(&stage.counter(options))).await.unwrap();
    assert_eq!(stage.read(&logic).await.groups.len(), 40);
    stage.assert_exact(&logic, &feed.images()).await;
    let reports = stage.reports();
    assert!(reports.iter().all(|report| report.tally.read == 500));
    let units: f64 = reports.iter().map(|report| report.cost.write_units).sum();
    let records: u64 = reports.iter().map(|report| report.tally.read).sum();
    stage.stop().await;
    units / records as f64
}

/// A record costs what is promised: in ledger mode about two write units, in lane mode a
/// fifteenth of that.
#[tokio::test]
async fn a_record_costs_no_more_write_units_than_promised() {
    let ledger = write_units(SourceKind::DynamoDb, LEDGER).await;
    let lane = write_units(SourceKind::Ordered, LANE).await;
    println!("write units of a record: {ledger:.3} in ledger mode, {lane:.4} in lane mode");
    assert!(ledger > 1.0 && ledger <= LEDGER_UNITS, "{ledger} write units of a record in ledger mode");
    assert!(lane > 0.0 && lane <= LANE_UNITS, "{lane} write units of a record in lane mode");
}
