//! Owns how OTLP's attribute values become values, and its lists of key and value a map.
//!
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/common/v1/common.proto>,
//! in the JSON form of <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>. Fields
//! with names that are not known are ignored, as the specification asks.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use evercount_core::decimal::{Decimal, DecimalError};
use evercount_core::value::{Item, Value};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::cdc::Undecodable;
use crate::cdc::fields::{Fields, string};
use crate::json::{self, FIELDS_MAX, Fault, Key, KeySeed, OptionalTextSeed, Reading, read_base64};

/// Deepest nesting of an attribute value. One level takes four of JSON, of which `serde_json`
/// reads 128, and values nest 32 levels at most; a schema has 16.
const DEPTH_MAX: usize = 24;

/// A list of keys and values that is a field of `fields`; empty where it is absent. Of two values
/// of one key the last stands, which the specification leaves open.
pub(super) fn map(fields: &Fields<'_>, name: &str) -> Result<Item, Undecodable> {
    let Some(text) = fields.get(name) else { return Ok(Item::new()) };
    let reading = Reading::default();
    let list = Seed::<KeyValues>::top(&reading);
    json::read(text, &reading, list).map_err(|error| Undecodable::json(error, name))
}

/// A value that is a field of `fields`.
pub(super) fn value(fields: &Fields<'_>, name: &str) -> Result<Option<Value>, Undecodable> {
    let Some(text) = fields.get(name) else { return Ok(None) };
    let reading = Reading::default();
    let any = Seed::<Any>::top(&reading);
    json::read(text, &reading, any).map(Some).map_err(|error| Undecodable::json(error, name))
}

/// A number, as JSON text: 64-bit integers stand in quotes, and a double may be `NaN` or infinite.
/// Such a double is there and shows nothing, which is what a value that was not sent does.
pub(super) fn number(text: &str) -> Result<Value, Fault> {
    let quoted = text.starts_with('"').then(|| string(text)).flatten();
    match quoted.as_deref().unwrap_or(text) {
        "NaN" | "Infinity" | "-Infinity" => Ok(Value::Unavailable),
        digits => digits.parse::<Decimal>().map(Value::Number).map_err(|error| match error {
            DecimalError::Absurd => Fault::AbsurdNumber,
            DecimalError::Malformed => Fault::WrongType,
        }),
    }
}

/// Reads one part of the grammar at a depth.
struct Seed<'s, P> {
    reading: &'s Reading,
    depth: usize,
    part: PhantomData<P>,
}

/// `{"stringValue":"a"}`
struct Any;
/// `{"values":[…]}` of values.
struct Array;
/// `{"values":[…]}` of keys and values.
struct KeyValueList;
/// `[…]` of values.
struct Values;
/// `[…]` of keys and values.
struct KeyValues;
/// `{"key":"a","value":{…}}`
struct KeyValue;

impl<'s, P> Seed<'s, P> {
    fn top(reading: &'s Reading) -> Self {
        Self { reading, depth: 0, part: PhantomData }
    }

    fn part<Q>(&self) -> Seed<'s, Q> {
        Seed { reading: self.reading, depth: self.depth, part: PhantomData }
    }

    /// For what stands within a value.
    fn within<Q, E: de::Error>(&self) -> Result<Seed<'s, Q>, E> {
        if self.depth >= DEPTH_MAX {
            return Err(self.reading.fail(Fault::TooDeep));
        }
        Ok(Seed { reading: self.reading, depth: self.depth + 1, part: PhantomData })
    }

    fn name<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Option<Cow<'de, str>>, A::Error> {
        match map.next_key_seed(KeySeed)? {
            None => Ok(None),
            Some(Key::Name(name)) => Ok(Some(name)),
            Some(Key::Number) => Err(self.reading.fail(Fault::WrongType)),
        }
    }

    fn number<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Value, A::Error> {
        match map.next_value::<&'de RawValue>()?.get() {
            "null" => Ok(Value::Null),
            text => number(text).map_err(|fault| self.reading.fail(fault)),
        }
    }

    fn text<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Option<String>, A::Error> {
        map.next_value_seed(OptionalTextSeed).map(|text| text.map(Cow::into_owned))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, Any> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, Any> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with its type")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut value = Value::Null;
        while let Some(name) = self.name(&mut map)? {
            value = match &*name {
                "stringValue" => self.text(&mut map)?.map_or(Value::Null, Value::String),
                "boolValue" => map.next_value::<Option<bool>>()?.map_or(Value::Null, Value::Bool),
                "intValue" | "doubleValue" => self.number(&mut map)?,
                "bytesValue" => match self.text(&mut map)? {
                    None => Value::Null,
                    Some(text) => {
                        Value::Binary(read_base64(&text).map_err(|fault| self.reading.fail(fault))?)
                    }
                },
                "arrayValue" => Value::List(map.next_value_seed(self.within::<Array, _>()?)?),
                "kvlistValue" => Value::Map(map.next_value_seed(self.within::<KeyValueList, _>()?)?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    value
                }
            };
        }
        Ok(value)
    }
}

/// The one field of an object of values, or nothing where it is null or absent.
macro_rules! wrapper {
    ($wrapper:ident, $inner:ident, $value:ty) => {
        impl<'de> DeserializeSeed<'de> for Seed<'_, $wrapper> {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<$value, D::Error> {
                deserializer.deserialize_any(self)
            }
        }

        impl<'de> Visitor<'de> for Seed<'_, $wrapper> {
            type Value = $value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with `values`")
            }

            fn visit_unit<E: de::Error>(self) -> Result<$value, E> {
                Ok(<$value>::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$value, A::Error> {
                let mut values = <$value>::default();
                while let Some(name) = self.name(&mut map)? {
                    if name == "values" {
                        values = map.next_value_seed(self.part::<$inner>())?;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(values)
            }
        }
    };
}

wrapper!(Array, Values, Vec<Value>);
wrapper!(KeyValueList, KeyValues, Item);

impl<'de> DeserializeSeed<'de> for Seed<'_, Values> {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, Values> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of values")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Vec<Value>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Value>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.part::<Any>())? {
            values.push(value);
        }
        Ok(values)
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, KeyValues> {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, KeyValues> {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of keys and values")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Item, E> {
        Ok(Item::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Item, A::Error> {
        let mut item = Item::new();
        while let Some((key, value)) = list.next_element_seed(self.part::<KeyValue>())? {
            item.insert(key, value);
            if item.len() > FIELDS_MAX {
                return Err(self.reading.fail(Fault::TooManyFields));
            }
        }
        Ok(item)
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, KeyValue> {
    type Value = (String, Value);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(String, Value), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, KeyValue> {
    type Value = (String, Value);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key and a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(String, Value), A::Error> {
        let (mut key, mut value) = (String::new(), Value::Null);
        while let Some(name) = self.name(&mut map)? {
            match &*name {
                "key" => key = self.text(&mut map)?.unwrap_or_default(),
                "value" => value = map.next_value_seed(self.part::<Any>())?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok((key, value))
    }
}
