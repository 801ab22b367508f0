//! Chunks: how many deliveries go into one transaction, and what that transaction writes.
//!
//! A chunk's commit carries the lane's checkpoint, the ledger rows, the counter deltas and the
//! quarantined records together, so a crash between any two calls leaves the counts as they were
//! before the chunk or after it. Planning is pure: given what was loaded, it leaves nothing to
//! choose at execution.

use std::collections::{BTreeMap, BTreeSet};

use crate::change::{Change, Passed, RowKey, TableEvent, TableName};
use crate::counting::Cells;
use crate::lane::{LaneId, LaneState, SequenceNumber, SequenceRef};
use crate::ledger::LedgerRow;
use crate::logic::{Catalog, LogicId};
use crate::memo::Memo;
use crate::order::{Floor, Micros, OrderVersion};
use crate::placement::Placement;

mod draft;
mod plan;
mod tally;

pub use draft::{Draft, Mode};
pub use plan::{moves, plan};
pub use tally::LaneTally;

/// Most actions of one `TransactWriteItems`.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
pub const ACTIONS_MAX: usize = 100;
/// Most distinct rows of a chunk: leaves room for the checkpoint and a handful of counter items
/// within [`ACTIONS_MAX`], and fits one `BatchGetItem` of 100 keys.
pub const ROWS_MAX: usize = 94;
/// Most bytes of one transaction. DynamoDB's limit is 4 MB; the rest is for attribute names and
/// expressions.
pub const BYTES_MAX: usize = 3_500_000;

/// Most live logic versions of one table. A single change may touch every one of them, and its
/// transaction must still hold the checkpoint, two rows and a quarantine entry.
pub const LOGIC_PER_TABLE_MAX: usize = 96;

/// One stream record, decoded.
#[derive(Clone, PartialEq, Debug)]
pub struct Delivery {
    /// Its sequence number.
    pub sequence: SequenceNumber,
    /// When Kinesis took it, microseconds since the epoch.
    pub arrived_at: Micros,
    /// Most bytes that it has: what is reckoned for putting it aside.
    pub bytes: usize,
    /// What it says.
    pub content: Content,
}

impl Delivery {
    /// What of it does not depend on what it says.
    #[must_use]
    pub fn arrival(&self) -> Arrival<'_> {
        Arrival { sequence: self.sequence.by_ref(), at: self.arrived_at, bytes: self.bytes }
    }
}

/// That a stream record arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its sequence number.
    pub sequence: SequenceRef<'a>,
    /// When Kinesis took it, microseconds since the epoch.
    pub at: Micros,
    /// Most bytes that it has.
    pub bytes: usize,
}

/// What a stream record turned out to be.
#[derive(Clone, PartialEq, Debug)]
pub enum Content {
    /// Row changes.
    Changes(Vec<Change>),
    /// Something that happened to tables as a whole, with the record as it came.
    Tables(Vec<TableEvent>, Vec<u8>),
    /// Nothing to count.
    Passed(Passed),
    /// A record that cannot be understood.
    Poison(Poison),
}

impl Content {
    /// The row changes; none where it is something else.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::Changes(changes) => changes,
            _ => &[],
        }
    }

    /// The row changes; none where it is something else.
    #[must_use]
    pub fn changes_mut(&mut self) -> &mut [Change] {
        match self {
            Self::Changes(changes) => changes,
            _ => &mut [],
        }
    }
}

/// A record that cannot be counted: kept whole, with its reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Poison {
    /// A short, stable name of what is wrong.
    pub reason: String,
    /// One sentence for a person.
    pub detail: String,
    /// The table, where the record got that far.
    pub table: Option<TableName>,
    /// The record's bytes as they came.
    pub raw: Vec<u8>,
    /// The record's partition key: Debezium's key travels there.
    pub partition_key: Option<String>,
}

