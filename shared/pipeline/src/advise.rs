//! What to count ahead, so that the changes that are likely need no rescan: the advice of
//! [`evercount_forecast::advisor`] for the counts there are, at what their counters cost and what their
//! tables are.

use std::collections::BTreeMap;

use evercount_core::change::TableName;
use evercount_core::logic::{LogicState, LogicVersion};
use evercount_core::path::Path;
use evercount_core::predicate::Predicate;
use evercount_forecast::advisor::{Advice, Extra, Registered, advise};
use evercount_forecast::predict::TableForecast;

use crate::ports::{RegistryStore, SourceTable, Store, StoreError};
use crate::read;

/// Write units of a change to one counter more. Counters of one item are written together, many changes in
/// one transaction: measured on the registers of distinct counts, which lie further apart than groups do.
const UNITS_A_CHANGE: f64 = 0.4;
/// A month, microseconds.
const MONTH: f64 = 30.0 * 86_400e6;
/// A shorter watch says nothing about a month: an import, a test.
const WATCHED_MIN: f64 = 86_400e6;

/// What is advised.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Advised {
    /// What saves most for its price first.
    pub advice: Vec<Advice>,
    /// What nothing is said about, and why.
    pub notes: Vec<Note>,
    /// The tables of all counts, by the counts' names.
    pub tables: BTreeMap<String, TableName>,
}

/// Why nothing is said about a count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// The count.
    pub count: String,
    /// Its table.
    pub table: TableName,
    /// What is missing.
    pub missing: Missing,
}

/// What is missing to price a rescan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// How large the table is.
    Size,
    /// How often the table changes.
    Changes,
}

/// Advises on all active counts. `sizes` are bytes of tables, where somebody knows better than the source.
///
/// # Errors
/// Whatever the stores answer.
pub async fn run<S, T>(
    store: &S,
    source: &T,
    forecasts: &[TableForecast],
    sizes: &BTreeMap<String, u64>,
) -> Result<Advised, StoreError>
where
    S: Store + RegistryStore,
    T: SourceTable,
{
    let mut versions = store.versions().await?;
    versions.retain(|version| version.state == LogicState::Active);
    let (mut counts, mut notes) = (Vec::new(), Vec::new());
    for version in &versions {
        match priced(store, source, version, sizes).await? {
            Ok(count) => counts.push(count),
            Err(missing) => notes.push(Note {
                count: version.id.definition.to_string(),
                table: version.definition.table.clone(),
                missing,
            }),
        }
    }
    let mut advice = advise(forecasts, &counts);
    advice.retain(|one| !versions.iter().any(|version| has(version, one)));
    let table =
        |version: &LogicVersion| (version.id.definition.to_string(), version.definition.table.clone());
    Ok(Advised { advice, notes, tables: versions.iter().map(table).collect() })
}

/// A count with what its counters cost and what its table is, or which of that is not known.
async fn priced<S, T>(
    store: &S,
    source: &T,
    version: &LogicVersion,
    sizes: &BTreeMap<String, u64>,
) -> Result<Result<Registered, Missing>, StoreError>
where
    S: Store + RegistryStore,
    T: SourceTable,
{
    let definition = &version.definition;
    let table = &definition.table;
    let bytes = match sizes.get(table.as_str()) {
        Some(bytes) => Some(*bytes),
        None => source.facts(table).await.bytes.filter(|bytes| *bytes > 0),
    };
    let Some(source_bytes) = bytes else { return Ok(Err(Missing::Size)) };
    let watches = store.watches(table).await?;
    let changes: f64 = watches
        .values()
        .map(|watch| {
            let watched = watch.last_seen.saturating_sub(watch.first_seen).max(0) as f64;
            watch.seen as f64 * MONTH / watched.max(WATCHED_MIN)
        })
        .sum();
    if changes <= 0.0 {
        return Ok(Err(Missing::Changes));
    }
    let reading = read::run(store, version).await?;
    let columns =
        |paths: &mut dyn Iterator<Item = &Path>| paths.map(|path| path.column_name().to_owned()).collect();
    Ok(Ok(Registered {
        count: definition.name.to_string(),
        table: table.to_string(),
        group_columns: columns(&mut definition.group_by.iter()),
        condition_columns: columns(&mut definition.filter.iter().flat_map(Predicate::paths)),
        groups: (reading.groups.len() as u64).max(1),
        write_units_per_month: changes * UNITS_A_CHANGE,
        source_bytes,
    }))
}

/// Whether a count has what is advised already.
fn has(version: &LogicVersion, advice: &Advice) -> bool {
    let headroom = &version.definition.headroom;
    version.definition.name.as_str() == advice.count
        && match &advice.extra {
            Extra::Dimension { column } => {
                headroom.attributes.iter().any(|path| path.column_name() == column)
            }
            Extra::TruthBit { .. } => headroom.truth,
        }
}
