//! Owns the reading itself: serde visitors that build values and keep the limits.
//!
//! serde_json, built with `arbitrary_precision`, presents a number that is no 64-bit integer to a
//! visitor as a map whose one key is a private marker. A hostile object can carry the same key. The two are told apart
//! by the *kind* of key: [`KeySeed`] asks for bytes, and a name that stands in the text arrives
//! as bytes, while the marker, which stands nowhere in the text, arrives as a string.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evercount_core::decimal::{Decimal, DecimalError};
use evercount_core::value::{Item, Value};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{
    DEPTH_MAX, DYNAMODB_DIGITS_MAX, DYNAMODB_MAGNITUDE_MAX, DYNAMODB_MAGNITUDE_MIN, FIELDS_MAX, Fault,
    JsonError,
};

/// What one reading remembers besides its result: the fault it found, which an error of serde's
/// cannot carry.
#[derive(Default)]
pub(crate) struct Reading {
    fault: Cell<Option<Fault>>,
}

impl Reading {
    /// Notes a fault and makes the error that stops the reading.
    pub(crate) fn fail<E: de::Error>(&self, fault: Fault) -> E {
        self.fault.set(Some(fault));
        E::custom(fault)
    }
}

/// Reads a whole text with a seed that reports its faults to `reading`.
pub(crate) fn read<'de, S>(text: &'de str, reading: &Reading, seed: S) -> Result<S::Value, JsonError>
where
    S: DeserializeSeed<'de>,
{
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer);
    value.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| {
        let fallback = if error.is_data() { Fault::WrongType } else { Fault::NotJson };
        JsonError {
            fault: reading.fault.get().unwrap_or(fallback),
            line: error.line(),
            column: error.column(),
        }
    })
}

/// Decodes base64 in the standard alphabet, padded, and in no other form: two texts of one value
/// would otherwise be two keys.
pub(crate) fn read_base64(text: &str) -> Result<Vec<u8>, Fault> {
    STANDARD.decode(text).map_err(|_| Fault::BadBase64)
}

fn plain_number(text: &str) -> Result<Decimal, Fault> {
    text.parse().map_err(|error| match error {
        DecimalError::Absurd => Fault::AbsurdNumber,
        DecimalError::Malformed => Fault::WrongType,
    })
}

fn dynamodb_number(text: &str) -> Result<Decimal, Fault> {
    let number = plain_number(text)?;
    let storable = number.significant_digits() <= DYNAMODB_DIGITS_MAX
        && (DYNAMODB_MAGNITUDE_MIN..=DYNAMODB_MAGNITUDE_MAX).contains(&number.magnitude());
    if storable { Ok(number) } else { Err(Fault::AbsurdNumber) }
}

/// A key of a map, as serde_json presents it.
pub(crate) enum Key<'de> {
    /// A name that stands in the text.
    Name(Cow<'de, str>),
    /// The marker of a number: the map is no object.
    Number,
}

/// Reads a [`Key`].
pub(crate) struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key<'de>, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_bytes<E: de::Error>(self, name: &'de [u8]) -> Result<Key<'de>, E> {
        let name = std::str::from_utf8(name).map_err(E::custom)?;
        Ok(Key::Name(Cow::Borrowed(name)))
    }

    fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<Key<'de>, E> {
        let name = std::str::from_utf8(name).map_err(E::custom)?;
        Ok(Key::Name(Cow::Owned(name.to_owned())))
    }

    fn visit_str<E: de::Error>(self, _marker: &str) -> Result<Key<'de>, E> {
        Ok(Key::Number)
    }
}

/// Reads a string and makes something of it.
struct TextSeed<'s, F> {
    reading: &'s Reading,
    make: F,
}

impl<'de, T, F: FnOnce(&str) -> Result<T, Fault>> DeserializeSeed<'de> for TextSeed<'_, F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> Result<T, Fault>> Visitor<'_> for TextSeed<'_, F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.make)(text).map_err(|fault| self.reading.fail(fault))
    }
}

/// Reads a string, borrowed where it has no escapes, or null.
pub(crate) struct OptionalTextSeed;

impl<'de> DeserializeSeed<'de> for OptionalTextSeed {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OptionalTextSeed {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or null")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// In which form values stand in the text.
#[derive(Clone, Copy)]
pub(super) enum Dialect {
    /// JSON's own types.
    Plain,
    /// A type descriptor with each value.
    DynamoDb,
}

/// Reads one value.
#[derive(Clone, Copy)]
pub(super) struct ValueSeed<'s> {
    reading: &'s Reading,
    dialect: Dialect,
    depth: usize,
}

impl<'s> ValueSeed<'s> {
    /// For a value that stands in no other.
    pub(super) fn top(reading: &'s Reading, dialect: Dialect) -> Self {
        Self { reading, dialect, depth: 0 }
    }

    /// For the values within a list or map that stands here.
    fn within<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH_MAX {
            return Err(self.reading.fail(Fault::TooDeep));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn text<T, F: FnOnce(&str) -> Result<T, Fault>>(self, make: F) -> TextSeed<'s, F> {
        TextSeed { reading: self.reading, make }
    }

