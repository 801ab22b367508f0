//! Which fields of one subject point at another: likely foreign keys, by name and by values.
//! Nothing acts on a relationship; it is shown to people.

use std::collections::BTreeMap;

use super::ObservedSchema;
use super::field::{Family, ObservedField};
use crate::schema::{FieldPath, TypeSet};
use crate::schema_change::Subject;

/// How one field relates to something else.
#[derive(Clone, PartialEq, Debug)]
pub struct Relationship {
    /// The subject that has the field.
    pub subject: Subject,
    /// The field.
    pub field: FieldPath,
    /// What it relates to.
    pub kind: RelationshipKind,
}

/// What a field relates to.
#[derive(Clone, PartialEq, Debug)]
pub enum RelationshipKind {
    /// Its values are likely those of another subject's key.
    ForeignKey {
        /// The other subject.
        to: Subject,
        /// Its key column.
        column: FieldPath,
        /// The share of values that the key holds as well; `None` where too few can be compared.
        contained: Option<f64>,
        /// Whether the field's name says so: `customer_id` for `customers`.
        by_name: bool,
    },
    /// It is a list whose elements have these types.
    Elements {
        /// The types.
        types: TypeSet,
    },
}

/// Hashes that must be comparable before shared values mean something.
const COMPARED_MIN: usize = 6;
/// Share of values that the key must hold where the name says so too.
const CONTAINED_MIN_NAMED: f64 = 0.3;
/// The same where only equal column names suggest it.
const CONTAINED_MIN: f64 = 0.8;
/// Distinct values a row that a key shows at least; below 1, because updates show a row twice.
const KEY_DISTINCT_MIN: f64 = 0.5;

/// The relationships that the rows of these subjects suggest.
#[must_use]
pub fn relationships(subjects: &BTreeMap<Subject, &ObservedSchema>) -> Vec<Relationship> {
    let keys = keys(subjects);
    let mut found = Vec::new();
    for (subject, observed) in subjects {
        for (path, field) in observed.fields() {
            if field.families.count(Family::LIST) > 0 {
                let elements = observed.field(&path.element());
                let types = elements.map(|elements| elements.families.types()).unwrap_or_default();
                let kind = RelationshipKind::Elements { types };
                found.push(Relationship { subject: subject.clone(), field: path.clone(), kind });
            }
            if path.is_column() {
                let best = keys
                    .iter()
                    .filter(|key| key.subject != subject)
                    .filter_map(|key| foreign_key(path, field, key))
                    .max_by(|a, b| a.0.total_cmp(&b.0));
                if let Some((_, kind)) = best {
                    found.push(Relationship { subject: subject.clone(), field: path.clone(), kind });
                }
            }
        }
    }
    found
}

/// A column that looks like the key of its subject.
struct Key<'a> {
    subject: &'a Subject,
    path: &'a FieldPath,
    field: &'a ObservedField,
}

fn keys<'a>(subjects: &'a BTreeMap<Subject, &ObservedSchema>) -> Vec<Key<'a>> {
    let mut keys = Vec::new();
    for (subject, observed) in subjects {
        // The first column that is in every row and nearly always has a new value.
        let named = |path: &FieldPath| {
            let name = path.as_str().to_lowercase();
            name == "id" || singular(table_word(subject)).as_deref() == stem(&name)
        };
        let candidates = observed.fields().filter(|(path, field)| {
            path.is_column()
                && field.rows == observed.rows
                && field.families.count(Family::NULL) == 0
                && field.sketch.distinct() >= KEY_DISTINCT_MIN * field.rows as f64
        });
        let best = candidates.max_by_key(|(path, _)| (named(path), path.as_str().ends_with("id")));
        keys.extend(best.map(|(path, field)| Key { subject, path, field }));
    }
    keys
}

fn foreign_key(path: &FieldPath, field: &ObservedField, key: &Key<'_>) -> Option<(f64, RelationshipKind)> {
    let name = path.as_str().to_lowercase();
    let word = singular(table_word(key.subject));
    let by_name = stem(&name).is_some_and(|stem| word.as_deref().is_some_and(|word| word == stem));
    let same_name = name != "id" && path == key.path;
    let families = |field: &ObservedField| field.families.types().nullable(false);
    if !(by_name || same_name) || families(field) != families(key.field) {
        return None;
    }
    let (compared, shared) = field.sketch.shared_with(&key.field.sketch);
    let contained = (compared >= COMPARED_MIN).then(|| shared as f64 / compared as f64);
    let held = match contained {
        Some(share) => share >= if by_name { CONTAINED_MIN_NAMED } else { CONTAINED_MIN },
        // With too few values the name alone must do.
        None => by_name,
    };
    let strength = contained.unwrap_or(0.0) + if by_name { 1.0 } else { 0.0 };
    held.then(|| {
        let kind = RelationshipKind::ForeignKey {
            to: key.subject.clone(),
            column: key.path.clone(),
            contained,
            by_name,
        };
        (strength, kind)
    })
}

/// The table's own name, without database and schema.
fn table_word(subject: &Subject) -> &str {
    subject.as_str().rsplit(['.', ':', '/']).next().unwrap_or_default()
}

/// A table's name in the singular, lower case.
fn singular(table: &str) -> Option<String> {
    let name = table.to_lowercase();
    let word = match (name.strip_suffix("ies"), name.strip_suffix("ses"), name.strip_suffix('s')) {
        (Some(stem), ..) => format!("{stem}y"),
        (_, Some(stem), _) => format!("{stem}s"),
        (_, _, Some(stem)) => stem.to_owned(),
        _ => name,
    };
    (!word.is_empty()).then_some(word)
}

/// What a column such as `customer_id` or `customerId` (in lower case) is the id of.
fn stem(name: &str) -> Option<&str> {
    let stem = name.strip_suffix("id")?;
    let stem = stem.strip_suffix(['_', '-']).unwrap_or(stem);
    (!stem.is_empty()).then_some(stem)
}
