//! The catalog store: logic versions, adopted shapes and the catalog's revision; adjustments,
//! their trail and policies; cuts.

mod edit;

use std::time::Duration;

use evercount_core::adoption::{Adjustment, PolicyBook, TrailEntry};
use evercount_core::change::TableName;
use evercount_core::definition::DefinitionName;
use evercount_core::logic::{AdoptedShape, Catalog, LogicId, LogicState, LogicVersion};
use evercount_core::order::Micros;
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{CatalogEdit, CatalogStore, Cut, StoreError};
use evercount_wire::items::{
    CutItem, ItemError, PLANS_PK, adjustment_pk, adjustments_from_items, adopted_from_item, catalog_revision,
    cut_from_items, cut_items, cut_part_keys, cut_pk, cut_sk, is_edited, logic_key, logic_pk,
    logic_version_from_item, plan_entry_from_item, policies_from_item, policies_item, policies_key,
    revision_key, trail_from_item, trail_pk,
};

use super::DynamoStore;
use super::commit::{deletes, puts};
use super::edit::Condition;
use super::failure::unreadable;

/// Attempts to retire a version that somebody else keeps changing.
const RETIRE_ATTEMPTS_MAX: u32 = 10;
/// Attempts to read what somebody else is writing at this moment.
const READ_ATTEMPTS_MAX: u32 = 5;
/// Pause between two of them, times the attempts so far: a transaction takes milliseconds.
const READ_PAUSE: Duration = Duration::from_millis(20);

impl DynamoStore {
    async fn revision(&self) -> Result<u64, StoreError> {
        let item = self.get(&self.tables.metadata, &revision_key()).await?;
        item.map_or(Ok(0), |item| catalog_revision(&item).map_err(unreadable))
    }

    /// The catalog's items as of one revision. Reads of many items may meet an edit halfway, so
    /// the revision has to be the same before and after, and what its edit wrote has to be there.
    async fn catalog_items(&self, mut revision: u64) -> Result<(u64, Vec<Item>), StoreError> {
        for attempt in 1..=READ_ATTEMPTS_MAX {
            let items = self.query(&self.tables.metadata, &revision_key().pk, "").await?;
            let after = self.revision().await?;
            let is_last = attempt == READ_ATTEMPTS_MAX;
            if after == revision && (is_edited(&items).map_err(unreadable)? || is_last) {
                // Where the last edit never arrives, a release that notes nothing wrote since.
                return Ok((revision, items));
            }
            revision = after;
            tokio::time::sleep(READ_PAUSE * attempt).await;
        }
        Err(StoreError::Unavailable("the catalog keeps changing".to_owned()))
    }

    /// A version with the text it is stored as, which a write can be made conditional on.
    async fn stored_version(&self, id: &LogicId) -> Result<Option<(LogicVersion, Value)>, StoreError> {
        let Some(mut item) = self.get(&self.tables.metadata, &logic_key(id)).await? else { return Ok(None) };
        let version = logic_version_from_item(&item).map_err(unreadable)?;
        Ok(version.zip(item.remove("logic")))
    }

