//! `evercount schema show`: one version of a schema, and what waits.

use anstyle::Style;
use evercount_core::diff::is_of_documents;
use evercount_core::evolution::HeldChange;
use evercount_core::order::Micros;
use evercount_core::registration::StoredWatch;
use evercount_core::registry::{SchemaVersion, SubjectState};
use evercount_core::schema::FieldPath;
use evercount_pipeline::ports::RegistryStore;
use evercount_wire::diff_view::{Line, outline};
use evercount_wire::json_schema::to_json_schema;
use serde_json::{Value, json};

use super::args::{Form, ShowArgs};
use super::text::{self, BAD, FAINT, STRONG, change_json, count, origin, paint, plain, table};
use super::{Answer, subject};
use crate::exit::Exit;
use crate::show;
use evercount_view::{Presence, Seen, rules};

const HEADERS: [&str; 10] =
    ["field", "type", "declared", "key", "null", "required", "default", "bounds", "seen", "present"];

/// Shows a version.
pub async fn run<S: RegistryStore>(store: &S, args: &ShowArgs, now: Micros) -> anyhow::Result<Answer> {
    let state = subject::find(store, &args.on.subject).await?;
    let version = match (args.version, &args.id, args.at) {
        (Some(number), _, _) => subject::version(store, &state, number, now).await?,
        (_, Some(id), _) => subject::named(store, &state, id, now).await?,
        (_, _, Some(at)) => subject::at(store, &state, at, now).await?,
        _ => subject::version(store, &state, subject::current(&state)?, now).await?,
    };
    if args.form == Some(Form::JsonSchema) {
        return Ok(Answer { document: to_json_schema(&version.schema), text: None, exit: Exit::Ok });
    }
    let watches: Vec<StoredWatch> = store.watches(&state.subject).await?.into_values().collect();
    let seen = Seen::of(&watches, version.id.version);
    let reasons = if state.pending.is_empty() { Vec::new() } else { store.held(&state.subject).await? };
    let fields = outline(&version.schema);
    let lines = in_words(&state, &version, &fields, seen.as_ref(), &reasons);
    Ok(Answer::ok(to_json(&state, &version, &fields, seen.as_ref()), lines))
}

fn in_words(
    state: &SubjectState,
    version: &SchemaVersion,
    fields: &[Line],
    seen: Option<&Seen>,
    held: &[HeldChange],
) -> Vec<String> {
    let is_current = state.current == Some(version.id);
    let name = plain(&state.subject);
    let standing = match state.current {
        _ if is_current && state.dropped => "the last one: the table is gone".to_owned(),
        _ if is_current => "the current one".to_owned(),
        current => format!("the current one is {}", current.map_or(0, |id| id.version)),
    };
    let mut lines = vec![
        format!("{}  version {}, {standing}", paint(STRONG, &name), version.id.version),
        format!("  {}, {}, since {}", version.id, origin(state.origin), show::time(version.at)),
    ];
    if let Some(parent) = version.parent {
        lines.push(format!("  it came from version {parent}, with a drift of {:.3}", version.drift));
    }
    if let Some(seen) = seen {
        let (first, last) = (show::time(seen.first), show::time(seen.last));
        let lanes = count(seen.lanes, "lane");
        lines.push(format!("  {} records seen by {lanes}, from {first} to {last}", seen.records));
    }
    lines.push(format!(
        "  {}, {}",
        count(fields.len(), "field"),
        if version.schema.key.is_empty() {
            "no key known".to_owned()
        } else {
            format!("key {}", text::columns(&version.schema.key))
        }
    ));
    lines.push(String::new());
    let is_document = is_of_documents(&version.schema);
    let rows: Vec<(Style, Vec<String>)> =
        fields.iter().map(|line| (Style::new(), row(line, is_document, seen))).collect();
    lines.extend(table(&HEADERS, &rows));
    for sentence in &version.breaks {
        lines.push(paint(BAD, format!("  note: {}", plain(sentence))));
    }
    if is_current {
        if !state.pending.is_empty() {
            lines.push(String::new());
            lines.push(format!(
                "{} pending; `evercount schema accept {name} --all` lets them through:",
                count(state.pending.len(), "change")
            ));
            for change in &state.pending {
                let [told, evidence] = text::change(change);
                // The latest reason stands: the same change may have been held in earlier versions.
                let why = held.iter().rev().find(|held| held.change.kind == change.kind);
                let why = why.map(|held| paint(BAD, format!("    {}", text::why(&held.why))));
                lines.extend([told].into_iter().chain(why).chain([evidence]).map(|line| format!("  {line}")));
            }
        }
        lines.push(String::new());
        lines.push("policy:".to_owned());
        lines.extend(text::policy(&state.policy).iter().map(|line| paint(FAINT, format!("  {line}"))));
    }
    lines
}

fn row(line: &Line, is_document: bool, seen: Option<&Seen>) -> Vec<String> {
    let Line { depth, side } = line;
    let field = &side.field;
    let mut types: Vec<String> = field.types.values().map(plain).collect();
    if let Some(format) = &field.format {
        types.push(format!("as {}", plain(format.name())));
    }
    let presence = seen.and_then(|seen| seen.presence(&side.path));
    let yes = |yes: bool| if yes { "yes" } else { "" }.to_owned();
    vec![
        format!("{}{}", "  ".repeat(*depth), plain(&side.name)),
        types.join(" "),
        field.declared.as_deref().map(plain).unwrap_or_default(),
        side.key.map(|place| place.to_string()).unwrap_or_default(),
        yes(field.types.is_nullable()),
        yes(is_document && field.required),
        field.default.as_deref().map(plain).unwrap_or_default(),
        rules(&field.constraints).join(", "),
        presence.map(|presence| presence.with.to_string()).unwrap_or_default(),
        presence.map(Presence::percent).unwrap_or_default(),
    ]
}

/// A field with in how many rows it is, where that was counted.
fn field_json(line: &Line, seen: Option<&Seen>) -> Value {
    let mut field = line.side.to_json();
    let presence = seen.and_then(|seen| seen.presence(&line.side.path));
    if let (Value::Object(field), Some(presence)) = (&mut field, presence) {
        field.insert("seen".to_owned(), json!(presence.with));
        field.insert("presence".to_owned(), json!(presence.share()));
    }
    field
}

fn to_json(state: &SubjectState, version: &SchemaVersion, fields: &[Line], seen: Option<&Seen>) -> Value {
    json!({
        "subject": state.subject.as_str(),
        "origin": origin(state.origin),
        "version": version.id.version,
        "id": version.id.to_string(),
        "fingerprint": version.id.fingerprint.to_string(),
        "is_current": state.current == Some(version.id),
        "dropped": state.dropped,
        "parent": version.parent,
        "at": show::time(version.at),
        "created_at": show::time(version.created_at),
        "drift": version.drift,
        "breaks": version.breaks,
        "changes": version.changes.iter().map(change_json).collect::<Vec<_>>(),
        "key": version.schema.key.iter().map(FieldPath::as_str).collect::<Vec<_>>(),
        "fields": fields.iter().map(|line| field_json(line, seen)).collect::<Vec<_>>(),
        "pending": state.pending.iter().map(change_json).collect::<Vec<_>>(),
        "policy": text::policy_json(&state.policy),
        "seen": seen.map(Seen::to_json),
    })
}
