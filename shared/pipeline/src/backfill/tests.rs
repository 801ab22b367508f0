//! What a backfill takes of its budget, and what it does when it is asked twice, halted, or fails.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Mutex;

use evercount_core::change::{RowIdentity, TableName};
use evercount_core::definition::{CountDefinition, DefinitionName, Headroom};
use evercount_core::logic::LogicState;
use evercount_core::value::{Item, Value};

use super::*;
use crate::adapt;
use crate::define;
use crate::memory::Memory;
use crate::ports::CatalogStore;

const ROWS: u32 = 40;
const PAGE: usize = 5;
const BUDGET: f64 = 10.0;
const NOW: Micros = 1_000_000_000;

/// A table whose rows cost a read unit each, and that fails now and then.
#[derive(Default)]
struct Table {
    read: Mutex<Vec<u32>>,
    fails_at: Option<usize>,
}

impl SourceTable for Table {
    async fn row(&self, _: &RowKey) -> Result<Option<Item>, StoreError> {
        Ok(None)
    }

    async fn scan(
        &self,
        table: &TableName,
        segment: Segment,
        after: Option<String>,
    ) -> Result<Page<Item>, StoreError> {
        let from = after.map_or(0, |after| after.parse().unwrap());
        let mine = (from..ROWS).filter(|n| n % segment.of == segment.number).take(PAGE);
        let numbers: Vec<u32> = mine.collect();
        let mut read = self.read.lock().unwrap();
        if self.fails_at.is_some_and(|at| (at..at + PAGE).contains(&read.len())) {
            read.push(ROWS);
            return Err(StoreError::Unavailable("throttled".to_owned()));
        }
        read.extend(&numbers);
        let next = numbers.last().filter(|_| numbers.len() == PAGE).map(|n| (n + 1).to_string());
        let row = |n: u32| {
            let identity = RowIdentity::Key(format!(r#"{{"id":"{n}"}}"#).into());
            let item = Item::from([("id".to_owned(), Value::String(n.to_string()))]);
            (RowKey { table: table.clone(), identity }, item)
        };
        let read_units = numbers.len() as f64;
        Ok(Page { rows: numbers.into_iter().map(row).collect(), next, read_units })
    }
}

fn options(segments: u32) -> AdaptOptions {
    AdaptOptions { source_is_readable: true, pages: 100, segments, ..AdaptOptions::BARE }
}

async fn started_late() -> (Memory, DefinitionName) {
    let store = Memory::default();
    let name = DefinitionName::parse("orders").unwrap();
    let definition = CountDefinition {
        name: name.clone(),
        table: TableName::new("orders"),
        group_by: Vec::new(),
        filter: None,
        distinct: None,
        groups_max: 10,
        headroom: Headroom::default(),
    };
    define::create(&store, definition, Coverage::Since(NOW), NOW).await.unwrap();
    let mut book = store.policy_book().await.unwrap();
    book.backfill_units_a_second = BUDGET;
    store.set_policy_book(&book).await.unwrap();
    (store, name)
}

/// Fills a count, and returns the time it took.
async fn filled(store: &Memory, source: &Table, name: &DefinitionName, segments: u32) -> Micros {
    let mut now = NOW;
    loop {
        let done = adapt::fill(store, source, name, options(segments), now).await.unwrap();
        let Some(done) = done else { return now - NOW };
        let Some(due) = done.resumes_at else { continue };
        assert!(due > now, "who waits is told until when");
        now = due;
    }
}

#[tokio::test]
async fn a_backfill_keeps_to_its_budget_in_however_many_segments() {
    for segments in [1, 3, 8] {
        let ((store, name), source) = (started_late().await, Table::default());
        let took = filled(&store, &source, &name, segments).await;
        let least = (f64::from(ROWS) - BUDGET) / BUDGET - f64::from(segments) * PAGE as f64 / BUDGET;
        assert!(took as f64 / 1e6 >= least, "{took} µs in {segments} segments");
        assert!(took as f64 / 1e6 <= f64::from(ROWS) / BUDGET, "{took} µs in {segments} segments");
        let mut read = source.read.into_inner().unwrap();
        read.sort_unstable();
        assert_eq!(read, (0..ROWS).collect::<Vec<_>>(), "each row once");
        let active = active(&store).await;
        assert_eq!(active.coverage, Coverage::Whole);
        assert_eq!(read::run(&store, &active).await.unwrap().total, i64::from(ROWS));
        let plans = store.adjustments(None).await.unwrap();
        let told: Vec<_> =
            plans.iter().map(|one| (one.outcome, one.actual.source_items, one.actual.read_units)).collect();
        assert_eq!(told, [(PlanOutcome::Promoted, u64::from(ROWS), f64::from(ROWS))]);
    }
}

#[tokio::test]
async fn a_page_that_fails_is_read_again_and_counts_once() {
    let (store, name) = started_late().await;
    let source = Table { fails_at: Some(20), ..Table::default() };
    let took = filled(&store, &source, &name, 2).await;
    assert!(took > 0 && source.read.lock().unwrap().contains(&ROWS), "a page failed");
    let active = active(&store).await;
    assert_eq!(read::run(&store, &active).await.unwrap().total, i64::from(ROWS));
}

#[tokio::test]
async fn who_asks_twice_has_one_backfill_and_who_pauses_it_stops_it() {
    let ((store, name), source) = (started_late().await, Table::default());
    for _ in 0..2 {
        let begun = adapt::fill(&store, &source, &name, AdaptOptions { pages: 0, ..options(2) }, NOW).await;
        assert_eq!(begun.unwrap().unwrap().adjustments.len(), 1);
    }
    let mut plans = store.adjustments(None).await.unwrap();
    assert_eq!(plans.len(), 1);
    let paused = pause(&store, &plans.remove(0), true, NOW).await.unwrap();
    let still = adapt::fill(&store, &source, &name, options(2), NOW).await.unwrap().unwrap();
    assert_eq!((still.adjustments, source.read.lock().unwrap().len()), (vec![paused.clone()], 0));
    pause(&store, &paused, false, NOW).await.unwrap();
    filled(&store, &source, &name, 2).await;
    assert_eq!(active(&store).await.coverage, Coverage::Whole);
}

async fn active(store: &Memory) -> LogicVersion {
    let versions = store.versions().await.unwrap();
    versions.into_iter().find(|one| one.state == LogicState::Active).unwrap()
}
