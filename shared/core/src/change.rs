//! A change: one decoded CDC record, whatever format it came in.

use std::fmt;
use std::sync::Arc;

use crate::image::{Image, ImageRef};
use crate::order::{Floor, Micros, OrderVersion};
use crate::schema::Schema;
use crate::value;

/// A table as its source names it: `orders` in DynamoDB, `schema.table` in DMS and PostgreSQL,
/// `database.table` in MySQL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TableName(Arc<str>);

impl TableName {
    /// A table by its name.
    #[must_use]
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(name.as_ref().into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes a row the same row: its canonical key text, or, where the table has no key, the
/// source position of the event (each event then is its own row, counted by its delta).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RowIdentity {
    /// Canonical JSON of the key attributes.
    Key(Arc<str>),
    /// The event's position in the source, for a table without a key.
    Position(Arc<str>),
}

impl RowIdentity {
    /// The text of the key or position.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Key(text) | Self::Position(text) => text,
        }
    }
}

/// A row of a table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RowKey {
    /// The table.
    pub table: TableName,
    /// Which row of it.
    pub identity: RowIdentity,
}

/// One change of one row.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// The row that changed.
    pub row: RowKey,
    /// The row before the change, where the record says so. Sources lie about it (PostgreSQL's
    /// default replica identity makes values up), so ledger mode never counts from it.
    pub before: Option<Image>,
    /// The row after the change; `None` where the row is gone.
    pub after: Option<Image>,
    /// Its place among the changes of the row.
    pub version: OrderVersion,
    /// When the source made it, microseconds since the epoch.
    pub at: Micros,
    /// The digests of the whole images, where columns were left out of the images above.
    pub whole: Option<Digests>,
}

/// What counting by deltas needs of a [`Change`], borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ChangeRef<'a> {
    /// The table of the row that changed.
    pub table: &'a TableName,
    /// The row before the change, where the record says so.
    pub before: Option<ImageRef<'a>>,
    /// The row after the change; `None` where the row is gone.
    pub after: Option<ImageRef<'a>>,
    /// Its place among the changes of the row.
    pub version: &'a OrderVersion,
    /// When the source made it, microseconds since the epoch.
    pub at: Micros,
}

/// Digests of a change's whole images ([`value::digest`]); 0 stands for no image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digests {
    /// Of the row before the change.
    pub before: u64,
    /// Of the row after it.
    pub after: u64,
}

impl Change {
    /// What counting by deltas needs of it.
    #[must_use]
    pub fn by_ref(&self) -> ChangeRef<'_> {
        ChangeRef {
            table: &self.row.table,
            before: self.before.as_ref().map(Image::by_ref),
            after: self.after.as_ref().map(Image::by_ref),
            version: &self.version,
            at: self.at,
        }
    }

    /// The digests of its whole images.
    #[must_use]
    pub fn digests(&self) -> Digests {
        let digest = |image: &Option<Image>| value::digest(image.as_ref().map(Image::item).as_deref());
        self.whole.unwrap_or_else(|| Digests { before: digest(&self.before), after: digest(&self.after) })
    }
}

/// What a control record says happened to a table as a whole.
#[derive(Clone, PartialEq, Debug)]
pub struct TableEvent {
    /// The table.
    pub table: TableName,
    /// The operation in the source's own words (`drop-table`, `ALTER`, `t`).
    pub operation: String,
    /// Set where the event emptied the table.
    pub floor: Option<Floor>,
    /// Set where the event carries the table's whole definition.
    pub shape: Option<TableShape>,
    /// What the event says of the table's schema.
    pub told: Told,
    /// When, microseconds since the epoch.
    pub at: Micros,
}

/// What a control record says of a table's schema.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Its place in the source's log, comparable with the versions of the table's rows.
    pub version: Option<OrderVersion>,
    /// Whether a snapshot announces how the table stands, and nothing happened to it.
    pub snapshot: bool,
    /// The table's whole definition after the event.
    pub schema: Option<Schema>,
    /// What the statement did to the table, clause by clause, in the order it says so. Renames
    /// stand here only.
    pub clauses: Vec<Clause>,
    /// The statement, cut to [`STATEMENT_BYTES_MAX`].
    pub statement: Option<String>,
}

/// Longest text of a statement that is kept, in bytes: enough to recognise it, and no room for a
/// flood.
pub const STATEMENT_BYTES_MAX: usize = 4_096;

/// One clause of a statement that defines or alters a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Clause {
    /// The table was created.
    Create,
    /// The table was dropped.
    Drop,
    /// The table was emptied.
    Truncate,
    /// The table had another name before.
    RenameTable {
        /// That name.
        from: TableName,
    },
    /// A column was added.
    AddColumn(String),
    /// A column was dropped.
    DropColumn(String),
    /// A column was renamed, and perhaps redefined.
    RenameColumn {
        /// Its name before.
        from: String,
        /// Its name now.
        to: String,
    },
    /// A column was redefined: its type, its default, whether it may be NULL, or its comment.
    ModifyColumn(String),
    /// The primary key was added, dropped or changed.
    ChangeKey,
    /// The record names an operation without its details: something about the schema may have
    /// changed near here.
    Unspecified,
}

/// What a source says of a table's columns: enough to decode its rows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableShape {
    /// Names of the key columns, in order; empty where the table has no key.
    pub key: Vec<String>,
    /// Columns whose wire form is not their value.
    pub columns: Vec<(String, ColumnCoding)>,
}

/// How a column's wire form stands for its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ColumnCoding {
    /// Base64 text of bytes.
    Binary,
    /// Base64 text of a big-endian two's-complement integer, to be divided by `10^scale`.
    UnscaledDecimal {
        /// Digits after the decimal point.
        scale: i32,
    },
    /// A 64-bit unsigned integer that arrives as a signed one.
    Unsigned64,
}

/// Why a record carries no change and needs no attention.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Passed {
    /// A tombstone: a null value that follows a delete.
    Tombstone,
    /// A heartbeat, a transaction marker or a message.
    NotAChange,
    /// A record of a table that no count definition names.
    NotCounted,
}

/// A decoded record.
#[derive(Clone, PartialEq, Debug)]
pub enum Record {
    /// Row changes: one, or two where an update changed the key.
    Changes(Vec<Change>),
    /// Something happened to tables as a whole.
    Tables(Vec<TableEvent>),
    /// Nothing to count.
    Passed(Passed),
}
