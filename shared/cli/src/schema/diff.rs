//! `evercount schema diff`: how two versions differ, as lines, side by side, or as data.

use anstyle::Style;
use anyhow::bail;
use evercount_core::diff::diff_with_renames;
use evercount_core::drift::{Drift, drift};
use evercount_core::order::Micros;
use evercount_core::registry::SchemaVersion;
use evercount_core::schema::FieldPath;
use evercount_pipeline::ports::RegistryStore;
use evercount_wire::diff_view::{DiffView, Mark, Node, Note, Row, Side, renames_through, view};
use serde_json::{Value, json};

use super::args::DiffArgs;
use super::text::{self, FAINT, STRONG, columns, paint, plain, style, table};
use super::{Answer, subject};
use crate::show;

/// Shows how two versions differ.
pub async fn run<S: RegistryStore>(store: &S, args: &DiffArgs, now: Micros) -> anyhow::Result<Answer> {
    let state = subject::find(store, &args.on.subject).await?;
    let after = match &args.to {
        Some(text) => subject::named(store, &state, text, now).await?,
        None => subject::version(store, &state, subject::current(&state)?, now).await?,
    };
    let before = match (&args.from, after.parent) {
        (Some(text), _) => subject::named(store, &state, text, now).await?,
        (None, Some(parent)) => subject::version(store, &state, parent, now).await?,
        (None, None) => {
            let name = plain(&state.subject);
            bail!(
                "version {} of `{name}` came from no other, so there is nothing to compare it with; \
                 `evercount schema show {name}` shows it",
                after.id.version
            )
        }
    };
    let renames = renames(store, &before, &after).await?;
    let moved = drift(&diff_with_renames(&before.schema, &after.schema, &renames));
    let shown = view(&before.schema, &after.schema, &renames);
    let mut lines = vec![headline(&before, &after, (!shown.is_empty()).then_some(&moved))];
    if args.tree {
        lines.extend(side_by_side(&before, &after, &shown));
    } else {
        lines.extend(changed(&shown));
    }
    lines.extend(key(&shown));
    lines.extend(tally(&shown));
    Ok(Answer::ok(to_json(&before, &after, &moved, &shown), lines))
}

/// The fields that went on under other names from one version to the other, as the history has
/// them; towards an earlier version they go back.
async fn renames<S: RegistryStore>(
    store: &S,
    before: &SchemaVersion,
    after: &SchemaVersion,
) -> anyhow::Result<Vec<(FieldPath, FieldPath)>> {
    let (first, last) = (before.id.version.min(after.id.version), before.id.version.max(after.id.version));
    let mut history = store.history(&before.subject).await?;
    history.retain(|recorded| {
        let event = &recorded.event;
        event.from != Some(event.to) && (first + 1..=last).contains(&event.to.version)
    });
    history.sort_by_key(|recorded| recorded.event.to.version);
    let renames = renames_through(history.iter().flat_map(|recorded| &recorded.event.changes));
    let is_back = after.id.version < before.id.version;
    Ok(renames.into_iter().map(|(from, to)| if is_back { (to, from) } else { (from, to) }).collect())
}

fn headline(before: &SchemaVersion, after: &SchemaVersion, moved: Option<&Drift>) -> String {
    let (from, to) = (before.id.version, after.id.version);
    let moved = moved.map_or("no differences".to_owned(), text::moved);
    format!("{}  version {from} → {to}, {moved}", paint(STRONG, plain(&after.subject)))
}

/// Each changed field in one line.
pub fn changed(shown: &DiffView) -> Vec<String> {
    let row = |node: &&Node| (style(node.mark), vec![symbol(node.mark), name(node), what(node)]);
    table(&["", "", ""], &shown.changed().iter().map(row).collect::<Vec<_>>())
}

/// Another key, in a line.
pub fn key(shown: &DiffView) -> Option<String> {
    let (previous, now) = shown.key.as_ref()?;
    Some(paint(style(Mark::Retyped), format!(" ~  key  {} → {}", columns(previous), columns(now))))
}

