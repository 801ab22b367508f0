//! The schema listener: a batch of one shard's CDC records in, observed schemas registered,
//! schema change events out. Wiring only; [`evercount_aws::listener`] is what it does.

use evercount_aws::clients::{Access, Clients};
use evercount_aws::config::{ListenerConfig, both};
use evercount_aws::dynamo::DynamoStore;
use evercount_aws::listener::SchemaListener;
use evercount_aws::logs;
use evercount_aws::metrics::Metrics;
use evercount_aws::schema_events::AwsSchemaEvents;
use evercount_runtime::{Invocation, now};
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let lookup = |name: &str| std::env::var(name).ok();
    logs::init(lookup)?;
    let (config, clients) = both(ListenerConfig::from_lookup(lookup), Access::from_lookup(lookup))
        .and_then(|(config, access)| Ok((config, Clients::new(access)?)))
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let store = DynamoStore::new(&clients.dynamodb(), config.tables);
    let mut events = AwsSchemaEvents::new(&clients.kinesis(), &config.schema_events_stream);
    if let Some(bus) = &config.event_bus {
        events = events.with_bus(&clients.eventbridge(), bus);
    }
    let metrics = Metrics { namespace: config.namespace, service: config.service };
    let listener = SchemaListener::new(store, events, config.options, now).with_metrics(metrics);
    evercount_runtime::run(async |invocation: Invocation| {
        listener.handle_payload(invocation.body, invocation.deadline).await.map_err(Error::from)
    })
    .await
}
