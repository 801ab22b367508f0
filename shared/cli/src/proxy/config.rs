//! Owns what a configuration file of the data proxy says: modes, what tables allow of mutations that are in
//! conflict ([`evercount_wire::mutation_settings`]), and the migrations that a person wrote.
//!
//! ```toml
//! mode = "strict"
//! migration_function_path = "migrations"
//! default_migration_strategy = "auto"
//!
//! [tables]
//! audit = "off"
//!
//! [table.orders]
//! stamps = true
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail};
use evercount_core::change::TableName;
use evercount_core::migration::graph::Migration;
use evercount_core::mutation::settings::MutationSettings;
use evercount_core::resolve::Mode;
use evercount_proxy::ProxyOptions;
use evercount_wire::mutation_settings::from_toml_beside;
use serde::Deserialize;

use crate::args::proxy::ProxyArgs;
use crate::migrate::read_file;

/// What a file says besides settings of mutations, which are read, and refused, on their own.
#[derive(Deserialize, Default)]
struct Stated {
    mode: Option<String>,
    #[serde(default)]
    tables: BTreeMap<String, String>,
}

/// What the command was told.
///
/// # Errors
/// What is wrong with it, and where.
pub fn options(args: &ProxyArgs) -> anyhow::Result<ProxyOptions> {
    let Some(file) = &args.config else {
        return Ok(ProxyOptions {
            mode: args.mode.map(Into::into).unwrap_or_default(),
            ..ProxyOptions::default()
        });
    };
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read {name}"))?;
    let mutations = from_toml_beside(&text, &name, &["mode", "tables"])?;
    let stated: Stated = toml::from_str(&text).with_context(|| format!("{name} is not right"))?;
    let parse = |name: &str| {
        Mode::parse(name).with_context(|| format!("`{name}` is no mode; there are strict, observe and off"))
    };
    let mode = match (args.mode, &stated.mode) {
        (Some(mode), _) => mode.into(),
        (None, Some(name)) => parse(name)?,
        (None, None) => Mode::default(),
    };
    let tables = stated.tables.iter().map(|(table, name)| Ok((table.clone(), parse(name)?)));
    let tables = tables.collect::<anyhow::Result<_>>()?;
    let written = written(&mutations, file.parent().unwrap_or(Path::new(".")))?;
    Ok(ProxyOptions { mode, tables, mutations, written, ..ProxyOptions::default() })
}

/// The migrations in the folders that the settings name, which are beside the file or anywhere.
fn written(
    mutations: &MutationSettings,
    beside: &Path,
) -> anyhow::Result<BTreeMap<TableName, Vec<Migration>>> {
    let settings = mutations.tables.values().chain([&mutations.default]);
    let paths: BTreeSet<&String> =
        settings.filter_map(|settings| settings.migration_function_path.as_ref()).collect();
    let mut written: BTreeMap<TableName, Vec<Migration>> = BTreeMap::new();
    for path in paths {
        if path.contains("://") {
            bail!(
                "`migration_function_path` is `{path}`, and only a folder can be read here; copy it into one"
            )
        }
        for (table, migration) in of_folder(&beside.join(path))? {
            if mutations.of(&table).migration_function_path.as_ref() == Some(path) {
                written.entry(table).or_default().push(migration);
            }
        }
    }
    Ok(written)
}

fn of_folder(folder: &Path) -> anyhow::Result<Vec<(TableName, Migration)>> {
    let listed = std::fs::read_dir(folder)
        .with_context(|| format!("could not read the folder of migrations, {}", folder.display()))?;
    let files = listed.map(|file| file.map(|file| file.path())).collect::<Result<BTreeSet<_>, _>>()?;
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "toml")) {
        let read = read_file(file)?;
        let name = file.display();
        let Some(table) = read.table else {
            bail!("{name} names no table; write `table = \"NAME\"` at its top")
        };
        if read.migration.from == read.migration.to {
            bail!("{name} leads nowhere; write `from` and `to`, two schema versions, at its top")
        }
        found.push((table, read.migration));
    }
    Ok(found)
}
