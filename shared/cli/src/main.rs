//! The `evercount` command.

mod answer;
mod arriving;
mod args;
mod audit;
mod backfill;
mod bench;
mod capture;
mod console;
mod count;
mod counts;
mod demo;
mod doctor;
mod drive;
mod exit;
mod forecast;
mod function;
mod local;
mod migrate;
mod plan;
mod policy;
mod proxy;
mod quarantine;
mod replay;
mod schema;
mod shell;
mod show;
mod source;
mod target;
mod version;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            show::failure(&error);
            Exit::Failed.into()
        }
    }
}

async fn run(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Count(command) => count::run(command).await,
        Command::Counts(args) => counts::run(args).await,
        Command::Quarantine(command) => quarantine::run(command).await,
        Command::Schema(command) => schema::run(command).await,
        Command::Forecast(command) => forecast::run(command).await,
        Command::Function(command) => function::run(command).await,
        Command::Migrate(command) => migrate::run(command).await,
        Command::Plan(command) => plan::run(command).await,
        Command::Version(command) => version::run(command).await,
        Command::Backfill(command) => backfill::run(command).await,
        Command::Policy(command) => policy::run(command).await,
        Command::Source(command) => source::run(command).await,
        Command::Console(args) => console::run(args).await,
        Command::Watch(args) => watch::run(args).await,
        Command::Completions(args) => Ok(shell::completions(&args)),
        Command::Man(args) => shell::man(&args),
        Command::Audit(args) => audit::run(args).await,
        Command::Local(args) => local::run(args).await,
        Command::Proxy(args) => proxy::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Bench(args) => bench::run(&args),
    }
}
