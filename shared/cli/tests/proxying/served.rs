//! The command: it says where it is, serves the embedded DynamoDB, and ends when it is asked to.

use std::process::Stdio;
use std::time::Duration;

use evercount_aws::dynamo::{DynamoStore, TableNames};
use evercount_core::change::TableName;
use evercount_core::shadow::{Prefetch, PrefetchFrom, ShadowColumn, ShadowSchema, ShadowState};
use evercount_local::client;
use evercount_local::{EmbeddedOptions, Stack};
use evercount_pipeline::ports::{ShadowSchemaStore as _, UsageStore as _, Used};
use evercount_proxy::server::PlainUpstream;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::s3::StandIn;
use super::shop::{go_on_in, go_on_with, order};
use super::stage::{call, call_with, expected, register};

pub fn evercount(home: &std::path::Path) -> Command {
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

const CONFIG: &str = "\
mode = \"strict\"
migration_function_path = \"migrations\"
default_migration_strategy = \"auto\"

[tables]
free = \"off\"

[table.orders]
stamps = true
";

const SPLIT: &str = "\
table = \"orders\"
from = 3
to = 4

[[function]]
split = { path = \"name\", separator = \" \", into = [\"first\", \"last\"] }
";

/// By its file it migrates; and beside requests it fetches values ahead, and moves them into the table when
/// their column comes.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_migrates_by_its_file_and_looks_after_what_is_beside_tables() {
    let home = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions {
        data_file: Some(home.path().join("dynamodb.sqlite")),
        ..EmbeddedOptions::default()
    };
    let stack = Stack::embedded(options, TableNames::default()).await.unwrap();
    let straight = PlainUpstream::new(&stack.embedded_aws().unwrap().dynamodb_endpoint()).unwrap();
    super::refusing::table(&straight).await;
    let gifts = json!({"TableName": "gifts", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]});
    assert_eq!(call(&straight, "CreateTable", &gifts).await.status, 200);
    for version in 1..=4 {
        go_on_in(stack.store(), version).await;
    }
    let from = PrefetchFrom::Table { table: TableName::new("gifts"), attribute: "gift".to_owned() };
    let prefetch = Some(Prefetch { from, fresh_for: 86_400_000_000 });
    let columns = [("gift".to_owned(), ShadowColumn { prefetch, ..expected(None) })].into();
    let orders = TableName::new("orders");
    let shadow = ShadowSchema { revision: 1, columns, ..ShadowSchema::nothing(orders.clone(), 0) };
    stack.store().replace_shadow_schema(None, &shadow).await.unwrap();
    let known = json!({"TableName": "orders", "Item": order(4, "a", ("f", "l"), "OPEN", 1, "eu")});
    assert_eq!(call(&straight, "PutItem", &known).await.status, 200);
    let gift = json!({"TableName": "gifts", "Item": {"id": {"S": "a"}, "gift": {"S": "ribbon"}}});
    assert_eq!(call(&straight, "PutItem", &gift).await.status, 200);
    drop(straight);
    stack.stop().await;

    std::fs::create_dir(home.path().join("migrations")).unwrap();
    std::fs::write(home.path().join("migrations").join("name.toml"), SPLIT).unwrap();
    let config = home.path().join("proxy.toml");
    std::fs::write(&config, CONFIG).unwrap();
    let config = config.display().to_string();
    let mut running = evercount(home.path())
        .args(["proxy", "--json", "--config", &config])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let ready =
        tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap().unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let url = ready["ready"].as_str().unwrap();
    let client = PlainUpstream::new(url).unwrap();
    let put = json!({"TableName": "orders", "Item": order(3, "b", ("first", "last"), "OPEN", 1, "eu")});
    let migrated = call_with(&client, "PutItem", &[("x-evercount-schema-version", "3")], &put).await;
    assert_eq!((migrated.status, migrated.outcome.as_deref()), (200, Some("migrated")), "{migrated:?}");
    let get = |id: &str| json!({"TableName": "orders", "Key": {"id": {"S": id}}});
    assert_eq!(call(&client, "GetItem", &get("b")).await.body["Item"]["first"]["S"], "first");
    // What is fetched ahead is read as if the table had it.
    let until = async |what: &str, holds: &dyn Fn(&Value) -> bool| {
        for _ in 0..300 {
            let got = call(&client, "GetItem", &get("a")).await;
            if holds(&got.body["Item"]) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{what} did not come");
    };
    until("a fetched value", &|item| item["gift"]["S"] == "ribbon").await;
    // The registry is reached through the proxy as any other table.
    let store = DynamoStore::new(&client::dynamodb(url, "eu-central-1"), TableNames::default());
    go_on_with(&store, 4, "gift").await;
    let is_moved = async || {
        let shadow = store.shadow_schema(&orders).await.unwrap().unwrap();
        matches!(shadow.columns.get("gift").map(|column| column.state), Some(ShadowState::Moved { .. }))
    };
    for _ in 0..300 {
        if is_moved().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(is_moved().await, "the column came, and its values did not");
    until("the moved value", &|item| item["gift"]["S"] == "ribbon" && item.get("_ver").is_some()).await;
    drop(client);
    let process = running.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &process]).status().await.unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(20), running.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn a_file_that_is_not_right_is_told_with_what_would_be() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("proxy.toml");
    for (text, told) in [
        ("max_migration_attempt = 1", "max_migration_attempts"),
        ("[table.orders]\nstamp = true", "stamps"),
        ("mode = \"loud\"", "strict, observe and off"),
        ("migration_function_path = \"nowhere\"", "the folder of migrations"),
        ("migration_function_path = \"https://bucket/prefix\"", "expected s3://BUCKET/PREFIX"),
        ("migration_function_path = \"unfit\"", "names no table"),
    ] {
        std::fs::write(&config, text).unwrap();
        std::fs::create_dir_all(home.path().join("unfit")).unwrap();
        let unfit = SPLIT.replace("table = \"orders\"\n", "");
        std::fs::write(home.path().join("unfit").join("name.toml"), unfit).unwrap();
        let arguments = ["proxy", "--config", &config.display().to_string()];
        let ran = evercount(home.path()).args(arguments).output().await.unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(2), "{text}: {said}");
        assert!(said.contains(told), "{text}: {said}");
    }
}

