//! The clauses of an `ALTER TABLE`, behind the table's name.

use evercount_core::change::Clause;

use super::lexeme::{Cursor, Lexeme, items};
use crate::sql_type::Dialect;

/// What a clause did.
pub(super) enum Change {
    /// Something within the table.
    Clause(Clause),
    /// Gave the table this name, in parts.
    RenameTable(Vec<String>),
}

/// What stands in front of a list whose items do not repeat it, as SQL Server writes
/// `ADD a int, b int`.
#[derive(Clone, Copy)]
enum Verb {
    Add,
    Drop,
}

/// First words of clauses that conclude nothing and start with no verb of a list before them.
const OTHERS: [&str; 14] = [
    "SET", "ENABLE", "DISABLE", "OWNER", "VALIDATE", "INHERIT", "ATTACH", "DETACH", "REPLICA", "CLUSTER",
    "WITH", "NOCHECK", "SWITCH", "REBUILD",
];

pub(super) fn changes(dialect: Dialect, lexemes: &[Lexeme]) -> Vec<Change> {
    let mut reading = Clauses { dialect, changes: Vec::new() };
    let mut last = None;
    for item in items(lexemes) {
        last = reading.clause(Cursor::new(item), last);
    }
    reading.changes
}

struct Clauses {
    dialect: Dialect,
    changes: Vec<Change>,
}

impl Clauses {
    /// Reads one clause; returns the verb that an item without one goes on with.
    fn clause(&mut self, mut at: Cursor<'_>, last: Option<Verb>) -> Option<Verb> {
        if at.takes("ADD") {
            self.add(at);
            return Some(Verb::Add);
        }
        if at.takes("DROP") {
            self.drop(at);
            return Some(Verb::Drop);
        }
        if at.takes("MODIFY") {
            self.modify(at);
        } else if at.takes("CHANGE") {
            self.change(at);
        } else if at.takes("ALTER") {
            self.alter(at);
        } else if at.takes("RENAME") {
            self.rename(at);
        } else if self.dialect == Dialect::Standard && !at.is_any(&OTHERS) {
            match last {
                Some(Verb::Add) => self.definition(at, false),
                Some(Verb::Drop) => self.drop(at),
                None => {}
            }
            return last;
        }
        None
    }

    fn push(&mut self, clause: Clause) {
        self.changes.push(Change::Clause(clause));
    }

    fn add(&mut self, mut at: Cursor<'_>) {
        let column = at.takes("COLUMN");
        at.takes_all(&["IF", "NOT", "EXISTS"]);
        match at.list() {
            Some(list) => list.for_each(|item| self.definition(Cursor::new(item), false)),
            None => self.definition(at, column),
        }
    }

    /// A column, or, unless the statement calls it one, an index or a constraint.
    fn definition(&mut self, mut at: Cursor<'_>, column: bool) {
        if !column {
            if at.takes("CONSTRAINT") {
                let named = !at.is_at(0, "PRIMARY");
                if at.is_at(usize::from(named), "PRIMARY") {
                    self.push(Clause::ChangeKey);
                }
                return;
            }
            if at.is_at(0, "PRIMARY") && at.is_at(1, "KEY") {
                return self.push(Clause::ChangeKey);
            }
            if self.is_no_column(&at) {
                return;
            }
        }
        if let Some(name) = at.name() {
            self.push(Clause::AddColumn(name));
            if self.makes_key(at.rest()) {
                self.push(Clause::ChangeKey);
            }
        }
    }

