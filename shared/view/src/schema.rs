//! Subjects, what happened to them, and who writes and reads them.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::evolution::{Held, HeldChange};
use evercount_core::lineage::Lineage;
use evercount_core::registration::{Recorded, VersionHead};
use evercount_core::registry::{Compatibility, EvolutionRule, Origin, Policy, SubjectState};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{ChangeDoc, plain, time};

/// A table or event type, and its current version in short.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SubjectDoc {
    /// Its name.
    pub subject: String,
    /// `declared`, `observed` or `event`.
    pub origin: String,
    /// The number of its current version; null where it has none yet.
    #[schema(required)]
    pub version: Option<u32>,
    /// The id of that.
    #[schema(required)]
    pub id: Option<String>,
    /// Fields of that.
    #[schema(required)]
    pub fields: Option<u64>,
    /// When that began to be in force.
    #[schema(required)]
    pub changed_at: Option<String>,
    /// The kinds of change that made it.
    #[schema(required)]
    pub changes: Option<Vec<String>>,
    /// How far it moved from the one before, in [0, 1].
    #[schema(required)]
    pub drift: Option<f64>,
    /// Changes that wait for a person.
    pub pending: usize,
    /// Whether the table is gone.
    pub dropped: bool,
    /// When it was seen first.
    pub first_seen: String,
}

impl SubjectDoc {
    /// A subject with the head of its current version.
    #[must_use]
    pub fn of(state: &SubjectState, head: Option<&VersionHead>) -> Self {
        Self {
            subject: state.subject.to_string(),
            origin: origin(state.origin).to_owned(),
            version: state.current.map(|id| id.version),
            id: state.current.map(|id| id.to_string()),
            fields: head.map(|head| head.fields),
            changed_at: head.map(|head| time(head.at)),
            changes: head.map(|head| head.changes.clone()),
            drift: head.map(|head| head.drift),
            pending: state.pending.len(),
            dropped: state.dropped,
            first_seen: time(state.first_seen),
        }
    }
}

/// A version of a subject in short.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SubjectVersionHead {
    /// Its number.
    pub version: u32,
    /// Its id.
    pub id: String,
    /// When it began to be in force.
    pub at: String,
    /// How far it moved from the one before, in [0, 1].
    pub drift: f64,
    /// The kinds of change that made it.
    pub changes: Vec<String>,
    /// Its fields.
    pub fields: u64,
}

impl From<&VersionHead> for SubjectVersionHead {
    fn from(head: &VersionHead) -> Self {
        Self {
            version: head.id.version,
            id: head.id.to_string(),
            at: time(head.at),
            drift: head.drift,
            changes: head.changes.clone(),
            fields: head.fields,
        }
    }
}

/// What happened to a subject's schema at a time.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct HistoryDoc {
    /// The event's id.
    pub id: String,
    /// When the source made the change.
    pub at: String,
    /// When it was recorded.
    pub recorded_at: String,
    /// The version it made.
    pub version: u32,
    /// The id of the version before; null for the first.
    #[schema(required)]
    pub from: Option<String>,
    /// The id of the version it made.
    pub to: String,
    /// How far the schema moved, in [0, 1].
    pub drift: f64,
    /// The changes.
    pub changes: Vec<ChangeDoc>,
}

impl From<&Recorded> for HistoryDoc {
    fn from(recorded: &Recorded) -> Self {
        let event = &recorded.event;
        Self {
            id: event.id().to_string(),
            at: time(event.at),
            recorded_at: time(recorded.recorded_at),
            version: event.to.version,
            from: event.from.map(|id| id.to_string()),
            to: event.to.to_string(),
            drift: event.drift,
            changes: event.changes.iter().map(ChangeDoc::from).collect(),
        }
    }
}

/// A change that made no version.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct HeldDoc {
    /// Its id.
    pub id: String,
    /// When it was held.
    pub at: String,
    /// The id of the version that stays.
    #[schema(required)]
    pub from: Option<String>,
    /// The change.
    pub change: ChangeDoc,
    /// Why it made no version, in a word.
    pub held: String,
    /// Why, in a sentence.
    pub why: String,
    /// Whether it still waits for a person.
    pub is_pending: bool,
}

