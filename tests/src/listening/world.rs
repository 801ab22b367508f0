//! One simulated run: a source that evolves, a stream, invocations that interleave at every store
//! call, faults, and the invariants checked when all is quiet.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::schema_change::Subject;
use evercount_pipeline::count::StreamRecord;
use evercount_pipeline::event_source::{Next, Reply};
use evercount_pipeline::listen::{self, ListenOptions, ListenReport, Listener, Warm};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::publish::MemorySchemaEvents;
use fastrand::Rng;

use super::chaos::Chaos;
use super::controls::Control;
use super::plan::{Faults, Plan};
use super::registry::{self, End};
use super::source::{Emission, Source, Truth};
use crate::simulation::chaos::Strikes;
use crate::simulation::source::{EPOCH, Emitted};
use crate::simulation::stream::{Stored, Stream};

/// Settings of every listener here.
const OPTIONS: ListenOptions = ListenOptions { format: None, epoch: 0 };
/// Steps in which a quiet system must reach the tip, for each record it holds.
const LIVENESS_STEPS: usize = 400;

/// Steps for which a source may wait until the registry knows its tables.
const PATIENCE: u32 = 100_000;

/// What a run did, and the invariant it broke, if any.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The broken invariant.
    pub violation: Option<String>,
    /// Records handed to invocations, redeliveries included.
    pub delivered: u64,
    /// Changes the source made, of all subjects.
    pub done: u64,
    /// Changes the registry reports.
    pub reported: u64,
    /// Whether a rename was told as a column that goes and one that comes, or the other way round.
    pub apart: bool,
    /// A hash of everything that happened: one seed has one.
    pub trace: u64,
    /// How often each fault struck.
    pub strikes: Strikes,
    /// The last things that happened, for a person.
    pub story: Vec<String>,
}

type Invocation = Pin<Box<dyn Future<Output = (ListenReport, Warm)> + Send>>;

struct Running {
    shard: usize,
    work: Invocation,
    zombie: bool,
}

/// What one record tells, by its bytes: of which subject, and of how many items.
type Told = BTreeMap<Vec<u8>, (Subject, u64)>;

/// A run in progress.
pub struct World {
    plan: Plan,
    control: Option<Control>,
    rng: Rng,
    now: i64,
    source: Source,
    told: Told,
    stream: Stream,
    store: Chaos,
    running: Vec<Running>,
    sandboxes: Vec<(usize, Warm)>,
    written: usize,
    /// How many times the source still waits for the listener.
    patience: u32,
    held: Vec<(u32, Emission)>,
    /// Every record that was delivered, by lane and sequence number.
    given: BTreeMap<LaneId, BTreeMap<u64, StreamRecord>>,
    /// Events that invocations found, for a person.
    findings: Vec<String>,
    outcome: Outcome,
}

/// Runs one seed under a plan.
#[must_use]
pub fn run(seed: u64, plan: &Plan, control: Option<Control>) -> Outcome {
    let source = Source::of(seed, plan);
    let calm = calm(&source);
    let mut world = World::new(seed, plan.clone(), source, control);
    let lived = calm.and_then(|calm| {
        world.live();
        world.settle(&calm)
    });
    let mut outcome = world.outcome;
    outcome.violation = lived.err();
    if outcome.violation.is_some() {
        outcome.story.append(&mut world.findings);
        outcome.story.extend(registry::evidence(&world.store.memory));
    }
    outcome.done = world.source.truth.values().map(|truth| truth.changes.len() as u64).sum();
    outcome.reported = registry::ends(&world.store.memory).values().map(|end| end.changes.len() as u64).sum();
    outcome.strikes.extend(world.store.strikes());
    outcome
}

/// What the registry holds after the same records in order, on one lane, without a fault.
fn calm(source: &Source) -> Result<BTreeMap<Subject, End>, String> {
    let (memory, events, lane) = (Memory::default(), MemorySchemaEvents::default(), LaneId::named("calm/0"));
    let listener = Listener { store: &memory, events: &events, options: OPTIONS };
    let mut warm = Warm::default();
    let records: Vec<StreamRecord> =
        source.emissions.iter().zip(1..).map(|((at, one), n)| stream_record(one, *at, n)).collect();
    for batch in records.chunks(100) {
        let now = batch.last().map_or(EPOCH, |record| record.arrived_at);
        let report = drive(listen::run(&listener, &mut warm, &lane, batch, now, || true));
        if report.stopped_by.is_some() || report.undecodable > 0 {
            return Err(format!("without faults a batch stops: {report:?}"));
        }
    }
    let ends = registry::ends(&memory);
    registry::true_to_source(&source.truth, &ends).map_err(|error| format!("without faults: {error}"))?;
    Ok(ends)
}

