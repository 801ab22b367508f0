//! The stores of shadow schemas, and of what is kept beside tables.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem};
use evercount_core::change::{RowKey, TableName};
use evercount_core::mutation::entry::MutationEntry;
use evercount_core::shadow::arrival::ShadowPass;
use evercount_core::shadow::{ShadowRow, ShadowSchema};
use evercount_core::value::Item;
use evercount_pipeline::ports::{
    MutationTrail, Page, ShadowPassStore, ShadowSchemaStore, ShadowStore, StoreError,
};
use evercount_wire::items::{
    PK, SHADOW_BUCKETS, SHADOW_SCHEMAS_PK, SK, mutation_from_item, mutation_item, mutations_pk,
    pass_from_item, pass_item, pass_key, shadow_pk, shadow_row_from_item, shadow_row_item, shadow_row_key,
    shadow_schema_from_item, shadow_schema_item, shadow_schema_key,
};

use super::DynamoStore;
use super::commit::{number, refused, row_action};
use super::edit::{Condition, Edit};
use super::failure::{judge, retrying, unreadable};
use super::value::{to_attribute, to_attributes};

/// Rows of one page: with values of the usual size it stays far below the 1 MB of a query.
const PAGE_ROWS: i32 = 100;

impl ShadowSchemaStore for DynamoStore {
    async fn shadow_schemas(&self) -> Result<Vec<ShadowSchema>, StoreError> {
        let items = self.query(&self.tables.metadata, SHADOW_SCHEMAS_PK, "").await?;
        let mut schemas: Vec<ShadowSchema> =
            items.iter().map(shadow_schema_from_item).collect::<Result<_, _>>().map_err(unreadable)?;
        schemas.sort_by(|a, b| a.table.cmp(&b.table));
        Ok(schemas)
    }

    async fn shadow_schema(&self, table: &TableName) -> Result<Option<ShadowSchema>, StoreError> {
        let item = self.get(&self.tables.metadata, &shadow_schema_key(table)).await?;
        item.map(|item| shadow_schema_from_item(&item).map_err(unreadable)).transpose()
    }

    async fn replace_shadow_schema(&self, from: Option<u64>, to: &ShadowSchema) -> Result<(), StoreError> {
        let item = shadow_schema_item(to).map_err(refused)?;
        let condition = match from {
            None => Condition::Absent(PK),
            Some(revision) => Condition::Equals("revision", number(revision)),
        };
        let edit = Edit::of(&self.tables.metadata, shadow_schema_key(&to.table)).set_all(item);
        self.edit(&edit.only_if(condition)).await.map(|_| ())
    }
}

impl ShadowStore for DynamoStore {
    async fn shadow_rows(&self, keys: &BTreeSet<RowKey>) -> Result<BTreeMap<RowKey, ShadowRow>, StoreError> {
        let wanted: Vec<Item> = keys.iter().map(|key| shadow_row_key(key).item()).collect();
        let items = self.batch_get(&self.tables.metadata, &wanted, true).await?;
        items.iter().map(shadow_row_from_item).collect::<Result<_, _>>().map_err(unreadable)
    }

    async fn replace_shadow_row(
        &self,
        key: &RowKey,
        from: Option<u64>,
        to: Option<&ShadowRow>,
    ) -> Result<(), StoreError> {
        let Some(row) = to else {
            return match from {
                Some(revision) => self.delete_shadow_row(key, revision).await,
                None => self.nothing_is_kept(key).await,
            };
        };
        let condition = match from {
            None => Condition::Absent(PK),
            Some(revision) => Condition::Equals("revision", number(revision)),
        };
        let item = shadow_row_item(key, row);
        let edit = Edit::of(&self.tables.metadata, shadow_row_key(key)).set_all(item).only_if(condition);
        self.edit(&edit).await.map(|_| ())
    }

