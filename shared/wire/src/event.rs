//! Owns which records are no table's rows and yet have a schema, and what is read from them:
//! events in JSON, and OpenTelemetry documents (`otlp`). Each gives [`Observed`] items of a
//! subject, as a row gives an image of its table.
//!
//! | document | told by | subject |
//! |---|---|---|
//! | CloudEvents 1.0 (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>) | `specversion`, `type`, `source` | `event:<type>` |
//! | EventBridge (<https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html>) | `detail-type`, `source`, `detail` | `event:<detail-type>` |
//! | any other object | a text `type` and a text `source` | `event:<type>` |
//! | OTLP (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>) | `resourceLogs`, `resourceMetrics`, `resourceSpans` | `otlp:<signal>/…` |
//!
//! A row change in the envelope of an event (Debezium's CloudEvents converter, DynamoDB Streams
//! through an EventBridge pipe) is none of these: taken for an event, it would be missing from
//! the counts and nobody would know.

mod any_value;
mod otlp;

use std::fmt::Write as _;

use evercount_core::order::Micros;
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};

use crate::cdc::fields::Fields;
use crate::cdc::time::{iso_time, plausible};
use crate::cdc::{self, RECORD_BYTES_MAX, Reason, Undecodable};
use crate::json;

/// Most items of one document: twice the batch that an OpenTelemetry Collector sends by default
/// (<https://github.com/open-telemetry/opentelemetry-collector/tree/main/processor/batchprocessor>).
pub const ITEMS_MAX: usize = 16_384;

/// Most subjects of one document. The largest scrapes name about a thousand metrics at once.
pub const SUBJECTS_MAX: usize = 2_000;

/// Longest name of an event type, a scope, a metric or a span in a subject, in bytes. With two of
/// them a subject still fits in a DynamoDB key. Metric names have 255 characters at most.
pub const NAME_BYTES_MAX: usize = 512;

/// One item of an event type or of a kind of telemetry.
#[derive(Clone, PartialEq, Debug)]
pub struct Observed {
    /// What it is an item of.
    pub subject: Subject,
    /// Its fields.
    pub item: Item,
    /// When it happened, microseconds since the epoch; `None` where the document does not say, or
    /// says a time outside the years 2012 to 2100.
    pub at: Option<Micros>,
    /// Who sent it: the event's `source`, or the resource's `service.name`, cut to
    /// [`NAME_BYTES_MAX`].
    pub producer: Option<String>,
}

/// Reads a record that is no table's row. `None` where it is no such document: the record is then
/// for [`cdc::Decoder`], which passes over exactly those that are.
///
/// # Errors
/// [`Undecodable`] where it is such a document and breaks a rule of its format or a limit. As
/// ever, the error holds none of the record's data.
#[must_use]
pub fn read(text: &str) -> Option<Result<Vec<Observed>, Undecodable>> {
    // What is larger is no record at all, and not worth a look at what it might be.
    let small = text.len() <= RECORD_BYTES_MAX;
    let record = small.then(|| Fields::read(text, "record").ok()).flatten()?;
    Some(match Document::of(&record)? {
        Document::CloudEvent => cloud_event(&record).map(|event| vec![event]),
        Document::EventBridge => event_bridge(&record).map(|event| vec![event]),
        Document::Bare => bare(text, &record).map(|event| vec![event]),
        Document::Otlp => otlp::read(&record),
    })
}

/// Whether a record is a document of this module, by its fields alone.
pub(crate) fn is_event(record: &Fields<'_>) -> bool {
    Document::of(record).is_some()
}

/// What a document is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Document {
    CloudEvent,
    EventBridge,
    Bare,
    Otlp,
}

