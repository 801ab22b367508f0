//! Owns the fast reading of records of Kinesis Data Streams for DynamoDB. The careful reader is
//! [`crate::cdc`]'s.
//!
//! Records of one table and one event differ in their images and a few values besides
//! ([`Template`]); only one that is like none of those before it is read by its names.

use evercount_core::change::{Change, ChangeRef, Digests, RowIdentity, RowKey, TableName};
use evercount_core::image::{self, Frames, ImageRef, Layout};
use evercount_core::mutation::version_in;
use evercount_core::order::{ItemVersion, Micros, OrderVersion};
use evercount_core::projection::Projection;
use evercount_core::value::{Item, Value, canonical};

use super::names::{Before, Kept, Names};
use super::quotes::Quotes;
use super::template::{Places, Template};
use super::value::{Digested, Made, Nothing, described, item, read_number, read_value};
use super::{Cursor, DEPTH_MAX, Met, Opened, once};
use crate::cdc::KEY_BYTES_MAX;
use crate::cdc::time::{Unit, change_time};
use crate::json::{self, FIELDS_MAX};

/// Reads records, and keeps what of them their tables' counts need.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    quotes: Quotes,
    reader: Reader,
}

/// Reads records whose quotes are found.
#[derive(Clone, Debug, Default)]
struct Reader {
    /// Those of [`Self::project`], and behind them the one that was met last and is not among them.
    tables: Vec<Table>,
    projected: usize,
    alike: Vec<Alike>,
    bytes: Vec<u8>,
    whole: Vec<u8>,
    key: String,
    new: Frames,
    old: Frames,
}

/// One table's columns.
#[derive(Clone, Debug)]
struct Table {
    name: TableName,
    projection: Projection,
    names: Names,
    /// How its columns are taken, where they stay as they are.
    layout: Option<Layout>,
}

impl Table {
    fn new(name: TableName, projection: Projection) -> Self {
        let layout = projection.unread().cloned();
        let layout = layout.map(|columns| Layout { columns, read: read_value, read_number });
        Self { name, projection, names: Names::default(), layout }
    }
}

/// How many kinds of record are remembered: insertions, modifications and removals of two tables, and
/// two more. One that is not among them costs a comparison with each.
const ALIKE_MAX: usize = 8;

/// What the records of one table and one event are like.
#[derive(Clone, Debug)]
struct Alike {
    table: usize,
    event: Event,
    unit: Unit,
    template: Template<Part>,
}

/// What differs from record to record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// Its id and its size, which nobody wants.
    Id,
    Size,
    Time,
    Keys,
    /// The text of a key that is one text, whose column has a name of so many bytes.
    KeyText(usize),
    New,
    Old,
}

/// What happened to the row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Event {
    Put,
    Removed,
}

/// What a record says, as far as it has been read.
#[derive(Default)]
struct Draft<'a> {
    table: Option<usize>,
    event: Option<Event>,
    unit: Option<Unit>,
    time: Option<&'a str>,
    key: Option<Key<'a>>,
    new: Option<Image>,
    old: Option<Image>,
    size: Option<&'a str>,
}

/// The key of a row.
enum Key<'a> {
    /// One text, which is its own canonical text but for the descriptor; with the name of its column.
    Text(&'a str, &'a str),
    /// Any other, as canonical text.
    Canonical(String),
}

struct Image {
    columns: Taken,
    digest: u64,
    version: ItemVersion,
}

/// What became of an image's columns.
enum Taken {
    /// Those that are kept are values.
    Made(Item),
    /// They stay as they are, in the scanner's room.
    Unread,
}

/// A record of one change that was scanned. What of it is kept is still where it was scanned.
pub struct Scanned<'s> {
    table: &'s Table,
    key: Key<'s>,
    new: Option<Image>,
    old: Option<Image>,
    new_columns: &'s Frames,
    old_columns: &'s Frames,
    version: OrderVersion,
    at: Micros,
    room: &'s mut String,
}

impl Scanner {
    /// Notes which columns of a table are kept. Of other tables none are: nobody counts them.
    pub fn project(&mut self, name: TableName, projection: Projection) {
        self.reader.project(name, projection);
    }

    /// Reads a record; `None` where it is unusual in any way.
    pub(crate) fn scan<'s>(&'s mut self, text: &'s str, epoch: u16) -> Option<Scanned<'s>> {
        let Self { quotes, reader } = self;
        reader.scan(Cursor::with_quotes(text, quotes.of(text.as_bytes())), epoch)
    }
}

impl Reader {
    fn project(&mut self, name: TableName, projection: Projection) {
        self.tables.truncate(self.projected);
        self.tables.retain(|table| table.name != name);
        self.tables.push(Table::new(name, projection));
        self.projected = self.tables.len();
        self.alike.clear();
    }

