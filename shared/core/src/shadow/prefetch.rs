//! Which values are fetched ahead of time, and which are there already.

use super::{Prefetch, ShadowRow, ShadowSchema, ShadowState, ShadowValue};
use crate::order::{ItemVersion, Micros};
use crate::value::Value;

/// How long before a column is expected its values are fetched, microseconds: a week. What is fetched
/// earlier is mostly fetched again.
pub const AHEAD: Micros = 7 * 86_400_000_000;

/// What one run of fetching may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrefetchBounds {
    /// Values asked for.
    pub values: u64,
    /// Bytes of answers.
    pub bytes: u64,
    /// Time, microseconds.
    pub time: Micros,
}

/// A thousand values, 16 MiB and a minute: what a scheduled function does besides its work.
pub const BOUNDS_DEFAULT: PrefetchBounds =
    PrefetchBounds { values: 1_000, bytes: 16 << 20, time: 60_000_000 };

impl PrefetchBounds {
    /// What is left after a fetch; `None` where nothing more may be asked for.
    #[must_use]
    pub fn after(self, values: u64, bytes: u64, time: Micros) -> Option<Self> {
        let left = Self {
            values: self.values.saturating_sub(values),
            bytes: self.bytes.saturating_sub(bytes),
            time: self.time.saturating_sub(time),
        };
        (left.values > 0 && left.bytes > 0 && left.time > 0).then_some(left)
    }
}

/// The columns of which values are fetched by now: expected soon, or at a time that nobody knows.
pub fn due(schema: &ShadowSchema, now: Micros) -> impl Iterator<Item = (&String, &Prefetch)> {
    schema.columns.iter().filter_map(move |(name, column)| {
        let is_soon = column.expected_at.is_none_or(|at| at.saturating_sub(now) <= AHEAD);
        let prefetch = column.prefetch.as_ref()?;
        (column.state == ShadowState::Expected && is_soon).then_some((name, prefetch))
    })
}

/// Whether a value is to be fetched: nobody wrote or removed one, and none that was fetched is fresh. That
/// the source had none is kept as well, and is as fresh as a value.
#[must_use]
pub fn is_wanted(row: Option<&ShadowRow>, column: &str, prefetch: &Prefetch, now: Micros) -> bool {
    match row.and_then(|row| row.values.get(column)) {
        None => true,
        Some(known) => known.is_fetched() && known.at.saturating_add(prefetch.fresh_for) <= now,
    }
}

/// A value as it is kept after it was fetched; `None` where the source has none.
#[must_use]
pub fn fetched(value: Option<Value>, now: Micros) -> ShadowValue {
    ShadowValue { value, order: ItemVersion::NONE, at: now }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::change::TableName;
    use crate::schema::{Constraints, TypeSet};
    use crate::shadow::{PrefetchFrom, ShadowColumn};

    const HOUR: Micros = 3_600_000_000;

    fn prefetch() -> Prefetch {
        let (table, attribute) = (TableName::new("tiers"), "tier".to_owned());
        Prefetch { from: PrefetchFrom::Table { table, attribute }, fresh_for: HOUR }
    }

    #[test]
    fn what_is_expected_soon_is_fetched_and_no_other() {
        let column = |state, expected_at, prefetch| ShadowColumn {
            types: TypeSet::default(),
            default: None,
            constraints: Constraints::default(),
            expected_at,
            probability: 0.5,
            source: String::new(),
            prefetch,
            state,
        };
        let expected = ShadowState::Expected;
        let columns = [
            ("soon", column(expected, Some(AHEAD), Some(prefetch()))),
            ("some time", column(expected, None, Some(prefetch()))),
            ("later", column(expected, Some(AHEAD + 1), Some(prefetch()))),
            ("from nowhere", column(expected, None, None)),
            ("there", column(ShadowState::Arrived { at: 0 }, None, Some(prefetch()))),
        ];
        let columns = columns.map(|(name, column)| (name.to_owned(), column)).into();
        let schema = ShadowSchema { columns, ..ShadowSchema::nothing(TableName::new("t"), 0) };
        assert_eq!(due(&schema, 0).map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["some time", "soon"]);
    }

    #[test]
    fn what_is_fresh_or_written_is_not_fetched() {
        let row = |value| ShadowRow { revision: 1, values: BTreeMap::from([("c".to_owned(), value)]) };
        let is_wanted = |row: Option<&ShadowRow>, now| is_wanted(row, "c", &prefetch(), now);
        assert!(is_wanted(None, 0));
        for value in [None, Some(Value::Null)] {
            let kept = row(fetched(value.clone(), 5));
            assert!(!is_wanted(Some(&kept), HOUR + 4) && is_wanted(Some(&kept), HOUR + 5));
            let written = row(ShadowValue { order: ItemVersion(1), ..fetched(value, 5) });
            assert!(!is_wanted(Some(&written), 9 * HOUR));
        }
    }
}