impl Document {
    fn of(record: &Fields<'_>) -> Option<Self> {
        if cdc::is_row_change(record) {
            return None;
        }
        let is_array = |name: &str| record.get(name).is_some_and(|text| text.starts_with('['));
        if otlp::SIGNALS.iter().any(|signal| is_array(signal.resources)) {
            return Some(Self::Otlp);
        }
        let says = |name| record.text(name).ok().flatten().is_some_and(|text| !text.is_empty());
        if !says("source") {
            return None;
        }
        if says("detail-type") && record.has("detail") {
            return (!holds_row_change(record, "detail")).then_some(Self::EventBridge);
        }
        if !says("type") {
            return None;
        }
        if says("specversion") {
            // <https://debezium.io/documentation/reference/stable/integrations/cloudevents.html>
            let debezium = record.has("iodebeziumop") || holds_row_change(record, "data");
            return (!debezium).then_some(Self::CloudEvent);
        }
        // An operation may be that of a flattened row, whose columns these are.
        (!record.has("op") && !record.has("__op")).then_some(Self::Bare)
    }
}

/// Whether a field of an event is a row change as a CDC source makes them.
fn holds_row_change(record: &Fields<'_>, name: &str) -> bool {
    record.object(name).ok().flatten().is_some_and(|inner| {
        let wrapped = || inner.object("payload").ok().flatten();
        cdc::is_row_change(&inner) || wrapped().is_some_and(|payload| cdc::is_row_change(&payload))
    })
}

fn cloud_event(record: &Fields<'_>) -> Result<Observed, Undecodable> {
    let item = match record.text("data_base64")? {
        Some(text) => {
            let bytes = cdc::from_base64(&text)?;
            Item::from([("data_base64".to_owned(), Value::Binary(bytes))])
        }
        None => payload(record, "data")?,
    };
    event(record, "type", item)
}

fn event_bridge(record: &Fields<'_>) -> Result<Observed, Undecodable> {
    event(record, "detail-type", payload(record, "detail")?)
}

/// An object without an envelope is its own payload.
fn bare(text: &str, record: &Fields<'_>) -> Result<Observed, Undecodable> {
    let item = json::read_plain_item(text).map_err(|error| Undecodable::json(error, "record"))?;
    event(record, "type", item)
}

/// The fields of an event's payload. A payload that is no object is one field of its own name.
fn payload(record: &Fields<'_>, name: &str) -> Result<Item, Undecodable> {
    let wrong = |error| Undecodable::json(error, name);
    match record.get(name) {
        None => Ok(Item::new()),
        Some(text) if text.starts_with('{') => json::read_plain_item(text).map_err(wrong),
        Some(text) => {
            let value = json::read_plain(text).map_err(wrong)?;
            Ok(Item::from([(name.to_owned(), value)]))
        }
    }
}

fn event(record: &Fields<'_>, type_field: &str, item: Item) -> Result<Observed, Undecodable> {
    let time = record.text("time").ok().flatten();
    Ok(Observed {
        subject: subject("event:", &[&record.needed_text(type_field)?])?,
        item,
        at: time.and_then(|time| iso_time(&time)).and_then(plausible),
        producer: record.text("source")?.map(|source| producer(&source)),
    })
}

/// A subject of one or more names, joined by `/`.
fn subject(prefix: &str, names: &[&str]) -> Result<Subject, Undecodable> {
    let mut text = prefix.to_owned();
    for (index, name) in names.iter().enumerate() {
        // Only the first name, a scope, keeps its `/`: scopes are often import paths. The last
        // `/` of the subject then stands before the last name, so no two pairs share a subject.
        if index > 0 {
            text.push('/');
        }
        let start = text.len();
        for c in name.chars() {
            if c == '%' || c.is_control() || (c == '/' && index > 0) {
                escape(c, &mut text);
            } else {
                text.push(c);
            }
            if text.len() - start > NAME_BYTES_MAX {
                let detail = format!("a name of {} bytes, more than {NAME_BYTES_MAX}", name.len());
                return Err(Undecodable::new(Reason::TooLarge, detail));
            }
        }
    }
    Ok(Subject::new(text))
}

