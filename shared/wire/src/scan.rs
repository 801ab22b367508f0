//! Owns the fast reading of what comes by the million: the event of an invocation, and the records
//! of Kinesis Data Streams for DynamoDB.
//!
//! A scanner reads JSON that looks the way AWS writes it, without a tree, and copies only what is
//! kept. Whatever is unusual (an escape, a number with an exponent, a name met twice, deep nesting,
//! anything that is wrong) makes it give up, and the careful reader of the same format starts over:
//! [`crate::kinesis_event`], [`crate::cdc`]. So a scanner never decides that something is wrong, and
//! what it does accept must be what the careful reader makes of it; the tests hold one against the
//! other on valid, mutated and hostile bytes.
//!
//! Where strings end is found many bytes at a time, for a record all at once ([`quotes`]); see Langdale, Lemire,
//! *Parsing gigabytes of JSON per second*, doi 10.1007/s00778-019-00578-5, for why that is where the time goes.

pub(crate) mod event;
mod names;
mod number;
mod quotes;
pub(crate) mod record;
mod template;
mod value;

use wide::u8x32;

use self::number::{is_plain_number, length_of_number};
use self::quotes::{QuoteMap, Unknown};

/// Deepest nesting that is scanned; deeper is unusual.
const DEPTH_MAX: usize = 16;

/// How many bytes are looked at in one go.
const AT_ONCE: usize = 32;

/// Where bytes end a plain stretch of a string: a quote, a backslash, or a control character; a bit for each.
#[inline]
fn ends(bytes: u8x32) -> u32 {
    let controls = bytes.min(u8x32::splat(b' ' - 1)).simd_eq(bytes);
    let ends = bytes.simd_eq(u8x32::splat(b'"')) | bytes.simd_eq(u8x32::splat(b'\\')) | controls;
    ends.to_bitmask()
}

/// Whether a text begins with these bytes. Few are compared in two pieces, which may overlap: that is worth no
/// call, and no loop.
#[inline]
fn begins(text: &[u8], with: &[u8]) -> bool {
    let Some(head) = text.get(..with.len()) else { return false };
    match with.len() {
        8..=16 => have_same_ends::<8>(head, with),
        17..=32 => have_same_ends::<16>(head, with),
        33..=64 => have_same_ends::<32>(head, with),
        65..=128 => have_same_ends::<64>(head, with),
        _ => head == with,
    }
}

#[inline]
fn have_same_ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<N>() == other.first_chunk::<N>() && one.last_chunk::<N>() == other.last_chunk::<N>()
}

/// A value whose descriptor is taken, and the first quote of what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Opened {
    Text,
    Number,
}

/// How many bytes stand before such a text or number in its value.
const OPENING: usize = b"{\"S\":\"".len();

/// What is scanned: a text, or the bytes of what may be one.
pub(crate) trait Text {
    fn raw(&self) -> &[u8];
    fn part(&self, from: usize, to: usize) -> Option<&Self>;
}

impl Text for str {
    #[inline]
    fn raw(&self) -> &[u8] {
        self.as_bytes()
    }

    #[inline]
    fn part(&self, from: usize, to: usize) -> Option<&Self> {
        self.get(from..to)
    }
}

impl Text for [u8] {
    #[inline]
    fn raw(&self) -> &[u8] {
        self
    }

    #[inline]
    fn part(&self, from: usize, to: usize) -> Option<&Self> {
        self.get(from..to)
    }
}

/// A place in a text. Every method gives `None` where the text is not what it asks for.
#[derive(Debug)]
pub(crate) struct Cursor<'a, T: ?Sized = str> {
    text: &'a T,
    quotes: QuoteMap<'a>,
    at: usize,
}

impl<T: ?Sized> Copy for Cursor<'_, T> {}

impl<T: ?Sized> Clone for Cursor<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, quotes: QuoteMap::default(), at: 0 }
    }

    /// Of a text whose quotes were found before.
    fn with_quotes(text: &'a str, quotes: QuoteMap<'a>) -> Self {
        Self { text, quotes, at: 0 }
    }
}

impl<'a> Cursor<'a, [u8]> {
    pub(crate) fn of_bytes(bytes: &'a [u8]) -> Self {
        Self { text: bytes, quotes: QuoteMap::default(), at: 0 }
    }
}

