//! The store in memory, with a meter: every call of the counting path is billed as DynamoDB bills
//! the calls that the DynamoDB store makes for it.
//!
//! Metered are counts, the catalog and table facts as counters read them, and what commits write.
//! Operators' calls (definitions, plans, cuts) pass through unmetered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use evercount_core::adoption::{Adjustment, PolicyBook, TrailEntry};
use evercount_core::change::{RowKey, TableName, TableShape};
use evercount_core::chunk::{ACTIONS_MAX, CellMove, Commit, Quarantined, RowWrite};
use evercount_core::counting::Cells;
use evercount_core::definition::DefinitionName;
use evercount_core::function::{FunctionEntry, FunctionId, FunctionName};
use evercount_core::group::Cell;
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::{Catalog, LogicId, LogicVersion};
use evercount_core::order::{Floor, Micros};
use evercount_pipeline::memory::{Memory, State};
use evercount_pipeline::ports::{
    CatalogEdit, CatalogStore, Cost, CountStore, Cut, FunctionStore, Page, QuarantineStore, StoreError,
    TableFacts, TableStore,
};
use evercount_wire::items::{
    TableFactsItem, adopted_item, counter_item, lane_entry_item, ledger_item, logic_item, read_units,
    size_bytes, table_facts_item, write_units,
};

use super::bill::{self, Touch};

/// Most bytes of a page of a query; each page is rounded up by itself.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html>
const PAGE_BYTES: usize = 1024 * 1024;

/// How commits are laid out. All but the first are tried to be measured, and are not how counts are
/// stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Layout {
    /// As they are planned: many cells of a lane to a counter item.
    #[default]
    Packed,
    /// Every cell in an item of its own.
    Unpacked,
    /// Rows whose contributions stay as they are written one by one before the transaction, each
    /// conditional on its revision.
    VersionsOutside,
}

/// What was billed so far.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Meter {
    /// Write units, all of them.
    pub write_units: f64,
    /// Of these, what refused writes cost.
    pub refused_units: f64,
    /// Read units.
    pub read_units: f64,
    /// Commits done.
    pub commits: u64,
    /// Items that commits wrote.
    pub items: u64,
    /// Commits refused, because a condition did not hold.
    pub refused: u64,
}

#[derive(Debug, Default)]
struct Account {
    meter: Meter,
    /// Where the unpacked layout has put each cell.
    places: BTreeMap<(LogicId, Cell), u32>,
}

/// A store in memory with a meter.
#[derive(Debug, Default)]
pub struct Metered {
    /// The store.
    pub memory: Memory,
    layout: Layout,
    account: Mutex<Account>,
}

impl Metered {
    /// An empty store that lays commits out in this way.
    #[must_use]
    pub fn with_layout(layout: Layout) -> Self {
        Self { layout, ..Self::default() }
    }

    /// What was billed so far.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.with(|account| account.meter)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Account) -> T) -> T {
        look(&mut self.account.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn read(&self, units: f64) {
        self.with(|account| account.meter.read_units += units);
    }

    /// Bills a query that finds items of these sizes.
    fn query(&self, sizes: impl IntoIterator<Item = usize>) {
        let (mut page, mut units) = (0, 0.0);
        for size in sizes {
            if page + size > PAGE_BYTES {
                units += read_units(page, true);
                page = 0;
            }
            page += size;
        }
        self.read(units + read_units(page, true));
    }

    /// Commits as the layout has it; what it costs is billed whether or not it is done.
    async fn execute(&self, commit: &Commit) -> Result<Cost, StoreError> {
        if commit.actions() == 0 || commit.actions() > ACTIONS_MAX {
            return self.memory.commit(commit).await;
        }
        let transactional = bill::is_transaction(commit);
        let touches = self.memory.inspect(|state| bill::touches(state, commit));
        let parts = bill::parts_units(commit);
        let done = self.memory.commit(commit).await;
        self.with(|account| {
            let meter = &mut account.meter;
            let units =
                |of: fn(&Touch, bool) -> f64| touches.iter().map(|touch| of(touch, transactional)).sum();
            match &done {
                Ok(_) => {
                    let units: f64 = units(Touch::units);
                    meter.write_units += units + parts;
                    meter.commits += 1;
                    meter.items += touches.len() as u64;
                    Ok(Cost { write_units: units + parts, read_units: 0.0 })
                }
                Err(error) => {
                    // What a cancelled transaction is billed is not documented. That each of its items
                    // costs as a single refused write would, twice, errs on the dear side.
                    let units: f64 = units(Touch::refused_units);
                    meter.write_units += units + parts;
                    meter.refused_units += units + parts;
                    meter.refused += 1;
                    Err(error.clone())
                }
            }
        })
    }

    fn unpacked(&self, commit: &Commit) -> Commit {
        self.with(|account| {
            let mut moves = Vec::new();
            for one in &commit.moves {
                for (cell, n) in &one.cells {
                    let next = u32::try_from(account.places.len()).unwrap_or(u32::MAX);
                    let place = account.places.entry((one.logic.clone(), cell.clone())).or_insert(next);
                    let cells = Cells::from([(cell.clone(), *n)]);
                    moves.push(CellMove { logic: one.logic.clone(), bucket: *place, cells });
                }
            }
            Commit { moves, ..commit.clone() }
        })
    }
}

/// Whether a write of a row moves no count: the row stays, and contributes what it did.
#[must_use]
pub fn is_version_only(state: &State, write: &RowWrite) -> bool {
    let (Some(stands), Some(row)) = (state.rows.get(&write.key), &write.row) else { return false };
    stands.contributions == row.contributions && stands.ambiguous == row.ambiguous && stands.present
}

impl CatalogStore for Metered {
    async fn catalog(&self, known: Option<u64>) -> Result<Option<Catalog>, StoreError> {
        let catalog = self.memory.catalog(known).await?;
        self.read(read_units(0, true));
        if catalog.is_some() {
            let sizes: Vec<usize> = self.memory.inspect(|state| {
                let versions = state.versions.values().map(|version| size_bytes(&logic_item(version)));
                let adopted =
                    state.adopted.iter().map(|(table, shape)| size_bytes(&adopted_item(table, shape)));
                versions.chain(adopted).collect()
            });
            self.query(sizes);
            // The revision again, which must not have moved meanwhile.
            self.read(read_units(0, true));
        }
        Ok(catalog)
    }

