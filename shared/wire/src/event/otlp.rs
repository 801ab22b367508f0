//! Owns OpenTelemetry documents: which item a log record, a data point or a span is, and of which
//! subject.
//!
//! | signal | subject | an item is |
//! |---|---|---|
//! | logs | `otlp:log/<scope>` | a log record |
//! | metrics | `otlp:metric/<scope>/<metric>` | a data point |
//! | traces | `otlp:trace/<scope>/<span>` | a span |
//!
//! An item has the record's `attributes` as a map, and beside them what its signal says of
//! itself: a data point the `type`, `unit`, `temporality` and `monotonic` of its metric, so that
//! a counter that becomes a histogram is a change of the schema. A field that holds its default
//! is left out, as protocol buffers leave it out. Resource attributes describe who sends and not
//! what is sent; of them only `service.name` is kept, as the producer.
//!
//! The messages: <https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto>.

use std::borrow::Cow;
use std::collections::BTreeSet;

use evercount_core::order::Micros;
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};

use super::{ITEMS_MAX, NAME_BYTES_MAX, Observed, SUBJECTS_MAX, any_value, producer, subject};
use crate::cdc::fields::Fields;
use crate::cdc::time::plausible;
use crate::cdc::{Reason, Undecodable};
use crate::json::Fault;

/// The fields in which a signal's documents nest its records.
pub(super) struct Signal {
    pub(super) resources: &'static str,
    scopes: &'static str,
    records: &'static str,
    read: fn(&mut Reader, &Scope, &Fields<'_>) -> Result<(), Undecodable>,
}

pub(super) const SIGNALS: [Signal; 3] = [
    Signal { resources: "resourceLogs", scopes: "scopeLogs", records: "logRecords", read: Reader::log },
    Signal { resources: "resourceMetrics", scopes: "scopeMetrics", records: "metrics", read: Reader::metric },
    Signal { resources: "resourceSpans", scopes: "scopeSpans", records: "spans", read: Reader::span },
];

/// How a field of a data point is read.
#[derive(Clone, Copy)]
enum Form {
    Number,
    Numbers,
    Buckets,
    Quantiles,
}

/// The fields of all kinds of data points, and their names in an item.
const POINT: [(&str, &str, Form); 13] = [
    ("asInt", "value", Form::Number),
    ("asDouble", "value", Form::Number),
    ("count", "count", Form::Number),
    ("sum", "sum", Form::Number),
    ("min", "min", Form::Number),
    ("max", "max", Form::Number),
    ("bucketCounts", "bucket_counts", Form::Numbers),
    ("explicitBounds", "explicit_bounds", Form::Numbers),
    ("scale", "scale", Form::Number),
    ("zeroCount", "zero_count", Form::Number),
    ("positive", "positive", Form::Buckets),
    ("negative", "negative", Form::Buckets),
    ("quantileValues", "quantile_values", Form::Quantiles),
];

/// The kinds of metrics: the field of the metric, and its name.
const METRICS: [(&str, &str); 5] = [
    ("gauge", "gauge"),
    ("sum", "sum"),
    ("histogram", "histogram"),
    ("exponentialHistogram", "exponential_histogram"),
    ("summary", "summary"),
];

const TEMPORALITIES: [&str; 3] = ["unspecified", "delta", "cumulative"];
const SPAN_KINDS: [&str; 6] = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const STATUS_CODES: [&str; 3] = ["unset", "ok", "error"];

/// Reads a document.
pub(super) fn read(document: &Fields<'_>) -> Result<Vec<Observed>, Undecodable> {
    let mut reader = Reader::default();
    for signal in &SIGNALS {
        for resource in objects(document, signal.resources)? {
            let resource = resource?;
            let mut scope = Scope { name: String::new(), producer: service(&resource)? };
            for scoped in objects(&resource, signal.scopes)? {
                let scoped = scoped?;
                let named = scoped.object("scope")?;
                let name = named.as_ref().map(|named| named.text("name")).transpose()?.flatten();
                scope.name = name.map(Cow::into_owned).unwrap_or_default();
                for record in objects(&scoped, signal.records)? {
                    (signal.read)(&mut reader, &scope, &record?)?;
                }
            }
        }
    }
    Ok(reader.observed)
}

/// The objects of an array.
fn objects<'a>(
    fields: &Fields<'a>,
    name: &'static str,
) -> Result<impl Iterator<Item = Result<Fields<'a>, Undecodable>>, Undecodable> {
    Ok(fields.array(name)?.into_iter().map(move |text| Fields::read(text, name)))
}

