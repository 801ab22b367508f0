//! Owns the ledger row: its key text and its attributes.

use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::counting::{Cells, Contributions};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::LogicId;
use evercount_core::order::Micros;
use evercount_core::value::{Item, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::columns;
use super::fields::{Fields, as_signed, number, signed, text, time_value};
use super::{FORMAT, ItemError, PK};
use crate::group::{cell_from_name, cell_name};

/// Longest key text that is its own partition key, in bytes. DynamoDB takes 2,048
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
pub const LEDGER_KEY_BYTES_MAX: usize = 1_500;

/// How much of a longer one stays readable, in bytes.
const READABLE_BYTES: usize = 1_000;

const MICROS_PER_SECOND: Micros = 1_000_000;

/// The whole key text: the table, `#` before a key or `@` before a position, and the identity.
/// Those two characters and `%` are escaped within the table's name (Oracle allows `#` there),
/// so the first of them always ends it.
fn full_key(row: &RowKey) -> String {
    let separator = match row.identity {
        RowIdentity::Key(_) => '#',
        RowIdentity::Position(_) => '@',
    };
    let mut key = String::with_capacity(row.table.as_str().len() + row.identity.as_str().len() + 1);
    for character in row.table.as_str().chars() {
        match character {
            '%' => key.push_str("%25"),
            '#' => key.push_str("%23"),
            '@' => key.push_str("%40"),
            other => key.push(other),
        }
    }
    key.push(separator);
    key.push_str(row.identity.as_str());
    key
}

fn row_of_key(full: &str) -> Option<RowKey> {
    let at = full.find(['#', '@'])?;
    let (table, rest) = full.split_at(at);
    let table = table.replace("%40", "@").replace("%23", "#").replace("%25", "%");
    let identity = match rest.split_at_checked(1)? {
        ("#", key) => RowIdentity::Key(key.into()),
        (_, position) => RowIdentity::Position(position.into()),
    };
    Some(RowKey { table: TableName::new(table), identity })
}

fn partition_key(full: &str) -> String {
    if full.len() <= LEDGER_KEY_BYTES_MAX {
        return full.to_owned();
    }
    let readable = full.get(..full.floor_char_boundary(READABLE_BYTES)).unwrap_or_default();
    format!("{readable}~{:032x}", xxh3_128(full.as_bytes()))
}

/// The partition key of a row. A key text of more than [`LEDGER_KEY_BYTES_MAX`] bytes is cut and
/// ends in its hash; the item then holds the whole text, so that a reader sees a collision.
#[must_use]
pub fn ledger_key(row: &RowKey) -> String {
    partition_key(&full_key(row))
}

/// The item of a ledger row. Its expiry is rounded up to a second, as the time-to-live attribute
/// wants (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html>).
#[must_use]
pub fn ledger_item(key: &RowKey, row: &LedgerRow) -> Item {
    let full = full_key(key);
    let pk = partition_key(&full);
    let (native, others) = columns::stored(&row.remembered);
    let mut item: Item = [
        ("format", number(FORMAT)),
        ("table", text(key.table.as_str())),
        ("version", Value::Binary(row.version.as_bytes().to_vec())),
        ("at", time_value(row.at)),
        ("present", Value::Bool(row.present)),
        ("counted", Value::Map(counted(&row.contributions))),
        ("columns", Value::Map(native)),
        ("before_digest", Value::Binary(row.before_digest.to_be_bytes().to_vec())),
        ("after_digest", Value::Binary(row.after_digest.to_be_bytes().to_vec())),
        ("revision", number(row.revision)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            item.insert(name.to_owned(), value);
        }
    };
    add("key", (pk != full).then_some(Value::String(full)));
    add("columns_text", others.map(Value::String));
    add("columns_cut", row.cut.then_some(Value::Bool(true)));
    add("ambiguous", row.ambiguous.as_ref().map(|version| Value::Binary(version.as_bytes().to_vec())));
    add("expires", row.expires_at.map(|at| signed(seconds_rounded_up(at))));
    add(PK, Some(Value::String(pk)));
    item
}

pub(super) fn seconds_rounded_up(at: Micros) -> i64 {
    at.div_euclid(MICROS_PER_SECOND) + i64::from(at.rem_euclid(MICROS_PER_SECOND) > 0)
}

fn counted(contributions: &Contributions) -> Item {
    let cells = |cells: &Cells| cells.iter().map(|(cell, n)| (cell_name(cell), signed(*n))).collect();
    contributions.iter().map(|(logic, of_logic)| (logic.to_string(), Value::Map(cells(of_logic)))).collect()
}

/// Reads a ledger row and which row it is of.
///
/// # Errors
/// [`ItemError`]; a cell of an unknown kind is an error too, because whoever rewrites the row
/// would forget to take it back.
pub fn ledger_from_item(item: &Item) -> Result<(RowKey, LedgerRow), ItemError> {
    let fields = Fields::of_format(item)?;
    let pk = fields.text(PK)?;
    let full = fields.text_if_any("key")?.unwrap_or(pk);
    let mismatch = || ItemError::KeyMismatch { pk: pk.to_owned() };
    let key = row_of_key(full).ok_or_else(mismatch)?;
    if partition_key(full) != pk || key.table.as_str() != fields.text("table")? {
        return Err(mismatch());
    }
    let columns = columns::read(fields.map("columns")?, fields.text_if_any("columns_text")?);
    let row = LedgerRow {
        version: fields.version("version")?,
        at: fields.time("at")?,
        present: fields.flag("present")?,
        contributions: contributions(fields.map("counted")?)
            .ok_or_else(|| malformed("counted", "cells by logic version"))?,
        remembered: columns.ok_or_else(|| malformed("columns_text", "an item in DynamoDB JSON"))?,
        cut: fields.flag_if_any("columns_cut")?,
        before_digest: fields.digest("before_digest")?,
        after_digest: fields.digest("after_digest")?,
        ambiguous: fields.version_if_any("ambiguous")?,
        expires_at: fields.signed_if_any("expires")?.map(|seconds| seconds.saturating_mul(MICROS_PER_SECOND)),
        revision: fields.unsigned("revision")?,
    };
    Ok((key, row))
}

fn malformed(name: &str, expected: &'static str) -> ItemError {
    ItemError::Malformed { name: name.to_owned(), expected }
}

fn contributions(stored: &Item) -> Option<Contributions> {
    let cell = |(name, value): (&String, &Value)| Some((cell_from_name(name)?, as_signed(value)?));
    let of_logic = |(logic, cells): (&String, &Value)| match cells {
        Value::Map(cells) => {
            Some((LogicId::parse(logic)?, cells.iter().map(cell).collect::<Option<Cells>>()?))
        }
        _ => None,
    };
    stored.iter().map(of_logic).collect()
}