fn stream_record(emission: &Emission, arrived_at: i64, number: u64) -> StreamRecord {
    StreamRecord {
        sequence: sequence(number),
        partition_key: emission.partition_key.clone(),
        arrived_at,
        data: emission.data.clone().into(),
    }
}

fn sequence(number: u64) -> SequenceNumber {
    SequenceNumber::parse(&number.to_string()).unwrap_or_else(|| unreachable!("a number is made of digits"))
}

impl World {
    fn new(seed: u64, plan: Plan, source: Source, control: Option<Control>) -> Self {
        let told = source
            .emissions
            .iter()
            .filter_map(|(_, one)| Some((one.data.clone(), one.said.clone()?)))
            .collect();
        Self {
            rng: Rng::with_seed(seed),
            now: EPOCH,
            told,
            source,
            stream: Stream::new(plan.shards, plan.batch_size, false),
            store: Chaos::new(plan.faults.clone(), control, seed ^ 0xc4a05),
            running: Vec::new(),
            sandboxes: Vec::new(),
            written: 0,
            patience: PATIENCE,
            held: Vec::new(),
            given: BTreeMap::new(),
            findings: Vec::new(),
            outcome: Outcome::default(),
            plan,
            control,
        }
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
    fn live(&mut self) {
        while self.written < self.source.emissions.len() || !self.held.is_empty() {
            self.release_held();
            match self.rng.u32(0..10) {
                0..4 if self.written < self.source.emissions.len() => self.write(),
                4 => self.disturb(),
                _ => self.progress(),
            }
        }
        (0..200).for_each(|_| self.progress());
    }

    fn write(&mut self) {
        let (at, emission) = self.source.emissions[self.written].clone();
        if emission.patient && self.patience > 0 && !self.is_known(&emission) {
            self.patience -= 1;
            return self.progress();
        }
        self.now = self.now.max(at);
        self.written += 1;
        if self.chance("duplicate", self.plan.faults.duplicate) {
            let later = self.rng.u32(0..200);
            self.held.push((later, emission.clone()));
        }
        if !emission.ddl && self.chance("reorder", self.plan.faults.reorder) {
            let later = self.rng.u32(1..60);
            self.held.push((later, emission));
        } else {
            self.put(emission);
        }
        if self.chance("replay", self.plan.faults.replay) {
            let from = self.written.saturating_sub(self.rng.usize(1..60));
            let again = self.source.emissions[from..self.written].to_vec();
            self.tell(2, || format!("the producer restarts and puts {} records again", again.len()));
            again.into_iter().for_each(|(_, one)| self.put(one));
        }
        if self.chance("poison", self.plan.faults.poison) {
            let poisons: [&[u8]; 4] = [b"not json", b"\xff\xfe", b"{\"dynamodb\":", b"{}"];
            let data = poisons[self.rng.usize(0..poisons.len())].to_vec();
            let partition_key = self.rng.u32(0..99).to_string();
            self.put(Emission { partition_key, data, said: None, ddl: false, patient: false });
        }
    }

    fn is_known(&self, emission: &Emission) -> bool {
        let Some((subject, _)) = &emission.said else { return true };
        self.store.memory.inspect(|state| {
            state.registry.subjects.get(subject).is_some_and(|known| known.current.is_some())
        })
    }

    fn put(&mut self, emission: Emission) {
        let shown = emission.data.len().min(700);
        let text = String::from_utf8_lossy(&emission.data[..shown]).into_owned();
        self.tell(4 + emission.data.len() as u64, || format!("put {text}"));
        let emitted = Emitted { partition_key: emission.partition_key, data: emission.data };
        self.stream.put(emitted, self.now);
    }

    fn release_held(&mut self) {
        let mut due = Vec::new();
        self.held.retain_mut(|(wait, emission)| {
            *wait = wait.saturating_sub(1);
            if *wait == 0 {
                due.push(emission.clone());
            }
            *wait > 0
        });
        due.into_iter().for_each(|emission| self.put(emission));
    }

    fn disturb(&mut self) {
        // A shard that closes before its parents are read would let its children overtake them.
        let settled = (0..self.stream.shards.len()).all(|shard| self.stream.readable(shard));
        if settled && self.chance("reshard", self.plan.faults.reshard) {
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
    }

    /// Somebody takes a step: an invocation starts, or a store call of one happens.
    fn progress(&mut self) {
        let shards = self.stream.shards.len();
        let chosen = self.rng.usize(0..shards + self.running.len());
        if chosen < shards {
            if !(chosen == 0 && self.chance("lag", self.plan.faults.lag)) {
                self.invoke(chosen);
            }
        } else {
            self.step(chosen - shards);
        }
    }

    fn invoke(&mut self, shard: usize) {
        let busy = self.running.iter().any(|running| running.shard == shard && !running.zombie);
        if busy || !self.stream.readable(shard) {
            return;
        }
        let now = self.now;
        self.stream.feed(shard, now);
        let reader = &mut self.stream.shards[shard].reader;
        let Next::Batch(batch) = reader.next(u64::try_from(now / 1_000).unwrap_or(0)) else { return };
        let records: Vec<StreamRecord> = batch.iter().map(Stored::delivered).collect();
        let lane = LaneId::of_shard("cdc", &self.stream.shards[shard].id);
        self.tell(8 + records.len() as u64, || format!("invocation of {} records for {lane}", records.len()));
        self.outcome.delivered += records.len() as u64;
        let given = self.given.entry(lane.clone()).or_default();
        for record in &records {
            let number = record.sequence.as_str().parse().unwrap_or(0);
            given.insert(number, record.clone());
        }
        let is_cold = self.chance("cold", self.plan.faults.cold);
        // A sandbox that served the shard before, however long ago, or a new one.
        let known = self.sandboxes.iter().position(|(of, _)| *of == shard).filter(|_| !is_cold);
        let warm = known.map(|at| self.sandboxes.remove(at).1).unwrap_or_default();
        let is_late = self.chance("out_of_time", self.plan.faults.out_of_time);
        let subjects = if is_late { self.rng.u32(0..2) } else { u32::MAX };
        let work = self.invocation(lane, records, warm, subjects);
        self.running.push(Running { shard, work, zombie: false });
    }

    fn invocation(
        &self,
        lane: LaneId,
        records: Vec<StreamRecord>,
        mut warm: Warm,
        subjects: u32,
    ) -> Invocation {
        let (store, now) = (self.store.clone(), self.now);
        Box::pin(async move {
            let left = AtomicU32::new(subjects);
            let keep_going = || {
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            };
            let listener = Listener { store: &store, events: &store, options: OPTIONS };
            let report = listen::run(&listener, &mut warm, &lane, &records, now, keep_going).await;
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
        let Poll::Ready((report, warm)) = self.running[at].work.as_mut().poll(&mut context()) else { return };
        drop(self.running.swap_remove(at));
        for one in &report.found {
            let words: Vec<String> = one
                .event
                .changes
                .iter()
                .map(|change| format!("{:?} {}", registry::word(change), change.evidence.sentence()))
                .collect();
            self.findings
                .push(format!("{} {} after {}: {words:?}", one.event.subject, one.event.to, one.sequence));
        }
        self.tell(11, || {
            format!("invocation on shard {shard} ends: seen {} {:?}", report.seen, report.stopped_by)
        });
        self.sandboxes.insert(0, (shard, warm));
        if self.chance("reply_fails", self.plan.faults.reply_fails) {
            return self.reply(shard, zombie, &Reply::Error);
        }
        let failures = report.first_unapplied.iter().map(ToString::to_string).collect();
        self.reply(shard, zombie, &Reply::Failures(failures));
    }

    fn reply(&mut self, shard: usize, zombie: bool, reply: &Reply) {
        if !zombie {
            self.stream.shards[shard].reader.settle(reply);
        }
    }

    /// The quiet part: faults end, everything is delivered, and the registry must be right.
    fn settle(&mut self, calm: &BTreeMap<Subject, End>) -> Result<(), String> {
        self.store.quieten();
        let overtaken = self.struck("rewind") || self.struck("zombie");
        self.plan.faults = Faults::default();
        for (_, emission) in std::mem::take(&mut self.held) {
            self.put(emission);
        }
        let mut steps = LIVENESS_STEPS * (1_000 + self.stream.everything().count());
        while !(self.stream.is_drained() && self.running.is_empty()) {
            self.progress();
            steps -= 1;
            if steps == 0 {
                return Err("a quiet system does not reach the tip".to_owned());
            }
        }
        let truth = self.source.truth.clone();
        let ends = registry::ends(&self.store.memory);
        registry::events(&self.store)?;
        registry::versions(&self.store)?;
        let given = self.sightings();
        registry::sightings(&self.store.memory, &given)?;
        if !overtaken {
            registry::producers(&self.store.memory, &given)?;
        }
        for (subject, end) in &ends {
            let nothing = Truth::default();
            registry::flapping(subject, truth.get(subject).unwrap_or(&nothing), end)?;
        }
        self.outcome.apart = registry::same(&truth, calm, &ends)?;
        self.deliver_again(overtaken)?;
        self.produce_again(&ends)
    }

    fn struck(&self, fault: &str) -> bool {
        self.outcome.strikes.contains_key(fault)
    }

    /// What each lane was given of each subject, each record once.
    fn sightings(&self) -> BTreeMap<(Subject, LaneId), u64> {
        let mut sightings = BTreeMap::new();
        for (lane, records) in &self.given {
            for record in records.values() {
                let told = record.data.bytes().ok().and_then(|data| self.told.get(data.as_ref()));
                if let Some((subject, items)) = told {
                    *sightings.entry((subject.clone(), lane.clone())).or_insert(0) += items;
                }
            }
        }
        sightings
    }

    /// (d) Any prefix of what a lane was given, given again, changes nothing.
    ///
    /// Lineage and sketches are told at the end of a batch, apart from the registry: where two
    /// invocations were at one lane at once, or batches were cut differently, they may be off.
    fn deliver_again(&mut self, overtaken: bool) -> Result<(), String> {
        let before = registry::snapshot(&self.store.memory);
        for (lane, records) in self.given.clone() {
            let records: Vec<StreamRecord> = records.into_values().collect();
            let prefix = self.rng.usize(0..=records.len());
            for batch in records[..prefix].chunks(self.rng.usize(1..200)) {
                let work = self.invocation(lane.clone(), batch.to_vec(), Warm::default(), u32::MAX);
                let (report, _) = drive(work);
                if report.stopped_by.is_some() {
                    return Err(format!("d: a batch delivered again stops: {:?}", report.stopped_by));
                }
            }
        }
        let after = registry::snapshot(&self.store.memory);
        let changed = before.iter().zip(&after).find(|(before, after)| {
            let apart = before.0 == "producers" || (before.0 == "sketches" && overtaken);
            before != after && !apart
        });
        let Some(((what, before), (_, after))) = changed else { return Ok(()) };
        let at = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(80);
        let show = |text: &str| text.get(at..).unwrap_or_default().chars().take(400).collect::<String>();
        Err(format!("d: what is delivered again changes {what}: {} to {}", show(before), show(after)))
    }

    /// Everything put once more by its producer, on a lane of its own, makes no version and no
    /// event.
    fn produce_again(&mut self, ends: &BTreeMap<Subject, End>) -> Result<(), String> {
        if self.control.is_some() || self.rng.u32(0..4) > 0 {
            return Ok(());
        }
        let all = self.source.emissions.iter().zip(1..);
        let records: Vec<StreamRecord> = all.map(|((at, one), n)| stream_record(one, *at, n)).collect();
        let mut warm = Warm::default();
        for batch in records.chunks(100) {
            let work = self.invocation(LaneId::named("again/0"), batch.to_vec(), warm, u32::MAX);
            let (report, left) = drive(work);
            warm = left;
            if report.stopped_by.is_some() {
                return Err(format!("everything again stops: {:?}", report.stopped_by));
            }
        }
        let after = registry::ends(&self.store.memory);
        let same = registry::same(&self.source.truth, ends, &after);
        same.map(drop).map_err(|error| format!("everything again: {error}"))
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Drives a future whose every wait is a step of the simulated store.
pub fn drive<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context()) {
            return value;
        }
    }
}
