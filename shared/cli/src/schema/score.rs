//! `evercount schema score`: how far one JSON Schema is from another, without a registry.

use std::path::Path;

use anyhow::Context;
use evercount_core::diff::{Difference, Effect, Place, diff};
use evercount_core::drift::{SchemaVerClass, class_of, drift};
use evercount_core::schema::{Field, FieldPath, Schema};
use evercount_core::schema_change::Retype;
use evercount_wire::diff_view::Mark;
use evercount_wire::json_schema;
use serde_json::{Value, json};

use super::Answer;
use super::args::ScoreArgs;
use super::check::read;
use super::text::{self, FAINT, columns, count, paint, plain, style, table};
/// Scores the difference of two files.
pub fn run(args: &ScoreArgs) -> anyhow::Result<Answer> {
    let (before, after) = (document(&args.before)?, document(&args.after)?);
    let differences = diff(&before, &after);
    let moved = drift(&differences);
    let changes: Vec<Value> = differences.differences.iter().map(change_json).collect();
    let answer = json!({"drift": moved.score, "class": moved.class.name(), "changes": changes});
    if differences.is_empty() {
        return Ok(Answer::ok(answer, vec!["nothing differs: drift 0.000".to_owned()]));
    }
    let mut lines = vec![text::moved(&moved)];
    let (parts, told): (Vec<_>, Vec<_>) = differences.differences.iter().partition(|one| is_part(one));
    let rows: Vec<_> = told
        .iter()
        .map(|one| {
            let symbol = format!(" {}", mark(one).symbol());
            let class = class_of(one);
            let class = if class == SchemaVerClass::Addition { "" } else { class.name() };
            let cells = vec![symbol, name(&one.path()), plain(detail(one)), class.to_owned()];
            (style(mark(one)), cells)
        })
        .collect();
    lines.extend(table(&["", "", "", ""], &rows));
    if !parts.is_empty() {
        let parts = count(parts.len(), "field");
        lines.push(paint(FAINT, format!("   and {parts} within fields that came, went or were retyped")));
    }
    Ok(Answer::ok(answer, lines))
}

fn document(file: &Path) -> anyhow::Result<Schema> {
    let name = if file == Path::new("-") { "standard input".into() } else { file.display().to_string() };
    json_schema::read(&read(file)?).with_context(|| format!("{name} is no JSON Schema"))
}

/// Whether a field only came or went with the one it stands in.
fn is_part(difference: &Difference) -> bool {
    matches!(
        difference,
        Difference::Added { place: Place::Part, .. } | Difference::Dropped { place: Place::Part, .. }
    )
}

fn mark(difference: &Difference) -> Mark {
    match difference {
        Difference::Added { .. } => Mark::Added,
        Difference::Dropped { .. } => Mark::Dropped,
        Difference::Renamed { .. } => Mark::Renamed,
        Difference::Retyped { .. } | Difference::Key { .. } => Mark::Retyped,
        Difference::Required { .. } | Difference::Bounded { .. } => Mark::Constrained,
    }
}

fn name(path: &FieldPath) -> String {
    if path.is_root() { "(the item)".to_owned() } else { plain(path) }
}

/// A change in words, without the field's name.
fn detail(difference: &Difference) -> String {
    let presence = |required: bool| if required { "required" } else { "optional" };
    let bound = |text: &Option<_>| text.as_deref().map_or_else(|| "none".to_owned(), str::to_owned);
    match difference {
        Difference::Added { place: Place::Part, field, .. } => {
            format!("{}, part of what is new", typed(field))
        }
        Difference::Added { required, place: Place::Open, field, .. } => {
            format!("{}, {}, where rows may have held anything", typed(field), presence(*required))
        }
        Difference::Added { required, field, .. } => format!("{}, {}", typed(field), presence(*required)),
        Difference::Dropped { place: Place::Part, field, .. } => {
            format!("{}, part of what is gone", typed(field))
        }
        Difference::Dropped { required, place: Place::Closed, field, .. } => {
            format!("{}, was {}, refused now", typed(field), presence(*required))
        }
        Difference::Dropped { required, field, .. } => {
            format!("{}, was {}", typed(field), presence(*required))
        }
        Difference::Renamed { from, .. } => format!("was {}", plain(from)),
        Difference::Retyped { before, after, retype, .. } => {
            let (before_type, after_type) = (before.type_text(), after.type_text());
            match retype {
                Retype::Nullable => format!("{after_type}: may be null now"),
                Retype::NotNull => format!("{after_type}: must not be null now"),
                Retype::Restated if before_type == after_type => {
                    format!("default {} → {}", bound(&before.default), bound(&after.default))
                }
                _ => format!("{before_type} → {after_type} ({})", retype.name().replace('_', "-")),
            }
        }
        Difference::Required { required, .. } => format!("{} now", presence(*required)),
        Difference::Bounded { change, .. } => {
            let name = change.bound.name().replace('_', " ");
            let effect = if change.effect == Effect::Other { "changed" } else { change.effect.name() };
            format!("{name} {} → {} ({effect})", bound(&change.previous), bound(&change.now))
        }
        Difference::Key { previous, key } => format!("key {} → {}", columns(previous), columns(key)),
    }
}

fn typed(field: &Field) -> String {
    field.type_text()
}

/// A change as data: what changed, where, its class, each fact of it, and all of that in words.
fn change_json(difference: &Difference) -> Value {
    let mut change = json!({
        "change": difference.name(),
        "path": difference.path().as_str(),
        "class": class_of(difference).name(),
        "detail": detail(difference),
    });
    let facts = match difference {
        Difference::Added { field, required, .. } => {
            json!({"type": typed(field), "required": required, "part": is_part(difference)})
        }
        Difference::Dropped { field, required, .. } => {
            json!({"previous_type": typed(field), "required": required, "part": is_part(difference)})
        }
        Difference::Renamed { from, before, after, .. } => {
            json!({"from": from.as_str(), "previous_type": typed(before), "type": typed(after)})
        }
        Difference::Retyped { before, after, retype, .. } => {
            json!({"previous_type": typed(before), "type": typed(after), "retype": retype.name()})
        }
        Difference::Bounded { change, .. } => json!({
            "constraint": change.bound.name(),
            "previous": change.previous.as_deref(),
            "now": change.now.as_deref(),
            "effect": change.effect.name(),
        }),
        Difference::Required { .. } | Difference::Key { .. } => json!({}),
    };
    if let (Value::Object(change), Value::Object(facts)) = (&mut change, facts) {
        change.extend(facts);
    }
    change
}
