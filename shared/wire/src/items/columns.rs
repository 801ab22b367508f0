//! Owns how remembered columns are stored: natively where DynamoDB can hold the value, and as
//! one typed JSON text where it cannot (a MySQL decimal of 65 digits, an empty set, a document
//! that nests one level too deep once it stands inside another). A row whose remembered columns
//! could not be stored would have to be put aside, and its counts would be uncertain for no
//! good reason.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercount_core::decimal::Decimal;
use evercount_core::value::{Item, Value};
use serde_json::Value as Json;

use crate::json::{DYNAMODB_DIGITS_MAX, DYNAMODB_MAGNITUDE_MAX, DYNAMODB_MAGNITUDE_MIN, dynamodb_json};

/// Deepest value stored natively. DynamoDB nests 32 levels, and the map of columns is one.
const NATIVE_DEPTH_MAX: usize = 30;

/// Parts the columns into those stored natively and the text of the others.
pub(super) fn stored(columns: &Item) -> (Item, Option<String>) {
    let (native, others): (Item, Item) = columns
        .iter()
        .filter(|(_, value)| **value != Value::Unavailable)
        .map(|(name, value)| (name.clone(), value.clone()))
        .partition(|(name, value)| is_name(name) && is_native(value, 1));
    let text = (!others.is_empty()).then(|| dynamodb_json(&others));
    (native, text)
}

/// The columns of a stored row; `None` where the text is not one that [`stored`] gives.
pub(super) fn read(native: &Item, text: Option<&str>) -> Option<Item> {
    let mut columns = native.clone();
    if let Some(text) = text {
        columns.extend(typed_item(&serde_json::from_str(text).ok()?)?);
    }
    Some(columns)
}

fn is_name(name: &str) -> bool {
    (1..=65_535).contains(&name.len())
}

fn is_native(value: &Value, depth: usize) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Binary(_) => true,
        Value::Number(number) => fits(number),
        Value::List(values) => {
            depth < NATIVE_DEPTH_MAX && values.iter().all(|value| is_native(value, depth + 1))
        }
        Value::Map(item) => {
            depth < NATIVE_DEPTH_MAX
                && item.iter().all(|(name, value)| is_name(name) && is_native(value, depth + 1))
        }
        Value::StringSet(set) => !set.is_empty(),
        Value::NumberSet(set) => !set.is_empty() && set.iter().all(fits),
        Value::BinarySet(set) => !set.is_empty(),
        Value::Unavailable => false,
    }
}

fn fits(number: &Decimal) -> bool {
    number.significant_digits() <= DYNAMODB_DIGITS_MAX
        && (DYNAMODB_MAGNITUDE_MIN..=DYNAMODB_MAGNITUDE_MAX).contains(&number.magnitude())
}

fn typed_item(json: &Json) -> Option<Item> {
    json.as_object()?.iter().map(|(name, json)| Some((name.clone(), typed(json)?))).collect()
}

/// A value in DynamoDB JSON, of any number of digits: the reader of records refuses numbers that
/// DynamoDB cannot have stored, and those are the reason for this text.
fn typed(json: &Json) -> Option<Value> {
    let mut fields = json.as_object()?.iter();
    let (Some((descriptor, json)), None) = (fields.next(), fields.next()) else { return None };
    Some(match descriptor.as_str() {
        "NULL" => Value::Null,
        "BOOL" => Value::Bool(json.as_bool()?),
        "N" => Value::Number(json.as_str()?.parse().ok()?),
        "S" => Value::String(json.as_str()?.to_owned()),
        "B" => Value::Binary(STANDARD.decode(json.as_str()?).ok()?),
        "L" => Value::List(json.as_array()?.iter().map(typed).collect::<Option<_>>()?),
        "M" => Value::Map(typed_item(json)?),
        "SS" => Value::StringSet(elements(json, |text| Some(text.to_owned()))?),
        "NS" => Value::NumberSet(elements(json, |text| text.parse().ok())?),
        "BS" => Value::BinarySet(elements(json, |text| STANDARD.decode(text).ok())?),
        _ => return None,
    })
}

fn elements<T: Ord>(json: &Json, read: impl Fn(&str) -> Option<T>) -> Option<std::collections::BTreeSet<T>> {
    json.as_array()?.iter().map(|json| read(json.as_str()?)).collect()
}
