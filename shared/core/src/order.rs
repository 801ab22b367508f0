//! Order versions: which of two changes to one row is the later one.
//!
//! A version is a byte string whose lexicographic order is the order of changes *to one row*.
//! Nothing is ever concluded from versions of different rows: log positions of interleaved
//! PostgreSQL transactions are not monotone in the stream, but per row they are, because a row
//! lock is held until commit.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::iter;
use std::ops::Deref;

/// Time in microseconds since the Unix epoch.
pub type Micros = i64;

/// Clock skew that a timestamp of a single service may show, in microseconds. Two changes of
/// one row that lie closer together than this are ordered by their images, not by their clocks.
pub const CLOCK_SKEW_BOUND: Micros = 100_000;

/// The version that the data proxy stamps on an item: it rises with every write of the item.
///
/// It is the clock in microseconds where that is higher than the version stored, and one more than the
/// version stored otherwise. So it is strictly monotone while the item exists, whatever clocks do; and an
/// item that was deleted and is written again goes on above its earlier versions, as far as clocks do not
/// go back by more than the time between. Two writes that make the very same of the very same item at the
/// very same time have one version, and are one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ItemVersion(pub u64);

impl ItemVersion {
    /// Of an item that nobody stamped: older than every version.
    pub const NONE: Self = Self(0);

    /// The version of a write at `now` to an item of this one.
    #[must_use]
    pub fn next(self, now: Micros) -> Self {
        Self(self.0.saturating_add(1).max(u64::try_from(now).unwrap_or(0)))
    }

    /// The version that a change gave its item, or, where it removed the item, the one it took it from:
    /// what tells two changes of one item apart where clocks cannot. `before` and `after` are those of the
    /// images, `None` where there is no image; `at` is the time of the change. `None` where the change was
    /// not the proxy's, as far as images tell: one that left the version as it was, took it back, or wrote
    /// where none was.
    #[must_use]
    pub fn of_change(before: Option<Self>, after: Option<Self>, at: Micros) -> Option<Self> {
        let given = match (before, after) {
            (None, Some(version)) | (Some(version), None) => version,
            (Some(before), Some(after)) if before > Self::NONE && after > before => after,
            _ => Self::NONE,
        };
        let drift = i64::try_from(given.0).ok()?.abs_diff(at);
        (drift <= STAMP_DRIFT_MAX.unsigned_abs()).then_some(given)
    }
}

/// Farthest that an item's version may be from the clock of its change, microseconds: a day, which no clock
/// that a proxy runs by is off. A number that is farther away is somebody else's attribute of that name.
const STAMP_DRIFT_MAX: Micros = 86_400_000_000;

/// What the bytes of a version were made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Basis {
    /// A bulk load without a log position: older than every change.
    Load,
    /// A position in the source's log: exact.
    Log,
    /// A timestamp: exact only beyond [`CLOCK_SKEW_BOUND`].
    Clock,
}

const LOAD: u8 = 1;
const LOG: u8 = 2;
const CLOCK: u8 = 3;

/// Rank of a snapshot row at a log position.
const RANK_SNAPSHOT: u8 = 1;
/// Rank of a change at a log position: newer than a snapshot taken at that position.
const RANK_CHANGE: u8 = 2;
/// Rank of a floor at a log position: older than a snapshot at that position, because a
/// snapshot announces the drop of each table it is about to re-read.
const RANK_SNAPSHOT_FLOOR: u8 = 0;

/// The place of a change among the changes of its row. Compare only versions of one table.
///
/// Layout: `epoch (2 bytes) | basis (1) | position (fixed length for each source) | rank (1)`, and where the
/// position is a timestamp, the item's own version (8) in place of a rank, where it has one. The operator raises the epoch when the source's log restarts (a failover without GTID).
#[derive(Clone)]
pub struct OrderVersion(Bytes);

/// The bytes of a version: without an allocation where they are few.
#[derive(Clone)]
enum Bytes {
    Few { length: u8, padded: [u8; FEW] },
    Many(Box<[u8]>),
}

/// Most bytes of a version that are few: those of all but the ones by commit.
const FEW: usize = 22;

impl Bytes {
    fn of<'a>(parts: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>) -> Self {
        let parts = parts.into_iter();
        let (mut padded, mut length) = ([0; FEW], 0);
        for part in parts.clone() {
            let Some(place) = padded.get_mut(length..length + part.len()) else {
                return Self::Many(parts.flatten().copied().collect());
            };
            place.copy_from_slice(part);
            length += part.len();
        }
        Self::Few { length: length as u8, padded }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Few { length, padded } => padded.get(..usize::from(*length)).unwrap_or(padded),
            Self::Many(bytes) => bytes,
        }
    }
}

