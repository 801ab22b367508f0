//! The store under faults: every call may be interleaved with others, refused, or lose its reply.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

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
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{
    CatalogEdit, CatalogStore, Cost, CountStore, Cut, FunctionStore, Page, QuarantineStore, StoreError,
    TableFacts, TableStore,
};

use super::controls::Control;
use super::dice::{Dice, a_turn};
use super::plan::Faults;

/// How often each fault struck.
pub type Strikes = BTreeMap<&'static str, u64>;

/// A store whose calls take a step each, and fail as the plan says.
#[derive(Clone)]
pub struct Chaos {
    /// The store itself.
    pub memory: Arc<Memory>,
    faults: Faults,
    control: Option<Control>,
    /// What a wrong design makes of a commit.
    spoil: Option<fn(&mut Commit, &Memory)>,
    /// Rows of one page of a table, where pages are smaller than the store's.
    page_rows: usize,
    state: Arc<Mutex<Trouble>>,
}

struct Trouble {
    dice: Dice,
    broken: Option<String>,
}

impl Chaos {
    /// A store under the faults of a plan.
    #[must_use]
    pub fn new(faults: Faults, control: Option<Control>, seed: u64) -> Self {
        let trouble = Trouble { dice: Dice::of(seed), broken: None };
        Self {
            memory: Arc::default(),
            faults,
            control,
            spoil: None,
            page_rows: usize::MAX,
            state: Arc::new(Mutex::new(trouble)),
        }
    }

    /// The same with pages of so many rows.
    #[must_use]
    pub fn with_pages_of(self, page_rows: usize) -> Self {
        Self { page_rows, ..self }
    }

    /// The same with a wrong design's way of committing.
    #[must_use]
    pub fn spoiled_by(self, spoil: Option<fn(&mut Commit, &Memory)>) -> Self {
        Self { spoil, ..self }
    }

    /// Ends all faults.
    pub fn quieten(&self) {
        self.with(|trouble| trouble.dice.quieten());
    }

    /// How often each fault struck.
    #[must_use]
    pub fn strikes(&self) -> Strikes {
        self.with(|trouble| trouble.dice.struck())
    }

    /// A commit that broke an invariant, if there was one.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        self.with(|trouble| trouble.broken.clone())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Trouble) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn strikes_now(&self, fault: &'static str, per_mille: u32) -> bool {
        self.with(|trouble| trouble.dice.strikes(fault, per_mille))
    }

    /// One step of the caller: others may act before the call does.
    pub(super) async fn step(&self) -> Result<(), StoreError> {
        a_turn().await;
        if self.strikes_now("refuse", self.faults.refuse) {
            return Err(StoreError::Unavailable("refused".to_owned()));
        }
        Ok(())
    }

    /// Invariants that hold between what was and what a commit makes of it.
    fn check_commit(&self, commit: &Commit) {
        let broken = self.memory.inspect(|state| {
            if let Some(advance) = &commit.advance {
                let stands = state.lanes.get(&commit.lane).cloned().unwrap_or_default();
                if advance.to.sequence < stands.sequence || advance.to.fence < stands.fence {
                    return Some(format!("I3: lane {} would step back", commit.lane));
                }
            }
            for write in &commit.rows {
                let (Some(before), Some(after)) = (state.rows.get(&write.key), &write.row) else { continue };
                let floored = state
                    .facts
                    .floors
                    .get(&write.key.table)
                    .is_some_and(|floor| floor.covers(&before.version, before.at));
                let by_log = before.version.clock_micros().is_none();
                if by_log && !floored && after.version < before.version {
                    return Some(format!("I2: row {:?} would step back", write.key.identity));
                }
            }
            None
        });
        if let (Some(broken), None) = (broken, self.control) {
            self.with(|trouble| trouble.broken = Some(broken));
        }
    }
}

impl CatalogStore for Chaos {
    async fn catalog(&self, known: Option<u64>) -> Result<Option<Catalog>, StoreError> {
        self.step().await?;
        self.memory.catalog(known).await
    }

    async fn versions(&self) -> Result<Vec<LogicVersion>, StoreError> {
        self.step().await?;
        self.memory.versions().await
    }

    async fn edit_catalog(&self, edit: &CatalogEdit) -> Result<(), StoreError> {
        self.step().await?;
        if self.strikes_now("spurious_conflict", self.faults.spurious_conflict) {
            return Err(StoreError::Conflict);
        }
        let lost = self.strikes_now("lost_edit", self.faults.lost_reply);
        self.memory.edit_catalog(edit).await?;
        if lost { Err(StoreError::Unavailable("reply lost".to_owned())) } else { Ok(()) }
    }

    async fn adjustments(&self, definition: Option<&DefinitionName>) -> Result<Vec<Adjustment>, StoreError> {
        self.step().await?;
        self.memory.adjustments(definition).await
    }

    async fn trail(&self, definition: &DefinitionName) -> Result<Vec<TrailEntry>, StoreError> {
        self.memory.trail(definition).await
    }

    async fn policy_book(&self) -> Result<PolicyBook, StoreError> {
        self.step().await?;
        self.memory.policy_book().await
    }

    async fn set_policy_book(&self, book: &PolicyBook) -> Result<(), StoreError> {
        self.memory.set_policy_book(book).await
    }

