//! Owns which bytes are digits, and which are a number: one of JSON without an exponent, or one of DynamoDB in plain
//! notation.

use evercount_core::decimal::no_digits;
use wide::u8x16;

use crate::json::DYNAMODB_DIGITS_MAX;

const ONES: u64 = 0x0101_0101_0101_0101;

/// How long the number is that a text begins with; none where it goes on with an exponent, or is no number.
#[inline]
pub(super) fn length_of_number(text: &[u8]) -> Option<usize> {
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = digits(text, sign);
    let leading_zero = whole > 1 && text.get(sign) == Some(&b'0');
    if whole == 0 || leading_zero {
        return None;
    }
    let mut length = sign + whole;
    if text.get(length) == Some(&b'.') {
        let fraction = digits(text, length + 1);
        if fraction == 0 {
            return None;
        }
        length += 1 + fraction;
    }
    let is_ended = matches!(text.get(length), Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t') | None);
    is_ended.then_some(length)
}

/// How many digits stand at a place of a text.
#[inline]
fn digits(text: &[u8], from: usize) -> usize {
    let text = text.get(from..).unwrap_or_default();
    let few = text.first_chunk().map_or(0, |bytes| {
        let above_zero = u8x16::new(*bytes) - u8x16::splat(b'0');
        let are_digits = above_zero.min(u8x16::splat(9)).simd_eq(above_zero);
        are_digits.to_bitmask().trailing_ones() as usize
    });
    let are_all = text.get(few).is_none_or(|byte| !byte.is_ascii_digit());
    if are_all { few } else { text.iter().take_while(|byte| byte.is_ascii_digit()).count() }
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
    use proptest::prelude::*;

    use super::super::Cursor;
    use super::*;

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

    #[test]
    fn a_number_ends_where_json_has_it_end() {
        let long = "1".repeat(40);
        for number in
            ["0", "-0", "7", "1545084650.987", "-12.5", &long, &format!("{long}.{long}"), "1234567890123456"]
        {
            for behind in ["", ",", "}", "]", " ", "\t", ", and much more behind it"] {
                let text = format!("{number}{behind}");
                assert_eq!(length_of_number(text.as_bytes()), Some(number.len()), "{text}");
            }
        }
        for text in
            ["", "-", ".5", "1.", "1.,", "01", "-01", "1e5", "1.5E5", "1a", "1-", "+1", "1.2.3", "--1"]
        {
            for behind in ["", ", and much more behind it"] {
                let text = format!("{text}{behind}");
                assert_eq!(length_of_number(text.as_bytes()), None, "{text}");
            }
        }
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
