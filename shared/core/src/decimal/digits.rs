//! Owns what the bytes of a word say as decimal digits, all at once. The first byte is the lowest.

/// A byte in each of eight.
pub(super) const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Where a word has bytes that are no digits: some bits in each such byte, and the lowest byte that has any is the
/// first of them. Which others are marked says nothing.
#[must_use]
pub fn no_digits(word: u64) -> u64 {
    // The upper half of a digit, also where six is added to it.
    let nibbles = word ^ each(b'0');
    (nibbles | nibbles.wrapping_add(each(6))) & each(0xf0)
}

/// What the first bytes of a word say, one to eight of them; `None` where one of them is no digit.
///
/// Sums of two digits, of four, and of eight, as in Lemire, *Number parsing at a gigabyte per second*, 2021,
/// doi 10.1002/spe.2984.
#[must_use]
#[inline(always)]
pub fn few_digits(word: u64, count: usize) -> Option<u64> {
    let missing = 8 * 8_usize.checked_sub(count).filter(|missing| *missing < 8)?;
    // Zeros before the first, so that the last is the highest.
    let word = word << missing | !(u64::MAX << missing) & each(b'0');
    if no_digits(word) != 0 {
        return None;
    }
    let digits = word ^ each(b'0');
    let pairs = digits.wrapping_mul(10 * 0x100 + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 * 0x1_0000 + 1) >> 16 & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 * 0x1_0000_0000 + 1) >> 32)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]

    use super::*;

    #[test]
    fn what_is_no_digit_is_found_where_it_is() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut word = *b"09182736";
                word[place] = byte;
                let others = no_digits(u64::from_le_bytes(word));
                assert_eq!(others == 0, byte.is_ascii_digit(), "{byte} at {place}");
                assert!(others == 0 || others.trailing_zeros() / 8 == place as u32, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn few_digits_are_read_as_a_number_is_and_what_stands_behind_them_is_not() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut word = *b"90817263";
                word[place] = byte;
                for count in 1..=8 {
                    let number =
                        std::str::from_utf8(&word[..count]).ok().filter(|text| !text.starts_with('+'));
                    let number = number.and_then(|text| text.parse::<u64>().ok());
                    assert_eq!(
                        few_digits(u64::from_le_bytes(word), count),
                        number,
                        "{byte} at {place} of {count}"
                    );
                }
            }
        }
        assert_eq!([0, 9].map(|count| few_digits(u64::from_le_bytes(*b"12345678"), count)), [None, None]);
    }
}
