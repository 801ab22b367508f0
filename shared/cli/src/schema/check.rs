//! `evercount schema check`: may this JSON Schema be the next version?

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use evercount_core::compatibility::{self, Direction};
use evercount_core::diff::{diff, is_of_documents};
use evercount_core::drift::drift;
use evercount_core::order::Micros;
use evercount_core::registry::Compatibility;
use evercount_core::schema::{FieldPath, Schema};
use evercount_pipeline::judge;
use evercount_pipeline::ports::RegistryStore;
use evercount_wire::diff_view::view;
use evercount_wire::json_schema;
use serde_json::json;

use super::args::CheckArgs;
use super::diff::{changed, key};
use super::text::{self, BAD, GOOD, STRONG, count, paint, plain};
use super::{Answer, subject};
use crate::exit::Exit;

/// Checks a JSON Schema.
pub async fn run<S: RegistryStore>(store: &S, args: &CheckArgs, now: Micros) -> anyhow::Result<Answer> {
    let name = args.file.display();
    let candidate =
        json_schema::read(&read(&args.file)?).with_context(|| format!("{name} is no JSON Schema"))?;
    let state = subject::find(store, &args.on.subject).await?;
    let current = subject::version(store, &state, subject::current(&state)?, now).await?;
    let candidate = in_the_terms_of(&current.schema, candidate);
    let mode = args.mode.unwrap_or(state.policy.compatibility);
    let earlier = judge::history(store, &state, mode, Some(&current.schema), now).await?;
    let versions: Vec<u32> = earlier.iter().map(|(number, _)| *number).collect();
    let schemas: Vec<(u32, &Schema)> = earlier.iter().map(|(number, schema)| (*number, schema)).collect();
    let breaks = compatibility::check(mode, &schemas, &candidate);
    let moved = drift(&diff(&current.schema, &candidate));

    let towards = match versions.as_slice() {
        [one] => format!("version {one}"),
        many => count(many.len(), "version"),
    };
    let subject = paint(STRONG, plain(&state.subject));
    let mut lines = Vec::new();
    if mode == Compatibility::None {
        lines.push(format!(
            "{subject}: its compatibility mode is NONE, which holds a new version to nothing; `--mode BACKWARD` asks for more"
        ));
    } else if breaks.is_empty() {
        lines.push(paint(GOOD, format!("✓ {} with {towards}", text::mode(mode))));
    } else {
        let found = count(breaks.len(), "break");
        lines.push(paint(BAD, format!("✗ not {} with {towards}: {found}", text::mode(mode))));
        lines.extend(breaks.iter().map(|one| format!("  {}", plain(&one.sentence))));
    }
    let shown = view(&current.schema, &candidate, &[]);
    let number = current.id.version;
    if shown.is_empty() {
        lines.push(format!("{subject}: nothing differs from version {number}"));
    } else {
        lines.push(format!("{subject}: against version {number}, {}:", text::moved(&moved)));
        lines.extend(changed(&shown));
        lines.extend(key(&shown));
    }
    let told: Vec<_> = breaks
        .iter()
        .map(|one| {
            let direction = match one.direction {
                Direction::Backward => "backward",
                Direction::Forward => "forward",
            };
            json!({
                "direction": direction,
                "version": one.version,
                "path": one.path.as_str(),
                "sentence": one.sentence,
            })
        })
        .collect();
    let document = json!({
        "subject": state.subject.as_str(),
        "mode": text::mode(mode),
        "compatible": breaks.is_empty(),
        "versions": versions,
        "breaks": told,
        "drift": moved.score,
        "class": moved.class.name(),
        "diff": shown.to_json(),
    });
    let exit = if breaks.is_empty() { Exit::Ok } else { Exit::Incompatible };
    Ok(Answer { document, text: Some(lines), exit })
}

/// The text of a file; `-` is standard input.
///
/// # Errors
/// Where it cannot be read.
pub fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("could not read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))
}

/// A document's schema as the next version of another: a JSON Schema has no words for a key, so
/// the key stays, and where the subject is a table its item is a row, which is not a field.
fn in_the_terms_of(current: &Schema, mut candidate: Schema) -> Schema {
    if candidate.key.is_empty() {
        candidate.key.clone_from(&current.key);
    }
    if !is_of_documents(current) {
        candidate.fields.remove(&FieldPath::root());
    }
    candidate
}
