//! Owns counter items and lane checkpoints: the items of the `counts` table.
//!
//! A counter item holds cells of one logic version that one lane has moved, each cell an
//! attribute of its own. A lane's numbers may be negative; only the sum over lanes means
//! anything.

use evercount_core::counting::Cells;
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::logic::LogicId;
use evercount_core::value::Item;

use super::fields::{Fields, as_signed, number, signed, text, time_value};
use super::{ItemError, ItemKey, PK, SK};
use crate::group::{cell_from_name, cell_name};

/// A counter item, read.
#[derive(Clone, PartialEq, Debug)]
pub struct CounterItem {
    /// The lane that moves its cells.
    pub lane: LaneId,
    /// Which of the lane's items.
    pub bucket: u32,
    /// Its cells.
    pub cells: Cells,
}

/// The partition key under which all counter items of a logic version stand.
#[must_use]
pub fn logic_pk(logic: &LogicId) -> String {
    logic.to_string()
}

/// What the sort keys of a lane's counter items start with.
#[must_use]
pub fn lane_prefix(lane: &LaneId) -> String {
    format!("{lane}#")
}

/// The key of a counter item.
#[must_use]
pub fn counter_key(logic: &LogicId, lane: &LaneId, bucket: u32) -> ItemKey {
    ItemKey::new(logic_pk(logic), format!("{lane}#{bucket:05}"))
}

/// A counter item as it stands after its cells were moved once.
#[must_use]
pub fn counter_item(logic: &LogicId, lane: &LaneId, bucket: u32, cells: &Cells) -> Item {
    let mut item = counter_key(logic, lane, bucket).item();
    item.extend(cells.iter().map(|(cell, n)| (cell_name(cell), signed(*n))));
    item
}

/// Reads a counter item; `None` for an item of the `counts` table that is none. Attributes that
/// name no cell are left out.
///
/// # Errors
/// [`ItemError`] where a cell holds anything but a whole number.
pub fn counter_from_item(item: &Item) -> Result<Option<CounterItem>, ItemError> {
    let Some((lane, bucket)) = Fields(item).text(SK)?.rsplit_once('#') else { return Ok(None) };
    let Ok(bucket) = bucket.parse() else { return Ok(None) };
    let mut cells = Cells::new();
    for (name, value) in item.iter().filter(|(name, _)| *name != PK && *name != SK) {
        if let Some(cell) = cell_from_name(name) {
            let n = as_signed(value)
                .ok_or_else(|| ItemError::Malformed { name: name.clone(), expected: "a whole number" })?;
            cells.insert(cell, n);
        }
    }
    Ok(Some(CounterItem { lane: LaneId::named(lane), bucket, cells }))
}

/// The key of a lane's checkpoint.
#[must_use]
pub fn checkpoint_key(lane: &LaneId) -> ItemKey {
    ItemKey::new(format!("lane#{lane}"), "checkpoint")
}

/// The item of a lane's checkpoint.
#[must_use]
pub fn checkpoint_item(lane: &LaneId, state: &LaneState) -> Item {
    let mut item = checkpoint_key(lane).item();
    if let Some(sequence) = &state.sequence {
        item.insert("sequence".to_owned(), text(sequence.as_str()));
    }
    item.insert("fence".to_owned(), number(state.fence));
    item.insert("records".to_owned(), number(state.records));
    item.insert("at".to_owned(), time_value(state.at));
    item
}

/// Reads a lane's checkpoint. A lane that was fenced before its first commit has only a fence, a
/// lane that was never fenced has none.
///
/// # Errors
/// [`ItemError`].
pub fn checkpoint_from_item(item: &Item) -> Result<LaneState, ItemError> {
    let fields = Fields(item);
    Ok(LaneState {
        sequence: fields.parsed_if_any("sequence", "a sequence number", SequenceNumber::parse)?,
        fence: fields.unsigned_if_any("fence")?.unwrap_or(0),
        records: fields.unsigned_if_any("records")?.unwrap_or(0),
        at: fields.time_if_any("at")?.unwrap_or(0),
    })
}
