//! One simulated run: a table whose shape changes, a stream, invocations and those who follow the
//! changes, interleaved at every store call, under faults; and the invariants after every step.

mod errands;
mod rest;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use evercount_core::adjustment;
use evercount_core::adoption::{Adjustment, PlanOutcome, PolicyBook};
use evercount_core::definition::{CountDefinition, DefinitionName, Headroom};
use evercount_core::group::{Cell, GroupKey};
use evercount_core::lane::LaneId;
use evercount_core::logic::{AdoptedShape, Coverage, LogicId, LogicState, LogicVersion};
use evercount_core::path::Path;
use evercount_core::predicate::Predicate;
use evercount_core::reading::Reading;
use evercount_pipeline::adapt::{AdaptOptions, Planner};
use evercount_pipeline::count::{BatchReport, CountMode, CountOptions, Warm};
use evercount_pipeline::event_source::{Next, Reply};
use evercount_pipeline::ports::CatalogStore;
use fastrand::Rng;

use super::checks::{self, Checker};
use super::controls::{self, Control};
use super::plan::{Kind, Plan};
use super::planner;
use super::source::{News, Source};
use super::tasks::{Desk, Done, Errand, PAGE_ROWS, Readable, Work, at_one_cut};
use crate::simulation::asked::{self, Elsewhere};
use crate::simulation::chaos::Chaos;
use crate::simulation::controls::Control as CountingControl;
use crate::simulation::handing;
use crate::simulation::seeds::Outcome;
use crate::simulation::source::{EPOCH, Emitted};
use crate::simulation::stream::{Stored, Stream};
use crate::simulation::world::{drive, poll, ready};

/// Bound on clock skew that repairs and backfills assume, microseconds.
const MARGIN: i64 = 200_000;
/// Steps in which a quiet system must reach the tip, for each record it holds.
const LIVENESS_STEPS: usize = 600;
/// Rounds of maintenance after which nothing may be open.
const ROUNDS_MAX: usize = 40;

/// Bound on clock skew that backfills assume, microseconds, and on how long one invocation may take:
/// as on AWS, where both are a quarter of an hour.
fn invocation_margin(plan: &Plan) -> i64 {
    MARGIN.max(plan.pace * 40)
}

/// How long it is until a page of each segment is made up for, microseconds.
fn page_time(plan: &Plan) -> i64 {
    (f64::from(plan.segments * PAGE_ROWS) / plan.budget * 1e6).ceil() as i64
}

type Invocation = Pin<Box<dyn Future<Output = (BatchReport, Warm<Elsewhere>)> + Send>>;

struct Running {
    shard: usize,
    work: Invocation,
    zombie: bool,
    /// For so many turns it does nothing.
    asleep: u32,
}

struct Job {
    errand: Errand,
    work: Work,
    zombie: bool,
    asleep: u32,
    /// When it was begun: nobody outlives the margin that backfills count on.
    begun: i64,
}

/// A run in progress.
pub struct World {
    plan: Plan,
    control: Option<Control>,
    rng: Rng,
    clock: Arc<AtomicI64>,
    source: Readable,
    stream: Stream,
    desk: Desk,
    options: CountOptions,
    names: Vec<DefinitionName>,
    running: Vec<Running>,
    jobs: Vec<Job>,
    /// Errands with the steps until they are taken up; changes of the schema one after the other.
    news: VecDeque<(u32, News)>,
    follower_is_busy: bool,
    later: Vec<(u32, Errand)>,
    /// The writes before which the shape changes.
    changes_at: BTreeSet<u32>,
    sandboxes: Vec<(usize, Warm<Elsewhere>)>,
    held: Vec<(u32, Emitted)>,
    recent: Vec<Emitted>,
    written: u32,
    checker: Checker,
    /// What each version counted when lanes stood so.
    history: BTreeMap<(u64, LogicId), Vec<BTreeMap<GroupKey, i64>>>,
    remembered_at: Option<u64>,
    outcome: Outcome,
}

