//! One to a thousand lanes at the same load in all, on a simulated clock: where transactions meet,
//! and how hot the hottest item gets.
//!
//! The counting step is production code; time is not. A transaction takes as long as
//! [`Latency::transaction`] says and holds its items meanwhile, so figures are as good as that.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use comfy_table::{Table, presets};
use evercount_core::counting::{Cells, add_cells};
use evercount_core::lane::LaneId;
use evercount_core::logic::Coverage;
use evercount_pipeline::count::{self, CountMode, CountOptions, Warm};
use evercount_pipeline::ports::CountStore;
use evercount_pipeline::{define, read};
use serde_json::{Value, json};

use super::bill::Kind;
use super::timed::{Clock, Latency, Timed, Traffic};
use super::workload::{self, Workload, count_by, digest_of};
use crate::listening::world::drive;

const SECOND: u64 = 1_000_000;
/// Batches a second in all that a million records of 1.2 KB a second come in, each batch being full.
pub const BATCHES_A_SECOND: u64 = 348;
/// Records of a simulated batch. Fewer than in a full one, and still a chunk that moves cells in each
/// of the lane's counter items: what is written does not depend on how many records moved a cell.
const RECORDS: usize = 90;
/// Orders of each lane's part of the table, and of a table whose changes come by any lane.
const ORDERS: u32 = 1_000;
const STREWN_ORDERS: u32 = 100_000;

/// What is simulated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Design {
    /// Lane mode.
    Lane,
    /// Ledger mode, the changes of one order on one lane.
    Ledger,
    /// Ledger mode, the changes of an order on whichever lane is next: a stream that is not
    /// partitioned by key.
    LedgerStrewn,
    /// The wrong design: in lane mode, counter items that all lanes add to.
    SharedCounters,
}

impl Design {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lane, Self::Ledger, Self::LedgerStrewn, Self::SharedCounters];

    /// A name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lane => "lane mode",
            Self::Ledger => "ledger mode",
            Self::LedgerStrewn => "ledger mode, rows on any lane",
            Self::SharedCounters => "wrong: counter items of all lanes",
        }
    }

    fn mode(self) -> CountMode {
        match self {
            Self::Lane | Self::SharedCounters => CountMode::Lane,
            Self::Ledger | Self::LedgerStrewn => CountMode::Ledger,
        }
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// What was simulated.
    pub design: Design,
    /// Lanes.
    pub lanes: u64,
    /// Simulated seconds.
    pub seconds: u64,
    /// Batches counted.
    pub batches: u64,
    /// Simulated seconds until the last of them was counted.
    pub took: f64,
    /// What was written.
    pub traffic: Traffic,
    /// What reading the count once took at the end, in read units.
    pub reading_units: f64,
}

impl Outcome {
    /// Conflicts over items for this.
    #[must_use]
    pub fn conflicts(&self, kind: Kind) -> u64 {
        self.traffic.conflicts.get(&kind).copied().unwrap_or(0)
    }

    /// The outcome for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let per_second = |n: f64| n / self.seconds as f64;
        json!({ "design": self.design.name(), "lanes": self.lanes, "seconds": self.seconds,
            "batches": self.batches, "took_seconds": self.took,
            "write_units_a_second": per_second(self.traffic.write_units),
            "conflicts_on_checkpoints": self.conflicts(Kind::Checkpoint),
            "conflicts_on_rows": self.conflicts(Kind::Row),
            "conflicts_on_counters": self.conflicts(Kind::Counter),
            "commits": self.traffic.commits, "given_up": self.traffic.given_up,
            "hottest_item": self.traffic.hottest_item, "hottest_partition_key": self.traffic.hottest_partition,
            "read_units_a_reading": self.reading_units })
    }
}

/// Outcomes for people.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "design",
        "lanes",
        "batches",
        "in s",
        "units/s",
        "conflicts: checkpoints",
        "rows",
        "counters",
        "of commits",
        "hottest item, units/s",
        "hottest key, units/s",
        "units a reading",
    ]);
    for one in outcomes {
        let per_second = |n: f64| format!("{:.0}", n / one.seconds as f64);
        table.add_row([
            one.design.name().to_owned(),
            one.lanes.to_string(),
            one.batches.to_string(),
            format!("{:.1}", one.took),
            per_second(one.traffic.write_units),
            one.conflicts(Kind::Checkpoint).to_string(),
            one.conflicts(Kind::Row).to_string(),
            one.conflicts(Kind::Counter).to_string(),
            one.traffic.commits.to_string(),
            format!("{:.0}", one.traffic.hottest_item),
            format!("{:.0}", one.traffic.hottest_partition),
            format!("{:.0}", one.reading_units),
        ]);
    }
    table
}

