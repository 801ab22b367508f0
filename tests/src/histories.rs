//! Real schema histories: tables of five projects, version by version, out of the files
//! `schema-histories/*.csv` beside the project.
//!
//! The files are not whole. Where one changes or drops a column that it never announced, the
//! column is taken to have been there since the table's life began; where it changes a table
//! that it never created, the table is taken to have stood before. With that, every file tells
//! one consistent story, and a version without events is what the file leaves out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a row of a file says happened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// The table was there when the history began.
    Initial,
    /// The table was created with this column.
    CreateTable,
    /// The table was dropped with this column.
    DropTable,
    /// The column was added.
    AddColumn,
    /// The column was dropped.
    DropColumn,
    /// The column has another type text.
    ChangeType,
    /// The column joined the primary key or left it. The type may have changed as well.
    ChangeKey,
}

/// One row of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// To which column.
    pub column: String,
    /// The type's text as the file has it: upper case, without spaces.
    pub type_text: String,
    /// The type's text before; empty where there was none or the file does not know it.
    pub previous_type: String,
}

impl Event {
    /// Whether the column's type text changed.
    #[must_use]
    pub fn retypes(&self) -> bool {
        matches!(self.kind, Kind::ChangeType | Kind::ChangeKey) && self.type_text != self.previous_type
    }
}

/// A table after the events of one commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// The commit's time, seconds since the epoch.
    pub at: i64,
    /// The table.
    pub table: String,
    /// Its columns in order, with their type texts; empty where the table was dropped. A type
    /// text that the file does not know is empty.
    pub columns: Vec<(String, String)>,
    /// Its key columns, as far as the events tell: what a first [`Kind::ChangeKey`] puts in.
    pub key: Vec<String>,
    /// What happened, in the file's order; empty for a table that stood before its first event.
    pub events: Vec<Event>,
}

/// One project's history: versions in the order of their commits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct History {
    /// The project.
    pub project: String,
    /// Every version of every table.
    pub versions: Vec<Version>,
}

impl History {
    /// The versions of each table, in order.
    #[must_use]
    pub fn tables(&self) -> BTreeMap<&str, Vec<&Version>> {
        let mut tables: BTreeMap<&str, Vec<&Version>> = BTreeMap::new();
        for version in &self.versions {
            tables.entry(version.table.as_str()).or_default().push(version);
        }
        tables
    }
}

/// The histories beside the project; none, with a printed reason, where the folder is absent.
#[must_use]
pub fn all() -> Vec<History> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/schema-histories");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: there are no schema histories beside the project");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    files.sort();
    files.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> History {
    let text = std::fs::read_to_string(path).unwrap();
    let project = path.file_stem().unwrap().to_string_lossy().into_owned();
    History { project, versions: versions(&text) }
}

/// A table between its creation and its drop.
#[derive(Default)]
struct Life {
    /// Where its first version stands among the versions.
    born: usize,
    columns: Vec<(String, String)>,
    key: Vec<String>,
}

