//! What a change of type does to values, and which type holds the values of which.

use std::collections::BTreeSet;

use crate::schema::{Field, FieldType, TypeSet};
use crate::schema_change::Retype;

/// How a field was redefined; `None` where its type, its default and the source's words for its
/// type are the same. A moved position is no change, nor is a word that only one side knows.
#[must_use]
pub fn retype(before: &Field, after: &Field) -> Option<Retype> {
    retype_types(&before.types, &after.types)
        .or_else(|| (reworded(before, after) || before.default != after.default).then_some(Retype::Restated))
}

fn reworded(before: &Field, after: &Field) -> bool {
    // Sources spell one type in either case: `int(11)`, `INT(11)`.
    match (&before.declared, &after.declared) {
        (Some(before), Some(after)) => !before.eq_ignore_ascii_case(after),
        _ => false,
    }
}

/// The same for types alone; `None` where they are the same.
#[must_use]
pub fn retype_types(before: &TypeSet, after: &TypeSet) -> Option<Retype> {
    if before == after {
        return None;
    }
    let null_shut_out = before.is_nullable() && !after.is_nullable();
    if before.values().eq(after.values()) {
        return Some(if null_shut_out { Retype::NotNull } else { Retype::Nullable });
    }
    let every_value_fits = before.values().all(|one| held(one, after));
    if every_value_fits && !null_shut_out {
        // INT(5) against a width nobody named: the same type, more or less exactly put.
        return Some(
            if after.values().all(|one| held(one, before)) && before.is_nullable() == after.is_nullable() {
                Retype::Restated
            } else {
                Retype::Widening
            },
        );
    }
    let form_kept = before.values().any(|one| after.values().any(|other| form(one) == form(other)));
    let values = before.values().next().is_some();
    Some(if form_kept || !values || after.values().next().is_none() {
        Retype::Narrowing
    } else {
        Retype::ReEncoding
    })
}

/// Whether every value of one type is a value of one of the others, in the same form.
fn held(one: &FieldType, types: &TypeSet) -> bool {
    types.values().any(|other| fits(one, other))
}

/// Whether every value of a type is a value of another, in the same form. A width or length that
/// the source did not say counts as the widest.
#[must_use]
pub fn fits(one: &FieldType, other: &FieldType) -> bool {
    use FieldType as T;
    match (one, other) {
        (T::Integer { bits, unsigned }, T::Integer { bits: wide, unsigned: wide_unsigned }) => {
            let (bits, wide) = (bits.unwrap_or(WIDEST_INTEGER), wide.unwrap_or(WIDEST_INTEGER));
            match (unsigned, wide_unsigned) {
                (true, false) => bits < wide,
                (false, true) => false,
                _ => bits <= wide,
            }
        }
        (T::Integer { bits, .. }, T::Decimal { digits }) => digits.is_none_or(|(precision, scale)| {
            precision.saturating_sub(scale) >= integer_digits(bits.unwrap_or(WIDEST_INTEGER))
        }),
        // A float holds every whole number up to 2^24 or 2^53.
        (T::Integer { bits: Some(bits), .. }, T::Float { bits: float }) => {
            *bits <= if *float == Some(32) { 24 } else { 53 }
        }
        (T::Decimal { digits: Some((precision, 0)) }, T::Integer { bits, unsigned: false }) => {
            *precision < integer_digits(bits.unwrap_or(WIDEST_INTEGER))
        }
        (T::Decimal { digits: None }, T::Decimal { digits }) => digits.is_none(),
        (T::Decimal { digits: Some((precision, scale)) }, T::Decimal { digits }) => {
            digits.is_none_or(|(wide, wide_scale)| {
                wide_scale >= *scale && wide.saturating_sub(wide_scale) >= precision.saturating_sub(*scale)
            })
        }
        (T::Float { bits }, T::Float { bits: wide }) => bits.unwrap_or(64) <= wide.unwrap_or(64),
        (T::String { max_length }, T::String { max_length: wide })
        | (T::Binary { max_length }, T::Binary { max_length: wide }) => at_most(*max_length, *wide),
        (T::Enum(texts), T::String { max_length }) => {
            at_most(texts.iter().map(|text| text.chars().count() as u64).max(), *max_length)
        }
        (T::Enum(texts), T::Enum(wide)) => texts.is_subset(wide),
        _ => one == other,
    }
}

