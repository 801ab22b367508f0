//! One seed: a source, a stream, and the same batches and operations on two stores.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use evercount_aws::dynamo::DynamoStore;
use evercount_core::backfill::Segment;
use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::chunk::{CellMove, Commit, Poison, Quarantined};
use evercount_core::definition::DefinitionName;
use evercount_core::group::Cell;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::logic::{Coverage, LogicVersion};
use evercount_core::value::Item;
use evercount_pipeline::audit::{self, AuditOptions, AuditReport};
use evercount_pipeline::count::{self, CountMode, CountOptions, StreamRecord, Warm};
use evercount_pipeline::event_source::{Next, Reply};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{Page, SourceTable, Store, StoreError};
use evercount_pipeline::{define, quarantine, recheck};
use evercount_tests::simulation::invariants;
use evercount_tests::simulation::plan::{Plan, SourceKind};
use evercount_tests::simulation::source::{EPOCH, Emitted, Source};
use evercount_tests::simulation::stream::{Stored, Stream};
use evercount_wire::json;
use fastrand::Rng;

use super::sight::{Look, compare, same};

/// Batches between two looks at both stores.
const LOOK_EVERY: u64 = 6;
/// Bound on clock skew that repairs and rechecks assume, microseconds.
const MARGIN: i64 = 200_000;

/// The source as it stands while nothing writes to it.
struct Still(BTreeMap<RowKey, Item>);

impl SourceTable for Still {
    async fn row(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        Ok(self.0.get(row).cloned())
    }

    async fn scan(&self, _: &TableName, _: Segment, after: Option<String>) -> Result<Page<Item>, StoreError> {
        let later = |key: &RowKey| after.as_deref().is_none_or(|after| key.identity.as_str() > after);
        let page: Vec<_> = self.0.iter().filter(|(key, _)| later(key)).take(4).collect();
        let next = page.last().filter(|_| page.len() == 4).map(|(key, _)| key.identity.as_str().to_owned());
        let rows: Vec<_> = page.into_iter().map(|(key, item)| (key.clone(), item.clone())).collect();
        let read_units = rows.len() as f64;
        Ok(Page { rows, next, read_units })
    }
}

/// How often each thing happened.
pub type Strikes = BTreeMap<&'static str, u64>;

pub struct Run {
    plan: Plan,
    rng: Rng,
    now: i64,
    source: Source,
    stream: Stream,
    table: TableName,
    logic: Vec<LogicVersion>,
    options: CountOptions,
    memory: Memory,
    dynamo: DynamoStore,
    warm: BTreeMap<usize, (Warm, Warm)>,
    held: Vec<(u32, Emitted)>,
    recent: Vec<Emitted>,
    /// Batches delivered to both stores.
    pub batches: u64,
    strikes: Strikes,
}

impl Run {
    pub async fn new(seed: u64, dynamo: DynamoStore) -> Result<Self, String> {
        let mut plan = Plan::of(seed, 40 + u32::try_from(seed % 31).unwrap_or(0));
        if plan.source == SourceKind::Keyless {
            // Only here a table has more rows than a page in memory, and cells that one sweep
            // touches and the other does not take different places under a cap.
            plan.groups_max = 1_000;
        }
        let source = Source::new(&plan);
        let memory = Memory::default();
        let mut logic = Vec::new();
        for definition in invariants::definitions(source.table(), plan.groups_max) {
            let one = define::create(&memory, definition.clone(), Coverage::Whole, EPOCH).await;
            let other = define::create(&dynamo, definition, Coverage::Whole, EPOCH).await;
            same("a definition created", &one, &other)?;
            logic.push(one.map_err(|error| error.to_string())?);
        }
        let lane_mode = plan.source == SourceKind::Ordered;
        let mut strikes = Strikes::new();
        strikes.insert("lane_mode", u64::from(lane_mode));
        strikes.insert("keyless", u64::from(plan.source == SourceKind::Keyless));
        Ok(Self {
            rng: Rng::with_seed(seed ^ 0xd1ff),
            now: EPOCH,
            stream: Stream::new(plan.shards, plan.batch_size, plan.faults.child_first),
            table: TableName::new(source.table()),
            source,
            logic,
            options: CountOptions {
                mode: if lane_mode { CountMode::Lane } else { CountMode::Ledger },
                format: None,
                epoch: 0,
            },
            memory,
            dynamo,
            warm: BTreeMap::new(),
            held: Vec::new(),
            recent: Vec::new(),
            batches: 0,
            strikes,
            plan,
        })
    }

