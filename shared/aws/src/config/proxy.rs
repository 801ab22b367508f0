//! Owns what the environment may say to the data proxy.

use std::collections::BTreeMap;

use evercount_core::mutation::settings::{MutationSettings, TableSettings};
use evercount_core::resolve::Mode;
use evercount_proxy::ProxyOptions;
use evercount_wire::mutation_settings::from_json;

use super::{ConfigErrors, Reader};
use crate::dynamo::TableNames;
use crate::s3::S3Place;

/// How a data proxy is configured.
#[derive(Clone, Debug)]
pub struct DataProxyConfig {
    /// Where registry, shadow schemas and what is kept beside tables are.
    pub tables: TableNames,
    /// What is done about which table.
    pub options: ProxyOptions,
    /// Where functions of users are, if not among the tables.
    pub functions: Option<S3Place>,
    /// The service that its metrics are of.
    pub service: String,
    /// The CloudWatch namespace of its metrics.
    pub namespace: String,
}

impl DataProxyConfig {
    /// The configuration that an environment asks for; `lookup` gives a variable's value.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = Reader { lookup, errors: Vec::new() };
        let tables = reader.tables();
        let mode = "`strict`, `observe` or `off`";
        let mode = reader.value("EVERCOUNT_PROXY_MODE", Mode::default(), mode, Mode::parse);
        let expected = "tables with their modes, such as `orders=strict,carts=off`";
        let of_tables = reader.value("EVERCOUNT_PROXY_TABLE_MODES", BTreeMap::new(), expected, table_modes);
        let expected = "JSON such as `{\"default_migration_strategy\": \"auto\", \"table\": {\"orders\": {\"stamps\": \
                        true}}}`, without a migration_function_path, because a function has no such folder";
        let mutations =
            reader.value("EVERCOUNT_PROXY_MUTATIONS", MutationSettings::default(), expected, mutations);
        let options = ProxyOptions { mode, tables: of_tables, mutations, ..ProxyOptions::default() };
        let functions = reader.functions();
        let (service, namespace) = (reader.service("data-proxy"), reader.namespace());
        reader.finish(&tables.clone(), Self { tables, options, functions, service, namespace })
    }
}

/// Reads `orders=strict,carts=off`; a table may stand there once.
fn table_modes(text: &str) -> Option<BTreeMap<String, Mode>> {
    let mut modes = BTreeMap::new();
    for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let (table, mode) = one.split_once('=')?;
        let (table, mode) = (table.trim(), Mode::parse(mode.trim())?);
        if table.is_empty() || modes.insert(table.to_owned(), mode).is_some() {
            return None;
        }
    }
    Some(modes)
}

/// Reads what tables allow of mutations that are in conflict.
fn mutations(text: &str) -> Option<MutationSettings> {
    let said: serde_json::Map<_, _> = serde_json::from_str(text).ok()?;
    let settings = from_json(said.into()).ok()?;
    let has_folder = |one: &TableSettings| one.migration_function_path.is_some();
    let has_folder = settings.tables.values().chain([&settings.default]).any(has_folder);
    (!has_folder).then_some(settings)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use evercount_core::change::TableName;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<DataProxyConfig, ConfigErrors> {
        DataProxyConfig::from_lookup(|wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn modes_are_of_all_tables_and_of_single_ones() {
        let options = read(&[]).unwrap().options;
        assert_eq!(options, ProxyOptions::default());
        let modes = ("EVERCOUNT_PROXY_TABLE_MODES", "orders = strict, carts=off,");
        let options = read(&[("EVERCOUNT_PROXY_MODE", "observe"), modes]).unwrap().options;
        let of = |table: &str| options.mode_of(table);
        assert_eq!((of("orders"), of("carts"), of("other")), (Mode::Strict, Mode::Off, Mode::Observe));
    }

    #[test]
    fn what_tables_allow_is_json() {
        let text = r#"{"max_migration_attempts": 7, "table": {"orders": {"stamps": true}}}"#;
        let mutations = read(&[("EVERCOUNT_PROXY_MUTATIONS", text)]).unwrap().options.mutations;
        let of = |table: &str| mutations.of(&TableName::new(table)).clone();
        assert_eq!((of("orders").stamps, of("carts").stamps, of("carts").attempts_max), (true, false, 7));
        for wrong in ["{", "[]", r#"{"stamp": true}"#, r#"{"migration_function_path": "migrations"}"#] {
            assert!(read(&[("EVERCOUNT_PROXY_MUTATIONS", wrong)]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        for wrong in ["orders", "orders=loud", "=off", "orders=off,orders=strict"] {
            let errors = read(&[("EVERCOUNT_PROXY_MODE", "loud"), ("EVERCOUNT_PROXY_TABLE_MODES", wrong)]);
            let variables: Vec<&str> = errors.unwrap_err().0.iter().map(|error| error.variable).collect();
            assert_eq!(variables, ["EVERCOUNT_PROXY_MODE", "EVERCOUNT_PROXY_TABLE_MODES"], "{wrong}");
        }
    }
}
