//! The list of functions: under which name somebody added which module, and what it should do.

use std::fmt;
use std::sync::Arc;

use super::{FunctionId, FunctionKind};
use crate::definition::DefinitionName;
use crate::order::Micros;
use crate::predicate::Truth;
use crate::value::Item;

/// Longest description, in bytes: a paragraph. What a function does at length stands in its source.
pub const DESCRIPTION_BYTES_MAX: usize = 1_024;

/// Most examples of a function. They are for people, and for trying a module before it is used; an
/// entry with all of them is well below the 400 KB of an item of DynamoDB's.
pub const EXAMPLES_MAX: usize = 16;

/// The name of a function: letters, digits, `_` and `-`, starting with a letter, as for definitions.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FunctionName(Arc<str>);

impl FunctionName {
    /// Accepts a well-formed name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        DefinitionName::parse(text).map(|name| Self(name.as_str().into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a function answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A migration: the item in its new shape.
    Item(Item),
    /// A migration: there is no such item. Why is not part of an example.
    Refused,
    /// A predicate: whether the item counts.
    Truth(Truth),
}

/// An item, and what the function answers for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Example {
    /// The item.
    pub item: Item,
    /// The answer.
    pub answer: Answer,
}

/// A line of the list. Logic versions name the id, so that a name may move on to another module
/// without any count changing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionEntry {
    /// Its name.
    pub name: FunctionName,
    /// The module.
    pub id: FunctionId,
    /// What it is for.
    pub kind: FunctionKind,
    /// The version of the ABI that the module is of.
    pub abi: u32,
    /// What it does, in the words of whoever added it.
    pub description: String,
    /// When it was added, microseconds since the epoch.
    pub added_at: Micros,
    /// What it should answer.
    pub examples: Vec<Example>,
}
