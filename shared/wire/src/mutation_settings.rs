//! What tables allow of mutations that are in conflict: the file that a person keeps, and JSON of the same
//! form.
//!
//! ```toml
//! migration_function_path = "migrations"   # a folder, or s3://bucket/prefix
//! default_migration_strategy = "auto"      # or "reject"
//! safe_steps = ["add", "rename", "retype"] # what `auto` may take; all that lose nothing where it is not said
//! max_migration_attempts = 5
//! on_conflict = "automerge"                # or "reject", or a function by its id
//! stamps = true                            # whether items carry `_ver` and `_schema`; not where it is not said
//!
//! [table.orders]
//! default_migration_strategy = "reject"
//! ```
//!
//! What a table does not say it has from the top of the file.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::change::TableName;
use evercount_core::function::FunctionId;
use evercount_core::mutation::settings::{
    ATTEMPTS_MAX, MutationSettings, OnConflict, STEPS, Strategy, TableSettings,
};
use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::definition::DefinitionError;
use crate::toml_file::{File, in_order};

const KEYS: [&str; 7] = [
    "migration_function_path",
    "default_migration_strategy",
    "safe_steps",
    "max_migration_attempts",
    "on_conflict",
    "stamps",
    "table",
];
const EXAMPLE: &str =
    "a file holds `default_migration_strategy = \"auto\"` and the like, and `[table.NAME]` tables";

/// What is said of a table, or of all; what is not said is `None`.
#[derive(Serialize, Deserialize, Default, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    migration_function_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_migration_strategy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    safe_steps: Option<BTreeSet<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_migration_attempts: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_conflict: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stamps: Option<bool>,
}

