//! The captured statements of a real MariaDB, through a real Debezium.

use std::path::Path;

use evercount_core::schema_change::{ChangeKind, SchemaChange};
use serde_json::Value as Json;

use super::Listener;

/// What a statement of the capture does, by its words alone.
fn expected(statement: &str) -> Vec<String> {
    let name = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    let mut words: Vec<(usize, String)> = Vec::new();
    for (verb, change) in [
        ("ADD COLUMN `", "add_column"),
        ("DROP COLUMN `", "drop_column"),
        ("MODIFY COLUMN `", "change_type"),
        ("RENAME COLUMN `", "rename_column"),
        ("CHANGE `", "rename_column"),
        ("CREATE TABLE `", "create_table"),
        ("DROP TABLE `", "drop_table"),
        ("RENAME TABLE `", "rename_table"),
        ("TRUNCATE TABLE `", "truncate_table"),
    ] {
        for (at, _) in statement.match_indices(verb) {
            let column = if change.ends_with("column") || change == "change_type" {
                format!(" {}", name(&statement[at..]))
            } else {
                String::new()
            };
            words.push((at, format!("{change}{column}")));
        }
    }
    words.sort();
    words.into_iter().map(|(_, text)| text).collect()
}

fn reported(change: &SchemaChange) -> String {
    let name = change.kind.name();
    match &change.kind {
        ChangeKind::RenameTable { .. } => name.to_owned(),
        kind => kind.column().map_or_else(|| name.to_owned(), |column| format!("{name} {column}")),
    }
}

#[test]
fn every_statement_on_mariadb_is_reported_in_order_and_once_and_nothing_else_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cdc/coppermine-mariadb");
    let (Ok(capture), Ok(truth)) = (
        std::fs::read_to_string(folder.join("capture.jsonl")),
        std::fs::read_to_string(folder.join("truth.jsonl")),
    ) else {
        println!("skipped: there is no capture of MariaDB beside the project");
        return;
    };
    let mut wanted = Vec::new();
    for line in truth.lines() {
        let truth: Json = serde_json::from_str(line).unwrap();
        let Some(statement) = truth["ddl_applied"].as_str() else { continue };
        // The truth has a line for either name of a renamed table.
        if truth["note"] != "renamed away" {
            let table = statement.split('`').nth(1).unwrap();
            let changes = expected(statement).into_iter();
            wanted.extend(changes.map(|text| format!("{table}: {text}")));
        }
    }
    let mut listener = Listener::new();
    let mut found = Vec::new();
    for line in capture.lines() {
        for (table, change) in listener.hear(line.as_bytes()) {
            let (_, table) = table.as_str().split_once('.').unwrap();
            found.push(format!("{table}: {}", reported(&change)));
        }
    }
    println!("coppermine-mariadb: {} changes, {} reported", wanted.len(), found.len());
    assert_eq!(found, wanted);
}
