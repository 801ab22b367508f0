//! Owns the names of a table's columns as they are met, image after image.

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
    /// Takes the name of a field, and tells whether the field is kept.
    #[inline]
    pub(super) fn take<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        projection: &Projection,
    ) -> Option<(&'a str, bool)> {
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
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful
    }
}
