//! From records to deliveries: decoded with what is known of their tables, without the columns that no
//! count reads, and with the answers of the functions that counts ask.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use evercount_core::change::{Change, Record, RowIdentity, TableName};
use evercount_core::chunk::{Content, Delivery, Poison};
use evercount_core::function::{self, FunctionId, Images, Told};
use evercount_core::lane::{LaneState, SequenceNumber};
use evercount_core::order::Micros;
use evercount_core::projection::Projection;
use evercount_wire::cdc::{Decoder, Envelope, Scanner, Undecodable};

use super::{Batch, CountMode, StreamRecord};
use crate::asking::Runner;
use crate::ports::{Store, StoreError};

/// How the records of counted tables are read under one catalog.
#[derive(Debug)]
pub(super) struct Reading {
    /// The catalog's revision.
    revision: u64,
    /// What reads records by the million, told which columns counts need.
    scanner: Scanner,
    /// The functions that counts of each table ask, where there are any.
    asked: BTreeMap<TableName, BTreeSet<FunctionId>>,
}

impl Reading {
    /// Whether no count asks a function.
    pub(super) fn asks_nothing(&self) -> bool {
        self.asked.is_empty()
    }

    pub(super) fn scanner(&mut self) -> &mut Scanner {
        &mut self.scanner
    }
}

/// A batch, decoded.
pub(super) struct Decoded {
    /// What its records say, but for those that the lane has taken.
    pub(super) deliveries: Vec<Delivery>,
    /// The catalog that they were decoded for.
    pub(super) revision: u64,
    /// The first record that functions have not answered yet.
    pub(super) stopped_at: Option<SequenceNumber>,
}

impl<S: Store, R: Runner<S>> Batch<'_, S, R> {
    pub(super) async fn decode(
        &mut self,
        state: &LaneState,
        keep_going: &(impl Fn() -> bool + Send),
    ) -> Result<Decoded, StoreError> {
        let Reading { revision, mut scanner, asked } = self.reading();
        let (mut decoder, mut known) = self.decoder();
        let is_new =
            |record: &&StreamRecord| state.sequence.as_ref().is_none_or(|taken| record.sequence > *taken);
        let mut deliveries = Vec::with_capacity(self.records.len());
        let mut room = Vec::new();
        for record in self.records.iter().filter(is_new) {
            let content = decode_record(&decoder, Some(&mut scanner), record, &mut room);
            if let Content::Tables(events, _) = &content {
                for event in events {
                    let is_newer = known.get(&event.table).is_none_or(|at| event.at >= *at);
                    if let Some(shape) = event.shape.as_ref().filter(|_| is_newer) {
                        decoder.learn(event.table.clone(), shape.clone());
                        known.insert(event.table.clone(), event.at);
                    }
                }
            }
            let (sequence, bytes) = (record.sequence.clone(), record.data.bytes_max());
            deliveries.push(Delivery { sequence, arrived_at: record.arrived_at, bytes, content });
        }
        let stopped_at = match asked.is_empty() {
            true => None,
            false => self.answer(&mut deliveries, &asked, keep_going).await?,
        };
        self.warm.reading = Some(Reading { revision, scanner, asked });
        Ok(Decoded { deliveries, revision, stopped_at })
    }

    /// Gives the changes of deliveries the answers of the functions that counts of their tables ask. Deliveries that
    /// have none yet are taken off; returns the first of them.
    async fn answer(
        &mut self,
        deliveries: &mut Vec<Delivery>,
        asked: &BTreeMap<TableName, BTreeSet<FunctionId>>,
        keep_going: &impl Fn() -> bool,
    ) -> Result<Option<SequenceNumber>, StoreError> {
        let mode = self.options.mode;
        let mut questions = Vec::new();
        for change in deliveries.iter().flat_map(|delivery| delivery.content.changes()) {
            if let Some(named) = asked.get(&change.row.table) {
                questions.extend(function::questions(change, named, images(change, mode)));
            }
        }
        if questions.is_empty() {
            return Ok(None);
        }
        let answers = self.warm.runner.ask(self.store, &questions, keep_going).await?;
        function::add_unanswered(&mut self.report.unanswered, answers.unanswered);
        let told = Told::new(questions, answers.given);
        let unanswered = deliveries.iter_mut().position(|delivery| {
            for change in delivery.content.changes_mut() {
                if let Some(named) = asked.get(&change.row.table) {
                    let images = images(change, mode);
                    function::answer(change, &told, named, images);
                }
            }
            told.ended()
        });
        let Some(at) = unanswered else { return Ok(None) };
        Ok(deliveries.drain(at..).next().map(|delivery| delivery.sequence))
    }

    /// A decoder that knows the shapes of tables, and how old each is.
    pub(super) fn decoder(&self) -> (Decoder, BTreeMap<TableName, Micros>) {
        let mut decoder = Decoder::new(self.options.format, self.options.epoch);
        let mut known = BTreeMap::new();
        if let Some((_, facts)) = &self.warm.facts {
            for (table, (at, shape)) in &facts.shapes {
                decoder.learn(table.clone(), shape.clone());
                known.insert(table.clone(), *at);
            }
        }
        (decoder, known)
    }

    /// What the batch before used, where the catalog is still the same.
    pub(super) fn reading(&mut self) -> Reading {
        let catalog = self.warm.catalog.clone().unwrap_or_default();
        if let Some(reading) = self.warm.reading.take().filter(|one| one.revision == catalog.revision) {
            return reading;
        }
        let mut reading =
            Reading { revision: catalog.revision, scanner: Scanner::default(), asked: BTreeMap::new() };
        for (table, logic) in catalog.names() {
            let projection = match self.options.mode {
                CountMode::Ledger => Projection::for_ledger(logic),
                CountMode::Lane => Projection::for_lanes(logic),
            };
            reading.scanner.project(table.clone(), projection);
            let functions = logic.functions();
            if !functions.is_empty() {
                reading.asked.insert(table.clone(), functions);
            }
        }
        reading
    }
}

