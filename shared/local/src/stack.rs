//! A counting stack on a DynamoDB and a Kinesis endpoint: the three tables, a stream, and the item
//! counter behind the poller. What AWS is to the deployed functions, this is to the commands and
//! tests that run them locally; the steps are the same.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::streams::KinesisEventResponse;
use evercount_aws::analyzer::{AnalyzeHook, Analyzer};
use evercount_aws::conformed::KinesisConformed;
use evercount_aws::counter::{Counter, ReportHook};
use evercount_aws::dynamo::{CountedTables, DynamoStore, TableNames};
use evercount_aws::forecaster::{ForecastHook, Forecaster, ModelError};
use evercount_aws::listener::{ListenHook, SchemaListener};
use evercount_aws::s3_functions::S3Functions;
use evercount_aws::schema_events::AwsSchemaEvents;
use evercount_aws::setup;
use evercount_aws::transformer::{EventTransformer, TransformHook};
use evercount_aws::validator::{ValidateHook, Validator};
use evercount_core::order::Micros;
use evercount_pipeline::adapt::AdaptOptions;
use evercount_pipeline::alert::Alerts;
use evercount_pipeline::count::CountOptions;
use evercount_pipeline::event_source::MappingConfig;
use evercount_pipeline::kinesis::EventError;
use evercount_pipeline::listen::ListenOptions;
use evercount_pipeline::ports::StoreError;
use evercount_pipeline::transform::TransformOptions;

use crate::embedded::{EmbeddedAws, EmbeddedError, EmbeddedOptions};
use crate::poller::{Poller, PollerError, PollerOptions, StartingPosition};

/// How long one invocation may take, microseconds: the function's timeout in the template.
pub const INVOCATION_MICROS: Micros = 30_000_000;

/// Records of one invocation unless told otherwise: the template's batch size.
pub const BATCH_SIZE: usize = 500;

/// How long a new stream may take to become active.
const STREAM_WAIT: Duration = Duration::from_secs(30);

/// The time, microseconds since the epoch.
#[must_use]
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}

