//! The counting step: a batch of one shard's records in, counts committed, a report out.
//!
//! Load, decide, commit, chunk by chunk. Data errors never fail a batch: they are quarantined.
//! Only a store that stays unavailable or the end of the time budget leaves records unapplied,
//! and then the report says from which sequence number on, which is what Lambda is told.

mod at_once;
mod decode;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evercount_core::change::TableName;
use evercount_core::chunk::{
    self, ACTIONS_MAX, CellMove, Chunk, Commit, Content, Delivery, Facts, Hints, LaneAdvance, Mode, Poison,
    Tally,
};
use evercount_core::function::{FunctionId, Unanswered};
use evercount_core::group::Cell;
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::logic::Catalog;
use evercount_core::order::{Floor, Micros};
use evercount_wire::cdc::Format;
use evercount_wire::kinesis_event::Data;

use crate::asking::{InProcess, Runner};
use crate::empty_table;
use crate::kinesis::ShardEvent;
use crate::ports::{Cost, Store, StoreError, TableFacts};
use decode::{Decoded, Reading};

pub use decode::decode_record;

/// Attempts at one chunk before the batch gives up and lets the records be delivered again. A
/// conflict means somebody else moved on, so progress is being made; 20 in a row do not happen
/// to two writers that back off.
pub const ATTEMPTS_MAX: u32 = 20;

/// Attempts at one chunk while the store is unavailable. The adapter has backed off and retried
/// by then.
pub const UNAVAILABLE_MAX: u32 = 3;

/// How long a tombstone is kept, microseconds: the longest retention a stream can have here
/// (seven days) and a day of lag.
pub const TOMBSTONE_LIFE: Micros = 8 * 24 * 3_600 * 1_000_000;

/// How to count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CountMode {
    /// A ledger row for each source row: exact under duplicates and reordering.
    Ledger,
    /// Checkpoint and deltas only: exact for sources that are ordered and free of duplicates.
    Lane,
}

/// Settings of a counter.
#[derive(Clone, Copy, Debug)]
pub struct CountOptions {
    /// How to count.
    pub mode: CountMode,
    /// The format of the records; detected by content where it is `None`.
    pub format: Option<Format>,
    /// Raised by the operator when the source's log restarts.
    pub epoch: u16,
}

/// One record of a shard, as the stream delivered it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamRecord {
    /// Its sequence number.
    pub sequence: SequenceNumber,
    /// Its partition key.
    pub partition_key: String,
    /// When Kinesis took it, microseconds since the epoch.
    pub arrived_at: Micros,
    /// Its data.
    pub data: Data,
}

/// What a counter keeps between batches of one lane, all of which can be loaded again; and whom it asks of
/// functions of users.
#[derive(Debug)]
pub struct Warm<R = InProcess> {
    catalog: Option<Arc<Catalog>>,
    facts: Option<(u64, TableFacts)>,
    hints: Hints,
    reading: Option<Reading>,
    runner: R,
}

impl Default for Warm {
    fn default() -> Self {
        Self::asking(InProcess::default())
    }
}

impl<R> Warm<R> {
    /// Nothing yet, and who runs functions.
    #[must_use]
    pub fn asking(runner: R) -> Self {
        Self { catalog: None, facts: None, hints: Hints::default(), reading: None, runner }
    }
}

/// What became of a batch.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct BatchReport {
    /// What became of its records.
    pub tally: Tally,
    /// The first record that is not in the counts, where the batch was not finished.
    pub first_unapplied: Option<SequenceNumber>,
    /// Why it was not finished.
    pub stopped_by: Option<Stop>,
    /// When Kinesis took the newest of its records, microseconds since the epoch.
    pub newest: Option<Micros>,
    /// What the commits cost.
    pub cost: Cost,
    /// Transactions committed.
    pub commits: u64,
    /// Items that went to an overflow cell, because their definition has as many groups as it may.
    pub overflowed: u64,
    /// Functions of users that gave no answer, and why the first time.
    pub unanswered: BTreeMap<FunctionId, Unanswered>,
}

/// Why a batch was not finished.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Stop {
    /// The time budget ran out.
    #[error("out of time")]
    OutOfTime,
    /// The store did not let it finish.
    #[error("{0}")]
    Store(StoreError),
}

