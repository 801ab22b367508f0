//! Fetching ahead keeps its bounds, and asks for nothing that is there.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::atomic::{AtomicU64, Ordering};

use evercount_core::change::RowIdentity;
use evercount_core::order::ItemVersion;
use evercount_core::schema::{Constraints, TypeSet};
use evercount_core::shadow::prefetch::BOUNDS_DEFAULT;
use evercount_core::shadow::{ShadowColumn, ShadowRow, ShadowState};

use super::*;
use crate::memory::Memory;

const HOUR: Micros = 3_600_000_000;

/// Has the text of the key for an item, and counts how often it is asked.
#[derive(Default)]
struct Source(AtomicU64);

impl PrefetchSource for Source {
    async fn fetch(&self, _: &PrefetchFrom, row: &RowKey, _: &Item) -> Result<Fetched, StoreError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        match row.identity.as_str() {
            "2" => Err(StoreError::Unavailable("it is down".to_owned())),
            "3" => Ok(Fetched { value: None, bytes: 10 }),
            key => Ok(Fetched { value: Some(Value::String(key.to_owned())), bytes: 10 }),
        }
    }
}

fn row(key: usize) -> RowKey {
    RowKey { table: TableName::new("orders"), identity: RowIdentity::Key(key.to_string().into()) }
}

/// A table of 40 items, of which somebody wrote one value.
fn table() -> Memory {
    let (table, attribute) = (TableName::new("tiers"), "tier".to_owned());
    let column = ShadowColumn {
        types: TypeSet::default(),
        default: None,
        constraints: Constraints::default(),
        expected_at: Some(HOUR),
        probability: 0.9,
        source: String::new(),
        prefetch: Some(Prefetch { from: PrefetchFrom::Table { table, attribute }, fresh_for: HOUR }),
        state: ShadowState::Expected,
    };
    let columns = [("tier".to_owned(), column)].into();
    let schema = ShadowSchema { revision: 1, columns, ..ShadowSchema::nothing(TableName::new("orders"), 0) };
    let written = ShadowValue { value: None, order: ItemVersion(5), at: 0 };
    let memory = Memory::default();
    memory.tamper(|state| {
        state.items.extend((0..40).map(|key| (row(key), Item::new())));
        state.shadow_schemas.insert(schema.table.clone(), schema);
        let kept = ShadowRow { revision: 1, values: BTreeMap::from([("tier".to_owned(), written)]) };
        state.shadow_rows.insert(row(1), kept);
    });
    memory
}

async fn fetch(memory: &Memory, source: &Source, bounds: PrefetchBounds, now: Micros) -> PrefetchReport {
    run(memory, memory, source, &TableName::new("orders"), None, bounds, || now).await.unwrap()
}

fn kept(memory: &Memory, key: usize) -> Option<ShadowValue> {
    memory.inspect(|state| state.shadow_rows.get(&row(key))?.values.get("tier").cloned())
}

#[tokio::test]
async fn what_is_fresh_or_written_is_not_asked_for() {
    let (memory, source) = (table(), Source::default());
    let first = fetch(&memory, &source, BOUNDS_DEFAULT, 9).await;
    assert_eq!((first.asked, first.fetched, first.failed, first.had), (39, 37, 1, 1));
    assert_eq!((first.next, first.is_bounded, first.bytes), (None, false, 380));
    assert_eq!(kept(&memory, 0).unwrap().value, Some(Value::String("0".to_owned())));
    assert_eq!(kept(&memory, 1).unwrap().order, ItemVersion(5));
    assert_eq!(kept(&memory, 3).unwrap().value, None);
    let second = fetch(&memory, &source, BOUNDS_DEFAULT, 10).await;
    assert_eq!((second.asked, second.failed), (1, 1), "only what did not come");
    let later = fetch(&memory, &source, BOUNDS_DEFAULT, 9 + HOUR).await;
    assert_eq!(later.asked, 39);
}

