//! Registrations: what one transaction writes into the registry.
//!
//! A lane's watch and what it led to (a subject's new state, versions, events) stand in one
//! transaction, so a crash between any two calls leaves the registry as it was before the batch
//! or after it.

use std::collections::BTreeMap;

use crate::evolution::{Evolved, HeldChange};
use crate::fingerprint::{Fingerprint, SchemaId};
use crate::lane::{LaneId, SequenceNumber};
use crate::order::{Micros, OrderVersion};
use crate::registry::{SchemaVersion, SubjectState};
use crate::schema_change::{SchemaChangeEvent, Subject};

/// Longest text of a watch, in bytes: it is one attribute of an item of 400 KB.
pub const WATCH_STATE_BYTES_MAX: usize = 380_000;

/// What one lane has seen of a subject.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredWatch {
    /// The last record of the lane that is folded in.
    pub through: SequenceNumber,
    /// Rises with every write.
    pub revision: u64,
    /// Records seen.
    pub seen: u64,
    /// Source time of the oldest record seen, microseconds since the epoch.
    pub first_seen: Micros,
    /// Source time of the newest.
    pub last_seen: Micros,
    /// What was made of them, as text that only its coder reads; at most
    /// [`WATCH_STATE_BYTES_MAX`].
    pub state: String,
}

/// A lane's watch, moved on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchWrite {
    /// The lane.
    pub lane: LaneId,
    /// The revision it was read at; `None` where there was none.
    pub from: Option<u64>,
    /// The watch now.
    pub to: StoredWatch,
}

/// A subject's state, moved on.
#[derive(Clone, PartialEq, Debug)]
pub struct SubjectWrite {
    /// The revision it was read at; `None` where there was none.
    pub from: Option<u64>,
    /// The state now.
    pub to: SubjectState,
}

/// What one transaction writes into the registry, all of one subject.
#[derive(Clone, PartialEq, Debug)]
pub struct Registration {
    /// The subject.
    pub subject: Subject,
    /// The lane's watch.
    pub watch: Option<WatchWrite>,
    /// The subject's state.
    pub state: Option<SubjectWrite>,
    /// New versions, ascending; none of them may exist.
    pub versions: Vec<SchemaVersion>,
    /// Versions that are no longer current, each with when it may be forgotten (microseconds
    /// since the epoch). The current version never is.
    pub replaced: BTreeMap<u32, Micros>,
    /// Events for the subject's history and, until they are published, for the outbox. One that
    /// the history holds already is not entered again.
    pub events: Vec<SchemaChangeEvent>,
    /// Changes that made no version. The same change held again replaces itself.
    pub held: Vec<HeldChange>,
    /// When it is made, microseconds since the epoch.
    pub at: Micros,
}

impl Registration {
    /// A registration of nothing.
    #[must_use]
    pub fn empty(subject: Subject, at: Micros) -> Self {
        Self {
            subject,
            watch: None,
            state: None,
            versions: Vec::new(),
            replaced: BTreeMap::new(),
            events: Vec::new(),
            held: Vec::new(),
            at,
        }
    }

    /// Whether it writes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.watch.is_none()
            && self.state.is_none()
            && self.versions.is_empty()
            && self.replaced.is_empty()
            && self.events.is_empty()
            && self.held.is_empty()
    }

    /// Adds what one proposal led to. Proposals are added in the order they were decided in, each
    /// from the state that the one before left; `stored` is the revision of the state that the
    /// first one started from, `None` where nothing was stored.
    pub fn add(&mut self, stored: Option<u64>, before: &SubjectState, evolved: Evolved) {
        let mut after = evolved.state;
        if after != *before {
            // Whoever changed the state by hand before it evolved need not think of this.
            after.revision = after.revision.max(before.revision.saturating_add(1));
            let from = self.state.as_ref().map_or(stored, |write| write.from);
            if let (Some(_), Some(old)) = (&evolved.version, before.current) {
                let expires_at = self.at.saturating_add(after.policy.retention);
                self.replaced.insert(old.version, expires_at);
            }
            self.state = Some(SubjectWrite { from, to: after });
        }
        self.versions.extend(evolved.version);
        self.events.extend(evolved.event);
        self.held.extend(evolved.held);
    }
}

/// Most of the words of [`VersionHead::breaks`]; the version has them all.
pub const BREAKS_SHOWN_MAX: usize = 20;

