//! The registry store: subjects, versions and what happened to them. Every read is of one item,
//! of a batch of items, or of a partition; nothing scans.

mod lineage;
mod register;
mod services;

use std::collections::BTreeMap;
use std::ops::Range;

use evercount_core::decimal::Decimal;
use evercount_core::evolution::HeldChange;
use evercount_core::lane::LaneId;
use evercount_core::lineage::{Consumer, Lineage, WindowSketch};
use evercount_core::migration::written::Written;
use evercount_core::order::Micros;
use evercount_core::registration::{Lookup, Recorded, Registration, StoredWatch, VersionHead};
use evercount_core::registry::SubjectState;
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{Cost, ProducersSeen, RegistryStore, StoreError};
use evercount_wire::items::{
    HELD_PREFIX, HISTORY_PREFIX, ITEM_BYTES_MAX, ItemError, ItemKey, OUTBOX_PK, PK, SUBJECTS_PK,
    VERSION_PREFIX, WATCH_PREFIX, held_from_item, history_from_items, outbox_key, outbox_target, part_keys,
    size_bytes, subject_entry_from_item, subject_entry_item, subject_from_item, subject_item, subject_key,
    subject_pk, version_detail_key, version_from_items, version_head_from_item, version_key, watch_from_item,
    watch_key, written_from_item, written_item, written_key,
};

use super::DynamoStore;
use super::commit::{deletes, put, update};
use super::edit::{Condition, Edit};
use super::failure::unreadable;

pub use services::DynamoServices;

/// Attributes that a subject's state may lack.
const OPTIONAL: [&str; 2] = ["current", "position"];

fn revision(revision: u64) -> Value {
    Value::Number(Decimal::from_digits(false, &revision.to_string(), 0).unwrap_or_else(|_| Decimal::zero()))
}

/// That an item is as it was read: of this revision, or not there.
fn as_read(from: Option<u64>) -> Condition {
    from.map_or(Condition::Absent(PK), |known| Condition::Equals("revision", revision(known)))
}

fn read_all<T>(items: &[Item], read: impl Fn(&Item) -> Result<T, ItemError>) -> Result<Vec<T>, StoreError> {
    items.iter().map(read).collect::<Result<_, _>>().map_err(unreadable)
}

impl DynamoStore {
    fn state_edit(&self, from: Option<u64>, to: &SubjectState) -> Edit {
        Edit::of(&self.tables.metadata, subject_key(&to.subject))
            .set_all(subject_item(to))
            .remove_unset(&OPTIONAL)
            .only_if(as_read(from))
    }

    /// Items of the metadata table by key, read consistently; those that do not exist are left
    /// out.
    async fn metadata(&self, keys: &[ItemKey]) -> Result<Vec<Item>, StoreError> {
        let keys: Vec<Item> = keys.iter().map(ItemKey::item).collect();
        self.batch_get(&self.tables.metadata, &keys, true).await
    }

    async fn of_subject(&self, subject: &Subject, prefix: &str) -> Result<Vec<Item>, StoreError> {
        self.query(&self.tables.metadata, &subject_pk(subject), prefix).await
    }

    /// The parts that items name.
    async fn parts_of(&self, items: &[Item]) -> Result<Vec<Item>, StoreError> {
        let keys: Vec<ItemKey> = read_all(items, part_keys)?.into_iter().flatten().collect();
        if keys.is_empty() { Ok(Vec::new()) } else { self.metadata(&keys).await }
    }
}

/// The item of a key among items that were read.
fn find<'a>(items: &'a [Item], key: &ItemKey) -> Option<&'a Item> {
    let key = key.item();
    items.iter().find(|item| key.iter().all(|(name, value)| item.get(name) == Some(value)))
}

impl RegistryStore for DynamoStore {
    async fn subjects(&self) -> Result<Vec<SubjectState>, StoreError> {
        let entries = self.query(&self.tables.metadata, SUBJECTS_PK, "").await?;
        let subjects = read_all(&entries, subject_entry_from_item)?;
        let keys: Vec<ItemKey> = subjects.iter().map(subject_key).collect();
        let mut states = read_all(&self.metadata(&keys).await?, subject_from_item)?;
        states.sort_by(|a, b| a.subject.cmp(&b.subject));
        Ok(states)
    }

    async fn subject(&self, subject: &Subject) -> Result<Option<SubjectState>, StoreError> {
        let item = self.get(&self.tables.metadata, &subject_key(subject)).await?;
        item.map(|item| subject_from_item(&item).map_err(unreadable)).transpose()
    }

    async fn update_subject(&self, from: Option<&SubjectState>, to: &SubjectState) -> Result<(), StoreError> {
        let edit = self.state_edit(from.map(|state| state.revision), to);
        if from.is_some() {
            return self.edit(&edit).await.map(|_| ());
        }
        let entry = put(&self.tables.metadata, &subject_entry_item(&to.subject), None)?;
        self.transact(vec![update(&edit)?, entry]).await.map(|_| ())
    }

