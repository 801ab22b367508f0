//! Placement: in which counter item a lane keeps which cell.
//!
//! Only the sum over a lane's counter items means anything, so *where* a delta is added is free:
//! placement is a hint that makes writes cheap (a touched item stays near one 1 KB write unit)
//! and bounds floods of groups. A wrong or forgotten hint costs a write unit, never a count.

use std::hash::{Hash, Hasher};

use crate::group::Cell;
use crate::logic::LogicId;
use crate::memo::{ShortHasher, ShortMap};
use crate::path::Path;
use crate::value::Value;

/// Bytes that one write unit pays for. An update is billed by the whole item it leaves, or found,
/// whichever is larger, rounded up to this.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>
pub const WRITE_UNIT_BYTES: usize = 1_024;
/// Bytes of a counter item that are kept for its sort key: the names of stream and shard, and the
/// item's number within the lane. Streams with names of up to 37 bytes fit; a longer one may push a
/// full item over a unit, which costs one more for each write of it.
pub const SORT_KEY_BYTES: usize = 64;
/// The names of the two key attributes, and what a logic id has besides its definition's name.
const KEY_NAMES_BYTES: usize = 4 + 6;
/// Bytes that a number may grow to: ten digits and a sign. An item that is full by the digits of
/// today would cost two units tomorrow.
const NUMBER_BYTES: usize = 7;
/// The same of a register's items. They are a thousandth of their group's, and there are thousands
/// of such cells.
const REGISTER_NUMBER_BYTES: usize = 4;

/// Where one lane keeps the cells of every logic version it has touched.
#[derive(Clone, Debug, Default)]
pub struct Placement {
    by_logic: ShortMap<LogicId, Buckets>,
    /// How many deliveries the last chunk took, where it could not take all there were.
    took: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Buckets {
    places: ShortMap<u64, u32>,
    /// How many of the places are groups': what the cap is on.
    groups: usize,
    /// How many are tallies of evidence by group.
    evidence: usize,
    last: u32,
    last_bytes: usize,
}

impl Buckets {
    /// Notes where a cell is, and whether that is news.
    fn note(&mut self, hint: u64, cell: &Cell, bucket: u32) -> bool {
        let is_new = self.places.insert(hint, bucket).is_none();
        self.groups += usize::from(is_new && matches!(cell, Cell::Group(_)));
        self.evidence += usize::from(is_new && matches!(cell, Cell::Evidence { group: Some(_), .. }));
        is_new
    }

    /// Whether a group may be counted by name: it is already, or there are fewer than so many.
    fn has_room(&self, hint: u64, groups_max: u32) -> bool {
        self.groups < groups_max as usize || self.places.contains_key(&hint)
    }

    /// The counter item of a cell, chosen where it has none yet.
    fn place(&mut self, hint: u64, cell: &Cell, room: usize) -> u32 {
        match self.places.get(&hint) {
            Some(bucket) => *bucket,
            None => self.choose(hint, cell, room),
        }
    }

    /// Chooses a counter item of so much room for a cell that has none yet.
    fn choose(&mut self, hint: u64, cell: &Cell, room: usize) -> u32 {
        let bytes = weight(cell);
        if self.last_bytes > 0 && self.last_bytes + bytes > room {
            self.last += 1;
            self.last_bytes = 0;
        }
        self.last_bytes += bytes;
        let bucket = self.last;
        self.note(hint, cell, bucket);
        bucket
    }
}

fn hint(cell: &Cell) -> u64 {
    let mut hasher = ShortHasher::default();
    cell.hash(&mut hasher);
    hasher.finish()
}

/// How many bytes the cells of a counter item may take so that the item stays within one write unit.
fn room(logic: &LogicId) -> usize {
    let keys = KEY_NAMES_BYTES + SORT_KEY_BYTES + logic.definition.as_str().len();
    WRITE_UNIT_BYTES.saturating_sub(keys)
}

/// How many bytes a cell takes in its counter item, name and number. What is stored under which name
/// is the wire format's to say; this follows it closely enough to fill a write unit, and a list or
/// map as a group is rare enough to be guessed.
fn weight(cell: &Cell) -> usize {
    let quoted = |text: &str| {
        let escaped = |byte: u8| match byte {
            b'"' | b'\\' => 2,
            0..0x20 => 6,
            _ => 1,
        };
        2 + text.bytes().map(escaped).sum::<usize>()
    };
    let value = |value: &Value| match value {
        Value::String(text) => quoted(text),
        Value::Binary(bytes) => bytes.len().div_ceil(3) * 4 + 8,
        Value::Null | Value::Bool(_) => 5,
        Value::Number(number) => number.significant_digits() + 2,
        _ => 64,
    };
    match cell {
        Cell::Group(key) => {
            // A colon within each part, and braces or a comma around it.
            let part = |(path, of): &(Path, Value)| quoted(&path.to_string()) + value(of) + 2;
            key.parts().iter().map(part).sum::<usize>() + 1 + NUMBER_BYTES
        }
        Cell::Overflow | Cell::Missing(_) | Cell::Uncertain | Cell::ByDelta | Cell::Untold => {
            14 + NUMBER_BYTES
        }
        Cell::Register { .. } => 22 + REGISTER_NUMBER_BYTES,
        Cell::Evidence { .. } => 32 + NUMBER_BYTES,
    }
}

impl Placement {
    /// How many deliveries to try in one chunk: twice as many as the last one had room for. Where
    /// many counts are touched a chunk takes few, and to begin with all of them each time would
    /// cost the square of their number.
    #[must_use]
    pub fn worth_trying(&self, deliveries: usize) -> usize {
        self.took.map_or(deliveries, |took| deliveries.min(took.saturating_mul(2).max(1)))
    }

