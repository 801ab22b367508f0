//! The stored form of a logic version.
//!
//! ```json
//! {"format": 2, "name": "active_orders", "number": 2, "state": "shadow", "table": "orders",
//!  "group_by": ["address.country"], "where": "state = 'ACTIVE'",
//!  "predicate": {"compare": {"left": {"path": "state"}, "op": "=", "right": {"literal": {"S": "ACTIVE"}}}},
//!  "groups_max": 100000, "coverage": {"since": "2026-01-31T09:30:00Z"}, "created_at": "2026-01-31T09:30:00Z",
//!  "base": {"derived": {"parent": 1, "transform": {"actions": [], "group_by": ["address.country"], "atoms": [0]}}},
//!  "migration": [{"action": {"rename": {"from": "status", "to": "state"}}}], "relation": "mapped",
//!  "parent": 1, "plan": "9a3e…", "epoch": 0, "state_since": "2026-01-31T09:30:00Z"}
//! ```
//!
//! `predicate` is what is counted; `where` is its text for people and is never read back, so an
//! edit of it changes nothing and a later grammar cannot reinterpret what is stored.
//!
//! | format | adds | in an older format |
//! |---|---|---|
//! | 1 | what a version counts, its state and coverage | |
//! | 2 | `headroom`, `headroom_truth` | no headroom |
//! | | `base`: `"own"`, or derived from `parent` by `transform` | own |
//! | | `migration`, `earlier_tables`, `suspended`, `waits_for` (each may be left out where it is empty) | empty |
//! | | `relation`, `parent`, `plan` | unrelated, none, none |
//! | | `epoch`, `state_since` | 0, `created_at` |
//!
//! What meets what, while functions and stored data are of different ages:
//!
//! | reader | data | outcome |
//! |---|---|---|
//! | old | of a newer format | refused by its `format`: a version that is not fully understood must not be counted |
//! | old | of its own format, with a field it does not know | refused: within one format the fields are fixed |
//! | new | of an older format | read: a reader keeps reading every format since 1, and a field added later gets the default of the table above |
//! | new | of an older format, with a field of a later one | refused: no release wrote that |
//! | new | written back | in the newest format; so a rollback of the code is safe until a version is written |

pub(crate) mod definition;
pub(crate) mod migration;
pub(crate) mod text;
pub(crate) mod transform;

pub use self::text::step_text;

use evercount_core::change::TableName;
use evercount_core::definition::CountDefinition;
use evercount_core::logic::{Base, Coverage, LogicId, LogicState, LogicVersion, PlanId, Relation};
use evercount_core::order::Micros;
use evercount_core::path::Path;
use evercount_core::transform::Transform;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::definition::DefinitionJson;
use self::migration::{StepJson, path, steps, steps_json};
use self::transform::TransformJson;
use crate::definition::PartError;
use crate::predicate::PredicateJsonError;

/// The format that is written.
pub const LOGIC_FORMAT: u64 = 2;

/// Why a JSON value is not a logic version.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogicJsonError {
    /// It was written by a later release. Counting waits until this release is replaced: leaving the
    /// version out would silently miss changes.
    #[error("logic of format `{0}`, and this reader knows formats up to {LOGIC_FORMAT}")]
    Format(String),
    /// Its fields are not those of its format.
    #[error("not a stored logic version: {0}")]
    Shape(String),
    /// A part of the definition is not well-formed.
    #[error("not a stored logic version: `{part}`: {message}")]
    Part {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// Its predicate cannot be read.
    #[error(transparent)]
    Predicate(#[from] PredicateJsonError),
}

impl From<PartError> for LogicJsonError {
    fn from(error: PartError) -> Self {
        Self::Part { part: error.part.key(), message: error.message }
    }
}

/// What a logic version has besides its definition.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogicJson {
    format: u64,
    number: u32,
    state: String,
    coverage: CoverageJson,
    created_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<BaseJson>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    migration: Vec<StepJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    relation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier_tables: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    suspended: Vec<SuspendedJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state_since: Option<String>,
}

