//! Owns what the environment may say. Everything wrong with it is told at once: a function that
//! is deployed with two mistakes should not need two deployments to find them.

use std::fmt;
use std::ops::RangeInclusive;

use evercount_core::conform::Unknown;
use evercount_core::order::Micros;
use evercount_pipeline::adapt::AdaptOptions;
use evercount_pipeline::count::{CountMode, CountOptions};
use evercount_pipeline::listen::ListenOptions;
use evercount_pipeline::transform::TransformOptions;
use evercount_wire::cdc::Format;

use crate::dynamo::TableNames;
use crate::meter::meter;
use crate::s3::S3Place;

/// How a counter is configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it counts.
    pub tables: TableNames,
    /// How it counts.
    pub options: CountOptions,
    /// The Lambda function that runs functions of users, by its name or ARN.
    pub function_runner: String,
    /// The service that its metrics are of.
    pub service: String,
    /// The CloudWatch namespace of its metrics.
    pub namespace: String,
}

/// How a function runner is configured.
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    /// Where functions of users are.
    pub tables: TableNames,
    /// And where else, if they are not among the tables.
    pub functions: Option<S3Place>,
}

/// How a schema listener is configured.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Where its registry is.
    pub tables: TableNames,
    /// How to listen.
    pub options: ListenOptions,
    /// The Kinesis stream that its schema change events are put on.
    pub schema_events_stream: String,
    /// The event bus, by its name or ARN, that they are put on as well.
    pub event_bus: Option<String>,
    /// The service that its metrics are of.
    pub service: String,
    /// The CloudWatch namespace of its metrics.
    pub namespace: String,
}

/// How an event transformer is configured.
#[derive(Clone, Debug)]
pub struct TransformerConfig {
    /// Where the registry and the quarantine are.
    pub tables: TableNames,
    /// How to transform.
    pub options: TransformOptions,
    /// The Kinesis stream that conformed records are put on.
    pub conformed_stream: String,
    /// Where functions of users are, if not among the tables.
    pub functions: Option<S3Place>,
    /// The service that its metrics are of.
    pub service: String,
    /// The CloudWatch namespace of its metrics.
    pub namespace: String,
}

/// How an impact analyzer or a shadow validator is configured: both take adjustments further.
#[derive(Clone, Debug)]
pub struct AdjustingConfig {
    /// Where counts, plans and registry are.
    pub tables: TableNames,
    /// What the surroundings allow.
    pub options: AdaptOptions,
    /// The SNS topic, by its ARN, that alerts are published on.
    pub alert_topic: Option<String>,
    /// The event bus, by its name or ARN, that they are put on as well.
    pub event_bus: Option<String>,
    /// Where functions of users are, if not among the tables.
    pub functions: Option<S3Place>,
    /// The service that its metrics are of.
    pub service: String,
    /// The CloudWatch namespace of its metrics.
    pub namespace: String,
}

/// How a schema forecaster is configured.
#[derive(Clone, Debug)]
pub struct ForecasterConfig {
    /// Where registry and predictions are.
    pub tables: TableNames,
    /// The service that its metrics are of.
    pub service: String,
    /// The CloudWatch namespace of its metrics.
    pub namespace: String,
}

#[cfg(feature = "proxy")]
mod proxy;

#[cfg(feature = "proxy")]
pub use proxy::DataProxyConfig;

/// Bound on clock skew and timestamp error between reader and source, milliseconds, unless the
/// environment says another: a quarter of an hour, because nothing bounds how far apart the clocks
/// of a source and of its readers are, and only what has to be read back waits for it.
const MARGIN_MS: u64 = 15 * 60 * 1_000;

/// Pages of ledger or source that one round walks, unless the environment says another. A page is
/// some thousands of rows; between rounds the time is looked at.
const PAGES: u32 = 2;

/// Segments that a source is read in at the same time, unless the environment says another: a page of
/// each, a megabyte of items, is in memory at once.
pub const SEGMENTS: u32 = 4;

/// The function that runs functions of users, unless the environment names another.
pub const FUNCTION_RUNNER: &str = "evercount-function-runner";

/// The stream of schema change events, unless the environment names another.
pub const SCHEMA_EVENTS_STREAM: &str = "evercount-schema-events";

/// The stream of conformed records, unless the environment names another.
pub const CONFORMED_STREAM: &str = "evercount-conformed";

/// A variable whose value cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{variable} is `{value}`: expected {expected}")]
pub struct ConfigError {
    /// Its name.
    pub variable: &'static str,
    /// Its value.
    pub value: String,
    /// What would be accepted.
    pub expected: &'static str,
}

/// Everything that is wrong with an environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join("; "))
    }
}

impl std::error::Error for ConfigErrors {}

/// Two parts of an environment that were read, or everything that is wrong with either, each of it once.
///
/// # Errors
/// [`ConfigErrors`] of both.
pub fn both<A, B>(
    one: Result<A, ConfigErrors>,
    other: Result<B, ConfigErrors>,
) -> Result<(A, B), ConfigErrors> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (one, other) => {
            let of = |errors: Option<ConfigErrors>| errors.map_or_else(Vec::new, |errors| errors.0);
            let (mut errors, others) = (of(one.err()), of(other.err()));
            errors.extend(others.into_iter().filter(|error| !errors.contains(error)).collect::<Vec<_>>());
            Err(ConfigErrors(errors))
        }
    }
}

