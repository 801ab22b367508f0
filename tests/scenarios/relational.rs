//! Tables of relational databases, by way of Debezium and DMS.

use evercount_local::put::Entry;
use evercount_tests::simulation::invariants;
use evercount_tests::simulation::plan::{Faults, SourceKind};

use super::feed::{Feed, dms, dms_control, postgres};
use super::stage::{LEDGER, Stage, counting, counts, expected};

/// A truncate empties the counts in every lane, and changes from before it, put again, do not
/// fill them.
#[tokio::test]
async fn changes_from_before_a_truncate_do_not_come_back() {
    for kind in [SourceKind::Debezium, SourceKind::Keyless] {
        let mut feed = Feed::new(kind, 30, Faults { truncate: 25, ..Faults::default() });
        let stage = Stage::with_shards(3).await;
        let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
        let mut all: Vec<Entry> = Vec::new();
        for _ in 0..4 {
            let records = feed.changes(50);
            stage.put(&records).await;
            all.extend(records);
            stage.count(LEDGER).await;
            for version in &logic {
                stage.assert_exact(version, &feed.images()).await;
            }
        }
        assert!(feed.strikes("truncate") >= 2);
        stage.put(&all).await;
        stage.count(LEDGER).await;
        for version in &logic {
            stage.assert_exact(version, &feed.images()).await;
        }
        stage.stop().await;
    }
}

/// Rows of a snapshot are counted, changes go on from them, and a snapshot that is taken again
/// does not undo newer changes.
#[tokio::test]
async fn a_snapshot_is_followed_by_changes_and_does_not_undo_them() {
    let stage = Stage::with_shards(1).await;
    let logic = stage.define(counting("by_depot", "shop.orders", &["depot"])).await;
    let row = |id: u32, depot: &str| format!(r#"{{"id":{id},"depot":"{depot}"}}"#);
    let snapshot: Vec<Entry> = (1..=6).map(|id| postgres("r", 100, id, "null", &row(id, "Graz"))).collect();
    stage.put(&snapshot).await;
    stage.count(LEDGER).await;
    assert_eq!(counts(&stage.read(&logic).await), expected(&[("Graz", 6)]));
    // What PostgreSQL sends for the before image by default is null, or made up.
    let made_up = r#"{"id":0,"depot":""}"#;
    stage
        .put(&[
            postgres("u", 210, 1, "null", &row(1, "Brno")),
            postgres("d", 220, 2, made_up, "null"),
            postgres("c", 230, 7, "null", &row(7, "Brno")),
            postgres("u", 240, 3, made_up, &row(3, "Łódź")),
        ])
        .await;
    stage.put(&snapshot).await;
    stage.count(LEDGER).await;
    let reading = stage.read(&logic).await;
    assert_eq!(counts(&reading), expected(&[("Brno", 2), ("Graz", 3), ("Łódź", 1)]));
    assert!(reading.is_exact());
    stage.stop().await;
}

/// A row that gets another key is counted under that key, once.
#[tokio::test]
async fn a_row_that_changes_its_key_is_counted_once() {
    let mut feed = Feed::new(SourceKind::Debezium, 25, Faults { key_change: 250, ..Faults::default() });
    let stage = Stage::with_shards(2).await;
    let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
    stage.put(&feed.changes(250)).await;
    stage.count(LEDGER).await;
    assert!(feed.strikes("key_change") > 20);
    for version in &logic {
        stage.assert_exact(version, &feed.images()).await;
    }
    stage.stop().await;
}

/// Rows of a table without a key are counted by what each event adds and removes, however often
/// it comes.
#[tokio::test]
async fn a_table_without_a_key_is_counted_by_its_events() {
    let mut feed = Feed::new(SourceKind::Keyless, 1, Faults::default());
    let stage = Stage::with_shards(2).await;
    let logic = stage.define_all(invariants::definitions(feed.table(), 1_000)).await;
    let records = feed.changes(200);
    stage.put(&records).await;
    stage.put(&records[50..150]).await;
    stage.count(LEDGER).await;
    assert!(feed.images().len() > 10);
    for version in &logic {
        stage.assert_exact(version, &feed.images()).await;
    }
    stage.stop().await;
}

/// A DMS task from its first control record: the table's definition, the full load, changes, a
/// changed key, and in the end the drop of the table.
#[tokio::test]
async fn a_dms_task_is_counted_from_full_load_to_drop() {
    let stage = Stage::with_shards(1).await;
    let logic = stage.define(counting("by_label", "shop.orders", &["label"])).await;
    // The control record says that `label` holds bytes, which come as base64.
    let row = |id: u32, label: &str| format!(r#"{{"id":{id},"depot":null,"label":"{label}"}}"#);
    let (raw, red) = ("cmF3", "cmVk");
    let mut task = vec![dms_control("create-table", 1)];
    task.extend((1..=5).map(|id| dms("load", 2, &row(id, raw), None)));
    task.extend([
        dms("insert", 10, &row(6, red), None),
        dms("update", 11, &row(1, red), Some(&row(1, raw))),
        dms("update", 12, &row(2, red), Some("{}")),
        dms("update", 13, &row(30, raw), Some(r#"{"id":3}"#)),
        dms("delete", 14, &row(4, raw), None),
    ]);
    stage.put(&task).await;
    stage.count(LEDGER).await;
    let reading = stage.read(&logic).await;
    assert_eq!(counts(&reading), expected(&[("raw", 2), ("red", 3)]));
    assert!(reading.is_exact(), "{:?}", reading.exactness);
    // The task restarts and repeats its tail.
    stage.put(&task[6..]).await;
    stage.count(LEDGER).await;
    assert_eq!(counts(&stage.read(&logic).await), expected(&[("raw", 2), ("red", 3)]));
    stage.put(&[dms_control("drop-table", 30), dms_control("create-table", 31)]).await;
    stage.put(&[dms("insert", 40, &row(1, red), None)]).await;
    stage.put(&task[1..]).await;
    stage.count(LEDGER).await;
    let reading = stage.read(&logic).await;
    assert_eq!(counts(&reading), expected(&[("red", 1)]));
    assert!(reading.is_exact(), "{:?}", reading.exactness);
    stage.stop().await;
}

/// A DMS delete that carries the key and nothing of the row counts out what the row was counted
/// for.
#[tokio::test]
async fn a_dms_delete_without_before_image_counts_the_row_out() {
    let stage = Stage::with_shards(1).await;
    let mut parts = counting("by_depot", "shop.orders", &["depot"]);
    parts.filter = Some("weight >= 10".to_owned());
    let logic = stage.define(parts).await;
    let row = |id: u32, weight: u32| format!(r#"{{"id":{id},"depot":"Graz","weight":{weight}}}"#);
    stage
        .put(&[
            dms_control("create-table", 1),
            dms("insert", 10, &row(1, 12), None),
            dms("insert", 11, &row(2, 12), None),
            dms("insert", 12, &row(3, 2), None),
        ])
        .await;
    stage.count(LEDGER).await;
    assert_eq!(counts(&stage.read(&logic).await), expected(&[("Graz", 2)]));
    let gone = |id: u32| format!(r#"{{"id":{id},"depot":null,"weight":null}}"#);
    stage.put(&[dms("delete", 20, &gone(1), None), dms("delete", 21, &gone(3), None)]).await;
    stage.count(LEDGER).await;
    let reading = stage.read(&logic).await;
    assert_eq!(counts(&reading), expected(&[("Graz", 1)]));
    assert!(reading.is_exact());
    stage.stop().await;
}
