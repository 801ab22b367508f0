//! Shadow schemas, and what is kept beside tables, in memory.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::change::{RowKey, TableName};
use evercount_core::shadow::arrival::ShadowPass;
use evercount_core::shadow::{SHADOW_COLUMNS_MAX, ShadowRow, ShadowSchema};

use super::{Memory, PAGE_ROWS, ROW_UNITS, State};
use crate::ports::{Page, ShadowPassStore, ShadowSchemaStore, ShadowStore, StoreError};

impl State {
    /// Replaces what is kept for an item; whether the stored row was of revision `from`.
    pub fn replace_shadow_row(&mut self, key: &RowKey, from: Option<u64>, to: Option<&ShadowRow>) -> bool {
        if self.shadow_rows.get(key).map(|row| row.revision) != from {
            return false;
        }
        match to {
            Some(row) => self.shadow_rows.insert(key.clone(), row.clone()),
            None => self.shadow_rows.remove(key),
        };
        true
    }
}

impl ShadowSchemaStore for Memory {
    async fn shadow_schemas(&self) -> Result<Vec<ShadowSchema>, StoreError> {
        Ok(self.lock().shadow_schemas.values().cloned().collect())
    }

    async fn shadow_schema(&self, table: &TableName) -> Result<Option<ShadowSchema>, StoreError> {
        Ok(self.lock().shadow_schemas.get(table).cloned())
    }

    async fn replace_shadow_schema(&self, from: Option<u64>, to: &ShadowSchema) -> Result<(), StoreError> {
        if to.columns.len() > SHADOW_COLUMNS_MAX {
            let columns = to.columns.len();
            return Err(StoreError::Rejected(format!("{columns} columns in one shadow schema")));
        }
        let mut state = self.lock();
        if state.shadow_schemas.get(&to.table).map(|schema| schema.revision) != from {
            return Err(StoreError::Conflict);
        }
        state.shadow_schemas.insert(to.table.clone(), to.clone());
        Ok(())
    }
}

impl ShadowPassStore for Memory {
    async fn shadow_pass(&self, table: &TableName) -> Result<Option<ShadowPass>, StoreError> {
        Ok(self.lock().shadow_passes.get(table).cloned())
    }

    async fn replace_shadow_pass(&self, from: Option<u64>, to: &ShadowPass) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.shadow_passes.get(&to.table).map(|pass| pass.revision) != from {
            return Err(StoreError::Conflict);
        }
        state.shadow_passes.insert(to.table.clone(), to.clone());
        Ok(())
    }
}

impl ShadowStore for Memory {
    async fn shadow_rows(&self, keys: &BTreeSet<RowKey>) -> Result<BTreeMap<RowKey, ShadowRow>, StoreError> {
        let state = self.lock();
        Ok(keys.iter().filter_map(|key| Some((key.clone(), state.shadow_rows.get(key)?.clone()))).collect())
    }

    async fn replace_shadow_row(
        &self,
        key: &RowKey,
        from: Option<u64>,
        to: Option<&ShadowRow>,
    ) -> Result<(), StoreError> {
        if self.lock().replace_shadow_row(key, from, to) { Ok(()) } else { Err(StoreError::Conflict) }
    }

    async fn shadow_rows_of_table(
        &self,
        table: &TableName,
        after: Option<String>,
    ) -> Result<Page<ShadowRow>, StoreError> {
        let state = self.lock();
        let is_after = |key: &RowKey| after.as_deref().is_none_or(|after| key.identity.as_str() > after);
        let of_table = state.shadow_rows.iter().filter(|(key, _)| key.table == *table);
        let mut found: Vec<(RowKey, ShadowRow)> =
            of_table.filter(|(key, _)| is_after(key)).map(|(key, row)| (key.clone(), row.clone())).collect();
        found.sort_by(|(a, _), (b, _)| a.identity.as_str().cmp(b.identity.as_str()));
        let is_last = found.len() <= PAGE_ROWS;
        found.truncate(PAGE_ROWS);
        let last = found.last().map(|(key, _)| key.identity.as_str().to_owned());
        let read_units = ROW_UNITS * found.len() as f64;
        Ok(Page { rows: found, next: last.filter(|_| !is_last), read_units })
    }
}