/// Reads variables one by one, collecting what is wrong with them.
struct Reader<F> {
    lookup: F,
    errors: Vec<ConfigError>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn value<T>(
        &mut self,
        variable: &'static str,
        default: T,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        // An empty value is what a template gives where a parameter was left out.
        let Some(value) = (self.lookup)(variable).filter(|value| !value.is_empty()) else { return default };
        read(&value).unwrap_or_else(|| {
            self.errors.push(ConfigError { variable, value, expected });
            default
        })
    }

    fn table(&mut self, variable: &'static str, default: String) -> String {
        let expected = "a table name: 3 to 255 of a-z, A-Z, 0-9, `_`, `-` and `.`";
        self.value(variable, default, expected, |name| is_name(name, 3..=255, "_-.").then(|| name.to_owned()))
    }

    fn tables(&mut self) -> TableNames {
        let default = TableNames::default();
        TableNames {
            metadata: self.table("EVERCOUNT_METADATA_TABLE", default.metadata),
            ledger: self.table("EVERCOUNT_LEDGER_TABLE", default.ledger),
            counts: self.table("EVERCOUNT_COUNTS_TABLE", default.counts),
        }
    }

    fn functions(&mut self) -> Option<S3Place> {
        let expected = "`s3://BUCKET/PREFIX`, with letters, digits, `_`, `-`, `.` and `=` between the slashes of a prefix";
        self.value("EVERCOUNT_FUNCTIONS", None, expected, |text| S3Place::parse(text).map(Some))
    }

    fn function_runner(&mut self) -> String {
        let expected = "the name or ARN of a Lambda function: 1 to 170 of a-z, A-Z, 0-9, `_`, `-` and `:`";
        self.value("EVERCOUNT_FUNCTION_RUNNER", FUNCTION_RUNNER.to_owned(), expected, |name| {
            is_name(name, 1..=170, "_-:").then(|| name.to_owned())
        })
    }

    fn format(&mut self) -> Option<Format> {
        let expected = "`auto`, `dynamodb`, `dms` or `debezium`";
        self.value("EVERCOUNT_FORMAT", None, expected, |text| {
            if text == "auto" { Some(None) } else { text.parse::<Format>().ok().map(Some) }
        })
    }

    fn mode(&mut self) -> CountMode {
        self.value("EVERCOUNT_MODE", CountMode::Ledger, "`ledger` or `lane`", |text| match text {
            "ledger" => Some(CountMode::Ledger),
            "lane" => Some(CountMode::Lane),
            _ => None,
        })
    }

    fn event_bus(&mut self) -> Option<String> {
        let expected =
            "the name or ARN of an event bus: 1 to 1600 of a-z, A-Z, 0-9, `_`, `-`, `.`, `/` and `:`";
        self.value("EVERCOUNT_EVENT_BUS", None, expected, |name| {
            is_name(name, 1..=1_600, "_-./:").then(|| Some(name.to_owned()))
        })
    }

    fn stream(&mut self, variable: &'static str, default: &str) -> String {
        let expected = "a stream name: 1 to 128 of a-z, A-Z, 0-9, `_`, `-` and `.`";
        self.value(variable, default.to_owned(), expected, |name| {
            is_name(name, 1..=128, "_-.").then(|| name.to_owned())
        })
    }

    fn epoch(&mut self) -> u16 {
        let expected = "a whole number from 0 to 65535";
        self.value("EVERCOUNT_EPOCH", 0, expected, |text| text.parse().ok())
    }

    fn service(&mut self, default: &str) -> String {
        self.value("POWERTOOLS_SERVICE_NAME", default.to_owned(), "any text", |text| Some(text.to_owned()))
    }

    fn namespace(&mut self) -> String {
        let any = |text: &str| Some(text.to_owned());
        self.value("POWERTOOLS_METRICS_NAMESPACE", "Evercount".to_owned(), "any text", any)
    }

    /// What was read, unless something is wrong. Last of all the tables are compared: two of one
    /// name would overwrite each other.
    fn finish<C>(mut self, tables: &TableNames, config: C) -> Result<C, ConfigErrors> {
        if tables.metadata == tables.counts
            || tables.metadata == tables.ledger
            || tables.counts == tables.ledger
        {
            self.errors.push(ConfigError {
                variable: "EVERCOUNT_{METADATA,LEDGER,COUNTS}_TABLE",
                value: format!("{}, {}, {}", tables.metadata, tables.ledger, tables.counts),
                expected: "three different tables",
            });
        }
        if self.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(self.errors)) }
    }
}

