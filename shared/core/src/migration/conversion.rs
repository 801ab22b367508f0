//! Conversions: what a change of type does to the values of rows that stand.
//!
//! Only what databases are known to do is written down here. Texts of dates, documents and
//! floating-point numbers depend on the source and on the connector, so their conversions are
//! not known.

use super::Conversion;
use crate::diff::retype::fits;
use crate::schema::{FieldType, TypeSet};
use crate::schema_change::{Retype, Typed};
use crate::value::Value;

/// One change of a type.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Hop {
    pub before: Typed,
    pub after: Typed,
    pub retype: Retype,
}

/// What a change of type does to values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum How {
    /// Nothing: each has the same canonical value before and after. With what is taken for
    /// granted, where anything is.
    Same(Option<&'static str>),
    /// Each takes the form that a conversion gives it.
    Convert(Convert),
    /// Nobody can say.
    Unknown(String),
}

/// A conversion of one type to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Convert {
    pub conversion: Conversion,
    /// The types of values before.
    pub before: TypeSet,
    /// Whether different values stay different.
    pub injective: bool,
    /// Between which kinds of values it goes.
    pub kind: Kind,
}

/// Between which kinds of values a conversion goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Numbers to numbers: rounded at most.
    Numbers,
    /// Texts to texts: cut at most.
    Texts,
    /// Text to bytes, or back: the same bytes, in the same order.
    Bytes,
    /// Numbers or booleans to text: equality is kept, order is not.
    NumberToText,
    /// Everything else.
    Other,
}

const REFUSED: &str = "a value that does not fit the new type was refused, not changed";
const UTF8: &str = "texts are in UTF-8";

/// What a change of a type does.
pub(crate) fn of(hop: &Hop) -> How {
    let (before, after) = (&hop.before.types, &hop.after.types);
    match hop.retype {
        Retype::Restated | Retype::Nullable | Retype::NotNull => return How::Same(None),
        Retype::Widening | Retype::Narrowing | Retype::ReEncoding => {}
    }
    let one = |types: &TypeSet| {
        let mut values = types.values();
        values.next().filter(|_| values.next().is_none()).cloned()
    };
    let (Some(from), Some(to)) = (one(before), one(after)) else {
        let all_fit = before.values().all(|one| after.values().any(|other| same_value(one, other)));
        return if all_fit && before.values().next().is_some() {
            How::Same(None)
        } else {
            unknown("either side has several types, or none that is known")
        };
    };
    let convert = |conversion: Conversion, kind| {
        How::Convert(Convert {
            conversion,
            before: before.clone(),
            injective: conversion.is_injective(),
            kind,
        })
    };
    use FieldType as T;
    match (&from, &to) {
        (from, to) if same_value(from, to) => How::Same(None),
        (T::Float { .. }, _) | (_, T::Float { .. }) => {
            unknown("how floating-point numbers are rounded and written is the source's own")
        }
        (T::Integer { .. } | T::Decimal { .. }, T::Integer { .. }) => {
            convert(Conversion::ToNumber { scale: Some(0) }, Kind::Numbers)
        }
        (T::Integer { .. } | T::Decimal { .. }, T::Decimal { digits }) => {
            convert(Conversion::ToNumber { scale: digits.map(|(_, scale)| scale) }, Kind::Numbers)
        }
        (T::Integer { .. } | T::Decimal { digits: Some((_, 0)) }, T::String { .. }) => {
            // A number that is too long for the text is refused: half of it would be another one.
            convert(Conversion::ToText { max_length: None }, Kind::NumberToText)
        }
        (T::Decimal { .. }, T::String { .. }) => {
            unknown("the text of a decimal has zeros that its value does not tell")
        }
        (T::Integer { .. } | T::Decimal { .. }, T::Bool) => convert(Conversion::ToBool, Kind::Other),
        (T::Bool, T::Integer { .. } | T::Decimal { .. }) => {
            match convert(Conversion::ToNumber { scale: Some(0) }, Kind::Other) {
                How::Convert(convert) => How::Convert(Convert { injective: true, ..convert }),
                how => how,
            }
        }
        (T::Enum(_), T::Enum(_)) | (T::String { .. }, T::Enum(_)) => How::Same(Some(REFUSED)),
        (T::String { .. } | T::Enum(_), T::String { max_length }) => {
            convert(Conversion::ToText { max_length: *max_length }, Kind::Texts)
        }
        (T::String { .. } | T::Enum(_), T::Integer { .. }) => {
            convert(Conversion::ToNumber { scale: Some(0) }, Kind::Other)
        }
        (T::String { .. } | T::Enum(_), T::Decimal { digits }) => {
            convert(Conversion::ToNumber { scale: digits.map(|(_, scale)| scale) }, Kind::Other)
        }
        (T::String { .. } | T::Enum(_), T::Binary { .. }) if is_padded(hop) => {
            unknown("bytes of a fixed length are padded")
        }
        (T::String { max_length: longest }, T::Binary { max_length }) => {
            let holds_all =
                longest.zip(*max_length).is_some_and(|(longest, most)| longest.saturating_mul(4) <= most);
            let max_length = max_length.filter(|_| !holds_all);
            convert(Conversion::ToBinary { max_length }, Kind::Bytes)
        }
        (T::Enum(_), T::Binary { max_length }) => {
            convert(Conversion::ToBinary { max_length: *max_length }, Kind::Bytes)
        }
        (T::Binary { max_length: longest }, T::String { max_length }) => {
            let holds_all = longest.zip(*max_length).is_some_and(|(longest, most)| longest <= most);
            let max_length = max_length.filter(|_| !holds_all);
            convert(Conversion::ToText { max_length }, Kind::Bytes)
        }
        (T::Binary { .. }, T::Binary { max_length }) => {
            convert(Conversion::ToBinary { max_length: *max_length }, Kind::Texts)
        }
        _ => unknown("what becomes of values is the source's own"),
    }
}

