//! Owns the fast reading of the event of an invocation. The careful reader is
//! [`crate::kinesis_event`]'s.

use std::borrow::Cow;

use super::{Cursor, DEPTH_MAX, once};
use crate::kinesis_event::{EventRecord, arrival};

/// What a record says, as far as it has been read.
#[derive(Default)]
struct Draft<'a> {
    id: Option<&'a str>,
    source: Option<&'a str>,
    sequence: Option<&'a str>,
    partition_key: Option<&'a str>,
    arrival: Option<&'a str>,
    data: Option<Vec<u8>>,
    kinesis: Option<()>,
}

/// Reads an event; `None` where it is unusual in any way.
pub(crate) fn scan(payload: &[u8]) -> Option<Vec<EventRecord<'_>>> {
    let mut cursor = Cursor::new(std::str::from_utf8(payload).ok()?);
    cursor.take(b'{')?;
    // Events have this one field.
    if cursor.name()? != "Records" {
        return None;
    }
    cursor.take(b'[')?;
    let mut records = Vec::new();
    let mut more = !cursor.takes(b']')?;
    while more {
        records.push(record(&mut cursor)?);
        more = cursor.more(b']')?;
    }
    cursor.take(b'}')?;
    cursor.end()?;
    Some(records)
}

fn record<'a>(cursor: &mut Cursor<'a>) -> Option<EventRecord<'a>> {
    let mut draft = Draft::default();
    cursor.take(b'{')?;
    loop {
        match cursor.name()? {
            "kinesis" => {
                once(&mut draft.kinesis, ())?;
                kinesis(cursor, &mut draft)?;
            }
            "eventID" => once(&mut draft.id, cursor.string()?)?,
            "eventSourceARN" => once(&mut draft.source, cursor.string()?)?,
            _ => cursor.skip(DEPTH_MAX)?,
        }
        if !cursor.more(b'}')? {
            break;
        }
    }
    Some(EventRecord {
        id: Cow::Borrowed(draft.id?),
        source: Cow::Borrowed(draft.source?),
        sequence: Cow::Borrowed(draft.sequence?),
        partition_key: Cow::Borrowed(draft.partition_key?),
        arrived_at: arrival(draft.arrival?).ok()?,
        data: Ok(draft.data?),
    })
}

fn kinesis<'a>(cursor: &mut Cursor<'a>, draft: &mut Draft<'a>) -> Option<()> {
    cursor.take(b'{')?;
    loop {
        match cursor.name()? {
            "sequenceNumber" => once(&mut draft.sequence, cursor.string()?)?,
            "partitionKey" => once(&mut draft.partition_key, cursor.string()?)?,
            "approximateArrivalTimestamp" => once(&mut draft.arrival, cursor.number()?)?,
            "data" => {
                let data = base64_simd::STANDARD.decode_to_vec(cursor.long_string()?).ok()?;
                once(&mut draft.data, data)?;
            }
            _ => cursor.skip(DEPTH_MAX)?,
        }
        if !cursor.more(b'}')? {
            return Some(());
        }
    }
}
