//! Owns the records of Kinesis Data Streams for DynamoDB, and of DynamoDB Streams where something
//! puts them on a Kinesis stream unchanged.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds.html>. A record carries
//! no log position: it may arrive out of order and more than once, and its version is its clock, with
//! the version that the data proxy stamped on the item, where it did.
//! The clock's unit is told by a field of the record and can change while the stream runs.
//!
//! This format is read in one pass, without the detour by [`super::fields`]: it is the one that
//! comes by the million.

use std::borrow::Cow;
use std::fmt;

use evercount_core::change::{Change, Record, RowKey, TableName};
use evercount_core::image::Image;
use evercount_core::mutation::version_of;
use evercount_core::order::{ItemVersion, Micros, OrderVersion};
use evercount_core::value::{Item, Value};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::Fields;
use super::time::{Unit, change_time};
use super::{Reason, Undecodable, key_identity};
use crate::json::{self, Fault, Key, KeySeed, OptionalItemSeed, OptionalTextSeed, Reading};

/// Decodes a record.
pub(super) fn decode(text: &str, epoch: u16) -> Result<Record, Undecodable> {
    let mut draft = Draft::default();
    let reading = Reading::default();
    let seed = RecordSeed { draft: &mut draft, reading: &reading };
    json::read(text, &reading, seed)
        .map_err(|error| Undecodable::json(error, "record"))
        .and_then(|()| draft.change(epoch))
        .map(|change| Record::Changes(vec![change]))
        .map_err(|undecodable| match table_of(text) {
            Some(table) => undecodable.of(&table),
            None => undecodable,
        })
}

/// The table a record names, read again without its images where they broke the first reading.
fn table_of(text: &str) -> Option<TableName> {
    let record = Fields::read(text, "record").ok()?;
    let name = record.text("tableName").ok()?;
    let arn = record.text("eventSourceARN").ok()?;
    table_name(name.as_deref(), arn.as_deref())
}

/// A DynamoDB Streams record has no table name of its own, but its source does:
/// `arn:aws:dynamodb:region:account:table/NAME/stream/label`.
fn table_name(name: Option<&str>, arn: Option<&str>) -> Option<TableName> {
    let from_arn = || arn?.split_once(":table/")?.1.split('/').next();
    name.or_else(from_arn).filter(|name| !name.is_empty()).map(TableName::new)
}

/// What a record says, as far as it has been read.
#[derive(Default)]
struct Draft<'de> {
    table: Option<Cow<'de, str>>,
    source: Option<Cow<'de, str>>,
    event: Option<Cow<'de, str>>,
    time: Option<&'de str>,
    precision: Option<Cow<'de, str>>,
    keys: Option<Item>,
    new: Option<Item>,
    old: Option<Item>,
}

