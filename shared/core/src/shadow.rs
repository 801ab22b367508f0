//! The shadow schema: columns that a table is believed to get, and the values that were written to them
//! before it has them.
//!
//! A column of the shadow schema is read and written through the data proxy as if the table had it: its
//! values are kept beside the table until the column arrives in the table's registered schema, and are
//! moved into the table then.
//!
//! | module | decision |
//! |---|---|
//! | [`beside`] | how an item and what is kept beside the table for it are one item |
//! | [`arrival`] | when a column has arrived, and what becomes of its values then |
//! | [`prefetch`] | which values are fetched ahead of time |

pub mod arrival;
pub mod beside;
pub mod prefetch;

use std::collections::BTreeMap;

use crate::change::TableName;
use crate::order::{ItemVersion, Micros};
use crate::schema::{Constraints, TypeSet};
use crate::value::Value;

/// Most columns of a shadow schema. A forecast of more than that is no forecast, and the item that they
/// are stored in stays far below DynamoDB's 400 KB.
pub const SHADOW_COLUMNS_MAX: usize = 200;

/// What a table is believed to get.
#[derive(Clone, PartialEq, Debug)]
pub struct ShadowSchema {
    /// The table.
    pub table: TableName,
    /// When this was believed, microseconds since the epoch.
    pub at: Micros,
    /// Rises with every change; a change is conditional on the one read.
    pub revision: u64,
    /// The columns by name.
    pub columns: BTreeMap<String, ShadowColumn>,
}

impl ShadowSchema {
    /// A table of which nothing is believed yet.
    #[must_use]
    pub fn nothing(table: TableName, at: Micros) -> Self {
        Self { table, at, revision: 0, columns: BTreeMap::new() }
    }

    /// The columns whose values are kept beside the table, or were and are not deleted there yet.
    pub fn kept_beside(&self) -> impl Iterator<Item = (&String, &ShadowColumn)> {
        self.columns.iter().filter(|(_, column)| column.state.is_kept_beside())
    }
}

/// One column of a shadow schema.
#[derive(Clone, PartialEq, Debug)]
pub struct ShadowColumn {
    /// The types that its values may have.
    pub types: TypeSet,
    /// What items without a value of it read.
    pub default: Option<Value>,
    /// Bounds that its values keep.
    pub constraints: Constraints,
    /// When the table is expected to have it, microseconds since the epoch.
    pub expected_at: Option<Micros>,
    /// How likely it is that the table gets it, from 0 to 1.
    pub probability: f64,
    /// Where the belief comes from, in words: `a field that 31 % of today's events carry`.
    pub source: String,
    /// Where values of it can be fetched from before anybody writes one.
    pub prefetch: Option<Prefetch>,
    /// How far it has come.
    pub state: ShadowState,
}

/// How far a column of a shadow schema has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShadowState {
    /// The table does not have it: values are kept beside the table.
    Expected,
    /// The table's registered schema has it: new values go into the table, and those kept beside it are
    /// being moved.
    Arrived {
        /// Since when, microseconds since the epoch.
        at: Micros,
    },
    /// Every value is in the table. What is beside it is still looked at, so that nobody who began before
    /// sees otherwise, and is deleted an hour later with the column's entry here.
    Moved {
        /// Since when, microseconds since the epoch.
        at: Micros,
    },
    /// Nobody expects it any more: it is as unknown as any other name, and its values stay where they
    /// are until somebody deletes them.
    GivenUp {
        /// Since when, microseconds since the epoch.
        at: Micros,
    },
}

impl ShadowState {
    /// Whether values of the column may be beside the table and count.
    #[must_use]
    pub fn is_kept_beside(self) -> bool {
        !matches!(self, Self::GivenUp { .. })
    }

    /// The state's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::Arrived { .. } => "arrived",
            Self::Moved { .. } => "moved",
            Self::GivenUp { .. } => "given up",
        }
    }

    /// Since when; an expected column says so by its schema's time.
    #[must_use]
    pub fn since(self) -> Option<Micros> {
        match self {
            Self::Expected => None,
            Self::Arrived { at } | Self::Moved { at } | Self::GivenUp { at } => Some(at),
        }
    }
}

/// Where values of a column are fetched from ahead of time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prefetch {
    /// The source.
    pub from: PrefetchFrom,
    /// How long a fetched value is not fetched again, in microseconds.
    pub fresh_for: Micros,
}

