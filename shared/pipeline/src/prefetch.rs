//! Values of expected columns, fetched ahead of time and kept beside the table.
//!
//! The items of the table are gone through page by page; what is fresh, and whatever somebody wrote, is not
//! fetched. A fetched value never stands against a written one.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use crate::ports::{
    BesideWrite, CountedTable, Page, ShadowSchemaStore, ShadowStore, SourceTable, StoreError, TableWrite,
};
use evercount_core::backfill::Segment;
use evercount_core::change::{RowKey, TableName};
use evercount_core::order::Micros;
use evercount_core::shadow::prefetch::{PrefetchBounds, due, fetched, is_wanted};
use evercount_core::shadow::{Prefetch, PrefetchFrom, ShadowSchema, ShadowValue};
use evercount_core::value::{Item, Value};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

/// How often a fetched value is put beside the table while others write there.
const ATTEMPTS_MAX: u32 = 5;

/// What a source has for an item.
#[derive(Clone, PartialEq, Debug)]
pub struct Fetched {
    /// The value; `None` where the source has none.
    pub value: Option<Value>,
    /// Bytes of its answer.
    pub bytes: u64,
}

/// Sources of values.
pub trait PrefetchSource: Sync {
    /// What a source has for an item.
    ///
    /// # Errors
    /// [`StoreError`] where it gives no answer; the value is asked for again another time.
    fn fetch(
        &self,
        from: &PrefetchFrom,
        row: &RowKey,
        item: &Item,
    ) -> impl Future<Output = Result<Fetched, StoreError>> + Send;
}

/// What a run of fetching came to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PrefetchReport {
    /// Values that sources were asked for.
    pub asked: u64,
    /// Values that they had.
    pub fetched: u64,
    /// Bytes of their answers.
    pub bytes: u64,
    /// Answers that did not come.
    pub failed: u64,
    /// Values that were not asked for, because they are fresh or somebody wrote one.
    pub had: u64,
    /// Where the next run goes on; `None` where this one came to the end of the table.
    pub next: Option<String>,
    /// Whether a bound ended it.
    pub is_bounded: bool,
    /// How long it took, microseconds.
    pub took: Micros,
}

/// Fetches values for a table's items, going on after `after`, within bounds: several at once, and what of them is
/// under way when a bound is met is waited for. `clock` is asked for the time, microseconds since the epoch.
///
/// # Errors
/// Whatever the stores answer. What was fetched by then is kept.
pub async fn run<S, T, P>(
    store: &S,
    table: &T,
    source: &P,
    name: &TableName,
    after: Option<String>,
    bounds: PrefetchBounds,
    clock: impl Fn() -> Micros + Sync,
) -> Result<PrefetchReport, StoreError>
where
    S: ShadowSchemaStore + ShadowStore,
    T: CountedTable + SourceTable,
    P: PrefetchSource,
{
    let started = clock();
    let Some(schema) = store.shadow_schema(name).await? else {
        return Ok(PrefetchReport::default());
    };
    if due(&schema, started).next().is_none() {
        return Ok(PrefetchReport::default());
    }
    let going = Going { store, table, source, schema: &schema, bounds, started, clock };
    let mut report = PrefetchReport { next: after, ..PrefetchReport::default() };
    loop {
        let page = table.scan(name, Segment::WHOLE, report.next.clone()).await?;
        going.over(&page, &mut report).await?;
        report.took = (going.clock)().saturating_sub(started);
        // Where a bound was met the page is begun again: what is fresh by then is not asked for.
        if !report.is_bounded {
            report.next = page.next;
            // Also to go over what is there takes time.
            report.is_bounded = report.next.is_some() && report.took >= bounds.time;
        }
        if report.is_bounded || report.next.is_none() {
            return Ok(report);
        }
    }
}

/// A run, while it goes over the pages of its table.
struct Going<'a, S, T, P, C> {
    store: &'a S,
    table: &'a T,
    source: &'a P,
    schema: &'a ShadowSchema,
    bounds: PrefetchBounds,
    started: Micros,
    clock: C,
}

/// What was fetched of an item so far, and how many of its values are not there yet.
#[derive(Default)]
struct Coming {
    values: BTreeMap<String, ShadowValue>,
    asked: usize,
}

