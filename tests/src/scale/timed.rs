//! The metered store on a simulated clock: calls take time, a transaction holds its items for as
//! long as it takes, and whoever wants one of them meanwhile gets a conflict, as DynamoDB says
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling>).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use evercount_core::adoption::{Adjustment, PolicyBook, TrailEntry};
use evercount_core::change::{RowKey, TableName, TableShape};
use evercount_core::chunk::{Commit, Quarantined};
use evercount_core::counting::Cells;
use evercount_core::definition::DefinitionName;
use evercount_core::function::{FunctionEntry, FunctionId, FunctionName};
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::{Catalog, LogicId, LogicVersion};
use evercount_core::order::{Floor, Micros};
use evercount_pipeline::ports::{
    CatalogEdit, CatalogStore, Cost, CountStore, Cut, FunctionStore, Page, QuarantineStore, StoreError,
    TableFacts, TableStore,
};
use fastrand::Rng;

use super::bill::{self, Kind, Written};
use super::metered::Metered;

const SECOND: u64 = 1_000_000;
/// Attempts of a store at one call, and the pauses between them: those of the store on DynamoDB.
const ATTEMPTS_MAX: u32 = 8;
const PAUSE_MIN: u64 = 20_000;
const PAUSE_MAX: u64 = 800_000;

/// A clock that whoever runs the simulation moves.
#[derive(Debug, Default)]
pub struct Clock {
    now: AtomicU64,
    wake: Mutex<Option<u64>>,
}

impl Clock {
    /// Microseconds since the start.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Moves the clock.
    pub fn set(&self, now: u64) {
        self.now.store(now, Ordering::Relaxed);
    }

    /// Waits until a time.
    pub async fn until(&self, at: u64) {
        Until { clock: self, at }.await;
    }

    /// When the task that was polled last wants to be polled again.
    pub fn take_wake(&self) -> Option<u64> {
        self.wake.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Until<'a> {
    clock: &'a Clock,
    at: u64,
}

impl Future for Until<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.at {
            return Poll::Ready(());
        }
        *self.clock.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.at);
        Poll::Pending
    }
}

/// How long calls take, microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Latency {
    /// A transaction: so long it holds its items.
    pub transaction: u64,
    /// A write by itself.
    pub write: u64,
    /// A read.
    pub read: u64,
}

impl Default for Latency {
    /// About what DynamoDB takes within a region; not measured here.
    fn default() -> Self {
        Self { transaction: 10_000, write: 5_000, read: 4_000 }
    }
}

/// What writing came to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Traffic {
    /// Commits done.
    pub commits: u64,
    /// Conflicts between transactions, by what the item is for that both wanted.
    pub conflicts: BTreeMap<Kind, u64>,
    /// Commits given up after as many attempts as the store makes.
    pub given_up: u64,
    /// Most write units that one item took in a second.
    pub hottest_item: f64,
    /// Most write units that the items of one partition key took in a second.
    pub hottest_partition: f64,
    /// All write units.
    pub write_units: f64,
    /// When the last commit was done, microseconds since the start.
    pub last_commit: u64,
}

#[derive(Debug)]
struct Flow {
    rng: Rng,
    held: HashSet<Written>,
    traffic: Traffic,
    second: u64,
    items: HashMap<Written, f64>,
    partitions: HashMap<String, f64>,
}

impl Flow {
    /// Notes what writing an item took at a time.
    fn heat(&mut self, now: u64, item: &Written, units: f64) {
        if now / SECOND != self.second {
            self.second = now / SECOND;
            self.items.clear();
            self.partitions.clear();
        }
        let of_item = self.items.entry(item.clone()).or_insert(0.0);
        *of_item += units;
        let of_partition = self.partitions.entry(item.partition()).or_insert(0.0);
        *of_partition += units;
        self.traffic.hottest_item = self.traffic.hottest_item.max(*of_item);
        self.traffic.hottest_partition = self.traffic.hottest_partition.max(*of_partition);
        self.traffic.write_units += units;
    }
}

