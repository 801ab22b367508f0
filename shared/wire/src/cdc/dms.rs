//! Owns the records of AWS DMS with a Kinesis target.
//!
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.Kinesis.html>. Data records say
//! what a row is now, and, with before images enabled, what it was; a before image may hold all
//! columns, the key columns only, the changed ones only, or none. Control records say what
//! happened to a table; they carry a time and no log position.

use evercount_core::change::{
    Change, Clause, ColumnCoding, Passed, Record, RowIdentity, RowKey, TableEvent, TableName, TableShape,
    Told,
};
use evercount_core::image::Image;
use evercount_core::order::{Floor, Micros, OrderVersion};
use evercount_core::schema::{Field, FieldPath, Schema, TypeSet};
use evercount_core::value::{Item, Value, digest};

use super::coding::Codings;
use super::fields::Fields;
use super::position::dms_position;
use super::time::{iso_time, optional_iso_time};
use super::{Decoder, Envelope, Reason, Undecodable, key_identity};
use crate::json;
use crate::sql_type::{self, Dialect};

/// Decodes a record.
pub(super) fn decode(
    decoder: &Decoder,
    record: &Fields<'_>,
    envelope: &Envelope<'_>,
) -> Result<Record, Undecodable> {
    let metadata = record.object("metadata")?.ok_or_else(|| Undecodable::missing("metadata"))?;
    let schema = metadata.text("schema-name")?.unwrap_or_default();
    let control = match &*metadata.needed_text("record-type")? {
        "data" => false,
        "control" => true,
        unknown => return Err(Undecodable::unknown_operation(unknown)),
    };
    if control && schema.is_empty() {
        // The task's own tables, such as `awsdms_apply_exceptions`.
        return Ok(Record::Passed(Passed::NotAChange));
    }
    let name = metadata.needed_text("table-name")?;
    let table =
        if schema.is_empty() { TableName::new(&name) } else { TableName::new(format!("{schema}.{name}")) };
    let decoded = if control {
        control_event(record, &metadata, &table, envelope).map(|event| Record::Tables(vec![event]))
    } else {
        DataRecord::read(decoder, record, &metadata, &table, envelope)
            .and_then(DataRecord::changes)
            .map(Record::Changes)
    };
    decoded.map_err(|undecodable| undecodable.of(&table))
}

/// A data record, with everything its changes are made from.
struct DataRecord<'a> {
    operation: Operation,
    metadata: &'a Fields<'a>,
    table: &'a TableName,
    shape: Option<&'a TableShape>,
    data: Option<Item>,
    before: Option<Item>,
    version: OrderVersion,
    position: String,
    at: Micros,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Load,
    Insert,
    Update,
    Delete,
}

impl<'a> DataRecord<'a> {
    fn read(
        decoder: &'a Decoder,
        record: &Fields<'_>,
        metadata: &'a Fields<'a>,
        table: &'a TableName,
        envelope: &Envelope<'_>,
    ) -> Result<Self, Undecodable> {
        let operation = match &*metadata.needed_text("operation")? {
            "load" => Operation::Load,
            "insert" => Operation::Insert,
            "update" => Operation::Update,
            "delete" => Operation::Delete,
            unknown => return Err(Undecodable::unknown_operation(unknown)),
        };
        let shape = decoder.shape(table);
        let image = |name: &str| -> Result<Option<Item>, Undecodable> {
            let Some(text) = record.get(name) else {
                return Ok(None);
            };
            let mut item = json::read_plain_item(text).map_err(|error| Undecodable::json(error, name))?;
            Codings { schema: &[], learned: shape }.apply(&mut item);
            Ok(Some(item))
        };
        let data = image("data")?;
        let before = image("before-image")?;
        let commit = optional_iso_time(metadata.text("commit-timestamp")?.as_ref());
        let written = optional_iso_time(metadata.text("timestamp")?.as_ref());
        let at = commit.or(written).or(envelope.arrival);
        let at = at.ok_or_else(|| Undecodable::missing("timestamp"))?;
        let transaction: Option<u64> = metadata.integer("transaction-id")?;
        let number: Option<u64> = metadata.integer("transaction-record-id")?;
        let stream = metadata.text("stream-position")?.filter(|text| !text.is_empty());
        let (version, position) = if operation == Operation::Load {
            let at = written.unwrap_or(at);
            // Rows of a load share their times; a table without a key tells them apart by value.
            let row = digest(data.as_ref());
            (OrderVersion::load(decoder.epoch, at), format!("load:{at}:{row:016x}"))
        } else if let Some(stream) = stream {
            let position = format!("{stream}#{}", number.unwrap_or(0));
            let known = dms_position(decoder.epoch, &stream, number);
            let version = known.unwrap_or_else(|| fallback(decoder.epoch, at, commit, transaction, number));
            (version, position)
        } else {
            let position = format!("{at}/{}#{}", transaction.unwrap_or(0), number.unwrap_or(0));
            (fallback(decoder.epoch, at, commit, transaction, number), position)
        };
        Ok(Self { operation, metadata, table, shape, data, before, version, position, at })
    }

