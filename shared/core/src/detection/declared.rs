//! What a control record says changed.
//!
//! Where the table's definition is known before and after, their difference is the truth, and
//! the statement's clauses put it in order and tell what a difference cannot: which column went
//! on under another name, which was dropped and made anew, which was defined over again. Where
//! either is not known, the clauses are all there is, and nothing is made up beyond them.

mod columns;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::change::{Clause, TableEvent};
use crate::diff::diff;
use crate::schema::{Field, FieldPath, Schema};
use crate::schema_change::{ChangeKind, Evidence, Retype, SchemaChange, Typed};
use columns::{Columns, Step};

/// What a control record says changed, in the statement's order, each change once. `known` is
/// the schema before, where there is one; a renamed table's is that of its old name.
///
/// A snapshot announces how a table stands, and changes nothing.
#[must_use]
pub fn changes(known: Option<&Schema>, event: &TableEvent) -> Vec<SchemaChange> {
    if event.told.snapshot {
        return Vec::new();
    }
    let statement = event.told.statement.as_ref().unwrap_or(&event.operation);
    let evidence = || Evidence::Declared { statement: statement.clone() };
    let kinds = kinds(known, event).into_iter();
    kinds.map(|kind| SchemaChange { kind, evidence: evidence() }).collect()
}

/// The schema after a control record; `None` where the table is gone or nothing is known of it.
#[must_use]
pub fn after(known: Option<&Schema>, event: &TableEvent) -> Option<Schema> {
    if let Some(schema) = &event.told.schema {
        return Some(schema.clone());
    }
    if event.told.snapshot {
        return known.cloned();
    }
    let mut schema = known.cloned();
    for clause in &event.told.clauses {
        match (clause, &mut schema) {
            (Clause::Drop, _) => schema = None,
            (Clause::Create, None) => schema = Some(Schema::default()),
            (Clause::AddColumn(name), Some(schema)) => {
                schema.fields.entry(FieldPath::column(name)).or_default();
            }
            (Clause::DropColumn(name), Some(schema)) => {
                schema.fields.remove(&FieldPath::column(name));
            }
            (Clause::RenameColumn { from, to }, Some(schema)) => {
                let (from, to) = (FieldPath::column(from), FieldPath::column(to));
                if let Some(field) = schema.fields.remove(&from) {
                    schema.fields.insert(to.clone(), field);
                    schema
                        .key
                        .iter_mut()
                        .filter(|column| **column == from)
                        .for_each(|column| *column = to.clone());
                }
            }
            _ => {}
        }
    }
    schema
}

fn kinds(known: Option<&Schema>, event: &TableEvent) -> Vec<ChangeKind> {
    let told = &event.told;
    let created = told.clauses.contains(&Clause::Create);
    let dropped = told.clauses.contains(&Clause::Drop);
    if created && (known.is_none() || dropped) {
        // What replaces a table that nobody knew of only makes one.
        let replaced = known.is_some().then_some(ChangeKind::DropTable);
        return replaced.into_iter().chain([ChangeKind::CreateTable]).collect();
    }
    match (known, &told.schema) {
        (Some(before), Some(after)) if comparable(before, after) => compared(before, after, event),
        (known, after) => alone(known, after.as_ref(), event),
    }
}

/// Whether a difference of two schemas is a change of the table. What rows show is no measure of
/// what a source defines.
fn comparable(before: &Schema, after: &Schema) -> bool {
    let declared = |schema: &Schema| schema.fields.values().any(|field| field.declared.is_some());
    declared(before) || !declared(after)
}

fn typed(field: &Field) -> Typed {
    Typed { types: field.types.clone(), declared: field.declared.clone() }
}

/// The change of a table as a whole that a clause is.
fn of_table(clause: &Clause, event: &TableEvent) -> Option<ChangeKind> {
    match clause {
        Clause::Drop => Some(ChangeKind::DropTable),
        Clause::Truncate => Some(ChangeKind::TruncateTable),
        Clause::RenameTable { .. } => Some(ChangeKind::RenameTable { to: event.table.clone() }),
        _ => None,
    }
}

/// The clauses, with the drops that must have come before them: nobody adds a column that is there,
/// so the statement that dropped it has been overtaken on its way. Where the column is defined just
/// as it was, it may have been added `IF NOT EXISTS`, and nothing is concluded.
fn with_overtaken_drops(before: &Schema, after: &Schema, clauses: &[Clause]) -> Vec<Clause> {
    let mut all: Vec<Clause> = Vec::with_capacity(clauses.len());
    for clause in clauses {
        if let Clause::AddColumn(name) = clause {
            let column = FieldPath::column(name);
            let redefined = match (before.fields.get(&column), after.fields.get(&column)) {
                (Some(before), Some(after)) => before.types != after.types || before.default != after.default,
                _ => false,
            };
            let moved = all.iter().any(|earlier| match earlier {
                Clause::DropColumn(gone) => gone == name,
                Clause::RenameColumn { from, to } => from == name || to == name,
                _ => false,
            });
            if redefined && !moved {
                all.push(Clause::DropColumn(name.clone()));
            }
        }
        all.push(clause.clone());
    }
    all
}

