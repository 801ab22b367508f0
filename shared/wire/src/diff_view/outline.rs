//! Owns the order in which the fields of a schema are shown, and which stands in which.

use std::collections::BTreeMap;

use evercount_core::schema::{Field, FieldPath, Schema};

/// A field as one version has it.
#[derive(Clone, PartialEq, Debug)]
pub struct Side {
    /// Its path.
    pub path: FieldPath,
    /// The last step of the path: the name within the field it stands in.
    pub name: String,
    /// What the schema says of it.
    pub field: Field,
    /// Its place among the key columns, from 1; `None` where it is not one.
    pub key: Option<usize>,
}

/// A field of a schema and how deep it stands, 0 for a top-level field.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// How many fields it stands in.
    pub depth: usize,
    /// The field.
    pub side: Side,
}

/// The fields of a schema as they are shown: each before those within it, columns in the order of
/// their source where that is known, else the key first and the rest by name. The whole item is
/// not among them.
#[must_use]
pub fn outline(schema: &Schema) -> Vec<Line> {
    let containers = Containers::of(schema);
    let waiting_in = |container: Option<&FieldPath>, depth: usize| {
        containers.within(container).into_iter().rev().map(move |path| (depth, path))
    };
    let mut waiting: Vec<(usize, FieldPath)> = waiting_in(None, 0).collect();
    let mut lines = Vec::new();
    while let Some((depth, path)) = waiting.pop() {
        waiting.extend(waiting_in(Some(&path), depth + 1));
        lines.extend(containers.side(&path).map(|side| Line { depth, side }));
    }
    lines
}

/// Which fields of a schema stand in which, in the order they are shown.
pub(super) struct Containers<'a> {
    schema: &'a Schema,
    within: BTreeMap<Option<FieldPath>, Vec<FieldPath>>,
}

impl<'a> Containers<'a> {
    pub(super) fn of(schema: &'a Schema) -> Self {
        let mut within: BTreeMap<Option<FieldPath>, Vec<FieldPath>> = BTreeMap::new();
        for path in schema.fields.keys().filter(|path| !path.is_root()) {
            within.entry(container(schema, path)).or_default().push(path.clone());
        }
        for paths in within.values_mut() {
            paths.sort_by_cached_key(|path| {
                let position = schema.fields.get(path).and_then(|field| field.position);
                let (position, key) = (position.unwrap_or(u32::MAX), place_in_key(schema, path));
                (position, key.unwrap_or(usize::MAX), path.clone())
            });
        }
        Self { schema, within }
    }

    /// The fields in a field, or the top-level ones.
    pub(super) fn within(&self, container: Option<&FieldPath>) -> Vec<FieldPath> {
        self.within.get(&container.cloned()).cloned().unwrap_or_default()
    }

    pub(super) fn side(&self, path: &FieldPath) -> Option<Side> {
        let field = self.schema.fields.get(path)?.clone();
        let container = container(self.schema, path);
        let start = container.map_or(0, |container| container.as_str().len());
        let step = path.as_str().get(start..).unwrap_or_default();
        let step = step.strip_prefix('.').unwrap_or(step);
        let name = if path.is_root() { "(the item)" } else { step };
        let key = place_in_key(self.schema, path);
        Some(Side { path: path.clone(), name: name.to_owned(), field, key })
    }
}

fn place_in_key(schema: &Schema, path: &FieldPath) -> Option<usize> {
    schema.key.iter().position(|column| column == path).map(|at| at + 1)
}

/// The nearest field around a path that the schema has; `None` where it is a top-level field.
fn container(schema: &Schema, path: &FieldPath) -> Option<FieldPath> {
    let around = |path: &FieldPath| path.parent().filter(|parent| !parent.is_root());
    let mut found = around(path);
    while let Some(parent) = found {
        if schema.fields.contains_key(&parent) {
            return Some(parent);
        }
        found = around(&parent);
    }
    None
}

/// Where a path is after the field at `from` went on at `to`; `None` where it is neither that
/// field nor within it.
pub(super) fn moved(path: &FieldPath, from: &FieldPath, to: &FieldPath) -> Option<FieldPath> {
    let rest = path.as_str().strip_prefix(from.as_str())?;
    (rest.is_empty() || rest.starts_with(['.', '['])).then(|| FieldPath::new(format!("{to}{rest}")))
}
