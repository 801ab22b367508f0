//! What one seed simulates: the kind of source, its size, and which faults are switched on.
//!
//! Swarm testing: each seed switches a random subset of faults on, because a run with all of
//! them hides what only some of them together break.

use fastrand::Rng;

/// The kind of source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceKind {
    /// Kinesis Data Streams for DynamoDB: versions are timestamps.
    DynamoDb,
    /// Debezium on MySQL: versions are log positions.
    Debezium,
    /// Debezium on MySQL, a table without a key.
    Keyless,
    /// An ordered, duplicate-free stream, counted in lane mode.
    Ordered,
}

/// Who writes a DynamoDB table through the data proxy, which stamps a version on the items it writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stamping {
    /// Nobody.
    Nobody,
    /// Some writers; the others leave the version as it was, write over it, or write an old copy back.
    Some,
    /// Every writer.
    Everybody,
}

/// Faults of producers and streams, of Lambda, and of the store. A probability is per thousand.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// A record is put twice.
    pub duplicate: u32,
    /// A record is held back and put later, behind others of its row.
    pub reorder: u32,
    /// The last records are put again (a connector restarted).
    pub replay: u32,
    /// A change never reaches the stream (DynamoDB skips records beyond its size limit).
    pub lose: u32,
    /// The source's clock steps back, within its skew bound.
    pub backward: u32,
    /// Timestamps have milliseconds only.
    pub milliseconds: bool,
    /// A record that cannot be understood is put.
    pub poison: u32,
    /// A change is cut short on its way and reaches the stream as poison.
    pub corrupt: u32,
    /// Shards split and merge.
    pub reshard: u32,
    /// Children are read before their parents are drained.
    pub child_first: bool,
    /// An invocation dies between two store calls.
    pub crash: u32,
    /// An invocation is given up while it goes on (Lambda timed out): a zombie.
    pub zombie: u32,
    /// The reply names a record that is not in the batch.
    pub malformed_reply: u32,
    /// The mapping restarts at an older position.
    pub rewind: u32,
    /// The time budget runs out after a few chunks.
    pub out_of_time: u32,
    /// A store call fails before it does anything.
    pub refuse: u32,
    /// A commit happens, its reply is lost.
    pub lost_reply: u32,
    /// Ledger rows are read as they were before their last write.
    pub stale_read: u32,
    /// The table is truncated.
    pub truncate: u32,
    /// A row's key changes.
    pub key_change: u32,
    /// An audit repairs while writers go on.
    pub repair: u32,
    /// Another lane fences or conflicts for no reason.
    pub spurious_conflict: u32,
}

/// Everything a seed decides before its first step.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The kind of source.
    pub source: SourceKind,
    /// Rows of the table.
    pub keys: u32,
    /// Changes the source makes.
    pub writes: u32,
    /// Shards at the start.
    pub shards: u32,
    /// Records of one invocation.
    pub batch_size: usize,
    /// Whether items carry a number that no two images share.
    pub unique_images: bool,
    /// Who stamps versions on items.
    pub stamping: Stamping,
    /// Mean time between two changes, microseconds.
    pub pace: i64,
    /// Cap of groups of the second definition.
    pub groups_max: u32,
    /// The faults that are on.
    pub faults: Faults,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64, writes: u32) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x5eed_0fe0_5eed);
        let source = match rng.u32(0..10) {
            0..5 => SourceKind::DynamoDb,
            5..8 => SourceKind::Debezium,
            8 => SourceKind::Keyless,
            _ => SourceKind::Ordered,
        };
        let mut faults = Faults {
            duplicate: on(&mut rng, 10..100),
            reorder: on(&mut rng, 10..300),
            replay: on(&mut rng, 3..15),
            lose: if rng.u32(0..3) == 0 { rng.u32(5..40) } else { 0 },
            backward: on(&mut rng, 5..40),
            milliseconds: rng.bool(),
            poison: on(&mut rng, 5..30),
            // Rarer than the others: a final repair of what is lost hides what doubt should have told.
            corrupt: if rng.u32(0..4) == 0 { rng.u32(5..30) } else { 0 },
            reshard: on(&mut rng, 2..20),
            child_first: rng.bool(),
            crash: on(&mut rng, 5..60),
            zombie: on(&mut rng, 5..60),
            malformed_reply: on(&mut rng, 20..200),
            rewind: on(&mut rng, 2..10),
            out_of_time: on(&mut rng, 50..400),
            refuse: on(&mut rng, 5..80),
            lost_reply: on(&mut rng, 10..150),
            stale_read: on(&mut rng, 50..500),
            truncate: on(&mut rng, 5..40),
            key_change: on(&mut rng, 10..80),
            repair: on(&mut rng, 10..60),
            spurious_conflict: on(&mut rng, 10..100),
        };
        match source {
            // DynamoDB has no truncate; a key cannot change.
            SourceKind::DynamoDb => (faults.truncate, faults.key_change) = (0, 0),
            // Only DynamoDB can be read back, so only there can a lost change be repaired; log
            // positions have no clock to step back.
            SourceKind::Debezium => (faults.lose, faults.backward, faults.repair) = (0, 0, 0),
            SourceKind::Keyless => {
                (faults.lose, faults.backward, faults.repair, faults.key_change) = (0, 0, 0, 0);
            }
            // Lane mode is promised for ordered sources without duplicates, and keeps no ledger
            // to repair or to sweep.
            SourceKind::Ordered => {
                (faults.duplicate, faults.reorder, faults.replay, faults.lose) = (0, 0, 0, 0);
                (faults.truncate, faults.repair, faults.key_change) = (0, 0, 0);
            }
        }
        // From dice of its own, so that what else a seed decides does not hang on it.
        let stamping = match (source, Rng::with_seed(seed ^ 0x57a3b).u32(0..4)) {
            (SourceKind::DynamoDb, 0) => Stamping::Everybody,
            (SourceKind::DynamoDb, 1) => Stamping::Some,
            _ => Stamping::Nobody,
        };
        let backward = faults.backward > 0;
        if stamping == Stamping::Some {
            // Versions are believed where clocks agree: an old copy that is written back while the clock
            // steps back as well would be beyond both.
            faults.backward = 0;
        }
        Self {
            source,
            keys: rng.u32(1..16),
            writes,
            shards: rng.u32(1..4),
            batch_size: [5, 20, 100, 400][rng.usize(0..4)],
            // Changes that lie closer together than clocks can tell are ordered by their images.
            // A small space of images makes cycles; clocks that also step back would then break
            // the premise that versions follow the source's order. No two items that every writer stamps
            // are alike.
            unique_images: rng.bool() || (backward && stamping != Stamping::Everybody),
            stamping,
            pace: [50, 2_000, 60_000, 400_000][rng.usize(0..4)],
            groups_max: if rng.u32(0..4) == 0 { 3 } else { 1_000 },
            faults,
        }
    }
}

fn on(rng: &mut Rng, range: std::ops::Range<u32>) -> u32 {
    if rng.bool() { rng.u32(range) } else { 0 }
}
