//! The JSON of a schema change event, as it is sent to others.
//!
//! ```json
//! {"format": 1, "id": "9a3e…", "subject": "shop.orders", "from": "v0002-…", "to": "v0003-…",
//!  "changes": [{"change": "rename_column", "column": "status", "to": "state",
//!               "types": ["string(40)"], "previous_types": ["string(40)"],
//!               "evidence": {"kind": "declared", "statement": "ALTER TABLE …"}}],
//!  "drift": 0.12, "at": "2026-01-31T09:30:00.123456Z", "position": "0000…",
//!  "summary": "v0003: column `status` renamed to `state` (declared)"}
//! ```
//!
//! `id` is the event's for whoever must tell a repetition. `from` is missing for the first
//! version, `position` where the source has none. Evidence `{"as_change": 1}` is that of the
//! first change of the list. An attribute that a reader does not know may be ignored; what may
//! not be raises `format`.

use evercount_core::schema_change::SchemaChangeEvent;

use crate::items::ItemError;
use crate::items::registry::history::{read_event, whole_event};
use crate::json::{JsonError, plain_json, read_plain_item};

pub use crate::items::registry::change::change_sentence;
pub use crate::items::registry::history::event_summary;

/// Why a text is no schema change event.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SchemaEventError {
    /// It is no JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Its attributes are not those of an event, or a later release wrote it.
    #[error(transparent)]
    Event(#[from] ItemError),
}

/// The JSON of an event.
#[must_use]
pub fn to_json(event: &SchemaChangeEvent) -> String {
    plain_json(&whole_event(event))
}

/// Reads an event.
///
/// # Errors
/// [`SchemaEventError`].
pub fn from_json(text: &str) -> Result<SchemaChangeEvent, SchemaEventError> {
    Ok(read_event(&read_plain_item(text)?)?)
}
