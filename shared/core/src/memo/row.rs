//! Owns the rows that are known as a whole: those of tables whose counts read few values are judged in one step.
//!
//! A count by status and country meets a few hundred combinations in millions of rows; one by customer meets
//! another in every row. Which of both a table is, its rows tell.

use std::hash::Hasher as _;
use std::ops::Range;

use super::{Hit, ShortHasher, ShortMap};

/// Most rows that are known, with a third of a kilobyte each.
const ROWS_MAX: usize = 4_096;

/// After so many rows is looked whether it is worth it.
const WINDOW: usize = 4 * ROWS_MAX;

/// The known rows of a table.
#[derive(Debug, Default)]
pub(super) struct KnownRows {
    /// By the hash of what they are known by; of two with one hash, the first. The rows of a chunk are met in any
    /// order, and between chunks a processor forgets them: so one is found in few steps, and lies close together.
    known: ShortMap<u64, Known>,
    /// What they are known by, one after the other: what a row has, and behind that what was written down.
    keys: Vec<u8>,
    /// By their number what they count for, among all hits.
    counting: Vec<Range<usize>>,
    hits: Vec<Hit>,
    /// What is written down of the row at hand.
    written: Vec<u64>,
    /// Of the rows since it was last looked.
    asked: usize,
    new: usize,
    given_up: bool,
}

/// A known row.
#[derive(Clone, Copy, Debug)]
struct Known {
    number: u32,
    /// Where among the keys its own is.
    begin: u32,
    end: u32,
}

/// A row that was asked for and is not known.
#[derive(Clone, Copy)]
pub(super) struct NewRow<'i> {
    hash: u64,
    had: &'i [u8],
}

/// What is known of a row.
pub(super) enum Asked<'i> {
    /// Its number.
    Known(usize),
    /// Nothing; what it counts for [may be noted](KnownRows::note).
    New(NewRow<'i>),
    /// Nothing will be.
    Unasked,
}

impl KnownRows {
    /// Comes to know no more rows. Those that are known stay so until they are [forgotten](Self::forget), because
    /// their numbers are in use.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Forgets the rows where no more will be known; done between chunks.
    pub(super) fn forget(&mut self) {
        if self.given_up {
            *self = Self { given_up: true, ..Self::default() };
        }
    }

    /// How many rows are known.
    pub(super) fn kept(&self) -> usize {
        self.counting.len()
    }

