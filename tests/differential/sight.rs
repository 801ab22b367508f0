//! What a store shows, and whether two stores show the same.

use std::collections::BTreeMap;
use std::fmt::Debug;

use evercount_core::change::{RowKey, TableName};
use evercount_core::chunk::Quarantined;
use evercount_core::counting::{self, Cells};
use evercount_core::lane::{LaneId, LaneState};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::{LogicId, LogicVersion};
use evercount_pipeline::ports::{Store, StoreError, TableFacts};
use evercount_pipeline::read;

/// How closely to look: the readings and each lane's counter items take most of the calls.
#[derive(Clone, Copy, PartialEq)]
pub enum Look {
    Passing,
    Close {
        /// Whether to ask for the same cells in the same counter items, and not only of the same
        /// lane.
        placed: bool,
    },
}

/// Everything a store shows.
struct Sight {
    lanes: BTreeMap<LaneId, LaneState>,
    rows: BTreeMap<RowKey, LedgerRow>,
    cells: BTreeMap<String, Cells>,
    items: BTreeMap<(String, LaneId), BTreeMap<u32, Cells>>,
    quarantine: Vec<Quarantined>,
    facts: TableFacts,
    versions: Vec<LogicVersion>,
    totals: BTreeMap<String, (i64, u64, bool)>,
}

async fn see<S: Store>(
    store: &S,
    table: &TableName,
    logic: &[LogicVersion],
    look: Look,
) -> Result<Sight, StoreError> {
    let mut lanes = store.lanes().await?;
    if let Some(operator) = lanes.get_mut(&LaneId::operator()) {
        // How many steps the emptying of a table takes is a matter of how large pages are.
        (operator.sequence, operator.records) = (None, 0);
    }
    let (mut rows, mut after) = (BTreeMap::new(), None);
    loop {
        let page = store.rows_of_table(table, after).await?;
        for (key, mut row) in page.rows {
            // DynamoDB's time to live has whole seconds.
            row.expires_at = row.expires_at.map(|at| (at + 999_999) / 1_000_000 * 1_000_000);
            assert!(rows.insert(key, row).is_none(), "a row is on two pages");
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let (mut cells, mut items, mut totals) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let unattributed = LogicId::unattributed();
    cells.insert(unattributed.to_string(), store.cells(&unattributed).await?);
    for version in logic {
        cells.insert(version.id.to_string(), store.cells(&version.id).await?);
        let Look::Close { placed } = look else { continue };
        for lane in lanes.keys() {
            let mut of_lane = BTreeMap::<u32, Cells>::new();
            for (bucket, cells) in store.cells_of_lane(&version.id, lane).await? {
                counting::add_cells(of_lane.entry(if placed { bucket } else { 0 }).or_default(), &cells, 1);
            }
            // A sweep takes a transaction for each page, and pages are the store's own; so is
            // whether a cell that nets to zero was touched.
            of_lane.values_mut().for_each(|cells| cells.retain(|_, n| *n != 0));
            items.insert((version.id.to_string(), lane.clone()), of_lane);
        }
        let reading = read::run(store, version).await?;
        totals.insert(version.id.to_string(), (reading.total, reading.uncertain, reading.is_exact()));
    }
    let mut quarantine = store.quarantined().await?;
    // Stable: the order within a lane is the store's own.
    quarantine.sort_by(|a, b| a.lane.cmp(&b.lane));
    let mut versions = store.versions().await?;
    versions.sort_by(|a, b| a.id.cmp(&b.id));
    let facts = store.table_facts().await?;
    Ok(Sight { lanes, rows, cells, items, quarantine, facts, versions, totals })
}

/// The same call on both stores must give the same answer.
pub fn same<T: PartialEq + Debug>(what: &str, memory: &T, dynamo: &T) -> Result<(), String> {
    if memory == dynamo {
        return Ok(());
    }
    Err(format!("{what} differs\n  in memory:   {memory:?}\n  on DynamoDB: {dynamo:?}"))
}

/// As [`same`], telling only the entries that differ.
fn same_entries<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    memory: &BTreeMap<K, V>,
    dynamo: &BTreeMap<K, V>,
) -> Result<(), String> {
    for key in memory.keys().chain(dynamo.keys()) {
        same(&format!("{what}, {key:?},"), &memory.get(key), &dynamo.get(key))?;
    }
    Ok(())
}

/// Compares everything two stores show.
pub async fn compare<A: Store, B: Store>(
    memory: &A,
    dynamo: &B,
    table: &TableName,
    logic: &[LogicVersion],
    look: Look,
) -> Result<(), String> {
    let unavailable = |error: StoreError| format!("a store cannot be looked at: {error}");
    let memory = see(memory, table, logic, look).await.map_err(unavailable)?;
    let dynamo = see(dynamo, table, logic, look).await.map_err(unavailable)?;
    same_entries("the lanes", &memory.lanes, &dynamo.lanes)?;
    same_entries("the ledger", &memory.rows, &dynamo.rows)?;
    same_entries("the counter items", &memory.items, &dynamo.items)?;
    same_entries("the cells", &memory.cells, &dynamo.cells)?;
    same("the quarantine", &memory.quarantine, &dynamo.quarantine)?;
    same("what is known of tables", &memory.facts, &dynamo.facts)?;
    same("the catalog", &memory.versions, &dynamo.versions)?;
    same_entries("the readings", &memory.totals, &dynamo.totals)
}
