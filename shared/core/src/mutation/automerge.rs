//! What two writes of one item make together, as AppSync's Automerge has it
//! (<https://docs.aws.amazon.com/appsync/latest/devguide/conflict-detection-and-resolution.html>).
//!
//! The rule, for each attribute that the later writer changed:
//!
//! * the stored item does not have it, or has NULL there: what came is taken;
//! * both are lists: what came is appended to what is stored, and what is there twice stays twice;
//! * both are sets of one type: their union;
//! * both are maps: the same rules for each of their attributes;
//! * anything else, and two values of different types: what is stored stays.
//!
//! What the later writer removed stays as well, because a removal is no value to merge. A deletion cannot
//! be merged and is refused, as is a change of an item that is gone.

use crate::value::{Item, Value};

/// The stored item with what came merged into it; `came` holds only what its writer changed.
#[must_use]
pub fn automerge(stored: &Item, came: &Item) -> Item {
    let mut merged = stored.clone();
    for (name, value) in came {
        let one = match merged.remove(name) {
            Some(stored) => value_of(stored, value),
            None => value.clone(),
        };
        merged.insert(name.clone(), one);
    }
    merged
}

fn value_of(stored: Value, came: &Value) -> Value {
    match (stored, came) {
        (Value::Null, came) => came.clone(),
        (Value::List(mut stored), Value::List(came)) => {
            stored.extend(came.iter().cloned());
            Value::List(stored)
        }
        (Value::StringSet(stored), Value::StringSet(came)) => Value::StringSet(&stored | came),
        (Value::NumberSet(stored), Value::NumberSet(came)) => Value::NumberSet(&stored | came),
        (Value::BinarySet(stored), Value::BinarySet(came)) => Value::BinarySet(&stored | came),
        (Value::Map(stored), Value::Map(came)) => Value::Map(automerge(&stored, came)),
        (stored, _) => stored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::Decimal;

    fn number(n: i64) -> Value {
        Value::Number(Decimal::from(n))
    }

    fn item(all: Vec<(&str, Value)>) -> Item {
        all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The example of AppSync's documentation: a scalar stays, a list is appended to, a map goes attribute
    /// by attribute.
    #[test]
    fn each_type_is_merged_as_the_rule_says() {
        let set = |all: &[&str]| Value::StringSet(all.iter().map(|one| (*one).to_owned()).collect());
        let stored = item(vec![
            ("jersey", number(5)),
            ("interests", Value::List(vec![number(1), number(2)])),
            ("points", set(&["a", "b"])),
            ("stats", Value::Map(item(vec![("ppg", number(35)), ("won", Value::Null)]))),
            ("mixed", number(1)),
        ]);
        let came = item(vec![
            ("jersey", number(55)),
            ("interests", Value::List(vec![number(2)])),
            ("points", set(&["b", "c"])),
            ("stats", Value::Map(item(vec![("ppg", number(25)), ("won", number(9)), ("lost", number(3))]))),
            ("mixed", set(&["a"])),
            ("new", number(7)),
        ]);
        let merged = item(vec![
            ("jersey", number(5)),
            ("interests", Value::List(vec![number(1), number(2), number(2)])),
            ("points", set(&["a", "b", "c"])),
            ("stats", Value::Map(item(vec![("ppg", number(35)), ("won", number(9)), ("lost", number(3))]))),
            ("mixed", number(1)),
            ("new", number(7)),
        ]);
        assert_eq!(automerge(&stored, &came), merged);
    }
}
