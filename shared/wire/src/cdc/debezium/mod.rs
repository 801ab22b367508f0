//! Owns Debezium's records: what a message is and which row or table it speaks of.
//!
//! A message reaches a stream in several wrappings: the value alone (Debezium Server, which puts
//! the key into the partition key), the value with its Connect schema, or key and value together
//! in one line with the topic. Field meanings:
//! <https://debezium.io/documentation/reference/stable/connectors/mysql.html#mysql-events> and
//! <https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-events>.

mod definition;
mod source;
mod tables;

use evercount_core::change::{
    Change, Clause, Passed, Record, RowIdentity, RowKey, TableEvent, TableName, TableShape, Told,
};
use evercount_core::image::Image;
use evercount_core::order::{Floor, LogRank};
use evercount_core::value::{Item, Value};
use xxhash_rust::xxh3::Xxh3;

use super::coding::{Codings, WireForm, schema_columns};
use super::fields::{Fields, string};
use super::{Decoder, Envelope, Undecodable, key_identity};
use crate::json;
use source::Source;

/// Decodes a record that is a JSON object.
pub(super) fn decode<'a>(
    decoder: &Decoder,
    record: Fields<'a>,
    envelope: &Envelope<'a>,
) -> Result<Record, Undecodable> {
    let Some(message) = Message::open(record, envelope)? else {
        return Ok(Record::Passed(Passed::Tombstone));
    };
    if message.value.has("op") {
        return row_change(decoder, &message, envelope);
    }
    if message.value.has("ddl") || message.value.has("tableChanges") {
        return tables::decode(decoder.epoch, &message.value, envelope);
    }
    if message.is_housekeeping() {
        return Ok(Record::Passed(Passed::NotAChange));
    }
    Err(Undecodable::missing("op"))
}

/// Whether a record without any of Debezium's telling fields is one all the same: heartbeats
/// hold a time, transaction markers a status.
pub(super) fn is_bare_housekeeping(record: &Fields<'_>) -> bool {
    let heartbeat = record.has("ts_ms") && record.iter().all(|(name, _)| name.starts_with("ts_"));
    heartbeat || (record.has("status") && record.has("id") && record.has("event_count"))
}

/// A message out of its wrappings.
struct Message<'a> {
    topic: Option<String>,
    key: Option<MessageKey<'a>>,
    value: Fields<'a>,
    /// The value's Connect schema, as JSON text.
    schema: Option<&'a str>,
}

/// A key without its Connect schema.
struct MessageKey<'a> {
    /// The key's JSON text.
    text: &'a str,
    /// What the schema says of the key's columns.
    columns: Vec<(String, WireForm)>,
}

impl<'a> Message<'a> {
    /// Unwraps a message; `None` where its value is null.
    fn open(record: Fields<'a>, envelope: &Envelope<'a>) -> Result<Option<Self>, Undecodable> {
        let mut topic = None;
        let mut key = None;
        let mut value = record;
        let wrapped = value.has("key") || value.has("topic");
        if let (true, true, Some(inner)) = (wrapped, !value.has("op"), value.raw("value")) {
            topic = value.text("topic")?.map(String::from);
            key = value.get("key");
            if inner == "null" {
                return Ok(None);
            }
            value = Fields::read(inner, "value")?;
        }
        let mut schema = None;
        if let (false, Some(payload)) = (value.has("op"), value.raw("payload")) {
            schema = value.get("schema");
            if payload == "null" {
                return Ok(None);
            }
            value = Fields::read(payload, "payload")?;
        }
        // Debezium Server's Kinesis sink makes the row's key the partition key, and a word of
        // its own where there is no key.
        let key = key.or_else(|| envelope.partition_key.filter(|text| text.starts_with('{')));
        let key = key.map(MessageKey::open).transpose()?.flatten();
        Ok(Some(Self { topic, key, value, schema }))
    }

    fn is_housekeeping(&self) -> bool {
        let topic = self.topic.as_deref().unwrap_or_default();
        topic.contains("heartbeat") || topic.ends_with(".transaction") || is_bare_housekeeping(&self.value)
    }

    /// What the message's own schema says of the columns of its rows.
    fn columns(&self) -> Result<Vec<(String, WireForm)>, Undecodable> {
        let Some(text) = self.schema else {
            return Ok(Vec::new());
        };
        for field in Fields::read(text, "schema")?.array("fields")? {
            let field = Fields::read(field, "schema")?;
            // Both images have the one schema.
            if matches!(field.text("field")?.as_deref(), Some("before" | "after")) {
                return schema_columns(&field);
            }
        }
        Ok(Vec::new())
    }
}

impl<'a> MessageKey<'a> {
    /// Unwraps a key; `None` where it is null.
    fn open(text: &'a str) -> Result<Option<Self>, Undecodable> {
        let plain = Self { text, columns: Vec::new() };
        if !text.starts_with('{') {
            return Ok(Some(plain));
        }
        let key = Fields::read(text, "key")?;
        // A table may well have key columns named `schema` and `payload`; a schema is an object.
        match (key.len(), key.raw("schema"), key.raw("payload")) {
            (2, Some(schema), Some(payload)) if schema.starts_with('{') => {
                let columns = schema_columns(&Fields::read(schema, "key schema")?)?;
                Ok((payload != "null").then_some(Self { text: payload, columns }))
            }
            _ => Ok(Some(plain)),
        }
    }
}

