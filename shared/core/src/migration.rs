//! Migrations: how an item of an earlier shape is read as one of a later shape.
//!
//! A schema change leaves items of both shapes about: rows written before it, records that are
//! late, and, in DynamoDB, items that nobody will ever rewrite. A logic version therefore carries
//! the steps that bring an earlier item to the shape its definition speaks of. A step that has
//! nothing to do (the new name is there already, the value has the new type) changes nothing, so
//! items of the new shape pass through.

pub(crate) mod constant;
pub(crate) mod conversion;
pub mod function;
pub mod graph;
pub mod written;

pub use constant::constant;

use std::borrow::Cow;

use crate::decimal::Decimal;
use crate::order::OrderVersion;
use crate::path::{Path, Segment};
use crate::value::{Item, Value};

/// Most steps of a logic version. Every image goes through all of them; versions whose older rows
/// are gone can be rebuilt without.
pub const STEPS_MAX: usize = 64;

/// What a step does to an item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// The value at `from` is at `to` from now on. An item that has `to` is left alone.
    Rename {
        /// The name before.
        from: Path,
        /// The name now.
        to: Path,
    },
    /// The value is gone.
    Drop {
        /// Which.
        path: Path,
    },
    /// An item without the attribute has this value.
    Default {
        /// Which attribute.
        path: Path,
        /// What it has.
        value: Value,
    },
    /// An item whose attribute is NULL has this value.
    FillNull {
        /// Which attribute.
        path: Path,
        /// What it has.
        value: Value,
    },
    /// The value has another form.
    Convert {
        /// Which.
        path: Path,
        /// Which form.
        conversion: Conversion,
    },
}

/// How a change of type turns values of the old type into values of the new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Conversion {
    /// Numbers and booleans become their text, bytes the text they encode (UTF-8), cut to so many
    /// characters.
    ToText {
        /// Longest text, in characters.
        max_length: Option<u64>,
    },
    /// Text becomes the bytes of its UTF-8, cut to so many.
    ToBinary {
        /// Longest value, in bytes.
        max_length: Option<u64>,
    },
    /// Text that is a number, and booleans, become that number, rounded half away from zero to so
    /// many digits after the point.
    ToNumber {
        /// Digits after the point; `None` keeps all of them.
        scale: Option<u16>,
    },
    /// Numbers become booleans (0 is false), and so do the texts `true` and `false`.
    ToBool,
}

/// One step of a migration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// What it does.
    pub action: Action,
    /// Where in the source's log the shape changed: images from there on are of the new shape and
    /// are left alone. `None` where the log does not say; then an image's shape alone tells.
    pub until: Option<OrderVersion>,
}

/// An item that a conversion has no value for: text that is no number, say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unconvertible;

impl Conversion {
    /// The value in its new form; NULL stays NULL, and a value in the new form stays as it is.
    ///
    /// # Errors
    /// [`Unconvertible`] where there is no such value; what a database makes of it then (NULL, 0,
    /// an error) is its own.
    pub fn apply(self, value: &Value) -> Result<Value, Unconvertible> {
        if matches!(value, Value::Null | Value::Unavailable) {
            return Ok(value.clone());
        }
        match (self, value) {
            (Self::ToText { max_length }, Value::String(text)) => Ok(Value::String(cut(text, max_length))),
            (Self::ToText { max_length }, Value::Number(number)) => {
                Ok(Value::String(cut(&number.to_string(), max_length)))
            }
            (Self::ToText { .. }, Value::Bool(flag)) => {
                Ok(Value::String(if *flag { "1" } else { "0" }.to_owned()))
            }
            (Self::ToText { max_length }, Value::Binary(bytes)) => std::str::from_utf8(bytes)
                .map(|text| Value::String(cut(text, max_length)))
                .map_err(|_| Unconvertible),
            (Self::ToBinary { max_length }, Value::String(text)) => {
                Ok(Value::Binary(cut_bytes(text.as_bytes(), max_length)))
            }
            (Self::ToBinary { max_length }, Value::Binary(bytes)) => {
                Ok(Value::Binary(cut_bytes(bytes, max_length)))
            }
            (Self::ToNumber { scale }, Value::Number(number)) => {
                number.rounded(scale).map(Value::Number).ok_or(Unconvertible)
            }
            (Self::ToNumber { scale }, Value::String(text)) => {
                let number: Decimal = text.trim().parse().map_err(|_| Unconvertible)?;
                number.rounded(scale).map(Value::Number).ok_or(Unconvertible)
            }
            (Self::ToNumber { .. }, Value::Bool(flag)) => Ok(Value::Number(Decimal::from(i64::from(*flag)))),
            (Self::ToBool, Value::Bool(_)) => Ok(value.clone()),
            (Self::ToBool, Value::Number(number)) => Ok(Value::Bool(!number.is_zero())),
            (Self::ToBool, Value::String(text)) => match text.as_str() {
                "true" | "t" | "1" => Ok(Value::Bool(true)),
                "false" | "f" | "0" => Ok(Value::Bool(false)),
                _ => Err(Unconvertible),
            },
            _ => Err(Unconvertible),
        }
    }

    /// Whether different values stay different: then no groups fall together.
    #[must_use]
    pub fn is_injective(self) -> bool {
        // Text may be several spellings of one number ("1", "1.0"); cut texts may be alike.
        matches!(self, Self::ToText { max_length: None } | Self::ToBinary { max_length: None })
    }
}

