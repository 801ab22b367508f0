//! What can be typed.

pub mod adjust;
pub mod forecast;
pub mod function;
pub mod migrate;
pub mod proxy;
pub mod source;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::schema::args::SchemaCommand;
use adjust::{AlterArgs, BackfillCommand, Moment, PlanCommand, PolicyCommand, VersionCommand, moment};
use forecast::ForecastCommand;
use function::FunctionCommand;
use migrate::MigrateCommand;
use proxy::ProxyArgs;
use source::SourceCommand;

/// Live item counts that stay exact.
#[derive(Parser, Debug)]
#[command(name = "evercount", version, about, long_about = None, propagate_version = true, after_long_help = crate::exit::HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Watch live counts of a changing table agree with a recount, on an embedded AWS.
    Demo(DemoArgs),
    /// Count a capture of CDC records.
    Replay(ReplayArgs),
    /// Create, list, show or delete count definitions.
    #[command(subcommand)]
    Count(CountCommand),
    /// Show counts, and how exact they are.
    // Its `--version` is a logic version's, not the program's.
    #[command(disable_version_flag = true)]
    Counts(CountsArgs),
    /// Watch a count as it goes on, with plots at a terminal.
    Watch(WatchArgs),
    /// List, show or replay records that could not be counted.
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// See the schemas of tables and event types, and every change of them.
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// See how items get from one schema version to another, and take them there.
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Forecast schema changes, and see how good such forecasts are.
    #[command(subcommand)]
    Forecast(ForecastCommand),
    /// Add, list, try and remove functions that somebody wrote, as WebAssembly modules.
    #[command(subcommand)]
    Function(FunctionCommand),
    /// See what schema changes ask of counts, answer what they leave open, and try changes out.
    #[command(subcommand)]
    Plan(PlanCommand),
    /// See the logic versions of a count, promote one, or take a promotion back.
    #[command(subcommand)]
    Version(VersionCommand),
    /// See how far versions are filled, halt that, or count the rows from before a count.
    #[command(subcommand)]
    Backfill(BackfillCommand),
    /// Show or set how plans are treated.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Connect a DynamoDB table to a stream, or take it off.
    #[command(subcommand)]
    Source(SourceCommand),
    /// Recount a table from its source, report differences, repair them.
    Audit(AuditArgs),
    /// Serve the web page and the API on this machine.
    Console(ConsoleArgs),
    /// Keep the embedded AWS and the functions running.
    Local(LocalArgs),
    /// Put a proxy before a DynamoDB that holds requests against the registered schemas.
    Proxy(ProxyArgs),
    /// Check this machine and the target, and name the fix for what fails.
    Doctor(OutputArgs),
    /// Measure what counting costs on this machine, beside baselines, floors and goals.
    Bench(BenchArgs),
    /// Print what a shell needs to complete commands.
    Completions(CompletionsArgs),
    /// Print a man page.
    Man(ManArgs),
}

/// How to print.
#[derive(Args, Clone, Copy, Debug)]
pub struct OutputArgs {
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Where the counts are kept.
#[derive(Args, Clone, Copy, Debug)]
pub struct TargetArgs {
    /// Which DynamoDB to use. By default the endpoint that AWS_ENDPOINT_URL names, else a running
    /// `evercount local`, else the embedded one in EVERCOUNT_HOME.
    #[arg(long, value_enum)]
    pub target: Option<TargetKind>,
}

/// The kinds of target.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetKind {
    /// The embedded DynamoDB.
    Embedded,
    /// The AWS account of the environment's credentials.
    Aws,
}

/// `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// How long the table changes at least, in seconds; it goes on until every change of its schema
    /// has been followed.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Seed of the workload and of the faults.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Files of JSON lines: bare CDC records, or objects of topic, key and value; `-` is standard
    /// input.
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// A TOML file of `[[count]]` tables.
    #[arg(long, value_name = "FILE")]
    pub counts: PathBuf,
    /// Read only this many lines in all.
    #[arg(long, value_name = "N")]
    pub until_line: Option<u64>,
    /// The format of the records; detected record by record by default.
    #[arg(long, value_name = "FORMAT", value_parser = ["dynamodb", "dms", "debezium"])]
    pub format: Option<String>,
    /// `ledger` is exact under duplicates and reordering; `lane` is cheaper, for ordered sources
    /// without duplicates.
    #[arg(long, value_enum, default_value_t = ModeArg::Ledger)]
    pub mode: ModeArg,
    /// A TOML file that says what is done with adjustment plans; see `evercount policy`.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Shards of the stream the records travel through.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(i32).range(1..=64))]
    pub shards: i32,
    /// Most records of one invocation.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch_size: u32,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How to count.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModeArg {
    /// With a ledger.
    Ledger,
    /// With checkpoints alone.
    Lane,
}

/// `count …`.
#[derive(Subcommand, Clone, Debug)]
pub enum CountCommand {
    /// Create count definitions, from options or from a file.
    Create(CreateArgs),
    /// List count definitions.
    List(ListArgs),
    /// Show a count definition with its counting logic.
    Show(NameArgs),
    /// Count something else under the same name; the counts so far are kept where that can be.
    Alter(Box<AlterArgs>),
    /// Delete a count definition and its counts.
    Delete(NameArgs),
}

