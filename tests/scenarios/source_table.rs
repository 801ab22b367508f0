//! Counts of a DynamoDB table: captured, read back, audited.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification,
};
use evercount_aws::dynamo::DynamoSource;
use evercount_core::audit::Cause;
use evercount_core::change::TableName;
use evercount_core::logic::Coverage;
use evercount_core::order::CLOCK_SKEW_BOUND;
use evercount_core::reading::{Doubt, Exactness};
use evercount_core::value::Value;
use evercount_local::stack::{invoke, now};
use evercount_pipeline::audit::{self, AuditOptions, AuditReport};
use evercount_pipeline::ports::{Page, SourceTable, StoreError};
use evercount_pipeline::recheck;

use super::feed::entry;
use super::shop::{Shop, TABLE};
use super::stage::{Counts, LEDGER, Stage, counting, counts, expected, recount};

/// Above the skew that counting allows clocks: what is asked of the source settles any doubt.
const MARGIN: i64 = CLOCK_SKEW_BOUND + 10_000;

/// Until what was written is out of flux, and what is doubtful is due.
async fn pass_two_margins() {
    tokio::time::sleep(Duration::from_millis(250)).await;
}

/// What operators run where changes of one row came closer together than clocks can tell.
async fn recheck(stage: &Stage, shop: &Shop) {
    pass_two_margins().await;
    let table = TableName::new(TABLE);
    let rechecked = recheck::run(stage.stack.store(), &shop.source, &table, 0, now(), MARGIN).await.unwrap();
    assert_eq!(rechecked.waiting, 0);
}

async fn audit(
    stage: &Stage,
    shop: &Shop,
    logic: &evercount_core::logic::LogicVersion,
    repair: bool,
) -> AuditReport {
    let options = AuditOptions { one_in: 1, repair, margin: MARGIN, epoch: 0 };
    pass_two_margins().await;
    audit::run(stage.stack.store(), &shop.source, logic, options, now, |_| {}).await.unwrap()
}

/// Inserts, modifications and removals of a captured table are counted as a scan recounts them.
#[tokio::test]
async fn a_captured_table_is_counted_as_a_scan_recounts_it() {
    let stage = Stage::with_shards(2).await;
    let mut shop = Shop::open(&stage).await;
    let by_status = stage.define(counting("by_status", TABLE, &["status"])).await;
    let mut filtered = counting("late", TABLE, &[]);
    filtered.filter = Some("status IN ('OPEN', 'LATE') AND write >= 20".to_owned());
    let late = stage.define(filtered).await;
    let mut pump = Shop::pump(&stage);
    let mut poller = stage.poller(stage.options(7)).await;
    let counter = stage.counter(LEDGER);
    for round in 0..4 {
        for n in 0..15 {
            let id = format!("o{}", (n * 7 + round) % 20);
            match (n + round) % 5 {
                0 => shop.delete(&id).await,
                1 => shop.put(&id, "LATE").await,
                2 => shop.put(&id, "PAID").await,
                _ => shop.put(&id, "OPEN").await,
            }
        }
        pump.run_until_idle().await.unwrap();
        poller.run_until_idle(invoke(&counter)).await.unwrap();
        let images = shop.images().await;
        assert!(images.len() > 5);
        // An insert and the delete right after it look alike both ways round.
        for logic in [&by_status, &late] {
            let reading = stage.read(logic).await;
            let (counted, truth) = (counts(&reading), recount(logic, &images));
            for group in counted.keys().chain(truth.keys()) {
                let n = |of: &Counts| of.get(group).copied().unwrap_or(0);
                assert!(n(&counted).abs_diff(n(&truth)) <= reading.uncertain, "{counted:?} for {truth:?}");
            }
        }
        recheck(&stage, &shop).await;
        stage.assert_exact(&by_status, &images).await;
        stage.assert_exact(&late, &images).await;
    }
    let report = audit(&stage, &shop, &by_status, false).await;
    assert_eq!((report.differences(), report.cells_judged, report.cells_off.len()), (0, true, 0));
    stage.stop().await;
}

/// An item that expires is counted out by the delete of the time-to-live service.
#[tokio::test]
async fn an_item_that_expires_is_counted_out() {
    let stage = Stage::with_shards(1).await;
    let mut shop = Shop::open(&stage).await;
    let logic = stage.define(counting("by_status", TABLE, &["status"])).await;
    let on = TimeToLiveSpecification::builder().attribute_name("until").enabled(true).build().unwrap();
    let call = shop.client.update_time_to_live().table_name(TABLE);
    call.time_to_live_specification(on).send().await.unwrap();
    let mut pump = Shop::pump(&stage);
    let until = |at: &str| vec![("until".to_owned(), AttributeValue::N(at.to_owned()))];
    shop.put_with("a", "OPEN", until("1600000000")).await;
    shop.put_with("b", "OPEN", until("99999999999")).await;
    pump.run_until_idle().await.unwrap();
    stage.count(LEDGER).await;
    assert_eq!(counts(&stage.read(&logic).await), expected(&[("OPEN", 2)]));
    pass_two_margins().await;
    assert_eq!(stage.stack.embedded_aws().unwrap().database().sweep_ttl().unwrap(), 1);
    pump.run_until_idle().await.unwrap();
    stage.count(LEDGER).await;
    assert_eq!(counts(&stage.read(&logic).await), expected(&[("OPEN", 1)]));
    stage.assert_exact(&logic, &shop.images().await).await;
    stage.stop().await;
}

