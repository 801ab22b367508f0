//! `evercount schema lineage`: who writes and who reads a subject.

use anstyle::Style;
use evercount_core::lineage::Lineage;
use evercount_core::registry::SubjectState;
use evercount_pipeline::discovery::{self, ServiceDirectory};
use evercount_pipeline::ports::RegistryStore;
use evercount_view::LineageDoc;

use super::args::SubjectArgs;
use super::text::{BAD, STRONG, paint, plain, table};
use super::{Answer, references, subject};
use crate::show;

/// Shows a subject's lineage.
pub async fn run<S: RegistryStore, D: ServiceDirectory>(
    store: &S,
    services: &D,
    args: &SubjectArgs,
) -> anyhow::Result<Answer> {
    let state = subject::find(store, &args.subject).await?;
    let lineage = discovery::lineage(store, services, &state.subject).await?;
    let found = references::of(store, &state.subject).await?;
    let mut document = show::json(&LineageDoc::of(&state, &lineage));
    if let Some(fields) = document.as_object_mut() {
        fields.insert("relationships".to_owned(), references::to_json(&found).into());
    }
    let mut lines = in_words(&state, &lineage);
    if !found.is_empty() {
        lines.push(String::new());
        lines.extend(references::in_words(&found));
    }
    Ok(Answer::ok(document, lines))
}

fn in_words(state: &SubjectState, lineage: &Lineage) -> Vec<String> {
    let current = state.current.map_or(0, |id| id.version);
    let name = plain(&state.subject);
    let mut lines = vec![format!("{}  version {current}", paint(STRONG, &name)), String::new()];
    let producers: Vec<(Style, Vec<String>)> = lineage
        .producers
        .iter()
        .map(|(by, seen)| {
            let row = vec![
                by.kind.name().replace('_', " "),
                plain(&by.name),
                if seen.records > 0 { seen.records.to_string() } else { String::new() },
                show::time(seen.first),
                show::time(seen.last),
            ];
            (Style::new(), row)
        })
        .collect();
    if producers.is_empty() {
        lines.push("nobody was seen to write it".to_owned());
    } else {
        lines.extend(table(&["written by", "name", "records", "first", "last"], &producers));
    }
    lines.push(String::new());
    let consumers: Vec<(Style, Vec<String>)> = lineage
        .consumers
        .values()
        .map(|consumer| {
            let behind = consumer.applied.map(|id| current.saturating_sub(id.version));
            let applied = match (consumer.applied, behind) {
                (Some(id), Some(0)) => format!("version {}", id.version),
                (Some(id), Some(n)) => format!("version {}, {n} behind", id.version),
                _ => "none".to_owned(),
            };
            let style = if behind.is_some_and(|n| n > 0) { BAD } else { Style::new() };
            let (first, last) = (show::time(consumer.first), show::time(consumer.last));
            (style, vec![plain(&consumer.name), applied, first, last])
        })
        .collect();
    if consumers.is_empty() {
        lines.push(format!(
            "nobody is known to read it; `evercount schema ack {name} --consumer NAME --version N` tells of a reader"
        ));
    } else {
        lines.extend(table(&["read by", "applied", "first", "last"], &consumers));
    }
    lines
}
