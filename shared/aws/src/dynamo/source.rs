//! The table that is counted, where it is a DynamoDB table: single rows and scans, always
//! consistent, because an audit compares what it reads with what was counted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeySchemaElement, KeyType, Projection, ProjectionType, ReturnConsumedCapacity,
    ScalarAttributeType, TableDescription,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercount_core::backfill::Segment;
use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::resolve::index::{Projected, TableIndex};
use evercount_core::value::{Item, Value};
use evercount_pipeline::answering::Answering;
use evercount_pipeline::ports::{Page, SourceFacts, SourceTable, StoreError};
use evercount_wire::json::{canonical_key, read_plain_item};

use super::calls::read;
use super::failure::{Failure, judge, retrying};
use super::value::{from_attributes, to_attribute, to_attributes};
use super::{DynamoStore, without_retries};

/// How long the indexes of a table are taken for those that it has.
const INDEXES_KNOWN_FOR: Duration = Duration::from_secs(60);

/// The DynamoDB tables of an account, as sources.
#[derive(Debug)]
pub struct DynamoSource {
    client: Client,
    keys: Mutex<HashMap<TableName, Arc<KeySchema>>>,
    indexes: Mutex<HashMap<TableName, (Instant, Indexes)>>,
}

/// The indexes of a table, by name.
type Indexes = BTreeMap<String, TableIndex>;

/// The key attributes of a table with their types.
pub(super) type KeySchema = Vec<(String, ScalarAttributeType)>;

impl DynamoSource {
    /// Sources read through a client. Its retries and timeouts are replaced as
    /// [`super::DynamoStore`] does.
    #[must_use]
    pub fn new(client: &Client) -> Self {
        Self { client: without_retries(client), keys: Mutex::default(), indexes: Mutex::default() }
    }

    async fn described(&self, table: &TableName) -> Result<TableDescription, StoreError> {
        let described = retrying(async || {
            let call = self.client.describe_table().table_name(table.as_str());
            call.send().await.map_err(|error| judge(&error))
        })
        .await?;
        Ok(described.table.unwrap_or_else(|| TableDescription::builder().build()))
    }

    /// A table's key. It cannot change while the table exists, so it is asked for once.
    pub(super) async fn key_schema(&self, table: &TableName) -> Result<Arc<KeySchema>, StoreError> {
        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned();
        if let Some(schema) = known {
            return Ok(schema);
        }
        let of_table = self.described(table).await?;
        let type_of = |name: &str| {
            let mut definitions = of_table.attribute_definitions().iter();
            definitions.find(|one| one.attribute_name == name).map(|one| one.attribute_type.clone())
        };
        let with_type = |name: &String| Some((name.clone(), type_of(name)?));
        let names = of_table.key_schema().iter().map(|element| &element.attribute_name);
        let schema: Option<KeySchema> = names.map(with_type).collect();
        let schema = schema.filter(|schema| !schema.is_empty()).ok_or_else(|| {
            StoreError::Rejected(format!("the description of table `{table}` does not say what its key is"))
        })?;
        let schema = Arc::new(schema);
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(table.clone(), Arc::clone(&schema));
        Ok(schema)
    }
}

impl DynamoSource {
    /// An index of a table; one that was made a moment ago may not be known yet.
    pub(super) async fn index(
        &self,
        table: &TableName,
        name: &str,
    ) -> Result<Option<TableIndex>, StoreError> {
        let lock = || self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, known)) = lock().get(table)
            && at.elapsed() < INDEXES_KNOWN_FOR
            && let Some(index) = known.get(name)
        {
            return Ok(Some(index.clone()));
        }
        let known = indexes(&self.described(table).await?);
        let index = known.get(name).cloned();
        lock().insert(table.clone(), (Instant::now(), known));
        Ok(index)
    }
}

fn indexes(of_table: &TableDescription) -> Indexes {
    let global = of_table.global_secondary_indexes().iter();
    let global = global.map(|one| (one.index_name(), one.key_schema(), one.projection(), false));
    let local = of_table.local_secondary_indexes().iter();
    let local = local.map(|one| (one.index_name(), one.key_schema(), one.projection(), true));
    let name = |one: &KeySchemaElement| one.attribute_name.clone();
    let all = global.chain(local).filter_map(|(called, keys, projection, is_local)| {
        let keys = of_table.key_schema().iter().chain(keys).map(name).collect();
        Some((called?.to_owned(), TableIndex { keys, projected: projected(projection), is_local }))
    });
    all.collect()
}