fn producer(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        let start = text.len();
        if c == '%' || c.is_control() {
            escape(c, &mut text);
        } else {
            text.push(c);
        }
        if text.len() > NAME_BYTES_MAX {
            text.truncate(start);
            break;
        }
    }
    text
}

/// As in a URI, so that a name in a log or a console can neither break a line nor pass for
/// another.
fn escape(c: char, out: &mut String) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        // Writing to a string cannot fail.
        let _ = write!(out, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;

    #[test]
    fn no_two_pairs_of_names_share_a_subject() {
        let pairs =
            [("a/b", "c"), ("a", "b/c"), ("a/", "c"), ("a", "/c"), ("a", "%2Fc"), ("", "a/c"), ("a\n", "c")];
        let subjects: std::collections::BTreeSet<_> =
            pairs.iter().map(|(scope, name)| subject("otlp:trace/", &[scope, name]).unwrap()).collect();
        assert_eq!(subjects.len(), pairs.len());
        assert!(subjects.iter().all(|subject| !subject.as_str().contains('\n')));
    }

    #[test]
    fn a_name_is_refused_when_it_is_too_long_and_a_producer_cut() {
        assert!(subject("event:", &[&"é".repeat(NAME_BYTES_MAX / 2)]).is_ok());
        assert_eq!(subject("event:", &[&"é".repeat(257)]).unwrap_err().reason, Reason::TooLarge);
        assert_eq!(subject("event:", &[&"\n".repeat(200)]).unwrap_err().reason, Reason::TooLarge);
        assert_eq!(producer(&"é".repeat(10_000)).len(), NAME_BYTES_MAX);
        assert_eq!(producer(&"\n".repeat(10_000)).len(), NAME_BYTES_MAX / 3 * 3);
    }

    #[test]
    fn a_document_is_what_its_envelope_says() {
        let check = |text: &str, expected: Option<Document>| {
            assert_eq!(Document::of(&Fields::read(text, "record").unwrap()), expected, "{text}");
        };
        check(r#"{"specversion":"1.0","type":"t","source":"s"}"#, Some(Document::CloudEvent));
        check(r#"{"detail-type":"t","source":"s","detail":{}}"#, Some(Document::EventBridge));
        check(r#"{"type":"t","source":"s","payload":{"a":1}}"#, Some(Document::Bare));
        check(r#"{"resourceSpans":[]}"#, Some(Document::Otlp));
        for no_event in [
            r#"{"type":"t"}"#,
            r#"{"type":"","source":"s"}"#,
            r#"{"type":1,"source":"s"}"#,
            r#"{"type":"t","source":{"db":"shop"},"op":"c"}"#,
            r#"{"type":"t","source":"s","op":"c"}"#,
            r#"{"type":"t","source":"s","__op":"c"}"#,
            r#"{"resourceSpans":{}}"#,
            r#"{"specversion":"1.0","source":"s"}"#,
            r#"{"specversion":"1.0","type":"t","source":"s","iodebeziumop":"u","data":{"after":{}}}"#,
            r#"{"specversion":"1.0","type":"t","source":"s","data":{"payload":{"op":"c","source":{}}}}"#,
            r#"{"detail-type":"t","source":"s","detail":{"eventName":"INSERT","dynamodb":{}}}"#,
            r#"{"detail-type":"t","source":"s","detail":{"metadata":{"record-type":"data"}}}"#,
        ] {
            check(no_event, None);
        }
    }

    #[test]
    fn what_is_too_large_is_not_looked_at() {
        let text = format!(r#"{{"type":"t","source":"s","a":"{}"}}"#, "a".repeat(RECORD_BYTES_MAX));
        assert!(read(&text).is_none());
        let read = read(r#"{"type":"t","source":"s","a":1}"#).unwrap().unwrap();
        assert_eq!(read[0].item.len(), 3);
    }
}
