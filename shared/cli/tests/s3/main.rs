//! What is in S3: functions of users, held to the contract of their stores, and found there by the command
//! and by whoever runs them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

// The contract stands with those of other stores.
#[path = "../../../../tests/src/contract/functions.rs"]
mod contract;
mod stand_in;

use std::process::Stdio;

use evercount_aws::dynamo::TableNames;
use evercount_aws::s3::S3Place;
use evercount_aws::s3_functions::S3Functions;
use evercount_core::function::{FunctionEntry, FunctionId, FunctionKind, FunctionName};
use evercount_local::{EmbeddedAws, EmbeddedOptions};
use evercount_pipeline::functions::{NotAtHand, bring};
use evercount_pipeline::ports::{FunctionStore as _, StoreError};
use evercount_sandbox::cache::Cache;
use evercount_sandbox::function::id_of;
use evercount_sandbox::limits::Limits;
use serde_json::{Value, json};
use tokio::process::Command;

use contract::predicate;
use stand_in::StandIn;

const PLACE: &str = "s3://bucket/of/functions";

fn place() -> S3Place {
    S3Place::parse(PLACE).unwrap()
}

async fn functions(s3: &StandIn) -> S3Functions {
    s3.clients().functions(place()).await.unwrap()
}

mod rules {
    use super::{StandIn, contract, functions};

    macro_rules! on_s3 {
        ($($rule:ident),* $(,)?) => {$(
            #[tokio::test]
            async fn $rule() {
                let s3 = StandIn::start().await;
                contract::$rule(&functions(&s3).await).await;
                assert_eq!(s3.refused(), Vec::<String>::new());
            }
        )*};
    }

    crate::every_function_rule!(on_s3);
}

fn key(id: &FunctionId) -> String {
    format!("of/functions/modules/{id}.wasm")
}

fn entry(name: &str, module: &[u8]) -> FunctionEntry {
    FunctionEntry {
        name: FunctionName::parse(name).unwrap(),
        id: id_of(module),
        kind: FunctionKind::Predicate,
        abi: 1,
        description: String::new(),
        added_at: 1,
        examples: Vec::new(),
    }
}

#[tokio::test]
async fn a_module_that_was_changed_in_the_bucket_is_refused() {
    let s3 = StandIn::start().await;
    let (store, good) = (functions(&s3).await, predicate(1));
    store.put_function(None, &entry("good", &good), &good).await.unwrap();
    let id = id_of(&good);
    assert!(s3.keys().contains(&key(&id)), "{:?}", s3.keys());
    s3.put(&key(&id), &predicate(0));
    let refused = store.module(&id).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Rejected(why) if why.contains("was changed")), "{refused:?}");
    s3.put(&key(&id), &vec![0; (1 << 20) + 1]);
    let refused = store.module(&id).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Rejected(why) if why.contains("longer than")), "{refused:?}");
}

#[tokio::test]
async fn what_s3_cannot_do_now_is_tried_again_and_what_it_denies_is_told() {
    let s3 = StandIn::start().await;
    let (store, good) = (functions(&s3).await, predicate(1));
    s3.fail_once();
    store.put_function(None, &entry("good", &good), &good).await.unwrap();
    s3.deny_lists();
    assert_eq!(store.module(&id_of(&good)).await, Ok(Some(good)));
    let told = store.module(&FunctionId::of_digest([1; 32])).await.unwrap_err().to_string();
    assert!(told.contains("it is not there, or may not be read"), "{told}");
    assert!(store.functions().await.unwrap_err().to_string().contains("AccessDenied"));
    let elsewhere = s3.clients().functions(S3Place::parse("s3://other").unwrap()).await.unwrap();
    let told = elsewhere.module(&FunctionId::of_digest([1; 32])).await.unwrap_err().to_string();
    assert!(told.contains("NoSuchBucket"), "{told}");
}

