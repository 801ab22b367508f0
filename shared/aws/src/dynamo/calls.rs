//! Owns the calls a store makes: paging, unprocessed keys, tokens and costs, so that each method
//! of a store reads as the one thing it asks for.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, KeysAndAttributes, ReturnConsumedCapacity, ReturnValue,
    TransactWriteItem, WriteRequest,
};
use backon::BackoffBuilder;
use evercount_core::value::Item;
use evercount_pipeline::ports::{Cost, StoreError};
use evercount_wire::items::{ItemKey, PK, SK};

use super::DynamoStore;
use super::edit::Edit;
use super::failure::{Failure, judge, judge_transaction, pauses, retrying};
use super::value::{from_attributes, to_attributes};

/// Most keys of one `BatchGetItem`.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>
const GETS_MAX: usize = 100;

/// Most requests of one `BatchWriteItem`.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>
const WRITES_MAX: usize = 25;

/// A page of a scan or of a partition.
pub(super) struct ScannedPage {
    /// What is on it.
    pub(super) items: Vec<Item>,
    /// The key after which the next one starts.
    pub(super) last: Option<HashMap<String, AttributeValue>>,
    /// What it cost.
    pub(super) read_units: f64,
}

impl ScannedPage {
    fn of(
        items: Option<Vec<HashMap<String, AttributeValue>>>,
        last: Option<HashMap<String, AttributeValue>>,
        cost: Option<&ConsumedCapacity>,
    ) -> Result<Self, StoreError> {
        let items = items.unwrap_or_default().into_iter().map(from_attributes);
        let items = items.collect::<Result<_, _>>().map_err(Failure::from)?;
        Ok(Self { items, last, read_units: read(cost) })
    }
}

impl DynamoStore {
    /// One item, read consistently.
    pub(super) async fn get(&self, table: &str, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        let key = to_attributes(&key.item());
        retrying(async || {
            let call =
                self.client.get_item().table_name(table).set_key(Some(key.clone())).consistent_read(true);
            let found = call.send().await.map_err(|error| judge(&error))?;
            Ok(found.item.map(from_attributes).transpose()?)
        })
        .await
    }

    /// All items of a partition whose sort keys start with `prefix`, read consistently.
    pub(super) async fn query(&self, table: &str, pk: &str, prefix: &str) -> Result<Vec<Item>, StoreError> {
        if prefix.is_empty() {
            return self.query_where(table, pk, "#pk = :pk", &[]).await;
        }
        self.query_where(table, pk, "#pk = :pk AND begins_with(#sk, :a)", &[(":a", prefix)]).await
    }

    /// All items of a partition whose sort keys are from `first` to `last`, read consistently.
    pub(super) async fn query_between(
        &self,
        table: &str,
        pk: &str,
        first: &str,
        last: &str,
    ) -> Result<Vec<Item>, StoreError> {
        let bounds = [(":a", first), (":b", last)];
        self.query_where(table, pk, "#pk = :pk AND #sk BETWEEN :a AND :b", &bounds).await
    }

    /// At most `limit` items of a partition whose sort keys come after `after`, read consistently.
    pub(super) async fn query_page(
        &self,
        table: &str,
        pk: &str,
        after: &str,
        limit: i32,
    ) -> Result<ScannedPage, StoreError> {
        let page = retrying(async || {
            let mut call = self
                .client
                .query()
                .table_name(table)
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .expression_attribute_names("#pk", PK)
                .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                .limit(limit);
            call = if after.is_empty() {
                call.key_condition_expression("#pk = :pk")
            } else {
                call.key_condition_expression("#pk = :pk AND #sk > :after")
                    .expression_attribute_names("#sk", SK)
                    .expression_attribute_values(":after", AttributeValue::S(after.to_owned()))
            };
            call.send().await.map_err(|error| judge(&error))
        })
        .await?;
        ScannedPage::of(page.items, page.last_evaluated_key, page.consumed_capacity.as_ref())
    }

