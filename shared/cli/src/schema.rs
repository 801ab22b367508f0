//! `evercount schema …`: what the registry knows of tables and event types.
//!
//! Each command answers with one value that holds both what `--json` prints and what a person
//! reads, so that the two never tell different things.

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
mod presence;
mod references;
mod score;
mod show_version;
mod subject;
mod text;

use evercount_aws::dynamo::DynamoServices;
use evercount_core::order::Micros;
use evercount_local::stack::now;
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::ports::RegistryStore;
use serde_json::{Value, json};

use crate::args::OutputArgs;
use crate::exit::Exit;
use crate::{count, show, target};
use args::SchemaCommand;

/// What a command found or did.
#[derive(Clone, PartialEq, Debug)]
struct Answer {
    /// What `--json` prints, beside the target.
    document: Value,
    /// What a person reads, styled; `None` where that is the document itself.
    text: Option<Vec<String>>,
    exit: Exit,
}

impl Answer {
    fn ok(document: Value, text: Vec<String>) -> Self {
        Self { document, text: Some(text), exit: Exit::Ok }
    }
}

/// Runs the command.
pub async fn run(command: SchemaCommand) -> anyhow::Result<Exit> {
    let (target, output) = command.options();
    if let SchemaCommand::Score(args) = &command {
        // Two files and no registry: the answer has no target.
        return Ok(print(score::run(args)?, output));
    }
    if command.writes() {
        count::consent(target.target)?;
    }
    let opened = target::open(target.target).await?;
    let services = DynamoServices::new(opened.stack.dynamodb(), &opened.config.tables.metadata);
    let answered = answer(opened.stack.store(), &services, &command, now()).await;
    let (told, where_from) = (opened.target.to_string(), opened.to_json());
    opened.stack.stop().await;
    let Answer { mut document, text, exit } = answered?;
    match text {
        None => show::document(&document),
        Some(_) if output.json => {
            if let Value::Object(fields) = &mut document {
                fields.insert("target".to_owned(), json!(where_from));
            }
            show::document(&document);
        }
        Some(lines) => {
            show::line(format!("target: {told}"));
            lines.iter().for_each(show::styled);
        }
    }
    Ok(exit)
}

fn print(answer: Answer, output: OutputArgs) -> Exit {
    match answer.text {
        Some(lines) if !output.json => lines.iter().for_each(show::styled),
        _ => show::document(&answer.document),
    }
    answer.exit
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
