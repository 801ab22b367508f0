//! The listening step: a batch of one shard's records in, observed schemas and schema change
//! events out.
//!
//! Load, decide, commit, subject by subject. What a lane has seen of a subject (its watch) stands
//! in one transaction with what it led to, and remembers the last record it has seen: a batch
//! delivered again changes nothing. Events leave through an outbox, so one that was recorded is
//! published at least once, always with the same id.

mod attend;
mod cardinality;
mod heir;
mod sighting;

use std::collections::BTreeMap;

use evercount_core::evolution::HeldChange;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::lineage::{ProducerId, ProducerKind, Seen};
use evercount_core::order::Micros;
use evercount_core::schema_change::{SchemaChangeEvent, Subject};
use evercount_wire::cdc::{Decoder, Format};

use crate::count::{ATTEMPTS_MAX, Stop, StreamRecord, UNAVAILABLE_MAX};
use crate::ports::{ProducersSeen, RegistryStore, StoreError, TableStore};
use crate::publish::SchemaEvents;
use crate::registry_cache::{CacheMetrics, RegistryCache};

use attend::{Attending, Held};
use sighting::Sighting;

pub use cardinality::{FIELDS_MAX, WINDOW, WINDOWS_KEPT};

/// Settings of a listener.
#[derive(Clone, Copy, Debug)]
pub struct ListenOptions {
    /// The format of the records; detected by content where it is `None`.
    pub format: Option<Format>,
    /// Raised by the operator when the source's log restarts.
    pub epoch: u16,
}

/// Subjects whose watch and schema a lane keeps warm. Losing one costs three reads.
pub const WARM_SUBJECTS_MAX: usize = 256;

/// What a listener keeps between batches of one lane: all of it can be loaded again.
#[derive(Debug, Default)]
pub struct Warm {
    decoder: Option<Decoder>,
    held: BTreeMap<Subject, Held>,
    cache: RegistryCache,
    sketches: cardinality::Sketches,
    /// When the outbox was found empty, microseconds since the epoch; `None` at first, and after a
    /// failure.
    outbox_empty_at: Option<Micros>,
}

/// How long an outbox that was found empty is taken to be so, microseconds: a minute. What a
/// person accepted, or another lane left behind when it died, is published that late at most.
const OUTBOX_PAUSE: Micros = 60 * 1_000_000;

/// A schema change event, and the record that tipped it.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// The event.
    pub event: SchemaChangeEvent,
    /// The last record it is concluded from.
    pub sequence: SequenceNumber,
}

/// What became of a batch.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ListenReport {
    /// Records of the batch.
    pub read: u64,
    /// Records that say something new of a subject.
    pub seen: u64,
    /// Records that were seen before: they are delivered again.
    pub again: u64,
    /// Control records from before the current version.
    pub late: u64,
    /// Records that could not be decoded; the counter quarantines them.
    pub undecodable: u64,
    /// Schema change events, in the order they were found.
    pub found: Vec<Found>,
    /// Changes that made no version, and why.
    pub held: Vec<HeldChange>,
    /// Transactions committed.
    pub commits: u64,
    /// Write units they cost, lineage and sketches not counted.
    pub write_units: f64,
    /// How the cache of the registry helped.
    pub cache: CacheMetrics,
    /// The largest drift of a version that was made.
    pub drift: f64,
    /// The first record of the batch, where it was not finished.
    pub first_unapplied: Option<SequenceNumber>,
    /// Why the batch was not finished.
    pub stopped_by: Option<Stop>,
}

/// A listener's surroundings.
#[derive(Debug)]
pub struct Listener<'a, S, E> {
    /// The registry, and the shapes of tables.
    pub store: &'a S,
    /// Where schema change events go.
    pub events: &'a E,
    /// Settings.
    pub options: ListenOptions,
}

/// Listens to a batch of records of one shard, in shard order.
///
/// `now` is the time the batch arrived, microseconds since the epoch; `keep_going` says whether
/// there is time for another subject.
pub async fn run<S: RegistryStore + TableStore, E: SchemaEvents>(
    listener: &Listener<'_, S, E>,
    warm: &mut Warm,
    lane: &LaneId,
    records: &[StreamRecord],
    now: Micros,
    keep_going: impl Fn() -> bool + Send,
) -> ListenReport {
    let mut report = ListenReport { read: records.len() as u64, ..ListenReport::default() };
    let mut batch = Batch { listener, warm, lane, now, report: &mut report };
    if let Err(stop) = batch.run(records, keep_going).await {
        report.stopped_by = Some(stop);
        // All of it is delivered again. Subjects that were finished remember how far they came;
        // of producers, values and events in the outbox a batch tells at its end.
        report.first_unapplied = records.first().map(|record| record.sequence.clone());
        // Whoever gets it may have come further by then than what is warm here.
        warm.outbox_empty_at = None;
        warm.sketches = cardinality::Sketches::default();
    }
    report.cache = warm.cache.take_metrics();
    report
}

struct Batch<'a, S, E> {
    listener: &'a Listener<'a, S, E>,
    warm: &'a mut Warm,
    lane: &'a LaneId,
    now: Micros,
    report: &'a mut ListenReport,
}

