//! Histories from the `.sql` files of a repository: what defined the tables, commit by commit.
//!
//! The state of the schema at a commit is what all files do in the order of their paths: `CREATE TABLE`,
//! `ALTER TABLE` and `DROP TABLE`, as far as tables and columns go. Two states that follow each other are
//! compared. So a file that is edited in place and a folder of migrations are read in one way; a column that
//! is renamed in either is one that went and one that came.
//!
//! Only the tokens of `sqlparser` are used and not its parser, which refuses what it does not know and
//! overflows the stack on nested input; whatever is not understood changes nothing.

mod statement;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::history::{Event, EventKind, History, Seconds};
use statement::{Statement, statements};

/// Most bytes of a file that are read; dumps with the rows in them are longer.
const FILE_BYTES_MAX: usize = 1 << 20;

/// What a commit did to a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileChange {
    /// When.
    pub at: Seconds,
    /// Which file.
    pub path: String,
    /// Its text since; `None` where it is gone.
    pub text: Option<String>,
}

type Columns = BTreeMap<String, String>;
type Tables = BTreeMap<String, Columns>;

/// The history that files tell; changes in the order of time.
#[must_use]
pub fn history(project: &str, changes: &[FileChange]) -> History {
    let mut files: BTreeMap<&str, Vec<Statement>> = BTreeMap::new();
    let mut before: Option<Tables> = None;
    let mut events = Vec::new();
    for commit in changes.chunk_by(|one, next| one.at == next.at) {
        for change in commit {
            match &change.text {
                Some(text) => files.insert(&change.path, statements(head(text))),
                None => files.remove(&*change.path),
            };
        }
        let after = state(files.values().flatten());
        let at = commit.first().map_or(0, |change| change.at);
        compare(at, before.as_ref(), &after, &mut events);
        before = Some(after);
    }
    History::new(project, events)
}

