//! Owns what the environment may say. Everything wrong with it is told at once: a function that
//! is deployed with two mistakes should not need two deployments to find them.

use std::fmt;

use evercount_pipeline::count::{CountMode, CountOptions};
use evercount_wire::cdc::Format;

use crate::dynamo::TableNames;

/// How a counter is configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it counts.
    pub tables: TableNames,
    /// How it counts.
    pub options: CountOptions,
    /// The service that its metrics are of.
    pub service: String,
    /// The CloudWatch namespace of its metrics.
    pub namespace: String,
}

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
        self.value(variable, default, expected, |name| is_table_name(name).then(|| name.to_owned()))
    }
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
fn is_table_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (3..=255).contains(&name.len()) && name.bytes().all(allowed)
}

impl Config {
    /// The configuration that an environment asks for; `lookup` gives a variable's value.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = Reader { lookup, errors: Vec::new() };
        let default = TableNames::default();
        let tables = TableNames {
            metadata: reader.table("EVERCOUNT_METADATA_TABLE", default.metadata),
            ledger: reader.table("EVERCOUNT_LEDGER_TABLE", default.ledger),
            counts: reader.table("EVERCOUNT_COUNTS_TABLE", default.counts),
        };
        let options =
            CountOptions {
                mode: reader.value("EVERCOUNT_MODE", CountMode::Ledger, "`ledger` or `lane`", |text| {
                    match text {
                        "ledger" => Some(CountMode::Ledger),
                        "lane" => Some(CountMode::Lane),
                        _ => None,
                    }
                }),
                format: reader.value(
                    "EVERCOUNT_FORMAT",
                    None,
                    "`auto`, `dynamodb`, `dms` or `debezium`",
                    |text| if text == "auto" { Some(None) } else { text.parse::<Format>().ok().map(Some) },
                ),
                epoch: reader
                    .value("EVERCOUNT_EPOCH", 0, "a whole number from 0 to 65535", |text| text.parse().ok()),
            };
        let any = |text: &str| Some(text.to_owned());
        let service = reader.value("POWERTOOLS_SERVICE_NAME", "item-counter".to_owned(), "any text", any);
        let namespace = reader.value("POWERTOOLS_METRICS_NAMESPACE", "Evercount".to_owned(), "any text", any);
        let mut errors = reader.errors;
        if tables.metadata == tables.counts
            || tables.metadata == tables.ledger
            || tables.counts == tables.ledger
        {
            let value = format!("{}, {}, {}", tables.metadata, tables.ledger, tables.counts);
            let expected = "three different tables";
            errors.push(ConfigError {
                variable: "EVERCOUNT_{METADATA,LEDGER,COUNTS}_TABLE",
                value,
                expected,
            });
        }
        if errors.is_empty() {
            Ok(Self { tables, options, service, namespace })
        } else {
            Err(ConfigErrors(errors))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        Config::from_lookup(|wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_environment_counts_exactly_in_the_default_tables() {
        let config = read(&[("EVERCOUNT_MODE", "")]).unwrap();
        assert_eq!(config.tables, TableNames::default());
        assert_eq!(
            (config.options.mode, config.options.format, config.options.epoch),
            (CountMode::Ledger, None, 0)
        );
        assert_eq!((config.service.as_str(), config.namespace.as_str()), ("item-counter", "Evercount"));
    }

    #[test]
    fn every_variable_is_heard() {
        let config = read(&[
            ("EVERCOUNT_LEDGER_TABLE", "my.ledger"),
            ("EVERCOUNT_MODE", "lane"),
            ("EVERCOUNT_FORMAT", "dms"),
            ("EVERCOUNT_EPOCH", "7"),
            ("POWERTOOLS_METRICS_NAMESPACE", "Shop"),
        ])
        .unwrap();
        assert_eq!(config.tables.ledger, "my.ledger");
        assert_eq!(config.options.mode, CountMode::Lane);
        assert_eq!((config.options.format, config.options.epoch), (Some(Format::Dms), 7));
        assert_eq!(config.namespace, "Shop");
        assert_eq!(read(&[("EVERCOUNT_FORMAT", "auto")]).unwrap().options.format, None);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let errors = read(&[
            ("EVERCOUNT_LEDGER_TABLE", "a b"),
            ("EVERCOUNT_COUNTS_TABLE", "evercount-metadata"),
            ("EVERCOUNT_MODE", "exact"),
            ("EVERCOUNT_FORMAT", "avro"),
            ("EVERCOUNT_EPOCH", "-1"),
        ])
        .unwrap_err();
        let variables: Vec<&str> = errors.0.iter().map(|error| error.variable).collect();
        assert_eq!(
            variables,
            [
                "EVERCOUNT_LEDGER_TABLE",
                "EVERCOUNT_MODE",
                "EVERCOUNT_FORMAT",
                "EVERCOUNT_EPOCH",
                "EVERCOUNT_{METADATA,LEDGER,COUNTS}_TABLE"
            ]
        );
        assert!(errors.to_string().contains("EVERCOUNT_MODE is `exact`: expected `ledger` or `lane`; "));
    }
}
