//! Records: how a change of a row travels, in the format of its source.

use std::fmt::Write;

use evercount_core::value::{Item, Value};

use super::plan::Kind;
use crate::simulation::source::Emitted;

/// The table's name in DynamoDB.
pub const DYNAMODB_TABLE: &str = "orders";
/// The table's name in MySQL, with its database.
pub const MYSQL_TABLE: &str = "shop.orders";
/// The binary log's file.
pub const BINLOG_FILE: u32 = 4;

/// One change of one row, or of the table as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The row; `None` for the table.
    pub key: Option<u32>,
    /// The row before.
    pub before: Option<&'a Item>,
    /// The row after.
    pub after: Option<&'a Item>,
    /// When.
    pub at: i64,
    /// Where in the log.
    pub position: u64,
}

/// The record of a change.
#[must_use]
pub fn emit(kind: Kind, milliseconds: bool, told: Told<'_>) -> Emitted {
    let data = if kind.is_typed() { dynamodb(milliseconds, told) } else { debezium(told) };
    let partition_key = told.key.map_or_else(|| "truncate".to_owned(), |key| key.to_string());
    Emitted { partition_key, data: data.into_bytes() }
}

fn dynamodb(milliseconds: bool, told: Told<'_>) -> String {
    let (time, precision) = if milliseconds {
        (told.at / 1_000, "")
    } else {
        (told.at, r#","ApproximateCreationDateTimePrecision":"MICROSECOND""#)
    };
    let name = match (told.before, told.after) {
        (None, _) => "INSERT",
        (Some(_), Some(_)) => "MODIFY",
        (Some(_), None) => "REMOVE",
    };
    let mut images = String::new();
    for (label, image) in [("NewImage", told.after), ("OldImage", told.before)] {
        if let Some(image) = image {
            let _ = write!(images, r#","{label}":{}"#, typed(image));
        }
    }
    format!(
        r#"{{"awsRegion":"eu-central-1","eventID":"e{position}","eventName":"{name}","userIdentity":null,"recordFormat":"application/json","tableName":"{DYNAMODB_TABLE}","dynamodb":{{"ApproximateCreationDateTime":{time},"Keys":{{"id":{{"S":"k{key}"}}}}{images},"SizeBytes":99{precision}}},"eventSource":"aws:dynamodb"}}"#,
        position = told.position,
        key = told.key.unwrap_or_default(),
    )
}

fn debezium(told: Told<'_>) -> String {
    let op = match (told.key, told.before, told.after) {
        (None, _, _) => "t",
        (_, None, _) => "c",
        (_, Some(_), Some(_)) => "u",
        (_, Some(_), None) => "d",
    };
    let image = |item: Option<&Item>| item.map_or_else(|| "null".to_owned(), plain);
    let key = told.key.map_or_else(|| "null".to_owned(), |key| format!(r#"{{"id":{key}}}"#));
    format!(
        r#"{{"topic":"x.shop.orders","key":{key},"value":{{"before":{before},"after":{after},"source":{{"version":"3.6","connector":"mysql","name":"x","ts_ms":{ms},"ts_us":{at},"snapshot":"false","db":"shop","table":"orders","server_id":1,"gtid":null,"file":"binlog.{BINLOG_FILE:06}","pos":{pos},"row":0}},"op":"{op}","ts_ms":{ms}}}}}"#,
        before = image(told.before),
        after = image(told.after),
        ms = told.at / 1_000,
        at = told.at,
        pos = told.position,
    )
}

fn typed(item: &Item) -> String {
    object(item, |value| match value {
        Value::Number(number) => format!(r#"{{"N":"{number}"}}"#),
        Value::String(text) => format!(r#"{{"S":"{text}"}}"#),
        _ => r#"{"NULL":true}"#.to_owned(),
    })
}

fn plain(item: &Item) -> String {
    object(item, |value| match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!(r#""{text}""#),
        _ => "null".to_owned(),
    })
}

fn object(item: &Item, value_of: impl Fn(&Value) -> String) -> String {
    let fields: Vec<String> =
        item.iter().map(|(name, value)| format!(r#""{name}":{}"#, value_of(value))).collect();
    format!("{{{}}}", fields.join(","))
}
