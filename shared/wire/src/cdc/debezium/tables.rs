//! Owns Debezium's schema changes: those of the schema change topic, and the lines of a schema
//! history. Both list the tables that a DDL statement left, whole.
//!
//! <https://debezium.io/documentation/reference/stable/connectors/mysql.html#mysql-schema-change-topic>.
//! One statement may be announced twice, once without its tables; the events of one statement
//! share a position, so that applying them again changes nothing.

use std::borrow::Cow;

use evercount_core::change::{ColumnCoding, Passed, Record, TableEvent, TableName, TableShape};
use evercount_core::order::{Floor, LogRank};

use super::super::fields::Fields;
use super::super::{Envelope, Undecodable};
use super::source::{Position, Source, qualified};

/// The operation of an event for a statement whose tables are named but not listed.
const DDL: &str = "DDL";

/// Decodes a schema change.
pub(super) fn decode(epoch: u16, value: &Fields<'_>, envelope: &Envelope<'_>) -> Result<Record, Undecodable> {
    let place = match value.object("position")? {
        Some(position) => Some(position),
        None => value.object("source")?,
    };
    let place = place.ok_or_else(|| Undecodable::missing("source"))?;
    let source = Source::of_tables(&place)?;
    let changes = value.array("tableChanges")?;
    if changes.is_empty() {
        let at = source.at(value, envelope)?;
        let event = |table| TableEvent { table, operation: DDL.to_owned(), floor: None, shape: None, at };
        let events: Vec<TableEvent> = source.named_tables()?.into_iter().map(event).collect();
        // Settings, `USE`, and statements on databases as a whole.
        return Ok(if events.is_empty() {
            Record::Passed(Passed::NotAChange)
        } else {
            Record::Tables(events)
        });
    }
    let at = source.at(value, envelope)?;
    let rank = if source.in_snapshot() { LogRank::SnapshotFloor } else { LogRank::Change };
    let position = source.position(epoch, rank, at, value)?;
    let event = |change: &str| table_event(&Fields::read(change, "tableChanges")?, &position, at);
    changes.into_iter().map(event).collect::<Result<_, _>>().map(Record::Tables)
}

fn table_event(change: &Fields<'_>, position: &Position, at: i64) -> Result<TableEvent, Undecodable> {
    let id = change.needed_text("id")?;
    let table = table_of_id(&id);
    let operation = change.needed_text("type")?.into_owned();
    let floor = match operation.as_str() {
        "DROP" => Some(Floor::Version(position.version.clone())),
        "CREATE" | "ALTER" => None,
        unknown => return Err(Undecodable::unknown_operation(unknown).of(&table)),
    };
    // A dropped table has no definition left.
    let shape = match change.object("table").map_err(|undecodable| undecodable.of(&table))? {
        Some(definition) => Some(shape(&definition).map_err(|undecodable| undecodable.of(&table))?),
        None => None,
    };
    Ok(TableEvent { table, operation, floor, shape, at })
}

/// The table of an id: `"db"."table"` or `"db"."schema"."table"`. The id of a rename lists the
/// old table and, behind a comma, the new one, whose definition follows.
fn table_of_id(id: &str) -> TableName {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut characters = id.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => push(&mut parts, '"'),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            ',' if !quoted => parts = vec![String::new()],
            _ => push(&mut parts, character),
        }
    }
    match parts.as_slice() {
        [.., space, name] => qualified(Some(Cow::Borrowed(space)), name),
        [name] => qualified(None, name),
        [] => qualified(None, id),
    }
}

fn push(parts: &mut [String], character: char) {
    if let Some(part) = parts.last_mut() {
        part.push(character);
    }
}

/// The shape in a table's definition.
fn shape(definition: &Fields<'_>) -> Result<TableShape, Undecodable> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_table_however_it_is_quoted() {
        let check = |id: &str, name: &str| assert_eq!(table_of_id(id).as_str(), name, "{id}");
        check("\"inventory\".\"customers\"", "inventory.customers");
        check("\"db\".\"dbo\".\"orders\"", "dbo.orders");
        check("\"orders\"", "orders");
        check("inventory.customers", "inventory.customers");
        check("\"a.b\".\"c,d\"", "a.b.c,d");
        check("\"a\".\"say \"\"hi\"\"\"", "a.say \"hi\"");
        check("\"db\".\"old\",\"db\".\"new\"", "db.new");
        check("", "");
        check("\"", "");
    }

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
}
