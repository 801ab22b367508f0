//! Owns what a statement that defines or alters tables did, clause by clause.
//!
//! Statements come out of a database's log, so they were valid there, in whatever dialect and
//! version that was; here they only have to be understood as far as columns, keys and names of
//! tables go. So this walks the tokens of `sqlparser` and does not use its parser, which refuses
//! what it does not know and overflows the stack on nested input: a clause that is not understood
//! (an index, a foreign key, an option) ends at the next comma outside parentheses, and nothing
//! is concluded from it. Every text gives an answer, in time linear in its length.

mod alter;
mod lexeme;

use std::collections::BTreeMap;

use evercount_core::change::{Clause, TableName};

use crate::sql_type::Dialect;
use lexeme::{Cursor, Lexeme, items, lexemes};

/// Longest part of a text that is read, in bytes: a table of 4,096 columns, and no room for a
/// flood of tokens.
const TEXT_BYTES_MAX: usize = 262_144;

/// What a text of one or several statements did to each table, in the order of the text. A table
/// that was renamed stands under its new name, with all its clauses.
///
/// Names without a database or schema are in `space`, unless a `USE` says otherwise.
#[must_use]
pub fn clauses(dialect: Dialect, text: &str, space: Option<&str>) -> Vec<(TableName, Vec<Clause>)> {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let lexemes = lexemes(dialect, text.get(..end).unwrap_or_default());
    let mut reading =
        Reading { dialect, space: space.map(str::to_owned), tables: Vec::new(), places: BTreeMap::new() };
    for statement in lexemes.split(|lexeme| *lexeme == Lexeme::Semicolon) {
        if reading.statement(Cursor::new(statement)).is_break() {
            break;
        }
    }
    reading.tables.into_iter().filter(|(_, clauses)| !clauses.is_empty()).collect()
}

struct Reading {
    dialect: Dialect,
    /// The database or schema of names that stand alone.
    space: Option<String>,
    /// What was done to each table, by its last name.
    tables: Vec<(TableName, Vec<Clause>)>,
    /// Where in `tables` a name stands.
    places: BTreeMap<TableName, usize>,
}

/// Whether the text goes on with statements of its own.
type Flow = std::ops::ControlFlow<()>;

/// How far into a `CREATE` its kind is looked for: behind `OR REPLACE DEFINER = a @ b`.
const KIND_WITHIN: usize = 16;

impl Reading {
    fn statement(&mut self, mut at: Cursor<'_>) -> Flow {
        if at.takes("CREATE") {
            return self.create(at);
        }
        if at.takes("ALTER") {
            return self.alter(at);
        }
        if at.takes("DROP") {
            self.drop_tables(at);
        } else if at.takes("RENAME") {
            self.rename_tables(at);
        } else if at.takes("TRUNCATE") {
            let _ = at.takes("TABLE");
            self.each_table(at, &Clause::Truncate);
        } else if at.takes("USE") {
            self.space = at.name().or_else(|| self.space.take());
        }
        Flow::Continue(())
    }

    fn create(&mut self, mut at: Cursor<'_>) -> Flow {
        let mut replaces = false;
        for _ in 0..KIND_WITHIN {
            let Some(word) = at.word() else {
                if at.skip() {
                    continue;
                }
                return Flow::Continue(());
            };
            match word.to_ascii_uppercase().as_str() {
                "TABLE" => {
                    at.takes_all(&["IF", "NOT", "EXISTS"]);
                    if let Some(table) = self.table(&mut at) {
                        // What the table held before is gone.
                        if replaces {
                            self.add(&table, Clause::Drop);
                        }
                        self.add(&table, Clause::Create);
                    }
                    return Flow::Continue(());
                }
                "REPLACE" => replaces = true,
                kind if is_routine(kind) => return Flow::Break(()),
                // Gone with the connection that made it, and in nobody's log of changes.
                "TEMPORARY" | "TEMP" | "VIEW" | "INDEX" | "UNIQUE" | "DATABASE" | "SCHEMA" => {
                    return Flow::Continue(());
                }
                _ => {}
            }
        }
        Flow::Continue(())
    }