/// The settings say that migrations are in S3, and what cannot be read there is told with its place.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_migrates_by_what_is_in_s3() {
    let (home, s3) = (tempfile::tempdir().unwrap(), StandIn::start().await);
    let data_file = Some(home.path().join("dynamodb.sqlite"));
    let options = EmbeddedOptions { data_file, ..EmbeddedOptions::default() };
    let stack = Stack::embedded(options, TableNames::default()).await.unwrap();
    let straight = PlainUpstream::new(&stack.embedded_aws().unwrap().dynamodb_endpoint()).unwrap();
    super::refusing::table(&straight).await;
    for version in 1..=4 {
        go_on_in(stack.store(), version).await;
    }
    drop(straight);
    stack.stop().await;

    let config = home.path().join("proxy.toml");
    let said = |path: &str| CONFIG.replace("\"migrations\"", &format!("\"s3://{path}\""));
    let command = |path: &str| {
        std::fs::write(&config, said(path)).unwrap();
        let mut command = evercount(home.path());
        command.envs(s3.environment()).args(["proxy", "--json", "--config"]).arg(&config);
        command
    };
    // Enough for several pages of a list, of which all but one are no files of that place.
    for other in ["a.txt", "old/name.toml", "readme.md"] {
        s3.put(&format!("of/migrations/{other}"), b"nothing");
    }
    s3.put("unfit/name.toml", SPLIT.replace("table = \"orders\"\n", "").as_bytes());
    s3.put("long/name.toml", &vec![b'#'; (1 << 20) + 1]);
    for (path, told) in [
        ("bucket/of/migrations", "there is none"),
        ("bucket/unfit", "s3://bucket/unfit/name.toml names no table"),
        ("bucket/long", "longer than 1048576 bytes"),
        ("nowhere/of", "NoSuchBucket"),
    ] {
        let ran = command(path).output().await.unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(2), "{path}: {said}");
        assert!(said.contains(told) && said.contains(&format!("s3://{path}/")), "{path}: {said}");
    }

    s3.put("of/migrations/name.toml", SPLIT.as_bytes());
    let mut running = command("bucket/of/migrations").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let ready = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap();
    let ready: Value = serde_json::from_str(&ready.unwrap()).unwrap();
    let client = PlainUpstream::new(ready["ready"].as_str().unwrap()).unwrap();
    let put = json!({"TableName": "orders", "Item": order(3, "b", ("first", "last"), "OPEN", 1, "eu")});
    let migrated = call_with(&client, "PutItem", &[("x-evercount-schema-version", "3")], &put).await;
    assert_eq!((migrated.status, migrated.outcome.as_deref()), (200, Some("migrated")), "{migrated:?}");
    assert_eq!(s3.refused(), Vec::<String>::new());
    running.kill().await.unwrap();
}

#[tokio::test]
async fn an_address_that_others_reach_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let ran = evercount(home.path()).args(["proxy", "--listen", "0.0.0.0:0"]).output().await.unwrap();
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(2), "{told}");
    assert!(told.contains("loopback"), "{told}");
}
