//! Runs the same batches on the store in memory and on DynamoDB as the embedded one speaks it,
//! through the SDK: after every few batches both hold the same lanes, ledger rows, cells, table
//! facts and quarantine, so what the simulator proves of one store is true of the other.
//!
//! An ordinary run takes 60 seeds, which is a few seconds; `EVERCOUNT_DIFF_SEEDS=n` sets another
//! number (CI runs 500), `EVERCOUNT_DIFF_FIRST=n` where they start.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and says what it did"
)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use evercount_aws::dynamo::{DynamoStore, TableNames};
use evercount_aws::setup::create_tables;
use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::chunk::{CellMove, Commit, Poison, Quarantined};
use evercount_core::counting::Cells;
use evercount_core::group::Cell;
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::ledger::LedgerRow;
use evercount_core::logic::{Coverage, LogicVersion};
use evercount_core::value::Item;
use evercount_local::{EmbeddedAws, EmbeddedOptions};
use evercount_pipeline::audit::{self, AuditOptions, AuditReport};
use evercount_pipeline::count::{self, CountMode, CountOptions, StreamRecord, Warm};
use evercount_pipeline::event_source::{Next, Reply};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{SourceTable, Store, StoreError, TableFacts};
use evercount_pipeline::{define, quarantine, read, recheck};
use evercount_tests::simulation::invariants;
use evercount_tests::simulation::plan::{Plan, SourceKind};
use evercount_tests::simulation::source::{EPOCH, Emitted, Source};
use evercount_tests::simulation::stream::{Stored, Stream};
use evercount_wire::json;
use fastrand::Rng;

/// Seeds of an ordinary test run.
const SEEDS: u64 = 60;
/// Batches between two looks at both stores.
const LOOK_EVERY: u64 = 6;
/// Bound on clock skew that repairs and rechecks assume, microseconds.
const MARGIN: i64 = 200_000;
/// What every run does to both stores at least once, over all seeds.
const EXPECTED: [&str; 14] = [
    "cold",
    "warm",
    "redelivery",
    "out_of_time",
    "rewind",
    "reshard",
    "fence",
    "truncate",
    "key_change",
    "poison",
    "repair",
    "lane_mode",
    "released",
    "keyless",
];

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The source as it stands while nothing writes to it.
struct Still(BTreeMap<RowKey, Item>);

impl SourceTable for Still {
    async fn row(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        Ok(self.0.get(row).cloned())
    }

    async fn scan(
        &self,
        _: &TableName,
        after: Option<String>,
    ) -> Result<(Vec<(RowKey, Item)>, Option<String>), StoreError> {
        let later = |key: &RowKey| after.as_deref().is_none_or(|after| key.identity.as_str() > after);
        let page: Vec<_> = self.0.iter().filter(|(key, _)| later(key)).take(4).collect();
        let next = page.last().filter(|_| page.len() == 4).map(|(key, _)| key.identity.as_str().to_owned());
        Ok((page.into_iter().map(|(key, item)| (key.clone(), item.clone())).collect(), next))
    }
}

/// How closely to look: the readings and each lane's counter items take most of the calls.
#[derive(Clone, Copy, PartialEq)]
enum Look {
    Passing,
    Close,
}

/// Everything a store shows.
struct Sight {
    lanes: BTreeMap<LaneId, LaneState>,
    rows: BTreeMap<RowKey, LedgerRow>,
    cells: BTreeMap<String, Cells>,
    items: BTreeMap<(String, LaneId), BTreeMap<u32, Cells>>,
    quarantine: Vec<Quarantined>,
    facts: TableFacts,
    versions: Vec<LogicVersion>,
    totals: BTreeMap<String, (i64, u64, bool)>,
}

