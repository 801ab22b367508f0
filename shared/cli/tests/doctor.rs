//! `evercount doctor` from the outside.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// Runs the doctor in an environment without AWS, but for `variables`.
fn doctor(variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_evercount"));
    let environment = std::env::vars_os().map(|(name, _)| name);
    for name in environment.filter(|name| {
        name.to_str().is_some_and(|name| name.starts_with("AWS_") || name.starts_with("EVERCOUNT_"))
    }) {
        command.env_remove(name);
    }
    let nothing = home.path().join("nothing");
    command.env("AWS_SHARED_CREDENTIALS_FILE", &nothing).env("AWS_CONFIG_FILE", &nothing);
    command.env("EVERCOUNT_HOME", home.path().join("home"));
    command.envs(variables.iter().copied()).arg("doctor").args(arguments);
    let output = command.output().unwrap();
    assert!(!home.path().join("home").exists(), "a check leaves nothing behind");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn json(variables: &[(&str, &str)]) -> (i32, Value) {
    let (code, printed) = doctor(variables, &["--json"]);
    (code, serde_json::from_str(&printed).unwrap())
}

/// Names of the checks that failed.
fn failed(document: &Value) -> Vec<&str> {
    let checks = document["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["status"] == "fail").map(|check| check["name"].as_str().unwrap()).collect()
}

/// The fix a check names.
fn fix<'a>(document: &'a Value, name: &str) -> &'a str {
    let mut checks = document["checks"].as_array().unwrap().iter();
    checks.find(|check| check["name"] == name).unwrap()["fix"].as_str().unwrap()
}

#[test]
fn a_machine_that_runs_this_test_is_well() {
    let (code, document) = json(&[]);
    assert_eq!((code, &document["ok"]), (0, &true.into()), "{document:#}");
    assert_eq!(failed(&document), Vec::<&str>::new());
    assert!(document["connect"].to_string().contains("replace.null.with.default=false"));

    let (code, text) = doctor(&[], &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("✓ embedded AWS"), "{text}");
    assert!(text.contains("skipped.operations=none"), "{text}");
}

#[test]
fn a_wrong_setting_is_named_with_what_would_be_right() {
    let (code, document) = json(&[("EVERCOUNT_MODE", "exact")]);
    assert_eq!((code, &document["ok"]), (1, &false.into()));
    assert_eq!(failed(&document), ["EVERCOUNT_MODE"]);
    assert!(fix(&document, "EVERCOUNT_MODE").contains("`ledger` or `lane`"), "{document:#}");
}

#[test]
fn a_dead_endpoint_is_named_with_its_variable() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let (code, document) = json(&[("AWS_ENDPOINT_URL", &url)]);
    assert_eq!(code, 1);
    assert_eq!(failed(&document), ["AWS_ENDPOINT_URL"]);
    let fix = fix(&document, "AWS_ENDPOINT_URL");
    assert_eq!(fix, "a dead endpoint is left in AWS_ENDPOINT_URL: unset it, or start the emulator");
    let (code, text) = doctor(&[("AWS_ENDPOINT_URL", &url)], &[]);
    assert_eq!(code, 1);
    assert!(text.contains("✗ AWS_ENDPOINT_URL"), "{text}");
}

#[test]
fn a_live_endpoint_is_well() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (code, document) = json(&[("AWS_ENDPOINT_URL", &url)]);
    assert_eq!(code, 0, "{document:#}");
    assert!(fix(&document, "credentials").contains("emulators take any"), "{document:#}");
}
