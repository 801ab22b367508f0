//! Owns how an item of any size is kept: what does not fit goes into parts beside it.

use evercount_core::value::{Item, Value};

use crate::items::fields::{Fields, number};
use crate::items::size::size_bytes;
use crate::items::{FORMAT, ItemError, ItemKey, PK, SK, part_key};

/// How full an item gets before the next part begins: an entry is seldom longer than the rest of
/// the 400 KB.
const PAGE_BYTES_MAX: usize = 300 * 1024;

/// An entry of one of an item's lists or maps.
pub(in crate::items) enum Entry {
    /// The next element of a list.
    Element(&'static str, Value),
    /// An attribute of a map.
    Named(&'static str, String, Value),
}

impl Entry {
    fn bytes(&self) -> usize {
        let of = |name: &str, value: &Value| size_bytes(&Item::from([(name.to_owned(), value.clone())])) + 1;
        match self {
            Self::Element(_, value) => of("", value),
            Self::Named(_, name, value) => of(name, value),
        }
    }

    fn put(self, item: &mut Item) {
        match self {
            Self::Element(list, value) => {
                if let Value::List(values) =
                    item.entry(list.to_owned()).or_insert_with(|| Value::List(Vec::new()))
                {
                    values.push(value);
                }
            }
            Self::Named(map, name, value) => {
                if let Value::Map(values) =
                    item.entry(map.to_owned()).or_insert_with(|| Value::Map(Item::new()))
                {
                    values.insert(name, value);
                }
            }
        }
    }
}

/// The item with its entries, and the parts that hold those that do not fit.
pub(in crate::items) fn paged(item: Item, key: &ItemKey, entries: Vec<Entry>) -> Vec<Item> {
    let mut pages: Vec<Item> = Vec::new();
    let mut bytes = size_bytes(&item);
    let mut page = item;
    for entry in entries {
        let more = entry.bytes();
        if bytes + more > PAGE_BYTES_MAX {
            pages.push(page);
            page = part_key(key, pages.len()).item();
            page.insert("entity".to_owned(), Value::String("part".to_owned()));
            page.insert("format".to_owned(), number(FORMAT));
            bytes = size_bytes(&page);
        }
        bytes += more;
        entry.put(&mut page);
    }
    pages.push(page);
    let parts = pages.len() - 1;
    if let (Some(first), true) = (pages.first_mut(), parts > 0) {
        first.insert("parts".to_owned(), number(parts as u64));
    }
    pages
}

/// The keys of an item's parts.
///
/// # Errors
/// [`ItemError`].
pub fn part_keys(item: &Item) -> Result<Vec<ItemKey>, ItemError> {
    let fields = Fields(item);
    let key = ItemKey::new(fields.text(PK)?, fields.text(SK)?);
    let mut keys = parts_by(item, &key)?;
    // More parts than one transaction writes are nobody's.
    keys.truncate(evercount_core::chunk::ACTIONS_MAX);
    Ok(keys)
}

/// Most parts of an item: their numbers have four digits.
const PARTS_MAX: u64 = 9_999;

/// The keys of an item's parts, which stand beside a key of their own.
pub(in crate::items) fn parts_by(item: &Item, key: &ItemKey) -> Result<Vec<ItemKey>, ItemError> {
    let parts = Fields(item).unsigned_if_any("parts")?.unwrap_or(0).min(PARTS_MAX);
    Ok((1..=usize::try_from(parts).unwrap_or(0)).map(|part| part_key(key, part)).collect())
}

/// An item with the entries of its parts, which may come in any order and among others.
pub(super) fn joined(item: &Item, others: &[Item]) -> Result<Item, ItemError> {
    joined_by(item, &part_keys(item)?, others)
}

/// As [`joined`], with parts of these keys.
pub(in crate::items) fn joined_by(item: &Item, keys: &[ItemKey], others: &[Item]) -> Result<Item, ItemError> {
    let mut whole = item.clone();
    for (part, key) in keys.iter().enumerate() {
        let (pk, sk) = (Value::String(key.pk.clone()), Value::String(key.sk.clone()));
        let found = others.iter().find(|other| other.get(PK) == Some(&pk) && other.get(SK) == Some(&sk));
        let found = found.ok_or(ItemError::MissingPart { part: part + 1 })?;
        Fields::of_format(found)?;
        for (name, value) in found {
            match (whole.get_mut(name), value) {
                (Some(Value::List(values)), Value::List(more)) => values.extend(more.iter().cloned()),
                (Some(Value::Map(values)), Value::Map(more)) => {
                    values.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
                }
                (None, value @ (Value::List(_) | Value::Map(_))) => {
                    whole.insert(name.clone(), value.clone());
                }
                _ => {}
            }
        }
    }
    Ok(whole)
}
