//! The stored DynamoDB items: attribute names, key texts, and what a reader makes of each.
//!
//! Three tables. `ledger` (key `pk`) has one item for each source row. `counts` (`pk`, `sk`) has
//! the counter items of each logic version and lane, and the lanes' checkpoints. `metadata`
//! (`pk`, `sk`) has everything else. Items are plain core values; the adapter turns them into
//! whatever its client speaks. They are made to be read in the DynamoDB console: real names, ISO
//! times in UTC with microseconds, and a sentence of `summary` where a person will look.
//!
//! | item | table | `pk` | `sk` |
//! |---|---|---|---|
//! | ledger row | ledger | `<table>#<key>` or `<table>@<position>` | |
//! | counter item | counts | `<logic id>` | `<lane>#<bucket>` |
//! | lane checkpoint | counts | `lane#<lane>` | `checkpoint` |
//! | catalog revision | metadata | `catalog` | `revision` |
//! | logic version | metadata | `catalog` | `<logic id>` |
//! | adopted shape of a table | metadata | `catalog` | `adopted#table#<table>` |
//! | adjustment | metadata | `adjustment#<definition>` | `<time>#<plan id>` |
//! | entry of the list of plans | metadata | `plans` | `<plan id>` |
//! | entry of the audit trail | metadata | `trail#<definition>` | `<time>#<place>-<hash>` |
//! | last audit of a count | metadata | `audits` | `<definition>` |
//! | policies | metadata | `policies` | `book` |
//! | cut | metadata | `cut#<logic id>` | `<time>` |
//! | part of a large cut | metadata | `cut-part#<logic id>` | `<time>#<hash>#part-0001` |
//! | lane directory entry | metadata | `lanes` | `<lane>` |
//! | table facts | metadata | `tables` | `<table>` |
//! | quarantined record | metadata | `quarantine#<lane>` | `<digits><sequence>` |
//! | control record | metadata | `control#<table>` | `<time>#<lane>#<sequence>` |
//! | subjects, versions, events, lineage | metadata | `subjects`, `subject#<subject>`, `outbox`, `services` | see the module `registry` |
//! | prediction that stands now | metadata | `forecasts` | `<table>` |
//! | past prediction | metadata | `forecast#<table>` | `<time it was made>` |
//! | what was learnt from predictions | metadata | `forecast-learnt` | `learnt` |
//! | how reliable predictions were | metadata | `forecast-reliability` | `<month>#<kind>#<days>` |
//! | document imported for forecasts | metadata | `forecast-imports` | `<kind>#<name>` |
//! | shadow schema | metadata | `shadow-schemas` | `<table>` |
//! | pass over what is kept beside a table | metadata | `shadow-passes` | `<table>` |
//! | entry of the trail of a table's mutations | metadata | `mutations#<table>` | `<time>#<hash>` |
//! | values of shadow columns of an item | metadata | `shadow#<table>#<bucket>` | `#<key>` or `@<position>` |
//! | attributes asked for that a table does not have | metadata | `usage#<table>` | `<day>#<attribute>` |
//! | transaction that was carried out under a token | metadata | `token#<token>` | `request` |
//! | part of a large raw record or adjustment | metadata | as its record | `<sk of its record>#part-0001` |
//!
//! Reading is strict about what is known (a missing or mistyped attribute is a named
//! [`ItemError`]) and tolerant of what is not: attributes without a meaning here are ignored.
//! Every item of `ledger` and `metadata` carries `format`, 1 for all shapes in this module.
//! What meets what, while functions and stored data are of different ages:
//!
//! | reader or writer | data | outcome |
//! |---|---|---|
//! | old reader | of its own format, with attributes added since | read; the added attributes are ignored, so only what may be ignored is added within a format |
//! | old reader | of a newer format | refused by its `format` ([`ItemError::NewerFormat`]), which the adapter reports as unavailable: records wait on the stream until the newer code is back, none is miscounted or put aside |
//! | new reader | of an older format | read: a reader keeps reading every format since 1, and an attribute added later has a default here |
//! | old writer | rewrites a ledger row with added attributes | they are lost, since a row is put whole; an attribute that must survive therefore needs a new format, which the old writer refuses when it reads the row |
//! | old writer | updates a checkpoint, counter item, table facts or a logic version with added attributes | they stay: those are updated by attribute |
//!
//! Counter items and checkpoints carry no format: every attribute of a counter item is a cell,
//! whose name says its kind, and a cell of an unknown kind is left out. Logic versions carry a
//! format of their own inside `logic` ([`crate::logic`]), which is refused as a whole; so do
//! adjustments inside `adjustment` ([`crate::adjustment`]), and policies inside `policies`
//! ([`crate::policy`]).

mod adjustments;
mod audits;
mod catalog;
mod columns;
mod counts;
mod cuts;
mod fields;
mod functions;
mod ledger;
mod long_text;
mod mutations;
mod once;
mod policies;
mod predictions;
mod records;
pub(crate) mod registry;
mod shadow;
mod size;
mod tables;
mod usage;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

use evercount_core::value::{Item, Value};

