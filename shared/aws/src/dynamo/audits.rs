//! Owns audits on DynamoDB: the last one of each count, in one partition.

use evercount_core::audit::Audited;
use evercount_pipeline::ports::{AuditStore, StoreError};
use evercount_wire::items::{AUDITS_PK, audit_from_item, audit_item};

use super::DynamoStore;
use super::failure::unreadable;

impl AuditStore for DynamoStore {
    async fn put_audit(&self, audit: &Audited) -> Result<(), StoreError> {
        self.put(&self.tables.metadata, &audit_item(audit)).await
    }

    async fn last_audits(&self) -> Result<Vec<Audited>, StoreError> {
        let items = self.query(&self.tables.metadata, AUDITS_PK, "").await?;
        items.iter().map(audit_from_item).collect::<Result<_, _>>().map_err(unreadable)
    }
}
