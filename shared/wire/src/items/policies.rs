//! Owns the item that says how plans are treated.

use std::collections::BTreeSet;

use evercount_core::adoption::PolicyBook;
use evercount_core::change::TableName;
use evercount_core::value::{Item, Value};

use super::fields::{Fields, number, text};
use super::registry::change::{list_of, put, real};
use super::{FORMAT, ItemError, ItemKey};
use crate::policy::{PolicyJsonError, from_json, length_text, to_json};

/// The key of how plans are treated.
#[must_use]
pub fn policies_key() -> ItemKey {
    ItemKey::new("policies", "book")
}

/// The item of how plans are treated. `policies` is what is read back; the other attributes are
/// for people.
#[must_use]
pub fn policies_item(book: &PolicyBook) -> Item {
    let mut item = policies_key().item();
    let by_class =
        book.by_class.iter().map(|(class, policy)| (class.name().to_owned(), text(policy.name()))).collect();
    let of_tables = book.by_table.iter().map(|(table, policy)| format!("{table}: {}", policy.name()));
    let of_kinds =
        book.by_kind.iter().map(|((table, kind), policy)| format!("{table}, {kind}: {}", policy.name()));
    let tolerance = [
        ("unexplained_max", number(book.tolerance.unexplained_max)),
        ("explained_share_max", real(book.tolerance.explained_share_max)),
        ("patience", text(length_text(book.tolerance.patience))),
    ];
    let tables: BTreeSet<&TableName> =
        book.by_table.keys().chain(book.by_kind.keys().map(|(table, _)| table)).collect();
    let summary = format!(
        "A version that was replaced is kept live for {}; tables with policies of their own: {}.",
        length_text(book.standby),
        tables.len()
    );
    put(&mut item, "entity", text("policies"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "standby", text(length_text(book.standby)));
    put(&mut item, "backfill_units_a_second", real(book.backfill_units_a_second));
    put(&mut item, "tolerance", Value::Map(tolerance.map(|(name, value)| (name.to_owned(), value)).into()));
    put(&mut item, "by_class", Value::Map(by_class));
    put(&mut item, "by_table", list_of(of_tables.chain(of_kinds)));
    put(&mut item, "summary", text(summary));
    put(&mut item, "policies", text(to_json(book).to_string()));
    item
}

/// Reads how plans are treated.
///
/// # Errors
/// [`ItemError`].
pub fn policies_from_item(item: &Item) -> Result<PolicyBook, ItemError> {
    let stored = Fields::of_format(item)?.text("policies")?;
    let json = serde_json::from_str(stored).map_err(|error| PolicyJsonError::Shape(error.to_string()))?;
    Ok(from_json(&json)?)
}
