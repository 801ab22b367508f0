//! `evercount schema list`: what there is.

use anstyle::Style;
use evercount_core::registration::VersionHead;
use evercount_core::registry::SubjectState;
use evercount_pipeline::ports::RegistryStore;
use evercount_view::SubjectDoc;
use serde_json::json;

use super::Answer;
use super::text::{BAD, FAINT, origin, plain, table};
use crate::show;

const HEADERS: [&str; 8] =
    ["subject", "origin", "version", "fields", "changed at", "last change", "drift", "pending"];

/// Lists the subjects.
pub async fn run<S: RegistryStore>(store: &S) -> anyhow::Result<Answer> {
    let (mut documents, mut rows) = (Vec::new(), Vec::new());
    for state in store.subjects().await? {
        let heads = store.schema_versions(&state.subject).await?;
        let head = heads.iter().find(|head| Some(head.id) == state.current);
        documents.push(show::json(&SubjectDoc::of(&state, head)));
        let style = match (state.dropped, state.pending.is_empty()) {
            (true, _) => FAINT,
            (false, true) => Style::new(),
            (false, false) => BAD,
        };
        rows.push((style, row(&state, head)));
    }
    let lines = if rows.is_empty() {
        vec!["no subjects yet; the schema listener registers them as records arrive".to_owned()]
    } else {
        table(&HEADERS, &rows)
    };
    Ok(Answer::ok(json!({"subjects": documents}), lines))
}

fn row(state: &SubjectState, head: Option<&VersionHead>) -> Vec<String> {
    let version = state.current.map_or("none yet".to_owned(), |id| id.version.to_string());
    vec![
        plain(&state.subject),
        origin(state.origin).to_owned(),
        if state.dropped { format!("{version}, table dropped") } else { version },
        head.map(|head| head.fields.to_string()).unwrap_or_default(),
        head.map(|head| show::time(head.at)).unwrap_or_default(),
        head.map(|head| summary(&head.changes)).unwrap_or_default(),
        head.map(|head| format!("{:.3}", head.drift)).unwrap_or_default(),
        state.pending.len().to_string(),
    ]
}

/// Kinds of change with how often each is there: `add_column ×2, drop_column`.
fn summary(kinds: &[String]) -> String {
    let mut told: Vec<(&str, usize)> = Vec::new();
    for kind in kinds {
        match told.iter_mut().find(|(known, _)| known == kind) {
            Some((_, n)) => *n += 1,
            None => told.push((kind, 1)),
        }
    }
    let text = |(kind, n): (&str, usize)| if n > 1 { format!("{kind} ×{n}") } else { kind.to_owned() };
    let told: Vec<String> = told.into_iter().map(text).collect();
    if told.is_empty() { "first seen".to_owned() } else { told.join(", ") }
}