#[tokio::test]
async fn a_run_keeps_its_bounds_and_the_next_goes_on() {
    let (memory, source) = (table(), Source::default());
    let bounds = PrefetchBounds { values: 10, ..BOUNDS_DEFAULT };
    let first = fetch(&memory, &source, bounds, 9).await;
    assert_eq!((first.asked, first.is_bounded), (10, true));
    let bounds = PrefetchBounds { bytes: 100, at_once: 1, ..BOUNDS_DEFAULT };
    let second = fetch(&memory, &source, bounds, 10).await;
    assert!(second.is_bounded && second.bytes == 100 && second.asked <= 11, "{second:?}");
    let rest = fetch(&memory, &source, BOUNDS_DEFAULT, 11).await;
    assert!(!rest.is_bounded && rest.asked < 22, "{rest:?}");
    assert!(kept(&memory, 39).is_some());
}

/// Takes its time for each answer, and notes how many were awaited at the same time at most.
#[derive(Default)]
struct Slow {
    awaited: AtomicU64,
    most: AtomicU64,
}

impl PrefetchSource for Slow {
    async fn fetch(&self, _: &PrefetchFrom, row: &RowKey, _: &Item) -> Result<Fetched, StoreError> {
        let awaited = self.awaited.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(awaited, Ordering::Relaxed);
        for _ in 0..row.identity.as_str().len() {
            tokio::task::yield_now().await;
        }
        self.awaited.fetch_sub(1, Ordering::Relaxed);
        Ok(Fetched { value: Some(Value::String(row.identity.as_str().to_owned())), bytes: 1 })
    }
}

#[tokio::test]
async fn as_many_are_asked_for_at_once_as_the_bound_says() {
    for at_once in [1, 8] {
        let (memory, source) = (table(), Slow::default());
        let (name, bounds) = (TableName::new("orders"), PrefetchBounds { at_once, ..BOUNDS_DEFAULT });
        let ran = run(&memory, &memory, &source, &name, None, bounds, || 9).await.unwrap();
        assert_eq!((ran.asked, ran.fetched, ran.had), (39, 39, 1));
        assert_eq!(source.most.into_inner(), at_once as u64);
        for key in (0..40).filter(|key| *key != 1) {
            assert_eq!(kept(&memory, key).unwrap().value, Some(Value::String(key.to_string())));
        }
    }
}

#[tokio::test]
async fn nothing_is_fetched_for_a_column_that_has_arrived() {
    let (memory, source) = (table(), Source::default());
    memory.tamper(|state| {
        for schema in state.shadow_schemas.values_mut() {
            schema.columns.values_mut().for_each(|column| column.state = ShadowState::Arrived { at: 1 });
        }
    });
    assert_eq!(fetch(&memory, &source, BOUNDS_DEFAULT, 9).await, PrefetchReport::default());
    assert_eq!(source.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_turn_goes_through_a_table_again_only_after_a_pause() {
    let (memory, source) = (table(), Source::default());
    let mut places = Places::default();
    let mut turn = async |values, now| {
        let bounds = PrefetchBounds { values, ..BOUNDS_DEFAULT };
        let told = super::turn(&memory, &memory, &source, &mut places, bounds, 60, || now).await.unwrap();
        told.into_iter().map(|(_, ran)| ran.unwrap().asked).collect::<Vec<_>>()
    };
    assert_eq!(turn(30, 9).await, [30]);
    assert_eq!(turn(30, 10).await, [9], "from where the bound ended it");
    assert_eq!(turn(30, 69).await, Vec::<u64>::new());
    assert_eq!(turn(30, 70).await, [1], "what did not come is asked for again");
}

#[tokio::test]
async fn a_run_that_only_passes_over_what_is_there_ends_in_time() {
    let (memory, source) = (table(), Source::default());
    fetch(&memory, &source, BOUNDS_DEFAULT, 9).await;
    let clock = AtomicU64::new(10);
    let ticking = || i64::try_from(clock.fetch_add(1_000_000, Ordering::Relaxed)).unwrap();
    let bounds = PrefetchBounds { time: 2_000_000, ..BOUNDS_DEFAULT };
    let name = TableName::new("orders");
    let ran = run(&memory, &memory, &source, &name, None, bounds, ticking).await.unwrap();
    assert!(ran.is_bounded || ran.next.is_none(), "{ran:?}");
}
