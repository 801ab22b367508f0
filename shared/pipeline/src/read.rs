//! Reading a count: sum the cells, and say at which cut.

use evercount_core::logic::{LogicId, LogicVersion};
use evercount_core::reading::Reading;

use crate::ports::{Store, StoreError};

/// Attempts at a cut at which no lane moved; after that the reading says that lanes were moving.
const ATTEMPTS_MAX: u32 = 3;

/// Reads one logic version.
///
/// # Errors
/// Whatever the store answers.
pub async fn run<S: Store>(store: &S, logic: &LogicVersion) -> Result<Reading, StoreError> {
    let mut before = store.lanes().await?;
    for attempt in 1.. {
        let mut cells = store.cells(&logic.id).await?;
        for (cell, n) in store.cells(&LogicId::unattributed()).await? {
            *cells.entry(cell).or_insert(0) += n;
        }
        let after = store.lanes().await?;
        let moving = before != after;
        if !moving || attempt >= ATTEMPTS_MAX {
            return Ok(Reading::sum(logic.clone(), cells, after, moving));
        }
        before = after;
    }
    Err(StoreError::Conflict)
}
