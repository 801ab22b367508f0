//! The deployed stack, from the outside: items are written to a table with a streaming destination and
//! change their shape, and the real functions make counts, a schema change event, a plan, a version in
//! the shadow, and its promotion. `infra/try` deploys to an emulator and runs this.
//!
//! It is about wiring: permissions are not enforced there, and a batch that fails is not treated as
//! Lambda treats it. The poller of `evercount-local` is tested for that.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod stack;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use stack::{Stack, attribute, say};

/// Items of the table.
const ITEMS: u32 = 40;

/// The unit of the emulator's times, in which changes of an item are ordered.
const EMULATOR_CLOCK: Duration = Duration::from_millis(1_100);

fn status(item: u32) -> &'static str {
    if item.is_multiple_of(4) { "PAID" } else { "NEW" }
}

/// What a recount of the items finds, by the attribute that holds their status.
fn recount(attribute: &str, items: impl Iterator<Item = u32>) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(format!("{attribute}={}", status(item))).or_insert(0) += 1;
    }
    counts
}

/// The groups of a count as the command prints them, where it is exact.
fn groups(stack: &Stack) -> Option<BTreeMap<String, i64>> {
    let counts = &stack.evercount(&["counts", "by_status", "--json"])["counts"][0];
    let group = |one: &Value| {
        let key = one["key"].as_object().unwrap().iter().next().unwrap();
        (format!("{}={}", key.0, key.1.as_str().unwrap_or("?")), one["n"].as_i64().unwrap())
    };
    let groups = counts["groups"].as_array().unwrap().iter().map(group).filter(|(_, n)| *n != 0).collect();
    (counts["exact"] == json!(true)).then_some(groups)
}

/// The plans of the count whose change is of a kind, with their outcomes.
fn outcomes(stack: &Stack, change: &str) -> Vec<String> {
    let plans = &stack.evercount(&["plan", "list", "by_status", "--json"])["plans"];
    let of_kind = plans.as_array().unwrap().iter().filter(|plan| plan["change"] == change);
    of_kind.map(|plan| plan["outcome"].as_str().unwrap().to_owned()).collect()
}

/// The state of each version of the count.
fn states(stack: &Stack) -> BTreeMap<u64, String> {
    let versions = &stack.evercount(&["version", "list", "by_status", "--json"])["versions"];
    let state = |one: &Value| (one["number"].as_u64().unwrap(), one["state"].as_str().unwrap().to_owned());
    versions.as_array().unwrap().iter().map(state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deployed_functions_count_and_follow_a_change_of_shape() {
    let Some(stack) = Stack::of_environment() else { return };
    connects_a_table(&stack).await;
    counts_what_is_written(&stack).await;
    follows_a_rename(&stack).await;
    fills_a_version_from_the_source(&stack).await;
    say("all was seen");
}

async fn connects_a_table(stack: &Stack) {
    stack.create_table("orders", "id").await;
    let connect = ["source", "connect", "orders", "--stream", &stack.stream, "--json"];
    let did: Vec<Value> = (0..2).map(|_| stack.evercount(&connect)["done"].clone()).collect();
    assert_eq!(did, ["connected", "nothing"], "connecting again changes nothing");
    let created = stack.evercount(&[
        "count",
        "create",
        "by_status",
        "--table",
        "orders",
        "--group-by",
        "status",
        "--json",
    ]);
    assert_eq!(created["created"][0]["coverage"], "whole", "{created:#}");
    say("a table is connected and counted");
}

async fn counts_what_is_written(stack: &Stack) {
    for item in 0..ITEMS {
        let amount = item.to_string();
        stack
            .put("orders", &[("id", &format!("o-{item}")), ("status", status(item))], ("amount", &amount))
            .await;
    }
    let expected = recount("status", 0..ITEMS);
    stack.until("items are counted", || groups(stack).is_some_and(|groups| groups == expected)).await;
    // As somebody sees it in the console.
    let items = stack.items(&stack.counts, "by_status#v0001").await;
    let of_item = |item| attribute(item, "{\"status\":\"PAID\"}").and_then(|n| n.parse::<i64>().ok());
    let paid: i64 = items.iter().filter_map(of_item).sum();
    assert_eq!(paid, 10, "{items:?}");
}

async fn follows_a_rename(stack: &Stack) {
    tokio::time::sleep(EMULATOR_CLOCK).await;
    for item in 0..ITEMS {
        stack.rename("orders", &format!("o-{item}"), ("status", "state"), status(item)).await;
    }
    stack
        .until("a rename is found, planned for, and followed", || {
            outcomes(stack, "rename_column") == ["promoted"]
        })
        .await;
    let expected = recount("state", 0..ITEMS);
    stack
        .until("counts are by the new name", || groups(stack).is_some_and(|groups| groups == expected))
        .await;
    assert_eq!(states(stack), [(1, "standby".to_owned()), (2, "active".to_owned())].into());

    let entities = async |pk: &str| -> Vec<String> {
        let items = stack.items(&stack.metadata, pk).await;
        items
            .iter()
            .filter_map(|item| {
                Some(attribute(item, "what").or_else(|| attribute(item, "entity"))?.to_owned())
            })
            .collect()
    };
    let has = |all: &[String], wanted: &str| all.iter().any(|one| one == wanted);
    let trail = entities("trail#by_status").await;
    for step in ["planned", "shadow", "settled", "promoted"] {
        assert!(has(&trail, step), "no `{step}` in {trail:?}");
    }
    assert!(has(&entities("adjustment#by_status").await, "adjustment"));
    let history = stack.evercount(&["schema", "history", "orders", "--json"]);
    assert!(history["history"].to_string().contains("rename_column"), "{history:#}");
    let events = stack.events().await;
    assert!(
        events.iter().any(|event| event.contains("\"rename_column\"")),
        "not on the stream of events: {events:?}"
    );
    assert!(stack.items(&stack.metadata, "outbox").await.is_empty(), "events wait to be published");
}

/// A condition on what the ledger does not remember: the version is counted beside the active one, in the
/// shadow, until the validator, invoked by its schedule, has read the table. With so long a margin the
/// command itself does not wait for that.
async fn fills_a_version_from_the_source(stack: &Stack) {
    stack.policy("[class]\nA5 = \"auto\"\n");
    stack.evercount(&["count", "alter", "by_status", "--where", "amount >= 20", "--margin", "60", "--json"]);
    assert_eq!(states(stack).get(&3).map(String::as_str), Some("shadow"), "it is not filled yet");
    stack
        .until("a version is in the shadow, and is promoted", || {
            states(stack).get(&3).is_some_and(|state| state == "active")
        })
        .await;
    let expected = recount("state", 20..ITEMS);
    assert_eq!(groups(stack), Some(expected));
    // It goes on being exact.
    stack.delete("orders", "o-39").await;
    let expected = recount("state", 20..ITEMS - 1);
    stack.until("a delete is counted", || groups(stack).is_some_and(|groups| groups == expected)).await;
}
