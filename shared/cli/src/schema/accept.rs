//! `evercount schema accept`: a person lets pending changes through.

use anyhow::bail;
use evercount_core::evolution::Evolved;
use evercount_core::order::Micros;
use evercount_core::registry::SubjectState;
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::{ChangeKind, SchemaChange};
use evercount_pipeline::accept;
use evercount_pipeline::ports::{RegistryStore, StoreError};
use evercount_view::did_you_mean;
use serde_json::json;

use super::args::AcceptArgs;
use super::text::{self, BAD, STRONG, change_json, count, paint, plain};
use super::{Answer, subject};

/// Accepts pending changes.
pub async fn run<S: RegistryStore>(store: &S, args: &AcceptArgs, now: Micros) -> anyhow::Result<Answer> {
    let state = subject::find(store, &args.on.subject).await?;
    if state.pending.is_empty() {
        let line = format!("no change of {} is pending", plain(&state.subject));
        return Ok(Answer::ok(
            json!({"subject": state.subject.as_str(), "accepted": [], "version": null, "pending": 0}),
            vec![line],
        ));
    }
    if let Some(unknown) =
        args.which.column.iter().find(|column| !state.pending.iter().any(|one| names(one, column)))
    {
        bail!(nothing_pending(&state, unknown));
    }
    let wanted = |change: &SchemaChange| {
        args.which.all || args.which.column.iter().any(|column| names(change, column))
    };
    match accept::run(store, &state.subject, wanted, now).await {
        Ok(Some(accepted)) => Ok(told(&accepted.before, &accepted.evolved, wanted)),
        Ok(None) => {
            subject::current(&state)?;
            bail!("`{}` is gone from the registry", plain(&args.on.subject))
        }
        Err(StoreError::Conflict) => {
            bail!(
                "`{}` changes faster than changes of it can be accepted; try again",
                plain(&args.on.subject)
            )
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a change is of a column: by its name before, its name now, or as part of a key.
fn names(change: &SchemaChange, column: &str) -> bool {
    match &change.kind {
        ChangeKind::RenameColumn { column: from, to, .. } => from.as_str() == column || to.as_str() == column,
        ChangeKind::ChangeKey { previous, key } => {
            previous.iter().chain(key).any(|part| part.as_str() == column)
        }
        kind => kind.column().is_some_and(|known| known.as_str() == column),
    }
}

fn nothing_pending(state: &SubjectState, column: &str) -> String {
    let waiting = state.pending.iter().filter_map(|change| change.kind.column()).map(FieldPath::as_str);
    let name = plain(&state.subject);
    let list = format!("evercount schema show {name}");
    format!(
        "no change of column `{}` is pending in `{name}`; {}",
        plain(column),
        did_you_mean(column, waiting, &list)
    )
}

fn told(before: &SubjectState, evolved: &Evolved, wanted: impl Fn(&SchemaChange) -> bool) -> Answer {
    let accepted: Vec<&SchemaChange> = before.pending.iter().filter(|change| wanted(change)).collect();
    let name = paint(STRONG, plain(&before.subject));
    let mut lines = Vec::new();
    match &evolved.version {
        Some(version) => lines.push(format!(
            "{name}: {} accepted, version {} → {} ({}), drift {:.3}",
            count(accepted.len(), "change"),
            version.parent.unwrap_or_default(),
            version.id.version,
            version.id,
            version.drift
        )),
        None => lines.push(format!(
            "{name}: {} accepted; the schema is so already, and its version stays",
            count(accepted.len(), "change")
        )),
    }
    lines.extend(accepted.iter().flat_map(|change| text::change(change)).map(|line| format!("  {line}")));
    let breaks = evolved.version.as_ref().map(|version| version.breaks.clone()).unwrap_or_default();
    lines.extend(breaks.iter().map(|sentence| paint(BAD, format!("  note: {}", plain(sentence)))));
    let left = evolved.state.pending.len();
    if left > 0 {
        lines.push(format!("{} still pending", count(left, "change")));
    }
    let document = json!({
        "subject": before.subject.as_str(),
        "accepted": accepted.iter().map(|change| change_json(change)).collect::<Vec<_>>(),
        "version": evolved.version.as_ref().map(|version| version.id.version),
        "id": evolved.version.as_ref().map(|version| version.id.to_string()),
        "drift": evolved.version.as_ref().map(|version| version.drift),
        "breaks": breaks,
        "event": evolved.event.as_ref().map(|event| event.id()),
        "pending": left,
    });
    Answer::ok(document, lines)
}
