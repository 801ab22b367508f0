//! Owns where schema change events are put: each on a Kinesis stream of their own, with its
//! subject as the partition key, so that a subject's events stay in order, and, where there is an
//! event bus, on EventBridge, whose rules hand it on to whoever else wants to know.
//!
//! Both get the same JSON. What does not fit is sent with its changes cut and a mark that names
//! the schema version to look up; an event is never left out because it is large.

use evercount_core::schema_change::SchemaChangeEvent;
use evercount_pipeline::ports::StoreError;
use evercount_pipeline::publish::SchemaEvents;
use evercount_wire::schema_event::to_json;
use serde_json::json;

pub use crate::bus::SOURCE;

use crate::bus::Bus;
use crate::calls::{Destination, Entry, put_all};
use crate::stream::Stream;

/// The `detail-type` of the events on a bus.
pub const DETAIL_TYPE: &str = "schema updated";

/// Schema change events on a Kinesis stream and, where there is one, an event bus.
#[derive(Clone, Debug)]
pub struct AwsSchemaEvents {
    stream: Stream,
    bus: Option<Bus>,
}

impl AwsSchemaEvents {
    /// Puts events on a stream. Retries and timeouts of the client are replaced by this module's.
    #[must_use]
    pub fn new(kinesis: &aws_sdk_kinesis::Client, stream: &str) -> Self {
        Self { stream: Stream::new(kinesis, stream), bus: None }
    }

    /// Puts them on an event bus as well, by its name or ARN.
    #[must_use]
    pub fn with_bus(self, eventbridge: &aws_sdk_eventbridge::Client, bus: &str) -> Self {
        Self { bus: Some(Bus::new(eventbridge, bus)), ..self }
    }

    async fn put<D: Destination>(to: &D, events: &[SchemaChangeEvent]) -> Result<(), StoreError> {
        let entry = |event: &SchemaChangeEvent| Entry {
            subject: event.subject.as_str().to_owned(),
            kind: DETAIL_TYPE,
            body: fitting(event, D::BODY_BYTES_MAX),
            at: event.at,
        };
        let entries: Vec<Entry> = events.iter().map(entry).collect();
        put_all(to, &entries).await
    }
}

impl SchemaEvents for AwsSchemaEvents {
    /// The stream comes first: what the functions downstream read must not wait for a bus whose
    /// permissions are wrong.
    async fn publish(&self, events: &[SchemaChangeEvent]) -> Result<(), StoreError> {
        Self::put(&self.stream, events).await?;
        match &self.bus {
            Some(bus) => Self::put(bus, events).await,
            None => Ok(()),
        }
    }
}

/// The event's JSON, with as many of its changes as fit.
fn fitting(event: &SchemaChangeEvent, bytes_max: usize) -> String {
    let whole = to_json(event);
    if whole.len() <= bytes_max {
        return whole;
    }
    let (mut fit, mut too_many) = (0, event.changes.len());
    let mut best = cut(event, fit);
    while too_many.saturating_sub(fit) > 1 {
        let middle = fit + (too_many - fit) / 2;
        let text = cut(event, middle);
        if text.len() <= bytes_max {
            (fit, best) = (middle, text);
        } else {
            too_many = middle;
        }
    }
    best
}

/// The event's JSON with only its first changes, and where the rest can be looked up. Whoever
/// computes the id from it gets the same one: changes are no part of the id.
fn cut(event: &SchemaChangeEvent, changes: usize) -> String {
    let changes = event.changes.iter().take(changes).cloned().collect();
    let mut text = to_json(&SchemaChangeEvent { changes, ..event.clone() });
    let mark = json!({
        "changes": event.changes.len(),
        "subject": event.subject.as_str(),
        "schema_id": event.to.to_string(),
    });
    // The object's own end is replaced by the mark and another one.
    if let Some(end) = text.rfind('}') {
        text.truncate(end);
        text.push_str(&format!(",\"truncated\":{mark}}}"));
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use evercount_core::fingerprint::{Fingerprint, SchemaId};
    use evercount_core::schema::FieldPath;
    use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, Subject, Typed};
    use evercount_wire::schema_event::from_json;
    use serde_json::Value;

    use super::*;

    fn event(changes: usize) -> SchemaChangeEvent {
        let change = SchemaChange {
            kind: ChangeKind::AddColumn {
                column: FieldPath::column("a"),
                typed: Typed::default(),
                default: None,
            },
            evidence: Evidence::Observed { rows: 9, false_alarm: 0.5, because: "it is there".to_owned() },
        };
        SchemaChangeEvent {
            subject: Subject::new("orders"),
            from: None,
            to: SchemaId { version: 3, fingerprint: Fingerprint(7) },
            changes: vec![change; changes],
            drift: 0.0,
            position: None,
            at: 1,
        }
    }

    #[test]
    fn an_event_that_fits_is_sent_as_it_is() {
        let event = event(3);
        assert_eq!(fitting(&event, to_json(&event).len()), to_json(&event));
    }

    #[test]
    fn an_event_that_does_not_fit_keeps_as_many_changes_as_do_and_says_where_the_rest_is() {
        let event = event(1_000);
        for bytes_max in [0, 700, 1_000, 5_000, to_json(&event).len() - 1] {
            let text = fitting(&event, bytes_max);
            let read: Value = serde_json::from_str(&text).unwrap();
            let kept = read["changes"].as_array().unwrap().len();
            assert!(kept < 1_000 && (text.len() <= bytes_max || kept == 0), "{bytes_max}: {kept}");
            let more = cut(&event, kept + 1);
            assert!(more.len() > bytes_max || kept == 999, "{bytes_max}: {kept} and one more fit");
            assert_eq!(
                read["truncated"],
                json!({"changes": 1_000, "subject": "orders", "schema_id": "v0003-0000000000000007"})
            );
            assert_eq!(read["id"], event.id());
            assert_eq!(from_json(&text).unwrap().changes, event.changes[..kept]);
        }
    }
}
