//! Owns how the rows of one version change though its fields stay: how many rows have a field,
//! and of which types its values are, lately against when the version began.

use std::collections::BTreeMap;

use super::entry::Entry;
use super::watch::Watch;
use crate::drift::Shift;
use crate::observed::Family;
use crate::schema::FieldPath;

/// Rows that shares are taken over: with as many, one share is known to ± 0.016 (one standard
/// error at a half).
pub const SHARE_ROWS: u64 = 1_000;

/// A share that moved by less than this has not moved: three standard errors of the difference of
/// two shares over [`SHARE_ROWS`] rows.
pub const SHARE_NOISE: f64 = 0.067;

/// What was counted of a field over some rows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Rows that have it.
    pub with: u64,
    /// Rows that could have had it.
    pub of: u64,
    /// The types of its values, NULL among them.
    pub families: BTreeMap<Family, u64>,
}

/// What was counted of every known field over some rows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Rows.
    pub rows: u64,
    /// Fields.
    pub fields: BTreeMap<FieldPath, Counts>,
}

impl Tally {
    fn of(rows: u64, entries: &[Entry]) -> Self {
        let counts = |entry: &Entry| {
            let families = entry.families.iter().map(|(family, trace)| (*family, trace.with));
            let nulls = (entry.nulls > 0).then_some((Family::NULL, entry.nulls));
            Counts {
                with: entry.presence.with,
                of: entry.presence.of,
                families: families.chain(nulls).collect(),
            }
        };
        let known = entries.iter().filter(|entry| entry.known);
        Self { rows, fields: known.map(|entry| (entry.path.clone(), counts(entry))).collect() }
    }

    /// What was counted since an earlier tally of the same rows.
    fn since(&self, earlier: &Self) -> Self {
        let nothing = Counts::default();
        let fields = self.fields.iter().map(|(path, counts)| {
            let before = earlier.fields.get(path).unwrap_or(&nothing);
            let families = counts.families.iter().map(|(family, n)| {
                (*family, n.saturating_sub(before.families.get(family).copied().unwrap_or(0)))
            });
            let since = Counts {
                with: counts.with.saturating_sub(before.with),
                of: counts.of.saturating_sub(before.of),
                families: families.collect(),
            };
            (path.clone(), since)
        });
        Self { rows: self.rows.saturating_sub(earlier.rows), fields: fields.collect() }
    }

    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        for (path, counts) in &other.fields {
            let sum = self.fields.entry(path.clone()).or_default();
            sum.with += counts.with;
            sum.of += counts.of;
            for (family, n) in &counts.families {
                *sum.families.entry(*family).or_default() += n;
            }
        }
    }
}

/// The shares that one lane compares.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shares {
    /// The schema version they are of.
    pub version: u32,
    /// Where the rows being counted began.
    pub start: Tally,
    /// The first [`SHARE_ROWS`] rows of the version.
    pub first: Option<Tally>,
    /// The last whole [`SHARE_ROWS`] rows.
    pub last: Option<Tally>,
}

impl Shares {
    /// Follows a watch. Returns whether another stretch of rows is whole, so that it is time to
    /// look at what [`shifts`] says.
    pub(super) fn follow(&mut self, version: u32, rows: u64, entries: &[Entry]) -> bool {
        if self.version != version {
            *self = Self { version, start: Tally::of(rows, entries), ..Self::default() };
            return false;
        }
        if rows.saturating_sub(self.start.rows) < SHARE_ROWS {
            return false;
        }
        let now = Tally::of(rows, entries);
        let stretch = now.since(&self.start);
        self.start = now;
        if self.first.is_none() {
            self.first = Some(stretch);
            return false;
        }
        self.last = Some(stretch);
        true
    }
}

/// How the shares of each field have moved since the version began, over all lanes that have
/// seen enough rows of it; fields that have not moved beyond chance are left out.
#[must_use]
pub fn shifts(version: u32, watches: &[&Watch]) -> BTreeMap<FieldPath, Shift> {
    let (mut first, mut last) = (Tally::default(), Tally::default());
    for shares in watches.iter().map(|watch| &watch.gathered().shares) {
        if let (true, Some(one), Some(other)) = (shares.version == version, &shares.first, &shares.last) {
            first.add(one);
            last.add(other);
        }
    }
    let moved = |path: &FieldPath, before: &Counts| {
        let after = last.fields.get(path)?;
        let shift = Shift { presence: presence(before, after), distribution: distribution(before, after) };
        (shift != Shift::default()).then(|| (path.clone(), shift))
    };
    first.fields.iter().filter_map(|(path, before)| moved(path, before)).collect()
}

