//! The JSON of a conformed record, as it is put on the conformed stream.
//!
//! ```json
//! {"format": 1, "subject": "shop.orders", "schema_id": "v0003-…", "schema_version": 3, "migrated_from": 2,
//!  "operation": "put", "key": {"id": 7}, "item": {"id": {"N": "7"}, "tier": {"S": "tin"}},
//!  "aside": {"coupon": {"S": "X"}}, "at": "2026-01-31T09:30:00.123456Z",
//!  "lane": "orders-cdc/shardId-000000000000", "sequence": "4959…", "part": 0}
//! ```
//!
//! Items stand in DynamoDB JSON, so that no type is lost. `lane`, `sequence` and `part` are those of
//! the record it was made of: a record that is delivered twice has them twice. `schema_id` is missing
//! where the registry knows no version of the subject yet; the item is then as it came. `aside` holds
//! by its path what the schema does not know, and is missing where there is nothing. A removal has a
//! `key` and no `item`.

use std::fmt::Write as _;

use evercount_core::fingerprint::SchemaId;
use evercount_core::lane::{LaneId, SequenceNumber};
use evercount_core::order::Micros;
use evercount_core::schema_change::Subject;
use evercount_core::value::Item;
use serde_json::Value;

use crate::items::time_text;
use crate::json::dynamodb_json;

/// The format that is written.
pub const CONFORMED_FORMAT: u64 = 1;

/// A conformed record.
#[derive(Clone, PartialEq, Debug)]
pub struct ConformedRecord {
    /// The table, or the type of events.
    pub subject: Subject,
    /// The schema version it conforms to; `None` where there is none yet.
    pub schema: Option<SchemaId>,
    /// The version it was written for, where that is another.
    pub migrated_from: Option<u32>,
    /// The row's key in canonical JSON, or its position; `None` for events.
    pub key: Option<String>,
    /// The item; `None` where the row is gone.
    pub item: Option<Item>,
    /// What the schema does not know of it, by path.
    pub aside: Item,
    /// When the source made it, microseconds since the epoch.
    pub at: Micros,
    /// The lane it came by.
    pub lane: LaneId,
    /// The sequence number of the record it came in.
    pub sequence: SequenceNumber,
    /// Which part of that record, from 0.
    pub part: u32,
}

impl ConformedRecord {
    /// Its JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text =
            format!("{{\"format\":{CONFORMED_FORMAT},\"subject\":{}", Value::from(self.subject.as_str()));
        // Writing to a string cannot fail.
        if let Some(schema) = &self.schema {
            let _ = write!(text, ",\"schema_id\":\"{schema}\",\"schema_version\":{}", schema.version);
        }
        if let Some(version) = self.migrated_from {
            let _ = write!(text, ",\"migrated_from\":{version}");
        }
        let operation = if self.item.is_some() { "put" } else { "remove" };
        let _ = write!(text, ",\"operation\":\"{operation}\"");
        if let Some(key) = &self.key {
            // A canonical key is JSON; a position is a text.
            let is_json = key.starts_with('{');
            let _ = match is_json {
                true => write!(text, ",\"key\":{key}"),
                false => write!(text, ",\"key\":{}", Value::from(key.as_str())),
            };
        }
        if let Some(item) = &self.item {
            let _ = write!(text, ",\"item\":{}", dynamodb_json(item));
        }
        if !self.aside.is_empty() {
            let _ = write!(text, ",\"aside\":{}", dynamodb_json(&self.aside));
        }
        let (lane, sequence) = (Value::from(self.lane.as_str()), self.sequence.as_str());
        let at = time_text(self.at);
        let part = self.part;
        let _ =
            write!(text, ",\"at\":\"{at}\",\"lane\":{lane},\"sequence\":\"{sequence}\",\"part\":{part}}}");
        text
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use evercount_core::fingerprint::Fingerprint;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_says_what_it_conforms_to_and_where_it_came_from() {
        let text = |text: &str| evercount_core::value::Value::String(text.to_owned());
        let record = ConformedRecord {
            subject: Subject::new("event:order \"placed\""),
            schema: Some(SchemaId { version: 3, fingerprint: Fingerprint(7) }),
            migrated_from: Some(2),
            key: Some("{\"id\":7}".to_owned()),
            item: Some(Item::from([("tier".to_owned(), text("tin"))])),
            aside: Item::from([("a.b".to_owned(), text("<b>"))]),
            at: 1_767_225_600_000_000,
            lane: LaneId::of_shard("orders", "shardId-000000000000"),
            sequence: SequenceNumber::parse("42").unwrap(),
            part: 1,
        };
        let read: Value = serde_json::from_str(&record.to_json()).unwrap();
        assert_eq!(
            read,
            json!({
                "format": 1, "subject": "event:order \"placed\"", "schema_id": "v0003-0000000000000007",
                "schema_version": 3, "migrated_from": 2, "operation": "put", "key": {"id": 7},
                "item": {"tier": {"S": "tin"}}, "aside": {"a.b": {"S": "<b>"}},
                "at": "2026-01-01T00:00:00.000000Z", "lane": "orders/shardId-000000000000", "sequence": "42", "part": 1,
            })
        );
        let gone = ConformedRecord { item: None, aside: Item::new(), key: Some("b1@5".to_owned()), ..record };
        let read: Value = serde_json::from_str(&gone.to_json()).unwrap();
        assert_eq!(
            (&read["operation"], &read["key"], read.get("item")),
            (&json!("remove"), &json!("b1@5"), None)
        );
    }
}
