//! Rules of quarantine and control records, and of counting as a whole.

use evercount_core::change::{TableEvent, TableName, Told};
use evercount_core::chunk::{Commit, Control, Quarantined};
use evercount_core::lane::LaneId;
use evercount_core::logic::{Coverage, LogicId};
use evercount_pipeline::count::{self, CountMode, CountOptions, StreamRecord, Warm};
use evercount_pipeline::define;
use evercount_pipeline::ports::{Store, StoreError};

use super::*;

fn put_aside(records: &[Quarantined]) -> Commit {
    Commit { quarantined: records.to_vec(), ..Commit::empty(lane("a")) }
}

fn release(record: &Quarantined) -> Commit {
    Commit {
        released: Some((record.lane.clone(), record.sequence.clone())),
        ..Commit::empty(LaneId::operator())
    }
}

/// A record is replayed into the counts once.
pub async fn releasing_twice_conflicts<S: Store>(store: &S) {
    let record = quarantined(&lane("a"), 1, b"x".to_vec());
    assert_eq!(store.commit(&release(&record)).await.unwrap_err(), StoreError::Conflict);
    store.commit(&put_aside(std::slice::from_ref(&record))).await.unwrap();
    store.commit(&release(&record)).await.unwrap();
    assert_eq!(store.quarantined_record(&record.lane, &record.sequence).await.unwrap(), None);
    assert_eq!(store.commit(&release(&record)).await.unwrap_err(), StoreError::Conflict);
}

/// Sequence numbers order as numbers, and lanes in no directory are listed too.
pub async fn quarantined_records_are_listed_oldest_first<S: Store>(store: &S) {
    let (a, b) = (lane("a"), lane("b"));
    let records = [(&a, 9), (&a, 10), (&a, 1_000), (&b, 2)]
        .map(|(lane, n)| quarantined(lane, n, n.to_string().into_bytes()));
    let mut shuffled = records.to_vec();
    shuffled.reverse();
    store.commit(&put_aside(&shuffled)).await.unwrap();
    assert_eq!(store.quarantined().await.unwrap(), records);
    assert_eq!(store.quarantined_record(&a, &sequence(10)).await.unwrap().as_ref(), records.get(1));
    assert_eq!(store.quarantined_record(&b, &sequence(10)).await.unwrap(), None);
}

/// A Kinesis record may be larger than an item.
pub async fn large_raw_records_come_back_whole<S: Store>(store: &S) {
    let raw = |bytes: usize| (0..bytes).map(|n| (n % 251) as u8).collect::<Vec<u8>>();
    let sizes = [0, 1, 262_144, 262_145, 1_048_576];
    let records: Vec<_> = (1..).zip(sizes).map(|(n, bytes)| quarantined(&lane("a"), n, raw(bytes))).collect();
    store.commit(&put_aside(&records)).await.unwrap();
    assert_eq!(store.quarantined().await.unwrap(), records);
    for record in &records {
        let found = store.quarantined_record(&record.lane, &record.sequence).await.unwrap();
        assert_eq!(found.as_ref(), Some(record));
        store.commit(&release(record)).await.unwrap();
    }
    assert!(store.quarantined().await.unwrap().is_empty());
}

/// A record that was released and comes again, or whose first commit failed halfway, is whole.
pub async fn a_record_put_aside_again_replaces_itself<S: Store>(store: &S) {
    let large = quarantined(&lane("a"), 1, vec![7; 700_000]);
    let small = quarantined(&lane("a"), 1, vec![8; 300_000]);
    store.commit(&put_aside(std::slice::from_ref(&large))).await.unwrap();
    store.commit(&put_aside(std::slice::from_ref(&small))).await.unwrap();
    assert_eq!(store.quarantined().await.unwrap(), [small]);
}

/// What concerns no count is put aside by itself, and again without a trace.
pub async fn records_that_concern_no_count_are_put_aside<S: Store>(store: &S) {
    let lane = LaneId::of_transformer(&lane("a"));
    let records: Vec<_> = (1..=30).map(|n| quarantined(&lane, n, vec![7; n as usize * 20_000])).collect();
    store.put_aside(&[]).await.unwrap();
    store.put_aside(&records).await.unwrap();
    store.put_aside(&records).await.unwrap();
    assert_eq!(store.quarantined().await.unwrap(), records);
}