/// The versions that the rows of a file tell.
fn versions(text: &str) -> Vec<Version> {
    let mut rows: Vec<(i64, String, Event)> = Vec::new();
    for fields in records(text).into_iter().skip(1) {
        let [at, table, event, column, type_text, previous_type] = fields.try_into().unwrap();
        let kind = match event.as_str() {
            "initial" => Kind::Initial,
            "create_table" => Kind::CreateTable,
            "drop_table" => Kind::DropTable,
            "add_column" => Kind::AddColumn,
            "drop_column" => Kind::DropColumn,
            "change_type" => Kind::ChangeType,
            "change_key" => Kind::ChangeKey,
            unknown => panic!("`{unknown}` is no event"),
        };
        rows.push((at.parse().unwrap(), table, Event { kind, column, type_text, previous_type }));
    }
    let mut versions: Vec<Version> = Vec::new();
    let mut lives: BTreeMap<String, Life> = BTreeMap::new();
    for group in rows.chunk_by(|one, next| (one.0, &one.1) == (next.0, &next.1)) {
        let (at, table) = (group[0].0, group[0].1.clone());
        let events: Vec<Event> = group.iter().map(|(_, _, event)| event.clone()).collect();
        let begins = events.iter().any(|event| matches!(event.kind, Kind::Initial | Kind::CreateTable));
        if !lives.contains_key(&table) {
            lives.insert(table.clone(), Life { born: versions.len(), ..Life::default() });
            if !begins {
                versions.push(Version {
                    at,
                    table: table.clone(),
                    columns: Vec::new(),
                    key: Vec::new(),
                    events: Vec::new(),
                });
            }
        }
        let life = lives.get_mut(&table).unwrap();
        for event in &events {
            let there = life.columns.iter().any(|(name, _)| *name == event.column);
            let was = match event.kind {
                Kind::DropTable | Kind::DropColumn => &event.type_text,
                Kind::ChangeType | Kind::ChangeKey => &event.previous_type,
                _ => continue,
            };
            if !there {
                let column = (event.column.clone(), was.clone());
                let born = life.born;
                for version in versions.iter_mut().skip(born).filter(|version| version.table == table) {
                    version.columns.push(column.clone());
                }
                life.columns.push(column);
            }
        }
        for event in &events {
            life.apply(event);
        }
        let dropped = events.iter().any(|event| event.kind == Kind::DropTable);
        if dropped {
            *life = Life::default();
        }
        let (columns, key) = (life.columns.clone(), life.key.clone());
        versions.push(Version { at, table: table.clone(), columns, key, events });
        if dropped {
            lives.remove(&table);
        }
    }
    versions
}

impl Life {
    fn apply(&mut self, event: &Event) {
        let name = &event.column;
        match event.kind {
            Kind::Initial | Kind::CreateTable | Kind::AddColumn => {
                self.columns.push((name.clone(), event.type_text.clone()));
            }
            Kind::DropColumn => {
                self.columns.retain(|(column, _)| column != name);
                self.key.retain(|column| column != name);
            }
            Kind::ChangeType | Kind::ChangeKey => {
                if let Some((_, type_text)) = self.columns.iter_mut().find(|(column, _)| column == name) {
                    type_text.clone_from(&event.type_text);
                }
                if event.kind == Kind::ChangeKey {
                    let before = self.key.len();
                    self.key.retain(|column| column != name);
                    if self.key.len() == before {
                        self.key.push(name.clone());
                    }
                }
            }
            Kind::DropTable => {}
        }
    }
}

/// The records of a text in CSV (RFC 4180): a field in quotes may hold commas, and quotes twice.
fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut fields = vec![String::new()];
        let mut quoted = false;
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '"' if quoted && characters.next_if_eq(&'"').is_some() => {
                    fields.last_mut().unwrap().push('"')
                }
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(String::new()),
                _ => fields.last_mut().unwrap().push(character),
            }
        }
        records.push(fields);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_was_never_announced_has_been_there_all_along() {
        let text = "at,table,event,column,type,previous_type\n\
            1,a,create_table,id,INT,\n2,a,drop_column,x,\"ENUM(\"\"p\"\",\"\"q\"\")\",\n\
            3,b,change_type,id,BIGINT,INT\n4,a,drop_table,id,INT,\n";
        let versions = versions(text);
        let column = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let tables: Vec<(&str, i64, usize)> =
            versions.iter().map(|v| (v.table.as_str(), v.at, v.columns.len())).collect();
        assert_eq!(tables, [("a", 1, 2), ("a", 2, 1), ("b", 3, 1), ("b", 3, 1), ("a", 4, 0)]);
        assert_eq!(versions[0].columns, [column("id", "INT"), column("x", "ENUM(\"p\",\"q\")")]);
        assert_eq!((versions[2].columns[0].1.as_str(), versions[2].events.len()), ("INT", 0));
        assert_eq!(versions[3].columns, [column("id", "BIGINT")]);
    }
}