    async fn shadow_rows_of_table(
        &self,
        table: &TableName,
        after: Option<String>,
    ) -> Result<Page<ShadowRow>, StoreError> {
        let start = after.as_deref().map_or(Some((0, "")), read_cursor);
        let Some((bucket, after)) = start else {
            return Err(StoreError::Rejected("that is no place in the rows of a table".to_owned()));
        };
        let pk = shadow_pk(table, bucket);
        let page = self.query_page(&self.tables.metadata, &pk, after, PAGE_ROWS).await?;
        let next = match page.last.as_ref().and_then(|key| key.get(SK)?.as_s().ok()) {
            Some(last) => Some(cursor(bucket, last)),
            None => (bucket + 1 < SHADOW_BUCKETS).then(|| cursor(bucket + 1, "")),
        };
        let rows =
            page.items.iter().map(shadow_row_from_item).collect::<Result<_, _>>().map_err(unreadable)?;
        Ok(Page { rows, next, read_units: page.read_units })
    }
}

impl ShadowPassStore for DynamoStore {
    async fn shadow_pass(&self, table: &TableName) -> Result<Option<ShadowPass>, StoreError> {
        let item = self.get(&self.tables.metadata, &pass_key(table)).await?;
        item.map(|item| pass_from_item(&item).map_err(unreadable)).transpose()
    }

    async fn replace_shadow_pass(&self, from: Option<u64>, to: &ShadowPass) -> Result<(), StoreError> {
        let condition = match from {
            None => Condition::Absent(PK),
            Some(revision) => Condition::Equals("revision", number(revision)),
        };
        let edit = Edit::of(&self.tables.metadata, pass_key(&to.table)).set_all(pass_item(to));
        let edit = edit.remove_unset(&["after", "about"]).only_if(condition);
        self.edit(&edit).await.map(|_| ())
    }
}

impl MutationTrail for DynamoStore {
    async fn add_mutation(&self, entry: &MutationEntry) -> Result<(), StoreError> {
        self.put(&self.tables.metadata, &mutation_item(entry)).await
    }

    async fn mutations(&self, table: &TableName) -> Result<Vec<MutationEntry>, StoreError> {
        let items = self.query(&self.tables.metadata, &mutations_pk(table), "").await?;
        items.iter().map(|item| mutation_from_item(item).map_err(unreadable)).collect()
    }
}

impl DynamoStore {
    /// The condition, as an action of a transaction, that a table's shadow schema is of a revision.
    pub(super) fn schema_check(
        &self,
        table: &TableName,
        revision: u64,
    ) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.metadata)
            .set_key(Some(to_attributes(&shadow_schema_key(table).item())))
            .condition_expression("#revision = :read")
            .expression_attribute_names("#revision", "revision")
            .expression_attribute_values(":read", to_attribute(&number(revision)));
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(refused)?).build())
    }

    async fn delete_shadow_row(&self, key: &RowKey, revision: u64) -> Result<(), StoreError> {
        let revision = to_attribute(&number(revision));
        let key = to_attributes(&shadow_row_key(key).item());
        retrying(async || {
            let call = self
                .client
                .delete_item()
                .table_name(&self.tables.metadata)
                .set_key(Some(key.clone()))
                .condition_expression("#revision = :read")
                .expression_attribute_names("#revision", "revision")
                .expression_attribute_values(":read", revision.clone());
            call.send().await.map_err(|error| judge(&error))?;
            Ok(())
        })
        .await
    }

    async fn nothing_is_kept(&self, key: &RowKey) -> Result<(), StoreError> {
        let stored = self.get(&self.tables.metadata, &shadow_row_key(key)).await?;
        if stored.is_none() { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// [`ShadowStore::replace_shadow_row`] as an action of a transaction.
    pub(super) fn shadow_row_action(
        &self,
        key: &RowKey,
        from: Option<u64>,
        to: Option<&ShadowRow>,
    ) -> Result<TransactWriteItem, StoreError> {
        let to = to.map(|row| shadow_row_item(key, row));
        row_action(&self.tables.metadata, || shadow_row_key(key).item(), from, to.as_ref())
    }
}

/// A place in the rows of a table: the partition, and the sort key it is after.
fn cursor(bucket: u64, after: &str) -> String {
    format!("{bucket:02}{after}")
}

fn read_cursor(text: &str) -> Option<(u64, &str)> {
    let (bucket, after) = text.split_at_checked(2)?;
    let bucket = bucket.parse().ok().filter(|bucket| *bucket < SHADOW_BUCKETS)?;
    Some((bucket, after))
}