/// A version without its schema: enough to list and to find versions.
#[derive(Clone, PartialEq, Debug)]
pub struct VersionHead {
    /// Its number and fingerprint.
    pub id: SchemaId,
    /// The number of the version it came from.
    pub parent: Option<u32>,
    /// When the source changed, microseconds since the epoch.
    pub at: Micros,
    /// When the version was made.
    pub created_at: Micros,
    /// How far the schema moved from the parent, in [0, 1].
    pub drift: f64,
    /// The names of what changed since the parent, in order.
    pub changes: Vec<String>,
    /// Where the compatibility mode it was made under does not hold: the first
    /// [`BREAKS_SHOWN_MAX`] places.
    pub breaks: Vec<String>,
    /// How many fields it has.
    pub fields: u64,
    /// When it may be forgotten, microseconds since the epoch; `None` for the current version.
    pub expires_at: Option<Micros>,
}

impl VersionHead {
    /// The head of a version.
    #[must_use]
    pub fn of(version: &SchemaVersion, expires_at: Option<Micros>) -> Self {
        Self {
            id: version.id,
            parent: version.parent,
            at: version.at,
            created_at: version.created_at,
            drift: version.drift,
            changes: version.changes.iter().map(|change| change.kind.name().to_owned()).collect(),
            breaks: version.breaks.iter().take(BREAKS_SHOWN_MAX).cloned().collect(),
            fields: version.schema.fields.len() as u64,
            expires_at,
        }
    }

    /// Whether the version may be forgotten by now: readers treat it as gone, whether or not it
    /// has been deleted yet.
    #[must_use]
    pub fn is_expired(&self, now: Micros) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

/// What looking for a version found.
#[derive(Clone, PartialEq, Debug)]
pub enum Lookup {
    /// The version.
    Found(Box<SchemaVersion>),
    /// There was one, and its retention is over.
    Expired {
        /// Its number.
        version: u32,
        /// When its retention ended, microseconds since the epoch, where that is still known.
        at: Option<Micros>,
    },
    /// There never was one.
    Absent,
}

impl Lookup {
    /// What it means that a version is not there, where `newest` is the subject's current one:
    /// numbers are given in order, so a lower one was there once.
    #[must_use]
    pub fn missing(version: u32, newest: Option<SchemaId>) -> Self {
        let was_there = version > 0 && newest.is_some_and(|newest| version < newest.version);
        if was_there { Self::Expired { version, at: None } } else { Self::Absent }
    }

    /// The version, where it was found.
    #[must_use]
    pub fn found(self) -> Option<SchemaVersion> {
        match self {
            Self::Found(version) => Some(*version),
            Self::Expired { .. } | Self::Absent => None,
        }
    }
}

/// The newest of the versions with this fingerprint.
#[must_use]
pub fn newest_of(heads: &[VersionHead], fingerprint: Fingerprint) -> Option<&VersionHead> {
    heads.iter().filter(|head| head.id.fingerprint == fingerprint).max_by_key(|head| head.id.version)
}

/// The version that was in force at a time: the newest of those whose change had happened by then.
#[must_use]
pub fn in_force(heads: &[VersionHead], at: Micros) -> Option<&VersionHead> {
    heads.iter().filter(|head| head.at <= at).max_by_key(|head| head.id.version)
}

/// An event as the history keeps it.
#[derive(Clone, PartialEq, Debug)]
pub struct Recorded {
    /// The event.
    pub event: SchemaChangeEvent,
    /// When it was entered, microseconds since the epoch.
    pub recorded_at: Micros,
}

impl Recorded {
    /// What a subject's history is sorted by. Logs that keep whole seconds put several events at
    /// one time; what made a version comes before what happened under it.
    #[must_use]
    pub fn chronology(&self) -> (Micros, u32, bool, Option<OrderVersion>, String) {
        let event = &self.event;
        let under = event.from == Some(event.to);
        (event.at, event.to.version, under, event.position.clone(), event.id())
    }

    /// What events are published by: those of one subject in the order of their versions, however
    /// the clocks of those who entered them differ.
    #[must_use]
    pub fn order(&self) -> (Subject, u32, bool, Micros, Option<OrderVersion>, String) {
        let event = &self.event;
        let under = event.from == Some(event.to);
        (event.subject.clone(), event.to.version, under, event.at, event.position.clone(), event.id())
    }
}
