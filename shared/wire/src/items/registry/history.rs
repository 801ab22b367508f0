//! Owns the items of what happened: events in a subject's history, pointers to them in the
//! outbox, and changes that made no version.

use evercount_core::evolution::{Held, HeldChange};
use evercount_core::fingerprint::SchemaId;
use evercount_core::order::Micros;
use evercount_core::registration::Recorded;
use evercount_core::schema_change::{SchemaChange, SchemaChangeEvent, Subject};
use evercount_core::value::{Item, Value};

use super::change::{
    change_item, change_items, changes_summary, list_of, malformed, maps, position_text, put, read_change,
    read_changes, read_position, read_real, real,
};
use super::pages::{Entry, joined, paged};
use super::{put_expiry, subject_pk};
use crate::items::fields::{Fields, number, text, time_text, time_value};
use crate::items::{FORMAT, ItemError, ItemKey};

/// The partition key of the outbox.
pub const OUTBOX_PK: &str = "outbox";
/// The sort keys of a history begin with this.
pub const HISTORY_PREFIX: &str = "history#";
/// The sort keys of held changes begin with this.
pub const HELD_PREFIX: &str = "held#";

/// The key of an event in its subject's history.
#[must_use]
pub fn history_key(event: &SchemaChangeEvent) -> ItemKey {
    let sk = format!("{HISTORY_PREFIX}{}#{}", time_text(event.at), event.id());
    ItemKey::new(subject_pk(&event.subject), sk)
}

/// The key of an event in the outbox.
#[must_use]
pub fn outbox_key(event_id: &str) -> ItemKey {
    ItemKey::new(OUTBOX_PK, event_id)
}

/// An event's attributes but its changes.
pub(super) fn event_head(event: &SchemaChangeEvent) -> Item {
    let mut item = Item::new();
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "id", text(event.id()));
    put(&mut item, "subject", text(event.subject.as_str()));
    put(&mut item, "to", text(event.to.to_string()));
    put(&mut item, "drift", real(event.drift));
    put(&mut item, "at", time_value(event.at));
    put(&mut item, "summary", text(event_summary(event)));
    if let Some(from) = &event.from {
        put(&mut item, "from", text(from.to_string()));
    }
    if let Some(position) = &event.position {
        put(&mut item, "position", text(position_text(position)));
    }
    item
}

/// What changed, or, where no field did, why there is a version all the same.
pub(super) fn told(changes: &[SchemaChange], is_first: bool, drift: f64) -> String {
    match changes_summary(changes) {
        told if !told.is_empty() => told,
        _ if is_first => "first seen".to_owned(),
        _ if drift > 0.0 => format!("the same fields, but its rows have drifted by {drift:.3}"),
        _ => "now as its source declares it".to_owned(),
    }
}

/// An event in one sentence: `v0003: column `status` renamed to `state` (declared)`.
#[must_use]
pub fn event_summary(event: &SchemaChangeEvent) -> String {
    format!("v{:04}: {}", event.to.version, told(&event.changes, event.from.is_none(), event.drift))
}

/// Reads an event from an item that has all of its changes.
pub(crate) fn read_event(item: &Item) -> Result<SchemaChangeEvent, ItemError> {
    let fields = Fields::of_format(item)?;
    Ok(SchemaChangeEvent {
        subject: Subject::new(fields.text("subject")?),
        from: fields.parsed_if_any("from", "a schema id", SchemaId::parse)?,
        to: fields.parsed("to", "a schema id", SchemaId::parse)?,
        changes: read_changes(maps(fields, "changes")?)?,
        drift: read_real(fields, "drift")?,
        position: read_position(fields)?,
        at: fields.time("at")?,
    })
}

/// An event as one item of whatever size, for those who send it.
pub(crate) fn whole_event(event: &SchemaChangeEvent) -> Item {
    let mut item = event_head(event);
    let changes = change_items(&event.changes).into_iter().map(Value::Map).collect();
    put(&mut item, "changes", Value::List(changes));
    item
}

/// The items of an event in its subject's history.
pub(super) fn history_items(event: &SchemaChangeEvent, recorded_at: Micros) -> Vec<Item> {
    let key = history_key(event);
    let mut item = key.item();
    item.extend(event_head(event));
    put(&mut item, "entity", text("schema change"));
    put(&mut item, "recorded_at", time_value(recorded_at));
    put(&mut item, "changes", Value::List(Vec::new()));
    let changes = change_items(&event.changes).into_iter();
    paged(item, &key, changes.map(|change| Entry::Element("changes", Value::Map(change))).collect())
}

