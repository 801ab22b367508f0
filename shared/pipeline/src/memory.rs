//! The in-memory store: the same contract as DynamoDB's, for simulation and tests.
//!
//! It passes the same contract suite as the DynamoDB store, so it is a second honest store and
//! not a mock.

mod audits;
mod forecasts;
mod functions;
mod registry;
mod shadow;
mod table;
mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use evercount_core::adoption::{Adjustment, PolicyBook, TrailEntry};
use evercount_core::audit::Audited;
use evercount_core::change::{RowKey, TableName, TableShape};
use evercount_core::chunk::{ACTIONS_MAX, Commit, Control, Quarantined};
use evercount_core::counting::Cells;
use evercount_core::definition::DefinitionName;
use evercount_core::function::{FunctionEntry, FunctionId, FunctionName};
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::{AdoptedShape, Catalog, LogicId, LogicState, LogicVersion, PlanId};
use evercount_core::mutation::entry::MutationEntry;
use evercount_core::mutation::once::Once;
use evercount_core::order::{Floor, Micros};
use evercount_core::reading::sum_items;
use evercount_core::shadow::arrival::ShadowPass;
use evercount_core::shadow::{ShadowRow, ShadowSchema};
use evercount_core::value::Item;

use crate::ports::Used;
use crate::ports::{
    CatalogEdit, CatalogStore, Cost, CountStore, Cut, Page, QuarantineStore, StoreError, TableFacts,
    TableStore,
};

pub use forecasts::Forecasts;
pub use registry::Registry;

/// Rows of one page of [`CountStore::rows_of_table`].
const PAGE_ROWS: usize = 25;

/// Read units of a row: what 400 bytes of a page cost.
const ROW_UNITS: f64 = 0.1;

/// A store in memory.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

/// Everything a store holds.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Rises with every change of `versions`.
    pub revision: u64,
    /// Logic versions.
    pub versions: BTreeMap<LogicId, LogicVersion>,
    /// The shapes that tables are adopted in.
    pub adopted: BTreeMap<TableName, AdoptedShape>,
    /// Plans and what became of them.
    pub adjustments: BTreeMap<PlanId, Adjustment>,
    /// The audit trail, in the order it was written.
    pub trail: Vec<TrailEntry>,
    /// How plans are treated.
    pub policies: PolicyBook,
    /// What versions counted at times.
    pub cuts: BTreeMap<(LogicId, Micros), Cut>,
    /// What was asked for, by table, day and attribute: when last, and how often.
    pub usage: BTreeMap<(TableName, Micros, String), (Micros, Used)>,
    /// The last audit of each count.
    pub audits: BTreeMap<DefinitionName, Audited>,
    /// The directory of lanes.
    pub directory: BTreeSet<LaneId>,
    /// Lane checkpoints.
    pub lanes: BTreeMap<LaneId, LaneState>,
    /// The ledger.
    pub rows: BTreeMap<RowKey, LedgerRow>,
    /// What each row was before its last write, for stale reads.
    pub rows_before: BTreeMap<RowKey, Option<LedgerRow>>,
    /// Counter items.
    pub cells: BTreeMap<(LogicId, LaneId, u32), Cells>,
    /// Records put aside.
    pub quarantine: BTreeMap<(LaneId, SequenceNumber), Quarantined>,
    /// Control records.
    pub controls: Vec<Control>,
    /// Table facts.
    pub facts: TableFacts,
    /// Transactions committed.
    pub commits: u64,
    /// The registry.
    pub registry: Registry,
    /// The list of functions.
    pub functions: BTreeMap<FunctionName, FunctionEntry>,
    /// Their modules.
    pub modules: BTreeMap<FunctionId, Vec<u8>>,
    /// Predictions and what belongs to them.
    pub forecasts: Forecasts,
    /// Shadow schemas.
    pub shadow_schemas: BTreeMap<TableName, ShadowSchema>,
    /// What is kept beside tables.
    pub shadow_rows: BTreeMap<RowKey, ShadowRow>,
    /// How far passes over it have come.
    pub shadow_passes: BTreeMap<TableName, ShadowPass>,
    /// The items of tables that are counted.
    pub items: BTreeMap<RowKey, Item>,
    /// Requests that were carried out, by their tokens.
    pub carried_out: BTreeMap<String, Once>,
    /// What became of mutations, in the order it was written.
    pub mutations: Vec<MutationEntry>,
}

