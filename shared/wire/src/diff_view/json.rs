//! Owns the JSON of shown schemas and differences: what commands print and a page draws.

use evercount_core::schema::{Constraints, FieldPath};
use serde_json::{Value, json};

use super::{DiffView, Mark, Node, Note, Side};

impl DiffView {
    /// `{"summary": {mark: how many}, "key": {"previous", "now"} or null, "tree": [node]}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let tally = self.tally();
        let marks = Mark::ALL.iter().filter(|(mark, _)| *mark != Mark::Same);
        let summary: serde_json::Map<String, Value> = marks
            .map(|(mark, name)| ((*name).to_owned(), json!(tally.get(mark).copied().unwrap_or_default())))
            .collect();
        let key =
            self.key.as_ref().map(|(previous, now)| json!({"previous": paths(previous), "now": paths(now)}));
        let tree: Vec<Value> = self.fields.iter().map(Node::to_json).collect();
        json!({"summary": summary, "key": key, "tree": tree})
    }
}

impl Node {
    /// `{"mark", "path", "previous_path", "before", "after", "notes": [{…, "sentence"}],
    /// "children": [node]}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let path = |side: &Option<Side>| side.as_ref().map(|side| side.path.to_string());
        json!({
            "mark": self.mark.name(),
            "path": path(&self.after),
            "previous_path": path(&self.before),
            "before": self.before.as_ref().map(Side::to_json),
            "after": self.after.as_ref().map(Side::to_json),
            "notes": self.notes.iter().map(Note::to_json).collect::<Vec<_>>(),
            "children": self.children.iter().map(Self::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Note {
    /// `{"kind", "previous", "now", "effect", "sentence"}`, without what does not apply.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut note = match self {
            Self::Type { before, after, retype } => {
                json!({"kind": "type", "previous": before, "now": after, "effect": retype.name()})
            }
            Self::Default { before, after } => json!({"kind": "default", "previous": before, "now": after}),
            Self::Required(required) => json!({"kind": "required", "previous": !required, "now": required}),
            Self::Bound(change) => json!({
                "kind": change.bound.name(),
                "previous": change.previous.as_deref(),
                "now": change.now.as_deref(),
                "effect": change.effect.name(),
            }),
        };
        if let Value::Object(note) = &mut note {
            note.insert("sentence".to_owned(), json!(self.sentence()));
        }
        note
    }
}

impl Side {
    /// `{"path", "name", "type", "types", "declared", "nullable", "required", "default", "key",
    /// "position", "format", "constraints"}`; the last is left out where there are none.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let field = &self.field;
        let mut side = json!({
            "path": self.path.as_str(),
            "name": self.name,
            "type": field.type_text(),
            "types": field.types.values().map(ToString::to_string).collect::<Vec<_>>(),
            "declared": field.declared.as_deref(),
            "nullable": field.types.is_nullable(),
            "required": field.required,
            "default": field.default.as_deref(),
            "key": self.key,
            "position": field.position,
            "format": field.format.as_ref().map(|format| format.name()),
        });
        if let (Value::Object(side), true) = (&mut side, field.constraints != Constraints::default()) {
            side.insert("constraints".to_owned(), constraints(&field.constraints));
        }
        side
    }
}

fn constraints(of: &Constraints) -> Value {
    let Constraints { minimum, maximum, min_length, min_items, max_items, pattern, values, closed } = of;
    let all = json!({
        "minimum": minimum.as_ref().map(ToString::to_string),
        "maximum": maximum.as_ref().map(ToString::to_string),
        "min_length": min_length,
        "min_items": min_items,
        "max_items": max_items,
        "pattern": pattern.as_deref(),
        "values": values.as_ref().map(|values| values.iter().map(|one| one.to_string()).collect::<Vec<_>>()),
        "closed": closed.then_some(true),
    });
    match all {
        Value::Object(all) => all.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}

fn paths(columns: &[FieldPath]) -> Vec<&str> {
    columns.iter().map(FieldPath::as_str).collect()
}
