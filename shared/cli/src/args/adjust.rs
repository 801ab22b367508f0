//! What can be typed about plans, versions, backfills and policies.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use evercount_core::order::Micros;

use super::{ListArgs, NameArgs, OutputArgs, TargetArgs};
use crate::schema::args::{duration, time};

/// `plan …`.
#[derive(Subcommand, Clone, Debug)]
pub enum PlanCommand {
    /// List the plans: what changed, what it asks of each count, and what became of it.
    List(PlanListArgs),
    /// Show a plan: the change, the certificate, the cost, the evidence, and what to do next.
    Show(PlanArgs),
    /// Go on with a plan that waits for a person.
    Approve(ApproveArgs),
    /// Leave the logic as it is.
    Reject(PlanArgs),
    /// Show what a change would ask of a count, without touching anything.
    Simulate(SimulateArgs),
}

/// `plan list`.
#[derive(Args, Clone, Debug)]
pub struct PlanListArgs {
    /// The count's name; all of them by default.
    pub name: Option<String>,
    /// Only those that go on, or wait for a person.
    #[arg(long)]
    pub open: bool,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A command on one plan.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// The plan's id as `plan list` prints it (its beginning will do), or a count's name for its
    /// last plan.
    #[arg(value_name = "ID|NAME")]
    pub plan: String,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `plan approve`.
#[derive(Args, Clone, Debug)]
pub struct ApproveArgs {
    /// Which.
    #[command(flatten)]
    pub on: PlanArgs,
    /// The answer to an open question, by its number in `plan show`.
    #[arg(long, value_name = "N")]
    pub choice: Option<usize>,
}

/// `plan simulate`.
#[derive(Args, Clone, Debug)]
pub struct SimulateArgs {
    /// The count's name.
    pub name: String,
    /// The change, or several with `;` between them: `drop column status`, `rename column status to
    /// state`, `maybe rename column status to state`, `add column c int default 5`, `retype column c
    /// from int to varchar(20)`, `rename table to purchases`, `drop table`, `truncate`; or another
    /// definition: `where amount > 5`, `no where`, `group by a, b`, `no group by`, `distinct d`,
    /// `no distinct`.
    pub change: String,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `version …`.
#[derive(Subcommand, Clone, Debug)]
pub enum VersionCommand {
    /// List the logic versions of a count.
    List(NameArgs),
    /// Show one of them, beside the one it came from.
    Show(VersionArgs),
    /// Let a version take over now, unless the evidence is against it.
    Promote(PromoteArgs),
    /// Take the last promotion back.
    Rollback(RollbackArgs),
}

/// A command on one logic version.
#[derive(Args, Clone, Debug)]
pub struct VersionArgs {
    /// The count's name.
    pub name: String,
    /// The version's number.
    #[arg(value_name = "N")]
    pub number: u32,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `version promote`.
#[derive(Args, Clone, Debug)]
pub struct PromoteArgs {
    /// Which.
    #[command(flatten)]
    pub on: VersionArgs,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `version rollback`.
#[derive(Args, Clone, Debug)]
pub struct RollbackArgs {
    /// Of which count.
    #[command(flatten)]
    pub on: NameArgs,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `backfill …`.
#[derive(Subcommand, Clone, Debug)]
pub enum BackfillCommand {
    /// Show how far each walk over ledger or source has come, and how long it has to go.
    Status(BackfillArgs),
    /// Halt them after the page they are at.
    Pause(BackfillArgs),
    /// Let them go on.
    Resume(BackfillArgs),
    /// Count the rows from before a count was created, by reading its table once.
    Start(NameArgs),
}

/// A command on the backfills of a count, or of all.
#[derive(Args, Clone, Debug)]
pub struct BackfillArgs {
    /// The count's name; all of them by default.
    pub name: Option<String>,
    /// Where from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `policy …`.
#[derive(Subcommand, Clone, Debug)]
pub enum PolicyCommand {
    /// Show how plans are treated.
    Show(ListArgs),
    /// Set how plans are treated. What the file does not say is as where there is no file.
    Set(SetPolicyArgs),
}

/// `policy set`.
#[derive(Args, Clone, Debug)]
pub struct SetPolicyArgs {
    /// A TOML file, in the form that `policy show` prints.
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
    /// Where to.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `count alter`.
#[derive(Args, Clone, Debug)]
pub struct AlterArgs {
    /// Which count.
    #[command(flatten)]
    pub on: NameArgs,
    /// What it is to be.
    #[command(flatten)]
    pub edit: DefinitionEdit,
    /// Bound on clock skew and timestamp error, in seconds; 900 on AWS, 1 on this machine. A table is
    /// read once it is over, by this command where it is short, else by the shadow validator.
    #[arg(long, value_name = "SECONDS")]
    pub margin: Option<u32>,
}

/// Parts of a definition to replace.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = true)]
pub struct DefinitionEdit {
    /// Group by these attribute paths instead; may be repeated, or given as a list with commas.
    #[arg(long, value_delimiter = ',', value_name = "PATH")]
    pub group_by: Vec<String>,
    /// Count one total.
    #[arg(long, conflicts_with = "group_by")]
    pub no_group_by: bool,
    /// Count the items that meet this condition instead.
    #[arg(long = "where", value_name = "CONDITION")]
    pub filter: Option<String>,
    /// Count all items.
    #[arg(long, conflicts_with = "filter")]
    pub no_where: bool,
    /// Estimate the distinct values of this attribute instead.
    #[arg(long, value_name = "PATH")]
    pub distinct: Option<String>,
    /// Estimate no distinct values.
    #[arg(long, conflicts_with = "distinct")]
    pub no_distinct: bool,
    /// Count by these attributes as well, without showing them, instead of those so far.
    #[arg(long, value_delimiter = ',', value_name = "PATH")]
    pub headroom: Vec<String>,
    /// Count by the truth of each condition as well.
    #[arg(long)]
    pub headroom_truth: bool,
    /// Count nothing beside what is shown.
    #[arg(long, conflicts_with_all = ["headroom", "headroom_truth"])]
    pub no_headroom: bool,
}

/// A time to look back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// This one, microseconds since the epoch.
    At(Micros),
    /// So many microseconds ago.
    Ago(Micros),
}

impl Moment {
    /// When that is.
    #[must_use]
    pub fn at(self, now: Micros) -> Micros {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.saturating_sub(ago),
        }
    }
}

/// Reads a time to look back to.
///
/// # Errors
/// In a sentence, where it is none.
pub fn moment(text: &str) -> Result<Moment, String> {
    let ago = text.strip_suffix("ago").map_or(text, str::trim_end);
    duration(ago).map(Moment::Ago).or_else(|_| time(text).map(Moment::At)).map_err(|_| {
        "write a time such as `2026-01-31T09:30:00Z`, or how long ago it is: `90m`, `2h`, `1d`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago_it_is() {
        assert_eq!(moment("2h"), Ok(Moment::Ago(7_200_000_000)));
        assert_eq!(moment("2h ago"), Ok(Moment::Ago(7_200_000_000)));
        assert_eq!(moment("1970-01-02"), Ok(Moment::At(86_400_000_000)));
        assert!(moment("yesterday").is_err_and(|why| why.contains("`2h`")));
        assert_eq!(Moment::Ago(5).at(12), 7);
    }
}
