//! A record in quarantine.

use base64::Engine;
use evercount_core::chunk::Quarantined;
use serde::Serialize;
use utoipa::ToSchema;

use crate::time;

/// A record that could not be counted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct QuarantinedDoc {
    /// `LANE#SEQUENCE`.
    pub id: String,
    /// The lane it came by.
    pub lane: String,
    /// Its sequence number.
    pub sequence: String,
    /// When the stream took it.
    pub arrived_at: String,
    /// Why it could not be counted, in a word.
    pub reason: String,
    /// Why, in a sentence.
    pub detail: String,
    /// Its table, where that could be read.
    #[schema(required)]
    pub table: Option<String>,
    /// How long it is.
    pub bytes: usize,
    /// The logic versions whose counts it makes uncertain.
    pub affects: Vec<String>,
    /// Its bytes, base64; of one record only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_base64: Option<String>,
}

impl QuarantinedDoc {
    /// A record without its bytes.
    #[must_use]
    pub fn of(record: &Quarantined) -> Self {
        let poison = &record.poison;
        Self {
            id: format!("{}#{}", record.lane, record.sequence),
            lane: record.lane.to_string(),
            sequence: record.sequence.to_string(),
            arrived_at: time(record.arrived_at),
            reason: poison.reason.clone(),
            detail: poison.detail.clone(),
            table: poison.table.as_ref().map(ToString::to_string),
            bytes: poison.raw.len(),
            affects: record.affects.iter().map(ToString::to_string).collect(),
            raw_base64: None,
        }
    }

    /// A record with its bytes.
    #[must_use]
    pub fn whole(record: &Quarantined) -> Self {
        let raw = base64::engine::general_purpose::STANDARD.encode(&record.poison.raw);
        Self { raw_base64: Some(raw), ..Self::of(record) }
    }
}
