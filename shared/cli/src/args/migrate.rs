//! What can be typed about migrations.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{OutputArgs, TargetArgs};

/// `migrate …`.
#[derive(Subcommand, Clone, Debug)]
pub enum MigrateCommand {
    /// Show the cheapest way from one version of a subject's schema to another. Exits with 1 where
    /// there is none.
    Path(PathArgs),
    /// Migrate items by a file of migration functions. Exits with 1 where one could not be migrated.
    Apply(ApplyArgs),
    /// Keep a migration between two versions of a subject in the registry, for whoever migrates items of it:
    /// the event transformer, the data proxy, and `migrate path`.
    Add(KeepArgs),
    /// Show the migrations that are kept for a subject.
    List(ListArgs),
    /// Keep a migration no longer.
    Remove(RemoveArgs),
}

/// `migrate add`.
#[derive(Args, Clone, Debug)]
pub struct KeepArgs {
    /// A TOML file of `table`, `from`, `to`, and `[[function]]` tables.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where to.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `migrate list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// The subject: a table as its source names it, or an event type.
    #[arg(value_name = "SUBJECT")]
    pub table: String,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `migrate remove`.
#[derive(Args, Clone, Debug)]
pub struct RemoveArgs {
    /// The number of the version before.
    pub from: u32,
    /// The number of the version after.
    pub to: u32,
    /// The subject: a table as its source names it, or an event type.
    #[arg(long, value_name = "SUBJECT")]
    pub table: String,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `migrate path`.
#[derive(Args, Clone, Debug)]
pub struct PathArgs {
    /// The version to start from, by number or id.
    pub from: String,
    /// The version to get to.
    pub to: String,
    /// The subject: a table as its source names it, or an event type.
    #[arg(long, value_name = "SUBJECT")]
    pub table: String,
    /// A TOML file of a migration between two versions of the subject; may be repeated.
    #[arg(long = "with", value_name = "FILE")]
    pub with: Vec<PathBuf>,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `migrate apply`.
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// A TOML file of `[[function]]` tables.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A file of items, one in each line, in DynamoDB JSON: as an export to S3 has them, or bare;
    /// `-` is standard input.
    #[arg(value_name = "ITEMS", default_value = "-")]
    pub items: PathBuf,
    /// Undo the migration; it must lose nothing.
    #[arg(long)]
    pub undo: bool,
    /// A folder of the custom functions that the file names, or a place in S3, s3://BUCKET/PREFIX; by default they
    /// are in DynamoDB.
    #[arg(long, value_name = "DIR", conflicts_with = "target")]
    pub functions: Option<PathBuf>,
    /// Where custom functions are.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}