async fn see<S: Store>(
    store: &S,
    table: &TableName,
    logic: &[LogicVersion],
    look: Look,
) -> Result<Sight, StoreError> {
    let lanes = store.lanes().await?;
    let (mut rows, mut after) = (BTreeMap::new(), None);
    loop {
        let (page, next) = store.rows_of_table(table, after).await?;
        for (key, mut row) in page {
            // DynamoDB's time to live has whole seconds.
            row.expires_at = row.expires_at.map(|at| (at + 999_999) / 1_000_000 * 1_000_000);
            assert!(rows.insert(key, row).is_none(), "a row is on two pages");
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    let (mut cells, mut items, mut totals) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for version in logic {
        cells.insert(version.id.to_string(), store.cells(&version.id).await?);
        if look == Look::Passing {
            continue;
        }
        for lane in lanes.keys() {
            let mut of_lane: BTreeMap<u32, Cells> =
                store.cells_of_lane(&version.id, lane).await?.into_iter().collect();
            // A sweep takes a transaction for each page, and pages are the store's own; so is
            // whether a cell that nets to zero was touched.
            of_lane.values_mut().for_each(|cells| cells.retain(|_, n| *n != 0));
            items.insert((version.id.to_string(), lane.clone()), of_lane);
        }
        let reading = read::run(store, version).await?;
        totals.insert(version.id.to_string(), (reading.total, reading.uncertain, reading.is_exact()));
    }
    let mut quarantine = store.quarantined().await?;
    // Stable: the order within a lane is the store's own.
    quarantine.sort_by(|a, b| a.lane.cmp(&b.lane));
    let mut versions = store.versions().await?;
    versions.sort_by(|a, b| a.id.cmp(&b.id));
    let facts = store.table_facts().await?;
    Ok(Sight { lanes, rows, cells, items, quarantine, facts, versions, totals })
}

/// The same call on both stores must give the same answer.
fn same<T: PartialEq + Debug>(what: &str, memory: &T, dynamo: &T) -> Result<(), String> {
    if memory == dynamo {
        return Ok(());
    }
    Err(format!("{what} differs\n  in memory:   {memory:?}\n  on DynamoDB: {dynamo:?}"))
}

/// As [`same`], telling only the entries that differ.
fn same_entries<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    memory: &BTreeMap<K, V>,
    dynamo: &BTreeMap<K, V>,
) -> Result<(), String> {
    for key in memory.keys().chain(dynamo.keys()) {
        same(&format!("{what}, {key:?},"), &memory.get(key), &dynamo.get(key))?;
    }
    Ok(())
}

/// How often each thing happened.
type Strikes = BTreeMap<&'static str, u64>;

struct Run {
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
    batches: u64,
    strikes: Strikes,
}

impl Run {
    async fn new(seed: u64, dynamo: DynamoStore) -> Result<Self, String> {
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

    async fn live(&mut self) -> Result<(), String> {
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
        self.compare(Look::Close).await
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
        let unavailable = |error: StoreError| format!("a store cannot be looked at: {error}");
        let memory = see(&self.memory, &self.table, &self.logic, look).await.map_err(unavailable)?;
        let dynamo = see(&self.dynamo, &self.table, &self.logic, look).await.map_err(unavailable)?;
        same_entries("the lanes", &memory.lanes, &dynamo.lanes)?;
        same_entries("the ledger", &memory.rows, &dynamo.rows)?;
        same_entries("the counter items", &memory.items, &dynamo.items)?;
        same_entries("the cells", &memory.cells, &dynamo.cells)?;
        same("the quarantine", &memory.quarantine, &dynamo.quarantine)?;
        same("what is known of tables", &memory.facts, &dynamo.facts)?;
        same("the catalog", &memory.versions, &dynamo.versions)?;
        same_entries("the readings", &memory.totals, &dynamo.totals)
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
    async fn operate(&mut self) -> Result<(), String> {
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

async fn delete<S: Store>(
    store: &S,
    name: &evercount_core::definition::DefinitionName,
) -> Result<bool, StoreError> {
    store.delete_definition(name).await
}

async fn one_seed(aws: &EmbeddedAws, seed: u64) -> Result<(Strikes, u64), String> {
    let names = |part: &str| format!("seed-{seed}-{part}");
    let tables = TableNames { metadata: names("metadata"), ledger: names("ledger"), counts: names("counts") };
    let client = aws.dynamodb();
    create_tables(&client, &tables).await.map_err(|error| error.to_string())?;
    let mut run = Run::new(seed, DynamoStore::new(&client, tables.clone())).await?;
    run.live().await?;
    run.operate().await?;
    for table in [tables.metadata, tables.ledger, tables.counts] {
        client.delete_table().table_name(table).send().await.map_err(|error| format!("{error:?}"))?;
    }
    run.strikes.extend(run.source.strikes);
    Ok((run.strikes, run.batches))
}

#[test]
fn both_stores_hold_the_same_after_the_same_batches() {
    let seeds = from_env("EVERCOUNT_DIFF_SEEDS").unwrap_or(SEEDS);
    let first = from_env("EVERCOUNT_DIFF_FIRST").unwrap_or(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, batches) = (AtomicU64::new(first), AtomicU64::new(0));
    let strikes: Mutex<Strikes> = Mutex::default();
    let failed: Mutex<Option<(u64, String)>> = Mutex::default();
    // Each thread has an embedded DynamoDB and a runtime of its own: one database has one lock.
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + seeds || failed.lock().unwrap().is_some() {
                    break;
                }
                match Box::pin(one_seed(&aws, seed)).await {
                    Ok((struck, delivered)) => {
                        batches.fetch_add(delivered, Ordering::Relaxed);
                        let mut all = strikes.lock().unwrap();
                        struck.iter().for_each(|(fault, n)| *all.entry(fault).or_insert(0) += n);
                    }
                    Err(difference) => *failed.lock().unwrap() = Some((seed, difference)),
                }
            }
            aws.stop().await;
        });
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    if let Some((seed, difference)) = failed.into_inner().unwrap() {
        panic!("seed {seed}: {difference}\nreplay: EVERCOUNT_DIFF_FIRST={seed} EVERCOUNT_DIFF_SEEDS=1");
    }
    let strikes = strikes.into_inner().unwrap();
    println!("{seeds} seeds, {} batches on both stores: {strikes:?}", batches.into_inner());
    if seeds >= SEEDS {
        let rare: Vec<_> =
            EXPECTED.iter().filter(|what| strikes.get(**what).copied().unwrap_or(0) == 0).collect();
        assert!(rare.is_empty(), "these never happened: {rare:?}");
    }
}
