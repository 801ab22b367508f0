//! Owns what a function logs and how, as Lambda's logging controls ask for it
//! (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>).
//!
//! It says what `lambda_runtime`'s own default would say. That one brings an engine for regular
//! expressions, to choose by what stands in spans, which nobody here has asked for; `RUST_LOG` still
//! chooses by level and by module. In a release, no level shows more than INFO (see the workspace's
//! `tracing`).

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// Logs to standard output from here on; `lookup` gives a variable's value.
///
/// # Errors
/// Where something else logs already.
pub fn init(lookup: impl Fn(&str) -> Option<String>) -> Result<(), TryInitError> {
    let (filter, unread) = filter(&lookup);
    let lines = layer().with_target(false).without_time();
    let registry = tracing_subscriber::registry().with(filter);
    if is_json(&lookup) {
        registry.with(lines.json()).try_init()?;
    } else {
        registry.with(lines).try_init()?;
    }
    if !unread.is_empty() {
        tracing::warn!(?unread, "RUST_LOG is not understood: expected levels, or `module=level`");
    }
    Ok(())
}

fn is_json(lookup: impl Fn(&str) -> Option<String>) -> bool {
    lookup("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json"))
}

/// What `RUST_LOG` lets through, or else the level of the function; and what of it cannot be read.
fn filter(lookup: impl Fn(&str) -> Option<String>) -> (Targets, Vec<String>) {
    let directives = lookup("RUST_LOG").unwrap_or_default();
    let mut unread = Vec::new();
    let mut read: Option<Targets> = None;
    for directive in directives.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
        match directive.parse::<Targets>() {
            // What is in brackets is of spans, and would be taken for a module's name.
            Ok(one) if !directive.contains('[') => {
                let mut all = read.take().unwrap_or_default();
                if let Some(level) = one.default_level() {
                    all = all.with_default(level);
                }
                read = Some(all.with_targets(one));
            }
            _ => unread.push(directive.to_owned()),
        }
    }
    let level = || {
        let level = lookup("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok());
        Targets::new().with_default(level.unwrap_or(LevelFilter::INFO))
    };
    (read.unwrap_or_else(level), unread)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    fn lookup<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |wanted| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_level_is_lambdas_unless_rust_log_says_more() {
        let check = |variables: &[(&str, &str)], ours: LevelFilter, theirs: LevelFilter, unread: usize| {
            let (filter, not_read) = filter(lookup(variables));
            for level in [tracing::Level::ERROR, tracing::Level::INFO, tracing::Level::DEBUG] {
                assert_eq!(
                    filter.would_enable("evercount_aws::counter", &level),
                    level <= ours,
                    "{variables:?}"
                );
                assert_eq!(filter.would_enable("hyper::client", &level), level <= theirs, "{variables:?}");
            }
            assert_eq!(not_read.len(), unread, "{variables:?}");
        };
        let (debug, info, error) = (LevelFilter::DEBUG, LevelFilter::INFO, LevelFilter::ERROR);
        check(&[], info, info, 0);
        check(&[("AWS_LAMBDA_LOG_LEVEL", "DEBUG")], debug, debug, 0);
        check(&[("AWS_LAMBDA_LOG_LEVEL", "loud"), ("RUST_LOG", "")], info, info, 0);
        check(&[("AWS_LAMBDA_LOG_LEVEL", "DEBUG"), ("RUST_LOG", "error")], error, error, 0);
        check(&[("RUST_LOG", "error,evercount_aws=debug")], debug, error, 0);
        check(&[("RUST_LOG", "info, [span]=debug, a=loud")], info, info, 2);
    }

    #[test]
    fn lines_are_json_where_lambda_asks_for_it() {
        assert!(is_json(lookup(&[("AWS_LAMBDA_LOG_FORMAT", "JSON")])));
        assert!(!is_json(lookup(&[("AWS_LAMBDA_LOG_FORMAT", "Text")])) && !is_json(lookup(&[])));
    }
}
