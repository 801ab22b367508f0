//! Attribute values, and items made of them.

use std::collections::{BTreeMap, BTreeSet};

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
/// It is the xxh3 of the image's canonical bytes, and guards against accidents, not against
/// adversaries.
#[must_use]
pub fn digest(image: Option<&Item>) -> u64 {
    let Some(item) = image else { return 0 };
    let mut bytes = Vec::with_capacity(512);
    canonical::item(item, &mut bytes);
    canonical::digest(&bytes)
}

/// Canonical bytes: type-tagged and length-prefixed, so that no two different images share them, and
/// with numbers in their one canonical text, so that equal values have equal bytes however they
/// were spelled.
pub mod canonical {
    use xxhash_rust::xxh3::xxh3_64;

    use super::{Item, Value};

    fn bytes(tag: u8, content: &[u8], out: &mut Vec<u8>) {
        length(tag, content.len(), out);
        out.extend_from_slice(content);
    }

    fn length(tag: u8, length: usize, out: &mut Vec<u8>) {
        let mut head = [tag; 9];
        if let Some(rest) = head.last_chunk_mut::<8>() {
            *rest = (length as u64).to_le_bytes();
        }
        out.extend_from_slice(&head);
    }

    /// The bytes of a text.
    pub fn text(text: &str, out: &mut Vec<u8>) {
        bytes(b'S', text.as_bytes(), out);
    }

    /// The bytes of a number that stands in its canonical text.
    pub fn number(text: &str, out: &mut Vec<u8>) {
        bytes(b'N', text.as_bytes(), out);
    }

    /// What goes before the attributes of an item, which follow in the order of their names.
    pub fn map(attributes: usize, out: &mut Vec<u8>) {
        length(b'M', attributes, out);
    }

    /// What goes before the value of an attribute.
    pub fn name(name: &str, out: &mut Vec<u8>) {
        bytes(b'k', name.as_bytes(), out);
    }

    /// The bytes of an item.
    pub fn item(item: &Item, out: &mut Vec<u8>) {
        map(item.len(), out);
        for (attribute, one) in item {
            name(attribute, out);
            value(one, out);
        }
    }

    /// The bytes of a value.
    pub fn value(value: &Value, out: &mut Vec<u8>) {
        match value {
            Value::Null => out.push(b'0'),
            Value::Bool(flag) => out.push(if *flag { b't' } else { b'f' }),
            Value::Number(decimal) => number(&decimal.to_string(), out),
            Value::String(content) => text(content, out),
            Value::Binary(content) => bytes(b'B', content, out),
            Value::List(values) => {
                length(b'L', values.len(), out);
                values.iter().for_each(|one| self::value(one, out));
            }
            Value::Map(map) => item(map, out),
            Value::StringSet(set) => {
                length(b's', set.len(), out);
                set.iter().for_each(|content| text(content, out));
            }
            Value::NumberSet(set) => {
                length(b'n', set.len(), out);
                set.iter().for_each(|decimal| number(&decimal.to_string(), out));
            }
            Value::BinarySet(set) => {
                length(b'b', set.len(), out);
                set.iter().for_each(|content| bytes(b'B', content, out));
            }
            Value::Unavailable => out.push(b'?'),
        }
    }

    /// The digest of an image by its bytes: never 0.
    #[must_use]
    pub fn digest(bytes: &[u8]) -> u64 {
        xxh3_64(bytes).max(1)
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
