//! `evercount function …`: functions that somebody wrote, as WebAssembly modules.
//!
//! With `--json`: `list` prints `{"functions": [{"name", "id", "kind", "abi", "description",
//! "added_at"}]}`, `add` one such object with `"replaced"`, `test` `{"id", "kind", "runs": [{"line",
//! "answer" | "failed" | "refused", "fuel", "log"}]}`, and `remove` `{"removed"}`.

use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, bail};
use evercount_core::function::{FunctionEntry, FunctionId, FunctionKind, FunctionName};
use evercount_core::predicate::Truth;
use evercount_core::value::Item;
use evercount_local::stack::now;
use evercount_pipeline::function_folder::FunctionFolder;
use evercount_pipeline::ports::{FunctionStore, StoreError};
use evercount_sandbox::function::{ABI, Function};
use evercount_sandbox::limits::Limits;
use evercount_sandbox::outcome::{Judgement, Log, Migration};
use evercount_wire::json::{dynamodb_json, read_dynamodb_item};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::args::function::{AddArgs, FunctionCommand, TestArgs, WhereArgs};
use crate::exit::Exit;
use crate::schema::text::{BAD, FAINT, STRONG, paint, plain, table};
use crate::target::{Opened, functions_in_s3};
use crate::{migrate, show};

/// Runs the command.
pub async fn run(command: FunctionCommand) -> anyhow::Result<Exit> {
    let (place, writes) = match &command {
        FunctionCommand::Add(args) => (&args.place, true),
        FunctionCommand::List(args) => (&args.place, false),
        FunctionCommand::Test(args) => (&args.place, false),
        FunctionCommand::Remove(args) => (&args.place, true),
    };
    let WhereArgs { dir, s3, target, output } = place.clone();
    // The file of a module is run without a store.
    if let FunctionCommand::Test(args) = &command
        && Path::new(&args.function).is_file()
    {
        return Ok(test(&load(Path::new(&args.function))?.1, args)?.tell(None, output));
    }
    match (dir, s3) {
        (Some(dir), _) => Ok(answer(&FunctionFolder::at(dir), &command).await?.tell(None, output)),
        (None, Some(place)) => {
            let store = functions_in_s3(place).await?;
            Ok(answer(&store, &command).await?.tell(None, output))
        }
        (None, None) => {
            answer::on(target, output, writes, async |opened: &Opened| {
                answer(opened.stack.store(), &command).await
            })
            .await
        }
    }
}

async fn answer<S: FunctionStore>(store: &S, command: &FunctionCommand) -> anyhow::Result<Answer> {
    match command {
        FunctionCommand::Add(args) => add(store, args).await,
        FunctionCommand::List(_) => list(store).await,
        FunctionCommand::Test(args) => test(&find(store, &args.function).await?, args),
        FunctionCommand::Remove(args) => remove(store, &args.name).await,
    }
}

async fn add<S: FunctionStore>(store: &S, args: &AddArgs) -> anyhow::Result<Answer> {
    let name = FunctionName::parse(&args.name).with_context(|| {
        format!("`{}` is no name: letters, digits, `_` and `-`, a letter first", args.name)
    })?;
    let (module, function) = load(&args.file)?;
    let known = store.functions().await?.into_iter().find(|entry| entry.name == name);
    let is_same = known.as_ref().is_some_and(|known| known.id == function.id());
    if let Some(known) = known.as_ref().filter(|_| !is_same && !args.replace) {
        bail!("`{name}` is another module already, {}; say `--replace` to let the name move on", known.id);
    }
    let entry = FunctionEntry {
        name,
        id: function.id(),
        kind: function.kind(),
        abi: ABI.unsigned_abs(),
        description: args.description.clone(),
        added_at: known.as_ref().filter(|_| is_same).map_or_else(now, |known| known.added_at),
        examples: known.as_ref().map_or_else(Vec::new, |known| known.examples.clone()),
    };
    match store.put_function(known.as_ref(), &entry, &module).await {
        Err(StoreError::Conflict) => bail!("somebody else changed `{}` meanwhile; try again", entry.name),
        put => put?,
    }
    let mut document = entry_json(&entry);
    show::extend(&mut document, json!({"replaced": known.is_some()}));
    let lines = vec![format!("{} is the {} {}", paint(STRONG, &entry.name), entry.kind.name(), entry.id)];
    Ok(Answer::ok(document, lines))
}

/// A module's bytes, and the function that it is.
fn load(file: &Path) -> anyhow::Result<(Vec<u8>, Function)> {
    let module = std::fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
    let function = Function::load(&module, Limits::default())
        .with_context(|| format!("{} cannot be a function", file.display()))?;
    Ok((module, function))
}

fn entry_json(entry: &FunctionEntry) -> Value {
    json!({
        "name": entry.name.as_str(), "id": entry.id.to_string(), "kind": entry.kind.name(), "abi": entry.abi,
        "description": entry.description, "added_at": show::time(entry.added_at),
    })
}