fn row_change(
    decoder: &Decoder,
    message: &Message<'_>,
    envelope: &Envelope<'_>,
) -> Result<Record, Undecodable> {
    let value = &message.value;
    let operation = value.needed_text("op")?;
    if operation == "m" {
        // A message that a program wrote into the log itself.
        return Ok(Record::Passed(Passed::NotAChange));
    }
    let source = value.object("source")?.ok_or_else(|| Undecodable::missing("source"))?;
    let source = Source::of_row(&source)?;
    let table = source.table()?;
    let decoded = match &*operation {
        "t" => truncated(decoder, &source, &table, value, envelope),
        "c" | "u" | "d" | "r" => changed(decoder, message, &source, &table, &operation, envelope),
        unknown => Err(Undecodable::unknown_operation(unknown)),
    };
    decoded.map_err(|undecodable| undecodable.of(&table))
}

fn truncated(
    decoder: &Decoder,
    source: &Source<'_>,
    table: &TableName,
    value: &Fields<'_>,
    envelope: &Envelope<'_>,
) -> Result<Record, Undecodable> {
    let at = source.at(value, envelope)?;
    let position = source.position(decoder.epoch, LogRank::Change, at, value)?;
    Ok(Record::Tables(vec![TableEvent {
        table: table.clone(),
        operation: "t".to_owned(),
        floor: Some(Floor::Version(position.version.clone())),
        shape: None,
        told: Told { version: Some(position.version), clauses: vec![Clause::Truncate], ..Told::default() },
        at,
    }]))
}

fn changed(
    decoder: &Decoder,
    message: &Message<'_>,
    source: &Source<'_>,
    table: &TableName,
    operation: &str,
    envelope: &Envelope<'_>,
) -> Result<Record, Undecodable> {
    let value = &message.value;
    let at = source.at(value, envelope)?;
    // Connectors before 1.4 could be set to write the rows of a snapshot as creations.
    let snapshot = operation == "r" || (operation == "c" && source.in_snapshot());
    let rank = if snapshot { LogRank::Snapshot } else { LogRank::Change };
    let position = source.position(decoder.epoch, rank, at, value)?;
    let shape = decoder.shape(table);
    let columns = message.columns()?;
    let codings = Codings { schema: &columns, learned: shape };
    let image = |name: &str| -> Result<Option<Item>, Undecodable> {
        let Some(text) = value.get(name) else {
            return Ok(None);
        };
        // MongoDB documents come as JSON text within a JSON string.
        let document = text.starts_with('"').then(|| string(text)).flatten();
        let mut item = json::read_plain_item(document.as_deref().unwrap_or(text))
            .map_err(|error| Undecodable::json(error, name))?;
        codings.apply(&mut item);
        Ok(Some(item))
    };
    let before = image("before")?;
    let after = match operation {
        "d" => None,
        _ => Some(image("after")?.ok_or_else(|| Undecodable::missing("after"))?),
    };
    let row = after.as_ref().or(before.as_ref());
    let identity = match key_text(message, shape, row)? {
        Some(key) => key_identity(&key)?,
        None => {
            let mut text = position.text;
            if snapshot || !position.exact {
                // Rows that share a position are told apart by when and what they were written.
                let mut hasher = Xxh3::new();
                for field in ["ts_ms", "ts_us", "ts_ns", "before", "after"] {
                    if snapshot || !field.starts_with("ts_") {
                        hasher.update(value.raw(field).unwrap_or_default().as_bytes());
                        hasher.update(&[0]);
                    }
                }
                text.push_str(&format!("#{:016x}", hasher.digest()));
            }
            RowIdentity::Position(text.into())
        }
    };
    let row = RowKey { table: table.clone(), identity };
    let [before, after] = [before, after].map(|image| image.map(Image::Item));
    Ok(Record::Changes(vec![Change { row, before, after, version: position.version, at, whole: None }]))
}

/// The canonical text of the row's key: from the message's key, else from the row's learned key
/// columns; `None` where the table has no key.
fn key_text(
    message: &Message<'_>,
    shape: Option<&TableShape>,
    row: Option<&Item>,
) -> Result<Option<String>, Undecodable> {
    if let Some(MessageKey { text, columns }) = &message.key {
        let key = json::read_plain(text).map_err(|error| Undecodable::json(error, "key"))?;
        return Ok(Some(match key {
            Value::Map(mut key) => {
                Codings { schema: columns, learned: shape }.apply(&mut key);
                json::canonical_key(&key)
            }
            single => json::canonical_value(&single),
        }));
    }
    let columns = shape.map(|shape| shape.key.as_slice()).unwrap_or_default();
    let Some(row) = row.filter(|_| !columns.is_empty()) else {
        return Ok(None);
    };
    let column = |name: &String| {
        let value = row.get(name).ok_or_else(|| Undecodable::missing(name))?;
        Ok((name.clone(), value.clone()))
    };
    let key: Item = columns.iter().map(column).collect::<Result<_, Undecodable>>()?;
    Ok(Some(json::canonical_key(&key)))
}
