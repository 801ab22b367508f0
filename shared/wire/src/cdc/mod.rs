//! Owns how a CDC record's bytes become a [`Record`]: which format it is in, what every format
//! shares (limits, reasons, times), and what the decoder knows of the tables.
//!
//! | module | format |
//! |---|---|
//! | `dynamodb` | Kinesis Data Streams for DynamoDB, and DynamoDB Streams records put on Kinesis |
//! | `dms` | AWS Database Migration Service |
//! | `debezium` | Debezium: row changes, schema changes and schema history |
//!
//! Everything here is pure. Bytes come from anybody: each input gives a [`Record`] or an
//! [`Undecodable`], never a panic, and an [`Undecodable`] holds none of the row's data.

mod coding;
mod debezium;
mod dms;
mod dynamodb;
pub(crate) mod fields;
mod position;
mod producer;
pub(crate) mod time;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use evercount_core::change::{Passed, Record, RowIdentity, TableName, TableShape};
use evercount_core::order::Micros;

use crate::event;
use crate::json::{self, Fault, JsonError};
use fields::Fields;

pub use crate::scan::record::{Scanned, Scanner};
pub use producer::producers;

/// Largest record, in bytes, after base64. Kinesis takes 1 MiB unless a stream's owner raises it
/// (<https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html>), DynamoDB and
/// DMS never send more, and a batch of a few thousand records must fit in a function's memory
/// several times over. What is larger is quarantined, not truncated.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// Longest canonical key text, in bytes: DynamoDB's longest partition key (2,048) and sort key
/// (1,024) with every byte escaped to six characters, and their names
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
pub const KEY_BYTES_MAX: usize = 20_480;

/// What a record's bytes mean.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Format {
    /// Kinesis Data Streams for DynamoDB
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds.html>).
    DynamoDb,
    /// AWS DMS with a Kinesis target
    /// (<https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.Kinesis.html>).
    Dms,
    /// Debezium, JSON converter
    /// (<https://debezium.io/documentation/reference/stable/connectors/mysql.html>).
    Debezium,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DynamoDb => "dynamodb",
            Self::Dms => "dms",
            Self::Debezium => "debezium",
        })
    }
}

/// A text that names no [`Format`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no format: expected `dynamodb`, `dms` or `debezium`")]
pub struct FormatError(String);

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        match text {
            "dynamodb" => Ok(Self::DynamoDb),
            "dms" => Ok(Self::Dms),
            "debezium" => Ok(Self::Debezium),
            _ => Err(FormatError(text.to_owned())),
        }
    }
}

/// Why a record cannot be decoded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The text is not JSON.
    NotJson,
    /// A value nests deeper than [`json::DEPTH_MAX`].
    TooDeep,
    /// The record is longer than [`RECORD_BYTES_MAX`], or its key than [`KEY_BYTES_MAX`].
    TooLarge,
    /// An object has more than [`json::FIELDS_MAX`] fields.
    TooManyFields,
    /// A number or a time lies beyond anything its source can hold.
    AbsurdNumber,
    /// A value has another type than its place asks for.
    WrongType,
    /// An object names one field twice.
    DuplicateKey,
    /// A binary value, or the record itself, is not base64.
    BadBase64,
    /// The record names an operation that its format does not have.
    UnknownOperation,
    /// The record is in none of the known formats.
    UnknownFormat,
    /// A field that the record cannot be counted without is absent.
    MissingField,
}

impl Reason {
    /// The reason's name in stored and printed text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not-utf8",
            Self::NotJson => "not-json",
            Self::TooDeep => "too-deep",
            Self::TooLarge => "too-large",
            Self::TooManyFields => "too-many-fields",
            Self::AbsurdNumber => "absurd-number",
            Self::WrongType => "wrong-type",
            Self::DuplicateKey => "duplicate-key",
            Self::BadBase64 => "bad-base64",
            Self::UnknownOperation => "unknown-operation",
            Self::UnknownFormat => "unknown-format",
            Self::MissingField => "missing-field",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Fault> for Reason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotJson => Self::NotJson,
            Fault::TooDeep => Self::TooDeep,
            Fault::TooManyFields => Self::TooManyFields,
            Fault::AbsurdNumber => Self::AbsurdNumber,
            Fault::WrongType => Self::WrongType,
            Fault::DuplicateKey => Self::DuplicateKey,
            Fault::BadBase64 => Self::BadBase64,
        }
    }
}

