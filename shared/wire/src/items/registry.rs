//! Owns the registry's items and what one registration writes.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | subject entry | `subjects` | `<subject>` |
//! | subject state | `subject#<subject>` | `state` |
//! | version head | `subject#<subject>` | `version#0003` |
//! | version detail | `subject#<subject>` | `version-detail#0003` |
//! | event | `subject#<subject>` | `history#<time>#<event id>` |
//! | written migrations | `subject#<subject>` | `migrations` |
//! | held change | `subject#<subject>` | `held#<id>` |
//! | watch | `subject#<subject>` | `watch#<lane>` |
//! | producer, as a lane saw it | `subject#<subject>` | `producer#<kind>#<name>#<lane>` |
//! | consumer | `subject#<subject>` | `consumer#<name>` |
//! | cardinality sketch | `subject#<subject>` | `cardinality#<field>#<window start>#<window length>#<lane>` |
//! | unpublished event | `outbox` | `<event id>` |
//! | service | `services` | `<name>` |
//! | part of a version detail or event | as its item | `<sk of its item>#part-0001` |
//!
//! What may be forgotten carries `expires`, by which DynamoDB deletes it, and `expires_at`, by
//! which readers treat it as gone from then on: DynamoDB may take days
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html>).

pub(crate) mod change;
pub(crate) mod history;
mod lineage;
pub(in crate::items) mod pages;
mod subject;
mod written;
pub(in crate::items) mod types;
pub(in crate::items) mod version;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

use evercount_core::chunk::{ACTIONS_MAX, BYTES_MAX};
use evercount_core::order::Micros;
use evercount_core::registration::{Registration, WATCH_STATE_BYTES_MAX};
use evercount_core::schema_change::{SchemaChangeEvent, Subject};
use evercount_core::value::Item;

use super::fields::{Fields, signed, time_value};
use super::ledger::seconds_rounded_up;
use super::size::size_bytes;
use super::tables::table_in_key;
use super::{ItemError, ItemKey};

pub use change::change_sentence;
pub use history::{
    HELD_PREFIX, HISTORY_PREFIX, OUTBOX_PK, event_summary, held_from_item, history_from_items, history_key,
    outbox_key, outbox_target,
};
pub use lineage::{
    CONSUMER_PREFIX, PRODUCER_PREFIX, ProducerItem, SERVICES_PK, WATCH_PREFIX, consumer_from_item,
    consumer_item, consumer_key, producer_from_item, producer_item, producer_key, service_from_item,
    service_item, sketch_from_item, sketch_item, sketch_range, watch_from_item, watch_item, watch_key,
};
pub use pages::part_keys;
pub use subject::{
    SUBJECTS_PK, subject_entry_from_item, subject_entry_item, subject_from_item, subject_item, subject_key,
};
pub use version::{
    VERSION_PREFIX, version_detail_key, version_from_items, version_head_from_item, version_key,
};
pub use written::{written_from_item, written_item, written_key};

/// The attribute by which DynamoDB deletes an item, seconds since the epoch.
pub const EXPIRES: &str = "expires";
/// The same time in full, as readers judge it.
pub const EXPIRES_AT: &str = "expires_at";

/// The partition key of everything of a subject.
#[must_use]
pub fn subject_pk(subject: &Subject) -> String {
    format!("subject#{}", table_in_key(subject))
}

fn put_expiry(item: &mut Item, expires_at: Option<Micros>) {
    item.extend(expires_at.map(expiry).into_iter().flatten());
}

/// The attributes that let an item be forgotten.
#[must_use]
pub fn expiry(at: Micros) -> [(String, evercount_core::value::Value); 2] {
    [(EXPIRES.to_owned(), signed(seconds_rounded_up(at))), (EXPIRES_AT.to_owned(), time_value(at))]
}

fn read_expiry(fields: Fields<'_>) -> Result<Option<Micros>, ItemError> {
    fields.time_if_any(EXPIRES_AT)
}

/// Why a registration cannot be stored.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RegistrationError {
    /// A watch is too long.
    #[error("a watch of {0} bytes, which is more than the {WATCH_STATE_BYTES_MAX} of one item")]
    Watch(usize),
    /// A single field or change is larger than an item.
    #[error("an item of {0} bytes, which is more than DynamoDB stores")]
    Item(usize),
    /// Too many items for one transaction.
    #[error("{0} items in one registration, which is more than one transaction writes")]
    Actions(usize),
    /// Too many bytes for one transaction.
    #[error("{0} bytes in one registration, which is more than one transaction writes")]
    Bytes(usize),
    /// It would let the current version be forgotten.
    #[error("version {0} is replaced and current at once")]
    Current(u32),
}

