//! The table and its schema versions: what items mean, and how each version writes that down.
//!
//! Version 2 adds `tier`, 3 renames `state` to `status`, 4 parts `name` into `first` and `last`, 5 makes
//! `level` a text, and 6 has `mood`, which until then is expected and kept beside the table.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::decimal::Decimal;
use evercount_core::evolution::new_subject;
use evercount_core::fingerprint::{Fingerprint, SchemaId};
use evercount_core::migration::function::MigrationFunction;
use evercount_core::migration::graph::Migration;
use evercount_core::path::Path;
use evercount_core::registry::{Origin, Policy, SchemaVersion};
use evercount_core::schema::{Constraints, Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, Retype, SchemaChange, Typed};
use evercount_core::shadow::{ShadowColumn, ShadowSchema, ShadowState};
use evercount_core::value::{Item, Value};
use evercount_pipeline::memory::State;

/// The last schema version.
pub const LAST: u32 = 6;

/// The schema version from which on all later ones write an item down alike.
pub const SETTLED: u32 = 5;

/// What readers see of a mood that nobody wrote.
pub const MOOD: &str = "none";

/// The facts of an item; each is the number of who wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Its name, of two words.
    pub name: Option<u32>,
    /// Its state.
    pub status: Option<u32>,
    /// Its level.
    pub level: Option<u32>,
    /// Its tier; 0 is the default.
    pub tier: Option<u32>,
    /// Its mood.
    pub mood: Option<u32>,
}

/// The table.
#[must_use]
pub fn table() -> TableName {
    TableName::new("orders")
}

/// A row of the table.
#[must_use]
pub fn row(key: usize) -> RowKey {
    RowKey { table: table(), identity: RowIdentity::Key(format!("{{\"id\":\"{key}\"}}").into()) }
}

/// Its key attributes.
#[must_use]
pub fn key_of(key: usize) -> Item {
    [("id".to_owned(), text(key.to_string()))].into()
}

fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn tier(token: u32) -> Value {
    if token == 0 { text("tin") } else { text(format!("t{token}")) }
}

/// The attributes by which a version writes facts down, without the key.
#[must_use]
pub fn attributes(version: u32, facts: &Facts) -> Vec<(&'static str, Option<Value>)> {
    let named = |prefix: &str, token: Option<u32>| token.map(|token| text(format!("{prefix}{token}")));
    let mut all = Vec::new();
    if version < 4 {
        all.push(("name", facts.name.map(|token| text(format!("f{token} l{token}")))));
    } else {
        all.push(("first", named("f", facts.name)));
        all.push(("last", named("l", facts.name)));
    }
    all.push((if version < 3 { "state" } else { "status" }, named("s", facts.status)));
    let level = facts.level.map(|token| {
        if version < 5 { Value::Number(Decimal::from(i64::from(token))) } else { text(token.to_string()) }
    });
    all.push(("level", level));
    if version >= 2 {
        all.push(("tier", facts.tier.map(tier)));
    }
    all.push(("mood", named("m", facts.mood)));
    all
}

/// The item that a version writes.
#[must_use]
pub fn item(version: u32, key: usize, facts: &Facts) -> Item {
    let attributes = attributes(version, facts).into_iter();
    let attributes = attributes.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    key_of(key).into_iter().chain(attributes).collect()
}

fn typed(one: &FieldType) -> Typed {
    Typed { types: TypeSet::of(one.clone()), declared: None }
}

fn schema(version: u32) -> Schema {
    let field = |required| Field { required, ..Field::of(TypeSet::of(FieldType::STRING)) };
    let whole = Facts { name: Some(1), status: Some(1), level: Some(1), tier: Some(1), mood: None };
    let mut fields = BTreeMap::from([(FieldPath::column("id"), field(true))]);
    for (name, value) in attributes(version, &whole) {
        let mut field = field(name != "mood");
        if let Some(Value::Number(_)) = value {
            field.types = TypeSet::of(FieldType::INTEGER);
        }
        if name == "tier" {
            field.default = Some("'tin'".into());
        }
        if name != "mood" || version == LAST {
            fields.insert(FieldPath::column(name), field);
        }
    }
    Schema { fields, key: vec![FieldPath::column("id")] }
}

fn changes(version: u32) -> Vec<ChangeKind> {
    let (string, number) = (FieldType::STRING, FieldType::INTEGER);
    let add = |name: &str, default: Option<&str>| ChangeKind::AddColumn {
        column: FieldPath::column(name),
        typed: typed(&string),
        default: default.map(Into::into),
    };
    match version {
        1 => vec![ChangeKind::CreateTable],
        2 => vec![add("tier", Some("'tin'"))],
        3 => vec![ChangeKind::RenameColumn {
            column: FieldPath::column("state"),
            to: FieldPath::column("status"),
            typed: typed(&string),
            previous: typed(&string),
        }],
        4 => vec![
            ChangeKind::DropColumn { column: FieldPath::column("name"), typed: typed(&string) },
            add("first", None),
            add("last", None),
        ],
        5 => vec![ChangeKind::ChangeType {
            column: FieldPath::column("level"),
            typed: typed(&string),
            previous: typed(&number),
            retype: Retype::ReEncoding,
        }],
        _ => vec![add("mood", None)],
    }
}

fn versions() -> &'static [SchemaVersion] {
    static ALL: OnceLock<Vec<SchemaVersion>> = OnceLock::new();
    ALL.get_or_init(|| {
        let evidence = || Evidence::Declared { statement: "ALTER TABLE orders".to_owned() };
        let version = |number: u32| SchemaVersion {
            subject: table(),
            id: SchemaId { version: number, fingerprint: Fingerprint(u64::from(number)) },
            parent: (number > 1).then(|| number - 1),
            schema: schema(number),
            changes: changes(number)
                .into_iter()
                .map(|kind| SchemaChange { kind, evidence: evidence() })
                .collect(),
            drift: 0.1,
            breaks: Vec::new(),
            position: None,
            at: 0,
            created_at: 0,
        };
        (1..=LAST).map(version).collect()
    })
}

/// Migrations that a person wrote: nothing else tells how a name is parted.
#[must_use]
pub fn written() -> BTreeMap<TableName, Vec<Migration>> {
    let into = ["first", "last"].map(Path::column).to_vec();
    let split = MigrationFunction::Split { path: Path::column("name"), separator: " ".to_owned(), into };
    [(table(), vec![Migration { from: 3, to: 4, functions: vec![split] }])].into()
}

/// Puts a version in force.
pub fn register(state: &mut State, number: u32) {
    let Some(version) = versions().iter().find(|version| version.id.version == number) else { return };
    let registry = &mut state.registry;
    registry.versions.insert((table(), number), (version.clone(), None));
    let subject = registry.subjects.entry(table());
    let subject = subject.or_insert_with(|| new_subject(table(), Origin::Declared, Policy::default(), 0));
    subject.current = Some(version.id);
    subject.revision += 1;
}

/// What the table is believed to get.
#[must_use]
pub fn believed() -> ShadowSchema {
    let column = ShadowColumn {
        types: TypeSet::of(FieldType::STRING),
        default: Some(text(MOOD)),
        constraints: Constraints::default(),
        expected_at: None,
        probability: 0.9,
        source: "a field that today's events carry".to_owned(),
        prefetch: None,
        state: ShadowState::Expected,
    };
    let columns = [("mood".to_owned(), column)].into();
    ShadowSchema { revision: 1, columns, ..ShadowSchema::nothing(table(), 0) }
}