/// Counts a batch of records of one shard, in shard order.
///
/// `now` is the time the batch arrived, microseconds since the epoch; `keep_going` says whether
/// there is time for another chunk.
pub async fn run<S: Store, R: Runner<S>>(
    store: &S,
    warm: &mut Warm<R>,
    lane: &LaneId,
    records: &[StreamRecord],
    options: CountOptions,
    now: Micros,
    keep_going: impl Fn() -> bool + Send,
) -> BatchReport {
    let newest = records.iter().map(|record| record.arrived_at).max();
    let mut report = BatchReport { newest, ..BatchReport::default() };
    let mut batch = Batch { store, records, warm, lane, options, now, report: &mut report };
    if let Err((stop, first)) = batch.run(keep_going).await {
        report.stopped_by = Some(stop);
        report.first_unapplied = first;
    }
    report
}

/// Counts an event of one shard while it is read, where lane mode can: nearly always. `None` where nothing was
/// counted, and its records are for [`run`].
pub async fn run_event<S: Store, R: Runner<S>>(
    store: &S,
    warm: &mut Warm<R>,
    lane: &LaneId,
    event: ShardEvent<'_>,
    options: CountOptions,
    now: Micros,
) -> Option<BatchReport> {
    if options.mode != CountMode::Lane {
        return None;
    }
    let mut report = BatchReport::default();
    let mut batch = Batch { store, records: &[], warm, lane, options, now, report: &mut report };
    let mut state = batch.prepare().await.ok()?;
    batch.at_once(event, &mut state).await.then_some(report)
}

struct Batch<'a, S, R> {
    store: &'a S,
    records: &'a [StreamRecord],
    warm: &'a mut Warm<R>,
    lane: &'a LaneId,
    options: CountOptions,
    now: Micros,
    report: &'a mut BatchReport,
}

type Stopped = (Stop, Option<SequenceNumber>);

/// What became of an attempt to go on.
enum Advanced {
    /// So many deliveries are in the counts.
    By(usize),
    /// The catalog is another one than they were decoded for.
    Outdated,
}

