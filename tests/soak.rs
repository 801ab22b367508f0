//! A soak: the counting step over many records, with the memory of this process measured on the way.
//!
//! `EVERCOUNT_SOAK_RECORDS=50000000 cargo test --release -p evercount-tests --no-default-features --test soak -- --nocapture`
//! takes fifty million in lane mode, and a tenth of that in ledger mode; an ordinary run takes fewer. What is measured is the whole process: the step, the store in memory, and the table whose
//! changes it counts.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and prints what it measured")]

use std::time::Instant;

use evercount_core::lane::LaneId;
use evercount_core::logic::Coverage;
use evercount_pipeline::count::{self, CountMode, CountOptions, Warm};
use evercount_pipeline::define;
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::CountStore;
use evercount_tests::listening::world::drive;
use evercount_tests::scale::workload::{BATCH_RECORDS, Kind, Workload, count_by, digest_of};

/// Records of an ordinary run, in lane mode.
const RECORDS: u64 = 200_000;
/// For one record in ledger mode, so many in lane mode: a row is written for each.
const LEDGER_SHARE: u64 = 10;
/// Records before the first look: the table has filled, and so has the ledger.
const FILLING: u64 = 15_000;
/// Records of a batch in ledger mode.
const LEDGER_BATCH_RECORDS: usize = 500;
/// Looks at the memory, evenly spread over the records.
const LOOKS: u64 = 10;
/// What the process may hold more at any later look than at the first one, KiB: the pages that an
/// allocator keeps for itself come and go. One byte leaked with each record would be 4.3 MiB a look
/// over fifty million records.
const GROWTH_KIB_MAX: u64 = 4 * 1024;
/// Orders that there can be, and so rows of the ledger.
const ORDERS: u32 = 2_000;

/// What this process holds beside the pages of its program (proc(5)).
fn held_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Counts so many records; returns what was held at each look. The wrong design keeps the number of
/// every record it has seen, to know it again.
fn soak(mode: CountMode, records: u64, keeps_numbers: bool) -> Vec<u64> {
    let store = Memory::default();
    let by = ["city"];
    let logic = drive(define::create(&store, count_by("orders_by_city", &by), Coverage::Whole, 0)).unwrap();
    let lane = LaneId::of_shard("orders-cdc", "shardId-000000000000");
    let options = CountOptions { mode, format: None, epoch: 0 };
    let mut workload = Workload::new(Kind { orders: ORDERS, ..Kind::ORDINARY }, 9);
    let (mut warm, mut looks, mut counted, mut kept) = (Warm::default(), Vec::new(), 0, Vec::new());
    let began = Instant::now();
    let batch_records = if mode == CountMode::Lane { BATCH_RECORDS } else { LEDGER_BATCH_RECORDS };
    while counted < FILLING + records {
        let batch = workload.batch(batch_records);
        let report = drive(count::run(&store, &mut warm, &lane, &batch, options, workload.now(), || true));
        assert_eq!((report.stopped_by, report.tally.applied), (None, batch.len() as u64));
        counted += report.tally.read;
        if keeps_numbers {
            kept.extend(batch.iter().map(|record| record.sequence.clone()));
        }
        if counted >= FILLING && (counted - FILLING) * LOOKS >= looks.len() as u64 * records {
            looks.push(held_kib().unwrap());
            println!("{mode:?}: {counted} records, {} KiB, {:.0?}", looks.last().unwrap(), began.elapsed());
        }
    }
    let cells = drive(store.cells(&logic.id)).unwrap();
    assert_eq!(
        digest_of(&cells),
        digest_of(&workload.recount(&by)),
        "{mode:?} counts otherwise than a recount"
    );
    looks
}

/// How much more was held at a later look than at the first one.
fn growth(looks: &[u64]) -> u64 {
    let first = looks.first().copied().unwrap();
    looks.iter().max().copied().unwrap().saturating_sub(first)
}

#[test]
fn memory_stays_flat_over_many_records() {
    if held_kib().is_none() {
        println!("skipped: this system does not tell what memory a process holds in /proc");
        return;
    }
    let records =
        std::env::var("EVERCOUNT_SOAK_RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(RECORDS);
    for (mode, records) in [(CountMode::Lane, records), (CountMode::Ledger, records / LEDGER_SHARE)] {
        let looks = soak(mode, records, false);
        assert!(looks.len() as u64 >= LOOKS, "only {looks:?}");
        let growth = growth(&looks);
        println!("{mode:?}: {records} records, {growth} KiB more at most than at the first look");
        assert!(growth <= GROWTH_KIB_MAX, "{mode:?}: {looks:?} KiB");
    }
    // The bound has to catch what it is for.
    let looks = soak(CountMode::Lane, RECORDS, true);
    assert!(
        growth(&looks) > GROWTH_KIB_MAX,
        "keeping the number of every record was not seen: {looks:?} KiB"
    );
}
