//! Owns how services are discovered: from one partition of a DynamoDB table, which others write.

use aws_sdk_dynamodb::Client;
use evercount_core::lineage::Service;
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::ports::StoreError;
use evercount_wire::items::{SERVICES_PK, service_from_item};

use super::super::{DynamoStore, TableNames};

/// Services as items of a table: `pk` is `services`, `sk` is the name, `produces` and `consumes`
/// are string sets of subjects, `seen_at` is an ISO time. Each but the key may be missing.
#[derive(Clone, Debug)]
pub struct DynamoServices {
    store: DynamoStore,
}

impl DynamoServices {
    /// The services of a table with the keys `pk` and `sk`: the metadata table or one of its own.
    #[must_use]
    pub fn new(client: &Client, table: &str) -> Self {
        let tables = TableNames { metadata: table.to_owned(), ..TableNames::default() };
        Self { store: DynamoStore::new(client, tables) }
    }
}

impl ServiceDirectory for DynamoServices {
    async fn services(&self) -> Result<Vec<Service>, StoreError> {
        let items = self.store.query(&self.store.tables.metadata, SERVICES_PK, "").await?;
        let read = |item| match service_from_item(item) {
            Ok(service) => Some(service),
            // One service's mistake must not hide the others.
            Err(error) => {
                tracing::warn!(%error, "an item of the service registry is no service");
                None
            }
        };
        Ok(items.iter().filter_map(read).collect())
    }
}
