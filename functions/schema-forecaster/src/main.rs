//! The schema forecaster: what happened to schemas held against what was predicted of them, and what is
//! predicted now. Wiring only; [`evercount_aws::forecaster`] is what it does.

use evercount_aws::clients::{Access, Clients};
use evercount_aws::config::{ForecasterConfig, both};
use evercount_aws::dynamo::DynamoStore;
use evercount_aws::forecaster::Forecaster;
use evercount_aws::logs;
use evercount_aws::metrics::Metrics;
use evercount_runtime::{Invocation, now};
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let lookup = |name: &str| std::env::var(name).ok();
    logs::init(lookup)?;
    let (config, clients) = both(ForecasterConfig::from_lookup(lookup), Access::from_lookup(lookup))
        .and_then(|(config, access)| Ok((config, Clients::new(access)?)))
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let store = DynamoStore::new(&clients.dynamodb(), config.tables);
    let metrics = Metrics { namespace: config.namespace, service: config.service };
    let forecaster = Forecaster::new(store, now)?.with_metrics(metrics);
    // Whatever invoked it: a schedule, a rule, a person.
    evercount_runtime::run(async |_: Invocation| forecaster.handle().await.map(drop).map_err(Error::from))
        .await
}
