//! What audits found, as it is kept.

use std::future::Future;

use evercount_core::audit::Audited;

use super::StoreError;

/// The last audit of each count.
pub trait AuditStore: Sync {
    /// Keeps an audit; the one of the same count before it is replaced.
    fn put_audit(&self, audit: &Audited) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The last audit of each count that was audited, by the count's name (consistent read).
    fn last_audits(&self) -> impl Future<Output = Result<Vec<Audited>, StoreError>> + Send;
}
