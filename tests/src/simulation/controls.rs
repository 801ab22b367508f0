//! Negative controls: designs known to be wrong, kept so that the simulator must catch each.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use evercount_core::chunk::{Commit, Content};
use evercount_core::counting::{self, Contributions};
use evercount_core::group::Cell;
use evercount_core::image::Image;
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::Catalog;
use evercount_core::order::{LogRank, OrderVersion};
use evercount_pipeline::count::{self, BatchReport, StreamRecord};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{CatalogStore, CountStore};

use crate::listening::world::drive;
use crate::scale::metered::is_version_only;

/// A wrong design.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Each record is added as it comes, without any memory.
    Naive,
    /// Lane mode on a source that repeats and reorders.
    CheckpointOnly,
    /// Records are remembered by their bytes, but only the last few.
    EventWindow,
    /// Batches are remembered whole, as a client request token would.
    RequestToken,
    /// A row takes whatever change comes last, whatever its version.
    NoVersionGuard,
    /// A row is written without regard to what was read.
    NoCondition,
    /// A repair dates what it reads at the time after reading, without a margin.
    RepairAfterReading,
    /// Two batches of one shard share its checkpoint (ParallelizationFactor 2).
    Parallel,
    /// The doubt about a row is forgotten with the next change.
    ForgottenDoubt,
    /// Counters are clamped at zero.
    Clamped,
    /// A truncate sweeps the ledger without fencing the other lanes.
    NoFence,
    /// Registers of distinct counts only ever grow, as an ordinary sketch's do.
    OnlyGrowing,
    /// Ledger rows that move no count are written one by one before the transaction, which would
    /// halve their price. Not among [`Self::ALL`]: where only rows change, it counts right.
    VersionsOutside,
}

impl Control {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Naive,
        Self::CheckpointOnly,
        Self::EventWindow,
        Self::RequestToken,
        Self::NoVersionGuard,
        Self::NoCondition,
        Self::RepairAfterReading,
        Self::Parallel,
        Self::ForgottenDoubt,
        Self::Clamped,
        Self::NoFence,
        Self::OnlyGrowing,
    ];

    /// Spoils what a row is read as.
    pub fn spoil_read(self, row: &mut LedgerRow) {
        match self {
            Self::NoVersionGuard => {
                row.ambiguous = None;
                row.version = match row.version.clock_micros() {
                    Some(_) => OrderVersion::clock(0, 0),
                    None => OrderVersion::binlog(0, 0, 0, 0, LogRank::SnapshotFloor),
                };
            }
            Self::ForgottenDoubt => row.ambiguous = None,
            _ => {}
        }
    }

    /// Spoils a commit: what it is conditional on, or what it moves.
    pub fn spoil_commit(self, commit: &mut Commit, memory: &Memory) {
        if self == Self::NoCondition {
            memory.inspect(|state| {
                for write in &mut commit.rows {
                    write.expected_revision = state.rows.get(&write.key).map(|row| row.revision);
                }
            });
        }
        if self == Self::VersionsOutside {
            write_versions_alone(commit, memory);
        }
        if self == Self::OnlyGrowing {
            for one in &mut commit.moves {
                one.cells.retain(|cell, n| *n > 0 || !matches!(cell, Cell::Register { .. }));
            }
        }
    }

    /// Spoils what a commit left.
    pub fn after_commit(self, memory: &Memory) {
        if self == Self::Clamped {
            memory.tamper(|state| {
                state.cells.values_mut().flat_map(|cells| cells.values_mut()).for_each(|n| *n = (*n).max(0))
            });
        }
    }

    /// Whether batches go through [`Memoryless`] and not through the counting step.
    #[must_use]
    pub fn is_memoryless(self) -> bool {
        matches!(self, Self::Naive | Self::EventWindow | Self::RequestToken)
    }
}

/// Writes the rows of a commit that move no count, each conditional on its revision alone. One that
/// somebody else wrote meanwhile stays in the commit, which then conflicts as a whole.
fn write_versions_alone(commit: &mut Commit, memory: &Memory) {
    let (alone, together): (Vec<_>, Vec<_>) = memory.inspect(|state| {
        std::mem::take(&mut commit.rows).into_iter().partition(|write| is_version_only(state, write))
    });
    commit.rows = together;
    for write in alone {
        let one = Commit { rows: vec![write], ..Commit::empty(commit.lane.clone()) };
        if drive(memory.commit(&one)).is_err() {
            commit.rows.extend(one.rows);
        }
    }
}

/// Records remembered by the event-window design.
const WINDOW: usize = 40;

/// Counters that keep no ledger: they add what each record's images say.
#[derive(Clone, Debug, Default)]
pub struct Memoryless {
    window: Arc<Mutex<(VecDeque<u64>, HashSet<u64>)>>,
}

impl Memoryless {
    /// Adds a batch.
    pub async fn count(
        &self,
        control: Control,
        store: &super::chaos::Chaos,
        records: &[StreamRecord],
        options: count::CountOptions,
    ) -> BatchReport {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let hash = |records: &[StreamRecord]| {
            let mut hasher = DefaultHasher::new();
            records.iter().for_each(|record| record.data.hash(&mut hasher));
            hasher.finish()
        };
        if control == Control::RequestToken && !self.is_new(hash(records), usize::MAX) {
            return BatchReport::default();
        }
        for record in records {
            // A call that others may come before, and that may fail.
            let Ok(Some(catalog)) = store.catalog(None).await else {
                return BatchReport {
                    first_unapplied: Some(record.sequence.clone()),
                    ..BatchReport::default()
                };
            };
            let known =
                control == Control::EventWindow && !self.is_new(hash(std::slice::from_ref(record)), WINDOW);
            if !known {
                add(&store.memory, &catalog, record, options);
            }
        }
        BatchReport::default()
    }

    fn is_new(&self, id: u64, window: usize) -> bool {
        let mut state = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.1.insert(id) {
            return false;
        }
        state.0.push_back(id);
        if state.0.len() > window
            && let Some(oldest) = state.0.pop_front()
        {
            state.1.remove(&oldest);
        }
        true
    }
}

fn add(memory: &Memory, catalog: &Catalog, record: &StreamRecord, options: count::CountOptions) {
    let decoder = evercount_wire::cdc::Decoder::new(options.format, options.epoch);
    let Content::Changes(changes) = count::decode_record(&decoder, None, record, &mut Vec::new()) else {
        return;
    };
    let mut sum = Contributions::new();
    for change in &changes {
        for logic in catalog.of_table(&change.row.table) {
            for (image, sign) in [(&change.after, 1), (&change.before, -1)] {
                if let Ok(cells) =
                    counting::contribution(logic, image.as_ref().map(Image::item).as_deref(), None)
                {
                    counting::add_cells(sum.entry(logic.id.clone()).or_default(), &cells, sign);
                }
            }
        }
    }
    memory.tamper(|state| {
        for (logic, cells) in sum {
            let key = (logic, evercount_core::lane::LaneId::operator(), 0);
            counting::add_cells(state.cells.entry(key).or_default(), &cells, 1);
        }
    });
}
