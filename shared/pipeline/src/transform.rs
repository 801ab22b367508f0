//! The transforming step: a batch of one shard's records in, records that conform to the schema in
//! force out.
//!
//! Each record is held against the version that its subject has when the batch arrives; one that was
//! written for an earlier version is migrated first, as long as that version is kept; the functions of
//! users that this calls are loaded when a record first needs them. What cannot be
//! made to conform goes to quarantine with the reason, and nothing is lost: a batch is put on the
//! conformed stream before it is done, at least once and in the order of each partition key.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use evercount_core::change::Change;
use evercount_core::chunk::{Content, Poison, Quarantined};
use evercount_core::conform::{Shape, Unknown};
use evercount_core::fingerprint::SchemaId;
use evercount_core::function::FunctionId;
use evercount_core::image::Image;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::lineage::Consumer;
use evercount_core::migration::function::MigrationFunction;
use evercount_core::migration::graph::{SchemaGraph, SchemaPath};
use evercount_core::order::Micros;
use evercount_core::registration::Lookup;
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};
use evercount_sandbox::cache::Cache;
use evercount_sandbox::evaluator::Evaluator;
use evercount_sandbox::limits::Limits;
use evercount_wire::cdc::{Decoder, Format};
use evercount_wire::conformed::ConformedRecord;
use evercount_wire::event;

use crate::count::{Stop, StreamRecord, decode_record};
use crate::functions::{AtHand, bring};
use crate::kept;
use crate::ports::{FunctionStore, QuarantineStore, RegistryStore, StoreError, TableStore};
use crate::registry_cache::{CacheOptions, RegistryCache};

/// The attribute by which an event says which schema version it was written for: its number, or its id.
/// It is no attribute of the item.
pub const DECLARED_BY: &str = "schema_version";

/// How long the version that is in force is taken to be so, microseconds: a second, which is what a new
/// version takes to be used for all later records at most.
const CURRENT_FOR: Micros = 1_000_000;

/// Subjects whose shape is kept warm; making one again costs a look at its fields.
const SHAPES_MAX: usize = 256;

/// Settings of a transformer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransformOptions {
    /// The format of the records; detected by content where it is `None`.
    pub format: Option<Format>,
    /// Raised by the operator when the source's log restarts.
    pub epoch: u16,
    /// What becomes of attributes that the schema does not know.
    pub unknown: Unknown,
    /// The name under which it says which versions it has applied.
    pub consumer: String,
}

/// A record to be put, with the partition key it came by.
#[derive(Clone, PartialEq, Debug)]
pub struct Outgoing {
    /// The partition key.
    pub partition_key: String,
    /// The record.
    pub record: ConformedRecord,
}

/// Where conformed records go.
pub trait ConformedStream: Sync {
    /// Puts records; those of one partition key arrive in this order, each at least once. Returns those
    /// that are too large for the stream.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where it may work later; [`StoreError::Rejected`] where it cannot, as
    /// without the permission to.
    fn put(&self, records: &[Outgoing]) -> impl Future<Output = Result<Vec<usize>, StoreError>> + Send;
}

/// What a transformer keeps between batches of one lane: all of it can be loaded again.
#[derive(Debug)]
pub struct Warm {
    decoder: Option<Decoder>,
    cache: RegistryCache,
    shapes: BTreeMap<(Subject, SchemaId), Arc<Shape>>,
    graphs: BTreeMap<(Subject, SchemaId), Graph>,
    functions: Cache,
    acknowledged: BTreeMap<Subject, SchemaId>,
}

/// What leads from one version of a subject to another.
#[derive(Debug)]
struct Graph {
    graph: Arc<SchemaGraph>,
    /// The revision of the written migrations that it has, and when that was looked at last.
    written: u64,
    looked_at: Micros,
}

impl Default for Warm {
    fn default() -> Self {
        Self {
            decoder: None,
            cache: RegistryCache::new(CacheOptions { max_age: CURRENT_FOR, ..CacheOptions::default() }),
            shapes: BTreeMap::new(),
            graphs: BTreeMap::new(),
            functions: Cache::default(),
            acknowledged: BTreeMap::new(),
        }
    }
}

