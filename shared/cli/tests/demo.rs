//! The demo as a script calls it: exit code, document, text, and what it leaves behind.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::process::{Command, Output};

use serde_json::Value;

/// Runs the demo with empty folders for home and temporary files, which it must leave empty.
fn demo(args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_evercount"))
        .arg("demo")
        .args(args)
        .env("HOME", folder.path())
        .env("EVERCOUNT_HOME", folder.path())
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let left: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    output
}

fn sum(groups: &Value) -> i64 {
    groups.as_array().unwrap().iter().map(|group| group["live"].as_i64().unwrap()).sum()
}

/// What an adjustment is about and what became of it.
fn adjustment(one: &Value) -> (&str, &str, &str, &str, Value) {
    let text = |key: &str| one[key].as_str().unwrap();
    (text("count"), text("change"), text("class"), text("outcome"), one["to_version"].clone())
}

#[test]
fn live_counts_equal_a_recount_through_faults_and_four_changes_of_the_schema() {
    let output = demo(&["--seconds", "2", "--json"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(document["equal"], true);
    for place in [
        "/orders_written",
        "/records/applied",
        "/records/duplicates",
        "/injected/duplicates",
        "/injected/reordered",
        "/injected/delivered_again",
        "/cost/write_units",
    ] {
        assert!(document.pointer(place).unwrap().as_f64().unwrap() > 0.0, "{place} of {told}");
    }
    assert_eq!(document["records"]["quarantined"], 0);
    let counts = document["counts"].as_array().unwrap();
    let names: Vec<_> = counts.iter().map(|count| count["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["by_status", "to_deliver", "bulk_without_zip", "by_plan"]);
    for count in counts {
        assert_eq!((&count["equal"], &count["exact"]), (&Value::Bool(true), &Value::Bool(true)), "{count}");
        assert!(sum(&count["groups"]) > 0, "{count}");
    }
    assert!(counts[0]["groups"].as_array().unwrap().len() >= 3, "{told}");
    assert!(counts[1]["groups"].as_array().unwrap().len() >= 3, "{told}");
    // Every order has a status, by whichever name, and every one is in a group of plans.
    for count in [&counts[0], &counts[3]] {
        assert_eq!(Value::from(sum(&count["groups"])), document["orders_left"]);
    }

    let adjustments = document["adjustments"].as_array().unwrap();
    let became: Vec<_> = adjustments.iter().map(adjustment).collect();
    let renamed = "`status` renamed to `state`";
    for expected in [
        ("by_status", renamed, "A1", "promoted", Value::from(2)),
        ("to_deliver", renamed, "A1", "promoted", Value::from(2)),
        ("to_deliver", "`carrier` dropped", "A2", "promoted", Value::from(3)),
    ] {
        assert!(became.contains(&expected), "{expected:?} in {became:#?}");
    }
    for one in adjustments {
        assert!(["promoted", "not_affected"].contains(&one["outcome"].as_str().unwrap()), "{one}");
        assert_eq!((&one["source_items_read"], &one["unexplained"]), (&0.into(), &0.into()), "{one}");
        if one["outcome"] == "promoted" {
            assert!(one["agreed"].as_u64().unwrap() > 0, "{one}");
        }
        if one["change"] == renamed {
            assert!(one["explained"].as_u64().unwrap() > 0, "{one}");
        }
    }
    // Values keep the type they were written with, so nothing has to follow.
    let retyped = became.iter().find(|(count, change, ..)| *count == "by_plan" && change.contains("`plan`"));
    assert_eq!(
        retyped.map(|(_, _, class, outcome, to)| (*class, *outcome, to)),
        Some(("A1", "not_affected", &Value::Null))
    );
    let versions: Vec<_> = counts.iter().map(|count| count["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, [2, 3, 1, 1]);

    let checkpoints = document["checkpoints"].as_array().unwrap();
    let after: Vec<_> = checkpoints.iter().map(|one| one["after"].as_str().unwrap()).collect();
    assert_eq!(after, ["add_channel", "rename_status", "retype_plan", "drop_carrier"]);
    for one in checkpoints {
        assert!(one["equal"] == true && one["orders"].as_u64().unwrap() > 0, "{one}");
    }
}

#[test]
fn without_a_terminal_the_text_has_no_control_characters() {
    let output = demo(&["--seconds", "1", "--seed", "7"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.chars().all(|c| c == '\n' || !c.is_control()), "{told:?}");
    assert!(told.lines().all(|line| line.trim_end() == line), "{told}");
    assert!(told.contains("[[count]]") && told.contains("✓ All 4 counts equal"), "{told}");
    for remark in
        ["schema: `status` renamed to `state`", "by_status v2 takes over", "to_deliver v3 takes over"]
    {
        assert!(told.contains(remark), "{remark} in {told}");
    }
    assert!(told.contains("How the counts followed the schema"), "{told}");
    assert!(told.contains("evercount replay"), "{told}");
    assert!(!told.contains('✗'), "{told}");
}