    /// The last item of a partition whose sort key is `last` or before it, read consistently.
    pub(super) async fn query_last(
        &self,
        table: &str,
        pk: &str,
        last: &str,
    ) -> Result<Option<Item>, StoreError> {
        let page = retrying(async || {
            let call = self
                .client
                .query()
                .table_name(table)
                .consistent_read(true)
                .key_condition_expression("#pk = :pk AND #sk <= :last")
                .expression_attribute_names("#pk", PK)
                .expression_attribute_names("#sk", SK)
                .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                .expression_attribute_values(":last", AttributeValue::S(last.to_owned()))
                .scan_index_forward(false)
                .limit(1);
            call.send().await.map_err(|error| judge(&error))
        })
        .await?;
        let item = page.items.unwrap_or_default().into_iter().next();
        Ok(item.map(from_attributes).transpose().map_err(Failure::from)?)
    }

    async fn query_where(
        &self,
        table: &str,
        pk: &str,
        condition: &str,
        of_sk: &[(&str, &str)],
    ) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let page = retrying(async || {
                let mut call = self
                    .client
                    .query()
                    .table_name(table)
                    .consistent_read(true)
                    .key_condition_expression(condition)
                    .expression_attribute_names("#pk", PK)
                    .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                    .set_exclusive_start_key(start.clone());
                if !of_sk.is_empty() {
                    call = call.expression_attribute_names("#sk", SK);
                }
                for (name, text) in of_sk {
                    call = call.expression_attribute_values(*name, AttributeValue::S((*text).to_owned()));
                }
                call.send().await.map_err(|error| judge(&error))
            })
            .await?;
            for item in page.items.unwrap_or_default() {
                items.push(from_attributes(item).map_err(Failure::from)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// A page of the items whose attribute `name` is `text`, read consistently.
    pub(super) async fn scan_page(
        &self,
        table: &str,
        name: &str,
        text: &str,
        start: Option<HashMap<String, AttributeValue>>,
    ) -> Result<ScannedPage, StoreError> {
        let page = retrying(async || {
            let call = self
                .client
                .scan()
                .table_name(table)
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .filter_expression("#name = :text")
                .expression_attribute_names("#name", name)
                .expression_attribute_values(":text", AttributeValue::S(text.to_owned()))
                .set_exclusive_start_key(start.clone());
            call.send().await.map_err(|error| judge(&error))
        })
        .await?;
        ScannedPage::of(page.items, page.last_evaluated_key, page.consumed_capacity.as_ref())
    }

    /// The items of many keys, each of which is named once; those that do not exist are left out.
    pub(super) async fn batch_get(
        &self,
        table: &str,
        keys: &[Item],
        consistent: bool,
    ) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::with_capacity(keys.len());
        for keys in keys.chunks(GETS_MAX) {
            let mut wanted: Vec<_> = keys.iter().map(to_attributes).collect();
            let mut pause = pauses().build();
            while !wanted.is_empty() {
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(wanted.clone()))
                    .consistent_read(consistent)
                    .build()
                    .map_err(|error| StoreError::Rejected(error.to_string()))?;
                let mut page = retrying(async || {
                    let call = self.client.batch_get_item().request_items(table, request.clone());
                    call.send().await.map_err(|error| judge(&error))
                })
                .await?;
                let found =
                    page.responses.as_mut().and_then(|by_table| by_table.remove(table)).unwrap_or_default();
                let left = page.unprocessed_keys.as_mut().and_then(|by_table| by_table.remove(table));
                wanted = left.map(|left| left.keys).unwrap_or_default();
                if found.is_empty() && !wanted.is_empty() {
                    let Some(pause) = pause.next() else {
                        return Err(StoreError::Unavailable(
                            "BatchGetItem leaves keys unprocessed".to_owned(),
                        ));
                    };
                    tokio::time::sleep(pause).await;
                }
                for item in found {
                    items.push(from_attributes(item).map_err(Failure::from)?);
                }
            }
        }
        Ok(items)
    }

