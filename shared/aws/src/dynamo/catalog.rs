//! The catalog store: logic versions and the catalog's revision.

use evercount_core::decimal::Decimal;
use evercount_core::definition::DefinitionName;
use evercount_core::logic::{Catalog, LogicId, LogicState, LogicVersion};
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{CatalogStore, StoreError};
use evercount_wire::items::{
    FORMAT, PK, catalog_revision, logic_item, logic_key, logic_pk, logic_version_from_item, revision_key,
};

use super::DynamoStore;
use super::commit::{deletes, update};
use super::edit::{Condition, Edit};
use super::failure::unreadable;

/// Attempts to retire a version that somebody else keeps changing.
const RETIRE_ATTEMPTS_MAX: u32 = 10;

impl DynamoStore {
    async fn revision(&self) -> Result<u64, StoreError> {
        let item = self.get(&self.tables.metadata, &revision_key()).await?;
        item.map_or(Ok(0), |item| catalog_revision(&item).map_err(unreadable))
    }

    /// Writes a version and raises the revision, together.
    async fn write_version(&self, version: &LogicVersion, condition: Condition) -> Result<(), StoreError> {
        let of_version = Edit::of(&self.tables.metadata, logic_key(&version.id))
            .set_all(logic_item(version))
            .remove_unset(&["where"])
            .only_if(condition);
        let of_revision = Edit::of(&self.tables.metadata, revision_key())
            .set("entity", Value::String("catalog revision".to_owned()))
            .set("format", FORMAT.to_string().parse().map_or(Value::Null, Value::Number))
            .add("revision", Value::Number(Decimal::from(1)));
        self.transact(vec![update(&of_version)?, update(&of_revision)?]).await.map(|_| ())
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
            let retired = LogicVersion { state: LogicState::Retired, ..version };
            match self.write_version(&retired, Condition::Equals("logic", text)).await {
                Ok(()) => return Ok(true),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    async fn delete_counters(&self, id: &LogicId) -> Result<(), StoreError> {
        let items: Vec<Item> = self.query(&self.tables.counts, &logic_pk(id), "").await?;
        self.batch_write(&self.tables.counts, deletes(&items)?).await.map(|_| ())
    }
}

impl CatalogStore for DynamoStore {
    async fn catalog(&self, known: Option<u64>) -> Result<Option<Catalog>, StoreError> {
        // The revision is read before the versions: versions newer than it are loaded once more
        // at the next look, and do no harm.
        let revision = self.revision().await?;
        if known == Some(revision) {
            return Ok(None);
        }
        Ok(Some(Catalog::new(revision, self.versions().await?)))
    }

    async fn versions(&self) -> Result<Vec<LogicVersion>, StoreError> {
        let items = self.query(&self.tables.metadata, &revision_key().pk, "").await?;
        let versions = items.iter().map(logic_version_from_item).filter_map(Result::transpose);
        let mut versions = versions.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        versions.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(versions)
    }

    async fn create_version(&self, version: &LogicVersion) -> Result<(), StoreError> {
        self.write_version(version, Condition::Absent(PK)).await
    }

    async fn update_version(&self, from: &LogicVersion, to: &LogicVersion) -> Result<(), StoreError> {
        // Compared as values, and then conditional on the text: an older release may have
        // written the same version in other words.
        match self.stored_version(&from.id).await? {
            Some((stored, text)) if stored == *from => {
                self.write_version(to, Condition::Equals("logic", text)).await
            }
            _ => Err(StoreError::Conflict),
        }
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
            self.delete_counters(id).await?;
        }
        Ok(found)
    }
}
