//! Owns how one attribute is read and written: required or optional, of which type, and the
//! text of a time.

use evercount_core::decimal::Decimal;
use evercount_core::order::{Micros, OrderVersion};
use evercount_core::value::{Item, Value};
use jiff::Timestamp;

use super::{FORMAT, ItemError};

/// A time as stored: ISO text in UTC with microseconds, so that texts sort as times do. A time
/// that the calendar does not reach (a source may send any number) is stored as that number.
#[must_use]
pub fn time_value(at: Micros) -> Value {
    match Timestamp::from_microsecond(at) {
        Ok(time) => Value::String(format!("{time:.6}")),
        Err(_) => Value::Number(Decimal::from(at)),
    }
}

/// A time as text, for sentences and sort keys.
pub(crate) fn time_text(at: Micros) -> String {
    Timestamp::from_microsecond(at).map_or_else(|_| at.to_string(), |time| format!("{time:.6}"))
}

pub(super) fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

pub(super) fn number(n: u64) -> Value {
    Value::Number(Decimal::from_digits(false, &n.to_string(), 0).unwrap_or_else(|_| Decimal::zero()))
}

pub(super) fn signed(n: i64) -> Value {
    Value::Number(Decimal::from(n))
}

/// The attributes of an item, read strictly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub &'a Item);

impl<'a> Fields<'a> {
    /// Of an item that carries a format this reader knows.
    pub fn of_format(item: &'a Item) -> Result<Self, ItemError> {
        let fields = Self(item);
        match fields.unsigned("format")? {
            1..=FORMAT => Ok(fields),
            newer => Err(ItemError::NewerFormat(newer.to_string())),
        }
    }

    fn optional<T>(
        self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ItemError> {
        let malformed = || ItemError::Malformed { name: name.to_owned(), expected };
        self.0.get(name).map(|value| read(value).ok_or_else(malformed)).transpose()
    }

    fn required<T>(
        self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, ItemError> {
        self.optional(name, expected, read)?.ok_or_else(|| ItemError::Missing { name: name.to_owned() })
    }

    pub fn text(self, name: &str) -> Result<&'a str, ItemError> {
        self.required(name, "text", as_text)
    }

    pub fn text_if_any(self, name: &str) -> Result<Option<&'a str>, ItemError> {
        self.optional(name, "text", as_text)
    }

    /// A text that `read` must accept.
    pub fn parsed<T>(
        self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, ItemError> {
        self.required(name, expected, |value| read(as_text(value)?))
    }

    pub fn parsed_if_any<T>(
        self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, ItemError> {
        self.optional(name, expected, |value| read(as_text(value)?))
    }

    pub fn texts(self, name: &str) -> Result<Vec<&'a str>, ItemError> {
        self.required(name, "a list of texts", |value| match value {
            Value::List(values) => values.iter().map(as_text).collect(),
            _ => None,
        })
    }

    pub fn list_if_any(self, name: &str) -> Result<&'a [Value], ItemError> {
        let list = self.optional(name, "a list", |value| match value {
            Value::List(values) => Some(values.as_slice()),
            _ => None,
        })?;
        Ok(list.unwrap_or_default())
    }

    pub fn map(self, name: &str) -> Result<&'a Item, ItemError> {
        self.required(name, "a map", as_map)
    }

    pub fn map_if_any(self, name: &str) -> Result<Option<&'a Item>, ItemError> {
        self.optional(name, "a map", as_map)
    }

    /// A boolean that is left out where it is false.
    pub fn flag_if_any(self, name: &str) -> Result<bool, ItemError> {
        if self.0.contains_key(name) { self.flag(name) } else { Ok(false) }
    }

    pub fn flag(self, name: &str) -> Result<bool, ItemError> {
        self.required(name, "a boolean", |value| match value {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    pub fn bytes_if_any(self, name: &str) -> Result<Option<&'a [u8]>, ItemError> {
        self.optional(name, "binary", as_bytes)
    }

    pub fn version(self, name: &str) -> Result<OrderVersion, ItemError> {
        self.required(name, "an order version", |value| OrderVersion::from_bytes(as_bytes(value)?))
    }

    pub fn version_if_any(self, name: &str) -> Result<Option<OrderVersion>, ItemError> {
        self.optional(name, "an order version", |value| OrderVersion::from_bytes(as_bytes(value)?))
    }

    pub fn digest(self, name: &str) -> Result<u64, ItemError> {
        self.required(name, "a digest of 8 bytes", |value| {
            as_bytes(value)?.try_into().ok().map(u64::from_be_bytes)
        })
    }

    pub fn unsigned(self, name: &str) -> Result<u64, ItemError> {
        self.required(name, "a whole number", as_unsigned)
    }

    pub fn unsigned_if_any(self, name: &str) -> Result<Option<u64>, ItemError> {
        self.optional(name, "a whole number", as_unsigned)
    }

    pub fn signed_if_any(self, name: &str) -> Result<Option<i64>, ItemError> {
        self.optional(name, "a whole number", as_signed)
    }

    pub fn time(self, name: &str) -> Result<Micros, ItemError> {
        self.required(name, "a time such as `2026-01-31T09:30:00.000000Z`", as_time)
    }

    pub fn time_if_any(self, name: &str) -> Result<Option<Micros>, ItemError> {
        self.optional(name, "a time such as `2026-01-31T09:30:00.000000Z`", as_time)
    }
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn as_bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Binary(bytes) => Some(bytes),
        _ => None,
    }
}

fn as_map(value: &Value) -> Option<&Item> {
    match value {
        Value::Map(item) => Some(item),
        _ => None,
    }
}

fn as_unsigned(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

pub(super) fn as_signed(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

fn as_time(value: &Value) -> Option<Micros> {
    match value {
        Value::String(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond),
        Value::Number(_) => as_signed(value),
        _ => None,
    }
}
