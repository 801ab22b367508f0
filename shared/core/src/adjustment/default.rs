//! Defaults: which value the rows that stand take when a column is added.

use super::composition::Added;
use crate::migration::constant::constant;
use crate::migration::conversion::{self, How};
use crate::schema::{FieldType, TypeSet};
use crate::value::Value;

/// What rows that stand have in a new column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Filled {
    /// All of them this.
    With(Value),
    /// It is not known, for this reason.
    Unknown(String),
}

/// What the rows that stand have in a column of a typed table.
pub(super) fn filled(added: &Added) -> Filled {
    let text = added.default.as_deref().map(str::trim);
    let value = match text {
        Some(text) => constant(text, &added.typed.types).ok_or_else(|| {
            format!("the default of `{}`, {text}, is not one constant that can be told", added.place.0)
        }),
        None if added.typed.types == TypeSet::default() || !added.origin.declared => {
            Err(format!("nobody said what rows that stand have in `{}`", added.place.0))
        }
        None if added.typed.types.is_nullable() => Ok(Value::Null),
        // A table with rows takes such a column in MySQL only, with the zero of its type.
        None => zero(&added.typed.types).ok_or_else(|| {
            format!("what rows that stand have in `{}`, which may not be NULL, is not known", added.place.0)
        }),
    };
    let value = value.and_then(|value| {
        added.hops.iter().try_fold(value, |value, hop| match conversion::of(hop) {
            How::Same { .. } => Ok(value),
            How::Convert(convert) => convert
                .conversion
                .apply(&value)
                .map_err(|_| format!("the default of `{}` has no value of its new type", added.place.0)),
            How::Unknown(why) => Err(format!("the type of `{}` changed at once: {why}", added.place.0)),
        })
    });
    match value {
        Ok(value) => Filled::With(value),
        Err(why) => Filled::Unknown(why),
    }
}

/// What MySQL gives rows that stand where a column may not be NULL and has no default.
fn zero(types: &TypeSet) -> Option<Value> {
    let mut values = types.values();
    match (values.next(), values.next()) {
        (Some(FieldType::Integer { .. } | FieldType::Decimal { .. } | FieldType::Float { .. }), None) => {
            Some(Value::Number(0.into()))
        }
        (Some(FieldType::String { .. }), None) => Some(Value::String(String::new())),
        (Some(FieldType::Bool), None) => Some(Value::Bool(false)),
        _ => None,
    }
}