/// What is wrong with a value: what, and what would be right.
type Wrong = (String, &'static str);

fn strategy(name: &str, steps: Option<&BTreeSet<String>>) -> Result<Strategy, Wrong> {
    match (name, steps) {
        ("reject", _) => Ok(Strategy::Reject),
        ("auto", None) => Ok(Strategy::auto()),
        ("auto", Some(steps)) => Ok(Strategy::Auto { steps: steps.clone() }),
        _ => Err((format!("unknown strategy `{name}`"), "one of `reject` and `auto`")),
    }
}

fn on_conflict(name: &str) -> Result<OnConflict, Wrong> {
    match name {
        "reject" => Ok(OnConflict::Reject),
        "automerge" => Ok(OnConflict::Automerge),
        _ => FunctionId::parse(name).map(OnConflict::Function).ok_or_else(|| {
            (
                format!("unknown way to resolve a conflict, `{name}`"),
                "`reject`, `automerge`, or a function's id",
            )
        }),
    }
}

fn attempts(n: u64) -> Result<u32, Wrong> {
    let n = u32::try_from(n).ok().filter(|n| (1..=ATTEMPTS_MAX).contains(n));
    n.ok_or_else(|| ("too many attempts, or none".to_owned(), "a number from 1 to 20"))
}

fn steps(names: &BTreeSet<String>) -> Result<(), Wrong> {
    match names.iter().find(|name| !STEPS.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err((
            format!("unknown step `{name}`"),
            "names of migration functions, such as `add`, `rename` and `retype`",
        )),
    }
}

impl Said {
    /// The settings of a table that has what is not said from others.
    fn over(&self, default: &TableSettings) -> Result<TableSettings, Wrong> {
        let mut settings = default.clone();
        if let Some(path) = &self.migration_function_path {
            settings.migration_function_path = Some(path.clone());
        }
        if let Some(names) = &self.safe_steps {
            steps(names)?;
        }
        // Steps alone change what `auto` may take where it is the strategy.
        let name = self.default_migration_strategy.as_deref();
        if name.is_some() || self.safe_steps.is_some() {
            let known = match &default.strategy {
                Strategy::Auto { steps } => Some(steps),
                Strategy::Reject => None,
            };
            let steps = self.safe_steps.as_ref().or(known);
            settings.strategy = strategy(name.unwrap_or_else(|| default.strategy.name()), steps)?;
        }
        if let Some(n) = self.max_migration_attempts {
            settings.attempts_max = attempts(n)?;
        }
        if let Some(name) = &self.on_conflict {
            settings.on_conflict = on_conflict(name)?;
        }
        settings.stamps = self.stamps.unwrap_or(default.stamps);
        Ok(settings)
    }

    fn of(settings: &TableSettings) -> Self {
        let steps = match &settings.strategy {
            Strategy::Reject => None,
            Strategy::Auto { steps } => Some(steps.clone()),
        };
        Self {
            migration_function_path: settings.migration_function_path.clone(),
            default_migration_strategy: Some(settings.strategy.name().to_owned()),
            safe_steps: steps,
            max_migration_attempts: Some(u64::from(settings.attempts_max)),
            on_conflict: Some(match &settings.on_conflict {
                OnConflict::Reject => "reject".to_owned(),
                OnConflict::Automerge => "automerge".to_owned(),
                OnConflict::Function(function) => function.to_string(),
            }),
            stamps: Some(settings.stamps),
        }
    }
}

/// Reads a file of settings. `source_name` is what errors call it.
///
/// # Errors
/// [`DefinitionError`] for the first thing wrong, pointing into `text`.
pub fn from_toml(text: &str, source_name: &str) -> Result<MutationSettings, DefinitionError> {
    from_toml_beside(text, source_name, &[])
}

/// As [`from_toml`], of a file that says other things as well, at its top under these names.
///
/// # Errors
/// As [`from_toml`].
pub fn from_toml_beside(
    text: &str,
    source_name: &str,
    others: &[&str],
) -> Result<MutationSettings, DefinitionError> {
    let file = File { text, source_name };
    let document = file.parse(EXAMPLE)?;
    let default = file.settings(document.get_ref(), &TableSettings::default(), others)?;
    let mut settings = MutationSettings { default, tables: BTreeMap::new() };
    for (key, value) in in_order(document.get_ref()) {
        if key.get_ref() != "table" {
            continue;
        }
        for (name, value) in in_order(file.settings_table(value)?) {
            let table = file.settings(file.settings_table(value)?, &settings.default, &[])?;
            settings.tables.insert(TableName::new(name.get_ref()), table);
        }
    }
    Ok(settings)
}

impl File<'_> {
    fn settings_table<'t, 'i>(
        &self,
        value: &'t Spanned<DeValue<'i>>,
    ) -> Result<&'t DeTable<'i>, DefinitionError> {
        value.get_ref().as_table().ok_or_else(|| self.wrong_type(value, "a table: `[table.orders]`"))
    }

    fn settings(
        &self,
        table: &DeTable<'_>,
        default: &TableSettings,
        others: &[&str],
    ) -> Result<TableSettings, DefinitionError> {
        let mut said = Said::default();
        for (key, value) in in_order(table) {
            match key.get_ref().as_ref() {
                other if others.contains(&other) => {}
                "migration_function_path" => said.migration_function_path = Some(self.string(value)?),
                "default_migration_strategy" => said.default_migration_strategy = Some(self.string(value)?),
                "safe_steps" => said.safe_steps = Some(self.strings(value)?.into_iter().collect()),
                "max_migration_attempts" => {
                    said.max_migration_attempts = Some(self.whole_number(value)?.unwrap_or(0));
                }
                "on_conflict" => said.on_conflict = Some(self.string(value)?),
                "stamps" => said.stamps = Some(self.flag(value)?),
                "table" => {}
                _ => return Err(self.unknown_key(key, &KEYS)),
            }
            // As far as it goes, so that the first thing wrong is the one that is pointed at.
            said.over(default).map_err(|(message, help)| self.error(value.span(), message, help))?;
        }
        said.over(default).map_err(|(message, help)| self.error(0..self.text.len(), message, help))
    }
}

