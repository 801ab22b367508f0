//! PostgreSQL through Debezium: no statement is in the stream, so every column change must show
//! in the images, once, within 50 rows of the table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use evercount_core::change::Record;
use evercount_core::image::Image;
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::ChangeKind;
use evercount_wire::cdc::{Decoder, Envelope};
use serde_json::Value as Json;

use crate::listener::{Found, Listener, Row};

/// Rows of the table within which a change is found.
const ROWS_MAX: usize = 50;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Delivery {
    /// Line by line.
    InOrder,
    /// In batches of 500 lines.
    Batches,
    /// Two lanes, split by the row's key, in batches of 500 lines each.
    TwoLanes,
    /// Shuffled within windows of 50 lines, in batches of 100.
    Shuffled,
}

/// A change in one line of text, to compare.
pub fn text(kind: &ChangeKind) -> String {
    match kind {
        ChangeKind::AddColumn { column, .. } => format!("add {column}"),
        ChangeKind::DropColumn { column, .. } => format!("drop {column}"),
        ChangeKind::RenameColumn { column, to, .. } => format!("rename {column} to {to}"),
        ChangeKind::ChangeType { column, .. } => format!("retype {column}"),
        other => other.name().to_owned(),
    }
}

/// What images show of a PostgreSQL type.
fn family(pg: &str) -> &'static str {
    match pg {
        "smallint" | "integer" | "bigint" | "timestamp without time zone" | "date" => "integer",
        _ => "string",
    }
}

struct Expected {
    table: String,
    line: usize,
    change: String,
}

/// The changes that the truth's columns show between one state of a table and the next.
fn expected(truth: &[Json]) -> Vec<Expected> {
    let mut columns: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut expected = Vec::new();
    let places: BTreeSet<(u64, &str)> =
        truth.iter().map(|at| (at["after_line"].as_u64().unwrap(), at["table"].as_str().unwrap())).collect();
    for (line, table) in places {
        let here = |at: &&Json| at["after_line"] == line && at["table"] == table;
        let last = truth.iter().rfind(here).unwrap();
        let now: BTreeMap<String, String> = last["columns"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|column| {
                (column["name"].as_str().unwrap().to_owned(), column["type"].as_str().unwrap().to_owned())
            })
            .collect();
        let Some(was) = columns.insert(table.to_owned(), now.clone()).filter(|_| !now.is_empty()) else {
            continue;
        };
        let mut renamed: BTreeMap<&str, &str> = BTreeMap::new();
        for at in truth.iter().filter(here) {
            for statement in at["ddl_applied"].as_str().unwrap_or_default().split(';') {
                if let Some((_, names)) = statement.split_once("RENAME COLUMN ") {
                    let (from, to) = names.split_once(" TO ").unwrap();
                    renamed.insert(from.trim(), to.trim());
                }
            }
        }
        let mut push = |change: String| {
            let line = usize::try_from(line).unwrap();
            expected.push(Expected { table: table.to_owned(), line, change });
        };
        for (name, pg) in &was {
            let name = FieldPath::column(name);
            match (renamed.get(name.as_str()), now.get(name.as_str())) {
                (Some(to), _) => push(format!("rename {name} to {to}")),
                (None, None) => push(format!("drop {name}")),
                (None, Some(now)) if family(pg) != family(now) => push(format!("retype {name}")),
                _ => {}
            }
        }
        for name in now.keys().filter(|name| !was.contains_key(*name)) {
            if !renamed.values().any(|to| to == name) {
                push(format!("add {name}"));
            }
        }
    }
    expected
}

/// The rows of each table with the line each came from.
fn rows(lines: &[&str], keys: &mut BTreeMap<String, Vec<FieldPath>>) -> Vec<(String, usize, Row)> {
    let decoder = Decoder::new(None, 0);
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if let Record::Changes(changes) = decoder.decode(&Envelope::of(line.as_bytes())).unwrap() {
            for change in changes {
                let table = change.row.table.as_str().rsplit('.').next().unwrap().to_owned();
                let key: Json = serde_json::from_str(change.row.identity.as_str()).unwrap();
                let names = key.as_object().unwrap().keys().map(|name| FieldPath::column(name)).collect();
                keys.insert(table.clone(), names);
                let number = numbers.entry(table.clone()).or_default();
                *number += usize::from(change.after.is_some());
                let row = Row {
                    key: change.row.identity.as_str().bytes().map(u64::from).sum(),
                    after: change.after.map(Image::into_item),
                    before: change.before.map(Image::into_item),
                    version: change.version,
                    at: change.at,
                    number: *number,
                };
                rows.push((table, index, row));
            }
        }
    }
    rows
}

