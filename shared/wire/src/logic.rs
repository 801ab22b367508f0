//! The stored form of a logic version.
//!
//! ```json
//! {"format": 1, "name": "active_orders", "number": 1, "state": "active", "table": "orders",
//!  "group_by": ["address.country"], "where": "status = 'ACTIVE'",
//!  "predicate": {"compare": {"left": {"path": "status"}, "op": "=", "right": {"literal": {"S": "ACTIVE"}}}},
//!  "groups_max": 100000, "coverage": {"since": "2026-01-31T09:30:00Z"}, "created_at": "2026-01-31T09:30:00Z"}
//! ```
//!
//! `predicate` is what is counted; `where` is its text for people and is never read back, so an
//! edit of it changes nothing and a later grammar cannot reinterpret what is stored.
//!
//! What meets what, while functions and stored data are of different ages:
//!
//! | reader | data | outcome |
//! |---|---|---|
//! | old | of a newer format | refused by its `format`: a version that is not fully understood must not be counted |
//! | old | of its own format, with a field it does not know | refused: within one format the fields are fixed |
//! | new | of an older format | read: a reader keeps reading every format since 1, and a field added later gets a default here |
//! | new | written back | in the newest format; so a rollback of the code is safe until a version is written |

use evercount_core::definition::CountDefinition;
use evercount_core::logic::{Coverage, LogicId, LogicState, LogicVersion};
use evercount_core::order::Micros;
use evercount_core::path::Path;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definition::{PartError, distinct, group_by, groups_max, name, table};
use crate::predicate::{self, PredicateJsonError};

/// The format that is written.
pub const LOGIC_FORMAT: u64 = 1;

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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogicJson {
    format: u64,
    name: String,
    number: u32,
    state: String,
    table: String,
    group_by: Vec<String>,
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    filter_text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    predicate: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distinct: Option<String>,
    groups_max: u32,
    coverage: CoverageJson,
    created_at: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CoverageJson {
    Whole,
    Since(String),
}

/// The stored form of a logic version. Times beyond the year 9999 are written as its end.
#[must_use]
pub fn to_json(version: &LogicVersion) -> serde_json::Value {
    let definition = &version.definition;
    let state =
        LogicState::ALL.iter().find(|(state, _)| *state == version.state).map_or("", |(_, name)| name);
    let json = LogicJson {
        format: LOGIC_FORMAT,
        name: version.id.definition.to_string(),
        number: version.id.number,
        state: state.to_owned(),
        table: definition.table.to_string(),
        group_by: definition.group_by.iter().map(Path::to_string).collect(),
        filter_text: definition.filter.as_ref().map(predicate::to_text),
        predicate: definition.filter.as_ref().map(predicate::to_json),
        distinct: definition.distinct.as_ref().map(Path::to_string),
        groups_max: definition.groups_max,
        coverage: match version.coverage {
            Coverage::Whole => CoverageJson::Whole,
            Coverage::Since(at) => CoverageJson::Since(time_text(at)),
        },
        created_at: time_text(version.created_at),
    };
    // Nothing of it can fail to be written: it has text keys and no floats.
    serde_json::to_value(json).unwrap_or_default()
}

/// Reads a logic version from its stored form.
///
/// # Errors
/// [`LogicJsonError`] where the form is of a later format, or is not exactly that of its format,
/// or holds a definition that is not well-formed.
pub fn from_json(json: &serde_json::Value) -> Result<LogicVersion, LogicJsonError> {
    // The format comes first: what the other fields of a later one mean is not known here.
    match json.get("format") {
        Some(format) if format.as_u64() == Some(LOGIC_FORMAT) => {}
        Some(format) => return Err(LogicJsonError::Format(format.to_string())),
        None => return Err(LogicJsonError::Shape("it has no `format`".to_owned())),
    }
    let read = LogicJson::deserialize(json).map_err(|error| LogicJsonError::Shape(error.to_string()))?;
    let name = name(&read.name)?;
    let state = LogicState::ALL.into_iter().find(|(_, name)| *name == read.state).map(|(state, _)| state);
    if read.predicate.is_none() && read.filter_text.is_some() {
        return Err(LogicJsonError::Shape("it has a `where` and no `predicate`".to_owned()));
    }
    Ok(LogicVersion {
        id: LogicId { definition: name.clone(), number: read.number },
        state: state.ok_or_else(|| LogicJsonError::Shape(format!("unknown state `{}`", read.state)))?,
        definition: CountDefinition {
            name,
            table: table(&read.table)?,
            group_by: group_by(&read.group_by)?,
            filter: read.predicate.as_ref().map(predicate::from_json).transpose()?,
            distinct: read.distinct.as_deref().map(distinct).transpose()?,
            groups_max: groups_max(Some(read.groups_max))?,
        },
        coverage: match &read.coverage {
            CoverageJson::Whole => Coverage::Whole,
            CoverageJson::Since(text) => Coverage::Since(time(text)?),
        },
        created_at: time(&read.created_at)?,
    })
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
