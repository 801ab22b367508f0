//! Owns the items of shadow schemas, and of what is kept beside tables.

use std::collections::BTreeMap;

use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::order::ItemVersion;
use evercount_core::shadow::{
    Prefetch, PrefetchFrom, SHADOW_COLUMNS_MAX, ShadowColumn, ShadowRow, ShadowSchema, ShadowState,
    ShadowValue,
};
use evercount_core::value::{Item, Value};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::fields::{Fields, number, signed, text, time_value};
use super::registry::change::{list_of, malformed, put, read_real, real, types_of};
use super::registry::types::type_texts;
use super::registry::version::{put_constraints, read_constraints};
use super::tables::table_in_key;
use super::{FORMAT, ItemError, ItemKey};

/// The partition of shadow schemas.
pub const SHADOW_SCHEMAS_PK: &str = "shadow-schemas";

/// Partitions over which a table's rows are spread. A partition of DynamoDB's takes 1,000 write units a
/// second, and a table that is moved writes as fast as it may.
pub const SHADOW_BUCKETS: u64 = 16;

/// Longest identity that stands in a sort key as it is, in bytes; DynamoDB takes 1,024.
const IDENTITY_BYTES_MAX: usize = 960;

/// How much of a longer one stays readable, in bytes.
const READABLE_BYTES: usize = 800;

/// The key of a table's shadow schema.
#[must_use]
pub fn shadow_schema_key(table: &TableName) -> ItemKey {
    ItemKey::new(SHADOW_SCHEMAS_PK, table_in_key(table))
}

/// A shadow schema that is more than an item holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} columns in one shadow schema, of which there may be {SHADOW_COLUMNS_MAX}")]
pub struct TooManyColumns(pub usize);

/// The item of a shadow schema.
///
/// # Errors
/// [`TooManyColumns`].
pub fn shadow_schema_item(schema: &ShadowSchema) -> Result<Item, TooManyColumns> {
    if schema.columns.len() > SHADOW_COLUMNS_MAX {
        return Err(TooManyColumns(schema.columns.len()));
    }
    let columns = |(name, column): (&String, &ShadowColumn)| (name.clone(), Value::Map(column_item(column)));
    let mut item = shadow_schema_key(&schema.table).item();
    put(&mut item, "entity", text("shadow schema"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "table", text(schema.table.as_str()));
    put(&mut item, "at", time_value(schema.at));
    put(&mut item, "revision", number(schema.revision));
    put(&mut item, "columns", Value::Map(schema.columns.iter().map(columns).collect()));
    put(&mut item, "summary", text(summary(schema)));
    Ok(item)
}

fn summary(schema: &ShadowSchema) -> String {
    let of = |name: &str| schema.columns.values().filter(|column| column.state.name() == name).count();
    let told: Vec<String> = ["expected", "arrived", "moved", "given up"]
        .iter()
        .filter(|name| of(name) > 0)
        .map(|name| format!("{} {name}", of(name)))
        .collect();
    if told.is_empty() {
        "No column is expected.".to_owned()
    } else {
        format!("Columns: {}.", told.join(", "))
    }
}

fn column_item(column: &ShadowColumn) -> Item {
    let mut item = Item::new();
    put(&mut item, "types", list_of(type_texts(&column.types)));
    put(&mut item, "probability", real(column.probability));
    put(&mut item, "source", text(&column.source));
    put(&mut item, "state", text(column.state.name()));
    put_constraints(&mut item, &column.constraints);
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            put(&mut item, name, value);
        }
    };
    add("default", column.default.clone());
    add("expected_at", column.expected_at.map(time_value));
    add("since", column.state.since().map(time_value));
    add("prefetch", column.prefetch.as_ref().map(|prefetch| Value::Map(prefetch_item(prefetch))));
    item
}

fn prefetch_item(prefetch: &Prefetch) -> Item {
    let mut item = Item::from([("from".to_owned(), text(prefetch.from.kind()))]);
    put(&mut item, "fresh_for", signed(prefetch.fresh_for));
    let told: [(&str, &str); 3] = match &prefetch.from {
        PrefetchFrom::Http { url, pointer } => [("url", url), ("pointer", pointer), ("", "")],
        PrefetchFrom::S3 { bucket, key, pointer } => [("bucket", bucket), ("key", key), ("pointer", pointer)],
        PrefetchFrom::Table { table, attribute } => {
            [("table", table.as_str()), ("attribute", attribute), ("", "")]
        }
    };
    told.iter()
        .filter(|(name, _)| !name.is_empty())
        .for_each(|(name, value)| put(&mut item, name, text(*value)));
    item
}

/// Reads a shadow schema from its item.
///
/// # Errors
/// [`ItemError`].
pub fn shadow_schema_from_item(item: &Item) -> Result<ShadowSchema, ItemError> {
    let fields = Fields::of_format(item)?;
    let mut columns = BTreeMap::new();
    for (name, column) in fields.map("columns")? {
        let Value::Map(column) = column else { return Err(malformed("columns", "a map of maps")) };
        columns.insert(name.clone(), read_column(column)?);
    }
    Ok(ShadowSchema {
        table: TableName::new(fields.text("table")?),
        at: fields.time("at")?,
        revision: fields.unsigned("revision")?,
        columns,
    })
}

