//! The store contract, run on every store there is: in memory, and on DynamoDB as the embedded
//! one speaks it, through the SDK.

use evercount_tests::{contract, every_rule};

mod memory {
    use evercount_pipeline::memory::Memory;

    use super::{contract, every_rule};

    macro_rules! on_memory {
        ($($rule:ident),* $(,)?) => {$(
            #[tokio::test]
            async fn $rule() {
                contract::$rule(&Memory::default()).await;
            }
        )*};
    }

    every_rule!(on_memory);

    mod shadow {
        use super::super::contract::shadow;
        use super::Memory;

        macro_rules! on_memory {
            ($($rule:ident),* $(,)?) => {$(
                #[tokio::test]
                async fn $rule() {
                    shadow::$rule(&Memory::default()).await;
                }
            )*};
        }

        evercount_tests::every_shadow_rule!(on_memory);
    }
}

#[cfg(feature = "embedded")]
mod dynamo {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use evercount_aws::dynamo::{DynamoStore, TableNames};
    use evercount_aws::setup::create_tables;
    use evercount_local::{EmbeddedAws, EmbeddedOptions};

    use super::{contract, every_rule};

    /// Holds a new store to a rule.
    async fn hold(rule: impl AsyncFnOnce(&DynamoStore)) {
        let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
        let tables = TableNames::default();
        create_tables(&aws.dynamodb(), &tables).await.unwrap();
        rule(&DynamoStore::new(&aws.dynamodb(), tables)).await;
        aws.stop().await;
    }

    macro_rules! on_dynamo {
        ($($rule:ident),* $(,)?) => {$(
            #[tokio::test]
            async fn $rule() {
                hold(async |store| contract::$rule(store).await).await;
            }
        )*};
    }

    every_rule!(on_dynamo);

    mod functions {
        use super::super::contract::functions;
        use super::hold;

        macro_rules! on_dynamo {
            ($($rule:ident),* $(,)?) => {$(
                #[tokio::test]
                async fn $rule() {
                    hold(async |store| functions::$rule(store).await).await;
                }
            )*};
        }

        evercount_tests::every_function_rule!(on_dynamo);
    }

    mod shadow {
        use super::super::contract::shadow;
        use super::hold;

        macro_rules! on_dynamo {
            ($($rule:ident),* $(,)?) => {$(
                #[tokio::test]
                async fn $rule() {
                    hold(async |store| shadow::$rule(store).await).await;
                }
            )*};
        }

        evercount_tests::every_shadow_rule!(on_dynamo);
    }
}

/// What only the store on DynamoDB can do wrong.
#[cfg(feature = "embedded")]
mod dynamo_alone {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextMut;
    use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
    use aws_sdk_dynamodb::error::BoxError;
    use aws_sdk_dynamodb::types::AttributeValue;
    use evercount_aws::dynamo::{DynamoSource, DynamoStore, TableNames};
    use evercount_aws::setup::create_tables;
    use evercount_core::backfill::Segment;
    use evercount_core::change::{RowIdentity, RowKey, TableName};
    use evercount_core::chunk::{CellMove, Commit, LaneAdvance, Poison, Quarantined};
    use evercount_core::group::Cell;
    use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
    use evercount_core::logic::LogicId;
    use evercount_local::{EmbeddedAws, EmbeddedOptions};
    use evercount_pipeline::ports::{CountStore, SourceTable, StoreError};

    async fn embedded() -> (EmbeddedAws, Client, TableNames) {
        let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
        let (client, tables) = (aws.dynamodb(), TableNames::default());
        create_tables(&client, &tables).await.unwrap();
        (aws, client, tables)
    }

    fn moved(logic: &LogicId) -> Commit {
        let moves = vec![CellMove { logic: logic.clone(), bucket: 0, cells: [(Cell::Overflow, 1)].into() }];
        Commit { moves, ..Commit::empty(LaneId::operator()) }
    }

