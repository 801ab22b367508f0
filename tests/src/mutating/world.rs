//! One simulated run: writers of every schema version, readers, and the move of shadow values, interleaved
//! at every call; and what must hold when all is quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use evercount_core::change::TableName;
use evercount_core::counting::{self, Cells};
use evercount_core::definition::{CountDefinition, DefinitionName, GROUPS_MAX_DEFAULT, Headroom};
use evercount_core::function::NoFunctions;
use evercount_core::logic::{Coverage, LogicState, LogicVersion};
use evercount_core::migration::graph::Migration;
use evercount_core::mutation::refusal::Refusal;
use evercount_core::mutation::settings::{MutationSettings, Strategy, TableSettings};
use evercount_core::mutation::{Mutation, Stamp};
use evercount_core::order::ItemVersion;
use evercount_core::path::Path;
use evercount_core::shadow::arrival::CLEAN_AFTER;
use evercount_core::value::Item;
use evercount_pipeline::arrive::{self, Arriving};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::mutate::together::Applied;
use evercount_pipeline::mutate::{self, Agent, Mutated, Request, Warm, look, together};
use evercount_pipeline::ports::StoreError;
use fastrand::Rng;

use super::chaos::{Actor, Chaos};
use super::controls::Control;
use super::model::Meant;
use super::plan::{Op, Plan, Wanted, slot};
use super::shop::{self, Facts};
use crate::simulation::seeds::Outcome;

/// Microseconds of one step.
const STEP: i64 = 1_000;

/// When a run begins.
const EPOCH: i64 = 1_767_225_600_000_000;

/// Steps in which a quiet system must be done, for each mutation.
const LIVENESS_STEPS: usize = 400;

/// What somebody came to.
enum Done {
    Mutated(Arc<[Op]>, Result<Vec<Mutated>, StoreError>),
    Seen {
        key: usize,
        began: u64,
        version: Option<u32>,
        seen: Result<Result<Option<Item>, Refusal>, StoreError>,
    },
    Moved,
}

struct Task {
    what: Actor,
    work: Pin<Box<dyn Future<Output = Done>>>,
}

/// What agents are given, which is the same in every run of tables that are stamped, or are not.
struct Given {
    settings: MutationSettings,
    written: BTreeMap<TableName, Vec<Migration>>,
}

fn given(stamps: bool) -> &'static Given {
    static GIVEN: OnceLock<[Given; 2]> = OnceLock::new();
    let [unstamped, stamped] = GIVEN.get_or_init(|| {
        [false, true].map(|stamps| {
            let strategy = Strategy::auto();
            let default = TableSettings { strategy, attempts_max: 3, stamps, ..TableSettings::default() };
            Given {
                settings: MutationSettings { default, tables: BTreeMap::new() },
                written: shop::written(),
            }
        })
    });
    if stamps { stamped } else { unstamped }
}

/// A run in progress.
struct World {
    plan: Plan,
    rng: Rng,
    store: Chaos,
    registry: Arc<Memory>,
    warm: [Arc<Warm>; 2],
    tasks: Vec<Task>,
    /// Mutations that belong together and whose outcome nobody knows, to be wanted again.
    again: Vec<Arc<[Op]>>,
    in_force: u32,
    wanted: u32,
    last_id: u32,
    jump: i64,
    outcome: Outcome,
}

/// Runs one seed under a plan.
#[must_use]
pub fn run(seed: u64, plan: &Plan, control: Option<Control>) -> Outcome {
    let store = Chaos::new(plan, control, seed ^ 0xc4a05);
    let registry = Arc::clone(&store.memory);
    let mut world = World {
        rng: Rng::with_seed(seed),
        store,
        registry,
        warm: Default::default(),
        tasks: Vec::new(),
        again: Vec::new(),
        in_force: if plan.stamps { 1 } else { shop::SETTLED },
        wanted: 0,
        last_id: 0,
        jump: 0,
        outcome: Outcome::default(),
        plan: plan.clone(),
    };
    world.begin();
    let lived = world.live().and_then(|()| world.settle());
    let mut outcome = world.outcome;
    outcome.violation = lived.err();
    outcome.strikes.extend(world.store.strikes());
    outcome.commits = world.store.with(|trouble| trouble.stream.len() as u64);
    outcome
}