    fn alter(&mut self, mut at: Cursor<'_>) -> Flow {
        while ["ONLINE", "OFFLINE", "IGNORE"].iter().any(|word| at.takes(word)) {}
        if !at.takes("TABLE") {
            // The body of a routine holds statements that nobody has run.
            return if at.word().is_some_and(|kind| is_routine(&kind.to_ascii_uppercase())) {
                Flow::Break(())
            } else {
                Flow::Continue(())
            };
        }
        at.takes_all(&["IF", "EXISTS"]);
        let _ = at.takes("ONLY");
        let Some(table) = self.table(&mut at) else {
            return Flow::Continue(());
        };
        at.takes_wait();
        let place = self.place(&table);
        for change in alter::changes(self.dialect, at.rest()) {
            match change {
                alter::Change::Clause(clause) => self.push(place, clause),
                alter::Change::RenameTable(parts) => {
                    // A table stays in its database unless the new name says otherwise.
                    let here = self.tables.get(place).map(|(name, _)| name.clone());
                    let Some(from) = here else { continue };
                    let space = from.as_str().rsplit_once('.').map(|(space, _)| space.to_owned());
                    if let Some(to) = qualified(&parts, space.as_deref()) {
                        self.rename(from, to);
                    }
                }
            }
        }
        Flow::Continue(())
    }

    fn drop_tables(&mut self, mut at: Cursor<'_>) {
        if at.takes("TABLE") || at.takes("TABLES") {
            at.takes_all(&["IF", "EXISTS"]);
            self.each_table(at, &Clause::Drop);
        }
    }

    /// The clause for each table of a list.
    fn each_table(&mut self, at: Cursor<'_>, clause: &Clause) {
        for item in items(at.rest()) {
            let mut item = Cursor::new(item);
            let _ = item.takes("ONLY");
            if let Some(table) = self.table(&mut item) {
                self.add(&table, clause.clone());
            }
        }
    }

    fn rename_tables(&mut self, mut at: Cursor<'_>) {
        let _ = at.takes("TABLE") || at.takes("TABLES");
        at.takes_all(&["IF", "EXISTS"]);
        for item in items(at.rest()) {
            let mut item = Cursor::new(item);
            let Some(from) = self.table(&mut item) else { continue };
            item.takes_wait();
            if !item.takes("TO") {
                continue;
            }
            if let Some(to) = self.table(&mut item) {
                self.rename(from, to);
            }
        }
    }

    fn table(&self, at: &mut Cursor<'_>) -> Option<TableName> {
        qualified(&at.names(), self.space.as_deref())
    }

    fn place(&mut self, table: &TableName) -> usize {
        let next = self.tables.len();
        let place = *self.places.entry(table.clone()).or_insert(next);
        if place == next {
            self.tables.push((table.clone(), Vec::new()));
        }
        place
    }

    fn push(&mut self, place: usize, clause: Clause) {
        if let Some((_, clauses)) = self.tables.get_mut(place) {
            clauses.push(clause);
        }
    }

    fn add(&mut self, table: &TableName, clause: Clause) {
        let place = self.place(table);
        self.push(place, clause);
    }

    /// One table takes another name. Two tables may trade theirs by way of a third name.
    fn rename(&mut self, from: TableName, to: TableName) {
        let place = self.place(&from);
        self.places.remove(&from);
        self.places.insert(to.clone(), place);
        let Some((name, clauses)) = self.tables.get_mut(place) else { return };
        *name = to.clone();
        let first = clauses.iter().position(|clause| matches!(clause, Clause::RenameTable { .. }));
        match first {
            None => clauses.push(Clause::RenameTable { from }),
            // It is back under the name it had.
            Some(at) if clauses.get(at) == Some(&Clause::RenameTable { from: to }) => {
                clauses.remove(at);
            }
            Some(_) => {}
        }
    }
}

fn is_routine(kind: &str) -> bool {
    matches!(kind, "PROCEDURE" | "FUNCTION" | "TRIGGER" | "EVENT" | "PACKAGE")
}

/// The name of a table as changes of its rows give it: behind its database or schema.
fn qualified(parts: &[String], space: Option<&str>) -> Option<TableName> {
    match (parts, space.filter(|space| !space.is_empty())) {
        ([.., space, name], _) => Some(TableName::new(format!("{space}.{name}"))),
        ([name], Some(space)) => Some(TableName::new(format!("{space}.{name}"))),
        ([name], None) => Some(TableName::new(name)),
        ([], _) => None,
    }
}

#[cfg(test)]
mod tests;
