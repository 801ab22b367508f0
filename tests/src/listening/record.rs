//! The bytes of records, as each kind of source writes them.

use std::fmt::Write;

use fastrand::Rng;

use super::plan::Kind;
use super::table::{Column, Holds, Row};
use crate::simulation::source::EPOCH;

/// Where in the source's log a record stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// When, microseconds since the epoch.
    pub at: i64,
    /// At which position.
    pub position: u64,
}

impl Place {
    /// A later place.
    #[must_use]
    pub fn later(&self, rng: &mut Rng, pace: i64) -> Self {
        Self { at: self.at + rng.i64(1..pace * 2), position: self.position + rng.u64(10..500) }
    }

    /// The place right after.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { position: self.position + 1, ..*self }
    }

    /// MySQL's log keeps whole seconds.
    fn second(&self) -> i64 {
        self.at / 1_000_000 * 1_000
    }
}

/// A column's value in plain JSON; none where the row has none.
fn value(column: &Column, key: u32, row: &Row) -> Option<String> {
    let made_up = (column.id * 7_919 + key * 104_729) % 1_000_003;
    let value = row.values.get(&column.id).copied().unwrap_or(made_up);
    if column.half && (value ^ row.writes.wrapping_mul(2_654_435_761) >> 7).count_ones().is_multiple_of(2) {
        return None;
    }
    Some(match column.holds {
        Holds::Text => format!("\"w{value}\""),
        Holds::Integer => value.to_string(),
        Holds::Flag => (value % 2 == 0).to_string(),
        Holds::Map => format!("{{\"inner\":\"m{value}\"}}"),
    })
}

fn dynamodb(column: &Column, json: &str) -> String {
    match column.holds {
        Holds::Text => format!("{{\"S\":{json}}}"),
        Holds::Integer => format!("{{\"N\":\"{json}\"}}"),
        Holds::Flag => format!("{{\"BOOL\":{json}}}"),
        Holds::Map => {
            let inner = json.trim_start_matches("{\"inner\":").trim_end_matches('}');
            format!("{{\"M\":{{\"inner\":{{\"S\":{inner}}}}}}}")
        }
    }
}

fn otlp(column: &Column, json: &str) -> String {
    match column.holds {
        Holds::Integer => format!("{{\"intValue\":\"{json}\"}}"),
        Holds::Flag => format!("{{\"boolValue\":{json}}}"),
        Holds::Text | Holds::Map => format!("{{\"stringValue\":{json}}}"),
    }
}

/// A row's image, or an event's payload, or the attributes of a log record.
#[must_use]
pub fn image(kind: Kind, shape: &[Column], key: u32, row: &Row) -> String {
    let mut parts = Vec::new();
    match kind {
        Kind::DynamoDb => parts.push(format!("\"id\":{{\"S\":\"k{key}\"}}")),
        Kind::Declared | Kind::Postgres => parts.push(format!("\"id\":{key}")),
        Kind::Event | Kind::Telemetry => {}
    }
    for column in shape {
        let (name, json) = (column.name, value(column, key, row));
        match (kind, json) {
            (Kind::Declared | Kind::Postgres, None) => parts.push(format!("\"{name}\":null")),
            (_, None) => {}
            (Kind::DynamoDb, Some(json)) => parts.push(format!("\"{name}\":{}", dynamodb(column, &json))),
            (Kind::Telemetry, Some(json)) => {
                parts.push(format!("{{\"key\":\"{name}\",\"value\":{}}}", otlp(column, &json)));
            }
            (_, Some(json)) => parts.push(format!("\"{name}\":{json}")),
        }
    }
    let parts = parts.join(",");
    if kind == Kind::Telemetry { format!("[{parts}]") } else { format!("{{{parts}}}") }
}

