//! The table that is counted, where it is a DynamoDB table that Evercount writes for somebody else: each
//! write is one conditional call, a transaction where something goes beside the table as well.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use evercount_core::backfill::Segment;
use evercount_core::change::{RowKey, TableName};
use evercount_core::mutation::VERSION_ATTRIBUTE;
use evercount_core::mutation::guard::{Guard, changed, guard};
use evercount_core::mutation::once::Once;
use evercount_core::order::ItemVersion;
use evercount_core::resolve::index::TableIndex;
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{
    CountedTable, ItemWrite, Page, SourceFacts, SourceTable, StoreError, TableKeys, TableWrite,
};
use evercount_wire::items::{ONCE_AT, PK, once_forgotten, once_from_item, once_item, once_key};

use super::commit::refused;
use super::edit::Expressions;
use super::failure::{Failure, judge, unreadable};
use super::value::{to_attribute, to_attributes};
use super::{DynamoSource, DynamoStore, TableNames};

/// Most actions of one transaction
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
const ACTIONS_MAX: usize = 100;

/// The DynamoDB tables of an account, to be read and written.
#[derive(Debug)]
pub struct DynamoTable {
    source: DynamoSource,
    store: DynamoStore,
}

impl DynamoTable {
    /// Tables reached through a client; what goes beside them goes into Evercount's own tables.
    #[must_use]
    pub fn new(client: &Client, tables: TableNames) -> Self {
        Self { source: DynamoSource::new(client), store: DynamoStore::new(client, tables) }
    }

    /// The write of an item, with its condition.
    async fn item_write(&self, row: &RowKey, item: &ItemWrite) -> Result<One, StoreError> {
        let key = self.source.key_of_row(row).await?;
        let mut all = Expressions::default();
        let guard = guard(item.from.as_ref(), item.to.as_ref(), &item.absent);
        let condition = condition(&guard, &key, &mut all);
        let table = row.table.as_str().to_owned();
        let what = match (&item.from, &item.to) {
            (Some(from), Some(to)) if !item.replaces => What::Update(update(from, to, &mut all)),
            (_, Some(to)) => What::Put(to_attributes(to)),
            (Some(_), None) => What::Delete,
            (None, None) => What::Update(None),
        };
        all.condition = Some(condition);
        Ok(One { table, key: to_attributes(&key), what, all })
    }
}

impl DynamoStore {
    /// The tables that Evercount writes for somebody else, reached through a client. What goes beside them
    /// goes where this store's tables are, which has to be the same DynamoDB.
    #[must_use]
    pub fn written_tables(&self, client: &Client) -> DynamoTable {
        DynamoTable::new(client, self.tables.clone())
    }
}

impl DynamoStore {
    /// That a request was carried out, as an action of a transaction.
    fn once_action(&self, once: &Once) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.tables.metadata)
            .set_item(Some(to_attributes(&once_item(once))))
            .condition_expression("attribute_not_exists(#pk) OR #at <= :forgotten")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#at", ONCE_AT)
            .expression_attribute_values(":forgotten", to_attribute(&once_forgotten(once.at)));
        Ok(TransactWriteItem::builder().put(put.build().map_err(refused)?).build())
    }
}

/// One write of an item in the words of the API.
struct One {
    table: String,
    key: HashMap<String, AttributeValue>,
    what: What,
    all: Expressions,
}

enum What {
    Put(HashMap<String, AttributeValue>),
    Update(Option<String>),
    Delete,
}

/// What has to hold, as a condition.
fn condition(guard: &Guard, key: &Item, all: &mut Expressions) -> String {
    let key = key.keys().next().map_or("", String::as_str);
    match guard {
        Guard::Absent => format!("attribute_not_exists({})", all.name(key)),
        Guard::Version(version) => all.pair(VERSION_ATTRIBUTE, &version_value(*version), " = "),
        Guard::Unchanged(attributes) => {
            let conditions = attributes.iter().map(|(name, value)| match value {
                Some(value) => all.pair(name, value, " = "),
                None => format!("attribute_not_exists({})", all.name(name)),
            });
            conditions.collect::<Vec<_>>().join(" AND ")
        }
    }
}

/// The update that makes one item of another; `None` where they are the same.
fn update(from: &Item, to: &Item, all: &mut Expressions) -> Option<String> {
    let (mut set, mut remove) = (Vec::new(), Vec::new());
    for (name, value) in changed(from, to) {
        match value {
            Some(value) => set.push(all.pair(&name, value, " = ")),
            None => remove.push(all.name(&name)),
        }
    }
    let clauses = [("SET", set), ("REMOVE", remove)];
    let clauses = clauses.into_iter().filter(|(_, parts)| !parts.is_empty());
    let clauses: Vec<String> = clauses.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect();
    (!clauses.is_empty()).then(|| clauses.join(" "))
}

fn version_value(version: ItemVersion) -> Value {
    version.0.to_string().parse().map_or(Value::Null, Value::Number)
}

