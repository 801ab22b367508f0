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

/// Bytes that are looked through together: a pass that sees that they are UTF-8 leaves them where the next one
/// finds them sooner than in the memory of an event, which is larger than what a processor keeps at hand.
const BLOCK: usize = 128 * 1_024;

/// Reads an event; `None` where it is unusual in any way.
pub(crate) fn scan(payload: &[u8]) -> Option<Vec<EventRecord<'_>>> {
    let mut records = Records::default();
    let (mut at, mut size) = (0, BLOCK);
    loop {
        let rest = payload.get(at..)?;
        let block = block(rest, size);
        let mut cursor = Cursor::new(simdutf8::basic::from_utf8(block).ok()?);
        if at == 0 {
            head(&mut cursor)?;
        }
        if !records.take(&mut cursor, payload.len()) {
            let mut cursor = Cursor::new(simdutf8::basic::from_utf8(rest.get(cursor.passed()..)?).ok()?);
            cursor.take(b'}')?;
            cursor.end()?;
            return Some(records.read);
        }
        if block.len() == rest.len() {
            return None;
        }
        // A record that is cut off is read as the first one of the next block.
        size = if cursor.passed() == 0 { size.saturating_mul(2) } else { BLOCK };
        at += cursor.passed();
    }
}

/// Most of the first bytes of a text, and no half character of it.
fn block(text: &[u8], size: usize) -> &[u8] {
    let is_inside = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    let mut end = size.min(text.len());
    while is_inside(&end) && end > 0 {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

/// Takes what stands before the records. Events have this one field.
fn head(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.take(b'{')?;
    if cursor.name()? != "Records" {
        return None;
    }
    cursor.take(b'[')
}

/// The records of an event.
#[derive(Default)]
struct Records<'a> {
    read: Vec<EventRecord<'a>>,
    alike: Option<Alike<'a>>,
}

impl<'a> Records<'a> {
    /// Takes records, of which so many bytes have all, as far as they stand here as a whole; whether there are
    /// more.
    fn take(&mut self, cursor: &mut Cursor<'a>, bytes: usize) -> bool {
        if self.read.is_empty() {
            let mut ahead = *cursor;
            if ahead.takes(b']') == Some(true) {
                *cursor = ahead;
                return false;
            }
        }
        loop {
            let start = *cursor;
            let Some((record, more)) = self.one(cursor) else {
                *cursor = start;
                return true;
            };
            // As many as there are if the others are as long as this one.
            if self.read.is_empty() {
                self.read.reserve(bytes / cursor.since(&start).map_or(bytes, str::len).max(1));
            }
            self.read.push(record);
            if !more {
                return false;
            }
        }
    }

    /// Takes a record and what stands behind it; whether that says that there are more.
    fn one(&mut self, cursor: &mut Cursor<'a>) -> Option<(EventRecord<'a>, bool)> {
        let start = *cursor;
        let draft = match self.alike.as_ref().and_then(|alike| alike.read(cursor)) {
            Some(draft) => draft,
            None => {
                *cursor = start;
                let (draft, places) = record(cursor)?;
                let template = Template::of(&start, cursor, &places)?;
                self.alike = Some(Alike { template, source: draft.source? });
                draft
            }
        };
        Some((draft.record()?, cursor.more(b']')?))
    }
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
