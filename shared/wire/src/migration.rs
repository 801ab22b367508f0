//! The written form of migration functions: a file of TOML that a person keeps, and JSON.
//!
//! ```toml
//! table = "orders"
//! from = 3
//! to = 4
//!
//! [[function]]
//! split = { path = "name", separator = " ", into = ["first", "last"] }
//!
//! [[function]]
//! add = { path = "tier", default = { S = "tin" } }
//!
//! [[function]]
//! retype = { path = "zip", from = "number", to = { to_text = {} }, on_loss = "refuse" }
//! ```
//!
//! Values stand in DynamoDB JSON, as everywhere. In JSON a function is the same with colons and
//! braces. A field that is not known is refused: half of a migration must not be applied.

use std::collections::BTreeMap;

use evercount_core::change::TableName;
use evercount_core::function::FunctionId;
use evercount_core::migration::function::{MigrationFunction, OnLoss, Scalar};
use evercount_core::migration::graph::Migration;
use evercount_core::value::Value;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::definition::DefinitionError;
use crate::group::value_json;
use crate::logic::migration::{ConversionJson, RenameJson, path, path_texts, paths};
use crate::logic::text::conversion_text;
use crate::predicate::LiteralJson;
use crate::toml_file::File;

/// A migration as a person keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MigrationFile {
    /// The table whose schema versions it is between; `None` where it is only applied to items.
    pub table: Option<TableName>,
    /// The migration; from 0 to 0 where the file names no versions.
    pub migration: Migration,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FunctionJson {
    Add(DefaultJson),
    Drop(PathJson),
    Rename(RenameJson),
    Retype(RetypeJson),
    Split(PartsJson),
    Merge(MergeJson),
    Nest(NestJson),
    Flatten(FlattenJson),
    Wrap(PathJson),
    Unwrap(PathJson),
    MapValues(MapJson),
    Custom(CustomJson),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathJson {
    path: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultJson {
    path: String,
    default: LiteralJson,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetypeJson {
    path: String,
    from: String,
    to: ConversionJson,
    #[serde(default)]
    on_loss: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartsJson {
    path: String,
    separator: String,
    into: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MergeJson {
    paths: Vec<String>,
    separator: String,
    into: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NestJson {
    names: Vec<String>,
    into: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlattenJson {
    path: String,
    names: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MapJson {
    path: String,
    values: Vec<PairJson>,
    #[serde(default)]
    only_these: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PairJson {
    from: LiteralJson,
    to: LiteralJson,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomJson {
    function: String,
    columns: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inverse: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileToml {
    #[serde(default)]
    table: Option<String>,
    #[serde(default)]
    from: u32,
    #[serde(default)]
    to: u32,
    function: Vec<Spanned<FunctionJson>>,
}

impl From<&MigrationFunction> for FunctionJson {
    fn from(function: &MigrationFunction) -> Self {
        use MigrationFunction as F;
        match function {
            F::Add { path, default } => {
                Self::Add(DefaultJson { path: path.to_string(), default: default.into() })
            }
            F::Drop { path } => Self::Drop(PathJson { path: path.to_string() }),
            F::Rename { from, to } => Self::Rename(RenameJson { from: from.to_string(), to: to.to_string() }),
            F::Retype { path, from, conversion, on_loss } => Self::Retype(RetypeJson {
                path: path.to_string(),
                from: from.name().to_owned(),
                to: (*conversion).into(),
                on_loss: Some(on_loss.name().to_owned()),
            }),
            F::Split { path, separator, into } => Self::Split(PartsJson {
                path: path.to_string(),
                separator: separator.clone(),
                into: path_texts(into),
            }),
            F::Merge { paths, separator, into } => Self::Merge(MergeJson {
                paths: path_texts(paths),
                separator: separator.clone(),
                into: into.to_string(),
            }),
            F::Nest { names, into } => Self::Nest(NestJson { names: names.clone(), into: into.to_string() }),
            F::Flatten { path, names } => {
                Self::Flatten(FlattenJson { path: path.to_string(), names: names.clone() })
            }
            F::Wrap { path } => Self::Wrap(PathJson { path: path.to_string() }),
            F::Unwrap { path } => Self::Unwrap(PathJson { path: path.to_string() }),
            F::MapValues { path, values, only_these } => Self::MapValues(MapJson {
                path: path.to_string(),
                values: values
                    .iter()
                    .map(|(from, to)| PairJson { from: from.into(), to: to.into() })
                    .collect(),
                only_these: *only_these,
            }),
            F::Custom { function, columns, inverse } => Self::Custom(CustomJson {
                function: function.to_string(),
                columns: columns.clone(),
                inverse: inverse.map(|inverse| inverse.to_string()),
            }),
        }
    }
}

impl TryFrom<FunctionJson> for MigrationFunction {
    type Error = String;

    fn try_from(json: FunctionJson) -> Result<Self, String> {
        let function = match json {
            FunctionJson::Add(one) => Self::Add { path: path(&one.path)?, default: one.default.try_into()? },
            FunctionJson::Drop(one) => Self::Drop { path: path(&one.path)? },
            FunctionJson::Rename(one) => {
                let (from, to) = one.paths()?;
                Self::Rename { from, to }
            }
            FunctionJson::Retype(one) => Self::Retype {
                path: path(&one.path)?,
                from: named("a kind of value", &Scalar::ALL, &one.from)?,
                conversion: one.to.into(),
                on_loss: match one.on_loss.as_deref() {
                    Some(name) => named("what becomes of a value", &OnLoss::ALL, name)?,
                    None => OnLoss::default(),
                },
            },
            FunctionJson::Split(one) => {
                Self::Split { path: path(&one.path)?, separator: one.separator, into: paths(&one.into)? }
            }
            FunctionJson::Merge(one) => {
                Self::Merge { paths: paths(&one.paths)?, separator: one.separator, into: path(&one.into)? }
            }
            FunctionJson::Nest(one) => Self::Nest { names: one.names, into: path(&one.into)? },
            FunctionJson::Flatten(one) => Self::Flatten { path: path(&one.path)?, names: one.names },
            FunctionJson::Wrap(one) => Self::Wrap { path: path(&one.path)? },
            FunctionJson::Unwrap(one) => Self::Unwrap { path: path(&one.path)? },
            FunctionJson::MapValues(one) => Self::MapValues {
                path: path(&one.path)?,
                values: pairs(one.values)?,
                only_these: one.only_these,
            },
            FunctionJson::Custom(one) => Self::Custom {
                function: function_id(&one.function)?,
                columns: one.columns,
                inverse: one.inverse.as_deref().map(function_id).transpose()?,
            },
        };
        function.validate().map_err(|why| format!("`{}`: {why}", function.name()))?;
        Ok(function)
    }
}

fn function_id(text: &str) -> Result<FunctionId, String> {
    FunctionId::parse(text).ok_or_else(|| {
        format!("`{text}` is no function's id, 64 hexadecimal digits as `function list` prints it")
    })
}

fn named<T: Copy>(what: &str, all: &[(T, &str)], name: &str) -> Result<T, String> {
    let known = all.iter().find(|(_, known)| *known == name).map(|(one, _)| *one);
    known.ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|(_, name)| format!("`{name}`")).collect();
        format!("`{name}` is not {what}: one of {}", names.join(", "))
    })
}

fn pairs(pairs: Vec<PairJson>) -> Result<BTreeMap<Value, Value>, String> {
    let mut values = BTreeMap::new();
    for PairJson { from, to } in pairs {
        if values.insert(from.try_into()?, to.try_into()?).is_some() {
            return Err("a value is mapped twice".to_owned());
        }
    }
    Ok(values)
}

const EXAMPLE: &str = "a file holds `[[function]]` tables, each with one of `add`, `drop`, `rename`, \
     `retype`, `split`, `merge`, `nest`, `flatten`, `wrap`, `unwrap`, `map_values` and `custom`; and \
     `table`, `from` and `to` where it leads from one schema version to another";

/// Reads a file.
///
/// # Errors
/// Points at the place of the first thing that is wrong.
pub fn from_toml(text: &str, source_name: &str) -> Result<MigrationFile, DefinitionError> {
    let file = File { text, source_name };
    let read: FileToml = toml::from_str(text).map_err(|error| {
        file.error(error.span().unwrap_or(0..text.len()), error.message().to_owned(), EXAMPLE)
    })?;
    let mut functions = Vec::with_capacity(read.function.len());
    for function in read.function {
        let span = function.span();
        let function = MigrationFunction::try_from(function.into_inner());
        functions.push(function.map_err(|why| file.error(span, why, EXAMPLE))?);
    }
    Ok(MigrationFile {
        table: read.table.map(TableName::new),
        migration: Migration { from: read.from, to: read.to, functions },
    })
}

/// A function as JSON.
#[must_use]
pub fn function_json(function: &MigrationFunction) -> serde_json::Value {
    // It holds texts, flags and numbers alone, of which JSON has all.
    serde_json::to_value(FunctionJson::from(function)).unwrap_or_default()
}

/// A function from its JSON.
///
/// # Errors
/// In a sentence, where it is none.
pub fn function_from_json(json: serde_json::Value) -> Result<MigrationFunction, String> {
    serde_json::from_value::<FunctionJson>(json).map_err(|error| error.to_string())?.try_into()
}

/// A function in one sentence: `status` becomes `state`.
#[must_use]
pub fn function_text(function: &MigrationFunction) -> String {
    use MigrationFunction as F;
    let quoted = |texts: &[String]| texts.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ");
    match function {
        F::Add { path, default } => format!("`{path}` is {} where it is missing", value_json(default)),
        F::Drop { path } => format!("`{path}` is dropped"),
        F::Rename { from, to } => format!("`{from}` becomes `{to}`"),
        F::Retype { path, from, conversion, on_loss } => {
            let lost = match on_loss {
                OnLoss::Refuse => "is refused",
                OnLoss::Null => "becomes NULL",
                OnLoss::Nearest => "becomes the nearest there is",
            };
            let form = conversion_text(*conversion);
            format!("`{path}` becomes {form} where it is a {}; what does not survive {lost}", from.name())
        }
        F::Split { path, separator, into } => {
            format!("`{path}` is split at {separator:?} into {}", quoted(&path_texts(into)))
        }
        F::Merge { paths, separator, into } => {
            format!("{} are merged into `{into}` with {separator:?} between", quoted(&path_texts(paths)))
        }
        F::Nest { names, into } => format!("{} go into the map `{into}`", quoted(names)),
        F::Flatten { path, names } => format!("{} come out of the map `{path}`", quoted(names)),
        F::Wrap { path } => format!("`{path}` becomes a list of itself"),
        F::Unwrap { path } => format!("`{path}` becomes its one element"),
        F::MapValues { path, values, only_these } => {
            let pair = |(from, to)| format!("{} becomes {}", value_json(from), value_json(to));
            let others = if *only_these { "; another value is refused" } else { "" };
            format!("in `{path}`, {}{others}", values.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        F::Custom { function, columns, .. } => {
            format!("the function `{function}` makes {}", quoted(columns))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const ALL: &str = r#"
table = "orders"
from = 3
to = 4
function = [
  { add = { path = "tier", default = { S = "tin" } } },
  { drop = { path = "old" } },
  { rename = { from = "status", to = "state" } },
  { retype = { path = "zip", from = "number", to = { to_text = { max_length = 5 } }, on_loss = "nearest" } },
  { retype = { path = "flag", from = "number", to = "to_bool", on_loss = "refuse" } },
  { split = { path = "name", separator = " ", into = ["first", "last"] } },
  { merge = { paths = ["a", "b"], separator = "-", into = "c" } },
  { nest = { names = ["city"], into = "address" } },
  { flatten = { path = "address", names = ["city"] } },
  { wrap = { path = "tags" } },
  { unwrap = { path = "tags" } },
  { map_values = { path = "state", values = [{ from = { S = "o" }, to = { S = "open" } }], only_these = true } },
  { custom = { function = "0000000000000000000000000000000000000000000000000000000000000abc", columns = ["name"] } },
]
"#;

    #[test]
    fn a_file_holds_every_function_and_each_reads_back_from_its_json() {
        let file = from_toml(ALL, "m.toml").unwrap();
        assert_eq!(
            (file.table, file.migration.from, file.migration.to),
            (Some(TableName::new("orders")), 3, 4)
        );
        assert_eq!(file.migration.functions.len(), 13);
        for function in file.migration.functions {
            assert_eq!(function_from_json(function_json(&function)), Ok(function));
        }
    }

    #[test]
    fn what_is_wrong_in_a_file_is_pointed_at() {
        let check = |text: &str, at: &str, message: &str| {
            let error = from_toml(text, "m.toml").unwrap_err();
            assert!(error.message.contains(message), "{text}: {}", error.message);
            assert!(text[error.span.clone()].contains(at), "{text}: {:?}", &text[error.span]);
        };
        check("[[function]]\nrename = { from = \"a\" }", "from", "missing field `to`");
        check("[[function]]\nrenam = { path = \"a\" }", "renam", "unknown variant");
        // A table's place is its header.
        check("[[function]]\ndrop = { path = \"a..b\" }", "[[function]]", "expected an attribute name");
        check("[[function]]\nwrap = { path = \"a[0]\" }", "[[function]]", "in a list");
        check("[[function]]\nnest = { names = [], into = \"a\" }", "[[function]]", "at least one");
        let retype = "[[function]]\nretype = { path = \"a\", from = \"int\", to = { to_text = {} } }";
        check(retype, "[[function]]", "`int` is not a kind of value");
    }
}