    fn scan<'s>(&'s mut self, start: Cursor<'s>, epoch: u16) -> Option<Scanned<'s>> {
        let draft = match self.alike(start) {
            Some(draft) => draft,
            None => self.by_names(start)?,
        };
        let at = change_time(draft.time?, draft.unit?)?;
        let new = match draft.event? {
            Event::Put => Some(draft.new?),
            Event::Removed => None,
        };
        let [before, given] = [&draft.old, &new].map(|image| image.as_ref().map(|image| image.version));
        let version = OrderVersion::stamped(epoch, at, ItemVersion::of_change(before, given, at));
        let table = self.tables.get(draft.table?)?;
        let (new_columns, old_columns, room) = (&self.new, &self.old, &mut self.key);
        Some(Scanned {
            table,
            key: draft.key?,
            new,
            old: draft.old,
            new_columns,
            old_columns,
            version,
            at,
            room,
        })
    }

    /// Reads a record that is like one of those before it.
    fn alike<'a>(&mut self, start: Cursor<'a>) -> Option<Draft<'a>> {
        let alike = std::mem::take(&mut self.alike);
        let draft = alike.iter().find_map(|alike| {
            let (table, event, unit) = (Some(alike.table), Some(alike.event), Some(alike.unit));
            let (mut cursor, mut draft) = (start, Draft { table, event, unit, ..Draft::default() });
            alike.template.take(&mut cursor, |cursor, part| self.part(cursor, &mut draft, part))?;
            cursor.end()?;
            Some(draft)
        });
        self.alike = alike;
        draft
    }

    /// Reads a record by its names, and remembers what it is like.
    fn by_names<'a>(&mut self, start: Cursor<'a>) -> Option<Draft<'a>> {
        let mut cursor = start;
        let (mut draft, mut places) = (Draft::default(), Places::default());
        let mut met = Met::nothing();
        cursor.take(b'{')?;
        loop {
            let name = cursor.name()?;
            met.note(name)?;
            match name {
                "tableName" => once(&mut draft.table, self.table(cursor.string()?)?)?,
                "eventName" => once(&mut draft.event, event(cursor.string()?)?)?,
                "eventID" => self.placed(&mut cursor, &mut draft, &mut places, Part::Id)?,
                "dynamodb" => self.images(&mut cursor, &mut draft, &mut places)?,
                "eventSourceARN" => return None,
                _ => cursor.skip(DEPTH_MAX)?,
            }
            if !cursor.more(b'}')? {
                break;
            }
        }
        let template = Template::of(&start, &cursor, &places)?;
        cursor.end()?;
        let unit = *draft.unit.get_or_insert(Unit::Milliseconds);
        if self.alike.len() >= ALIKE_MAX {
            self.alike.remove(0);
        }
        self.alike.push(Alike { table: draft.table?, event: draft.event?, unit, template });
        Some(draft)
    }

    /// Takes a part, and notes where it is.
    fn placed<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        draft: &mut Draft<'a>,
        places: &mut Places<Part>,
        part: Part,
    ) -> Option<()> {
        cursor.peek()?;
        let from = *cursor;
        self.part(cursor, draft, part)?;
        places.note(&from, cursor, part);
        Some(())
    }

    #[inline]
    fn part<'a>(&mut self, cursor: &mut Cursor<'a>, draft: &mut Draft<'a>, part: Part) -> Option<()> {
        match part {
            Part::Id => cursor.pass_string(),
            Part::Size => once(&mut draft.size, cursor.number()?).map(drop),
            Part::Time => once(&mut draft.time, cursor.number()?),
            Part::Keys => once(&mut draft.key, key(cursor)?),
            Part::KeyText(name) => once(&mut draft.key, key_text(cursor, name)?),
            // Its table is known by then in every record that DynamoDB writes.
            Part::New => once(&mut draft.new, self.image(cursor, draft.table?, part)?),
            Part::Old => once(&mut draft.old, self.image(cursor, draft.table?, part)?),
        }
    }

    /// The number of a table.
    fn table(&mut self, name: &str) -> Option<usize> {
        let known = self.tables.iter().position(|table| table.name.as_str() == name);
        if known.is_none() && !name.is_empty() {
            // In the place of the last such table, so that a flood of names does not grow the list.
            self.tables.truncate(self.projected);
            self.alike.retain(|alike| alike.table < self.projected);
            self.tables.push(Table::new(TableName::new(name), Projection::nothing()));
        }
        known.or_else(|| self.tables.len().checked_sub(1)).filter(|_| !name.is_empty())
    }

    fn images<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        draft: &mut Draft<'a>,
        places: &mut Places<Part>,
    ) -> Option<()> {
        cursor.take(b'{')?;
        loop {
            match cursor.name()? {
                "Keys" => {
                    let part = key_part(cursor).unwrap_or(Part::Keys);
                    let from = *cursor;
                    self.part(cursor, draft, part)?;
                    places.note(&from, cursor, part);
                    if part != Part::Keys {
                        cursor.takes_exactly(KEY_TEXT_END).then_some(())?;
                    }
                }
                "NewImage" => self.placed(cursor, draft, places, Part::New)?,
                "OldImage" => self.placed(cursor, draft, places, Part::Old)?,
                "ApproximateCreationDateTime" => self.placed(cursor, draft, places, Part::Time)?,
                "ApproximateCreationDateTimePrecision" => once(&mut draft.unit, unit(cursor.string()?)?)?,
                "SizeBytes" => self.placed(cursor, draft, places, Part::Size)?,
                _ => cursor.skip(DEPTH_MAX)?,
            }
            if !cursor.more(b'}')? {
                return Some(());
            }
        }
    }

    fn image(&mut self, cursor: &mut Cursor<'_>, table: usize, part: Part) -> Option<Image> {
        let table = self.tables.get_mut(table)?;
        let frames = if part == Part::Old { &mut self.old } else { &mut self.new };
        match &table.layout {
            Some(_) => unread(cursor, &mut table.names, &table.projection, frames),
            None => made(cursor, &mut table.names, &table.projection, (&mut self.bytes, &mut self.whole)),
        }
    }
}