impl<S: RegistryStore + TableStore, E: SchemaEvents> Batch<'_, S, E> {
    async fn run(
        &mut self,
        records: &[StreamRecord],
        keep_going: impl Fn() -> bool + Send,
    ) -> Result<(), Stop> {
        let mut decoder = self.decoder().await.map_err(Stop::Store)?;
        let sighted = sighting::sight(&mut decoder, records);
        self.warm.decoder = Some(decoder);
        self.report.undecodable += sighted.undecodable;
        let Some(last) = records.last() else { return Ok(()) };
        for (subject, sightings) in &sighted.by_subject {
            if !keep_going() {
                return Err(Stop::OutOfTime);
            }
            let attended = self.attend(subject, sightings, sighted.is_declared(subject)).await;
            attended.map_err(Stop::Store)?;
        }
        self.note_producers(sighted.producers, last).await.map_err(Stop::Store)?;
        self.note_cardinality(&sighted.by_subject).await.map_err(Stop::Store)?;
        self.publish().await.map_err(Stop::Store)
    }

    /// The lane's decoder, with what is known of tables.
    async fn decoder(&mut self) -> Result<Decoder, StoreError> {
        if let Some(decoder) = self.warm.decoder.take() {
            return Ok(decoder);
        }
        let options = self.listener.options;
        let mut decoder = Decoder::new(options.format, options.epoch);
        for (table, (_, shape)) in self.listener.store.table_facts().await?.shapes {
            decoder.learn(table, shape);
        }
        Ok(decoder)
    }

    /// Takes one subject's sightings in, again from what is stored where another lane was faster.
    async fn attend(
        &mut self,
        subject: &Subject,
        sightings: &[Sighting],
        is_declared: bool,
    ) -> Result<(), StoreError> {
        let mut unavailable = 0;
        for _ in 0..ATTEMPTS_MAX {
            let warm = self.warm.held.remove(subject);
            let (is_cold, again) = (warm.is_none(), self.report.again);
            let mut attending = Attending {
                store: self.listener.store,
                lane: self.lane,
                subject,
                is_declared,
                cache: &self.warm.cache,
                now: self.now,
                report: &mut *self.report,
            };
            match attending.run(warm, sightings).await {
                Ok(held) => {
                    if is_cold || self.report.again > again {
                        // Another instance had the lane meanwhile, and its sketches are newer.
                        self.warm.sketches.forget(subject);
                    }
                    self.keep(subject, held);
                    return Ok(());
                }
                Err(StoreError::Conflict) => self.warm.cache.invalidate(subject),
                Err(StoreError::Unavailable(_)) if unavailable < UNAVAILABLE_MAX => unavailable += 1,
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    fn keep(&mut self, subject: &Subject, held: Held) {
        if self.warm.held.len() >= WARM_SUBJECTS_MAX {
            self.warm.held.pop_first();
        }
        self.warm.held.insert(subject.clone(), held);
    }

    /// Lineage: who wrote the batch's records, and by which stream they came.
    async fn note_producers(
        &mut self,
        mut producers: BTreeMap<Subject, BTreeMap<ProducerId, Seen>>,
        last: &StreamRecord,
    ) -> Result<(), StoreError> {
        let stream = ProducerId { kind: ProducerKind::Stream, name: self.lane.stream().to_owned() };
        for by in producers.values_mut() {
            // A record has one source, whoever else had a hand in it.
            let sources = by.iter().filter(|(id, _)| id.kind == ProducerKind::Source);
            if let Some(seen) = sources.map(|(_, seen)| *seen).reduce(Seen::and) {
                by.insert(stream.clone(), seen);
            }
        }
        let seen: Vec<ProducersSeen> = producers
            .into_iter()
            .map(|(subject, producers)| ProducersSeen {
                subject,
                lane: self.lane.clone(),
                through: last.sequence.clone(),
                producers,
            })
            .collect();
        if seen.is_empty() { Ok(()) } else { self.listener.store.touch_producers(&seen).await }
    }

    async fn note_cardinality(
        &mut self,
        by_subject: &BTreeMap<Subject, Vec<Sighting>>,
    ) -> Result<(), StoreError> {
        let (store, lane) = (self.listener.store, self.lane);
        for (subject, sightings) in by_subject {
            let items: Vec<_> =
                sightings.iter().filter_map(|sighting| Some((sighting.item()?, sighting.at()))).collect();
            let items = items.iter().map(|(item, at)| (&**item, *at));
            let schema = self.warm.held.get(subject).and_then(Held::schema);
            self.warm.sketches.add(store, lane, (subject, schema), items, self.now).await?;
        }
        self.warm.sketches.store(store, lane).await?;
        if self.report.again > 0 {
            // The rest of what is delivered again may go elsewhere, and no watch tells of it.
            self.warm.sketches = cardinality::Sketches::default();
        }
        Ok(())
    }

    /// Empties the outbox: what this batch found, and what another left behind when it died.
    async fn publish(&mut self) -> Result<(), StoreError> {
        let looked_at = self.warm.outbox_empty_at.take();
        // Whoever had these records before may have died between an event and its publication.
        if self.report.found.is_empty()
            && self.report.again == 0
            && let Some(at) = looked_at.filter(|at| self.now.saturating_sub(*at) < OUTBOX_PAUSE)
        {
            self.warm.outbox_empty_at = Some(at);
            return Ok(());
        }
        let waiting = self.listener.store.unpublished().await?;
        let events: Vec<SchemaChangeEvent> = waiting.into_iter().map(|one| one.event).collect();
        if !events.is_empty() {
            self.listener.events.publish(&events).await?;
            for event in &events {
                self.listener.store.published(&event.id()).await?;
            }
        }
        self.warm.outbox_empty_at = Some(self.now);
        Ok(())
    }
}
