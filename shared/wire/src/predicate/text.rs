//! The canonical text of a predicate, which reads back as the same predicate.

use std::fmt::Write;

use evercount_core::path::{Path, Segment};
use evercount_core::predicate::{Atom, Comparison, Operand, Predicate};
use evercount_core::value::Value;

use super::grammar::is_reserved;
use super::lexer::{continues_name, starts_name};
use super::literal::to_hex;

/// The canonical text of a predicate: keywords in capitals, names in quotes only where they
/// have to be, parentheses around every connective within another.
///
/// [`super::parse`] gives the same predicate back, provided that the predicate is well-formed:
/// one that [`super::parse`] or [`super::from_json`] made.
#[must_use]
pub fn to_text(predicate: &Predicate) -> String {
    let mut text = String::new();
    write_predicate(predicate, &mut text);
    text
}

/// The canonical text of one test.
#[must_use]
pub fn atom_text(atom: &Atom) -> String {
    let mut text = String::new();
    write_atom(atom, false, &mut text);
    text
}

fn write_predicate(predicate: &Predicate, text: &mut String) {
    match predicate {
        Predicate::And(parts) => write_joined(parts, " AND ", text),
        Predicate::Or(parts) => write_joined(parts, " OR ", text),
        Predicate::Not(part) => match &**part {
            Predicate::Atom(
                atom @ (Atom::In { .. } | Atom::Between { .. } | Atom::IsNull(_) | Atom::IsMissing(_)),
            ) => {
                write_atom(atom, true, text);
            }
            part => {
                text.push_str("NOT ");
                write_part(part, text);
            }
        },
        Predicate::Atom(atom) => write_atom(atom, false, text),
    }
}

fn write_joined(parts: &[Predicate], word: &str, text: &mut String) {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            text.push_str(word);
        }
        write_part(part, text);
    }
}

fn write_part(part: &Predicate, text: &mut String) {
    if matches!(part, Predicate::And(_) | Predicate::Or(_)) {
        text.push('(');
        write_predicate(part, text);
        text.push(')');
    } else {
        write_predicate(part, text);
    }
}

fn write_atom(atom: &Atom, negated: bool, text: &mut String) {
    let not = if negated { "NOT " } else { "" };
    match atom {
        Atom::Compare { left, op, right } => {
            write_operand(left, text);
            let spelling =
                Comparison::ALL.iter().find(|(known, _)| known == op).map_or("=", |(_, spelling)| spelling);
            text.push(' ');
            text.push_str(spelling);
            text.push(' ');
            write_operand(right, text);
        }
        Atom::In { operand, values } => {
            write_operand(operand, text);
            text.push(' ');
            text.push_str(not);
            text.push_str("IN (");
            write_listed(values, text, write_value);
            text.push(')');
        }
        Atom::Between { operand, low, high } => {
            write_operand(operand, text);
            text.push(' ');
            text.push_str(not);
            text.push_str("BETWEEN ");
            write_value(low, text);
            text.push_str(" AND ");
            write_value(high, text);
        }
        Atom::IsNull(path) | Atom::IsMissing(path) => {
            write_path(path, text);
            text.push_str(" IS ");
            text.push_str(not);
            text.push_str(if matches!(atom, Atom::IsNull(_)) { "NULL" } else { "MISSING" });
        }
        Atom::BeginsWith(path, value) => write_call("begins_with", path, value, text),
        Atom::Contains(path, value) => write_call("contains", path, value, text),
        Atom::AttributeType(path, of_type) => {
            write_call("attribute_type", path, &Value::String(of_type.name().to_owned()), text);
        }
    }
}

fn write_call(function: &str, path: &Path, value: &Value, text: &mut String) {
    text.push_str(function);
    text.push('(');
    write_path(path, text);
    text.push_str(", ");
    write_value(value, text);
    text.push(')');
}

fn write_operand(operand: &Operand, text: &mut String) {
    match operand {
        Operand::Path(path) => write_path(path, text),
        Operand::Size(path) => {
            text.push_str("size(");
            write_path(path, text);
            text.push(')');
        }
        Operand::Literal(value) => write_value(value, text),
    }
}

fn write_path(path: &Path, text: &mut String) {
    write_name(path.column_name(), text);
    for segment in path.rest() {
        match segment {
            Segment::Field(name) => {
                text.push('.');
                write_name(name, text);
            }
            // Writing to a `String` never fails.
            Segment::Index(index) => drop(write!(text, "[{index}]")),
        }
    }
}

fn write_name(name: &str, text: &mut String) {
    if name.starts_with(starts_name) && name.chars().all(continues_name) && !is_reserved(name) {
        text.push_str(name);
    } else {
        write_quoted(name, '"', text);
    }
}

fn write_quoted(content: &str, quote: char, text: &mut String) {
    text.push(quote);
    for next in content.chars() {
        if next == quote {
            text.push(quote);
        }
        text.push(next);
    }
    text.push(quote);
}

fn write_listed<T>(
    values: impl IntoIterator<Item = T>,
    text: &mut String,
    mut write: impl FnMut(T, &mut String),
) {
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        write(value, text);
    }
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("NULL"),
        Value::Bool(true) => text.push_str("TRUE"),
        Value::Bool(false) => text.push_str("FALSE"),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(content) => write_quoted(content, '\'', text),
        Value::Binary(bytes) => write_binary(bytes, text),
        Value::List(values) => {
            text.push('[');
            write_listed(values, text, write_value);
            text.push(']');
        }
        Value::Map(item) => {
            text.push('{');
            write_listed(item, text, |(name, value), text| {
                write_quoted(name, '\'', text);
                text.push_str(": ");
                write_value(value, text);
            });
            text.push('}');
        }
        Value::StringSet(set) => write_set(set, text, |content, text| write_quoted(content, '\'', text)),
        Value::NumberSet(set) => write_set(set, text, |number, text| text.push_str(&number.to_string())),
        Value::BinarySet(set) => write_set(set, text, |bytes, text| write_binary(bytes, text)),
        // No well-formed predicate holds it; the word keeps the text honest and unparseable.
        Value::Unavailable => text.push_str("UNAVAILABLE"),
    }
}

fn write_binary(bytes: &[u8], text: &mut String) {
    text.push_str("X'");
    text.push_str(&to_hex(bytes));
    text.push('\'');
}

fn write_set<T>(set: impl IntoIterator<Item = T>, text: &mut String, write: impl FnMut(T, &mut String)) {
    text.push_str("<<");
    write_listed(set, text, write);
    text.push_str(">>");
}