/// Two changes of one microsecond that do not chain are uncertain until the source is asked.
#[tokio::test]
async fn changes_of_one_microsecond_are_settled_by_asking_the_source() {
    let stage = Stage::with_shards(1).await;
    let mut shop = Shop::open(&stage).await;
    let logic = stage.define(counting("by_status", TABLE, &["status"])).await;
    shop.put("a", "PAID").await;
    let at = now() - 1_000_000;
    let insert = |status: &str| {
        let data = format!(
            r#"{{"awsRegion":"eu-central-1","eventID":"e","eventName":"INSERT","userIdentity":null,"recordFormat":"application/json","tableName":"{TABLE}","dynamodb":{{"ApproximateCreationDateTime":{at},"ApproximateCreationDateTimePrecision":"MICROSECOND","Keys":{{"id":{{"S":"a"}}}},"NewImage":{{"id":{{"S":"a"}},"status":{{"S":"{status}"}}}},"SizeBytes":9}},"eventSource":"aws:dynamodb"}}"#
        );
        entry("a", data)
    };
    stage.put(&[insert("PAID"), insert("OPEN")]).await;
    stage.count(LEDGER).await;
    let doubtful = stage.read(&logic).await;
    assert_eq!((doubtful.uncertain, &doubtful.exactness), (1, &Exactness::Inexact(vec![Doubt::Uncertain])));
    let table = TableName::new(TABLE);
    let recheck =
        async |margin| recheck::run(stage.stack.store(), &shop.source, &table, 0, now(), margin).await;
    let early = recheck(60_000_000).await.unwrap();
    assert_eq!((early.settled, early.waiting), (0, 1));
    let due = recheck(MARGIN).await.unwrap();
    assert_eq!((due.settled, due.waiting), (1, 0));
    assert_eq!(counts(&stage.read(&logic).await), expected(&[("PAID", 1)]));
    stage.assert_exact(&logic, &shop.images().await).await;
    stage.stop().await;
}

