//! Constants: the value of a default as a source writes it.

use crate::schema::{FieldType, TypeSet};
use crate::value::Value;

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
#[must_use]
pub fn constant(text: &str, types: &TypeSet) -> Option<Value> {
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
