//! Items of usage: how often requests asked for an attribute that a table does not have, by day.

use evercount_core::change::TableName;
use evercount_core::order::Micros;
use evercount_core::prediction::DAY;
use evercount_core::value::Item;

use super::fields::{Fields, number, text, time_text, time_value};
use super::{FORMAT, ItemError, ItemKey, expiry};

/// The attribute that counts reads.
pub const USAGE_READS: &str = "reads";
/// The attribute that counts writes.
pub const USAGE_WRITES: &str = "writes";

/// How long figures are kept: forecasts take in half a year of them.
const KEPT_FOR: Micros = 183 * DAY;

/// Characters of a day in the text of a time: `2026-01-31`.
const DAY_CHARS: usize = 10;

/// The partition of a table's usage.
#[must_use]
pub fn usage_pk(table: &TableName) -> String {
    format!("usage#{table}")
}

/// The key of an attribute's usage on the day of a time.
#[must_use]
pub fn usage_key(table: &TableName, attribute: &str, at: Micros) -> ItemKey {
    let day: String = time_text(at).chars().take(DAY_CHARS).collect();
    ItemKey::new(usage_pk(table), format!("{day}#{attribute}"))
}

/// What an item of usage says besides its figures, which are added to what is there.
#[must_use]
pub fn usage_item(table: &TableName, attribute: &str, at: Micros) -> Item {
    let attributes = [
        ("entity", text("usage")),
        ("format", number(FORMAT)),
        ("table", text(table.as_str())),
        ("attribute", text(attribute)),
        ("last_at", time_value(at)),
        ("summary", text(format!("Requests asked for `{attribute}`, which `{table}` does not have."))),
    ];
    let forgotten = expiry(at.saturating_add(KEPT_FOR));
    attributes.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(forgotten).collect()
}

/// An item of usage, read: the attribute, the time of its last request, its reads and its writes.
///
/// # Errors
/// [`ItemError`].
pub fn usage_from_item(item: &Item) -> Result<(String, Micros, u64, u64), ItemError> {
    let fields = Fields::of_format(item)?;
    let figure = |name| fields.unsigned_if_any(name).map(Option::unwrap_or_default);
    Ok((
        fields.text("attribute")?.to_owned(),
        fields.time("last_at")?,
        figure(USAGE_READS)?,
        figure(USAGE_WRITES)?,
    ))
}
