//! The stored form of migration steps.
//!
//! ```json
//! [{"action": {"rename": {"from": "status", "to": "state"}}, "until": "0000020000000300…"},
//!  {"action": {"convert": {"path": "zip", "to": {"to_text": {"max_length": 10}}}}}]
//! ```
//!
//! Values stand in DynamoDB JSON, as in predicates; `until` is an order version in hexadecimal
//! digits, which sort as versions do.

use evercount_core::migration::{Action, Conversion, Step};
use evercount_core::order::OrderVersion;
use evercount_core::path::Path;
use serde::{Deserialize, Serialize};

use crate::predicate::{LiteralJson, from_hex, to_hex};

/// One step.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepJson {
    action: ActionJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// What a step does.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionJson {
    Rename(RenameJson),
    Drop(String),
    Default(ValueJson),
    FillNull(ValueJson),
    Convert(ConvertJson),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenameJson {
    pub(crate) from: String,
    pub(crate) to: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValueJson {
    path: String,
    value: LiteralJson,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConvertJson {
    path: String,
    to: ConversionJson,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum ConversionJson {
    #[serde(rename = "to_text")]
    Text(LengthJson),
    #[serde(rename = "to_binary")]
    Binary(LengthJson),
    #[serde(rename = "to_number")]
    Number(ScaleJson),
    #[serde(rename = "to_bool")]
    Bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LengthJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_length: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScaleJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scale: Option<u16>,
}

impl RenameJson {
    /// The names before and after.
    pub(crate) fn paths(&self) -> Result<(Path, Path), String> {
        Ok((path(&self.from)?, path(&self.to)?))
    }
}

impl From<&Step> for StepJson {
    fn from(step: &Step) -> Self {
        Self { action: (&step.action).into(), until: step.until.as_ref().map(order_text) }
    }
}

impl TryFrom<StepJson> for Step {
    type Error = String;

    fn try_from(step: StepJson) -> Result<Self, String> {
        let until = step.until.as_deref().map(order).transpose()?;
        Ok(Self { action: step.action.try_into()?, until })
    }
}

impl From<&Action> for ActionJson {
    fn from(action: &Action) -> Self {
        let with = |path: &Path, value| ValueJson { path: path.to_string(), value };
        match action {
            Action::Rename { from, to } => {
                Self::Rename(RenameJson { from: from.to_string(), to: to.to_string() })
            }
            Action::Drop { path } => Self::Drop(path.to_string()),
            Action::Default { path, value } => Self::Default(with(path, value.into())),
            Action::FillNull { path, value } => Self::FillNull(with(path, value.into())),
            Action::Convert { path, conversion } => {
                Self::Convert(ConvertJson { path: path.to_string(), to: (*conversion).into() })
            }
        }
    }
}

impl TryFrom<ActionJson> for Action {
    type Error = String;

    fn try_from(action: ActionJson) -> Result<Self, String> {
        Ok(match action {
            ActionJson::Rename(rename) => {
                let (from, to) = rename.paths()?;
                Self::Rename { from, to }
            }
            ActionJson::Drop(text) => Self::Drop { path: path(&text)? },
            ActionJson::Default(with) => {
                Self::Default { path: path(&with.path)?, value: with.value.try_into()? }
            }
            ActionJson::FillNull(with) => {
                Self::FillNull { path: path(&with.path)?, value: with.value.try_into()? }
            }
            ActionJson::Convert(convert) => {
                Self::Convert { path: path(&convert.path)?, conversion: convert.to.into() }
            }
        })
    }
}

impl From<Conversion> for ConversionJson {
    fn from(conversion: Conversion) -> Self {
        match conversion {
            Conversion::ToText { max_length } => Self::Text(LengthJson { max_length }),
            Conversion::ToBinary { max_length } => Self::Binary(LengthJson { max_length }),
            Conversion::ToNumber { scale } => Self::Number(ScaleJson { scale }),
            Conversion::ToBool => Self::Bool,
        }
    }
}

impl From<ConversionJson> for Conversion {
    fn from(conversion: ConversionJson) -> Self {
        match conversion {
            ConversionJson::Text(LengthJson { max_length }) => Self::ToText { max_length },
            ConversionJson::Binary(LengthJson { max_length }) => Self::ToBinary { max_length },
            ConversionJson::Number(ScaleJson { scale }) => Self::ToNumber { scale },
            ConversionJson::Bool => Self::ToBool,
        }
    }
}

/// Steps, oldest first.
pub(crate) fn steps_json(steps: &[Step]) -> Vec<StepJson> {
    steps.iter().map(StepJson::from).collect()
}

/// Reads steps.
pub(crate) fn steps(stored: Vec<StepJson>) -> Result<Vec<Step>, String> {
    stored.into_iter().map(Step::try_from).collect()
}

/// Reads a path.
pub(crate) fn path(text: &str) -> Result<Path, String> {
    Path::parse(text).map_err(|error| format!("path `{text}` {error}"))
}

/// Reads paths.
pub(crate) fn paths(texts: &[String]) -> Result<Vec<Path>, String> {
    texts.iter().map(|text| path(text)).collect()
}

/// The texts of paths.
pub(crate) fn path_texts(paths: &[Path]) -> Vec<String> {
    paths.iter().map(Path::to_string).collect()
}

/// An order version as text that sorts as it does.
pub(crate) fn order_text(version: &OrderVersion) -> String {
    to_hex(version.as_bytes())
}

/// Reads an order version.
pub(crate) fn order(text: &str) -> Result<OrderVersion, String> {
    from_hex(text)
        .and_then(|bytes| OrderVersion::from_bytes(&bytes))
        .ok_or_else(|| format!("`{text}` is not an order version in hexadecimal digits"))
}
