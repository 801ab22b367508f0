//! Owns the short way of lane mode: the records of an event are counted while they are read, in one chunk, and
//! nothing is kept of them.
//!
//! It is for events of which every record is a row change, or nothing, and which fit one transaction that
//! commits: nearly all. Any other is counted from its beginning the long way, which has the rules for what is
//! unusual, and the retries. So here nothing needs to be known of what goes wrong, but that it does.

use evercount_core::chunk::{Arrival, Chunk, Content, Draft, Facts, Hints, Mode};
use evercount_core::lane::LaneState;
use evercount_core::order::Micros;
use evercount_wire::cdc::{Decoder, Envelope, Scanner};
use evercount_wire::kinesis_event::Unusual;

use super::decode::{content, guarded};
use super::{Batch, TOMBSTONE_LIFE};
use crate::asking::Runner;
use crate::kinesis::ShardEvent;
use crate::ports::Store;

impl<S: Store, R: Runner<S>> Batch<'_, S, R> {
    /// Counts the whole event, and tells whether it did.
    pub(super) async fn at_once(&mut self, event: ShardEvent<'_>, state: &mut LaneState) -> bool {
        let Some(chunk) = self.whole_chunk(event, state).await else { return false };
        self.commit(chunk, state).await.is_ok()
    }

    /// The event as one chunk, where it can be.
    async fn whole_chunk(&mut self, event: ShardEvent<'_>, state: &LaneState) -> Option<Chunk> {
        let mut reading = self.reading();
        if self.warm.hints.placement.is_crowded() || !reading.asks_nothing() {
            self.warm.reading = Some(reading);
            return None;
        }
        let catalog = self.warm.catalog.clone().unwrap_or_default();
        let floors = self.floors();
        let tombstone_expires_at = self.now.saturating_add(TOMBSTONE_LIFE);
        let facts = Facts { catalog: &catalog, floors: &floors, tombstone_expires_at };
        let mut draft = Draft::new(Mode::Lane, self.lane, state, &facts, &mut self.warm.hints);
        let (decoder, _) = self.decoder();
        let taken = take(event, &mut draft, &decoder, reading.scanner(), &mut self.warm.hints);
        self.warm.reading = Some(reading);
        let Taken { records, newest } = taken.ok()?;
        self.report.newest = newest;
        for table in draft.tables() {
            self.place_cells(&catalog, table).await.ok()?;
        }
        let chunk = draft.finish(records, &mut self.warm.hints);
        if !chunk.fits() {
            self.warm.hints.placement.took(chunk.fitting(records), records);
            return None;
        }
        chunk.commit.quarantined.is_empty().then_some(chunk)
    }
}

/// What was taken of an event.
#[derive(Default)]
struct Taken {
    records: usize,
    /// When the newest of them arrived.
    newest: Option<Micros>,
}

/// Takes the records of an event. What one says of whole tables has to be settled before it is counted.
///
/// Kept out of line: in its caller, which is made in a function's own package, it would be as small as that is told
/// to be, and each record takes a twentieth more instructions then.
#[inline(never)]
fn take<'d, 'e: 'd>(
    event: ShardEvent<'e>,
    draft: &mut Draft<'d>,
    decoder: &Decoder,
    scanner: &mut Scanner,
    hints: &mut Hints,
) -> Result<Taken, Unusual> {
    let mut taken = Taken::default();
    let mut room = Vec::new();
    for record in event.records() {
        let (sequence, record) = record?;
        let at = record.arrived_at;
        taken.records += 1;
        taken.newest = taken.newest.max(Some(at));
        let data = record.read(&mut room)?;
        if !draft.awaits(sequence) {
            continue;
        }
        let arrival = Arrival { sequence, at, bytes: record.data.len() };
        let scanner = &mut *scanner;
        if let Some(scanned) = guarded(|| decoder.scan(scanner, data)).ok_or(Unusual)? {
            draft.meet(arrival, scanned.by_ref(), hints).map_err(|_| Unusual)?;
            continue;
        }
        let partition_key = std::str::from_utf8(record.partition_key).map_err(|_| Unusual)?;
        let envelope = Envelope { data, partition_key: Some(partition_key), arrival: Some(at) };
        match content(&envelope, || decoder.decode(&envelope)) {
            said @ (Content::Changes(_) | Content::Passed(_)) => draft.take(arrival, &said, hints),
            Content::Tables(..) | Content::Poison(_) => return Err(Unusual),
        }
    }
    Ok(taken)
}