/// One DDL record may speak of one table twice, and carry a large text each time.
pub async fn control_records_of_one_stream_record_do_not_collide<S: Store>(store: &S) {
    let control = |table: &str, operation: &str, raw: Vec<u8>| Control {
        lane: lane("a"),
        sequence: sequence(1),
        event: TableEvent {
            table: TableName::new(table),
            operation: operation.to_owned(),
            floor: None,
            shape: None,
            told: Told::default(),
            at: AT,
        },
        raw,
    };
    let controls = vec![
        control("orders", "ALTER", b"{}".to_vec()),
        control("orders", "ALTER", vec![b' '; 600_000]),
        control("other", "DROP", b"{}".to_vec()),
    ];
    store.commit(&Commit { controls, ..Commit::empty(lane("a")) }).await.unwrap();
    assert!(store.quarantined().await.unwrap().is_empty());
}

/// The counting step on a real store: inserts, an update, a delete and poison, delivered twice.
pub async fn a_batch_is_counted_once_however_often_it_is_delivered<S: Store>(store: &S) {
    define::create(store, definition("orders_by_status"), Coverage::Whole, AT).await.unwrap();
    let change = |n: u64, id: &str, status: Option<&str>| {
        let key = serde_json::json!({ "id": { "S": id } });
        let mut dynamodb = serde_json::json!({
            "ApproximateCreationDateTime": AT + n as i64 * 1_000_000,
            "ApproximateCreationDateTimePrecision": "MICROSECOND",
            "Keys": key,
            "SizeBytes": 10,
        });
        if let Some(status) = status {
            dynamodb["NewImage"] = serde_json::json!({ "id": { "S": id }, "status": { "S": status } });
        }
        let record = serde_json::json!({
            "awsRegion": "eu-central-1", "eventID": format!("e-{n}"),
            "eventName": if status.is_some() { "MODIFY" } else { "REMOVE" },
            "userIdentity": null, "recordFormat": "application/json", "tableName": "orders",
            "dynamodb": dynamodb, "eventSource": "aws:dynamodb",
        });
        (n, record.to_string())
    };
    let records: Vec<StreamRecord> = [
        change(1, "a", Some("OPEN")),
        change(2, "b", Some("OPEN")),
        change(3, "a", Some("SHIPPED")),
        (4, "not JSON".to_owned()),
        change(5, "c", Some("OPEN")),
        change(6, "c", None),
    ]
    .into_iter()
    .map(|(n, data)| StreamRecord {
        sequence: sequence(n),
        partition_key: "p".to_owned(),
        arrived_at: AT,
        data: data.into_bytes().into(),
    })
    .collect();
    let options = CountOptions { mode: CountMode::Ledger, format: None, epoch: 0 };
    let mut warm = Warm::default();
    for _ in 0..2 {
        let report = count::run(store, &mut warm, &lane("a"), &records, options, AT, || true).await;
        assert_eq!((report.stopped_by, report.first_unapplied), (None, None));
    }
    // By another lane as well: the ledger knows the changes, whoever brings them.
    let again =
        count::run(store, &mut Warm::default(), &lane("b"), &records[..3], options, AT, || true).await;
    assert_eq!((again.stopped_by, again.tally.applied), (None, 0));
    let counted = store.cells(&logic("orders_by_status", 1)).await.unwrap();
    assert_eq!(counted, cells(&[(group("OPEN"), 1), (group("SHIPPED"), 1)]));
    // Nobody can tell which table the broken record was of.
    let doubt = store.cells(&LogicId::unattributed()).await.unwrap();
    assert_eq!(doubt, cells(&[(evercount_core::group::Cell::Uncertain, 1)]));
    assert_eq!(store.quarantined().await.unwrap().len(), 1);
    assert_eq!(store.lane(&lane("a")).await.unwrap().records, 6);
}