/// Runs one seed under a plan.
#[must_use]
pub fn run(seed: u64, plan: &Plan, control: Option<Control>) -> Outcome {
    let planner: Planner = match control {
        Some(Control::NoEvidence) => planner::wrong_transform,
        None | Some(Control::AnswersAsReady) if plan.analyzed => adjustment::plan,
        _ => planner::right,
    };
    let plan =
        &Plan { asks: plan.asks && matches!(control, None | Some(Control::AnswersAsReady)), ..plan.clone() };
    let mut world = World::new(seed, plan.clone(), control, planner);
    let mut violation = world.live().and_then(|()| world.settle()).err();
    if violation.is_none() && control.is_none() {
        violation = twin(seed, plan, &mut world).err();
    }
    if violation.is_some() {
        let plans = world.desk.store.memory.inspect(checks::plans);
        world.outcome.story.extend(plans);
    }
    let mut outcome = world.outcome;
    outcome.violation = violation;
    outcome.commits = world.desk.store.memory.inspect(|state| state.commits);
    outcome.strikes.extend(world.desk.store.strikes());
    outcome.strikes.extend(world.source.with(|source| source.strikes.clone()));
    outcome
}

/// I13: where a promotion was taken back and the first version is active, it counts as in a run in
/// which nobody followed any change.
fn twin(seed: u64, plan: &Plan, world: &mut World) -> Result<(), String> {
    let reverted = world.reverted_to_the_first();
    if reverted.is_empty() || plan.kind == Kind::Ordered {
        return Ok(());
    }
    let alone = Plan { follows: false, ..plan.clone() };
    let mut twin = World::new(seed, alone, None, planner::right);
    twin.live().and_then(|()| twin.settle()).map_err(|error| format!("the twin: {error}"))?;
    for name in reverted {
        let (ours, theirs) = (world.outcome.counts.get(&name), twin.outcome.counts.get(&name));
        if ours != theirs {
            return Err(format!("I13: {name} counts {ours:?} after a rollback, its twin {theirs:?}"));
        }
    }
    *world.outcome.strikes.entry("twin").or_insert(0) += 1;
    Ok(())
}

/// The condition that a text says.
fn condition(text: &str) -> Predicate {
    evercount_wire::predicate::parse(text).unwrap_or_else(|error| unreachable!("{text}: {error}"))
}

/// The counts every run keeps.
fn definitions(plan: &Plan, source: &Source) -> Vec<CountDefinition> {
    let define = |name: &str, group_by: &[&str], filter: Option<&str>| CountDefinition {
        name: DefinitionName::parse(name).unwrap_or_else(|| unreachable!("`{name}` is a name")),
        table: source.table(),
        group_by: group_by.iter().map(|name| Path::column(*name)).collect(),
        filter: filter.map(condition),
        distinct: None,
        groups_max: 1_000,
        headroom: Headroom::default(),
    };
    let mut by_status = define("by_status", &["status"], None);
    let mut by_city = define("by_city", &["city", "level"], Some("amount BETWEEN 100 AND 900"));
    let mut open = define("open", &[], Some("status = 'A' OR amount > 500"));
    by_city.groups_max = plan.groups_max;
    by_city.distinct = plan.unique_images.then(|| Path::column("amount"));
    if plan.asks {
        open.filter = Some(condition(&format!("{} OR amount > 500", asked::condition())));
    }
    if plan.headroom {
        by_status.headroom.attributes = vec![Path::column("city")];
        open.headroom.truth = true;
    }
    vec![by_status, by_city, open]
}

