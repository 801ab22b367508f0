//! Which of a subject's fields seem to point at other subjects, as the lanes' watches show it.

use std::collections::BTreeMap;

use evercount_core::observed::{ObservedSchema, Relationship, RelationshipKind, relationships};
use evercount_core::schema_change::Subject;
use evercount_pipeline::ports::{RegistryStore, StoreError};
use evercount_wire::watch;
use serde_json::{Value, json};

use super::text::plain;

/// Subjects that a reference is looked for in; beyond that only the first ones by name.
const SUBJECTS_MAX: usize = 200;

/// The likely foreign keys of a subject and what its lists hold.
pub async fn of<S: RegistryStore>(store: &S, subject: &Subject) -> Result<Vec<Relationship>, StoreError> {
    let mut observed: BTreeMap<Subject, ObservedSchema> = BTreeMap::new();
    let others = store.subjects().await?.into_iter().map(|state| state.subject);
    let others = others.filter(|other| other != subject).take(SUBJECTS_MAX);
    for one in std::iter::once(subject.clone()).chain(others) {
        let mut merged = ObservedSchema::default();
        for stored in store.watches(&one).await?.values() {
            // A watch that cannot be read is begun anew by its lane.
            if let Ok(watch) = watch::from_json(&stored.state) {
                merged.merge(watch.observed());
            }
        }
        observed.insert(one, merged);
    }
    let seen: BTreeMap<Subject, &ObservedSchema> =
        observed.iter().map(|(subject, observed)| (subject.clone(), observed)).collect();
    Ok(relationships(&seen).into_iter().filter(|one| one.subject == *subject).collect())
}

/// One line for each.
pub fn in_words(found: &[Relationship]) -> Vec<String> {
    let line = |one: &Relationship| {
        let field = plain(&one.field);
        match &one.kind {
            RelationshipKind::ForeignKey { to, column, contained, by_name } => {
                let values = contained.map(|share| format!("{:.0} % of its values are there", share * 100.0));
                let why: Vec<String> =
                    by_name.then(|| "by its name".to_owned()).into_iter().chain(values).collect();
                format!("`{field}` seems to refer to {}.{} ({})", plain(to), plain(column), why.join(", "))
            }
            RelationshipKind::Elements { types } => format!("`{field}` lists {}", plain(types)),
        }
    };
    found.iter().map(line).collect()
}

/// The same as data.
pub fn to_json(found: &[Relationship]) -> Vec<Value> {
    let one = |one: &Relationship| match &one.kind {
        RelationshipKind::ForeignKey { to, column, contained, by_name } => json!({
            "field": one.field.as_str(), "kind": "foreign_key", "to": to.as_str(),
            "column": column.as_str(), "contained": contained, "by_name": by_name,
        }),
        RelationshipKind::Elements { types } => json!({
            "field": one.field.as_str(), "kind": "elements", "types": types.to_string(),
        }),
    };
    found.iter().map(one).collect()
}