    /// How often what happened, in the source too.
    pub fn strikes(&self) -> Strikes {
        self.strikes.iter().chain(&self.source.strikes).map(|(what, n)| (*what, *n)).collect()
    }

    fn chance(&mut self, fault: &'static str, per_mille: u32) -> bool {
        let strikes = per_mille > 0 && self.rng.u32(0..1_000) < per_mille;
        if strikes {
            self.strike(fault);
        }
        strikes
    }

    fn strike(&mut self, fault: &'static str) {
        *self.strikes.entry(fault).or_insert(0) += 1;
    }

    /// The source writes, and batches are delivered, redelivered and compared.
    pub async fn live(&mut self) -> Result<(), String> {
        let mut written = 0;
        while written < self.plan.writes || !self.held.is_empty() {
            self.release_held();
            match self.rng.u32(0..10) {
                0..7 if written < self.plan.writes => {
                    written += 1;
                    self.write();
                }
                7 => self.disturb().await?,
                _ => {
                    let shard = self.rng.usize(0..self.stream.shards.len());
                    self.deliver(shard, true).await?;
                }
            }
        }
        while !self.stream.is_drained() {
            for shard in 0..self.stream.shards.len() {
                self.deliver(shard, false).await?;
            }
        }
        // A sweep of a keyless table takes more than one page, and where pages end is the store's
        // own: so is then where a cell is placed that nets to zero on one of them.
        let placed = self.plan.source != SourceKind::Keyless;
        self.compare(Look::Close { placed }).await
    }

    fn write(&mut self) {
        self.now += self.rng.i64(1..self.plan.pace * 2);
        for record in self.source.change(&self.plan, &mut self.rng, self.now) {
            if self.chance("lose", self.plan.faults.lose) {
                continue;
            }
            self.recent.push(record.clone());
            if self.chance("duplicate", self.plan.faults.duplicate) {
                let later = self.rng.u32(0..60);
                self.held.push((later, record.clone()));
            }
            if self.chance("reorder", self.plan.faults.reorder) {
                let later = self.rng.u32(1..30);
                self.held.push((later, record));
            } else {
                self.stream.put(record, self.now);
            }
        }
        if self.chance("replay", self.plan.faults.replay) && !self.recent.is_empty() {
            let from = self.rng.usize(0..self.recent.len());
            self.recent[from..].iter().for_each(|record| self.stream.put(record.clone(), self.now));
        }
        if self.chance("poison", self.plan.faults.poison) {
            let large = vec![b'x'; 300_000];
            let poisons: [&[u8]; 5] =
                [b"not json", b"\xff\xfe", b"{\"metadata\":{\"record-type\":\"data\"}}", b"{}", &large];
            let data = poisons[self.rng.usize(0..poisons.len())].to_vec();
            self.stream.put(Emitted { partition_key: self.rng.u32(0..99).to_string(), data }, self.now);
        }
    }

    fn release_held(&mut self) {
        for at in (0..self.held.len()).rev() {
            self.held[at].0 = self.held[at].0.saturating_sub(1);
            if self.held[at].0 == 0 {
                let (_, record) = self.held.remove(at);
                self.stream.put(record, self.now);
            }
        }
    }

    async fn disturb(&mut self) -> Result<(), String> {
        let faults = self.plan.faults.clone();
        if self.chance("reshard", faults.reshard * 4) {
            self.stream.reshard(&mut self.rng);
        }
        if self.chance("rewind", faults.rewind * 4) {
            let shard = self.rng.usize(0..self.stream.shards.len());
            self.stream.rewind(shard, self.rng.usize(1..30));
        }
        if self.chance("fence", faults.spurious_conflict) {
            let shard = self.rng.usize(0..self.stream.shards.len());
            let lane = self.lane(shard);
            // Only lanes of the directory are ever fenced.
            if self.memory.inspect(|state| state.directory.contains(&lane)) {
                same("a fence", &fence(&self.memory, &lane).await, &fence(&self.dynamo, &lane).await)?;
            }
        }
        if self.chance("repair", faults.repair) {
            let index = self.rng.usize(0..self.logic.len());
            self.audit(index, true).await?;
        }
        Ok(())
    }