/// The stores of functions that run: the tables have what was added before, and the bucket the rest.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_runs_functions_finds_them_in_the_tables_and_in_the_bucket() {
    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    let tables = TableNames::default();
    evercount_aws::setup::create_tables(&aws.dynamodb(), &tables).await.unwrap();
    let s3 = StandIn::start().await;
    let before = evercount_aws::dynamo::DynamoStore::new(&aws.dynamodb(), tables);
    let (earlier, later) = (predicate(0), predicate(1));
    before.put_function(None, &entry("earlier", &earlier), &earlier).await.unwrap();
    let store = before.clone().with_functions(functions(&s3).await);
    store.put_function(None, &entry("later", &later), &later).await.unwrap();
    assert_eq!(before.module(&id_of(&later)).await, Ok(None));
    // Only modules are read to run a function.
    s3.deny_lists();
    let named = [id_of(&earlier), id_of(&later)].into();
    let at_hand = bring(&store, &mut Cache::default(), &named, Limits::default()).await.unwrap();
    assert_eq!(at_hand.ready.keys().copied().collect::<std::collections::BTreeSet<_>>(), named);
    let absent = [FunctionId::of_digest([1; 32])].into();
    let nowhere = bring(&before, &mut Cache::default(), &absent, Limits::default()).await.unwrap();
    assert_eq!(nowhere.missing.values().collect::<Vec<_>>(), [&NotAtHand::Absent]);
    assert!(bring(&store, &mut Cache::default(), &absent, Limits::default()).await.is_err());
    aws.stop().await;
}

/// Runs the command; what it printed.
async fn run(s3: &StandIn, home: &std::path::Path, told: &[(&str, &str)], arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evercount"));
    for (name, _) in std::env::vars_os() {
        let known = name.to_str().unwrap_or_default();
        if known.starts_with("AWS_") || known.starts_with("EVERCOUNT_") {
            command.env_remove(name);
        }
    }
    let ran = command
        .envs(s3.environment())
        .env("EVERCOUNT_HOME", home)
        .envs(told.iter().copied())
        .args(arguments)
        .arg("--json")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let (out, error) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr));
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{arguments:?}: {out} {error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_adds_lists_tests_and_removes_what_is_in_s3() {
    let s3 = StandIn::start().await;
    let home = tempfile::tempdir().unwrap();
    let (file, items) = (home.path().join("paid.wasm"), home.path().join("items"));
    std::fs::write(&file, predicate(1)).unwrap();
    std::fs::write(&items, "{\"id\":{\"S\":\"a\"}}\n").unwrap();
    let (file, items) = (file.display().to_string(), items.display().to_string());
    let run = async |arguments: &[&str]| run(&s3, home.path(), &[], arguments).await;
    for name in ["paid", "a", "b"] {
        let added = run(&["function", "add", name, &file, "--s3", PLACE]).await;
        assert_eq!(added["id"], id_of(&predicate(1)).to_string());
    }
    let names = |listed: &Value| -> Vec<String> {
        let all = listed["functions"].as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let listed = run(&["function", "list", "--s3", PLACE]).await;
    assert_eq!(names(&listed), ["a", "b", "paid"], "a list has several pages");
    let tested = run(&["function", "test", "paid", &items, "--s3", PLACE]).await;
    assert_eq!(tested["runs"][0]["answer"], json!(true));
    assert_eq!(run(&["function", "remove", "b", "--s3", PLACE]).await, json!({"removed": "b"}));
    // Named in the environment, the place is that of every command.
    let everywhere = [("EVERCOUNT_FUNCTIONS", PLACE)];
    let listed = self::run(&s3, home.path(), &everywhere, &["function", "list"]).await;
    assert_eq!(names(&listed), ["a", "paid"]);
    let condition = "\"function:paid\" = true";
    let created = ["count", "create", "paid", "--table", "orders", "--where", condition];
    let created = self::run(&s3, home.path(), &everywhere, &created).await;
    assert!(created.to_string().contains(&id_of(&predicate(1)).to_string()), "{created}");
    assert_eq!(s3.refused(), Vec::<String>::new());
    assert!(s3.calls().iter().any(|call| call.contains("start-after")), "{:?}", s3.calls());
}