/// Why a stack could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The embedded AWS did not start.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The tables could not be made.
    #[error("could not create the tables")]
    Tables(#[source] StoreError),
    /// The stream could not be made.
    #[error("could not create stream `{stream}`: {reason}")]
    Stream {
        /// Its name.
        stream: String,
        /// What the SDK said.
        reason: String,
    },
    /// The stream could not be opened.
    #[error(transparent)]
    Poller(#[from] PollerError),
}

/// A DynamoDB and a Kinesis to count on.
#[derive(Debug)]
pub struct Stack {
    embedded: Option<EmbeddedAws>,
    dynamodb: aws_sdk_dynamodb::Client,
    kinesis: aws_sdk_kinesis::Client,
    store: DynamoStore,
}

impl Stack {
    /// Starts the embedded AWS and creates the tables.
    ///
    /// # Errors
    /// [`StackError`] says what did not start.
    pub async fn embedded(options: EmbeddedOptions, tables: TableNames) -> Result<Self, StackError> {
        let embedded = EmbeddedAws::start(options).await?;
        let (dynamodb, kinesis) = (embedded.dynamodb(), embedded.kinesis());
        let stack = Self::on(dynamodb, kinesis, tables).await?;
        Ok(Self { embedded: Some(embedded), ..stack })
    }

    /// Uses what is there and creates the tables where they are missing.
    ///
    /// # Errors
    /// [`StackError::Tables`].
    pub async fn on(
        dynamodb: aws_sdk_dynamodb::Client,
        kinesis: aws_sdk_kinesis::Client,
        tables: TableNames,
    ) -> Result<Self, StackError> {
        setup::create_tables(&dynamodb, &tables).await.map_err(StackError::Tables)?;
        Ok(Self::deployed(dynamodb, kinesis, tables))
    }

    /// Uses what a deployed stack has created.
    #[must_use]
    pub fn deployed(
        dynamodb: aws_sdk_dynamodb::Client,
        kinesis: aws_sdk_kinesis::Client,
        tables: TableNames,
    ) -> Self {
        let store = DynamoStore::new(&dynamodb, tables);
        Self { embedded: None, dynamodb, kinesis, store }
    }

    /// The same stack, with functions of users elsewhere.
    #[must_use]
    pub fn with_functions(mut self, functions: S3Functions) -> Self {
        self.store = self.store.with_functions(functions);
        self
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &DynamoStore {
        &self.store
    }

    /// The DynamoDB client.
    #[must_use]
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        &self.dynamodb
    }

    /// The Kinesis client.
    #[must_use]
    pub fn kinesis(&self) -> &aws_sdk_kinesis::Client {
        &self.kinesis
    }

    /// The embedded AWS, where the stack started one.
    #[must_use]
    pub fn embedded_aws(&self) -> Option<&EmbeddedAws> {
        self.embedded.as_ref()
    }

    /// Creates a stream and waits until it is active.
    ///
    /// # Errors
    /// [`StackError::Stream`].
    pub async fn create_stream(&self, stream: &str, shards: i32) -> Result<(), StackError> {
        let failed = |reason: String| StackError::Stream { stream: stream.to_owned(), reason };
        self.kinesis
            .create_stream()
            .stream_name(stream)
            .shard_count(shards)
            .send()
            .await
            .map_err(|error| failed(error.into_service_error().to_string()))?;
        self.stream_active(stream).await
    }

    /// Creates a stream of one shard where it is missing, and waits until it is active: that of schema
    /// change events, of which one shard holds more than any source has in its life, or that of conformed
    /// records.
    ///
    /// # Errors
    /// [`StackError::Stream`].
    pub async fn ensure_stream(&self, stream: &str) -> Result<(), StackError> {
        match self.kinesis.create_stream().stream_name(stream).shard_count(1).send().await {
            Ok(_) => {}
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => {}
            Err(error) => {
                let reason = error.into_service_error().to_string();
                return Err(StackError::Stream { stream: stream.to_owned(), reason });
            }
        }
        self.stream_active(stream).await
    }

    async fn stream_active(&self, stream: &str) -> Result<(), StackError> {
        let deadline = tokio::time::Instant::now() + STREAM_WAIT;
        loop {
            let summary = self.kinesis.describe_stream_summary().stream_name(stream).send().await;
            let status = summary
                .ok()
                .and_then(|summary| summary.stream_description_summary)
                .map(|description| description.stream_status);
            if status == Some(aws_sdk_kinesis::types::StreamStatus::Active) {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                let reason = "it does not become active".to_owned();
                return Err(StackError::Stream { stream: stream.to_owned(), reason });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The item counter on this stack.
    #[must_use]
    pub fn counter(&self, options: CountOptions, hook: ReportHook) -> Arc<Counter<DynamoStore>> {
        Arc::new(Counter::new(self.store.clone(), options, now).with_report(hook))
    }

    /// The schema listener on this stack; its events go to the stream `events`.
    #[must_use]
    pub fn listener(&self, options: ListenOptions, events: &str, hook: ListenHook) -> Arc<LocalListener> {
        let events = AwsSchemaEvents::new(&self.kinesis, events);
        Arc::new(SchemaListener::new(self.store.clone(), events, options, now).with_report(hook))
    }

    /// The event transformer on this stack; conformed records go to the stream `conformed`.
    #[must_use]
    pub fn transformer(
        &self,
        options: TransformOptions,
        conformed: &str,
        hook: TransformHook,
    ) -> Arc<LocalTransformer> {
        let conformed = KinesisConformed::new(&self.kinesis, conformed);
        Arc::new(EventTransformer::new(self.store.clone(), conformed, options, now).with_report(hook))
    }

    /// Its DynamoDB tables, as counts read them back.
    #[must_use]
    pub fn counted_tables(&self) -> CountedTables {
        self.store.counted_tables(&self.dynamodb)
    }

    /// The impact analyzer on this stack, with its DynamoDB tables for sources.
    #[must_use]
    pub fn analyzer<A: Alerts>(
        &self,
        options: AdaptOptions,
        alerts: A,
        hook: AnalyzeHook,
    ) -> Arc<LocalAnalyzer<A>> {
        let analyzer = Analyzer::new(self.store.clone(), self.counted_tables(), alerts, options, now);
        Arc::new(analyzer.with_report(hook))
    }

    /// The shadow validator on this stack, as [`Stack::analyzer`].
    #[must_use]
    pub fn validator<A: Alerts>(
        &self,
        options: AdaptOptions,
        alerts: A,
        hook: ValidateHook,
    ) -> LocalValidator<A> {
        Validator::new(self.store.clone(), self.counted_tables(), alerts, options, now).with_report(hook)
    }

    /// The schema forecaster on this stack.
    ///
    /// # Errors
    /// [`ModelError`] where the model that is shipped cannot be read.
    pub fn forecaster(&self, hook: ForecastHook) -> Result<LocalForecaster, ModelError> {
        Ok(Forecaster::new(self.store.clone(), now)?.with_report(hook))
    }

    /// A poller with the event source mapping of the template: batches of `batch_size`, bisect,
    /// partial replies, retries without end.
    ///
    /// # Errors
    /// [`StackError::Poller`].
    pub async fn poller(
        &self,
        stream: &str,
        batch_size: usize,
        start: StartingPosition,
    ) -> Result<Poller, StackError> {
        let options = self.embedded.as_ref().map_or_else(PollerOptions::default, EmbeddedAws::poller_options);
        let mapping = MappingConfig {
            batch_size,
            bisect_on_error: true,
            report_item_failures: true,
            ..options.mapping
        };
        let options = PollerOptions { mapping, start, ..options };
        Ok(Poller::open(self.kinesis.clone(), stream, options).await?)
    }

    /// Stops what the stack started.
    pub async fn stop(self) {
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }
}

/// A counter as the poller's handler: one invocation with the function's timeout.
pub fn invoke(
    counter: &Arc<Counter<DynamoStore>>,
) -> impl Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static + use<> {
    let counter = counter.clone();
    move |event| {
        let counter = counter.clone();
        Box::pin(async move { counter.handle(event, now().saturating_add(INVOCATION_MICROS)).await })
    }
}

/// A schema listener of a stack.
pub type LocalListener = SchemaListener<DynamoStore, AwsSchemaEvents>;

/// A schema listener as the poller's handler, as [`invoke`].
pub fn invoke_listener(
    listener: &Arc<LocalListener>,
) -> impl Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static + use<> {
    let listener = listener.clone();
    move |event| {
        let listener = listener.clone();
        Box::pin(async move { listener.handle(event, now().saturating_add(INVOCATION_MICROS)).await })
    }
}

/// An event transformer of a stack.
pub type LocalTransformer = EventTransformer<DynamoStore, KinesisConformed>;

/// An event transformer as the poller's handler, as [`invoke`].
pub fn invoke_transformer(
    transformer: &Arc<LocalTransformer>,
) -> impl Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static + use<> {
    let transformer = transformer.clone();
    move |event| {
        let transformer = transformer.clone();
        Box::pin(async move { transformer.handle(event).await })
    }
}

/// An impact analyzer of a stack.
pub type LocalAnalyzer<A> = Analyzer<DynamoStore, CountedTables, A>;

/// A shadow validator of a stack.
pub type LocalValidator<A> = Validator<DynamoStore, CountedTables, A>;

/// A schema forecaster of a stack.
pub type LocalForecaster = Forecaster<DynamoStore>;

/// An impact analyzer as the handler of the schema events stream's poller, as [`invoke`].
pub fn invoke_analyzer<A: Alerts + Send + 'static>(
    analyzer: &Arc<LocalAnalyzer<A>>,
) -> impl Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static + use<A> {
    let analyzer = analyzer.clone();
    move |event| {
        let analyzer = analyzer.clone();
        Box::pin(async move { analyzer.handle(event, now().saturating_add(INVOCATION_MICROS)).await })
    }
}

/// Two functions that read the same stream, as one handler: the second runs on what the first has
/// seen, and what either leaves is delivered to both again, which neither minds.
pub fn invoke_both<A, B>(
    first: A,
    second: B,
) -> impl Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static + use<A, B>
where
    A: Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static,
    B: Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static,
{
    move |event| {
        let (first, second) = (first(event.clone()), second(event));
        Box::pin(async move {
            let mut answer = first.await?;
            answer.batch_item_failures.extend(second.await?.batch_item_failures);
            Ok(answer)
        })
    }
}

/// One invocation.
pub type HandlerFuture =
    std::pin::Pin<Box<dyn std::future::Future<Output = Result<KinesisEventResponse, EventError>> + Send>>;
