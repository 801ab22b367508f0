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

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use evercount_core::resolve::Mode;
use evercount_proxy::ProxyOptions;
use evercount_wire::mutation_settings::from_toml_beside;
use serde::Deserialize;

use super::written;
use crate::args::proxy::ProxyArgs;

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
pub async fn options(args: &ProxyArgs) -> anyhow::Result<ProxyOptions> {
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
    let written = written::of(&mutations, file.parent().unwrap_or(Path::new("."))).await?;
    Ok(ProxyOptions { mode, tables, mutations, written, ..ProxyOptions::default() })
}
