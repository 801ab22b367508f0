//! Owns the fast reading of the event of an invocation. The careful reader is
//! [`crate::kinesis_event`]'s.
//!
//! The records of an event differ in five places ([`Template`]); only one that is not like the one
//! before it is read by its names. They are read one by one, because an event is larger than what a processor
//! keeps at hand, and a record is not.

use std::str::from_utf8;

use evercount_core::decimal::few_digits;
use evercount_core::order::Micros;

use super::template::{Places, Template};
use super::{Cursor, DEPTH_MAX, once};
use crate::kinesis_event::arrival;

/// One record of an event, as it stands there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found<'a> {
    /// The text of its id: `shardId-000000000006:49590338…`.
    pub id: &'a [u8],
    /// The stream's ARN, or that of a fan-out consumer.
    pub source: &'a str,
    /// The text of its sequence number.
    pub sequence: &'a [u8],
    /// The text of its partition key.
    pub partition_key: &'a [u8],
    /// When Kinesis took it, microseconds since the epoch.
    pub arrived_at: Micros,
    /// What stands in place of its data, which nobody has looked at: the event is only read as the careful reader
    /// reads it where this is base64.
    pub data: &'a [u8],
    /// What stands where the next record is expected.
    pub ahead: &'a [u8],
}

/// An event is unusual in some way, and has to be read carefully.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unusual;

/// Most bytes that are asked for ahead: a share of what is nearest to a processor.
const AHEAD_MAX: usize = 8 * 1_024;

/// The last digits of an arrival that stand with its point in one word, and what the digits before them count.
const TAIL_DIGITS: usize = 7;
const TAIL: Micros = 10_i64.pow(TAIL_DIGITS as u32);
/// Below so many thousandths, which is until 2106, a double is nearer to each than half a microsecond.
const THOUSANDTHS_END: Micros = 1_000 << 32;

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
    id: Option<&'a [u8]>,
    source: Option<&'a str>,
    sequence: Option<&'a [u8]>,
    partition_key: Option<&'a [u8]>,
    arrival: Option<Micros>,
    data: Option<&'a [u8]>,
    kinesis: Option<()>,
}

/// What the records so far were like.
#[derive(Debug)]
struct Alike<'a> {
    template: Template<Part>,
    source: &'a str,
}

/// The records of an event, as they are found.
#[derive(Debug)]
pub struct Records<'a> {
    cursor: Cursor<'a, [u8]>,
    alike: Option<Alike<'a>>,
    is_begun: bool,
    is_ended: bool,
}

impl<'a> Records<'a> {
    /// Those of a payload, none of which is read yet.
    #[must_use]
    pub fn of(payload: &'a [u8]) -> Self {
        Self { cursor: Cursor::of_bytes(payload), alike: None, is_begun: false, is_ended: false }
    }

    /// How many bytes have been passed.
    pub(crate) fn passed(&self) -> usize {
        self.cursor.passed()
    }

    /// The next record; what is around it is as usual.
    fn found(&mut self) -> Option<Option<Found<'a>>> {
        if !self.is_begun {
            self.is_begun = true;
            head(&mut self.cursor)?;
            if self.cursor.takes(b']')? {
                return self.tail().map(|()| None);
            }
        } else if !self.cursor.more(b']')? {
            return self.tail().map(|()| None);
        }
        let start = self.cursor.passed();
        let mut found = self.one()?;
        // As much as there is if the next record is as long as this one.
        let bytes = self.cursor.passed() - start;
        found.ahead = self.cursor.rest().get(..bytes.min(AHEAD_MAX)).unwrap_or_default();
        Some(Some(found))
    }

    fn one(&mut self) -> Option<Found<'a>> {
        let start = self.cursor;
        let draft = match self.alike.as_ref().and_then(|alike| alike.read(&mut self.cursor)) {
            Some(draft) => draft,
            None => {
                self.cursor = start;
                let (draft, places) = record(&mut self.cursor)?;
                // What is the same in those that follow is a text, too.
                from_utf8(self.cursor.since(&start)?).ok()?;
                let template = Template::of(&start, &self.cursor, &places)?;
                self.alike = Some(Alike { template, source: draft.source? });
                draft
            }
        };
        draft.record()
    }

    /// Takes what stands behind the records.
    fn tail(&mut self) -> Option<()> {
        self.is_ended = true;
        self.cursor.take(b'}')?;
        self.cursor.end()
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Found<'a>, Unusual>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_ended {
            return None;
        }
        let found = self.found();
        self.is_ended |= found.is_none();
        found.map_or(Some(Err(Unusual)), |found| found.map(Ok))
    }
}

