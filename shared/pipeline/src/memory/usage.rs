//! Usage, in memory.

use std::collections::BTreeMap;

use evercount_core::change::TableName;
use evercount_core::order::Micros;

use super::Memory;
use crate::ports::{DayOfUse, StoreError, UsageStore, Used};

/// Microseconds of a day.
const DAY: Micros = 86_400_000_000;

impl UsageStore for Memory {
    async fn add_usage(
        &self,
        table: &TableName,
        used: &BTreeMap<String, Used>,
        at: Micros,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        for (attribute, used) in used {
            let key = (table.clone(), at.div_euclid(DAY), attribute.clone());
            let (last, sum) = state.usage.entry(key).or_default();
            *last = at;
            sum.reads = sum.reads.saturating_add(used.reads);
            sum.writes = sum.writes.saturating_add(used.writes);
        }
        Ok(())
    }

    async fn usage(&self, table: &TableName) -> Result<Vec<DayOfUse>, StoreError> {
        let state = self.lock();
        let of_table = state.usage.iter().filter(|((of, _, _), _)| of == table);
        let days = of_table.map(|((_, _, attribute), (last, used))| DayOfUse {
            attribute: attribute.clone(),
            last: *last,
            used: *used,
        });
        Ok(days.collect())
    }
}
