//! Groups and cells: where an item is counted.

use crate::path::Path;
use crate::value::{Item, Value};

/// Longest group key, in bytes of its values, that is counted under its own name; longer ones
/// are counted in the overflow cell. Attribute names this long still fit a 1 KB write unit
/// with room to spare for the item's keys.
pub const GROUP_KEY_BYTES_MAX: usize = 2_048;

/// The values of the grouping attributes, in the order of the definition; absent attributes are
/// left out, NULL is a value of its own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct GroupKey(pub Vec<(Path, Value)>);

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
    if bytes > GROUP_KEY_BYTES_MAX { Grouped::Overlong } else { Grouped::Key(GroupKey(key)) }
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
}
