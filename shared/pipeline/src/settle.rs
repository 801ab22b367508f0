//! Settling a version: every ledger row of the table judged anew under it, from what the row
//! remembers.
//!
//! Detection lags behind the change: rows written in the new shape before the version was counted
//! were judged by logic that knew nothing of it, so the image of their contribution is wrong for
//! them. They remember the columns that no definition knew, and are judged from those. Rows of the
//! earlier shape agree with the image, which is what the certificate says; that each of them does
//! is the census that the version's verdict rests on. No source item is read.

use std::collections::BTreeMap;

use evercount_core::adoption::Adjustment;
use evercount_core::audit::key_hash;
use evercount_core::change::RowKey;
use evercount_core::counting;
use evercount_core::group::{Cell, GroupKey, Outcome};
use evercount_core::ledger::{self, LedgerRow, Rejudged};
use evercount_core::logic::{Coverage, LogicVersion, TableLogic};
use evercount_core::order::Micros;
use evercount_core::placement::Placement;
use evercount_core::verdict::{Census, EXAMPLES_MAX, Example};

use crate::adapt::{AdaptOptions, add_spent, entry, touched};
use crate::operator;
use crate::ports::{CatalogEdit, Store, StoreError};
use crate::read;

/// Judges the next page of ledger rows and records how far it came.
///
/// # Errors
/// Whatever the store answers; the page is then judged again.
pub async fn page<S: Store>(
    store: &S,
    adjustment: &Adjustment,
    version: &LogicVersion,
    options: AdaptOptions,
    now: Micros,
) -> Result<Adjustment, StoreError> {
    let started = (options.meter)();
    let catalog = read::catalog(store).await?;
    let table = catalog.ledger_name(&version.definition.table).clone();
    let mut after = touched(adjustment, now);
    let mut placement = Placement::default();
    // By row, because a row that changed meanwhile is judged again.
    let mut judged: BTreeMap<RowKey, Census> = BTreeMap::new();
    let judge = |key: &RowKey, row: &LedgerRow, logic: &TableLogic| {
        let (census, becomes) = one(key, row, logic, version);
        judged.insert(key.clone(), census);
        becomes
    };
    let from = adjustment.progress.after.clone();
    let (written, next) = operator::rewrite_page(store, &table, from, &mut placement, judge).await?;
    after.actual.write_units += written.cost.write_units;
    after.actual.read_units += written.cost.read_units;
    let visited = judged.len() as u64;
    judged.into_values().for_each(|census| add(&mut after.report.census, census));
    after.progress.visited += visited;
    after.actual.ledger_rows += visited;
    after.progress.after = next;
    add_spent(&mut after.actual, started, (options.meter)());
    let mut edit = CatalogEdit::default();
    if after.progress.after.is_none() {
        after.progress.done = true;
        after.report.census.complete = true;
        let census = &after.report.census;
        let summary = format!(
            "{} ledger rows were judged under {}: {} agree, {} differ for the reason the plan names, {} otherwise.",
            census.rows,
            version.id,
            census.compared.agreed,
            census.compared.explained,
            census.compared.unexplained
        );
        edit.trail.push(entry(&after, "settled", summary, now));
        // The ledger has what the version it was planned on has seen.
        let versions = store.versions().await?;
        let parent = versions.iter().find(|one| version.comes_from(one));
        let coverage = parent.map_or(Coverage::Whole, |parent| parent.coverage);
        edit.change.extend(covered(version, coverage, &versions));
    }
    edit.adjustments.push((Some(adjustment.clone()), after.clone()));
    store.edit_catalog(&edit).await?;
    Ok(after)
}

/// What changes when a version has seen as much as its rows tell: it, and what is derived from it
/// and was planned before.
pub(crate) fn covered(
    version: &LogicVersion,
    coverage: Coverage,
    versions: &[LogicVersion],
) -> Vec<(LogicVersion, LogicVersion)> {
    let mut of_it: Vec<&LogicVersion> = vec![version];
    // By number, so that each comes after what it is derived from.
    for one in versions {
        if one.base_id().is_some_and(|base| of_it.iter().any(|known| known.id == base)) {
            of_it.push(one);
        }
    }
    let changed = of_it.into_iter().filter(|one| one.coverage != coverage);
    changed.map(|one| (one.clone(), LogicVersion { coverage, ..one.clone() })).collect()
}

/// What one row says of a version, and what becomes of the row.
fn one(
    key: &RowKey,
    row: &LedgerRow,
    logic: &TableLogic,
    version: &LogicVersion,
) -> (Census, Option<LedgerRow>) {
    let mut census = Census { rows: 1, ..Census::default() };
    let (outcome, becomes) = match ledger::rejudge(row, logic, version) {
        Rejudged::Same(outcome) => (outcome, None),
        Rejudged::Row(again, outcome) => {
            census.rejudged = 1;
            (outcome, Some(again))
        }
        Rejudged::NotRemembered => {
            census.not_remembered = 1;
            return (census, Some(ledger::in_doubt(row, logic, version)));
        }
    };
    // Rows that are gone, and rows that neither counts, say nothing.
    let whole = counting::whole(logic, becomes.as_ref().map_or(&row.contributions, |row| &row.contributions));
    let image = counting::beside(version, &whole);
    let counted = whole.get(&version.id);
    if counted.is_some() || !image.is_empty() {
        census.compared.add(outcome, 1);
    }
    if matches!(outcome, Outcome::Unexplained | Outcome::Failed) {
        census.examples.push(Example {
            key_hash: key_hash(key),
            outcome,
            group: counted.and_then(group),
            image: group(&image),
        });
    }
    (census, becomes)
}

fn group(cells: &counting::Cells) -> Option<GroupKey> {
    cells.keys().find_map(|cell| match cell {
        Cell::Group(key) => Some(key.clone()),
        _ => None,
    })
}

fn add(sum: &mut Census, one: Census) {
    sum.rows += one.rows;
    sum.rejudged += one.rejudged;
    sum.not_remembered += one.not_remembered;
    sum.compared = sum.compared.and(one.compared);
    let room = EXAMPLES_MAX.saturating_sub(sum.examples.len());
    sum.examples.extend(one.examples.into_iter().take(room));
}