    async fn versions(&self) -> Result<Vec<LogicVersion>, StoreError> {
        self.memory.versions().await
    }

    async fn edit_catalog(&self, edit: &CatalogEdit) -> Result<(), StoreError> {
        self.memory.edit_catalog(edit).await
    }

    async fn adjustments(&self, definition: Option<&DefinitionName>) -> Result<Vec<Adjustment>, StoreError> {
        self.memory.adjustments(definition).await
    }

    async fn trail(&self, definition: &DefinitionName) -> Result<Vec<TrailEntry>, StoreError> {
        self.memory.trail(definition).await
    }

    async fn policy_book(&self) -> Result<PolicyBook, StoreError> {
        self.memory.policy_book().await
    }

    async fn set_policy_book(&self, book: &PolicyBook) -> Result<(), StoreError> {
        self.memory.set_policy_book(book).await
    }

    async fn put_cut(&self, cut: &Cut) -> Result<(), StoreError> {
        self.memory.put_cut(cut).await
    }

    async fn cut_at(&self, logic: &LogicId, at: Micros) -> Result<Option<Cut>, StoreError> {
        self.memory.cut_at(logic, at).await
    }

    async fn delete_cells(&self, logic: &LogicId) -> Result<(), StoreError> {
        self.memory.delete_cells(logic).await
    }

    async fn delete_definition(&self, name: &DefinitionName) -> Result<bool, StoreError> {
        self.memory.delete_definition(name).await
    }
}

impl CountStore for Metered {
    async fn lane(&self, lane: &LaneId) -> Result<LaneState, StoreError> {
        let state = self.memory.lane(lane).await?;
        self.read(read_units(bill::checkpoint_bytes(lane, &state), true));
        Ok(state)
    }

    async fn register_lane(&self, lane: &LaneId) -> Result<(), StoreError> {
        let units = write_units(size_bytes(&lane_entry_item(lane)), false);
        self.with(|account| account.meter.write_units += units);
        self.memory.register_lane(lane).await
    }

    async fn lanes(&self) -> Result<BTreeMap<LaneId, LaneState>, StoreError> {
        let lanes = self.memory.lanes().await?;
        self.query(lanes.keys().map(|lane| size_bytes(&lane_entry_item(lane))));
        let checkpoints =
            lanes.iter().map(|(lane, state)| read_units(bill::checkpoint_bytes(lane, state), true));
        self.read(checkpoints.sum());
        Ok(lanes)
    }

    async fn fence(&self, lane: &LaneId) -> Result<(), StoreError> {
        self.memory.fence(lane).await?;
        let state = self.memory.lane(lane).await?;
        let units = write_units(bill::checkpoint_bytes(lane, &state), false);
        self.with(|account| account.meter.write_units += units);
        Ok(())
    }

    async fn rows(&self, keys: &BTreeSet<RowKey>) -> Result<BTreeMap<RowKey, LedgerRow>, StoreError> {
        let rows = self.memory.rows(keys).await?;
        // Eventually consistent, and a row that does not exist is read like one that does.
        let size = |key: &RowKey| rows.get(key).map_or(0, |row| size_bytes(&ledger_item(key, row)));
        self.read(keys.iter().map(|key| read_units(size(key), false)).sum());
        Ok(rows)
    }

