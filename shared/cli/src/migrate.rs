//! `evercount migrate …`: how items get from one schema version to another.
//!
//! `path` with `--json` prints `{"subject", "from", "to", "path": {"versions", "functions",
//! "cost": {"losses", "calls", "functions"}}}`; where there is no way, `path` is null and `missed` is
//! `{"reached", "blocked": [{"to", "because"}]}`.
//!
//! `apply` prints the migrated items as they came, a line each, and what could not be migrated on
//! standard error. With `--json` it prints one document: `{"migrated": […], "failed": [{"line",
//! "because"}]}`.

mod written;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use evercount_core::change::TableName;
use evercount_core::function::FunctionId;
use evercount_core::migration::function::MigrationFunction;
use evercount_core::migration::graph::{self, Migration, NoPath, SchemaPath};
use evercount_core::order::Micros;
use evercount_local::stack::now;
use evercount_pipeline::function_folder::FunctionFolder;
use evercount_pipeline::functions::{AtHand, bring};
use evercount_pipeline::kept;
use evercount_pipeline::ports::RegistryStore;
use evercount_sandbox::cache::Cache;
use evercount_sandbox::evaluator::Evaluator;
use evercount_sandbox::limits::Limits;
use evercount_wire::json::{dynamodb_json, read_dynamodb_item};
use evercount_wire::migration::{MigrationFile, from_toml, function_json, function_text};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::args::function;
use crate::args::migrate::{ApplyArgs, MigrateCommand, PathArgs};
use crate::exit::Exit;
use crate::schema::subject;
use crate::schema::text::{BAD, FAINT, GOOD, STRONG, count, paint, plain};
use crate::target::{self, Opened, functions_in_s3};
use crate::{drive, show};

/// Runs the command.
pub async fn run(command: MigrateCommand) -> anyhow::Result<Exit> {
    match command {
        MigrateCommand::Path(args) => {
            answer::on(args.target, args.output, false, async |opened: &Opened| {
                path(opened.stack.store(), &args, now()).await
            })
            .await
        }
        MigrateCommand::Apply(args) => apply(&args).await,
        MigrateCommand::Add(args) => {
            answer::on(args.target, args.output, true, async |opened: &Opened| {
                written::add(opened.stack.store(), &args, now()).await
            })
            .await
        }
        MigrateCommand::List(args) => {
            answer::on(args.target, args.output, false, async |opened: &Opened| {
                written::list(opened.stack.store(), &args.table).await
            })
            .await
        }
        MigrateCommand::Remove(args) => {
            answer::on(args.target, args.output, true, async |opened: &Opened| {
                written::remove(opened.stack.store(), &args).await
            })
            .await
        }
    }
}

async fn path<S: RegistryStore>(store: &S, args: &PathArgs, now: Micros) -> anyhow::Result<Answer> {
    let state = subject::find(store, &args.table).await?;
    let from = subject::named(store, &state, &args.from, now).await?.id.version;
    let to = subject::named(store, &state, &args.to, now).await?.id.version;
    let mut written = Vec::new();
    for file in &args.with {
        written.push(written_for(&state.subject, file)?);
    }
    let kept = store.written(&state.subject).await?;
    let graph = kept::graph(store, &state.subject, kept, written, now).await?;
    let mut document = json!({"subject": state.subject.as_str(), "from": from, "to": to});
    let headline = paint(STRONG, plain(&state.subject));
    Ok(match graph.path(from, to) {
        Ok(found) => {
            show::extend(&mut document, json!({"path": path_json(&found)}));
            Answer::ok(document, found_lines(&headline, &found))
        }
        Err(missed) => {
            show::extend(&mut document, json!({"path": null, "missed": missed_json(&missed)}));
            let lines = missed_lines(&headline, (from, to), &missed);
            Answer { exit: Exit::Found, ..Answer::ok(document, lines) }
        }
    })
}

/// A migration between versions of a subject, from a file.
fn written_for(subject: &TableName, file: &Path) -> anyhow::Result<Migration> {
    let MigrationFile { table, migration } = read_file(file)?;
    let name = file.display();
    if table.as_ref() != Some(subject) {
        bail!("{name} is for another subject; write `table = \"{}\"` at its top", plain(subject))
    }
    if migration.from == migration.to {
        bail!("{name} leads nowhere; write `from` and `to`, two schema versions, at its top")
    }
    Ok(migration)
}

/// A migration, from a file.
///
/// # Errors
/// Where the file cannot be read, or holds none.
pub fn read_file(file: &Path) -> anyhow::Result<MigrationFile> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read {name}"))?;
    Ok(from_toml(&text, &name)?)
}

fn path_json(path: &SchemaPath) -> Value {
    json!({
        "versions": path.versions,
        "functions": path.functions.iter().map(function_json).collect::<Vec<_>>(),
        "cost": {"losses": path.cost.losses, "calls": path.cost.calls, "functions": path.cost.functions},
    })
}

fn missed_json(missed: &NoPath) -> Value {
    let blocked = missed.blocked.iter().map(|(to, because)| json!({"to": to, "because": because}));
    json!({"reached": missed.reached, "blocked": blocked.collect::<Vec<_>>()})
}

fn found_lines(headline: &str, path: &SchemaPath) -> Vec<String> {
    let versions: Vec<String> = path.versions.iter().map(ToString::to_string).collect();
    let mut lines = vec![format!("{headline}  version {}", versions.join(" → "))];
    for (place, function) in path.functions.iter().enumerate() {
        let loses = if function.is_lossless() { String::new() } else { paint(BAD, "  loses what it was") };
        lines.push(format!("{:>3}  {}{loses}", place + 1, plain(function_text(function))));
    }
    lines.push(match (path.functions.len(), path.cost.losses) {
        (0, _) => paint(GOOD, "an item needs nothing"),
        (n, 0) => paint(GOOD, format!("{}, and nothing is lost", count(n, "function"))),
        (n, losses) => format!("{}, of which {losses} cannot be undone", count(n, "function")),
    });
    lines
}

