//! The shadow schema: columns that a table is believed to get, and how far each has come.

use evercount_core::schema::Constraints;
use evercount_core::shadow::{PrefetchFrom, ShadowColumn, ShadowSchema};
use evercount_wire::group::value_json;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{plain, time};

/// A column of a shadow schema.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ShadowColumnDoc {
    /// Its name.
    pub column: String,
    /// The types that its values may have.
    #[serde(rename = "type")]
    pub typed: String,
    /// What items without a value of it read; absent where there is no default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Rules that its values keep, each in words.
    pub rules: Vec<String>,
    /// When the table is expected to have it; null where nobody says.
    #[schema(required)]
    pub expected_at: Option<String>,
    /// How likely it is that the table gets it, in [0, 1].
    pub p: f64,
    /// Where the belief comes from.
    pub because: String,
    /// Where values of it are fetched from ahead of time; null where nowhere.
    #[schema(required)]
    pub prefetch: Option<String>,
    /// How far it has come: `expected`, `arrived`, `moved` or `given up`.
    pub state: String,
    /// Since when; null of one that is expected.
    #[schema(required)]
    pub since: Option<String>,
}

impl ShadowColumnDoc {
    fn of(name: &str, column: &ShadowColumn) -> Self {
        Self {
            column: name.to_owned(),
            typed: column.types.to_string(),
            default: column.default.as_ref().map(value_json),
            rules: rules(&column.constraints),
            expected_at: column.expected_at.map(time),
            p: column.probability,
            because: column.source.clone(),
            prefetch: column.prefetch.as_ref().map(|prefetch| source(&prefetch.from)),
            state: column.state.name().to_owned(),
            since: column.state.since().map(time),
        }
    }
}

/// What a table is believed to get.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ShadowSchemaDoc {
    /// The table.
    pub table: String,
    /// When this was believed.
    pub at: String,
    /// Rises with every change.
    pub revision: u64,
    /// The columns, by name.
    pub columns: Vec<ShadowColumnDoc>,
}

impl From<&ShadowSchema> for ShadowSchemaDoc {
    fn from(schema: &ShadowSchema) -> Self {
        Self {
            table: schema.table.to_string(),
            at: time(schema.at),
            revision: schema.revision,
            columns: schema.columns.iter().map(|(name, column)| ShadowColumnDoc::of(name, column)).collect(),
        }
    }
}

fn source(from: &PrefetchFrom) -> String {
    match from {
        PrefetchFrom::Http { url, pointer } => format!("{url}{}", within(pointer)),
        PrefetchFrom::S3 { bucket, key, pointer } => format!("s3://{bucket}/{key}{}", within(pointer)),
        PrefetchFrom::Table { table, attribute } => format!("`{attribute}` of table `{table}`"),
    }
}

fn within(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!(" at {pointer}") }
}

/// Bounds on a field's values beyond its types, each in words.
#[must_use]
pub fn rules(of: &Constraints) -> Vec<String> {
    let Constraints { minimum, maximum, min_length, min_items, max_items, pattern, values, closed } = of;
    let mut told = Vec::new();
    told.extend(minimum.as_ref().map(|least| format!("at least {least}")));
    told.extend(maximum.as_ref().map(|most| format!("at most {most}")));
    told.extend(min_length.map(|least| format!("{least} characters or more")));
    told.extend(min_items.map(|least| format!("{least} elements or more")));
    told.extend(max_items.map(|most| format!("{most} elements or fewer")));
    told.extend(pattern.as_deref().map(|pattern| format!("matches {}", plain(pattern))));
    told.extend(values.as_ref().map(|values| {
        let values: Vec<String> = values.iter().map(plain).collect();
        format!("one of {}", values.join(", "))
    }));
    told.extend(closed.then(|| "no other attributes".to_owned()));
    told
}