/// Takes an image whose columns stay as they are.
#[inline(never)]
fn unread(
    place: &mut Cursor<'_>,
    names: &mut Names,
    projection: &Projection,
    frames: &mut Frames,
) -> Option<Image> {
    let (mut met, mut version) = (names.row(projection), ItemVersion::NONE);
    frames.clear();
    let mut cursor = *place;
    let mut next = met.first(&mut cursor)?;
    while let Some(field) = next {
        let value = field.value(&cursor);
        let before = match field.opened {
            Some(Opened::Text) => cursor.reach_quote().map(|()| Before::Opened)?,
            Some(Opened::Number) => cursor.reach_quote_of_number().map(|()| Before::Opened)?,
            None => {
                // Of a copy, so that the cursor itself can be kept in registers.
                let mut copy = cursor;
                described(&mut copy, &mut Nothing)?;
                cursor = copy;
                Before::Value
            }
        };
        if field.is_wanted {
            let (text, length) = (cursor.all().get(value..)?, cursor.passed() + before.rest() - value);
            let (kept, is_version) = met.kept(field)?;
            match (kept, field.opened) {
                (Kept::Unread(column), Some(Opened::Number)) => frames.push_number(column, text, length)?,
                (Kept::Unread(column), _) => frames.push(column, text, length)?,
                _ => {}
            }
            if is_version {
                version = read_value(text.get(..length)?).as_ref().map_or(ItemVersion::NONE, version_in);
            }
        }
        next = met.next(&mut cursor, field, before)?;
    }
    *place = cursor;
    frames.fill();
    // Who cannot tell whether a name was met twice leaves it to the careful reader; so it is where there are many.
    if met.is_doubtful() {
        return None;
    }
    Some(Image { columns: Taken::Unread, digest: 0, version })
}

/// Takes an image whose columns are made values of, where they are kept.
#[inline(never)]
fn made(
    cursor: &mut Cursor<'_>,
    names: &mut Names,
    projection: &Projection,
    (bytes, whole): (&mut Vec<u8>, &mut Vec<u8>),
) -> Option<Image> {
    let mut met = names.row(projection);
    let mut item = Item::new();
    let mut fields: Vec<Field<'_>> = Vec::new();
    let (mut met_fields, mut version) = (0, ItemVersion::NONE);
    bytes.clear();
    let mut next = met.first(cursor)?;
    while let Some(field) = next {
        let ((kept, is_version), name, start) = (met.kept(field)?, met.name(field, cursor)?, bytes.len());
        // Here a value is read from its beginning.
        *cursor = cursor.at(field.value(cursor));
        if is_version {
            let mut made = Made(None);
            described(&mut { *cursor }, &mut made)?;
            version = made.0.as_ref().map_or(ItemVersion::NONE, version_in);
        }
        let is_kept = kept != Kept::No;
        if projection.digests() {
            let mut made = Made(None);
            described(cursor, &mut Digested { bytes, kept: is_kept.then_some(&mut made) })?;
            if let Some(value) = made.0 {
                item.insert(name.to_owned(), value);
            }
        } else if is_kept {
            let mut made = Made(None);
            described(cursor, &mut made)?;
            item.insert(name.to_owned(), made.0?);
        } else {
            described(cursor, &mut Nothing)?;
        }
        met_fields += 1;
        if projection.digests() {
            fields.push(Field { name, start, end: bytes.len() });
        }
        next = met.next(cursor, field, Before::Value)?;
    }
    if met_fields > FIELDS_MAX || (met.is_doubtful() && (fields.is_empty() || names_twice(&fields))) {
        return None;
    }
    let digest = if projection.digests() { digest(&mut fields, bytes, whole)? } else { 0 };
    Some(Image { columns: Taken::Made(item), digest, version })
}

