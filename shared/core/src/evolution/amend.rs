//! Owns what one change does to a schema, strictly or leniently.

use crate::schema::{Constraints, Field, FieldPath, FieldType, Schema, TypeSet};
use crate::schema_change::{ChangeKind, Typed};

/// Whether a path is `other` or stands within it.
pub(super) fn is_or_is_below(path: &FieldPath, other: &FieldPath) -> bool {
    path.as_str()
        .strip_prefix(other.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Makes one change, with each field as the proposed schema has it, or, where that is not at
/// hand, as the change itself says. Returns whether the schema is another one now, places and
/// guessed formats aside.
pub(super) fn amend(
    schema: &mut Schema,
    kind: &ChangeKind,
    proposed: Option<&Schema>,
    lenient: bool,
) -> bool {
    match kind {
        ChangeKind::AddColumn { column, typed, default } => {
            let made = || Field { default: default.clone(), ..field(typed) };
            let added = subtree(proposed, column, made);
            insert_missing(schema, added)
        }
        ChangeKind::DropColumn { column, .. } if lenient => relax(schema, column),
        ChangeKind::DropColumn { column, .. } => !take(schema, column).is_empty(),
        ChangeKind::RenameColumn { column, to, typed, .. } => {
            let old: Vec<(FieldPath, Field)> = if lenient {
                of(schema, column).map(|(path, field)| (path.clone(), field.clone())).collect()
            } else {
                take(schema, column)
            };
            let relaxed = lenient && relax(schema, column);
            let moved = old.iter().map(|(path, known)| {
                let rest = path.as_str().get(column.as_str().len()..).unwrap_or_default();
                let known = if rest.is_empty() {
                    Field { required: known.required, ..field(typed) }
                } else {
                    known.clone()
                };
                (FieldPath::new(format!("{to}{rest}")), known)
            });
            let mut named = subtree(proposed, to, || field(typed));
            if proposed.is_none_or(|proposed| !proposed.fields.contains_key(to)) && !old.is_empty() {
                named = moved.collect();
            }
            for part in schema.key.iter_mut().filter(|part| *part == column) {
                part.clone_from(to);
            }
            let added = insert_missing(schema, named);
            relaxed || added || (!lenient && !old.is_empty())
        }
        ChangeKind::ChangeType { column, typed, .. } => retype(schema, column, typed, proposed, lenient),
        ChangeKind::ChangeKey { key, .. } => {
            let differs = schema.key != *key;
            schema.key.clone_from(key);
            differs
        }
        ChangeKind::CreateTable
        | ChangeKind::DropTable
        | ChangeKind::RenameTable { .. }
        | ChangeKind::TruncateTable => false,
    }
}

fn retype(
    schema: &mut Schema,
    column: &FieldPath,
    typed: &Typed,
    proposed: Option<&Schema>,
    lenient: bool,
) -> bool {
    let Some(known) = schema.fields.get(column).cloned() else { return false };
    let said = proposed.and_then(|proposed| proposed.fields.get(column)).cloned().unwrap_or_else(|| Field {
        types: typed.types.clone(),
        declared: typed.declared.clone(),
        ..known.clone()
    });
    let now = if lenient { both(&known, &said) } else { said };
    if meaning(&now) == meaning(&known) {
        return false;
    }
    // What stands in a map or list comes and goes with it, and is no change of its own.
    let gained = containers(&now.types) & !containers(&known.types);
    let lost = containers(&known.types) & !containers(&now.types);
    schema.fields.insert(column.clone(), now);
    if lost != 0 {
        let stays = |path: &FieldPath| proposed.is_some_and(|proposed| proposed.fields.contains_key(path));
        schema.fields.retain(|path, _| path == column || !is_or_is_below(path, column) || stays(path));
    }
    if let (Some(proposed), true) = (proposed, gained != 0) {
        let parts = of(proposed, column).map(|(path, field)| (path.clone(), field.clone())).collect();
        insert_missing(schema, parts);
    }
    true
}

/// Which of map (1) and list (2) are among the types.
fn containers(types: &TypeSet) -> u8 {
    u8::from(types.0.contains(&FieldType::Map)) | (u8::from(types.0.contains(&FieldType::List)) << 1)
}

fn field(typed: &Typed) -> Field {
    Field { declared: typed.declared.clone(), ..Field::of(typed.types.clone()) }
}

/// A field without what says nothing about values.
fn meaning(field: &Field) -> Field {
    Field { position: None, format: None, ..field.clone() }
}

/// What older and newer rows hold.
fn both(older: &Field, newer: &Field) -> Field {
    let same_types = older.types == newer.types;
    let types: TypeSet = older.types.0.union(&newer.types.0).cloned().collect();
    // The source's words are for one of the types only.
    let declared = if same_types || types == newer.types { newer.declared.clone() } else { None };
    let constraints = if older.constraints == newer.constraints {
        newer.constraints.clone()
    } else {
        Constraints::default()
    };
    Field { types, required: older.required && newer.required, declared, constraints, ..newer.clone() }
}

fn of<'a>(schema: &'a Schema, column: &'a FieldPath) -> impl Iterator<Item = (&'a FieldPath, &'a Field)> {
    schema.fields.iter().filter(move |(path, _)| is_or_is_below(path, column))
}

/// A field of the proposed schema with all that stands in it.
fn subtree(
    proposed: Option<&Schema>,
    column: &FieldPath,
    otherwise: impl FnOnce() -> Field,
) -> Vec<(FieldPath, Field)> {
    match proposed.filter(|proposed| proposed.fields.contains_key(column)) {
        Some(proposed) => of(proposed, column).map(|(path, field)| (path.clone(), field.clone())).collect(),
        None => vec![(column.clone(), otherwise())],
    }
}

fn insert_missing(schema: &mut Schema, fields: Vec<(FieldPath, Field)>) -> bool {
    let before = schema.fields.len();
    for (path, field) in fields {
        schema.fields.entry(path).or_insert(field);
    }
    schema.fields.len() > before
}

fn take(schema: &mut Schema, column: &FieldPath) -> Vec<(FieldPath, Field)> {
    let paths: Vec<FieldPath> = of(schema, column).map(|(path, _)| path.clone()).collect();
    paths.into_iter().filter_map(|path| schema.fields.remove_entry(&path)).collect()
}

/// Keeps a column that newer rows lack.
fn relax(schema: &mut Schema, column: &FieldPath) -> bool {
    let mut changed = false;
    for (_, field) in schema.fields.iter_mut().filter(|(path, _)| is_or_is_below(path, column)) {
        let types = std::mem::take(&mut field.types).nullable(true);
        let relaxed = Field { types, required: false, ..field.clone() };
        changed |= field.required || !field.types.is_nullable();
        *field = relaxed;
    }
    changed
}

/// Takes over what is no change of its own of fields that have the types proposed: their places,
/// formats and bounds make no version, and a version that is made anyway should have them right.
pub(super) fn refresh(schema: &mut Schema, proposed: Option<&Schema>) {
    let Some(proposed) = proposed else { return };
    for (path, field) in &mut schema.fields {
        if let Some(now) = proposed.fields.get(path).filter(|now| now.types == field.types) {
            field.position = now.position;
            field.format.clone_from(&now.format);
            field.required = now.required;
            field.constraints.clone_from(&now.constraints);
        }
    }
}

/// Whether a change that waits is still to be made: the current schema is as it was before it,
/// and the proposed one as it is after.
pub(super) fn still_holds(kind: &ChangeKind, current: &Schema, proposed: &Schema) -> bool {
    let (before, after) = (|path| current.fields.get(path), |path| proposed.fields.get(path));
    match kind {
        ChangeKind::AddColumn { column, .. } => before(column).is_none() && after(column).is_some(),
        ChangeKind::DropColumn { column, .. } => before(column).is_some() && after(column).is_none(),
        ChangeKind::RenameColumn { column, to, .. } => {
            before(column).is_some() && before(to).is_none() && after(column).is_none() && after(to).is_some()
        }
        ChangeKind::ChangeType { column, typed, .. } => {
            after(column).is_some_and(|after| after.types == typed.types && after.declared == typed.declared)
                && before(column)
                    .is_some_and(|before| before.types != typed.types || before.declared != typed.declared)
        }
        ChangeKind::ChangeKey { key, .. } => current.key != *key && proposed.key == *key,
        ChangeKind::CreateTable
        | ChangeKind::DropTable
        | ChangeKind::RenameTable { .. }
        | ChangeKind::TruncateTable => false,
    }
}
