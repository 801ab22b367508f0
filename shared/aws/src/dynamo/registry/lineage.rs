//! Owns how lineage and sketches are written in batches and read back.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use evercount_core::lineage::{Consumer, Lineage, WindowSketch};
use evercount_core::order::Micros;
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{ProducersSeen, StoreError};
use evercount_wire::items::{
    CONSUMER_PREFIX, ItemKey, PK, PRODUCER_PREFIX, ProducerItem, SK, consumer_from_item, consumer_item,
    consumer_key, producer_from_item, producer_item, producer_key, sketch_from_item, sketch_item,
    sketch_range,
};

use super::super::DynamoStore;
use super::super::commit::puts;
use super::super::edit::{Condition, Edit};
use super::super::failure::unreadable;
use super::read_all;

/// Attempts to change a consumer that others are changing: a consumer is seldom two processes.
const ATTEMPTS_MAX: u32 = 10;

impl DynamoStore {
    pub(super) async fn add_producers(&self, seen: &[ProducersSeen]) -> Result<(), StoreError> {
        let keys: BTreeSet<ItemKey> = seen
            .iter()
            .flat_map(|told| told.producers.keys().map(|by| producer_key(&told.subject, by, &told.lane)))
            .collect();
        let keys: Vec<ItemKey> = keys.into_iter().collect();
        let mut known: BTreeMap<ItemKey, ProducerItem> = BTreeMap::new();
        for producer in read_all(&self.metadata(&keys).await?, producer_from_item)? {
            known.insert(producer_key(&producer.subject, &producer.id, &producer.lane), producer);
        }
        let mut changed: BTreeMap<ItemKey, Item> = BTreeMap::new();
        for told in seen {
            for (by, seen) in &told.producers {
                let key = producer_key(&told.subject, by, &told.lane);
                let seen = match known.get(&key) {
                    Some(stored) if stored.through >= told.through => continue,
                    Some(stored) => stored.seen.and(*seen),
                    None => *seen,
                };
                let producer = ProducerItem {
                    subject: told.subject.clone(),
                    id: by.clone(),
                    lane: told.lane.clone(),
                    through: told.through.clone(),
                    seen,
                };
                changed.insert(key.clone(), producer_item(&producer));
                known.insert(key, producer);
            }
        }
        let items: Vec<Item> = changed.into_values().collect();
        self.batch_write(&self.tables.metadata, puts(&items)?).await.map(|_| ())
    }

    /// Merges an acknowledgement with what is known, by comparing and writing.
    pub(super) async fn merge_consumer(
        &self,
        subject: &Subject,
        consumer: &Consumer,
    ) -> Result<(), StoreError> {
        let key = consumer_key(subject, &consumer.name);
        for _ in 0..ATTEMPTS_MAX {
            let stored = self.get(&self.tables.metadata, &key).await?;
            let (merged, revision, condition) = match &stored {
                Some(item) => {
                    let known = consumer_from_item(item).map_err(unreadable)?;
                    let merged = known.clone().and(consumer.clone());
                    if merged == known {
                        return Ok(());
                    }
                    let revision = item.get("revision").cloned().unwrap_or(Value::Null);
                    (merged, number_of(&revision) + 1, Condition::Equals("revision", revision))
                }
                None => (consumer.clone(), 1, Condition::Absent(PK)),
            };
            let edit = Edit::of(&self.tables.metadata, key.clone())
                .set_all(consumer_item(subject, &merged, revision))
                .remove_unset(&["applied"])
                .only_if(condition);
            match self.edit(&edit).await {
                Err(StoreError::Conflict) => {}
                done => return done.map(|_| ()),
            }
        }
        Err(StoreError::Unavailable(format!("consumer `{}` keeps changing", consumer.name)))
    }

    pub(super) async fn read_lineage(&self, subject: &Subject) -> Result<Lineage, StoreError> {
        let mut lineage = Lineage::default();
        for producer in read_all(&self.of_subject(subject, PRODUCER_PREFIX).await?, producer_from_item)? {
            lineage.produced(producer.id, producer.seen);
        }
        for consumer in read_all(&self.of_subject(subject, CONSUMER_PREFIX).await?, consumer_from_item)? {
            lineage.consumed(consumer);
        }
        Ok(lineage)
    }

    pub(super) async fn write_sketches(&self, sketches: &[WindowSketch]) -> Result<(), StoreError> {
        // One batch takes each key once; what comes later stands.
        let mut by_key: BTreeMap<(Option<Value>, Option<Value>), Item> = BTreeMap::new();
        for item in sketches.iter().map(sketch_item) {
            by_key.insert((item.get(PK).cloned(), item.get(SK).cloned()), item);
        }
        let items: Vec<Item> = by_key.into_values().collect();
        self.batch_write(&self.tables.metadata, puts(&items)?).await.map(|_| ())
    }

    pub(super) async fn read_sketches(
        &self,
        subject: &Subject,
        path: &FieldPath,
        window: Range<Micros>,
        now: Micros,
    ) -> Result<Vec<WindowSketch>, StoreError> {
        if window.is_empty() {
            return Ok(Vec::new());
        }
        let (pk, first, last) = sketch_range(subject, path, &window);
        let items = self.query_between(&self.tables.metadata, &pk, &first, &last).await?;
        let mut sketches = read_all(&items, sketch_from_item)?;
        sketches.retain(|one| one.path == *path && window.contains(&one.start) && one.expires_at > now);
        sketches.sort_by(|a, b| (a.start, a.length, &a.lane).cmp(&(b.start, b.length, &b.lane)));
        Ok(sketches)
    }
}

fn number_of(value: &Value) -> u64 {
    match value {
        Value::Number(number) => number.to_string().parse().unwrap_or(0),
        _ => 0,
    }
}
