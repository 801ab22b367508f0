//! Owns the conversion between core values and the SDK's attribute values.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use evercount_core::decimal::DecimalError;
use evercount_core::value::{Item, Value};

/// Why an attribute value is none of Evercount's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConversionError {
    /// A number that is no number.
    #[error("a number in an attribute: {0}")]
    Number(#[from] DecimalError),
    /// A data type that DynamoDB got after this was written.
    #[error("an attribute has a data type that this release does not know")]
    UnknownType,
}

/// A value as the SDK wants it. A value that the source did not send becomes NULL.
#[must_use]
pub fn to_attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Null | Value::Unavailable => AttributeValue::Null(true),
        Value::Bool(flag) => AttributeValue::Bool(*flag),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Binary(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
        Value::List(values) => AttributeValue::L(values.iter().map(to_attribute).collect()),
        Value::Map(item) => AttributeValue::M(to_attributes(item)),
        Value::StringSet(set) => AttributeValue::Ss(set.iter().cloned().collect()),
        Value::NumberSet(set) => AttributeValue::Ns(set.iter().map(ToString::to_string).collect()),
        Value::BinarySet(set) => {
            AttributeValue::Bs(set.iter().map(|bytes| Blob::new(bytes.clone())).collect())
        }
    }
}

/// An item as the SDK wants it; attributes that the source did not send are left out.
#[must_use]
pub fn to_attributes(item: &Item) -> HashMap<String, AttributeValue> {
    let sent = item.iter().filter(|(_, value)| **value != Value::Unavailable);
    sent.map(|(name, value)| (name.clone(), to_attribute(value))).collect()
}

/// A value from the SDK.
///
/// # Errors
/// [`ConversionError`].
pub fn from_attribute(value: AttributeValue) -> Result<Value, ConversionError> {
    Ok(match value {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(flag) => Value::Bool(flag),
        AttributeValue::N(text) => Value::Number(text.parse()?),
        AttributeValue::S(text) => Value::String(text),
        AttributeValue::B(blob) => Value::Binary(blob.into_inner()),
        AttributeValue::L(values) => {
            Value::List(values.into_iter().map(from_attribute).collect::<Result<_, _>>()?)
        }
        AttributeValue::M(item) => Value::Map(from_attributes(item)?),
        AttributeValue::Ss(set) => Value::StringSet(set.into_iter().collect()),
        AttributeValue::Ns(set) => {
            Value::NumberSet(set.iter().map(|text| text.parse()).collect::<Result<_, _>>()?)
        }
        AttributeValue::Bs(set) => Value::BinarySet(set.into_iter().map(Blob::into_inner).collect()),
        _ => return Err(ConversionError::UnknownType),
    })
}

/// An item from the SDK.
///
/// # Errors
/// [`ConversionError`].
pub fn from_attributes(item: HashMap<String, AttributeValue>) -> Result<Item, ConversionError> {
    item.into_iter().map(|(name, value)| Ok((name, from_attribute(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_data_type_comes_back_as_it_was() {
        let number = |text: &str| text.parse().map(Value::Number).unwrap_or(Value::Null);
        let values = [
            Value::Null,
            Value::Bool(true),
            number("-1.5e-130"),
            number("99999999999999999999999999999999999999"),
            Value::String(String::new()),
            Value::Binary(vec![0, 255]),
            Value::List(vec![Value::Map([("a".to_owned(), Value::Null)].into())]),
            Value::StringSet(["b".to_owned(), "a".to_owned()].into()),
            Value::NumberSet(["1".parse(), "2.5".parse()].into_iter().flatten().collect()),
            Value::BinarySet([vec![1], vec![]].into()),
        ];
        for value in values {
            assert_eq!(from_attribute(to_attribute(&value)), Ok(value));
        }
        assert_eq!(from_attribute(AttributeValue::N("NaN".to_owned())), Err(DecimalError::Malformed.into()));
        let unsent = Item::from([("a".to_owned(), Value::Unavailable)]);
        assert!(to_attributes(&unsent).is_empty());
    }
}
