//! What has to hold of the stored item when a write is made that was decided from what was read.

use std::collections::{BTreeMap, BTreeSet};

use super::{Stamp, VERSION_ATTRIBUTE};
use crate::order::ItemVersion;
use crate::value::{Item, Value};

/// What has to hold.
#[derive(Clone, PartialEq, Debug)]
pub enum Guard {
    /// There is no item.
    Absent,
    /// The item is of this version.
    Version(ItemVersion),
    /// These attributes are as they were read; `None` is not there. All that can be told of an item whose
    /// version does not rise with each write.
    Unchanged(BTreeMap<String, Option<Value>>),
}

/// The guard of the write that makes `to` of `from`. What the decision took for absent is among `absent`.
#[must_use]
pub fn guard(from: Option<&Item>, to: Option<&Item>, absent: &BTreeSet<String>) -> Guard {
    let Some(from) = from else { return Guard::Absent };
    let version = Stamp::of(from).version;
    let rises = to.is_none_or(|to| Stamp::of(to).version > version);
    if version > ItemVersion::NONE && rises {
        return Guard::Version(version);
    }
    // Whatever the decision looked at: a condition may be about attributes that the write leaves alone.
    let read = from.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    let absent = to.into_iter().flat_map(Item::keys).chain(absent);
    let absent = absent.filter(|name| !from.contains_key(*name)).map(|name| (name.clone(), None));
    let unstamped = (version == ItemVersion::NONE).then(|| (VERSION_ATTRIBUTE.to_owned(), None));
    Guard::Unchanged(unstamped.into_iter().chain(read).chain(absent).collect())
}

impl Guard {
    /// Whether it holds of the stored item.
    #[must_use]
    pub fn holds(&self, stored: Option<&Item>) -> bool {
        match (self, stored) {
            (Self::Absent, None) => true,
            (Self::Version(version), Some(stored)) => Stamp::of(stored).version == *version,
            (Self::Unchanged(attributes), Some(stored)) => {
                attributes.iter().all(|(name, value)| stored.get(name) == value.as_ref())
            }
            _ => false,
        }
    }
}

/// What differs between two items: each attribute with what it becomes, `None` where it goes.
#[must_use]
pub fn changed<'a>(from: &Item, to: &'a Item) -> BTreeMap<String, Option<&'a Value>> {
    let names = from.keys().chain(to.keys());
    let differs = names.filter(|name| from.get(*name) != to.get(*name));
    differs.map(|name| (name.clone(), to.get(name))).collect()
}
