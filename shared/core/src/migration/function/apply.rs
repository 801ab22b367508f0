//! What an item becomes by a migration function.

use super::{Failure, MigrationFunction, OnLoss, Scalar};
use crate::function::{FunctionId, Functions};
use crate::migration::{Conversion, put, take};
use crate::path::Path;
use crate::value::{Item, Value};

impl MigrationFunction {
    /// Whether an item is of the earlier shape, so that there is something to do.
    #[must_use]
    pub fn is_earlier(&self, item: &Item) -> bool {
        let has = |path: &Path| path.lookup(item).is_some();
        let column = |name: &String| item.contains_key(name);
        match self {
            Self::Add { path, .. } => !has(path) && is_in_map(path, item),
            Self::Drop { path } => has(path),
            Self::Rename { from, to } => has(from) && !has(to),
            Self::Retype { path, from, conversion, .. } => path
                .lookup(item)
                .is_some_and(|value| from.is_of(value) && conversion.apply(value).as_ref() != Ok(value)),
            Self::Split { path, into, .. } => has(path) && !into.iter().any(has),
            Self::Merge { paths, into, .. } => paths.iter().any(has) && !has(into),
            Self::Nest { names, .. } => names.iter().any(column),
            Self::Flatten { path, names } => match path.lookup(item) {
                Some(Value::Map(map)) => names.iter().any(|name| map.contains_key(name)),
                _ => false,
            },
            Self::Wrap { path } => {
                path.lookup(item).is_some_and(|value| !matches!(value, Value::List(_) | Value::Unavailable))
            }
            Self::Unwrap { path } => path.lookup(item).is_some_and(|value| matches!(value, Value::List(_))),
            Self::MapValues { path, values, .. } => {
                path.lookup(item).is_some_and(|value| values.get(value).is_some_and(|made| made != value))
            }
            Self::Custom { .. } => true,
        }
    }

    /// What an item becomes: the same where it has the later shape already.
    ///
    /// # Errors
    /// [`Failure`] where it becomes nothing; the item stands as it was.
    pub fn apply(&self, item: &Item, functions: &dyn Functions) -> Result<Item, Failure> {
        let mut made = item.clone();
        match self {
            Self::MapValues { path, values, only_these: true } => {
                let value = path.lookup(item);
                let is_known = |value: &Value| {
                    *value == Value::Unavailable
                        || values.contains_key(value)
                        || values.values().any(|made| made == value)
                };
                if value.is_some_and(|value| !is_known(value)) {
                    return Err(Failure::Unmapped { path: path.clone() });
                }
            }
            Self::Custom { function, columns, .. } => return custom(function, columns, item, functions),
            _ => {}
        }
        if !self.is_earlier(item) {
            return Ok(made);
        }
        match self {
            Self::Add { path, default } => place(&mut made, path, default.clone())?,
            Self::Drop { path } => drop(take(&mut made, path)),
            Self::Rename { from, to } => {
                if let Some(value) = take(&mut made, from) {
                    place(&mut made, to, value)?;
                }
            }
            Self::Retype { path, from, conversion, on_loss } => {
                if let Some(value) = path.lookup(item) {
                    place(&mut made, path, retyped(value, *from, *conversion, *on_loss, path)?)?;
                }
            }
            Self::Split { path, separator, into } => split(&mut made, path, separator, into)?,
            Self::Merge { paths, separator, into } => merge(&mut made, paths, separator, into)?,
            Self::Nest { names, into } => nest(&mut made, names, into)?,
            Self::Flatten { path, names } => flatten(&mut made, path, names)?,
            Self::Wrap { path } => {
                if let Some(value) = path.lookup(item) {
                    place(&mut made, path, Value::List(vec![value.clone()]))?;
                }
            }
            Self::Unwrap { path } => {
                // An element that is a list would be taken for the whole of it the next time.
                let one = match path.lookup(item) {
                    Some(Value::List(list)) => match list.as_slice() {
                        [one] if !matches!(one, Value::List(_)) => Some(one),
                        _ => None,
                    },
                    _ => None,
                };
                let expected = "a list of one element that is no list itself";
                let one = one.ok_or_else(|| Failure::Kind { path: path.clone(), expected })?;
                place(&mut made, path, one.clone())?;
            }
            Self::MapValues { path, values, .. } => {
                if let Some(value) = path.lookup(item).and_then(|value| values.get(value)) {
                    place(&mut made, path, value.clone())?;
                }
            }
            Self::Custom { .. } => {}
        }
        Ok(made)
    }
}

