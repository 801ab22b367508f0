//! Owns the counting of attributes that were asked for and are not in their table: what a forecaster reads
//! as a sign that they are about to come.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use evercount_core::change::TableName;
use evercount_core::order::Micros;
use evercount_pipeline::ports::{StoreError, UsageStore, Used};

/// Most attributes that are counted by name between two takings; scanners ask for many.
const ATTRIBUTES_MAX: usize = 10_000;

/// What was asked for, by table and attribute.
pub type Asked = BTreeMap<TableName, BTreeMap<String, Used>>;

/// The counter.
#[derive(Debug, Default)]
pub struct Usage(Mutex<Asked>);

impl Usage {
    /// Counts one request for an attribute.
    pub fn add(&self, table: &str, attribute: &str, is_write: bool) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known: usize = asked.values().map(BTreeMap::len).sum();
        let of_table = asked.entry(TableName::new(table)).or_default();
        if known >= ATTRIBUTES_MAX && !of_table.contains_key(attribute) {
            return;
        }
        let used = of_table.entry(attribute.to_owned()).or_default();
        *(if is_write { &mut used.writes } else { &mut used.reads }) += 1;
    }

    /// Adds what was counted to what is stored. What could not be stored is counted again.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn store<S: UsageStore>(&self, store: &S, now: Micros) -> Result<(), StoreError> {
        let mut failed = Ok(());
        for (table, used) in self.take() {
            if let Err(error) = store.add_usage(&table, &used, now).await {
                let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let of_table = asked.entry(table).or_default();
                for (attribute, used) in used {
                    let sum = of_table.entry(attribute).or_default();
                    sum.reads = sum.reads.saturating_add(used.reads);
                    sum.writes = sum.writes.saturating_add(used.writes);
                }
                failed = Err(error);
            }
        }
        failed
    }

    /// Whether nothing was counted since it was taken last.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// What was counted since it was taken last.
    #[must_use]
    pub fn take(&self) -> Asked {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
