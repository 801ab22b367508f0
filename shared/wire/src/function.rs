//! The stored form of an entry in the list of functions.
//!
//! ```json
//! {"format": 1, "name": "split_name", "id": "9f86d0…", "kind": "migration", "abi": 1,
//!  "description": "Splits `name` into `first` and `last`.", "added_at": 1769851800123456,
//!  "examples": [{"item": {"name": {"S": "Ada Lovelace"}}, "gives": {"item": {"first": {"S": "Ada"}}}},
//!               {"item": {}, "gives": {"refused": true}}]}
//! ```
//!
//! A predicate's examples give `{"truth": true}`, `false`, or `null` for unknown. Reading is strict: a
//! reader that does not know the format, a field or a kind says so. Old readers leave entries of a newer
//! format alone, and new readers read every format since the first.

use evercount_core::function::{
    Answer, DESCRIPTION_BYTES_MAX, EXAMPLES_MAX, Example, FunctionEntry, FunctionId, FunctionKind,
    FunctionName,
};
use evercount_core::predicate::Truth;
use evercount_core::value::Item;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json;

/// The format that is written.
const FORMAT: u32 = 1;

/// Why a text is no entry.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an entry of a function: {0}")]
pub struct EntryError(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryJson {
    format: u32,
    name: String,
    id: String,
    kind: String,
    abi: u32,
    description: String,
    added_at: i64,
    examples: Vec<ExampleJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleJson {
    item: Box<RawValue>,
    gives: GivesJson,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GivesJson {
    Item(Box<RawValue>),
    Refused(bool),
    Truth(Option<bool>),
}

/// The stored form of an entry.
///
/// # Errors
/// [`EntryError`] where the entry is beyond the bounds of [`evercount_core::function`].
pub fn to_json(entry: &FunctionEntry) -> Result<String, EntryError> {
    check(&entry.description, entry.examples.len())?;
    let examples = entry.examples.iter().map(example_json).collect::<Result<_, _>>()?;
    let stored = EntryJson {
        format: FORMAT,
        name: entry.name.to_string(),
        id: entry.id.to_string(),
        kind: entry.kind.name().to_owned(),
        abi: entry.abi,
        description: entry.description.clone(),
        added_at: entry.added_at,
        examples,
    };
    serde_json::to_string(&stored).map_err(|error| EntryError(error.to_string()))
}

/// Reads an entry from its stored form.
///
/// # Errors
/// [`EntryError`] where the text is not in the form of [`to_json`].
pub fn from_json(text: &str) -> Result<FunctionEntry, EntryError> {
    let wrong = |what: &str| EntryError(what.to_owned());
    let stored: EntryJson = serde_json::from_str(text).map_err(|error| EntryError(error.to_string()))?;
    if stored.format != FORMAT {
        return Err(EntryError(format!("its format is {}, and this release knows {FORMAT}", stored.format)));
    }
    check(&stored.description, stored.examples.len())?;
    let kind = FunctionKind::ALL.into_iter().find(|(_, name)| *name == stored.kind);
    Ok(FunctionEntry {
        name: FunctionName::parse(&stored.name).ok_or_else(|| wrong("a malformed name"))?,
        id: FunctionId::parse(&stored.id).ok_or_else(|| wrong("a malformed id"))?,
        kind: kind.ok_or_else(|| wrong("an unknown kind"))?.0,
        abi: stored.abi,
        description: stored.description,
        added_at: stored.added_at,
        examples: stored.examples.iter().map(example).collect::<Result<_, _>>()?,
    })
}

fn check(description: &str, examples: usize) -> Result<(), EntryError> {
    if description.len() > DESCRIPTION_BYTES_MAX {
        return Err(EntryError(format!("a description of more than {DESCRIPTION_BYTES_MAX} bytes")));
    }
    if examples > EXAMPLES_MAX {
        return Err(EntryError(format!("more than {EXAMPLES_MAX} examples")));
    }
    Ok(())
}

fn example_json(example: &Example) -> Result<ExampleJson, EntryError> {
    let gives = match &example.answer {
        Answer::Item(item) => GivesJson::Item(raw(item)?),
        Answer::Refused => GivesJson::Refused(true),
        Answer::Truth(truth) => GivesJson::Truth(match truth {
            Truth::True => Some(true),
            Truth::False => Some(false),
            Truth::Unknown => None,
        }),
    };
    Ok(ExampleJson { item: raw(&example.item)?, gives })
}

fn raw(item: &Item) -> Result<Box<RawValue>, EntryError> {
    RawValue::from_string(json::dynamodb_json(item)).map_err(|error| EntryError(error.to_string()))
}

fn example(stored: &ExampleJson) -> Result<Example, EntryError> {
    let item = |raw: &RawValue| {
        json::read_dynamodb_item(raw.get()).map_err(|error| EntryError(format!("an example is {error}")))
    };
    let answer = match &stored.gives {
        GivesJson::Item(raw) => Answer::Item(item(raw)?),
        GivesJson::Refused(true) => Answer::Refused,
        GivesJson::Refused(false) => {
            return Err(EntryError("an example is not refused, and gives nothing".into()));
        }
        GivesJson::Truth(Some(true)) => Answer::Truth(Truth::True),
        GivesJson::Truth(Some(false)) => Answer::Truth(Truth::False),
        GivesJson::Truth(None) => Answer::Truth(Truth::Unknown),
    };
    Ok(Example { item: item(&stored.item)?, answer })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use evercount_core::value::Value;

    use super::*;

    fn entry() -> FunctionEntry {
        let item = |text: &str| Item::from([("zip".to_owned(), Value::String(text.to_owned()))]);
        let truth = |truth| Example { item: item("5"), answer: Answer::Truth(truth) };
        FunctionEntry {
            name: FunctionName::parse("by_zip").unwrap(),
            id: FunctionId::of_digest([0xab; 32]),
            kind: FunctionKind::Predicate,
            abi: 1,
            description: "Items \"of\" a place.".to_owned(),
            added_at: 1_769_851_800_123_456,
            examples: vec![
                truth(Truth::True),
                truth(Truth::False),
                truth(Truth::Unknown),
                Example { item: item("6"), answer: Answer::Item(item("7")) },
                Example { item: Item::new(), answer: Answer::Refused },
            ],
        }
    }

    #[test]
    fn an_entry_comes_back_as_it_was_written() {
        assert_eq!(from_json(&to_json(&entry()).unwrap()), Ok(entry()));
    }

    /// As the first release wrote it: it has to be read for good.
    const FIRST: &str = r#"{"format":1,"name":"by_zip","id":"abababababababababababababababababababababababababababababababab","kind":"predicate","abi":1,"description":"Items \"of\" a place.","added_at":1769851800123456,"examples":[{"item":{"zip":{"S":"5"}},"gives":{"truth":true}},{"item":{"zip":{"S":"5"}},"gives":{"truth":false}},{"item":{"zip":{"S":"5"}},"gives":{"truth":null}},{"item":{"zip":{"S":"6"}},"gives":{"item":{"zip":{"S":"7"}}}},{"item":{},"gives":{"refused":true}}]}"#;

    #[test]
    fn the_first_format_is_read_and_written() {
        assert_eq!(from_json(FIRST), Ok(entry()));
        assert_eq!(to_json(&entry()).unwrap(), FIRST);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (from, to) in [
            ("\"format\":1", "\"format\":2"),
            ("\"abi\":1", "\"abi\":1,\"more\":1"),
            ("predicate", "aggregate"),
            ("abab", "ABAB"),
            ("by_zip", "by zip"),
            ("{\"refused\":true}", "{\"refused\":false}"),
            ("{\"S\":\"6\"}", "{\"Q\":\"6\"}"),
        ] {
            assert!(from_json(&FIRST.replacen(from, to, 1)).is_err(), "{from} {to}");
        }
    }

    #[test]
    fn an_entry_beyond_its_bounds_is_not_written() {
        let long = FunctionEntry { description: "x".repeat(DESCRIPTION_BYTES_MAX + 1), ..entry() };
        assert!(to_json(&long).is_err());
        let one = entry().examples.remove(0);
        let many = FunctionEntry { examples: vec![one; EXAMPLES_MAX + 1], ..entry() };
        assert!(to_json(&many).is_err());
    }
}
