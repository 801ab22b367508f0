//! Owns how a column's wire form becomes its value, for the sources whose JSON has no form for
//! bytes, exact decimals or unsigned integers.
//!
//! A value that its coding cannot explain is kept as it stands: it then came in another form
//! (the column was altered, the connector is set to send decimals as text), and a value in its
//! wire form still counts as one group, while a refused record counts as nothing.

use evercount_core::change::{ColumnCoding, TableShape};
use evercount_core::decimal::Decimal;
use evercount_core::value::{Item, Value};
use num_bigint::{BigInt, Sign};

use super::fields::Fields;
use crate::json;

/// What Debezium sends for a value that the source did not: an unchanged TOASTed column
/// (<https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-toasted-values>).
const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// The same in a binary column.
const UNAVAILABLE_BASE64: &str = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";

/// Longest unscaled decimal, in bytes. MySQL's 65 digits take 28 and PostgreSQL's declared
/// maximum of 1,000 takes 416; converting more would cost time that grows with the square.
const UNSCALED_BYTES_MAX: usize = 512;

/// How one column's values stand in a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WireForm {
    /// As JSON's own types say.
    Plain,
    /// As a signed integer, whether or not the column is unsigned.
    Integer,
    /// In a coding.
    Coded(ColumnCoding),
    /// As an object of `scale` and base64 `value`
    /// (`io.debezium.data.VariableScaleDecimal`).
    VariableScale,
}

/// What is known of the columns of one record: what the record's own schema says, and what was
/// learned of the table. The record's schema is newer than anything learned.
pub(super) struct Codings<'a> {
    /// The columns of the record's own schema, where it has one.
    pub(super) schema: &'a [(String, WireForm)],
    /// The table's learned shape.
    pub(super) learned: Option<&'a TableShape>,
}

impl Codings<'_> {
    /// Turns the wire forms of an item into values.
    pub(super) fn apply(&self, item: &mut Item) {
        for (name, form) in self.schema {
            let Some(value) = item.get_mut(name) else {
                continue;
            };
            match form {
                WireForm::Plain | WireForm::Integer => {}
                WireForm::Coded(coding) => replace(value, *coding),
                WireForm::VariableScale => {
                    if let Some(number) = variable_scale(value) {
                        *value = Value::Number(number);
                    }
                }
            }
        }
        for (name, coding) in self.learned.map_or(&[][..], |shape| &shape.columns) {
            let form = self.schema.iter().find(|(column, _)| column == name).map(|(_, form)| *form);
            // A Connect schema calls an unsigned column a signed one, and is right on all else.
            let told = match form {
                None => true,
                Some(WireForm::Integer) => *coding == ColumnCoding::Unsigned64,
                Some(_) => false,
            };
            if let (true, Some(value)) = (told, item.get_mut(name)) {
                replace(value, *coding);
            }
        }
        for value in item.values_mut() {
            if is_unavailable(value) {
                *value = Value::Unavailable;
            }
        }
    }
}

fn is_unavailable(value: &Value) -> bool {
    match value {
        Value::String(text) => text == UNAVAILABLE || text == UNAVAILABLE_BASE64,
        // An unchanged array column comes as an array of the one placeholder.
        Value::List(values) => {
            matches!(values.as_slice(), [Value::String(text)] if text == UNAVAILABLE)
        }
        _ => false,
    }
}

fn replace(value: &mut Value, coding: ColumnCoding) {
    let decoded = match (coding, &*value) {
        (ColumnCoding::Binary, Value::String(text)) => binary(text),
        (ColumnCoding::UnscaledDecimal { scale }, Value::String(text)) => {
            unscaled(text, scale).map(Value::Number)
        }
        (ColumnCoding::Unsigned64, Value::Number(number)) => unsigned(number).map(Value::Number),
        _ => None,
    };
    if let Some(decoded) = decoded {
        *value = decoded;
    }
}

/// Bytes that are text become text: a column that changes from `VARCHAR` to `VARBINARY` keeps its
/// values, and its rows keep their keys and groups.
fn binary(text: &str) -> Option<Value> {
    let bytes = json::read_base64(text).ok()?;
    Some(String::from_utf8(bytes).map_or_else(|error| Value::Binary(error.into_bytes()), Value::String))
}

fn unscaled(text: &str, scale: i32) -> Option<Decimal> {
    // Four characters of base64 are three bytes.
    if text.is_empty() || text.len() / 4 * 3 > UNSCALED_BYTES_MAX {
        return None;
    }
    let integer = BigInt::from_signed_bytes_be(&json::read_base64(text).ok()?);
    let digits = integer.magnitude().to_string();
    Decimal::from_digits(integer.sign() == Sign::Minus, &digits, -i64::from(scale)).ok()
}

fn unsigned(number: &Decimal) -> Option<Decimal> {
    let signed = number.as_i64().filter(|signed| *signed < 0)?;
    signed.cast_unsigned().to_string().parse().ok()
}

