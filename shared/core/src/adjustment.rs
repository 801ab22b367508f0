//! Adjustment plans: what a change asks of a count, and why that is enough.
//!
//! A plan is a pure function of what changed, of the logic in force, and of facts; a fact it lacks
//! makes it assume the worst and say so. Its class says how much has to be looked at, and its
//! certificate proves it: either the exact [`Transform`] of stored counts, or two small tables that
//! the stored counts cannot tell apart and the new ones do.

mod added;
mod anew;
mod arrival;
mod candidates;
mod columns;
mod composition;
mod condition;
mod cost;
mod default;
mod draft;
mod form;
mod paths;
mod plan;
mod rates;
mod redefinition;
mod retyped;
mod rewrite;
mod rows;
mod settle;
mod shape;
mod witness;

pub use anew::anew;
pub use arrival::{arrival, filling};
pub use plan::{plan, version_of};
pub use rates::Rates;

use crate::change::TableName;
use crate::definition::{CountDefinition, DefinitionName};
use crate::group::GroupKey;
use crate::logic::{AdoptedShape, PlanId, Relation};
use crate::migration::Step;
use crate::order::{Micros, OrderVersion};
use crate::path::Path;
use crate::schema_change::SchemaChange;
use crate::transform::Transform;
use crate::value::{Item, Value};

/// The score from which a proposed rename is followed without asking. Name, type, place, profile
/// and values together reach 0.60 (see [`crate::detection`]): above that, rows themselves were
/// seen to hand their values from the one name to the other, and a bit more.
pub const RENAME_SCORE_MIN: f64 = 0.65;
/// Changes that must have been counted under both versions where there is no ledger to take a
/// census of: were one change in ten judged otherwise, 30 that agree would come about in one case
/// in twenty-three.
pub const SHADOW_CHANGES_MIN: u64 = 30;

/// How much has to be looked at to follow a change, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// Nothing: the definition is not affected.
    A0,
    /// The definition alone: names are substituted, counts stand.
    A1,
    /// The stored counts: a transform of them is exact.
    A2,
    /// The stored counts, with a constant that rows before the change have; exact from there on.
    A3,
    /// The ledger: each row's remembered columns are judged anew.
    A4,
    /// The source, or its log: what is needed was never stored.
    A5,
    /// A person: what the change means is not certain.
    A6,
}

impl Class {
    /// All classes with their names.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::A0, "A0"),
        (Self::A1, "A1"),
        (Self::A2, "A2"),
        (Self::A3, "A3"),
        (Self::A4, "A4"),
        (Self::A5, "A5"),
        (Self::A6, "A6"),
    ];

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, name)| name)
    }
}

/// What a plan is asked about.
#[derive(Clone, PartialEq, Debug)]
pub enum Cause {
    /// The table's schema changed.
    Schema {
        /// The event's id.
        event: String,
        /// What changed, in order.
        changes: Vec<SchemaChange>,
        /// From where in the source's log rows have the new shape, where it said so.
        position: Option<OrderVersion>,
        /// When, microseconds since the epoch.
        at: Micros,
    },
    /// A person asked for another definition under the same name.
    Redefinition {
        /// The definition asked for.
        definition: CountDefinition,
        /// When, microseconds since the epoch.
        at: Micros,
    },
}

/// What a plan may take for granted. `None` is "not known", and the worst is assumed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Facts {
    /// Whether each source row has a ledger row (not so in lane mode).
    pub has_ledger: bool,
    /// Columns that every present ledger row remembers, as far as its image had them, with what
    /// they mean now: a column that was renamed, made anew or converted since, with no version's
    /// migration to say so, is not among them.
    pub remembered: Vec<String>,
    /// Ledger rows of the table.
    pub ledger_rows: Option<u64>,
    /// Items of the source table.
    pub source_items: Option<u64>,
    /// Bytes of the source table.
    pub source_bytes: Option<u64>,
    /// Whether the source can be read back at all.
    pub source_is_readable: bool,
    /// Groups counted by name under the version in force, with their counts; enough of them to
    /// name the affected ones.
    pub groups: Vec<(GroupKey, i64)>,
    /// Whether items were counted beyond the cap of groups.
    pub overflowed: bool,
    /// The table's partition key attribute.
    pub partition_key: Option<String>,
    /// Columns that may not be NULL or absent in any row.
    pub not_null: Vec<Path>,
    /// The table's columns as adopted for counting before the change.
    pub adopted: Option<AdoptedShape>,
    /// Whether rows of the new shape were counted before this version starts. In ledger mode they
    /// are judged anew from the ledger; in lane mode they cannot be.
    pub new_shape_seen: Option<bool>,
    /// Measured rates, for estimates.
    pub rates: Rates,
}

