//! A reading: groups, total, how exact, at which cut.

use std::collections::BTreeMap;

use evercount_core::distinct::Estimate;
use evercount_core::reading::{Exactness, Reading};
use evercount_wire::group::group_json;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::time;

/// One group of a reading.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct GroupDoc {
    /// The values it is grouped by, by path; empty for items that lack them all.
    #[schema(value_type = Object)]
    pub key: Value,
    /// Items.
    pub n: i64,
    /// Distinct values, estimated, where the definition asks for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct: Option<u64>,
    /// The relative standard error of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct_error: Option<f64>,
}

/// Items for which an atom of the condition met a missing attribute.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct MissingDoc {
    /// The atom's text.
    pub atom: String,
    /// Items.
    pub n: i64,
}

/// Up to where a lane had counted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CutDoc {
    /// The last sequence number it counted.
    pub sequence: String,
    /// When that arrived, ISO 8601; null where it came from no stream.
    #[schema(required)]
    pub at: Option<String>,
    /// Records it has counted.
    pub records: u64,
}

/// A reading of one logic version of a count.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ReadingDoc {
    /// The count.
    pub name: String,
    /// Its table.
    pub table: String,
    /// The logic version that was read.
    pub version: u32,
    /// Items in all.
    pub total: i64,
    /// Whether the numbers equal a recount of the source at the cut.
    pub exact: bool,
    /// The truth lies within this many items.
    pub uncertain: u64,
    /// Why it may differ from a recount.
    pub doubts: Vec<String>,
    /// Items of groups that are counted together.
    pub overflow: i64,
    /// Items that lack an attribute of the condition.
    pub missing: Vec<MissingDoc>,
    /// Changes counted by what each adds and removes, because the table has no key.
    pub by_delta: i64,
    /// The groups, by key.
    pub groups: Vec<GroupDoc>,
    /// Up to where each lane had counted.
    pub cut: BTreeMap<String, CutDoc>,
    /// What distinct values are estimated of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct_of: Option<String>,
    /// Distinct values in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct: Option<u64>,
    /// The relative standard error of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct_error: Option<f64>,
    /// Distinct values of the groups that are counted together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overflow_distinct: Option<u64>,
}

impl ReadingDoc {
    /// A reading with all its groups.
    #[must_use]
    pub fn of(reading: &Reading) -> Self {
        let groups = reading.groups.iter().map(|(key, n)| GroupDoc::of(reading, key, *n)).collect();
        Self { groups, ..Self::without_groups(reading) }
    }

    /// A reading as a whole: whoever pages through its groups adds them.
    #[must_use]
    pub fn without_groups(reading: &Reading) -> Self {
        let doubts = match &reading.exactness {
            Exactness::Exact => Vec::new(),
            Exactness::Inexact(doubts) => doubts.iter().map(|doubt| doubt.name().to_owned()).collect(),
        };
        let missing = reading
            .missing
            .iter()
            .map(|(atom, n)| MissingDoc { atom: atom_text(reading, *atom), n: *n })
            .collect();
        let cut = reading
            .cut
            .iter()
            .filter_map(|(lane, state)| {
                let sequence = state.sequence.as_ref()?.as_str().to_owned();
                // What came from no stream arrived at no time.
                let at = (state.at > 0).then(|| time(state.at));
                Some((lane.to_string(), CutDoc { sequence, at, records: state.records }))
            })
            .collect();
        let logic = &reading.logic;
        let estimated = reading.distinct.as_ref().zip(logic.definition.distinct.as_ref());
        Self {
            name: logic.id.definition.to_string(),
            table: logic.definition.table.to_string(),
            version: logic.id.number,
            total: reading.total,
            exact: reading.is_exact(),
            uncertain: reading.uncertain,
            doubts,
            overflow: reading.overflow,
            missing,
            by_delta: reading.by_delta,
            groups: Vec::new(),
            cut,
            distinct_of: estimated.map(|(_, path)| path.to_string()),
            distinct: estimated.map(|(distinct, _)| distinct.total.n),
            distinct_error: estimated.map(|(distinct, _)| distinct.total.error),
            overflow_distinct: estimated.map(|(distinct, _)| distinct.overflow.n),
        }
    }
}

impl GroupDoc {
    /// One group of a reading.
    #[must_use]
    pub fn of(reading: &Reading, key: &evercount_core::group::GroupKey, n: i64) -> Self {
        let estimate: Option<&Estimate> =
            reading.distinct.as_ref().and_then(|distinct| distinct.groups.get(key));
        Self {
            key: group_json(key),
            n,
            distinct: estimate.map(|estimate| estimate.n),
            distinct_error: estimate.map(|estimate| estimate.error),
        }
    }
}

/// An atom of the condition, by its number.
#[must_use]
pub fn atom_text(reading: &Reading, number: u16) -> String {
    let atoms = reading.logic.definition.filter.as_ref().map(|filter| filter.atoms()).unwrap_or_default();
    atoms
        .get(usize::from(number))
        .map_or_else(|| number.to_string(), |atom| evercount_wire::predicate::atom_text(atom))
}