fn projected(projection: Option<&Projection>) -> Projected {
    let others: BTreeSet<String> =
        projection.into_iter().flat_map(Projection::non_key_attributes).cloned().collect();
    match projection.and_then(Projection::projection_type) {
        Some(ProjectionType::All) => Projected::All,
        Some(ProjectionType::Include) => Projected::Some(others),
        _ => Projected::Keys,
    }
}

/// Reads a canonical key back, as the table types it; `None` where it is not a key of the table.
fn key_of_text(schema: &KeySchema, text: &str) -> Option<Item> {
    let mut plain = read_plain_item(text).ok()?;
    let mut key = Item::new();
    for (name, scalar) in schema {
        let value = match (scalar, plain.remove(name)?) {
            (ScalarAttributeType::S, value @ Value::String(_))
            | (ScalarAttributeType::N, value @ Value::Number(_)) => value,
            (ScalarAttributeType::B, Value::Map(described)) => match described.get("B") {
                Some(Value::String(text)) => Value::Binary(STANDARD.decode(text).ok()?),
                _ => return None,
            },
            _ => return None,
        };
        key.insert(name.clone(), value);
    }
    plain.is_empty().then_some(key)
}

fn key_of_item(schema: &KeySchema, item: &Item) -> Item {
    let of_key = |name: &String| item.get_key_value(name).map(|(name, value)| (name.clone(), value.clone()));
    schema.iter().filter_map(|(name, _)| of_key(name)).collect()
}

/// DynamoDB tables as counts read them back: with the answers of the functions that they ask.
pub type CountedTables = Answering<DynamoSource, DynamoStore>;

impl DynamoStore {
    /// The tables that its counts are of, read through a client.
    #[must_use]
    pub fn counted_tables(&self, client: &Client) -> CountedTables {
        Answering::new(DynamoSource::new(client), self.clone())
    }
}

impl DynamoSource {
    /// A row's key attributes.
    pub(super) async fn key_of_row(&self, row: &RowKey) -> Result<Item, StoreError> {
        let table = &row.table;
        let schema = self.key_schema(table).await?;
        let key = match &row.identity {
            RowIdentity::Key(text) => key_of_text(&schema, text),
            RowIdentity::Position(_) => None,
        };
        key.ok_or_else(|| StoreError::Rejected(format!("the row's key is not one of table `{table}`")))
    }
}

impl SourceTable for DynamoSource {
    async fn row(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        let table = &row.table;
        let key = to_attributes(&self.key_of_row(row).await?);
        retrying(async || {
            let call = self
                .client
                .get_item()
                .table_name(table.as_str())
                .set_key(Some(key.clone()))
                .consistent_read(true);
            let found = call.send().await.map_err(|error| judge(&error))?;
            Ok(found.item.map(from_attributes).transpose()?)
        })
        .await
    }

    async fn facts(&self, table: &TableName) -> SourceFacts {
        // A plan is made without them, too, and says so.
        let Ok(of_table) = self.described(table).await else { return SourceFacts::default() };
        let hash = of_table.key_schema().iter().find(|one| one.key_type == KeyType::Hash);
        let size = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
        SourceFacts {
            partition_key: hash.map(|one| one.attribute_name.clone()),
            items: size(of_table.item_count),
            bytes: size(of_table.table_size_bytes),
        }
    }

    async fn scan(
        &self,
        table: &TableName,
        segment: Segment,
        after: Option<String>,
    ) -> Result<Page<Item>, StoreError> {
        let schema = self.key_schema(table).await?;
        let start = match after {
            Some(text) => {
                Some(key_of_text(&schema, &text).map(|key| to_attributes(&key)).ok_or_else(|| {
                    StoreError::Rejected(format!("the place to go on from is not a key of table `{table}`"))
                })?)
            }
            None => None,
        };
        let page = retrying(async || {
            let mut call = self.client.scan().table_name(table.as_str()).consistent_read(true);
            if segment != Segment::WHOLE {
                let of = |n: u32| Some(i32::try_from(n).unwrap_or(i32::MAX));
                call = call.set_segment(of(segment.number)).set_total_segments(of(segment.of));
            }
            call = call.return_consumed_capacity(ReturnConsumedCapacity::Total);
            call.set_exclusive_start_key(start.clone()).send().await.map_err(|error| judge(&error))
        })
        .await?;
        let read_units = read(page.consumed_capacity.as_ref());
        page_of(table, &schema, page.items, page.last_evaluated_key, read_units)
    }

