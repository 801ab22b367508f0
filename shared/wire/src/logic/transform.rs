//! The stored form of a transform.
//!
//! ```json
//! {"actions": [{"rename": {"from": "status", "to": "state"}}],
//!  "keep": {"compare": {"left": {"path": "state"}, "op": "=", "right": {"literal": {"S": "ACTIVE"}}}},
//!  "group_by": ["state"], "atoms": [0, null]}
//! ```

use evercount_core::migration::Action;
use evercount_core::transform::Transform;
use serde::{Deserialize, Serialize};

use super::migration::{ActionJson, path_texts, paths};
use crate::predicate::{condition_from_json, to_json};

/// A transform.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransformJson {
    actions: Vec<ActionJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep: Option<serde_json::Value>,
    group_by: Vec<String>,
    atoms: Vec<Option<u16>>,
}

impl From<&Transform> for TransformJson {
    fn from(transform: &Transform) -> Self {
        Self {
            actions: transform.actions.iter().map(ActionJson::from).collect(),
            keep: transform.keep.as_ref().map(to_json),
            group_by: path_texts(&transform.group_by),
            atoms: transform.atoms.clone(),
        }
    }
}

impl TryFrom<TransformJson> for Transform {
    type Error = String;

    fn try_from(stored: TransformJson) -> Result<Self, String> {
        let keep = stored.keep.as_ref().map(condition_from_json).transpose();
        Ok(Self {
            actions: stored.actions.into_iter().map(Action::try_from).collect::<Result<_, _>>()?,
            keep: keep.map_err(|error| error.to_string())?,
            group_by: paths(&stored.group_by)?,
            atoms: stored.atoms,
        })
    }
}
