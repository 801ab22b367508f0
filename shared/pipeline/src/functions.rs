//! Functions that records need → loaded, each once.
//!
//! A counter's catalog names functions by their content address. Before a batch is counted, those that
//! are not at hand are read from their store, checked and translated, so that a function added a moment
//! ago is used at the next record that needs it, and nothing is restarted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use evercount_core::function::{FunctionEntry, FunctionId};
use evercount_sandbox::cache::Cache;
use evercount_sandbox::function::{Function, Refusal, id_of};
use evercount_sandbox::limits::Limits;
use evercount_wire::function::{from_json, to_json};

use crate::ports::{FunctionStore, StoreError};

/// Why a function is not at hand. What it is needed for cannot be judged meanwhile.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAtHand {
    /// The store has no such module.
    #[error("the store has no such module")]
    Absent,
    /// The module is not fit.
    #[error(transparent)]
    Unfit(#[from] Refusal),
}

/// The functions that a batch needs.
#[derive(Debug, Default)]
pub struct AtHand {
    /// Those that are ready.
    pub ready: BTreeMap<FunctionId, Arc<Function>>,
    /// Those that are not, and why.
    pub missing: BTreeMap<FunctionId, NotAtHand>,
}

/// Brings the functions that are named to hand. Reads only what the cache does not know.
///
/// # Errors
/// [`StoreError`] where the store cannot be read now: the batch has to come again.
pub async fn bring(
    store: &impl FunctionStore,
    cache: &mut Cache,
    named: &BTreeSet<FunctionId>,
    limits: Limits,
) -> Result<AtHand, StoreError> {
    let mut at_hand = AtHand::default();
    for id in named {
        let loaded = match cache.get(id) {
            Some(known) => known.map_err(NotAtHand::from),
            None => match store.module(id).await? {
                Some(module) => cache.load(id, &module, limits).map_err(NotAtHand::from),
                None => Err(NotAtHand::Absent),
            },
        };
        match loaded {
            Ok(function) => {
                at_hand.ready.insert(*id, function);
            }
            Err(why) => {
                at_hand.missing.insert(*id, why);
            }
        }
    }
    Ok(at_hand)
}

/// Checks that the list is what whoever edits it read: the entry that stands under the name is `from`, or
/// already `to`.
///
/// # Errors
/// [`StoreError::Conflict`] where it is neither.
pub fn check_entry(
    stored: Option<&FunctionEntry>,
    from: Option<&FunctionEntry>,
    to: &FunctionEntry,
) -> Result<(), StoreError> {
    if stored == from || stored == Some(to) { Ok(()) } else { Err(StoreError::Conflict) }
}

/// Checks that a module is the one that its id names; what a store does before it keeps one.
///
/// # Errors
/// [`StoreError::Rejected`] where it is another.
pub fn check_digest(id: &FunctionId, module: &[u8]) -> Result<(), StoreError> {
    let found = id_of(module);
    if found == *id {
        return Ok(());
    }
    Err(StoreError::Rejected(format!("the module of {id} has the digest {found}: it was changed")))
}

/// An entry as a store keeps it that has a file or an object for each.
///
/// # Errors
/// [`StoreError::Rejected`] where it is beyond the bounds of an entry.
pub fn stored_entry(entry: &FunctionEntry) -> Result<String, StoreError> {
    to_json(entry).map_err(|error| StoreError::Rejected(error.to_string()))
}

/// The entry that such a store keeps at a place.
///
/// # Errors
/// [`StoreError::Rejected`] where it is none.
pub fn read_entry(place: &dyn fmt::Display, bytes: &[u8]) -> Result<FunctionEntry, StoreError> {
    let rejected = |what: &str| StoreError::Rejected(format!("the entry {place}: {what}"));
    let text = std::str::from_utf8(bytes).map_err(|_| rejected("it is not UTF-8"))?;
    from_json(text).map_err(|error| rejected(&error.to_string()))
}

/// Entries in the order of a list: by name.
#[must_use]
pub fn listed(mut entries: Vec<FunctionEntry>) -> Vec<FunctionEntry> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}
