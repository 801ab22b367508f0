//! Policy files, with the place of every error in them.

use std::ops::Range;

use evercount_core::adjustment::Class;
use evercount_core::adoption::{PlanPolicy, PolicyBook};
use evercount_core::change::TableName;
use evercount_core::order::Micros;
use evercount_core::verdict::Tolerance;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::definition::DefinitionError;
use crate::toml_file::{File, in_order};

/// The kinds of change that a policy can be for: those of a schema
/// ([`evercount_core::schema_change::ChangeKind::name`]), and a new definition under the name of
/// a count.
pub const KINDS: [&str; 10] = [
    "create_table",
    "drop_table",
    "rename_table",
    "truncate_table",
    "add_column",
    "drop_column",
    "rename_column",
    "change_type",
    "change_key",
    "redefine",
];

const KEYS: [&str; 5] = ["standby", "backfill_units_a_second", "tolerance", "class", "table"];
const TOLERANCE_KEYS: [&str; 3] = ["unexplained_max", "explained_share_max", "patience"];
const TABLE_KEYS: [&str; 3] = ["name", "policy", "kind"];
const EXAMPLE: &str = "a file holds `standby`, `[tolerance]`, `[class]` and `[[table]]` tables";
const TABLE_EXAMPLE: &str = "a table is `[[table]]` with a `name`, and a `policy` or a `[table.kind]`";
const POLICY_HELP: &str = "one of `auto`, `approve`, `ignore` and `freeze`";
const LENGTH_HELP: &str = "a whole number and `s`, `m`, `h` or `d`: `72h`";

/// Units of a length of time, largest first.
const UNITS: [(char, Micros); 4] =
    [('d', 86_400_000_000), ('h', 3_600_000_000), ('m', 60_000_000), ('s', 1_000_000)];

/// A length of time as policy files write it; one that is no whole number of seconds in
/// microseconds, which they do not.
#[must_use]
pub fn length_text(length: Micros) -> String {
    // `72h` and not `3d`: the unit people set it in is the one they look for.
    let unit = UNITS.into_iter().skip(1).find(|(_, unit)| length % unit == 0);
    unit.map_or_else(|| format!("{length}us"), |(name, unit)| format!("{}{name}", length / unit))
}

fn length(text: &str) -> Option<Micros> {
    let unit = text.chars().next_back()?;
    let (_, micros) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let digits = text.strip_suffix(unit)?;
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| digits.parse::<Micros>().ok()?.checked_mul(micros)).flatten()
}

/// Reads a policy file. `source_name` is what errors call it.
///
/// # Errors
/// [`DefinitionError`] for the first thing wrong, pointing into `text`.
pub fn from_toml(text: &str, source_name: &str) -> Result<PolicyBook, DefinitionError> {
    let file = File { text, source_name };
    let document = file.parse(EXAMPLE)?;
    let mut book = PolicyBook::default();
    for (key, value) in in_order(document.get_ref()) {
        match key.get_ref().as_ref() {
            "standby" => book.standby = file.length(value)?,
            "backfill_units_a_second" => {
                let help = "a number above 0; `[[table]]` policies decide whether there is a backfill at all";
                book.backfill_units_a_second = file.number(value, |units| units > 0.0, help)?;
            }
            "tolerance" => file.tolerance(value, &mut book.tolerance)?,
            "class" => {
                for (name, value) in in_order(file.table(value, "[class]")?) {
                    let class = Class::ALL.into_iter().find(|(_, known)| *known == name.get_ref());
                    let (class, _) =
                        class.ok_or_else(|| file.unknown_key(name, &Class::ALL.map(|(_, name)| name)))?;
                    book.by_class.insert(class, file.policy(value)?);
                }
            }
            "table" => {
                let DeValue::Array(tables) = value.get_ref() else {
                    return Err(file.error(key.span(), "`table` is not an array of tables", TABLE_EXAMPLE));
                };
                for table in tables.iter() {
                    file.of_table(table, &mut book)?;
                }
            }
            _ => return Err(file.unknown_key(key, &KEYS)),
        }
    }
    Ok(book)
}

