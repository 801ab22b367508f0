//! Decides when the counts are held against a recount of the table, and what is recounted: every
//! order as the newest release reads it, under each definition as it reads now.

use std::time::Duration;

use anyhow::{Context, anyhow};
use evercount_core::backfill::Segment;
use evercount_core::change::TableName;
use evercount_core::counting::{Cells, add_cells, contribution};
use evercount_core::definition::DefinitionName;
use evercount_core::logic::{LogicState, LogicVersion};
use evercount_core::order::Micros;
use evercount_core::reading::Reading;
use evercount_local::Stack;
use evercount_local::stack::now;
use evercount_pipeline::ports::{CatalogStore, SourceTable, StoreError};
use evercount_pipeline::{read, recheck};
use tokio::time::Instant;

use super::background::REST_TIMEOUT;
use super::evolution::Release;
use super::report::Compared;
use super::workload;

/// Bound on the clock skew between table and recheck: there is one clock, and a recheck only has
/// to be later than all doubt.
const RECHECK_MARGIN: Micros = 150_000;
/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(100);

/// The counts beside a recount of a table that rests.
pub struct Recounted {
    /// Each count.
    pub counts: Vec<Compared>,
    /// Orders that were recounted.
    pub orders: u64,
    /// Rows for which the table was asked.
    pub rechecked: u64,
}

impl Recounted {
    /// Whether every count equals its recount and says of itself that it is exact.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.counts.iter().all(|count| count.is_equal() && count.live.is_exact())
    }
}

/// Waits until everything that was written to a table that rests now has been counted, and
/// recounts it. Counts that do not come to equal it within the time there is are told as they are.
///
/// # Errors
/// What the stores answer.
pub async fn at_rest(stack: &Stack, names: &[DefinitionName], release: Release) -> anyhow::Result<Recounted> {
    let deadline = Instant::now() + REST_TIMEOUT;
    let mut rechecked = 0;
    loop {
        let is_over = Instant::now() > deadline;
        if !settle(stack, &mut rechecked).await? || is_over {
            let recounted = recount(stack, names, release).await?;
            if recounted.is_right() || is_over {
                return Ok(Recounted { rechecked, ..recounted });
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks the table for every row whose changes could not be ordered; says whether some are not due
/// yet.
async fn settle(stack: &Stack, rechecked: &mut u64) -> anyhow::Result<bool> {
    let source = stack.counted_tables();
    let table = TableName::new(workload::TABLE);
    match recheck::run(stack.store(), &source, &table, 0, now(), RECHECK_MARGIN).await {
        Ok(round) => {
            *rechecked += round.settled;
            Ok(round.waiting > 0)
        }
        // The validator writes ledger rows by the same lane, and was faster.
        Err(StoreError::Conflict) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Every count beside a recount by a scan.
async fn recount(stack: &Stack, names: &[DefinitionName], release: Release) -> anyhow::Result<Recounted> {
    let source = stack.counted_tables();
    let table = TableName::new(workload::TABLE);
    let versions = active(stack, names).await?;
    let mut recounts = vec![Cells::new(); versions.len()];
    let (mut orders, mut after) = (0, None);
    loop {
        let page = source.scan(&table, Segment::WHOLE, after).await?;
        for (_, item) in page.rows {
            orders += 1;
            let order = release.read(item);
            for (version, recount) in versions.iter().zip(&mut recounts) {
                let cells = contribution(version, Some(&order), None);
                let cells = cells.map_err(|_| anyhow!("a scanned item has all its values"))?;
                add_cells(recount, &cells, 1);
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut counts = Vec::new();
    for (version, recount) in versions.into_iter().zip(recounts) {
        let live = read::run(stack.store(), &version).await?;
        let recount = Reading::sum(version, recount, live.cut.clone(), false);
        counts.push(Compared { live, recount });
    }
    Ok(Recounted { counts, orders, rechecked: 0 })
}

/// The version of each count that readers see now.
async fn active(stack: &Stack, names: &[DefinitionName]) -> anyhow::Result<Vec<LogicVersion>> {
    let versions = stack.store().versions().await?;
    let active = |name: &DefinitionName| {
        let is_it = |one: &&LogicVersion| one.id.definition == *name && one.state == LogicState::Active;
        versions.iter().find(is_it).cloned().with_context(|| format!("`{name}` has no active version"))
    };
    names.iter().map(active).collect()
}
