//! Decides what Lambda's event source mapping does with the records of one Kinesis shard: how they
//! are batched, and what an invocation's reply settles, retries, splits or discards.
//!
//! It is a model, so it is pure: the clock is an argument and the caller does the reading and the
//! invoking. The rules come from the Lambda developer guide: "How Lambda processes records from
//! stream and queue-based event sources", "Configuring partial batch response with Kinesis Data
//! Streams and Lambda", and "Retaining discarded batch records". `ParallelizationFactor` is always
//! 1, because with more of them a shard checkpoint means nothing.

use std::cmp::Ordering;
use std::collections::VecDeque;

mod lineage;
#[cfg(test)]
mod tests;

pub use lineage::{ReadOrder, ShardView, Stage, readable};

/// Lambda's limit on the payload of one synchronous invocation, in bytes.
pub const PAYLOAD_LIMIT_BYTES: usize = 6 * 1024 * 1024;

/// What the mapping must know of a record. All times are milliseconds since the Unix epoch.
pub trait StreamRecord {
    /// The decimal sequence number, unique and ascending within the shard.
    fn sequence_number(&self) -> &str;
    /// The bytes this record takes in the invocation's JSON payload (base64 data and envelope).
    fn payload_bytes(&self) -> usize;
    /// When the stream received the record.
    fn arrival_ms(&self) -> u64;
}

/// The settings of one event source mapping, named as in `CreateEventSourceMapping`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingConfig {
    /// `BatchSize`: the most records of one invocation; 0 is taken as 1.
    pub batch_size: usize,
    /// `MaximumBatchingWindowInSeconds`, in milliseconds: how long an unfilled batch waits.
    pub batch_window_ms: u64,
    /// The most bytes of one invocation; a single larger record is still sent alone.
    pub payload_limit_bytes: usize,
    /// `BisectBatchOnFunctionError`: a failed batch is retried as two halves.
    pub bisect_on_error: bool,
    /// `FunctionResponseTypes: [ReportBatchItemFailures]`. When false a reply's failures are not
    /// looked at, and any reply that is not an error settles the whole batch.
    pub report_item_failures: bool,
    /// `MaximumRetryAttempts`; `None` is AWS's -1, retry until the records expire.
    pub maximum_retry_attempts: Option<u32>,
    /// `MaximumRecordAgeInSeconds`, in milliseconds; `None` is AWS's -1, no limit.
    pub maximum_record_age_ms: Option<u64>,
    /// Whether children wait for their parents.
    pub read_order: ReadOrder,
}

impl Default for MappingConfig {
    /// The defaults of AWS: 100 records, no window, no bisect, no partial replies, retry for ever.
    fn default() -> Self {
        Self {
            batch_size: 100,
            batch_window_ms: 0,
            payload_limit_bytes: PAYLOAD_LIMIT_BYTES,
            bisect_on_error: false,
            report_item_failures: false,
            maximum_retry_attempts: None,
            maximum_record_age_ms: None,
            read_order: ReadOrder::ParentFirst,
        }
    }
}

/// What an invocation came back with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The function returned a response with these `itemIdentifier`s. An empty list, a null list,
    /// an empty response and a null response are all `Failures(vec![])`; a null or misnamed
    /// identifier is the empty text.
    Failures(Vec<String>),
    /// The function failed, timed out, was throttled or could not be reached.
    Error,
}

/// Why a batch was given up, as `requestContext.condition` of the invocation record says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The batch failed more often than `MaximumRetryAttempts` allows.
    RetryAttemptsExhausted,
    /// The records are older than `MaximumRecordAgeInSeconds`.
    MaximumRecordAgeExceeded,
}

impl Condition {
    /// The text Lambda writes into the invocation record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Self::MaximumRecordAgeExceeded => "MaximumRecordAgeExceeded",
        }
    }
}

/// A batch the mapping gave up on: what goes to the on-failure destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discard<R> {
    /// The shard the records stand in.
    pub shard_id: String,
    /// Why they were given up.
    pub condition: Condition,
    /// Sequence number of the first record.
    pub start: String,
    /// Sequence number of the last record.
    pub end: String,
    /// The records, in order; never empty.
    pub records: Vec<R>,
}

/// What the mapping does next with a shard.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a, R> {
    /// Invoke the function with these records, then call [`ShardReader::settle`]. Asking again
    /// before settling gives the same batch: a second delivery, which Lambda may make too.
    Batch(&'a [R]),
    /// These records outlived the maximum age: send them to the on-failure destination, ask again.
    Discarded(Discard<R>),
    /// A batch is gathering; it is due at `until_ms` even if no record joins it.
    Wait {
        /// When the batch window ends, in milliseconds since the Unix epoch.
        until_ms: u64,
    },
    /// Nothing to do until a record is pushed.
    Idle,
}

/// What became of the batch that was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<R> {
    /// All of it succeeded.
    Succeeded,
    /// The last `retry` records are delivered again as one batch.
    Retry {
        /// How many records are delivered again, counted from the batch's end.
        retry: usize,
        /// How much of the retry quota the batch has used.
        attempts: u32,
    },
    /// The batch is delivered again as two batches of these sizes, which costs no retry quota.
    Bisected(usize, usize),
    /// What had not succeeded used up its retry quota and is given up.
    Discarded(Discard<R>),
}

