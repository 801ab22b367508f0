//! Service discovery: which services say of themselves that they write or read a subject.

use std::future::Future;

use evercount_core::lineage::{Lineage, Service};
use evercount_core::schema_change::Subject;

use crate::ports::{RegistryStore, StoreError};

/// Where services are registered: a table of their own, or tags.
pub trait ServiceDirectory: Sync {
    /// All services, by name.
    fn services(&self) -> impl Future<Output = Result<Vec<Service>, StoreError>> + Send;
}

/// Nobody is registered anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoServices;

impl ServiceDirectory for NoServices {
    async fn services(&self) -> Result<Vec<Service>, StoreError> {
        Ok(Vec::new())
    }
}

/// A subject's lineage, with what services say of themselves beside what records showed.
///
/// # Errors
/// [`StoreError`] of the store or the directory.
pub async fn lineage<S: RegistryStore, D: ServiceDirectory>(
    store: &S,
    directory: &D,
    subject: &Subject,
) -> Result<Lineage, StoreError> {
    let mut lineage = store.lineage(subject).await?;
    lineage.add_services(subject, &directory.services().await?);
    Ok(lineage)
}
