//! `evercount local` from the outside: the commands, the SDKs and the signals that a user has.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, Select,
};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::ShardIteratorType;
use evercount_local::client;
use serde_json::Value;
use tempfile::TempDir;

/// Longer than the clocks of one machine are taken to differ.
const SKEW_BOUND: Duration = Duration::from_millis(150);

const REGION: &str = "eu-central-1";
/// Far more than anything here takes, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

fn evercount(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evercount"));
    let environment = std::env::vars_os().map(|(name, _)| name);
    for name in environment.filter(|name| {
        name.to_str().is_some_and(|name| name.starts_with("AWS_") || name.starts_with("EVERCOUNT_"))
    }) {
        command.env_remove(name);
    }
    command.env("EVERCOUNT_HOME", home);
    command
}

/// An `evercount local` that ends with the test.
struct Local {
    child: Child,
    dynamodb: aws_sdk_dynamodb::Client,
    kinesis: aws_sdk_kinesis::Client,
    stream: String,
    /// What it prints is read to its end, or a full pipe would stop it.
    printed: std::thread::JoinHandle<Vec<String>>,
}

impl Local {
    fn start(home: &Path) -> Self {
        Self::start_with(home, &[])
    }

    fn start_with(home: &Path, options: &[&str]) -> Self {
        let mut child = evercount(home).arg("local").args(options).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next().unwrap().unwrap();
        let words: Vec<&str> = ready.split(' ').collect();
        let [_, dynamodb, kinesis, stream] = words[..] else { panic!("{ready}") };
        assert_eq!(words[0], "ready");
        let value = |word: &str, name: &str| word.strip_prefix(name).unwrap().to_owned();
        Self {
            child,
            dynamodb: client::dynamodb(&value(dynamodb, "dynamodb="), REGION),
            kinesis: client::kinesis(&value(kinesis, "kinesis="), REGION),
            stream: value(stream, "stream="),
            printed: std::thread::spawn(move || lines.map_while(Result::ok).collect()),
        }
    }

    /// Asks it to stop, and gives what it printed.
    fn stop(mut self, signal: &str) -> Vec<String> {
        let asked = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
        assert!(self.child.wait().unwrap().success());
        std::mem::replace(&mut self.printed, std::thread::spawn(Vec::new)).join().unwrap()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Runs a command with `--json` and gives its exit code and document.
fn json(home: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = evercount(home).args(arguments).arg("--json").output().unwrap();
    let document = serde_json::from_slice(&output.stdout);
    let document =
        document.unwrap_or_else(|_| panic!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)));
    (code(&output), document)
}

