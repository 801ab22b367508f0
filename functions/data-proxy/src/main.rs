//! The data proxy: requests of the DynamoDB protocol to its function URL, held against the schema of their
//! table, and passed on; and, every minute, values of columns that have arrived. Wiring only; [`evercount_aws::data_proxy`] is what it does.

use evercount_aws::clients::{Access, Clients};
use evercount_aws::config::{DataProxyConfig, both};
use evercount_aws::data_proxy::DataProxy;
use evercount_aws::logs;
use evercount_aws::metrics::Metrics;
use evercount_aws::sources::{Asker, WaysOut};
use evercount_proxy::Proxy;
use evercount_runtime::{Invocation, now};
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let lookup = |name: &str| std::env::var(name).ok();
    logs::init(lookup)?;
    let (config, clients) = both(DataProxyConfig::from_lookup(lookup), Access::from_lookup(lookup))
        .and_then(|(config, access)| Ok((config, Clients::new(access)?)))
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let upstream = clients.dynamodb_upstream(None).await?;
    let store = clients.store_with_functions(config.tables, config.functions).await?;
    let table = store.written_tables(&clients.dynamodb());
    let proxy = DataProxy::new(Proxy::new(upstream, store, table, config.options, now), now)
        .with_sources(WaysOut::new(Asker::Function, clients))
        .with_metrics(Metrics { namespace: config.namespace, service: config.service });
    evercount_runtime::run(async |Invocation { body, deadline }: Invocation| {
        proxy.handle(&body, deadline).await.map_err(Error::from)
    })
    .await
}