impl One {
    fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.all.values.is_empty()).then(|| self.all.values.clone())
    }

    fn action(self) -> Result<TransactWriteItem, StoreError> {
        let (names, values, condition) =
            (Some(self.all.names.clone()), self.values(), self.all.condition.clone());
        let action = TransactWriteItem::builder();
        Ok(match self.what {
            What::Put(item) => {
                let put = Put::builder().table_name(self.table).set_item(Some(item));
                let put = put.set_condition_expression(condition).set_expression_attribute_names(names);
                action.put(put.set_expression_attribute_values(values).build().map_err(refused)?)
            }
            What::Update(Some(expression)) => {
                let update = Update::builder().table_name(self.table).set_key(Some(self.key));
                let update = update.update_expression(expression).set_condition_expression(condition);
                let update = update.set_expression_attribute_names(names);
                action.update(update.set_expression_attribute_values(values).build().map_err(refused)?)
            }
            // Nothing of the item changes, and it must be as it was read all the same.
            What::Update(None) => {
                let check = aws_sdk_dynamodb::types::ConditionCheck::builder().table_name(self.table);
                let check = check.set_key(Some(self.key)).set_condition_expression(condition);
                let check = check.set_expression_attribute_names(names);
                action
                    .condition_check(check.set_expression_attribute_values(values).build().map_err(refused)?)
            }
            What::Delete => {
                let delete = Delete::builder().table_name(self.table).set_key(Some(self.key));
                let delete = delete.set_condition_expression(condition).set_expression_attribute_names(names);
                action.delete(delete.set_expression_attribute_values(values).build().map_err(refused)?)
            }
        }
        .build())
    }

    /// One attempt: after a lost reply the same write conflicts with itself, and only the agent, who reads
    /// what is stored then, can tell that from a conflict with somebody else.
    async fn send(&self, client: &Client) -> Result<(), Failure> {
        let names = || Some(self.all.names.clone());
        match &self.what {
            What::Put(item) => {
                let call = client.put_item().table_name(&self.table).set_item(Some(item.clone()));
                let call = call.set_condition_expression(self.all.condition.clone());
                let call = call.set_expression_attribute_names(names());
                let call = call.set_expression_attribute_values(self.values());
                call.send().await.map_err(|error| judge(&error))?;
            }
            What::Update(expression) => {
                let call = client.update_item().table_name(&self.table).set_key(Some(self.key.clone()));
                let call = call.set_update_expression(expression.clone());
                let call = call.set_condition_expression(self.all.condition.clone());
                let call = call.set_expression_attribute_names(names());
                let call = call.set_expression_attribute_values(self.values());
                call.send().await.map_err(|error| judge(&error))?;
            }
            What::Delete => {
                let call = client.delete_item().table_name(&self.table).set_key(Some(self.key.clone()));
                let call = call.set_condition_expression(self.all.condition.clone());
                let call = call.set_expression_attribute_names(names());
                let call = call.set_expression_attribute_values(self.values());
                call.send().await.map_err(|error| judge(&error))?;
            }
        }
        Ok(())
    }
}

impl CountedTable for DynamoTable {
    async fn item(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        self.source.row(row).await
    }

    async fn write(&self, write: &TableWrite) -> Result<(), StoreError> {
        let item = match &write.item {
            // Nothing becomes of nothing.
            Some(ItemWrite { from: None, to: None, .. }) | None => None,
            Some(item) => Some(self.item_write(&write.row, item).await?),
        };
        let Some(beside) = &write.beside else {
            return match item {
                Some(one) => Ok(one.send(&self.store.client).await?),
                None => Ok(()),
            };
        };
        let mut actions = vec![
            self.store.shadow_row_action(&write.row, beside.from, Some(&beside.to))?,
            self.store.schema_check(&write.row.table, beside.schema)?,
        ];
        if let Some(one) = item {
            actions.push(one.action()?);
        }
        self.store.transact(actions).await.map(|_| ())
    }

    async fn write_all(&self, writes: &[TableWrite], once: Option<&Once>) -> Result<(), StoreError> {
        let (mut actions, mut schemas) = (Vec::new(), BTreeMap::new());
        for write in writes {
            if let Some(item) = &write.item {
                actions.push(self.item_write(&write.row, item).await?.action()?);
            }
            let Some(beside) = &write.beside else { continue };
            actions.push(self.store.shadow_row_action(&write.row, beside.from, Some(&beside.to))?);
            // One transaction asks for one thing once.
            if *schemas.entry(&write.row.table).or_insert(beside.schema) != beside.schema {
                return Err(StoreError::Conflict);
            }
        }
        for (table, revision) in schemas {
            actions.push(self.store.schema_check(table, revision)?);
        }
        if let Some(once) = once {
            actions.push(self.store.once_action(once)?);
        }
        if actions.len() > ACTIONS_MAX {
            let items = writes.iter().filter(|write| write.item.is_some()).count();
            let notes = usize::from(once.is_some());
            return Err(StoreError::Rejected(format!(
                "it takes {} actions, {items} for its items, {} for what is kept beside their tables and {notes} for the \
                 note of its ClientRequestToken, and a transaction has at most {ACTIONS_MAX}; write {} fewer at once",
                actions.len(),
                actions.len() - items - notes,
                actions.len() - ACTIONS_MAX,
            )));
        }
        self.store.transact(actions).await.map(|_| ())
    }

    async fn carried_out(&self, token: &str) -> Result<Option<Once>, StoreError> {
        let item = self.store.get(&self.store.tables.metadata, &once_key(token)).await?;
        item.map(|item| once_from_item(&item).map_err(unreadable)).transpose()
    }
}

impl TableKeys for DynamoTable {
    async fn key_attributes(&self, table: &TableName) -> Result<Vec<String>, StoreError> {
        let schema = self.source.key_schema(table).await?;
        Ok(schema.iter().map(|(name, _)| name.clone()).collect())
    }

    async fn index(&self, table: &TableName, name: &str) -> Result<Option<TableIndex>, StoreError> {
        self.source.index(table, name).await
    }
}

impl SourceTable for DynamoTable {
    async fn row(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        self.source.row(row).await
    }

    async fn facts(&self, table: &TableName) -> SourceFacts {
        self.source.facts(table).await
    }

    async fn scan(
        &self,
        table: &TableName,
        segment: Segment,
        after: Option<String>,
    ) -> Result<Page<Item>, StoreError> {
        self.source.scan(table, segment, after).await
    }
}
