//! Histories: what happened to the tables of one project, in the order of time.
//!
//! A history comes from the registry's versions ([`crate::registry`]), from the `.sql` files of a repository
//! ([`crate::sql`]), or from a CSV file ([`read`]) with the header
//! `at,table,event,column,type,previous_type`: one line for each column that came, went or changed; `at` in
//! seconds since the epoch. A table that is created or dropped has one line for each of its columns. A line
//! that cannot be read is left out and reported with its number, so that one bad line of a long file costs
//! no more than itself.

use std::sync::Arc;

/// Seconds since the epoch, as version control writes the time of a commit.
pub type Seconds = i64;
/// Seconds of a day.
pub const DAY: Seconds = 86_400;
/// Half a year: the unit of the benchmark, and the longest horizon.
pub const HALF_YEAR: Seconds = 183 * DAY;

/// Longest name or type, bytes. DynamoDB's names end at 255, the identifiers of SQL at 128; a longer one is
/// a broken line, such as the rest of a file behind a quote that nobody closed.
pub const FIELD_BYTES_MAX: usize = 1_024;
/// Most events that are kept: 50 times the longest history known; at 80 bytes each and their names, about
/// 20 MiB.
pub const EVENTS_MAX: usize = 200_000;
/// Latest time that is believed, the year 2200: the number of half-years stays below 500 whatever a file
/// says.
pub const AT_MAX: Seconds = 7_258_118_400;
/// Most skipped lines that are listed; the others are counted.
pub const SKIPPED_LISTED_MAX: usize = 100;

/// What happened to a column.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EventKind {
    /// It was there when the history begins.
    Initial,
    /// It came with its table.
    CreateTable,
    /// It went with its table.
    DropTable,
    /// It came.
    AddColumn,
    /// It went.
    DropColumn,
    /// Its type changed.
    ChangeType,
    /// It became part of the key, or no longer is.
    ChangeKey,
    /// It goes on under another name: `column` is the new one, `before` the old one.
    RenameColumn,
}

impl EventKind {
    /// All with their names in the file.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Initial, "initial"),
        (Self::CreateTable, "create_table"),
        (Self::DropTable, "drop_table"),
        (Self::AddColumn, "add_column"),
        (Self::DropColumn, "drop_column"),
        (Self::ChangeType, "change_type"),
        (Self::ChangeKey, "change_key"),
        (Self::RenameColumn, "rename_column"),
    ];

    /// The kind of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, one)| *one == name).map(|(kind, _)| *kind)
    }
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// When.
    pub at: Seconds,
    /// To which table.
    pub table: Arc<str>,
    /// What.
    pub kind: EventKind,
    /// To which column.
    pub column: Arc<str>,
    /// Its type since, as the source writes it; empty where it is not known.
    pub typed: Arc<str>,
    /// Its type before, or its name before a rename; empty where there was none.
    pub before: Arc<str>,
}

/// The events of one project.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    /// Whose.
    pub project: String,
    // INVARIANT: in the order of time; what happened at one time keeps its order.
    events: Vec<Event>,
}

impl History {
    /// A history of events in any order.
    #[must_use]
    pub fn new(project: impl Into<String>, mut events: Vec<Event>) -> Self {
        events.retain(|event| (0..=AT_MAX).contains(&event.at));
        events.sort_by_key(|event| event.at);
        events.truncate(EVENTS_MAX);
        Self { project: project.into(), events }
    }

    /// The events in the order of time.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Events that happened at one time: what one commit or one deployment did.
    pub fn commits(&self) -> impl Iterator<Item = &[Event]> {
        self.events.chunk_by(|one, next| one.at == next.at)
    }

    /// When the history begins and ends; `None` where nothing happened.
    #[must_use]
    pub fn span(&self) -> Option<(Seconds, Seconds)> {
        Some((self.events.first()?.at, self.events.last()?.at))
    }
}

/// A line that was left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skipped {
    /// Its number in the file, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub because: String,
}

/// What a file holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Read {
    /// What could be read.
    pub history: History,
    /// The first lines that could not.
    pub skipped: Vec<Skipped>,
    /// How many lines could not.
    pub skipped_count: u64,
}

/// Why nothing of a file can be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// The header lacks a column.
    #[error("the header lacks `{0}`; it is `at,table,event,column,type,previous_type`")]
    Header(&'static str),
    /// The first line is no header.
    #[error("line 1: {0}")]
    First(String),
}

const COLUMNS: [&str; 6] = ["at", "table", "event", "column", "type", "previous_type"];

/// Reads a CSV file. The header's columns may stand in any order and among others.
///
/// # Errors
/// Where the header lacks a column that is needed (the last one may be missing).
pub fn read(project: &str, bytes: &[u8]) -> Result<Read, ReadError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.byte_headers().map_err(|error| ReadError::First(error.to_string()))?.clone();
    let position = |name: &str| {
        header.iter().position(|column| {
            column.strip_prefix(b"\xef\xbb\xbf").unwrap_or(column).trim_ascii() == name.as_bytes()
        })
    };
    let mut positions = [None; COLUMNS.len()];
    for (place, name) in positions.iter_mut().zip(COLUMNS) {
        *place = position(name);
        if place.is_none() && name != "previous_type" {
            return Err(ReadError::Header(name));
        }
    }
    let mut read = Read::default();
    let mut events = Vec::new();
    let mut skip = |line: u64, because: String| {
        read.skipped_count += 1;
        if read.skipped.len() < SKIPPED_LISTED_MAX {
            read.skipped.push(Skipped { line, because });
        }
    };
    let mut names = Names::default();
    let mut record = csv::ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                // Bytes in memory have no faults that go away.
                skip(reader.position().line(), error.to_string());
                break;
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        if events.len() >= EVENTS_MAX {
            skip(line, format!("more than {EVENTS_MAX} events"));
            break;
        }
        match event(&record, &positions, &mut names) {
            Ok(event) => events.push(event),
            Err(because) => skip(line, because),
        }
    }
    read.history = History::new(project, events);
    Ok(read)
}

