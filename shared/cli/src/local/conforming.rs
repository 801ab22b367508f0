//! The event transformer beside the counter, where it is asked for: it reads the same records, and what
//! it makes of them is on a stream of its own, which is forgotten as the captured one is.

use std::sync::Arc;

use anyhow::Context;
use aws_lambda_events::event::kinesis::KinesisEvent;
use evercount_aws::config::TransformerConfig;
use evercount_local::stack::{self, HandlerFuture, LocalTransformer, invoke_transformer};
use evercount_local::{EmbeddedAws, Poller, PollerError, Stack, StartingPosition};

use super::feed::Feed;
use super::retention::Retention;

/// A running event transformer.
pub struct Conforming {
    stream: String,
    transformer: Arc<LocalTransformer>,
    /// Reads the stream to know how far it goes.
    poller: Poller,
}

impl Conforming {
    /// Creates the stream of conformed records, which the environment may name, and a transformer for it.
    pub async fn start(stack: &Stack, feed: &Arc<Feed>) -> anyhow::Result<Self> {
        let lookup = |name: &str| std::env::var(name).ok();
        let config = TransformerConfig::from_lookup(lookup).context("the environment cannot be used")?;
        let stream = config.conformed_stream;
        stack.ensure_stream(&stream).await?;
        let transformer = stack.transformer(config.options, &stream, feed.transform_hook());
        let poller = stack.poller(&stream, stack::BATCH_SIZE, StartingPosition::TrimHorizon).await?;
        Ok(Self { stream, transformer, poller })
    }

    /// The stream of conformed records.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Forgets what has been on the stream for long.
    pub async fn forget(&mut self, aws: &EmbeddedAws) -> Result<(), PollerError> {
        let retention = Retention::default();
        let nothing = |_: KinesisEvent| -> HandlerFuture { Box::pin(async { Ok(Default::default()) }) };
        tokio::select! {
            ended = self.poller.run(retention.watching(nothing), std::future::pending()) => ended.map(drop),
            never = retention.run(aws, &self.stream) => match never {},
        }
    }
}

/// A transformer as a handler; where there is none, nothing is left to do.
pub fn handler(
    conforming: Option<&Conforming>,
) -> impl Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static + use<> {
    let invoke = conforming.map(|conforming| invoke_transformer(&conforming.transformer));
    move |event| match &invoke {
        Some(invoke) => invoke(event),
        None => Box::pin(async { Ok(Default::default()) }),
    }
}
