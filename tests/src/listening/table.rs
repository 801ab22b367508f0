//! A table, or an event type, whose schema changes: what it writes and what happened to it.

use std::collections::{BTreeMap, VecDeque};

use evercount_core::schema_change::Subject;
use fastrand::Rng;

use super::plan::Kind;
use super::record::{self, Place};
use super::source::{Emission, Truth, Word};

/// Names of columns; no two are alike, so a name is no evidence of a rename.
const NAMES: [&str; 24] = [
    "status", "amount", "city", "email", "owner", "note", "plan", "region", "phone", "title", "weight",
    "hue", "grade", "level", "brand", "model", "price", "stock", "batch", "route", "zone", "token", "score",
    "label",
];

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holds {
    /// A text that hardly another row has.
    Text,
    /// An integer that hardly another row has.
    Integer,
    /// A boolean.
    Flag,
    /// A map with one text in it; in DynamoDB only.
    Map,
}

/// A column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// What it is, whatever its name is.
    pub id: u32,
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Whether only half of the rows have a value in it.
    pub half: bool,
}

/// A row: what each column holds.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Values by column; those of columns that came later are made up from the key.
    pub values: BTreeMap<u32, u32>,
    /// Rises with each write.
    pub writes: u32,
    /// The image as it was last written.
    image: String,
}

/// One change of a schema.
#[derive(Clone, Debug)]
enum Step {
    Add(Column),
    Drop(u32),
    Rename(u32, &'static str),
    Retype(u32, Holds),
    /// One column goes and another comes at once, with other values: no rename.
    Replace(u32, Column),
    Truncate,
    /// The table is dropped and made anew.
    Recreate,
    RenameTable,
}

/// A rolling deploy: writers of the shape before are still at work.
#[derive(Debug)]
struct Deploy {
    before: Vec<Column>,
    left: u32,
    length: u32,
}

/// The table.
#[derive(Debug)]
pub struct Table {
    kind: Kind,
    name: String,
    lives: u32,
    shape: Vec<Column>,
    deploy: Option<Deploy>,
    rows: BTreeMap<u32, Row>,
    keys: u32,
    /// How many rows each of the keys has had, one after the other.
    used: BTreeMap<u32, u32>,
    identity_full: bool,
    columns_made: u32,
    names: VecDeque<&'static str>,
    changes_left: u32,
    until_change: u32,
    /// Whether something has changed since the first shape.
    patient: bool,
    rows_left: u32,
    /// What happened to each subject.
    pub truth: BTreeMap<Subject, Truth>,
}

impl Table {
    /// A table of a kind, the `number`th of its source, and the records that announce it.
    ///
    /// Enough rows come before the first change for some lane to tell a first version.
    pub fn new(
        kind: Kind,
        number: usize,
        (changes, shards): (u32, u32),
        rng: &mut Rng,
        place: &Place,
    ) -> (Self, Vec<Emission>) {
        let mut names: Vec<&'static str> = NAMES.to_vec();
        rng.shuffle(&mut names);
        let mut table = Self {
            kind,
            name: format!("t{number}"),
            lives: 0,
            shape: Vec::new(),
            deploy: None,
            rows: BTreeMap::new(),
            keys: rng.u32(24..64),
            used: BTreeMap::new(),
            identity_full: rng.bool(),
            columns_made: 0,
            names: names.into(),
            changes_left: rng.u32(1..=changes) * if kind.is_declared() { 2 } else { 1 },
            until_change: if kind.is_declared() { rng.u32(5..60) } else { rng.u32(60..90) + 20 * shards },
            rows_left: 0,
            patient: false,
            truth: BTreeMap::new(),
        };
        table.shape = table.first_shape(rng);
        table.truth.entry(table.subject()).or_default().declared = kind.is_declared();
        let snapshot = rng.bool();
        let announced = if kind.is_declared() {
            if !snapshot {
                table.happened("create_table", None, None);
            }
            vec![table.ddl(place, "CREATE", &format!("CREATE TABLE `{}` (x INT)", table.name), snapshot)]
        } else {
            Vec::new()
        };
        (table, announced)
    }

