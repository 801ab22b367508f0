//! The ledger: what each source row contributes to the counts, and what a change does to that.
//!
//! A row's state is the join (maximum) of the changes delivered for it, so the state after any
//! set of deliveries does not depend on their order, number or timing. Where versions are mere
//! timestamps, two changes closer together than clocks can tell are ordered by their images
//! (each change's before image is its predecessor's after image); where that fails too, the row
//! is marked ambiguous, its counts carry `uncertain`, and a recheck asks the source.

use crate::change::Change;
use crate::counting::{self, Contributions, Unavailable};
use crate::group::Cell;
use crate::logic::LogicVersion;
use crate::order::{Basis, CLOCK_SKEW_BOUND, Micros, OrderVersion};
use crate::value::{Item, Value, digest};

/// Longest value that a ledger row remembers of a referenced column, in bytes. Rows stay small
/// enough that ninety of them fit a 4 MB transaction; a longer value still counts, but cannot be
/// filled in when a later change leaves it out.
pub const REMEMBERED_BYTES_MAX: usize = 4_096;

/// What the ledger knows of one source row.
#[derive(Clone, PartialEq, Debug)]
pub struct LedgerRow {
    /// The newest change applied.
    pub version: OrderVersion,
    /// When the source made it, microseconds since the epoch.
    pub at: Micros,
    /// Whether the row exists after it. A row that does not is a tombstone: it keeps a late
    /// change from bringing the row back.
    pub present: bool,
    /// What the row adds to each live logic version.
    pub contributions: Contributions,
    /// The columns that any definition reads.
    pub remembered: Item,
    /// Digest of the image before the change; 0 where there was none.
    pub before_digest: u64,
    /// Digest of the image after the change; 0 where there is none.
    pub after_digest: u64,
    /// The newest change that could not be ordered against the one applied. Sticky: only a
    /// recheck, or a change later than all doubt, clears it.
    pub ambiguous: Option<OrderVersion>,
    /// When a tombstone may be forgotten, microseconds since the epoch.
    pub expires_at: Option<Micros>,
    /// Another one after every write of the row; see [`next_revision`].
    pub revision: u64,
}

/// The revision of a row's next write: one more than the one that stands. A new row starts from
/// a digest of its version, because a row that is forgotten (its table was emptied) and made
/// again must not repeat a revision that a slow worker may still hold.
#[must_use]
pub fn next_revision(standing: Option<u64>, version: &OrderVersion) -> u64 {
    match standing {
        Some(revision) => revision.wrapping_add(1),
        None => xxhash_rust::xxh3::xxh3_64(version.as_bytes()) >> 16,
    }
}

/// How a change stands to what its row already knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// It is the newest: its image is the row's.
    Newer,
    /// It is the change that was applied last.
    Duplicate,
    /// A newer change stands already.
    Late,
    /// Neither times nor images tell which is newer.
    Ambiguous,
}

/// What a change does to its ledger row.
#[derive(Clone, PartialEq, Debug)]
pub enum Transition {
    /// The row becomes this.
    Applied(LedgerRow),
    /// The change is in the row already.
    Duplicate,
    /// A newer change is in the row already.
    Late,
    /// The row stays as it was but for its doubt.
    Ambiguous(LedgerRow),
}

/// How a change stands to its row.
#[must_use]
pub fn arrival(row: Option<&LedgerRow>, change: &Change) -> Arrival {
    let Some(row) = row else { return Arrival::Newer };
    let after = digest(change.after.as_ref());
    match (row.version.clock_micros(), change.version.clock_micros()) {
        (Some(row_at), Some(change_at)) => by_clock(row, row_at, change, change_at, after),
        // The digest only breaks ties between different images at one log position, always the
        // same way; a tombstone (0) loses to an image.
        _ => match (&change.version, after).cmp(&(&row.version, row.after_digest)) {
            std::cmp::Ordering::Greater => Arrival::Newer,
            std::cmp::Ordering::Equal => Arrival::Duplicate,
            std::cmp::Ordering::Less => Arrival::Late,
        },
    }
}

fn by_clock(row: &LedgerRow, row_at: Micros, change: &Change, change_at: Micros, after: u64) -> Arrival {
    let before = digest(change.before.as_ref());
    if change_at == row_at && after == row.after_digest && before == row.before_digest {
        return Arrival::Duplicate;
    }
    if let Some(doubt) = row.ambiguous.as_ref().and_then(OrderVersion::clock_micros) {
        return if change_at >= doubt.saturating_add(CLOCK_SKEW_BOUND) {
            Arrival::Newer
        } else if change_at.saturating_add(CLOCK_SKEW_BOUND) <= row_at {
            Arrival::Late
        } else {
            Arrival::Ambiguous
        };
    }
    if change_at >= row_at.saturating_add(CLOCK_SKEW_BOUND) {
        return Arrival::Newer;
    }
    if change_at.saturating_add(CLOCK_SKEW_BOUND) <= row_at {
        return Arrival::Late;
    }
    let follows = before == row.after_digest;
    let precedes = after == row.before_digest;
    if follows && !precedes && change_at >= row_at {
        Arrival::Newer
    } else if precedes && !follows && change_at <= row_at {
        Arrival::Late
    } else {
        Arrival::Ambiguous
    }
}

