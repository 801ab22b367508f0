//! The stored form of a definition: the part of a logic version that says what is counted.

use evercount_core::definition::{CountDefinition, Headroom};
use serde::{Deserialize, Serialize};

use super::LogicJsonError;
use super::migration::{path_texts, paths};
use crate::definition::{distinct, group_by, groups_max, name, table};
use crate::predicate;

/// A definition.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DefinitionJson {
    name: String,
    table: String,
    group_by: Vec<String>,
    /// For people; never read back.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    filter_text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    predicate: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distinct: Option<String>,
    groups_max: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headroom: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    headroom_truth: bool,
}

/// The fields of [`DefinitionJson`].
pub(super) const FIELDS: [&str; 9] = [
    "name",
    "table",
    "group_by",
    "where",
    "predicate",
    "distinct",
    "groups_max",
    "headroom",
    "headroom_truth",
];

impl From<&CountDefinition> for DefinitionJson {
    fn from(definition: &CountDefinition) -> Self {
        Self {
            name: definition.name.to_string(),
            table: definition.table.to_string(),
            group_by: path_texts(&definition.group_by),
            filter_text: definition.filter.as_ref().map(predicate::to_text),
            predicate: definition.filter.as_ref().map(predicate::to_json),
            distinct: definition.distinct.as_ref().map(ToString::to_string),
            groups_max: definition.groups_max,
            headroom: path_texts(&definition.headroom.attributes),
            headroom_truth: definition.headroom.truth,
        }
    }
}

impl TryFrom<DefinitionJson> for CountDefinition {
    type Error = LogicJsonError;

    fn try_from(stored: DefinitionJson) -> Result<Self, LogicJsonError> {
        let name = name(&stored.name)?;
        if stored.predicate.is_none() && stored.filter_text.is_some() {
            return Err(LogicJsonError::Shape("it has a `where` and no `predicate`".to_owned()));
        }
        Ok(Self {
            name,
            table: table(&stored.table)?,
            group_by: group_by(&stored.group_by)?,
            filter: stored.predicate.as_ref().map(predicate::from_json).transpose()?,
            distinct: stored.distinct.as_deref().map(distinct).transpose()?,
            groups_max: groups_max(Some(stored.groups_max))?,
            // A plan may group by what was headroom before; that is no mistake here.
            headroom: Headroom {
                attributes: paths(&stored.headroom).map_err(LogicJsonError::Shape)?,
                truth: stored.headroom_truth,
            },
        })
    }
}
