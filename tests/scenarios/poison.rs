//! Records that cannot be understood: put aside, kept whole, and replayed.

use std::collections::BTreeMap;

use evercount_core::reading::{Doubt, Exactness};
use evercount_local::stack::{invoke, now};
use evercount_pipeline::count::CountOptions;
use evercount_pipeline::ports::QuarantineStore;
use evercount_pipeline::quarantine::{self, Replayed};
use evercount_tests::simulation::invariants;
use evercount_tests::simulation::plan::{Faults, SourceKind};
use evercount_wire::cdc::Format;

use super::feed::{Feed, dms, entry, postgres};
use super::stage::{LEDGER, Stage, counting, counts, expected, recount};

/// Poison of each kind, between good records, is put aside with its reason and blocks nothing.
#[tokio::test]
async fn poison_of_each_kind_is_put_aside_and_the_shard_goes_on() {
    let deep = format!(r#"{{"id":1,"x":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
    let wide = (0..20_000).map(|n| format!(r#""c{n}":1"#)).collect::<Vec<_>>().join(",");
    let kinds: Vec<(&str, Vec<u8>)> = vec![
        ("not-utf8", b"{\"op\":\"\xff\xfe\"}".to_vec()),
        ("not-json", br#"{"dynamodb":{"#.to_vec()),
        ("too-deep", postgres("c", 1, 1, "null", &deep).data),
        ("too-many-fields", postgres("c", 1, 1, "null", &format!("{{{wide}}}")).data),
        ("absurd-number", postgres("c", 1, 1, "null", r#"{"id":1,"amount":1e99999}"#).data),
        ("duplicate-key", postgres("c", 1, 1, "null", r#"{"id":1,"id":2}"#).data),
        ("wrong-type", postgres("c", 1, 1, "null", "7").data),
        ("unknown-operation", postgres("x", 1, 1, "null", "null").data),
        ("unknown-operation", dms("merge", 1, r#"{"id":1}"#, None).data),
        ("missing-field", postgres("c", 1, 1, "null", "null").data),
        ("unknown-format", br#"{"hello":"world"}"#.to_vec()),
    ];
    let mut feed = Feed::new(SourceKind::Debezium, 20, Faults::default());
    let stage = Stage::with_shards(1).await;
    let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
    for (_, data) in &kinds {
        stage.put(&feed.changes(6)).await;
        stage.put(&[entry("poison", data.clone())]).await;
    }
    stage.put(&feed.changes(6)).await;
    let mut poller = stage.poller(stage.options(8)).await;
    poller.run_until_idle(invoke(&stage.counter(LEDGER))).await.unwrap();
    let quarantined = stage.stack.store().quarantined().await.unwrap();
    let kept: Vec<(&str, &[u8])> = quarantined
        .iter()
        .map(|record| (record.poison.reason.as_str(), record.poison.raw.as_slice()))
        .collect();
    let put: Vec<(&str, &[u8])> = kinds.iter().map(|(reason, data)| (*reason, data.as_slice())).collect();
    let reasons =
        |of: &[(&str, &[u8])]| of.iter().map(|(reason, _)| (*reason).to_owned()).collect::<Vec<_>>();
    assert_eq!(reasons(&kept), reasons(&put));
    assert!(kept == put, "raw bytes are kept as they came");
    for version in &logic {
        let reading = stage.read(version).await;
        assert_eq!(counts(&reading), recount(version, &feed.images()));
        assert_eq!(reading.uncertain, kinds.len() as u64);
        assert_eq!(reading.exactness, Exactness::Inexact(vec![Doubt::Uncertain]));
    }
    for record in &quarantined {
        let replayed = quarantine::replay(stage.stack.store(), record, LEDGER, now()).await.unwrap();
        assert!(matches!(replayed, Replayed::StillPoison(_)), "{replayed:?}");
    }
    assert_eq!(stage.stack.store().quarantined().await.unwrap().len(), kinds.len());
    stage.stop().await;
}

/// Poison larger than an item can be is kept whole.
#[tokio::test]
async fn large_poison_is_kept_whole() {
    let mut feed = Feed::new(SourceKind::Debezium, 20, Faults::default());
    let stage = Stage::with_shards(1).await;
    let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
    let sizes = [262_145, 450_000, 1_000_000];
    let poison = |size: usize| (0..size).map(|n| (n * 31 % 251) as u8).collect::<Vec<u8>>();
    for size in sizes {
        stage.put(&[entry("poison", poison(size))]).await;
        stage.put(&feed.changes(20)).await;
    }
    stage.count(LEDGER).await;
    let quarantined = stage.stack.store().quarantined().await.unwrap();
    let kept: Vec<bool> =
        quarantined.iter().zip(sizes).map(|(record, size)| record.poison.raw == poison(size)).collect();
    assert_eq!(kept, [true; 3]);
    assert_eq!(counts(&stage.read(&logic[0]).await), recount(&logic[0], &feed.images()));
    stage.stop().await;
}

/// Records that were put aside because the counter was told the wrong format are counted and
/// released once it is told the right one.
#[tokio::test]
async fn a_record_that_can_be_understood_by_now_is_released() {
    let mut feed = Feed::new(SourceKind::Debezium, 10, Faults::default());
    let stage = Stage::with_shards(2).await;
    let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
    stage.put(&feed.changes(20)).await;
    stage.count(CountOptions { format: Some(Format::Dms), ..LEDGER }).await;
    let quarantined = stage.stack.store().quarantined().await.unwrap();
    let reading = stage.read(&logic[0]).await;
    assert_eq!((reading.total, reading.uncertain), (0, quarantined.len() as u64));
    let mut released = BTreeMap::new();
    for record in quarantined.iter().rev() {
        for _ in 0..2 {
            match quarantine::replay(stage.stack.store(), record, LEDGER, now()).await.unwrap() {
                Replayed::Released(tally) => {
                    *released.entry("applied").or_insert(0) += tally.applied;
                    *released.entry("late").or_insert(0) += tally.late;
                    *released.entry("again").or_insert(0) += tally.duplicates;
                }
                still @ Replayed::StillPoison(_) => panic!("{still:?}"),
            }
        }
    }
    assert!(released["applied"] > 0 && released["late"] > 0 && released["again"] > 0, "{released:?}");
    assert!(stage.stack.store().quarantined().await.unwrap().is_empty());
    for version in &logic {
        stage.assert_exact(version, &feed.images()).await;
    }
    stage.stop().await;
}

/// A large value that the source did not send again is taken from what the ledger remembers; where
/// the row was never seen, the record is put aside.
#[tokio::test]
async fn a_value_that_was_not_sent_is_filled_from_the_ledger() {
    let stage = Stage::with_shards(1).await;
    let mut by_note = counting("by_note", "shop.orders", &["note"]);
    by_note.filter = Some("amount > 5".to_owned());
    let logic = stage.define(by_note).await;
    let unsent = "__debezium_unavailable_value";
    let change = |op: &str, lsn: u64, id: u32, amount: u32, note: &str| {
        postgres(op, lsn, id, "null", &format!(r#"{{"id":{id},"amount":{amount},"note":"{note}"}}"#))
    };
    stage
        .put(&[
            change("c", 10, 1, 3, "long"),
            change("c", 20, 2, 9, "long"),
            change("u", 30, 1, 7, unsent),
            change("u", 40, 2, 1, unsent),
            change("u", 50, 3, 9, unsent),
            change("u", 60, 1, 8, unsent),
        ])
        .await;
    stage.count(LEDGER).await;
    let reading = stage.read(&logic).await;
    assert_eq!((counts(&reading), reading.uncertain), (expected(&[("long", 1)]), 1));
    let quarantined = stage.stack.store().quarantined().await.unwrap();
    assert_eq!(quarantined.len(), 1);
    // Once the row has been sent whole, the record no longer matters and is released.
    stage.put(&[change("u", 70, 3, 9, "short")]).await;
    stage.count(LEDGER).await;
    let replayed = quarantine::replay(stage.stack.store(), &quarantined[0], LEDGER, now()).await.unwrap();
    assert!(matches!(replayed, Replayed::Released(tally) if tally.late == 1), "{replayed:?}");
    let reading = stage.read(&logic).await;
    assert_eq!(counts(&reading), expected(&[("long", 1), ("short", 1)]));
    assert!(reading.is_exact());
    stage.stop().await;
}
