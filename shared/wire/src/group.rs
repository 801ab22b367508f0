//! Cells and groups as text: the attribute name that a cell is stored under, and the JSON in
//! which programs get a group.
//!
//! A cell's name is made to be read in the DynamoDB console and to be injective, because two
//! cells of one name would be one counter: `{"status":"ACTIVE","year":2026}`. Names of groups start
//! with a brace and the others with a letter, so neither can be taken for the other. Values stand
//! as in the canonical text of a key ([`crate::json::canonical_key`]): what JSON has stands as
//! itself, the rest behind its DynamoDB type descriptor.
//!
//! The cells of a distinct count are many and of no interest to a reader one by one, so their
//! names are short whatever the group: `d12.q83vASNFZ4k.7c9.2` is rank 2 of register 0x7c9 of the
//! group with that id, under precision 12. `d12.*.7c9.2` is the same of the groups that are
//! counted together. `evidence.agreed.q83vASNFZ4k` tallies changes of that group for which a version
//! agreed with its parent.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use evercount_core::decimal::Decimal;
use evercount_core::distinct::PRECISION;
use evercount_core::group::{Cell, GroupId, GroupKey, Outcome};
use evercount_core::path::Path;
use evercount_core::value::Value;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;

use crate::json::canonical_value;

const OVERFLOW: &str = "overflow";
const UNCERTAIN: &str = "uncertain";
const BY_DELTA: &str = "by_delta";
const UNTOLD: &str = "untold";
const MISSING: &str = "missing ";
const EVIDENCE: &str = "evidence.";
const TOGETHER: &str = "*";

/// The name a cell is stored under.
#[must_use]
pub fn cell_name(cell: &Cell) -> String {
    match cell {
        Cell::Overflow => OVERFLOW.to_owned(),
        Cell::Uncertain => UNCERTAIN.to_owned(),
        Cell::ByDelta => BY_DELTA.to_owned(),
        Cell::Untold => UNTOLD.to_owned(),
        Cell::Missing(atom) => format!("{MISSING}{atom}"),
        Cell::Register { group, register, rank } => {
            let (bits, group) = (PRECISION.bits(), group_text(*group));
            format!("d{bits}.{group}.{register:03x}.{rank}")
        }
        Cell::Evidence { outcome, group } => {
            format!("{EVIDENCE}{}.{}", outcome.name(), group_text(*group))
        }
        Cell::Group(key) => {
            let mut name = String::from("{");
            for (index, (path, value)) in key.parts().iter().enumerate() {
                if index > 0 {
                    name.push(',');
                }
                name.push_str(&canonical_value(&Value::String(path.to_string())));
                name.push(':');
                name.push_str(&canonical_value(value));
            }
            name.push('}');
            name
        }
    }
}

/// The group by its id, or that there is none.
fn group_text(group: Option<GroupId>) -> String {
    group.map_or_else(|| TOGETHER.to_owned(), |id| URL_SAFE_NO_PAD.encode(id.0.to_be_bytes()))
}

fn group_id(text: &str) -> Option<Option<GroupId>> {
    match text {
        TOGETHER => Some(None),
        id => Some(Some(GroupId(u64::from_be_bytes(URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?)))),
    }
}

fn evidence(text: &str) -> Option<Cell> {
    let (outcome, group) = text.split_once('.')?;
    let (outcome, _) = Outcome::ALL.into_iter().find(|(_, name)| *name == outcome)?;
    Some(Cell::Evidence { outcome, group: group_id(group)? })
}

/// The cell stored under a name; `None` for anything that [`cell_name`] does not give.
#[must_use]
pub fn cell_from_name(name: &str) -> Option<Cell> {
    let cell = if name.starts_with('{') {
        Cell::Group(serde_json::from_str::<Entries>(name).ok()?.key()?)
    } else if let Some(atom) = name.strip_prefix(MISSING) {
        Cell::Missing(atom.parse().ok()?)
    } else if let Some(text) = name.strip_prefix(EVIDENCE) {
        evidence(text)?
    } else if name.starts_with('d') {
        register(name)?
    } else if name == OVERFLOW {
        Cell::Overflow
    } else if name == BY_DELTA {
        Cell::ByDelta
    } else if name == UNTOLD {
        Cell::Untold
    } else {
        Cell::Uncertain
    };
    // Other spellings of the same cell (spaces, `1.0` for `1`) are no names: a reader that took
    // them would merge what the writer keeps apart.
    (cell_name(&cell) == name).then_some(cell)
}

