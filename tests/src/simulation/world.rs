//! One simulated run: a source that changes, a stream, invocations that interleave at every store
//! call, faults, and the invariants checked after every commit.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use evercount_core::backfill::Segment;
use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::lane::LaneId;
use evercount_core::logic::{Coverage, LogicVersion};
use evercount_core::value::Item;
use evercount_pipeline::audit::{self, AuditOptions};
use evercount_pipeline::count::{self, BatchReport, CountMode, CountOptions, Warm};
use evercount_pipeline::event_source::{Next, Reply};
use evercount_pipeline::ports::{Page, SourceTable, StoreError};
use evercount_pipeline::{define, recheck};
use evercount_wire::json;
use fastrand::Rng;

use super::chaos::Chaos;
use super::controls::{Control, Memoryless};
use super::handing;
use super::invariants;
use super::plan::{Plan, SourceKind};
use super::seeds::Outcome;
use super::source::{EPOCH, Emitted, Source};
use super::stream::Stream;

/// Bound on clock skew that repairs and rechecks assume, microseconds.
const MARGIN: i64 = 200_000;
/// Under which name the outcome tells how many changes nobody could put in order.
pub const AMBIGUOUS: &str = "ambiguous";
/// Steps in which a quiet system must reach the tip, for each record it holds.
const LIVENESS_STEPS: usize = 400;

type Invocation = Pin<Box<dyn Future<Output = (BatchReport, Warm)> + Send>>;
type Task = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

struct Running {
    shard: usize,
    work: Invocation,
    zombie: bool,
}

/// The source, for those who read it back.
#[derive(Clone)]
struct Readable(Arc<Mutex<Source>>);

