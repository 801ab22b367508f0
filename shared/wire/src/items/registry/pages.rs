//! Owns how an item of any size is kept: what does not fit goes into parts beside it.

use evercount_core::value::{Item, Value};

use crate::items::fields::{Fields, number};
use crate::items::size::size_bytes;
use crate::items::{FORMAT, ItemError, ItemKey, PK, SK, part_key};

/// How full an item gets before the next part begins: an entry is seldom longer than the rest of
/// the 400 KB.
const PAGE_BYTES_MAX: usize = 300 * 1024;

/// An entry of one of an item's lists or maps.
pub(super) enum Entry {
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
pub(super) fn paged(item: Item, key: &ItemKey, entries: Vec<Entry>) -> Vec<Item> {
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
    let parts = fields.unsigned_if_any("parts")?.unwrap_or(0);
    let key = ItemKey::new(fields.text(PK)?, fields.text(SK)?);
    // More parts than one transaction writes are nobody's.
    let parts = usize::try_from(parts).unwrap_or(0).min(evercount_core::chunk::ACTIONS_MAX);
    Ok((1..=parts).map(|part| part_key(&key, part)).collect())
}

/// An item with the entries of its parts, which may come in any order and among others.
pub(super) fn joined(item: &Item, others: &[Item]) -> Result<Item, ItemError> {
    let mut whole = item.clone();
    for (part, key) in part_keys(item)?.into_iter().enumerate() {
        let (pk, sk) = (Value::String(key.pk), Value::String(key.sk));
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
