//! A subject's schema versions, as far as they are kept, and what leads from one to another.

use evercount_core::migration::graph::{Migration, SchemaGraph};
use evercount_core::migration::written::Written;
use evercount_core::order::Micros;
use evercount_core::registration::Lookup;
use evercount_core::registry::SchemaVersion;
use evercount_core::schema_change::Subject;

use crate::ports::{RegistryStore, StoreError};

/// Every version of a subject whose retention is not over by `now`, ascending: as many reads as there
/// are, and one.
///
/// # Errors
/// Whatever the store answers.
pub async fn versions<S: RegistryStore>(
    store: &S,
    subject: &Subject,
    now: Micros,
) -> Result<Vec<SchemaVersion>, StoreError> {
    let mut versions = Vec::new();
    for head in store.schema_versions(subject).await? {
        if let Lookup::Found(version) = store.schema_version(subject, head.id.version, now).await? {
            versions.push(*version);
        }
    }
    Ok(versions)
}

/// What leads from one version of a subject to another: what changed between them, the migrations that
/// the registry keeps, and others besides.
///
/// # Errors
/// Whatever the store answers.
pub async fn graph<S: RegistryStore>(
    store: &S,
    subject: &Subject,
    written: Written,
    besides: Vec<Migration>,
    now: Micros,
) -> Result<SchemaGraph, StoreError> {
    let versions = versions(store, subject, now).await?;
    Ok(SchemaGraph::new(&versions, written.migrations.into_iter().chain(besides)))
}
