//! Owns how JSON text becomes core values, and back: plain JSON, DynamoDB JSON, and the one
//! canonical text of a key.
//!
//! Values are built while the text is read, never by way of a `serde_json::Value`: depth, field
//! count and duplicate names are checked as they appear, and a number goes from its digits to a
//! [`Decimal`](evercount_core::decimal::Decimal) without ever being a binary float.

mod key;
mod read;
mod write;

use std::fmt;

use evercount_core::value::{Item, Value};

pub use key::canonical_key;
pub(crate) use key::canonical_value;
pub(crate) use read::{Key, KeySeed, OptionalItemSeed, OptionalTextSeed, Reading, read, read_base64};
pub use write::{dynamodb_json, plain_json};

use read::{Dialect, ItemSeed, ValueSeed};

/// Deepest nesting of lists and maps within an attribute. DynamoDB allows 32 levels
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>); no
/// other source nests deeper in practice, and code that walks values recurses this far at most.
pub const DEPTH_MAX: usize = 32;

/// Most fields of one object, and so most columns of a row. MySQL stores at most 1,017 columns
/// in an InnoDB table; an object with more fields is a map keyed by data or an attack.
pub const FIELDS_MAX: usize = 1_000;

/// Most significant digits of a DynamoDB number
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.DataTypes.Number>).
pub const DYNAMODB_DIGITS_MAX: usize = 38;

/// Smallest power of ten of a DynamoDB number's first digit: `1E-130`.
pub const DYNAMODB_MAGNITUDE_MIN: i64 = -130;

/// Largest power of ten of a DynamoDB number's first digit: `9.9…E+125`.
pub const DYNAMODB_MAGNITUDE_MAX: i64 = 125;

/// What is wrong with a text that should be JSON of a certain form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fault {
    /// It is not JSON, or not UTF-8 within a string.
    NotJson,
    /// It nests deeper than [`DEPTH_MAX`].
    TooDeep,
    /// An object has more than [`FIELDS_MAX`] fields.
    TooManyFields,
    /// A number has more digits or a larger magnitude than any source's numbers.
    AbsurdNumber,
    /// A value has another type than its place asks for.
    WrongType,
    /// An object names one field twice.
    DuplicateKey,
    /// A binary value is not base64.
    BadBase64,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJson => "not JSON",
            Self::TooDeep => "nested too deeply",
            Self::TooManyFields => "an object of too many fields",
            Self::AbsurdNumber => "a number beyond every source's range",
            Self::WrongType => "a value of another type than its place asks for",
            Self::DuplicateKey => "a field named twice",
            Self::BadBase64 => "a binary value that is not base64",
        })
    }
}

/// Why a JSON text could not be read, and where. It never holds any of the text, so that no
/// item's data ends up in a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{fault} at line {line} column {column}")]
pub struct JsonError {
    /// What is wrong.
    pub fault: Fault,
    /// Line of the text, from 1.
    pub line: usize,
    /// Column of the line, in bytes, from 1; 0 where the text ended before its first byte.
    pub column: usize,
}

/// Reads one plain JSON value: null, boolean, number, string, list and map.
///
/// # Errors
/// [`JsonError`] where the text is no JSON or breaks a limit of this module.
pub fn read_plain(text: &str) -> Result<Value, JsonError> {
    let reading = Reading::default();
    read(text, &reading, ValueSeed::top(&reading, Dialect::Plain))
}

/// Reads one plain JSON object as an item.
///
/// # Errors
/// [`JsonError`] as for [`read_plain`]; [`Fault::WrongType`] where the text is no object.
pub fn read_plain_item(text: &str) -> Result<Item, JsonError> {
    let reading = Reading::default();
    read(text, &reading, ItemSeed::top(&reading, Dialect::Plain))
}

/// Reads one attribute value in DynamoDB JSON: `{"S":"a"}`.
///
/// # Errors
/// [`JsonError`] as for [`read_plain`]; [`Fault::WrongType`] for an unknown type descriptor,
/// [`Fault::AbsurdNumber`] for a number DynamoDB could not have stored.
pub fn read_dynamodb(text: &str) -> Result<Value, JsonError> {
    let reading = Reading::default();
    read(text, &reading, ValueSeed::top(&reading, Dialect::DynamoDb))
}

/// Reads an item in DynamoDB JSON: `{"id":{"S":"a"}}`.
///
/// # Errors
/// [`JsonError`] as for [`read_dynamodb`].
pub fn read_dynamodb_item(text: &str) -> Result<Item, JsonError> {
    let reading = Reading::default();
    read(text, &reading, ItemSeed::top(&reading, Dialect::DynamoDb))
}

#[cfg(test)]
mod tests;
