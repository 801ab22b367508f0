//! The stored form of how plans are treated.

use std::collections::BTreeMap;

use evercount_core::adjustment::Class;
use evercount_core::adoption::{PlanPolicy, PolicyBook};
use evercount_core::change::TableName;
use evercount_core::verdict::Tolerance;
use serde::{Deserialize, Serialize};

use crate::adjustment::{finite, policy};

/// The format that is written.
pub const POLICY_FORMAT: u64 = 1;

/// Why a JSON value does not say how plans are treated.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PolicyJsonError {
    /// It was written by a later release.
    #[error("policies of format `{0}`, and this reader knows formats up to {POLICY_FORMAT}")]
    Format(String),
    /// Its fields are not those of its format.
    #[error("not stored policies: {0}")]
    Shape(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BookJson {
    format: u64,
    /// In microseconds, as `patience`.
    standby: i64,
    backfill_units_a_second: f64,
    tolerance: ToleranceJson,
    class: BTreeMap<String, String>,
    table: BTreeMap<String, TableJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToleranceJson {
    unexplained_max: u64,
    explained_share_max: f64,
    patience: i64,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TableJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    kind: BTreeMap<String, String>,
}

/// The stored form of how plans are treated.
#[must_use]
pub fn to_json(book: &PolicyBook) -> serde_json::Value {
    let name = |policy: &PlanPolicy| policy.name().to_owned();
    let mut table: BTreeMap<String, TableJson> = BTreeMap::new();
    for (of, policy) in &book.by_table {
        table.entry(of.to_string()).or_default().policy = Some(name(policy));
    }
    for ((of, kind), policy) in &book.by_kind {
        table.entry(of.to_string()).or_default().kind.insert(kind.clone(), name(policy));
    }
    let json = BookJson {
        format: POLICY_FORMAT,
        standby: book.standby,
        backfill_units_a_second: finite(book.backfill_units_a_second),
        tolerance: ToleranceJson {
            unexplained_max: book.tolerance.unexplained_max,
            explained_share_max: finite(book.tolerance.explained_share_max),
            patience: book.tolerance.patience,
        },
        class: book.by_class.iter().map(|(class, policy)| (class.name().to_owned(), name(policy))).collect(),
        table,
    };
    // Nothing of it can fail to be written: it has text keys and finite numbers.
    serde_json::to_value(json).unwrap_or_default()
}

/// Reads how plans are treated from the stored form.
///
/// # Errors
/// [`PolicyJsonError`] where the form is of a later format, or is not exactly that of its format.
pub fn from_json(json: &serde_json::Value) -> Result<PolicyBook, PolicyJsonError> {
    match json.get("format") {
        Some(format) if format.as_u64() == Some(POLICY_FORMAT) => {}
        Some(format) => return Err(PolicyJsonError::Format(format.to_string())),
        None => return Err(PolicyJsonError::Shape("it has no `format`".to_owned())),
    }
    let read = BookJson::deserialize(json).map_err(|error| error.to_string());
    read.and_then(book).map_err(PolicyJsonError::Shape)
}

fn book(read: BookJson) -> Result<PolicyBook, String> {
    let class = |(name, of): (String, String)| {
        let class = Class::ALL.into_iter().find(|(_, known)| *known == name);
        let (class, _) = class.ok_or_else(|| format!("unknown class `{name}`"))?;
        Ok((class, policy(&of)?))
    };
    let mut book = PolicyBook {
        by_kind: BTreeMap::new(),
        by_table: BTreeMap::new(),
        by_class: read.class.into_iter().map(class).collect::<Result<_, String>>()?,
        tolerance: Tolerance {
            unexplained_max: read.tolerance.unexplained_max,
            explained_share_max: read.tolerance.explained_share_max,
            patience: read.tolerance.patience,
        },
        standby: read.standby,
        backfill_units_a_second: read.backfill_units_a_second,
    };
    for (name, of_table) in read.table {
        let name = TableName::new(name);
        if let Some(of) = &of_table.policy {
            book.by_table.insert(name.clone(), policy(of)?);
        }
        for (kind, of) in of_table.kind {
            book.by_kind.insert((name.clone(), kind), policy(&of)?);
        }
    }
    Ok(book)
}
