//! Owns the fast reading of attribute values in DynamoDB JSON.

use evercount_core::decimal::ShortDecimal;
use evercount_core::value::{Item, Value, canonical};

use super::{Cursor, DEPTH_MAX, Met, Opened};
use crate::json::{self, FIELDS_MAX};

/// What is made of a value that is read.
pub(super) trait Sink {
    /// Whether anything is made of texts, lists and maps at all.
    const MAKES: bool;
    fn text(&mut self, text: &str);
    /// A number in plain notation.
    fn number(&mut self, text: &str) -> Option<()>;
    fn boolean(&mut self, flag: bool);
    fn null(&mut self);
    /// A list, a map, a set, or bytes.
    fn other(&mut self, value: Value);
}

/// Whether a plain number stands in its one canonical text: no zero to spare, and no negative zero.
fn is_canonical(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let bytes = digits.as_bytes();
    let fraction = bytes.contains(&b'.');
    let leads_with_one = bytes.first() == Some(&b'0') && bytes.get(1).is_some_and(|next| *next != b'.');
    let ends_with_one = fraction && bytes.last() == Some(&b'0');
    !(leads_with_one || ends_with_one || text == "-0")
}

/// Takes nothing but the assurance that a value is one.
pub(super) struct Nothing;

impl Sink for Nothing {
    const MAKES: bool = false;

    fn text(&mut self, _text: &str) {}

    fn number(&mut self, _text: &str) -> Option<()> {
        Some(())
    }

    fn boolean(&mut self, _flag: bool) {}

    fn null(&mut self) {}

    fn other(&mut self, _value: Value) {}
}

/// Makes the value.
pub(super) struct Made(pub(super) Option<Value>);

impl Sink for Made {
    const MAKES: bool = true;

    fn text(&mut self, text: &str) {
        self.0 = Some(Value::String(text.to_owned()));
    }

    fn number(&mut self, text: &str) -> Option<()> {
        self.0 = Some(Value::Number(text.parse().ok()?));
        Some(())
    }

    fn boolean(&mut self, flag: bool) {
        self.0 = Some(Value::Bool(flag));
    }

    fn null(&mut self) {
        self.0 = Some(Value::Null);
    }

    fn other(&mut self, value: Value) {
        self.0 = Some(value);
    }
}

/// Writes a value's canonical bytes, and makes the value too where it is to be kept.
pub(super) struct Digested<'b> {
    pub(super) bytes: &'b mut Vec<u8>,
    pub(super) kept: Option<&'b mut Made>,
}

impl Sink for Digested<'_> {
    const MAKES: bool = true;

    fn text(&mut self, text: &str) {
        canonical::text(text, self.bytes);
        if let Some(made) = &mut self.kept {
            made.text(text);
        }
    }

    fn number(&mut self, text: &str) -> Option<()> {
        if is_canonical(text) {
            canonical::number(text, self.bytes);
        } else {
            canonical::value(&Value::Number(text.parse().ok()?), self.bytes);
        }
        match &mut self.kept {
            Some(made) => made.number(text),
            None => Some(()),
        }
    }

    fn boolean(&mut self, flag: bool) {
        canonical::value(&Value::Bool(flag), self.bytes);
        if let Some(made) = &mut self.kept {
            made.boolean(flag);
        }
    }

    fn null(&mut self) {
        canonical::value(&Value::Null, self.bytes);
        if let Some(made) = &mut self.kept {
            made.null();
        }
    }

    fn other(&mut self, value: Value) {
        canonical::value(&value, self.bytes);
        if let Some(made) = &mut self.kept {
            made.other(value);
        }
    }
}

/// Takes a value behind its type descriptor.
#[inline]
pub(super) fn described(cursor: &mut Cursor<'_>, sink: &mut impl Sink) -> Option<()> {
    nested(cursor, sink, DEPTH_MAX)
}

