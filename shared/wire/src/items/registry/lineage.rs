//! Owns the items of who writes and who reads a subject, of services, of watches, and of
//! cardinality sketches.

use evercount_core::fingerprint::SchemaId;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::lineage::{Consumer, ProducerId, ProducerKind, Seen, Service, WindowSketch};
use evercount_core::registration::StoredWatch;
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::change::{malformed, put};
use super::{put_expiry, read_expiry, subject_pk};
use crate::items::fields::{Fields, number, signed, text, time_text, time_value};
use crate::items::{FORMAT, ItemError, ItemKey};

/// The sort keys of watches begin with this.
pub const WATCH_PREFIX: &str = "watch#";
/// The sort keys of producers begin with this.
pub const PRODUCER_PREFIX: &str = "producer#";
/// The sort keys of consumers begin with this.
pub const CONSUMER_PREFIX: &str = "consumer#";
/// The partition key of services.
pub const SERVICES_PK: &str = "services";

/// Longest part of a sort key that stands in it as it is, in bytes: a sort key takes 1,024, and
/// has three such parts at most.
const IN_KEY_BYTES_MAX: usize = 240;

/// A text as part of a sort key, without the character that parts it; a long one is cut and ends
/// in its hash.
fn in_key(part: &str) -> String {
    let escaped = part.replace('%', "%25").replace('#', "%23");
    if escaped.len() <= IN_KEY_BYTES_MAX {
        return escaped;
    }
    let readable = escaped.get(..escaped.floor_char_boundary(IN_KEY_BYTES_MAX - 40)).unwrap_or_default();
    format!("{readable}~{:032x}", xxh3_128(part.as_bytes()))
}

/// The key of a lane's watch.
#[must_use]
pub fn watch_key(subject: &Subject, lane: &LaneId) -> ItemKey {
    ItemKey::new(subject_pk(subject), format!("{WATCH_PREFIX}{}", in_key(lane.as_str())))
}

/// The item of a lane's watch.
#[must_use]
pub fn watch_item(subject: &Subject, lane: &LaneId, watch: &StoredWatch) -> Item {
    let mut item = watch_key(subject, lane).item();
    put(&mut item, "entity", text("watch"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "lane", text(lane.as_str()));
    put(&mut item, "through", text(watch.through.as_str()));
    put(&mut item, "revision", number(watch.revision));
    put(&mut item, "seen", number(watch.seen));
    put(&mut item, "first_seen", time_value(watch.first_seen));
    put(&mut item, "last_seen", time_value(watch.last_seen));
    put(&mut item, "state", text(&watch.state));
    item
}

/// Reads a watch and whose it is.
///
/// # Errors
/// [`ItemError`].
pub fn watch_from_item(item: &Item) -> Result<(LaneId, StoredWatch), ItemError> {
    let fields = Fields::of_format(item)?;
    let watch = StoredWatch {
        through: fields.parsed("through", "a sequence number", SequenceNumber::parse)?,
        revision: fields.unsigned("revision")?,
        seen: fields.unsigned("seen")?,
        first_seen: fields.time("first_seen")?,
        last_seen: fields.time("last_seen")?,
        state: fields.text("state")?.to_owned(),
    };
    Ok((LaneId::named(fields.text("lane")?), watch))
}

/// What one lane has told of one producer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducerItem {
    /// The subject.
    pub subject: Subject,
    /// The producer.
    pub id: ProducerId,
    /// The lane.
    pub lane: LaneId,
    /// The last record that is in it.
    pub through: SequenceNumber,
    /// What was seen.
    pub seen: Seen,
}

/// The key of what one lane has told of one producer. Each lane has an item of its own, so that
/// lanes never overwrite each other.
#[must_use]
pub fn producer_key(subject: &Subject, id: &ProducerId, lane: &LaneId) -> ItemKey {
    let (kind, name, lane) = (id.kind.name(), in_key(&id.name), in_key(lane.as_str()));
    ItemKey::new(subject_pk(subject), format!("{PRODUCER_PREFIX}{kind}#{name}#{lane}"))
}