/// What became of a batch.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TransformReport {
    /// Records of the batch.
    pub read: u64,
    /// Conformed records that were put.
    pub put: u64,
    /// Of these, those whose subject has no schema version yet.
    pub unregistered: u64,
    /// Items that were written for another version and were migrated.
    pub migrated: u64,
    /// Attributes that were looked at.
    pub attributes: u64,
    /// Attributes that got their default.
    pub filled: u64,
    /// Values that took another form.
    pub converted: u64,
    /// Attributes that no schema knows.
    pub unknown: u64,
    /// Records that went to quarantine, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Records with nothing to conform: control records, and those that are of no subject.
    pub passed: u64,
    /// Versions that were acknowledged.
    pub acknowledged: Vec<(Subject, SchemaId)>,
    /// The first record of the batch, where it was not finished.
    pub first_unapplied: Option<SequenceNumber>,
    /// Why the batch was not finished.
    pub stopped_by: Option<Stop>,
}

impl TransformReport {
    /// How far items are from their schemas, in [0, 1]: the share of attributes that were filled in, took
    /// another form or are unknown. `None` where none was looked at.
    #[must_use]
    pub fn drift(&self) -> Option<f64> {
        let changed = self.filled + self.converted + self.unknown;
        let all = self.attributes + self.filled;
        (all > 0).then(|| changed as f64 / all as f64)
    }

    /// Records that went to quarantine.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.values().sum()
    }
}

/// A transformer's surroundings.
#[derive(Debug)]
pub struct Transformer<'a, S, C> {
    /// The registry, the shapes of tables, and the quarantine.
    pub store: &'a S,
    /// Where conformed records go.
    pub stream: &'a C,
    /// Settings.
    pub options: &'a TransformOptions,
}

/// What a record holds of one subject.
struct Part {
    subject: Subject,
    key: Option<String>,
    item: Option<Item>,
    at: Micros,
}

/// Why a record goes to quarantine.
struct Refusal {
    reason: &'static str,
    detail: String,
}

/// Transforms a batch of records of one shard, in shard order. `now` is the time it arrived, microseconds
/// since the epoch.
pub async fn run<S: RegistryStore + TableStore + QuarantineStore + FunctionStore, C: ConformedStream>(
    transformer: &Transformer<'_, S, C>,
    warm: &mut Warm,
    lane: &LaneId,
    records: &[StreamRecord],
    now: Micros,
) -> TransformReport {
    let report = TransformReport { read: records.len() as u64, ..TransformReport::default() };
    let mut batch = Batch { transformer, warm, lane, now, report, out: Vec::new(), refused: Vec::new() };
    let ended = batch.run(records).await;
    let mut report = batch.report;
    if let Err(error) = ended {
        // All of it is delivered again, and put again: a reader tells it by lane and sequence.
        report.stopped_by = Some(Stop::Store(error));
        report.first_unapplied = records.first().map(|record| record.sequence.clone());
    }
    report
}

struct Batch<'a, S, C> {
    transformer: &'a Transformer<'a, S, C>,
    warm: &'a mut Warm,
    lane: &'a LaneId,
    now: Micros,
    report: TransformReport,
    out: Vec<Outgoing>,
    refused: Vec<Quarantined>,
}