/// Reads a count until it is as expected.
fn wait_for(home: &Path, name: &str, total: i64, exact: bool) -> Value {
    let started = Instant::now();
    loop {
        let (_, document) = json(home, &["counts", name]);
        let count = &document["counts"][0];
        if count["total"] == total && count["exact"] == exact {
            return count.clone();
        }
        assert!(started.elapsed() < PATIENCE, "expected {total}, exact {exact}: {count:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

async fn create_table(dynamodb: &aws_sdk_dynamodb::Client, table: &str) {
    let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
    dynamodb
        .create_table()
        .table_name(table)
        .attribute_definitions(id.build().unwrap())
        .key_schema(key.build().unwrap())
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
}

async fn put(dynamodb: &aws_sdk_dynamodb::Client, table: &str, ids: std::ops::Range<u32>, status: &str) {
    for id in ids {
        dynamodb
            .put_item()
            .table_name(table)
            .item("id", AttributeValue::S(id.to_string()))
            .item("status", AttributeValue::S(status.to_owned()))
            .send()
            .await
            .unwrap();
    }
}

async fn delete(dynamodb: &aws_sdk_dynamodb::Client, table: &str, ids: std::ops::Range<u32>) {
    for id in ids {
        let call = dynamodb.delete_item().table_name(table);
        call.key("id", AttributeValue::S(id.to_string())).send().await.unwrap();
    }
}

fn groups(count: &Value) -> Vec<(String, i64)> {
    let mut groups: Vec<_> = count["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            (group["key"]["status"].as_str().unwrap_or_default().to_owned(), group["n"].as_i64().unwrap())
        })
        .collect();
    groups.sort();
    groups
}

#[tokio::test]
async fn counts_follow_the_writes_and_outlive_the_process() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let file = home.join("local.json");
    let local = Local::start(home);
    assert!(file.exists());
    create_table(&local.dynamodb, "orders").await;

    let (exit, created) =
        json(home, &["count", "create", "by-status", "--table", "orders", "--group-by", "status"]);
    assert_eq!(exit, 0, "{created:#}");
    // Nothing waits for the capture to begin.
    put(&local.dynamodb, "orders", 0..20, "open").await;
    put(&local.dynamodb, "orders", 0..5, "paid").await;
    delete(&local.dynamodb, "orders", 19..20).await;
    let count = wait_for(home, "by-status", 19, true);
    assert_eq!(groups(&count), [("open".to_owned(), 14), ("paid".to_owned(), 5)]);

    let refused = evercount(home).arg("local").output().unwrap();
    assert_eq!(code(&refused), 2);
    let refused = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.contains("running already (process"), "{refused}");

    put(&local.dynamodb, "orders", 20..30, "open").await;
    local.stop("-INT");
    assert!(!file.exists());
    // What was written just before the stop is counted, and read without the services.
    wait_for(home, "by-status", 29, true);

    let local = Local::start(home);
    wait_for(home, "by-status", 29, true);
    put(&local.dynamodb, "orders", 30..40, "paid").await;
    delete(&local.dynamodb, "orders", 0..5).await;
    let count = wait_for(home, "by-status", 34, true);
    assert_eq!(groups(&count), [("open".to_owned(), 24), ("paid".to_owned(), 10)]);
    // What changed within the clocks' skew bound is in flux, and rightly not judged.
    tokio::time::sleep(SKEW_BOUND).await;
    let (exit, audited) = json(home, &["audit", "by-status", "--margin", "0"]);
    assert_eq!((exit, &audited["agreeing"]), (0, &34.into()), "{audited:#}");

    let (exit, _) = json(home, &["count", "delete", "by-status"]);
    assert_eq!(exit, 0);
    let gone = evercount(home).args(["counts", "by-status"]).output().unwrap();
    assert_eq!(code(&gone), 2);
    local.stop("-TERM");
    assert!(!file.exists());
}

