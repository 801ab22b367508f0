//! `evercount schema cardinality`: how many distinct values fields had.

use anstyle::Style;
use anyhow::bail;
use evercount_core::order::Micros;
use evercount_core::schema::FieldPath;
use evercount_pipeline::ports::RegistryStore;
use evercount_view::{Cardinality, WindowDoc, did_you_mean};
use serde_json::json;

use super::args::CardinalityArgs;
use super::text::{BAD, STRONG, count, paint, plain, table};
use super::{Answer, subject};
use crate::show;

/// No window of time is longer than a day.
const WINDOW_MAX: Micros = 86_400_000_000;

/// Estimates cardinalities.
pub async fn run<S: RegistryStore>(store: &S, args: &CardinalityArgs, now: Micros) -> anyhow::Result<Answer> {
    let state = subject::find(store, &args.on.subject).await?;
    let schema = subject::version(store, &state, subject::current(&state)?, now).await?.schema;
    let paths: Vec<FieldPath> = match &args.field {
        Some(field) => vec![FieldPath::new(field)],
        None => schema.fields.keys().filter(|path| !path.is_root()).cloned().collect(),
    };
    let from = now.saturating_sub(args.since);
    let mut fields = Vec::new();
    for path in paths {
        // A window that began before and reaches into the time asked for tells of it too.
        let mut sketches =
            store.sketches(&state.subject, &path, from.saturating_sub(WINDOW_MAX)..now, now).await?;
        sketches.retain(|sketch| sketch.start.saturating_add(sketch.length) > from);
        let is_unknown = sketches.is_empty() && !schema.fields.contains_key(&path);
        if is_unknown {
            let name = plain(&state.subject);
            let known = schema.fields.keys().map(FieldPath::as_str);
            let list = format!("evercount schema show {name}");
            bail!("`{name}` has no field `{path}`; {}", did_you_mean(path.as_str(), known, &list));
        }
        if !sketches.is_empty() {
            fields.push(Cardinality::of(&path, &sketches));
        }
    }
    // Times in this form are in order as texts.
    let first = fields.iter().flat_map(|field| &field.windows).map(|window| window.start.clone()).min();
    let mut lines = vec![format!(
        "{}  distinct values in the windows since {}, estimated; ± is one standard error",
        paint(STRONG, plain(&state.subject)),
        first.unwrap_or_else(|| show::time(from))
    )];
    if fields.is_empty() {
        lines.push(
            "no sketches from then on: the schema listener writes them as records arrive; a longer `--since` may find some"
                .to_owned(),
        );
    } else if args.field.is_some() {
        lines.extend(fields.iter().flat_map(window_table));
    } else {
        lines.extend(field_table(&fields));
    }
    let unread: usize = fields.iter().map(|field| field.unread).sum();
    if unread > 0 {
        lines.push(paint(
            BAD,
            format!("note: {} could not be read and are left out", count(unread, "sketch")),
        ));
    }
    let document = json!({
        "subject": state.subject.as_str(),
        "since": show::time(from),
        "fields": fields,
    });
    Ok(Answer::ok(document, lines))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an estimate of an error"
)]
fn about(n: u64, share: f64) -> [String; 2] {
    let error = (n as f64 * share).ceil() as u64;
    [format!("~{n}"), format!("±{error}")]
}

fn whole(field: &Cardinality) -> Option<[String; 2]> {
    field.distinct.zip(field.distinct_error).map(|(n, share)| about(n, share))
}

fn field_table(fields: &[Cardinality]) -> Vec<String> {
    let row = |field: &Cardinality| {
        let [n, error] = whole(field).unwrap_or_default();
        (Style::new(), vec![plain(&field.path), n, error, field.windows.len().to_string()])
    };
    table(&["field", "distinct", "", "windows"], &fields.iter().map(row).collect::<Vec<_>>())
}

fn window_table(field: &Cardinality) -> Vec<String> {
    let row = |window: &WindowDoc| {
        let [n, error] = about(window.distinct, window.distinct_error);
        let (start, end) = (window.start.clone(), window.end.clone());
        (Style::new(), vec![start, end, n, error, window.lanes.to_string()])
    };
    let mut rows: Vec<_> = field.windows.iter().map(row).collect();
    if let Some([n, error]) = whole(field) {
        rows.push((STRONG, vec!["all of them".to_owned(), String::new(), n, error, String::new()]));
    }
    let mut lines = vec![plain(&field.path)];
    lines.extend(table(&["from", "to", "distinct", "", "lanes"], &rows));
    lines
}
