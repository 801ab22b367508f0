//! The schema changes of a replay: what the listener found, and at which line of the capture.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use evercount_aws::listener::ListenHook;
use evercount_core::lane::LaneId;
use evercount_core::schema_change::{ChangeKind, SchemaChangeEvent};
use evercount_pipeline::listen::ListenReport;
use serde_json::{Value, json};

/// What the listener has found so far.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The lines of the records that are on the stream and may still be delivered.
    lines: HashMap<String, u64>,
    found: Vec<(u64, SchemaChangeEvent)>,
}

impl Changes {
    /// Notes at which lines the records stand that were put last, by their sequence numbers.
    pub fn note(&self, lines: impl IntoIterator<Item = (String, u64)>) {
        self.lock().lines = lines.into_iter().collect();
    }

    /// Listens in on a listener.
    pub fn hook(&self) -> ListenHook {
        let changes = self.clone();
        Arc::new(move |_: &LaneId, report: &ListenReport| {
            let mut state = changes.lock();
            for found in &report.found {
                let line = state.lines.get(found.sequence.as_str()).copied().unwrap_or(0);
                state.found.push((line, found.event.clone()));
            }
        })
    }

    /// How many events have been found so far.
    #[must_use]
    pub fn found(&self) -> usize {
        self.lock().found.len()
    }

    /// All of them by line, one object for each change.
    pub fn json(&self) -> Vec<Value> {
        let mut found = std::mem::take(&mut self.lock().found);
        // Stable: changes of one statement stay in its order.
        found.sort_by_key(|(line, _)| *line);
        found.iter().flat_map(|(line, event)| one_event(*line, event)).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn one_event(line: u64, event: &SchemaChangeEvent) -> impl Iterator<Item = Value> {
    event.changes.iter().map(move |change| {
        let (to, typed, previous) = match &change.kind {
            ChangeKind::RenameTable { to } => (Some(to.to_string()), None, None),
            ChangeKind::AddColumn { typed, .. } => (None, Some(typed.text()), None),
            ChangeKind::DropColumn { typed, .. } => (None, None, Some(typed.text())),
            ChangeKind::RenameColumn { to, typed, previous, .. } => {
                (Some(to.to_string()), Some(typed.text()), Some(previous.text()))
            }
            ChangeKind::ChangeType { typed, previous, .. } => {
                (None, Some(typed.text()), Some(previous.text()))
            }
            ChangeKind::ChangeKey { previous, key } => {
                let columns = |key: &[evercount_core::schema::FieldPath]| {
                    key.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                };
                (None, Some(columns(key)), Some(columns(previous)))
            }
            ChangeKind::CreateTable | ChangeKind::DropTable | ChangeKind::TruncateTable => (None, None, None),
        };
        json!({
            "table": event.subject.as_str(),
            "change": change.kind.name(),
            "column": change.kind.column().map(ToString::to_string),
            "to": to,
            "type": typed,
            "previous_type": previous,
            "evidence": change.evidence.sentence(),
            "at_line": line,
        })
    })
}

/// One line of text for each change, as [`Changes::json`] has them.
pub fn text(changes: &[Value]) -> Vec<String> {
    let word = |change: &Value, key: &str| change.get(key).and_then(Value::as_str).map(str::to_owned);
    changes
        .iter()
        .map(|change| {
            let line = change.get("at_line").and_then(Value::as_u64).unwrap_or(0);
            let kind = word(change, "change").unwrap_or_default().replace('_', " ");
            let table = word(change, "table").unwrap_or_default();
            let column = word(change, "column").map_or_else(String::new, |column| format!(".{column}"));
            let to = word(change, "to").map_or_else(String::new, |to| format!(" to {to}"));
            let typed = match (word(change, "previous_type"), word(change, "type")) {
                (Some(previous), Some(typed)) if previous != typed => format!(": {previous} → {typed}"),
                (_, Some(typed)) => format!(": {typed}"),
                (Some(previous), None) => format!(" (was {previous})"),
                (None, None) => String::new(),
            };
            format!("line {line:>6}  {kind} {table}{column}{to}{typed}")
        })
        .collect()
}