    /// Whether the last chunk could not take all there were.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.took.is_some()
    }

    /// Notes how many of the deliveries a chunk took.
    pub fn took(&mut self, taken: usize, deliveries: usize) {
        self.took = (taken < deliveries).then_some(taken);
    }

    /// Records where a stored cell is.
    pub fn learn(&mut self, logic: &LogicId, cell: &Cell, bucket: u32) {
        let buckets = self.by_logic.entry(logic.clone()).or_default();
        if buckets.note(hint(cell), cell, bucket) {
            match bucket.cmp(&buckets.last) {
                std::cmp::Ordering::Greater => (buckets.last, buckets.last_bytes) = (bucket, weight(cell)),
                std::cmp::Ordering::Equal => buckets.last_bytes += weight(cell),
                std::cmp::Ordering::Less => {}
            }
        }
    }

    /// Whether anything is known of a logic version.
    #[must_use]
    pub fn knows(&self, logic: &LogicId) -> bool {
        self.by_logic.contains_key(logic)
    }

    /// Notes that a logic version has no stored cells yet.
    pub fn start(&mut self, logic: &LogicId) {
        self.by_logic.entry(logic.clone()).or_default();
    }

    /// Whether a group may still be counted by name under a cap of `groups_max`.
    #[must_use]
    pub fn has_room(&self, logic: &LogicId, cell: &Cell, groups_max: u32) -> bool {
        self.by_logic.get(logic).is_none_or(|buckets| buckets.has_room(hint(cell), groups_max))
    }

    /// Whether evidence may still be tallied by group.
    #[must_use]
    pub fn has_evidence_room(&self, logic: &LogicId, cell: &Cell, groups_max: usize) -> bool {
        self.by_logic
            .get(logic)
            .is_none_or(|buckets| buckets.evidence < groups_max || buckets.places.contains_key(&hint(cell)))
    }

    /// The counter item a cell belongs in, choosing one where it has none yet.
    pub fn place(&mut self, logic: &LogicId, cell: &Cell) -> u32 {
        self.of(logic).place(hint(cell), cell, room(logic))
    }

    /// As [`Placement::place`] for the groups of a logic version, which are counted by name under a cap of
    /// `groups_max`.
    pub fn admission(&mut self, logic: &LogicId, groups_max: u32) -> Admission<'_> {
        Admission { room: room(logic), groups_max, buckets: self.of(logic) }
    }

    fn of(&mut self, logic: &LogicId) -> &mut Buckets {
        self.by_logic.entry(logic.clone()).or_default()
    }
}

/// Where the groups of one logic version are kept.
pub struct Admission<'a> {
    buckets: &'a mut Buckets,
    room: usize,
    groups_max: u32,
}

impl Admission<'_> {
    /// Whether a group is counted by name. Where it had no place it has one now.
    pub fn admit(&mut self, group: &Cell) -> bool {
        let hint = hint(group);
        let has_room = self.buckets.has_room(hint, self.groups_max);
        if has_room {
            self.buckets.place(hint, group, self.room);
        }
        has_room
    }
}