impl<S, T, P, C> Going<'_, S, T, P, C>
where
    S: ShadowStore,
    T: CountedTable,
    P: PrefetchSource,
    C: Fn() -> Micros + Sync,
{
    /// Asks for what is wanted of a page, and keeps it item by item.
    async fn over(&self, page: &Page<Item>, report: &mut PrefetchReport) -> Result<(), StoreError> {
        let keys: BTreeSet<RowKey> = page.rows.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.store.shadow_rows(&keys).await?;
        // A list, because whoever runs this on another thread cannot name the closures of an iterator.
        let mut wanted = Vec::new();
        for (key, item) in &page.rows {
            wanted.extend(
                due(self.schema, self.started).map(|(column, prefetch)| (key, item, column, prefetch)),
            );
        }
        let mut wanted = wanted.into_iter();
        let mut coming: BTreeMap<&RowKey, Coming> = BTreeMap::new();
        let mut asking = FuturesUnordered::new();
        loop {
            while asking.len() < self.bounds.at_once.max(1) && !report.is_bounded {
                let Some((key, item, column, prefetch)) = wanted.next() else { break };
                let now = (self.clock)();
                if item.contains_key(column) || !is_wanted(rows.get(key), column, prefetch, now) {
                    report.had += 1;
                } else if self.is_left(report, now) {
                    report.asked += 1;
                    coming.entry(key).or_default().asked += 1;
                    asking.push(self.ask(prefetch, key, item, column));
                } else {
                    report.is_bounded = true;
                }
            }
            let Some((key, column, answer)) = asking.next().await else { return Ok(()) };
            let of_item = coming.entry(key).or_default();
            of_item.values.extend(report.note(answer, (self.clock)()).map(|value| (column.clone(), value)));
            of_item.asked = of_item.asked.saturating_sub(1);
            if of_item.asked == 0
                && let Some(Coming { values, .. }) = coming.remove(key)
                && !values.is_empty()
            {
                keep(self.store, self.table, self.schema, key, &values, self.started).await?;
            }
        }
    }

    /// Whether one value more may be asked for.
    fn is_left(&self, report: &PrefetchReport, now: Micros) -> bool {
        self.bounds.after(report.asked, report.bytes, now.saturating_sub(self.started)).is_some()
    }

    async fn ask<'r>(
        &self,
        prefetch: &Prefetch,
        key: &'r RowKey,
        item: &Item,
        column: &'r String,
    ) -> (&'r RowKey, &'r String, Result<Fetched, StoreError>) {
        (key, column, self.source.fetch(&prefetch.from, key, item).await)
    }
}

/// How far the tables were gone through. Where it is lost, they are gone through from their beginning.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Places(BTreeMap<TableName, Place>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    /// The next run goes on here.
    After(String),
    /// It came to the end of the table at this time.
    Ended(Micros),
}

/// Fetches values for every table that expects some, each from where the last run came to, all within
/// bounds. A table that was gone through is begun again after `pause`, because that reads all of it. Returns what
/// came of each.
///
/// # Errors
/// Whatever the store of shadow schemas answers.
pub async fn turn<S, T, P>(
    store: &S,
    table: &T,
    source: &P,
    places: &mut Places,
    bounds: PrefetchBounds,
    pause: Micros,
    clock: impl Fn() -> Micros + Sync,
) -> Result<Vec<(TableName, Result<PrefetchReport, StoreError>)>, StoreError>
where
    S: ShadowSchemaStore + ShadowStore,
    T: CountedTable + SourceTable,
    P: PrefetchSource,
{
    let (started, mut told) = (clock(), Vec::new());
    let (mut asked, mut bytes) = (0_u64, 0_u64);
    for schema in store.shadow_schemas().await? {
        let (name, now) = (schema.table.clone(), clock());
        let Some(left) = bounds.after(asked, bytes, now.saturating_sub(started)) else { break };
        if due(&schema, now).next().is_none() {
            continue;
        }
        let after = match places.0.get(&name) {
            Some(Place::Ended(at)) if now.saturating_sub(*at) < pause => continue,
            Some(Place::Ended(_)) | None => None,
            Some(Place::After(next)) => Some(next.clone()),
        };
        let ran = run(store, table, source, &name, after, left, &clock).await;
        if let Ok(report) = &ran {
            (asked, bytes) = (report.asked.saturating_add(asked), report.bytes.saturating_add(bytes));
            match &report.next {
                Some(next) => places.0.insert(name.clone(), Place::After(next.clone())),
                // A bound may end it before its first page does.
                None if report.is_bounded => places.0.remove(&name),
                None => places.0.insert(name.clone(), Place::Ended(now)),
            };
        }
        told.push((name, ran));
    }
    Ok(told)
}

impl PrefetchReport {
    /// Counts an answer, and gives what is kept of it.
    fn note(&mut self, answer: Result<Fetched, StoreError>, now: Micros) -> Option<ShadowValue> {
        let Ok(one) = answer else {
            self.failed += 1;
            return None;
        };
        self.fetched += u64::from(one.value.is_some());
        self.bytes = self.bytes.saturating_add(one.bytes);
        Some(fetched(one.value, now))
    }
}

/// Puts fetched values beside the table, where nothing newer is there. Where the shadow schema has changed,
/// they are not kept: another run asks for what is expected then.
async fn keep<S: ShadowStore, T: CountedTable>(
    store: &S,
    table: &T,
    schema: &ShadowSchema,
    key: &RowKey,
    values: &BTreeMap<String, ShadowValue>,
    now: Micros,
) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS_MAX {
        let row = store.shadow_rows(&[key.clone()].into()).await?.remove(key);
        let from = row.as_ref().map(|row| row.revision);
        let Some(to) = row.unwrap_or_default().written(values, now) else { return Ok(()) };
        let beside = Some(BesideWrite { from, to, schema: schema.revision });
        match table.write(&TableWrite { row: key.clone(), item: None, beside }).await {
            Err(StoreError::Conflict) => {}
            done => return done,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