/// A store whose calls take time.
#[derive(Clone)]
pub struct Timed {
    /// The store that does what is asked, at once.
    pub metered: Arc<Metered>,
    clock: Arc<Clock>,
    latency: Latency,
    /// The wrong design: all lanes add to the same counter items.
    shared_counters: bool,
    flow: Arc<Mutex<Flow>>,
}

impl Timed {
    /// An empty store; with `shared_counters`, one whose counter items belong to all lanes.
    #[must_use]
    pub fn new(clock: Arc<Clock>, latency: Latency, shared_counters: bool) -> Self {
        let flow = Flow {
            rng: Rng::with_seed(7),
            held: HashSet::new(),
            traffic: Traffic::default(),
            second: 0,
            items: HashMap::new(),
            partitions: HashMap::new(),
        };
        Self { metered: Arc::default(), clock, latency, shared_counters, flow: Arc::new(Mutex::new(flow)) }
    }

    /// What writing came to.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.with(|flow| flow.traffic.clone())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Flow) -> T) -> T {
        look(&mut self.flow.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn after(&self, latency: u64) {
        self.clock.until(self.clock.now() + latency).await;
    }

    /// The items of a commit, as this design has them, with what writing each takes and what not
    /// writing it does.
    fn items(&self, commit: &Commit) -> Vec<(Written, f64, f64)> {
        let transactional = bill::is_transaction(commit);
        let touches = self.metered.memory.inspect(|state| bill::touches(state, commit));
        let placed = |item: Written| match item {
            Written::Counter(logic, _, bucket) if self.shared_counters => {
                Written::Counter(logic, LaneId::named("all"), bucket)
            }
            item => item,
        };
        let one = |touch: bill::Touch| {
            let (done, refused) = (touch.units(transactional), touch.refused_units(transactional));
            (placed(touch.item), done, refused)
        };
        touches.into_iter().map(one).collect()
    }

    /// Takes hold of a commit's items, or says how long to wait for the next attempt.
    fn hold(&self, items: &[(Written, f64, f64)], attempt: u32) -> Result<(), u64> {
        let now = self.clock.now();
        self.with(|flow| {
            let taken =
                items.iter().find(|(item, ..)| flow.held.contains(item)).map(|(item, ..)| item.kind());
            let Some(kind) = taken else {
                flow.held.extend(items.iter().map(|(item, ..)| item.clone()));
                return Ok(());
            };
            *flow.traffic.conflicts.entry(kind).or_insert(0) += 1;
            for (item, _, refused) in items {
                flow.heat(now, item, *refused);
            }
            let pause = (PAUSE_MIN << attempt).min(PAUSE_MAX);
            Err(pause + flow.rng.u64(0..pause))
        })
    }
}

impl CountStore for Timed {
    async fn lane(&self, lane: &LaneId) -> Result<LaneState, StoreError> {
        self.after(self.latency.read).await;
        self.metered.lane(lane).await
    }

    async fn register_lane(&self, lane: &LaneId) -> Result<(), StoreError> {
        self.after(self.latency.write).await;
        self.metered.register_lane(lane).await
    }

    async fn lanes(&self) -> Result<BTreeMap<LaneId, LaneState>, StoreError> {
        self.metered.lanes().await
    }

    async fn fence(&self, lane: &LaneId) -> Result<(), StoreError> {
        self.metered.fence(lane).await
    }

    async fn rows(&self, keys: &BTreeSet<RowKey>) -> Result<BTreeMap<RowKey, LedgerRow>, StoreError> {
        self.after(self.latency.read).await;
        self.metered.rows(keys).await
    }

    async fn rows_of_table(
        &self,
        table: &TableName,
        after: Option<String>,
    ) -> Result<Page<LedgerRow>, StoreError> {
        self.metered.rows_of_table(table, after).await
    }

    async fn cells_of_lane(&self, logic: &LogicId, lane: &LaneId) -> Result<Vec<(u32, Cells)>, StoreError> {
        self.after(self.latency.read).await;
        self.metered.cells_of_lane(logic, lane).await
    }

    async fn cells(&self, logic: &LogicId) -> Result<Cells, StoreError> {
        self.metered.cells(logic).await
    }

