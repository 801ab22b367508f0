//! Owns what a watch keeps of one field, of a pair of fields, and of how far its lane had come.

use std::sync::Arc;

use super::shapes::Bits;
use super::trace::{Place, Trace};
use crate::observed::Family;
use crate::schema::FieldPath;

/// Rows by which it is judged whether a field is mostly there.
pub const LATELY_ROWS: u64 = 32;
/// What one row counts there, so that fractions of rows fade as well.
pub const LATELY_UNIT: u64 = 1_024;

/// What was gathered of one field.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Which field.
    pub path: FieldPath,
    /// Whether the known schema has it.
    pub known: bool,
    /// The rows that have it.
    pub presence: Trace,
    /// Of these, the rows in which it is NULL.
    pub nulls: u64,
    /// Each type it showed, among the rows in which it has a value.
    pub families: Vec<(Family, Trace)>,
    /// Rows of other types of entities: since the last that has it, and the longest such time
    /// that ended.
    pub elsewhere: [u64; 2],
    /// Of the latest [`LATELY_ROWS`] rows or so that could have it, those that do, each counted
    /// as [`LATELY_UNIT`], and all.
    pub lately: [u64; 2],
    /// How often it has left the schema.
    pub left: u32,
    /// The fields it was ever seen together with, by number.
    pub met: Bits,
}

impl Entry {
    pub(super) fn new(path: FieldPath, known: bool) -> Self {
        Self {
            path,
            known,
            presence: Trace::default(),
            nulls: 0,
            families: Vec::new(),
            elsewhere: [0; 2],
            lately: [0; 2],
            left: 0,
            met: Bits::default(),
        }
    }

    pub(super) fn note_lately(&mut self, with: u64, of: u64) {
        let [had, all] = self.lately;
        // What is new counts whole; older rows make room for it.
        let kept = all.min(LATELY_ROWS.saturating_sub(of));
        let had = (had * kept).checked_div(all).unwrap_or_default();
        self.lately = [had + with * LATELY_UNIT, kept + of];
    }
}

/// Rows that had one column before and have another now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Handover {
    /// Such rows whose old value tells something: it is not NULL, empty, zero or a boolean.
    pub tried: u64,
    /// Of these, rows whose new column has the old one's value.
    pub held: u64,
}

/// How far a lane had come: rows counted, and the place of the newest.
#[derive(Clone, PartialEq, Debug)]
pub struct Mark {
    /// Rows.
    pub rows: u64,
    /// The newest of them.
    pub place: Arc<Place>,
}