/// The name of the service that sent a resource's records.
fn service(resource: &Fields<'_>) -> Result<Option<String>, Undecodable> {
    let Some(resource) = resource.object("resource")? else { return Ok(None) };
    Ok(match any_value::map(&resource, "attributes")?.remove("service.name") {
        Some(Value::String(name)) if !name.is_empty() => Some(producer(&name)),
        _ => None,
    })
}

/// Who and what records are from.
struct Scope {
    name: String,
    producer: Option<String>,
}

/// What has been read of a document.
#[derive(Default)]
struct Reader {
    observed: Vec<Observed>,
    subjects: BTreeSet<Subject>,
}

impl Reader {
    fn log(&mut self, scope: &Scope, record: &Fields<'_>) -> Result<(), Undecodable> {
        let subject = self.subject("otlp:log/", &[&scope.name])?;
        let mut item = Item::new();
        put_text(&mut item, "severity", record, "severityText")?;
        put_number(&mut item, "severity_number", record, "severityNumber")?;
        put_text(&mut item, "event_name", record, "eventName")?;
        put_text(&mut item, "trace_id", record, "traceId")?;
        put_text(&mut item, "span_id", record, "spanId")?;
        if let Some(body) = any_value::value(record, "body")? {
            item.insert("body".to_owned(), body);
        }
        put_attributes(&mut item, record)?;
        // A record without a time of its own has the time it was collected.
        let at = time(record, "timeUnixNano").or_else(|| time(record, "observedTimeUnixNano"));
        self.push(Observed { subject, item, at, producer: scope.producer.clone() })
    }

    fn metric(&mut self, scope: &Scope, metric: &Fields<'_>) -> Result<(), Undecodable> {
        let name = metric.text("name")?.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Undecodable::missing("name"))?;
        let unit = metric.text("unit")?.unwrap_or_default();
        // It is copied into every item. Units have 63 characters at most.
        if unit.len() > NAME_BYTES_MAX {
            return Err(Undecodable::new(Reason::TooLarge, format!("a unit of {} bytes", unit.len())));
        }
        let subject = self.subject("otlp:metric/", &[&scope.name, &name])?;
        for (field, kind) in METRICS {
            let Some(data) = metric.object(field)? else { continue };
            let mut told = Item::from([("type".to_owned(), Value::String(kind.to_owned()))]);
            if !unit.is_empty() {
                told.insert("unit".to_owned(), Value::String(unit.clone().into_owned()));
            }
            put_code(&mut told, "temporality", &data, "aggregationTemporality", &TEMPORALITIES)?;
            if kind == "sum" {
                let monotonic = data.get("isMonotonic") == Some("true");
                told.insert("monotonic".to_owned(), Value::Bool(monotonic));
            }
            for point in objects(&data, "dataPoints")? {
                let point = point?;
                let mut item = told.clone();
                put_point(&mut item, &point)?;
                put_attributes(&mut item, &point)?;
                let producer = scope.producer.clone();
                let at = time(&point, "timeUnixNano");
                self.push(Observed { subject: subject.clone(), item, at, producer })?;
            }
        }
        Ok(())
    }

    fn span(&mut self, scope: &Scope, span: &Fields<'_>) -> Result<(), Undecodable> {
        let name = span.text("name")?.unwrap_or_default();
        let subject = self.subject("otlp:trace/", &[&scope.name, &name])?;
        let mut item = Item::new();
        put_text(&mut item, "trace_id", span, "traceId")?;
        put_text(&mut item, "span_id", span, "spanId")?;
        put_text(&mut item, "parent_span_id", span, "parentSpanId")?;
        put_code(&mut item, "kind", span, "kind", &SPAN_KINDS)?;
        if let Some(status) = span.object("status")? {
            put_code(&mut item, "status", &status, "code", &STATUS_CODES)?;
        }
        let mut events = Vec::new();
        for event in objects(span, "events")? {
            let event = event?;
            let mut told = Item::new();
            put_text(&mut told, "name", &event, "name")?;
            put_attributes(&mut told, &event)?;
            events.push(Value::Map(told));
        }
        if !events.is_empty() {
            item.insert("events".to_owned(), Value::List(events));
        }
        put_attributes(&mut item, span)?;
        let at = time(span, "startTimeUnixNano");
        self.push(Observed { subject, item, at, producer: scope.producer.clone() })
    }

    /// A subject, sharing its text with the same subject before.
    fn subject(&mut self, prefix: &str, names: &[&str]) -> Result<Subject, Undecodable> {
        let subject = subject(prefix, names)?;
        if let Some(known) = self.subjects.get(&subject) {
            return Ok(known.clone());
        }
        if self.subjects.len() >= SUBJECTS_MAX {
            let detail = format!("more than {SUBJECTS_MAX} subjects");
            return Err(Undecodable::new(Reason::TooLarge, detail));
        }
        self.subjects.insert(subject.clone());
        Ok(subject)
    }

    fn push(&mut self, observed: Observed) -> Result<(), Undecodable> {
        if self.observed.len() >= ITEMS_MAX {
            return Err(Undecodable::new(Reason::TooLarge, format!("more than {ITEMS_MAX} items")));
        }
        self.observed.push(observed);
        Ok(())
    }
}