impl<S: Store, R: Runner<S>> Batch<'_, S, R> {
    async fn run(&mut self, keep_going: impl Fn() -> bool + Send) -> Result<(), Stopped> {
        let mut next = self.records.first().map(|record| record.sequence.clone());
        let mut state = self.prepare().await.map_err(|error| (Stop::Store(error), next.clone()))?;
        loop {
            let decoded = self.decode(&state, &keep_going).await;
            let Decoded { deliveries, revision, stopped_at } =
                decoded.map_err(|error| (Stop::Store(error), next.clone()))?;
            let mut rest = deliveries.as_slice();
            let mut is_current = true;
            while let Some(delivery) = rest.first().filter(|_| is_current) {
                next = Some(delivery.sequence.clone());
                if !keep_going() {
                    return Err((Stop::OutOfTime, next));
                }
                let advanced = self.advance(rest, revision, &mut state).await;
                match advanced.map_err(|error| (Stop::Store(error), next.clone()))? {
                    Advanced::By(consumed) => rest = rest.get(consumed..).unwrap_or_default(),
                    Advanced::Outdated => is_current = false,
                }
            }
            match stopped_at {
                _ if !is_current => {}
                // What is answered is in the counts; the rest is asked now.
                Some(_) if !deliveries.is_empty() && keep_going() => {}
                Some(sequence) => return Err((Stop::OutOfTime, Some(sequence))),
                None => return Ok(()),
            }
        }
    }

    /// Loads what deciding needs; most of it is warm.
    async fn prepare(&mut self) -> Result<LaneState, StoreError> {
        self.refresh_catalog().await?;
        self.lane_state().await
    }

    async fn refresh_catalog(&mut self) -> Result<(), StoreError> {
        let known = self.warm.catalog.as_ref().map(|catalog| catalog.revision);
        if let Some(catalog) = self.store.catalog(known).await? {
            self.warm.catalog = Some(Arc::new(catalog));
        }
        Ok(())
    }

    /// The lane's state, with table facts that are at least as new as its fence.
    async fn lane_state(&mut self) -> Result<LaneState, StoreError> {
        let mut state = self.store.lane(self.lane).await?;
        if state.sequence.is_none() {
            self.store.register_lane(self.lane).await?;
            // Whoever emptied a table before the lane was registered did not fence it.
            self.warm.facts = None;
        }
        if self.warm.facts.as_ref().is_none_or(|(fence, _)| *fence != state.fence) {
            // The fence is read before the facts and the catalog: what is newer than it does no
            // harm.
            state = self.store.lane(self.lane).await?;
            self.refresh_catalog().await?;
            self.warm.facts = Some((state.fence, self.store.table_facts().await?));
        }
        Ok(state)
    }

    fn floors(&self) -> BTreeMap<TableName, Floor> {
        self.warm.facts.as_ref().map(|(_, facts)| facts.floors.clone()).unwrap_or_default()
    }

    /// Commits one chunk from the front of the deliveries, which were decoded for the catalog of a
    /// revision: another one may read what was left out of them.
    async fn advance(
        &mut self,
        deliveries: &[Delivery],
        revision: u64,
        state: &mut LaneState,
    ) -> Result<Advanced, StoreError> {
        let (mut unavailable, mut window_max) = (0, deliveries.len());
        for _ in 0..ATTEMPTS_MAX {
            if self.warm.catalog.as_ref().is_some_and(|catalog| catalog.revision != revision) {
                return Ok(Advanced::Outdated);
            }
            let mut window = deliveries.get(..window_max).unwrap_or(deliveries);
            match self.first_table_change(window) {
                Some(0) if self.options.mode == CountMode::Lane && self.empties_a_table(window) => {
                    match self.empty_lane(window, state).await {
                        Err(StoreError::Conflict) => {
                            *state = self.lane_state().await?;
                            continue;
                        }
                        other => return other.map(Advanced::By),
                    }
                }
                Some(0) => match self.settle_tables(window).await {
                    Ok(()) => {
                        *state = self.lane_state().await?;
                        window = window.get(..1).unwrap_or(window);
                    }
                    Err(StoreError::Unavailable(_)) if unavailable < UNAVAILABLE_MAX => {
                        unavailable += 1;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
                Some(at) => window = window.get(..at).unwrap_or(window),
                None => {}
            }
            match self.attempt(window, state).await {
                Ok(consumed) => return Ok(Advanced::By(consumed)),
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable(_)) if unavailable < UNAVAILABLE_MAX => unavailable += 1,
                // Find the record the store will not have, and put it aside alone.
                Err(StoreError::Rejected(_)) if window.len() > 1 => window_max = window.len().div_ceil(2),
                Err(StoreError::Rejected(why)) => {
                    let aside = self.put_aside(window, state, "store_rejected", why).await;
                    return aside.map(Advanced::By);
                }
                Err(error) => return Err(error),
            }
            *state = self.lane_state().await?;
        }
        Err(StoreError::Conflict)
    }

    async fn attempt(&mut self, window: &[Delivery], state: &mut LaneState) -> Result<usize, StoreError> {
        let catalog = self.warm.catalog.clone().unwrap_or_default();
        self.place_known_cells(&catalog, window).await?;
        let (needed, taken) = match self.options.mode {
            CountMode::Ledger => chunk::rows_needed(window, &catalog),
            CountMode::Lane => (BTreeSet::new(), window.len()),
        };
        let window = window.get(..taken).unwrap_or(window);
        let loaded = if needed.is_empty() { BTreeMap::new() } else { self.store.rows(&needed).await? };
        if !chunk::knows_all(&catalog, &loaded) {
            // Another lane heard of a new version before this one did.
            self.refresh_catalog().await?;
            if self.warm.catalog.as_ref().is_some_and(|now| now.revision != catalog.revision) {
                return Err(StoreError::Conflict);
            }
        }
        let mode = match self.options.mode {
            CountMode::Ledger => Mode::Ledger { loaded: &loaded },
            CountMode::Lane => Mode::Lane,
        };
        let floors = self.floors();
        let facts = Facts {
            catalog: &catalog,
            floors: &floors,
            tombstone_expires_at: self.now.saturating_add(TOMBSTONE_LIFE),
        };
        let mut chunk = chunk::plan(mode, window, self.lane, state, &facts, &mut self.warm.hints);
        self.keep_bytes(&mut chunk);
        self.commit(chunk, state).await
    }

    /// A record put aside after it was decoded is kept as it came, too.
    fn keep_bytes(&self, chunk: &mut Chunk) {
        for one in chunk.commit.quarantined.iter_mut().filter(|one| one.poison.raw.is_empty()) {
            if let Some(record) = self.records.iter().find(|record| record.sequence == one.sequence) {
                one.poison.raw = record.data.raw();
                one.poison.partition_key = Some(record.partition_key.clone());
            }
        }
    }

    async fn commit(&mut self, chunk: Chunk, state: &mut LaneState) -> Result<usize, StoreError> {
        let Some(advance) = chunk.commit.advance.clone() else { return Ok(chunk.consumed) };
        let committed = match self.store.commit(&chunk.commit).await {
            Ok(cost) => Some(cost),
            Err(error @ StoreError::Rejected(_)) => return Err(error),
            Err(error) => {
                // The reply may have been lost, not the commit: the checkpoint tells.
                let stands = self.store.lane(self.lane).await?;
                if stands != advance.to {
                    return Err(error);
                }
                None
            }
        };
        *state = advance.to;
        self.report.tally.add(&chunk.tally);
        self.report.commits += 1;
        let cells = chunk.commit.moves.iter().flat_map(|one| &one.cells);
        let beyond = cells.filter(|(cell, n)| **cell == Cell::Overflow && **n > 0);
        self.report.overflowed += beyond.map(|(_, n)| n.unsigned_abs()).sum::<u64>();
        if let Some(cost) = committed {
            self.report.cost.write_units += cost.write_units;
            self.report.cost.read_units += cost.read_units;
        }
        Ok(chunk.consumed)
    }

    /// Where the first record stands that changes what is known of a table.
    fn first_table_change(&self, window: &[Delivery]) -> Option<usize> {
        window.iter().position(|delivery| match &delivery.content {
            Content::Tables(events, _) => events.iter().any(|event| self.is_news(event)),
            _ => false,
        })
    }

    fn is_news(&self, event: &evercount_core::change::TableEvent) -> bool {
        let Some((_, facts)) = &self.warm.facts else { return true };
        let counted = self.is_counted(&event.table);
        let table =
            self.warm.catalog.as_ref().map_or(&event.table, |catalog| catalog.ledger_name(&event.table));
        // A floor that is known already may have been raised by an attempt that died before its
        // sweep was complete, so it is swept again.
        let floor_news = event.floor.as_ref().is_some_and(|floor| {
            counted
                && facts.floors.get(table).is_none_or(|known| known.clone().later(floor.clone()) == *floor)
        });
        let shape_news = event.shape.as_ref().is_some_and(|shape| {
            facts.shapes.get(&event.table).is_none_or(|(at, known)| event.at >= *at && shape != known)
        });
        floor_news || shape_news
    }

    fn is_counted(&self, table: &TableName) -> bool {
        self.warm.catalog.as_ref().is_some_and(|catalog| !catalog.of_table(table).is_empty())
    }

    /// Makes what the first delivery says of tables known to every lane.
    async fn settle_tables(&mut self, window: &[Delivery]) -> Result<(), StoreError> {
        let Some(Content::Tables(events, _)) = window.first().map(|delivery| &delivery.content) else {
            return Ok(());
        };
        for event in events.iter().filter(|event| self.is_news(event)).cloned().collect::<Vec<_>>() {
            if let Some(shape) = &event.shape {
                self.store.learn_shape(&event.table, event.at, shape).await?;
            }
            let counted = self.is_counted(&event.table);
            if let Some(floor) = event.floor.as_ref().filter(|_| counted) {
                empty_table::run(self.store, &event.table, floor).await?;
            }
        }
        self.warm.facts = None;
        Ok(())
    }

    /// Learns where this lane keeps its cells, once for each logic version it meets.
    async fn place_known_cells(&mut self, catalog: &Catalog, window: &[Delivery]) -> Result<(), StoreError> {
        let mut wanted: Vec<&TableName> = Vec::new();
        for delivery in window {
            if let Content::Changes(changes) = &delivery.content {
                wanted.extend(changes.iter().map(|change| &change.row.table));
                wanted.dedup();
            }
        }
        for table in wanted {
            self.place_cells(catalog, table).await?;
        }
        Ok(())
    }

    /// Learns where this lane keeps the cells of a table's counts.
    async fn place_cells(&mut self, catalog: &Catalog, table: &TableName) -> Result<(), StoreError> {
        for logic in catalog.of_table(table) {
            let placement = &mut self.warm.hints.placement;
            if !placement.knows(&logic.id) {
                let stored = self.store.cells_of_lane(&logic.id, self.lane).await?;
                placement.start(&logic.id);
                for (bucket, cells) in stored {
                    cells.keys().for_each(|cell| placement.learn(&logic.id, cell, bucket));
                }
            }
        }
        Ok(())
    }

    fn empties_a_table(&self, window: &[Delivery]) -> bool {
        match window.first().map(|delivery| &delivery.content) {
            Some(Content::Tables(events, _)) => {
                events.iter().any(|event| event.floor.is_some() && self.is_news(event))
            }
            _ => false,
        }
    }

    /// Lane mode has no ledger to sweep. A table that one lane alone has counted is emptied by
    /// taking that lane's own cells back; between several lanes nobody can tell what came before.
    async fn empty_lane(&mut self, window: &[Delivery], state: &mut LaneState) -> Result<usize, StoreError> {
        let Some(delivery) = window.first() else { return Ok(0) };
        let Content::Tables(events, _) = &delivery.content else { return Ok(0) };
        let lanes = self.store.lanes().await?;
        if lanes.iter().any(|(lane, state)| lane != self.lane && state.sequence.is_some()) {
            let why = "lane mode cannot tell which changes of other shards came before a table was emptied; count such tables in ledger mode";
            return self.put_aside(window, state, "lane_mode_truncate", why.to_owned()).await;
        }
        let catalog = self.warm.catalog.clone().unwrap_or_default();
        for event in events.iter().filter(|event| event.floor.is_some()) {
            let mut moves = Vec::new();
            for logic in catalog.of_table(&event.table) {
                for (bucket, mut cells) in self.store.cells_of_lane(&logic.id, self.lane).await? {
                    cells.retain(|cell, n| *n != 0 && *cell != Cell::Uncertain);
                    cells.values_mut().for_each(|n| *n = -*n);
                    if !cells.is_empty() {
                        moves.push(CellMove { logic: logic.id.clone(), bucket, cells });
                    }
                }
            }
            for part in moves.chunks(ACTIONS_MAX - 1) {
                // The checkpoint's record count makes sure that a twin does not take them twice.
                let to = LaneState { records: state.records + 1, ..state.clone() };
                let advance = Some(LaneAdvance { from: state.clone(), to: to.clone() });
                let taken_back = Commit { advance, moves: part.to_vec(), ..Commit::empty(self.lane.clone()) };
                self.store.commit(&taken_back).await?;
                *state = to;
            }
        }
        self.attempt(window.get(..1).unwrap_or(window), state).await
    }

    async fn put_aside(
        &mut self,
        window: &[Delivery],
        state: &mut LaneState,
        reason: &str,
        why: String,
    ) -> Result<usize, StoreError> {
        let Some(delivery) = window.first() else { return Err(StoreError::Rejected(why)) };
        let table = match &delivery.content {
            Content::Changes(changes) => changes.first().map(|change| change.row.table.clone()),
            // What cannot be stored as poison cannot be stored at all.
            Content::Poison(_) => return Err(StoreError::Rejected(why)),
            Content::Tables(events, _) => events.first().map(|event| event.table.clone()),
            Content::Passed(_) => None,
        };
        let poison =
            Poison { reason: reason.to_owned(), detail: why, table, raw: Vec::new(), partition_key: None };
        let poisoned = Delivery { content: Content::Poison(poison), ..delivery.clone() };
        self.attempt(&[poisoned], state).await
    }
}