/// The effect of one reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled<R> {
    /// How many leading records of the batch count as processed.
    pub succeeded: usize,
    /// What became of the rest.
    pub outcome: Outcome<R>,
}

/// Whether [`ShardReader::push`] took the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It stands at the end of the queue.
    Queued,
    /// Its sequence number is not above the last one read, so it was read before: dropped.
    AlreadyRead,
}

/// A run of records at the front of the queue that is delivered as one batch.
#[derive(Debug, Clone, Copy)]
struct Piece {
    len: usize,
    attempts: u32,
}

/// One shard of the mapping: the records read but not yet settled, and how they are delivered.
///
/// It holds no record longer than until it is settled, so its memory is bounded by how far the
/// caller reads ahead; [`ShardReader::room`] says how far that should be.
#[derive(Debug, Clone)]
pub struct ShardReader<R> {
    shard_id: String,
    config: MappingConfig,
    queue: VecDeque<R>,
    /// Batches already formed, in order; they cover the front of `queue`.
    pieces: VecDeque<Piece>,
    in_flight: bool,
    /// When the oldest record that is in no piece was read.
    window_opened_ms: Option<u64>,
    last_read: Option<String>,
    checkpoint: Option<String>,
    closed: bool,
}

impl<R: StreamRecord> ShardReader<R> {
    /// A reader of `shard_id` that has read nothing.
    #[must_use]
    pub fn new(shard_id: impl Into<String>, config: MappingConfig) -> Self {
        Self {
            shard_id: shard_id.into(),
            config,
            queue: VecDeque::new(),
            pieces: VecDeque::new(),
            in_flight: false,
            window_opened_ms: None,
            last_read: None,
            checkpoint: None,
            closed: false,
        }
    }

    /// The shard this reader stands for.
    #[must_use]
    pub fn shard_id(&self) -> &str {
        &self.shard_id
    }

