//! Owns the canonical text of a key: one text for each key value, whatever form it came in.
//!
//! Names are sorted by their bytes. `null`, booleans, numbers, strings and lists stand as in
//! plain JSON; every other value stands behind its DynamoDB type descriptor, so that no object
//! in the text is ambiguous and two keys share a text only where they are equal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercount_core::value::{Item, Value};

use super::write::{write_list, write_object, write_text};

/// The canonical text of a key: `{"id":"a","n":5,"raw":{"B":"AAE="}}`.
#[must_use]
pub fn canonical_key(key: &Item) -> String {
    let mut text = String::with_capacity(32);
    write_object(key, &mut text, write_value);
    text
}

/// The canonical text of a key that is a single value without a name.
pub(crate) fn canonical_value(value: &Value) -> String {
    let mut text = String::with_capacity(32);
    write_value(value, &mut text);
    text
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_text(text, out),
        Value::List(values) => write_list(values, out, write_value),
        Value::Binary(bytes) => described("B", out, |out| write_binary(bytes, out)),
        Value::Map(item) => described("M", out, |out| write_object(item, out, write_value)),
        Value::StringSet(set) => {
            described("SS", out, |out| write_list(set, out, |text, out| write_text(text, out)))
        }
        Value::NumberSet(set) => {
            described("NS", out, |out| write_list(set, out, |number, out| out.push_str(&number.to_string())));
        }
        Value::BinarySet(set) => {
            described("BS", out, |out| write_list(set, out, |bytes, out| write_binary(bytes, out)))
        }
        Value::Unavailable => described("UNAVAILABLE", out, |out| out.push_str("true")),
    }
}

fn described(descriptor: &str, out: &mut String, value: impl FnOnce(&mut String)) {
    out.push('{');
    write_text(descriptor, out);
    out.push(':');
    value(out);
    out.push('}');
}

fn write_binary(bytes: &[u8], out: &mut String) {
    write_text(&STANDARD.encode(bytes), out);
}