fn cut(text: &str, max_length: Option<u64>) -> String {
    match max_length {
        Some(limit) => text.chars().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect(),
        None => text.to_owned(),
    }
}

fn cut_bytes(bytes: &[u8], max_length: Option<u64>) -> Vec<u8> {
    let limit = max_length.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    bytes.iter().copied().take(limit).collect()
}

impl Action {
    /// Does it to an item. Returns whether the item was of the earlier shape, so that something
    /// was done.
    pub fn apply(&self, item: &mut Cow<'_, Item>) -> bool {
        match self {
            Self::Rename { from, to } => {
                if to.lookup(item).is_some() || from.lookup(item).is_none() {
                    return false;
                }
                let item = item.to_mut();
                let Some(value) = take(item, from) else { return false };
                put(item, to, value)
            }
            Self::Drop { path } => path.lookup(item).is_some() && take(item.to_mut(), path).is_some(),
            Self::Default { path, value } => {
                path.lookup(item).is_none() && put(item.to_mut(), path, value.clone())
            }
            Self::FillNull { path, value } => {
                path.lookup(item) == Some(&Value::Null) && put(item.to_mut(), path, value.clone())
            }
            Self::Convert { path, conversion } => {
                let Some(value) = path.lookup(item) else { return false };
                // What has no value in the new form keeps its old one, which no row of the new
                // shape has: a group of its own until the row is written again.
                let Ok(converted) = conversion.apply(value) else { return false };
                converted != *value && put(item.to_mut(), path, converted)
            }
        }
    }

    /// The path a reader of the earlier shape looks at, and the one a reader of the new shape does.
    #[must_use]
    pub fn paths(&self) -> (&Path, &Path) {
        match self {
            Self::Rename { from, to } => (from, to),
            Self::Drop { path }
            | Self::Default { path, .. }
            | Self::FillNull { path, .. }
            | Self::Convert { path, .. } => (path, path),
        }
    }
}

/// An item as the latest shape has it, and whether it was of an earlier one. `version` is the
/// image's place in the source's log, where it is known.
#[must_use]
pub fn migrate<'a>(steps: &[Step], item: &'a Item, version: Option<&OrderVersion>) -> (Cow<'a, Item>, bool) {
    migrate_beyond(&[], steps, item, version)
}

/// As [`migrate`]; the item is of an earlier shape where a step that is not among those `known`
/// had something to do.
#[must_use]
pub fn migrate_beyond<'a>(
    known: &[Step],
    steps: &[Step],
    item: &'a Item,
    version: Option<&OrderVersion>,
) -> (Cow<'a, Item>, bool) {
    let (mut item, mut was_earlier) = (Cow::Borrowed(item), false);
    for step in steps {
        let is_earlier = match (&step.until, version) {
            (Some(until), Some(version)) => version < until,
            _ => true,
        };
        if is_earlier && step.action.apply(&mut item) {
            was_earlier |= !known.contains(step);
        }
    }
    (item, was_earlier)
}

/// Takes the value at a path out of an item. Elements of lists stay: the places of the others
/// would change.
pub(crate) fn take(item: &mut Item, path: &Path) -> Option<Value> {
    let Some((last, parents)) = path.rest().split_last() else { return item.remove(path.column_name()) };
    let mut value = item.get_mut(path.column_name())?;
    for segment in parents {
        value = match (segment, value) {
            (Segment::Field(name), Value::Map(map)) => map.get_mut(name)?,
            (Segment::Index(index), Value::List(list)) => list.get_mut(*index)?,
            _ => return None,
        };
    }
    match (last, value) {
        (Segment::Field(name), Value::Map(map)) => map.remove(name),
        _ => None,
    }
}

/// Puts a value at a path, making the maps on the way. Returns whether it could.
pub(crate) fn put(item: &mut Item, path: &Path, new: Value) -> bool {
    let mut slot = item.entry(path.column_name().to_owned());
    for segment in path.rest() {
        let value = slot.or_insert_with(|| Value::Map(Item::new()));
        match (segment, value) {
            (Segment::Field(name), Value::Map(map)) => slot = map.entry(name.clone()),
            _ => return false,
        }
    }
    slot.insert_entry(new);
    true
}

/// The item that a group key is, as far as it goes: the grouping attributes with their values.
#[must_use]
pub fn item_of<'a>(key: impl IntoIterator<Item = &'a (Path, Value)>) -> Item {
    let mut item = Item::new();
    for (path, value) in key {
        put_anywhere(&mut item, path, value.clone());
    }
    item
}

/// As [`put`], and into lists as well: a path with an index stands under a name that reads so.
fn put_anywhere(item: &mut Item, path: &Path, value: Value) {
    if path.rest().iter().any(|segment| matches!(segment, Segment::Index(_)))
        || !put(item, path, value.clone())
    {
        // Only the same path asks for it again, by the same name; see [`value_of`].
        item.insert(path.to_string(), value);
    }
}

/// The value that [`item_of`] holds for a path.
#[must_use]
pub fn value_of<'a>(item: &'a Item, path: &Path) -> Option<&'a Value> {
    path.lookup(item).or_else(|| item.get(&path.to_string()))
}
