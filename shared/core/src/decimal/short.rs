//! Owns numbers of few digits, which are only compared.

use super::Decimal;
use super::digits::{each, few_digits};

/// A number of few digits, as an integer: numbers that are only compared need no more. Equal and ordered as
/// the [`Decimal`]s are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ShortDecimal(i128);

/// How many digits behind the point the integer of a [`ShortDecimal`] has; also the most of a number's.
const PLACES: usize = 18;
/// Powers of ten, up to that of those places.
const POWERS: [u64; PLACES + 1] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    100_000_000_000,
    1_000_000_000_000,
    10_000_000_000_000,
    100_000_000_000_000,
    1_000_000_000_000_000,
    10_000_000_000_000_000,
    100_000_000_000_000_000,
    1_000_000_000_000_000_000,
];

impl ShortDecimal {
    /// Reads plain notation; `None` where a number needs another, is too long, or is none.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let (number, fraction) = read_eight(digits).or_else(|| read_any(digits))?;
        let unit = POWERS.get(PLACES.checked_sub(fraction)?)?;
        Some(Self::new(negative, i128::from(number) * i128::from(*unit)))
    }

    fn new(negative: bool, number: i128) -> Self {
        Self(if negative { -number } else { number })
    }
}

/// The digits of a text of plain notation without a sign, as an integer, and how many of them are behind the point.
fn read_any(text: &[u8]) -> Option<(u64, usize)> {
    // One byte more for the point; what so few digits say fits 64 bits.
    if text.len() > PLACES + 1 || text.last().is_none_or(|last| *last == b'.') {
        return None;
    }
    let (mut number, mut point) = (0_u64, 0);
    for (at, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if *byte == b'.' && point == 0 && at > 0 {
            point = at;
        } else {
            return None;
        }
    }
    Some((number, if point > 0 { text.len() - 1 - point } else { 0 }))
}

/// As [`read_any`], of a text of four to eight bytes: all in one word, whatever their number and wherever the point
/// is, which a processor could not foresee. `None` leaves it to that.
fn read_eight(text: &[u8]) -> Option<(u64, usize)> {
    let (first, last) = (text.first_chunk::<4>()?, text.last_chunk::<4>()?);
    let beyond = text.len().checked_sub(4).filter(|beyond| *beyond <= 4)?;
    // The first byte is the lowest.
    let word = u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * beyond);
    let other = word ^ each(b'.');
    let points = other.wrapping_sub(each(1)) & !other & each(0x80);
    let (word, digits, fraction) = if points == 0 {
        (word, text.len(), 0)
    } else {
        let point = points.trailing_zeros() / 8;
        let before = word & ((1 << (8 * point)) - 1);
        let behind = word >> (8 * point) >> 8 << (8 * point);
        (before | behind, text.len() - 1, text.len() - 1 - point as usize)
    };
    if fraction == digits || points != 0 && fraction == 0 {
        return None;
    }
    Some((few_digits(word, digits)?, fraction))
}

impl Decimal {
    /// The same number as an integer, where it is short enough.
    #[must_use]
    pub fn short_decimal(&self) -> Option<ShortDecimal> {
        let places = u32::try_from(self.exponent.checked_add(i32::try_from(PLACES).ok()?)?).ok()?;
        let number = self.digits.parse::<i128>().ok()?.checked_mul(10_i128.checked_pow(places)?)?;
        Some(ShortDecimal::new(self.negative, number))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_in_one_word_is_what_is_read_digit_by_digit(
            text in "[0-9]{0,6}[0-9./:e-]?[0-9]{0,6}",
            number in "[0-9]{1,4}(\\.[0-9]{1,3})?",
        ) {
            let short = read_eight(text.as_bytes());
            prop_assert!(short.is_none() || short == read_any(text.as_bytes()), "{text}: {short:?}");
            let (short, any) = (read_eight(number.as_bytes()), read_any(number.as_bytes()));
            prop_assert_eq!(short.is_some(), number.len() >= 4, "{}", number);
            prop_assert!(short.is_none() || short == any, "{number}: {short:?}");
        }
    }

    #[test]
    fn short_decimals_are_equal_and_ordered_as_the_numbers_are() {
        let texts = [
            "0",
            "-0",
            "0.0",
            "1",
            "1.0",
            "01",
            "-1",
            "-1.50",
            "-1.5",
            "0.00000000000000001",
            "9.99",
            "10",
            "123456789012345678",
            "99.99999999999999",
            "-123456789012345678",
        ];
        let short = |text: &str| ShortDecimal::read(text.as_bytes()).unwrap();
        for one in texts {
            let number: Decimal = one.parse().unwrap();
            assert_eq!(number.short_decimal(), Some(short(one)), "{one}");
            for two in texts {
                assert_eq!(short(one).cmp(&short(two)), number.cmp(&two.parse().unwrap()), "{one} {two}");
            }
        }
        for bad in
            ["", "-", ".", ".5", "5.", "1..2", "1.2.3", "1e2", "+1", "--1", " 1", "1234567890123456789012"]
        {
            assert_eq!(ShortDecimal::read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!("1e30".parse::<Decimal>().unwrap().short_decimal(), None);
        assert_eq!("1e-19".parse::<Decimal>().unwrap().short_decimal(), None);
    }
}