type Task = Pin<Box<dyn Future<Output = Result<u64, String>> + Send>>;
type Feed = Arc<Mutex<Workload>>;

/// Simulates a design under [`BATCHES_A_SECOND`] on so many lanes, for so many seconds.
///
/// # Errors
/// Where the counts differ from a recount in the end.
pub fn simulate(design: Design, lanes: u64, seconds: u64) -> Result<Outcome, String> {
    let clock = Arc::new(Clock::default());
    let store = Timed::new(clock.clone(), Latency::default(), design == Design::SharedCounters);
    let by = ["city"];
    let definition = count_by("orders_by_city", &by);
    let logic = drive(define::create(&store.metered.memory, definition, Coverage::Whole, 0))
        .map_err(|error| error.to_string())?;
    let part = |number: u64, orders: u32| -> Feed {
        let first = u32::try_from(number).unwrap_or(u32::MAX) * orders;
        let kind = workload::Kind { orders, ..workload::Kind::ORDINARY };
        Arc::new(Mutex::new(Workload::numbered_from(first, kind, number)))
    };
    let feeds: Vec<Feed> = match design {
        Design::LedgerStrewn => vec![part(0, STREWN_ORDERS)],
        _ => (0..lanes).map(|lane| part(lane, ORDERS)).collect(),
    };
    let mut tasks: Vec<Option<Task>> = (0..lanes)
        .zip(feeds.iter().cycle().cloned())
        .map(|(lane, feed)| {
            let work =
                work(store.clone(), clock.clone(), design.mode(), (lane, lanes), feed, seconds * SECOND);
            Some(Box::pin(work) as Task)
        })
        .collect();
    let batches = run(&clock, &mut tasks)?;
    let took = store.traffic().last_commit as f64 / SECOND as f64;
    let mut truth = Cells::new();
    for feed in &feeds {
        let feed = feed.lock().unwrap_or_else(PoisonError::into_inner);
        add_cells(&mut truth, &feed.recount(&by), 1);
    }
    let counted = drive(store.metered.memory.cells(&logic.id)).map_err(|error| error.to_string())?;
    if digest_of(&counted) != digest_of(&truth) {
        return Err(format!("{} on {lanes} lanes counts otherwise than a recount", design.name()));
    }
    let before = store.metered.meter().read_units;
    drive(read::run(store.metered.as_ref(), &logic)).map_err(|error| error.to_string())?;
    let reading_units = store.metered.meter().read_units - before;
    Ok(Outcome { design, lanes, seconds, batches, took, traffic: store.traffic(), reading_units })
}

/// One lane: takes a batch when one is due, and counts it until it is counted.
async fn work(
    store: Timed,
    clock: Arc<Clock>,
    mode: CountMode,
    (lane, lanes): (u64, u64),
    feed: Feed,
    end: u64,
) -> Result<u64, String> {
    let id = LaneId::of_shard("orders-cdc", &format!("shardId-{lane:012}"));
    let options = CountOptions { mode, format: None, epoch: 0 };
    let (mut warm, mut batches) = (Warm::default(), 0);
    // Batches of a lane are due at even times, and those of different lanes at different times.
    let interval = lanes * SECOND / BATCHES_A_SECOND;
    let phase = interval * lane / lanes;
    loop {
        let due = phase + batches * interval;
        clock.until(due).await;
        if clock.now() >= end {
            return Ok(batches);
        }
        let batch = {
            let mut feed = feed.lock().unwrap_or_else(PoisonError::into_inner);
            feed.batch(RECORDS)
        };
        let mut rest = batch.as_slice();
        // As the event source does: what was not counted is delivered again.
        while !rest.is_empty() {
            let report = count::run(&store, &mut warm, &id, rest, options, 0, || true).await;
            let left =
                report.first_unapplied.and_then(|first| rest.iter().position(|one| one.sequence == first));
            rest = left.and_then(|left| rest.get(left..)).unwrap_or_default();
        }
        batches += 1;
    }
}

/// Polls tasks in the order of the clock until all are done; returns the sum of what they return.
fn run(clock: &Clock, tasks: &mut [Option<Task>]) -> Result<u64, String> {
    let mut due: BinaryHeap<Reverse<(u64, usize)>> =
        (0..tasks.len()).map(|task| Reverse((0, task))).collect();
    let mut sum = 0;
    while let Some(Reverse((at, number))) = due.pop() {
        clock.set(at);
        let Some(slot) = tasks.get_mut(number) else { continue };
        let Some(task) = slot else { continue };
        match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(done) => {
                sum += done?;
                *slot = None;
            }
            std::task::Poll::Pending => match clock.take_wake() {
                Some(wake) => due.push(Reverse((wake, number))),
                None => return Err("a task waits for nothing".to_owned()),
            },
        }
    }
    Ok(sum)
}