/// A source of values. `{name}` in a text stands for the item's attribute of that name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PrefetchFrom {
    /// A JSON document behind a URL.
    Http {
        /// The URL, with placeholders.
        url: String,
        /// Where in the document the value stands: a JSON pointer (RFC 6901); empty for the whole.
        pointer: String,
    },
    /// An object in S3 that holds a JSON document.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object's key, with placeholders.
        key: String,
        /// Where in the document the value stands: a JSON pointer (RFC 6901); empty for the whole.
        pointer: String,
    },
    /// The item of the same key in another table.
    Table {
        /// The table.
        table: TableName,
        /// The attribute of it.
        attribute: String,
    },
}

impl PrefetchFrom {
    /// The kind's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::S3 { .. } => "s3",
            Self::Table { .. } => "table",
        }
    }
}

/// What is kept beside the table for one of its items.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ShadowRow {
    /// Rises with every change and is never used again, also after the row was deleted in between
    /// ([`ShadowRow::next_revision`]); a change is conditional on the one read.
    pub revision: u64,
    /// Values by column.
    pub values: BTreeMap<String, ShadowValue>,
}

impl ShadowRow {
    /// The revision of what replaces a row of this one; 0 where there was none.
    #[must_use]
    pub fn next_revision(revision: u64, now: Micros) -> u64 {
        ItemVersion(revision).next(now).0
    }

    /// The row with these values written, where they are newer than what it has; `None` where none is.
    #[must_use]
    pub fn written(&self, values: &BTreeMap<String, ShadowValue>, now: Micros) -> Option<Self> {
        let is_newer = |(name, value): &(&String, &ShadowValue)| {
            self.values.get(*name).is_none_or(|known| value.is_newer_than(known))
        };
        let newer: Vec<_> = values.iter().filter(is_newer).collect();
        if newer.is_empty() {
            return None;
        }
        let mut row = Self { revision: Self::next_revision(self.revision, now), values: self.values.clone() };
        row.values.extend(newer.into_iter().map(|(name, value)| (name.clone(), value.clone())));
        Some(row)
    }
}

/// The value of a shadow column for one item.
#[derive(Clone, PartialEq, Debug)]
pub struct ShadowValue {
    /// The value; `None` where it was removed, so that an older one does not come back.
    pub value: Option<Value>,
    /// The item's version with which it was written; [`ItemVersion::NONE`] for a value that was fetched.
    pub order: ItemVersion,
    /// When it was written or fetched, microseconds since the epoch.
    pub at: Micros,
}

impl ShadowValue {
    /// Whether it was fetched ahead, and nobody wrote it.
    #[must_use]
    pub fn is_fetched(&self) -> bool {
        self.order == ItemVersion::NONE
    }

    /// Whether it stands where the other one is stored: by the item's version, and of two that were
    /// fetched by time.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.order, self.at) > (other.order, other.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = ShadowValue> {
        (any::<Option<bool>>(), 0u64..4, 0i64..4).prop_map(|(value, order, at)| ShadowValue {
            value: value.map(Value::Bool),
            order: ItemVersion(order),
            at,
        })
    }

    fn values() -> impl Strategy<Value = BTreeMap<String, ShadowValue>> {
        prop::collection::btree_map("[ab]", value(), 0..3)
    }

    proptest! {
        #[test]
        fn in_whichever_order_values_are_written_the_newest_stand(
            one in values(), other in values(), third in values()
        ) {
            let write = |row: ShadowRow, values: &BTreeMap<String, ShadowValue>| {
                row.written(values, 0).unwrap_or(row)
            };
            let order = |writes: [&BTreeMap<String, ShadowValue>; 3]| -> BTreeMap<String, _> {
                let row = writes.into_iter().fold(ShadowRow::default(), write);
                row.values.into_iter().map(|(name, value)| (name, (value.order, value.at))).collect()
            };
            let first = order([&one, &other, &third]);
            prop_assert_eq!(&first, &order([&third, &one, &other]));
            prop_assert_eq!(&first, &order([&other, &third, &one]));
        }

        #[test]
        fn writing_again_changes_nothing(stored in values(), written in values(), now in 0i64..9) {
            let row = ShadowRow { revision: 3, values: stored };
            let once = row.written(&written, now).unwrap_or(row);
            prop_assert_eq!(once.written(&written, now), None);
        }

        #[test]
        fn a_changed_row_has_a_higher_revision(revision in any::<u32>(), now in any::<u32>()) {
            let next = ShadowRow::next_revision(u64::from(revision), i64::from(now));
            prop_assert!(next > u64::from(revision) && next >= u64::from(now));
        }
    }
}
