//! Logic versions: immutable, numbered, data-only counting logic.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::change::TableName;
use crate::definition::{CountDefinition, DefinitionName};
use crate::order::Micros;

/// A definition's name and the number of one of its logic versions; `orders_by_status#v0001`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LogicId {
    /// The definition.
    pub definition: DefinitionName,
    /// The version's number, from 1.
    pub number: u32,
}

impl LogicId {
    /// The counter of doubt that touches every count: records so broken that not even their table
    /// is known. One counter, because one transaction could not mark every definition.
    #[must_use]
    pub fn unattributed() -> Self {
        Self { definition: DefinitionName::unattributed(), number: 0 }
    }

    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, number) = text.split_once("#v")?;
        let definition = match DefinitionName::unattributed() {
            unattributed if unattributed.as_str() == name => unattributed,
            _ => DefinitionName::parse(name)?,
        };
        Some(Self { definition, number: number.parse().ok()? })
    }
}

impl fmt::Display for LogicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Zero-padded, so that versions sort by number in the DynamoDB console.
        write!(f, "{}#v{:04}", self.definition, self.number)
    }
}

/// Where in its life a logic version stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogicState {
    /// Planned, not counted yet.
    Draft,
    /// Counted beside the active one, to be compared with it.
    Shadow,
    /// The version readers see.
    Active,
    /// Counted on after another took over, for a rollback.
    Standby,
    /// No longer counted.
    Retired,
    /// Found wrong before it became active.
    Rejected,
}

impl LogicState {
    /// All states with their stored names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Draft, "draft"),
        (Self::Shadow, "shadow"),
        (Self::Active, "active"),
        (Self::Standby, "standby"),
        (Self::Retired, "retired"),
        (Self::Rejected, "rejected"),
    ];

    /// Whether changes are evaluated under a version in this state.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Shadow | Self::Active | Self::Standby)
    }
}

/// Which rows a version has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coverage {
    /// Every row of the table: counting started with the table, or the table has been audited
    /// and repaired since.
    Whole,
    /// Only rows that changed since then (microseconds since the epoch).
    Since(Micros),
}

/// One version of a definition's counting logic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogicVersion {
    /// Which.
    pub id: LogicId,
    /// Where in its life.
    pub state: LogicState,
    /// The logic itself.
    pub definition: CountDefinition,
    /// Which rows it has seen.
    pub coverage: Coverage,
    /// When it was made, microseconds since the epoch.
    pub created_at: Micros,
}

/// Every live logic version, by table: what a counter is injected with.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Catalog {
    /// Rises with every change of the catalog.
    pub revision: u64,
    by_table: BTreeMap<TableName, Vec<Arc<LogicVersion>>>,
}

impl Catalog {
    /// A catalog of the live ones among `versions`.
    #[must_use]
    pub fn new(revision: u64, versions: impl IntoIterator<Item = LogicVersion>) -> Self {
        let mut by_table: BTreeMap<TableName, Vec<Arc<LogicVersion>>> = BTreeMap::new();
        for version in versions.into_iter().filter(|version| version.state.is_live()) {
            by_table.entry(version.definition.table.clone()).or_default().push(Arc::new(version));
        }
        for versions in by_table.values_mut() {
            versions.sort_by(|a, b| a.id.cmp(&b.id));
        }
        Self { revision, by_table }
    }

    /// The live logic versions of a table; empty where nobody counts it.
    #[must_use]
    pub fn of_table(&self, table: &TableName) -> &[Arc<LogicVersion>] {
        self.by_table.get(table).map_or(&[], Vec::as_slice)
    }

    /// Every live logic version.
    pub fn all(&self) -> impl Iterator<Item = &Arc<LogicVersion>> {
        self.by_table.values().flatten()
    }

    /// The tables that are counted.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        self.by_table.keys()
    }
}