#[tokio::test]
async fn a_count_follows_an_attribute_that_gets_another_name() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let local = Local::start(home);
    create_table(&local.dynamodb, "orders").await;
    let create = ["count", "create", "by-status", "--table", "orders", "--group-by", "status"];
    assert_eq!(json(home, &create).0, 0);
    put(&local.dynamodb, "orders", 0..40, "open").await;
    wait_for(home, "by-status", 40, true);
    for id in 0..30 {
        let call = local.dynamodb.put_item().table_name("orders");
        let call = call.item("id", AttributeValue::S(id.to_string()));
        call.item("state", AttributeValue::S("open".to_owned())).send().await.unwrap();
    }
    let started = Instant::now();
    loop {
        let count = wait_for(home, "by-status", 40, true);
        let groups = count["groups"].as_array().unwrap();
        if groups.len() == 1 && groups[0]["key"]["state"] == "open" {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{count:#}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let printed = local.stop("-INT").join("\n");
    for told in ["plan for `by-status` (A1): `status` was renamed to `state`", "`by-status` v0002 promoted"] {
        assert!(printed.contains(told), "{told}: {printed}");
    }
}

/// What is on the only shard of a stream.
async fn everything_on(kinesis: &aws_sdk_kinesis::Client, stream: &str) -> Vec<Value> {
    let shards = kinesis.list_shards().stream_name(stream).send().await.unwrap();
    let iterator = kinesis
        .get_shard_iterator()
        .stream_name(stream)
        .shard_id(shards.shards()[0].shard_id())
        .shard_iterator_type(ShardIteratorType::TrimHorizon);
    let mut iterator = iterator.send().await.unwrap().shard_iterator;
    let mut records = Vec::new();
    loop {
        let page = kinesis.get_records().set_shard_iterator(iterator).send().await.unwrap();
        if page.records().is_empty() {
            return records;
        }
        let read = page.records.iter().map(|record| serde_json::from_slice(record.data().as_ref()).unwrap());
        records.extend(read);
        iterator = page.next_shard_iterator;
    }
}

#[tokio::test]
async fn records_that_conform_to_the_schema_in_force_are_on_a_stream_of_their_own() {
    let home = TempDir::new().unwrap();
    let local = Local::start_with(home.path(), &["--conform"]);
    create_table(&local.dynamodb, "orders").await;
    assert_eq!(json(home.path(), &["count", "create", "all", "--table", "orders"]).0, 0);
    let started = Instant::now();
    let conformed = loop {
        put(&local.dynamodb, "orders", 0..5, "open").await;
        delete(&local.dynamodb, "orders", 0..5).await;
        let conformed = everything_on(&local.kinesis, "evercount-conformed").await;
        if let Some(record) = conformed.into_iter().find(|record| record["schema_id"].is_string()) {
            break record;
        }
        assert!(started.elapsed() < PATIENCE, "nothing conforms");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(conformed["subject"], "orders", "{conformed:#}");
    let (exit, lineage) = json(home.path(), &["schema", "lineage", "orders"]);
    assert_eq!(exit, 0);
    assert!(lineage.to_string().contains("event-transformer"), "{lineage:#}");
    let printed = local.stop("-INT").join("\n");
    for told in ["conformed records are on stream evercount-conformed", "conform to v0001-"] {
        assert!(printed.contains(told), "{told}: {printed}");
    }
}

#[tokio::test]
async fn rows_from_before_a_count_are_added_by_an_audit() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let local = Local::start(home);
    create_table(&local.dynamodb, "orders").await;
    put(&local.dynamodb, "orders", 0..10, "open").await;
    assert_eq!(json(home, &["count", "create", "all", "--table", "orders"]).0, 0);
    put(&local.dynamodb, "orders", 10..13, "open").await;
    let count = wait_for(home, "all", 3, false);
    assert_eq!(count["doubts"][0], "started_late", "{count:#}");

    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (exit, audited) = json(home, &["audit", "all", "--margin", "1", "--repair"]);
    assert_eq!((exit, &audited["repaired"]), (0, &10.into()), "{audited:#}");
    wait_for(home, "all", 13, true);
    local.stop("-INT");
}

#[tokio::test]
async fn a_table_made_after_its_count_misses_no_row() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let local = Local::start(home);
    assert_eq!(json(home, &["count", "create", "all", "--table", "orders"]).0, 0);
    create_table(&local.dynamodb, "orders").await;
    // Some of these come before the change log is on.
    put(&local.dynamodb, "orders", 0..200, "open").await;
    delete(&local.dynamodb, "orders", 0..10).await;
    wait_for(home, "all", 190, true);

    // Another table of the same name has none of the rows.
    local.dynamodb.delete_table().table_name("orders").send().await.unwrap();
    create_table(&local.dynamodb, "orders").await;
    put(&local.dynamodb, "orders", 0..7, "open").await;
    wait_for(home, "all", 7, true);
    local.stop("-INT");
}

#[tokio::test]
async fn poison_on_the_stream_is_kept_and_shown() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let local = Local::start(home);
    create_table(&local.dynamodb, "orders").await;
    assert_eq!(json(home, &["count", "create", "all", "--table", "orders"]).0, 0);
    put(&local.dynamodb, "orders", 0..3, "open").await;
    wait_for(home, "all", 3, true);
    let call = local.kinesis.put_record().stream_name(&local.stream).partition_key("p");
    call.data(Blob::new(b"{\"not\": a record".to_vec())).send().await.unwrap();

    let started = Instant::now();
    let record = loop {
        let (exit, listed) = json(home, &["quarantine", "list"]);
        assert_eq!(exit, 0);
        if let Some(record) = listed["quarantined"].get(0) {
            break record.clone();
        }
        assert!(started.elapsed() < PATIENCE, "{listed:#}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let id = record["id"].as_str().unwrap();
    let (exit, shown) = json(home, &["quarantine", "show", id]);
    assert_eq!((exit, &shown["raw_base64"]), (0, &"eyJub3QiOiBhIHJlY29yZA==".into()), "{shown:#}");
    for id in [Some(id), None] {
        let arguments: Vec<&str> = ["quarantine", "replay"].into_iter().chain(id).collect();
        let (exit, replayed) = json(home, &arguments);
        assert_eq!(exit, 1, "{replayed:#}");
        assert_eq!(replayed["kept"][0]["id"], record["id"], "{replayed:#}");
    }
    // The shard is not held up, and the count says that it may be off.
    put(&local.dynamodb, "orders", 3..5, "open").await;
    let count = wait_for(home, "all", 5, false);
    assert!(count["uncertain"].as_u64().unwrap() > 0, "{count:#}");
    let printed = local.stop("-INT").join("\n");
    assert!(printed.contains("table `orders` is captured"), "{printed}");
    assert!(printed.contains("1 quarantined"), "{printed}");
}

#[tokio::test]
async fn a_kill_in_the_middle_of_writes_loses_and_doubles_nothing() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let mut local = Local::start(home);
    create_table(&local.dynamodb, "orders").await;
    assert_eq!(json(home, &["count", "create", "all", "--table", "orders"]).0, 0);
    let dynamodb = local.dynamodb.clone();
    let writing = tokio::spawn(async move {
        for id in 0.. {
            let call = dynamodb.put_item().table_name("orders");
            if call.item("id", AttributeValue::S(id.to_string())).send().await.is_err() {
                return id;
            }
        }
        0
    });
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    local.child.kill().unwrap();
    let written: i64 = writing.await.unwrap();
    assert!(written > 10, "{written} rows");
    drop(local);

    let local = Local::start(home);
    // The write that failed may have happened.
    let found = local.dynamodb.scan().table_name("orders").select(Select::Count).send().await.unwrap();
    let rows = i64::from(found.count());
    assert!((written..=written + 1).contains(&rows), "{rows} rows, {written} written");
    wait_for(home, "all", rows, true);
    // What changed within the clocks' skew bound is in flux, and rightly not judged.
    tokio::time::sleep(SKEW_BOUND).await;
    let (exit, audited) = json(home, &["audit", "all", "--margin", "0"]);
    assert_eq!((exit, &audited["agreeing"]), (0, &rows.into()), "{audited:#}");
    local.stop("-INT");
}

#[test]
fn json_is_one_line_and_memory_keeps_nothing() {
    let home = TempDir::new().unwrap();
    let mut child =
        evercount(home.path()).args(["local", "--memory", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(told["environment"]["AWS_ENDPOINT_URL_DYNAMODB"], told["dynamodb"]);
    assert_eq!(told["data"], Value::Null);
    let asked = Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap();
    assert!(asked.success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(rest, "");
    assert!(!home.path().join("dynamodb.sqlite").exists());
}

#[test]
fn a_local_without_a_ledger_is_refused() {
    let home = TempDir::new().unwrap();
    let refused = evercount(home.path()).arg("local").env("EVERCOUNT_MODE", "lane").output().unwrap();
    assert_eq!(code(&refused), 2);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("unset EVERCOUNT_MODE"));
}

/// Puts items whose status stands under the attribute `name`.
async fn put_under(local: &Local, ids: std::ops::Range<u32>, name: &str) {
    for id in ids {
        let call = local.dynamodb.put_item().table_name("orders");
        let status = AttributeValue::S(["NEW", "PAID"][id as usize % 2].to_owned());
        call.item("id", AttributeValue::S(id.to_string())).item(name, status).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_seen_and_so_is_what_becomes_of_it() {
    let home = TempDir::new().unwrap();
    let local = Local::start(home.path());
    create_table(&local.dynamodb, "orders").await;
    let (created, _) = json(home.path(), &["count", "create", "all", "--table", "orders"]);
    assert_eq!(created, 0);
    put_under(&local, 0..40, "status").await;
    wait_for(home.path(), "all", 40, true);
    put_under(&local, 0..40, "state").await;
    let started = Instant::now();
    let changes = loop {
        let (_, history) = json(home.path(), &["schema", "history", "orders"]);
        let text = history.to_string();
        if text.contains("rename_column") || text.contains("drop_column") {
            break text;
        }
        assert!(started.elapsed() < PATIENCE, "{history:#}");
        std::thread::sleep(Duration::from_millis(100));
    };
    // Each update carries the value from one name to the other.
    assert!(changes.contains("rename_column") && !changes.contains("drop_column"), "{changes}");
    let (_, shown) = json(home.path(), &["schema", "show", "orders"]);
    assert!(shown.to_string().contains("\"state\""), "{shown:#}");
    let printed = local.stop("-INT");
    assert!(printed.iter().any(|line| line.contains("column `status` renamed to `state`")), "{printed:#?}");

    // The change log is read again from its beginning; what it says of the past is no news.
    let (_, before) = json(home.path(), &["schema", "history", "orders"]);
    let local = Local::start(home.path());
    put_under(&local, 40..50, "state").await;
    wait_for(home.path(), "all", 50, true);
    local.stop("-INT");
    assert_eq!(json(home.path(), &["schema", "history", "orders"]).1, before);
}

/// A predicate with this body, which has the item's place and length.
fn predicate(home: &Path, name: &str, body: &str) -> String {
    let text = format!(
        r#"(module (memory (export "memory") 2)
             (func (export "evercount_abi") (result i32) i32.const 1)
             (func (export "alloc") (param i32) (result i32) i32.const 4096)
             (func (export "predicate") (param i32 i32) (result i32) {body}))"#
    );
    let file = home.join(format!("{name}.wasm"));
    std::fs::write(&file, wat::parse_str(text).unwrap()).unwrap();
    file.display().to_string()
}

#[tokio::test]
async fn a_function_that_is_added_meanwhile_is_asked_and_one_that_loops_is_contained() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let local = Local::start(home);
    create_table(&local.dynamodb, "orders").await;
    put(&local.dynamodb, "orders", 0..20, "open").await;

    // An item whose id has two digits is longer.
    let long = r#"{"id":{"S":"10"},"status":{"S":"open"}}"#.len();
    let long = predicate(home, "long", &format!("(i32.ge_u (local.get 1) (i32.const {long}))"));
    assert_eq!(json(home, &["function", "add", "long", &long]).0, 0);
    let asked = ["count", "create", "long", "--table", "orders", "--where", "\"function:long\" = true"];
    let (exit, created) = json(home, &asked);
    assert_eq!(exit, 0, "{created:#}");
    put(&local.dynamodb, "orders", 20..30, "open").await;
    put(&local.dynamodb, "orders", 0..5, "open").await;
    delete(&local.dynamodb, "orders", 29..30).await;
    // The rows from before are asked about as they are read.
    json(home, &["backfill", "start", "long"]);
    wait_for(home, "long", 19, true);
    let audit = json(home, &["audit", "long"]).1;
    assert_eq!((&audit["agreeing"], &audit["rows"]), (&29.into(), &29.into()), "{audit:#}");

    let loops = predicate(home, "loops", "(loop br 0) (i32.const 1)");
    assert_eq!(json(home, &["function", "add", "loops", &loops]).0, 0);
    let altered = json(home, &["count", "alter", "long", "--where", "\"function:loops\" = true"]).1;
    put(&local.dynamodb, "orders", 30..33, "open").await;
    let count = wait_for(home, "long", 22, true);
    assert_eq!(count["version"], 1, "{count:#}\n{altered:#}");
    let refused = evercount(home)
        .args(["count", "create", "x", "--table", "orders", "--where", "\"function:lnog\" = true"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("there is no function `lnog`"), "{said}");
    local.stop("-INT");
}

/// A table that is written to is forecast as soon as its schema is registered, and a plan that was imported
/// holds a column ready.
#[tokio::test(flavor = "multi_thread")]
async fn a_registered_table_is_forecast_with_the_plan_that_was_imported() {
    let home = TempDir::new().unwrap();
    let local = Local::start(home.path());
    create_table(&local.dynamodb, "parcels").await;
    let (done, _) = json(home.path(), &["count", "create", "all_parcels", "--table", "parcels"]);
    assert_eq!(done, 0);
    put(&local.dynamodb, "parcels", 0..40, "NEW").await;
    wait_for(home.path(), "all_parcels", 40, true);
    let day = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 20);
    let plan = home.path().join("plan.csv");
    let text = format!(
        "date,feature,tables,columns\n{},gifts,parcels,parcels.gift:BOOL\n",
        day.strftime("%Y-%m-%d")
    );
    std::fs::write(&plan, text).unwrap();
    let (done, imported) = json(home.path(), &["forecast", "import", plan.to_str().unwrap()]);
    assert_eq!((done, &imported["imported"][0]["kind"]), (0, &Value::from("releases")));
    let started = Instant::now();
    loop {
        let (_, listed) = json(home.path(), &["forecast", "list"]);
        let is_kept = listed["stored"] == true;
        let candidates = listed["tables"][0]["candidates"].as_array().cloned().unwrap_or_default();
        if is_kept && candidates.iter().any(|one| one["column"] == "gift" && one["state"] == "open") {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{listed:#}");
        std::thread::sleep(Duration::from_millis(500));
    }
    let printed = local.stop("-INT");
    assert!(printed.iter().any(|line| line.contains("`gift` expected")), "{printed:#?}");
}
