//! The proxy that signs: an unmodified SDK reaches the data proxy's function by way of it, and DynamoDB itself.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

#[path = "../served/mod.rs"]
mod served;
#[path = "../signature/mod.rs"]
mod signature;
mod stand_in;

use std::process::Stdio;
use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use evercount_aws::dynamo::{DynamoStore, TableNames};
use evercount_aws::setup::create_tables;
use evercount_core::evolution::{Judgement, Proposal, evolve, new_subject};
use evercount_core::registration::Registration;
use evercount_core::registry::{Origin, Policy};
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::Subject;
use evercount_local::stack::now;
use evercount_local::{EmbeddedAws, EmbeddedOptions, client};
use evercount_pipeline::ports::{RegistryStore, UsageStore};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use signature::{ID, REGION, SECRET};
use stand_in::StandIn;

/// A proxy of the command, and where it is.
async fn proxy(home: &std::path::Path, arguments: &[&str]) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evercount"));
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    let credentials = [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", REGION)];
    let mut running = command
        .envs(credentials)
        .env("EVERCOUNT_HOME", home)
        .args(["proxy", "--json"])
        .args(arguments)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let ready = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap();
    let ready: Value = serde_json::from_str(&ready.unwrap()).unwrap();
    (running, ready["ready"].as_str().unwrap().to_owned())
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// Makes the table `orders`.
async fn create(sdk: &aws_sdk_dynamodb::Client) {
    let attribute =
        AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
    sdk.create_table()
        .table_name("orders")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute.build().unwrap())
        .key_schema(key.build().unwrap())
        .send()
        .await
        .unwrap();
}

/// Registers the schema of `orders`: texts.
async fn register(store: &DynamoStore, columns: &[&str]) {
    let field = |name: &&str| (FieldPath::column(name), Field::of(TypeSet::of(FieldType::STRING)));
    let schema = Schema { fields: columns.iter().map(field).collect(), key: vec![] };
    let (subject, at) = (Subject::new("orders"), now());
    let before = new_subject(subject.clone(), Origin::Event, Policy::default(), at);
    let proposal = Proposal { schema, changes: vec![], position: None, at };
    let evolved = evolve(&before, None, &proposal, |_| Judgement::default(), at);
    let mut registration = Registration::empty(subject, at);
    registration.add(None, &before, evolved);
    store.register(&registration).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_reaches_the_function_through_a_proxy_that_signs_for_its_url() {
    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    create_tables(&aws.dynamodb(), &TableNames::default()).await.unwrap();
    let store = DynamoStore::new(&aws.dynamodb(), TableNames::default());
    create(&aws.dynamodb()).await;
    register(&store, &["id", "state"]).await;
    let function = StandIn::function(&aws.dynamodb_endpoint()).await;
    let home = tempfile::tempdir().unwrap();
    let (_running, url) = proxy(home.path(), &["--sign", "lambda", "--upstream", function.url()]).await;

    let sdk = client::dynamodb(&url, REGION);
    for n in 0..20 {
        let id = format!("o-{n}");
        let put =
            sdk.put_item().table_name("orders").item("id", text(&id)).item("state", text("NEW ł \"\u{1}"));
        put.send().await.unwrap();
    }
    let got = sdk.get_item().table_name("orders").key("id", text("o-7")).send().await.unwrap();
    assert_eq!(got.item.unwrap()["state"], text("NEW ł \"\u{1}"));
    let mut pages = sdk.scan().table_name("orders").limit(7).into_paginator().send();
    let mut found = 0;
    while let Some(page) = pages.next().await {
        found += page.unwrap().count;
    }
    assert_eq!(found, 20);
    // What the function refuses is refused as DynamoDB would.
    let put = sdk.put_item().table_name("orders").item("id", text("x")).item("staet", text("NEW"));
    let refused = put.send().await.unwrap_err();
    assert_eq!(refused.code(), Some("ValidationException"));
    let told = refused.message().unwrap_or_default();
    assert!(told.contains("did you mean `state`?"), "{told}");
    let usage = store.usage(&Subject::new("orders")).await.unwrap();
    let asked: Vec<&str> = usage.iter().map(|day| day.attribute.as_str()).collect();
    assert_eq!(asked, ["staet"]);

    assert!(function.admitted() >= 24, "{}", function.admitted());
    assert_eq!(function.refused(), Vec::<String>::new());
    // The function itself admits nobody who signs for DynamoDB, as the SDK does.
    let sdk = client::dynamodb(function.url(), REGION);
    assert!(sdk.get_item().table_name("orders").key("id", text("o-7")).send().await.is_err());
    assert!(!function.refused().is_empty());
    aws.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_reaches_dynamodb_through_a_proxy_that_signs_anew() {
    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    let dynamodb = StandIn::dynamodb(&aws.dynamodb_endpoint()).await;
    let home = tempfile::tempdir().unwrap();
    let (_running, url) = proxy(home.path(), &["--sign", "dynamodb", "--upstream", dynamodb.url()]).await;
    // Its own credentials are nobody's upstream.
    let sdk = client::dynamodb(&url, REGION);
    create(&sdk).await;
    sdk.put_item().table_name("orders").item("id", text("a")).send().await.unwrap();
    let got = sdk.get_item().table_name("orders").key("id", text("a")).send().await.unwrap();
    assert_eq!(got.item.unwrap()["id"], text("a"));
    assert!(dynamodb.admitted() >= 3);
    assert_eq!(dynamodb.refused(), Vec::<String>::new());
    let straight = client::dynamodb(dynamodb.url(), REGION);
    assert!(straight.list_tables().send().await.is_err(), "the key `test` is not known there");
    aws.stop().await;
}

#[tokio::test]
async fn what_cannot_be_signed_for_is_told() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, told) in [
        (&["--sign", "lambda"][..], "DataProxyUrl"),
        (&["--sign", "lambda", "--upstream", "http://127.0.0.1:1", "--mode", "off"], "ProxyTableModes"),
        (&["--sign", "lambda", "--upstream", "http://127.0.0.1:1/path"], "is no URL of an endpoint"),
    ] {
        let ran = Command::new(env!("CARGO_BIN_EXE_evercount"))
            .env("EVERCOUNT_HOME", home.path())
            .envs([("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", REGION)])
            .arg("proxy")
            .args(arguments)
            .output()
            .await
            .unwrap();
        let error = String::from_utf8_lossy(&ran.stderr);
        assert!(!ran.status.success() && error.contains(told), "{arguments:?}: {error}");
    }
}