    async fn rows_of_table(
        &self,
        table: &TableName,
        after: Option<String>,
    ) -> Result<Page<LedgerRow>, StoreError> {
        let page = self.memory.rows_of_table(table, after).await?;
        self.query(page.rows.iter().map(|(key, row)| size_bytes(&ledger_item(key, row))));
        Ok(page)
    }

    async fn cells_of_lane(&self, logic: &LogicId, lane: &LaneId) -> Result<Vec<(u32, Cells)>, StoreError> {
        let cells = self.memory.cells_of_lane(logic, lane).await?;
        self.query(
            cells.iter().map(|(bucket, cells)| size_bytes(&counter_item(logic, lane, *bucket, cells))),
        );
        Ok(cells)
    }

    async fn cells(&self, logic: &LogicId) -> Result<Cells, StoreError> {
        let sizes: Vec<usize> = self.memory.inspect(|state| {
            let of = state.cells.iter().filter(|((of, _, _), _)| of == logic);
            of.map(|((_, lane, bucket), cells)| size_bytes(&counter_item(logic, lane, *bucket, cells)))
                .collect()
        });
        self.query(sizes);
        self.memory.cells(logic).await
    }

    async fn commit(&self, commit: &Commit) -> Result<Cost, StoreError> {
        match self.layout {
            Layout::Packed => self.execute(commit).await,
            Layout::Unpacked => self.execute(&self.unpacked(commit)).await,
            Layout::VersionsOutside => {
                let (alone, together): (Vec<RowWrite>, Vec<RowWrite>) = self.memory.inspect(|state| {
                    commit.rows.iter().cloned().partition(|write| is_version_only(state, write))
                });
                let mut cost = Cost::default();
                for write in alone {
                    cost.write_units += self.put_row(write).await?;
                }
                let rest = Commit { rows: together, ..commit.clone() };
                cost.write_units += self.execute(&rest).await?.write_units;
                Ok(cost)
            }
        }
    }
}

impl Metered {
    /// Writes one row by itself.
    async fn put_row(&self, write: RowWrite) -> Result<f64, StoreError> {
        let commit = Commit { rows: vec![write], ..Commit::empty(LaneId::operator()) };
        let touches = self.memory.inspect(|state| bill::touches(state, &commit));
        let done = self.memory.commit(&commit).await;
        let units: f64 = touches.iter().map(|touch| touch.units(false)).sum();
        self.with(|account| {
            account.meter.write_units += units;
            account.meter.items += u64::from(done.is_ok());
            if done.is_err() {
                account.meter.refused_units += units;
                account.meter.refused += 1;
            }
        });
        done.map(|_| units)
    }
}

impl TableStore for Metered {
    async fn table_facts(&self) -> Result<TableFacts, StoreError> {
        let facts = self.memory.table_facts().await?;
        let tables: BTreeSet<&TableName> = facts.floors.keys().chain(facts.shapes.keys()).collect();
        self.query(tables.into_iter().map(|table| {
            size_bytes(&table_facts_item(&TableFactsItem {
                table: table.clone(),
                floor: facts.floors.get(table).cloned(),
                shape: facts.shapes.get(table).cloned(),
                revision: 1,
            }))
        }));
        Ok(facts)
    }

    async fn raise_floor(&self, table: &TableName, floor: &Floor) -> Result<(), StoreError> {
        self.memory.raise_floor(table, floor).await
    }

    async fn learn_shape(&self, table: &TableName, at: Micros, shape: &TableShape) -> Result<(), StoreError> {
        self.memory.learn_shape(table, at, shape).await
    }
}

impl QuarantineStore for Metered {
    async fn quarantined(&self) -> Result<Vec<Quarantined>, StoreError> {
        self.memory.quarantined().await
    }

    async fn quarantined_record(
        &self,
        lane: &LaneId,
        sequence: &SequenceNumber,
    ) -> Result<Option<Quarantined>, StoreError> {
        self.memory.quarantined_record(lane, sequence).await
    }

    async fn put_aside(&self, records: &[Quarantined]) -> Result<(), StoreError> {
        self.memory.put_aside(records).await
    }
}

impl FunctionStore for Metered {
    async fn module(&self, id: &FunctionId) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.module(id).await
    }

    async fn functions(&self) -> Result<Vec<FunctionEntry>, StoreError> {
        self.memory.functions().await
    }

    async fn put_function(
        &self,
        from: Option<&FunctionEntry>,
        to: &FunctionEntry,
        module: &[u8],
    ) -> Result<(), StoreError> {
        self.memory.put_function(from, to, module).await
    }

    async fn remove_function(&self, name: &FunctionName) -> Result<bool, StoreError> {
        self.memory.remove_function(name).await
    }
}
