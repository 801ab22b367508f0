//! Owns how a commit becomes one transaction: which actions, under which conditions.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{Delete, DeleteRequest, Put, PutRequest, TransactWriteItem, WriteRequest};
use evercount_core::chunk::{ACTIONS_MAX, Commit, LaneAdvance, RowWrite};
use evercount_core::decimal::Decimal;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{Cost, StoreError};
use evercount_wire::group::cell_name;
use evercount_wire::items::{
    ItemKey, PK, checkpoint_item, checkpoint_key, control_items, control_key, counter_key, ledger_item,
    ledger_key, part_prefix, quarantine_key, quarantined_items,
};

use super::DynamoStore;
use super::calls::key_of;
use super::edit::{Condition, Edit};
use super::value::{to_attribute, to_attributes};

pub(super) fn number(n: u64) -> Value {
    n.to_string().parse().map_or(Value::Null, Value::Number)
}

pub(super) fn refused(error: impl std::fmt::Display) -> StoreError {
    StoreError::Rejected(error.to_string())
}

/// Puts an item, or deletes it where there is none to put, if the stored one is of revision `from`; `None`
/// is no item.
pub(super) fn row_action(
    table: &str,
    key: impl FnOnce() -> Item,
    from: Option<u64>,
    to: Option<&Item>,
) -> Result<TransactWriteItem, StoreError> {
    let (condition, name) = match from {
        None => ("attribute_not_exists(#name)", PK),
        Some(_) => ("#name = :read", "revision"),
    };
    let values = from.map(|revision| [(":read".to_owned(), to_attribute(&number(revision)))].into());
    let action = TransactWriteItem::builder();
    let action = match to {
        Some(item) => {
            let put = Put::builder()
                .table_name(table)
                .set_item(Some(to_attributes(item)))
                .condition_expression(condition)
                .expression_attribute_names("#name", name)
                .set_expression_attribute_values(values);
            action.put(put.build().map_err(refused)?)
        }
        None => {
            let delete = Delete::builder()
                .table_name(table)
                .set_key(Some(to_attributes(&key())))
                .condition_expression(condition)
                .expression_attribute_names("#name", name)
                .set_expression_attribute_values(values);
            action.delete(delete.build().map_err(refused)?)
        }
    };
    Ok(action.build())
}

impl DynamoStore {
    pub(super) async fn execute(&self, commit: &Commit) -> Result<Cost, StoreError> {
        match commit.actions() {
            0 => return Ok(Cost::default()),
            1..=ACTIONS_MAX => {}
            n => return Err(StoreError::Rejected(format!("{n} actions in one transaction"))),
        }
        if let (Some(advance), 1) = (&commit.advance, commit.actions()) {
            // Outside of a transaction the same conditional write costs half.
            return self.edit(&self.checkpoint(&commit.lane, advance)).await;
        }
        let (actions, parts) = self.actions(commit)?;
        let mut cost = Cost::default();
        if !parts.is_empty() {
            // Before the transaction: a part without its record is litter, a record without its
            // parts would be a loss.
            cost = self.batch_write(&self.tables.metadata, puts(&parts)?).await?;
        }
        let committed = self.transact(actions).await?;
        if let Some((lane, sequence)) = &commit.released {
            self.remove_parts(lane, sequence).await;
        }
        Ok(Cost { write_units: cost.write_units + committed.write_units, read_units: 0.0 })
    }

    /// The actions of a commit, and parts of raw records to be written before them.
    fn actions(&self, commit: &Commit) -> Result<(Vec<TransactWriteItem>, Vec<Item>), StoreError> {
        let (mut actions, mut parts) = (Vec::with_capacity(commit.actions()), Vec::new());
        if let Some(advance) = &commit.advance {
            actions.push(update(&self.checkpoint(&commit.lane, advance))?);
        }
        for write in &commit.rows {
            actions.push(self.row(write)?);
        }
        for one in &commit.moves {
            let key = counter_key(&one.logic, &commit.lane, one.bucket);
            let mut edit = Edit::of(&self.tables.counts, key);
            for (cell, n) in &one.cells {
                edit = edit.add(cell_name(cell), Value::Number(Decimal::from(*n)));
            }
            actions.push(update(&edit)?);
        }
        if let Some((lane, sequence)) = &commit.released {
            actions.push(self.release(&quarantine_key(lane, sequence))?);
        }
        let mut seen: BTreeMap<ItemKey, usize> = BTreeMap::new();
        let mut nth = |key: ItemKey| {
            let count = seen.entry(key).or_insert(0);
            *count += 1;
            *count - 1
        };
        let quarantined = commit.quarantined.iter().map(quarantined_items);
        let controls = commit.controls.iter().map(|one| control_items(one, nth(control_key(one, 0))));
        for stored in quarantined.chain(controls) {
            let put =
                Put::builder().table_name(&self.tables.metadata).set_item(Some(to_attributes(&stored.item)));
            actions.push(TransactWriteItem::builder().put(put.build().map_err(refused)?).build());
            parts.extend(stored.parts);
        }
        Ok((actions, parts))
    }

