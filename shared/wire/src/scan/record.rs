//! Owns the fast reading of records of Kinesis Data Streams for DynamoDB. The careful reader is
//! [`crate::cdc`]'s.

use evercount_core::change::{Change, Digests, RowIdentity, RowKey, TableName};
use evercount_core::order::OrderVersion;
use evercount_core::projection::Projection;
use evercount_core::value::{Item, Value, canonical};

use super::value::{Digested, Made, Nothing, described, item};
use super::{Cursor, DEPTH_MAX, Met, once};
use crate::cdc::key_identity;
use crate::cdc::time::{Unit, change_time};
use crate::json::{self, FIELDS_MAX};

/// Reads records, and keeps what of them their tables' counts need.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    /// Those of [`Self::project`], and behind them the one that was met last and is not among them.
    tables: Vec<Table>,
    projected: usize,
    bytes: Vec<u8>,
    whole: Vec<u8>,
}

/// One table's columns.
#[derive(Clone, Debug)]
struct Table {
    name: TableName,
    projection: Projection,
    names: Names,
}

impl Table {
    fn new(name: TableName, projection: Projection) -> Self {
        Self { name, projection, names: Names::default() }
    }
}

/// What a record says, as far as it has been read.
#[derive(Default)]
struct Draft<'a> {
    event: Option<&'a str>,
    time: Option<&'a str>,
    precision: Option<&'a str>,
    identity: Option<RowIdentity>,
    new: Option<Image>,
    old: Option<Image>,
}

struct Image {
    item: Item,
    digest: u64,
}

impl Scanner {
    /// Notes which columns of a table are kept. Of other tables none are: nobody counts them.
    pub fn project(&mut self, name: TableName, projection: Projection) {
        self.tables.truncate(self.projected);
        self.tables.retain(|table| table.name != name);
        self.tables.push(Table::new(name, projection));
        self.projected = self.tables.len();
    }

    /// Reads a record; `None` where it is unusual in any way.
    pub(crate) fn scan(&mut self, text: &str, epoch: u16) -> Option<Change> {
        let mut cursor = Cursor::new(text);
        let (mut table, mut draft) = (None, Draft::default());
        let mut met = Met::nothing();
        cursor.take(b'{')?;
        loop {
            let name = cursor.name()?;
            met.note(name)?;
            match name {
                "tableName" => once(&mut table, self.table(cursor.string()?)?)?,
                "eventName" => once(&mut draft.event, cursor.string()?)?,
                // Its table is known by then in every record that DynamoDB writes.
                "dynamodb" => self.images(&mut cursor, table?, &mut draft)?,
                "eventSourceARN" => return None,
                _ => cursor.skip(DEPTH_MAX)?,
            }
            if !cursor.more(b'}')? {
                break;
            }
        }
        cursor.end()?;
        let name = self.tables.get(table?)?.name.clone();
        draft.change(name, epoch, self.tables.get(table?)?.projection.digests())
    }

    /// The number of a table.
    fn table(&mut self, name: &str) -> Option<usize> {
        let known = self.tables.iter().position(|table| table.name.as_str() == name);
        if known.is_none() && !name.is_empty() {
            // In the place of the last such table, so that a flood of names does not grow the list.
            self.tables.truncate(self.projected);
            self.tables.push(Table::new(TableName::new(name), Projection::nothing()));
        }
        known.or_else(|| self.tables.len().checked_sub(1)).filter(|_| !name.is_empty())
    }