    async fn retire(&self, id: &LogicId) -> Result<bool, StoreError> {
        for _ in 0..RETIRE_ATTEMPTS_MAX {
            let Some((version, text)) = self.stored_version(id).await? else { return Ok(false) };
            if version.state == LogicState::Retired {
                return Ok(false);
            }
            let epoch = version.epoch.saturating_add(1);
            let retired = LogicVersion { state: LogicState::Retired, epoch, ..version };
            match self.write_versions(&[(&retired, Condition::Equals("logic", text))]).await {
                Ok(()) => return Ok(true),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    /// The adjustments of one definition, in the order of their keys.
    async fn adjustments_of(&self, definition: &DefinitionName) -> Result<Vec<Adjustment>, StoreError> {
        let mut attempt = 1;
        loop {
            let items = self.query(&self.tables.metadata, &adjustment_pk(definition), "").await?;
            match adjustments_from_items(&items) {
                Err(ItemError::MissingPart { .. }) if attempt < READ_ATTEMPTS_MAX => {
                    tokio::time::sleep(READ_PAUSE * attempt).await;
                    attempt += 1;
                }
                read => return read.map_err(unreadable),
            }
        }
    }
}

fn versions_of(items: &[Item]) -> Result<Vec<LogicVersion>, StoreError> {
    let versions = items.iter().map(logic_version_from_item).filter_map(Result::transpose);
    let mut versions = versions.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    versions.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(versions)
}

fn adopted_of(items: &[Item]) -> Result<Vec<(TableName, AdoptedShape)>, StoreError> {
    let adopted = items.iter().map(adopted_from_item).filter_map(Result::transpose);
    adopted.collect::<Result<_, _>>().map_err(unreadable)
}

impl CatalogStore for DynamoStore {
    async fn catalog(&self, known: Option<u64>) -> Result<Option<Catalog>, StoreError> {
        let revision = self.revision().await?;
        if known == Some(revision) {
            return Ok(None);
        }
        let (revision, items) = self.catalog_items(revision).await?;
        Ok(Some(Catalog::new(revision, versions_of(&items)?, adopted_of(&items)?)))
    }

    async fn versions(&self) -> Result<Vec<LogicVersion>, StoreError> {
        versions_of(&self.query(&self.tables.metadata, &revision_key().pk, "").await?)
    }

    async fn edit_catalog(&self, edit: &CatalogEdit) -> Result<(), StoreError> {
        self.execute_edit(edit).await
    }

    async fn adjustments(&self, definition: Option<&DefinitionName>) -> Result<Vec<Adjustment>, StoreError> {
        let mut found = match definition {
            Some(definition) => self.adjustments_of(definition).await?,
            None => {
                let entries = self.query(&self.tables.metadata, PLANS_PK, "").await?;
                let definitions: Result<std::collections::BTreeSet<_>, _> =
                    entries.iter().map(plan_entry_from_item).collect();
                let mut found = Vec::new();
                for definition in definitions.map_err(unreadable)? {
                    found.extend(self.adjustments_of(&definition).await?);
                }
                found
            }
        };
        found.sort_by(|a, b| (a.created_at, &a.plan.id).cmp(&(b.created_at, &b.plan.id)));
        Ok(found)
    }

    async fn trail(&self, definition: &DefinitionName) -> Result<Vec<TrailEntry>, StoreError> {
        let items = self.query(&self.tables.metadata, &trail_pk(definition), "").await?;
        let entries: Result<Vec<TrailEntry>, _> = items.iter().map(trail_from_item).collect();
        let mut entries = entries.map_err(unreadable)?;
        // Keys sort as times do, but for times that the calendar does not reach.
        entries.sort_by_key(|entry| entry.at);
        Ok(entries)
    }

    async fn policy_book(&self) -> Result<PolicyBook, StoreError> {
        let item = self.get(&self.tables.metadata, &policies_key()).await?;
        item.map_or_else(|| Ok(PolicyBook::default()), |item| policies_from_item(&item).map_err(unreadable))
    }

    async fn set_policy_book(&self, book: &PolicyBook) -> Result<(), StoreError> {
        self.put(&self.tables.metadata, &policies_item(book)).await
    }

    async fn put_cut(&self, cut: &Cut) -> Result<(), StoreError> {
        let Cut { logic, at, lanes, cells } = cut.clone();
        let (item, parts) = cut_items(&CutItem { logic, at, lanes, cells });
        // Parts first: a part without its cut is litter, a cut without its parts would be a loss.
        self.batch_write(&self.tables.metadata, puts(&parts)?).await?;
        self.put(&self.tables.metadata, &item).await
    }

    async fn cut_at(&self, logic: &LogicId, at: Micros) -> Result<Option<Cut>, StoreError> {
        let last = self.query_last(&self.tables.metadata, &cut_pk(logic), &cut_sk(at)).await?;
        let Some(item) = last else { return Ok(None) };
        let keys: Vec<Item> =
            cut_part_keys(&item).map_err(unreadable)?.iter().map(|key| key.item()).collect();
        let parts = self.batch_get(&self.tables.metadata, &keys, true).await?;
        let CutItem { logic, at, lanes, cells } = cut_from_items(&item, &parts).map_err(unreadable)?;
        Ok(Some(Cut { logic, at, lanes, cells }))
    }

    async fn delete_cells(&self, logic: &LogicId) -> Result<(), StoreError> {
        let items: Vec<Item> = self.query(&self.tables.counts, &logic_pk(logic), "").await?;
        self.batch_write(&self.tables.counts, deletes(&items)?).await.map(|_| ())
    }

    async fn delete_definition(&self, name: &DefinitionName) -> Result<bool, StoreError> {
        let versions = self.versions().await?;
        let ids: Vec<&LogicId> =
            versions.iter().map(|version| &version.id).filter(|id| id.definition == *name).collect();
        let mut found = false;
        for id in &ids {
            found |= self.retire(id).await?;
        }
        // All are retired before the first counter goes, so that a crash in between leaves a
        // definition that nobody reads; deleting again removes the rest.
        for id in ids {
            self.delete_cells(id).await?;
        }
        self.delete_cells(&LogicId::doubt_of(name)).await?;
        Ok(found)
    }
}