/// Changes that the stream skipped for their size are found by an audit and repaired, while a
/// writer goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_changes_are_repaired_while_a_writer_goes_on() {
    let stage = Stage::with_shards(2).await;
    let mut shop = Shop::open(&stage).await;
    let logic = stage.define(counting("by_status", TABLE, &["status"])).await;
    let mut pump = Shop::pump(&stage);
    for n in 0..30 {
        shop.put(&format!("o{n}"), "OPEN").await;
    }
    for n in 0..5 {
        shop.put_large(&format!("o{n}"), "LATE").await;
        shop.put_large(&format!("new{n}"), "LATE").await;
    }
    assert_eq!(pump.run_until_idle().await.unwrap().oversized, 10);
    let mut poller = stage.poller(stage.options(50)).await;
    poller.run_until_idle(invoke(&stage.counter(LEDGER))).await.unwrap();
    assert_eq!(counts(&stage.read(&logic).await), expected(&[("OPEN", 30)]));

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let until = |mut stopped: tokio::sync::watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let (function, pump_until, poll_until) =
        (invoke(&stage.counter(LEDGER)), until(stopped.clone()), until(stopped));
    let pumping = tokio::spawn(async move {
        pump.run(pump_until).await;
        pump
    });
    let polling = tokio::spawn(async move {
        poller.run(function, poll_until).await.unwrap();
        poller
    });
    let done = AtomicBool::new(false);
    let auditor = async {
        let mut repaired = 0;
        while repaired < 10 {
            let options = AuditOptions { one_in: 1, repair: true, margin: MARGIN, epoch: 0 };
            let reader = evercount_aws::dynamo::DynamoSource::new(stage.stack.dynamodb());
            let report =
                audit::run(stage.stack.store(), &reader, &logic, options, now, |_| {}).await.unwrap();
            repaired += report.repaired;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let writer = async {
        let mut writes = 0;
        while writes < 150 || !done.load(Ordering::Relaxed) {
            writes += 1;
            let id = format!("o{}", 5 + writes % 25);
            if writes % 6 == 5 {
                shop.delete(&id).await
            } else {
                shop.put(&id, ["OPEN", "PAID"][writes % 2]).await
            }
        }
    };
    let both = async { tokio::join!(auditor, writer) };
    tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    stop.send(true).unwrap();
    pumping.await.unwrap().run_until_idle().await.unwrap();
    polling.await.unwrap().run_until_idle(invoke(&stage.counter(LEDGER))).await.unwrap();
    recheck(&stage, &shop).await;
    stage.assert_exact(&logic, &shop.images().await).await;
    stage.stop().await;
}

/// A definition created while the counter runs is counted from the next batch on and says that it
/// started late, until an audit has counted the rows from before.
#[tokio::test]
async fn a_definition_created_while_counting_starts_late_and_an_audit_makes_it_whole() {
    let stage = Stage::with_shards(1).await;
    let mut shop = Shop::open(&stage).await;
    stage.define(counting("by_status", TABLE, &["status"])).await;
    let mut pump = Shop::pump(&stage);
    let mut poller = stage.poller(stage.options(100)).await;
    let counter = stage.counter(LEDGER);
    for n in 0..12 {
        shop.put(&format!("o{n}"), "OPEN").await;
    }
    pump.run_until_idle().await.unwrap();
    poller.run_until_idle(invoke(&counter)).await.unwrap();
    let total = stage.define_since(counting("total", TABLE, &[]), Coverage::Since(now())).await;
    shop.put("o3", "PAID").await;
    shop.put("another", "PAID").await;
    pump.run_until_idle().await.unwrap();
    poller.run_until_idle(invoke(&counter)).await.unwrap();
    let late = stage.read(&total).await;
    assert_eq!((late.total, &late.exactness), (2, &Exactness::Inexact(vec![Doubt::StartedLate])));
    let found = audit(&stage, &shop, &total, true).await;
    assert_eq!(found.differing, [(Cause::BeforeDefinition, 11)].into());
    assert_eq!(stage.read(&total).await.logic.coverage, Coverage::Whole);
    stage.assert_exact(&total, &shop.images().await).await;
    stage.stop().await;
}

/// A definition that is deleted and created again under its name starts from nothing, and its
/// rows' memory of the old one does not count.
#[tokio::test]
async fn a_definition_deleted_and_created_again_starts_from_nothing() {
    let stage = Stage::with_shards(1).await;
    let mut shop = Shop::open(&stage).await;
    let first = stage.define(counting("by_status", TABLE, &["status"])).await;
    let mut pump = Shop::pump(&stage);
    let mut poller = stage.poller(stage.options(100)).await;
    let counter = stage.counter(LEDGER);
    for n in 0..9 {
        shop.put(&format!("o{n}"), "OPEN").await;
    }
    pump.run_until_idle().await.unwrap();
    poller.run_until_idle(invoke(&counter)).await.unwrap();
    let name = &first.id.definition;
    let deleted = evercount_pipeline::ports::CatalogStore::delete_definition(stage.stack.store(), name).await;
    assert_eq!(deleted, Ok(true));
    shop.put("o1", "PAID").await;
    pump.run_until_idle().await.unwrap();
    poller.run_until_idle(invoke(&counter)).await.unwrap();
    let again = stage.define_since(counting("by_status", TABLE, &["status"]), Coverage::Since(now())).await;
    assert_eq!((first.id.number, again.id.number), (1, 2));
    shop.delete("o2").await;
    shop.put("o3", "PAID").await;
    pump.run_until_idle().await.unwrap();
    poller.run_until_idle(invoke(&counter)).await.unwrap();
    assert_eq!(counts(&stage.read(&again).await), expected(&[("PAID", 1)]));
    audit(&stage, &shop, &again, true).await;
    stage.assert_exact(&again, &shop.images().await).await;
    stage.stop().await;
}

/// Items of some values of the partition key are read without the others, page by page.
#[tokio::test]
async fn a_partition_is_read_page_by_page_and_nothing_else() {
    let stage = Stage::with_shards(1).await;
    let client = stage.stack.dynamodb();
    let attribute = |name: &str, scalar: ScalarAttributeType| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(scalar).build().unwrap()
    };
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
    };
    let call = client.create_table().table_name("lines").billing_mode(BillingMode::PayPerRequest);
    call.attribute_definitions(attribute("customer", ScalarAttributeType::S))
        .attribute_definitions(attribute("line", ScalarAttributeType::N))
        .key_schema(key("customer", KeyType::Hash))
        .key_schema(key("line", KeyType::Range))
        .send()
        .await
        .unwrap();
    for customer in ["a", "b", "c"] {
        for line in 0..5 {
            let call = client.put_item().table_name("lines");
            let call = call.item("customer", AttributeValue::S(customer.to_owned()));
            let call = call.item("line", AttributeValue::N(line.to_string()));
            call.item("blob", AttributeValue::S("x".repeat(300_000))).send().await.unwrap();
        }
    }
    let source = DynamoSource::new(client);
    let table = TableName::new("lines");
    // A number is no key of this table, and has no items.
    let values = [Value::String("c".to_owned()), Value::Number(7.into()), Value::String("a".to_owned())];
    let (mut found, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = source.partition(&table, "customer", &values, after).await.unwrap();
        assert!(page.read_units > 0.0, "a page is told with what it cost");
        for (key, item) in page.rows {
            let Some(Value::String(customer)) = item.get("customer") else { panic!("{:?}", item.keys()) };
            found.push(customer.clone());
            assert!(source.row(&key).await.unwrap().is_some());
        }
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found.join(""), "cccccaaaaa");
    assert!(pages > 2, "{pages} pages");
    assert_eq!(source.partition(&table, "customer", &[], None).await.unwrap(), Page::none());
    let wrong = source.partition(&table, "line", &values, None).await;
    assert!(matches!(wrong, Err(StoreError::Rejected(_))), "{wrong:?}");
    stage.stop().await;
}
