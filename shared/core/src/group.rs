//! Groups and cells: where an item is counted.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::path::Path;
use crate::value::{Item, Value, canonical};

/// Longest group key, in bytes of its values, that is counted under its own name; longer ones
/// are counted in the overflow cell. Attribute names this long still fit a 1 KB write unit
/// with room to spare for the item's keys.
pub const GROUP_KEY_BYTES_MAX: usize = 2_048;

/// The values of the grouping attributes, in the order of the definition; absent attributes are
/// left out, NULL is a value of its own. A copy is the same key again, and no work.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct GroupKey(Arc<[(Path, Value)]>);

impl GroupKey {
    /// A key of these values.
    #[must_use]
    pub fn new(parts: Vec<(Path, Value)>) -> Self {
        Self(parts.into())
    }

    /// The values, each with its attribute.
    #[must_use]
    pub fn parts(&self) -> &[(Path, Value)] {
        &self.0
    }
}

/// A group by the digest of its key. A distinct count keeps thousands of cells for each group, so
/// each names its group in eight bytes and not in up to [`GROUP_KEY_BYTES_MAX`]; the group's own
/// cell has the key. Two groups of one digest would share their distinct count and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupId(pub u64);

impl GroupId {
    /// The id of a group: the same in every process and in every build.
    #[must_use]
    pub fn of(key: &GroupKey) -> Self {
        let mut bytes = Vec::with_capacity(128);
        for (path, value) in key.parts() {
            canonical::text(&path.to_string(), &mut bytes);
            canonical::value(value, &mut bytes);
        }
        Self(xxh3_64(&bytes))
    }
}

/// What an image says of its group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Grouped {
    /// The group.
    Key(GroupKey),
    /// A group whose key is too long to be counted by name.
    Overlong,
    /// A grouping attribute was not sent.
    Unavailable,
}

/// The group of an item.
#[must_use]
pub fn group_of(group_by: &[Path], item: &Item) -> Grouped {
    let mut key = Vec::with_capacity(group_by.len());
    let mut bytes = 0;
    for path in group_by {
        match path.lookup(item) {
            None => {}
            Some(Value::Unavailable) => return Grouped::Unavailable,
            Some(value) => {
                bytes += weight(value);
                key.push((path.clone(), value.clone()));
            }
        }
    }
    if bytes > GROUP_KEY_BYTES_MAX { Grouped::Overlong } else { Grouped::Key(GroupKey::new(key)) }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Unavailable => 1,
        Value::Number(number) => number.significant_digits(),
        Value::String(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::List(values) => values.iter().map(weight).sum::<usize>() + values.len(),
        Value::Map(item) => item.iter().map(|(name, value)| name.len() + weight(value)).sum(),
        Value::StringSet(set) => set.iter().map(String::len).sum(),
        Value::NumberSet(set) => set.iter().map(crate::decimal::Decimal::significant_digits).sum(),
        Value::BinarySet(set) => set.iter().map(Vec::len).sum(),
    }
}

/// One counter of a logic version.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cell {
    /// Items of a group.
    Group(GroupKey),
    /// Items of groups beyond the cap, or with keys too long: exact in total, not by group.
    Overflow,
    /// Items for which the predicate's atom of this number met a missing attribute.
    Missing(u16),
    /// Changes that could not be judged: the truth lies within this many of the count.
    Uncertain,
    /// Changes of a table without a key, counted by what each adds and removes.
    ByDelta,
    /// Items of a group whose distinct value falls in this register of the group's sketch, at this
    /// rank (see [`crate::sketch`]). The highest rank that items still have is the register, so it
    /// falls again when they go.
    Register {
        /// The group; `None` for the items of [`Cell::Overflow`], which share one sketch.
        group: Option<GroupId>,
        /// Which register.
        register: u16,
        /// The rank.
        rank: u8,
    },
    /// Changes whose before image shows another value, in a column that the definition reads, than
    /// the change before it left: rows were rewritten, and the stream did not tell. A tally, like
    /// [`Cell::Evidence`]; a reading says that there is one.
    Untold,
    /// Changes for which a derived version was held against the image of its parent. A tally that
    /// only grows: no row contributes it, and no reading shows it.
    Evidence {
        /// How they compared.
        outcome: Outcome,
        /// The group under the derived version; `None` where the change is in none, or there were
        /// too many groups to tally by name.
        group: Option<GroupId>,
    },
}

/// How a row's contribution under a derived version compares with the image of what it
/// contributes to the parent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// They relate as the plan says they must.
    Agreed,
    /// They differ, and the plan says why they may: the row has the new shape, of which the
    /// parent's logic knows nothing.
    Explained,
    /// They differ, and must not.
    Unexplained,
    /// The derived version could not judge the row.
    Failed,
}

impl Outcome {
    /// All of them with their stored names.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Agreed, "agreed"),
        (Self::Explained, "explained"),
        (Self::Unexplained, "unexplained"),
        (Self::Failed, "failed"),
    ];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, name)| name)
    }
}