fn beyond_noise(moved: f64) -> f64 {
    if moved > SHARE_NOISE { moved } else { 0.0 }
}

fn presence(before: &Counts, after: &Counts) -> f64 {
    if before.of < SHARE_ROWS / 2 || after.of < SHARE_ROWS / 2 {
        return 0.0;
    }
    beyond_noise((before.with as f64 / before.of as f64 - after.with as f64 / after.of as f64).abs())
}

/// Half the sum of the differences of the types' shares: the total variation distance.
fn distribution(before: &Counts, after: &Counts) -> f64 {
    let sum = |counts: &Counts| counts.families.values().sum::<u64>();
    let (all_before, all_after) = (sum(before), sum(after));
    if all_before < SHARE_ROWS / 2 || all_after < SHARE_ROWS / 2 {
        return 0.0;
    }
    let share = |counts: &Counts, family: Family, all: u64| {
        counts.families.get(&family).copied().unwrap_or(0) as f64 / all as f64
    };
    let moved: f64 = Family::all()
        .map(|family| (share(before, family, all_before) - share(after, family, all_after)).abs())
        .sum();
    beyond_noise(moved / 2.0)
}

#[cfg(test)]
mod tests {
    use super::super::{Known, RowSeen};
    use super::*;
    use crate::order::OrderVersion;
    use crate::registry::Origin;
    use crate::schema::{Field, FieldType, Schema, TypeSet};
    use crate::value::{Item, Value};

    fn row(n: i64, with_note: bool, null: bool) -> (Item, OrderVersion) {
        let mut item = Item::from([("id".to_owned(), Value::String(n.to_string()))]);
        if with_note {
            let note = if null { Value::Null } else { Value::String("x".to_owned()) };
            item.insert("note".to_owned(), note);
        }
        (item, OrderVersion::clock(0, n))
    }

    /// Folds rows of which one in `one_in` has a note, and every `null_in`th note is NULL.
    fn feed(watch: &mut Watch, from: i64, one_in: i64, null_in: i64) -> bool {
        let text = Field::of(TypeSet::of(FieldType::STRING).nullable(true));
        let fields = ["id", "note"].map(|name| (FieldPath::new(name), text.clone()));
        let schema = Schema { fields: fields.into(), key: Vec::new() };
        let retired = std::collections::BTreeSet::new();
        let (origin, position) = (Origin::Observed, None);
        let known = Known { schema: &schema, origin, position, since: 0, retired: &retired, version: 1 };
        let mut whole = false;
        for start in (from..from + 1_000).step_by(100) {
            let rows: Vec<_> =
                (start..start + 100).map(|n| row(n, n % one_in == 0, n % (one_in * null_in) == 0)).collect();
            let seen: Vec<RowSeen<'_>> = rows
                .iter()
                .enumerate()
                .map(|(n, (item, version))| RowSeen {
                    after: Some(item),
                    before: None,
                    version,
                    at: start + n as i64,
                })
                .collect();
            watch.fold(&known, &seen);
            whole |= watch.take_whole_stretch();
        }
        whole
    }

    #[test]
    fn a_field_that_fewer_rows_have_or_that_turns_null_has_shifted_and_chance_has_not() {
        let check = |one_in, null_in, presence: f64, distribution: f64| {
            let mut watch = Watch::default();
            feed(&mut watch, 1, 2, 1_000_000);
            feed(&mut watch, 1_001, 2, 1_000_000);
            assert!(feed(&mut watch, 2_001, one_in, null_in) | feed(&mut watch, 3_001, one_in, null_in));
            let shifts = shifts(1, &[&watch]);
            let shift = shifts.get(&FieldPath::new("note")).copied().unwrap_or_default();
            let close = |a: f64, b: f64| (a - b).abs() < 0.02;
            assert!(close(shift.presence, presence), "{one_in}: {shift:?}");
            assert!(close(shift.distribution, distribution), "{null_in}: {shift:?}");
            assert!(!shifts.contains_key(&FieldPath::new("id")));
        };
        check(2, 1_000_000, 0.0, 0.0);
        check(10, 1_000_000, 0.4, 0.0);
        check(1, 2, 0.5, 0.5);
    }
}
