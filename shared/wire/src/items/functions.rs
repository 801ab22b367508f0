//! Items of functions of users: an entry of the list, and the module in parts.

use evercount_core::function::{FunctionEntry, FunctionId, FunctionName};
use evercount_core::value::{Item, Value};

use super::fields::{Fields, number, text, time_value};
use super::{FORMAT, ItemError, ItemKey};
use crate::function::{EntryError, from_json, to_json};

/// The partition of the list.
pub const FUNCTIONS_PK: &str = "functions";

/// Bytes of a part of a module: with its key and names it stays well below the 400 KB of an item.
const PART_BYTES: usize = 262_144;

/// The key of an entry.
#[must_use]
pub fn function_key(name: &FunctionName) -> ItemKey {
    ItemKey::new(FUNCTIONS_PK, name.as_str())
}

/// The partition of a module's parts.
#[must_use]
pub fn module_pk(id: &FunctionId) -> String {
    format!("function#{id}")
}

/// The item of an entry. `entry` is what is read back; the rest is for people.
///
/// # Errors
/// [`EntryError`] where the entry is beyond its bounds.
pub fn function_item(entry: &FunctionEntry, module_bytes: usize) -> Result<Item, EntryError> {
    let kind = entry.kind.name();
    let mut item = function_key(&entry.name).item();
    let attributes = [
        ("entity", text("function")),
        ("format", number(FORMAT)),
        ("name", text(entry.name.as_str())),
        ("id", text(entry.id.to_string())),
        ("kind", text(kind)),
        ("description", text(&entry.description)),
        ("added_at", time_value(entry.added_at)),
        ("module_bytes", number(module_bytes as u64)),
        ("module", text(module_pk(&entry.id))),
        ("entry", text(to_json(entry)?)),
        ("summary", text(format!("The {kind} {}: {}", entry.name, entry.description))),
    ];
    item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
    Ok(item)
}

/// Reads an entry from its item.
///
/// # Errors
/// [`ItemError`].
pub fn function_from_item(item: &Item) -> Result<FunctionEntry, ItemError> {
    let entry = Fields::of_format(item)?.text("entry")?;
    from_json(entry).map_err(|_| malformed("entry", "an entry of a function"))
}

/// The parts of a module.
#[must_use]
pub fn module_items(id: &FunctionId, module: &[u8]) -> Vec<Item> {
    let parts = module.chunks(PART_BYTES);
    let count = parts.len() as u64;
    let part = |(index, bytes): (usize, &[u8])| {
        let mut item = ItemKey::new(module_pk(id), format!("{:04}", index + 1)).item();
        let attributes = [
            ("entity", text("part of a module")),
            ("format", number(FORMAT)),
            ("parts", number(count)),
            ("bytes", Value::Binary(bytes.to_vec())),
        ];
        item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
        item
    };
    parts.enumerate().map(part).collect()
}

/// A module from its parts, in the order of their keys; `None` where there are none.
///
/// # Errors
/// [`ItemError`] where a part is missing.
pub fn module_from_items(parts: &[Item]) -> Result<Option<Vec<u8>>, ItemError> {
    let Some(first) = parts.first() else { return Ok(None) };
    let count = Fields::of_format(first)?.unsigned("parts")?;
    if count != parts.len() as u64 {
        return Err(ItemError::MissingPart { part: parts.len() + 1 });
    }
    let mut module = Vec::new();
    for part in parts {
        module.extend_from_slice(Fields::of_format(part)?.bytes_if_any("bytes")?.unwrap_or_default());
    }
    Ok(Some(module))
}

fn malformed(name: &str, expected: &'static str) -> ItemError {
    ItemError::Malformed { name: name.to_owned(), expected }
}
