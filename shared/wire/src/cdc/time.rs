//! Owns how the times in records are read, and which times are absurd.

use std::borrow::Cow;

use evercount_core::decimal::{Decimal, few_digits};
use evercount_core::order::Micros;

/// Start of 2012, the year DynamoDB began: no item changed before.
const EARLIEST: Micros = 1_325_376_000_000_000;

/// End of 2100. A time beyond it is a time read in the wrong unit.
const LATEST: Micros = 4_133_980_800_000_000;

/// The unit of an epoch time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    /// Seconds, with or without a fraction.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

impl Unit {
    fn digits_to_micros(self) -> usize {
        match self {
            Self::Seconds => 6,
            Self::Milliseconds => 3,
            Self::Microseconds => 0,
        }
    }
}

/// The microseconds of an epoch time written as a JSON number; digits below a microsecond are
/// dropped. `None` where it is no number, or lies outside the years 2012 to 2100: the three
/// units' ranges do not overlap, so a time in the wrong unit never passes.
pub(crate) fn change_time(text: &str, unit: Unit) -> Option<Micros> {
    let digits = unit.digits_to_micros();
    if let Some(whole) = whole(text.as_bytes()).or_else(|| text.parse().ok()) {
        return whole.checked_mul(10_i64.pow(digits as u32)).and_then(plausible);
    }
    let number: Decimal = text.parse().ok()?;
    let plain = number.to_string();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let micros: Micros = format!("{whole}{fraction:0<digits$.digits$}").parse().ok()?;
    plausible(micros)
}

/// A whole number of nine to sixteen digits, as times are.
fn whole(text: &[u8]) -> Option<Micros> {
    let [first, last] = [text.first_chunk::<8>()?, text.last_chunk()?].map(|word| u64::from_le_bytes(*word));
    let whole = few_digits(first, text.len() - 8)? * 100_000_000 + few_digits(last, 8)?;
    Micros::try_from(whole).ok()
}

/// The time, unless it lies outside the years 2012 to 2100.
pub(crate) fn plausible(micros: Micros) -> Option<Micros> {
    (EARLIEST..=LATEST).contains(&micros).then_some(micros)
}

/// The microseconds of an ISO 8601 time with an offset; digits below a microsecond are dropped.
pub(crate) fn iso_time(text: &str) -> Option<Micros> {
    text.parse().ok().map(|time: jiff::Timestamp| time.as_microsecond())
}

/// An ISO time read from an optional field.
pub(super) fn optional_iso_time(text: Option<&Cow<'_, str>>) -> Option<Micros> {
    text.and_then(|text| iso_time(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_read_as_any_other() {
        for number in ["123456789", "0012345678901", "1720740233012995", "9999999999999999"] {
            assert_eq!(whole(number.as_bytes()), number.parse().ok(), "{number}");
        }
        for text in
            ["", "12345678", "12345678901234567", "-123456789", "12345678.9", "1234567890e1", "123456789 "]
        {
            assert_eq!(whole(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_time_passes_in_its_own_unit_only() {
        let check = |text: &str, unit, micros| assert_eq!(change_time(text, unit), micros, "{text} {unit:?}");
        let time = Some(1_720_740_233_012_995);
        check("1720740233012995", Unit::Microseconds, time);
        check("1720740233012.995", Unit::Milliseconds, time);
        check("1720740233.012995", Unit::Seconds, time);
        check("1.720740233012995e9", Unit::Seconds, time);
        check("1720740233.0129959", Unit::Seconds, time);
        check("1651495525900", Unit::Milliseconds, Some(1_651_495_525_900_000));
        check("1720740233", Unit::Seconds, Some(1_720_740_233_000_000));
        for (text, unit) in [
            ("1720740233012995", Unit::Milliseconds),
            ("1651495525900", Unit::Microseconds),
            ("1651495525900", Unit::Seconds),
            ("0", Unit::Seconds),
            ("-5", Unit::Milliseconds),
            ("1e300", Unit::Milliseconds),
            ("\"1651495525900\"", Unit::Milliseconds),
            ("99999999999999999999", Unit::Microseconds),
        ] {
            check(text, unit, None);
        }
    }

    #[test]
    fn an_iso_time_keeps_its_microseconds() {
        assert_eq!(iso_time("2019-10-31T22:53:59.721201Z"), Some(1_572_562_439_721_201));
        assert_eq!(iso_time("2019-10-31T22:53:55Z"), Some(1_572_562_435_000_000));
        assert_eq!(iso_time("2019-10-31"), None);
    }
}
