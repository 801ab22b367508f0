//! Lineage: who writes a subject's records, who reads them, and which version a reader has applied.

use std::collections::{BTreeMap, BTreeSet};

use crate::fingerprint::SchemaId;
use crate::order::Micros;
use crate::schema::FieldPath;
use crate::schema_change::Subject;

/// What kind of thing a producer is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ProducerKind {
    /// A database or service that the records come from.
    Source,
    /// The stream they came by.
    Stream,
    /// The connector that captured them.
    Connector,
    /// The user or service that made the change, where the record says so.
    UserIdentity,
    /// A service that says of itself that it writes the subject ([`Service`]).
    Service,
}

impl ProducerKind {
    /// All kinds with their stored names.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Source, "source"),
        (Self::Stream, "stream"),
        (Self::Connector, "connector"),
        (Self::UserIdentity, "user_identity"),
        (Self::Service, "service"),
    ];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("source", |(_, name)| name)
    }
}

/// Which producer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ProducerId {
    /// What it is.
    pub kind: ProducerKind,
    /// Its name.
    pub name: String,
}

/// When something was first and last seen, and in how many records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// First, microseconds since the epoch.
    pub first: Micros,
    /// Last.
    pub last: Micros,
    /// Records.
    pub records: u64,
}

impl Seen {
    /// Both together, for records that neither shares with the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            records: self.records.saturating_add(other.records),
        }
    }
}

/// Somebody who reads a subject's records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Consumer {
    /// Its name.
    pub name: String,
    /// First acknowledgement, microseconds since the epoch.
    pub first: Micros,
    /// Last acknowledgement.
    pub last: Micros,
    /// The version it has applied; `None` where it reads and has acknowledged none.
    pub applied: Option<SchemaId>,
}

impl Consumer {
    /// Both together: what was acknowledged last stands, and of two at once the higher version.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let later = (self.last, self.applied).max((other.last, other.applied));
        let applied = later.1.or(self.applied).or(other.applied);
        Self { name: self.name, first: self.first.min(other.first), last: later.0, applied }
    }
}

/// Who writes and who reads a subject.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lineage {
    /// Who writes it, over all lanes.
    pub producers: BTreeMap<ProducerId, Seen>,
    /// Who reads it, by name.
    pub consumers: BTreeMap<String, Consumer>,
}

impl Lineage {
    /// Adds what was seen of a producer.
    pub fn produced(&mut self, by: ProducerId, seen: Seen) {
        self.producers.entry(by).and_modify(|known| *known = known.and(seen)).or_insert(seen);
    }

    /// Adds what is known of a consumer.
    pub fn consumed(&mut self, by: Consumer) {
        let merged = match self.consumers.remove(&by.name) {
            Some(known) => known.and(by),
            None => by,
        };
        self.consumers.insert(merged.name.clone(), merged);
    }

    /// Adds the services that say of themselves that they write or read the subject. They were
    /// seen in no record.
    pub fn add_services<'a>(&mut self, subject: &Subject, services: impl IntoIterator<Item = &'a Service>) {
        for service in services {
            let (name, at) = (service.name.clone(), service.seen_at);
            if service.produces.contains(subject) {
                let by = ProducerId { kind: ProducerKind::Service, name: name.clone() };
                self.produced(by, Seen { first: at, last: at, records: 0 });
            }
            if service.consumes.contains(subject) {
                self.consumed(Consumer { name, first: at, last: at, applied: None });
            }
        }
    }
}

/// A service as a service registry knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What it writes.
    pub produces: BTreeSet<Subject>,
    /// What it reads.
    pub consumes: BTreeSet<Subject>,
    /// When the registry last heard of it, microseconds since the epoch.
    pub seen_at: Micros,
}

/// The cardinality sketch of one field in one window of time, as one lane saw it. Sketches of
/// lanes and windows merge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WindowSketch {
    /// The subject.
    pub subject: Subject,
    /// The field.
    pub path: FieldPath,
    /// When the window starts, microseconds since the epoch.
    pub start: Micros,
    /// How long it is, microseconds.
    pub length: Micros,
    /// The lane, or whatever else writes sketches of its own.
    pub lane: crate::lane::LaneId,
    /// The registers, in the stored form of sketches, which begins with its format byte.
    pub registers: Vec<u8>,
    /// When it may be forgotten, microseconds since the epoch.
    pub expires_at: Micros,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Fingerprint;
    use proptest::prelude::*;

    fn consumers() -> impl Strategy<Value = Consumer> {
        let id = |version| SchemaId { version, fingerprint: Fingerprint(u64::from(version)) };
        (0..5_i64, 0..5_i64, prop::option::of(1..4_u32)).prop_map(move |(first, last, version)| Consumer {
            name: "billing".to_owned(),
            first,
            last,
            applied: version.map(id),
        })
    }

    proptest! {
        #[test]
        fn acknowledgements_merge_in_any_order(a in consumers(), b in consumers()) {
            prop_assert_eq!(a.clone().and(a.clone()), a.clone());
            prop_assert_eq!(a.clone().and(b.clone()), b.and(a));
        }
    }

    #[test]
    fn a_service_that_only_says_it_reads_takes_no_version_back() {
        let orders = Subject::new("orders");
        let applied = Some(SchemaId { version: 3, fingerprint: Fingerprint(9) });
        let mut lineage = Lineage::default();
        lineage.consumed(Consumer { name: "billing".to_owned(), first: 5, last: 5, applied });
        let service = Service {
            name: "billing".to_owned(),
            produces: [].into(),
            consumes: [orders.clone()].into(),
            seen_at: 9,
        };
        lineage.add_services(&orders, [&service]);
        let billing = lineage.consumers.get("billing").cloned();
        assert_eq!(billing, Some(Consumer { name: "billing".to_owned(), first: 5, last: 9, applied }));
        lineage.add_services(&Subject::new("items"), [&service]);
        assert_eq!((lineage.producers.len(), lineage.consumers.len()), (0, 1));
    }
}