impl PartialEq for OrderVersion {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl Eq for OrderVersion {}

impl PartialOrd for OrderVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl Hash for OrderVersion {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// Whether a log position belongs to a snapshot row or to a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogRank {
    /// A row read by a snapshot that stands at the position.
    Snapshot,
    /// A change written at the position.
    Change,
    /// A table dropped by the snapshot that stands at the position.
    SnapshotFloor,
}

impl LogRank {
    fn byte(self) -> u8 {
        match self {
            Self::SnapshotFloor => RANK_SNAPSHOT_FLOOR,
            Self::Snapshot => RANK_SNAPSHOT,
            Self::Change => RANK_CHANGE,
        }
    }
}

impl OrderVersion {
    #[inline]
    fn build(epoch: u16, basis: u8, parts: &[&[u8]]) -> Self {
        let [high, low] = epoch.to_be_bytes();
        Self(Bytes::of(iter::once([high, low, basis].as_slice()).chain(parts.iter().copied())))
    }

    /// A version from a timestamp.
    #[must_use]
    pub fn clock(epoch: u16, at: Micros) -> Self {
        Self::build(epoch, CLOCK, &[&at.max(0).to_be_bytes()])
    }

    /// A version from a timestamp, and from the version that the change gave its item, where it did.
    #[must_use]
    pub fn stamped(epoch: u16, at: Micros, item: Option<ItemVersion>) -> Self {
        let Some(ItemVersion(item)) = item else { return Self::clock(epoch, at) };
        Self::build(epoch, CLOCK, &[&at.max(0).to_be_bytes(), &item.to_be_bytes()])
    }

    /// A version from a MySQL binary log position: file number, offset, row within the event.
    #[must_use]
    pub fn binlog(epoch: u16, file: u32, offset: u64, row: u32, rank: LogRank) -> Self {
        Self::build(
            epoch,
            LOG,
            &[&file.to_be_bytes(), &offset.to_be_bytes(), &row.to_be_bytes(), &[rank.byte()]],
        )
    }

    /// A version from a write-ahead log sequence number, with a number that tells apart events
    /// that share one (0 where there is none).
    #[must_use]
    pub fn lsn(epoch: u16, lsn: u64, sub: u32, rank: LogRank) -> Self {
        Self::build(epoch, LOG, &[&lsn.to_be_bytes(), &sub.to_be_bytes(), &[rank.byte()]])
    }

    /// A version from a commit time, a transaction and a place within it, for logs whose
    /// position text is not understood.
    #[must_use]
    pub fn commit(epoch: u16, at: Micros, transaction: u64, record: u64) -> Self {
        Self::build(
            epoch,
            LOG,
            &[&at.max(0).to_be_bytes(), &transaction.to_be_bytes(), &record.to_be_bytes()],
        )
    }

    /// A version for a row of a bulk load: older than every change, newer than earlier loads.
    #[must_use]
    pub fn load(epoch: u16, at: Micros) -> Self {
        Self::build(epoch, LOAD, &[&at.max(0).to_be_bytes()])
    }

    /// A version from stored bytes; `None` where they are no version.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        matches!(bytes.get(2), Some(&(LOAD | LOG | CLOCK))).then(|| Self(Bytes::of([bytes])))
    }

    /// The bytes, as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What the version was made from.
    #[must_use]
    pub fn basis(&self) -> Basis {
        match self.0.get(2) {
            Some(&LOAD) => Basis::Load,
            Some(&CLOCK) => Basis::Clock,
            _ => Basis::Log,
        }
    }

    /// The timestamp of a clock version.
    #[must_use]
    pub fn clock_micros(&self) -> Option<Micros> {
        if self.basis() != Basis::Clock {
            return None;
        }
        let bytes: [u8; 8] = self.0.get(3..11)?.try_into().ok()?;
        Some(Micros::from_be_bytes(bytes))
    }

    /// The version that the change gave its item, where it is told.
    #[must_use]
    pub fn item_version(&self) -> Option<ItemVersion> {
        if self.basis() != Basis::Clock {
            return None;
        }
        let bytes: [u8; 8] = self.0.get(11..19)?.try_into().ok()?;
        Some(ItemVersion(u64::from_be_bytes(bytes)))
    }
}

impl fmt::Debug for OrderVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:", self.basis())?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The moment a table was emptied (truncated, dropped, or reloaded from scratch): changes at or
/// below it say nothing about the table as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Floor {
    /// By log position or clock, comparable with the versions of the table's rows.
    Version(OrderVersion),
    /// By time, for sources whose control records carry no log position.
    Time(Micros),
}