fn nested<S: Sink>(cursor: &mut Cursor<'_>, sink: &mut S, depth: usize) -> Option<()> {
    match cursor.takes_opening() {
        Some(Opened::Text) => {
            if S::MAKES {
                sink.text(cursor.content()?);
            } else {
                cursor.pass_content()?;
            }
            return cursor.take(b'}');
        }
        Some(Opened::Number) => {
            sink.number(cursor.plain_number()?)?;
            return cursor.take(b'}');
        }
        None => {}
    }
    let start = *cursor;
    let descriptor = match cursor.takes_descriptor() {
        Some(b'M') => "M",
        Some(b'L') => "L",
        _ => {
            *cursor = start;
            cursor.take(b'{')?;
            cursor.name()?
        }
    };
    match descriptor {
        "S" => sink.text(cursor.string()?),
        "N" => {
            cursor.take(b'"')?;
            sink.number(cursor.plain_number()?)?;
        }
        "BOOL" => sink.boolean(cursor.boolean()?),
        "NULL" => {
            if !cursor.boolean()? {
                return None;
            }
            sink.null();
        }
        "M" if !S::MAKES => skim_item(cursor, depth.checked_sub(1)?)?,
        "L" if !S::MAKES => skim_list(cursor, depth.checked_sub(1)?)?,
        "M" => sink.other(Value::Map(item(cursor, depth.checked_sub(1)?)?)),
        "L" => sink.other(Value::List(list(cursor, depth.checked_sub(1)?)?)),
        _ => {
            // Sets and bytes are rare; the careful reader has their rules.
            cursor.skip(1)?;
            cursor.take(b'}')?;
            sink.other(json::read_dynamodb(cursor.since(&start)?).ok()?);
            return Some(());
        }
    }
    cursor.take(b'}')
}

/// Reads a value that was taken out of its record as it stands there.
pub(super) fn read_value(bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    made(&mut Cursor::new(text), DEPTH_MAX)
}

/// As [`read_value`], of a short number that is written plainly: numbers are those that are read again and
/// again, because few rows have the same.
pub(super) fn read_number(bytes: &[u8]) -> Option<ShortDecimal> {
    ShortDecimal::read(bytes.strip_prefix(b"{\"N\":\"")?.strip_suffix(b"\"}")?)
}

fn made(cursor: &mut Cursor<'_>, depth: usize) -> Option<Value> {
    let mut made = Made(None);
    nested(cursor, &mut made, depth)?;
    made.0
}

/// Takes an item, which is an object of described values.
pub(super) fn item(cursor: &mut Cursor<'_>, depth: usize) -> Option<Item> {
    let mut item = Item::new();
    cursor.take(b'{')?;
    if cursor.takes(b'}')? {
        return Some(item);
    }
    loop {
        let name = cursor.name()?;
        if item.len() >= FIELDS_MAX || item.insert(name.to_owned(), made(cursor, depth)?).is_some() {
            return None;
        }
        if !cursor.more(b'}')? {
            return Some(item);
        }
    }
}

fn list(cursor: &mut Cursor<'_>, depth: usize) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    cursor.take(b'[')?;
    if cursor.takes(b']')? {
        return Some(values);
    }
    loop {
        values.push(made(cursor, depth)?);
        if !cursor.more(b']')? {
            return Some(values);
        }
    }
}

/// As [`item`], and nothing is made of it.
fn skim_item(cursor: &mut Cursor<'_>, depth: usize) -> Option<()> {
    let mut met = Met::nothing();
    cursor.take(b'{')?;
    if cursor.takes(b'}')? {
        return Some(());
    }
    loop {
        met.note(cursor.name()?)?;
        nested(cursor, &mut Nothing, depth)?;
        if !cursor.more(b'}')? {
            return Some(());
        }
    }
}

fn skim_list(cursor: &mut Cursor<'_>, depth: usize) -> Option<()> {
    cursor.take(b'[')?;
    if cursor.takes(b']')? {
        return Some(());
    }
    loop {
        nested(cursor, &mut Nothing, depth)?;
        if !cursor.more(b']')? {
            return Some(());
        }
    }
}
