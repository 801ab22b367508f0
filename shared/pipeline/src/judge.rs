//! What a schema would mean as a subject's next version: how far it moves, and whom it breaks.

use evercount_core::compatibility;
use evercount_core::diff::diff_with_renames;
use evercount_core::drift;
use evercount_core::evolution::Judgement;
use evercount_core::order::Micros;
use evercount_core::registry::{Compatibility, SubjectState};
use evercount_core::schema::{FieldPath, Schema};
use evercount_core::schema_change::{ChangeKind, SchemaChange};

use crate::ports::{RegistryStore, StoreError};

/// The schemas a compatibility mode holds a subject's next version to, oldest first, each with its
/// number: the current one, and where the mode is transitive every one before that is still kept.
///
/// # Errors
/// [`StoreError`] of the store.
pub async fn history<S: RegistryStore>(
    store: &S,
    state: &SubjectState,
    mode: Compatibility,
    current: Option<&Schema>,
    now: Micros,
) -> Result<Vec<(u32, Schema)>, StoreError> {
    use Compatibility::{BackwardTransitive, ForwardTransitive, FullTransitive};
    let Some(current) = current else { return Ok(Vec::new()) };
    let mut schemas = Vec::new();
    let newest = state.current.map_or(0, |id| id.version);
    if matches!(mode, BackwardTransitive | ForwardTransitive | FullTransitive) {
        for number in 1..newest {
            let version = store.schema_version(&state.subject, number, now).await?.found();
            schemas.extend(version.map(|version| (number, version.schema)));
        }
    }
    schemas.push((newest, current.clone()));
    Ok(schemas)
}

/// Judges a schema against a [`history`]; `changes` tells what was renamed on the way.
#[must_use]
pub fn judge(
    mode: Compatibility,
    history: &[(u32, Schema)],
    changes: &[SchemaChange],
    next: &Schema,
) -> Judgement {
    let Some((_, current)) = history.last() else { return Judgement::default() };
    let renames: Vec<(FieldPath, FieldPath)> = changes
        .iter()
        .filter_map(|change| match &change.kind {
            ChangeKind::RenameColumn { column, to, .. } => Some((column.clone(), to.clone())),
            _ => None,
        })
        .collect();
    let schemas: Vec<(u32, &Schema)> = history.iter().map(|(number, schema)| (*number, schema)).collect();
    let breaks = compatibility::check(mode, &schemas, next);
    Judgement {
        drift: drift::drift(&diff_with_renames(current, next, &renames)).score,
        breaks: breaks.into_iter().map(|one| one.sentence).collect(),
    }
}