/// Takes what stands before the records. Events have this one field.
fn head(cursor: &mut Cursor<'_, [u8]>) -> Option<()> {
    cursor.take(b'{')?;
    if cursor.name()? != b"Records" {
        return None;
    }
    cursor.take(b'[')
}

impl<'a> Draft<'a> {
    /// Takes a part whose first quote, where it has one, is taken.
    fn part(&mut self, cursor: &mut Cursor<'a, [u8]>, part: Part) -> Option<()> {
        match part {
            Part::Id => once(&mut self.id, cursor.content()?),
            Part::Sequence => once(&mut self.sequence, cursor.content()?),
            Part::PartitionKey => once(&mut self.partition_key, cursor.content()?),
            Part::Arrival => once(&mut self.arrival, arrived_at(cursor.number()?)?),
            Part::Data => once(&mut self.data, cursor.long_content()?),
        }
    }

    fn record(self) -> Option<Found<'a>> {
        Some(Found {
            id: text(self.id?)?,
            source: self.source?,
            sequence: text(self.sequence?)?,
            partition_key: text(self.partition_key?)?,
            arrived_at: self.arrival?,
            data: self.data?,
            ahead: &[],
        })
    }
}

/// The arrival that a number tells.
fn arrived_at(number: &[u8]) -> Option<Micros> {
    // As Lambda writes it: seconds, and thousandths of one.
    if let (Some(first), Some([a, b, c, d, b'.', e, f, g])) = (number.first_chunk(), number.last_chunk())
        && let Some(head) = few_digits(u64::from_le_bytes(*first), number.len() - 8)
        && let Some(tail) = few_digits(u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, 0]), TAIL_DIGITS)
    {
        let all = Micros::try_from(head).ok()? * TAIL + Micros::try_from(tail).ok()?;
        if all < THOUSANDTHS_END {
            return Some(all * 1_000);
        }
    }
    arrival(from_utf8(number).ok()?).ok()
}

/// Bytes that are a text, which what is short and mostly ASCII is soonest found to be.
fn text(bytes: &[u8]) -> Option<&[u8]> {
    (bytes.is_ascii() || from_utf8(bytes).is_ok()).then_some(bytes)
}

impl<'a> Alike<'a> {
    /// Reads a record that is like the one before it.
    fn read(&self, cursor: &mut Cursor<'a, [u8]>) -> Option<Draft<'a>> {
        let mut draft = Draft { source: Some(self.source), ..Draft::default() };
        self.template.take(cursor, |cursor, part| draft.part(cursor, part))?;
        Some(draft)
    }
}

/// A record that is read by its names, and where its parts are.
fn record<'a>(cursor: &mut Cursor<'a, [u8]>) -> Option<(Draft<'a>, Places<Part>)> {
    let (mut draft, mut places) = (Draft::default(), Places::default());
    cursor.take(b'{')?;
    loop {
        match cursor.name()? {
            b"kinesis" => {
                once(&mut draft.kinesis, ())?;
                kinesis(cursor, &mut draft, &mut places)?;
            }
            b"eventID" => part(cursor, &mut draft, &mut places, Part::Id)?,
            b"eventSourceARN" => once(&mut draft.source, from_utf8(cursor.string()?).ok()?)?,
            _ => cursor.skip(DEPTH_MAX)?,
        }
        if !cursor.more(b'}')? {
            return Some((draft, places));
        }
    }
}

fn part<'a>(
    cursor: &mut Cursor<'a, [u8]>,
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

fn kinesis<'a>(
    cursor: &mut Cursor<'a, [u8]>,
    draft: &mut Draft<'a>,
    places: &mut Places<Part>,
) -> Option<()> {
    cursor.take(b'{')?;
    loop {
        match cursor.name()? {
            b"sequenceNumber" => part(cursor, draft, places, Part::Sequence)?,
            b"partitionKey" => part(cursor, draft, places, Part::PartitionKey)?,
            b"approximateArrivalTimestamp" => part(cursor, draft, places, Part::Arrival)?,
            b"data" => part(cursor, draft, places, Part::Data)?,
            _ => cursor.skip(DEPTH_MAX)?,
        }
        if !cursor.more(b'}')? {
            return Some(());
        }
    }
}