/// What a change does to its row under the live logic versions of its table. A tombstone is
/// given the expiry `tombstone_expires_at`.
///
/// # Errors
/// [`Unavailable`] where a referenced value was not sent and is not remembered.
pub fn apply<'a>(
    row: Option<&LedgerRow>,
    change: &Change,
    logic: impl Iterator<Item = &'a LogicVersion> + Clone,
    tombstone_expires_at: Micros,
) -> Result<Transition, Unavailable> {
    match (arrival(row, change), row) {
        (Arrival::Duplicate, _) => Ok(Transition::Duplicate),
        (Arrival::Late, _) => Ok(Transition::Late),
        (Arrival::Ambiguous, Some(row)) => Ok(Transition::Ambiguous(doubt(row, change, logic))),
        (Arrival::Newer | Arrival::Ambiguous, row) => {
            newer(row, change, logic, tombstone_expires_at).map(Transition::Applied)
        }
    }
}

fn newer<'a>(
    row: Option<&LedgerRow>,
    change: &Change,
    logic: impl Iterator<Item = &'a LogicVersion> + Clone,
    tombstone_expires_at: Micros,
) -> Result<LedgerRow, Unavailable> {
    // A tombstone remembers nothing, so values are only ever filled in from the row's last life.
    let filled = match (&change.after, row) {
        (Some(image), Some(row)) => Some(counting::fill_unavailable(image.clone(), &row.remembered)),
        (image, _) => image.clone(),
    };
    let mut contributions = Contributions::new();
    for version in logic.clone() {
        let cells = counting::contribution(version, filled.as_ref())?;
        if !cells.is_empty() {
            contributions.insert(version.id.clone(), cells);
        }
    }
    let remembered =
        filled.as_ref().map(|image| remember(counting::project(logic, image))).unwrap_or_default();
    Ok(LedgerRow {
        version: change.version.clone(),
        at: change.at,
        present: change.after.is_some(),
        contributions,
        remembered,
        before_digest: digest(change.before.as_ref()),
        after_digest: digest(change.after.as_ref()),
        ambiguous: None,
        expires_at: change.after.is_none().then_some(tombstone_expires_at),
        revision: next_revision(row.map(|row| row.revision), &change.version),
    })
}

fn doubt<'a>(row: &LedgerRow, change: &Change, logic: impl Iterator<Item = &'a LogicVersion>) -> LedgerRow {
    let mut doubtful = row.clone();
    let newest = doubtful.ambiguous.take().unwrap_or_else(|| row.version.clone()).max(change.version.clone());
    doubtful.ambiguous = Some(newest);
    doubtful.expires_at = None;
    doubtful.revision = next_revision(Some(row.revision), &row.version);
    for version in logic {
        doubtful.contributions.entry(version.id.clone()).or_default().insert(Cell::Uncertain, 1);
    }
    doubtful
}

fn remember(projection: Item) -> Item {
    projection.into_iter().filter(|(_, value)| bytes(value) <= REMEMBERED_BYTES_MAX).collect()
}

fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::List(values) => values.iter().map(bytes).fold(0, usize::saturating_add),
        Value::Map(item) => item
            .iter()
            .map(|(name, value)| bytes(value).saturating_add(name.len()))
            .fold(0, usize::saturating_add),
        Value::StringSet(set) => set.iter().map(String::len).sum(),
        Value::BinarySet(set) => set.iter().map(Vec::len).sum(),
        Value::NumberSet(set) => set.len() * 20,
        Value::Number(_) | Value::Bool(_) | Value::Null => 8,
        // What was never known is not worth remembering.
        Value::Unavailable => usize::MAX,
    }
}

