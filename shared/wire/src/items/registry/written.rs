//! Owns the item of the migrations that people wrote between a subject's versions.

use evercount_core::migration::graph::Migration;
use evercount_core::migration::written::Written;
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};
use serde::{Deserialize, Serialize};

use super::change::{malformed, put};
use super::subject_pk;
use crate::items::fields::{Fields, number, text};
use crate::items::{FORMAT, ItemError, ItemKey};
use crate::migration::{function_from_json, function_json, function_text};

/// The key of a subject's written migrations.
#[must_use]
pub fn written_key(subject: &Subject) -> ItemKey {
    ItemKey::new(subject_pk(subject), "migrations")
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MigrationJson {
    from: u32,
    to: u32,
    functions: Vec<serde_json::Value>,
}

impl MigrationJson {
    fn read(self) -> Result<Migration, String> {
        let functions = self.functions.into_iter().map(function_from_json).collect::<Result<_, _>>()?;
        Ok(Migration { from: self.from, to: self.to, functions })
    }
}

/// The item of a subject's written migrations. `migrations` is what is read back; the other attributes are
/// for people.
#[must_use]
pub fn written_item(subject: &Subject, written: &Written) -> Item {
    let mut item = written_key(subject).item();
    let stored: Vec<MigrationJson> = written
        .migrations
        .iter()
        .map(|one| MigrationJson {
            from: one.from,
            to: one.to,
            functions: one.functions.iter().map(function_json).collect(),
        })
        .collect();
    let told = |one: &Migration| {
        let functions: Vec<String> = one.functions.iter().map(function_text).collect();
        text(format!("from v{:04} to v{:04}: {}", one.from, one.to, functions.join("; ")))
    };
    put(&mut item, "entity", text("written migrations"));
    put(&mut item, "format", number(FORMAT));
    put(&mut item, "subject", text(subject.as_str()));
    put(&mut item, "revision", number(written.revision));
    put(&mut item, "told", Value::List(written.migrations.iter().map(told).collect()));
    put(&mut item, "summary", text(format!("Migrations that people wrote: {}.", written.migrations.len())));
    // It holds texts, flags and numbers alone, of which JSON has all.
    put(&mut item, "migrations", text(serde_json::to_string(&stored).unwrap_or_default()));
    item
}

/// Reads a subject's written migrations.
///
/// # Errors
/// [`ItemError`].
pub fn written_from_item(item: &Item) -> Result<Written, ItemError> {
    let fields = Fields::of_format(item)?;
    let wrong = || malformed("migrations", "migrations between versions, as JSON");
    let stored: Vec<MigrationJson> = serde_json::from_str(fields.text("migrations")?).map_err(|_| wrong())?;
    let migrations = stored.into_iter().map(MigrationJson::read).collect::<Result<_, _>>();
    Ok(Written { revision: fields.unsigned("revision")?, migrations: migrations.map_err(|_| wrong())? })
}
