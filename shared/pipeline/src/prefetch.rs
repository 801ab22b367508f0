//! Values of expected columns, fetched ahead of time and kept beside the table.
//!
//! The items of the table are gone through page by page; what is fresh, and whatever somebody wrote, is not
//! fetched. A fetched value never stands against a written one.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use crate::ports::{
    BesideWrite, CountedTable, ShadowSchemaStore, ShadowStore, SourceTable, StoreError, TableWrite,
};
use evercount_core::backfill::Segment;
use evercount_core::change::{RowKey, TableName};
use evercount_core::order::Micros;
use evercount_core::shadow::prefetch::{PrefetchBounds, due, fetched, is_wanted};
use evercount_core::shadow::{Prefetch, PrefetchFrom, ShadowSchema, ShadowValue};
use evercount_core::value::{Item, Value};

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
}

/// Fetches values for a table's items, going on after `after`, within bounds. `clock` is asked for the time,
/// microseconds since the epoch.
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
    let (started, mut report) = (clock(), PrefetchReport { next: after, ..PrefetchReport::default() });
    let Some(schema) = store.shadow_schema(name).await? else {
        return Ok(PrefetchReport::default());
    };
    if due(&schema, started).next().is_none() {
        return Ok(PrefetchReport::default());
    }
    loop {
        let page = table.scan(name, Segment::WHOLE, report.next.clone()).await?;
        let keys: BTreeSet<RowKey> = page.rows.iter().map(|(key, _)| key.clone()).collect();
        let rows = store.shadow_rows(&keys).await?;
        for (key, item) in &page.rows {
            let mut values = BTreeMap::new();
            for (column, prefetch) in due(&schema, started) {
                let now = clock();
                if item.contains_key(column) || !is_wanted(rows.get(key), column, prefetch, now) {
                    report.had += 1;
                    continue;
                }
                if bounds.after(report.asked, report.bytes, now.saturating_sub(started)).is_none() {
                    report.is_bounded = true;
                    break;
                }
                let value = report.ask(source, prefetch, key, item, now).await;
                values.extend(value.map(|value| (column.clone(), value)));
            }
            keep(store, table, &schema, key, &values, started).await?;
            if report.is_bounded {
                // The page is begun again: what is fresh by then is not asked for.
                return Ok(report);
            }
        }
        report.next = page.next;
        if report.next.is_none() {
            return Ok(report);
        }
        // Also to go over what is there takes time.
        if clock().saturating_sub(started) >= bounds.time {
            report.is_bounded = true;
            return Ok(report);
        }
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
    async fn ask<P: PrefetchSource>(
        &mut self,
        source: &P,
        prefetch: &Prefetch,
        key: &RowKey,
        item: &Item,
        now: Micros,
    ) -> Option<ShadowValue> {
        self.asked += 1;
        match source.fetch(&prefetch.from, key, item).await {
            Ok(one) => {
                self.fetched += u64::from(one.value.is_some());
                self.bytes = self.bytes.saturating_add(one.bytes);
                Some(fetched(one.value, now))
            }
            Err(_) => {
                self.failed += 1;
                None
            }
        }
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