impl HeldDoc {
    /// A held change of a subject.
    #[must_use]
    pub fn of(state: &SubjectState, held: &HeldChange) -> Self {
        let why = match &held.why {
            Held::Breaks(breaks) => {
                let breaks: Vec<String> = breaks.iter().map(plain).collect();
                format!("waits for a person, since {}", breaks.join("; and "))
            }
            other => plain(other.sentence()),
        };
        Self {
            id: held.id().to_string(),
            at: time(held.at),
            from: held.from.map(|id| id.to_string()),
            change: (&held.change).into(),
            held: held.why.name().to_owned(),
            why,
            is_pending: state.pending.iter().any(|waiting| waiting.kind == held.change.kind),
        }
    }
}

/// Who writes a subject.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ProducerDoc {
    /// What kind of producer it is.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Records it wrote.
    pub records: u64,
    /// When it was seen first.
    pub first: String,
    /// When it was seen last.
    pub last: String,
}

/// A version of a subject by number and id.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct VersionName {
    /// Its number.
    pub version: u32,
    /// Its id.
    pub id: String,
}

/// Who reads a subject.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ConsumerDoc {
    /// Its name.
    pub name: String,
    /// The version it has acknowledged; null where it has none.
    #[schema(required)]
    pub applied: Option<VersionName>,
    /// How many versions that is behind.
    #[schema(required)]
    pub behind: Option<u32>,
    /// When it was seen first.
    pub first: String,
    /// When it was seen last.
    pub last: String,
}

/// Who writes and who reads a subject.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct LineageDoc {
    /// The subject.
    pub subject: String,
    /// The number of its current version.
    #[schema(required)]
    pub version: Option<u32>,
    /// Who writes it.
    pub producers: Vec<ProducerDoc>,
    /// Who reads it, and which version each has acknowledged.
    pub consumers: Vec<ConsumerDoc>,
}

impl LineageDoc {
    /// The lineage of a subject.
    #[must_use]
    pub fn of(state: &SubjectState, lineage: &Lineage) -> Self {
        let current = state.current.map(|id| id.version);
        let producers = lineage.producers.iter().map(|(by, seen)| ProducerDoc {
            kind: by.kind.name().to_owned(),
            name: by.name.to_string(),
            records: seen.records,
            first: time(seen.first),
            last: time(seen.last),
        });
        let consumers = lineage.consumers.values().map(|consumer| ConsumerDoc {
            name: consumer.name.to_string(),
            applied: consumer.applied.map(|id| VersionName { version: id.version, id: id.to_string() }),
            behind: consumer.applied.zip(current).map(|(id, current)| current.saturating_sub(id.version)),
            first: time(consumer.first),
            last: time(consumer.last),
        });
        Self {
            subject: state.subject.to_string(),
            version: current,
            producers: producers.collect(),
            consumers: consumers.collect(),
        }
    }
}

/// Where a schema comes from.
#[must_use]
pub fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Declared => "declared",
        Origin::Observed => "observed",
        Origin::Event => "event",
    }
}

/// Which changes of a subject make versions by themselves.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct PolicyDoc {
    /// The compatibility mode.
    pub compatibility: String,
    /// Rules by kind of change.
    pub rules: BTreeMap<String, String>,
    /// Only these make a version, where there are any.
    pub include: BTreeSet<String>,
    /// These make no version.
    pub exclude: BTreeSet<String>,
    /// Changes wait until they add up to this drift.
    pub drift_threshold: f64,
    /// Days that versions are kept for once replaced.
    pub retention_days: i64,
}

impl From<&Policy> for PolicyDoc {
    fn from(policy: &Policy) -> Self {
        let rule = |rule: &EvolutionRule| {
            EvolutionRule::ALL
                .iter()
                .find(|(one, _)| one == rule)
                .map_or("evolve", |(_, name)| name)
                .to_owned()
        };
        let mode = Compatibility::ALL.iter().find(|(one, _)| *one == policy.compatibility);
        Self {
            compatibility: mode.map_or("NONE", |(_, name)| name).to_owned(),
            rules: policy.rules.iter().map(|(kind, one)| (kind.clone(), rule(one))).collect(),
            include: policy.include.clone(),
            exclude: policy.exclude.clone(),
            drift_threshold: policy.drift_threshold,
            retention_days: policy.retention / 86_400_000_000,
        }
    }
}