impl<S: RegistryStore + TableStore + QuarantineStore + FunctionStore, C: ConformedStream> Batch<'_, S, C> {
    async fn run(&mut self, records: &[StreamRecord]) -> Result<(), StoreError> {
        let mut decoder = self.decoder().await?;
        let mut used: BTreeMap<Subject, SchemaId> = BTreeMap::new();
        let mut room = Vec::new();
        for record in records {
            let parts = match decode_record(&decoder, None, record, &mut room) {
                Content::Changes(changes) => changes.into_iter().map(of_row).collect(),
                Content::Tables(events, _) => {
                    for event in events {
                        if let Some(shape) = event.shape {
                            decoder.learn(event.table, shape);
                        }
                    }
                    self.report.passed += 1;
                    continue;
                }
                Content::Passed(_) => match events(record) {
                    Ok(parts) if parts.is_empty() => {
                        self.report.passed += 1;
                        continue;
                    }
                    Ok(parts) => parts,
                    Err(refusal) => {
                        self.refuse(record, None, refusal);
                        continue;
                    }
                },
                Content::Poison(poison) => {
                    self.quarantine(record, poison);
                    continue;
                }
            };
            self.record(record, parts, &mut used).await?;
        }
        self.warm.decoder = Some(decoder);
        self.commit(records).await?;
        self.acknowledge(used).await
    }

    async fn decoder(&mut self) -> Result<Decoder, StoreError> {
        if let Some(decoder) = self.warm.decoder.take() {
            return Ok(decoder);
        }
        let TransformOptions { format, epoch, .. } = *self.transformer.options;
        let mut decoder = Decoder::new(format, epoch);
        for (table, (_, shape)) in self.transformer.store.table_facts().await?.shapes {
            decoder.learn(table, shape);
        }
        Ok(decoder)
    }

    /// Conforms all of a record, or refuses all of it.
    async fn record(
        &mut self,
        record: &StreamRecord,
        parts: Vec<Part>,
        used: &mut BTreeMap<Subject, SchemaId>,
    ) -> Result<(), StoreError> {
        let mut made = Vec::with_capacity(parts.len());
        for (part, number) in parts.into_iter().zip(0..) {
            let subject = part.subject.clone();
            match self.part(record, part, number).await? {
                Ok(conformed) => made.push(conformed),
                Err(refusal) => {
                    self.refuse(record, Some(subject), refusal);
                    return Ok(());
                }
            }
        }
        for one in &made {
            used.extend(one.schema.map(|schema| (one.subject.clone(), schema)));
        }
        let partition_key = || record.partition_key.clone();
        self.out.extend(made.into_iter().map(|record| Outgoing { partition_key: partition_key(), record }));
        Ok(())
    }

    async fn part(
        &mut self,
        record: &StreamRecord,
        part: Part,
        number: u32,
    ) -> Result<Result<ConformedRecord, Refusal>, StoreError> {
        let Part { subject, key, mut item, at } = part;
        // A row says nothing of the kind, and may have such a column.
        let declared = item.as_mut().filter(|_| key.is_none()).and_then(|item| item.remove(DECLARED_BY));
        let known = self.warm.cache.subject(self.transformer.store, &subject, self.now).await?;
        let current = known.and_then(|known| Some((known.state.current?, known.schema?)));
        let mut made = ConformedRecord {
            subject,
            schema: current.as_ref().map(|(id, _)| *id),
            migrated_from: None,
            key,
            item: None,
            aside: Item::new(),
            at,
            lane: self.lane.clone(),
            sequence: record.sequence.clone(),
            part: number,
        };
        let Some((id, schema)) = current else {
            self.report.unregistered += 1;
            made.item = item;
            return Ok(Ok(made));
        };
        let Some(mut item) = item else { return Ok(Ok(made)) };
        if let Some(declared) = declared {
            match self.migrated(&made.subject, &item, &declared, id).await? {
                Ok(None) => {}
                Ok(Some((from, migrated))) => {
                    self.report.migrated += 1;
                    (item, made.migrated_from) = (migrated, Some(from));
                }
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        let shape = self.shape(&made.subject, id, &schema);
        self.report.attributes += item.len() as u64;
        Ok(match shape.conform(&item, self.transformer.options.unknown) {
            Ok(conformed) => {
                self.report.filled += u64::from(conformed.filled);
                self.report.converted += u64::from(conformed.converted);
                self.report.unknown += u64::from(conformed.unknown);
                (made.item, made.aside) = (Some(conformed.item), conformed.aside);
                Ok(made)
            }
            Err(violations) => {
                let told: Vec<String> = violations.iter().map(ToString::to_string).collect();
                let detail = format!("it does not conform to {id}: {}", told.join("; "));
                Err(Refusal { reason: "nonconforming", detail })
            }
        })
    }

    fn shape(
        &mut self,
        subject: &Subject,
        id: SchemaId,
        schema: &evercount_core::schema::Schema,
    ) -> Arc<Shape> {
        let key = (subject.clone(), id);
        if let Some(shape) = self.warm.shapes.get(&key) {
            return shape.clone();
        }
        if self.warm.shapes.len() >= SHAPES_MAX {
            self.warm.shapes.pop_first();
        }
        let shape = Arc::new(Shape::of(schema));
        self.warm.shapes.insert(key, shape.clone());
        shape
    }

    /// An item that says which version it was written for, brought to the one in force; `None` where that
    /// is the one.
    async fn migrated(
        &mut self,
        subject: &Subject,
        item: &Item,
        declared: &Value,
        current: SchemaId,
    ) -> Result<Result<Option<(u32, Item)>, Refusal>, StoreError> {
        let refusal = |reason, detail| Ok(Err(Refusal { reason, detail }));
        let number = match declared {
            Value::Number(number) => number.to_string().parse::<u32>().ok(),
            Value::String(text) => SchemaId::parse(text)
                .map(|id| id.version)
                .or_else(|| text.trim_start_matches('v').parse().ok()),
            _ => None,
        };
        let Some(from) = number else {
            return refusal("unknown-version", format!("its `{DECLARED_BY}` is neither a number nor an id"));
        };
        if from == current.version {
            return Ok(Ok(None));
        }
        match self.transformer.store.schema_version(subject, from, self.now).await? {
            Lookup::Found(_) => {}
            Lookup::Expired { .. } => {
                let detail = format!(
                    "it was written for version {from} of `{subject}`, which is no longer kept; write it for \
                     version {}, or keep versions longer with `evercount schema policy {subject} --retention DAYS`",
                    current.version
                );
                return refusal("expired-version", detail);
            }
            Lookup::Absent => {
                let detail =
                    format!("it was written for version {from} of `{subject}`, which there never was");
                return refusal("unknown-version", detail);
            }
        }
        let graph = self.graph(subject, current).await?;
        let path = match graph.path(from, current.version) {
            Ok(path) => path,
            Err(missed) => {
                let because =
                    missed.blocked.first().map_or("nothing leads on", |(_, because)| because.as_str());
                let detail = format!(
                    "nothing leads from version {from} of `{subject}` to version {}: {because}",
                    current.version
                );
                return refusal("no-path", detail);
            }
        };
        let at_hand = self.functions(&path).await?;
        if let Some((function, why)) = at_hand.missing.first_key_value() {
            return refusal("migration-failed", format!("function {function} cannot be called: {why}"));
        }
        // Fuel ends a call before the invocation's own time does.
        Ok(match path.apply(item, &Evaluator::new(&at_hand.ready, &|| true)) {
            Ok(item) => Ok(Some((from, item))),
            Err((place, failure)) => Err(Refusal {
                reason: "migration-failed",
                detail: format!("function {} of the way from version {from}: {failure}", place + 1),
            }),
        })
    }

    /// The functions of users that a way calls.
    async fn functions(&mut self, path: &SchemaPath) -> Result<AtHand, StoreError> {
        let named: BTreeSet<FunctionId> =
            path.functions.iter().filter_map(MigrationFunction::custom).collect();
        bring(self.transformer.store, &mut self.warm.functions, &named, Limits::default()).await
    }

    async fn graph(&mut self, subject: &Subject, current: SchemaId) -> Result<Arc<SchemaGraph>, StoreError> {
        let (store, now) = (self.transformer.store, self.now);
        let key = (subject.clone(), current);
        if let Some(known) = self.warm.graphs.get(&key)
            && (0..CURRENT_FOR).contains(&now.saturating_sub(known.looked_at))
        {
            return Ok(known.graph.clone());
        }
        let written = store.written(subject).await?;
        if let Some(known) = self.warm.graphs.get_mut(&key)
            && known.written == written.revision
        {
            known.looked_at = now;
            return Ok(known.graph.clone());
        }
        if self.warm.graphs.len() >= SHAPES_MAX {
            self.warm.graphs.pop_first();
        }
        let revision = written.revision;
        let graph = Arc::new(kept::graph(store, subject, written, Vec::new(), now).await?);
        self.warm.graphs.insert(key, Graph { graph: graph.clone(), written: revision, looked_at: now });
        Ok(graph)
    }

    fn refuse(&mut self, record: &StreamRecord, table: Option<Subject>, refusal: Refusal) {
        let poison = Poison {
            reason: refusal.reason.to_owned(),
            detail: refusal.detail,
            table,
            raw: record.data.raw(),
            partition_key: Some(record.partition_key.clone()),
        };
        self.quarantine(record, poison);
    }

    fn quarantine(&mut self, record: &StreamRecord, poison: Poison) {
        *self.report.refused.entry(poison.reason.clone()).or_insert(0) += 1;
        self.refused.push(Quarantined {
            lane: LaneId::of_transformer(self.lane),
            sequence: record.sequence.clone(),
            arrived_at: record.arrived_at,
            poison,
            affects: Vec::new(),
        });
    }

    /// Puts what conforms, and then aside what does not.
    async fn commit(&mut self, records: &[StreamRecord]) -> Result<(), StoreError> {
        if !self.out.is_empty() {
            let too_large = self.transformer.stream.put(&self.out).await?;
            self.report.put += (self.out.len() - too_large.len()) as u64;
            for index in too_large {
                let Some(one) = self.out.get(index).map(|one| one.record.clone()) else { continue };
                let is_told = self.refused.iter().any(|known| known.sequence == one.sequence);
                let of_it = |record: &&StreamRecord| record.sequence == one.sequence && !is_told;
                let Some(record) = records.iter().find(of_it) else { continue };
                let detail = "what it conforms to is larger than a record of the stream may be".to_owned();
                self.refuse(record, Some(one.subject), Refusal { reason: "too-large", detail });
            }
        }
        if self.refused.is_empty() { Ok(()) } else { self.transformer.store.put_aside(&self.refused).await }
    }

    /// Says which versions are applied, each once.
    async fn acknowledge(&mut self, used: BTreeMap<Subject, SchemaId>) -> Result<(), StoreError> {
        for (subject, id) in used {
            if self.warm.acknowledged.get(&subject) == Some(&id) {
                continue;
            }
            let name = self.transformer.options.consumer.clone();
            let consumer = Consumer { name, first: self.now, last: self.now, applied: Some(id) };
            self.transformer.store.acknowledge(&subject, &consumer).await?;
            self.report.acknowledged.push((subject.clone(), id));
            self.warm.acknowledged.insert(subject, id);
        }
        Ok(())
    }
}

fn of_row(change: Change) -> Part {
    Part {
        subject: change.row.table,
        key: Some(change.row.identity.as_str().to_owned()),
        item: change.after.map(Image::into_item),
        at: change.at,
    }
}

/// The events of a record that is no table's row; none where it is no event either.
fn events(record: &StreamRecord) -> Result<Vec<Part>, Refusal> {
    let mut room = Vec::new();
    let text = record.data.read(&mut room).ok().and_then(|data| std::str::from_utf8(data).ok());
    match text.and_then(event::read) {
        None => Ok(Vec::new()),
        Some(Ok(observed)) => {
            let part = |one: event::Observed| Part {
                subject: one.subject,
                key: None,
                item: Some(one.item),
                at: one.at.unwrap_or(record.arrived_at),
            };
            Ok(observed.into_iter().map(part).collect())
        }
        Some(Err(bad)) => {
            Err(Refusal { reason: "bad-event", detail: format!("{}: {}", bad.reason, bad.detail) })
        }
    }
}
