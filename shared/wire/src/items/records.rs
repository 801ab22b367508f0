//! Owns what is kept of whole records: quarantined ones and control records, with their raw
//! bytes however large they are.

use evercount_core::change::{TableEvent, TableName, Told};
use evercount_core::chunk::{Control, Poison, Quarantined};
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::logic::LogicId;
use evercount_core::value::{Item, Value};

use super::fields::{Fields, number, text, time_text, time_value};
use super::tables::{read_floor, read_shape, table_in_key, write_floor, write_shape};
use super::{FORMAT, ItemError, ItemKey, PK, SK};

/// Most raw bytes inside a record's own item, and in each of its parts. An item takes 400 KB, a
/// Kinesis record up to 10 MiB
/// (<https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html>).
pub const RAW_INLINE_BYTES_MAX: usize = 256 * 1024;

/// The `entity` of a quarantined record.
pub const ENTITY_QUARANTINED: &str = "quarantined record";

/// A record's item, and the items that hold its raw bytes where they are too many for one. The
/// parts are to be written first: they mean nothing without the item.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredRecord {
    /// The record.
    pub item: Item,
    /// Parts of its raw bytes, in order; empty where they are in the item.
    pub parts: Vec<Item>,
}

/// The key of a quarantined record. Sequence numbers sort as numbers because their length stands
/// before them.
#[must_use]
pub fn quarantine_key(lane: &LaneId, sequence: &SequenceNumber) -> ItemKey {
    let digits = sequence.as_str();
    ItemKey::new(format!("quarantine#{lane}"), format!("{:03}{digits}", digits.len()))
}

/// The key of a control record. `nth` tells apart the events of one record that speak of one
/// table: 0 for the first.
#[must_use]
pub fn control_key(control: &Control, nth: usize) -> ItemKey {
    let event = &control.event;
    let nth = if nth == 0 { String::new() } else { format!("#{nth}") };
    ItemKey::new(
        format!("control#{}", table_in_key(&event.table)),
        format!("{}#{}#{}{nth}", time_text(event.at), control.lane, control.sequence),
    )
}

/// What the sort keys of a record's parts start with.
#[must_use]
pub fn part_prefix(record: &ItemKey) -> String {
    format!("{}#part-", record.sk)
}

/// The key of a part of a record's raw bytes, from 1.
#[must_use]
pub fn part_key(record: &ItemKey, part: usize) -> ItemKey {
    ItemKey::new(&record.pk, format!("{}{part:04}", part_prefix(record)))
}

/// How many parts the raw bytes of a record are in.
///
/// # Errors
/// [`ItemError`].
pub fn raw_parts(item: &Item) -> Result<usize, ItemError> {
    let parts = Fields(item).unsigned_if_any("raw_parts")?.unwrap_or(0);
    usize::try_from(parts)
        .map_err(|_| ItemError::Malformed { name: "raw_parts".to_owned(), expected: "a count" })
}

fn write_raw(raw: &[u8], key: &ItemKey, item: &mut Item) -> Vec<Item> {
    item.insert("raw_bytes".to_owned(), number(raw.len() as u64));
    if raw.is_empty() {
        return Vec::new();
    }
    if raw.len() <= RAW_INLINE_BYTES_MAX {
        item.insert("raw".to_owned(), Value::Binary(raw.to_vec()));
        return Vec::new();
    }
    let part = |(index, bytes): (usize, &[u8])| {
        let mut item = part_key(key, index + 1).item();
        item.insert("entity".to_owned(), text("part of a raw record"));
        item.insert("format".to_owned(), number(FORMAT));
        item.insert("raw".to_owned(), Value::Binary(bytes.to_vec()));
        item
    };
    let parts: Vec<Item> = raw.chunks(RAW_INLINE_BYTES_MAX).enumerate().map(part).collect();
    item.insert("raw_parts".to_owned(), number(parts.len() as u64));
    parts
}

fn read_raw(item: &Item, parts: &[Item]) -> Result<Vec<u8>, ItemError> {
    let fields = Fields(item);
    let mut raw = fields.bytes_if_any("raw")?.unwrap_or_default().to_vec();
    let key = ItemKey::new(fields.text(PK)?, fields.text(SK)?);
    for part in 1..=raw_parts(item)? {
        let wanted = part_key(&key, part).item();
        let is_wanted = |one: &&Item| wanted.iter().all(|(name, value)| one.get(name) == Some(value));
        let stored = parts.iter().find(is_wanted).ok_or(ItemError::MissingPart { part })?;
        raw.extend_from_slice(Fields::of_format(stored)?.bytes_if_any("raw")?.unwrap_or_default());
    }
    if raw.len() as u64 != fields.unsigned("raw_bytes")? {
        return Err(ItemError::Malformed { name: "raw".to_owned(), expected: "as long as `raw_bytes` says" });
    }
    Ok(raw)
}

