//! The console: requests to its function URL in, pages and JSON out. Wiring only; [`evercount_console`] is
//! what it does. It changes nothing: a word on a plan is given with a person's own credentials, by
//! `evercount console --target aws`.

use std::sync::Arc;

use evercount_aws::clients::{Access, Clients};
use evercount_aws::config::{Config, both};
use evercount_aws::dynamo::{DynamoServices, DynamoStore};
use evercount_aws::logs;
use evercount_console::{Hosts, Served, Settings, router};
use evercount_runtime::now;
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let lookup = |name: &str| std::env::var(name).ok();
    logs::init(lookup)?;
    let (config, clients) = both(Config::from_lookup(lookup), Access::from_lookup(lookup))
        .and_then(|(config, access)| Ok((config, Clients::new(access)?)))
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let services = DynamoServices::new(&clients.dynamodb(), &config.tables.metadata);
    let store = DynamoStore::new(&clients.dynamodb(), config.tables);
    let source = store.counted_tables(&clients.dynamodb());
    let settings = Settings::deployed(lookup("AWS_REGION"), config.options, now);
    let console = Arc::new(Served::new(store, source, services, settings));
    lambda_http::run(router(console, Hosts::Any)).await
}