/// The changes where the definition is known before and after.
fn compared(before: &Schema, after: &Schema, event: &TableEvent) -> Vec<ChangeKind> {
    let clauses = with_overtaken_drops(before, after, &event.told.clauses);
    let columns = Columns::trace(before, after, &clauses);
    let mut left = Left::new(before, after, &columns);
    let mut kinds = Vec::new();
    let mut redefined = BTreeSet::new();
    for (step, clause) in columns.steps.iter().zip(&clauses) {
        match step {
            Step::Nothing => kinds.extend(of_table(clause, event)),
            Step::Drop(column) => {
                let typed = before.fields.get(column).map(typed).unwrap_or_default();
                kinds.push(ChangeKind::DropColumn { column: column.clone(), typed });
            }
            Step::Add(column) => kinds.extend(left.take_added(column)),
            Step::Rename { from, to } => {
                let (Some(old), Some(new)) = (before.fields.get(from), after.fields.get(to)) else {
                    continue;
                };
                kinds.push(ChangeKind::RenameColumn {
                    column: from.clone(),
                    to: to.clone(),
                    typed: typed(new),
                    previous: typed(old),
                });
                // A new name may come with a new default; that alone is no other type.
                let retyped = left.take_retyped(to).filter(|_| typed(old) != typed(new));
                redefined.insert(to.clone());
                kinds.extend(retyped);
            }
            Step::Modify { from, to } => {
                if !redefined.insert(to.clone()) {
                    continue;
                }
                let restated = || {
                    let (old, new) = (before.fields.get(from)?, after.fields.get(to)?);
                    Some(ChangeKind::ChangeType {
                        column: to.clone(),
                        typed: typed(new),
                        previous: typed(old),
                        retype: Retype::Restated,
                    })
                };
                kinds.extend(left.take_retyped(to).or_else(restated));
            }
            Step::Key => kinds.extend(left.key.take()),
        }
    }
    kinds.extend(left.rest());
    kinds
}

/// The differences that no clause has accounted for yet.
struct Left<'a> {
    before: &'a Schema,
    after: &'a Schema,
    dropped: BTreeMap<FieldPath, ChangeKind>,
    added: BTreeMap<FieldPath, ChangeKind>,
    retyped: BTreeMap<FieldPath, ChangeKind>,
    key: Option<ChangeKind>,
}

impl<'a> Left<'a> {
    fn new(before: &'a Schema, after: &'a Schema, columns: &Columns) -> Self {
        let mut left = Self {
            before,
            after,
            dropped: BTreeMap::new(),
            added: BTreeMap::new(),
            retyped: BTreeMap::new(),
            key: None,
        };
        // Under their new names, columns differ by their definitions only.
        let renamed = columns.renamed(before);
        for kind in diff(&renamed, after).changes() {
            match kind {
                ChangeKind::DropColumn { ref column, .. } => {
                    left.dropped.insert(column.clone(), kind);
                }
                ChangeKind::AddColumn { ref column, .. } => {
                    left.added.insert(column.clone(), kind);
                }
                // Of a column that only a clause announced, the type was not known.
                ChangeKind::ChangeType { ref column, ref previous, .. } if *previous != Typed::default() => {
                    left.retyped.insert(column.clone(), kind);
                }
                ChangeKind::ChangeKey { key, .. } => {
                    left.key = Some(ChangeKind::ChangeKey { previous: before.key.clone(), key });
                }
                _ => {}
            }
        }
        left
    }

    fn take_added(&mut self, column: &FieldPath) -> Option<ChangeKind> {
        self.added.remove(column)
    }

    fn take_retyped(&mut self, column: &FieldPath) -> Option<ChangeKind> {
        self.retyped.remove(column)
    }

    /// What is left, in the order of the columns.
    fn rest(self) -> Vec<ChangeKind> {
        let mut dropped: Vec<_> = self.dropped.into_iter().collect();
        dropped.sort_by_key(|(column, _)| self.before.fields.get(column).and_then(|field| field.position));
        let mut others: Vec<_> = self.added.into_iter().chain(self.retyped).collect();
        others.sort_by_key(|(column, _)| self.after.fields.get(column).and_then(|field| field.position));
        dropped.into_iter().chain(others).map(|(_, kind)| kind).chain(self.key).collect()
    }
}

/// The changes where the clauses are all there is, with the types that either side knows.
fn alone(known: Option<&Schema>, after: Option<&Schema>, event: &TableEvent) -> Vec<ChangeKind> {
    let field = |schema: Option<&Schema>, column: &FieldPath| -> Option<Field> {
        schema?.fields.get(column).cloned()
    };
    let types = |schema, column: &FieldPath| field(schema, column).as_ref().map(typed).unwrap_or_default();
    let mut changed = BTreeSet::new();
    let mut kinds = Vec::new();
    for clause in &event.told.clauses {
        let kind = match clause {
            Clause::AddColumn(name) => {
                let column = FieldPath::column(name);
                let default = field(after, &column).and_then(|field| field.default);
                ChangeKind::AddColumn { typed: types(after, &column), default, column }
            }
            Clause::DropColumn(name) => {
                let column = FieldPath::column(name);
                ChangeKind::DropColumn { typed: types(known, &column), column }
            }
            Clause::RenameColumn { from, to } => {
                let (column, to) = (FieldPath::column(from), FieldPath::column(to));
                let (typed, previous) = (types(after, &to), types(known, &column));
                ChangeKind::RenameColumn { column, to, typed, previous }
            }
            Clause::ModifyColumn(name) => {
                let column = FieldPath::column(name);
                if !changed.insert(column.clone()) {
                    continue;
                }
                let (typed, previous) = (types(after, &column), types(known, &column));
                // Nobody knows what became of the values: the worst that may have.
                ChangeKind::ChangeType { column, typed, previous, retype: Retype::ReEncoding }
            }
            Clause::ChangeKey => ChangeKind::ChangeKey {
                previous: known.map(|schema| schema.key.clone()).unwrap_or_default(),
                key: after.map(|schema| schema.key.clone()).unwrap_or_default(),
            },
            Clause::Create | Clause::Unspecified => continue,
            Clause::Drop | Clause::Truncate | Clause::RenameTable { .. } => match of_table(clause, event) {
                Some(kind) => kind,
                None => continue,
            },
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}
