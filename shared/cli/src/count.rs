//! `evercount count …`: definitions.

pub mod alter;

use anyhow::{Context, bail};
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::function;
use evercount_core::logic::{Coverage, LogicState, LogicVersion};
use evercount_core::path::Path;
use evercount_local::stack::now;
use evercount_pipeline::define;
use evercount_pipeline::ports::{CatalogStore, FunctionStore};
use evercount_wire::definition::{DefinitionParts, build};
use evercount_wire::logic;
use serde_json::json;

use crate::args::{CountCommand, CreateArgs, ListArgs, NameArgs, TargetKind};
use crate::exit::Exit;
use crate::target::{self, Opened, Target};
use crate::{local, replay, show};

/// Runs the command.
pub async fn run(command: CountCommand) -> anyhow::Result<Exit> {
    match command {
        CountCommand::Create(args) => create(args).await,
        CountCommand::List(args) => list(args).await,
        CountCommand::Show(args) => show_one(args).await,
        CountCommand::Alter(args) => alter::run(*args).await,
        CountCommand::Delete(args) => delete(args).await,
    }
}

/// Writing to AWS takes a word more than reading: credentials in the environment are not consent.
///
/// # Errors
/// Where the target is AWS and was not named.
pub fn consent(kind: Option<TargetKind>) -> anyhow::Result<()> {
    if matches!(target::resolve(kind)?, Target::Aws(_)) && kind != Some(TargetKind::Aws) {
        bail!("this writes to AWS; say `--target aws` to mean it");
    }
    Ok(())
}

async fn create(args: CreateArgs) -> anyhow::Result<Exit> {
    consent(args.target.target)?;
    let opened = target::open(args.target.target).await?;
    let definitions = match &args.file {
        Some(file) => replay::definitions(file)?,
        None => vec![build(DefinitionParts {
            name: args.name.clone().unwrap_or_default(),
            table: args.table.clone().unwrap_or_default(),
            group_by: args.group_by.clone(),
            filter: with_ids(&opened, args.filter.clone()).await?,
            distinct: args.distinct.clone(),
            groups_max: args.groups_max,
            headroom: args.headroom.clone(),
            headroom_truth: args.headroom_truth,
        })?],
    };
    let mut created = Vec::new();
    for definition in definitions {
        if let Target::Embedded { .. } | Target::Local { .. } = opened.target {
            // Before it is looked whether the table is empty: a row that is written after that look
            // and before `evercount local` captures the table is then in the change log.
            local::log_changes(opened.stack.dynamodb(), definition.table.as_str()).await.map_err(
                |reason| {
                    anyhow::anyhow!("could not turn on the change log of `{}`: {reason}", definition.table)
                },
            )?;
        }
        let coverage = coverage(&opened, &definition).await;
        created.push(define::create(opened.stack.store(), definition, coverage, now()).await?);
    }
    if args.output.json {
        let versions: Vec<_> = created.iter().map(logic::to_json).collect();
        show::document(&json!({"target": opened.to_json(), "created": versions}));
    } else {
        show::line(format!("target: {}", opened.target));
        for version in &created {
            show::line(format!("created {} (logic version {})", version.id.definition, version.id.number));
            if let Coverage::Since(_) = version.coverage {
                show::line(format!(
                    "  it counts what changes from now on; `evercount backfill start {}` adds the rows from before",
                    version.id.definition
                ));
            }
        }
    }
    opened.stack.stop().await;
    Ok(Exit::Ok)
}

/// A condition with the ids of the functions that it names.
///
/// # Errors
/// Where the list of functions cannot be read.
pub async fn with_ids(opened: &Opened, condition: Option<String>) -> anyhow::Result<Option<String>> {
    match condition {
        Some(text) => Ok(Some(function::with_ids(&text, &opened.stack.store().functions().await?))),
        None => Ok(None),
    }
}

/// A count of a table that is empty, or is not there yet, misses nothing.
async fn coverage(opened: &Opened, definition: &CountDefinition) -> Coverage {
    let scan = opened.stack.dynamodb().scan().table_name(definition.table.as_str()).limit(1).send().await;
    match scan {
        Ok(page) if page.count() > 0 => Coverage::Since(now()),
        Ok(_) => Coverage::Whole,
        // No such table, or a name that DynamoDB gives none.
        Err(error)
            if error.as_service_error().is_some_and(|error| {
                error.is_resource_not_found_exception() || error.meta().code() == Some("ValidationException")
            }) =>
        {
            Coverage::Whole
        }
        Err(_) => Coverage::Since(now()),
    }
}

