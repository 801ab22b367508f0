//! Migration functions: what turns an item of one schema version into one of another.
//!
//! A [`Step`](super::Step) says how an earlier item is *read*; a migration function says what an item
//! *becomes*, whole or not at all. The laws each is tested against:
//!
//! * **Idempotence.** What has the later shape already is left alone: `f(f(x)) = f(x)`.
//! * **Round trip.** Where [`MigrationFunction::inverse`] has one, `f⁻¹(f(x)) = x` for every item of
//!   the earlier shape, which is one that [`MigrationFunction::is_earlier`] holds of.
//! * **Count conservation.** A count that reads none of the [columns](MigrationFunction::columns) it
//!   touches counts the item as before.

mod apply;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

use super::Conversion;
use crate::definition::CountDefinition;
use crate::function::FunctionId;
#[cfg(doc)]
use crate::function::Functions;
use crate::path::{Path, Segment};
use crate::value::{Value, canonical};

/// A kind of single values that can take another form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Scalar {
    /// Text.
    Text,
    /// A number.
    Number,
    /// Bytes.
    Binary,
    /// A boolean.
    Bool,
}

impl Scalar {
    /// All with their names.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Text, "text"), (Self::Number, "number"), (Self::Binary, "binary"), (Self::Bool, "bool")];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("text", |(_, name)| name)
    }

    /// The conversion to this kind that neither cuts nor rounds.
    #[must_use]
    pub fn conversion(self) -> Conversion {
        match self {
            Self::Text => Conversion::ToText { max_length: None },
            Self::Number => Conversion::ToNumber { scale: None },
            Self::Binary => Conversion::ToBinary { max_length: None },
            Self::Bool => Conversion::ToBool,
        }
    }

    /// Whether a value is of this kind.
    #[must_use]
    pub fn is_of(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Self::Text, Value::String(_))
                | (Self::Number, Value::Number(_))
                | (Self::Binary, Value::Binary(_))
                | (Self::Bool, Value::Bool(_))
        )
    }
}

impl Conversion {
    /// The kind of value it makes.
    #[must_use]
    pub fn makes(self) -> Scalar {
        match self {
            Self::ToText { .. } => Scalar::Text,
            Self::ToBinary { .. } => Scalar::Binary,
            Self::ToNumber { .. } => Scalar::Number,
            Self::ToBool => Scalar::Bool,
        }
    }
}

/// What becomes of a value that does not survive a change of its type as it was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum OnLoss {
    /// The item is not migrated.
    #[default]
    Refuse,
    /// The value becomes NULL.
    Null,
    /// The value becomes the nearest there is (cut, rounded), and NULL where there is none.
    Nearest,
}

impl OnLoss {
    /// All with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Refuse, "refuse"), (Self::Null, "null"), (Self::Nearest, "nearest")];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("refuse", |(_, name)| name)
    }
}

/// One migration function.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MigrationFunction {
    /// An item without the attribute has this value.
    Add {
        /// Which.
        path: Path,
        /// What it has.
        default: Value,
    },
    /// The attribute is gone.
    Drop {
        /// Which.
        path: Path,
    },
    /// The attribute goes on under another name.
    Rename {
        /// The name before.
        from: Path,
        /// The name after.
        to: Path,
    },
    /// A value takes another form.
    Retype {
        /// Which.
        path: Path,
        /// The kind of value before. Values of no other kind are converted.
        from: Scalar,
        /// What gives it its new form.
        conversion: Conversion,
        /// What becomes of values that do not survive it.
        on_loss: OnLoss,
    },
    /// A text becomes several, parted at a separator; the last one has what is left.
    Split {
        /// Which.
        path: Path,
        /// What stands between the parts.
        separator: String,
        /// Where the parts go, in order.
        into: Vec<Path>,
    },
    /// Several texts become one, with a separator between them.
    Merge {
        /// Which, in order.
        paths: Vec<Path>,
        /// What stands between them.
        separator: String,
        /// Where the text goes.
        into: Path,
    },
    /// Columns become attributes of a map.
    Nest {
        /// Which columns.
        names: Vec<String>,
        /// Where the map is.
        into: Path,
    },
    /// Attributes of a map become columns.
    Flatten {
        /// Where the map is.
        path: Path,
        /// Which attributes.
        names: Vec<String>,
    },
    /// A value that is no list becomes the one element of a list.
    Wrap {
        /// Which.
        path: Path,
    },
    /// A list of one element becomes that element.
    Unwrap {
        /// Which.
        path: Path,
    },
    /// Values become others.
    MapValues {
        /// Which.
        path: Path,
        /// What becomes of what. What it makes is not mapped any further: see [`Invalid`].
        values: BTreeMap<Value, Value>,
        /// Whether an item with a value that is neither mapped nor made by the map is not migrated;
        /// else the value stays.
        only_these: bool,
    },
    /// What data cannot say: a function by its id.
    Custom {
        /// The function; see [`Functions`].
        function: FunctionId,
        /// The columns it reads and writes. An item of which it changes others is not migrated.
        columns: Vec<String>,
        /// The function that undoes it, where it loses nothing.
        inverse: Option<FunctionId>,
    },
}

