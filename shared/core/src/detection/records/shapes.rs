//! Owns what a shape means to a watch: which of its fields a row of the shape has. Rows of one
//! shape say the same, so it is worked out once; how many shapes are remembered is bounded.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::fingerprint::ShapeId;

/// Shapes remembered by one watch. A subject with more pays for working them out again.
pub const SHAPES_MAX: usize = 256;

/// Numbers of fields, one bit each.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// The bits as stored.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.0
    }

    /// Bits from what was stored.
    #[must_use]
    pub fn restore(words: Vec<u64>) -> Self {
        Self(words)
    }

    pub(super) fn insert(&mut self, bit: usize) {
        if self.0.len() <= bit / 64 {
            self.0.resize(bit / 64 + 1, 0);
        }
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    pub(super) fn contains(&self, bit: usize) -> bool {
        self.0.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    pub(super) fn extend(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// The bits that are here, are not in `without`, and are in `among`.
    pub(super) fn and_not<'a>(
        &'a self,
        without: &'a Self,
        among: &'a Self,
    ) -> impl Iterator<Item = usize> + 'a {
        let words = self.0.iter().zip(&among.0).enumerate();
        words.flat_map(move |(index, (word, among))| {
            let without = without.0.get(index).copied().unwrap_or_default();
            let left = word & among & !without;
            (0..64).filter(move |bit| left >> bit & 1 == 1).map(move |bit| index * 64 + bit)
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let words = self.0.iter().enumerate();
        words.flat_map(|(index, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * 64 + bit)
        })
    }
}

/// What a shape means.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// The families of each field it has, by the field's number, rising.
    pub families: Vec<(usize, u16)>,
    /// The fields it has.
    pub fields: Bits,
    /// Its columns that the known schema lacks.
    pub news: Vec<usize>,
}

impl Shape {
    pub fn families_of(&self, field: usize) -> Option<u16> {
        let at = self.families.binary_search_by_key(&field, |(field, _)| *field).ok()?;
        self.families.get(at).map(|(_, families)| *families)
    }
}

/// The shapes remembered. No part of what a watch knows: it can be lost at any time.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes(HashMap<ShapeId, Arc<Shape>, BuildHasherDefault<Already>>);

impl Shapes {
    pub fn get(&self, id: ShapeId) -> Option<Arc<Shape>> {
        self.0.get(&id).cloned()
    }

    pub fn insert(&mut self, id: ShapeId, shape: Arc<Shape>) {
        if self.0.len() >= SHAPES_MAX {
            self.0.clear();
        }
        self.0.insert(id, shape);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// A shape's id is a hash already.
#[derive(Clone, Copy, Debug, Default)]
struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
}
