//! `evercount source` where there are no streaming destinations; where there are, `tests/deployed` uses it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use evercount_local::{EmbeddedAws, EmbeddedOptions};
use tempfile::TempDir;

const STREAM: &str = "arn:aws:kinesis:eu-central-1:000000000000:stream/orders-cdc";

/// Connects the table `orders`, in an environment without AWS but for `variables`. Returns how that
/// ended and what was said on standard error.
fn connect(home: &Path, variables: &[(&str, &str)], stream: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evercount"));
    let environment = std::env::vars_os().map(|(name, _)| name);
    for name in environment.filter(|name| {
        name.to_str().is_some_and(|name| name.starts_with("AWS_") || name.starts_with("EVERCOUNT_"))
    }) {
        command.env_remove(name);
    }
    command.env("EVERCOUNT_HOME", home).envs(variables.iter().copied());
    let output = command.args(["source", "connect", "orders", "--stream", stream]).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_embedded_aws_says_that_it_captures_tables_itself() {
    let home = TempDir::new().unwrap();
    let (code, said) = connect(&home.path().join("home"), &[], STREAM);
    assert_eq!(code, 2);
    assert!(
        said.contains("`evercount local` captures every table") && said.contains("--target aws"),
        "{said}"
    );
    assert!(!home.path().join("home").exists(), "nothing was opened");
}

#[tokio::test]
async fn an_endpoint_without_streaming_destinations_is_told_from_a_table_or_stream_that_is_missing() {
    let home = TempDir::new().unwrap();
    let embedded = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    let (dynamodb, kinesis) = (embedded.dynamodb_endpoint(), embedded.kinesis_endpoint());
    let run = async |stream: &str| {
        let (home, stream) = (home.path().to_owned(), stream.to_owned());
        let (dynamodb, kinesis) = (dynamodb.clone(), kinesis.clone());
        tokio::task::spawn_blocking(move || {
            let variables = [
                ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.as_str()),
                ("AWS_ENDPOINT_URL_KINESIS", kinesis.as_str()),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_REGION", "eu-central-1"),
            ];
            connect(&home, &variables, &stream)
        })
        .await
        .unwrap()
    };

    let (code, said) = run(STREAM).await;
    assert!(code == 2 && said.contains(&format!("there is no stream {STREAM}")), "{said}");

    embedded.kinesis().create_stream().stream_name("orders-cdc").shard_count(1).send().await.unwrap();
    let described =
        embedded.kinesis().describe_stream_summary().stream_name("orders-cdc").send().await.unwrap();
    let stream = described.stream_description_summary.unwrap().stream_arn;
    let (code, said) = run(&stream).await;
    assert!(code == 2 && said.contains("there is no table `orders`"), "{said}");

    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
    let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
    let table = embedded.dynamodb().create_table().table_name("orders").key_schema(key);
    let table = table.attribute_definitions(id.build().unwrap()).billing_mode(BillingMode::PayPerRequest);
    table.send().await.unwrap();
    let (code, said) = run(&stream).await;
    assert!(code == 2 && said.contains("has no streaming destinations: use AWS"), "{said}");
    embedded.stop().await;
}
