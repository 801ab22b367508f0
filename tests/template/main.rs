//! What the stack must be and no scanner knows: rules on `infra/template.yaml`, each shown to fail on
//! a planted fault, and that what is deployed is what is built.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod access;
mod delivery;
mod faults;
mod keys;
mod operation;
mod sets;
mod storage;
mod yaml;

use std::path::{Path, PathBuf};

use serde_json::Value;

use yaml::Template;

/// What is wrong with a template: what it is about, and what it should be.
type Offences = Vec<String>;

/// A rule: its name, and what it finds.
type Rule = (&'static str, fn(&Template) -> Offences);

fn rules() -> Vec<Rule> {
    [delivery::RULES, access::RULES, storage::RULES, operation::RULES].concat()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn source(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn template() -> Template {
    Template(yaml::read(&source("infra/template.yaml")))
}

/// The texts in a value: those of a list, or the one.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one],
        _ => Vec::new(),
    }
}

#[test]
fn the_template_keeps_every_rule() {
    let template = template();
    let broken: Vec<String> = rules()
        .iter()
        .flat_map(|(name, rule)| rule(&template).into_iter().map(move |what| format!("{name}: {what}")))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
