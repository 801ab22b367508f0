//! The stores on DynamoDB. What an item looks like is [`evercount_wire::items`]'s to say; here is
//! which call and which condition each method of a store is.
//!
//! Every call is retried here and nowhere else: the SDK's own retries are switched off, because
//! two loops inside each other multiply, and because only this one knows that a transaction must
//! be repeated under the token it was first sent with.

mod audits;
mod calls;
mod catalog;
mod commit;
mod counted;
mod counts;
mod edit;
mod failure;
mod forecasts;
mod functions;
mod quarantine;
mod registry;
mod shadow;
mod source;
mod tables;
mod usage;
mod value;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;

pub use counted::DynamoTable;
pub(crate) use failure::{Failure, judge, retrying};
pub use registry::DynamoServices;
pub use source::{CountedTables, DynamoSource};
pub use value::{ConversionError, from_attribute, from_attributes, to_attribute, to_attributes};

use crate::s3_functions::S3Functions;

/// How long one attempt at a call may take. A transaction of 100 items takes well under a second;
/// a request that was lost must not eat a function's whole time.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long connecting may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The names of the three tables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableNames {
    /// Definitions, lanes, table facts, quarantine.
    pub metadata: String,
    /// One item for each source row.
    pub ledger: String,
    /// Counter items and checkpoints.
    pub counts: String,
}

impl Default for TableNames {
    fn default() -> Self {
        Self {
            metadata: "evercount-metadata".to_owned(),
            ledger: "evercount-ledger".to_owned(),
            counts: "evercount-counts".to_owned(),
        }
    }
}

/// A client that is made when the first call needs it.
type Lazy = Arc<LazyLock<Client, Box<dyn FnOnce() -> Client + Send>>>;

/// A store on three DynamoDB tables.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Lazy,
    tables: TableNames,
    functions: Option<S3Functions>,
}

impl DynamoStore {
    /// A store that speaks through a client. Retries and timeouts of the client are replaced by
    /// the store's own.
    #[must_use]
    pub fn new(client: &Client, tables: TableNames) -> Self {
        let client = client.clone();
        Self::with_client(move || client, tables)
    }

    /// A store that speaks through the client that `made` makes, once something is asked of it: the SDK reads a
    /// table of all regions for its first client, which is most of what a function would start with. What may be
    /// wrong with a client is known before.
    #[must_use]
    pub fn with_client(made: impl FnOnce() -> Client + Send + 'static, tables: TableNames) -> Self {
        let client = LazyLock::new(Box::new(move || without_retries(&made())) as Box<_>);
        Self { client: Arc::new(client), tables, functions: None }
    }

    /// Keeps functions elsewhere. Modules that are in the table already are still used: the address of one
    /// is its content.
    #[must_use]
    pub fn with_functions(mut self, functions: S3Functions) -> Self {
        self.functions = Some(functions);
        self
    }

    /// The names of its tables.
    #[must_use]
    pub fn tables(&self) -> &TableNames {
        &self.tables
    }
}

/// How long a call is waited for, of whichever service.
pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
}

/// The same client, retrying nothing and waiting for no answer forever. One that is so already is not
/// made anew, because making one is most of a function's start.
pub(crate) fn without_retries(client: &Client) -> Client {
    let (none, timeouts) = (RetryConfig::disabled(), timeouts());
    let config = client.config();
    if config.retry_config() == Some(&none) && config.timeout_config() == Some(&timeouts) {
        return client.clone();
    }
    Client::from_conf(config.to_builder().retry_config(none).timeout_config(timeouts).build())
}