fn put_text(item: &mut Item, to: &str, fields: &Fields<'_>, from: &str) -> Result<(), Undecodable> {
    if let Some(text) = fields.text(from)?.filter(|text| !text.is_empty()) {
        item.insert(to.to_owned(), Value::String(text.into_owned()));
    }
    Ok(())
}

fn put_number(item: &mut Item, to: &str, fields: &Fields<'_>, from: &str) -> Result<(), Undecodable> {
    if let Some(number) = fields.integer::<i64>(from)?.filter(|number| *number != 0) {
        item.insert(to.to_owned(), Value::Number(number.into()));
    }
    Ok(())
}

fn put_attributes(item: &mut Item, fields: &Fields<'_>) -> Result<(), Undecodable> {
    let attributes = any_value::map(fields, "attributes")?;
    if !attributes.is_empty() {
        item.insert("attributes".to_owned(), Value::Map(attributes));
    }
    Ok(())
}

/// A field that is one of a few words. The specification asks for its number; producers that
/// write the name (`SPAN_KIND_SERVER`) are understood as well. A number without a name stays a
/// number.
fn put_code(
    item: &mut Item,
    to: &str,
    fields: &Fields<'_>,
    from: &str,
    names: &[&str],
) -> Result<(), Undecodable> {
    let Some(text) = fields.get(from) else { return Ok(()) };
    let named = |name: &str| Value::String(name.to_owned());
    let value = if text.starts_with('"') {
        let said = fields.text(from)?.unwrap_or_default().to_ascii_lowercase();
        let known = names.iter().find(|name| {
            said.strip_suffix(**name).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
        });
        known.map(|name| named(name)).ok_or_else(|| Undecodable::wrong_type(from, "a known name"))?
    } else {
        let Some(code) = fields.integer::<i64>(from)?.filter(|code| *code != 0) else { return Ok(()) };
        let known = usize::try_from(code).ok().and_then(|code| names.get(code));
        known.map_or_else(|| Value::Number(code.into()), |name| named(name))
    };
    item.insert(to.to_owned(), value);
    Ok(())
}

fn put_point(item: &mut Item, point: &Fields<'_>) -> Result<(), Undecodable> {
    for (from, to, form) in POINT {
        let Some(text) = point.get(from) else { continue };
        let value = match form {
            Form::Number => number(text, from)?,
            Form::Numbers => numbers(point, from)?,
            Form::Buckets => Value::Map(buckets(&Fields::read(text, from)?)?),
            Form::Quantiles => {
                let mut values = Vec::new();
                for quantile in objects(point, from)? {
                    values.push(Value::Map(numbers_of(&quantile?, &["quantile", "value"])?));
                }
                Value::List(values)
            }
        };
        item.insert(to.to_owned(), value);
    }
    Ok(())
}

fn buckets(fields: &Fields<'_>) -> Result<Item, Undecodable> {
    let mut item = numbers_of(fields, &["offset"])?;
    item.insert("bucket_counts".to_owned(), numbers(fields, "bucketCounts")?);
    Ok(item)
}

fn numbers_of(fields: &Fields<'_>, names: &[&str]) -> Result<Item, Undecodable> {
    let present = names.iter().filter_map(|name| fields.get(name).map(|text| (*name, text)));
    present.map(|(name, text)| Ok((name.to_owned(), number(text, name)?))).collect()
}

fn numbers(fields: &Fields<'_>, name: &str) -> Result<Value, Undecodable> {
    fields.array(name)?.into_iter().map(|text| number(text, name)).collect::<Result<_, _>>().map(Value::List)
}

fn number(text: &str, name: &str) -> Result<Value, Undecodable> {
    any_value::number(text).map_err(|fault: Fault| {
        Undecodable::new(fault.into(), format!("`{name}` is no number of its format"))
    })
}

/// A time in nanoseconds, in quotes or not; `None` where it is absent, zero or absurd.
fn time(fields: &Fields<'_>, name: &str) -> Option<Micros> {
    let text = fields.get(name)?.trim_matches('"');
    let nanoseconds: u64 = text.parse().ok()?;
    Micros::try_from(nanoseconds / 1_000).ok().and_then(plausible)
}
