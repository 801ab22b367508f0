//! The stored form of an adjustment: a plan and what became of it.
//!
//! ```json
//! {"format": 1, "plan": {"id": "9a3e…", "definition": "active_orders", "table": "orders", "from": 1,
//!    "cause": {"schema": {"event": "4b0c…", "changes": [{"change": "rename_column", …}],
//!                         "position": "0000…", "at": "2026-01-31T09:30:00Z"}},
//!    "class": "A1", "update": {"definition": {…}, "migration": […], "start": {"image": {…}}},
//!    "certificate": {"exact": {…}}, "affected": "none", "estimate": {…}, "relation": "mapped",
//!    "minimum": {"census": true, "changes": 0}, "sentence": "…"},
//!  "policy": "auto", "outcome": "watching", "to": 2, "report": {…}, "progress": {…},
//!  "actual": {…}, "created_at": "2026-01-31T09:30:00Z", "updated_at": "…", "revision": 3}
//! ```
//!
//! Definitions, steps and transforms stand as in [`crate::logic`], schema changes as in
//! [`crate::schema_event`], values in DynamoDB JSON, groups by the names their cells are stored
//! under, and lengths of time in microseconds. As with logic versions, the fields of a format are
//! fixed: a reader refuses what it does not fully understand, because whoever rewrites an
//! adjustment would forget it.

mod plan;
mod report;

use evercount_core::adoption::{Adjustment, PlanOutcome, PlanPolicy};
use evercount_core::backfill::Allowance;
use evercount_core::order::Micros;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::plan::PlanJson;
use self::report::{ProgressJson, ReportJson};

pub(crate) use self::plan::CostJson;

/// The format that is written.
pub const ADJUSTMENT_FORMAT: u64 = 1;

/// The format while the source is being read, with where each segment stands: releases that read one
/// segment after the other must not go on with it.
pub const SEGMENTED_FORMAT: u64 = 2;

/// Why a JSON value is not an adjustment.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AdjustmentJsonError {
    /// It was written by a later release.
    #[error("an adjustment of format `{0}`, and this reader knows formats up to {SEGMENTED_FORMAT}")]
    Format(String),
    /// Its fields are not those of its format.
    #[error("not a stored adjustment: {0}")]
    Shape(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdjustmentJson {
    format: u64,
    plan: PlanJson,
    policy: String,
    outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<u32>,
    report: ReportJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verdict: Option<String>,
    progress: ProgressJson,
    actual: CostJson,
    created_at: String,
    updated_at: String,
    #[serde(default)]
    mismatches: u32,
    revision: u32,
}

/// The stored form of an adjustment.
#[must_use]
pub fn to_json(adjustment: &Adjustment) -> serde_json::Value {
    let progress = &adjustment.progress;
    let is_segmented = !progress.segments.is_empty() || progress.allowance != Allowance::default();
    let json = AdjustmentJson {
        format: if is_segmented { SEGMENTED_FORMAT } else { ADJUSTMENT_FORMAT },
        plan: (&adjustment.plan).into(),
        policy: adjustment.policy.name().to_owned(),
        outcome: adjustment.outcome.name().to_owned(),
        to: adjustment.to,
        report: (&adjustment.report).into(),
        verdict: adjustment.verdict.clone(),
        progress: progress.into(),
        actual: adjustment.actual.into(),
        created_at: time_text(adjustment.created_at),
        updated_at: time_text(adjustment.updated_at),
        mismatches: adjustment.mismatches,
        revision: adjustment.revision,
    };
    // Nothing of it can fail to be written: it has text keys and finite numbers.
    serde_json::to_value(json).unwrap_or_default()
}

/// Reads an adjustment from its stored form.
///
/// # Errors
/// [`AdjustmentJsonError`] where the form is of a later format, or is not exactly that of its
/// format.
pub fn from_json(json: &serde_json::Value) -> Result<Adjustment, AdjustmentJsonError> {
    match json.get("format") {
        Some(format) if [ADJUSTMENT_FORMAT, SEGMENTED_FORMAT].map(Some).contains(&format.as_u64()) => {}
        Some(format) => return Err(AdjustmentJsonError::Format(format.to_string())),
        None => return Err(AdjustmentJsonError::Shape("it has no `format`".to_owned())),
    }
    let read = AdjustmentJson::deserialize(json).map_err(|error| error.to_string());
    read.and_then(adjustment).map_err(AdjustmentJsonError::Shape)
}

fn adjustment(read: AdjustmentJson) -> Result<Adjustment, String> {
    Ok(Adjustment {
        plan: read.plan.try_into()?,
        policy: policy(&read.policy)?,
        outcome: named(&PlanOutcome::ALL, "outcome", &read.outcome)?,
        to: read.to,
        report: read.report.try_into()?,
        verdict: read.verdict,
        progress: read.progress.try_into()?,
        actual: read.actual.into(),
        mismatches: read.mismatches,
        created_at: time(&read.created_at)?,
        updated_at: time(&read.updated_at)?,
        revision: read.revision,
    })
}

/// The policy of a name.
pub(crate) fn policy(name: &str) -> Result<PlanPolicy, String> {
    named(&PlanPolicy::ALL, "policy", name)
}

/// The one of several that has a name.
fn named<T: Copy>(all: &[(T, &'static str)], what: &str, name: &str) -> Result<T, String> {
    let found = all.iter().find(|(_, known)| *known == name).map(|(one, _)| *one);
    found.ok_or_else(|| format!("unknown {what} `{name}`"))
}

/// A time as ISO text; one that the calendar does not reach as its microseconds.
fn time_text(at: Micros) -> String {
    Timestamp::from_microsecond(at).map_or_else(|_| at.to_string(), |time| time.to_string())
}

fn time(text: &str) -> Result<Micros, String> {
    let read = text.parse::<Timestamp>().map(Timestamp::as_microsecond).ok();
    read.or_else(|| text.parse().ok())
        .ok_or_else(|| format!("`{text}` is not a time such as `2026-01-31T09:30:00Z`"))
}

/// A number that JSON has.
pub(crate) fn finite(number: f64) -> f64 {
    if number.is_nan() { 0.0 } else { number.clamp(f64::MIN, f64::MAX) }
}