/// `count create`.
#[derive(Args, Clone, Debug)]
pub struct CreateArgs {
    /// The count's name.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub name: Option<String>,
    /// The table to count: `orders`, or `schema.table` / `database.table` for DMS and Debezium.
    #[arg(long, required_unless_present = "file")]
    pub table: Option<String>,
    /// An attribute path to group by; may be repeated, or given as a list with commas.
    #[arg(long, value_delimiter = ',')]
    pub group_by: Vec<String>,
    /// Which items count: a condition as PartiQL writes it.
    #[arg(long = "where", value_name = "CONDITION")]
    pub filter: Option<String>,
    /// An attribute whose distinct values are estimated beside the items (standard error 1.6 %).
    #[arg(long)]
    pub distinct: Option<String>,
    /// Most distinct groups a lane counts by name.
    #[arg(long)]
    pub groups_max: Option<u32>,
    /// Count by this attribute as well, without showing it, so that a change to it needs no rescan;
    /// may be repeated. Each combination of values costs a counter.
    #[arg(long, value_delimiter = ',', value_name = "ATTR")]
    pub headroom: Vec<String>,
    /// Count by the truth of each condition as well, so that another one needs no rescan.
    #[arg(long)]
    pub headroom_truth: bool,
    /// Create every `[[count]]` of this TOML file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["table", "group_by", "filter", "distinct", "groups_max", "headroom", "headroom_truth"])]
    pub file: Option<PathBuf>,
    /// Where to.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A command on everything.
#[derive(Args, Clone, Copy, Debug)]
pub struct ListArgs {
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A command on one count.
#[derive(Args, Clone, Debug)]
pub struct NameArgs {
    /// The count's name.
    pub name: String,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `counts`.
#[derive(Args, Clone, Debug)]
pub struct CountsArgs {
    /// The count's name; all of them by default.
    pub name: Option<String>,
    /// The logic version with this number; the active one by default.
    #[arg(long, value_name = "N", requires = "name")]
    pub version: Option<u32>,
    /// What was counted at this time: `2026-01-31T09:30:00Z`, or `2h` for two hours ago.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub as_of: Option<Moment>,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `quarantine …`.
#[derive(Subcommand, Clone, Debug)]
pub enum QuarantineCommand {
    /// List the records in quarantine.
    List(ListArgs),
    /// Show one, with its bytes.
    Show(RecordArgs),
    /// Count those that can be understood by now, and release them.
    Replay(ReplayQuarantineArgs),
}

/// A command on one quarantined record.
#[derive(Args, Clone, Debug)]
pub struct RecordArgs {
    /// The record's id as `quarantine list` prints it: LANE#SEQUENCE.
    pub id: String,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `quarantine replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayQuarantineArgs {
    /// The record's id; all of them by default.
    pub id: Option<String>,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `audit`.
#[derive(Args, Clone, Debug)]
pub struct AuditArgs {
    /// The count's name.
    pub name: String,
    /// Look at this share of the rows, between 0 and 1.
    #[arg(long, value_name = "P")]
    pub sample: Option<f64>,
    /// Repair what differs, without getting in the way of writers.
    #[arg(long)]
    pub repair: bool,
    /// Bound on clock skew and timestamp error, in seconds; 900 on AWS, 1 on this machine.
    #[arg(long, value_name = "SECONDS")]
    pub margin: Option<u32>,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `watch`.
#[derive(Args, Clone, Debug)]
pub struct WatchArgs {
    /// The count's name.
    pub name: String,
    /// Look once, and end.
    #[arg(long)]
    pub once: bool,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub every: u64,
    /// How many groups to show, the largest first.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub groups: u32,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `completions`.
#[derive(Args, Clone, Copy, Debug)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Of this command, such as `plan approve`; of `evercount` as a whole by default.
    pub command: Vec<String>,
}

/// `console`.
#[derive(Args, Clone, Debug)]
pub struct ConsoleArgs {
    /// Where to listen, on this machine; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value_t = crate::console::LISTEN)]
    pub listen: std::net::SocketAddr,
    /// Change nothing: no approval, no rollback, no replay.
    #[arg(long)]
    pub read_only: bool,
    /// Of which counts.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `local`.
#[derive(Args, Clone, Copy, Debug)]
pub struct LocalArgs {
    /// The DynamoDB port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    pub dynamodb_port: u16,
    /// The Kinesis port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    pub kinesis_port: u16,
    /// Keep tables in memory only.
    #[arg(long)]
    pub memory: bool,
    /// Run the event transformer too: what changes in counted tables, and events put on the stream, is made
    /// to conform to the schema in force and put on a stream of its own. EVERCOUNT_CONFORMED_STREAM names the stream, EVERCOUNT_UNKNOWN (keep_aside, drop or
    /// reject) says what becomes of attributes that the schema does not know.
    #[arg(long)]
    pub conform: bool,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// The benchmarks to run: decode, definitions, rows, fingerprint, conform, writes, sketch, plan, coldstart,
    /// proxy. By default all but the last two, which build for long.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}