    fn changes(mut self) -> Result<Vec<Change>, Undecodable> {
        let (row, old_row) = self.identities()?;
        let data = self.data.take();
        let before = self.before.take().filter(|before| {
            let mut columns = data.iter().flat_map(Item::keys).peekable();
            columns.peek().is_some() && columns.all(|column| before.contains_key(column))
        });
        let after = match self.operation {
            Operation::Delete => None,
            _ => Some(data.ok_or_else(|| Undecodable::missing("data"))?),
        };
        let change = |identity, before: Option<Item>, after: Option<Item>| Change {
            row: RowKey { table: self.table.clone(), identity },
            before: before.map(Image::Item),
            after: after.map(Image::Item),
            version: self.version.clone(),
            at: self.at,
            whole: None,
        };
        Ok(match old_row {
            // An update that changes the key removes one row and writes another.
            Some(old) if self.operation == Operation::Update && old != row => {
                vec![change(old, before, None), change(row, None, after)]
            }
            _ => vec![change(row, before, after)],
        })
    }

    /// The identity of the row, and, where the record tells, the one it had before.
    fn identities(&self) -> Result<(RowIdentity, Option<RowIdentity>), Undecodable> {
        match self.shape {
            Some(shape) if !shape.key.is_empty() => self.key_columns(shape),
            _ => match self.partition_value()? {
                Some(value) => self.partition_identities(&value),
                None => Ok((RowIdentity::Position(self.position.as_str().into()), None)),
            },
        }
    }

    fn key_columns(&self, shape: &TableShape) -> Result<(RowIdentity, Option<RowIdentity>), Undecodable> {
        let data = self.data.as_ref().ok_or_else(|| Undecodable::missing("data"))?;
        let mut key = Item::new();
        let mut old = Item::new();
        for column in &shape.key {
            let value = data.get(column).ok_or_else(|| Undecodable::missing(column))?;
            let earlier = self.before.as_ref().and_then(|before| before.get(column));
            key.insert(column.clone(), value.clone());
            old.insert(column.clone(), earlier.unwrap_or(value).clone());
        }
        let identity = key_identity(&json::canonical_key(&key))?;
        Ok((identity, Some(key_identity(&json::canonical_key(&old))?)))
    }

    /// The key's text in the partition key value, without the table's name before it.
    fn partition_value(&self) -> Result<Option<String>, Undecodable> {
        if self.metadata.text("partition-key-type")?.as_deref() != Some("primary-key") {
            return Ok(None);
        }
        let Some(value) = self.metadata.text("partition-key-value")? else {
            return Ok(None);
        };
        let prefix = format!("{}.", self.table);
        Ok(Some(value.strip_prefix(&prefix).unwrap_or(&value).to_owned()))
    }

    /// Identities from the partition key value, which names no columns: the column whose text
    /// it is shows how it is to be read, and what it was before.
    fn partition_identities(&self, text: &str) -> Result<(RowIdentity, Option<RowIdentity>), Undecodable> {
        let as_number = text.parse().ok();
        let is_text = |value: &Value| matches!(value, Value::String(known) if known == text);
        let is_number =
            |value: &Value| matches!(value, Value::Number(known) if Some(known) == as_number.as_ref());
        let columns = || self.data.iter().flatten();
        // One number has several spellings, `5e16` among them, and one identity.
        let spelled = match &as_number {
            Some(number)
                if !columns().any(|(_, value)| is_text(value))
                    && columns().any(|(_, value)| is_number(value)) =>
            {
                number.to_string()
            }
            _ => text.to_owned(),
        };
        let identity = |text: &str| key_identity(&json::canonical_value(&Value::String(text.to_owned())));
        let before = self.before.as_ref();
        let mut earlier = columns()
            .filter(|(_, value)| is_text(value) || is_number(value))
            .filter_map(|(name, _)| before?.get(name));
        // Where several columns hold the key's text, the old key is told only if they all held
        // one value before; a column that happens to equal the key must not look like a new key.
        let old = earlier.next().filter(|first| earlier.all(|other| other == *first));
        let old = match old {
            Some(Value::String(old)) => Some(identity(old)?),
            Some(Value::Number(old)) => Some(identity(&old.to_string())?),
            _ => None,
        };
        Ok((identity(&spelled)?, old))
    }
}

