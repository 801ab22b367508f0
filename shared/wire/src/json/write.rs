//! Owns how values become JSON text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercount_core::value::{Item, Value};

/// An item as plain JSON, for people and for other systems. It does not read back exactly:
/// binaries become base64 strings, sets become arrays, and an attribute that the source did not
/// send is left out.
#[must_use]
pub fn plain_json(item: &Item) -> String {
    let mut text = String::with_capacity(128);
    write_present(item, &mut text, write_plain);
    text
}

/// An item as DynamoDB JSON. It reads back exactly, but for an attribute that the source did not
/// send ([`Value::Unavailable`]), which is left out.
#[must_use]
pub fn dynamodb_json(item: &Item) -> String {
    let mut text = String::with_capacity(128);
    write_present(item, &mut text, write_dynamodb);
    text
}

fn write_plain(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Unavailable => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_text(text, out),
        Value::Binary(bytes) => write_text(&STANDARD.encode(bytes), out),
        Value::List(values) => write_list(values, out, write_plain),
        Value::Map(item) => write_present(item, out, write_plain),
        Value::StringSet(set) => write_list(set, out, |text, out| write_text(text, out)),
        Value::NumberSet(set) => write_list(set, out, |number, out| out.push_str(&number.to_string())),
        Value::BinarySet(set) => write_list(set, out, |bytes, out| write_text(&STANDARD.encode(bytes), out)),
    }
}

fn write_dynamodb(value: &Value, out: &mut String) {
    out.push_str("{\"");
    out.push_str(if matches!(value, Value::Unavailable) { "NULL" } else { value.type_name() });
    out.push_str("\":");
    match value {
        Value::Null | Value::Unavailable => out.push_str("true"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => write_text(&number.to_string(), out),
        Value::String(text) => write_text(text, out),
        Value::Binary(bytes) => write_text(&STANDARD.encode(bytes), out),
        Value::List(values) => write_list(values, out, write_dynamodb),
        Value::Map(item) => write_present(item, out, write_dynamodb),
        Value::StringSet(set) => write_list(set, out, |text, out| write_text(text, out)),
        Value::NumberSet(set) => write_list(set, out, |number, out| write_text(&number.to_string(), out)),
        Value::BinarySet(set) => write_list(set, out, |bytes, out| write_text(&STANDARD.encode(bytes), out)),
    }
    out.push('}');
}

/// Writes the attributes of an item that the source did send.
fn write_present(item: &Item, out: &mut String, write: fn(&Value, &mut String)) {
    let present = item.iter().filter(|(_, value)| !matches!(value, Value::Unavailable));
    write_fields(present, out, write);
}

/// Writes all attributes of an item.
pub(super) fn write_object(item: &Item, out: &mut String, write: fn(&Value, &mut String)) {
    write_fields(item.iter(), out, write);
}

fn write_fields<'v>(
    fields: impl Iterator<Item = (&'v String, &'v Value)>,
    out: &mut String,
    write: fn(&Value, &mut String),
) {
    out.push('{');
    for (index, (name, value)) in fields.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(name, out);
        out.push(':');
        write(value, out);
    }
    out.push('}');
}

pub(super) fn write_list<T>(
    values: impl IntoIterator<Item = T>,
    out: &mut String,
    write: impl Fn(T, &mut String),
) {
    out.push('[');
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(value, out);
    }
    out.push(']');
}

/// Writes a JSON string: the two characters that must be escaped, the five short escapes, and
/// `\u00xx` for the other control characters. Every other character stands for itself.
pub(super) fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut characters = special.chars();
        match characters.next() {
            Some('\u{8}') => out.push_str("\\b"),
            Some('\t') => out.push_str("\\t"),
            Some('\n') => out.push_str("\\n"),
            Some('\u{c}') => out.push_str("\\f"),
            Some('\r') => out.push_str("\\r"),
            Some(c @ ('"' | '\\')) => out.extend(['\\', c]),
            Some(control) => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}