fn read_column(item: &Item) -> Result<ShadowColumn, ItemError> {
    let fields = Fields(item);
    let state = match fields.text("state")? {
        "expected" => ShadowState::Expected,
        "arrived" => ShadowState::Arrived { at: fields.time("since")? },
        "moved" => ShadowState::Moved { at: fields.time("since")? },
        "given up" => ShadowState::GivenUp { at: fields.time("since")? },
        _ => return Err(malformed("state", "a state of a shadow column")),
    };
    Ok(ShadowColumn {
        types: types_of(fields, "types")?,
        default: item.get("default").cloned(),
        constraints: read_constraints(item)?,
        expected_at: fields.time_if_any("expected_at")?,
        probability: read_real(fields, "probability")?,
        source: fields.text("source")?.to_owned(),
        prefetch: fields.map_if_any("prefetch")?.map(read_prefetch).transpose()?,
        state,
    })
}

fn read_prefetch(item: &Item) -> Result<Prefetch, ItemError> {
    let fields = Fields(item);
    let owned = |name: &str| fields.text(name).map(str::to_owned);
    let from = match fields.text("from")? {
        "http" => PrefetchFrom::Http { url: owned("url")?, pointer: owned("pointer")? },
        "s3" => PrefetchFrom::S3 { bucket: owned("bucket")?, key: owned("key")?, pointer: owned("pointer")? },
        "table" => PrefetchFrom::Table {
            table: TableName::new(fields.text("table")?),
            attribute: owned("attribute")?,
        },
        _ => return Err(malformed("from", "a kind of source to fetch from")),
    };
    let fresh_for = fields.signed_if_any("fresh_for")?;
    let missing = || ItemError::Missing { name: "fresh_for".to_owned() };
    Ok(Prefetch { from, fresh_for: fresh_for.ok_or_else(missing)? })
}

/// A partition of what is kept beside a table; `bucket` is below [`SHADOW_BUCKETS`].
#[must_use]
pub fn shadow_pk(table: &TableName, bucket: u64) -> String {
    format!("shadow#{}#{bucket:02}", table_in_key(table))
}

/// The key of what is kept for an item. A long identity is cut and ends in its hash; the item then holds
/// the whole text.
#[must_use]
pub fn shadow_row_key(key: &RowKey) -> ItemKey {
    let identity = match &key.identity {
        RowIdentity::Key(text) => format!("#{text}"),
        RowIdentity::Position(text) => format!("@{text}"),
    };
    let pk = shadow_pk(&key.table, xxh3_64(identity.as_bytes()) % SHADOW_BUCKETS);
    if identity.len() <= IDENTITY_BYTES_MAX {
        return ItemKey::new(pk, identity);
    }
    let readable = identity.get(..identity.floor_char_boundary(READABLE_BYTES)).unwrap_or_default();
    ItemKey::new(pk, format!("{readable}~{:032x}", xxh3_128(identity.as_bytes())))
}

/// The item of what is kept for an item.
#[must_use]
pub fn shadow_row_item(key: &RowKey, row: &ShadowRow) -> Item {
    let value = |(name, value): (&String, &ShadowValue)| {
        let mut stored = Item::from([("order".to_owned(), number(value.order.0))]);
        put(&mut stored, "at", time_value(value.at));
        if let Some(value) = &value.value {
            put(&mut stored, "value", value.clone());
        }
        (name.clone(), Value::Map(stored))
    };
    let mut item = shadow_row_key(key).item();
    put(&mut item, "entity", text("shadow values"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "table", text(key.table.as_str()));
    match &key.identity {
        RowIdentity::Key(identity) => put(&mut item, "key", text(&**identity)),
        RowIdentity::Position(position) => put(&mut item, "position", text(&**position)),
    }
    put(&mut item, "revision", number(row.revision));
    put(&mut item, "values", Value::Map(row.values.iter().map(value).collect()));
    item
}

/// Reads what is kept for an item.
///
/// # Errors
/// [`ItemError`].
pub fn shadow_row_from_item(item: &Item) -> Result<(RowKey, ShadowRow), ItemError> {
    let fields = Fields::of_format(item)?;
    let identity = match fields.text_if_any("position")? {
        Some(position) => RowIdentity::Position(position.into()),
        None => RowIdentity::Key(fields.text("key")?.into()),
    };
    let mut values = BTreeMap::new();
    for (name, value) in fields.map("values")? {
        let Value::Map(stored) = value else { return Err(malformed("values", "a map of maps")) };
        let of_value = Fields(stored);
        let read = ShadowValue {
            value: stored.get("value").cloned(),
            order: ItemVersion(of_value.unsigned("order")?),
            at: of_value.time("at")?,
        };
        values.insert(name.clone(), read);
    }
    let key = RowKey { table: TableName::new(fields.text("table")?), identity };
    Ok((key, ShadowRow { revision: fields.unsigned("revision")?, values }))
}