    fn images<'a>(&mut self, cursor: &mut Cursor<'a>, table: usize, draft: &mut Draft<'a>) -> Option<()> {
        cursor.take(b'{')?;
        loop {
            match cursor.name()? {
                "Keys" => once(&mut draft.identity, identity(cursor)?)?,
                "NewImage" => once(&mut draft.new, self.image(cursor, table)?)?,
                "OldImage" => once(&mut draft.old, self.image(cursor, table)?)?,
                "ApproximateCreationDateTime" => once(&mut draft.time, cursor.number()?)?,
                "ApproximateCreationDateTimePrecision" => once(&mut draft.precision, cursor.string()?)?,
                _ => cursor.skip(DEPTH_MAX)?,
            }
            if !cursor.more(b'}')? {
                return Some(());
            }
        }
    }

    fn image(&mut self, cursor: &mut Cursor<'_>, table: usize) -> Option<Image> {
        let Self { tables, bytes, whole, .. } = self;
        let Table { projection, names, .. } = tables.get_mut(table)?;
        let mut met = names.row();
        let mut kept = Item::new();
        let mut fields: Vec<Field<'_>> = Vec::new();
        let mut met_fields = 0;
        bytes.clear();
        cursor.take(b'{')?;
        let mut more = !cursor.takes(b'}')?;
        while more {
            let (name, is_kept) = met.take(cursor, projection)?;
            let start = bytes.len();
            if projection.digests() {
                let mut made = Made(None);
                described(cursor, &mut Digested { bytes, kept: is_kept.then_some(&mut made) })?;
                if let Some(value) = made.0 {
                    kept.insert(name.to_owned(), value);
                }
            } else if is_kept {
                let mut made = Made(None);
                described(cursor, &mut made)?;
                kept.insert(name.to_owned(), made.0?);
            } else {
                described(cursor, &mut Nothing)?;
            }
            met_fields += 1;
            if projection.digests() {
                fields.push(Field { name, start, end: bytes.len() });
            }
            more = cursor.more(b'}')?;
        }
        if met_fields > FIELDS_MAX || (met.is_doubtful() && (fields.is_empty() || names_twice(&fields))) {
            return None;
        }
        let digest = if projection.digests() { digest(&mut fields, bytes, whole)? } else { 0 };
        Some(Image { item: kept, digest })
    }
}

/// Takes the key of a row.
fn identity(cursor: &mut Cursor<'_>) -> Option<RowIdentity> {
    let start = *cursor;
    if let Some(identity) = text_identity(cursor) {
        return Some(identity);
    }
    *cursor = start;
    let keys = item(cursor, DEPTH_MAX)?;
    let keyable = |value: &Value| matches!(value, Value::String(_) | Value::Number(_) | Value::Binary(_));
    if keys.is_empty() || !keys.values().all(keyable) {
        return None;
    }
    key_identity(json::canonical_key(&keys)).ok()
}

/// Takes a key that is one text, which is its own canonical text but for the descriptor.
fn text_identity(cursor: &mut Cursor<'_>) -> Option<RowIdentity> {
    cursor.take(b'{')?;
    let name = cursor.name()?;
    if cursor.takes_descriptor()? != b'S' {
        return None;
    }
    let text = cursor.string()?;
    cursor.take(b'}')?;
    cursor.take(b'}')?;
    let mut canonical = String::with_capacity(name.len() + text.len() + 7);
    for part in ["{\"", name, "\":\"", text, "\"}"] {
        canonical.push_str(part);
    }
    key_identity(canonical).ok()
}

/// A field of an image, and where its value's canonical bytes are.
struct Field<'a> {
    name: &'a str,
    start: usize,
    end: usize,
}

