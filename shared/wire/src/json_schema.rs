//! JSON Schema documents as schemas, and back: drafts 4 to 2020-12, as they occur.
//!
//! A document becomes the fields of [`Schema`], flat and by path. The whole item is the field
//! [`FieldPath::root`](evercount_core::schema::FieldPath::root); `additionalProperties` with a
//! schema is the field `map[*]`, `patternProperties` is `map["regex"]`, the elements of a list,
//! of whatever position, are `list[]`. What every alternative of `allOf` says is taken together;
//! of `anyOf` and `oneOf`, what at least one lets through. A `$ref` is followed within the
//! document; where it leads back into itself, the field ends there.
//!
//! What is left out, since it asks for no other type or field: `not`, `if`, `dependentRequired`,
//! `contains`, `uniqueItems`, numbers of properties (but `maxProperties` 0, which closes the
//! map), `exclusiveMinimum` and `exclusiveMaximum` for numbers with a fraction (taken as bounds
//! that include themselves), and every annotation.
//!
//! Sizes are bounded, so that no document can exhaust memory or stack.

mod merge;
mod node;
mod read;
mod write;

use evercount_core::schema::Schema;

pub use write::to_json_schema;

/// Longest document, in bytes. A registry's item holds 400 KB.
pub const BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of schemas in each other, `$ref`s followed. DynamoDB nests 32 levels of
/// values, and a level can take an alternative and a reference on top.
pub const DEPTH_MAX: usize = 96;
/// Most schemas, names and listed values read, each time that a `$ref` leads to them.
pub const PARTS_MAX: usize = 50_000;

/// Why a text is not a JSON Schema that can be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JsonSchemaError {
    /// It is not JSON.
    #[error("not JSON: {reason}, at line {line} column {column}")]
    NotJson {
        /// What is wrong.
        reason: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A part of it is no schema.
    #[error("at `{pointer}`: {problem}")]
    At {
        /// Where, as a JSON pointer from `#`.
        pointer: String,
        /// What is wrong, and what to write instead.
        problem: Problem,
    },
}

/// What is wrong with a part of a JSON Schema, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// Neither object nor boolean.
    #[error("this is no schema; write an object such as {{\"type\": \"string\"}}")]
    NotASchema,
    /// A keyword's value has another form.
    #[error("`{keyword}` must be {expected}")]
    Keyword {
        /// Which keyword.
        keyword: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A type that JSON Schema does not have.
    #[error("there is no type `{0}`; use null, boolean, integer, number, string, array or object")]
    UnknownType(String),
    /// A reference to what is not in the document.
    #[error("`{0}` is not in this document; put what it means under `$defs` and refer to it there")]
    Unresolved(String),
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("schemas nest deeper than {DEPTH_MAX} levels here; flatten them")]
    TooDeep,
    /// More than [`BYTES_MAX`] or [`PARTS_MAX`].
    #[error("the document, with its references followed, is too large; split it")]
    TooLarge,
}

/// Reads a JSON Schema document.
///
/// # Errors
/// [`JsonSchemaError`] where the text is not JSON, or a part of it is no schema; its place is a
/// JSON pointer.
pub fn read(text: &str) -> Result<Schema, JsonSchemaError> {
    if text.len() > BYTES_MAX {
        return Err(too_large());
    }
    let document: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        let whole = error.to_string();
        // The place is told apart from the reason.
        let reason = whole.split(" at line ").next().unwrap_or(&whole).to_owned();
        JsonSchemaError::NotJson { reason, line: error.line(), column: error.column() }
    })?;
    from_json(&document)
}

/// Reads a JSON Schema that is JSON already.
///
/// # Errors
/// [`JsonSchemaError::At`] where a part of it is no schema.
pub fn from_json(document: &serde_json::Value) -> Result<Schema, JsonSchemaError> {
    node::schema(read::document(document)?).ok_or_else(too_large)
}

fn too_large() -> JsonSchemaError {
    JsonSchemaError::At { pointer: "#".to_owned(), problem: Problem::TooLarge }
}

#[cfg(test)]
mod tests;
