//! What a counter makes of a batch while the counts it serves change.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use evercount_core::change::TableName;
use evercount_core::definition::{CountDefinition, DefinitionName, GROUPS_MAX_DEFAULT, Headroom};
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::logic::{AdoptedShape, Coverage};
use evercount_core::path::Path;
use evercount_pipeline::count::{self, CountMode, CountOptions, StreamRecord, Warm};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{CatalogEdit, CatalogStore, CountStore};
use evercount_pipeline::{define, read};

/// A future of a store in memory, which never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a store in memory never waits"),
    }
}

fn grouped_by(column: &str) -> CountDefinition {
    CountDefinition {
        name: DefinitionName::parse(&format!("by_{column}")).unwrap(),
        table: TableName::new("orders"),
        group_by: vec![Path::column(column)],
        filter: None,
        distinct: None,
        groups_max: GROUPS_MAX_DEFAULT,
        headroom: Headroom::default(),
    }
}

fn order() -> StreamRecord {
    let data = br#"{"awsRegion":"eu-central-1","eventID":"1","eventName":"INSERT","userIdentity":null,
        "recordFormat":"application/json","tableName":"orders","dynamodb":{"ApproximateCreationDateTime":1700000000000000,
        "ApproximateCreationDateTimePrecision":"MICROSECOND","Keys":{"id":{"S":"o-1"}},
        "NewImage":{"id":{"S":"o-1"},"status":{"S":"PAID"},"city":{"S":"Turku"}},"SizeBytes":40},
        "eventSource":"aws:dynamodb"}"#;
    StreamRecord {
        sequence: SequenceNumber::parse("1").unwrap(),
        partition_key: "o-1".to_owned(),
        arrived_at: 0,
        data: data.to_vec().into(),
    }
}

/// A count that starts after a batch was decoded, and before it is committed, reads a column that no
/// count had read before.
#[tokio::test]
async fn a_count_that_starts_within_a_batch_sees_what_it_reads() {
    for mode in [CountMode::Ledger, CountMode::Lane] {
        let store = Memory::default();
        let lane = LaneId::of_shard("orders-cdc", "shardId-000000000000");
        define::create(&store, grouped_by("status"), Coverage::Whole, 0).await.unwrap();
        let columns = ["id", "status", "city"].map(str::to_owned).into();
        let adopt = Some((TableName::new("orders"), AdoptedShape { version: 1, columns, declared: false }));
        store.edit_catalog(&CatalogEdit { adopt, ..CatalogEdit::default() }).await.unwrap();

        let started = AtomicBool::new(false);
        let start = || {
            if !started.swap(true, Ordering::Relaxed) {
                at_once(define::create(&store, grouped_by("city"), Coverage::Since(0), 0)).unwrap();
                at_once(store.fence(&lane)).unwrap();
            }
            true
        };
        let options = CountOptions { mode, format: None, epoch: 0 };
        let report = count::run(&store, &mut Warm::default(), &lane, &[order()], options, 0, start).await;
        assert_eq!((report.stopped_by, report.tally.applied), (None, 1), "{mode:?}");
        let versions = store.versions().await.unwrap();
        let by_city = versions.iter().find(|version| version.id.definition.to_string() == "by_city").unwrap();
        let cells = read::whole(&store, by_city).await.unwrap();
        assert!(format!("{cells:?}").contains("Turku"), "{mode:?}: {cells:?}");
    }
}