    /// Whether nothing is left to write.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.changes_left == 0 && self.until_change == 0 && self.rows_left == 0
    }

    /// Writes the next record, or changes the schema.
    pub fn go_on(&mut self, rng: &mut Rng, place: &Place) -> Vec<Emission> {
        if self.until_change > 0 {
            self.until_change -= 1;
        } else if self.changes_left > 0 {
            self.changes_left -= 1;
            self.patient = !self.kind.is_declared();
            let declared = self.kind.is_declared();
            if self.changes_left > 0 {
                self.until_change = if declared { rng.u32(3..60) } else { rng.u32(140..220) };
            } else {
                self.rows_left = if declared { 40 } else { 260 };
            }
            return self.change(rng, place);
        } else {
            self.rows_left = self.rows_left.saturating_sub(1);
        }
        self.write(rng, place)
    }

    /// Its subject.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let name = &self.name;
        Subject::new(match self.kind {
            Kind::Declared => format!("shop.{name}"),
            Kind::DynamoDb => name.clone(),
            Kind::Postgres => format!("public.{name}"),
            Kind::Event => format!("event:{name}"),
            Kind::Telemetry => format!("otlp:log/{name}"),
        })
    }

    fn happened(&mut self, kind: &'static str, column: Option<&str>, to: Option<&str>) {
        let prefix = if self.kind == Kind::Telemetry { "attributes." } else { "" };
        let named =
            |name: &str| if kind == "rename_table" { name.to_owned() } else { format!("{prefix}{name}") };
        let word = Word { kind, column: column.map(named), to: to.map(named) };
        let subject = self.subject();
        self.truth.entry(subject).or_default().changes.push(word);
    }

    fn column(&mut self, holds: Holds, half: bool) -> Column {
        self.columns_made += 1;
        let name = self.names.pop_front().unwrap_or("spare");
        Column { id: self.columns_made, name, holds, half }
    }

    fn first_shape(&mut self, rng: &mut Rng) -> Vec<Column> {
        let mut shape = vec![self.column(Holds::Text, false), self.column(Holds::Integer, false)];
        for _ in 0..rng.u32(0..3) {
            shape.push(self.any_column(rng));
        }
        if rng.bool() {
            shape.push(self.column(Holds::Text, true));
        }
        shape
    }

    fn any_column(&mut self, rng: &mut Rng) -> Column {
        let holds = match rng.u32(0..if self.kind == Kind::DynamoDb { 4 } else { 3 }) {
            0 => Holds::Text,
            1 => Holds::Integer,
            2 => Holds::Flag,
            _ => Holds::Map,
        };
        self.column(holds, false)
    }

    fn choose(&mut self, rng: &mut Rng) -> Step {
        let whole: Vec<Column> = self.shape.iter().skip(1).filter(|one| !one.half).cloned().collect();
        let telling: Vec<&Column> =
            whole.iter().filter(|one| matches!(one.holds, Holds::Text | Holds::Integer)).collect();
        let any = |rng: &mut Rng| self.shape[rng.usize(1..self.shape.len())].id;
        let most = if self.kind.is_declared() { 11 } else { 9 };
        match rng.u32(0..most) {
            0..3 => Step::Add(self.any_column(rng)),
            3 | 4 if self.shape.len() > 2 => Step::Drop(any(rng)),
            5 if self.kind.has_rows() && !telling.is_empty() => {
                let column = telling[rng.usize(0..telling.len())].id;
                Step::Rename(column, self.names.pop_front().unwrap_or("spare"))
            }
            6 if !telling.is_empty() => {
                let column = telling[rng.usize(0..telling.len())];
                let holds = if column.holds == Holds::Text { Holds::Integer } else { Holds::Text };
                Step::Retype(column.id, holds)
            }
            7 if self.kind.has_rows() && !telling.is_empty() => {
                let column = telling[rng.usize(0..telling.len())].id;
                let next = self.any_column(rng);
                Step::Replace(column, next)
            }
            8 if matches!(self.kind, Kind::Declared | Kind::Postgres) => Step::Truncate,
            9 => Step::Recreate,
            10 => Step::RenameTable,
            _ => Step::Add(self.any_column(rng)),
        }
    }

    fn change(&mut self, rng: &mut Rng, place: &Place) -> Vec<Emission> {
        let step = self.choose(rng);
        let replaces = matches!(step, Step::Replace(..));
        let before = self.shape.clone();
        let at = |id: u32| before.iter().position(|one| one.id == id).unwrap_or(0);
        let table = self.name.clone();
        let alter = |clause: String| format!("ALTER TABLE `{table}` {clause}");
        let text;
        match step {
            Step::Add(column) => {
                text = alter(format!("ADD COLUMN `{}` INT", column.name));
                self.add(column);
            }
            Step::Drop(id) => {
                let gone = self.shape.remove(at(id));
                self.happened("drop_column", Some(gone.name), None);
                text = alter(format!("DROP COLUMN `{}`", gone.name));
            }
            Step::Rename(id, to) => {
                let from = std::mem::replace(&mut self.shape[at(id)].name, to);
                self.happened("rename_column", Some(from), Some(to));
                text = alter(format!("RENAME COLUMN `{from}` TO `{to}`"));
            }
            Step::Retype(id, holds) => {
                let column = &mut self.shape[at(id)];
                column.holds = holds;
                let name = column.name;
                self.happened("change_type", Some(name), None);
                text = alter(format!("MODIFY `{name}` INT"));
            }
            Step::Replace(id, column) => {
                let gone = self.shape.remove(at(id));
                self.happened("drop_column", Some(gone.name), None);
                text = alter(format!("DROP COLUMN `{}`, ADD COLUMN `{}` INT", gone.name, column.name));
                self.add(column);
            }
            Step::Truncate => {
                self.rows.clear();
                self.happened("truncate_table", None, None);
                return vec![self.emission(
                    "ddl".to_owned(),
                    record::truncate(self.kind, &self.name, place),
                    1,
                    true,
                )];
            }
            Step::Recreate => return self.recreate(rng, place),
            Step::RenameTable => return vec![self.rename(place)],
        }
        // Rows of two shapes that have each a column of their own are two types of entities, as
        // long as both are written.
        if self.kind.deploys() && !replaces {
            let length = [0, 6, 20, 40][rng.usize(0..4)];
            self.deploy = Some(Deploy { before, left: length, length: length.max(1) });
        }
        if self.kind.is_declared() { vec![self.ddl(place, "ALTER", &text, false)] } else { Vec::new() }
    }

    fn add(&mut self, column: Column) {
        self.happened("add_column", Some(column.name), None);
        self.shape.push(column);
    }

    fn recreate(&mut self, rng: &mut Rng, place: &Place) -> Vec<Emission> {
        self.rows.clear();
        self.happened("drop_table", None, None);
        let drop = format!("DROP TABLE `{}`", self.name);
        let dropped = record::ddl(&self.name, "DROP", &drop, None, false, None, place);
        let dropped = self.emission("ddl".to_owned(), dropped, 1, true);
        self.shape = self.first_shape(rng);
        self.happened("create_table", None, None);
        let create = format!("CREATE TABLE `{}` (x INT)", self.name);
        vec![dropped, self.ddl(&place.next(), "CREATE", &create, false)]
    }

    fn rename(&mut self, place: &Place) -> Emission {
        self.lives += 1;
        let subject = self.subject();
        let to = format!("{}_{}", self.name.split('_').next().unwrap_or("t"), self.lives);
        self.happened("rename_table", None, Some(&format!("shop.{to}")));
        let before = std::mem::replace(&mut self.name, to);
        self.truth.entry(self.subject()).or_default().declared = true;
        let text = format!("RENAME TABLE `{before}` TO `{}`", self.name);
        let data = record::ddl(&self.name, "ALTER", &text, Some(&self.shape), false, Some(&before), place);
        Emission { said: Some((subject, 1)), ..self.emission("ddl".to_owned(), data, 1, true) }
    }

    fn ddl(&self, place: &Place, operation: &str, text: &str, snapshot: bool) -> Emission {
        let data = record::ddl(&self.name, operation, text, Some(&self.shape), snapshot, None, place);
        self.emission("ddl".to_owned(), data, 1, true)
    }

    fn emission(&self, partition_key: String, data: Vec<u8>, said: u64, ddl: bool) -> Emission {
        Emission { partition_key, data, said: Some((self.subject(), said)), ddl, patient: self.patient }
    }

    /// The shape that the next writer has.
    fn writers_shape(&mut self, rng: &mut Rng) -> Vec<Column> {
        let Some(deploy) = &mut self.deploy else { return self.shape.clone() };
        if deploy.left == 0 {
            self.deploy = None;
            return self.shape.clone();
        }
        deploy.left -= 1;
        let is_old = rng.u32(0..deploy.length) < deploy.left;
        if is_old { deploy.before.clone() } else { self.shape.clone() }
    }

    fn write(&mut self, rng: &mut Rng, place: &Place) -> Vec<Emission> {
        if !self.kind.has_rows() {
            return vec![self.tell(rng, place)];
        }
        let shape = self.writers_shape(rng);
        // The key of a row that is gone is not used again.
        let slot = rng.u32(0..self.keys);
        let key = slot + self.keys * self.used.get(&slot).copied().unwrap_or(0);
        // What tells keys apart stands first, where it counts most for the hash.
        let partition_key = format!("{key}/{}/a-key", self.name);
        let before = self.rows.get(&key).cloned();
        if before.is_some() && rng.u32(0..10) == 0 {
            self.rows.remove(&key);
            *self.used.entry(slot).or_insert(0) += 1;
            let old = before.map(|row| self.before(&row, key));
            let data = record::row(self.kind, &self.name, key, old.as_deref(), None, place);
            return vec![self.emission(partition_key, data, 1, false)];
        }
        let mut row = before.clone().unwrap_or_default();
        row.writes += 1;
        let changed: Vec<u32> = if before.is_some() {
            // The first column is a status; the others are hardly written again.
            vec![shape[if rng.u32(0..5) > 0 { 0 } else { rng.usize(0..shape.len()) }].id]
        } else {
            shape.iter().map(|column| column.id).collect()
        };
        for id in changed {
            row.values.insert(id, rng.u32(1..2_000_000_000));
        }
        row.image = record::image(self.kind, &shape, key, &row);
        let old = before.map(|row| self.before(&row, key));
        let data = record::row(self.kind, &self.name, key, old.as_deref(), Some(&row.image), place);
        self.rows.insert(key, row);
        vec![self.emission(partition_key, data, 1, false)]
    }

    /// The image before a change: as it was written, or, where the database has columns, as they
    /// are now.
    fn before(&self, row: &Row, key: u32) -> String {
        match self.kind {
            Kind::DynamoDb => row.image.clone(),
            Kind::Postgres if !self.identity_full => "null".to_owned(),
            _ => record::image(self.kind, &self.shape, key, row),
        }
    }

    /// An event, or a document of several log records.
    fn tell(&mut self, rng: &mut Rng, place: &Place) -> Emission {
        let items = if self.kind == Kind::Telemetry { rng.u32(1..9) } else { 1 };
        let mut images = Vec::new();
        for _ in 0..items {
            let shape = self.writers_shape(rng);
            let mut row = Row { writes: rng.u32(..), ..Row::default() };
            for column in &shape {
                row.values.insert(column.id, rng.u32(1..2_000_000_000));
            }
            images.push(record::image(self.kind, &shape, 0, &row));
        }
        let data = record::items(self.kind, &self.name, &images, place);
        self.emission(rng.u32(..).to_string(), data, u64::from(items), false)
    }
}
