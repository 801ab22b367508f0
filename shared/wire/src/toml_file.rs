//! What files of TOML have in common: reading them so that every error points at its place.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::definition::DefinitionError;

/// The entries of a table as they stand in the file, so that the first error is the first one
/// that a reader comes across.
pub(crate) fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<Cow<'i, str>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

pub(crate) struct File<'a> {
    pub(crate) text: &'a str,
    pub(crate) source_name: &'a str,
}

impl<'a> File<'a> {
    /// The file as tables; where it is no TOML, `example` says what it should be.
    pub(crate) fn parse(&self, example: &str) -> Result<Spanned<DeTable<'a>>, DefinitionError> {
        DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or(0..self.text.len());
            self.error(span, error.message(), example)
        })
    }

    pub(crate) fn error(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> DefinitionError {
        DefinitionError {
            message: message.into(),
            help: help.into(),
            source_name: self.source_name.to_owned(),
            source_text: self.text.to_owned(),
            span,
        }
    }

    pub(crate) fn unknown_key(&self, key: &Spanned<Cow<'_, str>>, known: &[&str]) -> DefinitionError {
        let found = key.get_ref();
        let nearest = known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, found));
        let help = match nearest {
            Some(nearest) if strsim::damerau_levenshtein(nearest, found) <= 2 => {
                format!("did you mean `{nearest}`?")
            }
            _ => format!(
                "the keys are {}",
                known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
            ),
        };
        self.error(key.span(), format!("unknown key `{found}`"), help)
    }

    pub(crate) fn string(&self, value: &Spanned<DeValue<'_>>) -> Result<String, DefinitionError> {
        value.get_ref().as_str().map(str::to_owned).ok_or_else(|| self.wrong_type(value, "a string"))
    }

    pub(crate) fn strings(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, DefinitionError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(vec![text.clone().into_owned()]),
            DeValue::Array(values) => values.iter().map(|value| self.string(value)).collect(),
            _ => Err(self.wrong_type(value, "an array of strings")),
        }
    }

    pub(crate) fn flag(&self, value: &Spanned<DeValue<'_>>) -> Result<bool, DefinitionError> {
        value.get_ref().as_bool().ok_or_else(|| self.wrong_type(value, "`true` or `false`"))
    }

    /// A whole number; `None` where it is negative or beyond 64 bits.
    pub(crate) fn whole_number(&self, value: &Spanned<DeValue<'_>>) -> Result<Option<u64>, DefinitionError> {
        let number = value.get_ref().as_integer();
        let number = number.ok_or_else(|| self.wrong_type(value, "a whole number"))?;
        Ok(u64::from_str_radix(number.as_str(), number.radix()).ok())
    }

    pub(crate) fn wrong_type(&self, value: &Spanned<DeValue<'_>>, expected: &str) -> DefinitionError {
        let found = value.get_ref().type_str();
        self.error(
            value.span(),
            format!("expected {expected}, found a value of type {found}"),
            format!("write {expected}"),
        )
    }
}
