//! What one seed simulates: the kind of source, how its shape evolves, who follows, and which
//! faults are switched on.

use fastrand::Rng;

use crate::simulation::plan::Faults;

/// The kind of source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// DynamoDB: no positions, old items stay as they are, a rolling deploy writes both shapes.
    DynamoDb,
    /// Debezium on MySQL: positions, and a statement changes rows without events.
    Debezium,
    /// An ordered, duplicate-free stream, counted in lane mode.
    Ordered,
}

impl Kind {
    /// Whether values carry DynamoDB's type descriptors.
    #[must_use]
    pub fn is_typed(self) -> bool {
        self != Self::Debezium
    }

    /// Whether there is a ledger.
    #[must_use]
    pub fn has_ledger(self) -> bool {
        self != Self::Ordered
    }

    /// Whether the source can be read back.
    #[must_use]
    pub fn is_readable(self) -> bool {
        self == Self::DynamoDb
    }
}

/// What happens to those who follow a change. A probability is per thousand.
#[derive(Clone, Debug, Default)]
pub struct Following {
    /// Steps until a change is told of, at most.
    pub lag: u32,
    /// A change is told of twice.
    pub twice: u32,
    /// A task dies between two store calls.
    pub crash: u32,
    /// A task is given up while it goes on.
    pub zombie: u32,
    /// Somebody asks for another definition.
    pub redefine: u32,
    /// Whoever renamed a column asks for it by its new name before the counts are told.
    pub ahead: u32,
    /// Somebody takes a promotion back.
    pub roll_back: u32,
    /// A reader reads.
    pub read: u32,
    /// Somebody has the rows from before a count read.
    pub fill: u32,
    /// Rounds of maintenance.
    pub maintain: u32,
}

/// Everything a seed decides before its first step.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The kind of source.
    pub kind: Kind,
    /// Rows of the table.
    pub keys: u32,
    /// Changes the source makes.
    pub writes: u32,
    /// Changes of the table's shape, at most.
    pub changes: u32,
    /// Shards at the start.
    pub shards: u32,
    /// Records of one invocation.
    pub batch_size: usize,
    /// Rows of a page of the ledger.
    pub page_rows: usize,
    /// Pages that one call walks.
    pub pages: u32,
    /// Whether items carry a number that no two images share.
    pub unique_images: bool,
    /// Mean time between two changes, microseconds.
    pub pace: i64,
    /// How long a replaced version stands by, microseconds.
    pub standby: i64,
    /// Cap of groups of the second definition.
    pub groups_max: u32,
    /// Whether definitions have headroom.
    pub headroom: bool,
    /// The faults that are on.
    pub faults: Faults,
    /// Whether plans are the analyzer's own, and not made by hand.
    pub analyzed: bool,
    /// Rows that were there before the counts, and that no stream tells of.
    pub old_rows: u32,
    /// Segments that the source is read in at the same time.
    pub segments: u32,
    /// Read units a second that reading the source may take; a row takes one.
    pub budget: f64,
    /// Whether anybody follows.
    pub follows: bool,
    /// Those who follow.
    pub following: Following,
    /// Whether a count asks a function that somebody wrote.
    pub asks: bool,
}

impl Plan {
    /// The plan of a seed. In most seeds the source makes as many changes as is said here; in one in
    /// ten it makes four times as many, so that there is time for what takes several turns.
    #[must_use]
    pub fn of(seed: u64, writes: u32) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x0ada_97ed_5eed);
        let kind = match rng.u32(0..10) {
            0..5 => Kind::DynamoDb,
            5..9 => Kind::Debezium,
            _ => Kind::Ordered,
        };
        let mut faults = Faults {
            duplicate: on(&mut rng, 10..100),
            reorder: on(&mut rng, 10..300),
            replay: on(&mut rng, 3..15),
            lose: if rng.u32(0..5) == 0 { rng.u32(5..40) } else { 0 },
            milliseconds: rng.bool(),
            poison: if rng.u32(0..4) == 0 { rng.u32(5..30) } else { 0 },
            reshard: on(&mut rng, 2..20),
            child_first: rng.bool(),
            crash: on(&mut rng, 5..60),
            zombie: on(&mut rng, 5..60),
            malformed_reply: on(&mut rng, 20..200),
            rewind: on(&mut rng, 2..10),
            out_of_time: on(&mut rng, 50..400),
            refuse: on(&mut rng, 2..20),
            lost_reply: on(&mut rng, 10..150),
            stale_read: on(&mut rng, 50..500),
            truncate: if rng.u32(0..3) == 0 { rng.u32(5..30) } else { 0 },
            repair: on(&mut rng, 10..60),
            spurious_conflict: on(&mut rng, 10..100),
            ..Faults::default()
        };
        match kind {
            Kind::DynamoDb => faults.truncate = 0,
            Kind::Debezium => (faults.lose, faults.repair) = (0, 0),
            Kind::Ordered => {
                (faults.duplicate, faults.reorder, faults.replay, faults.lose) = (0, 0, 0, 0);
                (faults.truncate, faults.repair) = (0, 0);
            }
        }
        let following = Following {
            lag: [0, 20, 150, 600][rng.usize(0..4)],
            twice: on(&mut rng, 100..700),
            crash: on(&mut rng, 5..60),
            zombie: on(&mut rng, 5..60),
            redefine: on(&mut rng, 3..20),
            roll_back: if rng.u32(0..3) == 0 { rng.u32(20..80) } else { 0 },
            read: on(&mut rng, 20..60),
            maintain: rng.u32(20..200),
            fill: 0,
            ahead: 0,
        };
        let mut plan = Self {
            kind,
            keys: [4, 12, 12, 30][rng.usize(0..4)],
            writes,
            changes: rng.u32(1..5),
            shards: rng.u32(1..4),
            batch_size: [5, 20, 100][rng.usize(0..3)],
            page_rows: [2, 5, 25][rng.usize(0..3)],
            pages: [1, 3, 100][rng.usize(0..3)],
            unique_images: rng.u32(0..3) > 0,
            pace: [2_000, 60_000, 400_000][rng.usize(0..3)],
            standby: [0, 1_000_000, 3_600_000_000][rng.usize(0..3)],
            groups_max: if rng.u32(0..4) == 0 { 3 } else { 1_000 },
            headroom: rng.bool(),
            faults,
            analyzed: rng.bool(),
            old_rows: 0,
            segments: 1,
            budget: 1_000.0,
            follows: true,
            following,
            asks: false,
        };
        // Without a ledger, what a retired version counted is what each row's first changes come to,
        // and a sketch of it finds its groups by their items: the event source mapping reads parents
        // before children.
        plan.faults.child_first &= !(plan.kind == Kind::Ordered && plan.unique_images);
        (plan.segments, plan.budget) = (rng.u32(1..5), [0.2, 5.0, 1_000.0][rng.usize(0..3)]);
        if plan.kind.is_readable() && rng.bool() {
            plan.old_rows = rng.u32(1..=plan.keys);
            plan.following.fill = rng.u32(0..20);
        }
        plan.following.ahead = on(&mut rng, 200..1_000);
        if rng.u32(0..10) == 0 {
            plan.writes *= 4;
        }
        // Not drawn: what other seeds do must stay as it was. A database may leave values out, and then
        // nobody can be asked.
        plan.asks = plan.analyzed && kind.is_typed() && seed % 4 == 1;
        if plan.asks {
            plan.following.redefine = plan.following.redefine.max(10);
        }
        plan
    }
}

fn on(rng: &mut Rng, range: std::ops::Range<u32>) -> u32 {
    if rng.bool() { rng.u32(range) } else { 0 }
}