fn symbol(mark: Mark) -> String {
    // The name says `from → to` already.
    if mark == Mark::Renamed { "~".to_owned() } else { mark.symbol().to_string() }
}

fn name(node: &Node) -> String {
    let path = |side: &Side| plain(if side.path.is_root() { &side.name } else { side.path.as_str() });
    match (&node.before, &node.after) {
        (Some(before), Some(after)) if node.mark == Mark::Renamed => {
            format!("{} → {}", path(before), path(after))
        }
        (Some(side), None) | (_, Some(side)) => path(side),
        (None, None) => String::new(),
    }
}

fn what(node: &Node) -> String {
    let notes: Vec<String> = node.notes.iter().map(|note| plain(note.sentence())).collect();
    let side = node.after.as_ref().or(node.before.as_ref());
    let typed = side.map(|side| plain(side.field.type_text())).unwrap_or_default();
    let parts = match node.size() {
        0 => String::new(),
        n => format!(" of {}", text::count(n, "field")),
    };
    match node.mark {
        Mark::Added | Mark::Dropped => {
            let default = side.and_then(|side| side.field.default.as_deref());
            let default = default.map_or_else(String::new, |default| format!(", default {}", plain(default)));
            format!("{typed}{parts}{default}")
        }
        Mark::Renamed => {
            let is_typed = node.notes.iter().any(|note| matches!(note, Note::Type { .. }));
            let typed = if is_typed { None } else { Some(typed) };
            typed.into_iter().chain(notes).chain(["renamed".to_owned()]).collect::<Vec<_>>().join(", ")
        }
        _ => notes.join(", "),
    }
}

/// Both versions beside each other, field by field.
fn side_by_side(before: &SchemaVersion, after: &SchemaVersion, shown: &DiffView) -> Vec<String> {
    let cells = |depth: usize, side: &Option<Side>| match side {
        Some(side) => {
            let key = side.key.map_or("", |_| " (key)");
            [
                format!("{}{}", "  ".repeat(depth), plain(&side.name)),
                format!("{}{key}", plain(side.field.type_text())),
            ]
        }
        None => [String::new(), String::new()],
    };
    let row = |row: Row<'_>| -> (Style, Vec<String>) {
        let Row { depth, node } = row;
        let notes: Vec<String> = node.notes.iter().map(|note| plain(note.sentence())).collect();
        let [name, typed] = cells(depth, &node.before);
        let [new_name, new_typed] = cells(depth, &node.after);
        let mark = node.mark.symbol().to_string();
        (style(node.mark), vec![name, typed, mark, new_name, new_typed, notes.join(", ")])
    };
    let rows: Vec<_> = shown.rows().into_iter().map(row).collect();
    let (left, right) = (format!("version {}", before.id.version), format!("version {}", after.id.version));
    table(&[&left, "", "", &right, "", ""], &rows)
}

fn tally(shown: &DiffView) -> Option<String> {
    let tally = shown.tally();
    let told: Vec<String> = tally.iter().map(|(mark, n)| format!("{n} {}", mark.name())).collect();
    (!told.is_empty()).then(|| paint(FAINT, told.join(", ")))
}

fn to_json(before: &SchemaVersion, after: &SchemaVersion, moved: &Drift, shown: &DiffView) -> Value {
    let version = |version: &SchemaVersion| json!({"version": version.id.version, "id": version.id.to_string(), "at": show::time(version.at)});
    let parts: serde_json::Map<String, Value> =
        moved.parts.iter().map(|(part, score)| (part.name().to_owned(), json!(score))).collect();
    let mut document = json!({
        "subject": after.subject.as_str(),
        "from": version(before),
        "to": version(after),
        "drift": moved.score,
        "class": moved.class.name(),
        "parts": parts,
    });
    if let (Value::Object(document), Value::Object(diff)) = (&mut document, shown.to_json()) {
        document.extend(diff);
    }
    document
}