/// The item of what one lane has told of one producer.
#[must_use]
pub fn producer_item(producer: &ProducerItem) -> Item {
    let mut item = producer_key(&producer.subject, &producer.id, &producer.lane).item();
    put(&mut item, "entity", text("producer"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "subject", text(producer.subject.as_str()));
    put(&mut item, "kind", text(producer.id.kind.name()));
    put(&mut item, "name", text(&producer.id.name));
    put(&mut item, "lane", text(producer.lane.as_str()));
    put(&mut item, "through", text(producer.through.as_str()));
    put(&mut item, "first", time_value(producer.seen.first));
    put(&mut item, "last", time_value(producer.seen.last));
    put(&mut item, "records", number(producer.seen.records));
    item
}

/// Reads what one lane has told of one producer.
///
/// # Errors
/// [`ItemError`].
pub fn producer_from_item(item: &Item) -> Result<ProducerItem, ItemError> {
    let fields = Fields::of_format(item)?;
    let kind = fields.parsed("kind", "a known kind of producer", |name| {
        ProducerKind::ALL.into_iter().find(|(_, known)| *known == name).map(|(kind, _)| kind)
    })?;
    Ok(ProducerItem {
        subject: Subject::new(fields.text("subject")?),
        id: ProducerId { kind, name: fields.text("name")?.to_owned() },
        lane: LaneId::named(fields.text("lane")?),
        through: fields.parsed("through", "a sequence number", SequenceNumber::parse)?,
        seen: Seen {
            first: fields.time("first")?,
            last: fields.time("last")?,
            records: fields.unsigned("records")?,
        },
    })
}

/// The key of a consumer.
#[must_use]
pub fn consumer_key(subject: &Subject, name: &str) -> ItemKey {
    ItemKey::new(subject_pk(subject), format!("{CONSUMER_PREFIX}{}", in_key(name)))
}

/// The item of a consumer; `revision` rises with every write.
#[must_use]
pub fn consumer_item(subject: &Subject, consumer: &Consumer, revision: u64) -> Item {
    let mut item = consumer_key(subject, &consumer.name).item();
    put(&mut item, "entity", text("consumer"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "name", text(&consumer.name));
    put(&mut item, "first", time_value(consumer.first));
    put(&mut item, "last", time_value(consumer.last));
    put(&mut item, "revision", number(revision));
    let applied = match &consumer.applied {
        Some(applied) => {
            put(&mut item, "applied", text(applied.to_string()));
            format!("has applied v{:04}", applied.version)
        }
        None => "has acknowledged no version".to_owned(),
    };
    let (name, last) = (&consumer.name, time_text(consumer.last));
    put(&mut item, "summary", text(format!("{name} {applied}; last heard of at {last}.")));
    item
}

/// Reads a consumer.
///
/// # Errors
/// [`ItemError`].
pub fn consumer_from_item(item: &Item) -> Result<Consumer, ItemError> {
    let fields = Fields::of_format(item)?;
    Ok(Consumer {
        name: fields.text("name")?.to_owned(),
        first: fields.time("first")?,
        last: fields.time("last")?,
        applied: fields.parsed_if_any("applied", "a schema id", SchemaId::parse)?,
    })
}

/// The item of a service, which a deployment or the service itself puts: `pk` is `services`, `sk`
/// its name, `produces` and `consumes` are sets of subjects (left out where there are none), and
/// `seen_at` is an ISO time.
#[must_use]
pub fn service_item(service: &Service) -> Item {
    let mut item = ItemKey::new(SERVICES_PK, &service.name).item();
    put(&mut item, "entity", text("service"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "seen_at", time_value(service.seen_at));
    for (name, subjects) in [("produces", &service.produces), ("consumes", &service.consumes)] {
        if !subjects.is_empty() {
            let set = subjects.iter().map(|subject| subject.as_str().to_owned()).collect();
            put(&mut item, name, Value::StringSet(set));
        }
    }
    item
}

/// Reads a service. Others write it, so that it may lack everything but its key: a set may be a
/// list, and a service without a time was heard of at 0.
///
/// # Errors
/// [`ItemError`].
pub fn service_from_item(item: &Item) -> Result<Service, ItemError> {
    let fields = Fields(item);
    let subjects = |name: &str| match item.get(name) {
        None => Ok([].into()),
        Some(Value::StringSet(set)) => Ok(set.iter().map(Subject::new).collect()),
        Some(Value::List(_)) => Ok(fields.texts(name)?.into_iter().map(Subject::new).collect()),
        Some(_) => Err(malformed(name, "a set of texts")),
    };
    Ok(Service {
        name: fields.text(crate::items::SK)?.to_owned(),
        produces: subjects("produces")?,
        consumes: subjects("consumes")?,
        seen_at: fields.time_if_any("seen_at")?.unwrap_or(0),
    })
}

/// The partition key of a subject's sketches, and between which sort keys the windows of a field
/// stand that start in a range.
#[must_use]
pub fn sketch_range(
    subject: &Subject,
    path: &FieldPath,
    window: &std::ops::Range<i64>,
) -> (String, String, String) {
    let prefix = sketch_prefix(path);
    let bound = |at| format!("{prefix}{}", sketch_time(at));
    (subject_pk(subject), bound(window.start), bound(window.end))
}

fn sketch_prefix(path: &FieldPath) -> String {
    format!("cardinality#{}#", in_key(path.as_str()))
}

/// A time as text that sorts as it does; before 1970 and after 9999 it is the first or
/// last of them.
fn sketch_time(at: i64) -> String {
    time_text(at.clamp(0, MICROS_ON_CALENDAR))
}

/// The last day of the year 9999, microseconds since the epoch.
const MICROS_ON_CALENDAR: i64 = 253_402_207_200_000_000;

/// The item of a sketch.
#[must_use]
pub fn sketch_item(sketch: &WindowSketch) -> Item {
    let sk = format!(
        "{}{}#{:020}#{}",
        sketch_prefix(&sketch.path),
        sketch_time(sketch.start),
        sketch.length.max(0),
        in_key(sketch.lane.as_str())
    );
    let mut item = ItemKey::new(subject_pk(&sketch.subject), sk).item();
    put(&mut item, "entity", text("cardinality sketch"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "subject", text(sketch.subject.as_str()));
    put(&mut item, "path", text(sketch.path.as_str()));
    put(&mut item, "start", time_value(sketch.start));
    put(&mut item, "length_microseconds", signed(sketch.length));
    put(&mut item, "lane", text(sketch.lane.as_str()));
    put(&mut item, "registers", Value::Binary(sketch.registers.clone()));
    put_expiry(&mut item, Some(sketch.expires_at));
    item
}

/// Reads a sketch.
///
/// # Errors
/// [`ItemError`].
pub fn sketch_from_item(item: &Item) -> Result<WindowSketch, ItemError> {
    let fields = Fields::of_format(item)?;
    let missing = |name: &str| ItemError::Missing { name: name.to_owned() };
    let length = fields.signed_if_any("length_microseconds")?;
    let registers = fields.bytes_if_any("registers")?;
    Ok(WindowSketch {
        subject: Subject::new(fields.text("subject")?),
        path: FieldPath::new(fields.text("path")?),
        start: fields.time("start")?,
        length: length.ok_or_else(|| missing("length_microseconds"))?,
        lane: LaneId::named(fields.text("lane")?),
        registers: registers.ok_or_else(|| missing("registers"))?.to_vec(),
        expires_at: read_expiry(fields)?.ok_or_else(|| missing("expires_at"))?,
    })
}
