//! The event transformer: a batch of one shard's records in, records that conform to the schema in force
//! out. Wiring only; [`evercount_aws::transformer`] is what it does.

use evercount_aws::clients::{Access, Clients};
use evercount_aws::config::{TransformerConfig, both};
use evercount_aws::conformed::KinesisConformed;
use evercount_aws::logs;
use evercount_aws::metrics::Metrics;
use evercount_aws::transformer::EventTransformer;
use evercount_runtime::{Invocation, now};
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let lookup = |name: &str| std::env::var(name).ok();
    logs::init(lookup)?;
    let (config, clients) = both(TransformerConfig::from_lookup(lookup), Access::from_lookup(lookup))
        .and_then(|(config, access)| Ok((config, Clients::new(access)?)))
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let store = clients.store_with_functions(config.tables, config.functions).await?;
    let stream = KinesisConformed::new(&clients.kinesis(), &config.conformed_stream);
    let metrics = Metrics { namespace: config.namespace, service: config.service };
    let transformer = EventTransformer::new(store, stream, config.options, now).with_metrics(metrics);
    evercount_runtime::run(async |invocation: Invocation| {
        transformer.handle_payload(invocation.body).await.map_err(Error::from)
    })
    .await
}
