//! Placement: in which counter item a lane keeps which cell.
//!
//! Only the sum over a lane's counter items means anything, so *where* a delta is added is free:
//! placement is a hint that makes writes cheap (a touched item stays near one 1 KB write unit)
//! and bounds floods of groups. A wrong or forgotten hint costs a write unit, never a count.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use xxhash_rust::xxh3::Xxh3Default;

use crate::group::{Cell, GroupKey};
use crate::logic::LogicId;
use crate::value::Value;

/// Bytes of cells after which a counter item takes no new ones. A write costs one unit for each
/// started 1,024 bytes; keys and bookkeeping take the rest.
pub const BUCKET_BYTES_MAX: usize = 800;

/// Where one lane keeps the cells of every logic version it has touched.
#[derive(Clone, Debug, Default)]
pub struct Placement {
    by_logic: HashMap<LogicId, Buckets, BuildHasherDefault<Xxh3Default>>,
}

#[derive(Clone, Debug, Default)]
struct Buckets {
    places: HashMap<u64, u32, BuildHasherDefault<Xxh3Default>>,
    /// How many of the places are groups': what the cap is on.
    groups: usize,
    /// How many are tallies of evidence by group.
    evidence: usize,
    last: u32,
    last_bytes: usize,
}

impl Buckets {
    /// Notes where a cell is, and whether that is news.
    fn note(&mut self, cell: &Cell, bucket: u32) -> bool {
        let is_new = self.places.insert(hint(cell), bucket).is_none();
        self.groups += usize::from(is_new && matches!(cell, Cell::Group(_)));
        self.evidence += usize::from(is_new && matches!(cell, Cell::Evidence { group: Some(_), .. }));
        is_new
    }
}

fn hint(cell: &Cell) -> u64 {
    let mut hasher = Xxh3Default::default();
    cell.hash(&mut hasher);
    hasher.finish()
}

/// Roughly how many bytes a cell takes in its counter item.
fn weight(cell: &Cell) -> usize {
    let value = |value: &Value| match value {
        Value::String(text) => text.len() + 2,
        Value::Binary(bytes) => bytes.len() * 4 / 3 + 10,
        Value::Null | Value::Bool(_) => 5,
        Value::Number(number) => number.significant_digits() + 2,
        _ => 64,
    };
    match cell {
        Cell::Group(GroupKey(parts)) => {
            parts.iter().map(|(path, part)| path.column_name().len() + 8 + value(part)).sum::<usize>() + 6
        }
        Cell::Overflow | Cell::Missing(_) | Cell::Uncertain | Cell::ByDelta | Cell::Untold => 14,
        Cell::Register { .. } | Cell::Evidence { .. } => 24,
    }
}

impl Placement {
    /// Records where a stored cell is.
    pub fn learn(&mut self, logic: &LogicId, cell: &Cell, bucket: u32) {
        let buckets = self.by_logic.entry(logic.clone()).or_default();
        if buckets.note(cell, bucket) {
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
        self.by_logic.get(logic).is_none_or(|buckets| {
            buckets.groups < groups_max as usize || buckets.places.contains_key(&hint(cell))
        })
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
        let buckets = self.by_logic.entry(logic.clone()).or_default();
        if let Some(bucket) = buckets.places.get(&hint(cell)) {
            return *bucket;
        }
        let bytes = weight(cell);
        if buckets.last_bytes > 0 && buckets.last_bytes + bytes > BUCKET_BYTES_MAX {
            buckets.last += 1;
            buckets.last_bytes = 0;
        }
        buckets.last_bytes += bytes;
        let bucket = buckets.last;
        buckets.note(cell, bucket);
        bucket
    }
}
