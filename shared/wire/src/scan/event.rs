//! Owns the fast reading of the event of an invocation. The careful reader is
//! [`crate::kinesis_event`]'s.
//!
//! The records of an event differ in five places. Between them each has what the one before it had,
//! byte for byte, which is found by comparing; only where that fails is a record read by its names.

use std::borrow::Cow;

use evercount_core::order::Micros;

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
    data: Option<Vec<u8>>,
    kinesis: Option<()>,
    /// Where the parts stand: from, to, and which.
    places: Vec<(usize, usize, Part)>,
}

/// What the records of an event have in common.
#[derive(Default)]
struct Template<'a> {
    /// What stands before each part.
    before: Vec<(&'a str, Part)>,
    /// What stands behind the last one.
    rest: &'a str,
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
    let mut template = Template::default();
    let mut more = !cursor.takes(b']')?;
    while more {
        let start = cursor;
        let draft = match template.read(&mut cursor) {
            Some(draft) => draft,
            None => {
                cursor = start;
                let draft = record(&mut cursor)?;
                template = Template::of(&start, &cursor, &draft)?;
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
        let from = cursor.passed();
        match part {
            Part::Id => once(&mut self.id, cursor.content()?),
            Part::Sequence => once(&mut self.sequence, cursor.content()?),
            Part::PartitionKey => once(&mut self.partition_key, cursor.content()?),
            Part::Arrival => once(&mut self.arrival, arrival(cursor.number()?).ok()?),
            Part::Data => {
                let data = base64_simd::STANDARD.decode_to_vec(cursor.long_content()?).ok()?;
                once(&mut self.data, data)
            }
        }?;
        let quote = usize::from(part != Part::Arrival);
        self.places.push((from, cursor.passed() - quote, part));
        Some(())
    }

    fn record(self) -> Option<EventRecord<'a>> {
        Some(EventRecord {
            id: Cow::Borrowed(self.id?),
            source: Cow::Borrowed(self.source?),
            sequence: Cow::Borrowed(self.sequence?),
            partition_key: Cow::Borrowed(self.partition_key?),
            arrived_at: self.arrival?,
            data: Ok(self.data?),
        })
    }
}

impl<'a> Template<'a> {
    /// What a record that was read by its names, from `start` to `end`, has in common with the next.
    fn of(start: &Cursor<'a>, end: &Cursor<'a>, draft: &Draft<'a>) -> Option<Self> {
        let text = end.since(start)?;
        let mut template = Self { source: draft.source?, ..Self::default() };
        let mut at = 0;
        for (from, to, part) in &draft.places {
            template.before.push((text.get(at..from - start.passed())?, *part));
            at = to - start.passed();
        }
        template.rest = text.get(at..)?;
        Some(template)
    }

    /// Reads a record that is like the one before it.
    fn read(&self, cursor: &mut Cursor<'a>) -> Option<Draft<'a>> {
        let mut draft = Draft { source: Some(self.source), ..Draft::default() };
        for (before, part) in &self.before {
            if !cursor.takes_exactly(before.as_bytes()) {
                return None;
            }
            draft.part(cursor, *part)?;
            // The last quote belongs to what stands before the next part.
            cursor.back(usize::from(*part != Part::Arrival));
        }
        let is_known = !self.before.is_empty();
        (is_known && cursor.takes_exactly(self.rest.as_bytes())).then_some(draft)
    }
}

fn record<'a>(cursor: &mut Cursor<'a>) -> Option<Draft<'a>> {
    let mut draft = Draft::default();
    cursor.take(b'{')?;
    loop {
        match cursor.name()? {
            "kinesis" => {
                once(&mut draft.kinesis, ())?;
                kinesis(cursor, &mut draft)?;
            }
            "eventID" => {
                cursor.take(b'"')?;
                draft.part(cursor, Part::Id)?;
            }
            "eventSourceARN" => once(&mut draft.source, cursor.string()?)?,
            _ => cursor.skip(DEPTH_MAX)?,
        }
        if !cursor.more(b'}')? {
            return Some(draft);
        }
    }
}

fn kinesis<'a>(cursor: &mut Cursor<'a>, draft: &mut Draft<'a>) -> Option<()> {
    cursor.take(b'{')?;
    loop {
        let part = match cursor.name()? {
            "sequenceNumber" => Some(Part::Sequence),
            "partitionKey" => Some(Part::PartitionKey),
            "approximateArrivalTimestamp" => Some(Part::Arrival),
            "data" => Some(Part::Data),
            _ => None,
        };
        match part {
            Some(Part::Arrival) => {
                cursor.peek()?;
                draft.part(cursor, Part::Arrival)?;
            }
            Some(part) => {
                cursor.take(b'"')?;
                draft.part(cursor, part)?;
            }
            None => cursor.skip(DEPTH_MAX)?,
        }
        if !cursor.more(b'}')? {
            return Some(());
        }
    }
}
