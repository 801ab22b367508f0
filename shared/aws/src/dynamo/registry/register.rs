//! Owns how a registration becomes one transaction.

use evercount_core::chunk::ACTIONS_MAX;
use evercount_core::registration::{Registration, WatchWrite};
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{Cost, StoreError};
use evercount_wire::items::{
    EventItems, ItemKey, PK, RegistrationItems, SK, expiry, registration_items, subject_entry_item,
    version_detail_key, version_key, watch_item, watch_key,
};

use super::super::DynamoStore;
use super::super::commit::{put, update};
use super::super::edit::Edit;
use super::{as_read, find};

impl DynamoStore {
    pub(super) async fn execute_registration(&self, registration: &Registration) -> Result<Cost, StoreError> {
        let refused =
            |error: evercount_wire::items::RegistrationError| StoreError::Rejected(error.to_string());
        let mut items = registration_items(registration).map_err(refused)?;
        let watch = registration.watch.as_ref().map(|write| self.watch_edit(&registration.subject, write));
        if let (Some(watch), true) = (&watch, writes_nothing_else(registration, &items)) {
            // Most batches show nothing new. Outside of a transaction the same conditional write
            // costs half.
            return self.edit(watch).await;
        }
        items.events = self.unknown(items.events).await?;
        let table = &self.tables.metadata;
        let mut actions = Vec::new();
        if let Some(watch) = &watch {
            actions.push(update(watch)?);
        }
        if let Some(write) = &registration.state {
            actions.push(update(&self.state_edit(write.from, &write.to))?);
            if write.from.is_none() {
                actions.push(put(table, &subject_entry_item(&registration.subject), None)?);
            }
        }
        for (head, details) in &items.versions {
            actions.push(put(table, head, Some(PK))?);
            for detail in details {
                actions.push(put(table, detail, None)?);
            }
        }
        for event in &items.events {
            for (at, item) in event.history.iter().enumerate() {
                // Somebody who enters the same event at this moment wins; the next attempt finds
                // it known.
                actions.push(put(table, item, (at == 0).then_some(PK))?);
            }
            actions.push(put(table, &event.outbox, None)?);
        }
        for held in &items.held {
            actions.push(put(table, held, None)?);
        }
        for edit in self.expiries(&registration.subject, &items.replaced).await? {
            actions.push(update(&edit)?);
        }
        match actions.len() {
            0 => Ok(Cost::default()),
            1..=ACTIONS_MAX => self.transact(actions).await,
            n => Err(StoreError::Rejected(format!("{n} actions in one transaction"))),
        }
    }

    fn watch_edit(&self, subject: &Subject, write: &WatchWrite) -> Edit {
        Edit::of(&self.tables.metadata, watch_key(subject, &write.lane))
            .set_all(watch_item(subject, &write.lane, &write.to))
            .only_if(as_read(write.from))
    }

    /// The events that no history holds yet: one that was published long ago must not be
    /// published again.
    async fn unknown(&self, events: Vec<EventItems>) -> Result<Vec<EventItems>, StoreError> {
        if events.is_empty() {
            return Ok(events);
        }
        let mut keys: Vec<ItemKey> = events.iter().map(|event| event.key.clone()).collect();
        keys.sort();
        keys.dedup();
        let known = self.metadata(&keys).await?;
        let mut entered: Vec<ItemKey> = Vec::new();
        let mut unknown = Vec::new();
        for event in events {
            if find(&known, &event.key).is_none() && !entered.contains(&event.key) {
                entered.push(event.key.clone());
                unknown.push(event);
            }
        }
        Ok(unknown)
    }

    /// Lets replaced versions be forgotten, with everything that is stored of them.
    async fn expiries(&self, subject: &Subject, replaced: &[(u32, i64)]) -> Result<Vec<Edit>, StoreError> {
        let mut edits = Vec::new();
        for (number, at) in replaced {
            let keys = [version_key(subject, *number), version_detail_key(subject, *number)];
            let mut items = self.metadata(&keys).await?;
            let parts = self.parts_of(&items).await?;
            items.extend(parts);
            edits.extend(
                items
                    .iter()
                    .filter_map(key_of)
                    .map(|key| Edit::of(&self.tables.metadata, key).set_all(expiry(*at).into())),
            );
        }
        Ok(edits)
    }
}

fn writes_nothing_else(registration: &Registration, items: &RegistrationItems) -> bool {
    let RegistrationItems { versions, events, held, replaced } = items;
    registration.state.is_none()
        && versions.is_empty()
        && events.is_empty()
        && held.is_empty()
        && replaced.is_empty()
}

fn key_of(item: &Item) -> Option<ItemKey> {
    let text = |name: &str| match item.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    Some(ItemKey { pk: text(PK)?, sk: text(SK)? })
}
