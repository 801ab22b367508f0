//! What a shell and a terminal get from the command: completions, man pages, a watch, and errors that name
//! the fix.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs the command on an embedded DynamoDB of its own; its exit code, output and errors.
fn evercount(home: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evercount"));
    let environment = std::env::vars_os().map(|(name, _)| name);
    for name in environment.filter(|name| name.to_str().is_some_and(|name| name.starts_with("AWS_"))) {
        command.env_remove(name);
    }
    let output = command.env("EVERCOUNT_HOME", home.path()).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_shell_gets_completions_that_know_the_commands() {
    let home = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, told, errors) = evercount(&home, &["completions", shell]);
        assert_eq!((code, errors.as_str()), (0, ""), "{shell}");
        for word in ["evercount", "forecast", "rollback", "as-of"] {
            assert!(told.contains(word), "{shell} knows no {word}");
        }
    }
    // A shell that is there takes them.
    let (_, script, _) = evercount(&home, &["completions", "bash"]);
    let file = home.path().join("evercount.bash");
    std::fs::write(&file, script).unwrap();
    if let Ok(read) = Command::new("bash").arg("-n").arg(&file).output() {
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    }
}

#[test]
fn every_command_has_a_man_page_and_a_mistyped_one_a_suggestion() {
    let home = TempDir::new().unwrap();
    let (code, whole, _) = evercount(&home, &["man"]);
    assert_eq!(code, 0);
    assert!(whole.contains(".TH evercount") && whole.contains("Exit codes"), "{whole}");
    let (code, approve, _) = evercount(&home, &["man", "plan", "approve"]);
    assert_eq!(code, 0);
    assert!(approve.contains("choice") && approve.contains("Exit codes"), "{approve}");
    let (code, told, errors) = evercount(&home, &["man", "plan", "aprove"]);
    assert_eq!((code, told.as_str()), (2, ""));
    assert!(errors.contains("there is no command `aprove`; did you mean `approve`?"), "{errors}");
    // The parser's own words for the same mistake.
    let (code, _, errors) = evercount(&home, &["plann"]);
    assert_eq!((code, errors.contains("'plan'")), (2, true), "{errors}");
}

#[test]
fn a_count_is_watched_without_a_terminal_in_lines() {
    let home = TempDir::new().unwrap();
    let (code, _, errors) =
        evercount(&home, &["count", "create", "by_status", "--table", "orders", "--group-by", "status"]);
    assert_eq!(code, 0, "{errors}");
    let (code, line, errors) = evercount(&home, &["watch", "by_status", "--once", "--json"]);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(line.lines().count(), 1, "one look is one line: {line}");
    let seen: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&seen["name"], &seen["version"], &seen["total"]),
        (&json!("by_status"), &json!(1), &json!(0))
    );
    assert!(seen["target"].as_str().unwrap().starts_with("embedded"), "{seen}");
    assert!(seen["at"].is_string() && seen["groups"].is_array() && seen["exact"].is_boolean(), "{seen}");

    let (code, told, _) = evercount(&home, &["watch", "by_status", "--once"]);
    assert_eq!(code, 0);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("target: embedded") && lines[1].contains("by_status  0 items"), "{told}");
    assert!(!told.contains('\u{1b}'), "no styles for a pipe");
    let (code, _, errors) = evercount(&home, &["watch", "by_statu", "--once"]);
    assert_eq!((code, errors.contains("did you mean `by_status`?")), (2, true), "{errors}");
}

#[test]
fn a_name_that_is_nearly_right_is_suggested_by_every_command_that_takes_one() {
    let home = TempDir::new().unwrap();
    evercount(&home, &["count", "create", "by_status", "--table", "orders"]);
    for command in [
        &["counts", "by_statu"][..],
        &["count", "show", "by_statu"],
        &["count", "delete", "BY_STATUS"],
        &["version", "list", "by_statu"],
        &["version", "rollback", "by_statu"],
        &["plan", "list", "by_statu"],
        &["plan", "show", "by_statu"],
        &["plan", "simulate", "by_statu", "drop column x"],
        &["backfill", "status", "by_statu"],
        &["backfill", "start", "by_statu"],
        &["audit", "by_statu"],
    ] {
        let (code, told, errors) = evercount(&home, command);
        assert_eq!((code, told.as_str()), (2, ""), "{command:?}: {errors}");
        assert!(errors.contains("did you mean `by_status`?"), "{command:?}: {errors}");
    }
}

#[test]
fn every_command_names_its_target_in_text_and_in_json() {
    let home = TempDir::new().unwrap();
    evercount(&home, &["count", "create", "by_status", "--table", "orders"]);
    for command in [
        &["count", "list"][..],
        &["count", "show", "by_status"],
        &["counts"],
        &["version", "list", "by_status"],
        &["plan", "list"],
        &["plan", "simulate", "by_status", "drop table"],
        &["backfill", "status"],
        &["policy", "show"],
        &["quarantine", "list"],
        &["schema", "list"],
        &["forecast", "list"],
        &["forecast", "advise"],
        &["function", "list"],
    ] {
        let (code, told, errors) = evercount(&home, command);
        assert_eq!(code, 0, "{command:?}: {errors}");
        assert!(told.starts_with("target: embedded"), "{command:?}: {told}");
        let whole: Vec<&str> = command.iter().copied().chain(["--json"]).collect();
        let (code, told, errors) = evercount(&home, &whole);
        assert_eq!(code, 0, "{command:?}: {errors}");
        let document: Value = serde_json::from_str(&told).unwrap();
        assert!(
            document["target"].as_str().is_some_and(|at| at.starts_with("embedded")),
            "{command:?}: {told}"
        );
    }
}
