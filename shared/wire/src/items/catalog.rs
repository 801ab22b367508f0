//! Owns the catalog's items: its revision, and the logic versions.

use evercount_core::change::TableName;
use evercount_core::logic::{AdoptedShape, Base, Coverage, LogicId, LogicState, LogicVersion, PlanId};
use evercount_core::value::{Item, Value};
use xxhash_rust::xxh3::xxh3_64;

use super::fields::{Fields, number, text, time_text, time_value};
use super::registry::change::{list_of, malformed, put};
use super::tables::table_in_key;
use super::{FORMAT, ItemError, ItemKey, PK, SK};
use crate::logic::{LogicJsonError, from_json, relation_name, step_text, to_json};
use crate::predicate;

const CATALOG_PK: &str = "catalog";

/// The key of the catalog's revision.
#[must_use]
pub fn revision_key() -> ItemKey {
    ItemKey::new(CATALOG_PK, "revision")
}

/// Reads the catalog's revision.
///
/// # Errors
/// [`ItemError`].
pub fn catalog_revision(item: &Item) -> Result<u64, ItemError> {
    Fields(item).unsigned("revision")
}

/// The key of a logic version. All of them share the partition key of [`revision_key`].
#[must_use]
pub fn logic_key(id: &LogicId) -> ItemKey {
    ItemKey::new(CATALOG_PK, id.to_string())
}

/// Attributes that a logic version's item may lack.
pub const LOGIC_OPTIONAL: [&str; 9] =
    ["where", "distinct", "headroom", "base", "parent", "plan", "migration", "earlier_tables", "suspended"];

/// The item of a logic version. `logic` is what is read back; the other attributes are for people.
#[must_use]
pub fn logic_item(version: &LogicVersion) -> Item {
    let definition = &version.definition;
    let filter = definition.filter.as_ref().map(predicate::to_text);
    let group_by = definition.group_by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let state = state_name(version.state);
    let mut item = logic_key(&version.id).item();
    item.extend(
        [
            ("entity", text("logic version")),
            ("format", number(FORMAT)),
            ("definition", text(version.id.definition.as_str())),
            ("version", number(u64::from(version.id.number))),
            ("state", text(state)),
            ("table", text(definition.table.as_str())),
            ("group_by", text(&group_by)),
            ("created_at", time_value(version.created_at)),
            ("state_since", time_value(version.state_since)),
            ("epoch", number(u64::from(version.epoch))),
            ("relation", text(relation_name(version.relation))),
            ("logic", text(to_json(version).to_string())),
            ("summary", text(summary(version, state, filter.as_deref(), &group_by))),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            put(&mut item, name, value);
        }
    };
    add("where", filter.map(Value::String));
    add("distinct", definition.distinct.as_ref().map(|path| text(path.to_string())));
    let headroom = &definition.headroom;
    let extra = headroom.attributes.iter().map(ToString::to_string);
    let extra = extra.chain(headroom.truth.then(|| "the truth of each condition".to_owned()));
    add("headroom", (!headroom.is_empty()).then(|| list_of(extra)));
    if let Base::Derived { parent, .. } = &version.base {
        add("base", Some(text(format!("derived from version {parent}"))));
    }
    add("parent", version.parent.map(|parent| number(u64::from(parent))));
    add("plan", version.plan.as_ref().map(|plan| text(PlanId::as_str(plan))));
    let some = |list: Vec<String>| (!list.is_empty()).then(|| list_of(list));
    add("migration", some(version.migration.iter().map(step_text).collect()));
    add("earlier_tables", some(version.earlier_tables.iter().map(ToString::to_string).collect()));
    let suspended = version.suspended.iter();
    add("suspended", some(suspended.map(|(place, path)| format!("{path} (place {place})")).collect()));
    item
}

fn state_name(state: LogicState) -> &'static str {
    LogicState::ALL.iter().find(|(one, _)| *one == state).map_or("", |(_, name)| name)
}

