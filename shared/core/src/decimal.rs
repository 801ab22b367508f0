//! Decimal numbers kept as canonical decimal text, never as binary floating point.
//!
//! DynamoDB numbers have up to 38 significant digits and MySQL decimals up to 65, more than any
//! fixed-width decimal type holds. Counting needs only equality, order and one canonical text,
//! so a number is its sign, its significant digits and a power of ten.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;

mod digits;
mod short;

pub use digits::{few_digits, no_digits};
pub use short::ShortDecimal;

/// Most significant digits of a number. PostgreSQL's largest declared `NUMERIC` precision.
pub const DIGITS_MAX: usize = 1_000;

/// Largest decimal exponent, either way, of a number's first digit. Doubles end at 308 and
/// DynamoDB at 125; beyond this a "number" is an attack on memory or a broken producer.
pub const MAGNITUDE_MAX: i64 = 1_000;

/// Numbers whose plain notation needs at most this many digits are written without an exponent.
const PLAIN_DIGITS_MAX: i64 = 40;

/// Most digits of a number that is read in one pass.
const SHORT: usize = 24;

/// An exact decimal number.
///
/// Two numbers are equal exactly when they denote the same value: `1`, `1.0` and `1e0` are one
/// number. The text form ([`fmt::Display`]) is canonical and is a valid JSON number.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Decimal {
    // INVARIANT: `digits` has no leading and no trailing zero; zero is "0", exponent 0, positive.
    negative: bool,
    digits: CompactString,
    exponent: i32,
}

/// Why a text is not a number Evercount counts with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecimalError {
    /// The text does not follow the JSON number grammar (a leading `+` is allowed too).
    Malformed,
    /// More than [`DIGITS_MAX`] significant digits, or a magnitude beyond [`MAGNITUDE_MAX`].
    Absurd,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => write!(f, "not a decimal number"),
            Self::Absurd => {
                write!(f, "a number of more than {DIGITS_MAX} digits or beyond 10^±{MAGNITUDE_MAX}")
            }
        }
    }
}

impl std::error::Error for DecimalError {}

impl Decimal {
    /// Zero.
    #[must_use]
    pub fn zero() -> Self {
        Self { negative: false, digits: "0".into(), exponent: 0 }
    }

