//! Emptying a table: what a truncate or drop does to counts, in a way that survives replays.
//!
//! 1. Raise the table's floor: changes at or below it are late from now on.
//! 2. Fence every lane: a commit prepared without knowing the floor fails and is prepared again.
//!    A lane that is not in the directory yet reads the floors after it has entered.
//! 3. Sweep: take the rows at or below the floor out of ledger and counts, each conditionally. Each
//!    step of it is one of the operator's lane, so that whoever reads meanwhile sees that counts move.
//!
//! After step 2 nothing below the floor can be added, so the sweep ends complete. Every part may
//! be repeated, so a crash anywhere is mended by the redelivered control record.

use evercount_core::change::{RowKey, TableName};
use evercount_core::chunk::{self, ACTIONS_MAX, Commit, RowWrite};
use evercount_core::counting::{self, Contributions};
use evercount_core::lane::{LaneId, LaneState};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::TableLogic;
use evercount_core::order::Floor;
use evercount_core::placement::Placement;

use crate::count::ATTEMPTS_MAX;
use crate::operator;
use crate::ports::{CountStore, Page, Store, StoreError};
use crate::read;

/// Rows forgotten in one transaction; the rest of its actions are counter items.
const SWEEP_ROWS_MAX: usize = ACTIONS_MAX / 2;

/// Empties a table up to a floor.
///
/// # Errors
/// Whatever the store answers; the caller repeats the whole.
pub async fn run<S: Store>(store: &S, table: &TableName, floor: &Floor) -> Result<(), StoreError> {
    let named = read::catalog(store).await?;
    store.raise_floor(named.ledger_name(table), floor).await?;
    store.register_lane(&LaneId::operator()).await?;
    fence_all(store).await?;
    Sweep { store, table: named.ledger_name(table), floor }.run().await
}

/// Raises every lane's fence: commits in flight conflict, and their lanes look at catalog and floors
/// again.
///
/// # Errors
/// Whatever the store answers.
pub async fn fence_all<S: CountStore>(store: &S) -> Result<(), StoreError> {
    for lane in store.lanes().await?.keys() {
        store.fence(lane).await?;
    }
    Ok(())
}

struct Sweep<'a, S> {
    store: &'a S,
    table: &'a TableName,
    floor: &'a Floor,
}

impl<S: Store> Sweep<'_, S> {
    async fn run(&self) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            if self.once().await? {
                return Ok(());
            }
        }
        Err(StoreError::Conflict)
    }

    /// One pass over the table's rows; false where a row changed under it, so that another pass
    /// must see whether it is above the floor now.
    async fn once(&self) -> Result<bool, StoreError> {
        let (mut after, mut complete) = (None, true);
        loop {
            let Page { rows: page, next, .. } = self.store.rows_of_table(self.table, after).await?;
            // Read after the rows, so that it knows every version that they contribute to.
            let catalog = read::catalog(self.store).await?;
            let counted = catalog.table(self.table).cloned().unwrap_or_default();
            let below: Vec<_> =
                page.into_iter().filter(|(_, row)| self.floor.covers(&row.version, row.at)).collect();
            for rows in below.chunks(SWEEP_ROWS_MAX) {
                let from = self.store.lane(&LaneId::operator()).await?;
                match self.store.commit(&forget(&from, &counted, rows)).await {
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
}

/// One step of the sweep.
fn forget(from: &LaneState, counted: &TableLogic, rows: &[(RowKey, LedgerRow)]) -> Commit {
    let mut sum = Contributions::new();
    let mut commit = Commit::empty(LaneId::operator());
    for (key, row) in rows {
        counting::add(&mut sum, &row.contributions, -1);
        commit.rows.push(RowWrite { key: key.clone(), expected_revision: Some(row.revision), row: None });
    }
    // Rows still remember what they contributed to versions whose cells are gone.
    sum.retain(|id, _| counted.live.iter().chain(&counted.draining).any(|one| one.id == *id));
    commit.moves = chunk::moves(sum, &mut Placement::default());
    commit.advance = Some(operator::next(from));
    commit
}
