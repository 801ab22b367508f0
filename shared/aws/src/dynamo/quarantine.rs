//! The quarantine store: records put aside, with their raw bytes put together again.

use evercount_core::chunk::Quarantined;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{QuarantineStore, StoreError};
use evercount_wire::items::{
    ENTITY_QUARANTINED, ItemKey, PK, SK, part_prefix, quarantine_key, quarantined_from_items,
    quarantined_items, raw_parts,
};

use super::DynamoStore;
use super::commit::puts;
use super::failure::unreadable;

impl DynamoStore {
    async fn whole(&self, item: &Item) -> Result<Quarantined, StoreError> {
        let mut parts = Vec::new();
        if raw_parts(item).map_err(unreadable)? > 0
            && let (Some(Value::String(pk)), Some(Value::String(sk))) = (item.get(PK), item.get(SK))
        {
            let key = ItemKey { pk: pk.clone(), sk: sk.clone() };
            parts = self.query(&self.tables.metadata, pk, &part_prefix(&key)).await?;
        }
        quarantined_from_items(item, &parts).map_err(unreadable)
    }
}

impl QuarantineStore for DynamoStore {
    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreError> {
        let mut records = Vec::new();
        let mut start = None;
        loop {
            // A scan: it finds the records of lanes that are in no directory, too.
            let page = self.scan_page(&self.tables.metadata, "entity", ENTITY_QUARANTINED, start).await?;
            for item in &page.items {
                records.push(self.whole(item).await?);
            }
            start = page.last;
            if start.is_none() {
                break;
            }
        }
        records.sort_by(|a, b| (&a.lane, &a.sequence).cmp(&(&b.lane, &b.sequence)));
        Ok(records)
    }

    async fn quarantined_record(
        &self,
        lane: &LaneId,
        sequence: &SequenceNumber,
    ) -> Result<Option<Quarantined>, StoreError> {
        match self.get(&self.tables.metadata, &quarantine_key(lane, sequence)).await? {
            Some(item) => self.whole(&item).await.map(Some),
            None => Ok(None),
        }
    }

    async fn put_aside(&self, records: &[Quarantined]) -> Result<(), StoreError> {
        let stored: Vec<_> = records.iter().map(quarantined_items).collect();
        // The parts first: a record without them is not whole.
        let parts: Vec<Item> = stored.iter().flat_map(|one| one.parts.iter().cloned()).collect();
        let items: Vec<Item> = stored.into_iter().map(|one| one.item).collect();
        self.batch_write(&self.tables.metadata, puts(&parts)?).await?;
        self.batch_write(&self.tables.metadata, puts(&items)?).await.map(|_| ())
    }
}
