//! Owns the catalog's items: its revision, and the logic versions.

use evercount_core::logic::{Coverage, LogicId, LogicState, LogicVersion};
use evercount_core::value::{Item, Value};

use super::fields::{Fields, number, text, time_text, time_value};
use super::{FORMAT, ItemError, ItemKey};
use crate::logic::{LogicJsonError, from_json, to_json};
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
            ("logic", text(to_json(version).to_string())),
            ("summary", text(summary(version, state, filter.as_deref(), &group_by))),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if let Some(filter) = filter {
        item.insert("where".to_owned(), Value::String(filter));
    }
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
    format!("Counts the items of {table}{filter}{group_by}; this version is {state} and {coverage}.")
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