impl File<'_> {
    fn table<'v, 'i>(
        &self,
        value: &'v Spanned<DeValue<'i>>,
        written: &str,
    ) -> Result<&'v DeTable<'i>, DefinitionError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            other => {
                let message = format!("expected a table, found a value of type {}", other.type_str());
                Err(self.error(value.span(), message, format!("write `{written}` and its keys below it")))
            }
        }
    }

    fn policy(&self, value: &Spanned<DeValue<'_>>) -> Result<PlanPolicy, DefinitionError> {
        let text = self.string(value)?;
        let found = PlanPolicy::ALL.into_iter().find(|(_, name)| *name == text);
        found.map(|(policy, _)| policy).ok_or_else(|| {
            self.error(value.span(), format!("`{text}` is not a policy for plans"), POLICY_HELP)
        })
    }

    fn length(&self, value: &Spanned<DeValue<'_>>) -> Result<Micros, DefinitionError> {
        let wrong = |message: String| self.error(value.span(), message, LENGTH_HELP);
        match value.get_ref().as_str() {
            Some(text) => length(text).ok_or_else(|| wrong(format!("`{text}` is not a length of time"))),
            None => Err(wrong(format!(
                "expected a length of time, found a value of type {}",
                value.get_ref().type_str()
            ))),
        }
    }

    /// A number that holds what is asked of it.
    fn number(
        &self,
        value: &Spanned<DeValue<'_>>,
        holds: impl Fn(f64) -> bool,
        help: &str,
    ) -> Result<f64, DefinitionError> {
        let number = match value.get_ref() {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok(),
            _ => return Err(self.wrong_type(value, "a number")),
        };
        number.filter(|number: &f64| number.is_finite() && holds(*number)).ok_or_else(|| {
            let written = self.text.get(value.span()).unwrap_or_default();
            self.error(value.span(), format!("{written} is out of bounds"), help)
        })
    }

    fn tolerance(
        &self,
        value: &Spanned<DeValue<'_>>,
        tolerance: &mut Tolerance,
    ) -> Result<(), DefinitionError> {
        for (key, value) in in_order(self.table(value, "[tolerance]")?) {
            match key.get_ref().as_ref() {
                "unexplained_max" => {
                    let help = "a whole number; 0 where a single difference refutes a plan";
                    tolerance.unexplained_max = self.whole_number(value)?.ok_or_else(|| {
                        let written = self.text.get(value.span()).unwrap_or_default();
                        self.error(value.span(), format!("{written} is out of bounds"), help)
                    })?;
                }
                "explained_share_max" => {
                    let holds = |share: f64| (0.0..=1.0).contains(&share);
                    tolerance.explained_share_max = self.number(value, holds, "a share from 0 to 1")?;
                }
                "patience" => tolerance.patience = self.length(value)?,
                _ => return Err(self.unknown_key(key, &TOLERANCE_KEYS)),
            }
        }
        Ok(())
    }

    fn of_table(&self, value: &Spanned<DeValue<'_>>, book: &mut PolicyBook) -> Result<(), DefinitionError> {
        let table = self.table(value, "[[table]]")?;
        let (name, at) = self.name(value.span(), table)?;
        if book.by_table.contains_key(&name) || book.by_kind.keys().any(|(known, _)| *known == name) {
            return Err(self.error(
                at,
                format!("`{name}` is there twice"),
                "give each table one `[[table]]`",
            ));
        }
        for (key, value) in in_order(table) {
            match key.get_ref().as_ref() {
                "name" => {}
                "policy" => {
                    book.by_table.insert(name.clone(), self.policy(value)?);
                }
                "kind" => {
                    for (kind, value) in in_order(self.table(value, "[table.kind]")?) {
                        if !KINDS.contains(&kind.get_ref().as_ref()) {
                            return Err(self.unknown_key(kind, &KINDS));
                        }
                        let kind = (name.clone(), kind.get_ref().to_string());
                        book.by_kind.insert(kind, self.policy(value)?);
                    }
                }
                _ => return Err(self.unknown_key(key, &TABLE_KEYS)),
            }
        }
        Ok(())
    }

    fn name(
        &self,
        header: Range<usize>,
        table: &DeTable<'_>,
    ) -> Result<(TableName, Range<usize>), DefinitionError> {
        let Some(value) = table.get("name") else {
            return Err(self.error(header, "a table without a `name`", TABLE_EXAMPLE));
        };
        let name = crate::definition::table(&self.string(value)?)
            .map_err(|error| self.error(value.span(), error.message, error.help))?;
        Ok((name, value.span()))
    }
}
