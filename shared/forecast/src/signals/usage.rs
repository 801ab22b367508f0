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

use serde::{Deserialize, Serialize};

use super::SIGNALS_MAX;

/// Requests below this are typing mistakes and scanners.
pub const REQUESTS_MIN: u64 = 5;
/// A shorter watch says nothing about what is not used: monthly jobs run monthly.
pub const IDLE_DAYS_MIN: u32 = 31;

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
}
