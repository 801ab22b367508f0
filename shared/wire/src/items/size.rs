//! Owns what an item weighs and what a write of it costs, by DynamoDB's rules.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>

use evercount_core::decimal::Decimal;
use evercount_core::value::{Item, Value};

/// Most bytes of an item.
pub const ITEM_BYTES_MAX: usize = 400 * 1024;

const WRITE_UNIT_BYTES: usize = 1_024;
const READ_UNIT_BYTES: usize = 4_096;

/// The size of an item: names and values, in bytes. A number is given the larger of what AWS
/// calls an approximation, so a sum of sizes errs on the safe side.
#[must_use]
pub fn size_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(number) => number_bytes(number),
        Value::String(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        // A list or map takes 3 bytes, and each of its elements 1.
        Value::List(values) => 3 + values.iter().map(|value| 1 + value_bytes(value)).sum::<usize>(),
        Value::Map(item) => 3 + item.len() + size_bytes(item),
        Value::StringSet(set) => set.iter().map(String::len).sum(),
        Value::NumberSet(set) => set.iter().map(number_bytes).sum(),
        Value::BinarySet(set) => set.iter().map(Vec::len).sum(),
        Value::Unavailable => 0,
    }
}

/// A byte for each two significant digits, and one more.
fn number_bytes(number: &Decimal) -> usize {
    number.significant_digits().div_ceil(2) + 1
}

/// What a write of an item costs, in write units. `bytes` is the larger of the item before and
/// after.
#[must_use]
pub fn write_units(bytes: usize, transactional: bool) -> f64 {
    units(bytes, WRITE_UNIT_BYTES) * if transactional { 2.0 } else { 1.0 }
}

/// What a read costs, in read units.
#[must_use]
pub fn read_units(bytes: usize, consistent: bool) -> f64 {
    units(bytes, READ_UNIT_BYTES) * if consistent { 1.0 } else { 0.5 }
}

fn units(bytes: usize, of: usize) -> f64 {
    u32::try_from(bytes.div_ceil(of).max(1)).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: Value, bytes: usize) {
        assert_eq!(size_bytes(&Item::from([("ab".to_owned(), value.clone())])), bytes + 2, "{value:?}");
    }

    #[test]
    fn an_item_weighs_what_dynamodb_says_it_does() {
        check(Value::Null, 1);
        check(Value::String("héllo".to_owned()), 6);
        check(Value::Binary(vec![0; 7]), 7);
        check(Value::Number(Decimal::from(0)), 2);
        check(Value::Number(Decimal::from(1_234_567)), 5);
        check(Value::List(Vec::new()), 3);
        check(Value::List(vec![Value::Bool(true), Value::String("abc".to_owned())]), 3 + 2 + 4);
        check(Value::Map([("k".to_owned(), Value::Null)].into()), 3 + 1 + 1 + 1);
        check(Value::StringSet(["a".to_owned(), "bc".to_owned()].into()), 3);
    }

    #[test]
    fn a_transactional_write_costs_twice_and_a_started_kilobyte_counts_whole() {
        assert_eq!(write_units(0, false), 1.0);
        assert_eq!(write_units(1_024, false), 1.0);
        assert_eq!(write_units(1_025, true), 4.0);
        assert_eq!(read_units(4_097, true), 2.0);
        assert_eq!(read_units(100, false), 0.5);
    }
}
