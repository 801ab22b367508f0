//! Where the counts are kept: an embedded DynamoDB, an emulator's endpoint, or AWS.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, bail};
use evercount_aws::clients::Clients;
use evercount_aws::config::{Config, RunnerConfig, both};
use evercount_aws::s3::S3Place;
use evercount_aws::s3_functions::S3Functions;
use evercount_core::order::{CLOCK_SKEW_BOUND, Micros};
use evercount_local::{EmbeddedOptions, Stack};
use serde_json::{Value, json};

use crate::args::TargetKind;

/// A resolved target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// The embedded DynamoDB, opened by this process.
    Embedded {
        /// Its data file.
        file: PathBuf,
    },
    /// An `evercount local` that is running.
    Local {
        /// Its DynamoDB endpoint.
        dynamodb: String,
        /// Its Kinesis endpoint.
        kinesis: String,
    },
    /// The endpoint of the environment.
    Endpoint(String),
    /// AWS.
    Aws(Place),
}

/// Where on AWS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// The account; `None` where it is not known yet.
    pub account: Option<String>,
    /// The region; `None` where the profile says it.
    pub region: Option<String>,
}

impl Place {
    /// The place that the name of a table says: `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME`.
    #[must_use]
    pub fn of_arn(arn: &str) -> Self {
        let part = |nth: usize| arn.split(':').nth(nth).filter(|part| !part.is_empty()).map(str::to_owned);
        Self { account: part(4), region: part(3) }
    }

    /// What the environment says of it.
    fn of_environment() -> Self {
        let named = |name: &str| std::env::var(name).ok().filter(|region| !region.is_empty());
        Self { account: None, region: named("AWS_REGION").or_else(|| named("AWS_DEFAULT_REGION")) }
    }
}

/// Where a table is, as its description tells; nothing where it has none.
async fn place(stack: &Stack, table: &str) -> Option<Place> {
    let described = stack.dynamodb().describe_table().table_name(table).send().await.ok()?;
    Some(Place::of_arn(described.table?.table_arn.as_deref()?))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { file } => write!(f, "embedded ({})", file.display()),
            Self::Local { dynamodb, .. } => write!(f, "evercount local ({dynamodb})"),
            Self::Endpoint(url) => write!(f, "endpoint {url}"),
            Self::Aws(Place { account, region }) => {
                f.write_str("AWS")?;
                if let Some(account) = account {
                    write!(f, ", account {account}")?;
                }
                write!(f, ", region {}", region.as_deref().unwrap_or("of the profile"))
            }
        }
    }
}

/// The folder of the embedded AWS: `EVERCOUNT_HOME`, else `.evercount` in the home folder.
///
/// # Errors
/// Where neither is known.
pub fn home() -> anyhow::Result<PathBuf> {
    if let Some(home) = std::env::var_os("EVERCOUNT_HOME") {
        return Ok(home.into());
    }
    let home = std::env::home_dir().context("no home folder is known; set EVERCOUNT_HOME to a folder")?;
    Ok(home.join(".evercount"))
}

/// The file in which a running `evercount local` says where it is.
///
/// # Errors
/// As [`home`].
pub fn local_file() -> anyhow::Result<PathBuf> {
    Ok(home()?.join("local.json"))
}

/// The data file of the embedded DynamoDB in a folder.
#[must_use]
pub fn data_file(home: &std::path::Path) -> PathBuf {
    home.join("dynamodb.sqlite")
}

/// Where an `evercount local` is running, if one is.
#[must_use]
pub fn running_local() -> Option<Target> {
    let text = std::fs::read_to_string(local_file().ok()?).ok()?;
    let told: Value = serde_json::from_str(&text).ok()?;
    let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
    let (dynamodb, kinesis) = (text("dynamodb")?, text("kinesis")?);
    // A file may outlive its process; a listening socket does not.
    let address = dynamodb.strip_prefix("http://")?.parse().ok()?;
    std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_millis(300)).ok()?;
    Some(Target::Local { dynamodb, kinesis })
}