/// Whether a name has an allowed length and holds only letters, digits and `others`. Tables:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>;
/// streams: <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_CreateStream.html>;
/// buses: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html>;
/// functions: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.
fn is_name(name: &str, length: RangeInclusive<usize>, others: &str) -> bool {
    length.contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

impl Config {
    /// The configuration that an environment asks for; `lookup` gives a variable's value.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = Reader { lookup, errors: Vec::new() };
        let tables = reader.tables();
        let options = CountOptions { mode: reader.mode(), format: reader.format(), epoch: reader.epoch() };
        let function_runner = reader.function_runner();
        let (service, namespace) = (reader.service("item-counter"), reader.namespace());
        reader.finish(&tables.clone(), Self { tables, options, function_runner, service, namespace })
    }
}

impl RunnerConfig {
    /// The configuration that an environment asks for; `lookup` gives a variable's value.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = Reader { lookup, errors: Vec::new() };
        let (tables, functions) = (reader.tables(), reader.functions());
        reader.finish(&tables.clone(), Self { tables, functions })
    }
}

impl ListenerConfig {
    /// The configuration that an environment asks for; `lookup` gives a variable's value.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = Reader { lookup, errors: Vec::new() };
        let tables = reader.tables();
        let options = ListenOptions { format: reader.format(), epoch: reader.epoch() };
        let schema_events_stream = reader.stream("EVERCOUNT_SCHEMA_EVENTS_STREAM", SCHEMA_EVENTS_STREAM);
        let event_bus = reader.event_bus();
        let (service, namespace) = (reader.service("schema-listener"), reader.namespace());
        reader.finish(
            &tables.clone(),
            Self { tables, options, schema_events_stream, event_bus, service, namespace },
        )
    }
}

impl TransformerConfig {
    /// The configuration that an environment asks for; `lookup` gives a variable's value.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = Reader { lookup, errors: Vec::new() };
        let tables = reader.tables();
        let expected = "`keep_aside`, `drop` or `reject`";
        let unknown = reader.value("EVERCOUNT_UNKNOWN", Unknown::default(), expected, Unknown::parse);
        let conformed_stream = reader.stream("EVERCOUNT_CONFORMED_STREAM", CONFORMED_STREAM);
        let (format, epoch) = (reader.format(), reader.epoch());
        let (service, namespace) = (reader.service("event-transformer"), reader.namespace());
        let options = TransformOptions { format, epoch, unknown, consumer: service.clone() };
        let functions = reader.functions();
        reader.finish(
            &tables.clone(),
            Self { tables, options, conformed_stream, functions, service, namespace },
        )
    }
}

impl ForecasterConfig {
    /// The configuration that an environment asks for; `lookup` gives a variable's value.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = Reader { lookup, errors: Vec::new() };
        let tables = reader.tables();
        let (service, namespace) = (reader.service("schema-forecaster"), reader.namespace());
        reader.finish(&tables.clone(), Self { tables, service, namespace })
    }
}

impl AdjustingConfig {
    /// The configuration that an environment asks for of the function of this name; `lookup` gives
    /// a variable's value.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn from_lookup(
        function: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        let mut reader = Reader { lookup, errors: Vec::new() };
        let tables = reader.tables();
        let has_ledger = reader.mode() == CountMode::Ledger;
        let source_is_readable =
            reader.value("EVERCOUNT_SOURCE_READABLE", true, "`true` or `false`", |text| text.parse().ok());
        let epoch = reader.epoch();
        let margin = reader.value(
            "EVERCOUNT_MARGIN_MS",
            MARGIN_MS,
            "a whole number of milliseconds, at most a day",
            |text| text.parse().ok().filter(|ms| *ms <= 24 * 3_600 * 1_000),
        );
        let pages = reader.value("EVERCOUNT_PAGES", PAGES, "a whole number from 1 to 10000", |text| {
            text.parse().ok().filter(|pages| (1..=10_000).contains(pages))
        });
        let segments = reader.value("EVERCOUNT_SEGMENTS", SEGMENTS, "a whole number from 1 to 64", |text| {
            text.parse().ok().filter(|segments| (1..=64).contains(segments))
        });
        let alert_topic = reader.value(
            "EVERCOUNT_ALERT_TOPIC",
            None,
            "the ARN of an SNS topic, as `arn:aws:sns:eu-central-1:111122223333:alerts`",
            |arn| is_topic(arn).then(|| Some(arn.to_owned())),
        );
        let event_bus = reader.event_bus();
        let options = AdaptOptions {
            has_ledger,
            source_is_readable,
            epoch,
            margin: Micros::try_from(margin).unwrap_or(Micros::MAX).saturating_mul(1_000),
            pages,
            segments,
            meter,
        };
        let functions = reader.functions();
        let (service, namespace) = (reader.service(function), reader.namespace());
        reader.finish(
            &tables.clone(),
            Self { tables, options, alert_topic, event_bus, functions, service, namespace },
        )
    }
}

/// Whether a text is the ARN of a topic: `arn:PARTITION:sns:REGION:ACCOUNT:NAME`
/// (<https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html> for the name).
fn is_topic(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, "sns", region, account, name] => {
            [partition, region, account].iter().all(|part| is_name(part, 1..=64, "-"))
                && is_name(name.strip_suffix(".fifo").unwrap_or(name), 1..=256, "_-")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