impl World {
    fn new(seed: u64, plan: Plan, control: Option<Control>, planner: Planner) -> Self {
        let source = Source::new(&plan, seed);
        let counting = (control == Some(Control::NoFence)).then_some(CountingControl::NoFence);
        let store = Chaos::new(plan.faults.clone(), counting, seed ^ 0xc4a05)
            .with_pages_of(plan.page_rows)
            .spoiled_by(control.and_then(Control::spoils));
        if plan.asks {
            asked::add_to(&store.memory);
        }
        let definitions = definitions(&plan, &source);
        let names = definitions.iter().map(|definition| definition.name.clone()).collect();
        for definition in definitions {
            let coverage = if plan.old_rows > 0 { Coverage::Since(EPOCH) } else { Coverage::Whole };
            let mut first = LogicVersion::new(1, definition, LogicState::Active, coverage, EPOCH);
            if first.id.definition.as_str() == "by_status" {
                // Should the column come, it is grouped by.
                first.suspended = vec![(planner::NEVER_THERE, Path::column("tier"))];
            }
            let created = ready(store.memory.create_version(&first));
            debug_assert_eq!(created, Some(Ok(())));
        }
        let shape = AdoptedShape { version: 1, columns: source.shape.columns(), declared: true };
        store.memory.tamper(|state| {
            state.adopted.insert(source.table(), shape);
            state.policies = PolicyBook {
                standby: plan.standby,
                backfill_units_a_second: plan.budget,
                ..PolicyBook::default()
            };
        });
        let mut shaping = Rng::with_seed(seed ^ 0x5a_9e);
        let changes_at = (0..plan.changes).map(|_| shaping.u32(1..plan.writes.max(2))).collect();
        let source = Readable(Arc::new(Mutex::new(source)));
        let clock = Arc::new(AtomicI64::new(EPOCH));
        let has_ledger = plan.kind.has_ledger();
        let blind = matches!(control, Some(Control::NotSettled | Control::NoEvidence));
        let options = AdaptOptions {
            has_ledger: has_ledger && !blind,
            source_is_readable: plan.kind.is_readable(),
            epoch: 0,
            margin: if control == Some(Control::PageDatedLate) {
                -60_000_000
            } else {
                invocation_margin(&plan)
            },
            pages: plan.pages,
            segments: plan.segments,
            ..AdaptOptions::BARE
        };
        let desk = Desk {
            store,
            source: source.clone(),
            asks: plan.asks,
            clock: clock.clone(),
            planner,
            options,
            margin: MARGIN,
        };
        Self {
            rng: Rng::with_seed(seed),
            clock,
            stream: Stream::new(plan.shards, plan.batch_size, plan.faults.child_first),
            source,
            desk,
            options: CountOptions {
                mode: if has_ledger { CountMode::Ledger } else { CountMode::Lane },
                format: None,
                epoch: 0,
            },
            names,
            running: Vec::new(),
            jobs: Vec::new(),
            news: VecDeque::new(),
            follower_is_busy: false,
            later: Vec::new(),
            changes_at,
            sandboxes: Vec::new(),
            held: Vec::new(),
            recent: Vec::new(),
            written: 0,
            checker: Checker::default(),
            history: BTreeMap::new(),
            remembered_at: None,
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
            self.count(fault);
        }
        strikes
    }

    fn count(&mut self, what: &'static str) {
        *self.outcome.strikes.entry(what).or_insert(0) += 1;
    }

    fn tell(&mut self, code: u64, story: impl FnOnce() -> String) {
        self.outcome.trace = (self.outcome.trace ^ code).wrapping_mul(0x0100_0000_01b3).rotate_left(5);
        if self.outcome.story.len() >= 80 {
            self.outcome.story.remove(0);
        }
        self.outcome.story.push(story());
    }

    /// The eventful part: the source writes and changes its shape while everything goes wrong.
    fn live(&mut self) -> Result<(), String> {
        while self.written < self.plan.writes || !self.held.is_empty() {
            self.release_held();
            match self.rng.u32(0..10) {
                0..2 if self.written < self.plan.writes => self.write()?,
                2 => self.disturb(),
                3 => self.assign(),
                _ => self.progress()?,
            }
        }
        (0..200).try_for_each(|_| self.progress())
    }