    async fn commit(&self, commit: &Commit) -> Result<Cost, StoreError> {
        for attempt in 0..ATTEMPTS_MAX {
            let items = self.items(commit);
            if let Err(pause) = self.hold(&items, attempt) {
                self.after(pause).await;
                continue;
            }
            let latency =
                if bill::is_transaction(commit) { self.latency.transaction } else { self.latency.write };
            self.after(latency).await;
            let done = self.metered.commit(commit).await;
            let now = self.clock.now();
            self.with(|flow| {
                for (item, units, refused) in &items {
                    flow.held.remove(item);
                    flow.heat(now, item, if done.is_ok() { *units } else { *refused });
                }
                if done.is_ok() {
                    flow.traffic.commits += 1;
                    flow.traffic.last_commit = now;
                }
            });
            return done;
        }
        self.with(|flow| flow.traffic.given_up += 1);
        Err(StoreError::Unavailable("TransactionConflict".to_owned()))
    }
}

impl CatalogStore for Timed {
    async fn catalog(&self, known: Option<u64>) -> Result<Option<Catalog>, StoreError> {
        self.after(self.latency.read).await;
        self.metered.catalog(known).await
    }

    async fn versions(&self) -> Result<Vec<LogicVersion>, StoreError> {
        self.metered.versions().await
    }

    async fn edit_catalog(&self, edit: &CatalogEdit) -> Result<(), StoreError> {
        self.metered.edit_catalog(edit).await
    }

    async fn adjustments(&self, definition: Option<&DefinitionName>) -> Result<Vec<Adjustment>, StoreError> {
        self.metered.adjustments(definition).await
    }

    async fn trail(&self, definition: &DefinitionName) -> Result<Vec<TrailEntry>, StoreError> {
        self.metered.trail(definition).await
    }

    async fn policy_book(&self) -> Result<PolicyBook, StoreError> {
        self.metered.policy_book().await
    }

    async fn set_policy_book(&self, book: &PolicyBook) -> Result<(), StoreError> {
        self.metered.set_policy_book(book).await
    }

    async fn put_cut(&self, cut: &Cut) -> Result<(), StoreError> {
        self.metered.put_cut(cut).await
    }

    async fn cut_at(&self, logic: &LogicId, at: Micros) -> Result<Option<Cut>, StoreError> {
        self.metered.cut_at(logic, at).await
    }

    async fn delete_cells(&self, logic: &LogicId) -> Result<(), StoreError> {
        self.metered.delete_cells(logic).await
    }

    async fn delete_definition(&self, name: &DefinitionName) -> Result<bool, StoreError> {
        self.metered.delete_definition(name).await
    }
}

impl TableStore for Timed {
    async fn table_facts(&self) -> Result<TableFacts, StoreError> {
        self.after(self.latency.read).await;
        self.metered.table_facts().await
    }

    async fn raise_floor(&self, table: &TableName, floor: &Floor) -> Result<(), StoreError> {
        self.metered.raise_floor(table, floor).await
    }

    async fn learn_shape(&self, table: &TableName, at: Micros, shape: &TableShape) -> Result<(), StoreError> {
        self.metered.learn_shape(table, at, shape).await
    }
}

impl QuarantineStore for Timed {
    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreError> {
        self.metered.quarantined().await
    }

    async fn quarantined_record(
        &self,
        lane: &LaneId,
        sequence: &SequenceNumber,
    ) -> Result<Option<Quarantined>, StoreError> {
        self.metered.quarantined_record(lane, sequence).await
    }

    async fn put_aside(&self, records: &[Quarantined]) -> Result<(), StoreError> {
        self.metered.put_aside(records).await
    }
}

impl FunctionStore for Timed {
    async fn module(&self, id: &FunctionId) -> Result<Option<Vec<u8>>, StoreError> {
        self.metered.module(id).await
    }

    async fn functions(&self) -> Result<Vec<FunctionEntry>, StoreError> {
        self.metered.functions().await
    }

    async fn put_function(
        &self,
        from: Option<&FunctionEntry>,
        to: &FunctionEntry,
        module: &[u8],
    ) -> Result<(), StoreError> {
        self.metered.put_function(from, to, module).await
    }

    async fn remove_function(&self, name: &FunctionName) -> Result<bool, StoreError> {
        self.metered.remove_function(name).await
    }
}
