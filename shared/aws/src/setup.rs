//! Owns the three tables: their keys, their billing, and their times to live.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription,
    TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use evercount_pipeline::ports::StoreError;
use evercount_wire::items::{PK, SK};

use crate::dynamo::{TableNames, judge, retrying, without_retries};

/// The attribute by which the ledger forgets tombstones, and the registry versions that are no
/// longer current.
pub const TTL_ATTRIBUTE: &str = "expires";

/// How often and how many times a new table is looked at until it can be used: two minutes.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
const LOOKS_MAX: u32 = 240;

/// Creates what is missing of the three tables and waits until all of them can be used. Tables
/// that are there are left as they are.
///
/// # Errors
/// [`StoreError::Rejected`] where a table of the name has another key or is being deleted, or
/// where the credentials do not allow it; [`StoreError::Unavailable`] where it takes too long.
pub async fn create_tables(client: &Client, tables: &TableNames) -> Result<(), StoreError> {
    let client = without_retries(client);
    let wanted: [(&str, &[&str]); 3] =
        [(&tables.metadata, &[PK, SK]), (&tables.ledger, &[PK]), (&tables.counts, &[PK, SK])];
    for (table, key) in wanted {
        create(&client, table, key).await?;
    }
    for (table, key) in wanted {
        wait(&client, table, key).await?;
    }
    expire(&client, &tables.ledger).await?;
    expire(&client, &tables.metadata).await
}

async fn create(client: &Client, table: &str, key: &[&str]) -> Result<(), StoreError> {
    if describe(client, table).await?.is_some() {
        return Ok(());
    }
    let refused = |error: aws_sdk_dynamodb::error::BuildError| StoreError::Rejected(error.to_string());
    let (mut attributes, mut elements) = (Vec::new(), Vec::new());
    for (name, kind) in key.iter().zip([KeyType::Hash, KeyType::Range]) {
        let attribute =
            AttributeDefinition::builder().attribute_name(*name).attribute_type(ScalarAttributeType::S);
        attributes.push(attribute.build().map_err(refused)?);
        elements
            .push(KeySchemaElement::builder().attribute_name(*name).key_type(kind).build().map_err(refused)?);
    }
    retrying(async || {
        let call = client
            .create_table()
            .table_name(table)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(attributes.clone()))
            .set_key_schema(Some(elements.clone()));
        match call.send().await {
            Ok(_) => Ok(()),
            // Somebody else creates it, or the reply to the last attempt was lost.
            Err(error)
                if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(judge(&error)),
        }
    })
    .await
}

async fn describe(client: &Client, table: &str) -> Result<Option<TableDescription>, StoreError> {
    retrying(async || match client.describe_table().table_name(table).send().await {
        Ok(described) => Ok(described.table),
        Err(error)
            if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) =>
        {
            Ok(None)
        }
        Err(error) => Err(judge(&error)),
    })
    .await
}

async fn wait(client: &Client, table: &str, key: &[&str]) -> Result<(), StoreError> {
    for _ in 0..LOOKS_MAX {
        if let Some(described) = describe(client, table).await? {
            let has: Vec<&str> =
                described.key_schema().iter().map(|element| element.attribute_name.as_str()).collect();
            if has != key {
                let message = format!(
                    "table `{table}` exists with the key `{}`, not `{}`",
                    has.join(", "),
                    key.join(", ")
                );
                return Err(StoreError::Rejected(message));
            }
            match described.table_status {
                Some(TableStatus::Deleting | TableStatus::Archiving | TableStatus::Archived) => {
                    return Err(StoreError::Rejected(format!("table `{table}` is going away")));
                }
                Some(TableStatus::Creating) => {}
                _ => return Ok(()),
            }
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    Err(StoreError::Unavailable(format!("table `{table}` is still being created")))
}

/// Switches a table's time to live on. DynamoDB refuses to switch on what is on, so it is
/// asked first.
async fn expire(client: &Client, table: &str) -> Result<(), StoreError> {
    let state = retrying(async || {
        client.describe_time_to_live().table_name(table).send().await.map_err(|error| judge(&error))
    })
    .await?;
    let status = state.time_to_live_description.and_then(|description| description.time_to_live_status);
    if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
        return Ok(());
    }
    let on = TimeToLiveSpecification::builder().attribute_name(TTL_ATTRIBUTE).enabled(true);
    let on = on.build().map_err(|error| StoreError::Rejected(error.to_string()))?;
    retrying(async || {
        let call = client.update_time_to_live().table_name(table).time_to_live_specification(on.clone());
        call.send().await.map(|_| ()).map_err(|error| judge(&error))
    })
    .await
}
