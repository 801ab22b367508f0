//! What only the catalog on DynamoDB can do wrong.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use evercount_aws::dynamo::{DynamoStore, TableNames, to_attributes};
use evercount_aws::setup::create_tables;
use evercount_core::adjustment::{
    AdjustmentPlan, Cause, Certificate, Class, MinimumEvidence, Partitions, PlanCost,
};
use evercount_core::adoption::{Adjustment, PlanOutcome, PlanPolicy, Progress};
use evercount_core::change::TableName;
use evercount_core::logic::{Base, Coverage, LogicState, LogicVersion, PlanId, Relation};
use evercount_core::transform::Transform;
use evercount_core::verdict::ShadowReport;
use evercount_local::{EmbeddedAws, EmbeddedOptions};
use evercount_pipeline::ports::{CatalogEdit, CatalogStore, StoreError};
use evercount_wire::definition::{DefinitionParts, build};
use evercount_wire::json::read_dynamodb_item;

const AT: i64 = 1_769_851_800_123_456;

async fn embedded() -> (EmbeddedAws, Client, TableNames) {
    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    let (client, tables) = (aws.dynamodb(), TableNames::default());
    create_tables(&client, &tables).await.unwrap();
    (aws, client, tables)
}

fn version(number: u32) -> LogicVersion {
    let parts = DefinitionParts {
        name: "orders_by_status".to_owned(),
        table: "orders".to_owned(),
        group_by: vec!["status".to_owned()],
        ..DefinitionParts::default()
    };
    LogicVersion::new(number, build(parts).unwrap(), LogicState::Active, Coverage::Whole, AT)
}

fn adjustment() -> Adjustment {
    let definition = version(1).definition;
    Adjustment {
        plan: AdjustmentPlan {
            id: PlanId::new("9a3e5c1f00b2d417"),
            definition: definition.name.clone(),
            table: TableName::new("orders"),
            from: 1,
            cause: Cause::Redefinition { definition, at: AT },
            class: Class::A0,
            update: None,
            certificate: Certificate::Untouched,
            affected: Partitions::None,
            estimate: PlanCost::default(),
            relation: Relation::Mapped,
            minimum: MinimumEvidence { census: false, changes: 0 },
            sentence: "Nothing changes.".to_owned(),
            assumptions: Vec::new(),
            choices: Vec::new(),
        },
        policy: PlanPolicy::Auto,
        outcome: PlanOutcome::NotAffected,
        to: None,
        report: ShadowReport::default(),
        verdict: Some("none".to_owned()),
        progress: Progress::default(),
        actual: PlanCost::default(),
        mismatches: 0,
        created_at: AT,
        updated_at: AT,
        revision: 0,
    }
}

async fn item(client: &Client, tables: &TableNames, pk: &str, sk: &str) -> HashMap<String, AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let found = client.get_item().table_name(&tables.metadata).key("pk", text(pk)).key("sk", text(sk)).send();
    found.await.unwrap().item.unwrap()
}

#[tokio::test]
async fn a_version_that_an_older_release_wrote_is_updated_from_what_it_says() {
    let (aws, client, tables) = embedded().await;
    let old = include_str!("../../shared/wire/tests/golden/items_v1/logic_version.json");
    let old = to_attributes(&read_dynamodb_item(old).unwrap());
    client.put_item().table_name(&tables.metadata).set_item(Some(old)).send().await.unwrap();
    let store = DynamoStore::new(&client, tables);
    let stored = store.versions().await.unwrap().pop().unwrap();
    assert_eq!((&stored.base, stored.epoch), (&Base::Own, 0));
    let next = stored.entering(LogicState::Standby, AT + 1);
    store.update_version(&stored, &next).await.unwrap();
    assert_eq!(store.versions().await.unwrap(), [next]);
    aws.stop().await;
}

#[tokio::test]
async fn a_catalog_whose_last_edit_has_not_arrived_is_read_again() {
    let (aws, client, tables) = embedded().await;
    let store = DynamoStore::new(&client, tables.clone());
    store.create_version(&version(1)).await.unwrap();
    store.create_version(&version(2)).await.unwrap();
    // As a reader of many items meets a transaction halfway: the revision is there, the version is not.
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let arrived = item(&client, &tables, "catalog", "orders_by_status#v0002").await;
    let call = client.delete_item().table_name(&tables.metadata);
    call.key("pk", text("catalog")).key("sk", text("orders_by_status#v0002")).send().await.unwrap();
    let late = async {
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        let call = client.put_item().table_name(&tables.metadata);
        call.set_item(Some(arrived)).send().await.unwrap();
    };
    let (catalog, ()) = tokio::join!(store.catalog(None), late);
    assert_eq!(catalog.unwrap().unwrap().all().count(), 2);
    // What never arrives stops nobody.
    let call = client.delete_item().table_name(&tables.metadata);
    call.key("pk", text("catalog")).key("sk", text("orders_by_status#v0002")).send().await.unwrap();
    assert_eq!(store.catalog(None).await.unwrap().unwrap().all().count(), 1);
    aws.stop().await;
}

#[tokio::test]
async fn a_version_that_could_not_be_read_is_not_written() {
    let (aws, client, tables) = embedded().await;
    let store = DynamoStore::new(&client, tables);
    let transform = Transform { actions: vec![], keep: None, group_by: vec![], atoms: vec![] };
    let looped = LogicVersion { base: Base::Derived { parent: 2, transform }, ..version(2) };
    let failed = store.create_version(&looped).await;
    assert!(matches!(&failed, Err(StoreError::Rejected(why)) if why.contains("derived from")), "{failed:?}");
    assert!(store.versions().await.unwrap().is_empty());
    let change = vec![(version(1), version(2))];
    let failed = store.edit_catalog(&CatalogEdit { change, ..CatalogEdit::default() }).await;
    assert!(matches!(failed, Err(StoreError::Rejected(_))), "{failed:?}");
    aws.stop().await;
}

#[tokio::test]
async fn what_a_definition_was_before_a_plan_stays_to_be_read() {
    let (aws, client, tables) = embedded().await;
    let store = DynamoStore::new(&client, tables.clone());
    store.create_version(&version(1)).await.unwrap();
    let made = adjustment();
    let edit = async |from: Option<&Adjustment>, to: &Adjustment| {
        let adjustments = vec![(from.cloned(), to.clone())];
        store.edit_catalog(&CatalogEdit { adjustments, ..CatalogEdit::default() }).await.unwrap();
    };
    edit(None, &made).await;
    let key = "2026-01-31T09:30:00.123456Z#9a3e5c1f00b2d417";
    let stored = item(&client, &tables, "adjustment#orders_by_status", key).await;
    let was = stored.get("was").cloned().unwrap();
    assert_eq!(was.as_l().unwrap().len(), 2);
    assert!(stored.contains_key("verdict"));
    edit(Some(&made), &Adjustment { verdict: None, revision: 1, ..made.clone() }).await;
    let stored = item(&client, &tables, "adjustment#orders_by_status", key).await;
    assert_eq!(stored.get("was"), Some(&was));
    assert!(!stored.contains_key("verdict"));
    aws.stop().await;
}