    async fn partition(
        &self,
        table: &TableName,
        attribute: &str,
        values: &[Value],
        after: Option<String>,
    ) -> Result<Page<Item>, StoreError> {
        let schema = self.key_schema(table).await?;
        let Some((_, scalar)) = schema.first().filter(|(name, _)| name == attribute) else {
            let why = format!("`{attribute}` is not the partition key of table `{table}`");
            return Err(StoreError::Rejected(why));
        };
        let nowhere = || {
            StoreError::Rejected(format!("the place to go on from is not one of a query of table `{table}`"))
        };
        let (mut number, mut start) = match &after {
            Some(place) => read_place(&schema, place).ok_or_else(nowhere)?,
            None => (0, None),
        };
        // A value of another type than the key's has no items, and DynamoDB refuses to look.
        while values.get(number).is_some_and(|value| !fits(scalar, value)) {
            (number, start) = (number + 1, None);
        }
        let Some(value) = values.get(number) else { return Ok(Page::none()) };
        let start = start.map(|key| to_attributes(&key));
        let page = retrying(async || {
            let call = self.client.query().table_name(table.as_str()).consistent_read(true);
            let call =
                call.key_condition_expression("#key = :value").expression_attribute_names("#key", attribute);
            let call = call.expression_attribute_values(":value", to_attribute(value));
            let call = call.return_consumed_capacity(ReturnConsumedCapacity::Total);
            call.set_exclusive_start_key(start.clone()).send().await.map_err(|error| judge(&error))
        })
        .await?;
        let read_units = read(page.consumed_capacity.as_ref());
        let page = page_of(table, &schema, page.items, page.last_evaluated_key, read_units)?;
        let next = match page.next {
            Some(key) => Some(place(number, &key)),
            None => (number + 1 < values.len()).then(|| place(number + 1, "")),
        };
        Ok(Page { next, ..page })
    }
}

/// A page as it was answered: its rows, and the canonical key to go on after.
fn page_of(
    table: &TableName,
    schema: &KeySchema,
    items: Option<Vec<HashMap<String, AttributeValue>>>,
    last: Option<HashMap<String, AttributeValue>>,
    read_units: f64,
) -> Result<Page<Item>, StoreError> {
    let mut rows = Vec::new();
    for item in items.unwrap_or_default() {
        let item = from_attributes(item).map_err(Failure::from)?;
        let identity = RowIdentity::Key(canonical_key(&key_of_item(schema, &item)).into());
        rows.push((RowKey { table: table.clone(), identity }, item));
    }
    let next = last.map(from_attributes).transpose().map_err(Failure::from)?;
    Ok(Page { rows, next: next.map(|key| canonical_key(&key)), read_units })
}

/// Where a query of several values goes on: the number of the value, and the key within it; none
/// at its start.
fn place(number: usize, key: &str) -> String {
    format!("{number}:{key}")
}

/// Reads a [`place`].
fn read_place(schema: &KeySchema, text: &str) -> Option<(usize, Option<Item>)> {
    let (number, key) = text.split_once(':')?;
    let key = if key.is_empty() { None } else { Some(key_of_text(schema, key)?) };
    Some((number.parse().ok()?, key))
}

/// Whether a value is of a key attribute's type.
fn fits(scalar: &ScalarAttributeType, value: &Value) -> bool {
    matches!(
        (scalar, value),
        (ScalarAttributeType::S, Value::String(_))
            | (ScalarAttributeType::N, Value::Number(_))
            | (ScalarAttributeType::B, Value::Binary(_))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_key_reads_back_as_the_key_it_was_made_of() {
        let schema = vec![
            ("id".to_owned(), ScalarAttributeType::S),
            ("n".to_owned(), ScalarAttributeType::N),
            ("raw".to_owned(), ScalarAttributeType::B),
        ];
        let number = "12345678901234567890.5".parse().map_or(Value::Null, Value::Number);
        let key = Item::from([
            ("id".to_owned(), Value::String("a\"#\u{1F600}".to_owned())),
            ("n".to_owned(), number),
            ("raw".to_owned(), Value::Binary(vec![0, 255])),
        ]);
        assert_eq!(key_of_text(&schema, &canonical_key(&key)), Some(key.clone()));
        for wrong in
            ["", "{}", r#"{"id":1,"n":1,"raw":{"B":""}}"#, r#"{"id":"a","n":1,"raw":{"B":""},"x":1}"#]
        {
            assert_eq!(key_of_text(&schema, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_query_goes_on_at_the_value_and_the_key_it_came_to() {
        let schema = vec![("id".to_owned(), ScalarAttributeType::S)];
        let key = Item::from([("id".to_owned(), Value::String("a:b".to_owned()))]);
        assert_eq!(read_place(&schema, &place(2, &canonical_key(&key))), Some((2, Some(key))));
        assert_eq!(read_place(&schema, &place(7, "")), Some((7, None)));
        for wrong in ["", "2", "x:", "2:{}", r#"2:{"id":1}"#] {
            assert_eq!(read_place(&schema, wrong), None, "{wrong}");
        }
    }
}
