//! What has to hold of the stored item when a write is made that was decided from what was read.

use std::collections::BTreeMap;

use super::Stamp;
use crate::order::ItemVersion;
use crate::value::{Item, Value};

/// What has to hold.
#[derive(Clone, PartialEq, Debug)]
pub enum Guard {
    /// There is no item.
    Absent,
    /// The item is of this version.
    Version(ItemVersion),
    /// Nobody has stamped the item, and these attributes are as they were read; `None` is not there. All
    /// that can be told of an item that others write past the proxy.
    Unstamped(BTreeMap<String, Option<Value>>),
}

/// The guard of the write that makes `to` of `from`.
#[must_use]
pub fn guard(from: Option<&Item>, to: Option<&Item>) -> Guard {
    let Some(from) = from else { return Guard::Absent };
    match Stamp::of(from).version {
        ItemVersion::NONE => Guard::Unstamped(match to {
            Some(to) => {
                changed(from, to).into_keys().map(|name| (name.clone(), from.get(&name).cloned())).collect()
            }
            None => from.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect(),
        }),
        version => Guard::Version(version),
    }
}

impl Guard {
    /// Whether it holds of the stored item.
    #[must_use]
    pub fn holds(&self, stored: Option<&Item>) -> bool {
        match (self, stored) {
            (Self::Absent, None) => true,
            (Self::Version(version), Some(stored)) => Stamp::of(stored).version == *version,
            (Self::Unstamped(attributes), Some(stored)) => {
                Stamp::of(stored).version == ItemVersion::NONE
                    && attributes.iter().all(|(name, value)| stored.get(name) == value.as_ref())
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