/// Whether what a path stands in is there: maps are not made on the way, because nothing would take
/// them away again.
fn is_in_map(path: &Path, item: &Item) -> bool {
    let Some((_, parents)) = path.rest().split_last() else { return true };
    matches!(Path::new(path.column_name(), parents.to_vec()).lookup(item), Some(Value::Map(_)))
}

fn place(item: &mut Item, path: &Path, value: Value) -> Result<(), Failure> {
    if is_in_map(path, item) && put(item, path, value) {
        Ok(())
    } else {
        Err(Failure::NoPlace { path: path.clone() })
    }
}

fn retyped(
    value: &Value,
    from: Scalar,
    conversion: Conversion,
    on_loss: OnLoss,
    path: &Path,
) -> Result<Value, Failure> {
    let made = conversion.apply(value).ok();
    let back = |made: &Value| from.conversion().apply(made).is_ok_and(|back| back == *value);
    let survives = made.as_ref().is_some_and(back);
    match (made, on_loss) {
        (Some(made), _) if survives => Ok(made),
        (_, OnLoss::Refuse) => Err(Failure::Loss { path: path.clone() }),
        (Some(made), OnLoss::Nearest) => Ok(made),
        (None, OnLoss::Nearest) | (_, OnLoss::Null) => Ok(Value::Null),
    }
}

fn text_at<'a>(item: &'a Item, path: &Path) -> Result<&'a str, Failure> {
    match path.lookup(item) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Failure::Kind { path: path.clone(), expected: "a text" }),
    }
}

fn split(item: &mut Item, path: &Path, separator: &str, into: &[Path]) -> Result<(), Failure> {
    let parts: Vec<String> = text_at(item, path)?.splitn(into.len(), separator).map(str::to_owned).collect();
    if parts.len() != into.len() {
        return Err(Failure::Kind { path: path.clone(), expected: "a text of so many parts" });
    }
    drop(take(item, path));
    for (to, part) in into.iter().zip(parts) {
        place(item, to, Value::String(part))?;
    }
    Ok(())
}

fn merge(item: &mut Item, paths: &[Path], separator: &str, into: &Path) -> Result<(), Failure> {
    let mut merged = String::new();
    for (at, path) in paths.iter().enumerate() {
        let part = text_at(item, path)?;
        merged.push_str(part);
        if at + 1 == paths.len() {
            break;
        }
        merged.push_str(separator);
        // Nor must the end of the part and the separator make one that begins before it.
        if format!("{part}{separator}").find(separator) != Some(part.len()) {
            return Err(Failure::Separator { path: path.clone() });
        }
    }
    paths.iter().for_each(|path| drop(take(item, path)));
    place(item, into, Value::String(merged))
}

/// What stands at a place already is never mixed with what is put there: nothing could tell the two
/// apart again.
fn nest(item: &mut Item, names: &[String], into: &Path) -> Result<(), Failure> {
    let mut map = match into.lookup(item) {
        None => Item::new(),
        Some(Value::Map(map)) if !map.is_empty() && !names.iter().any(|name| map.contains_key(name)) => {
            map.clone()
        }
        Some(_) => return Err(Failure::Taken { path: into.clone() }),
    };
    for name in names {
        map.extend(item.remove(name).map(|value| (name.clone(), value)));
    }
    place(item, into, Value::Map(map))
}

fn flatten(item: &mut Item, path: &Path, names: &[String]) -> Result<(), Failure> {
    let Some(Value::Map(mut map)) = path.lookup(item).cloned() else { return Ok(()) };
    if let Some(name) = names.iter().find(|name| item.contains_key(*name)) {
        return Err(Failure::Taken { path: Path::column(name.clone()) });
    }
    for name in names {
        item.extend(map.remove(name).map(|value| (name.clone(), value)));
    }
    if map.is_empty() {
        drop(take(item, path));
        Ok(())
    } else {
        place(item, path, Value::Map(map))
    }
}

fn custom(
    function: &FunctionId,
    columns: &[String],
    item: &Item,
    functions: &dyn Functions,
) -> Result<Item, Failure> {
    let made = functions.migrate(function, item);
    let made = made.map_err(|because| Failure::Custom { function: *function, because })?;
    let all = item.keys().chain(made.keys());
    let strayed = all.filter(|name| !columns.contains(name)).find(|name| item.get(*name) != made.get(*name));
    match strayed {
        Some(column) => Err(Failure::Strayed { function: *function, column: column.clone() }),
        None => Ok(made),
    }
}