/// A record that cannot be decoded. It is quarantined, and the counts it might have changed are
/// uncertain until an audit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Undecodable {
    /// Why, for a program.
    pub reason: Reason,
    /// Why and where, for a person. It holds names of fields and operations, never row data.
    pub detail: String,
    /// The table, where the record is JSON and says so: only that table's counts are uncertain.
    pub table: Option<TableName>,
}

impl Undecodable {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), table: None }
    }

    pub(crate) fn missing(field: &str) -> Self {
        Self::new(Reason::MissingField, format!("`{field}` is absent"))
    }

    pub(crate) fn wrong_type(field: &str, expected: &str) -> Self {
        Self::new(Reason::WrongType, format!("`{field}` is not {expected}"))
    }

    pub(crate) fn json(error: JsonError, place: &str) -> Self {
        Self::new(error.fault.into(), format!("{place}: {error}"))
    }

    /// An operation's name is the producer's word, not row data, but it may be any text.
    fn unknown_operation(operation: &str) -> Self {
        let shown: String = operation.chars().filter(|c| !c.is_control()).take(40).collect();
        Self::new(Reason::UnknownOperation, format!("`{shown}` is no operation of this format"))
    }

    fn of(mut self, table: &TableName) -> Self {
        self.table.get_or_insert_with(|| table.clone());
        self
    }
}

/// A record as the stream delivers it.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The record's data, after base64.
    pub data: &'a [u8],
    /// The stream's partition key. Debezium Server puts the row's key there.
    pub partition_key: Option<&'a str>,
    /// When the stream took the record, microseconds since the epoch; used where the record
    /// itself tells no time.
    pub arrival: Option<Micros>,
}

impl<'a> Envelope<'a> {
    /// A record of which only the data is known.
    #[must_use]
    pub fn of(data: &'a [u8]) -> Self {
        Self { data, partition_key: None, arrival: None }
    }
}

/// Turns records into changes, with what is known of their tables.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    format: Option<Format>,
    epoch: u16,
    shapes: BTreeMap<TableName, TableShape>,
}

impl Decoder {
    /// A decoder for one format, or, with `None`, for each record's own format, told by its
    /// content. Every version it makes starts with `epoch`, which the operator raises when the
    /// source's log restarts.
    #[must_use]
    pub fn new(format: Option<Format>, epoch: u16) -> Self {
        Self { format, epoch, shapes: BTreeMap::new() }
    }

    /// Remembers the shape of a table: its key columns and the columns whose wire form is not
    /// their value. A later shape replaces an earlier one.
    ///
    /// A table's rows must be decoded either all with a key or all without: learn the shapes
    /// before the rows, as the sources send them.
    pub fn learn(&mut self, table: TableName, shape: TableShape) {
        self.shapes.insert(table, shape);
    }

    /// The shape learned for a table.
    #[must_use]
    pub fn shape(&self, table: &TableName) -> Option<&TableShape> {
        self.shapes.get(table)
    }