async fn list(args: ListArgs) -> anyhow::Result<Exit> {
    let opened = target::open(args.target.target).await?;
    let versions = opened.stack.store().versions().await?;
    if args.output.json {
        let versions: Vec<_> = versions.iter().map(logic::to_json).collect();
        show::document(&json!({"target": opened.to_json(), "versions": versions}));
    } else {
        show::line(format!("target: {}", opened.target));
        if versions.is_empty() {
            show::line("no counts yet; `evercount count create NAME --table TABLE` makes one");
        } else {
            let mut table = show::table(&HEADERS, 0);
            for version in &versions {
                table.add_row(row(version));
            }
            show::line(table);
        }
    }
    opened.stack.stop().await;
    Ok(Exit::Ok)
}

/// What is shown of a definition.
const HEADERS: [&str; 7] = ["name", "version", "state", "table", "group by", "where", "distinct"];

/// A version in a row under [`HEADERS`].
#[must_use]
pub fn row(version: &LogicVersion) -> Vec<String> {
    let definition = &version.definition;
    let paths: Vec<String> = definition.group_by.iter().map(ToString::to_string).collect();
    vec![
        definition.name.to_string(),
        version.id.number.to_string(),
        state_name(version.state).to_owned(),
        definition.table.to_string(),
        paths.join(", "),
        definition.filter.as_ref().map(evercount_wire::predicate::to_text).unwrap_or_default(),
        definition.distinct.as_ref().map(ToString::to_string).unwrap_or_default(),
    ]
}

/// The parts of a definition, as they would be written.
#[must_use]
pub fn parts(definition: &CountDefinition) -> DefinitionParts {
    let texts = |paths: &[Path]| paths.iter().map(Path::to_string).collect();
    DefinitionParts {
        name: definition.name.to_string(),
        table: definition.table.to_string(),
        group_by: texts(&definition.group_by),
        filter: definition.filter.as_ref().map(evercount_wire::predicate::to_text),
        distinct: definition.distinct.as_ref().map(Path::to_string),
        groups_max: Some(definition.groups_max),
        headroom: texts(&definition.headroom.attributes),
        headroom_truth: definition.headroom.truth,
    }
}

/// The name of a state.
#[must_use]
pub fn state_name(state: LogicState) -> &'static str {
    LogicState::ALL.iter().find(|(known, _)| *known == state).map_or("unknown", |(_, name)| name)
}

/// The version readers see of a count.
///
/// # Errors
/// Where there is no such count; names a similar one.
pub async fn active(opened: &Opened, name: &str) -> anyhow::Result<LogicVersion> {
    let versions = opened.stack.store().versions().await?;
    let live = || versions.iter().filter(|version| version.state == LogicState::Active);
    if let Some(found) = live().find(|version| version.id.definition.as_str() == name) {
        return Ok(found.clone());
    }
    let names = live().map(|version| version.id.definition.as_str());
    Err(show::unknown("count", name, names, "evercount count list"))
}

async fn show_one(args: NameArgs) -> anyhow::Result<Exit> {
    let opened = target::open(args.target.target).await?;
    let version = active(&opened, &args.name).await?;
    if args.output.json {
        let mut document = logic::to_json(&version);
        show::extend(&mut document, json!({"target": opened.to_json()}));
        show::document(&document);
    } else {
        show::line(format!("target: {}", opened.target));
        let mut table = show::table(&["", ""], 0);
        for (header, value) in HEADERS.into_iter().zip(row(&version)) {
            table.add_row(vec![header.to_owned(), value]);
        }
        table.add_row(vec!["created".to_owned(), show::time(version.created_at)]);
        let coverage = match version.coverage {
            Coverage::Whole => "every row".to_owned(),
            Coverage::Since(since) => format!("rows changed since {}", show::time(since)),
        };
        table.add_row(vec!["counts".to_owned(), coverage]);
        show::line(table);
        show::line("the counter is injected with:");
        show::line(format!("{:#}", logic::to_json(&version)));
    }
    opened.stack.stop().await;
    Ok(Exit::Ok)
}

async fn delete(args: NameArgs) -> anyhow::Result<Exit> {
    consent(args.target.target)?;
    let opened = target::open(args.target.target).await?;
    let version = active(&opened, &args.name).await?;
    let name = DefinitionName::parse(&args.name).context("not a name")?;
    opened.stack.store().delete_definition(&name).await?;
    if args.output.json {
        show::document(&json!({"target": opened.to_json(), "deleted": version.id.to_string()}));
    } else {
        show::line(format!("target: {}", opened.target));
        show::line(format!("deleted {name} and its counts"));
    }
    opened.stack.stop().await;
    Ok(Exit::Ok)
}
