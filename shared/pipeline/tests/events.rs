//! An event that is counted while it is read counts what its records do.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use evercount_core::lane::LaneId;
use evercount_core::logic::Coverage;
use evercount_pipeline::count::{self, BatchReport, CountMode, CountOptions, Warm};
use evercount_pipeline::kinesis::{ShardEvent, read_event};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{CatalogStore, CountStore};
use evercount_pipeline::{define, read};
use evercount_wire::definition;
use serde_json::{Value, json};

const DEFINITION: &str = r#"
[[count]]
name = "by_status"
table = "orders"
group_by = ["status"]
"#;

const LANE: CountOptions = CountOptions { mode: CountMode::Lane, format: None, epoch: 0 };

/// A change of an order: its status before and after.
fn change(number: u64, table: &str, before: Option<&str>, after: Option<&str>) -> Value {
    let image = |status: &str| {
        json!({ "id": { "S": " o-1" }, "status": { "S": status }, "amount": { "N": "7.50" },
                "note": { "S": "\u{e9}".repeat(100) } })
    };
    let mut images = json!({
        "ApproximateCreationDateTime": 1_700_000_000_000_000 + number,
        "ApproximateCreationDateTimePrecision": "MICROSECOND",
        "Keys": { "id": { "S": " o-1" } },
        "SizeBytes": 90,
    });
    for (name, status) in [("NewImage", after), ("OldImage", before)] {
        if let Some(status) = status {
            images[name] = image(status);
        }
    }
    let name = match (before, after) {
        (None, _) => "INSERT",
        (_, Some(_)) => "MODIFY",
        (_, None) => "REMOVE",
    };
    json!({
        "awsRegion": "eu-central-1", "eventID": number.to_string(), "eventName": name, "userIdentity": null,
        "recordFormat": "application/json", "tableName": table, "dynamodb": images,
        "eventSource": "aws:dynamodb",
    })
}

/// An event of records by their sequence numbers.
fn event(records: &[(u64, Value)]) -> String {
    let record = |(sequence, data): &(u64, Value)| {
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": sequence.to_string(),
                "data": STANDARD.encode(data.to_string()), "approximateArrivalTimestamp": 1_700_000_000.5,
            },
            "eventSource": "aws:kinesis", "eventID": format!("shardId-000000000006:{sequence}"),
            "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/orders-cdc",
        })
    };
    json!({ "Records": records.iter().map(record).collect::<Vec<_>>() }).to_string()
}

async fn counting() -> Memory {
    let store = Memory::default();
    for definition in definition::from_toml(DEFINITION, "counts.toml").unwrap() {
        define::create(&store, definition, Coverage::Whole, 0).await.unwrap();
    }
    store
}

async fn cells(store: &Memory) -> String {
    let mut all = Vec::new();
    for version in store.versions().await.unwrap() {
        all.push(read::whole(store, &version).await.unwrap());
    }
    format!("{all:?}")
}

/// What an event is counted as while it is read.
async fn at_once(
    store: &Memory,
    warm: &mut Warm,
    payload: &str,
    options: CountOptions,
) -> Option<BatchReport> {
    let (lane, event) = ShardEvent::of(payload.as_bytes())?;
    count::run_event(store, warm, &lane, event, options, 0).await
}

fn orders() -> Vec<(u64, Value)> {
    vec![
        (5, change(1, "orders", None, Some("PAID"))),
        (6, change(2, "orders", Some("PAID"), Some("SHIPPED"))),
        (6, change(2, "orders", Some("PAID"), Some("SHIPPED"))),
        (7, change(3, "customers", None, Some("PAID"))),
        (8, change(4, "orders", None, Some("PAID"))),
        (9, change(5, "orders", Some("PAID"), None)),
        (10, json!({ "id": "b", "source": "a", "specversion": "1.0", "type": "t" })),
    ]
}

#[tokio::test]
async fn an_event_is_counted_as_its_records_are() {
    let (short, long) = (counting().await, counting().await);
    let (mut of_short, mut of_long) = (Warm::default(), Warm::default());
    let again = (6..13).zip(orders().into_iter().map(|(_, data)| data)).collect::<Vec<_>>();
    for records in [orders(), again] {
        let payload = event(&records);
        let report = at_once(&short, &mut of_short, &payload, LANE).await.unwrap();
        for (lane, records) in read_event(&Bytes::from(payload)).unwrap() {
            let expected = count::run(&long, &mut of_long, &lane, &records, LANE, 0, || true).await;
            assert_eq!(report, expected);
            assert_eq!(short.lane(&lane).await.unwrap(), long.lane(&lane).await.unwrap());
        }
        assert_eq!((report.commits, report.stopped_by), (1, None));
        assert_eq!(cells(&short).await, cells(&long).await);
    }
}

#[tokio::test]
async fn what_is_unusual_is_left_alone() {
    let usual = event(&orders());
    let of = |record: Value| event(&[(5, change(1, "orders", None, Some("PAID"))), (6, record)]);
    let emptied = json!({ "metadata": { "record-type": "control", "operation": "drop-table",
        "partition-key-type": "task-id", "schema-name": "shop", "table-name": "orders",
        "timestamp": "2026-01-01T00:00:00.000000Z" } });
    let ledger = CountOptions { mode: CountMode::Ledger, ..LANE };
    for (payload, options, what) in [
        (usual.clone(), ledger, "rows are needed"),
        (of(json!({ "no": "record" })), LANE, "a record that cannot be decoded"),
        (of(emptied), LANE, "a table was emptied"),
        (usual.replacen("\"data\":\"ey", "\"data\":\"*y", 1), LANE, "no base64"),
        (usual.replacen("000006:9", "000007:9", 1), LANE, "another shard"),
        (usual.replacen("\"sequenceNumber\":\"9\"", "\"sequenceNumber\":\"x\"", 1), LANE, "no number"),
        (usual.replacen("]}", "", 1), LANE, "it has no end"),
    ] {
        let store = counting().await;
        let before = cells(&store).await;
        assert_eq!(at_once(&store, &mut Warm::default(), &payload, options).await, None, "{what}");
        let lane = LaneId::of_shard("orders-cdc", "shardId-000000000006");
        assert_eq!(store.lane(&lane).await.unwrap().records, 0, "{what}");
        assert_eq!(cells(&store).await, before, "{what}");
    }
}

/// More counts are touched than one transaction has room for.
#[tokio::test]
async fn what_fits_no_transaction_is_left_alone_and_so_is_what_comes_next() {
    let store = counting().await;
    let many =
        (1..20_000).map(|n| (n, change(n, "orders", None, Some(&format!("s-{n}"))))).collect::<Vec<_>>();
    let mut warm = Warm::default();
    assert_eq!(at_once(&store, &mut warm, &event(&many), LANE).await, None);
    assert_eq!(at_once(&store, &mut warm, &event(&orders()), LANE).await, None);
    let (lane, records) = read_event(&Bytes::from(event(&orders()))).unwrap().remove(0);
    let report = count::run(&store, &mut warm, &lane, &records, LANE, 0, || true).await;
    assert_eq!((report.tally.applied, report.stopped_by), (4, None));
    // It has room again.
    assert!(
        at_once(&store, &mut warm, &event(&[(20, change(9, "orders", None, Some("PAID")))]), LANE)
            .await
            .is_some()
    );
}