    /// Asks for a row. `key` tells what it is known by: what it has, and what is written down beside; `None`
    /// where it is not to be known.
    pub(super) fn ask<'i>(&mut self, key: impl FnOnce(&mut Vec<u64>) -> Option<&'i [u8]>) -> Asked<'i> {
        if self.given_up {
            return Asked::Unasked;
        }
        if self.asked >= WINDOW {
            // A row that is not known costs what it cost to ask for it on top.
            if self.new * 2 > self.asked {
                self.give_up();
                return Asked::Unasked;
            }
            (self.asked, self.new) = (0, 0);
        }
        self.asked += 1;
        let Some(had) = key(&mut self.written) else {
            self.new += 1;
            return Asked::Unasked;
        };
        let mut hasher = ShortHasher::default();
        hasher.write(had);
        self.written.iter().for_each(|word| hasher.write_u64(*word));
        let hash = hasher.finish();
        match self.known.get(&hash) {
            Some(known) if self.is(*known, had) => Asked::Known(known.number as usize),
            _ => {
                self.new += 1;
                Asked::New(NewRow { hash, had })
            }
        }
    }

    /// Whether a known row is the one at hand, which has this.
    fn is(&self, known: Known, had: &[u8]) -> bool {
        let key = self.keys.get(known.begin as usize..known.end as usize);
        let Some((key, written)) = key.and_then(|key| key.split_at_checked(had.len())) else { return false };
        let (words, rest) = written.as_chunks();
        let are_written =
            || words.iter().zip(&self.written).all(|(known, word)| *known == word.to_le_bytes());
        rest.is_empty() && words.len() == self.written.len() && are_written() && key == had
    }

    /// What a known row counts for.
    pub(super) fn hits_of(&self, number: usize) -> &[Hit] {
        self.counting.get(number).and_then(|hits| self.hits.get(hits.clone())).unwrap_or_default()
    }

    /// Notes what the row that was asked for last counts for.
    pub(super) fn note(&mut self, NewRow { hash, had }: NewRow<'_>, hits: &[Hit]) {
        if self.kept() >= ROWS_MAX || self.known.contains_key(&hash) {
            return;
        }
        let (number, begin) = (self.kept(), self.keys.len());
        self.keys.extend_from_slice(had);
        self.keys.extend(self.written.iter().flat_map(|word| word.to_le_bytes()));
        let [Ok(number), Ok(begin), Ok(end)] = [number, begin, self.keys.len()].map(u32::try_from) else {
            return;
        };
        self.known.insert(hash, Known { number, begin, end });
        let first = self.hits.len();
        self.hits.extend_from_slice(hits);
        self.counting.push(first..self.hits.len());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a test may panic")]
    use super::*;

    /// Asks for a row that has and of which is written this, and notes that it counts for the combination.
    fn meet(rows: &mut KnownRows, had: &[u8], word: u64, combination: usize) -> Option<usize> {
        let write = |written: &mut Vec<u64>| {
            written.clear();
            written.push(word);
            Some(had)
        };
        match rows.ask(write) {
            Asked::Known(number) => return Some(number),
            Asked::New(row) => rows.note(row, &[Hit::Whole(combination)]),
            Asked::Unasked => {}
        }
        None
    }

    #[test]
    fn a_row_is_known_by_what_it_has_and_by_what_is_written_of_it() {
        let mut rows = KnownRows::default();
        for (number, (had, word)) in [(b"a", 1), (b"a", 2), (b"b", 1)].into_iter().enumerate() {
            assert_eq!(meet(&mut rows, had, word, number), None);
            assert_eq!(meet(&mut rows, had, word, 9), Some(number));
            assert_eq!(rows.hits_of(number), [Hit::Whole(number)]);
        }
        assert_eq!((rows.kept(), rows.hits_of(3)), (3, [].as_slice()));
    }

    #[test]
    fn of_two_rows_with_one_hash_the_second_is_never_taken_for_the_first() {
        let mut rows = KnownRows::default();
        meet(&mut rows, b"a", 1, 0);
        let Asked::New(other) = rows.ask(|_| Some(b"other")) else { panic!("it was not met") };
        let first = rows.known.values().next().copied().unwrap_or_else(|| panic!("one is known"));
        rows.known.insert(other.hash, first);
        for _ in 0..2 {
            let Asked::New(other) = rows.ask(|_| Some(b"other")) else { panic!("it is another") };
            rows.note(other, &[Hit::Whole(1)]);
        }
        assert_eq!((rows.kept(), rows.hits_of(0)), (1, [Hit::Whole(0)].as_slice()));
    }

    #[test]
    fn a_table_with_another_row_each_time_is_not_asked_for_any_more_and_one_that_settles_is() {
        let (mut many, mut settling) = (KnownRows::default(), KnownRows::default());
        for number in 0..=WINDOW {
            let word = number as u64;
            meet(&mut many, b"a", word, 0);
            assert!(many.kept() <= ROWS_MAX);
            meet(&mut settling, b"a", word % (ROWS_MAX as u64), 0);
        }
        assert!(many.given_up);
        assert_eq!((many.kept(), many.hits_of(1)), (ROWS_MAX, [Hit::Whole(0)].as_slice()));
        many.forget();
        settling.forget();
        assert_eq!((many.kept(), many.hits.len()), (0, 0));
        assert_eq!((settling.kept(), settling.given_up), (ROWS_MAX, false));
        assert_eq!(meet(&mut many, b"a", 1, 0), None);
        assert_eq!(meet(&mut settling, b"a", 1, 0), Some(1));
    }
}
