//! The impact analyzer: a batch of schema change events in, adjustment plans and candidate logic
//! versions out. Wiring only; [`evercount_aws::analyzer`] is what it does.

use evercount_aws::alerts::AwsAlerts;
use evercount_aws::analyzer::Analyzer;
use evercount_aws::clients::{Access, Clients};
use evercount_aws::config::{AdjustingConfig, both};
use evercount_aws::logs;
use evercount_aws::metrics::Metrics;
use evercount_runtime::{Invocation, now};
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let lookup = |name: &str| std::env::var(name).ok();
    logs::init(lookup)?;
    let config = AdjustingConfig::from_lookup("impact-analyzer", lookup);
    let (config, clients) = both(config, Access::from_lookup(lookup))
        .and_then(|(config, access)| Ok((config, Clients::new(access)?)))
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let alerts = AwsAlerts::configured(&clients, &config);
    let store = clients.store_with_functions(config.tables, config.functions).await?;
    let source = store.counted_tables(&clients.dynamodb());
    let metrics = Metrics { namespace: config.namespace, service: config.service };
    let analyzer = Analyzer::new(store, source, alerts, config.options, now).with_metrics(metrics);
    evercount_runtime::run(async |invocation: Invocation| {
        analyzer.handle_payload(invocation.body, invocation.deadline).await.map_err(Error::from)
    })
    .await
}