    /// The rest of an object whose first name, if it has any, was read already.
    fn fields<'de, A: MapAccess<'de>>(
        self,
        first: Option<Cow<'de, str>>,
        map: &mut A,
    ) -> Result<Item, A::Error> {
        let mut item = Item::new();
        let mut next = first;
        while let Some(name) = next {
            if item.len() >= FIELDS_MAX {
                return Err(self.reading.fail(Fault::TooManyFields));
            }
            let value = map.next_value_seed(self)?;
            if item.insert(name.into_owned(), value).is_some() {
                return Err(self.reading.fail(Fault::DuplicateKey));
            }
            next = self.name(map)?;
        }
        Ok(item)
    }

    /// The next name of an object.
    fn name<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<Option<Cow<'de, str>>, A::Error> {
        match map.next_key_seed(KeySeed)? {
            None => Ok(None),
            Some(Key::Name(name)) => Ok(Some(name)),
            Some(Key::Number) => Err(self.reading.fail(Fault::WrongType)),
        }
    }

    /// The value behind a type descriptor
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html>).
    fn described<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<Value, A::Error> {
        let reading = self.reading;
        let Some(descriptor) = self.name(map)? else {
            return Err(reading.fail(Fault::WrongType));
        };
        let value = match &*descriptor {
            "S" => map.next_value_seed(self.text(|text| Ok(Value::String(text.to_owned()))))?,
            "N" => map.next_value_seed(self.text(|text| dynamodb_number(text).map(Value::Number)))?,
            "B" => map.next_value_seed(self.text(|text| read_base64(text).map(Value::Binary)))?,
            "BOOL" => Value::Bool(map.next_value()?),
            "NULL" if map.next_value()? => Value::Null,
            "M" => Value::Map(map.next_value_seed(ItemSeed(self.within()?))?),
            "L" => Value::List(map.next_value_seed(ListSeed(self.within()?))?),
            "SS" => Value::StringSet(map.next_value_seed(self.set(|text| Ok(text.to_owned())))?),
            "NS" => Value::NumberSet(map.next_value_seed(self.set(dynamodb_number))?),
            "BS" => Value::BinarySet(map.next_value_seed(self.set(read_base64))?),
            _ => return Err(reading.fail(Fault::WrongType)),
        };
        match self.name(map)? {
            None => Ok(value),
            Some(_) => Err(reading.fail(Fault::WrongType)),
        }
    }

    fn set<T, F: Fn(&str) -> Result<T, Fault>>(self, make: F) -> SetSeed<'s, F> {
        SetSeed { value: self, make }
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.dialect {
            Dialect::Plain => deserializer.deserialize_any(self),
            Dialect::DynamoDb => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(Decimal::from(number)))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => self.text(|text| plain_number(text).map(Value::Number)).visit_str(&number.to_string()),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Value, A::Error> {
        ListSeed(self.within()?).visit_seq(list).map(Value::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        if let Dialect::DynamoDb = self.dialect {
            return self.described(&mut map);
        }
        match map.next_key_seed(KeySeed)? {
            Some(Key::Number) => map.next_value_seed(self.text(|text| plain_number(text).map(Value::Number))),
            Some(Key::Name(name)) => self.within()?.fields(Some(name), &mut map).map(Value::Map),
            None => self.within().map(|_: Self| Value::Map(Item::new())),
        }
    }
}

/// Reads an object of values; the seed within is that of its values.
#[derive(Clone, Copy)]
pub(super) struct ItemSeed<'s>(ValueSeed<'s>);

impl<'s> ItemSeed<'s> {
    /// For an item, which is no level of nesting itself.
    pub(super) fn top(reading: &'s Reading, dialect: Dialect) -> Self {
        Self(ValueSeed::top(reading, dialect))
    }
}

impl<'de> DeserializeSeed<'de> for ItemSeed<'_> {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ItemSeed<'_> {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let first = self.0.name(&mut map)?;
        self.0.fields(first, &mut map)
    }
}

/// Reads an item in DynamoDB JSON, or null.
#[derive(Clone, Copy)]
pub(crate) struct OptionalItemSeed<'s>(ItemSeed<'s>);

impl<'s> OptionalItemSeed<'s> {
    /// A seed that reports its faults to `reading`.
    pub(crate) fn dynamodb(reading: &'s Reading) -> Self {
        Self(ItemSeed::top(reading, Dialect::DynamoDb))
    }
}

impl<'de> DeserializeSeed<'de> for OptionalItemSeed<'_> {
    type Value = Option<Item>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for OptionalItemSeed<'_> {
    type Value = Option<Item>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.deserialize(deserializer).map(Some)
    }
}

/// Reads an array of values; the seed within is that of its values.
struct ListSeed<'s>(ValueSeed<'s>);

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Value>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Value>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.0)? {
            values.push(value);
        }
        Ok(values)
    }
}

/// Reads an array of strings as a set of what `make` makes of them.
struct SetSeed<'s, F> {
    value: ValueSeed<'s>,
    make: F,
}

impl<'de, T: Ord, F: Fn(&str) -> Result<T, Fault>> DeserializeSeed<'de> for SetSeed<'_, F> {
    type Value = BTreeSet<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Ord, F: Fn(&str) -> Result<T, Fault>> Visitor<'de> for SetSeed<'_, F> {
    type Value = BTreeSet<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut set = BTreeSet::new();
        while let Some(element) = list.next_element_seed(self.value.text(&self.make))? {
            set.insert(element);
        }
        Ok(set)
    }
}
