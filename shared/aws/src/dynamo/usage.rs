//! Owns usage on DynamoDB: figures by day, added to what is there.

use std::collections::BTreeMap;

use evercount_core::change::TableName;
use evercount_core::decimal::Decimal;
use evercount_core::order::Micros;
use evercount_core::value::Value;
use evercount_pipeline::ports::{DayOfUse, StoreError, UsageStore, Used};
use evercount_wire::items::{USAGE_READS, USAGE_WRITES, usage_from_item, usage_item, usage_key, usage_pk};

use super::DynamoStore;
use super::edit::Edit;
use super::failure::unreadable;

fn figure(n: u64) -> Value {
    Value::Number(Decimal::from(i64::try_from(n).unwrap_or(i64::MAX)))
}

impl UsageStore for DynamoStore {
    async fn add_usage(
        &self,
        table: &TableName,
        used: &BTreeMap<String, Used>,
        at: Micros,
    ) -> Result<(), StoreError> {
        for (attribute, used) in used {
            let edit = Edit::of(&self.tables.metadata, usage_key(table, attribute, at))
                .set_all(usage_item(table, attribute, at))
                .add(USAGE_READS, figure(used.reads))
                .add(USAGE_WRITES, figure(used.writes));
            self.edit(&edit).await?;
        }
        Ok(())
    }

    async fn usage(&self, table: &TableName) -> Result<Vec<DayOfUse>, StoreError> {
        let items = self.query(&self.tables.metadata, &usage_pk(table), "").await?;
        let days = items.iter().map(|item| {
            let (attribute, last, reads, writes) = usage_from_item(item).map_err(unreadable)?;
            Ok(DayOfUse { attribute, last, used: Used { reads, writes } })
        });
        days.collect()
    }
}
