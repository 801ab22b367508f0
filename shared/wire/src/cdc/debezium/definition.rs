//! Owns a table's whole definition, as Debezium lists it: how its rows are decoded, and its
//! schema.

use evercount_core::change::{ColumnCoding, TableShape};
use evercount_core::schema::{Field, FieldPath, Schema, TypeSet};

use super::super::Undecodable;
use super::super::fields::{Fields, string};
use crate::sql_type::{self, Dialect};

/// The shape in a table's definition.
pub(super) fn shape(definition: &Fields<'_>) -> Result<TableShape, Undecodable> {
    let mut columns = Vec::new();
    for column in definition.array("columns")? {
        let column = Fields::read(column, "columns")?;
        let name = column.needed_text("name")?.into_owned();
        let kind = column.text("typeName")?.unwrap_or_default().to_ascii_uppercase();
        let expression = column.text("typeExpression")?.unwrap_or_default().to_ascii_uppercase();
        let scale = column.integer("scale")?.unwrap_or(0);
        if let Some(coding) = coding(&kind, &expression, scale) {
            columns.push((name, coding));
        }
    }
    Ok(TableShape { key: definition.texts("primaryKeyColumnNames")?, columns })
}

/// How values of a column type come with the connector's default settings: bytes in base64,
/// decimals in Connect's form, unsigned 64-bit integers as signed ones.
fn coding(kind: &str, expression: &str, scale: i32) -> Option<ColumnCoding> {
    let word = kind.split([' ', '(']).next().unwrap_or_default();
    let unsigned = |text: &str| text.starts_with("BIGINT") && text.contains("UNSIGNED");
    match word {
        "BIT" | "BINARY" | "VARBINARY" => Some(ColumnCoding::Binary),
        _ if word.ends_with("BLOB") => Some(ColumnCoding::Binary),
        "DECIMAL" | "NUMERIC" | "DEC" | "FIXED" => Some(ColumnCoding::UnscaledDecimal { scale }),
        _ if unsigned(kind) || unsigned(expression) => Some(ColumnCoding::Unsigned64),
        _ => None,
    }
}

/// The schema in a table's definition. Rows can be decoded without it, so details that are not
/// as they should be are left out of it.
pub(super) fn schema(dialect: Dialect, definition: &Fields<'_>) -> Result<Schema, Undecodable> {
    let mut schema = Schema::default();
    for column in definition.array("columns")? {
        let column = Fields::read(column, "columns")?;
        let path = FieldPath::column(&column.needed_text("name")?);
        schema.fields.insert(path, field(dialect, &column));
    }
    schema.key =
        definition.texts("primaryKeyColumnNames")?.iter().map(|name| FieldPath::column(name)).collect();
    Ok(schema)
}

fn field(dialect: Dialect, column: &Fields<'_>) -> Field {
    let text = |name| column.text(name).ok().flatten().filter(|text| !text.is_empty());
    let number = |name| column.integer::<i64>(name).ok().flatten();
    let size = |name| number(name).and_then(|number| u64::try_from(number).ok());
    let name = text("typeName").or_else(|| text("typeExpression")).unwrap_or_else(|| {
        let jdbc = number("jdbcType").and_then(|number| i32::try_from(number).ok());
        jdbc.and_then(sql_type::jdbc_name).unwrap_or_default().into()
    });
    // `Integer.MAX_VALUE` stands for no limit.
    let length = size("length").filter(|length| *length < 0x7fff_ffff);
    let values = column.texts("enumValues").unwrap_or_default();
    let declared = sql_type::declared(dialect, &name, length, size("scale"), &values);
    let nullable = column.get("optional") != Some("false");
    Field {
        types: TypeSet::of(sql_type::parse_in(dialect, &declared)).nullable(nullable),
        // A table's every row has its every column.
        required: true,
        declared: (!declared.is_empty()).then(|| declared.into()),
        default: default(column),
        position: number("position").and_then(|position| position.try_into().ok()),
        ..Field::default()
    }
}

/// The value that rows without one take: a text, or, where a connector sends it as something
/// else, its JSON.
fn default(column: &Fields<'_>) -> Option<std::sync::Arc<str>> {
    let json = column.get("defaultValueExpression")?;
    Some(string(json).map_or_else(|| json.into(), |text| (&*text).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_type_tells_its_wire_form() {
        let check = |kind: &str, expected| assert_eq!(coding(kind, kind, 4), expected, "{kind}");
        for kind in ["BIT", "BINARY", "VARBINARY(20)", "TINYBLOB", "BLOB", "LONGBLOB"] {
            check(kind, Some(ColumnCoding::Binary));
        }
        for kind in ["DECIMAL", "NUMERIC", "DECIMAL UNSIGNED", "DECIMAL(10,4)"] {
            check(kind, Some(ColumnCoding::UnscaledDecimal { scale: 4 }));
        }
        check("BIGINT UNSIGNED", Some(ColumnCoding::Unsigned64));
        check("BIGINT UNSIGNED ZEROFILL", Some(ColumnCoding::Unsigned64));
        for kind in ["BIGINT", "INT UNSIGNED", "VARCHAR", "TEXT", "BITTER", ""] {
            check(kind, None);
        }
    }

    #[test]
    fn a_column_is_declared_in_the_words_of_sql() {
        let check = |dialect, json: &str, declared: &str, types: &str, default: Option<&str>| {
            let column = Fields::read(json, "column").map(|column| field(dialect, &column));
            let found = column.map(|field| (field.type_text(), field.types.to_string(), field.default));
            assert_eq!(found, Ok((declared.to_owned(), types.to_owned(), default.map(Into::into))), "{json}");
        };
        let mysql = |json, declared, types, default| check(Dialect::MySql, json, declared, types, default);
        mysql(
            r#"{"typeName":"VARCHAR","length":255,"scale":null,"optional":false,"defaultValueExpression":""}"#,
            "VARCHAR(255)",
            "string(255)",
            Some(""),
        );
        mysql(
            r#"{"typeName":"INT UNSIGNED","length":11,"optional":true,"defaultValueExpression":"0"}"#,
            "INT(11) UNSIGNED",
            "integer(32) unsigned or null",
            Some("0"),
        );
        mysql(
            r#"{"typeName":"ENUM","length":1,"optional":false,"enumValues":["'YES'","'NO'"]}"#,
            "ENUM('YES','NO')",
            "enum('NO','YES')",
            None,
        );
        mysql(r#"{"jdbcType":93,"optional":false,"length":-1}"#, "DATETIME", "timestamp", None);
        mysql(r#"{"typeName":"INT","length":"long","enumValues":5}"#, "INT", "integer(32) or null", None);
        check(
            Dialect::Standard,
            r#"{"typeName":"int","length":10,"scale":0,"optional":false,"defaultValueExpression":5}"#,
            "int",
            "integer(32)",
            Some("5"),
        );
        check(
            Dialect::Standard,
            r#"{"typeName":"NUMBER","length":4,"scale":0,"optional":false}"#,
            "NUMBER(4,0)",
            "decimal(4,0)",
            None,
        );
        check(
            Dialect::Standard,
            r#"{"typeName":"text","length":2147483647}"#,
            "text",
            "string or null",
            None,
        );
    }
}