/// The items of a quarantined record.
#[must_use]
pub fn quarantined_items(record: &Quarantined) -> StoredRecord {
    let key = quarantine_key(&record.lane, &record.sequence);
    let poison = &record.poison;
    let mut item = key.item();
    item.extend(
        [
            ("entity", text(ENTITY_QUARANTINED)),
            ("format", number(FORMAT)),
            ("lane", text(record.lane.as_str())),
            ("sequence", text(record.sequence.as_str())),
            ("arrived_at", time_value(record.arrived_at)),
            ("reason", text(&poison.reason)),
            ("detail", text(&poison.detail)),
            ("affects", Value::List(record.affects.iter().map(|id| text(id.to_string())).collect())),
            ("summary", text(quarantine_summary(record))),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if let Some(table) = &poison.table {
        item.insert("table".to_owned(), text(table.as_str()));
    }
    if let Some(partition_key) = &poison.partition_key {
        item.insert("partition_key".to_owned(), text(partition_key));
    }
    let parts = write_raw(&poison.raw, &key, &mut item);
    StoredRecord { item, parts }
}

fn quarantine_summary(record: &Quarantined) -> String {
    let table = record.poison.table.as_ref().map(|table| format!(" of table {table}")).unwrap_or_default();
    let doubt = match record.affects.len() {
        0 => "no count depends on it".to_owned(),
        1 => "one count is uncertain until it is replayed".to_owned(),
        n => format!("{n} counts are uncertain until it is replayed"),
    };
    let at = time_text(record.arrived_at);
    format!("The record{table} that arrived at {at} was put aside ({}): {doubt}.", record.poison.reason)
}

/// Reads a quarantined record from its item and the parts of its raw bytes, which may come with
/// other items and in any order.
///
/// # Errors
/// [`ItemError`].
pub fn quarantined_from_items(item: &Item, parts: &[Item]) -> Result<Quarantined, ItemError> {
    let fields = Fields::of_format(item)?;
    let affects: Option<Vec<LogicId>> = fields.texts("affects")?.into_iter().map(LogicId::parse).collect();
    Ok(Quarantined {
        lane: LaneId::named(fields.text("lane")?),
        sequence: fields.parsed("sequence", "a sequence number", SequenceNumber::parse)?,
        arrived_at: fields.time("arrived_at")?,
        poison: Poison {
            reason: fields.text("reason")?.to_owned(),
            detail: fields.text("detail")?.to_owned(),
            table: fields.text_if_any("table")?.map(TableName::new),
            raw: read_raw(item, parts)?,
            partition_key: fields.text_if_any("partition_key")?.map(str::to_owned),
        },
        affects: affects.ok_or_else(|| ItemError::Malformed {
            name: "affects".to_owned(),
            expected: "a list of logic ids",
        })?,
    })
}

/// The items of a control record; `nth` as for [`control_key`].
#[must_use]
pub fn control_items(control: &Control, nth: usize) -> StoredRecord {
    let event = &control.event;
    let key = control_key(control, nth);
    let mut item = key.item();
    item.extend(
        [
            ("entity", text("control record")),
            ("format", number(FORMAT)),
            ("lane", text(control.lane.as_str())),
            ("sequence", text(control.sequence.as_str())),
            ("table", text(event.table.as_str())),
            ("operation", text(&event.operation)),
            ("at", time_value(event.at)),
            ("summary", text(control_summary(event))),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    write_floor(event.floor.as_ref(), &mut item);
    write_shape(event.shape.as_ref(), &mut item);
    let parts = write_raw(&control.raw, &key, &mut item);
    StoredRecord { item, parts }
}

fn control_summary(event: &TableEvent) -> String {
    let became = match (&event.floor, &event.shape) {
        (Some(_), _) => "which emptied the table",
        (None, Some(_)) => "which carries the table's definition",
        (None, None) => "which changes no count",
    };
    format!(
        "The source reported {} of {} at {}, {became}.",
        event.operation,
        event.table,
        time_text(event.at)
    )
}

/// Reads a control record, as [`quarantined_from_items`].
///
/// # Errors
/// [`ItemError`].
pub fn control_from_items(item: &Item, parts: &[Item]) -> Result<Control, ItemError> {
    let fields = Fields::of_format(item)?;
    Ok(Control {
        lane: LaneId::named(fields.text("lane")?),
        sequence: fields.parsed("sequence", "a sequence number", SequenceNumber::parse)?,
        event: TableEvent {
            table: TableName::new(fields.text("table")?),
            operation: fields.text("operation")?.to_owned(),
            floor: read_floor(fields)?,
            shape: read_shape(fields)?,
            told: Told::default(),
            at: fields.time("at")?,
        },
        raw: read_raw(item, parts)?,
    })
}
