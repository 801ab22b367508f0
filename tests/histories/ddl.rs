//! The histories as Debezium's schema change events.

use std::collections::BTreeMap;
use std::fmt;

use evercount_core::schema::{FieldPath, FieldType};
use evercount_core::schema_change::{ChangeKind, Retype};
use evercount_tests::histories::{self, Event, History, Kind, Version};
use evercount_wire::sql_type;
use serde_json::{Value as Json, json};

use super::Listener;

/// Whether records bring the statement beside the table's new definition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Statement {
    Told,
    Untold,
}

/// A type's text with the spaces that the files have dropped. Some type the database had, even
/// where the file does not know it.
fn spaced(text: &str) -> String {
    if text.is_empty() {
        return "UNKNOWN".to_owned();
    }
    match text.strip_prefix("UNSIGNED") {
        Some(rest) => format!("{rest} UNSIGNED"),
        None => text.replace("UNSIGNED", " UNSIGNED").replace("COLLATE", " COLLATE "),
    }
}

/// A type's text as a statement has it. Some are pieces of a comment, which the files took for a
/// type.
fn in_statement(text: &str) -> String {
    let is_type = !text.is_empty() && !text.contains(['<', '`', '#']) && !text.starts_with('\'');
    if is_type { spaced(text) } else { "TEXT COMMENT 'ADD COLUMN x, DROP COLUMN y'".to_owned() }
}

/// A column as Debezium lists it.
fn column(name: &str, type_text: &str, position: usize) -> Json {
    let text = spaced(type_text);
    let mut column = json!({
        "name": name, "typeName": text, "length": null, "scale": null, "position": position, "optional": true,
    });
    if let Some((name, rest)) = text.split_once('(') {
        let (arguments, attributes) = rest.rsplit_once(')').unwrap_or((rest, ""));
        if name == "ENUM" {
            column["typeName"] = json!(name);
            let values = arguments.split(',').map(|value| value.trim().replace('"', "'"));
            column["enumValues"] = values.collect();
        } else if arguments.split(',').all(|number| number.parse::<u64>().is_ok()) {
            let attributes = attributes.trim();
            let gap = if attributes.is_empty() { "" } else { " " };
            column["typeName"] = json!(format!("{name}{gap}{attributes}"));
            for (place, number) in ["length", "scale"].iter().zip(arguments.split(',')) {
                column[place] = number.parse().unwrap();
            }
        }
    }
    column
}

/// What the statement that made a version did.
fn statement(version: &Version) -> String {
    let table = &version.table;
    let definition = |(name, type_text): &(String, String)| format!("`{name}` {}", in_statement(type_text));
    if version.events.iter().all(|event| matches!(event.kind, Kind::Initial | Kind::CreateTable)) {
        let columns: Vec<String> = version.columns.iter().map(definition).collect();
        return format!("CREATE TABLE `{table}` ({})", columns.join(", "));
    }
    if version.events[0].kind == Kind::DropTable {
        return format!("DROP TABLE `{table}`");
    }
    let mut clauses = Vec::new();
    for event in &version.events {
        let column = definition(&(event.column.clone(), event.type_text.clone()));
        match event.kind {
            Kind::AddColumn => clauses.push(format!("ADD COLUMN {column}")),
            Kind::DropColumn => clauses.push(format!("DROP COLUMN `{}`", event.column)),
            Kind::ChangeType => clauses.push(format!("MODIFY {column}")),
            _ => {}
        }
        if event.kind == Kind::ChangeKey && event.retypes() {
            clauses.push(format!("MODIFY {column}"));
        }
    }
    if version.events.iter().any(|event| event.kind == Kind::ChangeKey) {
        let key: Vec<String> = version.key.iter().map(|column| format!("`{column}`")).collect();
        clauses.push("DROP PRIMARY KEY".to_owned());
        if !key.is_empty() {
            clauses.push(format!("ADD PRIMARY KEY ({})", key.join(",")));
        }
    }
    format!("ALTER TABLE `{table}` {}", clauses.join(", "))
}

/// The record that announces a version.
fn record(project: &str, version: &Version, number: usize, told: Statement) -> Vec<u8> {
    let is = |kind: Kind| version.events.iter().any(|event| event.kind == kind);
    let snapshot = version.events.is_empty() || is(Kind::Initial);
    let operation = match () {
        () if snapshot || is(Kind::CreateTable) => "CREATE",
        () if is(Kind::DropTable) => "DROP",
        () => "ALTER",
    };
    let columns = version.columns.iter().zip(1..).map(|((name, text), place)| column(name, text, place));
    let table = json!({ "primaryKeyColumnNames": version.key, "columns": columns.collect::<Vec<_>>() });
    let change = json!({
        "type": operation,
        "id": format!("\"{project}\".\"{}\"", version.table),
        "table": if operation == "DROP" { Json::Null } else { table },
    });
    let ddl = match told {
        Statement::Told => statement(version),
        Statement::Untold => String::new(),
    };
    let record = json!({
        "source": {
            "connector": "mysql", "db": project, "table": version.table, "ts_ms": version.at * 1_000,
            "snapshot": snapshot.to_string(), "file": "binlog.000001", "pos": number, "row": 0,
        },
        "databaseName": project,
        "ddl": ddl,
        "tableChanges": [change],
    });
    record.to_string().into_bytes()
}

/// What changed, in few words: each can be counted. Types are without spaces, as in the files.
fn words(text: &str) -> String {
    text.replace(' ', "").replace('"', "'").to_uppercase()
}

