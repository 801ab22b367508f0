//! Owns the items of cuts: what a version counted at a time.
//!
//! A cut of many groups is larger than an item, so its cells go on in parts. They stand in a
//! partition of their own, where a search for the last cut before a time does not meet them, and
//! are named by what they hold, so that a cut written again never mixes with itself.

use std::collections::BTreeMap;

use evercount_core::counting::Cells;
use evercount_core::group::Cell;
use evercount_core::lane::{LaneId, LaneState};
use evercount_core::logic::LogicId;
use evercount_core::order::Micros;
use evercount_core::value::{Item, Value};
use jiff::Timestamp;
use xxhash_rust::xxh3::Xxh3;

use super::counts::{checkpoint_from_item, checkpoint_item};
use super::fields::{Fields, as_signed, number, signed, text, time_text, time_value};
use super::registry::change::{malformed, put};
use super::registry::pages::{Entry, joined_by, paged, parts_by};
use super::{FORMAT, ItemError, ItemKey, PK, SK};
use crate::group::{cell_from_name, cell_name};

/// What a version counted at a time, as stored.
#[derive(Clone, PartialEq, Debug)]
pub struct CutItem {
    /// Which version.
    pub logic: LogicId,
    /// When, microseconds since the epoch.
    pub at: Micros,
    /// Up to where each lane had counted.
    pub lanes: BTreeMap<LaneId, LaneState>,
    /// The whole count.
    pub cells: Cells,
}

/// The partition key of a version's cuts.
#[must_use]
pub fn cut_pk(logic: &LogicId) -> String {
    format!("cut#{logic}")
}

/// The sort key of a cut: cuts are found by it in the order of their times. Times that the
/// calendar does not reach are those of its ends.
#[must_use]
pub fn cut_sk(at: Micros) -> String {
    let first = Timestamp::UNIX_EPOCH.as_microsecond();
    time_text(at.clamp(first, Timestamp::MAX.as_microsecond()))
}

/// The item of a cut, and the parts that hold what of it does not fit.
#[must_use]
pub fn cut_items(cut: &CutItem) -> (Item, Vec<Item>) {
    let mut hasher = Xxh3::new();
    for (cell, n) in &cut.cells {
        hasher.update(cell_name(cell).as_bytes());
        hasher.update(&n.to_be_bytes());
    }
    let parts_key = parts_key(&cut.logic, &format!("{}#{:016x}", cut_sk(cut.at), hasher.digest()));
    let counted: i64 = cut
        .cells
        .iter()
        .filter(|(cell, _)| matches!(cell, Cell::Group(_) | Cell::Overflow))
        .fold(0, |sum, (_, n)| sum.saturating_add(*n));
    let mut item = ItemKey::new(cut_pk(&cut.logic), cut_sk(cut.at)).item();
    put(&mut item, "entity", text("cut"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "logic", text(cut.logic.to_string()));
    put(&mut item, "at", time_value(cut.at));
    put(&mut item, "counted", signed(counted));
    put(&mut item, "parts_sk", text(&parts_key.sk));
    let summary = format!("{} had counted {counted} items at {}.", cut.logic, time_text(cut.at));
    put(&mut item, "summary", text(summary));
    for name in ["lanes", "cells"] {
        put(&mut item, name, Value::Map(Item::new()));
    }
    let lanes = cut.lanes.iter().map(|(lane, state)| {
        let mut state = checkpoint_item(lane, state);
        state.retain(|name, _| name != PK && name != SK);
        Entry::Named("lanes", lane.to_string(), Value::Map(state))
    });
    let cells = cut.cells.iter().map(|(cell, n)| Entry::Named("cells", cell_name(cell), signed(*n)));
    let mut items = paged(item, &parts_key, lanes.chain(cells).collect());
    let parts = items.split_off(1);
    (items.pop().unwrap_or_default(), parts)
}

fn parts_key(logic: &LogicId, sk: &str) -> ItemKey {
    ItemKey::new(format!("cut-part#{logic}"), sk)
}

/// The keys of a cut's parts.
///
/// # Errors
/// [`ItemError`].
pub fn cut_part_keys(item: &Item) -> Result<Vec<ItemKey>, ItemError> {
    let fields = Fields::of_format(item)?;
    let logic = fields.parsed("logic", "a logic version", LogicId::parse)?;
    parts_by(item, &parts_key(&logic, fields.text("parts_sk")?))
}

/// Reads a cut from its item and its parts, in any order.
///
/// # Errors
/// [`ItemError`].
pub fn cut_from_items(item: &Item, parts: &[Item]) -> Result<CutItem, ItemError> {
    let whole = joined_by(item, &cut_part_keys(item)?, parts)?;
    let fields = Fields::of_format(&whole)?;
    let lane = |(name, state): (&String, &Value)| match state {
        Value::Map(state) => Ok((LaneId::named(name), checkpoint_from_item(state)?)),
        _ => Err(malformed("lanes", "a map of lanes")),
    };
    let cell = |(name, n): (&String, &Value)| Some((cell_from_name(name)?, as_signed(n)?));
    let cells: Option<Cells> = fields.map("cells")?.iter().map(cell).collect();
    Ok(CutItem {
        logic: fields.parsed("logic", "a logic version", LogicId::parse)?,
        at: fields.time("at")?,
        lanes: fields.map("lanes")?.iter().map(lane).collect::<Result<_, _>>()?,
        cells: cells.ok_or_else(|| malformed("cells", "counts by cell"))?,
    })
}
