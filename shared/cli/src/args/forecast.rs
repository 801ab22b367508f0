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
    /// Forecast each project of a folder with a model that learnt from the others, beside baselines.
    Bench(BenchArgs),
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