impl<'a, T: Text + ?Sized> Cursor<'a, T> {
    fn byte(&self) -> Option<u8> {
        self.text.raw().get(self.at).copied()
    }

    /// The byte at hand, white space before it left out.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let byte = self.byte()?;
        if byte > b' ' { Some(byte) } else { self.past_space() }
    }

    #[cold]
    fn past_space(&mut self) -> Option<u8> {
        while let byte @ (b' ' | b'\n' | b'\r' | b'\t') = self.byte()? {
            debug_assert!(byte <= b' ');
            self.at += 1;
        }
        self.byte()
    }

    /// Takes a byte, white space before it left out.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// Takes a byte where it is the one at hand, and tells whether it was.
    #[inline]
    pub(crate) fn takes(&mut self, byte: u8) -> Option<bool> {
        let is = self.peek()? == byte;
        self.at += usize::from(is);
        Some(is)
    }

    /// Takes a word such as `true`.
    fn word(&mut self, word: &str) -> Option<()> {
        self.peek()?;
        let rest = self.text.raw().get(self.at..)?;
        if !rest.starts_with(word.as_bytes()) {
            return None;
        }
        self.at += word.len();
        Some(())
    }

    /// Takes a string without escapes; what stands between its quotes.
    #[inline]
    pub(crate) fn string(&mut self) -> Option<&'a T> {
        self.take(b'"')?;
        self.content()
    }

    /// Takes the rest of a string whose first quote is taken; what stands before its last.
    #[inline]
    pub(crate) fn content(&mut self) -> Option<&'a T> {
        let start = self.at;
        self.pass_content()?;
        self.text.part(start, self.at - 1)
    }

    /// As [`Self::string`], and nobody wants what it holds.
    #[inline]
    pub(crate) fn pass_string(&mut self) -> Option<()> {
        self.take(b'"')?;
        self.pass_content()
    }

    /// As [`Self::content`], and nobody wants what it holds.
    #[inline]
    pub(crate) fn pass_content(&mut self) -> Option<()> {
        self.reach_quote()?;
        self.at += 1;
        Some(())
    }

    /// As [`Self::pass_content`], and the quote that ends it is not taken.
    #[inline(always)]
    pub(crate) fn reach_quote(&mut self) -> Option<()> {
        match self.quotes.next(self.at) {
            Ok(quote) => {
                self.at = quote?;
                Some(())
            }
            Err(Unknown) => self.search_quote(),
        }
    }

    /// As [`Self::reach_quote`], where it has to be looked for.
    #[inline(never)]
    fn search_quote(&mut self) -> Option<()> {
        while let Some(block) = self.rest().first_chunk() {
            let ends = ends(u8x32::new(*block));
            if ends != 0 {
                self.at += ends.trailing_zeros() as usize;
                return (self.byte()? == b'"').then_some(());
            }
            self.at += AT_ONCE;
        }
        self.at += self.rest().iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
        (self.byte()? == b'"').then_some(())
    }

    /// As [`Self::content`], of a string that holds a number which DynamoDB can store, in plain notation.
    #[inline]
    pub(crate) fn plain_number(&mut self) -> Option<&'a T> {
        let start = self.at;
        self.reach_quote_of_number()?;
        self.at += 1;
        self.text.part(start, self.at - 1)
    }

    /// As [`Self::plain_number`], and the quote that ends it is not taken.
    #[inline(always)]
    pub(crate) fn reach_quote_of_number(&mut self) -> Option<()> {
        let (rest, start) = (self.text.raw().get(self.at..)?, self.at);
        self.reach_quote()?;
        is_plain_number(rest, self.at - start).then_some(())
    }

    /// As [`Self::content`], of a string that holds nothing but ASCII, base64 for one: its end is found
    /// by the quote alone, and whoever decodes it refuses what does not belong in it.
    pub(crate) fn long_content(&mut self) -> Option<&'a T> {
        let rest = self.text.raw().get(self.at..)?;
        let length = memchr::memchr(b'"', rest)?;
        let start = self.at;
        self.at += length + 1;
        self.text.part(start, start + length)
    }

    /// Takes exactly these bytes, where they are the ones at hand, and tells whether they were.
    #[inline]
    pub(crate) fn takes_exactly(&mut self, bytes: &[u8]) -> bool {
        let are = self.text.raw().get(self.at..).is_some_and(|rest| begins(rest, bytes));
        self.at += if are { bytes.len() } else { 0 };
        are
    }

    /// Takes the head of a described value, `{"S":`, where it stands without white space and has a
    /// descriptor of one letter; the letter.
    #[inline]
    pub(crate) fn takes_descriptor(&mut self) -> Option<u8> {
        const LETTER: usize = 2;
        const HEAD: u64 = u64::from_le_bytes(*b"{\"\0\":\0\0\0");
        const ITS: u64 = u64::from_le_bytes([!0, !0, 0, !0, !0, 0, 0, 0]);
        let word = u64::from_le_bytes(*self.text.raw().get(self.at..)?.first_chunk()?);
        (word & ITS == HEAD).then(|| {
            self.at += b"{\"S\":".len();
            (word >> (8 * LETTER)) as u8
        })
    }

    /// Takes what stands before a text or a number, where a value is one and stands without white space.
    #[inline]
    fn takes_opening(&mut self) -> Option<Opened> {
        let mut ahead = *self;
        let opened = match ahead.takes_descriptor()? {
            b'S' => Opened::Text,
            b'N' => Opened::Number,
            _ => return None,
        };
        if ahead.byte()? != b'"' {
            return None;
        }
        self.at += OPENING;
        Some(opened)
    }

    /// Takes a name and the colon behind it.
    #[inline]
    pub(crate) fn name(&mut self) -> Option<&'a T> {
        let name = self.string()?;
        self.take(b':')?;
        Some(name)
    }

    /// Takes what stands between two values of an object or array, or its end; whether there is
    /// another value.
    #[inline]
    pub(crate) fn more(&mut self, end: u8) -> Option<bool> {
        match self.peek()? {
            b',' => {
                self.at += 1;
                Some(true)
            }
            byte if byte == end => {
                self.at += 1;
                Some(false)
            }
            _ => None,
        }
    }

    /// Takes a number; its text.
    #[inline]
    pub(crate) fn number(&mut self) -> Option<&'a T> {
        self.peek()?;
        let start = self.at;
        self.at += length_of_number(self.rest())?;
        self.text.part(start, self.at)
    }

    /// Takes a boolean.
    pub(crate) fn boolean(&mut self) -> Option<bool> {
        match self.peek()? {
            b't' => self.word("true").map(|()| true),
            b'f' => self.word("false").map(|()| false),
            _ => None,
        }
    }

    /// Takes any value that is plain all through, and leaves it unread.
    pub(crate) fn skip(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.pass_string(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'{' => {
                self.at += 1;
                if self.takes(b'}')? {
                    return Some(());
                }
                let within = depth.checked_sub(1)?;
                loop {
                    self.name()?;
                    self.skip(within)?;
                    if !self.more(b'}')? {
                        return Some(());
                    }
                }
            }
            b'[' => {
                self.at += 1;
                if self.takes(b']')? {
                    return Some(());
                }
                let within = depth.checked_sub(1)?;
                loop {
                    self.skip(within)?;
                    if !self.more(b']')? {
                        return Some(());
                    }
                }
            }
            _ => self.number().map(drop),
        }
    }

    /// The same text from another place on.
    #[inline]
    pub(crate) fn at(&self, at: usize) -> Self {
        Self { at, ..*self }
    }

    /// What stands between two places.
    pub(crate) fn between(&self, from: usize, to: usize) -> Option<&'a T> {
        self.text.part(from, to)
    }

    /// The bytes of the whole text.
    fn all(&self) -> &'a [u8] {
        self.text.raw()
    }

    /// What has not been passed.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.text.raw().get(self.at..).unwrap_or_default()
    }

    /// How many bytes it has passed.
    pub(crate) fn passed(&self) -> usize {
        self.at
    }

    /// Where the cursor is, and what it has passed since.
    pub(crate) fn since(&self, earlier: &Self) -> Option<&'a T> {
        self.text.part(earlier.at, self.at)
    }

    /// Takes the end of the text.
    pub(crate) fn end(&mut self) -> Option<()> {
        if self.at < self.text.raw().len() {
            self.past_space();
        }
        (self.at == self.text.raw().len()).then_some(())
    }
}

