//! The shadow validator: on a schedule, verdicts on new versions, and what follows from them.
//! Wiring only; [`evercount_aws::validator`] is what it does.

use std::time::{SystemTime, UNIX_EPOCH};

use evercount_aws::alerts::AwsAlerts;
use evercount_aws::clients::{Access, Clients};
use evercount_aws::config::{AdjustingConfig, both};
use evercount_aws::dynamo::{DynamoSource, DynamoStore};
use evercount_aws::logs;
use evercount_aws::metrics::Metrics;
use evercount_aws::validator::Validator;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let lookup = |name: &str| std::env::var(name).ok();
    logs::init(lookup)?;
    let config = AdjustingConfig::from_lookup("shadow-validator", lookup);
    let (config, clients) = both(config, Access::from_lookup(lookup))
        .and_then(|(config, access)| Ok((config, Clients::new(access)?)))
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let alerts = AwsAlerts::configured(&clients, &config);
    let source = DynamoSource::new(&clients.dynamodb());
    let store = DynamoStore::new(&clients.dynamodb(), config.tables);
    let metrics = Metrics { namespace: config.namespace, service: config.service };
    let validator = Validator::new(store, source, alerts, config.options, now).with_metrics(metrics);
    // Whatever invoked it: a schedule, a rule, a person.
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let deadline = i64::try_from(event.context.deadline.saturating_mul(1_000)).unwrap_or(i64::MAX);
        validator.handle(deadline).await.map(drop).map_err(Error::from)
    }))
    .await
}

/// Microseconds since the epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
