//! Owns what is stored of tables and lanes as a whole: floors, shapes, and the lane directory.

use evercount_core::change::{ColumnCoding, TableName, TableShape};
use evercount_core::lane::LaneId;
use evercount_core::order::{Floor, Micros};
use evercount_core::value::{Item, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::fields::{Fields, number, signed, text, time_value};
use super::{FORMAT, ItemError, ItemKey};

/// The partition key of all table facts.
pub const TABLES_PK: &str = "tables";

const LANES_PK: &str = "lanes";

/// Longest table name that stands in a key as it is, in bytes: a sort key takes 1,024.
const TABLE_IN_KEY_BYTES_MAX: usize = 900;

/// What is stored of one table.
#[derive(Clone, PartialEq, Debug)]
pub struct TableFactsItem {
    /// The table.
    pub table: TableName,
    /// When it was last emptied.
    pub floor: Option<Floor>,
    /// What its source said last of its columns, and when.
    pub shape: Option<(Micros, TableShape)>,
    /// Rises with every write; a write is conditional on the one read.
    pub revision: u64,
}

/// A table's name as part of a key; a very long one is cut and ends in its hash.
pub(super) fn table_in_key(table: &TableName) -> String {
    let name = table.as_str();
    if (1..=TABLE_IN_KEY_BYTES_MAX).contains(&name.len()) {
        return name.to_owned();
    }
    let readable = name.get(..name.floor_char_boundary(TABLE_IN_KEY_BYTES_MAX - 100)).unwrap_or_default();
    format!("{readable}~{:032x}", xxh3_128(name.as_bytes()))
}

/// The key of a table's facts.
#[must_use]
pub fn table_facts_key(table: &TableName) -> ItemKey {
    ItemKey::new(TABLES_PK, table_in_key(table))
}

/// The item of a table's facts.
#[must_use]
pub fn table_facts_item(facts: &TableFactsItem) -> Item {
    let mut item = table_facts_key(&facts.table).item();
    item.insert("entity".to_owned(), text("table facts"));
    item.insert("format".to_owned(), number(FORMAT));
    item.insert("table".to_owned(), text(facts.table.as_str()));
    item.insert("revision".to_owned(), number(facts.revision));
    write_floor(facts.floor.as_ref(), &mut item);
    if let Some((at, shape)) = &facts.shape {
        item.insert("shape_at".to_owned(), time_value(*at));
        write_shape(Some(shape), &mut item);
    }
    item
}

/// Reads a table's facts.
///
/// # Errors
/// [`ItemError`].
pub fn table_facts_from_item(item: &Item) -> Result<TableFactsItem, ItemError> {
    let fields = Fields::of_format(item)?;
    let shape = match read_shape(fields)? {
        Some(shape) => Some((fields.time("shape_at")?, shape)),
        None => None,
    };
    Ok(TableFactsItem {
        table: TableName::new(fields.text("table")?),
        floor: read_floor(fields)?,
        shape,
        revision: fields.unsigned("revision")?,
    })
}

pub(super) fn write_floor(floor: Option<&Floor>, item: &mut Item) {
    match floor {
        Some(Floor::Version(version)) => {
            item.insert("floor_version".to_owned(), Value::Binary(version.as_bytes().to_vec()));
            if let Some(at) = version.clock_micros() {
                item.insert("emptied_at".to_owned(), time_value(at));
            }
        }
        Some(Floor::Time(at)) => {
            item.insert("floor_time".to_owned(), time_value(*at));
            item.insert("emptied_at".to_owned(), time_value(*at));
        }
        None => {}
    }
}

pub(super) fn read_floor(fields: Fields<'_>) -> Result<Option<Floor>, ItemError> {
    match fields.version_if_any("floor_version")? {
        Some(version) => Ok(Some(Floor::Version(version))),
        None => Ok(fields.time_if_any("floor_time")?.map(Floor::Time)),
    }
}

pub(super) fn write_shape(shape: Option<&TableShape>, item: &mut Item) {
    let Some(shape) = shape else { return };
    let key = shape.key.iter().map(text).collect();
    let columns = shape.columns.iter().map(|(name, coding)| Value::Map(column(name, *coding))).collect();
    let stored = [("key".to_owned(), Value::List(key)), ("columns".to_owned(), Value::List(columns))];
    item.insert("shape".to_owned(), Value::Map(stored.into()));
}

fn column(name: &str, coding: ColumnCoding) -> Item {
    let mut item = Item::from([("name".to_owned(), text(name))]);
    let stored = match coding {
        ColumnCoding::Binary => "binary",
        ColumnCoding::Unsigned64 => "unsigned64",
        ColumnCoding::UnscaledDecimal { scale } => {
            item.insert("scale".to_owned(), signed(i64::from(scale)));
            "unscaled decimal"
        }
    };
    item.insert("coding".to_owned(), text(stored));
    item
}

pub(super) fn read_shape(fields: Fields<'_>) -> Result<Option<TableShape>, ItemError> {
    let Some(shape) = fields.map_if_any("shape")? else { return Ok(None) };
    let shape = Fields(shape);
    let mut columns = Vec::new();
    for value in shape.list_if_any("columns")? {
        let Value::Map(column) = value else {
            return Err(ItemError::Malformed { name: "columns".to_owned(), expected: "a list of maps" });
        };
        let column = Fields(column);
        let coding = match column.text("coding")? {
            "binary" => ColumnCoding::Binary,
            "unsigned64" => ColumnCoding::Unsigned64,
            "unscaled decimal" => {
                let scale = column.signed_if_any("scale")?.and_then(|scale| i32::try_from(scale).ok());
                let missing = || ItemError::Malformed { name: "scale".to_owned(), expected: "a scale" };
                ColumnCoding::UnscaledDecimal { scale: scale.ok_or_else(missing)? }
            }
            _ => return Err(ItemError::Malformed { name: "coding".to_owned(), expected: "a known coding" }),
        };
        columns.push((column.text("name")?.to_owned(), coding));
    }
    let key = shape.texts("key")?.into_iter().map(str::to_owned).collect();
    Ok(Some(TableShape { key, columns }))
}

/// The partition key of the lane directory.
#[must_use]
pub fn lane_directory_pk() -> &'static str {
    LANES_PK
}

/// The lane directory's entry of a lane.
#[must_use]
pub fn lane_entry_item(lane: &LaneId) -> Item {
    let mut item = ItemKey::new(LANES_PK, lane.as_str()).item();
    item.insert("entity".to_owned(), text("lane"));
    item.insert("format".to_owned(), number(FORMAT));
    item.insert("lane".to_owned(), text(lane.as_str()));
    item
}

/// Reads an entry of the lane directory.
///
/// # Errors
/// [`ItemError`].
pub fn lane_entry_from_item(item: &Item) -> Result<LaneId, ItemError> {
    Fields::of_format(item)?.text("lane").map(LaneId::named)
}
