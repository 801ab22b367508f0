//! `evercount plan`, `version`, `backfill`, `policy`, `count alter` and `counts` from the outside: what a
//! person reads and what a program reads, over a table whose schema changes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and shows what a person reads"
)]

mod seed;

use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::definition::DefinitionName;
use evercount_core::group::Outcome;
use evercount_core::logic::{Coverage, PlanId};
use evercount_core::verdict::Example;
use evercount_local::stack::now;
use evercount_pipeline::maintain;
use evercount_pipeline::ports::{CatalogEdit, CatalogStore};
use serde_json::{Value, json};

use seed::{HOUR, Shop, rename};

/// Asserts that each of these is in a text, and says which is not.
#[track_caller]
fn tells(text: &str, expected: &[&str]) {
    for one in expected {
        assert!(text.contains(one), "`{one}` is not in:\n{text}");
    }
}

/// The line that has a text, its words with one blank between them.
#[track_caller]
fn line(text: &str, of: &str) -> String {
    let found = text.lines().find(|line| line.contains(of)).unwrap_or_default();
    found.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn last(shop: &Shop) -> Adjustment {
    let name = DefinitionName::parse("by_status").unwrap();
    shop.stack.store().adjustments(Some(&name)).await.unwrap().pop().unwrap()
}

async fn total(shop: &Shop, name: &str) -> i64 {
    shop.json(&["counts", name]).await["counts"][0]["total"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_plan_there_is_a_word_on_what_makes_one() {
    let shop = Shop::open().await;
    tells(&shop.text(&["plan", "list"]).await, &["no plans yet", "evercount count alter"]);
    assert_eq!(shop.json(&["plan", "list"]).await["plans"], json!([]));
    tells(
        &shop.refusal(&["plan", "show", "by_status"]).await,
        &["no change has asked anything of `by_status` yet", "plan simulate by_status"],
    );
    tells(&shop.refusal(&["plan", "show", "by_statu"]).await, &["did you mean `by_status`?"]);
    tells(&shop.refusal(&["plan", "list", "by_statu"]).await, &["did you mean `by_status`?"]);
    tells(&shop.text(&["backfill", "status"]).await, &["no version is being filled"]);
    tells(
        &shop.refusal(&["version", "rollback", "by_status"]).await,
        &["no version of `by_status` stands by", "evercount version list by_status"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_is_followed_and_shown() {
    let shop = Shop::open().await;
    shop.changed(rename(0.9)).await;
    let id = last(&shop).await.plan.id.to_string();
    let list = shop.text(&["plan", "list"]).await;
    tells(&list, &["1 plan: 0 open"]);
    tells(&line(&list, &id), &["by_status status → state A1 1 → 2 promoted"]);
    let text = shop.text(&["plan", "show", "by_status"]).await;
    tells(
        &text,
        &[
            &format!("by_status  plan {id}, promoted, version 1 → 2"),
            "class A1: the definition follows by name, and the counts stand",
            "policy auto: it takes over by itself on a clean verdict",
            "~ column `status` renamed to `state`",
            "proposed: score 0.90",
            "was:     group by: status",
            "becomes: group by: state",
            "group status=x becomes state=x",
            "partitions to look at: none",
            "verdict: promote: 6 comparisons agree",
            "evercount version rollback by_status",
        ],
    );
    assert_eq!(line(&text, "status=\"PAID\""), "status=\"PAID\" → state=\"PAID\" 3");
    assert_eq!(line(&text, "ledger rows, all"), "ledger rows, all 6 0 0 0");
    assert_eq!(line(&text, "ledger rows read"), "ledger rows read 6 6");
    // The beginning of an id will do.
    let document = shop.json(&["plan", "show", &id[..8]]).await;
    for (field, expected) in [
        ("id", json!(id)),
        ("count", json!("by_status")),
        ("table", json!("orders")),
        ("change", json!("rename_column")),
        ("class", json!("A1")),
        ("from_version", json!(1)),
        ("to_version", json!(2)),
        ("policy", json!("auto")),
        ("outcome", json!("promoted")),
        ("source_items_read", json!(0)),
        ("agreed", json!(6)),
        ("explained", json!(0)),
        ("unexplained", json!(0)),
        ("failed", json!(0)),
        ("relation", json!("mapped_while_earlier")),
        ("affected", json!("none")),
        ("becomes", json!(["table: orders", "group by: state"])),
    ] {
        assert_eq!(document[field], expected, "{field} of {document:#}");
    }
    assert_eq!(document["changes"][0]["column"], "status");
    assert_eq!(document["changes"][0]["to"], "state");
    assert_eq!(document["certificate"]["kind"], "exact");
    assert_eq!(document["census"]["complete"], true);
    assert_eq!(document["actual"]["ledger_rows"], 6);
    assert!(document["verdict"].as_str().unwrap().starts_with("promote: "));
    assert!(document["sentence"].is_string() && document["created_at"].is_string());
    assert_eq!(document["groups"][0], json!({"was": {"status": "NEW"}, "becomes": {"state": "NEW"}, "n": 2}));
    tells(&shop.refusal(&["plan", "approve", &id]).await, &["does not wait for anybody: it is promoted"]);
    tells(&shop.refusal(&["plan", "reject", &id]).await, &["evercount version rollback by_status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_is_taken_back_with_the_counts_before_and_after() {
    let shop = Shop::open().await;
    shop.changed(rename(0.9)).await;
    let list = shop.text(&["version", "list", "by_status"]).await;
    tells(&line(&list, " 1 "), &["standby", "every row", "6 status"]);
    tells(&line(&list, " 2 "), &["active", "version 1", "6 state"]);
    let one = shop.text(&["version", "show", "by_status", "2"]).await;
    tells(
        &one,
        &[
            "by_status version 2",
            "group by: state",
            "group status=x becomes state=x",
            "6 items; version 1 has 6",
        ],
    );
    let document = shop.json(&["version", "show", "by_status", "2"]).await;
    assert_eq!(
        (&document["number"], &document["total"], &document["parent_total"]),
        (&json!(2), &json!(6), &json!(6))
    );
    assert_eq!(document["plan"]["class"], "A1");
    tells(&shop.refusal(&["version", "show", "by_status", "7"]).await, &["has no version 7; it has 1, 2"]);
    tells(
        &shop.refusal(&["version", "promote", "by_status", "2", "--yes"]).await,
        &["is the active version already"],
    );
    tells(
        &shop.refusal(&["version", "promote", "by_status", "1", "--yes"]).await,
        &["stands by", "version rollback"],
    );

    let refused = shop.refusal(&["version", "rollback", "by_status"]).await;
    tells(&refused, &["version 1 becomes active again, and version 2 is given up", "say `--yes` to mean it"]);
    let text = shop.text(&["version", "rollback", "by_status", "--yes"]).await;
    tells(
        &text,
        &[
            "version 1 of by_status is active again",
            "before: version 2, 6 items",
            "after: version 1, 6 items",
        ],
    );
    assert_eq!(line(&text, "status=\"PAID\""), "status=\"PAID\" 3");
    let text = shop.text(&["plan", "show", "by_status"]).await;
    tells(
        &text,
        &["taken back", "verdict: taken back: a person took it back", "is counted under version 1 again"],
    );
    let counts = shop.json(&["counts", "by_status"]).await;
    assert_eq!(counts["counts"][0]["version"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsure_rename_asks_and_is_answered() {
    let shop = Shop::open().await;
    shop.changed(rename(0.3)).await;
    let id = last(&shop).await.plan.id.to_string();
    let text = shop.text(&["plan", "show", &id]).await;
    tells(
        &text,
        &[
            "waits for you",
            "class A6: a person has to say what the change means",
            "what happens meanwhile",
            "0  read both names until it is known",
            "(what the counts do meanwhile)",
            "1  it is a rename",
            &format!("evercount plan approve {id} --choice 1"),
            "2  it is a drop and an addition",
            &format!("evercount plan reject {id}"),
        ],
    );
    let document = shop.json(&["plan", "show", &id]).await;
    assert_eq!(document["outcome"], "awaiting_approval");
    assert_eq!(document["choices"][1]["answer"], "it is a rename");
    assert_eq!(document["choices"][1]["becomes"], json!(["table: orders", "group by: state"]));
    tells(&shop.text(&["plan", "list", "--open"]).await, &["1 open, of which 1 waits for you", &id]);
    let counts = shop.text(&["counts", "by_status"]).await;
    tells(&counts, &[&format!("a change waits for you: `evercount plan show {id}`")]);
    let counts = shop.json(&["counts", "by_status"]).await;
    assert_eq!(counts["counts"][0]["open_plans"][0]["id"], json!(id));

    tells(&shop.refusal(&["plan", "approve", &id]).await, &["asks a question", "--choice N"]);
    tells(
        &shop.refusal(&["plan", "approve", &id, "--choice", "9"]).await,
        &["has no answer 9; its answers are 0 to 2"],
    );
    let text = shop.text(&["plan", "approve", &id, "--choice", "1"]).await;
    tells(
        &text,
        &[
            "answered: it is a rename, and is promoted now",
            "`status` was renamed to `state`; the count follows by name",
            "becomes: group by: state",
            "why the stored counts are enough",
            "takes it back: version 2 is active again",
        ],
    );
    let counts = shop.json(&["counts", "by_status"]).await;
    assert_eq!(counts["counts"][0]["total"], 6);
    let keys: Vec<&Value> =
        counts["counts"][0]["groups"].as_array().unwrap().iter().map(|group| &group["key"]).collect();
    assert_eq!(keys, [&json!({"state": "NEW"}), &json!({"state": "PAID"}), &json!({"state": "SENT"})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrower_condition_shows_its_witness_and_is_filled_from_the_source() {
    let shop = Shop::open().await;
    let text = shop.text(&["count", "alter", "by_status", "--where", "amount >= 50"]).await;
    tells(
        &text,
        &[
            "class A5: the source has to be read",
            "was:     no where",
            "becomes: where: amount >= 50",
            "why the stored counts are not enough",
            "stored counts, the same",
            "new counts, which differ",
            "partitions to look at: all of `orders`",
            "the plan waits for you",
        ],
    );
    let id = last(&shop).await.plan.id.to_string();
    let document = shop.json(&["plan", "show", &id]).await;
    assert_eq!(
        (&document["change"], &document["class"], &document["outcome"], &document["relation"]),
        (&json!("redefine"), &json!("A5"), &json!("awaiting_approval"), &json!("at_most"))
    );
    assert_eq!(document["certificate"]["kind"], "witness");
    assert!(document["certificate"]["one"].is_array());
    tells(
        &shop.refusal(&["plan", "approve", &id, "--choice", "0"]).await,
        &["asks no question, so leave `--choice 0` out"],
    );
    tells(
        &shop.refusal(&["version", "promote", "by_status", "2", "--yes"]).await,
        &["is not counted yet", &format!("evercount plan approve {id}")],
    );
    let text = shop.text(&["plan", "approve", &id]).await;
    tells(&text, &["was approved, and is promoted now", "verdict: promote"]);
    assert_eq!(line(&text, "source items read"), "source items read 6 6");
    assert_eq!(line(&text, "source items, all"), "source items, all, and changes 6 0 0 0");
    assert_eq!(total(&shop, "by_status").await, 3);
    assert_eq!(shop.json(&["plan", "show", &id]).await["source_items_read"], 6);
    let text = shop.text(&["version", "rollback", "by_status", "--yes"]).await;
    tells(&text, &["before: version 2, 3 items", "after: version 1, 6 items"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_version_is_filled_its_bounds_are_told_and_it_is_paused() {
    let shop = Shop::open().await;
    shop.text(&["count", "alter", "by_status", "--where", "amount >= 50"]).await;
    shop.begin_filling().await;
    let counts = shop.text(&["counts", "by_status"]).await;
    tells(&counts, &["6 items of orders", "version 2 is being filled, and will count 0 to 6 items"]);
    let watched = &shop.json(&["counts", "by_status"]).await["counts"][0]["watched"][0];
    assert_eq!(
        (&watched["version"], &watched["n_min"], &watched["n_max"]),
        (&json!(2), &json!(0), &json!(6))
    );
    let text = shop.text(&["backfill", "status"]).await;
    tells(&line(&text, "by_status"), &["by_status 2", "source 0 of ~6 0 %", "waiting"]);
    tells(
        &shop.refusal(&["version", "promote", "by_status", "2", "--yes"]).await,
        &["does not count every row yet"],
    );
    let text = shop.text(&["backfill", "pause", "by_status"]).await;
    tells(&text, &["paused", "evercount backfill resume by_status"]);
    let walks = shop.json(&["backfill", "status", "by_status"]).await;
    let walk = &walks["walks"][0];
    assert_eq!(
        (&walk["state"], &walk["reads"], &walk["visited"], &walk["of"], &walk["seconds_left"]),
        (&json!("paused"), &json!("source"), &json!(0), &json!(6), &Value::Null)
    );
    tells(&shop.text(&["backfill", "pause", "by_status"]).await, &["no backfill is running"]);
    let text = shop.text(&["backfill", "resume", "by_status"]).await;
    tells(&text, &["by_status went on; its plan is promoted now"]);
    assert_eq!(total(&shop, "by_status").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_remembers_is_not_read_from_the_source() {
    let shop = Shop::empty().await;
    shop.table("orders").await;
    shop.count("by_status", &["status"], None).await;
    shop.count("amounts", &["amount"], None).await;
    shop.put("a", &[("status", "NEW")], 5).await;
    shop.put("b", &[("status", "PAID")], 50).await;
    shop.ledger().await;
    let text = shop.text(&["count", "alter", "by_status", "--where", "amount >= 50"]).await;
    tells(&text, &["class A4", "version 2 of by_status is counted from now on"]);
    assert_eq!(line(&text, "ledger rows read"), "ledger rows read 2 2");
    assert!(!text.contains("source items read"), "{text}");
    assert_eq!(total(&shop, "by_status").await, 1);
    tells(
        &shop.refusal(&["count", "alter", "by_status", "--where", "amount >= 50"]).await,
        &["that is what version 2 of `by_status` counts already"],
    );
    tells(&shop.refusal(&["count", "alter", "by_status", "--where", "amount >"]).await, &["expected"]);
    let text = shop.text(&["count", "alter", "by_status", "--no-group-by"]).await;
    tells(&text, &["class A2", "becomes: no group by", "groups that differ in status alone are added up"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn headroom_makes_another_condition_a_matter_of_arithmetic() {
    let shop = Shop::empty().await;
    shop.table("orders").await;
    let by_amount =
        ["count", "create", "by_status", "--table", "orders", "--group-by", "status", "--headroom", "amount"];
    tells(&shop.text(&by_amount).await, &["created by_status (logic version 1)"]);
    let by_truth =
        ["count", "create", "big", "--table", "orders", "--where", "amount >= 50", "--headroom-truth"];
    shop.text(&by_truth).await;
    shop.put("a", &[("status", "NEW")], 5).await;
    shop.put("b", &[("status", "PAID")], 50).await;
    shop.ledger().await;
    assert_eq!((total(&shop, "by_status").await, total(&shop, "big").await), (2, 1));
    let text = shop.text(&["count", "alter", "by_status", "--where", "amount >= 50"]).await;
    tells(
        &text,
        &["headroom: amount", "why the stored counts are enough", "only groups where amount >= 50 go on"],
    );
    assert_eq!(line(&text, "status=\"NEW\""), "status=\"NEW\" → (not counted) 1");
    assert_eq!(total(&shop, "by_status").await, 1);
    let text = shop.text(&["count", "alter", "big", "--no-where"]).await;
    tells(&text, &["becomes: no where", "why the stored counts are enough", "becomes: no headroom"]);
    assert_eq!(total(&shop, "big").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_tells_and_writes_nothing() {
    let shop = Shop::open().await;
    let before = shop.stored().await;
    let text = shop.text(&["plan", "simulate", "by_status", "rename column status to state"]).await;
    tells(
        &text,
        &[
            "by_status  a simulation on version 1; nothing is written",
            "class A1",
            "group status=x becomes state=x",
            "nothing was changed; under the policy `auto`",
        ],
    );
    let text = shop.text(&["plan", "simulate", "by_status", "drop column status"]).await;
    tells(&text, &["class A2", "becomes: no group by", "groups that differ in status alone are added up"]);
    assert_eq!(line(&text, "status=\"PAID\""), "status=\"PAID\" → (all) 3");
    let text = shop.text(&["plan", "simulate", "by_status", "maybe rename column status to state"]).await;
    tells(&text, &["class A6", "it is a rename", "the plan would wait for one of these answers"]);
    let text = shop.text(&["plan", "simulate", "by_status", "where amount > 10"]).await;
    tells(&text, &["class A5", "the plan would wait for a person", "partitions to look at: all of `orders`"]);
    let keyed = &["plan", "simulate", "by_status", "where id IN ('a', 'b') AND amount > 10"];
    tells(&shop.text(keyed).await, &["class A5", "items whose `id` is \"a\", \"b\""]);
    let affected = &shop.json(keyed).await["affected"];
    assert_eq!((&affected["attribute"], affected["values"].as_array().unwrap().len()), (&json!("id"), 2));
    tells(
        &shop.text(&["plan", "simulate", "by_status", "add column note text"]).await,
        &["class A0", "nothing that the count reads has changed"],
    );
    shop.text(&["plan", "simulate", "by_status", "retype column status from int to varchar(20)"]).await;
    shop.text(&["plan", "simulate", "by_status", "retype column status from varchar(20) to varchar(2)"])
        .await;
    shop.text(&["plan", "simulate", "by_status", "truncate"]).await;
    shop.text(&["plan", "simulate", "by_status", "drop table"]).await;
    shop.text(&["plan", "simulate", "by_status", "group by status, amount"]).await;
    let document = shop.json(&["plan", "simulate", "by_status", "rename column status to state"]).await;
    assert_eq!(
        (&document["simulated"], &document["class"], &document["outcome"], &document["to_version"]),
        (&json!(true), &json!("A1"), &json!("watching"), &Value::Null)
    );
    assert_eq!(shop.stored().await, before, "a simulation writes nothing");

    let refused = shop.refusal(&["plan", "simulate", "by_status", "rename column status state"]).await;
    tells(&refused, &["expected `to`, found `state`", "rename column status to state"]);
    let refused = shop.refusal(&["plan", "simulate", "by_status", "dorp column status"]).await;
    tells(&refused, &["not a change that is known", "drop column C"]);
    tells(&shop.refusal(&["plan", "simulate", "by_status", "where amount >"]).await, &["where"]);
    tells(
        &shop.refusal(&["plan", "simulate", "by_status", "retype column status to text"]).await,
        &["nothing says which type `status` has", "retype column status from TYPE to text"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_plan_shows_the_rows_that_speak_against_it() {
    let shop = Shop::open().await;
    shop.changed(rename(0.9)).await;
    let mut wrong = last(&shop).await;
    wrong.plan.id = PlanId::new("feedfacefeedface");
    wrong.outcome = PlanOutcome::Rejected;
    wrong.verdict = Some("reject: 1 of 6 comparisons differ where the plan says they must not".to_owned());
    wrong.created_at = now();
    wrong.report.census.compared.agreed = 5;
    wrong.report.census.compared.unexplained = 1;
    wrong.report.census.examples =
        vec![Example { key_hash: 0xabc, outcome: Outcome::Unexplained, group: None, image: None }];
    let edit = CatalogEdit { adjustments: vec![(None, wrong)], ..CatalogEdit::default() };
    shop.stack.store().edit_catalog(&edit).await.unwrap();
    let text = shop.text(&["plan", "show", "feedface"]).await;
    tells(
        &text,
        &[
            "rejected",
            "verdict: reject: 1 of 6 comparisons differ",
            "0000000000000abc",
            "the active version never moved",
        ],
    );
    let document = shop.json(&["plan", "show", "feedfacefeedface"]).await;
    assert_eq!((&document["unexplained"], &document["outcome"]), (&json!(1), &json!("rejected")));
    assert_eq!(document["census"]["examples"][0]["key_hash"], "0000000000000abc");
    tells(&shop.refusal(&["plan", "reject", "feedface"]).await, &["is rejected already"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_read_from_the_cut_before_it() {
    let shop = Shop::open().await;
    let store = shop.stack.store();
    let version = store.versions().await.unwrap().pop().unwrap();
    let soon = now();
    maintain::take_cut(store, &version, soon).await.unwrap();
    shop.put("g", &[("status", "NEW")], 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    shop.ledger().await;
    assert_eq!(total(&shop, "by_status").await, 7);
    let at = jiff_text(soon + 1_000_000);
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    let text = shop.text(&["counts", "by_status", "--as-of", &at]).await;
    tells(
        &text,
        &["6 items of orders", "from the cut of", "1 s before", "version 1 was the active one then"],
    );
    let document = shop.json(&["counts", "by_status", "--as-of", &at, "--version", "1"]).await;
    let count = &document["counts"][0];
    assert_eq!((&count["total"], &count["as_of"]["active_version"]), (&json!(6), &json!(1)));
    assert_eq!(count["as_of"]["cut_at"], json!(jiff_text(soon)));
    tells(
        &shop.refusal(&["counts", "by_status", "--as-of", "2h"]).await,
        &["`by_status` was not counted at", "it was created at"],
    );
    tells(
        &shop.refusal(&["counts", "by_status", "--as-of", "2h", "--version", "1"]).await,
        &["no cut of version 1 of `by_status` was kept before", "once an hour"],
    );
    tells(
        &shop.refusal(&["counts", "by_status", "--as-of", &jiff_text(now() + HOUR)]).await,
        &["is still to come"],
    );
    let (code, _, errors) = shop.run(&["counts", "by_status", "--as-of", "yesterday"]).await;
    assert_eq!(code, 2);
    tells(&errors, &["write a time such as", "`2h`"]);
}

/// A time as people write it.
fn jiff_text(at: i64) -> String {
    jiff::Timestamp::from_microsecond(at).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_started_late_is_filled() {
    let shop = Shop::empty().await;
    shop.table("orders").await;
    shop.put("a", &[("status", "NEW")], 5).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    shop.count_since("by_status", &["status"], None, Coverage::Since(now() - 1_100_000)).await;
    assert_eq!(total(&shop, "by_status").await, 0);
    let text = shop.text(&["backfill", "start", "by_status"]).await;
    tells(&text, &["1 row read", "`by_status` counts every row from now on", "done", "source"]);
    let plans = shop.json(&["plan", "list"]).await;
    let filled = &plans["plans"][0];
    assert_eq!((&filled["change"], &filled["outcome"]), (&json!("fill"), &json!("promoted")), "{plans}");
    assert_eq!((&filled["source_items_read"], &filled["affected"]), (&json!(1), &json!("all")));
    assert!(filled["actual"]["read_units"].as_f64().unwrap() > 0.0, "{filled}");
    let counts = shop.json(&["counts", "by_status"]).await;
    assert_eq!((&counts["counts"][0]["total"], &counts["counts"][0]["exact"]), (&json!(1), &json!(true)));
    tells(&shop.refusal(&["backfill", "start", "by_status"]).await, &["counts every row already"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_shown_as_the_file_that_sets_them() {
    let shop = Shop::open().await;
    let text = shop.text(&["policy", "show"]).await;
    tells(&text, &["standby = \"72h\"", "[class]", "A5 = \"approve\"", "A1 = \"auto\""]);
    let file = shop.file("policy.toml", "[[table]]\nname = \"orders\"\npolicy = \"approve\"\n");
    let text = shop.text(&["policy", "set", "--file", &file]).await;
    tells(&text, &["name = \"orders\"", "policy = \"approve\"", "treated so from now on"]);
    let document = shop.json(&["policy", "set", "--file", &file]).await;
    assert_eq!(document["edited"], false);
    assert_eq!(document["policy"]["table"]["orders"]["policy"], "approve");
    shop.changed(rename(0.9)).await;
    let id = last(&shop).await.plan.id.to_string();
    let text = shop.text(&["plan", "show", &id]).await;
    tells(
        &text,
        &["policy approve: it waits for a person", "waits for you", &format!("evercount plan approve {id}")],
    );
    let text = shop.text(&["counts", "by_status"]).await;
    tells(&text, &["a change waits for you", "version 2 is watched beside it"]);
    let text = shop.text(&["version", "promote", "by_status", "2", "--yes"]).await;
    tells(&text, &["version 2 is active; version 1 stands by", "a person promoted it"]);
    let wrong = shop.file("wrong.toml", "[class]\nA9 = \"auto\"\n");
    tells(&shop.refusal(&["policy", "set", "--file", &wrong]).await, &["A9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_watched_is_rejected_by_a_person() {
    let shop = Shop::open().await;
    let file = shop.file("policy.toml", "[class]\nA1 = \"approve\"\n");
    shop.text(&["policy", "set", "--file", &file]).await;
    shop.changed(rename(0.9)).await;
    let id = last(&shop).await.plan.id.to_string();
    tells(
        &shop.text(&["plan", "reject", &id]).await,
        &["is rejected; version 1 is read as before", "the active version never moved"],
    );
    assert_eq!(shop.json(&["counts", "by_status"]).await["counts"][0]["version"], 1);
    tells(&shop.refusal(&["version", "promote", "by_status", "2", "--yes"]).await, &["was rejected"]);
}
