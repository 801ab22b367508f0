//! Owns the names of a table's columns as they are met, image after image.

use evercount_core::mutation::VERSION_ATTRIBUTE;
use evercount_core::projection::Projection;
use wide::u8x32;

use super::{AT_ONCE, Cursor, OPENING, Opened};

/// How many names are remembered at once: as many as a byte tells apart.
const PLACES: usize = 1 << u8::BITS;
/// How far a name may stand from its place.
const REACH: usize = 8;

/// The names of a table's columns as they were met, and whether each is kept. It is a table of fixed
/// size, so that a flood of names costs time and no memory.
#[derive(Clone, Debug)]
pub(super) struct Names {
    places: Box<[Option<Name>; PLACES]>,
    /// Where the name is that an image began with last.
    first: u8,
    /// How many rows there were.
    rows: u64,
}

/// One name.
#[derive(Clone, Debug)]
struct Name {
    /// As it stands in an image: in its quotes, with a colon.
    quoted: Box<[u8]>,
    head: Head,
    kept: Kept,
    is_version: bool,
    is_wanted: bool,
    /// The last row that had it.
    met: u64,
    /// Where the name is that came after it last: images of one table are alike.
    next: u8,
    /// Where the one is that did before that was another: columns may be missing.
    next_before: u8,
}

impl Name {
    /// Notes that a row has it; whether it had it already.
    #[inline(always)]
    fn was_met(&mut self, row: u64) -> bool {
        std::mem::replace(&mut self.met, row) == row
    }
}

/// What a field begins with that is not the first: a comma, its name, and what stands before its text or number, where
/// it has one.
#[derive(Clone, Debug)]
struct Head {
    /// The first bytes, and zeros where there are no more.
    bytes: u8x32,
    /// Which of them there are.
    mask: u8x32,
    /// What does not fit there.
    tail: Box<[u8]>,
    length: usize,
    opened: Option<Opened>,
}

impl Head {
    fn new(quoted: &[u8], value: &[u8], opened: Option<Opened>) -> Self {
        let bytes = [b",", quoted, value].concat();
        let (near, tail) = bytes.split_at(bytes.len().min(AT_ONCE));
        let (mut head, mut mask) = ([0; AT_ONCE], [0; AT_ONCE]);
        for ((to, mask), from) in head.iter_mut().zip(&mut mask).zip(near) {
            (*to, *mask) = (*from, u8::MAX);
        }
        Self { bytes: head.into(), mask: mask.into(), tail: tail.into(), length: bytes.len(), opened }
    }

    /// Whether a text begins with it.
    #[inline(always)]
    fn begins(&self, text: &[u8]) -> bool {
        self.begins_but_for(u8x32::ZERO, text)
    }

    /// Whether a text begins with it, and with the brace of an image in place of its comma.
    #[inline(always)]
    fn begins_image(&self, text: &[u8]) -> bool {
        const COMMA: u8x32 = {
            let mut bytes = [0; AT_ONCE];
            bytes[0] = u8::MAX;
            u8x32::new(bytes)
        };
        text.first() == Some(&b'{') && self.begins_but_for(COMMA, text)
    }

    #[inline(always)]
    fn begins_but_for(&self, any: u8x32, text: &[u8]) -> bool {
        let Some((near, far)) = text.split_first_chunk::<AT_ONCE>() else { return false };
        let near = u8x32::new(*near) & self.mask;
        (near.simd_eq(self.bytes) | any).all() && (self.tail.is_empty() || far.starts_with(&self.tail))
    }
}

/// What an image has before a field that is not the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Before {
    /// A field whose value is taken.
    Value,
    /// A field whose value is a text or a number, which is taken up to the quote that ends it.
    Opened,
}

impl Before {
    /// How much of such a value stands behind what is taken of it.
    pub(super) fn rest(self) -> usize {
        match self {
            Self::Value => 0,
            Self::Opened => OPENED_END.len(),
        }
    }
}

/// What stands behind a text or a number.
const OPENED_END: &[u8; 2] = b"\"}";

/// A field whose name is taken, and what stands before its text or number, where its value is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    place: u8,
    pub(super) opened: Option<Opened>,
    /// Whether anything of it is wanted.
    pub(super) is_wanted: bool,
}