    fn lane(&self, shard: usize) -> LaneId {
        LaneId::of_shard("cdc", &self.stream.shards[shard].id)
    }

    /// Delivers the next batch of a shard to both stores.
    async fn deliver(&mut self, shard: usize, with_faults: bool) -> Result<(), String> {
        if !self.stream.readable(shard) {
            return Ok(());
        }
        self.stream.feed(shard, self.now);
        let now_ms = u64::try_from(self.now / 1_000).unwrap_or(0);
        let Next::Batch(batch) = self.stream.shards[shard].reader.next(now_ms) else { return Ok(()) };
        let records: Vec<_> = batch.iter().map(Stored::delivered).collect();
        let out_of_time = with_faults && self.chance("out_of_time", self.plan.faults.out_of_time);
        let chunks = if out_of_time { self.rng.u32(0..3) } else { u32::MAX };
        let cold = self.rng.u32(0..4) == 0;
        let (mut one, mut other) = self.warm.remove(&shard).filter(|_| !cold).unwrap_or_default();
        self.strike(if cold { "cold" } else { "warm" });
        let lane = self.lane(shard);
        let unapplied = self.count(&lane, &records, (&mut one, &mut other), chunks).await?;
        self.warm.insert(shard, (one, other));
        let redelivered = with_faults && self.chance("redelivery", self.plan.faults.malformed_reply.max(60));
        let reply = if redelivered {
            Reply::Error
        } else {
            Reply::Failures(unapplied.iter().map(ToString::to_string).collect())
        };
        self.stream.shards[shard].reader.settle(&reply);
        self.batches += 1;
        if self.batches.is_multiple_of(LOOK_EVERY) { self.compare(Look::Passing).await } else { Ok(()) }
    }

    async fn count(
        &self,
        lane: &LaneId,
        records: &[StreamRecord],
        (one, other): (&mut Warm, &mut Warm),
        chunks: u32,
    ) -> Result<Option<SequenceNumber>, String> {
        let budget = || {
            let left = AtomicU32::new(chunks);
            move || {
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            }
        };
        let in_memory = count::run(&self.memory, one, lane, records, self.options, self.now, budget()).await;
        let on_dynamo = count::run(&self.dynamo, other, lane, records, self.options, self.now, budget());
        let mut on_dynamo = Box::pin(on_dynamo).await;
        // Only DynamoDB bills.
        on_dynamo.cost = in_memory.cost;
        same("what became of a batch", &in_memory, &on_dynamo)?;
        Ok(in_memory.first_unapplied)
    }

    async fn compare(&self, look: Look) -> Result<(), String> {
        compare(&self.memory, &self.dynamo, &self.table, &self.logic, look).await
    }

    fn images(&self) -> Result<Vec<Item>, String> {
        let typed = matches!(self.plan.source, SourceKind::DynamoDb | SourceKind::Ordered);
        let read = if typed { json::read_dynamodb_item } else { json::read_plain_item };
        let images = self.source.images();
        images.iter().map(|image| read(image).map_err(|error| format!("{image}: {error}"))).collect()
    }

