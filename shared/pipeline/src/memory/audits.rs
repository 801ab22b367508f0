//! Audits, in memory.

use evercount_core::audit::Audited;

use super::Memory;
use crate::ports::{AuditStore, StoreError};

impl AuditStore for Memory {
    async fn put_audit(&self, audit: &Audited) -> Result<(), StoreError> {
        self.lock().audits.insert(audit.definition.clone(), audit.clone());
        Ok(())
    }

    async fn last_audits(&self) -> Result<Vec<Audited>, StoreError> {
        Ok(self.lock().audits.values().cloned().collect())
    }
}