/// A quarantined record: what the commit stores of a [`Poison`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quarantined {
    /// The lane it came by.
    pub lane: LaneId,
    /// Its sequence number.
    pub sequence: SequenceNumber,
    /// When Kinesis took it.
    pub arrived_at: Micros,
    /// The record and what is wrong with it.
    pub poison: Poison,
    /// The logic versions whose counts it makes uncertain.
    pub affects: Vec<LogicId>,
}

/// A control record, kept.
#[derive(Clone, PartialEq, Debug)]
pub struct Control {
    /// The lane it came by.
    pub lane: LaneId,
    /// Its sequence number.
    pub sequence: SequenceNumber,
    /// What it says.
    pub event: TableEvent,
    /// The record as it came.
    pub raw: Vec<u8>,
}

/// A write of one ledger row, conditional on what was read.
#[derive(Clone, PartialEq, Debug)]
pub struct RowWrite {
    /// The row.
    pub key: RowKey,
    /// The revision read; `None` where there was no row.
    pub expected_revision: Option<u64>,
    /// The row to be; `None` to forget it.
    pub row: Option<LedgerRow>,
}

/// Deltas added to one counter item of the committing lane.
#[derive(Clone, PartialEq, Debug)]
pub struct CellMove {
    /// Whose cells.
    pub logic: LogicId,
    /// Which of the lane's counter items.
    pub bucket: u32,
    /// By how much each cell moves; never empty, never zero.
    pub cells: Cells,
}

/// How a lane advances: from what was read to what is taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LaneAdvance {
    /// The state read; the commit fails unless it still stands.
    pub from: LaneState,
    /// The state to be.
    pub to: LaneState,
}

/// One transaction.
#[derive(Clone, PartialEq, Debug)]
pub struct Commit {
    /// The lane whose counter items move.
    pub lane: LaneId,
    /// The checkpoint; `None` for commits that come from no stream.
    pub advance: Option<LaneAdvance>,
    /// Ledger rows.
    pub rows: Vec<RowWrite>,
    /// Counter deltas.
    pub moves: Vec<CellMove>,
    /// Records put aside.
    pub quarantined: Vec<Quarantined>,
    /// A quarantined record that this commit takes out of quarantine; the commit fails where it
    /// is no longer there.
    pub released: Option<(LaneId, SequenceNumber)>,
    /// Control records kept.
    pub controls: Vec<Control>,
}

impl Commit {
    /// A commit of nothing.
    #[must_use]
    pub fn empty(lane: LaneId) -> Self {
        Self {
            lane,
            advance: None,
            rows: Vec::new(),
            moves: Vec::new(),
            quarantined: Vec::new(),
            released: None,
            controls: Vec::new(),
        }
    }

    /// How many actions the transaction has.
    #[must_use]
    pub fn actions(&self) -> usize {
        usize::from(self.advance.is_some())
            + usize::from(self.released.is_some())
            + self.rows.len()
            + self.moves.len()
            + self.quarantined.len()
            + self.controls.len()
    }
}

/// What became of the records of a chunk or batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Records looked at.
    pub read: u64,
    /// Records whose changes are in the counts because of this delivery.
    pub applied: u64,
    /// Records that were in the counts already.
    pub duplicates: u64,
    /// Records overtaken by a newer change of the same row.
    pub late: u64,
    /// Records that carry nothing to count: tombstones, control records, tables nobody counts.
    pub passed: u64,
    /// Records put aside.
    pub quarantined: u64,
    /// Records that could not be ordered against what their row holds.
    pub ambiguous: u64,
}

impl Tally {
    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.applied += other.applied;
        self.duplicates += other.duplicates;
        self.late += other.late;
        self.passed += other.passed;
        self.quarantined += other.quarantined;
        self.ambiguous += other.ambiguous;
    }
}

/// What planning needs to know besides rows and deliveries.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The live counting logic.
    pub catalog: &'a Catalog,
    /// When each table was last emptied.
    pub floors: &'a BTreeMap<TableName, Floor>,
    /// When a tombstone written now may be forgotten, microseconds since the epoch.
    pub tombstone_expires_at: Micros,
}