    /// The number `± digits × 10^exponent`.
    ///
    /// # Errors
    /// [`DecimalError::Malformed`] where `digits` is empty or holds anything but ASCII digits,
    /// [`DecimalError::Absurd`] beyond the limits.
    pub fn from_digits(negative: bool, digits: &str, exponent: i64) -> Result<Self, DecimalError> {
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(DecimalError::Malformed);
        }
        let significant = digits.trim_start_matches('0');
        let trimmed = significant.trim_end_matches('0');
        if trimmed.is_empty() {
            return Ok(Self::zero());
        }
        let dropped = i64::try_from(significant.len() - trimmed.len()).unwrap_or(i64::MAX);
        let exponent = exponent.saturating_add(dropped);
        let magnitude = exponent.saturating_add(trimmed.len() as i64 - 1);
        if trimmed.len() > DIGITS_MAX || magnitude.abs() > MAGNITUDE_MAX {
            return Err(DecimalError::Absurd);
        }
        Ok(Self {
            negative,
            digits: trimmed.into(),
            exponent: i32::try_from(exponent).map_err(|_| DecimalError::Absurd)?,
        })
    }

    /// How many significant digits the number has.
    #[must_use]
    pub fn significant_digits(&self) -> usize {
        self.digits.len()
    }

    /// The power of ten of the first digit; 0 for zero.
    #[must_use]
    pub fn magnitude(&self) -> i64 {
        if self.is_zero() { 0 } else { i64::from(self.exponent) + self.digits.len() as i64 - 1 }
    }

    /// Whether this is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        &*self.digits == "0"
    }

    /// Whether this is a whole number.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// The number with its sign turned.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self { negative: !self.negative && !self.is_zero(), ..self.clone() }
    }

    /// The sum, where both have at most 38 digits and so has what is needed to add them: all that numbers
    /// of DynamoDB can need whose sum it can store.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Option<Self> {
        if self.is_zero() || other.is_zero() {
            return Some(if self.is_zero() { other.clone() } else { self.clone() });
        }
        let exponent = self.exponent.min(other.exponent);
        let scaled = |one: &Self| {
            let zeros = u32::try_from(one.exponent - exponent).ok()?;
            one.digits.parse::<u128>().ok()?.checked_mul(10_u128.checked_pow(zeros)?)
        };
        let (one, two) = (scaled(self)?, scaled(other)?);
        let (negative, sum) = match (self.negative == other.negative, one >= two) {
            (true, _) => (self.negative, one.checked_add(two)?),
            (false, true) => (self.negative, one - two),
            (false, false) => (other.negative, two - one),
        };
        Self::from_digits(negative, &sum.to_string(), i64::from(exponent)).ok()
    }

    /// The number as `i64`, where it is an integer that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        let zeros = usize::try_from(self.exponent).ok().filter(|zeros| *zeros <= 18)?;
        let mut text = String::with_capacity(20);
        if self.negative {
            text.push('-');
        }
        text.push_str(&self.digits);
        text.extend(std::iter::repeat_n('0', zeros));
        text.parse().ok()
    }

    /// The number rounded half away from zero to so many digits after the point, as SQL databases
    /// round on assignment; `None` keeps all of them.
    #[must_use]
    pub fn rounded(&self, scale: Option<u16>) -> Option<Self> {
        let Some(scale) = scale else { return Some(self.clone()) };
        let beyond = -(i64::from(self.exponent) + i64::from(scale));
        let Ok(beyond) = usize::try_from(beyond) else { return Some(self.clone()) };
        if beyond == 0 {
            return Some(self.clone());
        }
        // What is cut is less than half a unit where it has fewer digits than there are places.
        let Some(kept) = self.digits.len().checked_sub(beyond) else { return Some(Self::zero()) };
        let (kept, cut) = self.digits.split_at(kept);
        let mut digits: Vec<u8> = std::iter::once(b'0').chain(kept.bytes()).collect();
        if cut.as_bytes().first().is_some_and(|first| *first >= b'5') {
            for digit in digits.iter_mut().rev() {
                if *digit < b'9' {
                    *digit += 1;
                    break;
                }
                *digit = b'0';
            }
        }
        let digits = String::from_utf8(digits).ok()?;
        Self::from_digits(self.negative, &digits, -i64::from(scale)).ok()
    }

    /// A number of few digits in plain notation, read in one pass: what nearly every number is.
    fn short(text: &str) -> Option<Self> {
        let mut buffer = [0; SHORT];
        let (mut length, mut fraction, mut significant) = (0, None, 0);
        let unsigned = text.strip_prefix('-');
        for byte in unsigned.unwrap_or(text).bytes() {
            if byte == b'.' {
                if length == 0 || fraction.replace(0_i32).is_some() {
                    return None;
                }
                continue;
            }
            // A leading zero is left to the careful way, unless it is the only digit before the point.
            if !byte.is_ascii_digit() || (length == 0 && byte == b'0') {
                return None;
            }
            *buffer.get_mut(length)? = byte;
            length += 1;
            significant = if byte == b'0' { significant } else { length };
            fraction = fraction.map(|digits| digits + 1);
        }
        if length == 0 || fraction == Some(0) {
            return None;
        }
        let digits = std::str::from_utf8(buffer.get(..significant)?).ok()?;
        let exponent = i32::try_from(length - significant).ok()? - fraction.unwrap_or(0);
        Some(Self { negative: unsigned.is_some(), digits: digits.into(), exponent })
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // With equal first powers of ten, digit texts compare like the numbers they start.
            (false, false) => {
                self.magnitude().cmp(&other.magnitude()).then_with(|| self.digits.cmp(&other.digits))
            }
        }
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self::from_digits(number < 0, &number.unsigned_abs().to_string(), 0).unwrap_or_else(|_| Self::zero())
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        if let Some(number) = Self::short(text) {
            return Ok(number);
        }
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..).unwrap_or_default()),
            Some(b'+') => (false, text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let Some((whole, fraction)) = mantissa.split_once('.') else {
            return Self::from_digits(negative, mantissa, exponent);
        };
        if whole.is_empty() || fraction.is_empty() {
            return Err(DecimalError::Malformed);
        }
        let mut digits = String::with_capacity(whole.len() + fraction.len());
        digits.push_str(whole);
        digits.push_str(fraction);
        Self::from_digits(negative, &digits, exponent.saturating_sub(fraction.len() as i64))
    }
}

