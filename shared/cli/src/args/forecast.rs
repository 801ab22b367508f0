//! What can be typed about forecasts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{OutputArgs, TargetArgs};

/// `forecast …`.
#[derive(Subcommand, Clone, Debug)]
pub enum ForecastCommand {
    /// How probable it is that each table's schema changes within 30, 90 and 183 days.
    List(ForecastArgs),
    /// Tell why a table's forecast is what it is, and which columns may come or go.
    Explain(ExplainArgs),
    /// Tell what to count now, so that the changes that are likely need no rescan, and what that costs.
    Advise(AdviseArgs),
    /// Import release plans, experiments, usage and histories for the forecaster, or list what was.
    Import(ImportArgs),
    /// Forecast each project of a folder with a model that learnt from the others, beside baselines.
    Bench(BenchArgs),
}

/// `forecast advise`.
#[derive(Args, Clone, Debug)]
pub struct AdviseArgs {
    /// Count what is worth its price from now on, as `count alter --headroom` does, within `--budget`.
    #[arg(long, requires = "budget")]
    pub adopt: bool,
    /// How many write units a month the adopted may cost, all together.
    #[arg(long, value_name = "UNITS")]
    pub budget: Option<u64>,
    /// The size of a table in bytes, where its source does not tell (DynamoDB looks every six hours, a
    /// captured database never tells); may be repeated.
    #[arg(long, value_name = "TABLE=BYTES", value_parser = table_bytes)]
    pub bytes: Vec<(String, u64)>,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

fn table_bytes(text: &str) -> Result<(String, u64), String> {
    let wrong = || format!("`{text}` is not TABLE=BYTES, as `orders=5000000`");
    let (table, bytes) = text.rsplit_once('=').ok_or_else(wrong)?;
    Ok((table.to_owned(), bytes.parse().map_err(|_| wrong())?))
}

/// `forecast import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// What to import: a release plan (CSV of `date,feature,tables,columns`, or iCalendar), experiments or
    /// usage (JSON), a history (CSV of `at,table,event,column,type,previous_type`), a folder of a git
    /// repository with `.sql` files, or a folder of migrations named by their times. Nothing lists what was
    /// imported.
    #[arg(value_name = "FILE|FOLDER")]
    pub paths: Vec<PathBuf>,
    /// The name to keep it under; that of the file or folder by default. Another of the same name replaces
    /// it.
    #[arg(long)]
    pub name: Option<String>,
    /// Forget what was imported under a name; may be repeated.
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    pub forget: Vec<String>,
    /// Where to.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `forecast list`.
#[derive(Args, Clone, Debug)]
pub struct ForecastArgs {
    /// A history in a CSV file of `at,table,event,column,type,previous_type` instead of the registry.
    #[arg(long, value_name = "FILE.csv", conflicts_with = "target")]
    pub history: Option<PathBuf>,
    /// What is planned: a CSV file of `date,feature,tables,columns` with lines such as
    /// `2026-03-01,gift wrapping,orders,orders.note:TEXT` (several with `;`), or an iCalendar file; may be
    /// repeated.
    #[arg(long, value_name = "FILE")]
    pub releases: Vec<PathBuf>,
    /// Forecast anew, and leave aside what the forecaster has stored.
    #[arg(long)]
    pub live: bool,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `forecast explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The table.
    pub table: String,
    /// From what.
    #[command(flatten)]
    pub of: ForecastArgs,
}

/// `forecast bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// A folder of histories, one CSV file for each project.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Seed of the draws that intervals are made of.
    #[arg(long, default_value_t = 20_260_101)]
    pub seed: u64,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}
