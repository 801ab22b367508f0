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

#[test]
fn live_counts_equal_a_recount_through_duplicates_reordering_a_split_and_a_crash() {
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
    assert_eq!(names, ["by_status", "to_deliver", "bulk_without_zip"]);
    for count in counts {
        assert_eq!((&count["equal"], &count["exact"]), (&Value::Bool(true), &Value::Bool(true)), "{count}");
        assert!(sum(&count["groups"]) > 0, "{count}");
    }
    assert!(counts[0]["groups"].as_array().unwrap().len() >= 3, "{told}");
    assert!(counts[1]["groups"].as_array().unwrap().len() >= 3, "{told}");
    // Every order has a status.
    assert_eq!(Value::from(sum(&counts[0]["groups"])), document["orders_left"]);
}

#[test]
fn without_a_terminal_the_text_has_no_control_characters() {
    let output = demo(&["--seconds", "1", "--seed", "7"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.chars().all(|c| c == '\n' || !c.is_control()), "{told:?}");
    assert!(told.lines().all(|line| line.trim_end() == line), "{told}");
    assert!(told.contains("[[count]]") && told.contains("✓ All 3 counts equal"), "{told}");
    assert!(told.contains("evercount replay"), "{told}");
    assert!(!told.contains('✗'), "{told}");
}
