//! Two releases over one store: rolled forward, back, and forward again. What each of them leaves is
//! taken over by the other, which counts on: items, a renamed attribute and its promoted version, a
//! plan that waits, a version that the other release promoted. `infra/upgrade` builds both and runs this.
//!
//! After each step, every count equals a recount of the table made here, and an audit made there.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod release;
mod shop;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use release::{Releases, Running, say};
use shop::{Item, groups, recount};

/// Longer than the clocks of one machine are taken to differ: what is younger is not audited.
const SKEW_BOUND: Duration = Duration::from_millis(200);

/// Commands that read what is stored.
const READS: [&str; 9] = [
    "plan list",
    "plan show by_status",
    "version list by_status",
    "version list big",
    "schema list",
    "schema show orders",
    "schema history orders",
    "backfill status",
    "policy show",
];

/// The counts, and which items `big` counts as it is defined at the time.
#[derive(Clone, Copy)]
struct Defined {
    /// The attribute that `by_status` groups by.
    status: &'static str,
    /// From which amount on `big` counts.
    big: u32,
    /// Whether `big` counts the heavy ones only.
    heavy: bool,
}

impl Defined {
    /// What a recount of the items finds, by count.
    fn recount(self, items: &[Item]) -> BTreeMap<String, BTreeMap<String, i64>> {
        let by_status = recount(items, |item| Some(format!("{}={}", self.status, item.status)));
        let big = recount(items, |item| {
            let counted = item.amount >= self.big && (!self.heavy || item.weight > 3);
            counted.then(|| "all".to_owned())
        });
        [("by_status".to_owned(), by_status), ("big".to_owned(), big)].into()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_go_on_through_a_roll_forward_and_a_roll_back() {
    let Some(releases) = Releases::of_environment() else { return };
    let home = tempfile::tempdir().unwrap();
    let mut defined = Defined { status: "status", big: 50, heavy: false };

    let before = Running::start("before", &releases.before, home.path());
    counts_a_table(&before, defined).await;
    before.stop();

    let after = Running::start("after", &releases.after, home.path());
    goes_on(&after, defined, 100, "status").await;
    follows_a_rename(&after).await;
    defined.status = "state";
    agrees(&after, defined, "after the rename").await;
    leaves_a_plan_that_waits(&after).await;
    // A release is rolled back because something is wrong: it does not get the time to finish.
    after.write(200..220, "state").await;
    after.kill();

    let before = Running::start("before", &releases.before, home.path());
    assert_eq!(states(&before, "by_status"), [(1, "standby".to_owned()), (2, "active".to_owned())].into());
    goes_on(&before, defined, 300, "state").await;
    goes_on_with_the_plan(&before).await;
    defined.heavy = true;
    agrees(&before, defined, "after a plan of the other release").await;
    before.stop();

    let after = Running::start("after", &releases.after, home.path());
    goes_on(&after, defined, 400, "state").await;
    after.evercount(&["version", "rollback", "big", "--yes"]);
    defined.heavy = false;
    agrees(&after, defined, "after taking back what the other release promoted").await;
    goes_on(&after, defined, 500, "state").await;
    after.stop();
    say("all was seen");
}

async fn counts_a_table(release: &Running, defined: Defined) {
    release.create_table().await;
    let by_status = "count create by_status --table orders --group-by status --distinct customer";
    release.evercount(&words(by_status));
    release.evercount(&["count", "create", "big", "--table", "orders", "--where", "amount >= 50"]);
    release.write(0..60, "status").await;
    agrees(release, defined, "items are counted").await;
}

/// What was there is counted right, and so is what comes: new items, changed ones, deleted ones.
async fn goes_on(release: &Running, defined: Defined, from: u32, status: &str) {
    agrees(release, defined, "what it found is counted right").await;
    release.write(from..from + 30, status).await;
    // Other values than before, since another number is another status, amount and customer.
    release.overwrite(from..from + 10, status).await;
    release.delete(from + 20..from + 25).await;
    agrees(release, defined, "it goes on counting").await;
}

async fn follows_a_rename(release: &Running) {
    // Some are left as they are: most items are never rewritten.
    for item in release.items().await.iter().filter(|item| item.number < 45) {
        release.rename(item).await;
    }
    let promoted = || plans(release, "by_status", "rename_column") == ["promoted"];
    release.until("a rename is found, planned for, and followed", promoted).await;
    assert_eq!(states(release, "by_status"), [(1, "standby".to_owned()), (2, "active".to_owned())].into());
}

async fn leaves_a_plan_that_waits(release: &Running) {
    release.evercount(&["count", "alter", "big", "--where", "amount >= 50 AND weight > 3"]);
    let waits = || waiting(release).len() == 1;
    release.until("a plan waits for a person", waits).await;
}

/// A plan of the other release is approved here, its version filled from the table, and promoted.
async fn goes_on_with_the_plan(release: &Running) {
    let waiting = waiting(release);
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    release.evercount(&["plan", "approve", &waiting[0]]);
    let promoted = || states(release, "big").get(&2).is_some_and(|state| state == "active");
    release.until("a plan of the other release is promoted", promoted).await;
}

/// Every count equals a recount, and every command reads what is stored.
async fn agrees(release: &Running, defined: Defined, what: &str) {
    let items = release.items().await;
    let expected = defined.recount(&items);
    let as_expected = || counted(release) == Some(expected.clone());
    if !release.comes_true(as_expected).await {
        let counts = release.evercount(&["counts"]);
        panic!("{}: {what}: expected {expected:#?}, found {counts:#}", release.name);
    }
    let customers: BTreeSet<u32> = items.iter().map(|item| item.customer).collect();
    // An estimate, which is exact for so few.
    assert_eq!(release.evercount(&["counts", "by_status"])["counts"][0]["distinct"], json!(customers.len()));

    tokio::time::sleep(SKEW_BOUND).await;
    for count in ["by_status", "big"] {
        let audited = release.evercount(&["audit", count, "--margin", "0"]);
        assert_eq!(audited["agreeing"], json!(items.len()), "{}: {what}: {audited:#}", release.name);
        assert_eq!((&audited["differing"], &audited["cells_off"]), (&json!({}), &json!([])), "{audited:#}");
    }
    let quarantine = release.evercount(&["quarantine", "list"]);
    assert_eq!(quarantine["quarantined"], json!([]), "{}: {what}", release.name);
    for command in READS {
        release.evercount(&words(command));
    }
    release.say(&format!("{what}: {} items, all counts equal a recount", items.len()));
}

/// The groups of each count as the command prints them, where all are exact.
fn counted(release: &Running) -> Option<BTreeMap<String, BTreeMap<String, i64>>> {
    let counts = release.evercount(&["counts"]);
    let counts = counts["counts"].as_array().unwrap();
    let exact = counts.iter().all(|count| count["exact"] == json!(true));
    exact.then(|| counts.iter().map(|count| (text(&count["name"]), groups(count))).collect())
}

/// The outcomes of a count's plans whose change is of a kind.
fn plans(release: &Running, count: &str, change: &str) -> Vec<String> {
    let plans = release.evercount(&["plan", "list", count]);
    let of_kind = plans["plans"].as_array().unwrap().iter().filter(|plan| plan["change"] == change);
    of_kind.map(|plan| text(&plan["outcome"])).collect()
}

/// The plans that wait for a person.
fn waiting(release: &Running) -> Vec<String> {
    let plans = release.evercount(&["plan", "list", "--open"]);
    let plans = plans["plans"].as_array().unwrap().iter();
    plans.filter(|plan| plan["outcome"] == "awaiting_approval").map(|plan| text(&plan["id"])).collect()
}

/// The state of each version of a count.
fn states(release: &Running, count: &str) -> BTreeMap<u64, String> {
    let versions = release.evercount(&["version", "list", count]);
    let versions = versions["versions"].as_array().unwrap().iter();
    versions.map(|one| (one["number"].as_u64().unwrap(), text(&one["state"]))).collect()
}

fn words(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
