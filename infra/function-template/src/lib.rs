//! What the function does. Only this file is yours to change: `abi.rs` is how Evercount calls it.
//!
//! A migration gets an item and gives it back in its new shape, or says why there is none. A predicate
//! gets an item and says whether it counts: `Some(true)`, `Some(false)`, or `None` where that cannot be
//! told. Neither has a clock, a network or a memory of earlier items. To write a predicate, replace the
//! last line by `export_predicate!(is_counted)`.

pub mod abi;

use abi::Item;

/// Splits `name` into `first_name` and `last_name`. An item without a name is of the new shape already.
fn migrate(mut item: Item) -> Result<Item, String> {
    if !item.has("name") {
        return Ok(item);
    }
    let name = item.text("name").ok_or("`name` is no text")?;
    let (first, last) = name.trim().rsplit_once(char::is_whitespace).ok_or("`name` is one word")?;
    item.set_text("first_name", first.trim_end());
    item.set_text("last_name", last);
    item.remove("name");
    Ok(item)
}

export_migration!(migrate);

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of an item, as JSON.
    fn migrated(json: &str) -> Result<String, String> {
        migrate(Item::from_json(json.as_bytes()).unwrap()).map(|item| item.to_json())
    }

    #[test]
    fn a_name_is_split() {
        let after = r#"{"first_name":{"S":"Ada King"},"id":{"N":"1"},"last_name":{"S":"Lovelace"}}"#;
        let before = r#"{"id":{"N":"1"},"name":{"S":"Ada King Lovelace"}}"#;
        assert_eq!(migrated(before).as_deref(), Ok(after));
        assert_eq!(migrated(after).as_deref(), Ok(after));
    }

    #[test]
    fn a_name_that_cannot_be_split_is_refused() {
        assert!(migrated(r#"{"name":{"S":"Plato"}}"#).is_err());
        assert!(migrated(r#"{"name":{"N":"7"}}"#).is_err());
    }
}
