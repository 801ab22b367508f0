//! The item counter: a batch of one shard's CDC records in, counts committed, the first record
//! that is not in the counts out. Wiring only; [`evercount_aws::counter`] is what it does.

use evercount_aws::clients;
use evercount_aws::config::Config;
use evercount_aws::counter::Counter;
use evercount_aws::dynamo::DynamoStore;
use evercount_aws::metrics::Metrics;
use evercount_runtime::{Invocation, now};
use lambda_runtime::{Error, tracing};
use mimalloc::MiMalloc;

/// A batch makes and drops some ten values for each of its records, thousands of which live at once.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = Config::from_lookup(|name| std::env::var(name).ok())
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let store = DynamoStore::new(&clients::from_env().await.dynamodb, config.tables);
    let metrics = Metrics { namespace: config.namespace, service: config.service };
    let counter = Counter::new(store, config.options, now).with_metrics(metrics);
    evercount_runtime::run(async |invocation: Invocation| {
        counter.handle_payload(&invocation.body, invocation.deadline).await.map_err(Error::from)
    })
    .await
}