pub use adjustments::{
    ADJUSTMENT_OPTIONAL, AdjustmentItems, PLANS_PK, adjustment_items, adjustment_key, adjustment_pk,
    adjustments_from_items, check_adjustment, plan_entry_from_item, plan_entry_item, plan_key,
    trail_from_item, trail_item, trail_pk,
};
pub use audits::{AUDITS_PK, audit_from_item, audit_item, audit_key};
pub use catalog::{
    LOGIC_OPTIONAL, adopted_from_item, adopted_item, catalog_revision, edited, is_edited, logic_item,
    logic_key, logic_version_from_item, revision_key,
};
pub use counts::{
    CounterItem, checkpoint_from_item, checkpoint_item, checkpoint_key, counter_from_item, counter_item,
    counter_key, lane_prefix, logic_pk,
};
pub use cuts::{CutItem, cut_from_items, cut_items, cut_part_keys, cut_pk, cut_sk};
pub(crate) use fields::time_text;
pub use fields::time_value;
pub use functions::{
    FUNCTIONS_PK, function_from_item, function_item, function_key, module_from_items, module_items, module_pk,
};
pub use ledger::{LEDGER_KEY_BYTES_MAX, ledger_from_item, ledger_item, ledger_key};
pub use mutations::{mutation_from_item, mutation_item, mutations_pk, pass_from_item, pass_item, pass_key};
pub use once::{ONCE_AT, once_forgotten, once_from_item, once_item, once_key};
pub use policies::{policies_from_item, policies_item, policies_key};
pub use predictions::{
    IMPORTS_PK, PREDICTION_OPTIONAL, PREDICTIONS_PK, RELIABILITY_PK, import_items, import_key,
    imports_from_items, is_of_import, learnt_from_item, learnt_item, learnt_key, past_prediction_item,
    past_predictions_pk, prediction_from_item, prediction_item, prediction_key, reliability_from_item,
    reliability_item,
};
pub use records::{
    ENTITY_QUARANTINED, RAW_INLINE_BYTES_MAX, StoredRecord, control_from_items, control_items, control_key,
    part_key, part_prefix, quarantine_key, quarantined_from_items, quarantined_items, raw_parts,
};
pub use registry::{
    CONSUMER_PREFIX, EXPIRES, EXPIRES_AT, EventItems, HELD_PREFIX, HISTORY_PREFIX, OUTBOX_PK,
    PRODUCER_PREFIX, ProducerItem, RegistrationError, RegistrationItems, SERVICES_PK, SUBJECTS_PK,
    VERSION_PREFIX, WATCH_PREFIX, change_sentence, check_registration, consumer_from_item, consumer_item,
    consumer_key, event_items, event_summary, expiry, held_from_item, history_from_items, history_key,
    outbox_key, outbox_target, part_keys, producer_from_item, producer_item, producer_key,
    registration_items, service_from_item, service_item, sketch_from_item, sketch_item, sketch_range,
    subject_entry_from_item, subject_entry_item, subject_from_item, subject_item, subject_key, subject_pk,
    version_detail_key, version_from_items, version_head_from_item, version_key, watch_from_item, watch_item,
    watch_key, written_from_item, written_item, written_key,
};
pub use shadow::{
    SHADOW_BUCKETS, SHADOW_SCHEMAS_PK, TooManyColumns, shadow_pk, shadow_row_from_item, shadow_row_item,
    shadow_row_key, shadow_schema_from_item, shadow_schema_item, shadow_schema_key,
};
pub use size::{ITEM_BYTES_MAX, read_units, size_bytes, write_units};
pub use tables::{
    TABLES_PK, TableFactsItem, lane_directory_pk, lane_entry_from_item, lane_entry_item,
    table_facts_from_item, table_facts_item, table_facts_key,
};

pub use usage::{USAGE_READS, USAGE_WRITES, usage_from_item, usage_item, usage_key, usage_pk};

/// The format of every ledger and metadata item written here.
pub const FORMAT: u64 = 1;

/// The partition key attribute of every table.
pub const PK: &str = "pk";
/// The sort key attribute of `counts` and `metadata`.
pub const SK: &str = "sk";

/// The key of an item in `counts` or `metadata`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ItemKey {
    /// Its partition key.
    pub pk: String,
    /// Its sort key.
    pub sk: String,
}

impl ItemKey {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// An item of nothing but the key.
    #[must_use]
    pub fn item(&self) -> Item {
        [(PK.to_owned(), Value::String(self.pk.clone())), (SK.to_owned(), Value::String(self.sk.clone()))]
            .into()
    }
}

/// Why a stored item is not what it should be. It names attributes and never their values, so
/// that no row's data ends up in a log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ItemError {
    /// A later release wrote it.
    #[error("an item of format `{0}`, and this reader knows formats up to {FORMAT}")]
    NewerFormat(String),
    /// An attribute is not there.
    #[error("attribute `{name}` is missing")]
    Missing {
        /// Which.
        name: String,
    },
    /// An attribute has another type or form.
    #[error("attribute `{name}` is not {expected}")]
    Malformed {
        /// Which.
        name: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The key of the item and its attributes speak of different rows.
    #[error("the key `{pk}` is not that of the item's attributes")]
    KeyMismatch {
        /// The partition key.
        pk: String,
    },
    /// A part of a large raw record is not there.
    #[error("part {part} of the raw record is missing")]
    MissingPart {
        /// Which, from 1.
        part: usize,
    },
    /// The logic inside cannot be read.
    #[error("attribute `logic`: {0}")]
    Logic(#[from] crate::logic::LogicJsonError),
    /// The adjustment inside cannot be read.
    #[error("attribute `adjustment`: {0}")]
    Adjustment(#[from] crate::adjustment::AdjustmentJsonError),
    /// The policies inside cannot be read.
    #[error("attribute `policies`: {0}")]
    Policies(#[from] crate::policy::PolicyJsonError),
}

impl ItemError {
    /// Whether a later release could read the item.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        use crate::adjustment::AdjustmentJsonError;
        use crate::logic::LogicJsonError;
        use crate::policy::PolicyJsonError;
        matches!(
            self,
            Self::NewerFormat(_)
                | Self::Logic(LogicJsonError::Format(_))
                | Self::Adjustment(AdjustmentJsonError::Format(_))
                | Self::Policies(PolicyJsonError::Format(_))
        )
    }
}
