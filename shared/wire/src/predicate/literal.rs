//! Literals outside of SQL: DynamoDB JSON, and the digits of `X'…'`.
//!
//! The DynamoDB JSON of items is read under DynamoDB's own limits. A literal is not: it may
//! be compared with a 65-digit MySQL decimal, so numbers here are bounded by the literal alone.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercount_core::decimal::Decimal;
use evercount_core::value::Value;
use serde::{Deserialize, Serialize};

/// A literal in DynamoDB JSON.
#[derive(Serialize, Deserialize)]
pub(crate) enum LiteralJson {
    #[serde(rename = "NULL")]
    Null(bool),
    #[serde(rename = "BOOL")]
    Bool(bool),
    #[serde(rename = "N")]
    Number(String),
    #[serde(rename = "S")]
    String(String),
    #[serde(rename = "B")]
    Binary(String),
    #[serde(rename = "L")]
    List(Vec<LiteralJson>),
    #[serde(rename = "M")]
    Map(BTreeMap<String, LiteralJson>),
    #[serde(rename = "SS")]
    StringSet(Vec<String>),
    #[serde(rename = "NS")]
    NumberSet(Vec<String>),
    #[serde(rename = "BS")]
    BinarySet(Vec<String>),
}

impl From<&Value> for LiteralJson {
    fn from(value: &Value) -> Self {
        match value {
            // No well-formed predicate holds a value that was not sent.
            Value::Null | Value::Unavailable => Self::Null(true),
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::String(text) => Self::String(text.clone()),
            Value::Binary(bytes) => Self::Binary(STANDARD.encode(bytes)),
            Value::List(values) => Self::List(values.iter().map(Self::from).collect()),
            Value::Map(item) => {
                Self::Map(item.iter().map(|(name, value)| (name.clone(), value.into())).collect())
            }
            Value::StringSet(set) => Self::StringSet(set.iter().cloned().collect()),
            Value::NumberSet(set) => Self::NumberSet(set.iter().map(Decimal::to_string).collect()),
            Value::BinarySet(set) => {
                Self::BinarySet(set.iter().map(|bytes| STANDARD.encode(bytes)).collect())
            }
        }
    }
}

impl TryFrom<LiteralJson> for Value {
    type Error = String;

    fn try_from(literal: LiteralJson) -> Result<Self, String> {
        Ok(match literal {
            LiteralJson::Null(true) => Self::Null,
            LiteralJson::Null(false) => return Err("`NULL` is `true` or absent".to_owned()),
            LiteralJson::Bool(flag) => Self::Bool(flag),
            LiteralJson::Number(text) => Self::Number(number(&text)?),
            LiteralJson::String(text) => Self::String(text),
            LiteralJson::Binary(text) => Self::Binary(bytes(&text)?),
            LiteralJson::List(values) => {
                Self::List(values.into_iter().map(Self::try_from).collect::<Result<_, _>>()?)
            }
            LiteralJson::Map(fields) => {
                let fields = fields.into_iter().map(|(name, value)| Ok((name, Self::try_from(value)?)));
                Self::Map(fields.collect::<Result<_, String>>()?)
            }
            LiteralJson::StringSet(texts) => Self::StringSet(distinct(texts, |text| Ok(text.clone()))?),
            LiteralJson::NumberSet(texts) => Self::NumberSet(distinct(texts, |text| number(text))?),
            LiteralJson::BinarySet(texts) => Self::BinarySet(distinct(texts, |text| bytes(text))?),
        })
    }
}

fn number(text: &str) -> Result<Decimal, String> {
    text.parse().map_err(|error| format!("`{text}`: {error}"))
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|_| format!("`{text}` is not base64"))
}

fn distinct<T: Ord>(
    texts: Vec<String>,
    read: impl Fn(&String) -> Result<T, String>,
) -> Result<BTreeSet<T>, String> {
    let mut set = BTreeSet::new();
    for text in texts {
        if !set.insert(read(&text)?) {
            return Err(format!("`{text}` stands twice in a set"));
        }
    }
    Ok(set)
}

const HEX_DIGITS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// Bytes as hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| HEX_DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// Bytes from hexadecimal digits of either case, two for each byte.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|nibble| u8::try_from(nibble).ok())).collect();
    digits?
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(high << 4 | low),
            _ => None,
        })
        .collect()
}
