//! Owns texts that are alike: between the parts in which they differ, each has what the one before it
//! had, byte for byte. That is found by comparing, and no name of it is read again.
//!
//! A template is only ever taken as a whole. What stands between its parts is then that of one text
//! that was read by its names, with its names met once and its brackets closed.

use super::{Cursor, Text};

/// What texts have in common, and where they differ.
#[derive(Clone, Debug)]
pub(super) struct Template<P> {
    /// What stands before each part.
    before: Vec<(Box<[u8]>, P)>,
    /// What stands behind the last one.
    rest: Box<[u8]>,
}

/// Where the parts of a text stand: from, to, and which.
#[derive(Clone, Debug)]
pub(super) struct Places<P>(Vec<(usize, usize, P)>);

impl<P> Default for Places<P> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<P: Copy> Places<P> {
    /// Notes a part that began at `from` and has just been taken.
    pub(super) fn note<T: Text + ?Sized>(&mut self, from: &Cursor<'_, T>, cursor: &Cursor<'_, T>, part: P) {
        self.0.push((from.passed(), cursor.passed(), part));
    }
}

impl<P: Copy> Template<P> {
    /// What a text that was read by its names, from `start` to `end`, has in common with its like.
    pub(super) fn of<T: Text + ?Sized>(
        start: &Cursor<'_, T>,
        end: &Cursor<'_, T>,
        places: &Places<P>,
    ) -> Option<Self> {
        let text = end.since(start)?.raw();
        let (mut before, mut at) = (Vec::with_capacity(places.0.len()), 0);
        for (from, to, part) in &places.0 {
            before.push((text.get(at..from - start.passed())?.into(), *part));
            at = to - start.passed();
        }
        Some(Self { before, rest: text.get(at..)?.into() })
    }

    /// Takes a text that is alike; each part where it stands.
    #[inline]
    pub(super) fn take<'a, T: Text + ?Sized>(
        &self,
        cursor: &mut Cursor<'a, T>,
        mut take: impl FnMut(&mut Cursor<'a, T>, P) -> Option<()>,
    ) -> Option<()> {
        for (before, part) in &self.before {
            if !cursor.takes_exactly(before) {
                return None;
            }
            take(cursor, *part)?;
        }
        cursor.takes_exactly(&self.rest).then_some(())
    }
}