/// A keyless event as a row of its own: it contributes what it adds, less what it removes.
///
/// # Errors
/// [`Unavailable`] where a referenced value was not sent.
pub fn delta_row<'a>(
    change: &Change,
    logic: impl Iterator<Item = &'a LogicVersion>,
) -> Result<LedgerRow, Unavailable> {
    let mut contributions = Contributions::new();
    for version in logic {
        let mut cells = counting::contribution(version, change.after.as_ref())?;
        counting::add_cells(&mut cells, &counting::contribution(version, change.before.as_ref())?, -1);
        cells.insert(Cell::ByDelta, 1);
        contributions.insert(version.id.clone(), cells);
    }
    Ok(LedgerRow {
        version: change.version.clone(),
        at: change.at,
        present: change.after.is_some(),
        contributions,
        remembered: Item::new(),
        before_digest: digest(change.before.as_ref()),
        after_digest: digest(change.after.as_ref()),
        ambiguous: None,
        expires_at: None,
        revision: next_revision(None, &change.version),
    })
}

/// Whether the row waits for a recheck, and since which version.
#[must_use]
pub fn recheck_due(row: &LedgerRow) -> Option<Micros> {
    row.ambiguous.as_ref().filter(|doubt| doubt.basis() == Basis::Clock).and_then(OrderVersion::clock_micros)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a test may panic")]
    use super::*;
    use crate::change::{RowIdentity, RowKey, TableName};
    use crate::order::LogRank;

    fn change(version: OrderVersion, before: Option<&str>, after: Option<&str>) -> Change {
        let image = |status: &str| Item::from([("status".to_owned(), Value::String(status.to_owned()))]);
        Change {
            row: RowKey { table: TableName::new("orders"), identity: RowIdentity::Key("k".into()) },
            before: before.map(image),
            after: after.map(image),
            at: version.clock_micros().unwrap_or(0),
            version,
        }
    }

    fn row(version: OrderVersion, before: Option<&str>, after: Option<&str>) -> LedgerRow {
        match apply(None, &change(version, before, after), std::iter::empty(), 0) {
            Ok(Transition::Applied(row)) => row,
            other => panic!("a first change is applied, not {other:?}"),
        }
    }

    /// A row at time 1,000,000 that went from A to B, and a change at another time.
    fn check(at: Micros, before: &str, after: &str, expected: Arrival) {
        let row = row(OrderVersion::clock(0, 1_000_000), Some("A"), Some("B"));
        let change = change(OrderVersion::clock(0, at), Some(before), Some(after));
        assert_eq!(arrival(Some(&row), &change), expected, "{before} to {after} at {at}");
    }

    #[test]
    fn beyond_the_skew_bound_the_later_time_wins() {
        check(1_100_000, "X", "Y", Arrival::Newer);
        check(900_000, "X", "Y", Arrival::Late);
    }

    #[test]
    fn within_the_skew_bound_images_decide_or_nobody_does() {
        check(1_000_000, "A", "B", Arrival::Duplicate);
        check(1_050_000, "B", "C", Arrival::Newer);
        check(950_000, "X", "A", Arrival::Late);
        check(1_000_000, "B", "C", Arrival::Newer);
        // It could be the next change or the one before.
        check(1_050_000, "B", "A", Arrival::Ambiguous);
        // It does not chain.
        check(1_050_000, "X", "Y", Arrival::Ambiguous);
        // It chains, but its clock says otherwise.
        check(950_000, "B", "C", Arrival::Ambiguous);
    }

    #[test]
    fn doubt_is_sticky_until_a_change_later_than_all_of_it() {
        let mut doubtful = row(OrderVersion::clock(0, 1_000_000), Some("A"), Some("B"));
        doubtful.ambiguous = Some(OrderVersion::clock(0, 1_080_000));
        let at = |at| arrival(Some(&doubtful), &change(OrderVersion::clock(0, at), Some("B"), Some("C")));
        assert_eq!(at(1_120_000), Arrival::Ambiguous);
        assert_eq!(at(1_180_000), Arrival::Newer);
        assert_eq!(at(800_000), Arrival::Late);
    }

    #[test]
    fn log_positions_decide_alone() {
        let at = |offset| OrderVersion::binlog(0, 1, offset, 0, LogRank::Change);
        let row = row(at(5), None, Some("A"));
        assert_eq!(arrival(Some(&row), &change(at(6), None, None)), Arrival::Newer);
        assert_eq!(arrival(Some(&row), &change(at(5), None, Some("A"))), Arrival::Duplicate);
        assert_eq!(arrival(Some(&row), &change(at(4), None, Some("Z"))), Arrival::Late);
        // Delete and create at one position, in either order: the row is there.
        assert_eq!(arrival(Some(&row), &change(at(5), None, None)), Arrival::Late);
    }

    #[test]
    fn a_row_made_again_does_not_repeat_a_revision() {
        let at = |offset| OrderVersion::binlog(0, 1, offset, 0, LogRank::Change);
        let (first, again) = (row(at(5), None, Some("A")), row(at(9), None, Some("A")));
        assert_ne!(first.revision, again.revision);
    }
}