fn head(text: &str) -> &str {
    let mut end = text.len().min(FILE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn state<'a>(statements: impl Iterator<Item = &'a Statement>) -> Tables {
    let mut tables = Tables::new();
    for statement in statements {
        match statement {
            Statement::Create { table, columns } => {
                tables.insert(table.clone(), columns.iter().cloned().collect());
            }
            Statement::DropTable { table } => {
                tables.remove(table);
            }
            Statement::RenameTable { table, to } => {
                if let Some(columns) = tables.remove(table) {
                    tables.insert(to.clone(), columns);
                }
            }
            Statement::Put { table, column, typed } => {
                tables.entry(table.clone()).or_default().insert(column.clone(), typed.clone());
            }
            Statement::Drop { table, column } => {
                if let Some(columns) = tables.get_mut(table) {
                    columns.remove(column);
                }
            }
            Statement::Rename { table, column, to, typed } => {
                let columns = tables.entry(table.clone()).or_default();
                let known = columns.remove(column).unwrap_or_default();
                columns.insert(to.clone(), typed.clone().unwrap_or(known));
            }
        }
    }
    tables
}

fn compare(at: Seconds, before: Option<&Tables>, after: &Tables, events: &mut Vec<Event>) {
    let mut tell = |kind, table: &str, column: &str, typed: &str, previous: &str| {
        let shared = |text: &str| -> Arc<str> { text.into() };
        events.push(Event {
            at,
            table: shared(table),
            kind,
            column: shared(column),
            typed: shared(typed),
            before: shared(previous),
        });
    };
    let nothing = Tables::new();
    let came = if before.is_some() { EventKind::CreateTable } else { EventKind::Initial };
    let before = before.unwrap_or(&nothing);
    for (table, columns) in before.iter().filter(|(table, _)| !after.contains_key(*table)) {
        for (column, typed) in columns {
            tell(EventKind::DropTable, table, column, typed, "");
        }
    }
    for (table, columns) in after {
        let Some(old) = before.get(table) else {
            for (column, typed) in columns {
                tell(came, table, column, typed, "");
            }
            continue;
        };
        for (column, typed) in columns {
            match old.get(column) {
                None => tell(EventKind::AddColumn, table, column, typed, ""),
                Some(was) if was != typed => tell(EventKind::ChangeType, table, column, typed, was),
                Some(_) => {}
            }
        }
        for (column, typed) in old.iter().filter(|(column, _)| !columns.contains_key(*column)) {
            tell(EventKind::DropColumn, table, column, typed, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(changes: &[(Seconds, &str, Option<&str>)]) -> Vec<String> {
        let changes: Vec<FileChange> = changes
            .iter()
            .map(|(at, path, text)| FileChange {
                at: *at,
                path: (*path).into(),
                text: text.map(str::to_owned),
            })
            .collect();
        let name = |kind| EventKind::ALL.iter().find(|(one, _)| *one == kind).map_or("", |(_, name)| *name);
        let line = |event: &Event| {
            let text = format!(
                "{} {} {} {} {} {}",
                event.at,
                name(event.kind),
                event.table,
                event.column,
                event.typed,
                event.before
            );
            text.trim_end().to_owned()
        };
        history("p", &changes).events().iter().map(line).collect()
    }

    const FIRST: &str = "-- tables\nCREATE TABLE IF NOT EXISTS `users` (\n `id` int(11) NOT NULL auto_increment,\n \
        name varchar(255) DEFAULT 'a,b);', -- who\n kind enum('x','y'),\n PRIMARY KEY (`id`), KEY n (name)\n) ENGINE=InnoDB;\n\
        INSERT INTO users VALUES (1, 'CREATE TABLE no (a int);', 'x');";

    #[test]
    fn a_file_that_is_edited_tells_what_came_went_and_changed() {
        let edited = FIRST.replace("varchar(255)", "TEXT").replace(" kind enum('x','y'),", " born date,");
        let seen = told(&[(1, "a.sql", Some(FIRST)), (2, "a.sql", Some(&edited)), (3, "a.sql", None)]);
        assert_eq!(
            seen,
            [
                "1 initial users id INT(11)",
                "1 initial users kind ENUM('x','y')",
                "1 initial users name VARCHAR(255)",
                "2 add_column users born DATE",
                "2 change_type users name TEXT VARCHAR(255)",
                "2 drop_column users kind ENUM('x','y')",
                "3 drop_table users born DATE",
                "3 drop_table users id INT(11)",
                "3 drop_table users name TEXT",
            ]
        );
    }

    #[test]
    fn a_folder_of_migrations_tells_the_same() {
        let seen = told(&[
            (1, "m/001.sql", Some("CREATE TABLE public.t (id bigint PRIMARY KEY, a text, b numeric(10, 2))")),
            (
                2,
                "m/002.sql",
                Some(
                    "ALTER TABLE ONLY t ADD COLUMN c timestamp with time zone, DROP COLUMN IF EXISTS a, ADD CONSTRAINT x UNIQUE (c);",
                ),
            ),
            (
                3,
                "m/003.sql",
                Some(
                    "alter table t alter column b type double precision; alter table t rename column c to d",
                ),
            ),
            (
                4,
                "m/004.sql",
                Some(
                    "alter table t change d e int unsigned not null; alter table t modify e bigint; drop table if exists gone, t",
                ),
            ),
        ]);
        assert_eq!(
            seen,
            [
                "1 initial t a TEXT",
                "1 initial t b NUMERIC(10,2)",
                "1 initial t id BIGINT",
                "2 add_column t c TIMESTAMP WITH TIME ZONE",
                "2 drop_column t a TEXT",
                "3 change_type t b DOUBLE PRECISION NUMERIC(10,2)",
                "3 add_column t d TIMESTAMP WITH TIME ZONE",
                "3 drop_column t c TIMESTAMP WITH TIME ZONE",
                "4 drop_table t b DOUBLE PRECISION",
                "4 drop_table t d TIMESTAMP WITH TIME ZONE",
                "4 drop_table t id BIGINT",
            ]
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            words in "(CREATE|ALTER|TABLE|DROP|ADD|COLUMN|RENAME|TO|CHANGE|t|a|int|\\(|\\)|,|;|'|`| |\n){0,60}",
        ) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let _ = told(&[(1, "a", Some(&text)), (2, "a", Some(&words)), (3, "b", Some(&words))]);
        }
    }

    #[test]
    fn a_deep_nest_is_no_deep_stack() {
        let nest =
            format!("CREATE TABLE t (a int CHECK {}1{}, b int)", "(".repeat(200_000), ")".repeat(200_000));
        assert_eq!(told(&[(1, "a", Some(&nest))]).len(), 2);
    }
}