const WIDEST_INTEGER: u8 = 64;

/// Decimal digits that hold every whole number of this many bits.
fn integer_digits(bits: u8) -> u16 {
    match bits {
        0..=8 => 3,
        9..=16 => 5,
        17..=24 => 8,
        25..=32 => 10,
        _ => 20,
    }
}

fn at_most(length: Option<u64>, limit: Option<u64>) -> bool {
    limit.is_none_or(|limit| length.is_some_and(|length| length <= limit))
}

/// Types whose values are written alike, so that a value may be in both.
fn form(one: &FieldType) -> &str {
    match one {
        FieldType::Integer { .. } | FieldType::Decimal { .. } | FieldType::Float { .. } => "number",
        FieldType::String { .. } | FieldType::Enum(_) => "text",
        // The same digits name a time of the day here and an instant there.
        FieldType::Timestamp { zoned: true } => "instant",
        other => other.family(),
    }
}

/// Whether no text that the first allows is allowed by the second, both listing their texts.
#[must_use]
pub fn disjoint_enums(before: &TypeSet, after: &TypeSet) -> bool {
    let texts = |types: &TypeSet| -> Option<BTreeSet<_>> {
        let all: Option<Vec<_>> = types
            .values()
            .map(|one| if let FieldType::Enum(texts) = one { Some(texts.clone()) } else { None })
            .collect();
        all.filter(|all| !all.is_empty()).map(|all| all.into_iter().flatten().collect())
    };
    match (texts(before), texts(after)) {
        (Some(before), Some(after)) => before.is_disjoint(&after),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::arbitrary::{field, types};
    use proptest::prelude::*;

    fn int(bits: u8) -> FieldType {
        FieldType::Integer { bits: Some(bits), unsigned: false }
    }

    fn unsigned(bits: u8) -> FieldType {
        FieldType::Integer { bits: Some(bits), unsigned: true }
    }

    fn decimal(precision: u16, scale: u16) -> FieldType {
        FieldType::Decimal { digits: Some((precision, scale)) }
    }

    fn text(max_length: u64) -> FieldType {
        FieldType::String { max_length: Some(max_length) }
    }

    fn one_of(texts: &[&str]) -> FieldType {
        FieldType::Enum(texts.iter().map(|text| (*text).into()).collect())
    }

    #[test]
    fn a_retype_says_what_happens_to_values() {
        let check = |before: &[FieldType], after: &[FieldType], expected: Option<Retype>| {
            let set = |types: &[FieldType]| types.iter().cloned().collect::<TypeSet>();
            assert_eq!(retype_types(&set(before), &set(after)), expected, "{before:?} to {after:?}");
        };
        use FieldType as T;
        let check_one = |before: FieldType, after: FieldType, expected: Retype| {
            check(&[before], &[after], Some(expected));
        };
        check(&[int(32)], &[int(32)], None);
        check_one(int(32), int(64), Retype::Widening);
        check_one(int(64), int(32), Retype::Narrowing);
        check_one(int(32), unsigned(32), Retype::Narrowing);
        check_one(unsigned(32), int(64), Retype::Widening);
        check_one(unsigned(32), int(32), Retype::Narrowing);
        check_one(int(32), T::INTEGER, Retype::Widening);
        check_one(int(64), T::INTEGER, Retype::Restated);
        check_one(T::INTEGER, T::DECIMAL, Retype::Widening);
        check_one(T::DECIMAL, T::INTEGER, Retype::Narrowing);
        check_one(int(32), decimal(10, 0), Retype::Widening);
        check_one(int(32), decimal(10, 2), Retype::Narrowing);
        check_one(decimal(10, 2), decimal(12, 2), Retype::Widening);
        check_one(decimal(10, 2), decimal(11, 4), Retype::Narrowing);
        check_one(decimal(9, 0), int(32), Retype::Widening);
        check_one(int(32), T::Float { bits: Some(64) }, Retype::Widening);
        check_one(int(32), T::Float { bits: Some(32) }, Retype::Narrowing);
        check_one(T::Float { bits: Some(64) }, decimal(10, 2), Retype::Narrowing);
        check_one(text(10), text(20), Retype::Widening);
        check_one(text(10), T::STRING, Retype::Widening);
        check_one(T::STRING, text(10), Retype::Narrowing);
        check_one(one_of(&["a"]), one_of(&["a", "b"]), Retype::Widening);
        check_one(one_of(&["a", "b"]), one_of(&["a"]), Retype::Narrowing);
        check_one(one_of(&["a"]), text(1), Retype::Widening);
        check_one(one_of(&["ab"]), text(1), Retype::Narrowing);
        check_one(int(32), text(20), Retype::ReEncoding);
        check_one(T::Date, T::STRING, Retype::ReEncoding);
        check_one(T::Timestamp { zoned: false }, T::Timestamp { zoned: true }, Retype::ReEncoding);
        check_one(T::Map, T::List, Retype::ReEncoding);
        check(&[T::STRING, T::INTEGER], &[T::STRING], Some(Retype::Narrowing));
        check(&[T::STRING], &[T::STRING, T::INTEGER], Some(Retype::Widening));
        check(&[T::STRING], &[T::STRING, T::Null], Some(Retype::Nullable));
        check(&[T::STRING, T::Null], &[T::STRING], Some(Retype::NotNull));
        check(&[text(1)], &[text(2), T::Null], Some(Retype::Widening));
        check(&[text(1), T::Null], &[text(2)], Some(Retype::Narrowing));
        check(&[T::Null], &[T::STRING, T::Null], Some(Retype::Widening));
        check(&[T::STRING, T::Null], &[T::Null], Some(Retype::Narrowing));
    }

    #[test]
    fn words_that_mean_the_same_type_are_a_restatement() {
        let field = |declared: &str, default: Option<&str>| Field {
            declared: Some(declared.into()),
            default: default.map(Into::into),
            ..Field::of(TypeSet::of(int(32)))
        };
        assert_eq!(retype(&field("INT(11)", None), &field("int(11)", None)), None);
        assert_eq!(retype(&field("INT(11)", None), &field("INT(5)", None)), Some(Retype::Restated));
        assert_eq!(retype(&field("INT", None), &field("INT", Some("0"))), Some(Retype::Restated));
        let moved = Field { position: Some(7), ..field("INT", None) };
        assert_eq!(retype(&field("INT", None), &moved), None);
        assert_eq!(retype(&Field { declared: None, ..field("INT", None) }, &field("INT", None)), None);
    }

    proptest! {
        #[test]
        fn nothing_is_retyped_into_itself(field in field()) {
            prop_assert_eq!(retype(&field, &field), None);
        }

        #[test]
        fn a_widening_taken_back_is_never_a_widening(a in types(), b in types()) {
            if retype_types(&a, &b) == Some(Retype::Widening) {
                prop_assert!(matches!(
                    retype_types(&b, &a),
                    Some(Retype::Narrowing | Retype::ReEncoding | Retype::NotNull)
                ));
            }
        }

        #[test]
        fn every_value_of_a_type_fits_a_wider_ones_wider(a in types(), b in types(), c in types()) {
            let holds = |from: &TypeSet, to: &TypeSet| from.values().all(|one| held(one, to));
            if holds(&a, &b) && holds(&b, &c) {
                prop_assert!(holds(&a, &c));
            }
        }
    }
}
