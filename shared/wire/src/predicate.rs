//! Predicates as text and as JSON: what of SQL's conditions a count may say, and how it is
//! written back.
//!
//! The text is the condition part of PartiQL, as DynamoDB's console takes it
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html>).
//! Text is what people write and see; the JSON of [`to_json`] is what is stored and what is
//! authoritative, so that a later change of the grammar never changes a stored logic version.
//!
//! The lexical rules are `sqlparser`'s, under a dialect of our own; the grammar stands here. A
//! whole-SQL parser would read far more than is meant (and recurse through stack frames so large
//! that a condition of the permitted depth overflows a two-megabyte stack in a debug build), and
//! would lose the place of a parenthesis or a sign that an error has to point at.

mod grammar;
mod json;
mod lexer;
mod literal;
mod operand;
mod refusal;
mod rules;
mod text;

use std::ops::Range;

pub(crate) use json::condition_from_json;
pub use json::{PredicateJsonError, from_json, to_json};
pub(crate) use literal::{LiteralJson, from_hex, to_hex};
pub use rules::PREDICATE_TEXT_BYTES_MAX;
pub use text::{atom_text, to_text};

use evercount_core::predicate::Predicate;

/// Why a text is not a predicate: what is wrong, where, and what would be accepted there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct PredicateError {
    /// What is wrong.
    pub message: String,
    /// The offending place, as a byte range of the text; empty at its end.
    pub span: Range<usize>,
    /// What would be accepted.
    pub help: String,
}

impl PredicateError {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), span, help: help.into() }
    }
}

/// Reads a predicate from its text.
///
/// Text of any content and length is safe to pass: length and nesting are bounded before
/// anything recurses.
///
/// # Errors
/// [`PredicateError`] points at the offending place and says what would be accepted.
pub fn parse(text: &str) -> Result<Predicate, PredicateError> {
    grammar::parse(text)
}