/// Fields that format 1 does not have.
const SINCE_FORMAT_2: [&str; 12] = [
    "headroom",
    "headroom_truth",
    "base",
    "migration",
    "relation",
    "parent",
    "plan",
    "earlier_tables",
    "suspended",
    "waits_for",
    "epoch",
    "state_since",
];

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CoverageJson {
    Whole,
    Since(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BaseJson {
    Own,
    Derived(DerivedJson),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DerivedJson {
    parent: u32,
    transform: TransformJson,
}

/// A grouping attribute whose column is gone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuspendedJson {
    place: usize,
    path: String,
}

/// The stored form of a logic version. Times beyond the year 9999 are written as its end.
#[must_use]
pub fn to_json(version: &LogicVersion) -> serde_json::Value {
    let state =
        LogicState::ALL.iter().find(|(state, _)| *state == version.state).map_or("", |(_, name)| name);
    let json = LogicJson {
        format: LOGIC_FORMAT,
        number: version.id.number,
        state: state.to_owned(),
        coverage: match version.coverage {
            Coverage::Whole => CoverageJson::Whole,
            Coverage::Since(at) => CoverageJson::Since(time_text(at)),
        },
        created_at: time_text(version.created_at),
        base: Some(match &version.base {
            Base::Own => BaseJson::Own,
            Base::Derived { parent, transform } => {
                BaseJson::Derived(DerivedJson { parent: *parent, transform: transform.into() })
            }
        }),
        migration: steps_json(&version.migration),
        relation: Some(relation_name(version.relation).to_owned()),
        parent: version.parent,
        plan: version.plan.as_ref().map(PlanId::to_string),
        earlier_tables: version.earlier_tables.iter().map(TableName::to_string).collect(),
        suspended: suspended_json(&version.suspended),
        waits_for: version.waits_for.as_ref().map(ToString::to_string),
        epoch: Some(version.epoch),
        state_since: Some(time_text(version.state_since)),
    };
    // Nothing of it can fail to be written: it has text keys and no floats.
    let mut whole = serde_json::to_value(DefinitionJson::from(&version.definition)).unwrap_or_default();
    if let (Some(whole), Ok(serde_json::Value::Object(rest))) =
        (whole.as_object_mut(), serde_json::to_value(json))
    {
        whole.extend(rest);
    }
    whole
}

/// Reads a logic version from its stored form.
///
/// # Errors
/// [`LogicJsonError`] where the form is of a later format, or is not exactly that of its format,
/// or holds a definition that is not well-formed.
pub fn from_json(json: &serde_json::Value) -> Result<LogicVersion, LogicJsonError> {
    let shape = |what: String| LogicJsonError::Shape(what);
    // The format comes first: what the other fields of a later one mean is not known here.
    let format = match json.get("format") {
        Some(format) => match format.as_u64() {
            Some(known @ 1..=LOGIC_FORMAT) => known,
            _ => return Err(LogicJsonError::Format(format.to_string())),
        },
        None => return Err(shape("it has no `format`".to_owned())),
    };
    let (definition, rest): (serde_json::Map<_, _>, serde_json::Map<_, _>) = json
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone()))
        .partition(|(name, _)| definition::FIELDS.contains(&name.as_str()));
    if format == 1
        && let Some(later) = SINCE_FORMAT_2.iter().find(|name| json.get(name).is_some())
    {
        return Err(shape(format!("format 1 has no `{later}`")));
    }
    let read = LogicJson::deserialize(serde_json::Value::Object(rest));
    let read = read.map_err(|error| shape(error.to_string()))?;
    let definition = DefinitionJson::deserialize(serde_json::Value::Object(definition));
    let definition = CountDefinition::try_from(definition.map_err(|error| shape(error.to_string()))?)?;
    let state = LogicState::ALL.into_iter().find(|(_, name)| *name == read.state).map(|(state, _)| state);
    let state = state.ok_or_else(|| shape(format!("unknown state `{}`", read.state)))?;
    let coverage = match &read.coverage {
        CoverageJson::Whole => Coverage::Whole,
        CoverageJson::Since(text) => Coverage::Since(time(text)?),
    };
    let first = LogicVersion::new(read.number, definition, state, coverage, time(&read.created_at)?);
    if format == 1 {
        return Ok(first);
    }
    let missing = |name: &str| shape(format!("it has no `{name}`"));
    let base = match read.base.ok_or_else(|| missing("base"))? {
        BaseJson::Own => Base::Own,
        // A chain of versions must end, and whoever walks it goes by the numbers.
        BaseJson::Derived(derived) if derived.parent >= read.number => {
            return Err(shape(format!("version {} is derived from version {}", read.number, derived.parent)));
        }
        BaseJson::Derived(DerivedJson { parent, transform }) => {
            Base::Derived { parent, transform: Transform::try_from(transform).map_err(shape)? }
        }
    };
    Ok(LogicVersion {
        base,
        migration: steps(read.migration).map_err(shape)?,
        relation: relation(&read.relation.ok_or_else(|| missing("relation"))?).map_err(shape)?,
        parent: read.parent,
        plan: read.plan.map(PlanId::new),
        earlier_tables: read.earlier_tables.iter().map(TableName::new).collect(),
        suspended: suspended(read.suspended).map_err(shape)?,
        waits_for: read.waits_for.map(PlanId::new),
        epoch: read.epoch.ok_or_else(|| missing("epoch"))?,
        state_since: time(&read.state_since.ok_or_else(|| missing("state_since"))?)?,
        ..first
    })
}

/// Whether a version reads back as itself: what is stored and cannot be read stops all counting.
///
/// # Errors
/// What of it cannot be stored.
pub fn check(version: &LogicVersion) -> Result<(), LogicJsonError> {
    let back = from_json(&to_json(version))?;
    let LogicId { definition, number } = &back.id;
    if *definition != version.id.definition || *number != version.id.number {
        return Err(LogicJsonError::Shape(format!("`{}` is a version of `{}`", version.id, definition)));
    }
    Ok(())
}

pub(crate) fn relation_name(relation: Relation) -> &'static str {
    Relation::ALL.iter().find(|(one, _)| *one == relation).map_or("", |(_, name)| name)
}

pub(crate) fn relation(name: &str) -> Result<Relation, String> {
    let found = Relation::ALL.into_iter().find(|(_, known)| *known == name);
    found.map(|(relation, _)| relation).ok_or_else(|| format!("unknown relation `{name}`"))
}

pub(crate) fn suspended_json(suspended: &[(usize, Path)]) -> Vec<SuspendedJson> {
    suspended.iter().map(|(place, path)| SuspendedJson { place: *place, path: path.to_string() }).collect()
}

pub(crate) fn suspended(stored: Vec<SuspendedJson>) -> Result<Vec<(usize, Path)>, String> {
    stored.into_iter().map(|one| Ok((one.place, path(&one.path)?))).collect()
}

fn time_text(at: Micros) -> String {
    let bound = if at < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(at).unwrap_or(bound).to_string()
}

fn time(text: &str) -> Result<Micros, LogicJsonError> {
    let time: Timestamp = text.parse().map_err(|_| {
        LogicJsonError::Shape(format!("`{text}` is not a time such as `2026-01-31T09:30:00Z`"))
    })?;
    Ok(time.as_microsecond())
}