    /// Advances a lane from the state read. The fence belongs to whoever raises it, so it is
    /// compared and never written.
    fn checkpoint(&self, lane: &LaneId, advance: &LaneAdvance) -> Edit {
        let mut to = checkpoint_item(lane, &advance.to);
        to.remove("fence");
        let sequence = match &advance.from.sequence {
            Some(sequence) => Condition::Equals("sequence", Value::String(sequence.as_str().to_owned())),
            None => Condition::Absent("sequence"),
        };
        let fence = match advance.from.fence {
            0 => Condition::AbsentOrEquals("fence", number(0)),
            fence => Condition::Equals("fence", number(fence)),
        };
        Edit::of(&self.tables.counts, checkpoint_key(lane)).set_all(to).only_if(sequence).only_if(fence)
    }

    fn row(&self, write: &RowWrite) -> Result<TransactWriteItem, StoreError> {
        let key = || Item::from([(PK.to_owned(), Value::String(ledger_key(&write.key)))]);
        let to = write.row.as_ref().map(|row| ledger_item(&write.key, row));
        row_action(&self.tables.ledger, key, write.expected_revision, to.as_ref())
    }

    fn release(&self, key: &ItemKey) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.tables.metadata)
            .set_key(Some(to_attributes(&key.item())))
            .condition_expression("attribute_exists(#pk)")
            .expression_attribute_names("#pk", PK);
        Ok(TransactWriteItem::builder().delete(delete.build().map_err(refused)?).build())
    }

    /// Removes what a released record leaves behind. The release is committed by now, so failing
    /// here must not look like failing there.
    async fn remove_parts(&self, lane: &LaneId, sequence: &SequenceNumber) {
        let key = quarantine_key(lane, sequence);
        let removed = async {
            let parts = self.query(&self.tables.metadata, &key.pk, &part_prefix(&key)).await?;
            self.batch_write(&self.tables.metadata, deletes(&parts)?).await
        };
        if let Err(error) = removed.await {
            tracing::warn!(%lane, %sequence, %error, "parts of a released record are left behind");
        }
    }
}

/// The action that puts an item; with an attribute named, only where no item has it.
pub(super) fn put(table: &str, item: &Item, absent: Option<&str>) -> Result<TransactWriteItem, StoreError> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(to_attributes(item)))
        .set_condition_expression(absent.map(|_| "attribute_not_exists(#name)".to_owned()))
        .set_expression_attribute_names(absent.map(|name| [("#name".to_owned(), name.to_owned())].into()));
    Ok(TransactWriteItem::builder().put(put.build().map_err(refused)?).build())
}

/// The action that makes an edit.
pub(super) fn update(edit: &Edit) -> Result<TransactWriteItem, StoreError> {
    Ok(TransactWriteItem::builder().update(edit.as_action()?).build())
}

/// Requests that put items.
pub(super) fn puts(items: &[Item]) -> Result<Vec<WriteRequest>, StoreError> {
    let put =
        |item: &Item| PutRequest::builder().set_item(Some(to_attributes(item))).build().map_err(refused);
    items.iter().map(|item| Ok(WriteRequest::builder().put_request(put(item)?).build())).collect()
}

/// Requests that delete items as they were read.
pub(super) fn deletes(items: &[Item]) -> Result<Vec<WriteRequest>, StoreError> {
    let delete = |item: &Item| {
        DeleteRequest::builder().set_key(Some(to_attributes(&key_of(item)))).build().map_err(refused)
    };
    items.iter().map(|item| Ok(WriteRequest::builder().delete_request(delete(item)?).build())).collect()
}
