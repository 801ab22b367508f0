//! The registry's terms: subjects with their policies, and immutable schema versions.

use std::collections::{BTreeMap, BTreeSet};

use crate::fingerprint::SchemaId;
use crate::order::{Micros, OrderVersion};
use crate::schema::{FieldPath, Schema};
use crate::schema_change::{SchemaChange, Subject};

/// Which readers and writers must get along with a new version, as schema registries name it
/// (<https://docs.confluent.io/platform/current/schema-registry/fundamentals/schema-evolution.html>).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Compatibility {
    /// Nobody in particular.
    #[default]
    None,
    /// Readers of the new version read rows of the one before.
    Backward,
    /// Readers of the new version read rows of every version before.
    BackwardTransitive,
    /// Readers of the version before read rows of the new one.
    Forward,
    /// Readers of every version before read rows of the new one.
    ForwardTransitive,
    /// Both ways, with the version before.
    Full,
    /// Both ways, with every version before.
    FullTransitive,
}

impl Compatibility {
    /// All modes with their names.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::None, "NONE"),
        (Self::Backward, "BACKWARD"),
        (Self::BackwardTransitive, "BACKWARD_TRANSITIVE"),
        (Self::Forward, "FORWARD"),
        (Self::ForwardTransitive, "FORWARD_TRANSITIVE"),
        (Self::Full, "FULL"),
        (Self::FullTransitive, "FULL_TRANSITIVE"),
    ];
}

/// What the registry does with a kind of change, in the manner of Flink CDC's
/// `schema.change.behavior`
/// (<https://nightlies.apache.org/flink/flink-cdc-docs-stable/docs/core-concept/schema-evolution/>).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum EvolutionRule {
    /// The change makes a new version.
    #[default]
    Evolve,
    /// The change makes a new version where the compatibility mode allows it; else it waits for
    /// a person.
    TryEvolve,
    /// The new version keeps what older rows need: a dropped column stays, as one that may be
    /// NULL; a retyped one holds both types; a renamed one stays beside its new name.
    Lenient,
    /// The change is logged and makes no version.
    Ignore,
    /// The change is refused: it is logged, makes no version, and administrators are told.
    Exception,
}

impl EvolutionRule {
    /// All rules with their names.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Evolve, "evolve"),
        (Self::TryEvolve, "try_evolve"),
        (Self::Lenient, "lenient"),
        (Self::Ignore, "ignore"),
        (Self::Exception, "exception"),
    ];
}

/// How long a version that is no longer current is kept at least, unless a policy says
/// otherwise: long enough to decode a stream with the longest retention (365 days).
pub const RETENTION_DEFAULT: Micros = 400 * 24 * 3_600 * 1_000_000;

/// How a subject's schema may change.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// Who must get along with a new version.
    pub compatibility: Compatibility,
    /// The rule for each kind of change, by [`crate::schema_change::ChangeKind::name`]; `evolve`
    /// for those that are not here.
    pub rules: BTreeMap<String, EvolutionRule>,
    /// Where it is not empty, only these kinds of change make a version.
    pub include: BTreeSet<String>,
    /// These kinds of change never make a version.
    pub exclude: BTreeSet<String>,
    /// A change below this drift is logged and makes no version until what has gathered since
    /// the current version reaches it; 0 lets every change make one.
    pub drift_threshold: f64,
    /// How long versions are kept once they are no longer current, microseconds.
    pub retention: Micros,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            compatibility: Compatibility::default(),
            rules: BTreeMap::new(),
            include: BTreeSet::new(),
            exclude: BTreeSet::new(),
            drift_threshold: 0.0,
            retention: RETENTION_DEFAULT,
        }
    }
}

impl Policy {
    /// The rule for a kind of change: Flink CDC's order, where an excluded kind is ignored and,
    /// with an include list, so is every kind that is not on it.
    #[must_use]
    pub fn rule(&self, kind: &str) -> EvolutionRule {
        let left_out = !self.include.is_empty() && !self.include.contains(kind);
        if left_out || self.exclude.contains(kind) {
            return EvolutionRule::Ignore;
        }
        self.rules.get(kind).copied().unwrap_or_default()
    }
}

/// Where a subject's schema comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The source defines it (DDL), so rows only confirm it.
    Declared,
    /// It is read off the rows.
    Observed,
    /// It is the type of events that are not rows of a table.
    Event,
}

/// A subject as the registry keeps it: the small, hot item.
#[derive(Clone, PartialEq, Debug)]
pub struct SubjectState {
    /// Which.
    pub subject: Subject,
    /// Where its schema comes from.
    pub origin: Origin,
    /// The current version; `None` before the first one.
    pub current: Option<SchemaId>,
    /// From where in the source's log the current version holds, where that is known. Rows from
    /// before may still arrive; they are no news.
    pub position: Option<OrderVersion>,
    /// The same by time, microseconds since the epoch.
    pub since: Micros,
    /// Whether the table is gone.
    pub dropped: bool,
    /// Columns that earlier versions had and the current one lacks.
    pub retired: BTreeSet<FieldPath>,
    /// Changes that were found and made no version: those that wait for a person or for more
    /// drift.
    pub pending: Vec<SchemaChange>,
    /// How it may change.
    pub policy: Policy,
    /// When its first record was written, microseconds since the epoch.
    pub first_seen: Micros,
    /// Rises with every change of this item.
    pub revision: u64,
}

/// One immutable version of a subject's schema.
#[derive(Clone, PartialEq, Debug)]
pub struct SchemaVersion {
    /// Of which subject.
    pub subject: Subject,
    /// Its number and fingerprint.
    pub id: SchemaId,
    /// The number of the version it came from.
    pub parent: Option<u32>,
    /// The schema itself.
    pub schema: Schema,
    /// What changed since the parent.
    pub changes: Vec<SchemaChange>,
    /// How far the schema moved from the parent, in [0, 1].
    pub drift: f64,
    /// Where the compatibility mode it was made under does not hold, in words; empty where it
    /// does.
    pub breaks: Vec<String>,
    /// From where in the source's log it holds.
    pub position: Option<OrderVersion>,
    /// When the source changed, microseconds since the epoch.
    pub at: Micros,
    /// When the version was made.
    pub created_at: Micros,
}
