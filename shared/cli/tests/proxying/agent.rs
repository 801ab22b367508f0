//! Mutations in conflict: told apart, resolved as the settings say, or refused whole and written down.

use evercount_core::change::TableName;
use evercount_core::function::{FunctionEntry, FunctionKind, FunctionName};
use evercount_core::migration::function::MigrationFunction;
use evercount_core::migration::graph::Migration;
use evercount_core::migration::written::Written;
use evercount_core::mutation::settings::{MutationSettings, OnConflict, Strategy, TableSettings};
use evercount_core::schema_change::Subject;
use evercount_pipeline::ports::{FunctionStore as _, MutationTrail as _, RegistryStore as _};
use evercount_proxy::server::PlainUpstream;
use evercount_sandbox::function::id_of;
use serde_json::{Value, json};

use super::refusing::table;
use super::shop::{TABLE, go_on, order, settings, written};
use super::stage::{Answer, Live, call, call_with, register};

const READ: &str = "x-evercount-item-version";
const VERSION: &str = "x-evercount-schema-version";

fn text(value: &str) -> Value {
    json!({"S": value})
}

async fn tagged(client: &PlainUpstream, headers: &[(&str, &str)], tags: &[&str]) -> Answer {
    let update = json!({"TableName": "orders", "Key": {"id": text("a")}, "UpdateExpression": "SET tags = :t",
        "ExpressionAttributeValues": {":t": {"SS": tags}}});
    call_with(client, "UpdateItem", headers, &update).await
}

