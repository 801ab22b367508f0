//! What can be typed about the data proxy.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use evercount_core::resolve::Mode;

use super::{OutputArgs, TargetArgs};

/// `proxy`.
#[derive(Args, Clone, Debug)]
pub struct ProxyArgs {
    /// Where to listen, on this machine; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// The DynamoDB behind the proxy, or the URL of the data proxy's function. By default the one that
    /// AWS_ENDPOINT_URL names, else a running `evercount local`, else the embedded one in EVERCOUNT_HOME; with
    /// `--target aws` that of the region.
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// How requests are signed on their way on. By default they are not, but for those to the DynamoDB of
    /// `--target aws`.
    #[arg(long, value_enum)]
    pub sign: Option<SignArg>,
    /// What is done about attributes that a table does not have.
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    /// A TOML file of `mode`, of `[tables]` with a mode for each, and of what is done about writes for another
    /// schema version or an earlier version of an item: `migration_function_path` (a folder, or
    /// s3://BUCKET/PREFIX), `default_migration_strategy`,
    /// `safe_steps`, `max_migration_attempts`, `on_conflict` and `stamps`, also under `[table.NAME]`.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the registry is.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What requests are signed for.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignArg {
    /// They keep the signature they came with; the upstream is reached without TLS.
    None,
    /// For DynamoDB, with your credentials.
    Dynamodb,
    /// For the URL of the data proxy's function, with your credentials. Everything is passed on to it.
    Lambda,
}

/// The modes.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModeArg {
    /// Requests that name unknown attributes are refused.
    Strict,
    /// Everything passes, and what would have been refused is told.
    Observe,
    /// Nothing is looked at.
    Off,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Strict => Self::Strict,
            ModeArg::Observe => Self::Observe,
            ModeArg::Off => Self::Off,
        }
    }
}
