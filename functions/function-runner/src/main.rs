//! The function runner: items and functions of users in, answers out, nothing written. Wiring only;
//! [`evercount_aws::function_runner`] is what it does.

use evercount_aws::clients::{Access, Clients};
use evercount_aws::config::{RunnerConfig, both};
use evercount_aws::function_runner::FunctionRunner;
use evercount_aws::logs;
use evercount_runtime::{Invocation, now};
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let lookup = |name: &str| std::env::var(name).ok();
    logs::init(lookup)?;
    let (config, clients) = both(RunnerConfig::from_lookup(lookup), Access::from_lookup(lookup))
        .and_then(|(config, access)| Ok((config, Clients::new(access)?)))
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let store = clients.store_with_functions(config.tables, config.functions).await?;
    let runner = FunctionRunner::new(store, now);
    evercount_runtime::run(async |invocation: Invocation| {
        runner.handle_payload(invocation.body).await.map_err(Error::from)
    })
    .await
}