    fn write(&mut self) -> Result<(), String> {
        self.written += 1;
        if self.changes_at.contains(&self.written) {
            self.reshape()?;
        }
        let (now, emitted) = {
            let (clock, pace) = (&self.clock, self.plan.pace);
            self.source.with(|source| {
                let step = source.pause(pace);
                let now = clock.fetch_add(step, Ordering::Relaxed) + step;
                (now, source.write(now))
            })
        };
        let _ = now;
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
            let partition_key = self.rng.u32(0..99).to_string();
            self.tell(3, || "poison".to_owned());
            self.put(Emitted { partition_key, data: b"not json".to_vec() });
        }
        Ok(())
    }

    /// The table's shape changes, and the word goes round, late. In lane mode nobody could make up
    /// for rows of the new shape that were counted before, so there the word comes first.
    fn reshape(&mut self) -> Result<(), String> {
        let now = self.now();
        let news = self.source.with(|source| source.announce(now));
        self.tell(20, || format!("the shape changes: {:?}", news.change));
        if self.plan.kind == Kind::Ordered && self.plan.follows {
            self.news.push_back((0, news));
            let mut steps = LIVENESS_STEPS * 1_000;
            while !self.news.is_empty() || self.follower_is_busy {
                self.assign();
                self.progress()?;
                steps -= 1;
                if steps == 0 {
                    return Err("I17: a change that is announced is never followed".to_owned());
                }
            }
            self.source.with(Source::begin);
            return Ok(());
        }
        self.source.with(Source::begin);
        if self.control == Some(Control::SwitchByDeploy) {
            controls::switch(&self.desk.store.memory, &news);
        } else if self.plan.follows {
            self.ask_ahead(&news.change);
            let lag = self.rng.u32(0..=self.plan.following.lag);
            self.news.push_back((lag, news));
        }
        Ok(())
    }

    fn put(&mut self, record: Emitted) {
        let now = self.now();
        let data = record.data.clone();
        self.tell(4 + record.data.len() as u64, || format!("put {}", String::from_utf8_lossy(&data)));
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

    fn disturb(&mut self) {
        if self.chance("reshard", self.plan.faults.reshard) {
            self.tell(6, || "the stream reshards".to_owned());
            self.stream.reshard(&mut self.rng);
        }
        if self.chance("rewind", self.plan.faults.rewind) {
            let shard = self.rng.usize(0..self.stream.shards.len());
            let records = self.rng.usize(0..80);
            self.tell(7, || format!("the mapping of shard {shard} restarts {records} records back"));
            self.running.retain(|running| running.shard != shard || running.zombie);
            self.stream.rewind(shard, records);
        }
        let name = self.names[self.rng.usize(0..self.names.len())].clone();
        if self.jobs.len() < 4 && self.chance("repair", self.plan.faults.repair) {
            self.begin(Errand::Repair(name));
        }
    }

    /// Somebody takes a step: an invocation starts, or a store call of somebody happens.
    fn progress(&mut self) -> Result<(), String> {
        let shards = self.stream.shards.len();
        let chosen = self.rng.usize(0..shards + self.running.len() + self.jobs.len());
        if chosen < shards {
            self.invoke(chosen);
        } else if chosen < shards + self.running.len() {
            self.step(chosen - shards);
        } else {
            self.work(chosen - shards - self.running.len())?;
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
        let records: Vec<_> = batch.iter().map(Stored::delivered).collect();
        let lane = LaneId::of_shard("cdc", &self.stream.shards[shard].id);
        self.tell(8 + records.len() as u64, || format!("invocation of {} records for {lane}", records.len()));
        self.outcome.delivered += records.len() as u64;
        let known = self.sandboxes.iter().position(|(of, _)| *of == shard).filter(|_| self.rng.u32(0..8) > 0);
        let as_ready = self.control == Some(Control::AnswersAsReady);
        let mut warm = match known {
            Some(at) => self.sandboxes.swap_remove(at).1,
            None => Warm::asking(Elsewhere::new(as_ready)),
        };
        let chunks = if self.chance("out_of_time", self.plan.faults.out_of_time) {
            self.rng.u32(0..3)
        } else {
            u32::MAX
        };
        let (store, options) = (self.desk.store.clone(), self.options);
        let work = Box::pin(async move {
            let left = AtomicU32::new(chunks);
            let keep_going = || {
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            };
            let report = handing::count(&store, &mut warm, &lane, &records, options, now, keep_going).await;
            (report, warm)
        });
        self.running.push(Running { shard, work, zombie: false, asleep: 0 });
    }

    /// One step of an invocation, or the end of it.
    fn step(&mut self, at: usize) {
        let (shard, zombie) = (self.running[at].shard, self.running[at].zombie);
        if self.running[at].asleep > 0 {
            self.running[at].asleep -= 1;
            return;
        }
        if self.chance("crash", self.plan.faults.crash) {
            drop(self.running.swap_remove(at));
            self.tell(9, || format!("crash on shard {shard}"));
            return self.reply(shard, zombie, &Reply::Error);
        }
        if !zombie && self.chance("zombie", self.plan.faults.zombie) {
            self.running[at].zombie = true;
            self.running[at].asleep = self.rng.u32(0..80);
            self.tell(10, || format!("time-out on shard {shard}; the invocation goes on"));
            return self.reply(shard, false, &Reply::Error);
        }
        if let Some((report, warm)) = poll(&mut self.running[at].work) {
            drop(self.running.swap_remove(at));
            self.tell(11, || {
                format!("invocation on shard {shard} ends: {:?} {:?}", report.tally, report.stopped_by)
            });
            self.sandboxes.push((shard, warm));
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

    /// One step of somebody who follows, or the end of it.
    fn work(&mut self, at: usize) -> Result<(), String> {
        if self.jobs[at].asleep > 0 {
            self.jobs[at].asleep -= 1;
            return Ok(());
        }
        let name = self.jobs[at].errand.name();
        let overdue = self.now() - self.jobs[at].begun > invocation_margin(&self.plan);
        if overdue || self.chance("task_crash", self.plan.following.crash) {
            let job = self.jobs.swap_remove(at);
            self.tell(30 + name.len() as u64, || format!("{name} dies"));
            self.take_up_again(job);
            return Ok(());
        }
        if !self.jobs[at].zombie && self.chance("task_zombie", self.plan.following.zombie) {
            self.tell(40 + name.len() as u64, || format!("{name} is given up and goes on"));
            self.jobs[at].zombie = true;
            self.jobs[at].asleep = self.rng.u32(0..80);
            let errand = self.jobs[at].errand.clone();
            if errand.persists() {
                self.begin(errand);
            }
            return Ok(());
        }
        let Some(done) = poll(&mut self.jobs[at].work) else { return Ok(()) };
        let job = self.jobs.swap_remove(at);
        let end = match &done {
            Ok(_) => "is done".to_owned(),
            Err(error) => format!("fails: {error}"),
        };
        self.tell(50 + name.len() as u64 + u64::from(done.is_ok()), || format!("{name} {end}"));
        match done {
            Err(_) => self.take_up_again(job),
            Ok(Done::Reading(reading)) => return self.check_reading(&reading),
            Ok(Done::Nothing) => {
                if matches!(job.errand, Errand::RollBack(_)) {
                    self.count("roll_back");
                }
                if matches!(job.errand, Errand::Follow(_)) && !job.zombie {
                    self.follower_is_busy = false;
                }
            }
        }
        Ok(())
    }

    fn take_up_again(&mut self, job: Job) {
        if job.errand.persists() && !job.zombie {
            self.begin(job.errand);
        }
    }
}
