//! The store of functions: modules in parts, by their digest, and the list of their names; or what is kept
//! elsewhere.

use evercount_core::function::{FunctionEntry, FunctionId, FunctionName};
use evercount_core::value::Value;
use evercount_pipeline::functions::{check_digest, check_entry};
use evercount_pipeline::ports::{FunctionStore, StoreError};
use evercount_wire::function::{EntryError, to_json};
use evercount_wire::items::{
    FUNCTIONS_PK, function_from_item, function_item, function_key, module_from_items, module_items, module_pk,
};

use super::DynamoStore;
use super::commit::puts;
use super::edit::{Condition, Edit};
use super::failure::unreadable;

impl FunctionStore for DynamoStore {
    async fn module(&self, id: &FunctionId) -> Result<Option<Vec<u8>>, StoreError> {
        let parts = self.query(&self.tables.metadata, &module_pk(id), "").await?;
        let Some(module) = module_from_items(&parts).map_err(unreadable)? else {
            return match &self.functions {
                Some(elsewhere) => elsewhere.module(id).await,
                None => Ok(None),
            };
        };
        check_digest(id, &module)?;
        Ok(Some(module))
    }

    async fn functions(&self) -> Result<Vec<FunctionEntry>, StoreError> {
        if let Some(elsewhere) = &self.functions {
            return elsewhere.functions().await;
        }
        let items = self.query(&self.tables.metadata, FUNCTIONS_PK, "").await?;
        items.iter().map(|item| function_from_item(item).map_err(unreadable)).collect()
    }

    async fn put_function(
        &self,
        from: Option<&FunctionEntry>,
        to: &FunctionEntry,
        module: &[u8],
    ) -> Result<(), StoreError> {
        if let Some(elsewhere) = &self.functions {
            return elsewhere.put_function(from, to, module).await;
        }
        check_digest(&to.id, module)?;
        let key = function_key(&to.name);
        let stored = match self.get(&self.tables.metadata, &key).await? {
            Some(item) => Some(function_from_item(&item).map_err(unreadable)?),
            None => None,
        };
        check_entry(stored.as_ref(), from, to)?;
        // The module before its entry, so that a name never leads to nothing.
        self.batch_write(&self.tables.metadata, puts(&module_items(&to.id, module))?).await?;
        let rejected = |error: EntryError| StoreError::Rejected(error.to_string());
        let item = function_item(to, module.len()).map_err(rejected)?;
        let condition = match &stored {
            None => Condition::Absent("entry"),
            Some(stored) => Condition::Equals("entry", Value::String(to_json(stored).map_err(rejected)?)),
        };
        self.edit(&Edit::of(&self.tables.metadata, key).set_all(item).only_if(condition)).await.map(|_| ())
    }

    async fn remove_function(&self, name: &FunctionName) -> Result<bool, StoreError> {
        if let Some(elsewhere) = &self.functions {
            return elsewhere.remove_function(name).await;
        }
        self.delete(&self.tables.metadata, &function_key(name)).await
    }
}
