//! What only the registry on DynamoDB can do wrong.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::AttributeValue;
use evercount_aws::dynamo::{DynamoServices, DynamoStore, TableNames};
use evercount_aws::setup::create_tables;
use evercount_core::evolution::{Judgement, Proposal, evolve, new_subject};
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::lineage::{Consumer, ProducerId, ProducerKind, Seen, WindowSketch};
use evercount_core::registration::{Registration, StoredWatch, WatchWrite};
use evercount_core::registry::{Origin, Policy};
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::Subject;
use evercount_local::{EmbeddedAws, EmbeddedOptions};
use evercount_pipeline::discovery::{self, ServiceDirectory};
use evercount_pipeline::ports::{ProducersSeen, RegistryStore, StoreError};

const AT: i64 = 1_769_851_800_123_456;

async fn embedded() -> (EmbeddedAws, Client, TableNames) {
    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    let (client, tables) = (aws.dynamodb(), TableNames::default());
    create_tables(&client, &tables).await.unwrap();
    (aws, client, tables)
}

fn orders() -> Subject {
    Subject::new("orders")
}

fn lane() -> LaneId {
    LaneId::of_shard("orders-cdc", "a")
}

fn sequence(n: u64) -> SequenceNumber {
    SequenceNumber::parse(&n.to_string()).unwrap()
}

fn watch(revision: u64) -> StoredWatch {
    let state = "{}".to_owned();
    StoredWatch { through: sequence(revision), revision, seen: 1, first_seen: AT, last_seen: AT, state }
}

/// The next version of the subject, of so many columns, as a lane registers it.
async fn next(store: &DynamoStore, columns: usize, from: Option<u64>) -> Registration {
    let path = |n: usize| FieldPath::new(format!("c{n}"));
    let field = |n: usize| (path(n), Field::of(TypeSet::of(FieldType::STRING)));
    let schema = Schema { fields: (0..columns).map(field).collect(), key: vec![path(0)] };
    let stored = store.subject(&orders()).await.unwrap();
    let new = || new_subject(orders(), Origin::Observed, Policy::default(), AT);
    let before = stored.clone().unwrap_or_else(new);
    let proposal = Proposal { schema, changes: vec![], position: None, at: AT };
    let evolved = evolve(&before, None, &proposal, |_| Judgement::default(), AT);
    let mut registration = Registration::empty(orders(), AT);
    registration.add(stored.map(|state| state.revision), &before, evolved);
    let to = watch(from.unwrap_or(0) + 1);
    registration.watch = Some(WatchWrite { lane: lane(), from, to });
    registration
}

/// Loses the replies to the first few calls: the service has done what it was asked. Notes what
/// was called.
#[derive(Clone, Debug, Default)]
struct Losing {
    left: Arc<AtomicU32>,
    called: Arc<Mutex<BTreeSet<String>>>,
}

impl Losing {
    fn on(&self, client: &Client) -> Client {
        Client::from_conf(client.config().to_builder().interceptor(self.clone()).build())
    }
}

