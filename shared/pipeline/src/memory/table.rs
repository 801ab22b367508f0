//! A table that is counted, in memory, and the trail of its mutations.

use evercount_core::backfill::Segment;
use evercount_core::change::{RowKey, TableName};
use evercount_core::mutation::entry::MutationEntry;
use evercount_core::mutation::guard::guard;
use evercount_core::mutation::once::{Before, Once};
use evercount_core::resolve::index::TableIndex;
use evercount_core::value::Item;

use super::{Memory, PAGE_ROWS, ROW_UNITS, State};
use crate::ports::{CountedTable, MutationTrail, Page, SourceTable, StoreError, TableKeys, TableWrite};

impl State {
    /// Whether the conditions of a write hold.
    fn allows(&self, write: &TableWrite) -> bool {
        let stored = self.items.get(&write.row);
        let is_as_read = write
            .item
            .as_ref()
            .is_none_or(|item| guard(item.from.as_ref(), item.to.as_ref(), &item.absent).holds(stored));
        let is_current = write.beside.as_ref().is_none_or(|beside| {
            self.shadow_schemas.get(&write.row.table).map(|schema| schema.revision) == Some(beside.schema)
                && self.shadow_rows.get(&write.row).map(|row| row.revision) == beside.from
        });
        is_as_read && is_current
    }

    /// Executes writes of different rows, all or none; whether their conditions held.
    pub fn write(&mut self, writes: &[TableWrite]) -> bool {
        let allowed = writes.iter().all(|write| self.allows(write));
        if allowed {
            writes.iter().for_each(|write| self.execute(write));
        }
        allowed
    }

    fn execute(&mut self, write: &TableWrite) {
        let stored = self.items.get(&write.row);
        if let Some(item) = &write.item {
            let changed = match item.replaces {
                true => item.to.clone(),
                false => changed(stored, item.from.as_ref(), item.to.as_ref()),
            };
            match changed {
                Some(item) => self.items.insert(write.row.clone(), item),
                None => self.items.remove(&write.row),
            };
        }
        if let Some(beside) = &write.beside {
            self.shadow_rows.insert(write.row.clone(), beside.to.clone());
        }
    }
}

/// What the stored item becomes by a write that was decided from another.
fn changed(stored: Option<&Item>, from: Option<&Item>, to: Option<&Item>) -> Option<Item> {
    let to = to?;
    let mut item = stored.cloned().unwrap_or_default();
    let nothing = Item::new();
    for (name, value) in evercount_core::mutation::guard::changed(from.unwrap_or(&nothing), to) {
        match value {
            Some(value) => item.insert(name, value.clone()),
            None => item.remove(&name),
        };
    }
    Some(item)
}

impl CountedTable for Memory {
    async fn item(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        Ok(self.lock().items.get(row).cloned())
    }

    async fn write(&self, write: &TableWrite) -> Result<(), StoreError> {
        self.write_all(std::slice::from_ref(write), None).await
    }

    async fn write_all(&self, writes: &[TableWrite], once: Option<&Once>) -> Result<(), StoreError> {
        let mut state = self.lock();
        let is_new = |once: &Once| once.before(state.carried_out.get(&once.token)) == Before::Nothing;
        if !once.is_none_or(is_new) || !state.write(writes) {
            return Err(StoreError::Conflict);
        }
        state.carried_out.extend(once.map(|once| (once.token.clone(), once.clone())));
        Ok(())
    }

    async fn carried_out(&self, token: &str) -> Result<Option<Once>, StoreError> {
        Ok(self.lock().carried_out.get(token).cloned())
    }
}

impl TableKeys for Memory {
    /// As the registered schema has them.
    async fn key_attributes(&self, table: &TableName) -> Result<Vec<String>, StoreError> {
        let state = self.lock();
        let current = state.registry.subjects.get(table).and_then(|state| state.current);
        let version = current.and_then(|id| state.registry.versions.get(&(table.clone(), id.version)));
        let names = version.map(|(version, _)| &version.schema.key).into_iter().flatten();
        let names: Vec<String> = names.map(|path| path.as_str().to_owned()).collect();
        if names.is_empty() {
            return Err(StoreError::Rejected(format!("nobody said what the key of `{table}` is")));
        }
        Ok(names)
    }

    async fn index(&self, _: &TableName, _: &str) -> Result<Option<TableIndex>, StoreError> {
        Ok(None)
    }
}

impl SourceTable for Memory {
    async fn row(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        self.item(row).await
    }

    async fn scan(
        &self,
        table: &TableName,
        segment: Segment,
        after: Option<String>,
    ) -> Result<Page<Item>, StoreError> {
        let state = self.lock();
        let after = after.as_deref();
        let of_table = state.items.iter().filter(|(key, _)| key.table == *table).enumerate();
        let of_segment =
            of_table.filter(|(at, _)| *at as u64 % u64::from(segment.of) == u64::from(segment.number));
        let is_after = |key: &RowKey| after.is_none_or(|after| key.identity.as_str() > after);
        let rows = of_segment.map(|(_, (key, item))| (key.clone(), item.clone()));
        let mut rows: Vec<_> = rows.filter(|(key, _)| is_after(key)).collect();
        let is_last = rows.len() <= PAGE_ROWS;
        rows.truncate(PAGE_ROWS);
        let last = rows.last().map(|(key, _)| key.identity.as_str().to_owned());
        let read_units = ROW_UNITS * rows.len() as f64;
        Ok(Page { rows, next: last.filter(|_| !is_last), read_units })
    }
}

impl MutationTrail for Memory {
    async fn add_mutation(&self, entry: &MutationEntry) -> Result<(), StoreError> {
        let mut state = self.lock();
        if !state.mutations.contains(entry) {
            state.mutations.push(entry.clone());
        }
        Ok(())
    }

    async fn mutations(&self, table: &TableName) -> Result<Vec<MutationEntry>, StoreError> {
        let of_table = |entry: &&MutationEntry| entry.row.table == *table;
        Ok(self.lock().mutations.iter().filter(of_table).cloned().collect())
    }
}
