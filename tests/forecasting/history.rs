//! A registry filled from a history, as far as it is known at a time.

use std::collections::BTreeMap;

use evercount_core::evolution::{Judgement, Proposal, evolve, new_subject};
use evercount_core::order::Micros;
use evercount_core::registration::Registration;
use evercount_core::registry::{Origin, Policy};
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, Retype, SchemaChange, Subject, Typed};
use evercount_forecast::history::{Event, EventKind, History, Seconds};
use evercount_pipeline::ports::RegistryStore;

/// Years of a shop: `orders` gains a column every other month and loses one now and then, `carts` changes
/// once a year, `countries` never.
pub fn shop(years: i64) -> History {
    let day = 86_400;
    let mut events = Vec::new();
    let mut add = |at: Seconds, table: &str, kind: EventKind, column: &str, typed: &str| {
        events.push(Event {
            at,
            table: table.into(),
            kind,
            column: column.into(),
            typed: typed.into(),
            before: "".into(),
        });
    };
    for (table, columns) in [("orders", 14), ("carts", 6), ("countries", 3)] {
        for column in 0..columns {
            add(START, table, EventKind::CreateTable, &format!("{table}_{column}"), "S");
        }
    }
    for month in 1..years * 12 {
        let at = START + month * 30 * day + (month * 7 % 11) * day;
        if month % 2 == 0 {
            add(at, "orders", EventKind::AddColumn, &format!("extra_{month}"), "N");
        }
        if month % 9 == 0 {
            add(at, "orders", EventKind::DropColumn, &format!("orders_{}", month / 9), "S");
        }
        if month % 12 == 5 {
            add(at, "carts", EventKind::ChangeType, "carts_1", if month % 24 == 5 { "N" } else { "S" });
        }
    }
    History::new("shop", events)
}

/// When the shop's history begins: 2020.
pub const START: Seconds = 1_577_836_800;

/// Columns with their types, as the registry has them.
fn schema(columns: &BTreeMap<String, String>) -> Schema {
    let field = |(name, typed): (&String, &String)| (FieldPath::column(name), Field::of(types(typed)));
    Schema { fields: columns.iter().map(field).collect(), key: Vec::new() }
}

/// The types that a history's name of a type is taken for.
pub fn types(name: &str) -> TypeSet {
    TypeSet::of(match name.to_ascii_uppercase().as_str() {
        name if name.starts_with('N') || name.contains("INT") => FieldType::INTEGER,
        _ => FieldType::STRING,
    })
}

/// Brings a registry up to what a history tells until a time, from after another.
pub async fn register<R: RegistryStore>(store: &R, history: &History, after: Seconds, until: Seconds) {
    let mut tables: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for commit in history.commits().take_while(|commit| commit[0].at <= until) {
        let mut changes: BTreeMap<String, Vec<ChangeKind>> = BTreeMap::new();
        for event in commit {
            let columns = tables.entry(event.table.to_string()).or_default();
            let column = FieldPath::column(&event.column);
            let typed = Typed { types: types(&event.typed), declared: None };
            let mut change = |kind| changes.entry(event.table.to_string()).or_default().push(kind);
            match event.kind {
                EventKind::Initial | EventKind::CreateTable => {
                    if columns.is_empty() {
                        change(ChangeKind::CreateTable);
                    }
                    columns.insert(event.column.to_string(), event.typed.to_string());
                }
                EventKind::AddColumn => {
                    columns.insert(event.column.to_string(), event.typed.to_string());
                    change(ChangeKind::AddColumn { column, typed, default: None });
                }
                EventKind::DropColumn => {
                    columns.remove(&*event.column);
                    change(ChangeKind::DropColumn { column, typed });
                }
                EventKind::ChangeType => {
                    let before = columns.insert(event.column.to_string(), event.typed.to_string());
                    let previous = Typed { types: types(before.as_deref().unwrap_or("S")), declared: None };
                    let retype = Retype::ReEncoding;
                    change(ChangeKind::ChangeType { column, typed, previous, retype });
                }
                EventKind::RenameColumn => {
                    columns.remove(&*event.before);
                    columns.insert(event.column.to_string(), event.typed.to_string());
                    let (from, previous) = (FieldPath::column(&event.before), typed.clone());
                    change(ChangeKind::RenameColumn { column: from, to: column, typed, previous });
                }
                EventKind::DropTable => {
                    if !columns.is_empty() {
                        columns.clear();
                        change(ChangeKind::DropTable);
                    }
                }
                EventKind::ChangeKey => {}
            }
        }
        if commit[0].at <= after {
            continue;
        }
        for (table, kinds) in changes {
            version(store, &table, schema(&tables[&table]), kinds, commit[0].at * 1_000_000).await;
        }
    }
}

/// Makes a version of a table's schema.
pub async fn version<R: RegistryStore>(
    store: &R,
    table: &str,
    schema: Schema,
    kinds: Vec<ChangeKind>,
    at: Micros,
) {
    let subject = Subject::new(table);
    let stored = store.subject(&subject).await.unwrap();
    let policy = Policy { retention: Micros::MAX / 4, ..Policy::default() };
    let state = stored.clone().unwrap_or_else(|| new_subject(subject.clone(), Origin::Declared, policy, at));
    let current = match state.current {
        Some(id) => store.schema_version(&subject, id.version, at).await.unwrap().found(),
        None => None,
    };
    let current = current.map(|version| version.schema);
    let evidence = || Evidence::Declared { statement: "a release".to_owned() };
    let changes = kinds.into_iter().map(|kind| SchemaChange { kind, evidence: evidence() }).collect();
    let proposal = Proposal { schema, changes, position: None, at };
    let judge = |_: &Schema| Judgement { drift: 0.1, breaks: Vec::new() };
    let evolved = evolve(&state, current.as_ref(), &proposal, judge, at);
    let mut registration = Registration::empty(subject, at);
    registration.add(stored.map(|state| state.revision), &state, evolved);
    store.register(&registration).await.unwrap();
}
