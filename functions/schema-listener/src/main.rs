//! The schema listener: a batch of one shard's CDC records in, observed schemas registered,
//! schema change events out. Wiring only; [`evercount_aws::listener`] is what it does.

use evercount_aws::clients;
use evercount_aws::config::ListenerConfig;
use evercount_aws::dynamo::DynamoStore;
use evercount_aws::listener::SchemaListener;
use evercount_aws::metrics::Metrics;
use evercount_aws::schema_events::AwsSchemaEvents;
use evercount_runtime::{Invocation, now};
use lambda_runtime::{Error, tracing};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = ListenerConfig::from_lookup(|name| std::env::var(name).ok())
        .inspect_err(|errors| tracing::error!(%errors, "the configuration cannot be used"))?;
    let clients = clients::from_env().await;
    let store = DynamoStore::new(&clients.dynamodb, config.tables);
    let mut events = AwsSchemaEvents::new(&clients.kinesis, &config.schema_events_stream);
    if let Some(bus) = &config.event_bus {
        events = events.with_bus(&clients.eventbridge(), bus);
    }
    let metrics = Metrics { namespace: config.namespace, service: config.service };
    let listener = SchemaListener::new(store, events, config.options, now).with_metrics(metrics);
    evercount_runtime::run(async |invocation: Invocation| {
        listener.handle_payload(&invocation.body, invocation.deadline).await.map_err(Error::from)
    })
    .await
}
