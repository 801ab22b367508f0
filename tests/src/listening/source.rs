//! The source as a whole: the records of all tables in the order they were made, and what
//! happened to each table.

use std::collections::BTreeMap;

use evercount_core::schema_change::Subject;
use fastrand::Rng;

use super::plan::Plan;
use super::record::Place;
use super::table::Table;
use crate::simulation::source::EPOCH;

/// A change of a schema in a few words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Word {
    /// Its kind.
    pub kind: &'static str,
    /// The column, by its name before.
    pub column: Option<String>,
    /// The new name.
    pub to: Option<String>,
}

/// What happened to a subject.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Whether its source told of it.
    pub declared: bool,
    /// The changes, in order.
    pub changes: Vec<Word>,
}

/// A record on its way to the stream.
#[derive(Clone, Debug)]
pub struct Emission {
    /// What decides its shard.
    pub partition_key: String,
    /// Its bytes.
    pub data: Vec<u8>,
    /// Of which subject it tells, and of how many items; nothing where it cannot be read.
    pub said: Option<(Subject, u64)>,
    /// Whether it is about the table as a whole. Such records come by one topic, and in order.
    pub ddl: bool,
    /// Whether it waits until the registry knows the table: what changes while a listener gets to
    /// know a table becomes part of its first version, or does not, by chance.
    pub patient: bool,
}

/// A source, from its first record to its last.
#[derive(Clone, Debug)]
pub struct Source {
    /// The records in the order they were made, each with its time, microseconds since the epoch.
    pub emissions: Vec<(i64, Emission)>,
    /// What happened to each subject.
    pub truth: BTreeMap<Subject, Truth>,
}

impl Source {
    /// The source of a seed.
    #[must_use]
    pub fn of(seed: u64, plan: &Plan) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x50a2ce);
        let mut place = Place { at: EPOCH, position: 100 };
        let (mut tables, mut emissions) = (Vec::new(), Vec::new());
        for (number, kind) in plan.tables.iter().enumerate() {
            let (table, announced) = Table::new(*kind, number, (plan.changes, plan.shards), &mut rng, &place);
            emissions.extend(announced.into_iter().map(|one| (place.at, one)));
            tables.push(table);
            place = place.later(&mut rng, plan.pace);
        }
        loop {
            let open: Vec<usize> = (0..tables.len()).filter(|at| !tables[*at].is_done()).collect();
            if open.is_empty() {
                break;
            }
            place = place.later(&mut rng, plan.pace);
            let chosen = open[rng.usize(0..open.len())];
            let emitted = tables[chosen].go_on(&mut rng, &place);
            emissions.extend(emitted.into_iter().map(|one| (place.at, one)));
        }
        let truth = tables.into_iter().flat_map(|table| table.truth).collect();
        Self { emissions, truth }
    }
}