impl<'a> Facts<'a> {
    /// The ledger row of a source row: that of the table's oldest name.
    fn ledger_key(&self, row: &RowKey) -> RowKey {
        RowKey { table: self.catalog.ledger_name(&row.table).clone(), identity: row.identity.clone() }
    }

    /// Whether a change was made before its table, by the name of its ledger rows, was last emptied.
    fn is_below_floor(&self, table: &TableName, version: &OrderVersion, at: Micros) -> bool {
        self.floors.get(table).is_some_and(|floor| floor.covers(version, at))
    }

    fn affected_by(&self, poison: &Poison) -> Vec<LogicId> {
        match &poison.table {
            Some(table) => {
                let definitions = self.catalog.of_table(table).iter().map(|one| &one.id.definition);
                let distinct: BTreeSet<_> = definitions.collect();
                distinct.into_iter().map(LogicId::doubt_of).collect()
            }
            // It could have been a change of any table.
            None => vec![LogicId::unattributed()],
        }
    }
}

/// What is remembered from chunk to chunk. All of it only gives hints, so it needs no undoing when a commit
/// fails.
#[derive(Debug, Default)]
pub struct Hints {
    /// Where the lane keeps its cells.
    pub placement: Placement,
    /// What was judged.
    pub memo: Memo,
}

/// A planned chunk.
#[derive(Clone, PartialEq, Debug)]
pub struct Chunk {
    /// The transaction.
    pub commit: Commit,
    /// How many of the deliveries it takes.
    pub consumed: usize,
    /// What becomes of them.
    pub tally: Tally,
    /// Roughly how many bytes the transaction has.
    pub bytes: usize,
}

impl Chunk {
    /// Whether one transaction takes it.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.commit.actions() <= ACTIONS_MAX && self.bytes <= BYTES_MAX
    }

    /// How many of the deliveries that it takes may fit one transaction: fewer in proportion to what is too much,
    /// so that chunks stay full.
    #[must_use]
    pub fn fitting(&self, taken: usize) -> usize {
        let by_actions = taken * ACTIONS_MAX / self.commit.actions().max(ACTIONS_MAX);
        let by_bytes = if self.bytes > BYTES_MAX { taken / 2 } else { taken };
        by_actions.min(by_bytes)
    }
}

/// Whether a catalog knows every version that rows contribute to. Where it does not, the version is
/// gone, or it started after the catalog was read and its cells would be left behind: only a catalog
/// read after the rows tells which.
#[must_use]
pub fn knows_all<'a>(catalog: &Catalog, rows: impl IntoIterator<Item = (&'a RowKey, &'a LedgerRow)>) -> bool {
    rows.into_iter().all(|(key, row)| {
        catalog.table(&key.table).is_none_or(|logic| {
            let known = || logic.live.iter().chain(&logic.draining);
            row.contributions.keys().all(|id| known().any(|version| version.id == *id))
        })
    })
}

/// The rows that deliveries touch and somebody counts, of as many leading deliveries as one
/// chunk may take; with the number of those deliveries.
#[must_use]
pub fn rows_needed(deliveries: &[Delivery], catalog: &Catalog) -> (BTreeSet<RowKey>, usize) {
    let mut rows = BTreeSet::new();
    for (taken, delivery) in deliveries.iter().enumerate() {
        let mut touched: Vec<RowKey> = Vec::new();
        if let Content::Changes(changes) = &delivery.content {
            let counted = changes.iter().filter(|change| !catalog.of_table(&change.row.table).is_empty());
            let keys = counted.map(|change| RowKey {
                table: catalog.ledger_name(&change.row.table).clone(),
                identity: change.row.identity.clone(),
            });
            touched.extend(keys.filter(|row| !rows.contains(row)));
        }
        if taken > 0 && rows.len() + touched.len() > ROWS_MAX {
            return (rows, taken);
        }
        rows.extend(touched);
    }
    (rows, deliveries.len())
}