    /// Puts and deletes without conditions, in no order.
    pub(super) async fn batch_write(
        &self,
        table: &str,
        requests: Vec<WriteRequest>,
    ) -> Result<Cost, StoreError> {
        let mut cost = Cost::default();
        for requests in requests.chunks(WRITES_MAX) {
            let mut wanted = requests.to_vec();
            let mut pause = pauses().build();
            while !wanted.is_empty() {
                let mut done = retrying(async || {
                    let call = self
                        .client
                        .batch_write_item()
                        .request_items(table, wanted.clone())
                        .return_consumed_capacity(ReturnConsumedCapacity::Total);
                    call.send().await.map_err(|error| judge(&error))
                })
                .await?;
                cost.write_units += written(done.consumed_capacity.as_deref().unwrap_or_default());
                let left = done.unprocessed_items.as_mut().and_then(|by_table| by_table.remove(table));
                wanted = left.unwrap_or_default();
                if !wanted.is_empty() {
                    let Some(pause) = pause.next() else {
                        return Err(StoreError::Unavailable(
                            "BatchWriteItem leaves items unprocessed".to_owned(),
                        ));
                    };
                    tokio::time::sleep(pause).await;
                }
            }
        }
        Ok(cost)
    }

    /// Puts an item, whatever stood there.
    pub(super) async fn put(&self, table: &str, item: &Item) -> Result<(), StoreError> {
        let item = to_attributes(item);
        retrying(async || {
            let call = self.client.put_item().table_name(table).set_item(Some(item.clone()));
            call.send().await.map_err(|error| judge(&error))?;
            Ok(())
        })
        .await
    }

    /// Deletes an item. Returns whether it was there.
    pub(super) async fn delete(&self, table: &str, key: &ItemKey) -> Result<bool, StoreError> {
        let key = to_attributes(&key.item());
        retrying(async || {
            let call = self.client.delete_item().table_name(table).set_key(Some(key.clone()));
            let call = call.return_values(ReturnValue::AllOld);
            let done = call.send().await.map_err(|error| judge(&error))?;
            Ok(done.attributes.is_some_and(|attributes| !attributes.is_empty()))
        })
        .await
    }

    /// Updates one item.
    pub(super) async fn edit(&self, edit: &Edit) -> Result<Cost, StoreError> {
        let all = edit.expressions();
        retrying(async || {
            let call = self
                .client
                .update_item()
                .table_name(edit.table())
                .set_key(Some(edit.key()))
                .update_expression(&all.update)
                .set_condition_expression(all.condition.clone())
                .set_expression_attribute_names(Some(all.names.clone()))
                .set_expression_attribute_values((!all.values.is_empty()).then(|| all.values.clone()))
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let done = call.send().await.map_err(|error| judge(&error))?;
            Ok(Cost { write_units: written(done.consumed_capacity.as_slice()), read_units: 0.0 })
        })
        .await
    }

    /// Executes a transaction. All attempts carry one token, so that an attempt after a lost
    /// reply finds the transaction done and does not do it again.
    pub(super) async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<Cost, StoreError> {
        let token = format!("{:032x}", fastrand::u128(..));
        retrying(async || {
            let call = self
                .client
                .transact_write_items()
                .set_transact_items(Some(actions.clone()))
                .client_request_token(&token)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let done = call.send().await.map_err(|error| judge_transaction(&error))?;
            let write_units = written(done.consumed_capacity.as_deref().unwrap_or_default());
            Ok(Cost { write_units, read_units: 0.0 })
        })
        .await
    }
}

/// The read units of a request, as its answer tells them.
pub(super) fn read(capacity: Option<&ConsumedCapacity>) -> f64 {
    capacity.and_then(|one| one.read_capacity_units.or(one.capacity_units)).unwrap_or_default()
}

fn written(capacities: &[ConsumedCapacity]) -> f64 {
    let units = |one: &ConsumedCapacity| one.write_capacity_units.or(one.capacity_units).unwrap_or_default();
    capacities.iter().map(units).sum()
}

/// The key of an item that was read.
pub(super) fn key_of(item: &Item) -> Item {
    let of_key = item.iter().filter(|(name, _)| *name == PK || *name == SK);
    of_key.map(|(name, value)| (name.clone(), value.clone())).collect()
}
