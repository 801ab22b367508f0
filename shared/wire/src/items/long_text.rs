//! Owns how a text of any length is kept: what does not fit goes into parts beside its item.

use evercount_core::value::{Item, Value};

use super::fields::{Fields, number, text};
use super::{FORMAT, ItemError, ItemKey, PK, SK, part_key};

/// Longest text, or part of one, in one item. It leaves the other half of the 400 KB to what the
/// item says to people.
const PIECE_BYTES_MAX: usize = 200_000;

/// Puts a text into an item, and gives the parts for what does not fit. `revision` tells parts of
/// one writing from those of another.
pub(super) fn put_text(item: &mut Item, key: &ItemKey, name: &str, whole: &str, revision: u64) -> Vec<Item> {
    let (first, mut rest) = cut(whole);
    item.insert(name.to_owned(), text(first));
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (piece, left) = cut(rest);
        let mut part = part_key(key, parts.len() + 1).item();
        part.insert("entity".to_owned(), text("part"));
        part.insert("format".to_owned(), number(FORMAT));
        part.insert("revision".to_owned(), number(revision));
        part.insert(name.to_owned(), text(piece));
        parts.push(part);
        rest = left;
    }
    if !parts.is_empty() {
        item.insert("parts".to_owned(), number(parts.len() as u64));
    }
    parts
}

fn cut(text: &str) -> (&str, &str) {
    text.split_at_checked(text.floor_char_boundary(PIECE_BYTES_MAX)).unwrap_or((text, ""))
}

/// Reads a text from its item and its parts, which may come in any order and among others.
pub(super) fn read_text(
    item: &Item,
    name: &str,
    revision: u64,
    others: &[Item],
) -> Result<String, ItemError> {
    let fields = Fields(item);
    let mut whole = fields.text(name)?.to_owned();
    let key = ItemKey::new(fields.text(PK)?, fields.text(SK)?);
    for part in 1..=usize::try_from(fields.unsigned_if_any("parts")?.unwrap_or(0)).unwrap_or(usize::MAX) {
        let missing = ItemError::MissingPart { part };
        let wanted = part_key(&key, part);
        let is_wanted = |other: &&Item| {
            other.get(PK) == Some(&Value::String(wanted.pk.clone()))
                && other.get(SK) == Some(&Value::String(wanted.sk.clone()))
        };
        let found = others.iter().find(is_wanted).ok_or(missing.clone())?;
        let of_part = Fields::of_format(found)?;
        if of_part.unsigned("revision")? != revision {
            // It was read while somebody wrote.
            return Err(missing);
        }
        whole.push_str(of_part.text(name)?);
    }
    Ok(whole)
}
