//! Usage: requests for attributes that a table does not have, and how often those it has are read and
//! written.
//!
//! ```json
//! {"unknown": [{"table": "orders", "attribute": "gift_note", "requests": 40, "days": 7}],
//!  "rates":   [{"table": "orders", "attribute": "fax", "reads": 0, "writes": 0, "days": 30}]}
//! ```
//!
//! An attribute that is asked for is about to come, or a mistake that few repeat. One that is neither read
//! nor written for a month may go.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SIGNALS_MAX;
use crate::history::{HALF_YEAR, Seconds};

/// Requests below this are typing mistakes and scanners.
pub const REQUESTS_MIN: u64 = 5;
/// A shorter watch says nothing about what is not used: monthly jobs run monthly.
pub const IDLE_DAYS_MIN: u32 = 31;

/// In so many days a request loses half its weight: what was asked for in spring says less of autumn.
pub const HALF_LIFE_DAYS: f64 = 30.0;

/// Seconds of a day.
const DAY: Seconds = 86_400;

/// What requests show.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Attributes that were asked for and are not there.
    pub unknown: Vec<Unknown>,
    /// How often attributes are used.
    pub rates: Vec<Rate>,
}

/// An attribute that was asked for and is not there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unknown {
    /// Of which table.
    pub table: String,
    /// Which.
    pub attribute: String,
    /// How often.
    pub requests: u64,
    /// In how many days until now.
    pub days: u32,
}

/// How often an attribute is used.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rate {
    /// Of which table.
    pub table: String,
    /// Which.
    pub attribute: String,
    /// How often it was read.
    pub reads: u64,
    /// How often it was written.
    pub writes: u64,
    /// In how many days until now.
    pub days: u32,
}

/// A day's requests for an attribute, as whoever sees requests counted them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Day {
    /// Which.
    pub attribute: String,
    /// When the last of them were counted.
    pub last: Seconds,
    /// How many there were.
    pub requests: u64,
}

/// What a table's days of requests are worth at a time, by attribute: each request half as much for every
/// [`HALF_LIFE_DAYS`] since, and nothing after half a year. `days` of the result are those from the first
/// request that counts until now.
#[must_use]
pub fn weighed(table: &str, days: impl IntoIterator<Item = Day>, now: Seconds) -> Vec<Unknown> {
    let mut found: BTreeMap<String, (f64, Seconds)> = BTreeMap::new();
    for day in days {
        // Clocks differ: what is a little ahead of now is of now.
        let age = now.saturating_sub(day.last).max(0);
        if age > HALF_YEAR {
            continue;
        }
        let worth = day.requests as f64 * (-(age as f64) / (DAY as f64 * HALF_LIFE_DAYS)).exp2();
        let (sum, oldest) = found.entry(day.attribute).or_insert((0.0, 0));
        (*sum, *oldest) = (*sum + worth, age.max(*oldest));
    }
    let unknown = found.into_iter().map(|(attribute, (sum, oldest))| Unknown {
        table: table.to_owned(),
        attribute,
        requests: sum.round() as u64,
        days: u32::try_from(oldest / DAY).unwrap_or(u32::MAX).saturating_add(1),
    });
    unknown.collect()
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default)]
    unknown: Vec<Unknown>,
    #[serde(default)]
    rates: Vec<Rate>,
}

/// Reads usage.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(bytes: &[u8]) -> Result<Usage, String> {
    let stored: Stored = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let (mut unknown, mut rates) = (stored.unknown, stored.rates);
    unknown.truncate(SIGNALS_MAX);
    rates.truncate(SIGNALS_MAX);
    Ok(Usage { unknown, rates })
}

/// Writes usage as [`read`] reads it: what whoever sees requests keeps for the forecaster.
#[must_use]
pub fn write(usage: &Usage) -> String {
    let stored = Stored { unknown: usage.unknown.clone(), rates: usage.rates.clone() };
    // Texts and numbers: there is nothing that could not be written.
    serde_json::to_string(&stored).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let unknown = Unknown { table: "t".into(), attribute: "a\"b".into(), requests: 40, days: 7 };
        let rate = Rate { table: "t".into(), attribute: "c".into(), reads: 0, writes: 1, days: 31 };
        let usage = Usage { unknown: vec![unknown], rates: vec![rate] };
        assert_eq!(read(write(&usage).as_bytes()), Ok(usage));
        assert_eq!(read(b"{}"), Ok(Usage::default()));
        assert!(read(b"[").is_err());
    }

    #[test]
    fn requests_lose_weight_with_time_and_say_nothing_after_half_a_year() {
        let now = 400 * DAY;
        let day = |attribute: &str, ago: Seconds, requests| Day {
            attribute: attribute.to_owned(),
            last: now - ago * DAY,
            requests,
        };
        let days = [
            day("gift", 0, 10),
            day("gift", 30, 20),
            day("gift", 60, 40),
            day("old", 184, 1_000),
            day("last", 183, 1_000),
            day("ahead", -1, 7),
        ];
        let found = weighed("orders", days, now);
        let of = |attribute: &str, requests, days| Unknown {
            table: "orders".to_owned(),
            attribute: attribute.to_owned(),
            requests,
            days,
        };
        assert_eq!(found, [of("ahead", 7, 1), of("gift", 30, 61), of("last", 15, 184)]);
        assert_eq!(weighed("orders", [], now), []);
    }
}
