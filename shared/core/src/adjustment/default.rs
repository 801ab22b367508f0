//! Defaults: which value the rows that stand take when a column is added.

use super::composition::Added;
use super::conversion::{self, How};
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

/// Words that stand for another value each time.
const VOLATILE: [&str; 10] = [
    "CURRENT_TIMESTAMP",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_USER",
    "SESSION_USER",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "NOW",
    "SYSDATE",
    "UUID",
];

/// The value of a default that is a constant of the types; `None` where it is not, or where how
/// rows would show it is not known.
fn constant(text: &str, types: &TypeSet) -> Option<Value> {
    let (text, quoted) = match unquote(text) {
        Some(inner) => (inner, true),
        None => (text.to_owned(), false),
    };
    if !quoted {
        // PostgreSQL: `NULL::character varying`, `5::numeric`.
        let bare = text.split("::").next().unwrap_or_default().trim();
        if bare.eq_ignore_ascii_case("null") {
            return Some(Value::Null);
        }
        let is_expression = bare.contains('(') || bare.starts_with('\'');
        if is_expression || VOLATILE.iter().any(|word| bare.eq_ignore_ascii_case(word)) {
            return None;
        }
    }
    let mut values = types.values();
    let (Some(one), None) = (values.next(), values.next()) else { return None };
    let bare = if quoted { text.as_str() } else { text.split("::").next().unwrap_or_default().trim() };
    match one {
        FieldType::Integer { .. } | FieldType::Decimal { .. } | FieldType::Float { .. } => {
            let number = match bare {
                _ if bare.eq_ignore_ascii_case("true") => "1",
                _ if bare.eq_ignore_ascii_case("false") => "0",
                bare => bare.trim_start_matches('(').trim_end_matches(')'),
            };
            number.parse().ok().map(Value::Number)
        }
        FieldType::String { .. } => Some(Value::String(text)),
        FieldType::Enum(texts) => texts.contains(text.as_str()).then_some(Value::String(text)),
        FieldType::Bool => match bare.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" | "b'1'" => Some(Value::Bool(true)),
            "false" | "f" | "0" | "b'0'" => Some(Value::Bool(false)),
            _ => None,
        },
        // Dates, bytes and documents come in forms of the connector's own.
        _ => None,
    }
}

/// The text between quotes, with or without a cast behind them.
fn unquote(text: &str) -> Option<String> {
    let mut inner = String::new();
    let mut chars = text.strip_prefix('\'')?.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            inner.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == '\'') {
            chars.next();
            inner.push('\'');
        } else {
            let rest = text.get(at + 2..).unwrap_or_default().trim();
            return (rest.is_empty() || rest.starts_with("::")).then_some(inner);
        }
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_is_a_constant_only_where_it_can_be_told() {
        let check = |text: &str, one: FieldType, expected: Option<Value>| {
            assert_eq!(constant(text, &TypeSet::of(one).nullable(true)), expected, "{text}");
        };
        let text = |text: &str| Some(Value::String(text.to_owned()));
        let number = |n: i64| Some(Value::Number(n.into()));
        check("'it''s'", FieldType::STRING, text("it's"));
        check("'new'::character varying", FieldType::STRING, text("new"));
        check("new", FieldType::STRING, text("new"));
        check("", FieldType::STRING, text(""));
        check("NULL::character varying", FieldType::STRING, Some(Value::Null));
        check("'NULL'", FieldType::STRING, text("NULL"));
        check("gen_random_uuid()", FieldType::STRING, None);
        check("current_timestamp", FieldType::STRING, None);
        check("'a' || 'b'", FieldType::STRING, None);
        check("0", FieldType::INTEGER, number(0));
        check("'5'::integer", FieldType::INTEGER, number(5));
        check("-1", FieldType::DECIMAL, number(-1));
        check("true", FieldType::INTEGER, number(1));
        check("nextval('s'::regclass)", FieldType::INTEGER, None);
        check("FALSE", FieldType::Bool, Some(Value::Bool(false)));
        check("b'1'", FieldType::Bool, Some(Value::Bool(true)));
        check("CURRENT_TIMESTAMP", FieldType::Timestamp { zoned: true }, None);
        check("2020-01-01", FieldType::Date, None);
        check("a", FieldType::Enum(["a".into()].into()), text("a"));
        check("b", FieldType::Enum(["a".into()].into()), None);
    }
}