/// The settings in JSON, each table as a whole.
#[must_use]
pub fn to_json(settings: &MutationSettings) -> serde_json::Value {
    let mut json = serde_json::to_value(Said::of(&settings.default)).unwrap_or_default();
    let table = settings.tables.iter().map(|(name, one)| {
        let one = serde_json::to_value(Said::of(one)).unwrap_or_default();
        (name.as_str().to_owned(), one)
    });
    if let Some(object) = json.as_object_mut() {
        object.insert("table".to_owned(), serde_json::Value::Object(table.collect()));
    }
    json
}

/// Reads settings from JSON.
///
/// # Errors
/// What is wrong, in a sentence.
pub fn from_json(mut json: serde_json::Value) -> Result<MutationSettings, String> {
    let tables = json.as_object_mut().and_then(|object| object.remove("table"));
    let said = |json| serde_json::from_value::<Said>(json).map_err(|error| error.to_string());
    let wrong = |(message, help): Wrong| format!("{message}; write {help}");
    let default = said(json)?.over(&TableSettings::default()).map_err(wrong)?;
    let mut settings = MutationSettings { default, tables: BTreeMap::new() };
    let tables: BTreeMap<String, serde_json::Value> = match tables {
        Some(tables) => serde_json::from_value(tables).map_err(|error| error.to_string())?,
        None => BTreeMap::new(),
    };
    for (name, json) in tables {
        let table = said(json)?.over(&settings.default).map_err(wrong)?;
        settings.tables.insert(TableName::new(name), table);
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const FILE: &str = "\
migration_function_path = \"migrations\"
default_migration_strategy = \"auto\"
safe_steps = [\"add\", \"rename\"]
max_migration_attempts = 7
on_conflict = \"automerge\"
stamps = true

[table.orders]
default_migration_strategy = \"reject\"
stamps = false

[table.\"my.events\"]
safe_steps = [\"add\"]
";

    #[test]
    fn a_table_has_what_it_does_not_say_from_the_top() {
        let settings = from_toml(FILE, "settings.toml").unwrap();
        let orders = settings.of(&TableName::new("orders"));
        assert_eq!((&orders.strategy, orders.attempts_max, orders.stamps), (&Strategy::Reject, 7, false));
        assert_eq!(orders.on_conflict, OnConflict::Automerge);
        let events = settings.of(&TableName::new("my.events"));
        assert_eq!(events.strategy, Strategy::Auto { steps: ["add".to_owned()].into() });
        let other = settings.of(&TableName::new("other"));
        assert_eq!(other.strategy, Strategy::Auto { steps: ["add", "rename"].map(str::to_owned).into() });
        assert_eq!(from_json(to_json(&settings)), Ok(settings.clone()));
        assert_eq!(from_toml("", "empty").unwrap(), MutationSettings::default());
        let beside = from_toml_beside(&format!("mode = 1\n{FILE}"), "settings.toml", &["mode"]);
        assert_eq!(beside.unwrap(), settings);
        assert_eq!(from_json(serde_json::json!({})), Ok(MutationSettings::default()));
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let check = |text: &str, at: &str, help: &str| {
            let error = from_toml(text, "settings.toml").unwrap_err();
            assert_eq!(text.get(error.span.clone()), Some(at), "{error:?}");
            assert!(error.help.contains(help), "{error:?}");
        };
        check("max_migration_attempt = 1", "max_migration_attempt", "max_migration_attempts");
        check("max_migration_attempts = 99", "99", "1 to 20");
        check("on_conflict = \"merge\"", "\"merge\"", "automerge");
        check("safe_steps = [\"guess\"]", "[\"guess\"]", "rename");
        check("[table.a]\ndefault_migration_strategy = \"ask\"", "\"ask\"", "auto");
        assert!(from_json(serde_json::json!({ "strategy": "auto" })).is_err());
    }
}
