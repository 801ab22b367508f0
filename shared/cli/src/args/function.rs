//! What can be typed about functions that somebody wrote.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use evercount_aws::s3::S3Place;

use super::{OutputArgs, TargetArgs};

/// `function …`.
#[derive(Subcommand, Clone, Debug)]
pub enum FunctionCommand {
    /// Check a WebAssembly module and keep it under a name.
    Add(AddArgs),
    /// List the functions.
    List(FunctionListArgs),
    /// Run a function on items. Exits with 1 where it has no answer for one.
    Test(TestArgs),
    /// Take a name off the list. The module stays for what names it by its id.
    Remove(RemoveArgs),
}

/// Reads a place in S3.
pub fn place(text: &str) -> Result<S3Place, String> {
    let wrong = "expected s3://BUCKET/PREFIX, with letters, digits, `_`, `-`, `.` and `=` between the slashes of a prefix";
    S3Place::parse(text).ok_or_else(|| wrong.to_owned())
}

/// Where functions are kept.
#[derive(Args, Clone, Debug)]
pub struct WhereArgs {
    /// A folder instead of DynamoDB.
    #[arg(long, value_name = "DIR", conflicts_with = "target")]
    pub dir: Option<PathBuf>,
    /// A place in S3 instead of DynamoDB: s3://BUCKET/PREFIX. EVERCOUNT_FUNCTIONS names one for every command.
    #[arg(long, value_name = "URL", value_parser = place, conflicts_with_all = ["target", "dir"])]
    pub s3: Option<S3Place>,
    /// Where.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `function add`.
#[derive(Args, Clone, Debug)]
pub struct AddArgs {
    /// Its name: letters, digits, `_` and `-`, starting with a letter.
    pub name: String,
    /// The module.
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,
    /// What it does.
    #[arg(long, default_value = "")]
    pub description: String,
    /// Let the name move on to this module.
    #[arg(long)]
    pub replace: bool,
    /// Where to.
    #[command(flatten)]
    pub place: WhereArgs,
}

/// `function list`.
#[derive(Args, Clone, Debug)]
pub struct FunctionListArgs {
    /// Where from.
    #[command(flatten)]
    pub place: WhereArgs,
}

/// `function test`.
#[derive(Args, Clone, Debug)]
pub struct TestArgs {
    /// A function by its name or id, or a module's file.
    #[arg(value_name = "FUNCTION")]
    pub function: String,
    /// A file of items, one in each line, in DynamoDB JSON; `-` is standard input.
    #[arg(value_name = "ITEMS", default_value = "-")]
    pub items: PathBuf,
    /// Where from.
    #[command(flatten)]
    pub place: WhereArgs,
}

/// `function remove`.
#[derive(Args, Clone, Debug)]
pub struct RemoveArgs {
    /// Its name.
    pub name: String,
    /// Where from.
    #[command(flatten)]
    pub place: WhereArgs,
}