async fn list<S: FunctionStore>(store: &S) -> anyhow::Result<Answer> {
    let entries = store.functions().await?;
    let row = |entry: &FunctionEntry| {
        let cells = [
            entry.name.to_string(),
            entry.kind.name().to_owned(),
            entry.id.to_string(),
            show::time(entry.added_at),
            plain(&entry.description),
        ];
        (anstyle::Style::new(), cells.to_vec())
    };
    let mut lines = table(&["name", "kind", "id", "added", ""], &entries.iter().map(row).collect::<Vec<_>>());
    if entries.is_empty() {
        lines = vec!["no functions yet; `evercount function add NAME FILE.wasm` adds one".to_owned()];
    }
    let document = json!({"functions": entries.iter().map(entry_json).collect::<Vec<_>>()});
    Ok(Answer::ok(document, lines))
}

async fn remove<S: FunctionStore>(store: &S, name: &str) -> anyhow::Result<Answer> {
    let removed = match FunctionName::parse(name) {
        Some(name) => store.remove_function(&name).await?,
        None => false,
    };
    if !removed {
        return Err(unknown(store, name).await?);
    }
    let lines =
        vec![format!("`{}` is off the list; its module stays for what names it by its id", plain(name))];
    Ok(Answer::ok(json!({"removed": name}), lines))
}

/// That there is no such function, with one that is nearly called so.
async fn unknown<S: FunctionStore>(store: &S, name: &str) -> anyhow::Result<anyhow::Error> {
    let entries = store.functions().await?;
    let names = entries.iter().map(|entry| entry.name.as_str());
    Ok(show::unknown("function", name, names, "evercount function list"))
}

fn test(function: &Function, args: &TestArgs) -> anyhow::Result<Answer> {
    let (mut runs, mut lines, mut answered) = (Vec::new(), Vec::new(), true);
    for (number, line) in migrate::items(&args.items)?.split(b'\n').enumerate() {
        let line = line.context("could not read the items")?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let number = number + 1;
        let text = std::str::from_utf8(&line).ok();
        let Some(item) = text.and_then(|text| read_dynamodb_item(text).ok()) else {
            bail!("line {number} is no item in DynamoDB JSON");
        };
        let (told, mut document, has_answer) = ran(function, &item);
        answered &= has_answer;
        lines.extend(told.into_iter().map(|told| format!("line {number}: {told}")));
        show::extend(&mut document, json!({"line": number}));
        runs.push(document);
    }
    let document = json!({"id": function.id().to_string(), "kind": function.kind().name(), "runs": runs});
    let exit = if answered { Exit::Ok } else { Exit::Found };
    Ok(Answer { exit, ..Answer::ok(document, lines) })
}

/// A function by its name or its id.
async fn find<S: FunctionStore>(store: &S, text: &str) -> anyhow::Result<Function> {
    let named = store.functions().await?.into_iter().find(|entry| entry.name.as_str() == text);
    let Some(id) = named.map(|entry| entry.id).or_else(|| FunctionId::parse(text)) else {
        return Err(unknown(store, text).await?);
    };
    let Some(module) = store.module(&id).await? else { return Err(unknown(store, text).await?) };
    Function::load_as(&id, &module, Limits::default()).with_context(|| format!("{text} cannot be run"))
}

/// What a function makes of an item: for a person, as data, and whether it is an answer.
fn ran(function: &Function, item: &Item) -> (Vec<String>, Value, bool) {
    // Fuel ends a call soon enough for a person.
    let mut goes_on = || true;
    let (told, mut document, has_answer, fuel, log) = match function.kind() {
        FunctionKind::Migration => {
            let run = function.migrate(item, &mut goes_on);
            let (told, document, has_answer) = match run.outcome {
                Migration::Migrated(item) => {
                    let item = dynamodb_json(&item);
                    let answer = RawValue::from_string(item.clone()).ok();
                    (item, json!({"answer": answer}), true)
                }
                Migration::Refused { reason } => {
                    (format!("refused: {}", plain(&reason)), json!({"refused": reason}), true)
                }
                Migration::Failed(failure) => {
                    (paint(BAD, &failure), json!({"failed": failure.to_string()}), false)
                }
            };
            (told, document, has_answer, run.fuel, run.log)
        }
        FunctionKind::Predicate => {
            let run = function.judge(item, &mut goes_on);
            let (told, document, has_answer) = match run.outcome {
                Judgement::Judged(truth) => {
                    let answer = match truth {
                        Truth::True => Some(true),
                        Truth::False => Some(false),
                        Truth::Unknown => None,
                    };
                    let told = answer.map_or_else(|| "unknown".to_owned(), |answer| answer.to_string());
                    (told, json!({"answer": answer}), true)
                }
                Judgement::Failed(failure) => {
                    (paint(BAD, &failure), json!({"failed": failure.to_string()}), false)
                }
            };
            (told, document, has_answer, run.fuel, run.log)
        }
    };
    show::extend(&mut document, json!({"fuel": fuel, "log": log.lines()}));
    let mut lines = vec![format!("{told}  {}", paint(FAINT, format!("{fuel} fuel")))];
    lines.extend(log_lines(&log));
    (lines, document, has_answer)
}

fn log_lines(log: &Log) -> Vec<String> {
    let mut lines: Vec<String> =
        log.lines().iter().map(|line| paint(FAINT, format!("log: {}", plain(line)))).collect();
    if log.dropped() > 0 {
        lines.push(paint(FAINT, format!("log: {} more lines were not kept", log.dropped())));
    }
    lines
}