fn check(capture: &str, delivery: Delivery) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cdc").join(capture);
    let Ok(text_of_lines) = std::fs::read_to_string(folder.join("capture.jsonl")) else {
        println!("skipped: there is no {capture} beside the project");
        return Vec::new();
    };
    let lines: Vec<&str> = text_of_lines.lines().collect();
    let truth: Vec<Json> = std::fs::read_to_string(folder.join("truth.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut keys = BTreeMap::new();
    let all = rows(&lines, &mut keys);
    let mut delivered: Vec<&(String, usize, Row)> = all.iter().collect();
    let (lanes, size) = match delivery {
        Delivery::InOrder => (1, 1),
        Delivery::Batches => (1, 500),
        Delivery::TwoLanes => (2, 500),
        Delivery::Shuffled => (1, 100),
    };
    if delivery == Delivery::Shuffled {
        let mut rng = fastrand::Rng::with_seed(11);
        delivered.chunks_mut(50).for_each(|window| rng.shuffle(window));
    }
    let mut listeners: BTreeMap<&str, Listener> = BTreeMap::new();
    let mut queues: Vec<Vec<&(String, usize, Row)>> = vec![Vec::new(); lanes];
    for one in delivered {
        queues[one.2.key as usize % lanes].push(one);
    }
    let batches = queues.iter().map(|queue| queue.len().div_ceil(size)).max().unwrap();
    for batch in 0..batches {
        for (lane, queue) in queues.iter().enumerate() {
            let mut of_table: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
            for (table, _, row) in queue.iter().skip(batch * size).take(size) {
                of_table.entry(table).or_default().push(row.clone());
            }
            for (table, rows) in of_table {
                listeners
                    .entry(table)
                    .or_insert_with(|| Listener::new(lanes, keys[table].clone()))
                    .batch(lane, &rows);
            }
        }
    }
    let mut wrong = Vec::new();
    let mut left: BTreeMap<&str, Vec<&Found>> =
        listeners.iter().map(|(table, listener)| (*table, listener.found.iter().collect())).collect();
    for one in expected(&truth) {
        let before = all
            .iter()
            .filter(|(table, line, row)| *table == one.table && *line < one.line && row.after.is_some());
        let before = before.count();
        let later = all
            .iter()
            .filter(|(table, line, row)| *table == one.table && *line >= one.line && row.after.is_some());
        let found = left.get_mut(one.table.as_str());
        let place = found.as_ref().and_then(|found| {
            found
                .iter()
                .position(|found| text(&found.detected.change.kind) == one.change && found.after_row > before)
        });
        match (found, place) {
            (Some(found), Some(place)) => {
                let found = found.remove(place);
                let rows = found.after_row - before;
                // A batch is judged whole, so its own rows come on top.
                let began = all.iter().find(|(table, _, row)| {
                    *table == one.table && Some(&row.version) == found.detected.position.as_ref()
                });
                let began = began.map_or(0, |(_, _, row)| row.number);
                if (delivery == Delivery::InOrder && rows > ROWS_MAX) || began.abs_diff(before + 1) > ROWS_MAX
                {
                    wrong.push(format!("late by {rows}: {} line {} {}", one.table, one.line, one.change));
                }
            }
            _ => wrong.push(format!(
                "missed ({} rows later): {} line {} {}",
                later.count(),
                one.table,
                one.line,
                one.change
            )),
        }
    }
    for (table, found) in left {
        for found in found {
            let change = &found.detected.change;
            wrong.push(format!(
                "not so: {table} row {} {} {}",
                found.after_row,
                text(&change.kind),
                change.evidence.sentence()
            ));
        }
    }
    wrong
}

#[test]
fn every_column_change_of_a_postgresql_shows_in_its_images_once() {
    for capture in ["coppermine-postgres", "coppermine-postgres-default-identity"] {
        for delivery in [Delivery::InOrder, Delivery::Batches, Delivery::TwoLanes, Delivery::Shuffled] {
            let wrong = check(capture, delivery);
            assert!(wrong.is_empty(), "{capture} {delivery:?}: {wrong:#?}");
        }
    }
}
