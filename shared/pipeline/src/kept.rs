//! A subject's schema versions, as far as they are kept.

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
