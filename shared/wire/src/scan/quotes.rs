//! Owns where the quotes of a text are, which are found for all of it before it is read.
//!
//! How long a string is no processor foresees; to look for its end word by word costs a guess that fails for
//! nearly each. In a map of the quotes the next one is found without a guess. See Langdale, Lemire, *Parsing
//! gigabytes of JSON per second*, doi 10.1007/s00778-019-00578-5, which finds all that JSON is made of so.

use wide::u8x64;

/// Bytes that are looked at in one go, each of which has a bit.
const BLOCK: usize = u64::BITS as usize;

/// The room of a map.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotes(Vec<u8>);

/// Where the quotes of a text are: a bit for each byte, the lowest first, and a word behind the last. Empty where
/// that is not known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QuoteMap<'a>(&'a [u8]);

impl Quotes {
    /// Those of a text. They are not known where it has a backslash or a control character: what stands in its
    /// strings has to be looked at, then.
    pub(super) fn of(&mut self, text: &[u8]) -> QuoteMap<'_> {
        const WORD: usize = size_of::<u64>();
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        let mut last = [b' '; BLOCK];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let (mut least, mut backslashes) = (u8x64::MAX, u8x64::ZERO);
        self.0.clear();
        self.0.resize((blocks.len() + 2) * WORD, 0);
        for (bits, block) in self.0.as_chunks_mut::<WORD>().0.iter_mut().zip(blocks.iter().chain([&last])) {
            let bytes = u8x64::new(*block);
            least = least.min(bytes);
            backslashes |= bytes.simd_eq(u8x64::splat(b'\\'));
            *bits = bytes.simd_eq(u8x64::splat(b'"')).to_bitmask().to_le_bytes();
        }
        let is_plain = least.reduce_min() >= b' ' && !backslashes.any();
        QuoteMap(if is_plain { &self.0 } else { &[] })
    }
}

impl QuoteMap<'_> {
    /// Where the next quote is from a place on; what is not known is an error, and `None` is that there is none.
    #[inline(always)]
    pub(super) fn next(self, at: usize) -> Result<Option<usize>, Unknown> {
        match self.bits(at).ok_or(Unknown)? {
            0 => Ok(self.far(at)),
            bits => Ok(Some(at + bits.trailing_zeros() as usize)),
        }
    }

    /// As [`Self::next`], where the word at hand has none.
    #[inline(never)]
    fn far(self, at: usize) -> Option<usize> {
        let mut at = at / 8 * 8;
        loop {
            at += BLOCK;
            match self.bits(at)? {
                0 => {}
                bits => return Some(at + bits.trailing_zeros() as usize),
            }
        }
    }

    /// The bits of the next bytes from a place on, of seven words and more.
    #[inline(always)]
    fn bits(self, at: usize) -> Option<u64> {
        let word = self.0.get(at / 8..at / 8 + 8)?.first_chunk()?;
        Some(u64::from_le_bytes(*word) >> (at % 8))
    }
}

/// Where the quotes are is not known.
pub(super) struct Unknown;

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]

    use super::*;

    #[test]
    fn the_next_quote_is_where_a_search_finds_it() {
        for length in 0..300 {
            let mut text = vec![b'x'; length];
            for step in [1, 7, 57, 64, 130, 400] {
                text.iter_mut()
                    .enumerate()
                    .for_each(|(at, byte)| *byte = if at % step == step / 2 { b'"' } else { 0xc3 });
                let mut room = Quotes::default();
                let map = room.of(&text);
                for at in 0..=length {
                    let found = text[at..].iter().position(|byte| *byte == b'"').map(|further| at + further);
                    assert_eq!(map.next(at).ok(), Some(found), "{length} {step} {at}");
                }
            }
        }
    }

    #[test]
    fn quotes_of_a_text_with_escapes_or_control_characters_are_not_known() {
        let mut room = Quotes::default();
        for byte in 0..=u8::MAX {
            for at in [0, 15, 63, 64, 99] {
                let mut text = [b'x'; 100];
                text[at] = byte;
                assert_eq!(room.of(&text).next(0).is_ok(), byte >= b' ' && byte != b'\\', "{byte} at {at}");
            }
        }
    }
}
