//! Count definitions as people write them: a TOML file of `[[count]]` tables, or the parts of
//! one given on a command line.
//!
//! ```toml
//! [[count]]
//! name = "active_orders_by_country"
//! table = "orders"
//! where = "status = 'ACTIVE' AND shipped_at IS MISSING"
//! group_by = ["address.country"]
//! distinct = "customer"
//! ```
//!
//! Two more keys buy room for changes that are to come: `headroom = ["payment"]` counts by those
//! attributes as well, and `headroom_truth = true` by whether each condition of `where` holds,
//! items that fail it included. Nothing of it is shown; it makes a finer `group_by` or another
//! `where` a matter of arithmetic, where the source would have to be read otherwise. The price is
//! a counter for each combination of values that occurs, in every lane: two attributes of ten
//! values each make up to a hundred counters of one.
//!
//! This module decides what a well-formed definition is, whatever it came in; what is stored of
//! it is [`crate::logic`]'s.

mod check;
mod file;
mod text;

use std::ops::Range;

pub(crate) use check::{Part, PartError, distinct, group_by, groups_max, name, table};
pub use file::from_toml;
pub use text::definition_lines;

use evercount_core::definition::CountDefinition;

/// Why a text does not define a count, or how plans are treated: what is wrong, where, and what
/// would be accepted there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{source_name}: {message}")]
pub struct DefinitionError {
    /// What is wrong.
    pub message: String,
    /// What would be accepted.
    pub help: String,
    /// The name of the text that [`DefinitionError::span`] points into: a file, or a part such as `where`.
    pub source_name: String,
    /// That text.
    pub source_text: String,
    /// The offending place, as a byte range of [`DefinitionError::source_text`].
    pub span: Range<usize>,
}

/// A definition in pieces, each as it was written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DefinitionParts {
    /// The name of the definition.
    pub name: String,
    /// The table to count.
    pub table: String,
    /// Paths to group by.
    pub group_by: Vec<String>,
    /// The predicate.
    pub filter: Option<String>,
    /// The path whose distinct values are to be counted.
    pub distinct: Option<String>,
    /// Distinct groups counted by name.
    pub groups_max: Option<u32>,
    /// Paths to count by and not to show. Each combination of values that occurs costs a counter.
    pub headroom: Vec<String>,
    /// Whether to count by the truth of each condition of the predicate as well.
    pub headroom_truth: bool,
}

/// Makes a definition of its parts.
///
/// # Errors
/// [`DefinitionError`], whose source text is the offending part.
pub fn build(parts: DefinitionParts) -> Result<CountDefinition, DefinitionError> {
    check::assemble(&parts).map_err(|error| {
        let source_text = match error.part {
            Part::Name => parts.name.clone(),
            Part::Table => parts.table.clone(),
            Part::GroupBy(Some(index)) => parts.group_by.get(index).cloned().unwrap_or_default(),
            Part::GroupBy(None) => parts.group_by.join(", "),
            Part::Filter => parts.filter.clone().unwrap_or_default(),
            Part::Distinct => parts.distinct.clone().unwrap_or_default(),
            Part::GroupsMax => parts.groups_max.map(|n| n.to_string()).unwrap_or_default(),
            Part::Headroom(Some(index)) => parts.headroom.get(index).cloned().unwrap_or_default(),
            Part::Headroom(None) => parts.headroom.join(", "),
            Part::HeadroomTruth => parts.headroom_truth.to_string(),
        };
        let span = error.span.unwrap_or(0..source_text.len());
        let source_name = error.part.key().to_owned();
        DefinitionError { message: error.message, help: error.help, source_name, source_text, span }
    })
}
