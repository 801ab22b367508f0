//! `evercount forecast import`: documents about the future, and about the past before the registry.
//!
//! With `--json` it prints `{"imported": [{"kind", "name", "bytes", "holds", "left_out": [line]}],
//! "forgotten": [name], "documents": [{"kind", "name", "bytes", "at"}]}`.

use std::path::Path;

use anyhow::{Context, bail};
use evercount_core::prediction::{ImportKind, Imported};
use evercount_forecast::history;
use evercount_local::stack::now;
use evercount_pipeline::forecast::read_imports;
use evercount_pipeline::ports::ForecastStore;
use serde_json::{Value, json};

use super::git::{self, Read};
use crate::answer::{self, Answer};
use crate::args::forecast::ImportArgs;
use crate::exit::Exit;
use crate::schema::text::plain;
use crate::show;
use crate::target::Opened;

/// Runs the command.
pub async fn run(args: ImportArgs) -> anyhow::Result<Exit> {
    let writes = !args.paths.is_empty() || !args.forget.is_empty();
    // What cannot be read is found before anything is opened.
    let documents =
        args.paths.iter().map(|path| document(path, &args)).collect::<anyhow::Result<Vec<_>>>()?;
    answer::on(args.target, args.output, writes, async |opened| import(opened, &documents, &args).await).await
}

/// A document as it was given, and how it was read, where that is worth saying.
struct Document {
    imported: Imported,
    how: Option<&'static str>,
}

fn document(path: &Path, args: &ImportArgs) -> anyhow::Result<Document> {
    let shown = path.display();
    let name = || {
        let canonical = path.canonicalize().ok();
        let last = canonical.as_deref().and_then(Path::file_name).unwrap_or(path.as_os_str());
        args.name.clone().unwrap_or_else(|| last.to_string_lossy().into_owned())
    };
    let at = now();
    if path.is_dir() {
        let (history, read) = git::history(path).with_context(|| format!("could not import {shown}"))?;
        let how = match read {
            Read::Git => "from the commits of the main line, by the git command",
            Read::Names => "from migrations, by the times in their names",
        };
        let text = history::write(&history);
        return Ok(Document {
            imported: Imported { kind: ImportKind::History, name: name(), at, text },
            how: Some(how),
        });
    }
    let bytes = std::fs::read(path).with_context(|| format!("could not read {shown}"))?;
    let Ok(text) = String::from_utf8(bytes) else { bail!("{shown} is no text in UTF-8") };
    let Some(kind) = kind_of(path, &text) else {
        bail!(
            "{shown} is none of what can be imported: a release plan (CSV of `date,feature,tables,columns`, or \
             iCalendar), experiments or usage (JSON), a history (CSV of \
             `at,table,event,column,type,previous_type`), a git repository, or a folder of migrations"
        );
    };
    Ok(Document { imported: Imported { kind, name: name(), at, text }, how: None })
}

/// What a file is, by what is in it: names end in many ways.
fn kind_of(path: &Path, text: &str) -> Option<ImportKind> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let is = |extension: &str| path.extension().is_some_and(|one| one.eq_ignore_ascii_case(extension));
    if is("ics") || text.starts_with("BEGIN:VCALENDAR") {
        return Some(ImportKind::ReleasesCalendar);
    }
    if is("json") || text.starts_with(['{', '[']) {
        let value: Value = serde_json::from_str(text).ok()?;
        let is_usage = value.get("unknown").is_some() || value.get("rates").is_some();
        let is_flags = value.is_array() || value.get("flags").is_some();
        return if is_usage { Some(ImportKind::Usage) } else { is_flags.then_some(ImportKind::Flags) };
    }
    let header = text.lines().next().unwrap_or_default();
    let has = |wanted: &str| header.split(',').any(|name| name.trim() == wanted);
    if has("at") && has("event") {
        return Some(ImportKind::History);
    }
    (has("date") && has("feature")).then_some(ImportKind::ReleasesCsv)
}

/// What a document holds, in words.
fn holds(imported: &Imported) -> (String, Vec<String>) {
    let known = read_imports(std::slice::from_ref(imported), now());
    let signals = &known.signals;
    let columns = |plans: &[evercount_forecast::signals::Planned]| -> usize {
        plans.iter().map(|one| one.columns.iter().filter(|hint| hint.column.is_some()).count()).sum()
    };
    let words = match imported.kind {
        ImportKind::ReleasesCsv | ImportKind::ReleasesCalendar => {
            format!("{} releases with {} columns", signals.releases.len(), columns(&signals.releases))
        }
        ImportKind::Flags => {
            format!("{} experiments with {} attributes", signals.flags.len(), columns(&signals.flags))
        }
        ImportKind::Usage => {
            let usage = &signals.usage;
            format!("{} attributes asked for, {} rates", usage.unknown.len(), usage.rates.len())
        }
        ImportKind::History => {
            let events = known.histories.iter().map(|history| history.events().len()).sum::<usize>();
            format!("{events} events")
        }
    };
    (words, known.left_out)
}

async fn import(opened: &Opened, documents: &[Document], args: &ImportArgs) -> anyhow::Result<Answer> {
    let store = opened.stack.store();
    let (mut lines, mut imported, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
    for Document { imported: one, how } in documents {
        let (words, left_out) = holds(one);
        store.put_import(one).await?;
        let how = how.map_or_else(String::new, |how| format!(", {how}"));
        lines.push(format!("imported {} as {}: {words}{how}", plain(&one.name), one.kind.name()));
        lines.extend(left_out.iter().map(|out| format!("  left out: {}", plain(out))));
        imported.push(json!({
            "kind": one.kind.name(), "name": one.name, "bytes": one.text.len(), "holds": words,
            "left_out": left_out,
        }));
    }
    for name in &args.forget {
        let stored = store.imports().await?;
        let matching: Vec<_> = stored.iter().filter(|one| one.name == *name).collect();
        if matching.is_empty() {
            bail!("nothing was imported as `{name}`; `evercount forecast import` lists what was");
        }
        for one in matching {
            store.remove_import(one.kind, &one.name).await?;
            lines.push(format!("forgot {} ({})", plain(name), one.kind.name()));
        }
        forgotten.push(name.clone());
    }
    let stored = store.imports().await?;
    if documents.is_empty() && args.forget.is_empty() {
        for one in &stored {
            let (words, _) = holds(one);
            lines.push(format!(
                "{} ({}, of {}): {words}",
                plain(&one.name),
                one.kind.name(),
                show::time(one.at)
            ));
        }
        if stored.is_empty() {
            lines.push("nothing was imported yet; `evercount forecast import FILE` imports".to_owned());
        }
    } else if !documents.is_empty() {
        lines.push("the forecaster takes it in with its next run".to_owned());
    }
    let listed: Vec<Value> = stored
        .iter()
        .map(|one| {
            json!({
                "kind": one.kind.name(), "name": one.name, "bytes": one.text.len(), "at": show::time(one.at),
            })
        })
        .collect();
    Ok(Answer::ok(json!({"imported": imported, "forgotten": forgotten, "documents": listed}), lines))
}
