//! `evercount schema …`: what the registry knows of tables and event types.

mod accept;
mod acknowledge;
pub mod args;
mod cardinality;
mod check;
mod diff;
mod history;
mod lineage;
mod list;
mod policy;
mod references;
mod score;
mod show_version;
pub mod subject;
pub mod text;

use evercount_aws::dynamo::DynamoServices;
use evercount_core::order::Micros;
use evercount_local::stack::now;
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::ports::RegistryStore;

use crate::answer::{self, Answer};
use crate::exit::Exit;
use crate::target::Opened;
use args::SchemaCommand;

/// Runs the command.
pub async fn run(command: SchemaCommand) -> anyhow::Result<Exit> {
    let (target, output) = command.options();
    if let SchemaCommand::Score(args) = &command {
        // Two files and no registry: the answer has no target.
        return Ok(score::run(args)?.tell(None, output));
    }
    answer::on(target, output, command.writes(), async |opened: &Opened| {
        let services = DynamoServices::new(opened.stack.dynamodb(), &opened.config.tables.metadata);
        answer(opened.stack.store(), &services, &command, now()).await
    })
    .await
}

async fn answer<S: RegistryStore, D: ServiceDirectory>(
    store: &S,
    services: &D,
    command: &SchemaCommand,
    now: Micros,
) -> anyhow::Result<Answer> {
    match command {
        SchemaCommand::List(_) => list::run(store).await,
        SchemaCommand::Show(args) => show_version::run(store, args, now).await,
        SchemaCommand::Diff(args) => diff::run(store, args, now).await,
        SchemaCommand::History(args) => history::run(store, args).await,
        SchemaCommand::Check(args) => check::run(store, args, now).await,
        SchemaCommand::Accept(args) => accept::run(store, args, now).await,
        SchemaCommand::Lineage(args) => lineage::run(store, services, args).await,
        SchemaCommand::Cardinality(args) => cardinality::run(store, args, now).await,
        SchemaCommand::Policy(args) => policy::run(store, args).await,
        SchemaCommand::Score(args) => score::run(args),
        SchemaCommand::Ack(args) => acknowledge::run(store, args, now).await,
    }
}
