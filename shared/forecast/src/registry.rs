//! Histories from the registry: the versions of its subjects as events.

use std::sync::Arc;

use evercount_core::registry::SchemaVersion;
use evercount_core::schema::{FieldPath, Schema};
use evercount_core::schema_change::ChangeKind;

use crate::history::{Event, EventKind, History, Seconds};

/// The history that versions of schemas tell, in any order and of any number of subjects.
///
/// What only narrows or loosens a bound is no change of a column's type to whoever declared it, but it
/// makes a version, and is counted as one.
#[must_use]
pub fn history(project: &str, versions: &[SchemaVersion]) -> History {
    let mut events = Vec::new();
    for version in versions {
        let at: Seconds = version.at.div_euclid(1_000_000);
        let mut tell = Tell { at, table: version.subject.as_str().into(), events: &mut events };
        let created = version.changes.iter().any(|change| change.kind == ChangeKind::CreateTable);
        if version.parent.is_none() && !created {
            tell.all(EventKind::Initial, &version.schema);
        }
        for change in &version.changes {
            tell.change(&change.kind, &version.schema);
        }
    }
    History::new(project, events)
}

struct Tell<'a> {
    at: Seconds,
    table: Arc<str>,
    events: &'a mut Vec<Event>,
}

impl Tell<'_> {
    fn one(&mut self, kind: EventKind, column: &FieldPath, typed: &str, before: &str) {
        self.events.push(Event {
            at: self.at,
            table: Arc::clone(&self.table),
            kind,
            column: column.as_str().into(),
            typed: typed.into(),
            before: before.into(),
        });
    }

    fn all(&mut self, kind: EventKind, schema: &Schema) {
        for (path, field) in schema.fields.iter().filter(|(path, _)| !path.as_str().is_empty()) {
            self.one(kind, path, &field.types.to_string(), "");
        }
    }

    fn change(&mut self, change: &ChangeKind, schema: &Schema) {
        match change {
            ChangeKind::CreateTable => self.all(EventKind::CreateTable, schema),
            ChangeKind::DropTable => self.one(EventKind::DropTable, &FieldPath::root(), "", ""),
            // Its life goes on under the new name, because the columns are the same.
            ChangeKind::RenameTable { to } => {
                self.all(EventKind::DropTable, schema);
                self.table = to.as_str().into();
                self.all(EventKind::CreateTable, schema);
            }
            ChangeKind::AddColumn { column, typed, .. } => {
                self.one(EventKind::AddColumn, column, &typed.text(), "");
            }
            ChangeKind::DropColumn { column, typed } => {
                self.one(EventKind::DropColumn, column, &typed.text(), "");
            }
            ChangeKind::RenameColumn { column, to, typed, .. } => {
                self.one(EventKind::RenameColumn, to, &typed.text(), column.as_str());
            }
            ChangeKind::ChangeType { column, typed, previous, .. } => {
                self.one(EventKind::ChangeType, column, &typed.text(), &previous.text());
            }
            ChangeKind::ChangeKey { key, .. } => {
                for column in key {
                    self.one(EventKind::ChangeKey, column, "", "");
                }
            }
            ChangeKind::TruncateTable => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::life::Replay;
    use evercount_core::change::TableName;
    use evercount_core::fingerprint::{SchemaId, of_schema};
    use evercount_core::schema::{Field, FieldType, TypeSet};
    use evercount_core::schema_change::{Evidence, SchemaChange, Typed};

    fn version(number: u32, at: i64, table: &str, columns: &[&str], kinds: Vec<ChangeKind>) -> SchemaVersion {
        let field = Field::of(TypeSet::of(FieldType::STRING));
        let fields = columns.iter().map(|name| (FieldPath::new(name), field.clone())).collect();
        let schema = Schema { fields, key: Vec::new() };
        let evidence = Evidence::Declared { statement: String::new() };
        SchemaVersion {
            subject: TableName::new(table),
            id: SchemaId { version: number, fingerprint: of_schema(&schema) },
            parent: number.checked_sub(2).map(|before| before + 1),
            schema,
            changes: kinds
                .into_iter()
                .map(|kind| SchemaChange { kind, evidence: evidence.clone() })
                .collect(),
            drift: 0.0,
            breaks: Vec::new(),
            position: None,
            at: at * 1_000_000,
            created_at: at * 1_000_000,
        }
    }

    #[test]
    fn versions_tell_what_happened_to_columns() {
        let column = |name: &str| FieldPath::new(name);
        let add = ChangeKind::AddColumn { column: column("c"), typed: Typed::default(), default: None };
        let rename = ChangeKind::RenameColumn {
            column: column("a"),
            to: column("z"),
            typed: Typed::default(),
            previous: Typed::default(),
        };
        let away = ChangeKind::RenameTable { to: TableName::new("u") };
        let versions = [
            version(1, 5, "t", &["a", "b"], vec![]),
            version(2, 7, "t", &["a", "b", "c"], vec![add]),
            version(3, 9, "t", &["z", "b", "c"], vec![rename]),
            version(4, 11, "t", &["z", "b", "c"], vec![away]),
        ];
        let history = history("p", &versions);
        let mut replay = Replay::new(&history);
        replay.until(9);
        let life = replay.table("t").unwrap();
        let names: Vec<&str> = life.columns.keys().map(|name| &**name).collect();
        assert_eq!((names, life.born, life.changes.len()), (vec!["b", "c", "z"], 5, 2));
        replay.until(11);
        assert!(replay.table("t").is_none());
        assert_eq!(replay.table("u").unwrap().born, 5);
    }
}