impl Readable {
    fn with<T>(&self, look: impl FnOnce(&mut Source) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn row_key(table: &TableName, key: u32) -> RowKey {
    RowKey { table: table.clone(), identity: RowIdentity::Key(format!(r#"{{"id":"k{key}"}}"#).into()) }
}

impl SourceTable for Readable {
    async fn row(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        let digits: String = row.identity.as_str().chars().filter(char::is_ascii_digit).collect();
        let json = digits.parse().ok().and_then(|key| self.with(|source| source.row_json(key)));
        Ok(json.and_then(|json| json::read_dynamodb_item(&json).ok()))
    }

    async fn scan(
        &self,
        table: &TableName,
        segment: Segment,
        after: Option<String>,
    ) -> Result<Page<Item>, StoreError> {
        let from: u32 = after.and_then(|after| after.parse().ok()).unwrap_or(0);
        let page: Vec<(u32, String)> = self.with(|source| {
            let keys: Vec<u32> = source
                .keys()
                .filter(|key| *key >= from && key % segment.of == segment.number)
                .take(3)
                .collect();
            keys.into_iter().filter_map(|key| Some((key, source.row_json(key)?))).collect()
        });
        let next = page.last().filter(|_| page.len() == 3).map(|(key, _)| (key + 1).to_string());
        let rows: Vec<_> = page
            .into_iter()
            .filter_map(|(key, json)| Some((row_key(table, key), json::read_dynamodb_item(&json).ok()?)))
            .collect();
        let read_units = rows.len() as f64;
        Ok(Page { rows, next, read_units })
    }
}

/// A run in progress.
pub struct World {
    plan: Plan,
    control: Option<Control>,
    rng: Rng,
    clock: Arc<AtomicI64>,
    source: Readable,
    stream: Stream,
    store: Chaos,
    options: CountOptions,
    logic: Vec<LogicVersion>,
    running: Vec<Running>,
    repairs: Vec<Task>,
    sandboxes: Vec<(usize, Warm)>,
    memoryless: Memoryless,
    held: Vec<(u32, Emitted)>,
    recent: Vec<Emitted>,
    written: u32,
    checked_commits: u64,
    outcome: Outcome,
}

/// Runs one seed under a plan.
#[must_use]
pub fn run(seed: u64, plan: &Plan, control: Option<Control>) -> Outcome {
    let mut world = World::new(seed, plan.clone(), control);
    let violation = world.live().and_then(|()| world.settle()).err();
    let mut outcome = world.outcome;
    outcome.violation = violation;
    outcome.commits = world.store.memory.inspect(|state| state.commits);
    outcome.strikes.extend(world.store.strikes());
    outcome.strikes.extend(world.source.with(|source| source.strikes.clone()));
    outcome
}

impl World {
    fn new(seed: u64, plan: Plan, control: Option<Control>) -> Self {
        let source = Source::new(&plan);
        let store = Chaos::new(plan.faults.clone(), control, seed ^ 0xc4a05);
        let lane_mode = plan.source == SourceKind::Ordered || control == Some(Control::CheckpointOnly);
        let logic = invariants::definitions(source.table(), plan.groups_max);
        let logic = logic
            .into_iter()
            .filter_map(|definition| {
                let created = define::create(store.memory.as_ref(), definition, Coverage::Whole, EPOCH);
                ready(created).and_then(Result::ok)
            })
            .collect();
        Self {
            rng: Rng::with_seed(seed),
            clock: Arc::new(AtomicI64::new(EPOCH)),
            stream: Stream::new(plan.shards, plan.batch_size, plan.faults.child_first),
            source: Readable(Arc::new(Mutex::new(source))),
            store,
            options: CountOptions {
                mode: if lane_mode { CountMode::Lane } else { CountMode::Ledger },
                format: None,
                epoch: 0,
            },
            logic,
            running: Vec::new(),
            repairs: Vec::new(),
            sandboxes: Vec::new(),
            memoryless: Memoryless::default(),
            held: Vec::new(),
            recent: Vec::new(),
            written: 0,
            checked_commits: 0,
            outcome: Outcome::default(),
            plan,
            control,
        }
    }

    fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn chance(&mut self, fault: &'static str, per_mille: u32) -> bool {
        let strikes = per_mille > 0 && self.rng.u32(0..1_000) < per_mille;
        if strikes {
            *self.outcome.strikes.entry(fault).or_insert(0) += 1;
        }
        strikes
    }

    fn tell(&mut self, code: u64, story: impl FnOnce() -> String) {
        self.outcome.trace = (self.outcome.trace ^ code).wrapping_mul(0x0100_0000_01b3).rotate_left(5);
        if self.outcome.story.len() >= 60 {
            self.outcome.story.remove(0);
        }
        self.outcome.story.push(story());
    }

    /// The eventful part: the source writes while everything goes wrong.
    fn live(&mut self) -> Result<(), String> {
        while self.written < self.plan.writes || !self.held.is_empty() {
            self.release_held();
            match self.rng.u32(0..10) {
                0..3 if self.written < self.plan.writes => self.write(),
                3 => self.disturb(),
                _ => self.progress()?,
            }
        }
        (0..200).try_for_each(|_| self.progress())
    }

    fn write(&mut self) {
        self.written += 1;
        let step = self.rng.i64(1..self.plan.pace * 2);
        let now = self.clock.fetch_add(step, Ordering::Relaxed) + step;
        let (plan, rng) = (&self.plan, &mut self.rng);
        let emitted = self.source.with(|source| source.change(plan, rng, now));
        for record in emitted {
            if self.chance("lose", self.plan.faults.lose) {
                self.tell(1, || "a change is lost before the stream".to_owned());
                continue;
            }
            self.recent.push(record.clone());
            if self.recent.len() > 60 {
                self.recent.remove(0);
            }
            if self.chance("duplicate", self.plan.faults.duplicate) {
                let later = self.rng.u32(0..200);
                self.held.push((later, record.clone()));
            }
            let mut record = record;
            if self.plan.faults.corrupt > 0
                && self.rng.u32(0..1_000) < self.plan.faults.corrupt
                && record.cut()
            {
                *self.outcome.strikes.entry("corrupt").or_insert(0) += 1;
            }
            if self.chance("reorder", self.plan.faults.reorder) {
                let later = self.rng.u32(1..60);
                self.held.push((later, record));
            } else {
                self.put(record);
            }
        }
        if self.chance("replay", self.plan.faults.replay) {
            let from = self.rng.usize(0..self.recent.len().max(1));
            let again = self.recent.get(from..).unwrap_or_default().to_vec();
            self.tell(2, || format!("the producer restarts and puts {} records again", again.len()));
            again.into_iter().for_each(|record| self.put(record));
        }
        if self.chance("poison", self.plan.faults.poison) {
            self.poison();
        }
    }

    fn poison(&mut self) {
        let poisons: [&[u8]; 6] = [
            b"not json",
            b"{\"dynamodb\":",
            b"\xff\xfe",
            b"[1,2]",
            b"{\"metadata\":{\"record-type\":\"data\"}}",
            b"{}",
        ];
        let data = poisons[self.rng.usize(0..poisons.len())].to_vec();
        self.tell(3, || "poison".to_owned());
        let partition_key = self.rng.u32(0..99).to_string();
        self.put(Emitted { partition_key, data });
    }

    fn put(&mut self, record: Emitted) {
        let now = self.now();
        let preview = || {
            String::from_utf8_lossy(record.data.get(..record.data.len().min(900)).unwrap_or_default())
                .into_owned()
        };
        self.tell(4 + record.data.len() as u64, || format!("put {}", preview()));
        self.stream.put(record, now);
    }

    fn release_held(&mut self) {
        let mut due = Vec::new();
        for (wait, _) in &mut self.held {
            *wait = wait.saturating_sub(1);
        }
        self.held.retain(|(wait, record)| {
            let is_due = *wait == 0;
            if is_due {
                due.push(record.clone());
            }
            !is_due
        });
        due.into_iter().for_each(|record| self.put(record));
    }

    /// Something happens to the stream, or somebody audits.
    fn disturb(&mut self) {
        if self.chance("reshard", self.plan.faults.reshard) {
            self.tell(5, || "reshard".to_owned());
            self.stream.reshard(&mut self.rng);
        }
        if self.chance("rewind", self.plan.faults.rewind) {
            let index = self.rng.usize(0..self.stream.shards.len());
            let records = self.rng.usize(1..50);
            self.tell(6, || format!("mapping of shard {index} restarts {records} records earlier"));
            self.running
                .iter_mut()
                .filter(|running| running.shard == index)
                .for_each(|running| running.zombie = true);
            self.stream.rewind(index, records);
        }
        if self.repairs.len() < 2 && self.chance("repair", self.plan.faults.repair) {
            self.tell(7, || "an audit starts to repair".to_owned());
            let logic = self.rng.usize(0..self.logic.len());
            let repair = self.repair(self.store.clone(), logic);
            self.repairs.push(repair);
        }
    }

    fn repair(&self, store: Chaos, logic: usize) -> Task {
        let (source, clock) = (self.source.clone(), self.clock.clone());
        let margin = if self.control == Some(Control::RepairAfterReading) { -1_000_000 } else { MARGIN };
        let logic = self.logic[logic].clone();
        Box::pin(async move {
            let options = AuditOptions { one_in: 1, repair: true, margin, epoch: 0 };
            let now = move || clock.load(Ordering::Relaxed);
            audit::run(&store, &source, &logic, options, now, |_| {}).await.map(|_| ())
        })
    }

    /// Somebody takes a step: an invocation starts, or a store call of one happens.
    fn progress(&mut self) -> Result<(), String> {
        let choices = self.stream.shards.len() + self.running.len() + self.repairs.len();
        let chosen = self.rng.usize(0..choices);
        let shards = self.stream.shards.len();
        if chosen < shards {
            self.invoke(chosen);
        } else if chosen < shards + self.running.len() {
            self.step(chosen - shards);
        } else {
            let at = chosen - shards - self.running.len();
            if poll(&mut self.repairs[at]).is_some() {
                drop(self.repairs.swap_remove(at));
            }
        }
        self.check()
    }

    fn invoke(&mut self, shard: usize) {
        let busy = self.running.iter().any(|running| running.shard == shard && !running.zombie);
        if busy || !self.stream.readable(shard) {
            return;
        }
        let now = self.now();
        self.stream.feed(shard, now);
        let Next::Batch(batch) =
            self.stream.shards[shard].reader.next(u64::try_from(now / 1_000).unwrap_or(0))
        else {
            return;
        };
        let records: Vec<_> = batch.iter().map(super::stream::Stored::delivered).collect();
        let lane = LaneId::of_shard("cdc", &self.stream.shards[shard].id);
        self.tell(8 + records.len() as u64, || format!("invocation of {} records for {lane}", records.len()));
        self.outcome.delivered += records.len() as u64;
        // A sandbox that served the shard before, however long ago, or a new one.
        let known = self.sandboxes.iter().position(|(of, _)| *of == shard).filter(|_| self.rng.u32(0..8) > 0);
        let warm = known.map(|at| self.sandboxes.swap_remove(at).1).unwrap_or_default();
        let chunks = if self.chance("out_of_time", self.plan.faults.out_of_time) {
            self.rng.u32(0..3)
        } else {
            u32::MAX
        };
        let work = self.invocation(lane, records, warm, chunks, now);
        self.running.push(Running { shard, work, zombie: false });
    }

    fn invocation(
        &self,
        lane: LaneId,
        records: Vec<count::StreamRecord>,
        mut warm: Warm,
        chunks: u32,
        now: i64,
    ) -> Invocation {
        let (store, options, control) = (self.store.clone(), self.options, self.control);
        let memoryless = self.memoryless.clone();
        Box::pin(async move {
            let left = AtomicU32::new(chunks);
            let keep_going = || {
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            };
            let report = match control {
                Some(control) if control.is_memoryless() => {
                    memoryless.count(control, &store, &records, options).await
                }
                Some(Control::Parallel) => {
                    let (later, sooner): (Vec<_>, Vec<_>) =
                        records.into_iter().partition(|record| record.partition_key.len().is_multiple_of(2));
                    count::run(&store, &mut warm, &lane, &later, options, now, || true).await;
                    count::run(&store, &mut warm, &lane, &sooner, options, now, || true).await
                }
                _ => handing::count(&store, &mut warm, &lane, &records, options, now, keep_going).await,
            };
            (report, warm)
        })
    }

    /// One step of an invocation, or the end of it.
    fn step(&mut self, at: usize) {
        let (shard, zombie) = (self.running[at].shard, self.running[at].zombie);
        if self.chance("crash", self.plan.faults.crash) {
            drop(self.running.swap_remove(at));
            self.tell(9, || format!("crash on shard {shard}"));
            return self.reply(shard, zombie, &Reply::Error);
        }
        if !zombie && self.chance("zombie", self.plan.faults.zombie) {
            self.running[at].zombie = true;
            self.tell(10, || format!("time-out on shard {shard}; the invocation goes on"));
            return self.reply(shard, false, &Reply::Error);
        }
        if let Some((report, warm)) = poll(&mut self.running[at].work) {
            drop(self.running.swap_remove(at));
            self.tell(11, || {
                format!("invocation on shard {shard} ends: {:?} {:?}", report.tally, report.stopped_by)
            });
            self.sandboxes.push((shard, warm));
            if report.tally.ambiguous > 0 {
                *self.outcome.strikes.entry(AMBIGUOUS).or_insert(0) += report.tally.ambiguous;
            }
            let mut failures: Vec<String> = report.first_unapplied.iter().map(ToString::to_string).collect();
            if self.chance("malformed_reply", self.plan.faults.malformed_reply) {
                failures = vec![String::new()];
            }
            self.reply(shard, zombie, &Reply::Failures(failures));
        }
    }

    fn reply(&mut self, shard: usize, zombie: bool, reply: &Reply) {
        if !zombie {
            self.stream.shards[shard].reader.settle(reply);
        }
    }

    /// What must hold after every commit.
    fn check(&mut self) -> Result<(), String> {
        if let Some(broken) = self.store.broken() {
            return Err(broken);
        }
        let commits = self.store.memory.inspect(|state| state.commits);
        if commits != self.checked_commits && self.options.mode == CountMode::Ledger {
            self.checked_commits = commits;
            self.tell(12, || format!("commit {commits}"));
            if self.control.is_none_or(|control| !control.is_memoryless()) {
                invariants::ledger(&self.store.memory, &self.logic)?;
            }
        }
        Ok(())
    }

    /// The quiet part: faults end, everything is delivered, and the counts must be right.
    fn settle(&mut self) -> Result<(), String> {
        self.store.quieten();
        self.plan.faults =
            super::plan::Faults { child_first: self.plan.faults.child_first, ..Default::default() };
        while let Some((_, record)) = self.held.pop() {
            self.put(record);
        }
        let mut steps = LIVENESS_STEPS * (1_000 + self.stream.everything().count());
        while !(self.stream.is_drained() && self.running.is_empty() && self.repairs.is_empty()) {
            self.progress()?;
            steps -= 1;
            if steps == 0 {
                return Err("I17: a quiet system does not reach the tip".to_owned());
            }
        }
        self.certificate()?;
        self.mend()?;
        self.final_counts()?;
        self.replay_everything()
    }

    /// I8: before anybody asks the source, the truth lies within `uncertain` of each number,
    /// unless a change never reached the stream.
    fn certificate(&mut self) -> Result<(), String> {
        let lost = self.outcome.strikes.get("lose").copied().unwrap_or(0) > 0;
        if lost {
            return Ok(());
        }
        let images = self.images()?;
        invariants::certificate(&self.store.memory, &self.logic, &images)
    }

    /// Rechecks what is ambiguous, repairs what was lost.
    fn mend(&mut self) -> Result<(), String> {
        if self.plan.source != SourceKind::DynamoDb || self.options.mode == CountMode::Lane {
            return Ok(());
        }
        self.clock.fetch_add(MARGIN * 4, Ordering::Relaxed);
        let table = TableName::new(self.source.with(|source| source.table()));
        let (store, source) = (self.store.clone(), self.source.clone());
        let now = self.now();
        let rechecked = drive(async move { recheck::run(&store, &source, &table, 0, now, MARGIN).await });
        rechecked.map_err(|error| format!("I15: rechecks fail: {error}"))?;
        let doubtful = self
            .store
            .memory
            .inspect(|state| state.rows.values().filter(|row| row.ambiguous.is_some()).count());
        if doubtful > 0 {
            return Err(format!("I15: {doubtful} rows are ambiguous after a recheck"));
        }
        if self.outcome.strikes.contains_key("lose") || self.outcome.strikes.contains_key("corrupt") {
            for logic in 0..self.logic.len() {
                let repair = self.repair(self.store.clone(), logic);
                drive(repair).map_err(|error| format!("repairs fail: {error}"))?;
            }
        }
        self.check()
    }

    fn images(&self) -> Result<Vec<Item>, String> {
        let typed = matches!(self.plan.source, SourceKind::DynamoDb | SourceKind::Ordered);
        let read = if typed { json::read_dynamodb_item } else { json::read_plain_item };
        let images = self.source.with(|source| source.images());
        images
            .iter()
            .map(|image| read(image).map_err(|error| format!("unreadable image {image}: {error:?}")))
            .collect()
    }

    fn final_counts(&mut self) -> Result<(), String> {
        let images = self.images()?;
        let repaired = self.plan.source == SourceKind::DynamoDb && self.options.mode == CountMode::Ledger;
        if self.outcome.strikes.contains_key("corrupt") && !repaired {
            // A change that nobody can read and no source can tell again stays in doubt.
            return invariants::certificate(&self.store.memory, &self.logic, &images);
        }
        invariants::recount(&self.store.memory, &self.logic, &images)?;
        if let Some(control) = self.control
            && control.is_memoryless()
        {
            return Ok(());
        }
        if self.options.mode == CountMode::Ledger {
            invariants::rows_are_right(&self.store.memory, &self.logic, &images)?;
        }
        Ok(())
    }

    /// I7: everything delivered once more, in any order, changes nothing.
    fn replay_everything(&mut self) -> Result<(), String> {
        if self.options.mode == CountMode::Lane || self.control.is_some() || self.rng.u32(0..8) > 0 {
            return Ok(());
        }
        let before = invariants::cells_but_doubt(&self.store.memory, &self.logic);
        let mut records: Vec<_> = self.stream.everything().map(super::stream::Stored::delivered).collect();
        self.rng.shuffle(&mut records);
        for (number, record) in records.iter_mut().enumerate() {
            record.sequence = evercount_core::lane::SequenceNumber::parse(&(number + 1).to_string())
                .ok_or("a number is a sequence number")?;
        }
        self.outcome.delivered += records.len() as u64;
        let work = self.invocation(LaneId::named("replay"), records, Warm::default(), u32::MAX, self.now());
        let (report, _) = drive(work);
        if report.stopped_by.is_some() {
            return Err(format!("I7: a replay stops: {:?}", report.stopped_by));
        }
        let after = invariants::cells_but_doubt(&self.store.memory, &self.logic);
        if before == after {
            Ok(())
        } else {
            Err(format!("I7: a replay changes counts from {before:?} to {after:?}"))
        }
    }
}

/// Polls a future once.
pub(crate) fn poll<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send>>) -> Option<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Drives a future whose every wait is a step of the simulated store.
pub(crate) fn drive<T>(future: impl Future<Output = T> + Send) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

/// The value of a future that never waits.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
