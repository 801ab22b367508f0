//! Emptying a table: what a truncate or drop does to counts, in a way that survives replays.
//!
//! 1. Raise the table's floor: changes at or below it are late from now on.
//! 2. Fence every lane: a commit prepared without knowing the floor fails and is prepared again.
//!    A lane that is not in the directory yet reads the floors after it has entered.
//! 3. Sweep: take the rows at or below the floor out of ledger and counts, each conditionally.
//!
//! After step 2 nothing below the floor can be added, so the sweep ends complete. Every part may
//! be repeated, so a crash anywhere is mended by the redelivered control record.

use evercount_core::change::{RowKey, TableName};
use evercount_core::chunk::{self, ACTIONS_MAX, Commit, RowWrite};
use evercount_core::counting::{self, Contributions};
use evercount_core::lane::LaneId;
use evercount_core::ledger::LedgerRow;
use evercount_core::order::Floor;
use evercount_core::placement::Placement;

use crate::count::ATTEMPTS_MAX;
use crate::ports::{CountStore, Store, StoreError, TableStore};

/// Rows forgotten in one transaction; the rest of its actions are counter items.
const SWEEP_ROWS_MAX: usize = ACTIONS_MAX / 2;

/// Empties a table up to a floor, on behalf of a lane.
///
/// # Errors
/// Whatever the store answers; the caller repeats the whole.
pub async fn run<S: Store>(
    store: &S,
    lane: &LaneId,
    placement: &mut Placement,
    table: &TableName,
    floor: &Floor,
) -> Result<(), StoreError> {
    store.raise_floor(table, floor).await?;
    for lane in store.lanes().await?.keys() {
        store.fence(lane).await?;
    }
    sweep(store, lane, placement, table, floor).await
}

async fn sweep<S: CountStore + TableStore>(
    store: &S,
    lane: &LaneId,
    placement: &mut Placement,
    table: &TableName,
    floor: &Floor,
) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS_MAX {
        if sweep_once(store, lane, placement, table, floor).await? {
            return Ok(());
        }
    }
    Err(StoreError::Conflict)
}

/// One pass over the table's rows; false where a row changed under it, so that another pass must
/// see whether it is above the floor now.
async fn sweep_once<S: CountStore + TableStore>(
    store: &S,
    lane: &LaneId,
    placement: &mut Placement,
    table: &TableName,
    floor: &Floor,
) -> Result<bool, StoreError> {
    let (mut after, mut complete) = (None, true);
    loop {
        let (page, next) = store.rows_of_table(table, after).await?;
        let below: Vec<_> = page.into_iter().filter(|(_, row)| floor.covers(&row.version, row.at)).collect();
        for rows in below.chunks(SWEEP_ROWS_MAX) {
            match store.commit(&forget(lane, placement, rows)).await {
                Ok(_) => {}
                Err(StoreError::Conflict) => complete = false,
                Err(error) => return Err(error),
            }
        }
        match next {
            Some(next) => after = Some(next),
            None => return Ok(complete),
        }
    }
}

fn forget(lane: &LaneId, placement: &mut Placement, rows: &[(RowKey, LedgerRow)]) -> Commit {
    let mut sum = Contributions::new();
    let mut commit = Commit::empty(lane.clone());
    for (key, row) in rows {
        counting::add(&mut sum, &row.contributions, -1);
        commit.rows.push(RowWrite { key: key.clone(), expected_revision: Some(row.revision), row: None });
    }
    commit.moves = chunk::moves(sum, placement);
    commit
}