/// Which images of a change are judged.
fn images(change: &Change, mode: CountMode) -> Images {
    match (mode, &change.row.identity) {
        (CountMode::Ledger, RowIdentity::Key(_)) => Images::After,
        (CountMode::Ledger, RowIdentity::Position(_)) | (CountMode::Lane, _) => Images::Both,
    }
}

/// Decodes one record as a counter does. A scanner leaves out of the images what it was told not to keep.
/// `room` is used for the record's data.
pub fn decode_record(
    decoder: &Decoder,
    scanner: Option<&mut Scanner>,
    record: &StreamRecord,
    room: &mut Vec<u8>,
) -> Content {
    let Ok(data) = record.data.read(room) else {
        let detail = "the record's data is not base64".to_owned();
        return poison("bad_base64", detail, None, record.data.raw(), Some(&record.partition_key));
    };
    let envelope =
        Envelope { data, partition_key: Some(&record.partition_key), arrival: Some(record.arrived_at) };
    content(&envelope, || match scanner {
        Some(scanner) => decoder.decode_kept(scanner, &envelope),
        None => decoder.decode(&envelope),
    })
}

/// What a record says, as it is decoded.
pub(super) fn content(
    envelope: &Envelope<'_>,
    decode: impl FnOnce() -> Result<Record, Undecodable>,
) -> Content {
    let aside =
        |reason, detail, table| poison(reason, detail, table, envelope.data.to_vec(), envelope.partition_key);
    match guarded(decode) {
        Some(Ok(Record::Changes(changes))) => Content::Changes(changes),
        Some(Ok(Record::Tables(events))) => Content::Tables(events, envelope.data.to_vec()),
        Some(Ok(Record::Passed(passed))) => Content::Passed(passed),
        Some(Err(bad)) => aside(bad.reason.as_str(), bad.detail, bad.table),
        None => aside("decoder_panicked", "the decoder panicked on this record".to_owned(), None),
    }
}

/// What decoding gives; `None` where it panics, which is a bug, but not a reason to block a shard.
pub(super) fn guarded<T>(decode: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(decode)).ok()
}

fn poison(
    reason: &str,
    detail: String,
    table: Option<TableName>,
    raw: Vec<u8>,
    partition_key: Option<&str>,
) -> Content {
    let (reason, partition_key) = (reason.to_owned(), partition_key.map(str::to_owned));
    Content::Poison(Poison { reason, detail, table, raw, partition_key })
}
