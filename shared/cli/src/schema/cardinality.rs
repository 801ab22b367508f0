//! `evercount schema cardinality`: how many distinct values fields had.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::Style;
use anyhow::bail;
use evercount_core::distinct::Estimate;
use evercount_core::lineage::WindowSketch;
use evercount_core::order::Micros;
use evercount_core::schema::FieldPath;
use evercount_pipeline::ports::RegistryStore;
use evercount_wire::sketch::Sketch;
use serde_json::{Value, json};

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
            match subject::nearest(path.as_str(), schema.fields.keys().map(FieldPath::as_str)) {
                Some(known) => bail!("`{name}` has no field `{path}`; did you mean `{}`?", plain(known)),
                None => {
                    bail!("`{name}` has no field `{path}`; `evercount schema show {name}` shows its fields")
                }
            }
        }
        if !sketches.is_empty() {
            fields.push(Cardinality::of(path, &sketches));
        }
    }
    let mut lines = vec![format!(
        "{}  distinct values in the windows since {}, estimated; ± is one standard error",
        paint(STRONG, plain(&state.subject)),
        show::time(
            fields.iter().flat_map(|field| &field.windows).map(|window| window.start).min().unwrap_or(from)
        )
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
        "fields": fields.iter().map(Cardinality::to_json).collect::<Vec<_>>(),
    });
    Ok(Answer::ok(document, lines))
}

/// What all sketches of a field say.
struct Cardinality {
    path: FieldPath,
    /// Over all windows; `None` where no sketch could be read.
    whole: Option<Estimate>,
    windows: Vec<Window>,
    /// Sketches that could not be read, or have another precision than the rest.
    unread: usize,
}

/// One window over all lanes.
struct Window {
    start: Micros,
    length: Micros,
    lanes: usize,
    estimate: Estimate,
}

impl Cardinality {
    fn of(path: FieldPath, sketches: &[WindowSketch]) -> Self {
        let mut whole: Option<Sketch> = None;
        let mut windows: BTreeMap<(Micros, Micros), (Sketch, BTreeSet<&str>)> = BTreeMap::new();
        let mut unread = 0;
        for stored in sketches {
            let Ok(sketch) = Sketch::from_bytes(&stored.registers) else {
                unread += 1;
                continue;
            };
            let merged = match &mut whole {
                Some(whole) => whole.merge(&sketch).map(|_| ()),
                None => {
                    whole = Some(sketch.clone());
                    Ok(())
                }
            };
            if merged.is_err() {
                unread += 1;
                continue;
            }
            let entry = windows.entry((stored.start, stored.length));
            let (of_window, lanes) =
                entry.or_insert_with(|| (Sketch::new(sketch.precision()), BTreeSet::new()));
            // All that merged with the whole are of its precision.
            if of_window.merge(&sketch).is_ok() {
                lanes.insert(stored.lane.as_str());
            }
        }
        let windows = windows.into_iter().map(|((start, length), (sketch, lanes))| Window {
            start,
            length,
            lanes: lanes.len(),
            estimate: sketch.estimate(),
        });
        Self { path, whole: whole.map(|whole| whole.estimate()), windows: windows.collect(), unread }
    }

    fn to_json(&self) -> Value {
        let windows: Vec<Value> = self
            .windows
            .iter()
            .map(|window| {
                json!({
                    "start": show::time(window.start),
                    "end": show::time(window.start.saturating_add(window.length)),
                    "lanes": window.lanes,
                    "distinct": window.estimate.n,
                    "distinct_error": window.estimate.error,
                })
            })
            .collect();
        json!({
            "path": self.path.as_str(),
            "distinct": self.whole.as_ref().map(|whole| whole.n),
            "distinct_error": self.whole.as_ref().map(|whole| whole.error),
            "windows": windows,
            "unread": self.unread,
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an estimate of an error"
)]
fn about(estimate: &Estimate) -> [String; 2] {
    let error = (estimate.n as f64 * estimate.error).ceil() as u64;
    [format!("~{}", estimate.n), format!("±{error}")]
}

fn field_table(fields: &[Cardinality]) -> Vec<String> {
    let row = |field: &Cardinality| {
        let [n, error] = field.whole.as_ref().map(about).unwrap_or_default();
        (Style::new(), vec![plain(&field.path), n, error, field.windows.len().to_string()])
    };
    table(&["field", "distinct", "", "windows"], &fields.iter().map(row).collect::<Vec<_>>())
}

fn window_table(field: &Cardinality) -> Vec<String> {
    let row = |window: &Window| {
        let [n, error] = about(&window.estimate);
        let (start, end) = (show::time(window.start), show::time(window.start.saturating_add(window.length)));
        (Style::new(), vec![start, end, n, error, window.lanes.to_string()])
    };
    let mut rows: Vec<_> = field.windows.iter().map(row).collect();
    if let Some(whole) = &field.whole {
        let [n, error] = about(whole);
        rows.push((STRONG, vec!["all of them".to_owned(), String::new(), n, error, String::new()]));
    }
    let mut lines = vec![plain(&field.path)];
    lines.extend(table(&["from", "to", "distinct", "", "lanes"], &rows));
    lines
}
