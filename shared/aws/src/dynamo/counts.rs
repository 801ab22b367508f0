//! The count store: lanes, ledger rows and cells.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evercount_core::change::{RowKey, TableName};
use evercount_core::chunk::Commit;
use evercount_core::counting::Cells;
use evercount_core::decimal::Decimal;
use evercount_core::lane::{LaneId, LaneState};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::LogicId;
use evercount_core::reading::sum_items;
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{Cost, CountStore, Page, StoreError};
use evercount_wire::items::{
    PK, checkpoint_from_item, checkpoint_key, counter_from_item, lane_directory_pk, lane_entry_from_item,
    lane_entry_item, lane_prefix, ledger_from_item, ledger_key, logic_pk,
};

use super::DynamoStore;
use super::edit::Edit;
use super::failure::unreadable;
use super::value::to_attribute;

impl CountStore for DynamoStore {
    async fn lane(&self, lane: &LaneId) -> Result<LaneState, StoreError> {
        let item = self.get(&self.tables.counts, &checkpoint_key(lane)).await?;
        item.map_or_else(|| Ok(LaneState::default()), |item| checkpoint_from_item(&item).map_err(unreadable))
    }

    async fn register_lane(&self, lane: &LaneId) -> Result<(), StoreError> {
        self.put(&self.tables.metadata, &lane_entry_item(lane)).await
    }

    async fn lanes(&self) -> Result<BTreeMap<LaneId, LaneState>, StoreError> {
        let entries = self.query(&self.tables.metadata, lane_directory_pk(), "").await?;
        let lanes: Vec<LaneId> =
            entries.iter().map(lane_entry_from_item).collect::<Result<_, _>>().map_err(unreadable)?;
        let keys: Vec<Item> = lanes.iter().map(|lane| checkpoint_key(lane).item()).collect();
        let mut states = HashMap::new();
        for item in self.batch_get(&self.tables.counts, &keys, true).await? {
            states.insert(item.get(PK).cloned(), checkpoint_from_item(&item).map_err(unreadable)?);
        }
        let with_state = |lane: LaneId| {
            let state = states.remove(&Some(Value::String(checkpoint_key(&lane).pk))).unwrap_or_default();
            (lane, state)
        };
        Ok(lanes.into_iter().map(with_state).collect())
    }

    async fn fence(&self, lane: &LaneId) -> Result<(), StoreError> {
        let one = Value::Number(Decimal::from(1));
        self.edit(&Edit::of(&self.tables.counts, checkpoint_key(lane)).add("fence", one)).await.map(|_| ())
    }

    async fn rows(&self, keys: &BTreeSet<RowKey>) -> Result<BTreeMap<RowKey, LedgerRow>, StoreError> {
        let pks: BTreeSet<String> = keys.iter().map(ledger_key).collect();
        let wanted: Vec<Item> =
            pks.into_iter().map(|pk| [(PK.to_owned(), Value::String(pk))].into()).collect();
        let mut rows = BTreeMap::new();
        for item in self.batch_get(&self.tables.ledger, &wanted, false).await? {
            let (key, row) = ledger_from_item(&item).map_err(unreadable)?;
            if !keys.contains(&key) {
                // Two long keys of one hash. Counting one row on the other's would be wrong; put
                // aside, it is merely uncertain.
                return Err(StoreError::Rejected("the ledger row of this key is another row's".to_owned()));
            }
            rows.insert(key, row);
        }
        Ok(rows)
    }

    async fn rows_of_table(
        &self,
        table: &TableName,
        after: Option<String>,
    ) -> Result<Page<LedgerRow>, StoreError> {
        let start = after.map(|pk| [(PK.to_owned(), to_attribute(&Value::String(pk)))].into());
        let page = self.scan_page(&self.tables.ledger, "table", table.as_str(), start).await?;
        let rows = page.items.iter().map(ledger_from_item).collect::<Result<_, _>>().map_err(unreadable)?;
        let next = page.last.and_then(|mut key| key.remove(PK)?.as_s().ok().cloned());
        Ok(Page { rows, next, read_units: page.read_units })
    }

    async fn cells_of_lane(&self, logic: &LogicId, lane: &LaneId) -> Result<Vec<(u32, Cells)>, StoreError> {
        let mut cells = Vec::new();
        for item in self.query(&self.tables.counts, &logic_pk(logic), &lane_prefix(lane)).await? {
            let counter = counter_from_item(&item).map_err(unreadable)?;
            cells.extend(
                counter
                    .filter(|counter| counter.lane == *lane)
                    .map(|counter| (counter.bucket, counter.cells)),
            );
        }
        Ok(cells)
    }

    async fn cells(&self, logic: &LogicId) -> Result<Cells, StoreError> {
        let items = self.query(&self.tables.counts, &logic_pk(logic), "").await?;
        let counters: Vec<_> =
            items.iter().map(counter_from_item).collect::<Result<_, _>>().map_err(unreadable)?;
        Ok(sum_items(counters.iter().flatten().map(|counter| &counter.cells)))
    }

    async fn commit(&self, commit: &Commit) -> Result<Cost, StoreError> {
        self.execute(commit).await
    }
}
