//! Owns how the envelope fields around a row are read: one object at a time, each field kept as
//! the text it stands in until a format asks for it as something.
//!
//! The rows themselves are read by [`crate::json`]. Fields that no format asks for are tolerated,
//! whatever they hold: producers add some with every release.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use evercount_core::decimal::Decimal;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Undecodable;
use crate::json::{self, FIELDS_MAX, Fault, Key, KeySeed, OptionalTextSeed, Reading};

/// The fields of one object.
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Fields<'a> {
    /// Reads an object; `place` is what to call it in an error.
    pub(crate) fn read(text: &'a str, place: &str) -> Result<Self, Undecodable> {
        let reading = Reading::default();
        json::read(text, &reading, FieldsSeed(&reading))
            .map(Self)
            .map_err(|error| Undecodable::json(error, place))
    }

    /// The JSON text of a field; `None` where it is absent or null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.raw(name).filter(|text| *text != "null")
    }

    /// The JSON text of a field, null or not.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, text)| *text)
    }

    /// Whether the field is there, null or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// How many fields there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Names and JSON texts of all fields, in the order they stand.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, text)| (&**name, *text))
    }

    /// A field that is a string.
    pub(crate) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, Undecodable> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        string(text).ok_or_else(|| Undecodable::wrong_type(name, "a string")).map(Some)
    }

    /// A field that is a string and must be there.
    pub(crate) fn needed_text(&self, name: &str) -> Result<Cow<'a, str>, Undecodable> {
        self.text(name)?.ok_or_else(|| Undecodable::missing(name))
    }

    /// A field that is an integer in the range of `T`.
    pub(crate) fn integer<T: FromStr + TryFrom<i64>>(&self, name: &str) -> Result<Option<T>, Undecodable> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let exact = || text.parse::<Decimal>().ok()?.as_i64()?.try_into().ok();
        text.parse()
            .ok()
            .or_else(exact)
            .ok_or_else(|| Undecodable::wrong_type(name, "an integer in range"))
            .map(Some)
    }

    /// A field that is an object.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Fields<'a>>, Undecodable> {
        self.get(name).map(|text| Fields::read(text, name)).transpose()
    }

    /// A field that is an array: the JSON text of each element.
    pub(crate) fn array(&self, name: &str) -> Result<Vec<&'a str>, Undecodable> {
        let Some(text) = self.get(name) else {
            return Ok(Vec::new());
        };
        let elements: Vec<&'a RawValue> =
            serde_json::from_str(text).map_err(|_| Undecodable::wrong_type(name, "an array"))?;
        Ok(elements.into_iter().map(RawValue::get).collect())
    }

    /// A field that is an array of strings.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Undecodable> {
        let wrong = || Undecodable::wrong_type(name, "an array of strings");
        let elements = self.array(name)?.into_iter();
        elements.map(|text| string(text).map(Cow::into_owned).ok_or_else(wrong)).collect()
    }
}

/// The string that a JSON text is, if it is one.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    json::read(text, &Reading::default(), OptionalTextSeed).ok().flatten()
}

struct FieldsSeed<'s>(&'s Reading);

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_> {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_> {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: Self::Value = Vec::with_capacity(16);
        while let Some(Key::Name(name)) = map.next_key_seed(KeySeed)? {
            if fields.len() >= FIELDS_MAX {
                return Err(self.0.fail(Fault::TooManyFields));
            }
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(self.0.fail(Fault::DuplicateKey));
            }
            fields.push((name, map.next_value::<&'de RawValue>()?.get()));
        }
        Ok(fields)
    }
}
