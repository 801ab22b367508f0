//! Creating count definitions.

use evercount_core::chunk::LOGIC_PER_TABLE_MAX;
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::logic::{Coverage, LogicState, LogicVersion};
use evercount_core::order::Micros;

use crate::ports::{CatalogStore, StoreError};

/// Why a definition was not created.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DefineError {
    /// There is one of that name.
    #[error("there is a count `{0}` already; choose another name, or delete it first")]
    Exists(String),
    /// The table has as many live logic versions as one transaction can update.
    #[error(
        "table `{0}` has {LOGIC_PER_TABLE_MAX} counts, which is as many as one transaction can keep exact"
    )]
    TooMany(String),
    /// The store did not let it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores a definition as the first logic version of its name (or, where the name was used and
/// deleted, the next: rows still remember what they contributed to the earlier ones).
///
/// # Errors
/// [`DefineError`] says what stands in the way.
pub async fn create<S: CatalogStore>(
    store: &S,
    definition: CountDefinition,
    coverage: Coverage,
    now: Micros,
) -> Result<LogicVersion, DefineError> {
    let versions = store.versions().await?;
    let mut of_name = versions.iter().filter(|version| version.id.definition == definition.name);
    if of_name.any(|version| version.state.is_live() || version.state == LogicState::Draft) {
        return Err(DefineError::Exists(definition.name.to_string()));
    }
    let live = versions
        .iter()
        .filter(|version| version.state.is_live() && version.definition.table == definition.table);
    if live.count() >= LOGIC_PER_TABLE_MAX {
        return Err(DefineError::TooMany(definition.table.to_string()));
    }
    let number = next_number(&versions, &definition.name);
    let version = LogicVersion::new(number, definition, LogicState::Active, coverage, now);
    match store.create_version(&version).await {
        Ok(()) => Ok(version),
        Err(StoreError::Conflict) => Err(DefineError::Exists(version.id.definition.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// The number of the next version of a definition.
pub(crate) fn next_number(versions: &[LogicVersion], name: &DefinitionName) -> u32 {
    let numbers = versions.iter().filter(|one| one.id.definition == *name).map(|one| one.id.number);
    numbers.max().unwrap_or(0) + 1
}