impl Intercept for Losing {
    fn name(&self) -> &'static str {
        "Losing"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap_or_default();
        let call = target.rsplit('.').next().unwrap_or_default().to_owned();
        self.called.lock().unwrap().insert(call);
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        _: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() { Err("the reply was lost".into()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_registration_whose_reply_was_lost_is_made_once() {
    let (aws, client, tables) = embedded().await;
    let losing = Losing::default();
    let store = DynamoStore::new(&losing.on(&client), tables);
    for (columns, from) in [(1, None), (2, Some(1))] {
        let registration = next(&store, columns, from).await;
        // Two of the calls before the transaction or of the transaction itself.
        losing.left.store(2, Ordering::Relaxed);
        store.register(&registration).await.unwrap();
        assert_eq!(losing.left.load(Ordering::Relaxed), 0);
        assert_eq!(store.register(&registration).await, Err(StoreError::Conflict));
    }
    let versions = store.schema_versions(&orders()).await.unwrap();
    assert_eq!(versions.iter().map(|head| head.id.version).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(store.unpublished().await.unwrap().len(), 2);
    assert_eq!(store.watch(&orders(), &lane()).await.unwrap(), Some(watch(2)));

    // A watch alone is no transaction: after a lost reply its writer is told to look again, and
    // finds its own.
    let only_watch = Registration {
        watch: Some(WatchWrite { lane: lane(), from: Some(2), to: watch(3) }),
        ..Registration::empty(orders(), AT)
    };
    losing.left.store(1, Ordering::Relaxed);
    assert_eq!(store.register(&only_watch).await, Err(StoreError::Conflict));
    assert_eq!(store.watch(&orders(), &lane()).await.unwrap(), Some(watch(3)));
    aws.stop().await;
}

#[tokio::test]
async fn a_batch_whose_reply_was_lost_counts_once() {
    let (aws, client, tables) = embedded().await;
    let losing = Losing::default();
    let store = DynamoStore::new(&losing.on(&client), tables);
    let by = ProducerId { kind: ProducerKind::Stream, name: "orders-cdc".to_owned() };
    let seen = Seen { first: AT, last: AT, records: 5 };
    let told = ProducersSeen {
        subject: orders(),
        lane: lane(),
        through: sequence(9),
        producers: [(by.clone(), seen)].into(),
    };
    for _ in 0..2 {
        losing.left.store(2, Ordering::Relaxed);
        store.touch_producers(std::slice::from_ref(&told)).await.unwrap();
    }
    assert_eq!(store.lineage(&orders()).await.unwrap().producers, [(by, seen)].into());
    aws.stop().await;
}

#[tokio::test]
async fn a_watch_alone_costs_half_of_one_in_a_transaction() {
    let (aws, client, tables) = embedded().await;
    let store = DynamoStore::new(&client, tables);
    let alone = Registration {
        watch: Some(WatchWrite { lane: lane(), from: None, to: watch(1) }),
        ..Registration::empty(orders(), AT)
    };
    assert_eq!(store.register(&alone).await.unwrap().write_units, 1.0);
    // State, entry in the list, head, detail, event and outbox beside it.
    assert_eq!(store.register(&next(&store, 1, Some(1)).await).await.unwrap().write_units, 14.0);
    aws.stop().await;
}

#[tokio::test]
async fn whatever_is_stored_of_a_replaced_version_may_be_deleted_and_nothing_else() {
    let (aws, client, tables) = embedded().await;
    let store = DynamoStore::new(&client, tables.clone());
    store.register(&next(&store, 12_000, None).await).await.unwrap();
    store.register(&next(&store, 2, Some(1)).await).await.unwrap();
    let items = client.scan().table_name(&tables.metadata).send().await.unwrap().items.unwrap_or_default();
    let text = |item: &std::collections::HashMap<String, AttributeValue>, name: &str| {
        item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
    };
    let expiring: BTreeSet<String> =
        items.iter().filter(|item| item.contains_key("expires")).map(|item| text(item, "sk")).collect();
    let expected = ["version#0001", "version-detail#0001", "version-detail#0001#part-0001"];
    assert_eq!(expiring, expected.map(str::to_owned).into());
    let seconds = (AT + Policy::default().retention).div_euclid(1_000_000) + 1;
    for item in items.iter().filter(|item| item.contains_key("expires")) {
        assert_eq!(item.get("expires"), Some(&AttributeValue::N(seconds.to_string())));
    }
    let ttl = client.describe_time_to_live().table_name(&tables.metadata).send().await.unwrap();
    let attribute = ttl.time_to_live_description.and_then(|description| description.attribute_name);
    assert_eq!(attribute.as_deref(), Some("expires"));
    aws.stop().await;
}

#[tokio::test]
async fn the_registry_never_scans() {
    let (aws, client, tables) = embedded().await;
    let noting = Losing::default();
    let store = DynamoStore::new(&noting.on(&client), tables.clone());
    store.register(&next(&store, 1, None).await).await.unwrap();
    store.register(&next(&store, 2, Some(1)).await).await.unwrap();
    let state = store.subject(&orders()).await.unwrap();
    let state = state.unwrap();
    store.update_subject(Some(&state), &state).await.unwrap();
    store.subjects().await.unwrap();
    store.schema_versions(&orders()).await.unwrap();
    store.schema_version(&orders(), 1, AT).await.unwrap();
    store.schema_version(&orders(), 7, AT).await.unwrap();
    store.watches(&orders()).await.unwrap();
    store.history(&orders()).await.unwrap();
    store.held(&orders()).await.unwrap();
    for recorded in store.unpublished().await.unwrap() {
        store.published(&recorded.event.id()).await.unwrap();
    }
    let consumer = Consumer { name: "billing".to_owned(), first: AT, last: AT, applied: None };
    store.acknowledge(&orders(), &consumer).await.unwrap();
    store.lineage(&orders()).await.unwrap();
    let sketch = WindowSketch {
        subject: orders(),
        path: FieldPath::new("a"),
        start: 0,
        length: 1,
        lane: lane(),
        registers: vec![1],
        expires_at: AT,
    };
    store.put_sketches(&[sketch]).await.unwrap();
    store.sketches(&orders(), &FieldPath::new("a"), 0..9, 0).await.unwrap();
    DynamoServices::new(&noting.on(&client), &tables.metadata).services().await.unwrap();
    let called = noting.called.lock().unwrap().clone();
    let allowed = ["BatchGetItem", "BatchWriteItem", "GetItem", "Query", "TransactWriteItems", "UpdateItem"];
    assert_eq!(called, allowed.map(str::to_owned).into());
    aws.stop().await;
}

#[tokio::test]
async fn services_that_register_themselves_are_in_the_lineage() {
    let (aws, client, tables) = embedded().await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = async |name: &str, attributes: &[(&str, AttributeValue)]| {
        let mut call = client.put_item().table_name(&tables.metadata);
        call = call.item("pk", text("services")).item("sk", text(name));
        for (name, value) in attributes {
            call = call.item(*name, value.clone());
        }
        call.send().await.unwrap();
    };
    let set =
        |subjects: &[&str]| AttributeValue::Ss(subjects.iter().map(|name| (*name).to_owned()).collect());
    let seen_at = ("seen_at", text("2026-01-31T09:30:00.123456Z"));
    put("checkout", &[("produces", set(&["orders", "event:paid"])), ("team", text("a")), seen_at.clone()])
        .await;
    put("billing", &[("consumes", set(&["orders"])), seen_at]).await;
    put("idle", &[]).await;
    put("broken", &[("produces", AttributeValue::Bool(true))]).await;

    let directory = DynamoServices::new(&client, &tables.metadata);
    let names: Vec<String> =
        directory.services().await.unwrap().into_iter().map(|service| service.name).collect();
    assert_eq!(names, ["billing", "checkout", "idle"]);
    let store = DynamoStore::new(&client, tables.clone());
    let lineage = discovery::lineage(&store, &directory, &orders()).await.unwrap();
    let by = ProducerId { kind: ProducerKind::Service, name: "checkout".to_owned() };
    assert_eq!(lineage.producers, [(by, Seen { first: AT, last: AT, records: 0 })].into());
    let billing = Consumer { name: "billing".to_owned(), first: AT, last: AT, applied: None };
    assert_eq!(lineage.consumers, [("billing".to_owned(), billing)].into());
    aws.stop().await;
}