    /// As [`Self::decode`], and what comes by the million goes past `scanner` first, which leaves out
    /// of the images what it was told not to keep.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_kept(&self, scanner: &mut Scanner, envelope: &Envelope<'_>) -> Result<Record, Undecodable> {
        match self.scan(scanner, envelope.data) {
            Some(scanned) => Ok(Record::Changes(vec![scanned.into_change()])),
            None => self.decode(envelope),
        }
    }

    /// Scans the data of a record: what comes by the million is one change, for whose images nothing has to be
    /// allocated. `None` where it is anything else, which [`Self::decode`] tells.
    pub fn scan<'s>(&self, scanner: &'s mut Scanner, data: &'s [u8]) -> Option<Scanned<'s>> {
        if !matches!(self.format, None | Some(Format::DynamoDb)) || data.len() > RECORD_BYTES_MAX {
            return None;
        }
        scanner.scan(simdutf8::basic::from_utf8(data).ok()?, self.epoch)
    }

    /// Decodes one record.
    ///
    /// # Errors
    /// [`Undecodable`] where the record breaks a limit or a rule of its format; the same record
    /// fails the same way each time.
    pub fn decode(&self, envelope: &Envelope<'_>) -> Result<Record, Undecodable> {
        if envelope.data.len() > RECORD_BYTES_MAX {
            let detail = format!("{} bytes, more than {RECORD_BYTES_MAX}", envelope.data.len());
            return Err(Undecodable::new(Reason::TooLarge, detail));
        }
        let text = std::str::from_utf8(envelope.data)
            .map_err(|error| Undecodable::new(Reason::NotUtf8, format!("at byte {}", error.valid_up_to())))?;
        if text.trim_ascii() == "null" && matches!(self.format, None | Some(Format::Debezium)) {
            return Ok(Record::Passed(Passed::Tombstone));
        }
        match self.format {
            Some(Format::DynamoDb) => dynamodb::decode(text, self.epoch),
            Some(Format::Dms) => dms::decode(self, &Fields::read(text, "record")?, envelope),
            Some(Format::Debezium) => debezium::decode(self, Fields::read(text, "record")?, envelope),
            None => {
                let record = Fields::read(text, "record")?;
                match detect(&record) {
                    Some(Format::DynamoDb) => dynamodb::decode(text, self.epoch),
                    Some(Format::Dms) => dms::decode(self, &record, envelope),
                    Some(Format::Debezium) => debezium::decode(self, record, envelope),
                    None if event::is_event(&record) => Ok(Record::Passed(Passed::NotAChange)),
                    None => Err(Undecodable::new(
                        Reason::UnknownFormat,
                        "neither DynamoDB, nor DMS, nor Debezium, nor an event",
                    )),
                }
            }
        }
    }
}

/// Which format a record's fields show; `None` where they show none, or an event's.
fn detect(record: &Fields<'_>) -> Option<Format> {
    let told = told(record);
    if told.is_some() || event::is_event(record) {
        return told;
    }
    let any = |names: &[&str]| names.iter().any(|name| record.has(name));
    let debezium = record.has("payload")
        || (record.has("op") && record.has("source"))
        || (record.has("value") && any(&["key", "topic"]))
        || debezium::is_bare_housekeeping(record);
    debezium.then_some(Format::Debezium)
}

/// The format of a record that can be of no other: an event's fields may have any names, so these
/// are asked for before an event is thought of.
fn told(record: &Fields<'_>) -> Option<Format> {
    if record.has("dynamodb") && record.has("eventName") {
        return Some(Format::DynamoDb);
    }
    let dms = record.get("metadata").and_then(|metadata| Fields::read(metadata, "metadata").ok());
    if dms.is_some_and(|metadata| metadata.has("record-type")) {
        return Some(Format::Dms);
    }
    // Debezium's source is an object, an event's is a text.
    let source = record.raw("source").is_some_and(|source| !source.starts_with('"'));
    let debezium = (record.has("op") && source) || record.has("ddl") || record.has("tableChanges");
    debezium.then_some(Format::Debezium)
}

/// Whether a record is certainly one of a CDC source.
pub(crate) fn is_row_change(record: &Fields<'_>) -> bool {
    told(record).is_some()
}

/// Decodes the base64 text in which Kinesis event payloads carry a record's data.
///
/// # Errors
/// [`Reason::BadBase64`], and [`Reason::TooLarge`] before anything is decoded.
pub fn from_base64(text: &str) -> Result<Vec<u8>, Undecodable> {
    if text.len() > RECORD_BYTES_MAX.div_ceil(3) * 4 {
        let detail = format!("{} characters of base64", text.len());
        return Err(Undecodable::new(Reason::TooLarge, detail));
    }
    json::read_base64(text).map_err(|fault| Undecodable::new(fault.into(), "record data"))
}

/// The identity of a row with a key.
pub(crate) fn key_identity(canonical: &str) -> Result<RowIdentity, Undecodable> {
    if canonical.len() > KEY_BYTES_MAX {
        let detail = format!("a key of {} bytes, more than {KEY_BYTES_MAX}", canonical.len());
        return Err(Undecodable::new(Reason::TooLarge, detail));
    }
    Ok(RowIdentity::Key(canonical.into()))
}
