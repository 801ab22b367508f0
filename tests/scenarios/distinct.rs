//! Distinct counts of a DynamoDB table: they follow its items, and repairs mend them.

use evercount_core::distinct;
use evercount_core::logic::{Coverage, LogicVersion};
use evercount_core::order::CLOCK_SKEW_BOUND;
use evercount_local::stack::{invoke, now};
use evercount_pipeline::audit::{self, AuditOptions};
use evercount_pipeline::ports::CountStore;
use evercount_wire::sketch::Sketch;

use super::shop::{Shop, TABLE};
use super::stage::{LEDGER, Stage, counting};

const MARGIN: i64 = CLOCK_SKEW_BOUND + 10_000;

/// Asserts that the stored registers are those of a sketch of what a scan reads.
async fn assert_registers(stage: &Stage, shop: &Shop, logic: &LogicVersion) {
    let path = logic.definition.distinct.clone().unwrap();
    let mut expected = Sketch::new(distinct::PRECISION);
    let images = shop.images().await;
    expected.extend(images.iter().filter_map(|image| path.lookup(image)));
    let cells = stage.stack.store().cells(&logic.id).await.unwrap();
    let by_group = distinct::by_group(cells.iter().map(|(cell, n)| (cell, *n)));
    let mut ranks = vec![0; distinct::PRECISION.registers()];
    for (register, rank) in distinct::union(by_group.values()).registers() {
        ranks[usize::from(register)] = rank;
    }
    assert_eq!(ranks, expected.ranks());
    let reading = stage.read(logic).await;
    assert!(reading.is_exact());
    assert_eq!(reading.total, i64::try_from(images.len()).unwrap());
    assert_eq!(reading.distinct.unwrap().total, expected.estimate());
}

/// An audit counts what was there before, and the values that go are forgotten.
#[tokio::test]
async fn distinct_values_of_a_table_follow_it_and_are_repaired_by_an_audit() {
    let stage = Stage::with_shards(1).await;
    let mut shop = Shop::open(&stage).await;
    for n in 0..40 {
        shop.put(&format!("before-{n}"), &format!("status {}", n % 30)).await;
    }
    let mut parts = counting("statuses", TABLE, &[]);
    parts.distinct = Some("status".to_owned());
    let logic = stage.define_since(parts, Coverage::Since(now())).await;
    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    let options = AuditOptions { one_in: 1, repair: true, margin: MARGIN, epoch: 0 };
    let report = audit::run(stage.stack.store(), &shop.source, &logic, options, now, |_| {}).await.unwrap();
    assert_eq!(report.repaired, 40);
    assert_registers(&stage, &shop, &logic).await;

    let (mut pump, mut poller) = (Shop::pump(&stage), stage.poller(stage.options(7)).await);
    let counter = stage.counter(LEDGER);
    for n in 0..20 {
        shop.put(&format!("before-{n}"), "the same for all").await;
        shop.delete(&format!("before-{}", 39 - n)).await;
    }
    pump.run_until_idle().await.unwrap();
    poller.run_until_idle(invoke(&counter)).await.unwrap();
    assert_eq!(stage.read(&logic).await.distinct.unwrap().total.n, 1);
    assert_registers(&stage, &shop, &logic).await;
    stage.stop().await;
}
