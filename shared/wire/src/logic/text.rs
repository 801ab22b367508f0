//! Migration steps in words.

use evercount_core::migration::{Action, Conversion, Step};

use crate::group::value_json;

/// A step in one sentence: `status` is read as `state`.
#[must_use]
pub fn step_text(step: &Step) -> String {
    let what = match &step.action {
        Action::Rename { from, to } => format!("`{from}` is read as `{to}`"),
        Action::Drop { path } => format!("`{path}` is left out"),
        Action::Default { path, value } => {
            format!("`{path}` is {} where it is missing", value_json(value))
        }
        Action::FillNull { path, value } => format!("`{path}` is {} where it is NULL", value_json(value)),
        Action::Convert { path, conversion } => {
            let form = conversion_text(*conversion);
            format!("`{path}` is read as {form}")
        }
    };
    let until = step.until.as_ref().map_or("", |_| ", in images from before the change");
    format!("{what}{until}")
}

/// The form that a conversion gives a value.
#[must_use]
pub(crate) fn conversion_text(conversion: Conversion) -> String {
    let cut = |max_length: Option<u64>, unit: &str| {
        max_length.map(|limit| format!(" of at most {limit} {unit}")).unwrap_or_default()
    };
    match conversion {
        Conversion::ToText { max_length } => format!("text{}", cut(max_length, "characters")),
        Conversion::ToBinary { max_length } => format!("bytes{}", cut(max_length, "bytes")),
        Conversion::ToNumber { scale: Some(scale) } => {
            format!("a number of at most {scale} digits after the point")
        }
        Conversion::ToNumber { scale: None } => "a number".to_owned(),
        Conversion::ToBool => "a boolean".to_owned(),
    }
}