/// Why an item is not migrated. It holds no value of the item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// A value does not survive the change of its type.
    Loss {
        /// Where.
        path: Path,
    },
    /// A value is not of the kind that the function takes.
    Kind {
        /// Where.
        path: Path,
        /// What it has to be.
        expected: &'static str,
    },
    /// Where a value should go there is one.
    Taken {
        /// Where.
        path: Path,
    },
    /// There is no map to put a value into.
    NoPlace {
        /// Where.
        path: Path,
    },
    /// A part of a text holds the separator: nothing could tell the parts apart again.
    Separator {
        /// Where.
        path: Path,
    },
    /// A value is not among those that are mapped.
    Unmapped {
        /// Where.
        path: Path,
    },
    /// A custom function made nothing of it.
    Custom {
        /// Which function.
        function: FunctionId,
        /// Why.
        because: String,
    },
    /// A custom function changed a column that is not one of its own.
    Strayed {
        /// Which function.
        function: FunctionId,
        /// Which column.
        column: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss { path } => write!(f, "the value of `{path}` does not survive the change of its type"),
            Self::Kind { path, expected } => write!(f, "`{path}` is not {expected}"),
            Self::Taken { path } => write!(f, "`{path}` is there already, with another value"),
            Self::NoPlace { path } => write!(f, "`{path}` stands in something that is not a map"),
            Self::Separator { path } => {
                write!(f, "the text of `{path}` holds the separator, so nothing could part it again")
            }
            Self::Unmapped { path } => write!(f, "the value of `{path}` is not among those that are mapped"),
            Self::Custom { function, because } => write!(f, "function `{function}`: {because}"),
            Self::Strayed { function, column } => {
                write!(f, "function `{function}` changed `{column}`, which is not among its columns")
            }
        }
    }
}

/// Why a function is not one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invalid {
    /// It names no attribute, or one twice.
    Names,
    /// A path goes into a list, whose elements have no names to keep.
    InList {
        /// Which.
        path: Path,
    },
    /// One of its paths stands in another.
    Overlap {
        /// Which.
        path: Path,
    },
    /// The separator is empty.
    Separator,
    /// What the map makes of one value is itself mapped to another: done twice, it would go on.
    Chain,
    /// The values before are the ones after.
    SameKind,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Names => f.write_str("it needs at least one attribute, and each only once"),
            Self::InList { path } => write!(f, "`{path}` is in a list, whose elements have no names to keep"),
            Self::Overlap { path } => write!(f, "`{path}` stands in another of its attributes"),
            Self::Separator => f.write_str("the separator is empty"),
            Self::Chain => f.write_str("what one value becomes is mapped to another value itself"),
            Self::SameKind => f.write_str("the values after are the ones before"),
        }
    }
}

