//! `evercount schema score` from the outside.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const BEFORE: &str = r#"{"type": "object", "additionalProperties": false, "required": ["id"],
    "properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}"#;
const AFTER: &str = r#"{"type": "object", "additionalProperties": false, "required": ["id", "at"],
    "properties": {"id": {"type": ["string", "null"]}, "at": {"type": "string", "format": "date-time"}}}"#;

fn score(folder: &Path, before: &str, after: &str, more: &[&str]) -> Output {
    let (one, other) = (folder.join("before.json"), folder.join("after.json"));
    std::fs::write(&one, before).unwrap();
    std::fs::write(&other, after).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_evercount"));
    command.args(["schema", "score"]).args([&one, &other]).args(more).output().unwrap()
}

#[test]
fn a_score_has_drift_class_and_changes_and_no_other_keys() {
    let folder = tempfile::tempdir().unwrap();
    let output = score(folder.path(), BEFORE, AFTER, &["--json"]);
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["changes", "class", "drift"]);
    assert_eq!(answer.get("class"), Some(&json!("model")));
    let drift = answer.get("drift").and_then(Value::as_f64).unwrap();
    assert!((0.5..1.0).contains(&drift), "{drift}");
    assert_eq!(
        answer.get("changes"),
        Some(&json!([
            {"change": "added", "path": "at", "class": "model", "type": "string", "required": true,
             "part": false, "detail": "string, required"},
            {"change": "retyped", "path": "id", "class": "addition", "previous_type": "string",
             "type": "string or null", "retype": "nullable", "detail": "string or null: may be null now"},
            {"change": "dropped", "path": "n", "class": "revision", "previous_type": "integer",
             "required": false, "part": false, "detail": "integer, was optional, refused now"}
        ]))
    );
}

#[test]
fn a_score_reads_as_a_sentence_and_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let output = score(folder.path(), BEFORE, AFTER, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["a model change, drift 0.", "+  at  string, required", "-  n   integer, was optional"] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    let same = score(folder.path(), BEFORE, BEFORE, &[]);
    assert_eq!(String::from_utf8(same.stdout).unwrap(), "nothing differs: drift 0.000\n");
}

#[test]
fn what_is_no_schema_is_told_with_file_place_and_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |before: &str, parts: &[&str]| {
        let output = score(folder.path(), before, AFTER, &[]);
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
    };
    refused("{\n  nonsense", &["before.json", "line 2"]);
    refused(
        r#"{"properties": {"a": {"type": "text"}}}"#,
        &["before.json", "#/properties/a", "`text`", "use null, boolean, integer"],
    );
}
