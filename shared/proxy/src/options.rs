//! Owns a proxy's settings.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::change::TableName;
use evercount_core::function::FunctionId;
use evercount_core::migration::function::MigrationFunction;
use evercount_core::migration::graph::Migration;
use evercount_core::mutation::settings::{MutationSettings, OnConflict};
use evercount_core::order::Micros;
use evercount_core::resolve::Mode;

/// How long what is known of a table is taken for current, microseconds. A column is known to the proxy so
/// long after it was registered.
pub const KNOWN_FOR: Micros = 1_000_000;

/// A proxy's settings.
#[derive(Clone, PartialEq, Debug)]
pub struct ProxyOptions {
    /// What is done about tables that are not among [`ProxyOptions::tables`].
    pub mode: Mode,
    /// What is done about single tables.
    pub tables: BTreeMap<String, Mode>,
    /// How long what is known of a table is taken for current, microseconds.
    pub known_for: Micros,
    /// What tables allow of mutations that are in conflict.
    pub mutations: MutationSettings,
    /// Migrations that a person wrote, by table, besides those that the registry keeps.
    pub written: BTreeMap<TableName, Vec<Migration>>,
}

impl Default for ProxyOptions {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            tables: BTreeMap::new(),
            known_for: KNOWN_FOR,
            mutations: MutationSettings::default(),
            written: BTreeMap::new(),
        }
    }
}

impl ProxyOptions {
    /// The mode of a table.
    #[must_use]
    pub fn mode_of(&self, table: &str) -> Mode {
        self.tables.get(table).copied().unwrap_or(self.mode)
    }

    /// Whether nothing is looked at.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.mode == Mode::Off && self.tables.values().all(|mode| *mode == Mode::Off)
    }

    /// The functions that mutations of a table may come to: those of its migrations, and the one that
    /// decides about conflicts. `kept` are the migrations that the registry keeps.
    #[must_use]
    pub fn functions_of(&self, table: &TableName, kept: &[Migration]) -> BTreeSet<FunctionId> {
        let written = self.written.get(table).into_iter().flatten().chain(kept);
        let custom = written.flat_map(|migration| &migration.functions).flat_map(|function| match function {
            MigrationFunction::Custom { function, inverse, .. } => [Some(*function), *inverse],
            _ => [None, None],
        });
        let decides = match self.mutations.of(table).on_conflict {
            OnConflict::Function(function) => Some(function),
            OnConflict::Reject | OnConflict::Automerge => None,
        };
        custom.flatten().chain(decides).collect()
    }
}
