//! What a record costs: both modes in batches of ordinary size, beside the designs that write with
//! every record, on one bill and with the same counts.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::change::TableName;
use evercount_core::counting::Cells;
use evercount_core::lane::LaneId;
use evercount_core::logic::{AdoptedShape, Coverage, LogicVersion};
use evercount_core::value::Item;
use evercount_pipeline::count::{self, CountMode, CountOptions, StreamRecord, Warm};
use evercount_pipeline::define;
use evercount_pipeline::ports::{CatalogEdit, CatalogStore, CountStore};
use evercount_wire::items::{ledger_item, size_bytes};

use super::baselines::{Baseline, PerRecord};
use super::metered::{Layout, Meter, Metered};
use super::workload::{BATCH_RECORDS, COLUMNS, Kind, TABLE, Workload, count_by, digest_of};
use crate::figures::{Figure, Goal};
use crate::listening::world::drive;

/// Records of a batch in ledger mode.
pub const LEDGER_BATCH_RECORDS: usize = 500;
/// Batches that fill the table before anything is billed: a table that is counted has rows.
const BATCHES_BEFORE: usize = 6;
/// The same in ledger mode, where batches are smaller.
const LEDGER_BATCHES_BEFORE: usize = 60;

/// A table that grows, so that a batch leaves every city with other orders than before. More records
/// carry one image only, which is larger for it: 1.2 KB a record again.
const GROWING: Kind = Kind { orders: 100_000, note: 431, ..Kind::ORDINARY };