/// The version of a change whose log position is absent or in an unknown notation.
fn fallback(
    epoch: u16,
    at: Micros,
    commit: Option<Micros>,
    transaction: Option<u64>,
    record: Option<u64>,
) -> OrderVersion {
    match commit {
        Some(commit) => OrderVersion::commit(epoch, commit, transaction.unwrap_or(0), record.unwrap_or(0)),
        // Without transaction details all that is left is the clock.
        None => OrderVersion::clock(epoch, at),
    }
}

fn control_event(
    record: &Fields<'_>,
    metadata: &Fields<'_>,
    table: &TableName,
    envelope: &Envelope<'_>,
) -> Result<TableEvent, Undecodable> {
    let operation = metadata.needed_text("operation")?.into_owned();
    let clause = match operation.as_str() {
        "create-table" => Clause::Create,
        "drop-table" => Clause::Drop,
        "truncate-table" => Clause::Truncate,
        "rename-table" | "add-column" | "drop-column" | "rename-column" | "column-type-change"
        | "change-columns" => Clause::Unspecified,
        unknown => return Err(Undecodable::unknown_operation(unknown)),
    };
    let empties = matches!(clause, Clause::Drop | Clause::Truncate);
    let written = metadata.text("timestamp")?;
    let at = written.as_deref().and_then(iso_time).or(envelope.arrival);
    let at = at.ok_or_else(|| Undecodable::new(Reason::MissingField, "`timestamp` is no time"))?;
    let definition = match record.object("control")? {
        Some(control) => control.object("table-def")?,
        None => None,
    };
    let shape = definition.as_ref().map(shape).transpose()?;
    let schema = definition.as_ref().map(schema).transpose()?;
    // The bodies of alterations are not documented. A definition in one is the table's whole one
    // and tells what changed; without one, something did.
    let clauses = match (&schema, clause) {
        (Some(_), Clause::Unspecified) => Vec::new(),
        (_, clause) => vec![clause],
    };
    let floor = empties.then_some(Floor::Time(at));
    let told = Told { schema, clauses, ..Told::default() };
    Ok(TableEvent { table: table.clone(), operation, floor, shape, told, at })
}

/// The shape in a control record's table definition.
fn shape(definition: &Fields<'_>) -> Result<TableShape, Undecodable> {
    let mut columns = Vec::new();
    if let Some(definitions) = definition.object("columns")? {
        for (name, column) in definitions.iter() {
            let kind = Fields::read(column, "column")?.text("type")?;
            match kind.as_deref() {
                Some("BYTES" | "BLOB") => columns.push((name.to_owned(), ColumnCoding::Binary)),
                Some("UINT8" | "UINT64") => columns.push((name.to_owned(), ColumnCoding::Unsigned64)),
                _ => {}
            }
        }
    }
    Ok(TableShape { key: definition.texts("primary-key")?, columns })
}

/// The schema in a control record's table definition. The columns' order is the record's.
fn schema(definition: &Fields<'_>) -> Result<Schema, Undecodable> {
    let mut schema = Schema::default();
    if let Some(definitions) = definition.object("columns")? {
        for ((name, column), position) in definitions.iter().zip(1..) {
            let column = Fields::read(column, "column")?;
            let size = |name| column.integer::<u64>(name).ok().flatten();
            let kind = column.text("type")?.unwrap_or_default();
            let length = size("length").or_else(|| size("precision"));
            let declared = sql_type::declared(Dialect::Standard, &kind, length, size("scale"), &[]);
            let types = TypeSet::of(sql_type::parse_in(Dialect::Standard, &declared));
            let field = Field {
                types: types.nullable(column.get("nullable") != Some("false")),
                // A table's every row has its every column.
                required: true,
                declared: (!declared.is_empty()).then(|| declared.into()),
                position: Some(position),
                ..Field::default()
            };
            schema.fields.insert(FieldPath::column(name), field);
        }
    }
    schema.key = definition.texts("primary-key")?.iter().map(|name| FieldPath::column(name)).collect();
    Ok(schema)
}
