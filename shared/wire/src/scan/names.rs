//! Owns the names of a table's columns as they are met, image after image.

use evercount_core::mutation::VERSION_ATTRIBUTE;
use evercount_core::projection::Projection;

use super::Cursor;

/// How many names are remembered at once, and how far a name may stand from its place.
const PLACES: usize = 256;
const REACH: usize = 8;

/// The names of a table's columns as they were met, and whether each is kept. It is a table of fixed
/// size, so that a flood of names costs time and no memory.
#[derive(Clone, Debug)]
pub(super) struct Names {
    places: Box<[Option<Name>]>,
    /// Where the name is that an image began with last.
    first: usize,
}

/// One name.
#[derive(Clone, Debug)]
struct Name {
    /// As it stands in an image: in its quotes, with a colon.
    quoted: Box<[u8]>,
    /// The same with what it was followed by when it was met first, where a text or a number began there.
    opened: Option<(Box<[u8]>, Opened)>,
    kept: Kept,
    is_version: bool,
    /// Where the name is that came after it last: images of one table are alike.
    next: usize,
}

/// A value whose descriptor is taken, and the first quote of what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opened {
    Text,
    Number,
}

impl Opened {
    /// How a value begins that may be met opened.
    const ALL: [(Self, &'static [u8; 6]); 2] = [(Self::Text, b"{\"S\":\""), (Self::Number, b"{\"N\":\"")];
}

/// A field whose name is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Where its name stands, and where its value begins.
    name: usize,
    name_end: usize,
    pub(super) value: usize,
    /// What of the value is taken.
    pub(super) opened: Option<Opened>,
    /// What becomes of it.
    pub(super) kept: Kept,
    /// Whether it is the item's version.
    pub(super) is_version: bool,
}

impl Field {
    /// Its name.
    pub(super) fn name<'a>(&self, cursor: &Cursor<'a>) -> Option<&'a str> {
        cursor.between(self.name, self.name_end)
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
        Self { places: vec![None; PLACES].into(), first: 0 }
    }
}

/// The names of one row.
pub(super) struct Row<'n> {
    names: &'n mut Names,
    met: [u64; PLACES / 64],
    /// Where the last one met is.
    last: Option<usize>,
    doubtful: bool,
}

impl Names {
    /// For the names of a row.
    pub(super) fn row(&mut self) -> Row<'_> {
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
    /// Takes the name of a field, and where it is one that is expected here perhaps the beginning of its
    /// value.
    #[inline]
    pub(super) fn take<'a>(&mut self, cursor: &mut Cursor<'a>, projection: &Projection) -> Option<Field> {
        let expected = match self.last {
            Some(last) => self.names.places.get(last)?.as_ref()?.next,
            None => self.names.first,
        };
        let start = cursor.passed();
        if let Some(Some(known)) = self.names.places.get(expected) {
            let opened = match &known.opened {
                Some((head, opened)) if cursor.takes_exactly(head) => Some(*opened),
                _ => None,
            };
            if opened.is_some() || cursor.takes_exactly(&known.quoted) {
                let colon = start + known.quoted.len();
                let (kept, is_version) = (known.kept, known.is_version);
                self.note(expected);
                let (name, name_end) = (start + 1, colon - 2);
                return Some(Field { name, name_end, value: colon, opened, kept, is_version });
            }
        }
        self.take_other(cursor, projection)
    }

    /// Takes the name of a field that was not expected here.
    #[cold]
    fn take_other(&mut self, cursor: &mut Cursor<'_>, projection: &Projection) -> Option<Field> {
        let name = cursor.name()?;
        let at = self.find(name, cursor, projection);
        match self.last.and_then(|last| self.names.places.get_mut(last)?.as_mut()) {
            Some(before) => before.next = at,
            None => self.names.first = at,
        }
        self.note(at);
        let Name { kept, is_version, .. } = self.names.places.get(at)?.as_ref()?;
        let (name, name_end) = cursor.place_of(name)?;
        let (kept, is_version) = (*kept, *is_version);
        Some(Field { name, name_end, value: cursor.passed(), opened: None, kept, is_version })
    }

    /// The place of a name, made for it where it has none.
    fn find(&mut self, name: &str, value: &Cursor<'_>, projection: &Projection) -> usize {
        let start = place(name) % PLACES;
        let mut at = start;
        for _ in 0..REACH {
            match self.names.places.get(at) {
                Some(Some(known)) if known.quoted.get(1..known.quoted.len() - 2) == Some(name.as_bytes()) => {
                    return at;
                }
                Some(Some(_)) => at = (at + 1) % PLACES,
                _ => return self.learn(at, name, value, projection),
            }
        }
        // No place left near: it takes the first one, and whatever stood there was perhaps met.
        self.doubtful = true;
        self.learn(start, name, value, projection)
    }

    fn learn(&mut self, at: usize, name: &str, value: &Cursor<'_>, projection: &Projection) -> usize {
        if let Some(place) = self.names.places.get_mut(at) {
            let quoted = [b"\"", name.as_bytes(), b"\":"].concat();
            let mut value = *value;
            let opened = Opened::ALL.into_iter().find(|(_, begins)| value.takes_exactly(*begins));
            let opened = opened.map(|(opened, begins)| ([&quoted[..], begins].concat().into(), opened));
            *place = Some(Name {
                quoted: quoted.into(),
                opened,
                kept: Kept::of(name, projection),
                is_version: name == VERSION_ATTRIBUTE,
                next: at,
            });
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
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful
    }
}
