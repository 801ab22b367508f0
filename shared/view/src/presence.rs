//! How many rows have each field, as the lanes' watches tell it.

use std::collections::BTreeMap;

use evercount_core::order::Micros;
use evercount_core::registration::StoredWatch;
use evercount_core::schema::FieldPath;
use evercount_wire::watch;
use serde_json::{Value, json};

use crate::time;

/// What all lanes together have seen of a subject.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    /// Records.
    pub records: u64,
    /// Lanes that saw any.
    pub lanes: usize,
    /// Source time of the oldest one.
    pub first: Micros,
    /// Source time of the newest one.
    pub last: Micros,
    fields: BTreeMap<FieldPath, Presence>,
}

/// In how many rows a field is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Presence {
    /// Rows that have it.
    pub with: u64,
    /// Rows that could have it, from the first that did.
    pub of: u64,
}

impl Presence {
    /// The share of rows that have it, in [0, 1]; `None` where none could.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.with as f64 / self.of as f64)
    }

    /// The share in per cent, and never `100 %` where a row lacks the field.
    #[must_use]
    pub fn percent(self) -> String {
        match self.share() {
            None => String::new(),
            Some(_) if self.with >= self.of => "100 %".to_owned(),
            Some(share) => format!("{:.1} %", (share * 1_000.0).floor() / 10.0),
        }
    }
}

impl Seen {
    /// Adds lanes up; `None` where there are none. Fields are counted for one version, by the
    /// lanes that know it.
    #[must_use]
    pub fn of(watches: &[StoredWatch], version: u32) -> Option<Self> {
        let mut fields: BTreeMap<FieldPath, Presence> = BTreeMap::new();
        for stored in watches {
            // A watch that cannot be read is begun anew by its lane.
            let Ok(watch) = watch::from_json(&stored.state) else { continue };
            let gathered = watch.gathered();
            for entry in gathered.entries.iter().filter(|entry| gathered.version == version && entry.known) {
                let of_field = fields.entry(entry.path.clone()).or_default();
                of_field.with += entry.presence.with;
                of_field.of += entry.presence.of;
            }
        }
        Some(Self {
            records: watches.iter().map(|watch| watch.seen).sum(),
            lanes: watches.len(),
            first: watches.iter().map(|watch| watch.first_seen).min()?,
            last: watches.iter().map(|watch| watch.last_seen).max()?,
            fields,
        })
    }

    /// In how many rows a field is, where that was counted.
    #[must_use]
    pub fn presence(&self, path: &FieldPath) -> Option<Presence> {
        self.fields.get(path).copied()
    }

    /// What is said of records as a whole.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "records": self.records,
            "lanes": self.lanes,
            "first": time(self.first),
            "last": time(self.last),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_away_from_certainty() {
        let check = |with, of, text: &str| assert_eq!(Presence { with, of }.percent(), text);
        check(0, 0, "");
        check(3, 3, "100 %");
        check(99_999, 100_000, "99.9 %");
        check(1, 3, "33.3 %");
    }
}