fn event(name: &str) -> Option<Event> {
    match name {
        "INSERT" | "MODIFY" => Some(Event::Put),
        "REMOVE" => Some(Event::Removed),
        _ => None,
    }
}

fn unit(precision: &str) -> Option<Unit> {
    match precision {
        "MICROSECOND" => Some(Unit::Microseconds),
        "MILLISECOND" => Some(Unit::Milliseconds),
        _ => None,
    }
}

/// Takes the key of a row.
fn key<'a>(cursor: &mut Cursor<'a>) -> Option<Key<'a>> {
    let keys = item(cursor, DEPTH_MAX)?;
    let keyable = |value: &Value| matches!(value, Value::String(_) | Value::Number(_) | Value::Binary(_));
    if keys.is_empty() || !keys.values().all(keyable) {
        return None;
    }
    let canonical = json::canonical_key(&keys);
    (canonical.len() <= KEY_BYTES_MAX).then_some(Key::Canonical(canonical))
}

/// What stands between the name and the text of a key that is one text, and behind it.
const KEY_TEXT_BEGIN: &[u8] = br#"":{"S":""#;
const KEY_TEXT_END: &[u8] = b"}}";

/// Takes what stands before the text of a key that is one text; that part.
fn key_part(cursor: &mut Cursor<'_>) -> Option<Part> {
    let mut ahead = *cursor;
    ahead.take(b'{')?;
    let name = ahead.string()?;
    ahead = ahead.at(ahead.passed() - 1);
    if !ahead.takes_exactly(KEY_TEXT_BEGIN) {
        return None;
    }
    let mut behind = ahead;
    behind.pass_content()?;
    if !behind.takes_exactly(KEY_TEXT_END) {
        return None;
    }
    *cursor = ahead;
    Some(Part::KeyText(name.len()))
}

/// Takes the text of a key that is one text, whose column has a name of so many bytes.
fn key_text<'a>(cursor: &mut Cursor<'a>, name: usize) -> Option<Key<'a>> {
    let end = cursor.passed().checked_sub(KEY_TEXT_BEGIN.len())?;
    let name = cursor.between(end.checked_sub(name)?, end)?;
    let text = cursor.content()?;
    (name.len() + text.len() + QUOTED_BYTES <= KEY_BYTES_MAX).then_some(Key::Text(name, text))
}

/// What stands around the name and the text of a key.
const QUOTED_BYTES: usize = r#"{"":""}"#.len();

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

impl Scanned<'_> {
    /// What counting by deltas needs of the change.
    #[must_use]
    pub fn by_ref(&self) -> ChangeRef<'_> {
        ChangeRef {
            table: &self.table.name,
            before: self.image(&self.old, self.old_columns),
            after: self.image(&self.new, self.new_columns),
            version: &self.version,
            at: self.at,
        }
    }

    fn image<'i>(&'i self, image: &'i Option<Image>, columns: &'i Frames) -> Option<ImageRef<'i>> {
        match &image.as_ref()?.columns {
            Taken::Made(item) => Some(ImageRef::Item(item)),
            Taken::Unread => self.table.layout.as_ref().map(|layout| ImageRef::Unread(columns.image(layout))),
        }
    }

    /// The change.
    #[must_use]
    pub fn into_change(self) -> Change {
        let Self { table, key, new, old, new_columns, old_columns, version, at, room } = self;
        let digest = |image: &Option<Image>| image.as_ref().map_or(0, |image| image.digest);
        let whole = table.projection.digests().then(|| Digests { before: digest(&old), after: digest(&new) });
        let kept = |image: Image, columns: &Frames| match (image.columns, &table.layout) {
            (Taken::Made(item), _) => image::Image::Item(item),
            (Taken::Unread, Some(layout)) => columns.image(layout).to_unread().into(),
            (Taken::Unread, None) => image::Image::Item(Item::new()),
        };
        let row = RowKey { table: table.name.clone(), identity: key.identity(room) };
        let before = old.map(|image| kept(image, old_columns));
        let after = new.map(|image| kept(image, new_columns));
        Change { row, before, after, version, at, whole }
    }
}

impl Key<'_> {
    /// The identity of the row; `room` is used for its text.
    fn identity(self, room: &mut String) -> RowIdentity {
        match self {
            Self::Text(name, text) => {
                room.clear();
                for part in ["{\"", name, "\":\"", text, "\"}"] {
                    room.push_str(part);
                }
                RowIdentity::Key(room.as_str().into())
            }
            Self::Canonical(text) => RowIdentity::Key(text.into()),
        }
    }
}
