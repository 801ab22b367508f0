//! Owns the text of a type: a person reads it in the console, and it reads back exactly.

use std::collections::BTreeSet;
use std::sync::Arc;

use evercount_core::schema::{FieldType, Format, TypeSet};

/// Stands before a name of the source's own, so that it is never taken for one of ours.
const OTHER: &str = "other ";

pub(super) fn type_text(one: &FieldType) -> String {
    match one {
        FieldType::Other(name) => format!("{OTHER}{name}"),
        known => known.to_string(),
    }
}

/// Texts of a type set, NULL last.
pub(in crate::items) fn type_texts(types: &TypeSet) -> Vec<String> {
    let null = types.is_nullable().then(|| type_text(&FieldType::Null));
    types.values().map(type_text).chain(null).collect()
}

pub(super) fn read_types<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<TypeSet> {
    texts.into_iter().map(read_type).collect()
}

pub(super) fn read_type(text: &str) -> Option<FieldType> {
    if let Some(name) = text.strip_prefix(OTHER) {
        return Some(FieldType::Other(name.into()));
    }
    if let Some(values) = text.strip_prefix("enum(").and_then(|rest| rest.strip_suffix(')')) {
        return read_values(values).map(FieldType::Enum);
    }
    let (text, unsigned) = match text.strip_suffix(" unsigned") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (family, parameter) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((family, parameter)) => (family, Some(parameter)),
        None => (text, None),
    };
    let bits = || parameter.map(|bits| bits.parse::<u8>().ok()).map_or(Some(None), |bits| bits.map(Some));
    let length = || parameter.map(|length| length.parse().ok()).map_or(Some(None), |n| n.map(Some));
    let read = match family {
        "integer" => FieldType::Integer { bits: bits()?, unsigned },
        _ if unsigned => return None,
        "decimal" => FieldType::Decimal {
            digits: match parameter {
                Some(digits) => {
                    let (precision, scale) = digits.split_once(',')?;
                    Some((precision.parse().ok()?, scale.parse().ok()?))
                }
                None => None,
            },
        },
        "float" => FieldType::Float { bits: bits()? },
        "string" => FieldType::String { max_length: length()? },
        "binary" => FieldType::Binary { max_length: length()? },
        _ if parameter.is_some() => return None,
        "null" => FieldType::Null,
        "bool" => FieldType::Bool,
        "date" => FieldType::Date,
        "time" => FieldType::Time,
        "timestamp" => FieldType::Timestamp { zoned: false },
        "timestamp with zone" => FieldType::Timestamp { zoned: true },
        "uuid" => FieldType::Uuid,
        "json" => FieldType::Json,
        "list" => FieldType::List,
        "map" => FieldType::Map,
        "string_set" => FieldType::StringSet,
        "number_set" => FieldType::NumberSet,
        "binary_set" => FieldType::BinarySet,
        _ => return None,
    };
    Some(read)
}

/// Reads `'a','it''s'`.
fn read_values(text: &str) -> Option<BTreeSet<Arc<str>>> {
    let mut values = BTreeSet::new();
    if text.is_empty() {
        return Some(values);
    }
    let mut chars = text.chars().peekable();
    loop {
        let mut value = String::new();
        if chars.next() != Some('\'') {
            return None;
        }
        loop {
            match chars.next()? {
                '\'' if chars.peek() == Some(&'\'') => {
                    chars.next();
                    value.push('\'');
                }
                '\'' => break,
                other => value.push(other),
            }
        }
        values.insert(value.into());
        match chars.next() {
            None => return Some(values),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

pub(super) fn format_text(format: &Format) -> String {
    match format {
        Format::Other(name) => format!("{OTHER}{name}"),
        known => known.name().to_owned(),
    }
}

pub(super) fn read_format(text: &str) -> Format {
    let known =
        [Format::Date, Format::Timestamp, Format::Uuid, Format::Email, Format::Uri, Format::IpAddress];
    let named = known.into_iter().find(|format| format.name() == text);
    named.unwrap_or_else(|| Format::Other(text.strip_prefix(OTHER).unwrap_or(text).into()))
}
