//! The command: it says where it is, serves the embedded DynamoDB, and ends when it is asked to.

use std::process::Stdio;
use std::time::Duration;

use evercount_aws::dynamo::TableNames;
use evercount_core::change::TableName;
use evercount_local::{EmbeddedOptions, Stack};
use evercount_pipeline::ports::{UsageStore as _, Used};
use evercount_proxy::server::PlainUpstream;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::stage::{call, register};

fn evercount(home: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evercount"));
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"] {
        command.env_remove(name);
    }
    command.env("EVERCOUNT_HOME", home).kill_on_drop(true);
    command
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_command_serves_the_embedded_dynamodb_until_it_is_stopped() {
    let home = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        data_file: Some(home.path().join("dynamodb.sqlite")),
        ..EmbeddedOptions::default()
    };
    let names = TableNames::default;
    let stack = Stack::embedded(options.clone(), names()).await.unwrap();
    register(stack.store(), "orders", &["id", "state"]).await;
    stack.stop().await;
    let mut running = evercount(home.path())
        .args(["proxy", "--listen", "127.0.0.1:0", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let ready =
        tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap().unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(ready["mode"], "strict");
    let client = PlainUpstream::new(ready["ready"].as_str().unwrap()).unwrap();
    super::refusing::table(&client).await;
    let put = json!({"TableName": "orders", "Item": {"id": {"S": "a"}}});
    assert_eq!(call(&client, "PutItem", &put).await.status, 200);
    let unknown = json!({"TableName": "orders", "Item": {"id": {"S": "a"}, "gift": {"S": "x"}}});
    assert_eq!(call(&client, "PutItem", &unknown).await.status, 400);
    drop(client);
    let process = running.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &process]).status().await.unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(20), running.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
    // What was asked for is where a forecaster finds it.
    let stack = Stack::embedded(options, names()).await.unwrap();
    let usage = stack.store().usage(&TableName::new("orders")).await.unwrap();
    let told: Vec<_> = usage.iter().map(|day| (day.attribute.as_str(), day.used)).collect();
    assert_eq!(told, [("gift", Used { reads: 0, writes: 1 })]);
    stack.stop().await;
}

#[tokio::test]
async fn an_address_that_others_reach_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let ran = evercount(home.path()).args(["proxy", "--listen", "0.0.0.0:0"]).output().await.unwrap();
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(2), "{told}");
    assert!(told.contains("loopback"), "{told}");
}
