//! The list of functions and their modules, in memory.

use evercount_core::function::{FunctionEntry, FunctionId, FunctionName};

use super::Memory;
use crate::functions::{check_digest, check_entry};
use crate::ports::{FunctionStore, StoreError};

impl FunctionStore for Memory {
    async fn module(&self, id: &FunctionId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().modules.get(id).cloned())
    }

    async fn functions(&self) -> Result<Vec<FunctionEntry>, StoreError> {
        Ok(self.lock().functions.values().cloned().collect())
    }

    async fn put_function(
        &self,
        from: Option<&FunctionEntry>,
        to: &FunctionEntry,
        module: &[u8],
    ) -> Result<(), StoreError> {
        check_digest(&to.id, module)?;
        let mut state = self.lock();
        let stored = state.functions.get(&to.name);
        check_entry(stored, from, to)?;
        state.modules.insert(to.id, module.to_vec());
        state.functions.insert(to.name.clone(), to.clone());
        Ok(())
    }

    async fn remove_function(&self, name: &FunctionName) -> Result<bool, StoreError> {
        Ok(self.lock().functions.remove(name).is_some())
    }
}