fn register(name: &str) -> Option<Cell> {
    let mut parts = name.strip_prefix('d')?.split('.');
    let (Some(bits), Some(group), Some(register), Some(rank), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let (register, rank) = (u16::from_str_radix(register, 16).ok()?, rank.parse().ok()?);
    // The cells of another precision are of another kind.
    let known = bits.parse() == Ok(PRECISION.bits())
        && usize::from(register) < PRECISION.registers()
        && (1..=PRECISION.rank_max()).contains(&rank);
    let group = group_id(group)?;
    known.then_some(Cell::Register { group, register, rank })
}

/// The fields of an object in the order of the text; a map would sort them.
struct Entries(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}

impl Entries {
    fn key(&self) -> Option<GroupKey> {
        let entry = |(path, json): &(String, Json)| Some((Path::parse(path).ok()?, value(json)?));
        self.0.iter().map(entry).collect::<Option<_>>().map(GroupKey::new)
    }
}

fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(_) => Value::Number(number(json)?),
        Json::String(text) => Value::String(text.clone()),
        Json::Array(values) => Value::List(values.iter().map(value).collect::<Option<_>>()?),
        Json::Object(fields) => {
            let mut fields = fields.iter();
            let (Some((descriptor, json)), None) = (fields.next(), fields.next()) else { return None };
            match descriptor.as_str() {
                "B" => Value::Binary(binary(json)?),
                "M" => {
                    let field = |(name, json): (&String, &Json)| Some((name.clone(), value(json)?));
                    Value::Map(json.as_object()?.iter().map(field).collect::<Option<_>>()?)
                }
                "SS" => Value::StringSet(elements(json, |json| json.as_str().map(str::to_owned))?),
                "NS" => Value::NumberSet(elements(json, number)?),
                "BS" => Value::BinarySet(elements(json, binary)?),
                "UNAVAILABLE" => Value::Unavailable,
                _ => return None,
            }
        }
    })
}

fn number(json: &Json) -> Option<Decimal> {
    match json {
        // The digits as they were written: `serde_json` keeps them for numbers of any length.
        Json::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

fn binary(json: &Json) -> Option<Vec<u8>> {
    STANDARD.decode(json.as_str()?).ok()
}

fn elements<T: Ord>(json: &Json, read: impl Fn(&Json) -> Option<T>) -> Option<std::collections::BTreeSet<T>> {
    json.as_array()?.iter().map(read).collect()
}

/// A group as an object for programs: each path with its value; an absent attribute is left out,
/// so NULL and absent stay apart. It does not read back: see [`cell_name`] for a form that does.
#[must_use]
pub fn group_json(group: &GroupKey) -> Json {
    group.parts().iter().map(|(path, value)| (path.to_string(), value_json(value))).collect()
}

/// A value as JSON for programs: a number in all its digits, a binary as text where it is UTF-8
/// and as `{"base64":"…"}` where it is not, a set as an array, and a value that the source did
/// not send as `{"unavailable":true}`.
#[must_use]
pub fn value_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Number(number) => number_json(number),
        Value::String(text) => Json::String(text.clone()),
        Value::Binary(bytes) => binary_json(bytes),
        Value::List(values) => values.iter().map(value_json).collect(),
        Value::Map(item) => item.iter().map(|(name, value)| (name.clone(), value_json(value))).collect(),
        Value::StringSet(set) => set.iter().map(String::as_str).collect(),
        Value::NumberSet(set) => set.iter().map(number_json).collect(),
        Value::BinarySet(set) => set.iter().map(|bytes| binary_json(bytes)).collect(),
        Value::Unavailable => [("unavailable".to_owned(), Json::Bool(true))].into_iter().collect(),
    }
}

fn number_json(number: &Decimal) -> Json {
    let text = number.to_string();
    // The canonical text of every number is a JSON number.
    text.parse().map_or(Json::String(text), Json::Number)
}

fn binary_json(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => Json::String(text.to_owned()),
        Err(_) => [("base64".to_owned(), Json::String(STANDARD.encode(bytes)))].into_iter().collect(),
    }
}
