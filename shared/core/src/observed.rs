//! Observed schemas: what the rows of a subject show of its schema.
//!
//! An [`ObservedSchema`] is a commutative monoid: lanes observe apart and merge in any order, and
//! the merged one is what a single observer of all rows would have. Each bound is chosen so that
//! it commutes: what is kept is decided by the thing itself (the smallest paths, the smallest
//! hashes) and never by what came first.

mod field;
mod formats;
mod relationship;
mod sketch;
mod walk;

pub use field::{FORMAT_TEXTS_MIN, Families, Family, Formats, Numbers, ObservedField};
pub use formats::{FORMATS, format_mask};
pub use relationship::{Relationship, RelationshipKind, relationships};
pub use sketch::{SKETCH_SIZE, ValueSketch, value_hash};
pub use walk::{
    DATA_KEYS, LIST_ELEMENTS_MAX, MAP_KEYS_MAX, NODES_MAX, PATH_BYTES_MAX, depth, families, walk,
};

use std::collections::{BTreeMap, BTreeSet};

use crate::order::Micros;
use crate::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use crate::value::Item;

/// Paths that an observed schema keeps. Of more, those nearest the top and first in the alphabet
/// stay: a choice that depends on the paths alone, so that merging commutes.
pub const PATHS_MAX: usize = 512;

/// Children of one map that are shown one by one; where more are kept and each is rare, the
/// map's keys are data, and one field `{}` stands for all of them.
pub const CHILDREN_SHOWN_MAX: usize = 64;

/// A map's key is rare where it is in fewer than one in this many of the map's rows.
const RARE: u64 = 10;

/// What rows show of a subject.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ObservedSchema {
    /// Rows observed.
    pub rows: u64,
    /// Presences of paths that are not kept, counted once a row, and rows that were not looked at
    /// whole; 0 where nothing is missing here.
    pub overflow: u64,
    /// What each kept path shows, by depth and path.
    fields: BTreeMap<(usize, FieldPath), ObservedField>,
}

impl ObservedSchema {
    /// What these fields show, as they were stored.
    #[must_use]
    pub fn restore(
        rows: u64,
        overflow: u64,
        fields: impl IntoIterator<Item = (FieldPath, ObservedField)>,
    ) -> Self {
        let fields = fields.into_iter().map(|(path, field)| ((depth(&path), path), field)).collect();
        let mut restored = Self { rows, overflow, fields };
        restored.shrink();
        restored
    }

    /// Observes one row, written at a time.
    pub fn observe(&mut self, row: &Item, at: Micros) {
        self.rows += 1;
        let mut seen = BTreeSet::new();
        let whole = walk(row, &mut |path, value| {
            let key = (depth(path), path.clone());
            let field = self.fields.entry(key.clone()).or_default();
            field.note(value, at);
            if seen.insert(key) {
                field.rows += 1;
            }
        });
        self.overflow += u64::from(!whole);
        self.shrink();
    }

    /// Adds what another observer saw.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.overflow += other.overflow;
        for (key, field) in &other.fields {
            self.fields.entry(key.clone()).or_default().merge(field);
        }
        self.shrink();
    }

    /// Lets go of what is beyond the bound. Rows of a path let go are counted on, so the sum of
    /// all presences is exact however lanes were merged.
    fn shrink(&mut self) {
        while self.fields.len() > PATHS_MAX {
            if let Some((_, gone)) = self.fields.pop_last() {
                self.overflow += gone.rows;
            }
        }
    }

    /// Forgets fields that are no longer of interest: columns that left the schema.
    pub fn forget(&mut self, leaves: impl Fn(&FieldPath) -> bool) {
        self.fields.retain(|(_, path), _| !leaves(path));
    }

    /// What is known of a path.
    #[must_use]
    pub fn field(&self, path: &FieldPath) -> Option<&ObservedField> {
        self.fields.get(&(depth(path), path.clone()))
    }

    /// What is known of each path; columns first.
    pub fn fields(&self) -> impl Iterator<Item = (&FieldPath, &ObservedField)> {
        self.fields.iter().map(|((_, path), field)| (path, field))
    }

    /// How many of the rows that could have a path have it, in [0, 1]: of all rows for a column,
    /// of the rows with its map or list for a nested field.
    #[must_use]
    pub fn presence(&self, path: &FieldPath) -> f64 {
        let all = match path.parent() {
            None => self.rows,
            Some(parent) => self.field(&parent).map_or(self.rows, |field| field.rows),
        };
        let with = self.field(path).map_or(0, |field| field.rows);
        if all == 0 { 0.0 } else { (with as f64 / all as f64).min(1.0) }
    }

    /// The schema that the rows show. No field is `required`: the next row may lack it. A field
    /// that showed nothing but values that were not sent has no types.
    #[must_use]
    pub fn schema(&self) -> Schema {
        let crowded = self.crowded();
        let mut fields: BTreeMap<FieldPath, Field> = BTreeMap::new();
        for ((_, path), seen) in &self.fields {
            let shown = shown_as(path, &crowded);
            let format = (shown == *path).then(|| seen.formats.certain()).flatten();
            let field = fields.entry(shown).or_default();
            field.types.0.extend(seen.families.types().0);
            field.format = format;
        }
        for field in fields.values_mut() {
            field.types = whole_within_decimal(std::mem::take(&mut field.types));
        }
        Schema { fields, key: Vec::new() }
    }

    /// Maps whose keys are data.
    fn crowded(&self) -> BTreeSet<FieldPath> {
        let mut children: BTreeMap<FieldPath, Vec<u64>> = BTreeMap::new();
        for ((_, path), field) in &self.fields {
            if let Some(parent) = path.parent().filter(|_| !path.as_str().ends_with("[]")) {
                children.entry(parent).or_default().push(field.rows);
            }
        }
        children.retain(|parent, rows| {
            let of = self.field(parent).map_or(0, |field| field.rows);
            let rare = rows.iter().filter(|rows| rows.saturating_mul(RARE) < of).count();
            rows.len() > CHILDREN_SHOWN_MAX && rare * 2 > rows.len()
        });
        children.into_keys().collect()
    }
}

/// The path under which a schema shows a path, given the maps whose keys are data.
fn shown_as(path: &FieldPath, crowded: &BTreeSet<FieldPath>) -> FieldPath {
    let Some(parent) = path.parent() else { return path.clone() };
    let shown = shown_as(&parent, crowded);
    let rest = path.as_str().get(parent.as_str().len()..).unwrap_or_default();
    if rest != "[]" && crowded.contains(&parent) {
        return FieldPath::new(format!("{shown}.{DATA_KEYS}"));
    }
    FieldPath::new(format!("{shown}{rest}"))
}

/// Whole numbers are decimal numbers too: where both were seen, the field is decimal.
pub(crate) fn whole_within_decimal(mut types: TypeSet) -> TypeSet {
    if types.0.contains(&FieldType::DECIMAL) {
        types.0.remove(&FieldType::INTEGER);
    }
    types
}

#[cfg(test)]
mod tests;