impl World {
    fn now(&self) -> i64 {
        EPOCH + self.jump + STEP * self.tick() as i64
    }

    fn tick(&self) -> u64 {
        self.store.with(|trouble| trouble.tick)
    }

    fn tell(&mut self, code: u64, story: impl FnOnce() -> String) {
        self.outcome.trace = (self.outcome.trace ^ code).wrapping_mul(0x0100_0000_01b3).rotate_left(5);
        if self.outcome.story.len() >= 60 {
            self.outcome.story.remove(0);
        }
        self.outcome.story.push(story());
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

    /// The table as it was before the proxy.
    fn begin(&mut self) {
        let old = if self.plan.is_old { self.rng.usize(0..=self.plan.keys) } else { 0 };
        let in_force = self.in_force;
        let facts = |id| {
            let tier = (in_force > 1).then_some(id);
            Facts { name: Some(id), status: Some(id), level: Some(id), tier, mood: None }
        };
        self.store.memory.tamper(|state| {
            (1..=in_force).for_each(|number| shop::register(state, number));
            state.shadow_schemas.insert(shop::table(), shop::believed());
            for key in 0..old {
                state.items.insert(shop::row(key), shop::item(in_force, key, &facts(key as u32 + 1)));
            }
        });
        self.store.with(|trouble| {
            for key in 0..old {
                let meant = Meant { facts: facts(key as u32 + 1), schema: in_force };
                trouble.model.set(key, 0, Some(meant));
                let item = shop::item(in_force, key, &meant.facts);
                trouble.stream.push((key, None, Some(item)));
            }
        });
        self.last_id = old as u32;
    }

    fn live(&mut self) -> Result<(), String> {
        while self.wanted < self.plan.mutations || !self.tasks.is_empty() {
            self.store.with(|trouble| trouble.tick += 1);
            if self.chance("schema goes on", self.plan.pace) && self.in_force < shop::LAST {
                self.in_force += 1;
                let number = self.in_force;
                self.tell(1, || format!("version {number} is in force"));
                self.store.memory.tamper(|state| shop::register(state, number));
            }
            if self.tasks.len() < self.plan.at_once && self.rng.u32(0..3) == 0 {
                self.start();
            }
            self.progress()?;
        }
        Ok(())
    }

    fn start(&mut self) {
        match self.rng.u32(0..8) {
            0 => self.look(),
            1 if self.in_force == shop::LAST => self.move_on(),
            _ if self.wanted < self.plan.mutations => self.mutate(),
            _ => {}
        }
    }

    /// What somebody wants now: of one item, or of several together.
    fn ops(&mut self) -> Arc<[Op]> {
        let (in_force, began) = (self.in_force, self.tick());
        if let Some(again) = self.again.pop() {
            let anew = again.iter().map(|op| Op { id: self.next_id(), began, ..*op });
            return anew.collect();
        }
        let mut keys: Vec<usize> = (0..self.plan.keys).collect();
        self.rng.shuffle(&mut keys);
        let together = self.plan.keys > 1 && self.chance("together", self.plan.together);
        keys.truncate(if together { self.rng.usize(2..=3) } else { 1 });
        let mut ops = Vec::with_capacity(keys.len());
        for key in keys {
            let id = self.next_id();
            let mut op = Op::of(&mut self.rng, id, key, in_force, began);
            if self.plan.stamps && self.rng.u32(0..6) == 0 {
                let stored = self.store.memory.inspect(|state| state.items.get(&shop::row(op.key)).cloned());
                op.expected = stored.map(|item| Stamp::of(&item).version.0);
            }
            ops.push(op);
        }
        ops.into()
    }

    fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    fn mutate(&mut self) {
        let ops = self.ops();
        self.wanted += ops.len() as u32;
        if self.chance("duplicate", self.plan.faults.duplicate) {
            self.again.push(Arc::clone(&ops));
        }
        let actor = Actor::Agent(Arc::clone(&ops));
        let stamps = self.plan.stamps;
        let (store, registry) = (self.store.by(actor.clone()), Arc::clone(&self.registry));
        let (warm, now) = (Arc::clone(&self.warm[self.rng.usize(0..2)]), self.now());
        self.tell(2 + ops.iter().map(|op| u64::from(op.id)).sum::<u64>(), || format!("begin {ops:?}"));
        let work = Box::pin(async move {
            let Given { settings, written } = given(stamps);
            let functions = &NoFunctions;
            let agent =
                Agent { registry: &*registry, store: &store, table: &store, settings, written, functions };
            let made = |op: &Op| (shop::row(op.key), shop::key_of(op.key), mutation(op));
            let parts: Vec<_> = ops.iter().map(made).collect();
            let requests = ops.iter().zip(&parts).map(|(op, (row, key, intent))| Request {
                row,
                key,
                intent,
                declared: op.declared.then_some(op.version),
                expected: op.expected.map(ItemVersion),
            });
            let requests: Vec<Request<'_>> = requests.collect();
            let mutated = match &*requests {
                [request] => mutate::run(&agent, &warm, request, now).await.map(|one| vec![one]),
                several => {
                    together::run(&agent, &warm, several, None, now).await.map(|applied| match applied {
                        Applied::Now(all) => all.0,
                        Applied::Before | Applied::OtherRequest => Vec::new(),
                    })
                }
            };
            Done::Mutated(ops, mutated)
        });
        self.tasks.push(Task { what: actor, work });
    }

    fn look(&mut self) {
        let (key, began) = (self.rng.usize(0..self.plan.keys), self.tick());
        let version = self.rng.bool().then(|| self.rng.u32(1..=self.in_force));
        let (store, registry) = (self.store.by(Actor::Reader), Arc::clone(&self.registry));
        let (warm, now) = (Arc::clone(&self.warm[self.rng.usize(0..2)]), self.now());
        let stamps = self.plan.stamps;
        self.tell(3, || format!("look at {key} as version {version:?}"));
        let work = Box::pin(async move {
            let Given { settings, written } = given(stamps);
            let functions = &NoFunctions;
            let agent =
                Agent { registry: &*registry, store: &store, table: &store, settings, written, functions };
            let seen = look::item(&agent, &warm, &shop::row(key), version, now).await;
            Done::Seen { key, began, version, seen }
        });
        self.tasks.push(Task { what: Actor::Reader, work });
    }

    fn move_on(&mut self) {
        let (store, registry, now) = (self.store.by(Actor::Mover), Arc::clone(&self.registry), self.now());
        let stamps = self.plan.stamps;
        self.tell(4, || "move on".to_owned());
        let work = Box::pin(async move {
            let table = shop::table();
            if arrive::notice(&*registry, &store, &table, now).await.is_ok() {
                for _ in 0..3 {
                    if arrive::page(&*registry, &store, &store, &table, stamps, now).await.is_err() {
                        break;
                    }
                }
            }
            Done::Moved
        });
        self.tasks.push(Task { what: Actor::Mover, work });
    }

    /// Somebody takes a step, or dies.
    fn progress(&mut self) -> Result<(), String> {
        if self.tasks.is_empty() {
            return Ok(());
        }
        let chosen = self.rng.usize(0..self.tasks.len());
        if self.chance("crash", self.plan.faults.crash) {
            let task = self.tasks.swap_remove(chosen);
            self.tell(5, || format!("dies: {:?}", task.what));
            if let Actor::Agent(ops) = task.what {
                self.want_again(ops);
            }
            return Ok(());
        }
        self.outcome.delivered += 1;
        let polled = self.tasks[chosen].work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Some(broken) = self.store.with(|trouble| trouble.model.broken.clone()) {
            return Err(broken);
        }
        let Poll::Ready(done) = polled else { return Ok(()) };
        drop(self.tasks.swap_remove(chosen));
        match done {
            Done::Mutated(ops, mutated) => self.mutated(&ops, mutated),
            Done::Seen { key, began, version, seen } => match seen {
                Err(_) => Ok(()),
                Ok(Err(refusal)) => Err(format!("a reader of version {version:?} is refused: {refusal}")),
                Ok(Ok(seen)) => {
                    self.count("read");
                    self.store.with(|trouble| trouble.model.saw(key, began, version, seen.as_ref()))
                }
            },
            Done::Moved => Ok(()),
        }
    }

    fn want_again(&mut self, ops: Arc<[Op]>) {
        if self.chance("retry", self.plan.faults.retry) {
            self.again.push(ops);
        }
    }

    /// What was told of mutations that belong together must be what was made of them.
    fn mutated(&mut self, ops: &Arc<[Op]>, mutated: Result<Vec<Mutated>, StoreError>) -> Result<(), String> {
        let made: Vec<u32> = self.store.with(|trouble| {
            ops.iter().map(|op| trouble.model.made.get(&op.id).copied().unwrap_or(0)).collect()
        });
        self.tell(6 + u64::from(made.iter().sum::<u32>()), || {
            let told = mutated.as_ref().map(|all| all.iter().map(Mutated::word).collect::<Vec<_>>());
            format!("end {:?}: {told:?}", ops.iter().map(|op| op.id).collect::<Vec<_>>())
        });
        let none = made.iter().all(|made| *made == 0);
        match mutated {
            Err(StoreError::Unavailable(_)) if none || self.all_made(ops, &made) => {
                self.want_again(Arc::clone(ops));
                Ok(())
            }
            Ok(all) => {
                match all.iter().zip(ops.iter()).find_map(|(one, op)| Some((one.outcome.as_ref().err()?, op)))
                {
                    None if all.len() == ops.len() && self.all_made(ops, &made) => {
                        all.iter().filter_map(|one| one.outcome.as_ref().ok()).for_each(|decision| {
                            self.count(decision.outcome());
                        });
                        Ok(())
                    }
                    Some((refusal, op)) if none => {
                        self.count(refusal.reason());
                        match refusal {
                            Refusal::DataConflict { .. } if op.expected.is_some() => Ok(()),
                            Refusal::AttemptsUsedUp { .. } => Ok(()),
                            other => Err(format!("mutation {} is refused: {other}", op.id)),
                        }
                    }
                    refused => Err(format!("{ops:?} were made {made:?} times, and are told {refused:?}")),
                }
            }
            told => Err(format!("{ops:?} were made {made:?} times, and are told {told:?}")),
        }
    }

    /// Whether each was made once, or is as if it had been: somebody else may have deleted what it deletes,
    /// or made the very same, while the reply to a write was lost.
    fn all_made(&self, ops: &[Op], made: &[u32]) -> bool {
        self.store.with(|trouble| {
            let is_as_if = |op: &Op| {
                (op.wanted == Wanted::Delete && trouble.model.was_gone(op.key, op.began))
                    || trouble.model.has_twin(op)
                    || trouble.model.was_nothing_to_do(op)
            };
            ops.iter().zip(made).all(|(op, made)| *made == 1 || (*made == 0 && is_as_if(op)))
        })
    }

    /// What must hold when all is quiet: every value is in the table, nothing is beside it, and the counts
    /// that the table's stream gives are those of the table.
    fn settle(&mut self) -> Result<(), String> {
        self.store.quieten();
        while self.in_force < shop::LAST {
            self.in_force += 1;
            let number = self.in_force;
            self.store.memory.tamper(|state| shop::register(state, number));
        }
        let (table, store) = (shop::table(), self.store.by(Actor::Mover));
        let mut rounds = 0;
        loop {
            self.store.with(|trouble| trouble.tick += 1);
            let now = self.now();
            drive(arrive::notice(&*self.registry, &store, &table, now)).map_err(|error| error.to_string())?;
            let page = drive(arrive::page(&*self.registry, &store, &store, &table, self.plan.stamps, now));
            let page = page.map_err(|error| format!("a quiet move ends with {error}"))?;
            if let Some(broken) = self.store.with(|trouble| trouble.model.broken.clone()) {
                return Err(broken);
            }
            match page {
                Arriving::Moved(_) => self.jump += CLEAN_AFTER,
                Arriving::Misfits(pass) => return Err(format!("values have no place: {pass:?}")),
                Arriving::Nothing if self.jump == 0 => self.jump += CLEAN_AFTER,
                Arriving::Nothing => break,
                Arriving::Page(_) | Arriving::Cleaned(_) => {}
            }
            rounds += 1;
            if rounds > LIVENESS_STEPS {
                return Err("the move comes to no end".to_owned());
            }
        }
        self.store.memory.inspect(|state| {
            if state.shadow_rows.values().any(|row| !row.values.is_empty()) {
                return Err(format!("left beside the table: {:?}", state.shadow_rows));
            }
            if state.shadow_schemas.values().any(|schema| !schema.columns.is_empty()) {
                return Err("the column is still in the shadow schema".to_owned());
            }
            self.store.with(|trouble| {
                (0..self.plan.keys).try_for_each(|key| trouble.model.same(key, state))?;
                counted(&trouble.stream, state.items.values())
            })
        })
    }
}

/// Counts by what the stream has must be those of the items, and what only moves values changes no count
/// that does not read them.
fn counted<'a>(
    stream: &[super::chaos::Streamed],
    items: impl Iterator<Item = &'a Item> + Clone,
) -> Result<(), String> {
    for column in ["mood", "status", "state", "tier"] {
        let logic = by(column);
        let cells =
            |item: Option<&Item>| -> Cells { counting::contribution(&logic, item, None).unwrap_or_default() };
        let (mut live, mut recount) = (Cells::new(), Cells::new());
        for (_, before, after) in stream {
            counting::add_cells(&mut live, &cells(before.as_ref()), -1);
            counting::add_cells(&mut live, &cells(after.as_ref()), 1);
        }
        items.clone().for_each(|item| counting::add_cells(&mut recount, &cells(Some(item)), 1));
        live.retain(|_, n| *n != 0);
        recount.retain(|_, n| *n != 0);
        if live != recount {
            return Err(format!("counts by {column}: {live:?} live, {recount:?} recounted"));
        }
    }
    let columns: BTreeSet<&str> = ["mood", "_ver"].into();
    let is_move = |before: &Item, after: &Item| {
        !before.contains_key("mood")
            && after.contains_key("mood")
            && evercount_core::mutation::guard::changed(before, after)
                .keys()
                .all(|name| columns.contains(name.as_str()))
    };
    let logic = by("status");
    for (key, before, after) in stream {
        let (Some(before), Some(after)) = (before, after) else { continue };
        let cells = |item| counting::contribution(&logic, Some(item), None).ok();
        if is_move(before, after) && cells(before) != cells(after) {
            return Err(format!("a move of item {key} changes a count by status"));
        }
    }
    Ok(())
}