fn parse_exponent(text: &str) -> Result<i64, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::Malformed);
    }
    // An exponent too long for i64 is absurd, unless the number is zero; keep it simple.
    text.parse().map_err(|_| DecimalError::Absurd)
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let length = self.digits.len() as i64;
        let exponent = i64::from(self.exponent);
        if exponent >= 0 && length + exponent <= PLAIN_DIGITS_MAX {
            f.write_str(&self.digits)?;
            (0..exponent).try_for_each(|_| f.write_str("0"))
        } else if exponent < 0 && length.max(1 - exponent) <= PLAIN_DIGITS_MAX {
            let point = length + exponent;
            if point > 0 {
                let (whole, fraction) = self.digits.split_at(point as usize);
                write!(f, "{whole}.{fraction}")
            } else {
                f.write_str("0.")?;
                (point..0).try_for_each(|_| f.write_str("0"))?;
                f.write_str(&self.digits)
            }
        } else {
            let (first, rest) = self.digits.split_at(1);
            f.write_str(first)?;
            if !rest.is_empty() {
                write!(f, ".{rest}")?;
            }
            write!(f, "e{}", self.magnitude())
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, canonical: &str) {
        assert_eq!(text.parse::<Decimal>().unwrap().to_string(), canonical, "{text}");
    }

    #[test]
    fn spellings_of_one_number_have_one_text() {
        for text in ["1", "1.0", "1e0", "10e-1", "0.1e1", "+1", "01"] {
            check(text, "1");
        }
        check("5e16", "50000000000000000");
        check("50000000000000000", "50000000000000000");
        check("-0", "0");
        check("0.00", "0");
        check("-12.500000", "-12.5");
        check("0.001", "0.001");
        check("99999999999999999999999999999999999999", "99999999999999999999999999999999999999");
        check("1e-130", "1e-130");
        check("-9.99e125", "-9.99e125");
        check("123456e-3", "123.456");
    }

    #[test]
    fn what_is_not_a_number_is_refused_and_what_is_absurd_says_so() {
        for text in ["", "-", ".", "1.", ".5", "1e", "e5", "NaN", "Infinity", "0x10", "1 ", "1_0"] {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError::Malformed), "{text}");
        }
        for text in ["1e999999999", "1e-1001", "1e99999999999999999999"] {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError::Absurd), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_short_number_is_read_as_any_other(text in "-?[0-9]{0,3}0{0,3}[0-9]{0,22}(\\.[0-9]{0,6}0{0,2})?") {
            if let Some(short) = Decimal::short(&text) {
                // An exponent of nothing goes the careful way.
                prop_assert_eq!(Ok(short), format!("{text}e0").parse());
            }
        }

        #[test]
        fn order_and_text_agree_with_integers(a: i64, b: i64) {
            let (x, y) = (Decimal::from(a), Decimal::from(b));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.to_string(), a.to_string());
            prop_assert_eq!(x.as_i64(), Some(a));
        }

        #[test]
        fn the_canonical_text_reads_back_as_itself(negative: bool, digits in "[0-9]{1,45}", exponent in -200i64..200) {
            let number = Decimal::from_digits(negative, &digits, exponent).unwrap();
            let again: Decimal = number.to_string().parse().unwrap();
            prop_assert_eq!(&again, &number);
            prop_assert_eq!(again.to_string(), number.to_string());
        }
    }
}