/// An event's items.
#[derive(Clone, PartialEq, Debug)]
pub struct EventItems {
    /// Its first item's key in the history.
    pub key: ItemKey,
    /// Its items in the history, the first of which names the others.
    pub history: Vec<Item>,
    /// The outbox's pointer to it.
    pub outbox: Item,
}

/// The items that a registration puts, watch and state aside.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RegistrationItems {
    /// Each new version's head, which must not exist, and the rest of its items.
    pub versions: Vec<(Item, Vec<Item>)>,
    /// Events.
    pub events: Vec<EventItems>,
    /// Changes that made no version.
    pub held: Vec<Item>,
    /// Versions stored earlier that may be forgotten, and when. Each has a head, a detail, and
    /// the parts that the detail names.
    pub replaced: Vec<(u32, Micros)>,
}

/// The items of an event.
#[must_use]
pub fn event_items(event: &SchemaChangeEvent, recorded_at: Micros) -> EventItems {
    EventItems {
        key: history_key(event),
        history: history::history_items(event, recorded_at),
        outbox: history::outbox_item(event, recorded_at),
    }
}

/// The items that a registration puts.
///
/// # Errors
/// [`RegistrationError`] where they do not fit one transaction.
pub fn registration_items(registration: &Registration) -> Result<RegistrationItems, RegistrationError> {
    if let Some(bytes) = registration.watch.as_ref().map(|write| write.to.state.len())
        && bytes > WATCH_STATE_BYTES_MAX
    {
        return Err(RegistrationError::Watch(bytes));
    }
    let current = registration.state.as_ref().and_then(|write| write.to.current).map(|id| id.version);
    if let Some(current) = current.filter(|current| registration.replaced.contains_key(current)) {
        return Err(RegistrationError::Current(current));
    }
    let versions = registration.versions.iter().map(|version| {
        let expires_at = registration.replaced.get(&version.id.version).copied();
        let mut items = version::version_items(version, expires_at);
        let details = items.split_off(1);
        (items.pop().unwrap_or_default(), details)
    });
    let is_new = |number: u32| registration.versions.iter().any(|version| version.id.version == number);
    let retention = registration.state.as_ref().map(|write| write.to.policy.retention);
    let held_until = retention.map(|retention| registration.at.saturating_add(retention));
    let items = RegistrationItems {
        versions: versions.collect(),
        events: registration.events.iter().map(|event| event_items(event, registration.at)).collect(),
        held: registration.held.iter().map(|held| history::held_item(held, held_until)).collect(),
        replaced: registration
            .replaced
            .iter()
            .filter(|(number, _)| !is_new(**number))
            .map(|(number, at)| (*number, *at))
            .collect(),
    };
    check(registration, &items)?;
    Ok(items)
}

fn check(registration: &Registration, items: &RegistrationItems) -> Result<(), RegistrationError> {
    let state = registration.state.as_ref().map(|write| subject_item(&write.to));
    // A subject that is new is entered in the list of subjects too.
    let entry = registration.state.as_ref().is_some_and(|write| write.from.is_none());
    let versions = items.versions.iter().flat_map(|(head, details)| [head].into_iter().chain(details));
    let events = items.events.iter().flat_map(|event| event.history.iter().chain([&event.outbox]));
    let all: Vec<&Item> = versions.chain(events).chain(&items.held).chain(&state).collect();
    let largest = all.iter().map(|item| size_bytes(item)).max().unwrap_or(0);
    if largest > super::ITEM_BYTES_MAX {
        return Err(RegistrationError::Item(largest));
    }
    let watch = usize::from(registration.watch.is_some());
    let actions = all.len() + usize::from(entry) + watch + items.replaced.len() * 2;
    if actions > ACTIONS_MAX {
        return Err(RegistrationError::Actions(actions));
    }
    let of_watch = registration.watch.as_ref().map_or(0, |write| write.to.state.len());
    let bytes = all.iter().map(|item| size_bytes(item)).sum::<usize>() + of_watch;
    if bytes > BYTES_MAX { Err(RegistrationError::Bytes(bytes)) } else { Ok(()) }
}

/// Checks that a registration fits one transaction.
///
/// # Errors
/// [`RegistrationError`].
pub fn check_registration(registration: &Registration) -> Result<(), RegistrationError> {
    registration_items(registration).map(|_| ())
}
