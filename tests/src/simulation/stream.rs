//! The stream: shards that split and merge, each read by a model of Lambda's event source mapping.

use evercount_core::lane::SequenceNumber;
use evercount_pipeline::count::StreamRecord;
use evercount_pipeline::event_source::{self, MappingConfig, ReadOrder, ShardReader};

use super::source::Emitted;

/// A record in a shard.
#[derive(Clone, Debug)]
pub struct Stored {
    sequence: String,
    arrived_at: i64,
    emitted: Emitted,
}

impl event_source::StreamRecord for Stored {
    fn sequence_number(&self) -> &str {
        &self.sequence
    }

    fn payload_bytes(&self) -> usize {
        self.emitted.data.len()
    }

    fn arrival_ms(&self) -> u64 {
        u64::try_from(self.arrived_at / 1_000).unwrap_or(0)
    }
}

impl Stored {
    /// The record as a counter sees it.
    #[must_use]
    pub fn delivered(&self) -> StreamRecord {
        StreamRecord {
            sequence: SequenceNumber::parse(&self.sequence)
                .unwrap_or_else(|| unreachable!("the stream numbers its records with digits")),
            partition_key: self.emitted.partition_key.clone(),
            arrived_at: self.arrived_at,
            data: self.emitted.data.clone().into(),
        }
    }
}

/// A shard.
#[derive(Debug)]
pub struct Shard {
    /// Its id.
    pub id: String,
    /// The hash range it takes.
    range: (u64, u64),
    /// The shards it came from.
    parents: Vec<usize>,
    records: Vec<Stored>,
    /// How many of the records the reader has been given.
    fed: usize,
    closed: bool,
    /// Its event source mapping.
    pub reader: ShardReader<Stored>,
}

/// A stream.
#[derive(Debug)]
pub struct Stream {
    /// Its shards, parents before children.
    pub shards: Vec<Shard>,
    next_sequence: u64,
    config: MappingConfig,
}

impl Stream {
    /// A stream of that many shards.
    #[must_use]
    pub fn new(shards: u32, batch_size: usize, child_first: bool) -> Self {
        let config = MappingConfig {
            batch_size,
            bisect_on_error: true,
            report_item_failures: true,
            read_order: if child_first { ReadOrder::ChildFirst } else { ReadOrder::ParentFirst },
            ..MappingConfig::default()
        };
        let mut stream = Self { shards: Vec::new(), next_sequence: 9_990, config };
        let width = u64::MAX / u64::from(shards);
        for index in 0..u64::from(shards) {
            let end = if index + 1 == u64::from(shards) { u64::MAX } else { (index + 1) * width - 1 };
            stream.open((index * width, end), Vec::new());
        }
        stream
    }

    fn open(&mut self, range: (u64, u64), parents: Vec<usize>) {
        let id = format!("shardId-{:012}", self.shards.len());
        let reader = ShardReader::new(id.clone(), self.config.clone());
        self.shards.push(Shard { id, range, parents, records: Vec::new(), fed: 0, closed: false, reader });
    }

    /// Puts a record.
    pub fn put(&mut self, emitted: Emitted, now: i64) {
        let hash = hash(&emitted.partition_key);
        self.next_sequence += 7;
        let sequence = self.next_sequence.to_string();
        let open = self
            .shards
            .iter_mut()
            .find(|shard| !shard.closed && (shard.range.0..=shard.range.1).contains(&hash));
        if let Some(shard) = open {
            shard.records.push(Stored { sequence, arrived_at: now, emitted });
        }
    }

    /// Splits a random open shard, or merges two neighbours.
    pub fn reshard(&mut self, rng: &mut fastrand::Rng) {
        let open: Vec<usize> = (0..self.shards.len()).filter(|index| !self.shards[*index].closed).collect();
        let chosen = open[rng.usize(0..open.len())];
        let (low, high) = self.shards[chosen].range;
        let neighbour =
            open.iter().copied().find(|other| high < u64::MAX && self.shards[*other].range.0 == high + 1);
        match neighbour {
            Some(neighbour) if rng.bool() => {
                let end = self.shards[neighbour].range.1;
                (self.shards[chosen].closed, self.shards[neighbour].closed) = (true, true);
                self.open((low, end), vec![chosen, neighbour]);
            }
            _ if high - low > 1_000 => {
                let middle = low + (high - low) / 2;
                self.shards[chosen].closed = true;
                self.open((low, middle), vec![chosen]);
                self.open((middle + 1, high), vec![chosen]);
            }
            _ => {}
        }
    }

    /// Whether a shard may be read: all its parents are drained, unless children may go first.
    #[must_use]
    pub fn readable(&self, index: usize) -> bool {
        self.config.read_order == ReadOrder::ChildFirst
            || self.shards[index].parents.iter().all(|parent| self.shards[*parent].is_drained())
    }

    /// Feeds a shard's reader with what has arrived.
    pub fn feed(&mut self, index: usize, now: i64) {
        let shard = &mut self.shards[index];
        while shard.reader.room() > 0 && shard.fed < shard.records.len() {
            let record = shard.records[shard.fed].clone();
            shard.reader.push(record, u64::try_from(now / 1_000).unwrap_or(0));
            shard.fed += 1;
        }
        if shard.closed && shard.fed == shard.records.len() {
            shard.reader.close();
        }
    }

    /// The mapping of a shard starts again, some records before its checkpoint.
    pub fn rewind(&mut self, index: usize, records: usize) {
        let config = self.config.clone();
        let shard = &mut self.shards[index];
        let checkpoint = shard.reader.checkpoint();
        let settled = shard.records.iter().rposition(|record| checkpoint == Some(record.sequence.as_str()));
        shard.fed = settled.map_or(0, |at| at + 1).saturating_sub(records);
        shard.reader = ShardReader::new(shard.id.clone(), config);
    }

    /// Whether everything put has been taken and settled.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.shards.iter().all(|shard| shard.fed == shard.records.len() && shard.reader.is_settled())
    }

    /// Every record of every shard.
    pub fn everything(&self) -> impl Iterator<Item = &Stored> {
        self.shards.iter().flat_map(|shard| &shard.records)
    }
}

impl Shard {
    fn is_drained(&self) -> bool {
        self.closed && self.fed == self.records.len() && self.reader.is_settled()
    }
}

fn hash(key: &str) -> u64 {
    // FNV-1a: where a key goes only has to be spread and the same in every run.
    key.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