async fn live(on_conflict: OnConflict) -> (Live, PlainUpstream) {
    let live = Live::new(settings(true, on_conflict), Default::default()).await;
    let client = live.client();
    table(&client).await;
    register(live.stack.store(), "orders", &["id", "tags", "state"]).await;
    (live, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_changed_since_it_was_read_is_in_conflict() {
    let (live, client) = live(OnConflict::Reject).await;
    let first = tagged(&client, &[], &["one"]).await;
    let read = first.version.clone().unwrap();
    let second = tagged(&client, &[(READ, &read)], &["two"]).await;
    assert_eq!(second.status, 200, "{second:?}");
    assert!(second.version.as_ref().unwrap().parse::<u64>().unwrap() > read.parse().unwrap());
    let stale = tagged(&client, &[(READ, &read)], &["three"]).await;
    assert_eq!((stale.status, stale.outcome.as_deref()), (400, Some("data-conflict")));
    assert_eq!(stale.body["__type"], "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException");
    assert!(stale.body["message"].as_str().unwrap().contains("read it again"), "{stale:?}");
    // The same as a condition, which whoever reads the item can write.
    let got = call(&client, "GetItem", &json!({"TableName": "orders", "Key": {"id": text("a")}})).await;
    let conditional = |version: Value| {
        json!({"TableName": "orders", "Item": {"id": text("a"), "state": text("NEW")},
            "ConditionExpression": "#v = :v AND attribute_exists(id)", "ExpressionAttributeNames": {"#v": "_ver"},
            "ExpressionAttributeValues": {":v": version}})
    };
    let stale = call(&client, "PutItem", &conditional(json!({"N": read}))).await;
    assert_eq!((stale.status, stale.outcome.as_deref()), (400, Some("data-conflict")), "{stale:?}");
    let fresh = call(&client, "PutItem", &conditional(got.body["Item"]["_ver"].clone())).await;
    assert_eq!(fresh.status, 200, "{fresh:?}");
    let trail = live.stack.store().mutations(&TableName::new("orders")).await.unwrap();
    assert_eq!(trail.iter().filter(|entry| entry.outcome == "data-conflict").count(), 2, "{trail:?}");
    live.stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writes_are_merged_where_the_settings_say_so() {
    let (live, client) = live(OnConflict::Automerge).await;
    let read = tagged(&client, &[], &["one"]).await.version.unwrap();
    assert_eq!(tagged(&client, &[(READ, &read)], &["two"]).await.status, 200);
    let merged = tagged(&client, &[(READ, &read)], &["three"]).await;
    assert_eq!((merged.status, merged.outcome.as_deref()), (200, Some("merged")));
    let got = call(&client, "GetItem", &json!({"TableName": "orders", "Key": {"id": text("a")}})).await;
    assert_eq!(got.body["Item"]["tags"], json!({"SS": ["three", "two"]}));
    live.stack.stop().await;
}

/// A migration that makes nothing of an item leaves all as it was, and says so where it can be looked up.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_is_taken_back_whole_and_written_down() {
    let live = Live::new(settings(true, OnConflict::Reject), written()).await;
    let client = live.client();
    table(&client).await;
    for version in 1..=4 {
        go_on(&live, version).await;
    }
    let whole = order(3, "a", ("f", "l"), "OPEN", 1, "eu");
    let put = json!({"TableName": TABLE, "Item": whole});
    assert_eq!(
        call_with(&client, "PutItem", &[(VERSION, "3")], &put).await.outcome.as_deref(),
        Some("migrated")
    );
    let before = live.stored(TABLE, "a").await;
    // A name of one word cannot be parted into two.
    let mut unfit = order(3, "a", ("f", "l"), "DONE", 2, "eu");
    unfit["name"] = text("alone");
    unfit["schema_version"] = json!({"N": "3"});
    let refused = call(&client, "PutItem", &json!({"TableName": TABLE, "Item": unfit})).await;
    assert_eq!((refused.status, refused.outcome.as_deref()), (400, Some("migration-failed")), "{refused:?}");
    assert_eq!(refused.body["__type"], "com.amazon.coral.validate#ValidationException");
    assert_eq!(live.stored(TABLE, "a").await, before);
    // A version that is named has no more attributes than it has.
    let mut unknown = order(3, "b", ("f", "l"), "OPEN", 1, "eu");
    unknown["schema_version"] = json!({"N": "3"});
    unknown["statsu"] = text("OPEN");
    let refused = call(&client, "PutItem", &json!({"TableName": TABLE, "Item": unknown})).await;
    assert_eq!(refused.status, 400);
    let told = refused.body["message"].as_str().unwrap();
    assert!(told.contains("`statsu`") && told.contains("did you mean `status`?"), "{told}");
    let trail = live.stack.store().mutations(&TableName::new(TABLE)).await.unwrap();
    assert!(trail.iter().any(|entry| entry.outcome == "migration-failed"), "{trail:?}");
    assert!(trail.iter().all(|entry| !entry.summary.contains("alone")), "a value of an item is told");
    live.stack.stop().await;
}

/// One that is added to the registry meanwhile is used, without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_the_registry_keeps_is_used() {
    let live = Live::new(settings(true, OnConflict::Reject), Default::default()).await;
    let client = live.client();
    table(&client).await;
    for version in 1..=4 {
        go_on(&live, version).await;
    }
    let put = json!({"TableName": TABLE, "Item": order(3, "a", ("f", "l"), "OPEN", 1, "eu")});
    let refused = call_with(&client, "PutItem", &[(VERSION, "3")], &put).await;
    assert_eq!(refused.status, 400, "nothing tells how a name is parted: {refused:?}");
    let split = written().remove(&TableName::new(TABLE)).unwrap().remove(0);
    let kept = Written::default().with(split).unwrap();
    live.stack.store().replace_written(&Subject::new(TABLE), 0, &kept).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let migrated = call_with(&client, "PutItem", &[(VERSION, "3")], &put).await;
    assert_eq!((migrated.status, migrated.outcome.as_deref()), (200, Some("migrated")), "{migrated:?}");
    live.stack.stop().await;
}

/// A module that answers every item of the shop's third version with the same one of the fourth; or loops.
fn module(loops: bool) -> Vec<u8> {
    let answer = json!({"item": order(4, "a", ("made", "up"), "OPEN", 1, "eu")}).to_string();
    let (text, length) = (answer.replace('"', "\\\""), answer.len() as u64);
    let body = if loops {
        "(loop br 0) (i64.const 0)".to_owned()
    } else {
        format!("(i64.const {})", (16 << 32) + length)
    };
    wat::parse_str(format!(
        r#"(module (memory (export "memory") 2)
             (func (export "evercount_abi") (result i32) i32.const 1)
             (func (export "alloc") (param i32) (result i32) i32.const 4096)
             (data (i32.const 16) "{text}")
             (func (export "migrate") (param i32 i32) (result i64) {body}))"#
    ))
    .unwrap()
}