    /// The last sequence number that will not be delivered again; a mapping that restarts reads
    /// after it. `None` until something settled.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&str> {
        self.checkpoint.as_deref()
    }

    /// The last sequence number pushed, settled or not.
    #[must_use]
    pub fn last_read(&self) -> Option<&str> {
        self.last_read.as_deref()
    }

    /// How many records it is useful to read ahead now: up to two batches in all.
    #[must_use]
    pub fn room(&self) -> usize {
        (self.config.batch_size.max(1) * 2).saturating_sub(self.queue.len())
    }

    /// True when nothing read is left to deliver or to settle.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.queue.is_empty()
    }

    /// True when the shard is closed, read to its end and settled.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.closed && self.queue.is_empty()
    }

    /// Says that the shard was read to its end; an unfilled batch no longer waits.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Appends a record read at `now_ms`.
    pub fn push(&mut self, record: R, now_ms: u64) -> Pushed {
        let number = record.sequence_number();
        if self.last_read.as_deref().is_some_and(|last| compare_sequence_numbers(number, last).is_le()) {
            return Pushed::AlreadyRead;
        }
        self.last_read = Some(number.to_owned());
        self.queue.push_back(record);
        self.window_opened_ms.get_or_insert(now_ms);
        Pushed::Queued
    }

    /// What to do at `now_ms`.
    pub fn next(&mut self, now_ms: u64) -> Next<'_, R> {
        if !self.in_flight {
            if let Some(discard) = self.expire(now_ms) {
                return Next::Discarded(discard);
            }
            if self.pieces.is_empty() {
                match self.form(now_ms) {
                    Formed::Piece(piece) => self.pieces.push_back(piece),
                    Formed::Wait(until_ms) => return Next::Wait { until_ms },
                    Formed::Nothing => return Next::Idle,
                }
            }
            self.in_flight = true;
        }
        let len = self.pieces.front().map_or(0, |piece| piece.len);
        Next::Batch(self.queue.make_contiguous().get(..len).unwrap_or_default())
    }

    /// Applies the reply to the batch that [`ShardReader::next`] gave last; `None` when no batch
    /// is out.
    ///
    /// A split costs no retry quota. A partial reply is a split at the reported record when
    /// `BisectBatchOnFunctionError` is on, and an attempt otherwise; if it reports the very first
    /// record nothing was split off, so it is an attempt either way.
    pub fn settle(&mut self, reply: &Reply) -> Option<Settled<R>> {
        if !std::mem::take(&mut self.in_flight) {
            return None;
        }
        let piece = self.pieces.pop_front()?;
        let bisect = self.config.bisect_on_error;
        let settled = match self.first_failure(piece.len, reply) {
            FirstFailure::None => {
                drop(self.take(piece.len));
                Settled { succeeded: piece.len, outcome: Outcome::Succeeded }
            }
            FirstFailure::At(succeeded) => {
                drop(self.take(succeeded));
                let split = bisect && succeeded > 0;
                let attempts = piece.attempts + u32::from(!split);
                let rest = Piece { len: piece.len - succeeded, attempts };
                Settled { succeeded, outcome: self.retry_or_discard(rest) }
            }
            FirstFailure::Unknown if bisect && piece.len > 1 => {
                let (first, second) = (piece.len / 2, piece.len - piece.len / 2);
                self.pieces.push_front(Piece { len: second, ..piece });
                self.pieces.push_front(Piece { len: first, ..piece });
                Settled { succeeded: 0, outcome: Outcome::Bisected(first, second) }
            }
            FirstFailure::Unknown => {
                let again = Piece { attempts: piece.attempts + 1, ..piece };
                Settled { succeeded: 0, outcome: self.retry_or_discard(again) }
            }
        };
        Some(settled)
    }

    /// Where in the batch the checkpoint goes.
    fn first_failure(&self, len: usize, reply: &Reply) -> FirstFailure {
        let identifiers = match reply {
            Reply::Error => return FirstFailure::Unknown,
            Reply::Failures(_) if !self.config.report_item_failures => return FirstFailure::None,
            Reply::Failures(identifiers) => identifiers,
        };
        let mut lowest = None;
        for identifier in identifiers {
            // The queue ascends by sequence number, so the lowest index is the lowest number.
            let position = self
                .queue
                .binary_search_by(|record| compare_sequence_numbers(record.sequence_number(), identifier));
            match position {
                Ok(index) if index < len && !identifier.is_empty() => {
                    lowest = Some(lowest.map_or(index, |known: usize| known.min(index)));
                }
                // One identifier that names no record of the batch fails all of it.
                Ok(_) | Err(_) => return FirstFailure::Unknown,
            }
        }
        lowest.map_or(FirstFailure::None, FirstFailure::At)
    }

    fn retry_or_discard(&mut self, piece: Piece) -> Outcome<R> {
        if self.config.maximum_retry_attempts.is_some_and(|most| piece.attempts > most)
            && let Some(discard) = self.discard(piece.len, Condition::RetryAttemptsExhausted)
        {
            return Outcome::Discarded(discard);
        }
        self.pieces.push_front(piece);
        Outcome::Retry { retry: piece.len, attempts: piece.attempts }
    }

    /// Gives up the leading records that are too old to be sent.
    fn expire(&mut self, now_ms: u64) -> Option<Discard<R>> {
        let oldest = now_ms.saturating_sub(self.config.maximum_record_age_ms?);
        let most = self.pieces.front().map_or(self.config.batch_size.max(1), |piece| piece.len);
        let expired = self.queue.iter().take(most).take_while(|record| record.arrival_ms() < oldest).count();
        if expired == 0 {
            return None;
        }
        if let Some(piece) = self.pieces.front_mut() {
            piece.len -= expired;
            if piece.len == 0 {
                self.pieces.pop_front();
            }
        }
        self.discard(expired, Condition::MaximumRecordAgeExceeded)
    }

    fn discard(&mut self, len: usize, condition: Condition) -> Option<Discard<R>> {
        let records = self.take(len);
        let start = records.first()?.sequence_number().to_owned();
        let end = records.last()?.sequence_number().to_owned();
        Some(Discard { shard_id: self.shard_id.clone(), condition, start, end, records })
    }

    /// Removes the first `len` records and moves the checkpoint past them.
    fn take(&mut self, len: usize) -> Vec<R> {
        let taken: Vec<R> = self.queue.drain(..len.min(self.queue.len())).collect();
        if let Some(last) = taken.last() {
            self.checkpoint = Some(last.sequence_number().to_owned());
        }
        if self.queue.is_empty() {
            self.window_opened_ms = None;
        }
        taken
    }

    /// Forms the next batch from the front of the queue. Called only when no piece is left.
    fn form(&mut self, now_ms: u64) -> Formed {
        let most = self.config.batch_size.max(1);
        let mut len = 0;
        let mut bytes = 0_usize;
        for record in self.queue.iter().take(most) {
            bytes = bytes.saturating_add(record.payload_bytes());
            if len > 0 && bytes > self.config.payload_limit_bytes {
                break;
            }
            len += 1;
        }
        if len == 0 {
            return Formed::Nothing;
        }
        let full = len == most || len < self.queue.len();
        let due_ms = self.window_opened_ms.unwrap_or(now_ms).saturating_add(self.config.batch_window_ms);
        if !full && !self.closed && now_ms < due_ms {
            return Formed::Wait(due_ms);
        }
        // What stays behind starts a window of its own.
        self.window_opened_ms = (len < self.queue.len()).then_some(now_ms);
        Formed::Piece(Piece { len, attempts: 0 })
    }
}

enum Formed {
    Piece(Piece),
    Wait(u64),
    Nothing,
}

enum FirstFailure {
    None,
    At(usize),
    Unknown,
}

/// Orders two sequence numbers as the integers they are: up to 129 decimal digits, so no machine
/// integer holds them.
#[must_use]
pub fn compare_sequence_numbers(left: &str, right: &str) -> Ordering {
    let left = left.trim_start_matches('0');
    let right = right.trim_start_matches('0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}
