//! Exit codes, in one place.

use std::process::ExitCode;

/// What the help says of them.
pub const HELP: &str = "\
Exit codes:
  0  it did what it was asked to, and nothing is wrong; a plan with changes is nothing wrong
  1  it did what it was asked to, and found something wrong: counts differ, a check failed, a record is still poison
  2  it could not do what it was asked to
  3  a schema breaks what its compatibility mode promises";

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It did what it was asked to, and nothing is wrong.
    Ok,
    /// It did what it was asked to, and found something wrong: counts differ from a recount, a
    /// check failed, a record is still poison.
    Found,
    /// It could not do what it was asked to.
    Failed,
    /// It checked a schema, which breaks what the compatibility mode promises.
    Incompatible,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Ok => Self::SUCCESS,
            Exit::Found => Self::from(1),
            Exit::Failed => Self::from(2),
            Exit::Incompatible => Self::from(3),
        }
    }
}
