//! Which values a field holds: the smallest hashes of its values, enough to say how far two
//! fields hold the same values.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::Xxh3;

use crate::value::{Value, canonical};

/// Hashes kept of one field. A field with fewer distinct values is known whole; of one with more,
/// shares are known to within about 0.18 (one standard deviation is at most 1/(2√32) = 0.09).
pub const SKETCH_SIZE: usize = 32;

/// Bytes of a text or a binary that are hashed, beside its length.
const VALUE_BYTES_MAX: usize = 256;

/// The key of the hash: fixed, so that sketches of every lane and every table compare.
const KEY: u64 = 0x6f62_7365_7276_6564;

/// The stable hash of a scalar value; `None` for NULL, for what was not sent, and for lists, maps
/// and sets.
#[must_use]
pub fn value_hash(value: &Value) -> Option<u32> {
    let mut hasher = Xxh3::with_seed(KEY);
    let mut long = |tag: u8, bytes: &[u8]| {
        let head = bytes.get(..VALUE_BYTES_MAX).unwrap_or(bytes);
        hasher.update(&[tag]);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(head);
    };
    match value {
        Value::String(text) => long(b'S', text.as_bytes()),
        Value::Binary(bytes) => long(b'B', bytes),
        Value::Bool(_) | Value::Number(_) => {
            let mut bytes = Vec::with_capacity(32);
            canonical::value(value, &mut bytes);
            hasher.update(&bytes);
        }
        _ => return None,
    }
    // The upper half: where a hash falls among others is decided there.
    Some((hasher.digest() >> 32) as u32)
}

/// The smallest hashes of a field's values.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ValueSketch(BTreeSet<u32>);

impl ValueSketch {
    /// A sketch of these hashes.
    #[must_use]
    pub fn restore(hashes: impl IntoIterator<Item = u32>) -> Self {
        let mut sketch = Self::default();
        hashes.into_iter().for_each(|hash| sketch.insert(hash));
        sketch
    }

    /// Adds a value's hash.
    pub fn insert(&mut self, hash: u32) {
        if self.0.len() >= SKETCH_SIZE && self.0.last().is_some_and(|last| *last <= hash) {
            return;
        }
        self.0.insert(hash);
        if self.0.len() > SKETCH_SIZE {
            self.0.pop_last();
        }
    }

    /// Adds another sketch's hashes.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|hash| self.insert(*hash));
    }

    /// The hashes, smallest first.
    pub fn hashes(&self) -> impl ExactSizeIterator<Item = u32> {
        self.0.iter().copied()
    }

    /// Up to which hash the sketch knows every value.
    fn complete_to(&self) -> u32 {
        if self.0.len() < SKETCH_SIZE { u32::MAX } else { self.0.last().copied().unwrap_or(u32::MAX) }
    }

    /// Whether every value seen is known.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.len() < SKETCH_SIZE
    }

    /// About how many distinct values the field holds.
    #[must_use]
    pub fn distinct(&self) -> f64 {
        if self.is_whole() {
            return self.0.len() as f64;
        }
        (SKETCH_SIZE - 1) as f64 * f64::from(u32::MAX) / f64::from(self.complete_to().max(1))
    }

    /// How many of this field's values the other holds as well: hashes compared, and shared.
    /// Only values that both sketches would know are compared.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> (usize, usize) {
        let known = self.complete_to().min(other.complete_to());
        let compared = self.0.range(..=known);
        let shared = compared.clone().filter(|hash| other.0.contains(hash)).count();
        (compared.count(), shared)
    }

    /// The share of this field's values that the other holds as well; `None` where no value can
    /// be compared.
    #[must_use]
    pub fn containment_in(&self, other: &Self) -> Option<f64> {
        let (compared, shared) = self.shared_with(other);
        (compared > 0).then(|| shared as f64 / compared as f64)
    }
}