/// Which part of the table has to be looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Partitions {
    /// None of it.
    None,
    /// Items of these values of the partition key.
    Keys {
        /// The attribute.
        attribute: String,
        /// Its values.
        values: Vec<Value>,
    },
    /// All of it.
    All,
}

/// What following the change is estimated to cost, or did cost.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct PlanCost {
    /// CPU seconds.
    pub cpu_seconds: f64,
    /// Read units, of ledger and source.
    pub read_units: f64,
    /// Write units.
    pub write_units: f64,
    /// Source items read.
    pub source_items: u64,
    /// Ledger rows read.
    pub ledger_rows: u64,
    /// Seconds of walking, with what a budget makes it wait. What passes between two invocations is
    /// not among them.
    pub seconds: f64,
}

/// What a new version's cells start from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Start {
    /// The image of the parent's counts.
    Image(Transform),
    /// Nothing; every ledger row is judged anew.
    Ledger,
    /// Nothing; the affected part of the source is read.
    Source,
}

/// How the definition goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogicUpdate {
    /// The new definition.
    pub definition: CountDefinition,
    /// All steps that bring items of earlier shapes to the one it speaks of, oldest first.
    pub migration: Vec<Step>,
    /// What the new version's cells start from.
    pub start: Start,
    /// Names the table had before, oldest first.
    pub earlier_tables: Vec<TableName>,
    /// Grouping attributes whose columns are gone, each with its place.
    pub suspended: Vec<(usize, Path)>,
}

/// Why a plan's class is what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Certificate {
    /// Nothing that the definition reads has changed.
    Untouched,
    /// The new counts are this image of the stored ones, for every table.
    Exact(Transform),
    /// Two tables with equal stored counts and different new ones: no function of the stored
    /// counts can be right for both. Each is a list of rows as they were before the change.
    Witness {
        /// One table.
        one: Vec<Item>,
        /// The other.
        other: Vec<Item>,
    },
    /// What the change means is for a person to say, so there is nothing to prove yet.
    Undecided,
}

/// What must have been seen before a version takes over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MinimumEvidence {
    /// Every ledger row was judged under both versions.
    pub census: bool,
    /// Changes that were counted under both.
    pub changes: u64,
}

/// One answer to an open question, with what would follow.
#[derive(Clone, PartialEq, Debug)]
pub struct Choice {
    /// The answer, in a few words.
    pub answer: String,
    /// What would follow, in a sentence.
    pub consequence: String,
    /// The logic that would follow; `None` where the logic in force would stay.
    pub update: Option<LogicUpdate>,
}

/// What a change asks of one count.
#[derive(Clone, PartialEq, Debug)]
pub struct AdjustmentPlan {
    /// Its id: a hash of the cause, the definition and the version planned on.
    pub id: PlanId,
    /// The definition.
    pub definition: DefinitionName,
    /// Its table, by the name before the change.
    pub table: TableName,
    /// The version planned on.
    pub from: u32,
    /// What it is asked about.
    pub cause: Cause,
    /// How much has to be looked at.
    pub class: Class,
    /// How the definition goes on; `None` where it stays as it is.
    pub update: Option<LogicUpdate>,
    /// Why the class is what it is.
    pub certificate: Certificate,
    /// Which part of the table has to be looked at.
    pub affected: Partitions,
    /// What that is estimated to cost.
    pub estimate: PlanCost,
    /// How a row's contribution must stand to the parent's.
    pub relation: Relation,
    /// What must have been seen before the new version takes over.
    pub minimum: MinimumEvidence,
    /// One sentence for a person.
    pub sentence: String,
    /// What was not known, and what was assumed instead.
    pub assumptions: Vec<String>,
    /// The answers a person may give, where the class is [`Class::A6`]; the first is what the
    /// counts do meanwhile.
    pub choices: Vec<Choice>,
}