fn unknown(why: &str) -> How {
    How::Unknown(why.to_owned())
}

/// What a conversion takes for granted.
pub(crate) fn assumption(convert: &Convert) -> Option<&'static str> {
    match convert.kind {
        Kind::Numbers | Kind::NumberToText | Kind::Other => Some(REFUSED),
        Kind::Bytes => Some(UTF8),
        Kind::Texts => None,
    }
}

/// Whether every value of a type is a value of another, with the same canonical value.
fn same_value(one: &FieldType, other: &FieldType) -> bool {
    match (one, other) {
        // 0.1 of 32 bits is another number than 0.1 of 64.
        (FieldType::Float { bits }, FieldType::Float { bits: wide }) => {
            bits.unwrap_or(64) == wide.unwrap_or(64)
        }
        (FieldType::Uuid, FieldType::String { max_length }) => {
            max_length.is_none_or(|most| most >= UUID_LENGTH)
        }
        _ => fits(one, other),
    }
}

const UUID_LENGTH: u64 = 36;

/// `BINARY(16)`, but not `VARBINARY(16)`.
fn is_padded(hop: &Hop) -> bool {
    let words = hop.after.declared.as_deref().unwrap_or_default().to_ascii_uppercase();
    words.starts_with("BINARY") && !words.contains("VARYING")
}

/// Whether a conversion leaves every value of the types as it is.
pub(crate) fn leaves(conversion: Conversion, types: &TypeSet) -> bool {
    use FieldType as T;
    let fits = |length: Option<u64>, most: Option<u64>| {
        most.is_none_or(|most| length.is_some_and(|length| length <= most))
    };
    types.values().all(|one| match (conversion, one) {
        (Conversion::ToText { max_length: most }, T::String { max_length })
        | (Conversion::ToBinary { max_length: most }, T::Binary { max_length }) => fits(*max_length, most),
        (Conversion::ToText { max_length: most }, T::Enum(texts)) => {
            texts.iter().all(|text| fits(Some(text.chars().count() as u64), most))
        }
        (Conversion::ToNumber { .. }, T::Integer { .. }) | (Conversion::ToBool, T::Bool) => true,
        (Conversion::ToNumber { scale }, T::Decimal { digits }) => {
            scale.is_none_or(|most| digits.is_some_and(|(_, scale)| scale <= most))
        }
        (Conversion::ToNumber { scale }, T::Float { .. }) => scale.is_none(),
        _ => false,
    })
}

