//! Rechecking ambiguous rows: where timestamps and images do not tell which change is newer, the
//! source does.

use evercount_core::audit;
use evercount_core::change::{RowKey, TableName};
use evercount_core::ledger;
use evercount_core::order::{CLOCK_SKEW_BOUND, Micros};

use crate::operator;
use crate::ports::{Page, SourceTable, Store, StoreError};

/// What a round of rechecks did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rechecked {
    /// Rows asked for at the source and settled.
    pub settled: u64,
    /// Rows not due yet.
    pub waiting: u64,
}

/// Rechecks every ambiguous row of a table that is due. A row is due two margins after its
/// doubt, so that its observation, dated a margin ago, is newer than all doubt.
///
/// # Errors
/// Whatever the stores answer.
pub async fn run<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    table: &TableName,
    epoch: u16,
    now: Micros,
    margin: Micros,
) -> Result<Rechecked, StoreError> {
    // An observation must be later than all doubt, or it would itself be ambiguous.
    let margin = margin.max(CLOCK_SKEW_BOUND);
    let mut report = Rechecked::default();
    let mut after = None;
    loop {
        let Page { rows: page, next, .. } = store.rows_of_table(table, after).await?;
        for (key, row) in page {
            match ledger::recheck_due(&row) {
                None => {}
                Some(doubt) if doubt.saturating_add(margin.saturating_mul(2)) > now => report.waiting += 1,
                Some(_) => {
                    one(store, source, key, epoch, now, margin).await?;
                    report.settled += 1;
                }
            }
        }
        match next {
            Some(next) => after = Some(next),
            None => return Ok(report),
        }
    }
}

/// Asks the source for one row and applies what it says. `now` must be read before the call.
///
/// # Errors
/// Whatever the stores answer.
pub async fn one<S: Store, T: SourceTable>(
    store: &S,
    source: &T,
    key: RowKey,
    epoch: u16,
    now: Micros,
    margin: Micros,
) -> Result<(), StoreError> {
    let image = source.row(&key).await?;
    let observed = audit::observation(key, image, audit::read_version(epoch, now, margin));
    operator::apply(store, &[observed], None, now).await.map(|_| ())
}
