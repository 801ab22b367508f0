//! Signals: what is known of the future from elsewhere than the past.
//!
//! Three things name columns before they come: a release schedule ([`release`]), the configuration of
//! experiments ([`flags`]) and requests for attributes that there are not ([`usage`]). All are written by
//! people or by other programs; what cannot be read is left out and reported, and nothing panics.

pub mod release;
pub mod flags;
pub mod usage;

use crate::history::{AT_MAX, FIELD_BYTES_MAX, Seconds};

/// Most signals that are read from a file: more releases than a decade has days.
pub const SIGNALS_MAX: usize = 10_000;

/// A column that something outside says will come or go.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ColumnHint {
    /// Of which table.
    pub table: String,
    /// Which; `None` where only the table is named.
    pub column: Option<String>,
    /// Its type, where it is named.
    pub typed: Option<String>,
}

/// Something that is planned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// What it is called: a feature or a flag.
    pub name: String,
    /// When, in seconds since the epoch.
    pub at: Seconds,
    /// The columns it names.
    pub columns: Vec<ColumnHint>,
}

/// Something of a file that was left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// Where: a line, or the place in a list, from 1.
    pub place: u64,
    /// Why.
    pub because: String,
}

/// What a file says, and what could not be read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plans {
    /// What is planned.
    pub planned: Vec<Planned>,
    /// What was left out.
    pub left_out: Vec<LeftOut>,
}

/// Everything that is known from elsewhere.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Signals {
    /// Releases, from CSV and calendars.
    pub releases: Vec<Planned>,
    /// Experiments.
    pub flags: Vec<Planned>,
    /// Requests and rates.
    pub usage: usage::Usage,
}

/// A date (`2026-03-01`, `20260301`, or either with a time behind it) as the second it begins in UTC.
fn date(text: &str) -> Result<Seconds, String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).take(8).collect();
    let wrong = || format!("`{}` is no date", shortened(text));
    if digits.len() < 8 || !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(wrong());
    }
    let date = jiff::civil::Date::strptime("%Y%m%d", &digits).map_err(|_| wrong())?;
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
    let at = zoned.timestamp().as_second();
    if (0..=AT_MAX).contains(&at) { Ok(at) } else { Err(wrong()) }
}

/// A column as people write it: `table.column:TYPE`, `table.column` or `table`. A column of a document
/// may have dots of its own: the first one ends the table's name.
fn hint(text: &str) -> Result<ColumnHint, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > FIELD_BYTES_MAX || text.contains('\0') {
        return Err(format!("`{}` names no column", shortened(text)));
    }
    let (name, typed) = match text.split_once(':') {
        Some((name, typed)) => (name.trim(), Some(typed.trim()).filter(|typed| !typed.is_empty())),
        None => (text, None),
    };
    let (table, column) = match name.split_once('.') {
        Some((table, column)) => (table.trim(), Some(column.trim()).filter(|column| !column.is_empty())),
        None => (name, None),
    };
    if table.is_empty() {
        return Err(format!("`{}` names no table", shortened(text)));
    }
    Ok(ColumnHint {
        table: table.to_owned(),
        column: column.map(str::to_owned),
        typed: typed.map(str::to_owned),
    })
}

/// Several columns, with `;` between them.
fn hints(text: &str) -> Result<Vec<ColumnHint>, String> {
    text.split(';').filter(|one| !one.trim().is_empty()).map(hint).collect()
}

/// So much of a text as fits in a report.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn columns_and_dates_are_read_as_people_write_them() {
        let of = |text: &str| hint(text).map(|one| (one.table, one.column, one.typed));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of(" orders.gift_note : TEXT "), Ok(("orders".into(), some("gift_note"), some("TEXT"))));
        assert_eq!(of("orders.address.zip"), Ok(("orders".into(), some("address.zip"), None)));
        assert_eq!(of("orders"), Ok(("orders".into(), None, None)));
        assert!(of(".x").is_err() && of("").is_err() && of("a\0b").is_err());
        assert_eq!(date("2026-03-01").unwrap(), 1_772_323_200);
        assert_eq!(date("20260301T101500Z").unwrap(), 1_772_323_200);
        assert_eq!(date("2026-03-01 10:00").unwrap(), 1_772_323_200);
        for wrong in ["", "soon", "2026-13-01", "2026-02-30", "-2026-01-01", "99990101", "2026"] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
    }
}
