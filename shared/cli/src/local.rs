//! `evercount local`: the embedded AWS and the functions, until somebody stops them.
//!
//! This file decides what runs, and in which order it stops; how it is found is in `place`, which
//! tables are captured is in `tables`, what is told meanwhile is in `feed`, what the embedded
//! Kinesis forgets is in `retention`, and the event transformer is in `conforming`.

mod conforming;
mod feed;
mod place;
mod retention;
mod tables;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use aws_lambda_events::event::kinesis::KinesisEvent;
use evercount_aws::config::{Config, SCHEMA_EVENTS_STREAM, SEGMENTS};
use evercount_aws::meter::meter;
use evercount_core::mutation::settings::MutationSettings;
use evercount_local::stack::{
    self, HandlerFuture, INVOCATION_MICROS, LocalForecaster, LocalValidator, invoke, invoke_analyzer,
    invoke_both, invoke_listener, now,
};
use evercount_local::{EmbeddedAws, EmbeddedOptions, Poller, PollerError, Stack, StartingPosition};
use evercount_pipeline::adapt::AdaptOptions;
use evercount_pipeline::count::CountMode;
use evercount_pipeline::listen::ListenOptions;
use serde_json::json;
use tokio::sync::watch;

use crate::args::LocalArgs;
use crate::arriving::look_after;
use crate::exit::Exit;
use crate::target;
use conforming::Conforming;
use feed::Feed;
use place::Place;
use retention::Retention;
use tables::{MARGIN_MICROS, Tables};

pub use tables::log_changes;

/// Shards of the CDC stream. One process reads them all, and each run's shards stay in the
/// directory of lanes, so there is no use for more.
const SHARDS: i32 = 1;

/// How long what is on its way may take once a stop was asked for: first to be captured, then to
/// be counted.
const DRAIN: Duration = Duration::from_secs(5);

/// How often versions are validated.
const VALIDATE_PAUSE: Duration = Duration::from_secs(2);

/// How often schemas are forecast: a day is as long as a forecast stands anywhere else, but whoever imports
/// a plan here wants to see what becomes of it.
const FORECAST_PAUSE: Duration = Duration::from_secs(10);

/// Pages of ledger or source between two looks at the time.
const PAGES: u32 = 4;

/// Runs the command.
pub async fn run(args: LocalArgs) -> anyhow::Result<Exit> {
    let (config, runner_config) = target::config()?;
    if config.options.mode == CountMode::Lane {
        bail!(
            "EVERCOUNT_MODE is `lane`, and `evercount local` reads the tables' change logs again at each \
             start, which only a ledger can tell from new changes; unset EVERCOUNT_MODE"
        );
    }
    let signals = Signals::listen().context("could not listen for signals")?;
    let place = Place::claim(target::home()?, target::local_file()?)?;
    let options = EmbeddedOptions {
        data_file: (!args.memory).then(|| target::data_file(place.home())),
        dynamodb_port: args.dynamodb_port,
        kinesis_port: args.kinesis_port,
        ..EmbeddedOptions::default()
    };
    let stack = Stack::embedded(options.clone(), config.tables.clone()).await;
    let stack =
        target::with_functions(stack.context("could not start the embedded AWS")?, &runner_config).await?;
    let served = match stack.embedded_aws() {
        Some(aws) => serve(&stack, aws, &options, &config, &place, signals, &args).await,
        None => Ok(()),
    };
    place.leave();
    stack.stop().await;
    served.map(|()| Exit::Ok)
}