/// A count: its name, and what it groups by.
type Count = (&'static str, &'static [&'static str]);

/// Groups by one attribute of 99 values.
const BY_CITY: &[Count] = &[("orders_by_city", &["city"])];
/// Groups by two attributes, 40 groups.
const BY_STATUS_AND_PLAN: &[Count] = &[("orders_by_status", &["status", "plan"])];
/// Several counts, whose cells share no items.
const THREE: &[Count] = &[
    ("orders_by_city", &["city"]),
    ("orders_by_status", &["status", "plan"]),
    ("orders_by_plan", &["plan"]),
];

/// What counting some batches came to.
pub struct Run {
    /// What was billed for them.
    pub meter: Meter,
    /// Their records.
    pub records: u64,
    /// Counters that a batch moved, on average.
    pub touched: f64,
    /// The store as they left it.
    pub store: Metered,
    logic: Vec<LogicVersion>,
}

impl Run {
    fn units(&self) -> f64 {
        self.meter.write_units / self.records as f64
    }
}

/// What was measured.
pub struct Measured {
    /// The figures.
    pub figures: Vec<Figure>,
    /// Mean bytes of a ledger row, by attribute, its name included.
    pub row_bytes: Vec<(String, f64)>,
}

fn lane() -> LaneId {
    LaneId::of_shard("orders-cdc", "shardId-000000000000")
}

/// Counts batches of a workload, of which the first ones are not billed, and checks that the counts
/// equal a recount.
///
/// # Errors
/// Where they do not, or a batch was not finished.
pub fn run(
    counts: &[Count],
    (mode, layout): (CountMode, Layout),
    workload: &mut Workload,
    batch: usize,
    (before, billed): (usize, usize),
) -> Result<Run, String> {
    let store = Metered::with_layout(layout);
    let define = |(name, by): &Count| {
        let logic = drive(define::create(&store.memory, count_by(name, by), Coverage::Whole, 0));
        logic.map_err(|error| error.to_string())
    };
    let logic: Vec<LogicVersion> = counts.iter().map(define).collect::<Result<_, _>>()?;
    // As the schema listener leaves a table: rows remember what counts read, and nothing strange.
    let columns = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    let adopted = AdoptedShape { version: 1, columns, declared: false };
    let edit = CatalogEdit { adopt: Some((TableName::new(TABLE), adopted)), ..CatalogEdit::default() };
    drive(store.memory.edit_catalog(&edit)).map_err(|error| error.to_string())?;
    let options = CountOptions { mode, format: None, epoch: 0 };
    let (lane, mut warm) = (lane(), Warm::default());
    let (mut unbilled, mut records, mut touched) = (Meter::default(), 0, 0);
    for number in 0..before + billed {
        if number == before {
            unbilled = store.meter();
        }
        let batch = workload.batch(batch);
        let cells_before = cells_of(&store, &logic)?;
        let report = drive(count::run(&store, &mut warm, &lane, &batch, options, workload.now(), || true));
        if let Some(stop) = report.stopped_by {
            return Err(format!("batch {number} was not finished: {stop:?}"));
        }
        if number >= before {
            records += report.tally.read;
            let moved = cells_of(&store, &logic)?;
            touched +=
                moved.iter().zip(&cells_before).map(|(now, then)| moved_cells(now, then)).sum::<usize>();
        }
    }
    for ((_, by), counted) in counts.iter().zip(cells_of(&store, &logic)?) {
        let (truth, counted) = (digest_of(&workload.recount(by)), digest_of(&counted));
        if truth != counted {
            return Err(format!("{mode:?} counts by {by:?} come to {counted:x}, a recount to {truth:x}"));
        }
    }
    let all = store.meter();
    let meter = Meter {
        write_units: all.write_units - unbilled.write_units,
        refused_units: all.refused_units - unbilled.refused_units,
        read_units: all.read_units - unbilled.read_units,
        commits: all.commits - unbilled.commits,
        items: all.items - unbilled.items,
        refused: all.refused - unbilled.refused,
    };
    Ok(Run { meter, records, touched: touched as f64 / billed as f64, store, logic })
}

fn cells_of(store: &Metered, logic: &[LogicVersion]) -> Result<Vec<Cells>, String> {
    let cells = |version: &LogicVersion| drive(store.memory.cells(&version.id));
    logic.iter().map(|version| cells(version).map_err(|error| error.to_string())).collect()
}

fn moved_cells(now: &Cells, then: &Cells) -> usize {
    let all: BTreeSet<_> = now.keys().chain(then.keys()).collect();
    all.into_iter().filter(|cell| now.get(cell) != then.get(cell)).count()
}

/// Counts the same batches with a design that writes with every record; returns its write units a
/// record.
fn baseline(
    design: Baseline,
    of: &Run,
    mut workload: Workload,
    batch: usize,
    (before, billed): (usize, usize),
) -> Result<f64, String> {
    let mut counter = PerRecord::new(design, of.logic.clone());
    let mut unbilled = 0.0;
    for number in 0..before + billed {
        if number == before {
            unbilled = counter.write_units;
        }
        let records: Vec<StreamRecord> = workload.batch(batch);
        counter.count(&records);
    }
    for (number, ours) in cells_of(&of.store, &of.logic)?.iter().enumerate() {
        if digest_of(&counter.cells(number)) != digest_of(ours) {
            return Err(format!("{design:?} comes to other counts"));
        }
    }
    Ok((counter.write_units - unbilled) / of.records as f64)
}

/// Measures what a record costs over `batches` batches of 6 MiB in lane mode and as many of 500
/// records in ledger mode.
///
/// # Errors
/// Where counts differ between designs or from a recount: then no figure means anything.
pub fn measure(batches: usize) -> Result<Measured, String> {
    let mut figures = Vec::new();
    let mut add = |name, what: &str, value, goal| figures.push(Figure::new(name, what, value, goal));
    let lane_mode = |counts, layout| {
        let mut workload = Workload::new(GROWING, 1);
        let span = (BATCHES_BEFORE, batches);
        run(counts, (CountMode::Lane, layout), &mut workload, BATCH_RECORDS, span)
    };
    let packed = lane_mode(BY_CITY, Layout::Packed)?;
    let unpacked = lane_mode(BY_CITY, Layout::Unpacked)?;
    let three = lane_mode(THREE, Layout::Packed)?;
    let of_baseline = |design, of: &Run| {
        let workload = Workload::new(GROWING, 1);
        baseline(design, of, workload, BATCH_RECORDS, (BATCHES_BEFORE, batches))
    };
    let adding = of_baseline(Baseline::Adding, &packed)?;
    let once = of_baseline(Baseline::ExactlyOnce, &packed)?;
    add("record_bytes", "bytes of a record", mean_record_bytes(), Goal::None);
    add("lane_touched", "lane mode: counters a batch of 2,876 moves", packed.touched, Goal::None);
    add("lane_unpacked", "  write units a record, a counter an item", unpacked.units(), Goal::AtMost(0.07));
    add("lane_packed", "  write units a record, as stored", packed.units(), Goal::AtMost(0.003));
    add("per_record_add", "  an ADD with every record", adding, Goal::None);
    add("exactly_once", "  a transaction with every record", once, Goal::None);
    add(
        "times_below_add",
        "  times below an ADD with every record",
        adding / packed.units(),
        Goal::AtLeast(40.0),
    );
    add(
        "times_below_once",
        "  times below a transaction with every record",
        once / packed.units(),
        Goal::AtLeast(100.0),
    );
    add("lane_three_touched", "lane mode, three counts: counters a batch moves", three.touched, Goal::None);
    add("lane_three", "  write units a record, as stored", three.units(), Goal::None);
    let three_adding = of_baseline(Baseline::Adding, &three)?;
    add(
        "three_times_below_add",
        "  times below an ADD with every record",
        three_adding / three.units(),
        Goal::AtLeast(40.0),
    );

    let ledger_mode = |layout| {
        let mut workload = Workload::new(Kind::ORDINARY, 2);
        let span = (LEDGER_BATCHES_BEFORE, batches);
        run(BY_STATUS_AND_PLAN, (CountMode::Ledger, layout), &mut workload, LEDGER_BATCH_RECORDS, span)
    };
    let ledger = ledger_mode(Layout::Packed)?;
    let outside = ledger_mode(Layout::VersionsOutside)?;
    add("ledger_touched", "ledger mode: counters a batch of 500 moves", ledger.touched, Goal::None);
    add("ledger", "  write units a record", ledger.units(), Goal::AtMost(2.4));
    add("ledger_reads", "  read units a record", ledger.meter.read_units / ledger.records as f64, Goal::None);
    add(
        "ledger_outside",
        "  write units a record, rows that move no count outside the transaction (tried)",
        outside.units(),
        Goal::AtMost(1.7),
    );
    let row_bytes = row_bytes(&ledger.store);
    add(
        "ledger_row_bytes",
        "bytes of a ledger row",
        row_bytes.iter().map(|(_, bytes)| bytes).sum(),
        Goal::AtMost(1_024.0),
    );
    Ok(Measured { figures, row_bytes })
}

fn mean_record_bytes() -> f64 {
    let mut workload = Workload::new(GROWING, 1);
    // From a table that has filled, as the figures are.
    (0..BATCHES_BEFORE).for_each(|_| drop(workload.batch(BATCH_RECORDS)));
    let records = workload.batch(BATCH_RECORDS);
    let bytes: usize = records.iter().map(|record| record.data.raw().len()).sum();
    bytes as f64 / records.len() as f64
}

/// Mean bytes of each attribute of the ledger rows in a store. An attribute that few rows have
/// weighs little here.
fn row_bytes(store: &Metered) -> Vec<(String, f64)> {
    let (mut by_attribute, rows) = store.memory.inspect(|state| {
        let mut bytes: BTreeMap<String, usize> = BTreeMap::new();
        for (key, row) in &state.rows {
            for (name, value) in ledger_item(key, row) {
                let alone = Item::from([(name.clone(), value)]);
                *bytes.entry(name).or_insert(0) += size_bytes(&alone);
            }
        }
        (bytes.into_iter().map(|(name, bytes)| (name, bytes as f64)).collect::<Vec<_>>(), state.rows.len())
    });
    by_attribute.iter_mut().for_each(|(_, bytes)| *bytes /= rows as f64);
    by_attribute.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    by_attribute
}
