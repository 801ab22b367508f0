//! `evercount doctor`: what is checked, in which order, and how it is told.
//!
//! A check that fails is something without which a command does not work as asked; what only
//! building or deploying needs is a warning. Each names its fix.

mod connect;
mod environment;
mod machine;
mod tools;

use serde_json::{Value, json};

use crate::args::OutputArgs;
use crate::exit::Exit;
use crate::show;

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    Ok,
    Warn,
    Fail,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    fn mark(self) -> char {
        match self {
            Self::Ok => '✓',
            Self::Warn => '!',
            Self::Fail => '✗',
        }
    }
}

/// One thing checked.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Check {
    name: String,
    status: Status,
    found: String,
    /// What to do about it; empty where nothing has to be done.
    fix: String,
}

impl Check {
    fn ok(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status: Status::Ok, found: found.into(), fix: String::new() }
    }

    fn warn(name: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status: Status::Warn, found: found.into(), fix: fix.into() }
    }

    fn fail(name: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status: Status::Fail, found: found.into(), fix: fix.into() }
    }

    fn to_json(&self) -> Value {
        let fix = (!self.fix.is_empty()).then_some(&self.fix);
        json!({"name": self.name, "status": self.status.name(), "found": self.found, "fix": fix})
    }
}

/// Runs the command.
pub async fn run(args: OutputArgs) -> anyhow::Result<Exit> {
    let (running, environment, build, deploy) =
        tokio::join!(machine::checks(), environment::checks(), tools::build(), tools::deploy());
    let groups = [
        ("running", running),
        ("environment", environment),
        ("building from source", build),
        ("deploying (optional)", deploy),
    ];
    let all = || groups.iter().flat_map(|(_, checks)| checks);
    let ok = all().all(|check| check.status != Status::Fail);
    if args.json {
        let checks: Vec<Value> = all().map(Check::to_json).collect();
        show::document(&json!({"checks": checks, "connect": connect::to_json(), "ok": ok}));
    } else {
        let width = all().map(|check| check.name.chars().count()).max().unwrap_or(0);
        for (title, checks) in &groups {
            show::line(format!("{title}:"));
            checks.iter().for_each(|check| text(check, width));
        }
        connect::text();
        let failed = all().filter(|check| check.status == Status::Fail).count();
        show::line(match failed {
            0 => "nothing is wrong that would keep evercount from working".to_owned(),
            1 => "1 check failed".to_owned(),
            n => format!("{n} checks failed"),
        });
    }
    Ok(if ok { Exit::Ok } else { Exit::Found })
}

fn text(check: &Check, width: usize) {
    show::line(format!("  {} {:width$}  {}", check.status.mark(), check.name, check.found));
    if !check.fix.is_empty() {
        show::line(format!("    {:width$}  fix: {}", "", check.fix));
    }
}
