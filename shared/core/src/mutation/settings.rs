//! What a table allows of mutations that are in conflict.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::TableName;
use crate::function::FunctionId;
use crate::migration::function::{MigrationFunction, OnLoss};
use crate::migration::graph::Source;

/// Functions that may be applied without anybody having written them down, where they lose nothing: what
/// an addition, a rename and a change of type make, and what parts and joins values. Not among them is
/// `drop`: the writer's value would be gone, and nobody said that it may.
pub const SAFE_STEPS: [&str; 10] =
    ["add", "rename", "retype", "split", "merge", "nest", "flatten", "wrap", "unwrap", "map_values"];

/// All names of functions, for whoever states which are safe.
pub const STEPS: [&str; 12] = [
    "add",
    "drop",
    "rename",
    "retype",
    "split",
    "merge",
    "nest",
    "flatten",
    "wrap",
    "unwrap",
    "map_values",
    "custom",
];

/// Most attempts that a table can ask for. Each is a read and a write; an item that eight writers in a row
/// were quicker at is better told to wait.
pub const ATTEMPTS_MAX: u32 = 20;

/// Attempts where nothing is said.
pub const ATTEMPTS_DEFAULT: u32 = 5;

/// What becomes of a mutation that was written for another schema version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Strategy {
    /// It is refused, unless a person wrote the migration and it loses nothing.
    Reject,
    /// A migration that a person wrote is applied; so is what follows from the changes of the schema, as
    /// long as every function of it is one of these and loses nothing.
    Auto {
        /// Names of functions.
        steps: BTreeSet<String>,
    },
}

impl Strategy {
    /// Whatever is safe.
    #[must_use]
    pub fn auto() -> Self {
        Self::Auto { steps: SAFE_STEPS.iter().map(|step| (*step).to_owned()).collect() }
    }

    /// The strategy's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Auto { .. } => "auto",
        }
    }

    /// Whether a function may be applied.
    ///
    /// # Errors
    /// Why not, in a clause.
    pub fn permits(&self, source: Source, function: &MigrationFunction) -> Result<(), String> {
        let name = function.name();
        match (self, source) {
            (Self::Auto { .. }, Source::Written) => Ok(()),
            (Self::Reject, Source::Changes) => Err(format!(
                "nobody wrote the migration that `{name}` is part of, and the strategy is `reject`"
            )),
            (Self::Auto { steps }, Source::Changes) if !steps.contains(name) => {
                Err(format!("`{name}` is not among the steps that `auto` may take"))
            }
            _ if loses(function) => Err(format!("`{name}` loses values")),
            _ => Ok(()),
        }
    }
}

/// Whether a function makes something of which the earlier value cannot be told. One that refuses such
/// values loses none.
#[must_use]
pub fn loses(function: &MigrationFunction) -> bool {
    let refuses = matches!(function, MigrationFunction::Retype { on_loss: OnLoss::Refuse, .. });
    !function.is_lossless() && !refuses
}

/// What becomes of a mutation whose writer read an earlier version of the item than the stored one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum OnConflict {
    /// It is refused.
    #[default]
    Reject,
    /// The two are merged, see [`super::automerge`].
    Automerge,
    /// A function decides, see [`super::decide`].
    Function(FunctionId),
}

/// What one table allows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableSettings {
    /// Where migrations that a person wrote are kept: a folder, or a prefix in S3.
    pub migration_function_path: Option<String>,
    /// What becomes of a mutation that was written for another schema version.
    pub strategy: Strategy,
    /// How often a mutation is tried against an item that others are changing.
    pub attempts_max: u32,
    /// What becomes of a mutation whose writer read an earlier version of the item.
    pub on_conflict: OnConflict,
    /// Whether items get a version and their schema version. Whoever writes the table has to go through the
    /// proxy then, and each write costs a read. Without it nothing is noted, data conflicts go undetected,
    /// and the schema version of an item is told by its shape.
    pub stamps: bool,
}

impl Default for TableSettings {
    fn default() -> Self {
        Self {
            migration_function_path: None,
            strategy: Strategy::Reject,
            attempts_max: ATTEMPTS_DEFAULT,
            on_conflict: OnConflict::Reject,
            stamps: false,
        }
    }
}

/// What tables allow.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MutationSettings {
    /// Tables that are not named.
    pub default: TableSettings,
    /// Tables by name, each as a whole: what it does not override it has from the default.
    pub tables: BTreeMap<TableName, TableSettings>,
}

impl MutationSettings {
    /// What a table allows.
    #[must_use]
    pub fn of(&self, table: &TableName) -> &TableSettings {
        self.tables.get(table).unwrap_or(&self.default)
    }
}
