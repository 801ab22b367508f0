//! What one record says, by subject.

use std::borrow::Cow;
use std::collections::BTreeMap;

use evercount_core::change::{Change, Clause, Record, TableEvent};
use evercount_core::image::Image;
use evercount_core::lane::SequenceNumber;
use evercount_core::lineage::{ProducerId, ProducerKind, Seen};
use evercount_core::order::{Micros, OrderVersion};
use evercount_core::schema_change::Subject;
use evercount_core::value::Item;
use evercount_wire::cdc::{self, Decoder, Envelope};
use evercount_wire::event;

use crate::count::StreamRecord;

/// What one record says of one subject.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// A row changed.
    Row(Change),
    /// An event, or a telemetry point, which is no row of a table.
    Item(Item, Micros),
    /// Something happened to the table.
    Told(TableEvent),
}

/// One of them, and in which record.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    pub sequence: SequenceNumber,
    /// When the stream took the record, microseconds since the epoch.
    pub arrived_at: Micros,
    pub said: Said,
}

impl Sighting {
    /// When the source made it, microseconds since the epoch.
    pub(super) fn at(&self) -> Micros {
        match &self.said {
            Said::Row(change) => change.at,
            Said::Item(_, at) => *at,
            Said::Told(event) => event.at,
        }
    }

    /// The row or item as it is after the record.
    pub(super) fn item(&self) -> Option<Cow<'_, Item>> {
        match &self.said {
            Said::Row(change) => change.after.as_ref().map(Image::item),
            Said::Item(item, _) => Some(Cow::Borrowed(item)),
            Said::Told(_) => None,
        }
    }

    /// The row as its record says it was before.
    pub(super) fn before(&self) -> Option<Cow<'_, Item>> {
        match &self.said {
            Said::Row(change) => change.before.as_ref().map(Image::item),
            Said::Item(..) | Said::Told(_) => None,
        }
    }

    /// Its place in the source's order, for events by the time they tell.
    pub(super) fn version(&self) -> OrderVersion {
        match &self.said {
            Said::Row(change) => change.version.clone(),
            Said::Item(_, at) => OrderVersion::clock(0, *at),
            Said::Told(event) => {
                event.told.version.clone().unwrap_or_else(|| OrderVersion::clock(0, event.at))
            }
        }
    }
}

/// A batch by subject: what its records say in shard order, and who wrote them.
#[derive(Debug, Default)]
pub(super) struct Sighted {
    pub by_subject: BTreeMap<Subject, Vec<Sighting>>,
    pub producers: BTreeMap<Subject, BTreeMap<ProducerId, Seen>>,
    pub undecodable: u64,
}

/// Debezium connectors that tell of DDL (<https://debezium.io/documentation/reference/stable/connectors/>):
/// a table's definition comes on a topic of its own, and so perhaps after its first rows.
const DECLARING: [&str; 6] = ["mysql", "mariadb", "sqlserver", "oracle", "db2", "informix"];

impl Sighted {
    /// Whether a subject's source is of a kind that tells of DDL.
    pub(super) fn is_declared(&self, subject: &Subject) -> bool {
        let declares = |id: &ProducerId| {
            id.kind == ProducerKind::Source
                && id.name.strip_prefix("debezium:").is_some_and(|connector| DECLARING.contains(&connector))
        };
        self.producers.get(subject).is_some_and(|producers| producers.keys().any(declares))
    }
}

/// Decodes a batch. The decoder learns the shapes of tables on the way.
pub(super) fn sight(decoder: &mut Decoder, records: &[StreamRecord]) -> Sighted {
    let (mut sighted, mut room) = (Sighted::default(), Vec::new());
    for record in records {
        let Ok(data) = record.data.read(&mut room) else {
            sighted.undecodable += 1;
            continue;
        };
        let envelope =
            Envelope { data, partition_key: Some(&record.partition_key), arrival: Some(record.arrived_at) };
        // A decoder that panics is a bug, but no reason to block a shard.
        let decoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| decoder.decode(&envelope)));
        let before: Vec<(Subject, Said, Option<ProducerId>)> = match decoded {
            Ok(Ok(Record::Changes(changes))) => changes
                .into_iter()
                .map(|change| (change.row.table.clone(), Said::Row(change), None))
                .collect(),
            Ok(Ok(Record::Tables(events))) => {
                for event in &events {
                    if let Some(shape) = &event.shape {
                        decoder.learn(event.table.clone(), shape.clone());
                    }
                }
                events.into_iter().map(|event| (subject_of(&event), Said::Told(event), None)).collect()
            }
            Ok(Ok(Record::Passed(_))) => items(data, record.arrived_at, &mut sighted.undecodable),
            Ok(Err(_)) | Err(_) => {
                sighted.undecodable += 1;
                Vec::new()
            }
        };
        let producers = if before.is_empty() { Vec::new() } else { cdc::producers(data) };
        for (subject, said, sender) in before {
            let sighting =
                Sighting { sequence: record.sequence.clone(), arrived_at: record.arrived_at, said };
            let at = sighting.at();
            let seen = Seen { first: at, last: at, records: 1 };
            for producer in producers.iter().chain(&sender) {
                let known = sighted.producers.entry(subject.clone()).or_default();
                known.entry(producer.clone()).and_modify(|before| *before = before.and(seen)).or_insert(seen);
            }
            sighted.by_subject.entry(subject).or_default().push(sighting);
        }
    }
    sighted
}

/// A renamed table's event belongs to the history of the name it had.
fn subject_of(event: &TableEvent) -> Subject {
    let renamed = event.told.clauses.iter().find_map(|clause| match clause {
        Clause::RenameTable { from } => Some(from.clone()),
        _ => None,
    });
    renamed.unwrap_or_else(|| event.table.clone())
}

/// The items of a record that is no table's row: plain events and telemetry.
fn items(data: &[u8], arrived_at: Micros, undecodable: &mut u64) -> Vec<(Subject, Said, Option<ProducerId>)> {
    let sent_by = |name| ProducerId { kind: ProducerKind::Source, name };
    match std::str::from_utf8(data).ok().and_then(event::read) {
        None => Vec::new(),
        Some(Ok(observed)) => observed
            .into_iter()
            .map(|one| {
                let said = Said::Item(one.item, one.at.unwrap_or(arrived_at));
                (one.subject, said, one.producer.map(sent_by))
            })
            .collect(),
        Some(Err(_)) => {
            *undecodable += 1;
            Vec::new()
        }
    }
}