async fn serve(
    stack: &Stack,
    aws: &EmbeddedAws,
    options: &EmbeddedOptions,
    config: &Config,
    place: &Place,
    mut signals: Signals,
    args: &LocalArgs,
) -> anyhow::Result<()> {
    let quiet = args.output.json;
    // The embedded Kinesis starts empty: under a name used before, new records would have sequence
    // numbers that the lanes of an earlier run have passed.
    let stream = format!("evercount-local-{}", now());
    stack.create_stream(&stream, SHARDS).await?;
    let feed = Arc::new(Feed::new(quiet));
    let counter = stack.counter(config.options, feed.hook());
    let mut poller = stack.poller(&stream, stack::BATCH_SIZE, StartingPosition::TrimHorizon).await?;
    let retention = Retention::default();
    stack.ensure_stream(SCHEMA_EVENTS_STREAM).await?;
    let listen = ListenOptions { format: config.options.format, epoch: config.options.epoch };
    let listener = stack.listener(listen, SCHEMA_EVENTS_STREAM, feed.listen_hook());
    let mut conforming = match args.conform {
        true => Some(Conforming::start(stack, &feed).await?),
        false => None,
    };
    let counting = invoke_both(invoke_listener(&listener), invoke(&counter));
    let handler = retention.watching(invoke_both(counting, conforming::handler(conforming.as_ref())));
    let adapt = AdaptOptions {
        has_ledger: true,
        source_is_readable: true,
        epoch: config.options.epoch,
        margin: MARGIN_MICROS,
        pages: PAGES,
        segments: SEGMENTS,
        meter,
    };
    let analyzer = stack.analyzer(adapt, Arc::clone(&feed), feed.analyze_hook());
    let validator = stack.validator(adapt, Arc::clone(&feed), feed.validate_hook());
    let forecaster = stack.forecaster(feed.forecast_hook()).context("the forecast's model cannot be read")?;
    let mut events =
        stack.poller(SCHEMA_EVENTS_STREAM, stack::BATCH_SIZE, StartingPosition::TrimHorizon).await?;
    let (stop_analyzing, analyzing_stopped) = watch::channel(false);
    let (stop_capture, capture_stopped) = watch::channel(false);
    let (stop_counting, counting_stopped) = watch::channel(false);
    let mut tables = Tables::new(stack, aws, &stream, config.options.epoch, Arc::clone(&feed));

    let conformed = conforming.as_ref().map(Conforming::stream);
    place.tell(&json!({
        "dynamodb": aws.dynamodb_endpoint(),
        "kinesis": aws.kinesis_endpoint(),
        "stream": stream,
        "conformed": conformed,
        "region": aws.region(),
        "pid": std::process::id(),
    }))?;
    greet(aws, &stream, conformed, options, quiet);

    let capture = async {
        tables.run(capture_stopped).await;
        // Counting ends after capture, so that it ends with everything that was captured.
        stop_counting.send_replace(true);
        Ok(())
    };
    let counting = async {
        let counted = count(&mut poller, handler, counting_stopped).await;
        // What was listened to last is planned for, or nobody would read it: the stream ends here.
        stop_analyzing.send_replace(true);
        counted
    };
    let analyzing = count(&mut events, invoke_analyzer(&analyzer), analyzing_stopped);
    let asked_twice = async {
        signals.next().await;
        feed.tell("stopping once everything written is counted; ask again to stop at once");
        stop_capture.send_replace(true);
        signals.next().await;
    };
    let table = stack.store().written_tables(stack.dynamodb());
    let mutations = MutationSettings::default();
    let trouble = |what: Option<String>| match what {
        Some(what) => feed.trouble("values beside tables", what),
        None => feed.well("values beside tables"),
    };
    let arriving = look_after(stack.store(), &table, &mutations, |what| feed.tell(what), trouble);
    let forgetting = async {
        match &mut conforming {
            Some(conforming) => conforming.forget(aws).await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = async { tokio::try_join!(counting, analyzing, capture) } => ended.map(drop),
        () = asked_twice => Ok(()),
        never = feed.run() => match never {},
        never = validate(&validator, &feed) => match never {},
        never = forecast(&forecaster, &feed) => match never {},
        never = retention.run(aws, &stream) => match never {},
        never = arriving => match never {},
        ended = forgetting => ended,
    };
    feed.flush();
    ended.context("counting ended by itself")
}

/// Counts until told to stop, and then what is left on the stream.
async fn count<H>(poller: &mut Poller, handler: H, stopped: watch::Receiver<bool>) -> Result<(), PollerError>
where
    H: Fn(KinesisEvent) -> HandlerFuture + Clone + Send + Sync + 'static,
{
    poller.run(handler.clone(), until(stopped)).await?;
    match tokio::time::timeout(DRAIN, poller.run_until_idle(handler)).await {
        Ok(drained) => drained.map(drop),
        // The change log has what was not counted in time; the next run reads it again.
        Err(_) => Ok(()),
    }
}

/// Validates versions again and again. A round that is cut short is taken up by the next run.
async fn validate(validator: &LocalValidator<Arc<Feed>>, feed: &Feed) -> Infallible {
    loop {
        tokio::time::sleep(VALIDATE_PAUSE).await;
        match Box::pin(validator.handle(now().saturating_add(INVOCATION_MICROS))).await {
            Ok(_) => feed.well("versions"),
            Err(error) => feed.trouble("versions", error),
        }
    }
}

/// Forecasts schemas again and again. What a run did not do, the next one does.
async fn forecast(forecaster: &LocalForecaster, feed: &Feed) -> Infallible {
    loop {
        match Box::pin(forecaster.handle()).await {
            Ok(_) => feed.well("forecasts"),
            Err(error) => feed.trouble("forecasts", error),
        }
        tokio::time::sleep(FORECAST_PAUSE).await;
    }
}

/// Says where everything is.
fn greet(aws: &EmbeddedAws, stream: &str, conformed: Option<&str>, options: &EmbeddedOptions, json: bool) {
    let (dynamodb, kinesis) = (aws.dynamodb_endpoint(), aws.kinesis_endpoint());
    let environment = [
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.as_str()),
        ("AWS_ENDPOINT_URL_KINESIS", kinesis.as_str()),
        ("AWS_REGION", aws.region()),
        ("AWS_DEFAULT_REGION", aws.region()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    if json {
        let environment: serde_json::Map<String, serde_json::Value> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let data = options.data_file.as_ref().map(|file| file.display().to_string());
        feed::out(json!({
            "dynamodb": dynamodb,
            "kinesis": kinesis,
            "stream": stream,
            "conformed": conformed,
            "region": aws.region(),
            "pid": std::process::id(),
            "data": data,
            "environment": environment,
        }));
        return;
    }
    feed::out(format!("ready dynamodb={dynamodb} kinesis={kinesis} stream={stream}"));
    if let Some(conformed) = conformed {
        feed::out(format!("conformed records are on stream {conformed}"));
    }
    match &options.data_file {
        Some(file) => feed::out(format!("tables are kept in {}", file.display())),
        None => feed::out("tables are kept in memory, and gone with this process"),
    }
    feed::out("other evercount commands find it by themselves; for the AWS CLI, SDKs and your programs:");
    environment.iter().for_each(|(name, value)| feed::out(format!("  export {name}={value}")));
    feed::out("`evercount count create NAME --table TABLE` counts a table; Ctrl-C stops");
}

/// Resolves once a stop is asked for.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that who could ask is gone, which is a stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// What asks this process to end.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What asks this process to end.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if let Err(error) = tokio::signal::ctrl_c().await {
            crate::show::remark(format!("could not listen for Ctrl-C: {error}"));
        }
    }
}
