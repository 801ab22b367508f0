//! Owns what a watch remembers of single rows: the values of a few rows seen lately, so that a
//! row that comes back with a new column shows whether it holds a lost column's value.

use xxhash_rust::xxh3::xxh3_64;

use crate::observed::value_hash;
use crate::schema::{FieldPath, Schema};
use crate::value::{Item, Value, canonical};

/// Values remembered by one watch, of all rows.
pub const RECENT_VALUES_MAX: usize = 2_048;
/// Rows remembered by one watch.
pub const RECENT_ROWS_MAX: usize = 128;

/// A row as it was last looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecentRow {
    /// The hash of its key.
    pub key: u64,
    /// Sixteen bits of the hashes of its columns' values that tell something, by the column's
    /// number, rising.
    pub values: Vec<(usize, u16)>,
}

/// The hash of a row's key; `None` where the key is not known or not in the row.
pub(super) fn key_of(schema: &Schema, row: &Item) -> Option<u64> {
    let mut bytes = Vec::with_capacity(64);
    for column in &schema.key {
        canonical::value(column_of(row, column)?, &mut bytes);
    }
    (!schema.key.is_empty()).then(|| xxh3_64(&bytes))
}

/// Takes a row among the recent ones, oldest first; the oldest make room. `columns` are the
/// columns it has, by number.
pub(super) fn remember<'a>(
    recent: &mut Vec<RecentRow>,
    key: u64,
    row: &Item,
    columns: impl Iterator<Item = (usize, &'a FieldPath)>,
) {
    let values = columns.filter_map(|(number, column)| {
        let value = column_of(row, column).filter(|value| tells_something(value))?;
        Some((number, short_hash(value)?))
    });
    let values: Vec<(usize, u16)> = values.take(RECENT_VALUES_MAX).collect();
    recent.retain(|one| one.key != key);
    recent.push(RecentRow { key, values });
    let mut held = 0;
    let newest = recent.iter().rev().take(RECENT_ROWS_MAX);
    let fitting = newest.take_while(|one| {
        held += one.values.len();
        held <= RECENT_VALUES_MAX
    });
    let over = recent.len() - fitting.count();
    recent.drain(..over);
}

/// Enough of a value's hash to tell it from another one of the same column.
pub(super) fn short_hash(value: &Value) -> Option<u16> {
    value_hash(value).map(|hash| hash as u16)
}

/// The value of a column.
pub(super) fn column_of<'a>(item: &'a Item, column: &FieldPath) -> Option<&'a Value> {
    // Few names need quotes, so the path mostly is the name.
    let quoted = || item.iter().find(|(name, _)| FieldPath::column(name) == *column).map(|(_, value)| value);
    item.get(column.as_str()).or_else(|| column.as_str().starts_with('"').then(quoted).flatten())
}

/// Whether equality with a value is evidence of anything.
pub(super) fn tells_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Unavailable => false,
        Value::Number(number) => !number.is_zero(),
        Value::String(text) => !text.is_empty(),
        Value::Binary(bytes) => !bytes.is_empty(),
        Value::List(_) | Value::Map(_) | Value::StringSet(_) | Value::NumberSet(_) | Value::BinarySet(_) => {
            true
        }
    }
}