/// A change of a row.
#[must_use]
pub fn row(
    kind: Kind,
    table: &str,
    key: u32,
    before: Option<&str>,
    after: Option<&str>,
    place: &Place,
) -> Vec<u8> {
    if kind == Kind::DynamoDb {
        let name = match (before, after) {
            (None, _) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
        };
        let mut images = String::new();
        for (label, image) in [("NewImage", after), ("OldImage", before)] {
            if let Some(image) = image {
                let _ = write!(images, r#","{label}":{image}"#);
            }
        }
        return format!(
            r#"{{"awsRegion":"eu-central-1","eventID":"e{}","eventName":"{name}","userIdentity":null,"recordFormat":"application/json","tableName":"{table}","dynamodb":{{"ApproximateCreationDateTime":{},"Keys":{{"id":{{"S":"k{key}"}}}}{images},"SizeBytes":99,"ApproximateCreationDateTimePrecision":"MICROSECOND"}},"eventSource":"aws:dynamodb"}}"#,
            place.position, place.at,
        )
        .into_bytes();
    }
    let operation = match (before, after) {
        (None, _) => "c",
        (Some(_), Some(_)) => "u",
        (Some(_), None) => "d",
    };
    debezium(kind, table, &format!(r#"{{"id":{key}}}"#), operation, before, after, place)
}

/// A truncate.
#[must_use]
pub fn truncate(kind: Kind, table: &str, place: &Place) -> Vec<u8> {
    debezium(kind, table, "null", "t", None, None, place)
}

fn debezium(
    kind: Kind,
    table: &str,
    key: &str,
    operation: &str,
    before: Option<&str>,
    after: Option<&str>,
    place: &Place,
) -> Vec<u8> {
    let (before, after) = (before.unwrap_or("null"), after.unwrap_or("null"));
    let (topic, source) = if kind == Kind::Postgres {
        let (ms, us, position) = (place.at / 1_000, place.at, place.position);
        let source = format!(
            r#"{{"version":"3.6","connector":"postgresql","name":"x","ts_ms":{ms},"ts_us":{us},"snapshot":"false","db":"shop","schema":"public","table":"{table}","txId":{position},"lsn":{position}}}"#
        );
        ("x.public", source)
    } else {
        ("x.shop", mysql(table, false, place))
    };
    format!(
        r#"{{"topic":"{topic}.{table}","key":{key},"value":{{"before":{before},"after":{after},"source":{source},"op":"{operation}","ts_ms":{}}}}}"#,
        place.at / 1_000,
    )
    .into_bytes()
}

fn mysql(table: &str, snapshot: bool, place: &Place) -> String {
    let (ms, position) = (place.second(), place.position);
    format!(
        r#"{{"version":"3.6","connector":"mysql","name":"x","ts_ms":{ms},"ts_us":{ms}000,"snapshot":"{snapshot}","db":"shop","table":"{table}","server_id":1,"gtid":null,"file":"binlog.000004","pos":{position},"row":0}}"#
    )
}

/// A DDL statement, as Debezium announces it: with the definition that it left.
#[must_use]
pub fn ddl(
    table: &str,
    operation: &str,
    text: &str,
    shape: Option<&[Column]>,
    snapshot: bool,
    former: Option<&str>,
    place: &Place,
) -> Vec<u8> {
    let definition = shape.map_or_else(|| "null".to_owned(), definition);
    let former = former.map_or_else(String::new, |name| format!(r#","previousId":"\"shop\".\"{name}\"""#));
    format!(
        r#"{{"topic":"x","key":{{"databaseName":"shop"}},"value":{{"source":{},"ts_ms":{},"databaseName":"shop","schemaName":null,"ddl":"{text}","tableChanges":[{{"type":"{operation}","id":"\"shop\".\"{table}\""{former},"table":{definition}}}]}}}}"#,
        mysql(table, snapshot, place),
        place.at / 1_000,
    )
    .into_bytes()
}

fn definition(shape: &[Column]) -> String {
    let mut columns =
        vec![r#"{"name":"id","typeName":"INT","length":11,"position":1,"optional":false}"#.to_owned()];
    for (column, position) in shape.iter().zip(2..) {
        let (kind, length) = match column.holds {
            Holds::Text | Holds::Map => ("VARCHAR", 64),
            Holds::Integer => ("INT", 11),
            Holds::Flag => ("TINYINT", 1),
        };
        columns.push(format!(
            r#"{{"name":"{}","typeName":"{kind}","length":{length},"position":{position},"optional":true}}"#,
            column.name
        ));
    }
    format!(r#"{{"primaryKeyColumnNames":["id"],"columns":[{}]}}"#, columns.join(","))
}

/// An event, or a document of several log records.
#[must_use]
pub fn items(kind: Kind, name: &str, images: &[String], place: &Place) -> Vec<u8> {
    if kind == Kind::Telemetry {
        let log = |(number, attributes): (usize, &String)| {
            let nanoseconds = (place.at + number as i64) * 1_000;
            format!(
                r#"{{"timeUnixNano":"{nanoseconds}","severityText":"INFO","body":{{"stringValue":"b"}},"attributes":{attributes}}}"#
            )
        };
        let logs: Vec<String> = images.iter().enumerate().map(log).collect();
        return format!(
            r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"shop"}}}}]}},"scopeLogs":[{{"scope":{{"name":"{name}"}},"logRecords":[{}]}}]}}]}}"#,
            logs.join(",")
        )
        .into_bytes();
    }
    // The epoch is a midnight, and no run is as long as a day.
    let since = place.at - EPOCH;
    let (seconds, micros) = (since / 1_000_000, since % 1_000_000);
    format!(
        r#"{{"specversion":"1.0","id":"{}","type":"{name}","source":"/shop","time":"2026-01-01T{:02}:{:02}:{:02}.{micros:06}Z","data":{}}}"#,
        place.position,
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        images.concat(),
    )
    .into_bytes()
}