    async fn schema_versions(&self, subject: &Subject) -> Result<Vec<VersionHead>, StoreError> {
        let items = self.of_subject(subject, VERSION_PREFIX).await?;
        let mut heads = read_all(&items, version_head_from_item)?;
        // Beyond 9,999 versions sort keys no longer sort as numbers do.
        heads.sort_by_key(|head| head.id.version);
        Ok(heads)
    }

    async fn schema_version(
        &self,
        subject: &Subject,
        number: u32,
        now: Micros,
    ) -> Result<Lookup, StoreError> {
        let (head_key, detail_key) = (version_key(subject, number), version_detail_key(subject, number));
        let items = self.metadata(&[head_key.clone(), detail_key.clone()]).await?;
        let Some(head) = find(&items, &head_key) else {
            let newest = self.subject(subject).await?.and_then(|state| state.current);
            return Ok(Lookup::missing(number, newest));
        };
        let known = version_head_from_item(head).map_err(unreadable)?;
        if known.is_expired(now) {
            return Ok(Lookup::Expired { version: number, at: known.expires_at });
        }
        let detail = find(&items, &detail_key).ok_or(ItemError::MissingPart { part: 0 });
        let detail = detail.map_err(unreadable)?;
        let parts = self.parts_of(std::slice::from_ref(detail)).await?;
        let version = version_from_items(head, detail, &parts).map_err(unreadable)?;
        Ok(Lookup::Found(Box::new(version)))
    }

    async fn written(&self, subject: &Subject) -> Result<Written, StoreError> {
        let item = self.get(&self.tables.metadata, &written_key(subject)).await?;
        item.map_or_else(|| Ok(Written::default()), |item| written_from_item(&item).map_err(unreadable))
    }

    async fn replace_written(&self, subject: &Subject, from: u64, to: &Written) -> Result<(), StoreError> {
        let item = written_item(subject, to);
        if size_bytes(&item) > ITEM_BYTES_MAX {
            let detail = format!("the migrations of `{subject}` are more than one item holds");
            return Err(StoreError::Rejected(detail));
        }
        let edit = Edit::of(&self.tables.metadata, written_key(subject)).set_all(item);
        self.edit(&edit.only_if(as_read((from > 0).then_some(from)))).await.map(|_| ())
    }

    async fn watch(&self, subject: &Subject, lane: &LaneId) -> Result<Option<StoredWatch>, StoreError> {
        let item = self.get(&self.tables.metadata, &watch_key(subject, lane)).await?;
        let read = |item: Item| watch_from_item(&item).map(|(_, watch)| watch).map_err(unreadable);
        item.map(read).transpose()
    }

    async fn watches(&self, subject: &Subject) -> Result<BTreeMap<LaneId, StoredWatch>, StoreError> {
        let items = self.of_subject(subject, WATCH_PREFIX).await?;
        Ok(read_all(&items, watch_from_item)?.into_iter().collect())
    }

    async fn register(&self, registration: &Registration) -> Result<Cost, StoreError> {
        self.execute_registration(registration).await
    }

    async fn history(&self, subject: &Subject) -> Result<Vec<Recorded>, StoreError> {
        let items = self.of_subject(subject, HISTORY_PREFIX).await?;
        let mut history = history_from_items(&items).map_err(unreadable)?;
        history.sort_by_cached_key(Recorded::chronology);
        Ok(history)
    }

    async fn held(&self, subject: &Subject) -> Result<Vec<HeldChange>, StoreError> {
        let mut held = read_all(&self.of_subject(subject, HELD_PREFIX).await?, held_from_item)?;
        held.sort_by_cached_key(|one| (one.at, one.id()));
        Ok(held)
    }

    async fn unpublished(&self) -> Result<Vec<Recorded>, StoreError> {
        let pointers = self.query(&self.tables.metadata, OUTBOX_PK, "").await?;
        let keys = read_all(&pointers, outbox_target)?;
        let mut items = self.metadata(&keys).await?;
        let parts = self.parts_of(&items).await?;
        items.extend(parts);
        let mut waiting = history_from_items(&items).map_err(unreadable)?;
        waiting.sort_by_cached_key(Recorded::order);
        Ok(waiting)
    }

    async fn published(&self, event_id: &str) -> Result<(), StoreError> {
        let gone = deletes(&[outbox_key(event_id).item()])?;
        self.batch_write(&self.tables.metadata, gone).await.map(|_| ())
    }

    async fn touch_producers(&self, seen: &[ProducersSeen]) -> Result<(), StoreError> {
        self.add_producers(seen).await
    }

    async fn acknowledge(&self, subject: &Subject, consumer: &Consumer) -> Result<(), StoreError> {
        self.merge_consumer(subject, consumer).await
    }

    async fn lineage(&self, subject: &Subject) -> Result<Lineage, StoreError> {
        self.read_lineage(subject).await
    }

    async fn put_sketches(&self, sketches: &[WindowSketch]) -> Result<(), StoreError> {
        self.write_sketches(sketches).await
    }

    async fn sketches(
        &self,
        subject: &Subject,
        path: &FieldPath,
        window: Range<Micros>,
        now: Micros,
    ) -> Result<Vec<WindowSketch>, StoreError> {
        self.read_sketches(subject, path, window, now).await
    }
}