    async fn put_cut(&self, cut: &Cut) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.put_cut(cut).await
    }

    async fn cut_at(&self, logic: &LogicId, at: Micros) -> Result<Option<Cut>, StoreError> {
        self.step().await?;
        self.memory.cut_at(logic, at).await
    }

    async fn delete_cells(&self, logic: &LogicId) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.delete_cells(logic).await
    }

    async fn delete_definition(&self, name: &DefinitionName) -> Result<bool, StoreError> {
        self.step().await?;
        self.memory.delete_definition(name).await
    }
}

impl CountStore for Chaos {
    async fn lane(&self, lane: &LaneId) -> Result<LaneState, StoreError> {
        self.step().await?;
        self.memory.lane(lane).await
    }

    async fn register_lane(&self, lane: &LaneId) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.register_lane(lane).await
    }

    async fn lanes(&self) -> Result<BTreeMap<LaneId, LaneState>, StoreError> {
        self.step().await?;
        self.memory.lanes().await
    }

    async fn fence(&self, lane: &LaneId) -> Result<(), StoreError> {
        self.step().await?;
        if self.control == Some(Control::NoFence) {
            return Ok(());
        }
        self.memory.fence(lane).await
    }

    async fn rows(&self, keys: &BTreeSet<RowKey>) -> Result<BTreeMap<RowKey, LedgerRow>, StoreError> {
        self.step().await?;
        let mut rows = if self.strikes_now("stale_read", self.faults.stale_read) {
            self.memory.stale_rows(keys)
        } else {
            self.memory.rows(keys).await?
        };
        if let Some(control) = self.control {
            rows.values_mut().for_each(|row| control.spoil_read(row));
        }
        Ok(rows)
    }

    async fn rows_of_table(
        &self,
        table: &TableName,
        after: Option<String>,
    ) -> Result<Page<LedgerRow>, StoreError> {
        self.step().await?;
        let mut page = self.memory.rows_of_table(table, after).await?;
        if page.rows.len() > self.page_rows {
            page.rows.truncate(self.page_rows);
            page.next = page.rows.last().map(|(key, _)| key.identity.as_str().to_owned());
        }
        Ok(page)
    }

    async fn cells_of_lane(&self, logic: &LogicId, lane: &LaneId) -> Result<Vec<(u32, Cells)>, StoreError> {
        self.step().await?;
        self.memory.cells_of_lane(logic, lane).await
    }

    async fn cells(&self, logic: &LogicId) -> Result<Cells, StoreError> {
        self.step().await?;
        self.memory.cells(logic).await
    }

    async fn commit(&self, commit: &Commit) -> Result<Cost, StoreError> {
        self.step().await?;
        if self.strikes_now("spurious_conflict", self.faults.spurious_conflict) {
            return Err(StoreError::Conflict);
        }
        let lost = self.strikes_now("lost_reply", self.faults.lost_reply);
        let mut commit = commit.clone();
        if let Some(control) = self.control {
            control.spoil_commit(&mut commit, &self.memory);
            if control == Control::VersionsOutside {
                // Rows and transaction are calls of their own, and anything may come between.
                self.step().await?;
            }
        }
        if let Some(spoil) = self.spoil {
            spoil(&mut commit, &self.memory);
        }
        let before = self.memory.inspect(|state| state.commits);
        self.check_commit(&commit);
        let done = self.memory.commit(&commit).await;
        if done.is_ok() {
            if let Some(control) = self.control {
                control.after_commit(&self.memory);
            }
        } else if self.memory.inspect(|state| state.commits) == before {
            // What was refused cannot have broken anything.
            self.with(|trouble| trouble.broken = None);
        }
        if lost && done.is_ok() {
            return Err(StoreError::Unavailable("reply lost".to_owned()));
        }
        done
    }
}

impl TableStore for Chaos {
    async fn table_facts(&self) -> Result<TableFacts, StoreError> {
        self.step().await?;
        self.memory.table_facts().await
    }

    async fn raise_floor(&self, table: &TableName, floor: &Floor) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.raise_floor(table, floor).await
    }

    async fn learn_shape(&self, table: &TableName, at: Micros, shape: &TableShape) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.learn_shape(table, at, shape).await
    }
}

impl QuarantineStore for Chaos {
    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreError> {
        self.step().await?;
        self.memory.quarantined().await
    }

    async fn quarantined_record(
        &self,
        lane: &LaneId,
        sequence: &SequenceNumber,
    ) -> Result<Option<Quarantined>, StoreError> {
        self.step().await?;
        self.memory.quarantined_record(lane, sequence).await
    }

    async fn put_aside(&self, records: &[Quarantined]) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.put_aside(records).await
    }
}

impl FunctionStore for Chaos {
    async fn module(&self, id: &FunctionId) -> Result<Option<Vec<u8>>, StoreError> {
        self.step().await?;
        self.memory.module(id).await
    }

    async fn functions(&self) -> Result<Vec<FunctionEntry>, StoreError> {
        self.step().await?;
        self.memory.functions().await
    }

    async fn put_function(
        &self,
        from: Option<&FunctionEntry>,
        to: &FunctionEntry,
        module: &[u8],
    ) -> Result<(), StoreError> {
        self.step().await?;
        self.memory.put_function(from, to, module).await
    }

    async fn remove_function(&self, name: &FunctionName) -> Result<bool, StoreError> {
        self.step().await?;
        self.memory.remove_function(name).await
    }
}
