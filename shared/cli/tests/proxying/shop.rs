//! Owns a table of orders and how its schema goes on: version 2 adds `tier`, 3 renames `state` to `status`, 4
//! parts `name` into `first` and `last`, and 5 makes `level` a text.

use std::collections::BTreeMap;

use evercount_core::change::TableName;
use evercount_core::migration::function::MigrationFunction;
use evercount_core::migration::graph::Migration;
use evercount_core::mutation::settings::{MutationSettings, OnConflict, Strategy, TableSettings};
use evercount_core::path::Path;
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::{ChangeKind, Retype, Typed};
use evercount_pipeline::ports::RegistryStore;
use serde_json::{Value, json};

use super::stage::{Live, evolve_to};

/// The table.
pub const TABLE: &str = "orders";
/// The last version.
pub const LAST: u32 = 5;

/// Mutations are migrated, and items carry versions where `stamps` says so.
pub fn settings(stamps: bool, on_conflict: OnConflict) -> MutationSettings {
    let default =
        TableSettings { strategy: Strategy::auto(), stamps, on_conflict, ..TableSettings::default() };
    MutationSettings { default, tables: BTreeMap::new() }
}

/// What nothing but a person can tell: how a name is parted.
pub fn written() -> BTreeMap<TableName, Vec<Migration>> {
    let into = ["first", "last"].map(Path::column).to_vec();
    let split = MigrationFunction::Split { path: Path::column("name"), separator: " ".to_owned(), into };
    [(TableName::new(TABLE), vec![Migration { from: 3, to: 4, functions: vec![split] }])].into()
}

/// An order as a version of the schema writes it down.
pub fn order(version: u32, id: &str, name: (&str, &str), status: &str, level: u32, region: &str) -> Value {
    let mut item = json!({"id": {"S": id}, "region": {"S": region}});
    if version < 4 {
        item["name"] = json!({"S": format!("{} {}", name.0, name.1)});
    } else {
        item["first"] = json!({"S": name.0});
        item["last"] = json!({"S": name.1});
    }
    item[if version < 3 { "state" } else { "status" }] = json!({"S": status});
    item["level"] =
        if version < 5 { json!({"N": level.to_string()}) } else { json!({"S": level.to_string()}) };
    if version >= 2 {
        item["tier"] = json!({"S": "tin"});
    }
    item
}

fn schema(version: u32) -> Schema {
    let sample = order(version, "1", ("a", "b"), "OPEN", 1, "eu");
    let field = |(name, value): (&String, &Value)| {
        let number = value.get("N").is_some();
        let types = TypeSet::of(if number { FieldType::INTEGER } else { FieldType::STRING });
        let default = (name == "tier").then(|| "'tin'".into());
        (FieldPath::column(name), Field { required: true, default, ..Field::of(types) })
    };
    let fields = sample.as_object().into_iter().flatten().map(field).collect();
    Schema { fields, key: vec![FieldPath::column("id")] }
}

fn changes(version: u32) -> Vec<ChangeKind> {
    let typed = |one: FieldType| Typed { types: TypeSet::of(one), declared: None };
    let text = || typed(FieldType::STRING);
    let column = FieldPath::column;
    let add = |name: &str, default: Option<&str>| ChangeKind::AddColumn {
        column: column(name),
        typed: text(),
        default: default.map(Into::into),
    };
    match version {
        1 => vec![ChangeKind::CreateTable],
        2 => vec![add("tier", Some("'tin'"))],
        3 => vec![ChangeKind::RenameColumn {
            column: column("state"),
            to: column("status"),
            typed: text(),
            previous: text(),
        }],
        4 => vec![
            ChangeKind::DropColumn { column: column("name"), typed: text() },
            add("first", None),
            add("last", None),
        ],
        _ => vec![ChangeKind::ChangeType {
            column: column("level"),
            typed: text(),
            previous: typed(FieldType::INTEGER),
            retype: Retype::ReEncoding,
        }],
    }
}

/// Puts a version in force.
pub async fn go_on(live: &Live, version: u32) {
    go_on_in(live.stack.store(), version).await;
}

/// Puts a version in force in a registry.
pub async fn go_on_in<S: RegistryStore>(store: &S, version: u32) {
    evolve_to(store, TABLE, schema(version), changes(version)).await;
}

/// The last version, and a column more.
pub async fn go_on_with<S: RegistryStore>(store: &S, version: u32, column: &str) {
    let mut next = schema(version);
    let typed = Typed { types: TypeSet::of(FieldType::STRING), declared: None };
    let column = FieldPath::column(column);
    next.fields.insert(column.clone(), Field::of(typed.types.clone()));
    evolve_to(store, TABLE, next, vec![ChangeKind::AddColumn { column, typed, default: None }]).await;
}