impl MigrationFunction {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Drop { .. } => "drop",
            Self::Rename { .. } => "rename",
            Self::Retype { .. } => "retype",
            Self::Split { .. } => "split",
            Self::Merge { .. } => "merge",
            Self::Nest { .. } => "nest",
            Self::Flatten { .. } => "flatten",
            Self::Wrap { .. } => "wrap",
            Self::Unwrap { .. } => "unwrap",
            Self::MapValues { .. } => "map_values",
            Self::Custom { .. } => "custom",
        }
    }

    /// Its id: the same function has the same, wherever it was written down.
    #[must_use]
    pub fn id(&self) -> String {
        let mut bytes = self.name().as_bytes().to_vec();
        let mut text = |text: &str| canonical::text(text, &mut bytes);
        match self {
            Self::Add { path, default } => {
                text(&path.to_string());
                canonical::value(default, &mut bytes);
            }
            Self::Drop { path } | Self::Wrap { path } | Self::Unwrap { path } => text(&path.to_string()),
            Self::Rename { from, to } => [from, to].iter().for_each(|path| text(&path.to_string())),
            Self::Retype { path, from, conversion, on_loss } => {
                let limit = match conversion {
                    Conversion::ToText { max_length } | Conversion::ToBinary { max_length } => *max_length,
                    Conversion::ToNumber { scale } => scale.map(u64::from),
                    Conversion::ToBool => None,
                };
                text(&path.to_string());
                [from.name(), conversion.makes().name(), on_loss.name()].into_iter().for_each(&mut text);
                text(&limit.map_or_else(String::new, |limit| limit.to_string()));
            }
            Self::Split { path, separator, into } => {
                [path.to_string(), separator.clone()].iter().for_each(|one| text(one));
                into.iter().for_each(|path| text(&path.to_string()));
            }
            Self::Merge { paths, separator, into } => {
                [into.to_string(), separator.clone()].iter().for_each(|one| text(one));
                paths.iter().for_each(|path| text(&path.to_string()));
            }
            Self::Nest { names, into: path } | Self::Flatten { path, names } => {
                text(&path.to_string());
                names.iter().for_each(|name| text(name));
            }
            Self::MapValues { path, values, only_these } => {
                text(&path.to_string());
                text(if *only_these { "only" } else { "" });
                for (from, to) in values {
                    canonical::value(from, &mut bytes);
                    canonical::value(to, &mut bytes);
                }
            }
            Self::Custom { function, columns, inverse } => {
                text(&function.to_string());
                text(&inverse.map_or_else(String::new, |inverse| inverse.to_string()));
                columns.iter().for_each(|column| text(column));
            }
        }
        format!("{:016x}", xxh3_64(&bytes))
    }

    /// The attributes it reads or writes.
    #[must_use]
    pub fn paths(&self) -> Vec<Path> {
        let column = |name: &String| Path::column(name.clone());
        match self {
            Self::Add { path, .. }
            | Self::Drop { path }
            | Self::Retype { path, .. }
            | Self::Wrap { path }
            | Self::Unwrap { path }
            | Self::MapValues { path, .. } => vec![path.clone()],
            Self::Rename { from, to } => vec![from.clone(), to.clone()],
            Self::Split { path: one, into: several, .. } | Self::Merge { paths: several, into: one, .. } => {
                std::iter::once(one).chain(several).cloned().collect()
            }
            Self::Nest { names, into: path } | Self::Flatten { path, names } => {
                std::iter::once(path.clone()).chain(names.iter().map(column)).collect()
            }
            Self::Custom { columns, .. } => columns.iter().map(column).collect(),
        }
    }

    /// The columns it reads or writes something in.
    pub fn columns(&self) -> impl Iterator<Item = String> {
        self.paths().into_iter().map(|path| path.column_name().to_owned())
    }

    /// Whether a count counts every item as before: it reads none of the columns.
    #[must_use]
    pub fn keeps(&self, definition: &CountDefinition) -> bool {
        let columns: Vec<String> = self.columns().collect();
        definition.paths().all(|path| columns.iter().all(|column| column != path.column_name()))
    }

    /// The function of a user that it calls.
    #[must_use]
    pub fn custom(&self) -> Option<FunctionId> {
        match self {
            Self::Custom { function, .. } => Some(*function),
            _ => None,
        }
    }

    /// Whether an item can be made what it was, from what it has become alone.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        match self {
            Self::Drop { .. } => false,
            Self::Retype { from, conversion, on_loss, .. } => is_injective(*from, *conversion, *on_loss),
            Self::MapValues { values, .. } => {
                let made: std::collections::BTreeSet<&Value> = values.values().collect();
                made.len() == values.len()
            }
            Self::Custom { inverse, .. } => inverse.is_some(),
            _ => true,
        }
    }

    /// What undoes it; `None` where something is lost.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        if !self.is_lossless() {
            return None;
        }
        Some(match self.clone() {
            Self::Add { path, .. } => Self::Drop { path },
            Self::Drop { .. } => return None,
            Self::Rename { from, to } => Self::Rename { from: to, to: from },
            Self::Retype { path, from, conversion, on_loss } => {
                Self::Retype { path, from: conversion.makes(), conversion: from.conversion(), on_loss }
            }
            Self::Split { path, separator, into } => Self::Merge { paths: into, separator, into: path },
            Self::Merge { paths, separator, into } => Self::Split { path: into, separator, into: paths },
            Self::Nest { names, into } => Self::Flatten { path: into, names },
            Self::Flatten { path, names } => Self::Nest { names, into: path },
            Self::Wrap { path } => Self::Unwrap { path },
            Self::Unwrap { path } => Self::Wrap { path },
            Self::MapValues { path, values, only_these } => {
                let values = values.into_iter().map(|(from, to)| (to, from)).collect();
                Self::MapValues { path, values, only_these }
            }
            Self::Custom { function, columns, inverse } => {
                Self::Custom { function: inverse?, columns, inverse: Some(function) }
            }
        })
    }

    /// Checks that the laws can hold of it.
    ///
    /// # Errors
    /// [`Invalid`] says which cannot.
    pub fn validate(&self) -> Result<(), Invalid> {
        let paths = self.paths();
        let is_index = |segment: &Segment| matches!(segment, Segment::Index(_));
        if let Some(path) = paths.iter().find(|path| path.rest().iter().any(is_index)) {
            return Err(Invalid::InList { path: path.clone() });
        }
        for (at, one) in paths.iter().enumerate() {
            for (_, other) in paths.iter().enumerate().filter(|(other, _)| *other != at) {
                if one == other {
                    return Err(Invalid::Names);
                }
                if one.column_name() == other.column_name() && other.rest().starts_with(one.rest()) {
                    return Err(Invalid::Overlap { path: other.clone() });
                }
            }
        }
        match self {
            Self::Split { into: several, separator, .. } | Self::Merge { paths: several, separator, .. } => {
                match (several.is_empty(), separator.is_empty()) {
                    (true, _) => Err(Invalid::Names),
                    (_, true) => Err(Invalid::Separator),
                    _ => Ok(()),
                }
            }
            Self::Nest { names, .. } | Self::Flatten { names, .. } if names.is_empty() => Err(Invalid::Names),
            Self::Custom { columns, .. } if columns.is_empty() => Err(Invalid::Names),
            Self::Retype { from, conversion, .. } if from.conversion() == *conversion => {
                Err(Invalid::SameKind)
            }
            Self::MapValues { values, .. } => {
                let goes_on = |made: &Value| values.get(made).is_some_and(|next| next != made);
                if values.values().any(goes_on) { Err(Invalid::Chain) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

/// Whether different values of a kind stay different, or are refused.
fn is_injective(from: Scalar, conversion: Conversion, on_loss: OnLoss) -> bool {
    match (from, conversion) {
        (Scalar::Number, Conversion::ToText { max_length: None })
        | (Scalar::Text, Conversion::ToBinary { max_length: None })
        | (Scalar::Bool, Conversion::ToNumber { .. }) => true,
        // Bytes that are no UTF-8 are no text.
        (Scalar::Binary, Conversion::ToText { max_length: None }) => on_loss == OnLoss::Refuse,
        // Nothing tells the text "1" of true from that of a number.
        _ => false,
    }
}
