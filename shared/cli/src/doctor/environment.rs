//! What the environment says: settings, endpoints, region and credentials. Nothing is asked of
//! AWS, and of credentials only whether there are any.

use std::path::{Path, PathBuf};
use std::time::Duration;

use evercount_aws::config::Config;
use evercount_pipeline::count::CountMode;

use super::Check;
use crate::target;

/// How long an endpoint may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);

const ENDPOINT: &str = "AWS_ENDPOINT_URL";
const DYNAMODB: &str = "AWS_ENDPOINT_URL_DYNAMODB";
const KINESIS: &str = "AWS_ENDPOINT_URL_KINESIS";

/// Ways other than keys and profiles by which the SDKs get credentials.
const CREDENTIAL_SOURCES: [&str; 3] = [
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// All checks of the environment.
pub async fn checks() -> Vec<Check> {
    let lookup = variable;
    let mut checks = settings(lookup);
    let mut endpoints = Vec::new();
    for name in [ENDPOINT, DYNAMODB, KINESIS] {
        if let Some(url) = lookup(name) {
            endpoints.push(endpoint(name, &url).await);
        }
    }
    if endpoints.is_empty() {
        endpoints.push(Check::ok(ENDPOINT, "not set"));
    }
    checks.append(&mut endpoints);
    checks.extend(half_an_endpoint(lookup));
    checks.push(match target::resolve(None) {
        Ok(target) => Check::ok("target", format!("{target}, unless `--target` says otherwise")),
        Err(error) => Check::fail("target", error.to_string(), "set EVERCOUNT_HOME to a folder"),
    });
    checks.push(region(lookup));
    checks.push(credentials(lookup, profile_file()));
    checks
}

fn settings(lookup: impl Fn(&str) -> Option<String>) -> Vec<Check> {
    match Config::from_lookup(lookup) {
        Ok(config) => {
            let mode = match config.options.mode {
                CountMode::Ledger => "ledger",
                CountMode::Lane => "lane",
            };
            let tables = config.tables;
            let found =
                format!("mode {mode}; tables {}, {}, {}", tables.metadata, tables.ledger, tables.counts);
            vec![Check::ok("settings", found)]
        }
        Err(errors) => errors
            .0
            .iter()
            .map(|error| {
                let fix = format!("set {} to {}, or unset it", error.variable, error.expected);
                Check::fail(error.variable, format!("`{}`", error.value), fix)
            })
            .collect(),
    }
}

/// The host and port that an endpoint's URL names.
fn authority(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of `[::1]` is no port's.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, default),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

async fn endpoint(name: &str, url: &str) -> Check {
    let Some(address) = authority(url) else {
        let fix = format!("set {name} to a URL such as http://127.0.0.1:4566, or unset it");
        return Check::fail(name, format!("`{url}` is not an http or https URL"), fix);
    };
    let why = match tokio::time::timeout(CONNECT, tokio::net::TcpStream::connect(address)).await {
        Ok(Ok(_)) => return Check::ok(name, format!("{url} is reachable")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} seconds", CONNECT.as_secs()),
    };
    let fix = format!("a dead endpoint is left in {name}: unset it, or start the emulator");
    Check::fail(name, format!("{url} cannot be reached: {why}"), fix)
}

/// One service at an emulator and the other at AWS is hardly ever meant.
fn half_an_endpoint(lookup: impl Fn(&str) -> Option<String>) -> Option<Check> {
    if lookup(ENDPOINT).is_some() {
        return None;
    }
    let (set, unset, service) = match (lookup(DYNAMODB), lookup(KINESIS)) {
        (Some(_), None) => (DYNAMODB, KINESIS, "Kinesis"),
        (None, Some(_)) => (KINESIS, DYNAMODB, "DynamoDB"),
        _ => return None,
    };
    let found = format!("not set, but {set} is: {service} calls of this shell's programs go to AWS");
    Some(Check::warn(unset, found, format!("set {unset} too, or unset {set}")))
}

fn region(lookup: impl Fn(&str) -> Option<String>) -> Check {
    let name = "region";
    let both = "set both AWS_REGION and AWS_DEFAULT_REGION to the same region: SDKs for Rust and other languages \
                read AWS_REGION, while boto3, the AWS CLI version 1 and SAM read AWS_DEFAULT_REGION";
    match (lookup("AWS_REGION"), lookup("AWS_DEFAULT_REGION")) {
        (Some(one), Some(other)) if one == other => Check::ok(name, one),
        (Some(one), Some(other)) => {
            Check::warn(name, format!("AWS_REGION is {one}, AWS_DEFAULT_REGION is {other}"), both)
        }
        (Some(one), None) => {
            Check::warn(name, format!("AWS_REGION is {one}, AWS_DEFAULT_REGION is not set"), both)
        }
        (None, Some(other)) => {
            Check::warn(name, format!("AWS_DEFAULT_REGION is {other}, AWS_REGION is not set"), both)
        }
        (None, None) if lookup(ENDPOINT).or_else(|| lookup(DYNAMODB)).is_some() => {
            Check::warn(name, "not set, and an endpoint is used", both)
        }
        (None, None) => Check::ok(name, "not set; only AWS needs one, and a profile may have it"),
    }
}

/// The profile file that is there, if one is.
fn profile_file() -> Option<PathBuf> {
    let home = std::env::home_dir();
    let in_home = |name: &str| home.as_ref().map(|home| home.join(".aws").join(name));
    let named = |variable_name: &str, default: &str| {
        variable(variable_name).map(PathBuf::from).or_else(|| in_home(default)).filter(|file| file.is_file())
    };
    named("AWS_SHARED_CREDENTIALS_FILE", "credentials").or_else(|| named("AWS_CONFIG_FILE", "config"))
}

fn credentials(lookup: impl Fn(&str) -> Option<String>, file: Option<PathBuf>) -> Check {
    let name = "credentials";
    let endpoint = lookup(ENDPOINT).or_else(|| lookup(DYNAMODB));
    let emulator = "emulators take any: export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test";
    let fix = if endpoint.is_some() { emulator } else { "set AWS_PROFILE, or both keys" };
    match (lookup("AWS_ACCESS_KEY_ID"), lookup("AWS_SECRET_ACCESS_KEY")) {
        (Some(_), Some(_)) => return Check::ok(name, "keys in the environment"),
        (Some(_), None) => {
            return Check::warn(name, "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not", fix);
        }
        (None, Some(_)) => {
            return Check::warn(name, "AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not", fix);
        }
        (None, None) => {}
    }
    if let Some(source) = CREDENTIAL_SOURCES.iter().find(|source| lookup(source).is_some()) {
        return Check::ok(name, format!("from {source}"));
    }
    let of_profile = lookup("AWS_PROFILE").map(|profile| format!(", profile {profile}")).unwrap_or_default();
    match file.as_deref().map(Path::display) {
        Some(file) => Check::ok(name, format!("profiles in {file}{of_profile}")),
        None if endpoint.is_some() => {
            Check::warn(name, "none, and the SDK signs requests to an endpoint too", emulator)
        }
        None => Check::ok(name, "none; only `--target aws` and deploying need them"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn among<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |wanted| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn an_endpoint_names_a_host_and_a_port() {
        for (url, expected) in [
            ("http://127.0.0.1:4566", Some(("127.0.0.1", 4566))),
            ("http://localhost/", Some(("localhost", 80))),
            ("https://localhost.localstack.cloud:4566/path:1", Some(("localhost.localstack.cloud", 4566))),
            ("https://[::1]", Some(("::1", 443))),
            ("http://[::1]:8000", Some(("::1", 8000))),
            ("localhost:4566", None),
            ("ftp://localhost", None),
            ("http://", None),
            ("http://localhost:port", None),
        ] {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(authority(url), expected, "{url}");
        }
    }

    #[test]
    fn regions_that_tools_see_differently_are_told() {
        for (variables, status) in [
            (&[][..], Status::Ok),
            (&[("AWS_REGION", "a"), ("AWS_DEFAULT_REGION", "a")], Status::Ok),
            (&[("AWS_REGION", "a"), ("AWS_DEFAULT_REGION", "b")], Status::Warn),
            (&[("AWS_REGION", "a")], Status::Warn),
            (&[("AWS_DEFAULT_REGION", "a")], Status::Warn),
            (&[("AWS_ENDPOINT_URL", "http://localhost")], Status::Warn),
        ] {
            assert_eq!(region(among(variables)).status, status, "{variables:?}");
        }
    }

    #[test]
    fn missing_credentials_matter_where_something_is_signed() {
        let file = || Some(PathBuf::from("credentials"));
        for (variables, file, status) in [
            (&[][..], None, Status::Ok),
            (&[("AWS_ENDPOINT_URL", "http://localhost")], None, Status::Warn),
            (&[("AWS_ENDPOINT_URL", "http://localhost")], file(), Status::Ok),
            (&[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")], None, Status::Ok),
            (&[("AWS_ACCESS_KEY_ID", "test")], file(), Status::Warn),
            (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "f"), ("AWS_ENDPOINT_URL", "x")], None, Status::Ok),
        ] {
            assert_eq!(credentials(among(variables), file).status, status, "{variables:?}");
        }
    }

    #[test]
    fn one_service_at_an_emulator_and_one_at_aws_is_told() {
        let check = half_an_endpoint(among(&[(DYNAMODB, "http://localhost")]));
        assert_eq!(check.map(|check| check.name).as_deref(), Some(KINESIS));
        assert_eq!(half_an_endpoint(among(&[(DYNAMODB, "x"), (KINESIS, "x")])), None);
        assert_eq!(half_an_endpoint(among(&[(ENDPOINT, "x"), (DYNAMODB, "x")])), None);
    }

    #[test]
    fn every_wrong_setting_is_a_check_of_its_own() {
        let checks = settings(among(&[("EVERCOUNT_MODE", "exact"), ("EVERCOUNT_EPOCH", "-1")]));
        let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["EVERCOUNT_MODE", "EVERCOUNT_EPOCH"]);
    }
}