/// What a file says of a version.
fn expected(version: &Version, told: Statement) -> Vec<String> {
    let mut expected = Vec::new();
    for event in &version.events {
        let Event { kind, column, type_text, .. } = event;
        match kind {
            Kind::Initial => {}
            Kind::CreateTable => expected.push("create_table".to_owned()),
            Kind::DropTable => expected.push("drop_table".to_owned()),
            Kind::AddColumn => expected.push(format!("add_column {column} {}", words(&spaced(type_text)))),
            Kind::DropColumn => expected.push(format!("drop_column {column}")),
            Kind::ChangeType => {}
            Kind::ChangeKey => expected.push(format!("change_key {column}")),
        }
        // `UNSIGNED INTEGER` and `INTEGER UNSIGNED` are listed alike; only a statement tells that
        // the column was defined over again.
        let listed_alike = spaced(type_text) == spaced(&event.previous_type);
        if event.retypes() && (told == Statement::Told || !listed_alike) {
            expected.push(format!("change_type {column} {}", words(&spaced(type_text))));
        }
    }
    // The files list each column of a table that is created or dropped.
    expected.dedup_by(|one, next| one == next && one.ends_with("_table"));
    expected
}

fn reported(kind: &ChangeKind, version: &Version) -> Vec<String> {
    let name = kind.name();
    match kind {
        ChangeKind::AddColumn { column, typed, .. } | ChangeKind::ChangeType { column, typed, .. } => {
            vec![format!("{name} {} {}", plain(column, version), words(&typed.text()))]
        }
        ChangeKind::DropColumn { column, .. } => vec![format!("{name} {}", plain(column, version))],
        ChangeKind::ChangeKey { previous, key } => {
            let moved = previous.iter().filter(|column| !key.contains(column));
            let moved = moved.chain(key.iter().filter(|column| !previous.contains(column)));
            moved.map(|column| format!("{name} {}", plain(column, version))).collect()
        }
        _ => vec![name.to_owned()],
    }
}

/// A column's name without the quotes that a path puts around some.
fn plain(path: &FieldPath, version: &Version) -> String {
    let mut columns = version.events.iter().map(|event| &event.column);
    columns.find(|name| FieldPath::column(name) == *path).cloned().unwrap_or_else(|| path.to_string())
}

#[derive(Default)]
struct Score {
    expected: usize,
    reported: usize,
    missed: Vec<String>,
    extra: Vec<String>,
    retypes: BTreeMap<Retype, usize>,
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> =
            self.retypes.iter().map(|(kind, n)| format!("{} {n}", kind.name())).collect();
        let Self { expected, reported, missed, extra, .. } = self;
        write!(f, "{expected:>7} {reported:>9} {:>7} {:>6}   {}", missed.len(), extra.len(), kinds.join(", "))
    }
}

fn score(history: &History, told: Statement) -> Score {
    let mut listener = Listener::new();
    let mut score = Score::default();
    for (version, number) in history.versions.iter().zip(1..) {
        let heard = listener.hear(&record(&history.project, version, number, told));
        let mut expected = expected(version, told);
        score.expected += expected.len();
        for (_, change) in heard {
            if let ChangeKind::ChangeType { retype, .. } = &change.kind {
                *score.retypes.entry(*retype).or_default() += 1;
            }
            for text in reported(&change.kind, version) {
                score.reported += 1;
                match expected.iter().position(|one| *one == text) {
                    Some(at) => drop(expected.swap_remove(at)),
                    None => score.extra.push(format!("{} {}: {text}", version.at, version.table)),
                }
            }
        }
        let missed = expected.into_iter().map(|text| format!("{} {}: {text}", version.at, version.table));
        score.missed.extend(missed);
    }
    score
}

fn check(told: Statement) {
    println!(
        "statement {told:?}\n{:<12} {:>7} {:>9} {:>7} {:>6}",
        "project", "changes", "reported", "missed", "extra"
    );
    let mut wrong = Vec::new();
    for history in histories::all() {
        let score = score(&history, told);
        println!("{:<12} {score}", history.project);
        assert!(score.expected > 0);
        wrong.extend(score.missed.into_iter().map(|text| format!("missed {} {text}", history.project)));
        wrong.extend(score.extra.into_iter().map(|text| format!("extra {} {text}", history.project)));
    }
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), wrong.get(..20).unwrap_or(&wrong));
}

#[test]
fn every_change_of_the_files_is_reported_once_and_nothing_else_is() {
    check(Statement::Told);
}

#[test]
fn the_definitions_tell_every_change_without_the_statements() {
    check(Statement::Untold);
}

/// Texts that are no types: the files took pieces of a definition's comment or collation for one.
fn is_no_type(text: &str) -> bool {
    text.is_empty() || text.starts_with('\'') || text.contains(['`', '<']) || text.starts_with("UTF8")
}

#[test]
fn nearly_every_type_of_the_files_is_known() {
    let (mut known, mut not_types, mut unknown) = (0_usize, 0_usize, BTreeMap::<String, usize>::new());
    for history in histories::all() {
        for event in history.versions.iter().flat_map(|version| &version.events) {
            match sql_type::parse(&event.type_text) {
                FieldType::Other(_) if is_no_type(&event.type_text) => not_types += 1,
                FieldType::Other(name) => *unknown.entry(name.to_string()).or_default() += 1,
                _ => known += 1,
            }
        }
    }
    let missed: usize = unknown.values().sum();
    println!("types: {known} known, {missed} unknown {unknown:?}, {not_types} texts are no types");
    assert!(missed * 1_000 <= known, "{unknown:?}");
}