/// Writes a history as [`read`] reads it.
#[must_use]
pub fn write(history: &History) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Memory does not refuse to be written to, and no field is too long for a record.
    let _ = writer.write_record(COLUMNS);
    for event in history.events() {
        let name = EventKind::ALL.iter().find(|(kind, _)| *kind == event.kind).map_or("", |(_, name)| name);
        let at = event.at.to_string();
        let _ =
            writer.write_record([&at, &*event.table, name, &*event.column, &*event.typed, &*event.before]);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// Names that were read before: a history has some thousand events and some hundred names.
#[derive(Default)]
struct Names(std::collections::BTreeSet<Arc<str>>);

impl Names {
    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}

fn event(
    record: &csv::ByteRecord,
    positions: &[Option<usize>; COLUMNS.len()],
    names: &mut Names,
) -> Result<Event, String> {
    let mut fields = [""; COLUMNS.len()];
    for ((field, position), name) in fields.iter_mut().zip(positions).zip(COLUMNS) {
        let bytes = match position.map(|at| record.get(at)) {
            Some(Some(bytes)) => bytes,
            Some(None) if name != "previous_type" && name != "type" => return Err(format!("no `{name}`")),
            _ => b"",
        };
        if bytes.len() > FIELD_BYTES_MAX {
            return Err(format!("`{name}` has {} bytes, more than {FIELD_BYTES_MAX}", bytes.len()));
        }
        if bytes.contains(&0) {
            return Err(format!("`{name}` holds a NUL"));
        }
        *field = std::str::from_utf8(bytes).map_err(|_| format!("`{name}` is not UTF-8"))?.trim();
    }
    let [at, table, kind, column, typed, before] = fields;
    let at: Seconds = at.parse().map_err(|_| format!("`{at}` is no time in seconds"))?;
    if !(0..=AT_MAX).contains(&at) {
        return Err(format!("`{at}` is not between 1970 and 2200"));
    }
    let kind = EventKind::parse(kind).ok_or_else(|| format!("`{kind}` is no event that is known"))?;
    if table.is_empty() {
        return Err("no table".to_owned());
    }
    Ok(Event {
        at,
        table: names.shared(table),
        kind,
        column: names.shared(column),
        typed: names.shared(typed),
        before: names.shared(before),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "at,table,event,column,type,previous_type\n";

    fn skipped(line: &str) -> String {
        let read = read("p", format!("{HEADER}{line}\n9,t,initial,a,INT,\n").as_bytes()).unwrap();
        assert_eq!(read.history.events().len(), 1, "the line after it is read: {line:?}");
        assert_eq!(read.skipped[0].line, 2);
        read.skipped[0].because.clone()
    }

    #[test]
    fn a_bad_line_costs_no_more_than_itself() {
        assert_eq!(skipped("x,t,initial,a,INT,"), "`x` is no time in seconds");
        assert_eq!(skipped("-1,t,initial,a,INT,"), "`-1` is not between 1970 and 2200");
        assert_eq!(
            skipped("99999999999999,t,initial,a,INT,"),
            "`99999999999999` is not between 1970 and 2200"
        );
        assert_eq!(skipped("1,t,exploded,a,INT,"), "`exploded` is no event that is known");
        assert_eq!(skipped("1,,initial,a,INT,"), "no table");
        assert_eq!(skipped("1,t"), "no `event`");
        assert_eq!(skipped("1,t\0,initial,a,INT,"), "`table` holds a NUL");
        let long = format!("1,{},initial,a,INT,", "t".repeat(2_000_000));
        assert_eq!(skipped(&long), "`table` has 2000000 bytes, more than 1024");
    }

    #[test]
    fn a_file_without_its_header_is_refused() {
        assert_eq!(read("p", b""), Err(ReadError::Header("at")));
        assert_eq!(read("p", b"at,table,column,type\n"), Err(ReadError::Header("event")));
        assert!(read("p", HEADER.as_bytes()).unwrap().history.events().is_empty());
    }

    #[test]
    fn times_out_of_order_are_put_in_order_and_what_is_at_one_time_keeps_its_order() {
        let text =
            format!("{HEADER}5,b,initial,x,INT,\n3,a,initial,z,INT,\n5,a,initial,y,\"ENUM('A','B')\",\n");
        let read = read("p", text.as_bytes()).unwrap();
        let seen: Vec<(i64, &str)> =
            read.history.events().iter().map(|event| (event.at, &*event.column)).collect();
        assert_eq!(seen, [(3, "z"), (5, "x"), (5, "y")]);
        assert_eq!(read.history.commits().count(), 2);
        assert_eq!(&*read.history.events()[2].typed, "ENUM('A','B')");
    }

    #[test]
    fn what_is_written_is_read() {
        let text = format!("{HEADER}3,a,initial,\"z, y\",\"ENUM('A','B')\",\n5,a,rename_column,y,INT,x\n");
        let history = read("p", text.as_bytes()).unwrap().history;
        assert_eq!(write(&history), text);
        assert_eq!(read("p", write(&history).as_bytes()).unwrap().history, history);
    }

    proptest! {
        #[test]
        fn nothing_in_a_file_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut text = HEADER.as_bytes().to_vec();
            text.extend(&bytes);
            let _ = read("p", &text);
            let _ = read("p", &bytes);
        }
    }
}