impl State {
    /// All cells of a logic version, summed over lanes and counter items.
    #[must_use]
    pub fn cells_of(&self, logic: &LogicId) -> Cells {
        sum_items(self.cells.iter().filter(|((of, _, _), _)| of == logic).map(|(_, cells)| cells))
    }
}

impl Memory {
    /// Looks at everything the store holds.
    pub fn inspect<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes what the store holds, behind the back of its contract; for tests that plant faults.
    pub fn tamper(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
    }

    /// As [`CountStore::rows`], but from before each row's last write: an eventually consistent
    /// read at its worst.
    #[must_use]
    pub fn stale_rows(&self, keys: &BTreeSet<RowKey>) -> BTreeMap<RowKey, LedgerRow> {
        let state = self.lock();
        let stale = |key: &RowKey| match state.rows_before.get(key) {
            Some(before) => before.clone(),
            None => state.rows.get(key).cloned(),
        };
        keys.iter().filter_map(|key| Some((key.clone(), stale(key)?))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether every condition of a commit holds.
fn conditions_hold(state: &State, commit: &Commit) -> bool {
    let checkpoint = commit
        .advance
        .as_ref()
        .is_none_or(|advance| state.lanes.get(&commit.lane).cloned().unwrap_or_default() == advance.from);
    let rows = commit
        .rows
        .iter()
        .all(|write| state.rows.get(&write.key).map(|row| row.revision) == write.expected_revision);
    let released = commit.released.as_ref().is_none_or(|id| state.quarantine.contains_key(id));
    checkpoint && rows && released
}

fn execute(state: &mut State, commit: &Commit) {
    if let Some(advance) = &commit.advance {
        state.lanes.insert(commit.lane.clone(), advance.to.clone());
    }
    for write in &commit.rows {
        let before = match &write.row {
            Some(row) => state.rows.insert(write.key.clone(), row.clone()),
            None => state.rows.remove(&write.key),
        };
        state.rows_before.insert(write.key.clone(), before);
    }
    for one in &commit.moves {
        let key = (one.logic.clone(), commit.lane.clone(), one.bucket);
        let cells = state.cells.entry(key).or_default();
        // Like a DynamoDB item, a cell that comes back to zero stays.
        for (cell, n) in &one.cells {
            *cells.entry(cell.clone()).or_insert(0) += n;
        }
    }
    if let Some(id) = &commit.released {
        state.quarantine.remove(id);
    }
    for one in &commit.quarantined {
        state.quarantine.insert((one.lane.clone(), one.sequence.clone()), one.clone());
    }
    state.controls.extend(commit.controls.iter().cloned());
    state.commits += 1;
}

impl CatalogStore for Memory {
    async fn catalog(&self, known: Option<u64>) -> Result<Option<Catalog>, StoreError> {
        let state = self.lock();
        let news = known != Some(state.revision);
        Ok(news
            .then(|| Catalog::new(state.revision, state.versions.values().cloned(), state.adopted.clone())))
    }

    async fn versions(&self) -> Result<Vec<LogicVersion>, StoreError> {
        Ok(self.lock().versions.values().cloned().collect())
    }

    async fn edit_catalog(&self, edit: &CatalogEdit) -> Result<(), StoreError> {
        if edit.actions() > ACTIONS_MAX {
            return Err(StoreError::Rejected(format!("{} actions in one edit", edit.actions())));
        }
        let mut state = self.lock();
        let created = edit.create.iter().all(|version| !state.versions.contains_key(&version.id));
        let changed = edit.change.iter().all(|(from, _)| state.versions.get(&from.id) == Some(from));
        let adjusted = edit.adjustments.iter().all(|(from, to)| {
            let stored = state.adjustments.get(&to.plan.id).map(|one| one.revision);
            stored == from.as_ref().map(|from| from.revision)
        });
        if !(created && changed && adjusted) {
            return Err(StoreError::Conflict);
        }
        for version in edit.create.iter().chain(edit.change.iter().map(|(_, to)| to)) {
            state.versions.insert(version.id.clone(), version.clone());
        }
        if let Some((table, shape)) = &edit.adopt {
            state.adopted.insert(table.clone(), shape.clone());
        }
        for (_, to) in &edit.adjustments {
            state.adjustments.insert(to.plan.id.clone(), to.clone());
        }
        state.trail.extend(edit.trail.iter().cloned());
        state.revision += u64::from(edit.is_evaluated());
        Ok(())
    }

    async fn adjustments(&self, definition: Option<&DefinitionName>) -> Result<Vec<Adjustment>, StoreError> {
        let state = self.lock();
        let of = |one: &&Adjustment| definition.is_none_or(|name| one.plan.definition == *name);
        let mut found: Vec<_> = state.adjustments.values().filter(of).cloned().collect();
        found.sort_by(|a, b| (a.created_at, &a.plan.id).cmp(&(b.created_at, &b.plan.id)));
        Ok(found)
    }

    async fn trail(&self, definition: &DefinitionName) -> Result<Vec<TrailEntry>, StoreError> {
        let state = self.lock();
        let mut found: Vec<_> =
            state.trail.iter().filter(|entry| entry.definition == *definition).cloned().collect();
        found.sort_by_key(|entry| entry.at);
        Ok(found)
    }

    async fn policy_book(&self) -> Result<PolicyBook, StoreError> {
        Ok(self.lock().policies.clone())
    }

    async fn set_policy_book(&self, book: &PolicyBook) -> Result<(), StoreError> {
        self.lock().policies = book.clone();
        Ok(())
    }

    async fn put_cut(&self, cut: &Cut) -> Result<(), StoreError> {
        self.lock().cuts.insert((cut.logic.clone(), cut.at), cut.clone());
        Ok(())
    }

    async fn cut_at(&self, logic: &LogicId, at: Micros) -> Result<Option<Cut>, StoreError> {
        let state = self.lock();
        let before = state.cuts.range((logic.clone(), Micros::MIN)..=(logic.clone(), at));
        Ok(before.last().map(|(_, cut)| cut.clone()))
    }

    async fn delete_cells(&self, logic: &LogicId) -> Result<(), StoreError> {
        self.lock().cells.retain(|(of, _, _), _| of != logic);
        Ok(())
    }

    async fn delete_definition(&self, name: &DefinitionName) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let mut found = false;
        for version in state.versions.values_mut().filter(|version| version.id.definition == *name) {
            if version.state != LogicState::Retired {
                found = true;
                version.state = LogicState::Retired;
                version.epoch = version.epoch.saturating_add(1);
            }
        }
        state.cells.retain(|(logic, _, _), _| logic.definition != *name);
        state.revision += u64::from(found);
        Ok(found)
    }
}

impl CountStore for Memory {
    async fn lane(&self, lane: &LaneId) -> Result<LaneState, StoreError> {
        Ok(self.lock().lanes.get(lane).cloned().unwrap_or_default())
    }

    async fn register_lane(&self, lane: &LaneId) -> Result<(), StoreError> {
        self.lock().directory.insert(lane.clone());
        Ok(())
    }

    async fn lanes(&self) -> Result<BTreeMap<LaneId, LaneState>, StoreError> {
        let state = self.lock();
        let with_state = |lane: &LaneId| (lane.clone(), state.lanes.get(lane).cloned().unwrap_or_default());
        Ok(state.directory.iter().map(with_state).collect())
    }

    async fn fence(&self, lane: &LaneId) -> Result<(), StoreError> {
        self.lock().lanes.entry(lane.clone()).or_default().fence += 1;
        Ok(())
    }

    async fn rows(&self, keys: &BTreeSet<RowKey>) -> Result<BTreeMap<RowKey, LedgerRow>, StoreError> {
        let state = self.lock();
        Ok(keys.iter().filter_map(|key| Some((key.clone(), state.rows.get(key)?.clone()))).collect())
    }

    async fn rows_of_table(
        &self,
        table: &TableName,
        after: Option<String>,
    ) -> Result<Page<LedgerRow>, StoreError> {
        let state = self.lock();
        let mut rows: Vec<_> = state
            .rows
            .iter()
            .filter(|(key, _)| key.table == *table)
            .filter(|(key, _)| after.as_deref().is_none_or(|after| key.identity.as_str() > after))
            .map(|(key, row)| (key.clone(), row.clone()))
            .collect();
        rows.sort_by(|(a, _), (b, _)| a.identity.as_str().cmp(b.identity.as_str()));
        let more = rows.len() > PAGE_ROWS;
        rows.truncate(PAGE_ROWS);
        let next = rows.last().filter(|_| more).map(|(key, _)| key.identity.as_str().to_owned());
        let read_units = rows.len() as f64 * ROW_UNITS;
        Ok(Page { rows, next, read_units })
    }

    async fn cells_of_lane(&self, logic: &LogicId, lane: &LaneId) -> Result<Vec<(u32, Cells)>, StoreError> {
        let state = self.lock();
        let of_lane = state.cells.iter().filter(|((of, by, _), _)| of == logic && by == lane);
        Ok(of_lane.map(|((_, _, bucket), cells)| (*bucket, cells.clone())).collect())
    }

    async fn cells(&self, logic: &LogicId) -> Result<Cells, StoreError> {
        Ok(self.lock().cells_of(logic))
    }

    async fn commit(&self, commit: &Commit) -> Result<Cost, StoreError> {
        let mut state = self.lock();
        if commit.actions() > ACTIONS_MAX {
            return Err(StoreError::Rejected(format!("{} actions in one transaction", commit.actions())));
        }
        if !conditions_hold(&state, commit) {
            return Err(StoreError::Conflict);
        }
        execute(&mut state, commit);
        Ok(Cost::default())
    }
}

impl TableStore for Memory {
    async fn table_facts(&self) -> Result<TableFacts, StoreError> {
        Ok(self.lock().facts.clone())
    }

    async fn raise_floor(&self, table: &TableName, floor: &Floor) -> Result<(), StoreError> {
        let mut state = self.lock();
        let raised = match state.facts.floors.remove(table) {
            Some(known) => known.later(floor.clone()),
            None => floor.clone(),
        };
        state.facts.floors.insert(table.clone(), raised);
        Ok(())
    }

    async fn learn_shape(&self, table: &TableName, at: Micros, shape: &TableShape) -> Result<(), StoreError> {
        let mut state = self.lock();
        let known = state.facts.shapes.get(table).map(|(at, _)| *at);
        if known.is_none_or(|known| at >= known) {
            state.facts.shapes.insert(table.clone(), (at, shape.clone()));
        }
        Ok(())
    }
}

impl QuarantineStore for Memory {
    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreError> {
        Ok(self.lock().quarantine.values().cloned().collect())
    }

    async fn put_aside(&self, records: &[Quarantined]) -> Result<(), StoreError> {
        let mut state = self.lock();
        for one in records {
            state.quarantine.insert((one.lane.clone(), one.sequence.clone()), one.clone());
        }
        Ok(())
    }

    async fn quarantined_record(
        &self,
        lane: &LaneId,
        sequence: &SequenceNumber,
    ) -> Result<Option<Quarantined>, StoreError> {
        Ok(self.lock().quarantine.get(&(lane.clone(), sequence.clone())).cloned())
    }
}
