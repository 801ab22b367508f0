//! Owns which bytes are digits, and which are a number in plain notation.

use crate::json::DYNAMODB_DIGITS_MAX;

const ONES: u64 = 0x0101_0101_0101_0101;

/// Where a word has bytes that are no digits. The lowest marked byte is the first.
#[inline]
pub(super) fn no_digits(word: u64) -> u64 {
    // The upper half of a digit, also where six is added to it.
    let nibbles = word ^ (ONES * 0x30);
    (nibbles | nibbles.wrapping_add(ONES * 6)) & (ONES * 0xf0)
}

/// Whether the first bytes of a text are a number that DynamoDB can store, in plain notation.
#[inline(always)]
pub(super) fn is_plain_number(text: &[u8], length: usize) -> bool {
    let is_soon_seen =
        text.first_chunk().is_some_and(|word| is_one_of_eight(u64::from_le_bytes(*word), length));
    is_soon_seen || text.get(..length).is_some_and(is_one)
}

fn is_one(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let (mut points, mut last) = (0, b'.');
    for byte in digits {
        match byte {
            b'0'..=b'9' => {}
            // Digits on either side of it.
            b'.' if points == 0 && last != b'.' => points = 1,
            _ => return false,
        }
        last = *byte;
    }
    last != b'.' && digits.len() - points <= DYNAMODB_DIGITS_MAX
}

/// As [`is_plain_number`], of up to eight bytes, all in one word; one with a sign it misses.
#[inline(always)]
fn is_one_of_eight(word: u64, length: usize) -> bool {
    if !(1..=8).contains(&length) {
        return false;
    }
    // What is behind it counts as zeros.
    let behind = !(u64::MAX >> (64 - 8 * length));
    let word = word & !behind | (ONES * 0x30) & behind;
    let others = no_digits(word);
    if others == 0 {
        return true;
    }
    // One point, digits on either side of it.
    let place = others.trailing_zeros() / 8;
    let is_point = word >> (8 * place) & 0xff == u64::from(b'.');
    is_point && others >> (8 * place) <= 0xf0 && place > 0 && place as usize + 1 < length
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::super::Cursor;
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
    fn numbers_of_items_are_taken_in_plain_notation() {
        let longest = "9".repeat(DYNAMODB_DIGITS_MAX);
        for text in [
            "0",
            "-0",
            "007",
            "0.5",
            "-12.250",
            &longest,
            &format!("-{longest}"),
            &longest.replacen('9', "9.", 1),
        ] {
            let quoted = format!("{text}\"}}");
            let mut cursor = Cursor::new(&quoted);
            assert_eq!((cursor.plain_number(), cursor.byte()), (Some(text), Some(b'}')));
        }
        for text in [
            "",
            "-",
            ".",
            "-.5",
            "1.",
            "1.2.3",
            "1..2",
            "1e5",
            "+1",
            " 1",
            "1 ",
            "--1",
            "1-",
            "0x1",
            &format!("1{longest}"),
        ] {
            assert_eq!(Cursor::new(&format!("{text}\"")).plain_number(), None, "{text}");
        }
        assert_eq!(Cursor::new("12").plain_number(), None);
    }

    proptest! {
        #[test]
        fn a_short_number_is_one_as_any_other_is(
            text in prop_oneof!["[0-9]{0,8}", "[0-9]{0,5}[.][0-9]{0,5}", "[0-9./:a-]{0,9}", "[0-9]{0,4}\\PC[0-9]{0,4}"],
            behind in "\\PC{8}",
        ) {
            let all = format!("{text}{behind}");
            let word = u64::from_le_bytes(*all.as_bytes().first_chunk().unwrap_or(&[0; 8]));
            let is = is_one(text.as_bytes());
            let has_sign = text.starts_with('-');
            prop_assert_eq!(is_one_of_eight(word, text.len()), is && text.len() <= 8 && !has_sign, "{}", text);
            prop_assert_eq!(is_plain_number(all.as_bytes(), text.len()), is, "{}", text);
        }
    }
}