fn summary(version: &LogicVersion, state: &str, filter: Option<&str>, group_by: &str) -> String {
    let table = &version.definition.table;
    let filter = filter.map(|filter| format!(" where {filter}")).unwrap_or_default();
    let group_by = if group_by.is_empty() { String::new() } else { format!(" by {group_by}") };
    let coverage = match version.coverage {
        Coverage::Whole => "covers every row".to_owned(),
        Coverage::Since(at) => format!("covers rows changed since {}", time_text(at)),
    };
    let base = match version.base {
        Base::Own => String::new(),
        Base::Derived { parent, .. } => format!(", is derived from version {parent}"),
    };
    format!("Counts the items of {table}{filter}{group_by}; this version is {state}{base} and {coverage}.")
}

/// Reads a logic version; `None` for an item of the catalog that is none.
///
/// # Errors
/// [`ItemError`].
pub fn logic_version_from_item(item: &Item) -> Result<Option<LogicVersion>, ItemError> {
    if Fields(item).text("entity")? != "logic version" {
        return Ok(None);
    }
    let stored = Fields::of_format(item)?.text("logic")?;
    let json = serde_json::from_str(stored).map_err(|error| LogicJsonError::Shape(error.to_string()))?;
    Ok(Some(from_json(&json)?))
}

/// The item of the shape that a table is adopted in. A logic version's number has digits where
/// this key has `table`, so no version of a definition called `adopted` can take its place.
#[must_use]
pub fn adopted_item(table: &TableName, shape: &AdoptedShape) -> Item {
    let mut item = ItemKey::new(CATALOG_PK, format!("adopted#table#{}", table_in_key(table))).item();
    let columns = shape.columns.len();
    put(&mut item, "entity", text("adopted shape"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "table", text(table.as_str()));
    put(&mut item, "version", number(u64::from(shape.version)));
    put(&mut item, "columns", list_of(&shape.columns));
    put(&mut item, "declared", Value::Bool(shape.declared));
    let summary =
        format!("The counts of {table} know its schema version {}, of {columns} columns.", shape.version);
    put(&mut item, "summary", text(summary));
    item
}

/// Reads the shape that a table is adopted in; `None` for an item of the catalog that is none.
///
/// # Errors
/// [`ItemError`].
pub fn adopted_from_item(item: &Item) -> Result<Option<(TableName, AdoptedShape)>, ItemError> {
    if Fields(item).text("entity")? != "adopted shape" {
        return Ok(None);
    }
    let fields = Fields::of_format(item)?;
    let version = u32::try_from(fields.unsigned("version")?);
    let shape = AdoptedShape {
        version: version.map_err(|_| malformed("version", "a version number"))?,
        columns: fields.texts("columns")?.into_iter().map(str::to_owned).collect(),
        declared: fields.flag_if_any("declared")?,
    };
    Ok(Some((TableName::new(fields.text("table")?), shape)))
}

/// What an edit notes beside the revision: the versions that it writes, each with a hash of its
/// stored text. Whoever reads the catalog sees by it whether all of the edit has arrived: items
/// that one transaction writes do not become visible at one moment to a reader of many
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html>).
#[must_use]
pub fn edited(written: &[Item]) -> Item {
    written
        .iter()
        .filter_map(|item| match (item.get(SK), item.get("logic")) {
            (Some(Value::String(sk)), Some(Value::String(logic))) => Some((sk.clone(), hash(logic))),
            _ => None,
        })
        .collect()
}

fn hash(logic: &str) -> Value {
    text(format!("{:016x}", xxh3_64(logic.as_bytes())))
}

/// Whether the items of the catalog hold everything that the last edit wrote, by what it noted
/// beside the revision that is among them.
///
/// # Errors
/// [`ItemError`].
pub fn is_edited(items: &[Item]) -> Result<bool, ItemError> {
    let of = |sk: &str| {
        let key = ItemKey::new(CATALOG_PK, sk).item();
        items.iter().find(|item| item.get(PK) == key.get(PK) && item.get(SK) == key.get(SK))
    };
    let Some(revision) = of(&revision_key().sk) else { return Ok(true) };
    let Some(noted) = Fields(revision).map_if_any("edited")? else { return Ok(true) };
    let arrived = |(sk, noted): (&String, &Value)| match of(sk).and_then(|item| item.get("logic")) {
        Some(Value::String(logic)) => hash(logic) == *noted,
        _ => false,
    };
    Ok(noted.iter().all(arrived))
}
