//! `evercount schema …` from the outside: what a person reads and what a program reads, over a
//! registry in the embedded DynamoDB.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and shows what a person reads"
)]

mod migrate;
mod seed;

use evercount_core::registry::Origin;
use serde_json::json;

use seed::{DAY, NEW_YEAR, Registry, changes_of, table};

/// Asserts that each of these is in a text, and says which is not.
#[track_caller]
fn tells(text: &str, expected: &[&str]) {
    for one in expected {
        assert!(text.contains(one), "`{one}` is not in:\n{text}");
    }
}

/// The line that has a text.
#[track_caller]
fn line<'a>(text: &'a str, of: &str) -> &'a str {
    text.lines().find(|line| line.contains(of)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_registry_says_what_fills_it() {
    let registry = Registry::empty().await;
    tells(&registry.text(&["list"]).await, &["no subjects yet", "schema listener"]);
    assert_eq!(registry.json(&["list"]).await["subjects"], json!([]));
    tells(
        &registry.refusal(&["show", "orders"]).await,
        &["there is no subject `orders`", "registry is empty"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_says_where_each_subject_stands() {
    let registry = Registry::seeded().await;
    let text = registry.text(&["list"]).await;
    let words = |of: &str| line(&text, of).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        words("customers"),
        [
            "customers",
            "observed",
            "2",
            "5",
            "2026-01-02T00:00:00Z",
            "rename_column",
            words("customers")[6].as_str(),
            "0"
        ]
    );
    tells(line(&text, "shop.orders"), &["declared", "rename_column", "change_type", "add_column"]);
    let document = registry.json(&["list"]).await;
    let orders = &document["subjects"][1];
    assert_eq!(
        (&orders["subject"], &orders["version"], &orders["fields"], &orders["pending"]),
        (&json!("shop.orders"), &json!(2), &json!(5), &json!(1))
    );
    assert!(document["target"].as_str().unwrap().contains("http://"), "{document:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_shown_with_its_fields_what_waits_and_the_policy() {
    let registry = Registry::seeded().await;
    let text = registry.text(&["show", "shop.orders"]).await;
    tells(
        &text,
        &[
            "shop.orders  version 2, the current one",
            "it came from version 1",
            "1204 records seen by 2 lanes",
            "5 fields, key id",
            "1 change pending; `evercount schema accept shop.orders --all` lets them through",
            "- column `legacy` dropped",
            "waits for a person, since readers of version 2 cannot read",
            "declared: ALTER TABLE orders DROP COLUMN legacy",
            "compatibility FORWARD: readers of the version before read rows of a new one",
            "drop_column: try_evolve, it makes a version where",
        ],
    );
    tells(line(&text, " id "), &["integer(64)", "BIGINT", "1"]);
    tells(line(&text, " coupon "), &["string(12)", "VARCHAR(12)", "yes", " 6 ", "75.0 %"]);
    tells(line(&text, " state "), &[" 8 ", "100 %"]);
    let headers: Vec<&str> = line(&text, " field ").split_whitespace().collect();
    assert_eq!(
        headers,
        ["field", "type", "declared", "key", "null", "seen", "present"],
        "empty columns are left out"
    );

    let document = registry.json(&["show", "shop.orders"]).await;
    let names: Vec<&str> =
        document["fields"].as_array().unwrap().iter().map(|field| field["path"].as_str().unwrap()).collect();
    assert_eq!(names, ["id", "state", "total", "legacy", "coupon"]);
    assert_eq!(document["pending"][0]["change"], "drop_column");
    assert_eq!(document["seen"]["records"], 1_204);
    assert_eq!(
        (&document["fields"][4]["seen"], &document["fields"][4]["presence"]),
        (&json!(6), &json!(0.75))
    );
    assert_eq!(document["policy"]["rules"]["drop_column"], "try_evolve");

    let text = registry.text(&["show", "customers"]).await;
    assert!(line(&text, "postcode").starts_with("   postcode"), "nested fields are indented: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_found_by_number_id_fingerprint_and_time() {
    let registry = Registry::seeded().await;
    let first = registry.json(&["show", "shop.orders", "--version", "1"]).await;
    assert_eq!((&first["version"], &first["is_current"]), (&json!(1), &json!(false)));
    let (id, fingerprint) = (first["id"].as_str().unwrap(), first["fingerprint"].as_str().unwrap());
    for way in [["--id", id], ["--id", fingerprint], ["--at", "2026-01-01T12:00:00Z"], ["--at", "2026-01-01"]]
    {
        let found = registry.json(&["show", "shop.orders", way[0], way[1]]).await;
        assert_eq!(found["id"], first["id"], "{way:?}");
    }
    let text = registry.text(&["show", "shop.orders", "--version", "1"]).await;
    tells(&text, &["version 1, the current one is 2", "status"]);
    assert!(!text.contains("pending") && !text.contains("policy"), "{text}");

    tells(
        &registry.refusal(&["show", "shop.orders", "--version", "9"]).await,
        &["no version 9", "current one is 2"],
    );
    tells(
        &registry.refusal(&["show", "shop.orders", "--at", "2025-06-01"]).await,
        &["in force at 2025-06-01T00:00:00Z", "from 2026-01-01T00:00:00Z"],
    );
    tells(&registry.refusal(&["show", "orders"]).await, &["did you mean `shop.orders`?"]);
    tells(&registry.refusal(&["show", "custommers"]).await, &["did you mean `customers`?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_shown_as_json_schema() {
    let registry = Registry::seeded().await;
    let text = registry.text(&["show", "shop.orders", "--as", "json-schema"]).await;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(document["properties"]["coupon"]["maxLength"], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_is_one_line_of_a_diff() {
    let registry = Registry::seeded().await;
    let text = registry.text(&["diff", "shop.orders"]).await;
    tells(&text, &["shop.orders  version 1 → 2, a revision, drift 0.", "1 added, 1 renamed, 1 retyped"]);
    let told = |of: &str| line(&text, of).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(told("status"), "~ status → state VARCHAR(20), renamed");
    assert_eq!(told("total"), "~ total INT → BIGINT (widening)");
    assert_eq!(told("coupon"), "+ coupon VARCHAR(12)");
    assert!(!text.contains("legacy"), "only what differs: {text}");

    let text = registry.text(&["diff", "shop.orders", "2", "1"]).await;
    tells(&text, &["version 2 → 1", "state → status", "BIGINT → INT (narrowing)", " -  coupon"]);
    let same = registry.text(&["diff", "shop.orders", "2", "v2"]).await;
    tells(&same, &["no differences"]);

    let document = registry.json(&["diff", "shop.orders", "1", "2"]).await;
    assert_eq!(
        document["summary"],
        json!({"added": 1, "dropped": 0, "renamed": 1, "retyped": 1, "constrained": 0})
    );
    let nodes = document["tree"].as_array().unwrap();
    let marks: Vec<&str> = nodes.iter().map(|node| node["mark"].as_str().unwrap()).collect();
    assert_eq!(marks, ["same", "renamed", "retyped", "same", "added"]);
    assert_eq!((&nodes[1]["previous_path"], &nodes[1]["path"]), (&json!("status"), &json!("state")));
    assert_eq!(nodes[2]["notes"][0]["effect"], "widening");
    assert!(document["drift"].as_f64().unwrap() > 0.0 && document["class"].is_string());

    let refused = registry.refusal(&["diff", "shop.orders", "1", "1.5"]).await;
    tells(&refused, &["`1.5` is no version"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_puts_both_versions_beside_each_other() {
    let registry = Registry::seeded().await;
    let text = registry.text(&["diff", "customers", "--tree"]).await;
    tells(&text, &["version 1", "version 2", "1 renamed"]);
    let told = |of: &str| line(&text, of).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(told("zip"), "zip integer → postcode integer");
    assert_eq!(told("mail"), "mail string mail string");
    assert!(told("id").contains("(key)"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_what_happened_and_what_was_held() {
    let registry = Registry::seeded().await;
    let text = registry.text(&["history", "shop.orders"]).await;
    let places: Vec<usize> = [
        "2026-01-01T00:00:00Z  version 1, the first",
        "+ table created",
        "declared: CREATE TABLE orders ( id BIGINT PRIMARY KEY, status VARCHAR(20), …)",
        "2026-01-02T00:00:00Z  version 1 → 2, drift",
        "~ column `status` renamed to `state`",
        "declared: ALTER TABLE orders RENAME COLUMN status",
        "2026-01-03T00:00:00Z  held, version 2 stays",
        "- column `legacy` dropped",
        "waits for a person",
    ]
    .iter()
    .map(|one| text.find(one).unwrap_or_else(|| unreachable!("`{one}` is not in:\n{text}")))
    .collect();
    assert!(places.is_sorted(), "{text}");
    assert_eq!(text.matches("ALTER TABLE orders RENAME").count(), 1, "shared evidence is told once: {text}");

    let document = registry.json(&["history", "shop.orders"]).await;
    assert_eq!(document["history"].as_array().unwrap().len(), 2);
    assert_eq!(document["held"][0]["held"], "breaks");
    assert_eq!(document["held"][0]["is_pending"], true);
    tells(&registry.text(&["history", "customers"]).await, &["proposed: score 0.80", "update 0.60 of 0.60"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_breaks_the_mode_ends_with_a_code_of_its_own() {
    let registry = Registry::seeded().await;
    let same = registry.text(&["show", "shop.orders", "--as", "json-schema"]).await;
    let mut document: serde_json::Value = serde_json::from_str(&same).unwrap();
    let good = registry.file("good.json", &same);
    let (code, text, _) = registry.run(&["check", "shop.orders", &good]).await;
    println!("$ evercount schema check shop.orders good.json\n{text}");
    assert_eq!(code, 0, "{text}");
    tells(&text, &["✓ FORWARD with version 2"]);

    document["properties"]["total"] = json!({"type": "string"});
    let bad = registry.file("bad.json", &document.to_string());
    let (code, text, errors) = registry.run(&["check", "shop.orders", &bad]).await;
    println!("$ evercount schema check shop.orders bad.json\n{text}");
    assert_eq!((code, errors.as_str()), (3, ""), "{text}");
    tells(
        &text,
        &[
            "✗ not FORWARD with version 2: 1 break",
            "`total`",
            "keep its values within",
            "against version 2, a model change, drift",
            "~  total  BIGINT → string",
        ],
    );
    let (code, text, _) = registry.run(&["check", "shop.orders", &bad, "--json"]).await;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &document["compatible"]), (3, &json!(false)));
    assert_eq!(document["breaks"][0]["direction"], "forward");
    let (code, text, _) = registry.run(&["check", "shop.orders", &bad, "--mode", "none"]).await;
    assert_eq!(code, 0, "{text}");
    tells(&text, &["NONE"]);

    let broken = registry.file("broken.json", "{\"type\": \"strin\"}");
    tells(&registry.refusal(&["check", "shop.orders", &broken]).await, &["no JSON Schema", "`strin`"]);
    tells(
        &registry.refusal(&["check", "shop.orders", "/nowhere.json"]).await,
        &["could not read /nowhere.json"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_lets_a_pending_change_through() {
    let registry = Registry::seeded().await;
    tells(
        &registry.refusal(&["accept", "shop.orders", "--column", "legasy"]).await,
        &["no change of column `legasy` is pending", "did you mean `legacy`?"],
    );
    let (code, _, errors) = registry.run(&["accept", "shop.orders"]).await;
    assert_eq!(code, 2);
    tells(&errors, &["--column", "--all"]);

    let text = registry.text(&["accept", "shop.orders", "--column", "legacy"]).await;
    tells(&text, &["shop.orders: 1 change accepted, version 2 → 3 (v0003-", "- column `legacy` dropped"]);
    tells(line(&text, "note:"), &["readers of version 2 cannot read every row of the new version"]);
    let shown = registry.json(&["show", "shop.orders"]).await;
    assert_eq!((&shown["version"], &shown["pending"]), (&json!(3), &json!([])));
    assert_eq!(shown["fields"].as_array().unwrap().len(), 4);
    tells(
        &registry.text(&["history", "shop.orders"]).await,
        &["version 2 → 3", "waits for a person", "it waits no longer"],
    );
    tells(
        &registry.text(&["accept", "shop.orders", "--all"]).await,
        &["no change of shop.orders is pending"],
    );
    // What a diff starts from is what the version came from.
    tells(&registry.text(&["diff", "shop.orders"]).await, &["version 2 → 3", " -  legacy"]);
    tells(
        &registry.text(&["diff", "shop.orders", "1"]).await,
        &["version 1 → 3", "status → state", " -  legacy"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lineage_says_which_reader_is_behind() {
    let registry = Registry::seeded().await;
    tells(
        &registry.text(&["lineage", "shop.orders"]).await,
        &["nobody is known to read it; `evercount schema ack shop.orders --consumer NAME"],
    );
    let text = registry.text(&["ack", "shop.orders", "--consumer", "billing", "--version", "1"]).await;
    tells(&text, &["billing has applied version 1 of shop.orders, 1 behind the current one"]);
    registry.text(&["ack", "shop.orders", "--consumer", "search", "--version", "2"]).await;
    let text = registry.text(&["lineage", "shop.orders"]).await;
    tells(line(&text, "mysql-1"), &["source", "1204", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]);
    tells(line(&text, "debezium/mysql 3.0"), &["connector"]);
    tells(line(&text, "billing"), &["version 1, 1 behind"]);
    assert!(!line(&text, "search").contains("behind"), "{text}");
    let document = registry.json(&["lineage", "shop.orders"]).await;
    assert_eq!(document["consumers"][0]["behind"], 1);
    assert_eq!(document["producers"][0]["records"], 1_204);
    let refused = registry.refusal(&["ack", "shop.orders", "--consumer", "billing", "--version", "7"]).await;
    tells(&refused, &["no version 7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cardinalities_are_estimates_merged_over_lanes_and_windows() {
    let registry = Registry::seeded().await;
    tells(&registry.text(&["cardinality", "shop.orders"]).await, &["no sketches from then on", "--since"]);
    registry.sketches().await;
    let near = |value: &serde_json::Value, truth: f64| {
        let n = value.as_f64().unwrap();
        assert!((n - truth).abs() < truth * 0.15, "{n} for {truth}");
    };
    let document = registry.json(&["cardinality", "shop.orders"]).await;
    let fields = document["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 1, "fields without sketches are left out: {document:#}");
    near(&fields[0]["distinct"], 1_600.0);
    assert_eq!(fields[0]["distinct_error"], 0.0325);
    let windows = fields[0]["windows"].as_array().unwrap();
    assert_eq!((&windows[0]["lanes"], &windows[1]["lanes"]), (&json!(1), &json!(2)));
    near(&windows[0]["distinct"], 100.0);
    near(&windows[1]["distinct"], 1_500.0);

    let text = registry.text(&["cardinality", "shop.orders"]).await;
    tells(line(&text, "state"), &["~1", "±"]);
    let text = registry.text(&["cardinality", "shop.orders", "state"]).await;
    tells(&text, &["all of them", "lanes"]);
    // The window of this minute began earlier in its hour.
    let recent = registry.json(&["cardinality", "shop.orders", "state", "--since", "1m"]).await;
    assert!(recent["fields"][0]["distinct"].as_u64() > Some(50), "{recent:#}");
    let refused = registry.refusal(&["cardinality", "shop.orders", "stat"]).await;
    tells(&refused, &["no field `stat`", "did you mean `state`?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_set_part_by_part() {
    let registry = Registry::seeded().await;
    let edit =
        ["--compatibility", "backward", "--rule", "drop_column=evolve", "--rule", "change_type=ignore"];
    let text = registry.text(&[&["policy", "shop.orders"], &edit[..]].concat()).await;
    tells(
        &text,
        &["compatibility BACKWARD", "change_type: ignore, it is logged", "every other change: evolve"],
    );
    assert!(!text.contains("drop_column"), "{text}");
    let document = registry
        .json(&[
            "policy",
            "shop.orders",
            "--exclude",
            "add_column,truncate_table",
            "--retention",
            "30",
            "--drift-threshold",
            "0.25",
        ])
        .await;
    assert_eq!(
        document["policy"],
        json!({
            "compatibility": "BACKWARD",
            "rules": {"change_type": "ignore"},
            "include": [],
            "exclude": ["add_column", "truncate_table"],
            "drift_threshold": 0.25,
            "retention_days": 30,
        })
    );
    let document = registry.json(&["policy", "shop.orders", "--exclude", "none"]).await;
    assert_eq!((&document["policy"]["exclude"], &document["edited"]), (&json!([]), &json!(true)));
    assert_eq!(registry.json(&["policy", "shop.orders"]).await["edited"], false);
    for (wrong, why) in [
        (["--rule", "drop_columns=ignore"], "no kind of change"),
        (["--compatibility", "SIDEWAYS"], "FULL_TRANSITIVE"),
        (["--drift-threshold", "2"], "between 0 and 1"),
    ] {
        let (code, _, errors) = registry.run(&["policy", "shop.orders", wrong[0], wrong[1]]).await;
        assert_eq!(code, 2, "{errors}");
        tells(&errors, &[why]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_at_the_same_time_do_not_undo_each_other() {
    let registry = Registry::seeded().await;
    let rules = ["add_column=ignore", "drop_column=ignore", "rename_column=ignore", "change_key=ignore"];
    let children: Vec<_> = rules
        .iter()
        .map(|rule| {
            registry
                .command("schema")
                .args(["policy", "shop.orders", "--rule", rule, "--json"])
                .spawn()
                .unwrap()
        })
        .collect();
    let accept =
        registry.command("schema").args(["accept", "shop.orders", "--all", "--json"]).spawn().unwrap();
    for mut child in children.into_iter().chain([accept]) {
        let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert!(ended.success());
    }
    let shown = registry.json(&["show", "shop.orders"]).await;
    let kept: Vec<&String> = shown["policy"]["rules"].as_object().unwrap().keys().collect();
    assert_eq!(kept, ["add_column", "change_key", "drop_column", "rename_column"]);
    assert_eq!((&shown["version"], &shown["pending"]), (&json!(3), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_reaches_no_terminal_as_it_is() {
    let registry = Registry::empty().await;
    let first = table(&["id BIGINT!"]);
    registry.propose("shop.evil", Origin::Declared, first.clone(), Vec::new(), NEW_YEAR).await;
    let second = table(&["id BIGINT!", "\u{1b}[2J\nx INT"]);
    let changes = changes_of(&first, &second, "ALTER TABLE evil ADD \u{1b}]0;title\u{7} INT");
    registry.propose("shop.evil", Origin::Declared, second, changes, NEW_YEAR + DAY).await;
    // Each of these refuses control characters.
    for command in [&["show", "shop.evil"][..], &["diff", "shop.evil"], &["diff", "shop.evil", "--tree"]] {
        tells(&registry.text(command).await, &["\\u{1b}[2J\\nx"]);
    }
    tells(&registry.text(&["history", "shop.evil"]).await, &["\\u{1b}]0;title\\u{7}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals() {
    let registry = Registry::seeded().await;
    let coloured = |set: &'static [(&str, &str)]| {
        let mut command = registry.command("schema");
        command.args(["diff", "shop.orders"]).envs(set.iter().copied());
        async move {
            let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            String::from_utf8(output.stdout).unwrap().contains('\u{1b}')
        }
    };
    assert!(!coloured(&[]).await, "a pipe has no colours");
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]).await);
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).await);
}