fn by(column: &str) -> LogicVersion {
    let definition = CountDefinition {
        name: DefinitionName::parse("orders").unwrap_or_else(|| unreachable!("it is a name")),
        table: shop::table(),
        group_by: vec![Path::column(column)],
        filter: None,
        distinct: None,
        groups_max: GROUPS_MAX_DEFAULT,
        headroom: Headroom::default(),
    };
    LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0)
}

/// A mutation in the attributes of its writer's version.
fn mutation(op: &Op) -> Mutation {
    match op.wanted {
        Wanted::Delete => Mutation::Delete,
        Wanted::Put(facts) => Mutation::Put(shop::item(op.version, op.key, &facts)),
        Wanted::Update { set, gone } => {
            let mut marked = Facts::default();
            (0..5).for_each(|field| *slot(&mut marked, field) = gone[field].then_some(1));
            let set = shop::attributes(op.version, &set).into_iter();
            let gone = shop::attributes(op.version, &marked).into_iter();
            Mutation::Update {
                key: shop::key_of(op.key),
                set: set.filter_map(|(name, value)| Some((Path::column(name), value?))).collect(),
                remove: gone
                    .filter(|(_, value)| value.is_some())
                    .map(|(name, _)| Path::column(name))
                    .collect(),
            }
        }
    }
}

/// Drives a future to its end.
fn drive<T>(work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}