fn variable_scale(value: &Value) -> Option<Decimal> {
    let Value::Map(parts) = value else {
        return None;
    };
    let (Value::Number(scale), Value::String(text)) = (parts.get("scale")?, parts.get("value")?) else {
        return None;
    };
    unscaled(text, scale.as_i64()?.try_into().ok()?)
}

/// The columns of a Connect `struct` schema
/// (<https://kafka.apache.org/documentation/#connect_schema>); empty where it has none.
pub(super) fn schema_columns(schema: &Fields<'_>) -> Result<Vec<(String, WireForm)>, super::Undecodable> {
    let mut columns = Vec::new();
    for column in schema.array("fields")? {
        let column = Fields::read(column, "schema")?;
        let name = column.needed_text("field")?.into_owned();
        let logical = column.text("name")?;
        let form = match (column.text("type")?.as_deref(), logical.as_deref()) {
            (Some("bytes"), Some("org.apache.kafka.connect.data.Decimal")) => {
                let parameters = column.object("parameters")?;
                let scale = parameters.as_ref().and_then(|parameters| parameters.get("scale"));
                // Connect writes the scale as a string; a number is taken as well.
                let scale = scale.and_then(|scale| scale.trim_matches('"').parse().ok());
                WireForm::Coded(ColumnCoding::UnscaledDecimal { scale: scale.unwrap_or(0) })
            }
            (Some("bytes"), _) => WireForm::Coded(ColumnCoding::Binary),
            (Some("struct"), Some("io.debezium.data.VariableScaleDecimal")) => WireForm::VariableScale,
            (Some("int64"), None) => WireForm::Integer,
            _ => WireForm::Plain,
        };
        columns.push((name, form));
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value::String(value.to_owned())
    }

    fn number(value: &str) -> Option<Value> {
        value.parse().ok().map(Value::Number)
    }

    #[test]
    fn a_coded_value_becomes_what_the_column_holds_or_stays() {
        let check = |coding, wire: Value, expected: Option<Value>| {
            let mut value = wire.clone();
            replace(&mut value, coding);
            assert_eq!(value, expected.unwrap_or_else(|| wire.clone()), "{coding:?} {wire:?}");
        };
        let binary = ColumnCoding::Binary;
        check(binary, text("aGk="), Some(text("hi")));
        check(binary, text("/wA="), Some(Value::Binary(vec![255, 0])));
        check(binary, text(""), Some(text("")));
        check(binary, text("not base64"), None);
        check(binary, Value::Null, None);
        check(binary, Value::Bool(true), None);
        let decimal = ColumnCoding::UnscaledDecimal { scale: 6 };
        check(decimal, text("AL68IA=="), number("12.5"));
        check(decimal, text("/w=="), number("-0.000001"));
        check(decimal, text("AA=="), number("0"));
        check(decimal, text(""), None);
        check(decimal, text("12.50"), None);
        check(decimal, text(&"A".repeat(4_000)), None);
        check(ColumnCoding::UnscaledDecimal { scale: -2 }, text("BQ=="), number("500"));
        check(ColumnCoding::UnscaledDecimal { scale: i32::MIN }, text("BQ=="), None);
        let unsigned = ColumnCoding::Unsigned64;
        check(unsigned, Value::Number(Decimal::from(-1)), number("18446744073709551615"));
        check(unsigned, Value::Number(Decimal::from(5)), None);
        check(unsigned, Value::Number(Decimal::from(i64::MIN)), number("9223372036854775808"));
        check(unsigned, text("-1"), None);
    }

    #[test]
    fn the_records_own_schema_outranks_what_was_learned() {
        let learned = TableShape {
            key: vec![],
            columns: vec![
                ("name".into(), ColumnCoding::Binary),
                ("big".into(), ColumnCoding::Unsigned64),
                ("raw".into(), ColumnCoding::Binary),
            ],
        };
        let schema = vec![("name".to_owned(), WireForm::Plain), ("big".to_owned(), WireForm::Integer)];
        let mut item: Item = [
            ("name".to_owned(), text("aGk=")),
            ("big".to_owned(), Value::Number(Decimal::from(-1))),
            ("raw".to_owned(), text("aGk=")),
        ]
        .into();
        Codings { schema: &schema, learned: Some(&learned) }.apply(&mut item);
        assert_eq!(item.get("name"), Some(&text("aGk=")));
        assert_eq!(item.get("big").cloned(), number("18446744073709551615"));
        assert_eq!(item.get("raw"), Some(&text("hi")));
    }

    #[test]
    fn a_placeholder_is_unavailable_in_every_wire_form() {
        let list = Value::List(vec![text(UNAVAILABLE)]);
        for wire in [text(UNAVAILABLE), text(UNAVAILABLE_BASE64), list] {
            for columns in [vec![], vec![("a".to_owned(), ColumnCoding::Binary)]] {
                let learned = TableShape { key: vec![], columns };
                let mut item: Item = [("a".to_owned(), wire.clone())].into();
                Codings { schema: &[], learned: Some(&learned) }.apply(&mut item);
                assert_eq!(item.get("a"), Some(&Value::Unavailable));
            }
        }
    }
}