/// Whether [`is_of`] knows the values of all of the types.
pub(crate) fn is_known(types: &TypeSet) -> bool {
    use FieldType as T;
    let known = |one: &FieldType| {
        let is_number = matches!(one, T::Integer { .. } | T::Decimal { .. } | T::Float { .. });
        is_number || matches!(one, T::Bool | T::String { .. } | T::Enum(_) | T::Binary { .. })
    };
    types.values().next().is_some() && types.values().all(known)
}

/// Whether a value is one of a set of types.
pub(crate) fn is_of(value: &Value, types: &TypeSet) -> bool {
    match value {
        Value::Null => types.is_nullable(),
        value => types.values().any(|one| match (one, value) {
            (FieldType::Integer { .. }, Value::Number(number)) => number.is_integer(),
            (FieldType::Decimal { digits }, Value::Number(number)) => {
                digits.is_none_or(|(_, scale)| number.rounded(Some(scale)).as_ref() == Some(number))
            }
            (FieldType::Float { .. }, Value::Number(_)) | (FieldType::Bool, Value::Bool(_)) => true,
            (FieldType::String { max_length }, Value::String(text)) => {
                max_length.is_none_or(|most| text.chars().count() as u64 <= most)
            }
            (FieldType::Enum(texts), Value::String(text)) => texts.contains(text.as_str()),
            (FieldType::Binary { max_length }, Value::Binary(bytes)) => {
                max_length.is_none_or(|most| bytes.len() as u64 <= most)
            }
            _ => false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::retype::retype_types;

    fn how(from: FieldType, to: FieldType) -> How {
        let (before, after) = (TypeSet::of(from), TypeSet::of(to));
        let retype = retype_types(&before, &after).unwrap_or(Retype::Restated);
        let typed = |types| Typed { types, declared: None };
        of(&Hop { before: typed(before), after: typed(after), retype })
    }

    #[test]
    fn what_a_change_of_type_does_to_values_is_known_or_said_not_to_be() {
        use FieldType as T;
        let int = |bits| T::Integer { bits: Some(bits), unsigned: false };
        let decimal = |precision, scale| T::Decimal { digits: Some((precision, scale)) };
        let text = |length| T::String { max_length: Some(length) };
        let check = |from: FieldType, to: FieldType, expected: Option<Conversion>| {
            let found = match how(from.clone(), to.clone()) {
                How::Convert(convert) => Some(convert.conversion),
                How::Same(_) => None,
                How::Unknown(why) => return assert_eq!(why, "", "{from} to {to}"),
            };
            assert_eq!(found, expected, "{from} to {to}");
        };
        check(int(32), int(64), None);
        check(int(32), decimal(12, 2), None);
        check(text(5), text(9), None);
        check(T::Enum(["a".into()].into()), text(1), None);
        check(T::Uuid, text(36), None);
        check(int(64), int(32), Some(Conversion::ToNumber { scale: Some(0) }));
        check(decimal(9, 2), int(32), Some(Conversion::ToNumber { scale: Some(0) }));
        check(decimal(9, 2), decimal(9, 1), Some(Conversion::ToNumber { scale: Some(1) }));
        check(text(9), text(5), Some(Conversion::ToText { max_length: Some(5) }));
        check(int(32), text(20), Some(Conversion::ToText { max_length: None }));
        check(int(32), text(5), Some(Conversion::ToText { max_length: None }));
        check(text(9), int(32), Some(Conversion::ToNumber { scale: Some(0) }));
        check(int(8), T::Bool, Some(Conversion::ToBool));
        check(text(9), T::BINARY, Some(Conversion::ToBinary { max_length: None }));
        check(T::BINARY, T::STRING, Some(Conversion::ToText { max_length: None }));
        for (from, to) in [
            (T::Date, T::STRING),
            (T::Timestamp { zoned: false }, T::Timestamp { zoned: true }),
            (T::Float { bits: Some(32) }, T::Float { bits: Some(64) }),
            (decimal(9, 2), T::STRING),
            (T::Bool, T::STRING),
            (T::STRING, T::Json),
            (T::Float { bits: Some(64) }, int(32)),
        ] {
            assert!(matches!(how(from.clone(), to.clone()), How::Unknown(_)), "{from} to {to}");
        }
    }
}
