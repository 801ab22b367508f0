//! Resolving: what a request on a table names, held against the columns that the table has and those that
//! are only expected.
//!
//! An attribute is in the table, or only in its shadow schema, or in neither. One of the table passes. One
//! of the shadow schema is read from and written to the shadow store; where the use that a request makes of
//! it has no place there, the request is refused, because an answer from the table alone would be wrong.
//! One in neither is refused by name.

mod expression;
pub mod index;
pub(crate) mod tokens;
mod update;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::path::Path;
use crate::schema::{FieldPath, Schema};
use crate::value::Value;

pub use expression::{compared, placeholders, projected};
pub use tokens::Unreadable;
pub use update::updated;

/// What is done about attributes that a table does not have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Mode {
    /// Unknown ones are refused, expected ones are kept in the shadow store.
    #[default]
    Strict,
    /// Everything passes; what would have happened is recorded.
    Observe,
    /// Nothing is looked at.
    Off,
}

impl Mode {
    /// All with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Strict, "strict"), (Self::Observe, "observe"), (Self::Off, "off")];

    /// The one of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(one, _)| *one)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, name)| name)
    }
}

/// Where an attribute stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The table has it.
    Table,
    /// It is expected, and the table does not have it yet.
    Shadow,
    /// Neither.
    Unknown,
}

/// The columns that requests on a table may name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Columns {
    table: BTreeSet<String>,
    is_open: bool,
    shadow: BTreeMap<String, Option<Value>>,
}

impl Columns {
    /// The columns of a registered schema, and those that are expected with what an item has in each by
    /// default. An expected column that has come is the table's.
    #[must_use]
    pub fn new(schema: &Schema, expected: impl IntoIterator<Item = (String, Option<Value>)>) -> Self {
        let name =
            |path: &FieldPath| Path::parse(path.as_str()).ok().map(|path| path.column_name().to_owned());
        let columns = schema.columns().map(|(path, _)| path).chain(&schema.key);
        let table: BTreeSet<String> = columns.filter_map(name).collect();
        // A declared schema may allow any attribute, or any whose name has a certain form.
        let is_open = schema.fields.keys().any(|path| path.as_str().starts_with('['));
        let shadow = expected.into_iter().filter(|(name, _)| !table.contains(name)).collect();
        Self { table, is_open, shadow }
    }

    /// Adds a column that Evercount itself keeps in the table.
    #[must_use]
    pub fn with(mut self, column: &str) -> Self {
        self.table.insert(column.to_owned());
        self.shadow.remove(column);
        self
    }

    /// Where an attribute stands.
    #[must_use]
    pub fn standing(&self, attribute: &str) -> Standing {
        if self.table.contains(attribute) {
            Standing::Table
        } else if self.shadow.contains_key(attribute) {
            Standing::Shadow
        } else if self.is_open {
            Standing::Table
        } else {
            Standing::Unknown
        }
    }

    /// Whether any column is expected.
    #[must_use]
    pub fn has_shadow(&self) -> bool {
        !self.shadow.is_empty()
    }

    /// What an item has in an expected column by default.
    #[must_use]
    pub fn default_of(&self, attribute: &str) -> Option<&Value> {
        self.shadow.get(attribute).and_then(Option::as_ref)
    }

    /// Every column, those of the table first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.table.iter().chain(self.shadow.keys()).map(String::as_str)
    }

    /// Every expected column.
    pub fn expected(&self) -> impl Iterator<Item = &str> {
        self.shadow.keys().map(String::as_str)
    }
}

/// How a request uses an attribute.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Use {
    /// It is read whole.
    Read,
    /// A value is put, or what is there is removed.
    Written,
    /// Something within it is read or written: an element of a map or a list.
    Within,
    /// What is written is computed from what is there.
    Computed,
    /// A write depends on it.
    Condition,
    /// It says which items are read.
    Filter,
    /// It is part of the key of the item, of a page, or of an index.
    Key,
    /// A statement of PartiQL names it.
    Statement,
}

impl Use {
    /// Why such a use of an expected column has no answer; `None` where it has one.
    #[must_use]
    pub fn obstacle(self) -> Option<&'static str> {
        match self {
            Self::Read | Self::Written | Self::Within | Self::Computed | Self::Condition | Self::Filter => {
                None
            }
            Self::Key => Some("an expected column cannot be part of a key"),
            Self::Statement => Some(
                "statements are for the table alone; write the request as GetItem, Query, PutItem, UpdateItem or \
                 the like",
            ),
        }
    }
}

/// An attribute that a request names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Naming {
    /// Which; the top-level one, where the request names something within it.
    pub attribute: String,
    /// How it is used.
    pub usage: Use,
}

impl Naming {
    /// A naming.
    #[must_use]
    pub fn new(attribute: impl Into<String>, usage: Use) -> Self {
        Self { attribute: attribute.into(), usage }
    }

    /// Whether it writes, or would.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self.usage, Use::Written | Use::Computed)
    }
}

/// Why a request has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// An attribute is neither in the table nor expected.
    Unknown {
        /// Which.
        attribute: String,
    },
    /// An expected column is used in a way that has no answer.
    Unanswerable {
        /// Which.
        attribute: String,
        /// Why.
        because: &'static str,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { attribute } => write!(f, "the table has no attribute `{attribute}`"),
            Self::Unanswerable { attribute, because } => {
                write!(f, "`{attribute}` is expected and not in the table yet: {because}")
            }
        }
    }
}

/// What resolving a request found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Resolution {
    /// Expected columns that are read.
    pub reads: BTreeSet<String>,
    /// Expected columns that are written.
    pub writes: BTreeSet<String>,
    /// What stands in the way, in the order in which the request names it.
    pub obstacles: Vec<Obstacle>,
    /// Attributes that are neither in the table nor expected, each with whether one is written.
    pub unknown: BTreeSet<(String, bool)>,
    /// Expected columns, however they are used, each with whether one is written.
    pub expected: BTreeSet<(String, bool)>,
}

impl Resolution {
    /// Whether the request is the table's alone.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.obstacles.is_empty() && self.reads.is_empty() && self.writes.is_empty()
    }

    /// Attributes that are named and that the table does not have, be they expected or unknown, each with
    /// whether one is written: the signs that a column is about to come, or still is.
    pub fn absent(&self) -> impl Iterator<Item = &(String, bool)> {
        self.unknown.union(&self.expected)
    }
}

/// Holds what a request names against the columns there are.
#[must_use]
pub fn resolve<'a>(columns: &Columns, namings: impl IntoIterator<Item = &'a Naming>) -> Resolution {
    let mut found = Resolution::default();
    for naming in namings {
        let attribute = &naming.attribute;
        let standing = columns.standing(attribute);
        if standing == Standing::Shadow {
            found.expected.insert((attribute.clone(), naming.is_write()));
        }
        let obstacle = match (standing, naming.usage.obstacle()) {
            (Standing::Table, _) => continue,
            (Standing::Shadow, None) => {
                let used = if naming.is_write() { &mut found.writes } else { &mut found.reads };
                used.insert(attribute.clone());
                continue;
            }
            (Standing::Shadow, Some(because)) => {
                Obstacle::Unanswerable { attribute: attribute.clone(), because }
            }
            (Standing::Unknown, _) => {
                found.unknown.insert((attribute.clone(), naming.is_write()));
                Obstacle::Unknown { attribute: attribute.clone() }
            }
        };
        if !found.obstacles.contains(&obstacle) {
            found.obstacles.push(obstacle);
        }
    }
    found
}
