//! `evercount function …` from the outside, on a folder and on the embedded DynamoDB.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// A module with a memory, an `alloc` that gives one place, and a function.
fn module(function: &str) -> Vec<u8> {
    let text = format!(
        r#"(module (memory (export "memory") 2)
             (func (export "evercount_abi") (result i32) i32.const 1)
             (func (export "alloc") (param i32) (result i32) i32.const 4096)
             {function})"#
    );
    wat::parse_str(text).unwrap()
}

/// Answers every item with `{"item":{"name":{"S":"ADA"}}}`.
fn ada() -> Vec<u8> {
    let answer = r#"{"item":{"name":{"S":"ADA"}}}"#;
    let (written, length) = (answer.replace('"', "\\\""), answer.len());
    module(&format!(
        r#"(data (i32.const 16) "{written}")
           (func (export "migrate") (param i32 i32) (result i64)
             (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const {length})))"#
    ))
}

const LOOPS: &str = r#"(func (export "predicate") (param i32 i32) (result i32) (loop br 0) i32.const 1)"#;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Runs a command: its exit code, what it printed, and its errors.
    fn run(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        let input = self.file("input", input.as_bytes());
        let mut command = Command::new(env!("CARGO_BIN_EXE_evercount"));
        let environment = std::env::vars_os().map(|(name, _)| name);
        for name in environment.filter(|name| {
            let name = name.to_str().unwrap_or_default();
            name.starts_with("AWS_") || name.starts_with("EVERCOUNT_")
        }) {
            command.env_remove(name);
        }
        command.env("EVERCOUNT_HOME", self.0.path().join("home"));
        let stdin = Stdio::from(std::fs::File::open(Path::new(&input)).unwrap());
        let output = command.args(arguments).stdin(stdin).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

const ITEM: &str = "{\"id\":{\"N\":\"1\"},\"name\":{\"S\":\"ada\"}}\n";

fn adds_lists_and_removes(home: &Home, place: &[&str]) {
    let (first, second) = (home.file("ada.wasm", &ada()), home.file("loops.wasm", &module(LOOPS)));
    let run = |arguments: &[&str], input: &str| home.run(&[arguments, place].concat(), input);
    let (code, told, errors) = run(&["function", "add", "ada", &first, "--description", "Says ADA."], "");
    assert_eq!(code, 0, "{errors}");
    assert!(told.contains("ada is the migration"), "{told}");
    let (code, told, _) = run(&["function", "list", "--json"], "");
    let listed: Value = serde_json::from_str(&told).unwrap();
    let ada = &listed["functions"][0];
    assert_eq!(
        (code, &ada["name"], &ada["kind"], &ada["abi"]),
        (0, &json!("ada"), &json!("migration"), &json!(1))
    );
    let (code, _, errors) = run(&["function", "add", "ada", &second], "");
    assert_eq!(code, 2);
    assert!(errors.contains("--replace"), "{errors}");
    let (code, told, _) = run(&["function", "test", "ada", "--json"], ITEM);
    let tested: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &tested["runs"][0]["answer"]), (0, &json!({"name": {"S": "ADA"}})));
    let (code, _, _) = run(&["function", "add", "ada", &second, "--replace"], "");
    assert_eq!(code, 0);
    // The module stays under its id, whatever its name is another's.
    let id = ada["id"].as_str().unwrap();
    let (code, told, errors) = run(&["function", "test", id, "--json"], ITEM);
    assert_eq!(code, 0, "{told}{errors}");
    let (code, _, errors) = run(&["function", "remove", "adah"], "");
    assert_eq!((code, errors.contains("did you mean `ada`?")), (2, true), "{errors}");
    assert_eq!(run(&["function", "remove", "ada"], "").0, 0);
    let (_, told, _) = run(&["function", "list", "--json"], "");
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["functions"], json!([]));
}

#[test]
fn functions_are_kept_in_a_folder() {
    let home = Home::new();
    let folder = home.0.path().join("functions").display().to_string();
    adds_lists_and_removes(&home, &["--dir", &folder]);
}

#[test]
fn functions_are_kept_in_dynamodb() {
    adds_lists_and_removes(&Home::new(), &[]);
}

#[test]
fn a_module_that_loops_is_stopped_and_one_that_is_none_is_refused_with_the_reason() {
    let home = Home::new();
    let loops = home.file("loops.wasm", &module(LOOPS));
    let (code, told, errors) = home.run(&["function", "test", &loops], ITEM);
    assert_eq!(code, 1, "{errors}");
    assert!(told.contains("it ran out of fuel"), "{told}");
    let wasi = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)) (memory (export "memory") 1))"#;
    let wasi = home.file("wasi.wasm", &wat::parse_str(wasi).unwrap());
    let (code, _, errors) = home.run(&["function", "test", &wasi], ITEM);
    assert_eq!(code, 2);
    assert!(errors.contains("cannot be a function") && errors.contains("fd_write"), "{errors}");
}

#[test]
fn a_migration_calls_a_function_and_an_item_that_strays_is_not_migrated() {
    let home = Home::new();
    let folder = home.0.path().join("functions").display().to_string();
    let ada = home.file("ada.wasm", &ada());
    let (_, told, _) = home.run(&["function", "add", "ada", &ada, "--dir", &folder, "--json"], "");
    let id = serde_json::from_str::<Value>(&told).unwrap()["id"].as_str().unwrap().to_owned();
    let file = |columns: &str| {
        let text = format!("[[function]]\ncustom = {{ function = \"{id}\", columns = [{columns}] }}\n");
        home.file("m.toml", text.as_bytes())
    };
    let both = file("\"name\", \"id\"");
    let (code, told, errors) = home.run(&["migrate", "apply", &both, "--functions", &folder], ITEM);
    assert_eq!((code, told.as_str()), (0, "{\"name\":{\"S\":\"ADA\"}}\n"), "{errors}");
    let one = file("\"name\"");
    let (code, told, errors) = home.run(&["migrate", "apply", &one, "--functions", &folder], ITEM);
    assert_eq!((code, told.as_str()), (1, ""));
    assert!(errors.contains("changed `id`, which is not among its columns"), "{errors}");
    let nowhere = home.0.path().join("nowhere").display().to_string();
    let (code, _, errors) = home.run(&["migrate", "apply", &one, "--functions", &nowhere], ITEM);
    assert_eq!(code, 2);
    assert!(errors.contains("the store has no such module"), "{errors}");
}