impl Field {
    /// Where its value begins, as long as nothing more of it is taken.
    pub(super) fn value(&self, cursor: &Cursor<'_>) -> usize {
        cursor.passed() - if self.opened.is_some() { OPENING } else { 0 }
    }
}

/// What becomes of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kept {
    /// Nobody needs it.
    No,
    /// Its value is made.
    Made,
    /// Its bytes are taken, by the column's number.
    Unread(usize),
}

impl Kept {
    fn of(name: &str, projection: &Projection) -> Self {
        match projection.unread().map(|columns| columns.number(name)) {
            Some(Some(number)) => Self::Unread(number),
            None if projection.keeps(name) => Self::Made,
            _ => Self::No,
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Self { places: Box::new([const { None }; PLACES]), first: 0, rows: 0 }
    }
}

/// The names of one row.
pub(super) struct Row<'n> {
    names: &'n mut Names,
    projection: &'n Projection,
    /// Where the one is that is expected next.
    expected: u8,
    /// Where the last one stands, if not right before its colon and its value.
    apart: Option<(usize, usize)>,
    doubtful: bool,
}

impl Names {
    /// For the names of a row.
    pub(super) fn row<'n>(&'n mut self, projection: &'n Projection) -> Row<'n> {
        self.rows += 1;
        let expected = self.first;
        Row { names: self, projection, expected, apart: None, doubtful: false }
    }

    /// The name at a place.
    #[inline(always)]
    fn at(&mut self, place: u8) -> &mut Option<Name> {
        let Self { places, .. } = self;
        #[expect(clippy::indexing_slicing, reason = "there is a place for each byte")]
        &mut places[usize::from(place)]
    }
}

/// Where a name's place begins.
fn place(name: &str) -> u8 {
    let mut head = [0; 8];
    let bytes = name.as_bytes();
    match bytes.first_chunk::<8>() {
        Some(chunk) => head = *chunk,
        None => head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from),
    }
    let tail = bytes.last().map_or(0, |last| u64::from(*last));
    let word = u64::from_le_bytes(head) ^ (tail << 56) ^ ((bytes.len() as u64) << 48);
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

