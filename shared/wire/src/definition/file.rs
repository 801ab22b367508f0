//! Definitions in a TOML file, with the place of every error in it.

use std::ops::Range;

use evercount_core::definition::CountDefinition;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{assemble, groups_max_help};
use super::{DefinitionError, DefinitionParts, Part, PartError};
use crate::toml_file::{File, in_order};

const KEYS: [&str; 8] =
    ["name", "table", "group_by", "where", "distinct", "groups_max", "headroom", "headroom_truth"];
const EXAMPLE: &str = "a file holds `[[count]]` tables, each with a `name` and a `table`";

/// Reads the definitions of a file, in their order. `source_name` is what errors call it.
///
/// # Errors
/// [`DefinitionError`] for the first thing wrong, pointing into `text`; within a `where` at the
/// word that is wrong, unless the string is written with escapes.
pub fn from_toml(text: &str, source_name: &str) -> Result<Vec<CountDefinition>, DefinitionError> {
    let file = File { text, source_name };
    let document = file.parse(EXAMPLE)?;
    let mut definitions: Vec<CountDefinition> = Vec::new();
    for (key, value) in in_order(document.get_ref()) {
        if key.get_ref() != "count" {
            return Err(file.unknown_key(key, &["count"]));
        }
        let DeValue::Array(counts) = value.get_ref() else {
            return Err(file.error(
                key.span(),
                "`count` is not an array of tables",
                "write `[[count]]` in double brackets",
            ));
        };
        for count in counts.iter() {
            let DeValue::Table(table) = count.get_ref() else {
                return Err(file.error(count.span(), "a count that is not a table", EXAMPLE));
            };
            let definition = file.definition(count.span(), table)?;
            if definitions.iter().any(|other| other.name == definition.name) {
                let span = table.get("name").map_or(count.span(), Spanned::span);
                let message = format!("`{}` is there twice", definition.name);
                return Err(file.error(span, message, "give each count a name of its own"));
            }
            definitions.push(definition);
        }
    }
    Ok(definitions)
}

impl File<'_> {
    fn definition(
        &self,
        header: Range<usize>,
        table: &DeTable<'_>,
    ) -> Result<CountDefinition, DefinitionError> {
        let mut parts = DefinitionParts::default();
        for (key, value) in in_order(table) {
            match key.get_ref().as_ref() {
                "name" => parts.name = self.string(value)?,
                "table" => parts.table = self.string(value)?,
                "where" => parts.filter = Some(self.string(value)?),
                "distinct" => parts.distinct = Some(self.string(value)?),
                "group_by" => parts.group_by = self.strings(value)?,
                "groups_max" => parts.groups_max = Some(self.groups_max(value)?),
                "headroom" => parts.headroom = self.strings(value)?,
                "headroom_truth" => parts.headroom_truth = self.flag(value)?,
                _ => return Err(self.unknown_key(key, &KEYS)),
            }
        }
        for required in ["name", "table"] {
            if !table.contains_key(required) {
                return Err(self.error(header, format!("a count without a `{required}`"), EXAMPLE));
            }
        }
        assemble(&parts).map_err(|error| self.part_error(table, header, error))
    }

    fn part_error(&self, table: &DeTable<'_>, header: Range<usize>, error: PartError) -> DefinitionError {
        let value = table.get(error.part.key());
        let value = match (error.part, value) {
            (Part::GroupBy(Some(index)) | Part::Headroom(Some(index)), Some(whole)) => {
                whole.get_ref().get(index).or(Some(whole))
            }
            (_, value) => value,
        };
        let span = value.map_or(header, |value| match error.span {
            Some(within) => self.within(value, within),
            None => value.span(),
        });
        self.error(span, error.message, error.help)
    }

    /// The place in the file of a place in a string's content; the whole string where it is
    /// written with escapes, so that places differ.
    fn within(&self, value: &Spanned<DeValue<'_>>, within: Range<usize>) -> Range<usize> {
        let written = self.text.get(value.span()).unwrap_or_default();
        let content = value.get_ref().as_str().unwrap_or_default();
        for quotes in ["\"\"\"", "'''", "\"", "'"] {
            let Some(inner) = written.strip_prefix(quotes).and_then(|rest| rest.strip_suffix(quotes)) else {
                continue;
            };
            // A line break right after three quotes is not part of the content.
            let trimmed = inner.strip_prefix("\r\n").or_else(|| inner.strip_prefix('\n')).unwrap_or(inner);
            let skipped = [(inner, 0), (trimmed, inner.len() - trimmed.len())];
            if let Some((_, skipped)) = skipped.into_iter().find(|(inner, _)| *inner == content) {
                let base = value.span().start + quotes.len() + skipped;
                return base + within.start..base + within.end;
            }
        }
        value.span()
    }

    fn groups_max(&self, value: &Spanned<DeValue<'_>>) -> Result<u32, DefinitionError> {
        let groups_max = self.whole_number(value)?.and_then(|number| u32::try_from(number).ok());
        groups_max.ok_or_else(|| {
            let written = self.text.get(value.span()).unwrap_or_default();
            self.error(value.span(), format!("a cap of {written} groups"), groups_max_help())
        })
    }
}