fn names_twice(fields: &[Field<'_>]) -> bool {
    let mut names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

/// The digest of the whole image, whatever order its fields came in.
fn digest(fields: &mut [Field<'_>], bytes: &[u8], whole: &mut Vec<u8>) -> Option<u64> {
    fields.sort_unstable_by(|one, other| one.name.cmp(other.name));
    whole.clear();
    canonical::map(fields.len(), whole);
    for field in fields {
        canonical::name(field.name, whole);
        whole.extend_from_slice(bytes.get(field.start..field.end)?);
    }
    Some(canonical::digest(whole))
}

impl Draft<'_> {
    fn change(self, table: TableName, epoch: u16, digests: bool) -> Option<Change> {
        let unit = match self.precision {
            Some("MICROSECOND") => Unit::Microseconds,
            Some("MILLISECOND") | None => Unit::Milliseconds,
            Some(_) => return None,
        };
        let at = change_time(self.time?, unit)?;
        let after = match self.event? {
            "INSERT" | "MODIFY" => Some(self.new?),
            "REMOVE" => None,
            _ => return None,
        };
        let identity = self.identity?;
        let digest = |image: &Option<Image>| image.as_ref().map_or(0, |image| image.digest);
        let whole = digests.then(|| Digests { before: digest(&self.old), after: digest(&after) });
        Some(Change {
            row: RowKey { table, identity },
            before: self.old.map(|image| image.item),
            after: after.map(|image| image.item),
            version: OrderVersion::clock(epoch, at),
            at,
            whole,
        })
    }
}

/// How many names are remembered at once, and how far a name may stand from its place.
const PLACES: usize = 256;
const REACH: usize = 8;

/// The names of a table's columns as they were met, and whether each is kept. It is a table of fixed
/// size, so that a flood of names costs time and no memory.
#[derive(Clone, Debug)]
struct Names {
    places: Box<[Option<Name>]>,
    /// Where the name is that an image began with last.
    first: usize,
}

/// One name.
#[derive(Clone, Debug)]
struct Name {
    /// As it stands in an image: in its quotes, with a colon.
    quoted: Box<[u8]>,
    is_kept: bool,
    /// Where the name is that came after it last: images of one table are alike.
    next: usize,
}

impl Default for Names {
    fn default() -> Self {
        Self { places: vec![None; PLACES].into(), first: 0 }
    }
}

/// The names of one row.
struct Row<'n> {
    names: &'n mut Names,
    met: [u64; PLACES / 64],
    /// Where the last one met is.
    last: Option<usize>,
    doubtful: bool,
}

impl Names {
    fn row(&mut self) -> Row<'_> {
        Row { names: self, met: [0; PLACES / 64], last: None, doubtful: false }
    }
}

/// Where a name's place begins.
fn place(name: &str) -> usize {
    let mut head = [0; 8];
    let bytes = name.as_bytes();
    match bytes.first_chunk::<8>() {
        Some(chunk) => head = *chunk,
        None => head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from),
    }
    let tail = bytes.last().map_or(0, |last| u64::from(*last));
    let word = u64::from_le_bytes(head) ^ (tail << 56) ^ ((bytes.len() as u64) << 48);
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

impl Row<'_> {
    /// Takes the name of a field, and tells whether the field is kept.
    #[inline]
    fn take<'a>(&mut self, cursor: &mut Cursor<'a>, projection: &Projection) -> Option<(&'a str, bool)> {
        let expected = match self.last {
            Some(last) => self.names.places.get(last)?.as_ref()?.next,
            None => self.names.first,
        };
        let start = *cursor;
        if let Some(Some(known)) = self.names.places.get(expected)
            && cursor.takes_exactly(&known.quoted)
        {
            let (taken, is_kept) = (cursor.since(&start)?, known.is_kept);
            self.note(expected);
            return Some((taken.get(1..taken.len() - 2)?, is_kept));
        }
        let name = cursor.name()?;
        let at = self.find(name, projection);
        match self.last.and_then(|last| self.names.places.get_mut(last)?.as_mut()) {
            Some(before) => before.next = at,
            None => self.names.first = at,
        }
        self.note(at);
        Some((name, self.names.places.get(at)?.as_ref()?.is_kept))
    }

    /// The place of a name, made for it where it has none.
    fn find(&mut self, name: &str, projection: &Projection) -> usize {
        let start = place(name) % PLACES;
        let mut at = start;
        for _ in 0..REACH {
            match self.names.places.get(at) {
                Some(Some(known)) if known.quoted.get(1..known.quoted.len() - 2) == Some(name.as_bytes()) => {
                    return at;
                }
                Some(Some(_)) => at = (at + 1) % PLACES,
                _ => return self.learn(at, name, projection),
            }
        }
        // No place left near: it takes the first one, and whatever stood there was perhaps met.
        self.doubtful = true;
        self.learn(start, name, projection)
    }

    fn learn(&mut self, at: usize, name: &str, projection: &Projection) -> usize {
        if let Some(place) = self.names.places.get_mut(at) {
            let quoted = [b"\"", name.as_bytes(), b"\":"].concat().into();
            *place = Some(Name { quoted, is_kept: projection.keeps(name), next: at });
        }
        at
    }

    fn note(&mut self, at: usize) {
        if let Some(word) = self.met.get_mut(at / 64) {
            let bit = 1 << (at % 64);
            self.doubtful |= *word & bit != 0;
            *word |= bit;
        }
        self.last = Some(at);
    }

    /// Whether a name may have been met twice.
    fn is_doubtful(&self) -> bool {
        self.doubtful
    }
}
