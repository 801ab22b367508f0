//! Certificates: why a plan's new counts are right, or why nobody could tell without reading rows.

use std::collections::BTreeMap;

use evercount_core::adjustment::{AdjustmentPlan, Certificate};
use evercount_core::counting::Cells;
use evercount_core::definition::CountDefinition;
use evercount_core::group::{Cell, GroupKey};
use evercount_core::migration::{Action, Conversion};
use evercount_core::path::Path;
use evercount_core::transform::Transform;
use evercount_core::value::{Item, Value};
use evercount_wire::group::value_json;
use evercount_wire::predicate::to_text;
use serde::Serialize;
use utoipa::ToSchema;

/// A certificate. `kind` is `untouched`, `exact` (with `words`, `keep`, `group_by`), `witness` (with two
/// small tables that nobody could tell apart by their stored counts), or `undecided`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct CertificateDoc {
    /// What kind it is.
    pub kind: String,
    /// What the transform does, in sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<String>>,
    /// Which groups go on, as a condition; null where all do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub keep: Option<Option<String>>,
    /// What is grouped by from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by: Option<Vec<String>>,
    /// The rows of one table of a witness.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub one: Option<Vec<serde_json::Value>>,
    /// The rows of the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub other: Option<Vec<serde_json::Value>>,
}

impl From<&AdjustmentPlan> for CertificateDoc {
    fn from(plan: &AdjustmentPlan) -> Self {
        let rows =
            |rows: &[Item]| Some(rows.iter().map(|row| value_json(&Value::Map(row.clone()))).collect());
        let kind = |kind: &str| Self { kind: kind.to_owned(), ..Self::default() };
        match &plan.certificate {
            Certificate::Untouched => kind("untouched"),
            Certificate::Exact(transform) => Self {
                words: Some(transform.actions.iter().filter_map(action).collect()),
                keep: Some(transform.keep.as_ref().map(to_text)),
                group_by: Some(transform.group_by.iter().map(Path::to_string).collect()),
                ..kind("exact")
            },
            Certificate::Witness { one, other } => {
                Self { one: rows(one), other: rows(other), ..kind("witness") }
            }
            Certificate::Undecided => kind("undecided"),
        }
    }
}

/// Names that stand for no column: truths of conditions, and places between.
fn is_internal(path: &Path) -> bool {
    let name = path.column_name();
    ["where[", "was[", "renaming["].iter().any(|prefix| name.starts_with(prefix))
}

/// What an action does to groups, in a sentence; nothing where it is about what is counted beside.
#[must_use]
pub fn action(action: &Action) -> Option<String> {
    let (before, now) = action.paths();
    if is_internal(before) || is_internal(now) {
        return None;
    }
    Some(match action {
        Action::Rename { from, to } => format!("group {from}=x becomes {to}=x"),
        Action::Drop { path } => format!("groups that differ in {path} alone are added up"),
        Action::Default { path, value } => {
            format!("every group without {path} gets {path}={}", value_json(value))
        }
        Action::FillNull { path, value } => format!("group {path}=null becomes {path}={}", value_json(value)),
        Action::Convert { path, conversion } => {
            let alike =
                if conversion.is_injective() { "" } else { "; groups that become alike are added up" };
            format!("group {path}=x becomes {path}={}{alike}", converted(*conversion))
        }
    })
}

fn converted(conversion: Conversion) -> String {
    match conversion {
        Conversion::ToText { max_length: None } => "the text of x".to_owned(),
        Conversion::ToText { max_length: Some(most) } => {
            format!("the text of x, its first {most} characters")
        }
        Conversion::ToBinary { max_length: None } => "the bytes of x".to_owned(),
        Conversion::ToBinary { max_length: Some(most) } => format!("the bytes of x, the first {most}"),
        Conversion::ToNumber { scale: None } => "the number that x is".to_owned(),
        Conversion::ToNumber { scale: Some(0) } => "the whole number nearest to x".to_owned(),
        Conversion::ToNumber { scale: Some(digits) } => {
            format!("the number that x is, to {digits} digits after the point")
        }
        Conversion::ToBool => "true or false".to_owned(),
    }
}

/// Where groups go: from which, to which (`None` where they are no longer counted), how many items.
pub type Moves = BTreeMap<(GroupKey, Option<GroupKey>), i64>;

/// Where the groups of a parent's stored cells go, each as its definition shows it.
#[must_use]
pub fn moves(
    transform: &Transform,
    stored: &Cells,
    parent: &CountDefinition,
    child: &CountDefinition,
) -> Moves {
    let seen = |view: Option<Transform>, key: &GroupKey| match view {
        Some(view) => view.group(key),
        None => Some(key.clone()),
    };
    let mut moves = Moves::new();
    for (cell, n) in stored {
        let Cell::Group(key) = cell else { continue };
        let was = seen(parent.view(), key);
        let becomes = transform.group(key).and_then(|to| seen(child.view(), &to));
        // What was counted beside, and is still not shown, is nobody's business.
        if was.is_none() && becomes.is_none() {
            continue;
        }
        *moves.entry((was.unwrap_or_default(), becomes)).or_insert(0) += n;
    }
    moves.retain(|_, n| *n != 0);
    moves
}
