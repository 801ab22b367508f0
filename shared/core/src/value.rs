//! Attribute values, and items made of them.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::Xxh3;

use crate::decimal::Decimal;

/// One attribute value: the DynamoDB data types, which hold every other source's as well.
///
/// See <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Value {
    /// DynamoDB `NULL`, SQL NULL. An absent attribute is not a value at all.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, exact.
    Number(Decimal),
    /// Text.
    String(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Item),
    /// A set of strings.
    StringSet(BTreeSet<String>),
    /// A set of numbers.
    NumberSet(BTreeSet<Decimal>),
    /// A set of binaries.
    BinarySet(BTreeSet<Vec<u8>>),
    /// The source has a value here and did not send it (an unchanged TOASTed column in
    /// PostgreSQL): whatever the row held before still stands.
    Unavailable,
}

/// An item: attribute names with their values.
pub type Item = BTreeMap<String, Value>;

impl Value {
    /// The DynamoDB type descriptor of the value, as `attribute_type` names it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool(_) => "BOOL",
            Self::Number(_) => "N",
            Self::String(_) => "S",
            Self::Binary(_) => "B",
            Self::List(_) => "L",
            Self::Map(_) => "M",
            Self::StringSet(_) => "SS",
            Self::NumberSet(_) => "NS",
            Self::BinarySet(_) => "BS",
            Self::Unavailable => "UNAVAILABLE",
        }
    }
}

/// A stable 64-bit digest of an image; 0 stands for "no item".
///
/// The bytes hashed are length-prefixed and type-tagged, so that no two different images share
/// them; the digest itself is xxh3 and guards against accidents, not against adversaries.
#[must_use]
pub fn digest(image: Option<&Item>) -> u64 {
    let Some(item) = image else { return 0 };
    let mut hasher = Xxh3::new();
    hash_item(item, &mut hasher);
    hasher.digest().max(1)
}

fn hash_bytes(tag: u8, bytes: &[u8], hasher: &mut Xxh3) {
    hasher.update(&[tag]);
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

fn hash_item(item: &Item, hasher: &mut Xxh3) {
    hash_length(b'M', item.len(), hasher);
    for (name, value) in item {
        hash_bytes(b'k', name.as_bytes(), hasher);
        hash_value(value, hasher);
    }
}

fn hash_length(tag: u8, length: usize, hasher: &mut Xxh3) {
    hasher.update(&[tag]);
    hasher.update(&(length as u64).to_le_bytes());
}

/// Feeds a value's canonical bytes (type-tagged, length-prefixed, numbers in their one canonical
/// text) to a hasher, so that equal values hash alike however they were spelled.
pub(crate) fn hash_value(value: &Value, hasher: &mut Xxh3) {
    match value {
        Value::Null => hasher.update(b"0"),
        Value::Bool(flag) => hasher.update(if *flag { b"t" } else { b"f" }),
        Value::Number(number) => hash_bytes(b'N', number.to_string().as_bytes(), hasher),
        Value::String(text) => hash_bytes(b'S', text.as_bytes(), hasher),
        Value::Binary(bytes) => hash_bytes(b'B', bytes, hasher),
        Value::List(values) => {
            hash_length(b'L', values.len(), hasher);
            values.iter().for_each(|value| hash_value(value, hasher));
        }
        Value::Map(item) => hash_item(item, hasher),
        Value::StringSet(set) => {
            hash_length(b's', set.len(), hasher);
            set.iter().for_each(|text| hash_bytes(b'S', text.as_bytes(), hasher));
        }
        Value::NumberSet(set) => {
            hash_length(b'n', set.len(), hasher);
            set.iter().for_each(|number| hash_bytes(b'N', number.to_string().as_bytes(), hasher));
        }
        Value::BinarySet(set) => {
            hash_length(b'b', set.len(), hasher);
            set.iter().for_each(|bytes| hash_bytes(b'B', bytes, hasher));
        }
        Value::Unavailable => hasher.update(b"?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(attributes: &[(&str, Value)]) -> Item {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn images_that_differ_in_type_or_boundary_have_different_digests() {
        let text = |t: &str| Value::String(t.to_owned());
        let images = [
            item(&[]),
            item(&[("a", Value::Null)]),
            item(&[("a", text(""))]),
            item(&[("a", text("1"))]),
            item(&[("a", Value::Number(Decimal::from(1)))]),
            item(&[("a", Value::Binary(b"1".to_vec()))]),
            item(&[("a", text("b")), ("c", text("d"))]),
            item(&[("a", text("bc")), ("d", text(""))]),
            item(&[("a", Value::List(vec![text("x")]))]),
            item(&[("a", Value::StringSet(["x".to_owned()].into()))]),
        ];
        let digests: BTreeSet<u64> = images.iter().map(|image| digest(Some(image))).collect();
        assert_eq!(digests.len(), images.len());
        assert_eq!(digest(None), 0);
    }

    #[test]
    fn a_digest_never_changes_between_builds() {
        let image = item(&[("id", Value::String("a".into())), ("n", Value::Number(Decimal::from(5)))]);
        assert_eq!(digest(Some(&image)), GOLDEN);
    }

    /// Written once; a different value would make every stored ledger row look changed.
    const GOLDEN: u64 = 11_637_065_788_934_290_290;
}
