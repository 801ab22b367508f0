//! `evercount schema history`: what happened to a schema, and what was held.

use evercount_core::evolution::HeldChange;
use evercount_core::order::Micros;
use evercount_core::registration::Recorded;
use evercount_core::schema_change::SchemaChange;
use evercount_pipeline::ports::RegistryStore;
use evercount_view::{HeldDoc, HistoryDoc};
use serde_json::json;

use super::args::SubjectArgs;
use super::text::{self, BAD, FAINT, STRONG, paint, plain};
use super::{Answer, subject};
use crate::show;

/// Tells what happened.
pub async fn run<S: RegistryStore>(store: &S, args: &SubjectArgs) -> anyhow::Result<Answer> {
    let state = subject::find(store, &args.subject).await?;
    let events = store.history(&state.subject).await?;
    let held = store.held(&state.subject).await?;
    let pending = |change: &SchemaChange| state.pending.iter().any(|waiting| waiting.kind == change.kind);
    let mut told: Vec<(Micros, Vec<String>)> = events
        .iter()
        .map(|one| (one.event.at, event(one)))
        .chain(held.iter().map(|one| (one.at, hold(one, pending(&one.change)))))
        .collect();
    told.sort_by_key(|(at, _)| *at);
    let mut lines = vec![format!(
        "{}  {}, first seen {}",
        paint(STRONG, plain(&state.subject)),
        text::origin(state.origin),
        show::time(state.first_seen)
    )];
    if told.is_empty() {
        lines.push("nothing has happened yet".to_owned());
    }
    for (_, entry) in told {
        lines.push(String::new());
        lines.extend(entry);
    }
    let document = json!({
        "subject": state.subject.as_str(),
        "first_seen": show::time(state.first_seen),
        "history": events.iter().map(HistoryDoc::from).collect::<Vec<_>>(),
        "held": held.iter().map(|one| HeldDoc::of(&state, one)).collect::<Vec<_>>(),
    });
    Ok(Answer::ok(document, lines))
}

fn event(recorded: &Recorded) -> Vec<String> {
    let event = &recorded.event;
    let versions = match event.from {
        None => format!("version {}, the first", event.to.version),
        Some(from) if from == event.to => format!("version {} stays", from.version),
        Some(from) => {
            format!("version {} → {}, drift {:.3}", from.version, event.to.version, event.drift)
        }
    };
    let mut lines = vec![format!("{}  {versions}", paint(STRONG, show::time(event.at)))];
    if event.changes.is_empty() {
        lines.push(paint(FAINT, "  read off the first rows"));
    }
    lines.extend(changes(&event.changes));
    lines
}

/// Changes with their evidence, which neighbours that share it tell once.
fn changes(changes: &[SchemaChange]) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let [told, evidence] = text::change(change);
        lines.push(format!("  {told}"));
        if changes.get(at + 1).is_none_or(|next| next.evidence != change.evidence) {
            lines.push(format!("  {evidence}"));
        }
    }
    lines
}

fn hold(held: &HeldChange, waits: bool) -> Vec<String> {
    let version = held.from.map_or_else(String::new, |from| format!(", version {} stays", from.version));
    let [told, evidence] = text::change(&held.change);
    let why = text::why(&held.why);
    let now = if held.why.is_pending() && !waits { "; it waits no longer" } else { "" };
    vec![
        format!("{}  held{version}", paint(STRONG, show::time(held.at))),
        format!("  {told}"),
        paint(BAD, format!("      {why}{now}")),
        paint(FAINT, format!("  {evidence}")),
    ]
}