fn missed_lines(headline: &str, (from, to): (u32, u32), missed: &NoPath) -> Vec<String> {
    let mut lines = vec![format!("{headline}  no way from version {from} to version {to}")];
    lines.push(match missed.reached {
        reached if reached == from => "nothing leads on from there".to_owned(),
        reached => format!("the nearest that can be reached is version {reached}"),
    });
    for (next, because) in &missed.blocked {
        lines.push(format!("  on to version {next}: {}", paint(BAD, plain(because))));
    }
    lines.push(paint(
        FAINT,
        "a file of migration functions between two versions opens another way: `--with FILE` to try it, \
         `evercount migrate add FILE` to keep it",
    ));
    lines
}

/// The items of a file, or of standard input.
///
/// # Errors
/// Where the file cannot be read.
pub fn items(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let opened = std::fs::File::open(file).with_context(|| format!("could not read {}", file.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

/// The custom functions that a migration calls, from a folder or from DynamoDB.
async fn at_hand(args: &ApplyArgs, functions: &[MigrationFunction]) -> anyhow::Result<AtHand> {
    let named: BTreeSet<FunctionId> = functions.iter().filter_map(MigrationFunction::custom).collect();
    let (mut cache, limits) = (Cache::default(), Limits::default());
    if named.is_empty() {
        return Ok(AtHand::default());
    }
    let brought = match &args.functions {
        Some(at) => match at.to_str().filter(|text| text.starts_with("s3://")) {
            Some(url) => {
                let functions =
                    functions_in_s3(function::place(url).map_err(|wrong| anyhow!(wrong))?).await?;
                bring(&functions, &mut cache, &named, limits).await?
            }
            None => bring(&FunctionFolder::at(at), &mut cache, &named, limits).await?,
        },
        None => {
            let opened = target::open(args.target.target).await?;
            let brought = bring(opened.stack.store(), &mut cache, &named, limits).await;
            opened.stack.stop().await;
            brought?
        }
    };
    match brought.missing.iter().next() {
        Some((id, why)) => bail!("function {id} cannot be called: {why}"),
        None => Ok(brought),
    }
}

async fn apply(args: &ApplyArgs) -> anyhow::Result<Exit> {
    let MigrationFile { migration, .. } = read_file(&args.file)?;
    let functions = if args.undo { undone(&migration)? } else { migration.functions };
    let at_hand = at_hand(args, &functions).await?;
    // Fuel ends a call soon enough for a person.
    let evaluator = Evaluator::new(&at_hand.ready, &|| true);
    let reader = items(&args.items)?;
    // Where the items themselves are seen, how far they have come is as well.
    let is_seen = args.output.json || std::io::stdout().is_terminal();
    let bytes = std::fs::metadata(&args.items).ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
    let bar = drive::bar_of_bytes(is_seen, bytes);
    let (mut migrated, mut failed, mut done) = (Vec::new(), Vec::new(), 0_u64);
    for (number, line) in reader.split(b'\n').enumerate() {
        let line = line.context("could not read the items")?;
        bar.inc(line.len() as u64 + 1);
        if line.trim_ascii().is_empty() {
            continue;
        }
        match migrate_line(&line, &functions, &evaluator) {
            Ok(item) if args.output.json => migrated.push(RawValue::from_string(item)?),
            Ok(item) => show::line(item),
            Err(because) if args.output.json => {
                failed.push(json!({"line": number + 1, "because": because}));
                continue;
            }
            Err(because) => {
                failed.push(Value::Null);
                bar.suspend(|| show::remark(format!("line {}: {because}", number + 1)));
                continue;
            }
        }
        done += 1;
    }
    bar.finish_and_clear();
    if args.output.json {
        show::line(serde_json::to_string(&json!({"migrated": migrated, "failed": failed}))?);
    } else {
        show::remark(format!("{done} migrated, {} not", failed.len()));
    }
    Ok(if failed.is_empty() { Exit::Ok } else { Exit::Found })
}

fn undone(migration: &Migration) -> anyhow::Result<Vec<MigrationFunction>> {
    let one = |function: &MigrationFunction| {
        function.inverse().with_context(|| format!("it cannot be undone: {}", function_text(function)))
    };
    migration.functions.iter().rev().map(one).collect()
}

/// An item as exports to S3 have it
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html>).
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Exported<'a> {
    #[serde(rename = "Item", borrow)]
    item: &'a RawValue,
}

/// One item, migrated, in the form it came in.
fn migrate_line(
    line: &[u8],
    functions: &[MigrationFunction],
    evaluator: &Evaluator<'_>,
) -> Result<String, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    let exported = serde_json::from_str::<Exported<'_>>(text).ok();
    let (item, is_bare) = match (read_dynamodb_item(text), exported) {
        // A bare item may have an attribute of that name.
        (Ok(item), _) => (Ok(item), true),
        (Err(_), Some(exported)) => (read_dynamodb_item(exported.item.get()), false),
        (Err(error), None) => (Err(error), true),
    };
    let item = item.map_err(|error| format!("no item in DynamoDB JSON: {error}"))?;
    let made = graph::apply(functions, &item, evaluator)
        .map_err(|(place, failure)| format!("function {}: {failure}", place + 1))?;
    let made = dynamodb_json(&made);
    Ok(if is_bare { made } else { format!("{{\"Item\":{made}}}") })
}