/// The endpoint the environment names for DynamoDB.
#[must_use]
pub fn endpoint() -> Option<String> {
    let named = |name: &str| std::env::var(name).ok().filter(|url| !url.is_empty());
    named("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| named("AWS_ENDPOINT_URL"))
}

/// Resolves a target.
///
/// # Errors
/// Where the choice contradicts the environment.
pub fn resolve(kind: Option<TargetKind>) -> anyhow::Result<Target> {
    match (kind, endpoint()) {
        (Some(TargetKind::Aws), Some(url)) if !is_of_aws(&url) => {
            bail!("`--target aws`, but AWS_ENDPOINT_URL names {url}; unset it to speak to AWS")
        }
        (Some(TargetKind::Aws), _) => Ok(Target::Aws(Place::of_environment())),
        // An endpoint's tables are made where they are missing, and nothing is made on AWS unasked.
        (None, Some(url)) if is_of_aws(&url) => {
            bail!("AWS_ENDPOINT_URL names AWS itself, {url}; say `--target aws` to mean it")
        }
        (None, Some(url)) => Ok(Target::Endpoint(url)),
        (Some(TargetKind::Embedded) | None, _) => match running_local() {
            Some(local) => Ok(local),
            None => Ok(Target::Embedded { file: data_file(&home()?) }),
        },
    }
}

/// A target that is open.
pub struct Opened {
    /// Which.
    pub target: Target,
    /// What it is.
    pub stack: Stack,
    /// Settings of the environment.
    pub config: Config,
}

/// Margin on AWS, in seconds: more than clocks of AWS services differ, with room for late records.
const MARGIN_AWS: u32 = 900;
/// Margin on one machine, in seconds, where there is one clock.
const MARGIN_LOCAL: u32 = 1;

impl Opened {
    /// How far the clocks of reader and source may differ, microseconds, unless a person says
    /// otherwise in seconds.
    #[must_use]
    pub fn margin(&self, seconds: Option<u32>) -> Micros {
        let margin = seconds.unwrap_or(match &self.target {
            Target::Endpoint(url) if is_of_this_machine(url) => MARGIN_LOCAL,
            Target::Aws(_) | Target::Endpoint(_) => MARGIN_AWS,
            Target::Embedded { .. } | Target::Local { .. } => MARGIN_LOCAL,
        });
        // Below the skew bound, what is read could not be told from what was just written.
        (Micros::from(margin) * 1_000_000).max(CLOCK_SKEW_BOUND)
    }

    /// The target as JSON output names it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!(self.target.to_string())
    }
}

/// The host of an endpoint, with its port.
fn host(url: &str) -> &str {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    host.split(['/', '?', '#']).next().unwrap_or(host)
}