/// Functions that somebody adds while the proxy runs are used without a restart, and one that loops is
/// contained.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_was_added_meanwhile_migrates_and_one_that_loops_is_contained() {
    let live = Live::new(settings(true, OnConflict::Reject), Default::default()).await;
    let client = live.client();
    table(&client).await;
    for version in 1..=4 {
        go_on(&live, version).await;
    }
    let store = live.stack.store();
    let subject = TableName::new(TABLE);
    let put = async || {
        let item = order(3, "a", ("f", "l"), "OPEN", 1, "eu");
        let body = json!({"TableName": TABLE, "Item": item});
        call_with(&client, "PutItem", &[(VERSION, "3")], &body).await
    };
    assert_eq!(put().await.outcome.as_deref(), Some("no-path"));
    for (name, loops) in [("parts", false), ("loops", true)] {
        let module = module(loops);
        let entry = FunctionEntry {
            name: FunctionName::parse(name).unwrap(),
            id: id_of(&module),
            kind: FunctionKind::Migration,
            abi: 1,
            description: String::new(),
            added_at: 0,
            examples: Vec::new(),
        };
        store.put_function(None, &entry, &module).await.unwrap();
        let columns = ["name", "first", "last"].map(str::to_owned).to_vec();
        let custom = MigrationFunction::Custom { function: entry.id, columns, inverse: None };
        let known = store.written(&subject).await.unwrap();
        let migrations = known.with(Migration { from: 3, to: 4, functions: vec![custom] }).unwrap();
        store.replace_written(&subject, known.revision, &migrations).await.unwrap();
        // As long as what is known of a table is taken for current.
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let told = put().await;
        let expected = if loops { (400, "migration-failed") } else { (200, "migrated") };
        assert_eq!((told.status, told.outcome.as_deref().unwrap_or_default()), expected, "{name}: {told:?}");
        let first = live.stored(TABLE, "a").await.unwrap()["first"].clone();
        assert_eq!(first, evercount_core::value::Value::String("made".to_owned()));
    }
    live.stack.stop().await;
}

/// Nobody said that mutations may be migrated: they are refused, with what to do about it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_migrated_that_nobody_allowed() {
    let reject = TableSettings { strategy: Strategy::Reject, ..TableSettings::default() };
    let live =
        Live::new(MutationSettings { default: reject, ..Default::default() }, Default::default()).await;
    let client = live.client();
    table(&client).await;
    for version in 1..=3 {
        go_on(&live, version).await;
    }
    let put = json!({"TableName": TABLE, "Item": order(1, "a", ("f", "l"), "OPEN", 1, "eu")});
    let refused = call_with(&client, "PutItem", &[(VERSION, "1")], &put).await;
    assert_eq!((refused.status, refused.outcome.as_deref()), (400, Some("not-allowed")), "{refused:?}");
    let told = refused.body["message"].as_str().unwrap();
    assert!(told.contains("`reject`") && told.contains("write the migration down"), "{told}");
    assert_eq!(live.stored(TABLE, "a").await, None);
    live.stack.stop().await;
}

/// Writers that are always in each other's way are done or told so after as many attempts as are allowed, and
/// none of them half.
#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_bounded_and_no_write_is_lost() {
    let (live, client) = live(OnConflict::Reject).await;
    let mut tasks = Vec::new();
    for writer in 0..8 {
        let client = client.clone();
        tasks.push(tokio::spawn(async move {
            let mut done = 0;
            for n in 0..10 {
                let update = json!({"TableName": "orders", "Key": {"id": text("a")},
                    "UpdateExpression": "ADD tags :t",
                    "ExpressionAttributeValues": {":t": {"SS": [format!("{writer}-{n}")]}}});
                let answer = call(&client, "UpdateItem", &update).await;
                match answer.outcome.as_deref() {
                    Some("as-it-is") => done += 1,
                    Some("attempts-used-up") => assert_eq!(answer.status, 400),
                    _ => panic!("{answer:?}"),
                }
            }
            done
        }));
    }
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    let got = call(&client, "GetItem", &json!({"TableName": "orders", "Key": {"id": text("a")}})).await;
    assert_eq!(got.body["Item"]["tags"]["SS"].as_array().unwrap().len(), done);
    assert!(done > 0);
    live.stack.stop().await;
}
