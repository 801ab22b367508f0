//! The item counter: a batch of one shard's CDC records in, counts committed, the first record
//! that is not in the counts out. Wiring only; [`evercount_aws::counter`] is what it does.

use std::time::{SystemTime, UNIX_EPOCH};

use evercount_aws::clients::{Access, Clients};
use evercount_aws::config::{Config, both};
use evercount_aws::counter::Counter;
use evercount_aws::dynamo::DynamoStore;
use evercount_aws::logs;
use evercount_aws::metrics::Metrics;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let lookup = |name: &str| std::env::var(name).ok();
    logs::init(lookup)?;
    let (config, clients) = both(Config::from_lookup(lookup), Access::from_lookup(lookup))
        .and_then(|(config, access)| Ok((config, Clients::new(access)?)))
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let store = DynamoStore::new(&clients.dynamodb(), config.tables);
    let metrics = Metrics { namespace: config.namespace, service: config.service };
    let counter = Counter::new(store, config.options, now).with_metrics(metrics);
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let deadline = i64::try_from(event.context.deadline.saturating_mul(1_000)).unwrap_or(i64::MAX);
        counter.handle_payload(event.payload.get(), deadline).await.map_err(Error::from)
    }))
    .await
}

/// Microseconds since the epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