impl Cursor<'_> {
    /// From where to where a part of the text stands in it.
    fn place_of(&self, part: &str) -> Option<(usize, usize)> {
        let from = (part.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        Some((from, from + part.len()))
    }
}

/// Most names of one object that are compared with each other; an object of more is unusual.
const NAMES_MAX: usize = 32;

/// The names that an object has had so far.
struct Met<'a> {
    names: [&'a str; NAMES_MAX],
    count: usize,
}

impl<'a> Met<'a> {
    fn nothing() -> Self {
        Self { names: [""; NAMES_MAX], count: 0 }
    }

    /// Notes a name; `None` where it was met before, or there are too many.
    #[inline]
    fn note(&mut self, name: &'a str) -> Option<()> {
        if self.names.get(..self.count)?.contains(&name) {
            return None;
        }
        *self.names.get_mut(self.count)? = name;
        self.count += 1;
        Some(())
    }
}

/// Keeps what an object has under a name that matters; `None` where it has it twice.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_plain_string_ends_at_its_quote_wherever_that_is() {
        for length in 0..40 {
            let text = format!("\"{}\"rest", "x".repeat(length));
            let mut cursor = Cursor::new(&text);
            assert_eq!(cursor.string().map(str::len), Some(length));
            assert_eq!(cursor.byte(), Some(b'r'));
            for odd in ["\\", "\u{1}", "\n", "\u{1f}"] {
                let text = format!("\"{}{odd}{}\"", "x".repeat(length), "y".repeat(20));
                assert_eq!(Cursor::new(&text).string(), None, "{odd:?} at {length}");
            }
            for fine in [" ", "\u{7f}", "\u{e9}", "\u{20ac}", "!", "#", "["] {
                let text = format!("\"{}{fine}{}\"", "x".repeat(length), "y".repeat(20));
                assert_eq!(Cursor::new(&text).string(), text.get(1..text.len() - 1), "{fine:?} at {length}");
            }
        }
    }

    #[test]
    fn numbers_are_taken_as_json_has_them() {
        for text in ["0", "-0", "10", "0.5", "-12.250", "1700000000000000", "12345678901234567.123456789"] {
            assert_eq!(Cursor::new(text).number(), Some(text));
        }
        for text in ["", "-", "01", "1.", ".5", "1e5", "+1", "1x", "0x1", "NaN", "0123456789"] {
            assert_eq!(Cursor::new(text).number(), None, "{text}");
        }
    }

    #[test]
    fn a_text_begins_with_its_own_beginning_and_no_other() {
        let text: Vec<u8> = (0..50).collect();
        for length in 0..=text.len() {
            let mut with = text[..length].to_vec();
            assert!(begins(&text, &with), "{length}");
            assert!(length == 0 || !begins(&text[..length - 1], &with), "{length}");
            for place in 0..length {
                with[place] ^= 1;
                assert!(!begins(&text, &with), "{place} of {length}");
                with[place] ^= 1;
            }
        }
    }

    #[test]
    fn what_is_skipped_is_json() {
        for text in ["{}", "[]", " {\"a\" : [1, {\"b\":null}] , \"c\":\"\"}", "true", "-1.5", "\"\u{e9}\""] {
            let mut cursor = Cursor::new(text);
            assert_eq!(cursor.skip(DEPTH_MAX).and_then(|()| cursor.end()), Some(()), "{text}");
        }
        for text in
            ["{", "[1,]", "{\"a\"}", "{\"a\":}", "{,}", "tru", "nul", "\"", "[1 2]", "{\"a\":1}}", "'a'"]
        {
            let mut cursor = Cursor::new(text);
            assert_eq!(cursor.skip(DEPTH_MAX).and_then(|()| cursor.end()), None, "{text}");
        }
        let deep = "[".repeat(DEPTH_MAX + 2) + &"]".repeat(DEPTH_MAX + 2);
        assert_eq!(Cursor::new(&deep).skip(DEPTH_MAX), None);
    }
}