/// Whether an endpoint is AWS itself, and no emulator.
fn is_of_aws(url: &str) -> bool {
    let host = host(url).rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let name = host.split(':').next().unwrap_or_default().trim_end_matches('.');
    ["amazonaws.com", "amazonaws.com.cn", "api.aws", "on.aws"]
        .iter()
        .any(|of| name.strip_suffix(of).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Whether an endpoint is on this machine, and so has its clock.
fn is_of_this_machine(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|here| {
        host.strip_prefix(here).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    })
}

/// The settings of the environment: of who counts, and of who runs functions of users.
///
/// # Errors
/// All that is wrong with them.
pub fn config() -> anyhow::Result<(Config, RunnerConfig)> {
    let lookup = |name: &str| std::env::var(name).ok();
    both(Config::from_lookup(lookup), RunnerConfig::from_lookup(lookup))
        .context("the environment is not right")
}

/// A stack whose functions are where the environment says: in S3, if not among the tables.
///
/// # Errors
/// Where nothing says how S3 is reached.
pub async fn with_functions(stack: Stack, config: &RunnerConfig) -> anyhow::Result<Stack> {
    match &config.functions {
        Some(place) => Ok(stack.with_functions(functions_in_s3(place.clone()).await?)),
        None => Ok(stack),
    }
}

/// The functions at a place in S3.
///
/// # Errors
/// Where nothing says how S3 is reached.
pub async fn functions_in_s3(place: S3Place) -> anyhow::Result<S3Functions> {
    let told = format!("the functions at {place} cannot be reached");
    Clients::of_a_person().await.functions(place).await.context(told)
}

/// Opens a target; its tables are created where they are missing, except on AWS, where the stack's
/// template owns them.
///
/// # Errors
/// Where it cannot be reached.
pub async fn open(kind: Option<TargetKind>) -> anyhow::Result<Opened> {
    let target = resolve(kind)?;
    let (config, runner_config) = config()?;
    let (tables, metadata) = (config.tables.clone(), config.tables.metadata.clone());
    let stack = match &target {
        Target::Embedded { file } => {
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("could not create {}", folder.display()))?;
            }
            let options = EmbeddedOptions { data_file: Some(file.clone()), ..EmbeddedOptions::default() };
            Stack::embedded(options, tables).await
        }
        Target::Local { dynamodb, kinesis } => {
            let region = EmbeddedOptions::default().region;
            let dynamodb = evercount_local::client::dynamodb(dynamodb, &region);
            let kinesis = evercount_local::client::kinesis(kinesis, &region);
            Stack::on(dynamodb, kinesis, tables).await
        }
        Target::Endpoint(_) => {
            let clients = Clients::of_a_person().await;
            Stack::on(clients.dynamodb(), clients.kinesis(), tables).await
        }
        Target::Aws(_) => {
            let clients = Clients::of_a_person().await;
            Ok(Stack::deployed(clients.dynamodb(), clients.kinesis(), tables))
        }
    };
    let stack = stack.with_context(|| format!("could not open the target: {target}"))?;
    let stack = with_functions(stack, &runner_config).await?;
    // Whoever writes to AWS sees whose account that is, before anything is written.
    let target = match target {
        Target::Aws(known) => Target::Aws(place(&stack, &metadata).await.unwrap_or(known)),
        elsewhere => elsewhere,
    };
    Ok(Opened { target, stack, config })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_on_aws_is_named_as_far_as_it_is_known() {
        let place = Place::of_arn("arn:aws:dynamodb:eu-central-1:123456789012:table/evercount-metadata");
        assert_eq!(Target::Aws(place).to_string(), "AWS, account 123456789012, region eu-central-1");
        assert_eq!(Target::Aws(Place::default()).to_string(), "AWS, region of the profile");
    }

    #[test]
    fn an_endpoint_of_aws_is_told_from_an_emulators() {
        for aws in [
            "https://dynamodb.eu-central-1.amazonaws.com",
            "https://vpce-1.dynamodb.eu-central-1.vpce.amazonaws.com:443/",
            "HTTPS://DYNAMODB.EU-CENTRAL-1.AMAZONAWS.COM",
            "https://dynamodb.cn-north-1.amazonaws.com.cn",
        ] {
            assert!(is_of_aws(aws), "{aws}");
        }
        for other in ["http://127.0.0.1:4566", "http://notamazonaws.com", "http://amazonaws.com.example", ""]
        {
            assert!(!is_of_aws(other), "{other}");
        }
    }

    #[test]
    fn an_endpoint_on_this_machine_has_its_clock() {
        for here in ["http://127.0.0.1:4566", "http://localhost:8000/", "https://localhost", "http://[::1]:1"]
        {
            assert!(is_of_this_machine(here), "{here}");
        }
        for there in
            ["https://dynamodb.eu-central-1.amazonaws.com", "http://localhost.example:1", "http://10.0.0.1"]
        {
            assert!(!is_of_this_machine(there), "{there}");
        }
    }
}