    /// Whether what comes next is an index, a constraint or a partition. `KEY` and `PARTITION`
    /// are reserved in MySQL and may name columns elsewhere.
    fn is_no_column(&self, at: &Cursor<'_>) -> bool {
        let mysql = self.dialect == Dialect::MySql;
        at.is_any(&["INDEX", "UNIQUE", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK", "CONSTRAINT"])
            || (mysql && at.is_any(&["KEY", "PARTITION"]))
            || (at.is_at(0, "PARTITION") && !mysql && at.rest().len() > 2)
            || (at.is_at(0, "PERIOD") && at.is_at(1, "FOR"))
            || (at.is_at(0, "SYSTEM") && at.is_at(1, "VERSIONING"))
            || (at.is_at(0, "VECTOR") && (at.is_at(1, "INDEX") || at.is_at(1, "KEY")))
            || (at.is_at(0, "EXCLUDE") && (at.is_at(1, "USING") || at.rest().get(1) == Some(&Lexeme::Open)))
            || (at.is_at(0, "SUPPLEMENTAL") && at.is_at(1, "LOG"))
    }

    /// Whether a column's definition makes it the primary key: `PRIMARY KEY`, or in MySQL `KEY`
    /// alone.
    fn makes_key(&self, definition: &[Lexeme]) -> bool {
        let mut depth = 0_usize;
        let mut at = Cursor::new(definition);
        let mut unique = false;
        loop {
            match at.rest().first() {
                None => return false,
                Some(Lexeme::Open) => depth += 1,
                Some(Lexeme::Close) => depth = depth.saturating_sub(1),
                Some(_) if depth > 0 => {}
                Some(_) if at.is_at(0, "PRIMARY") && at.is_at(1, "KEY") => return true,
                Some(_) if self.dialect == Dialect::MySql && at.is_at(0, "KEY") && !unique => return true,
                Some(_) => unique = at.is_at(0, "UNIQUE"),
            }
            at.skip();
        }
    }

    fn drop(&mut self, mut at: Cursor<'_>) {
        if at.takes("PRIMARY") {
            return self.push(Clause::ChangeKey);
        }
        let column = at.takes("COLUMN") || at.takes("COLUMNS");
        if !column && self.is_no_column(&at) {
            return;
        }
        at.takes_all(&["IF", "EXISTS"]);
        match at.list() {
            Some(list) => {
                for item in list {
                    if let Some(name) = Cursor::new(item).name() {
                        self.push(Clause::DropColumn(name));
                    }
                }
            }
            None => {
                if let Some(name) = at.name() {
                    self.push(Clause::DropColumn(name));
                }
            }
        }
    }

    fn modify(&mut self, mut at: Cursor<'_>) {
        let column = at.takes("COLUMN");
        at.takes_all(&["IF", "EXISTS"]);
        match at.list() {
            Some(list) => list.for_each(|item| self.redefinition(Cursor::new(item), false)),
            None => self.redefinition(at, column),
        }
    }

    fn redefinition(&mut self, mut at: Cursor<'_>, column: bool) {
        let attributes = at.is_at(0, "DEFAULT") && at.is_at(1, "ATTRIBUTES");
        if !column && (attributes || at.is_at(0, "PRIMARY") || self.is_no_column(&at)) {
            return;
        }
        if let Some(name) = at.name() {
            self.push(Clause::ModifyColumn(name));
            if self.makes_key(at.rest()) {
                self.push(Clause::ChangeKey);
            }
        }
    }

    fn change(&mut self, mut at: Cursor<'_>) {
        let _ = at.takes("COLUMN");
        at.takes_all(&["IF", "EXISTS"]);
        let (Some(from), Some(to)) = (at.name(), at.name()) else { return };
        self.push(if from == to { Clause::ModifyColumn(to) } else { Clause::RenameColumn { from, to } });
        if self.makes_key(at.rest()) {
            self.push(Clause::ChangeKey);
        }
    }

    fn alter(&mut self, mut at: Cursor<'_>) {
        let column = at.takes("COLUMN");
        at.takes_all(&["IF", "EXISTS"]);
        if !column && self.is_no_column(&at) {
            return;
        }
        let Some(name) = at.name() else { return };
        // How a column is stored, or counted up, is no part of its definition.
        let redefines = if at.takes("SET") {
            at.is_any(&["DATA", "DEFAULT", "NOT"])
        } else if at.takes("DROP") {
            at.is_any(&["DEFAULT", "NOT"])
        } else {
            !at.rest().is_empty() && !at.is_any(&["ADD", "RESET", "RESTART"])
        };
        if redefines {
            self.push(Clause::ModifyColumn(name));
        }
    }

    fn rename(&mut self, mut at: Cursor<'_>) {
        if at.takes("COLUMN") {
            at.takes_all(&["IF", "EXISTS"]);
            return self.rename_column(at);
        }
        if at.is_any(&["INDEX", "KEY", "CONSTRAINT", "PARTITION"]) {
            return;
        }
        // PostgreSQL leaves the word COLUMN out: `RENAME a TO b`.
        if self.dialect == Dialect::Standard && at.is_at(1, "TO") {
            return self.rename_column(at);
        }
        if !at.takes("TO") && !at.takes("AS") && at.rest().first() == Some(&Lexeme::Other) {
            at.skip();
        }
        self.changes.push(Change::RenameTable(at.names()));
    }

    fn rename_column(&mut self, mut at: Cursor<'_>) {
        let from = at.name();
        if !at.takes("TO") {
            return;
        }
        if let (Some(from), Some(to)) = (from, at.name()) {
            self.push(Clause::RenameColumn { from, to });
        }
    }
}