    /// Loses the replies to the first few calls: the service has done what it was asked.
    #[derive(Debug)]
    struct Losing {
        left: AtomicU32,
        sent: Arc<AtomicU32>,
    }

    impl Intercept for Losing {
        fn name(&self) -> &'static str {
            "Losing"
        }

        fn modify_before_deserialization(
            &self,
            _: &mut BeforeDeserializationInterceptorContextMut<'_>,
            _: &RuntimeComponents,
            _: &mut ConfigBag,
        ) -> Result<(), BoxError> {
            self.sent.fetch_add(1, Ordering::Relaxed);
            let left =
                self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            if left.is_ok() { Err("the reply was lost".into()) } else { Ok(()) }
        }
    }

    #[tokio::test]
    async fn a_transaction_whose_reply_was_lost_is_not_done_twice() {
        let (aws, client, tables) = embedded().await;
        let sent = Arc::new(AtomicU32::new(0));
        let losing = Losing { left: AtomicU32::new(2), sent: Arc::clone(&sent) };
        let losing = Client::from_conf(client.config().to_builder().interceptor(losing).build());
        let store = DynamoStore::new(&losing, tables);
        let logic = LogicId::parse("all#v0001").unwrap();
        store.commit(&moved(&logic)).await.unwrap();
        assert_eq!(sent.load(Ordering::Relaxed), 3);
        store.commit(&moved(&logic)).await.unwrap();
        assert_eq!(store.cells(&logic).await.unwrap(), [(Cell::Overflow, 2)].into());
        aws.stop().await;
    }

    #[tokio::test]
    async fn a_service_that_is_gone_is_unavailable_within_seconds() {
        let (aws, client, tables) = embedded().await;
        aws.stop().await;
        let store = DynamoStore::new(&client, tables);
        let started = std::time::Instant::now();
        let failed = store.lane(&LaneId::operator()).await;
        assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
        assert!(started.elapsed().as_secs() < 20);
    }

    #[tokio::test]
    async fn what_the_service_refuses_is_rejected_with_its_words() {
        let (aws, client, tables) = embedded().await;
        let store =
            DynamoStore::new(&client, TableNames { counts: "no-such-table".to_owned(), ..tables.clone() });
        let failed = store.lane(&LaneId::operator()).await.unwrap_err();
        assert!(
            matches!(&failed, StoreError::Rejected(why) if why.contains("ResourceNotFoundException")),
            "{failed}"
        );
        let store = DynamoStore::new(&client, tables);
        let large = Poison {
            reason: "not_json".to_owned(),
            detail: "x".repeat(420_000),
            table: None,
            raw: Vec::new(),
            partition_key: None,
        };
        let sequence = SequenceNumber::parse("1").unwrap();
        let record = Quarantined {
            lane: LaneId::operator(),
            sequence,
            arrived_at: 0,
            poison: large,
            affects: Vec::new(),
        };
        let commit = Commit { quarantined: vec![record], ..Commit::empty(LaneId::operator()) };
        let failed = store.commit(&commit).await;
        assert!(matches!(failed, Err(StoreError::Rejected(_))), "{failed:?}");
        aws.stop().await;
    }

    #[tokio::test]
    async fn a_checkpoint_alone_costs_half_of_one_in_a_transaction() {
        let (aws, client, tables) = embedded().await;
        let store = DynamoStore::new(&client, tables);
        let state = |n: u64| LaneState {
            sequence: SequenceNumber::parse(&n.to_string()),
            records: n,
            ..LaneState::default()
        };
        let advance = |from, to| Some(LaneAdvance { from, to });
        let alone =
            Commit { advance: advance(LaneState::default(), state(1)), ..Commit::empty(LaneId::operator()) };
        assert_eq!(store.commit(&alone).await.unwrap().write_units, 1.0);
        let both =
            Commit { advance: advance(state(1), state(2)), ..moved(&LogicId::parse("all#v0001").unwrap()) };
        assert_eq!(store.commit(&both).await.unwrap().write_units, 4.0);
        aws.stop().await;
    }

    #[tokio::test]
    async fn released_records_leave_nothing_behind() {
        let (aws, client, tables) = embedded().await;
        let store = DynamoStore::new(&client, tables.clone());
        let poison = Poison {
            reason: "not_json".to_owned(),
            detail: String::new(),
            table: None,
            raw: vec![7; 900_000],
            partition_key: None,
        };
        let (lane, sequence) = (LaneId::operator(), SequenceNumber::parse("1").unwrap());
        let record = Quarantined { lane: lane.clone(), sequence, arrived_at: 0, poison, affects: Vec::new() };
        let id = (lane.clone(), record.sequence.clone());
        let items = async || client.scan().table_name(&tables.metadata).send().await.unwrap().count;
        store.commit(&Commit { quarantined: vec![record], ..Commit::empty(lane.clone()) }).await.unwrap();
        assert_eq!(items().await, 5);
        store.commit(&Commit { released: Some(id), ..Commit::empty(lane) }).await.unwrap();
        assert_eq!(items().await, 0);
        aws.stop().await;
    }

    #[tokio::test]
    async fn tables_may_be_created_again_and_a_foreign_one_is_refused() {
        let (aws, client, tables) = embedded().await;
        create_tables(&client, &tables).await.unwrap();
        let ttl = client.describe_time_to_live().table_name(&tables.ledger).send().await.unwrap();
        let attribute = ttl.time_to_live_description.and_then(|description| description.attribute_name);
        assert_eq!(attribute.as_deref(), Some("expires"));
        let swapped =
            TableNames { metadata: tables.ledger.clone(), ledger: tables.metadata.clone(), ..tables };
        let refused = create_tables(&client, &swapped).await.unwrap_err().to_string();
        assert!(refused.contains("exists with the key `pk`, not `pk, sk`"), "{refused}");
        aws.stop().await;
    }

    #[tokio::test]
    async fn a_source_table_is_read_by_row_and_by_page() {
        let (aws, client, tables) = embedded().await;
        let source = DynamoSource::new(&client);
        let table = TableName::new(&tables.counts);
        for n in 0..300 {
            client
                .put_item()
                .table_name(&tables.counts)
                .item("pk", AttributeValue::S(format!("k \"#{}", n % 3)))
                .item("sk", AttributeValue::S(format!("{n:03}")))
                .item("text", AttributeValue::S("x".repeat(5_000)))
                .send()
                .await
                .unwrap();
        }
        for of in [1, 3] {
            let mut rows = Vec::new();
            for number in 0..of {
                let (mut pages, mut after) = (0, None);
                loop {
                    let page = source.scan(&table, Segment { number, of }, after).await.unwrap();
                    assert!(page.read_units > 0.0, "what a page costs is told");
                    rows.extend(page.rows);
                    pages += 1;
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
                assert!(of > 1 || pages > 1);
            }
            let keys: BTreeSet<_> = rows.iter().map(|(key, _)| key.clone()).collect();
            assert_eq!((rows.len(), keys.len()), (300, 300), "in {of} segments");
            for (key, image) in rows.iter().step_by(50) {
                assert_eq!(source.row(key).await.unwrap().as_ref(), Some(image));
            }
        }
        let row = |identity| RowKey { table: table.clone(), identity };
        let absent = row(RowIdentity::Key(r#"{"pk":"k","sk":"0"}"#.into()));
        assert_eq!(source.row(&absent).await.unwrap(), None);
        for wrong in [RowIdentity::Key(r#"{"id":"k"}"#.into()), RowIdentity::Position("1".into())] {
            assert!(matches!(source.row(&row(wrong)).await, Err(StoreError::Rejected(_))));
        }
        aws.stop().await;
    }
}

#[cfg(feature = "embedded")]
#[path = "store_contract/registry_alone.rs"]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod registry_alone;

#[cfg(feature = "embedded")]
#[path = "store_contract/catalog_alone.rs"]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod catalog_alone;
