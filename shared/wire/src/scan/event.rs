//! Owns the fast reading of the event of an invocation. The careful reader is
//! [`crate::kinesis_event`]'s.
//!
//! The records of an event differ in five places ([`Template`]); only one that is not like the one
//! before it is read by its names.

use std::borrow::Cow;

use evercount_core::order::Micros;

use super::template::{Places, Template};
use super::{Cursor, DEPTH_MAX, once};
use crate::kinesis_event::{EventRecord, arrival};

/// What differs from record to record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Id,
    Sequence,
    PartitionKey,
    Arrival,
    Data,
}

/// What a record says, as far as it has been read.
#[derive(Default)]
struct Draft<'a> {
    id: Option<&'a str>,
    source: Option<&'a str>,
    sequence: Option<&'a str>,
    partition_key: Option<&'a str>,
    arrival: Option<Micros>,
    data: Option<&'a str>,
    kinesis: Option<()>,
}

/// What the records so far were like.
struct Alike<'a> {
    template: Template<Part>,
    source: &'a str,
}

/// Reads an event; `None` where it is unusual in any way.
pub(crate) fn scan(payload: &[u8]) -> Option<Vec<EventRecord<'_>>> {
    let mut cursor = Cursor::new(simdutf8::basic::from_utf8(payload).ok()?);
    cursor.take(b'{')?;
    // Events have this one field.
    if cursor.name()? != "Records" {
        return None;
    }
    cursor.take(b'[')?;
    let mut records = Vec::new();
    let mut alike: Option<Alike<'_>> = None;
    let mut more = !cursor.takes(b']')?;
    while more {
        let start = cursor;
        let draft = match alike.as_ref().and_then(|alike| alike.read(&mut cursor)) {
            Some(draft) => draft,
            None => {
                cursor = start;
                let (draft, places) = record(&mut cursor)?;
                let template = Template::of(&start, &cursor, &places)?;
                alike = Some(Alike { template, source: draft.source? });
                // As many as there are if the others are as long as this one.
                if records.is_empty() {
                    records.reserve(payload.len() / cursor.since(&start)?.len().max(1));
                }
                draft
            }
        };
        records.push(draft.record()?);
        more = cursor.more(b']')?;
    }
    cursor.take(b'}')?;
    cursor.end()?;
    Some(records)
}

impl<'a> Draft<'a> {
    /// Takes a part whose first quote, where it has one, is taken.
    fn part(&mut self, cursor: &mut Cursor<'a>, part: Part) -> Option<()> {
        match part {
            Part::Id => once(&mut self.id, cursor.content()?),
            Part::Sequence => once(&mut self.sequence, cursor.content()?),
            Part::PartitionKey => once(&mut self.partition_key, cursor.content()?),
            Part::Arrival => once(&mut self.arrival, arrival(cursor.number()?).ok()?),
            Part::Data => once(&mut self.data, cursor.long_content()?),
        }
    }

    fn record(self) -> Option<EventRecord<'a>> {
        Some(EventRecord {
            id: Cow::Borrowed(self.id?),
            source: Cow::Borrowed(self.source?),
            sequence: Cow::Borrowed(self.sequence?),
            partition_key: Cow::Borrowed(self.partition_key?),
            arrived_at: self.arrival?,
            data: Cow::Borrowed(self.data?),
        })
    }
}

impl<'a> Alike<'a> {
    /// Reads a record that is like the one before it.
    fn read(&self, cursor: &mut Cursor<'a>) -> Option<Draft<'a>> {
        let mut draft = Draft { source: Some(self.source), ..Draft::default() };
        self.template.take(cursor, |cursor, part| draft.part(cursor, part))?;
        Some(draft)
    }
}

/// A record that is read by its names, and where its parts are.
fn record<'a>(cursor: &mut Cursor<'a>) -> Option<(Draft<'a>, Places<Part>)> {
    let (mut draft, mut places) = (Draft::default(), Places::default());
    cursor.take(b'{')?;
    loop {
        match cursor.name()? {
            "kinesis" => {
                once(&mut draft.kinesis, ())?;
                kinesis(cursor, &mut draft, &mut places)?;
            }
            "eventID" => part(cursor, &mut draft, &mut places, Part::Id)?,
            "eventSourceARN" => once(&mut draft.source, cursor.string()?)?,
            _ => cursor.skip(DEPTH_MAX)?,
        }
        if !cursor.more(b'}')? {
            return Some((draft, places));
        }
    }
}

fn part<'a>(
    cursor: &mut Cursor<'a>,
    draft: &mut Draft<'a>,
    places: &mut Places<Part>,
    part: Part,
) -> Option<()> {
    match part {
        Part::Arrival => drop(cursor.peek()?),
        _ => cursor.take(b'"')?,
    }
    let from = *cursor;
    draft.part(cursor, part)?;
    places.note(&from, cursor, part);
    Some(())
}

fn kinesis<'a>(cursor: &mut Cursor<'a>, draft: &mut Draft<'a>, places: &mut Places<Part>) -> Option<()> {
    cursor.take(b'{')?;
    loop {
        match cursor.name()? {
            "sequenceNumber" => part(cursor, draft, places, Part::Sequence)?,
            "partitionKey" => part(cursor, draft, places, Part::PartitionKey)?,
            "approximateArrivalTimestamp" => part(cursor, draft, places, Part::Arrival)?,
            "data" => part(cursor, draft, places, Part::Data)?,
            _ => cursor.skip(DEPTH_MAX)?,
        }
        if !cursor.more(b'}')? {
            return Some(());
        }
    }
}
