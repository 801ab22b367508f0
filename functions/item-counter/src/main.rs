//! The item counter: a batch of one shard's CDC records in, counts committed, the first record
//! that is not in the counts out. Wiring only; [`evercount_aws::counter`] is what it does.

use evercount_aws::clients::{Access, Clients};
use evercount_aws::config::{Config, both};
use evercount_aws::counter::Counter;
use evercount_aws::logs;
use evercount_aws::metrics::Metrics;
use evercount_pow as _;
use evercount_runtime::{Invocation, now};
use lambda_runtime::Error;
use mimalloc::MiMalloc;

/// A batch makes and drops some ten values for each of its records, thousands of which live at once.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let lookup = |name: &str| std::env::var(name).ok();
    logs::init(lookup)?;
    let (config, clients) = both(Config::from_lookup(lookup), Access::from_lookup(lookup))
        .and_then(|(config, access)| Ok((config, Clients::new(access)?)))
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let runner = clients.function_runner(config.function_runner)?;
    let metrics = Metrics { namespace: config.namespace, service: config.service };
    let store = clients.store(config.tables);
    let counter = Counter::asking(runner, store, config.options, now).with_metrics(metrics);
    evercount_runtime::run(async |invocation: Invocation| {
        counter.handle_payload(invocation.body, invocation.deadline).await.map_err(Error::from)
    })
    .await
}
