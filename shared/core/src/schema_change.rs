//! Schema change events: what changed between two schema versions of a table or event type.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::change::TableName;
use crate::fingerprint::SchemaId;
use crate::order::{Micros, OrderVersion};
use crate::schema::{FieldPath, TypeSet};

/// What has a history of schemas: a table, by its name as its source writes it, or a type of
/// events (`event:order_placed`, `otlp:metric/http.server.duration`).
pub type Subject = TableName;

/// One change of a schema.
#[derive(Clone, PartialEq, Debug)]
pub struct SchemaChange {
    /// What changed.
    pub kind: ChangeKind,
    /// What it is concluded from.
    pub evidence: Evidence,
}

/// A type, as the vocabulary of [`crate::schema`] and as the source writes it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Typed {
    /// The types.
    pub types: TypeSet,
    /// The source's own words: `VARCHAR(255)`.
    pub declared: Option<Arc<str>>,
}

impl Typed {
    /// The type as a person knows it.
    #[must_use]
    pub fn text(&self) -> String {
        self.declared.as_ref().map_or_else(|| self.types.to_string(), ToString::to_string)
    }
}

/// What can change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChangeKind {
    /// The table is new.
    CreateTable,
    /// The table is gone.
    DropTable,
    /// The table goes on under another name.
    RenameTable {
        /// The new name.
        to: TableName,
    },
    /// The table was emptied.
    TruncateTable,
    /// A column (or nested field) is new.
    AddColumn {
        /// Which.
        column: FieldPath,
        /// Its type.
        typed: Typed,
        /// The value that existing rows take, as the source writes it; `None` where they have
        /// none, or nobody said.
        default: Option<Arc<str>>,
    },
    /// A column is gone.
    DropColumn {
        /// Which.
        column: FieldPath,
        /// The type it had.
        typed: Typed,
    },
    /// A column goes on under another name.
    RenameColumn {
        /// The name before.
        column: FieldPath,
        /// The name now.
        to: FieldPath,
        /// The type now.
        typed: Typed,
        /// The type before.
        previous: Typed,
    },
    /// A column has another type, or was redefined.
    ChangeType {
        /// Which.
        column: FieldPath,
        /// The type now.
        typed: Typed,
        /// The type before.
        previous: Typed,
        /// What that means for values.
        retype: Retype,
    },
    /// Rows are identified by other columns.
    ChangeKey {
        /// The columns before.
        previous: Vec<FieldPath>,
        /// The columns now.
        key: Vec<FieldPath>,
    },
}

impl ChangeKind {
    /// The change's name in stored and printed text.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateTable => "create_table",
            Self::DropTable => "drop_table",
            Self::RenameTable { .. } => "rename_table",
            Self::TruncateTable => "truncate_table",
            Self::AddColumn { .. } => "add_column",
            Self::DropColumn { .. } => "drop_column",
            Self::RenameColumn { .. } => "rename_column",
            Self::ChangeType { .. } => "change_type",
            Self::ChangeKey { .. } => "change_key",
        }
    }

    /// The column changed, by its name before the change.
    #[must_use]
    pub fn column(&self) -> Option<&FieldPath> {
        match self {
            Self::AddColumn { column, .. }
            | Self::DropColumn { column, .. }
            | Self::RenameColumn { column, .. }
            | Self::ChangeType { column, .. } => Some(column),
            _ => None,
        }
    }
}

/// What a change of type does to values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Retype {
    /// The same values in the same form: a default, a comment, a display width changed.
    Restated,
    /// Only NULL became possible.
    Nullable,
    /// NULL is no longer possible.
    NotNull,
    /// Every old value fits as it is.
    Widening,
    /// Some old values may not fit: cut, rounded or refused.
    Narrowing,
    /// Values take another form: a number becomes its text, a date its ISO text.
    ReEncoding,
}

impl Retype {
    /// All with their stored names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Restated, "restated"),
        (Self::Nullable, "nullable"),
        (Self::NotNull, "not_null"),
        (Self::Widening, "widening"),
        (Self::Narrowing, "narrowing"),
        (Self::ReEncoding, "re_encoding"),
    ];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("restated", |(_, name)| name)
    }
}

/// What a change is concluded from.
#[derive(Clone, PartialEq, Debug)]
pub enum Evidence {
    /// The source said so.
    Declared {
        /// The statement or operation.
        statement: String,
    },
    /// The rows show it.
    Observed {
        /// Rows that show it.
        rows: u64,
        /// The chance that an unchanged table shows as much, at most.
        false_alarm: f64,
        /// In words, with the numbers.
        because: String,
    },
    /// The rows suggest that one column took another's place.
    Proposed {
        /// How strongly, in [0, 1].
        score: f64,
        /// Each kind of evidence with its weight and how far it holds, in [0, 1].
        parts: Vec<EvidencePart>,
    },
}

impl Evidence {
    /// One sentence for a person.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Declared { statement } => format!("declared: {statement}"),
            Self::Observed { because, false_alarm, .. } if *false_alarm > 0.0 => {
                format!("observed: {because} (false alarm at most {false_alarm:.0e})")
            }
            Self::Observed { because, .. } => format!("observed: {because}"),
            Self::Proposed { score, parts } => {
                let parts: Vec<String> = parts
                    .iter()
                    .map(|part| format!("{} {:.2} of {:.2}", part.name, part.held * part.weight, part.weight))
                    .collect();
                format!("proposed: score {score:.2} ({})", parts.join(", "))
            }
        }
    }
}

/// One kind of evidence for a rename.
#[derive(Clone, PartialEq, Debug)]
pub struct EvidencePart {
    /// What was looked at.
    pub name: &'static str,
    /// How much it counts; the weights of all kinds add up to 1.
    pub weight: f64,
    /// How far it holds, in [0, 1].
    pub held: f64,
}

/// What changed between two schema versions.
#[derive(Clone, PartialEq, Debug)]
pub struct SchemaChangeEvent {
    /// The table or event type, by its name before the change.
    pub subject: Subject,
    /// The version before; `None` for the first one.
    pub from: Option<SchemaId>,
    /// The version after. An event that changes no schema (a truncate) has the same twice.
    pub to: SchemaId,
    /// What changed, in the order it happened where the source said so.
    pub changes: Vec<SchemaChange>,
    /// How far the schema moved, in [0, 1]; see [`crate::drift`].
    pub drift: f64,
    /// Where in the source's log, where it said so: rows from here on have the new schema.
    pub position: Option<OrderVersion>,
    /// When the source made the change, or the first row in the new shape was written;
    /// microseconds since the epoch.
    pub at: Micros,
}

impl SchemaChangeEvent {
    /// The event's id: a hash of table, from and to. The same change found again has the same id,
    /// so a retry changes nothing. An event that changes no schema has the hash of what happened
    /// and its place: told again, it may meet another version.
    #[must_use]
    pub fn id(&self) -> String {
        let text = if self.from == Some(self.to) {
            let kinds: Vec<&str> = self.changes.iter().map(|change| change.kind.name()).collect();
            format!("{}\0{}\0{:?}\0{}", self.subject, kinds.join(" "), self.position, self.at)
        } else {
            let from = self.from.map_or_else(String::new, |from| from.to_string());
            format!("{}\0{from}\0{}", self.subject, self.to)
        };
        format!("{:016x}", xxh3_64(text.as_bytes()))
    }
}
