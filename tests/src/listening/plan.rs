//! What one seed simulates: its tables, its shards, and which faults are switched on.

use fastrand::Rng;

/// Where a table's records come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Debezium on MySQL: every DDL statement is announced on a topic of its own.
    Declared,
    /// Kinesis Data Streams for DynamoDB: rows only, old and new writers at once.
    DynamoDb,
    /// Debezium on PostgreSQL: rows only.
    Postgres,
    /// CloudEvents.
    Event,
    /// OpenTelemetry logs: several items a record.
    Telemetry,
}

impl Kind {
    /// Whether the source tells of its DDL.
    #[must_use]
    pub fn is_declared(self) -> bool {
        self == Self::Declared
    }

    /// Whether items are rows that have a key and come again.
    #[must_use]
    pub fn has_rows(self) -> bool {
        !matches!(self, Self::Event | Self::Telemetry)
    }

    /// Whether old and new writers are at work at once: where the database has no columns.
    #[must_use]
    pub fn deploys(self) -> bool {
        !matches!(self, Self::Declared | Self::Postgres)
    }
}

/// Faults of producers and streams, of Lambda, of the store, and of the port that events leave
/// by. A probability is per thousand.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// A record is put twice.
    pub duplicate: u32,
    /// A record is held back and put later, behind others.
    pub reorder: u32,
    /// The last records are put again (a connector restarted).
    pub replay: u32,
    /// A record that cannot be understood is put.
    pub poison: u32,
    /// Shards split and merge.
    pub reshard: u32,
    /// One shard is read this rarely.
    pub lag: u32,
    /// An invocation dies between two store calls.
    pub crash: u32,
    /// An invocation is given up while it goes on (Lambda timed out): a zombie.
    pub zombie: u32,
    /// The reply is lost, and the whole batch is delivered again, halved.
    pub reply_fails: u32,
    /// The mapping restarts at an older position.
    pub rewind: u32,
    /// The time budget runs out after a few subjects.
    pub out_of_time: u32,
    /// An invocation finds no warm sandbox.
    pub cold: u32,
    /// A store call fails before it does anything.
    pub refuse: u32,
    /// A write happens, its reply is lost.
    pub lost_reply: u32,
    /// Somebody else was faster, or so it seems.
    pub conflict: u32,
    /// Events do not arrive, or only the first of them do.
    pub publish: u32,
    /// Events arrive, the reply is lost.
    pub publish_lost: u32,
}

/// Everything a seed decides before its first step.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The tables, by where their records come from.
    pub tables: Vec<Kind>,
    /// Changes of each table's schema, at most.
    pub changes: u32,
    /// Shards at the start.
    pub shards: u32,
    /// Records of one invocation.
    pub batch_size: usize,
    /// Mean time between two records, microseconds.
    pub pace: i64,
    /// The faults that are on.
    pub faults: Faults,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x0115_7e4e_5eed);
        let faults = Faults {
            duplicate: on(&mut rng, 10..100),
            reorder: on(&mut rng, 10..300),
            replay: on(&mut rng, 2..10),
            poison: on(&mut rng, 5..30),
            reshard: on(&mut rng, 2..10),
            lag: on(&mut rng, 700..1_000),
            crash: on(&mut rng, 2..30),
            zombie: on(&mut rng, 2..30),
            reply_fails: on(&mut rng, 20..200),
            rewind: on(&mut rng, 2..10),
            out_of_time: on(&mut rng, 50..400),
            cold: on(&mut rng, 100..600),
            refuse: on(&mut rng, 5..80),
            lost_reply: on(&mut rng, 10..150),
            conflict: on(&mut rng, 10..100),
            publish: on(&mut rng, 100..600),
            publish_lost: on(&mut rng, 100..600),
        };
        let observed = if rng.bool() { Kind::DynamoDb } else { Kind::Postgres };
        let other = [Kind::Declared, Kind::Event, Kind::Telemetry, Kind::DynamoDb][rng.usize(0..4)];
        let tables = match rng.u32(0..6) {
            0 => vec![observed],
            1 => vec![Kind::Declared],
            2..4 => vec![Kind::Declared, observed],
            4 => vec![observed, other],
            _ => vec![Kind::Declared, observed, other],
        };
        Self {
            tables,
            changes: rng.u32(1..4),
            shards: rng.u32(1..5),
            batch_size: [5, 20, 100, 400][rng.usize(0..4)],
            pace: [50, 2_000, 60_000][rng.usize(0..3)],
            faults,
        }
    }

    /// The same source without a fault.
    #[must_use]
    pub fn faultless(&self) -> Self {
        Self { faults: Faults::default(), ..self.clone() }
    }
}

fn on(rng: &mut Rng, range: std::ops::Range<u32>) -> u32 {
    if rng.bool() { rng.u32(range) } else { 0 }
}