/// Reads a subject's history from all of its items, in any order; the result is in theirs.
///
/// # Errors
/// [`ItemError`].
pub fn history_from_items(items: &[Item]) -> Result<Vec<Recorded>, ItemError> {
    let (parts, heads): (Vec<&Item>, Vec<&Item>) = items
        .iter()
        .partition(|item| matches!(item.get("entity"), Some(Value::String(entity)) if entity == "part"));
    let parts: Vec<Item> = parts.into_iter().cloned().collect();
    let read = |item: &&Item| {
        let whole = joined(item, &parts)?;
        let recorded_at = Fields(&whole).time("recorded_at")?;
        Ok(Recorded { event: read_event(&whole)?, recorded_at })
    };
    heads.iter().map(read).collect()
}

/// The outbox's pointer to an event in a history.
pub(super) fn outbox_item(event: &SchemaChangeEvent, recorded_at: Micros) -> Item {
    let (key, id) = (history_key(event), event.id());
    let mut item = outbox_key(&id).item();
    put(&mut item, "entity", text("unpublished schema change"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "subject", text(event.subject.as_str()));
    put(&mut item, "history_pk", text(key.pk));
    put(&mut item, "history_sk", text(key.sk));
    put(&mut item, "recorded_at", time_value(recorded_at));
    put(&mut item, "summary", text(event_summary(event)));
    item
}

/// The key in a history that an item of the outbox points to.
///
/// # Errors
/// [`ItemError`].
pub fn outbox_target(item: &Item) -> Result<ItemKey, ItemError> {
    let fields = Fields::of_format(item)?;
    Ok(ItemKey::new(fields.text("history_pk")?, fields.text("history_sk")?))
}

/// The item of a change that made no version.
pub(super) fn held_item(held: &HeldChange, expires_at: Option<Micros>) -> Item {
    let id = held.id();
    let mut item = ItemKey::new(subject_pk(&held.subject), format!("{HELD_PREFIX}{id}")).item();
    put(&mut item, "entity", text("held change"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "id", text(id));
    put(&mut item, "subject", text(held.subject.as_str()));
    put(&mut item, "at", time_value(held.at));
    put(&mut item, "held", text(held.why.name()));
    put(&mut item, "change", Value::Map(change_item(&held.change)));
    let told = changes_summary(std::slice::from_ref(&held.change));
    let mut sentence = format!("{told}: {}", held.why.sentence());
    if sentence.len() > SENTENCE_BYTES_MAX {
        sentence.truncate(sentence.floor_char_boundary(SENTENCE_BYTES_MAX));
        sentence.push('…');
    }
    put(&mut item, "summary", text(sentence));
    if let Some(from) = &held.from {
        put(&mut item, "from", text(from.to_string()));
    }
    match &held.why {
        Held::BelowThreshold { drift, threshold } => {
            put(&mut item, "drift", real(*drift));
            put(&mut item, "threshold", real(*threshold));
        }
        Held::Breaks(breaks) => put(&mut item, "breaks", list_of(breaks)),
        Held::Ignored | Held::Refused => {}
    }
    put_expiry(&mut item, expires_at);
    item
}

/// Longest summary of a held change.
const SENTENCE_BYTES_MAX: usize = 1_000;

/// Reads a change that made no version.
///
/// # Errors
/// [`ItemError`].
pub fn held_from_item(item: &Item) -> Result<HeldChange, ItemError> {
    let fields = Fields::of_format(item)?;
    let why = match fields.text("held")? {
        "ignored" => Held::Ignored,
        "refused" => Held::Refused,
        "below_threshold" => Held::BelowThreshold {
            drift: read_real(fields, "drift")?,
            threshold: read_real(fields, "threshold")?,
        },
        "breaks" => Held::Breaks(fields.texts("breaks")?.into_iter().map(str::to_owned).collect()),
        _ => return Err(malformed("held", "a known reason")),
    };
    Ok(HeldChange {
        subject: Subject::new(fields.text("subject")?),
        from: fields.parsed_if_any("from", "a schema id", SchemaId::parse)?,
        change: read_change(fields.map("change")?)?,
        why,
        at: fields.time("at")?,
    })
}
