//! The impact analyzer: a batch of schema change events in, adjustment plans and candidate logic
//! versions out. Wiring only; [`evercount_aws::analyzer`] is what it does.

use evercount_aws::alerts::AwsAlerts;
use evercount_aws::analyzer::Analyzer;
use evercount_aws::clients;
use evercount_aws::config::AdjustingConfig;
use evercount_aws::dynamo::{DynamoSource, DynamoStore};
use evercount_aws::metrics::Metrics;
use evercount_runtime::{Invocation, now};
use lambda_runtime::{Error, tracing};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = AdjustingConfig::from_lookup("impact-analyzer", |name| std::env::var(name).ok())
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let clients = clients::from_env().await;
    let alerts = AwsAlerts::configured(&clients, &config);
    let source = DynamoSource::new(&clients.dynamodb);
    let store = DynamoStore::new(&clients.dynamodb, config.tables);
    let metrics = Metrics { namespace: config.namespace, service: config.service };
    let analyzer = Analyzer::new(store, source, alerts, config.options, now).with_metrics(metrics);
    evercount_runtime::run(async |invocation: Invocation| {
        analyzer.handle_payload(&invocation.body, invocation.deadline).await.map_err(Error::from)
    })
    .await
}