impl Floor {
    /// Whether a change of this version and time happened before the table was emptied.
    #[must_use]
    pub fn covers(&self, version: &OrderVersion, at: Micros) -> bool {
        match self {
            // What an item's own version adds to a time makes it no later than that time.
            Self::Version(floor) => version <= floor || version.0.starts_with(&floor.0),
            Self::Time(floor) => at <= *floor,
        }
    }

    /// The later of two floors of one table.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        let keep_other = match (&self, &other) {
            (Self::Version(a), Self::Version(b)) => b > a,
            (Self::Time(a), Self::Time(b)) => b > a,
            // A table does not change its kind of source; prefer the comparable one.
            (Self::Time(_), Self::Version(_)) => true,
            (Self::Version(_), Self::Time(_)) => false,
        };
        if keep_other { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_their_source_wrote_them() {
        let ordered = [
            OrderVersion::load(0, 9),
            OrderVersion::load(0, 10),
            OrderVersion::commit(0, 1, 1, 1),
            OrderVersion::commit(0, 1, 1, 2),
            OrderVersion::binlog(0, 2, 500, 0, LogRank::Change),
            OrderVersion::binlog(0, 3, 4, 0, LogRank::SnapshotFloor),
            OrderVersion::binlog(0, 3, 4, 0, LogRank::Snapshot),
            OrderVersion::binlog(0, 3, 4, 0, LogRank::Change),
            OrderVersion::binlog(0, 3, 4, 1, LogRank::Change),
            OrderVersion::binlog(0, 3, 40, 0, LogRank::Change),
            OrderVersion::binlog(0, 10, 4, 0, LogRank::Change),
            OrderVersion::clock(0, 5),
            OrderVersion::clock(0, 6),
            OrderVersion::binlog(1, 1, 4, 0, LogRank::Change),
        ];
        assert!(ordered.is_sorted());
        for version in &ordered {
            assert_eq!(OrderVersion::from_bytes(version.as_bytes()).as_ref(), Some(version));
        }
        assert_eq!(OrderVersion::clock(0, 77).clock_micros(), Some(77));
        assert_eq!(OrderVersion::lsn(0, 77, 0, LogRank::Change).clock_micros(), None);
    }

    #[test]
    fn a_change_has_the_version_it_gave_its_item_or_took_it_from() {
        const NOW: Micros = 1_767_225_600_000_000;
        let version = |since: u64| Some(ItemVersion(NOW.unsigned_abs() + since));
        let check = |before, after, expected| {
            assert_eq!(ItemVersion::of_change(before, after, NOW), expected, "{before:?} to {after:?}");
        };
        check(None, version(5), version(5));
        check(version(5), None, version(5));
        check(version(5), version(6), version(6));
        // Not the proxy's: left as it was, taken back, written over, made where none was.
        check(version(5), version(5), None);
        check(version(6), version(5), None);
        check(version(5), Some(ItemVersion::NONE), None);
        check(Some(ItemVersion::NONE), version(5), None);
        // Somebody else's counter of that name.
        check(Some(ItemVersion(1)), Some(ItemVersion(2)), None);
        check(None, Some(ItemVersion(u64::MAX)), None);
        let stamped = OrderVersion::stamped(0, NOW, version(5));
        assert_eq!((stamped.clock_micros(), stamped.item_version()), (Some(NOW), version(5)));
        assert_eq!(OrderVersion::from_bytes(stamped.as_bytes()), Some(stamped.clone()));
        assert_eq!(OrderVersion::clock(0, NOW).item_version(), None);
        assert_eq!(OrderVersion::binlog(0, 1, 2, 3, LogRank::Change).item_version(), None);
        let floor = Floor::Version(OrderVersion::clock(0, NOW));
        assert!(floor.covers(&stamped, NOW));
        assert!(!floor.covers(&OrderVersion::stamped(0, NOW + 1, version(5)), NOW + 1));
    }

    #[test]
    fn a_floor_covers_what_was_written_before_it_and_nothing_later() {
        let at = |offset| OrderVersion::binlog(0, 1, offset, 0, LogRank::Change);
        let floor = Floor::Version(at(10));
        assert!(floor.covers(&at(10), 0) && floor.covers(&at(9), 0) && !floor.covers(&at(11), 0));
        assert_eq!(floor.clone().later(Floor::Version(at(12))), Floor::Version(at(12)));
        assert_eq!(floor.clone().later(Floor::Version(at(1))), floor);
        assert!(Floor::Time(5).covers(&at(99), 5) && !Floor::Time(5).covers(&at(1), 6));
    }
}