impl Row<'_> {
    /// Takes what stands before the first field, its name, and where its value is a text or a number what stands
    /// before that; `Some(None)` where the image is empty.
    pub(super) fn first(&mut self, cursor: &mut Cursor<'_>) -> Option<Option<Field>> {
        let (place, start) = (self.expected, cursor.passed());
        let known = self.names.at(place).as_ref();
        if known.is_some_and(|known| known.head.begins_image(cursor.rest())) {
            return self.taken(place, cursor, start).map(Some);
        }
        cursor.take(b'{')?;
        let is_empty = cursor.takes(b'}')?;
        if is_empty { Some(None) } else { self.take_name(cursor, None).map(Some) }
    }

    /// As [`Self::first`], of a field behind the last one; `Some(None)` where the image ends.
    #[inline(always)]
    pub(super) fn next(
        &mut self,
        cursor: &mut Cursor<'_>,
        last: Field,
        before: Before,
    ) -> Option<Option<Field>> {
        if let Some(field) = self.take_at_once(self.expected, cursor, before) {
            return Some(Some(field));
        }
        // Of a copy: a cursor that is lent stays in memory, and this one is better kept in registers.
        let mut copy = *cursor;
        let taken = self.take_one_by_one(&mut copy, last, before);
        *cursor = copy;
        taken
    }

    /// Takes the same in one go, where the field follows whose name is at a place.
    #[inline(always)]
    fn take_at_once(&mut self, place: u8, cursor: &mut Cursor<'_>, before: Before) -> Option<Field> {
        let known = self.names.at(place).as_ref()?;
        let mut start = cursor.passed();
        let mut text = cursor.all().get(start..)?;
        if before == Before::Opened {
            let (end, behind) = text.split_first_chunk()?;
            if end != OPENED_END {
                return None;
            }
            (start, text) = (start + OPENED_END.len(), behind);
        }
        if !known.head.begins(text) {
            return None;
        }
        self.taken(place, cursor, start)
    }

    /// Takes the field whose name is at a place, which stands from `start` on as it did when it was learned.
    #[inline(always)]
    fn taken(&mut self, place: u8, cursor: &mut Cursor<'_>, start: usize) -> Option<Field> {
        let row = self.names.rows;
        let known = self.names.at(place).as_mut()?;
        *cursor = cursor.at(start + known.head.length);
        self.doubtful |= known.was_met(row);
        (self.expected, self.apart) = (known.next, None);
        Some(Field { place, opened: known.head.opened, is_wanted: known.is_wanted })
    }

    #[inline(never)]
    fn take_one_by_one(
        &mut self,
        cursor: &mut Cursor<'_>,
        last: Field,
        before: Before,
    ) -> Option<Option<Field>> {
        let next_before = self.names.at(last.place).as_ref()?.next_before;
        if let Some(field) = self.take_at_once(next_before, cursor, before) {
            return Some(Some(field));
        }
        // With white space between, a value would not stand where it is taken to.
        if before == Before::Opened && !cursor.takes_exactly(OPENED_END) {
            return None;
        }
        let more = cursor.more(b'}')?;
        if more { self.take_name(cursor, Some(last)).map(Some) } else { Some(None) }
    }

    fn take_name(&mut self, cursor: &mut Cursor<'_>, last: Option<Field>) -> Option<Field> {
        let expected = self.names.at(self.expected).as_ref();
        let place = match expected {
            Some(known) if cursor.takes_exactly(&known.quoted) => {
                self.apart = None;
                self.expected
            }
            _ => self.take_other(cursor, last)?,
        };
        let (row, opened) = (self.names.rows, cursor.takes_opening());
        let known = self.names.at(place).as_mut()?;
        self.doubtful |= known.was_met(row);
        self.expected = known.next;
        Some(Field { place, opened, is_wanted: known.is_wanted })
    }

    /// Takes a name that was not expected here; its place.
    #[cold]
    fn take_other(&mut self, cursor: &mut Cursor<'_>, last: Option<Field>) -> Option<u8> {
        let name = cursor.name()?;
        let place = self.find(name, cursor);
        match last.and_then(|last| self.names.at(last.place).as_mut()) {
            Some(before) => (before.next, before.next_before) = (place, before.next),
            None => self.names.first = place,
        }
        self.apart = Some(cursor.place_of(name)?);
        Some(place)
    }

    /// The name of a field that has just been taken.
    pub(super) fn name<'a>(&mut self, field: Field, cursor: &Cursor<'a>) -> Option<&'a str> {
        let (start, end) = match self.apart {
            Some(place) => place,
            None => {
                let value = field.value(cursor);
                (value + 1 - self.names.at(field.place).as_ref()?.quoted.len(), value - 2)
            }
        };
        cursor.between(start, end)
    }

    /// What becomes of a field's value, and whether it is the item's version.
    pub(super) fn kept(&mut self, field: Field) -> Option<(Kept, bool)> {
        self.names.at(field.place).as_ref().map(|known| (known.kept, known.is_version))
    }

    /// The place of a name, made for it where it has none.
    fn find(&mut self, name: &str, value: &Cursor<'_>) -> u8 {
        let start = place(name);
        let mut at = start;
        for _ in 0..REACH {
            match self.names.at(at) {
                Some(known) if known.quoted.get(1..known.quoted.len() - 2) == Some(name.as_bytes()) => {
                    return at;
                }
                Some(_) => at = at.wrapping_add(1),
                None => return self.learn(at, name, value),
            }
        }
        // No place left near: it takes the first one, and whatever stood there was perhaps met.
        self.doubtful = true;
        self.learn(start, name, value)
    }

    fn learn(&mut self, at: u8, name: &str, value: &Cursor<'_>) -> u8 {
        let quoted = [b"\"", name.as_bytes(), b"\":"].concat();
        let mut behind = *value;
        let opened = behind.takes_opening();
        let opening = behind.since(value).unwrap_or_default().as_bytes();
        let (kept, is_version) = (Kept::of(name, self.projection), name == VERSION_ATTRIBUTE);
        *self.names.at(at) = Some(Name {
            head: Head::new(&quoted, opening, opened),
            quoted: quoted.into(),
            kept,
            is_version,
            is_wanted: is_version || kept != Kept::No,
            met: 0,
            next: at,
            next_before: at,
        });
        at
    }

    /// Whether a name may have been met twice.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful
    }
}