    fn still(&self) -> Result<Still, String> {
        let identity = |key: u32| RowIdentity::Key(format!(r#"{{"id":"k{key}"}}"#).into());
        let row = |key| RowKey { table: self.table.clone(), identity: identity(key) };
        Ok(Still(self.source.keys().map(row).zip(self.images()?).collect()))
    }

    async fn audit(&mut self, index: usize, repair: bool) -> Result<(), String> {
        let (source, logic, now) = (self.still()?, self.logic[index].clone(), self.now);
        let options = AuditOptions { one_in: 1, repair, margin: MARGIN, epoch: 0 };
        let sorted = |report: Result<AuditReport, StoreError>| {
            report.map(|mut report| {
                // Stores page through their rows in orders of their own.
                report.listed.sort_by_key(|difference| difference.key_hash);
                report
            })
        };
        let one = audit::run(&self.memory, &source, &logic, options, || now, |_| {}).await;
        let other = audit::run(&self.dynamo, &source, &logic, options, || now, |_| {}).await;
        same("an audit", &sorted(one), &sorted(other))
    }

    /// What operators do: recheck, audit, replay the quarantine, delete and create a definition.
    pub async fn operate(&mut self) -> Result<(), String> {
        if self.plan.source == SourceKind::DynamoDb {
            self.now += MARGIN * 4;
            let source = self.still()?;
            let one = recheck::run(&self.memory, &source, &self.table, 0, self.now, MARGIN).await;
            let other = recheck::run(&self.dynamo, &source, &self.table, 0, self.now, MARGIN).await;
            same("a recheck", &one, &other)?;
            self.audit(0, false).await?;
            for index in 0..self.logic.len() {
                self.audit(index, true).await?;
            }
            self.compare(Look::Passing).await?;
        }
        invariants::recount(&self.memory, &self.logic, &self.images()?)?;
        self.replay().await?;
        self.compare(Look::Passing).await?;
        self.define_again().await
    }

    /// A record that was put aside and can be understood by now, among those that still cannot.
    async fn replay(&mut self) -> Result<(), String> {
        let Some(last) = self.recent.last().cloned() else { return Ok(()) };
        let lane = LaneId::of_shard("cdc", "an-earlier-release");
        let poison = Poison {
            reason: "unknown-format".to_owned(),
            detail: "an earlier release did not know this format".to_owned(),
            table: Some(self.table.clone()),
            raw: last.data,
            partition_key: Some(last.partition_key),
        };
        let affects: Vec<_> = self.logic.iter().map(|logic| logic.id.clone()).collect();
        let doubt = |logic| CellMove { logic, bucket: 0, cells: [(Cell::Uncertain, 1)].into() };
        let planted = Commit {
            moves: affects.iter().cloned().map(doubt).collect(),
            quarantined: vec![Quarantined {
                lane: LaneId::operator(),
                sequence: SequenceNumber::parse("77").unwrap(),
                arrived_at: self.now,
                poison,
                affects,
            }],
            ..Commit::empty(lane)
        };
        for committed in [commit(&self.memory, &planted).await, commit(&self.dynamo, &planted).await] {
            committed.map_err(|error| format!("nothing can be put aside: {error}"))?;
        }
        for record in put_aside(&self.memory).await.map_err(|error| error.to_string())? {
            let one = quarantine::replay(&self.memory, &record, self.options, self.now).await;
            let other = quarantine::replay(&self.dynamo, &record, self.options, self.now).await;
            same("a replay from quarantine", &one, &other)?;
            if matches!(one, Ok(quarantine::Replayed::Released(_))) {
                self.strike("released");
            }
        }
        Ok(())
    }

    async fn define_again(&mut self) -> Result<(), String> {
        let definition = self.logic[0].definition.clone();
        let one = delete(&self.memory, &definition.name).await;
        let other = delete(&self.dynamo, &definition.name).await;
        same("a deletion", &one, &other)?;
        self.compare(Look::Passing).await?;
        let one = define::create(&self.memory, definition.clone(), Coverage::Since(self.now), self.now).await;
        let other = define::create(&self.dynamo, definition, Coverage::Since(self.now), self.now).await;
        same("a definition created again", &one, &other)?;
        self.logic.push(one.map_err(|error| error.to_string())?);
        if self.plan.source == SourceKind::DynamoDb {
            self.now += MARGIN * 4;
            self.audit(self.logic.len() - 1, true).await?;
        }
        self.compare(Look::Passing).await
    }
}

async fn put_aside<S: Store>(store: &S) -> Result<Vec<Quarantined>, StoreError> {
    store.quarantined().await
}

async fn fence<S: Store>(store: &S, lane: &LaneId) -> Result<(), StoreError> {
    store.fence(lane).await
}

async fn commit<S: Store>(store: &S, commit: &Commit) -> Result<(), StoreError> {
    store.commit(commit).await.map(|_| ())
}

async fn delete<S: Store>(store: &S, name: &DefinitionName) -> Result<bool, StoreError> {
    store.delete_definition(name).await
}