impl Draft<'_> {
    fn change(self, epoch: u16) -> Result<Change, Undecodable> {
        let table = table_name(self.table.as_deref(), self.source.as_deref())
            .ok_or_else(|| Undecodable::missing("tableName"))?;
        let at = self.at()?;
        let event = self.event.ok_or_else(|| Undecodable::missing("eventName"))?;
        let after = match &*event {
            "INSERT" | "MODIFY" => Some(self.new.ok_or_else(|| Undecodable::missing("NewImage"))?),
            // A TTL delete is a REMOVE too; who removed the item makes no difference.
            "REMOVE" => None,
            unknown => return Err(Undecodable::unknown_operation(unknown)),
        };
        let keys = self.keys.filter(|keys| !keys.is_empty());
        let keys = keys.ok_or_else(|| Undecodable::missing("Keys"))?;
        let keyable = |value: &Value| matches!(value, Value::String(_) | Value::Number(_) | Value::Binary(_));
        if !keys.values().all(keyable) {
            return Err(Undecodable::wrong_type("Keys", "made of strings, numbers and binaries"));
        }
        let identity = key_identity(&json::canonical_key(&keys))?;
        let versions = [&self.old, &after].map(|image| image.as_ref().map(version_of));
        let [before, given] = versions;
        let version = OrderVersion::stamped(epoch, at, ItemVersion::of_change(before, given, at));
        let row = RowKey { table, identity };
        let [before, after] = [self.old, after].map(|image| image.map(Image::Item));
        Ok(Change { row, before, after, version, at, whole: None })
    }

    fn at(&self) -> Result<Micros, Undecodable> {
        const FIELD: &str = "ApproximateCreationDateTime";
        let time = self.time.ok_or_else(|| Undecodable::missing(FIELD))?;
        let at = match self.precision.as_deref() {
            Some("MICROSECOND") => change_time(time, Unit::Microseconds),
            Some("MILLISECOND") => change_time(time, Unit::Milliseconds),
            Some(_) => {
                let field = "ApproximateCreationDateTimePrecision";
                return Err(Undecodable::wrong_type(field, "MILLISECOND or MICROSECOND"));
            }
            // Records from before the field existed are in milliseconds, DynamoDB Streams
            // records, which have no `tableName`, in seconds.
            None if self.table.is_none() => {
                change_time(time, Unit::Seconds).or_else(|| change_time(time, Unit::Milliseconds))
            }
            None => change_time(time, Unit::Milliseconds),
        };
        let absurd = || format!("`{FIELD}` is no time from 2012 to 2100 in the record's unit");
        at.ok_or_else(|| Undecodable::new(Reason::AbsurdNumber, absurd()))
    }
}

/// Reads the record's own fields.
struct RecordSeed<'d, 'de> {
    draft: &'d mut Draft<'de>,
    reading: &'d Reading,
}

/// Reads the fields of `dynamodb`.
struct ImagesSeed<'d, 'de>(RecordSeed<'d, 'de>);

impl RecordSeed<'_, '_> {
    /// Keeps a field's value unless the field came before.
    fn keep<T, E: serde::de::Error>(
        reading: &Reading,
        place: &mut Option<T>,
        value: Option<T>,
    ) -> Result<(), E> {
        if place.is_some() && value.is_some() {
            return Err(reading.fail(Fault::DuplicateKey));
        }
        if value.is_some() {
            *place = value;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for RecordSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { draft, reading } = self;
        while let Some(Key::Name(name)) = map.next_key_seed(KeySeed)? {
            match &*name {
                "tableName" => Self::keep(reading, &mut draft.table, map.next_value_seed(OptionalTextSeed)?)?,
                "eventSourceARN" => {
                    Self::keep(reading, &mut draft.source, map.next_value_seed(OptionalTextSeed)?)?
                }
                "eventName" => Self::keep(reading, &mut draft.event, map.next_value_seed(OptionalTextSeed)?)?,
                "dynamodb" => map.next_value_seed(ImagesSeed(RecordSeed { draft: &mut *draft, reading }))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for ImagesSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ImagesSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let RecordSeed { draft, reading } = self.0;
        let image = OptionalItemSeed::dynamodb(reading);
        while let Some(Key::Name(name)) = map.next_key_seed(KeySeed)? {
            match &*name {
                "Keys" => RecordSeed::keep(reading, &mut draft.keys, map.next_value_seed(image)?)?,
                "NewImage" => RecordSeed::keep(reading, &mut draft.new, map.next_value_seed(image)?)?,
                "OldImage" => RecordSeed::keep(reading, &mut draft.old, map.next_value_seed(image)?)?,
                "ApproximateCreationDateTime" => {
                    let time = map.next_value::<&'de RawValue>()?.get();
                    RecordSeed::keep(reading, &mut draft.time, Some(time))?;
                }
                "ApproximateCreationDateTimePrecision" => {
                    RecordSeed::keep(reading, &mut draft.precision, map.next_value_seed(OptionalTextSeed)?)?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
