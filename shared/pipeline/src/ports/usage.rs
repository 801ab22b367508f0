//! What requests ask for that tables do not have.

use std::collections::BTreeMap;
use std::future::Future;

use evercount_core::change::TableName;
use evercount_core::order::Micros;

use super::StoreError;

/// How often requests asked for an attribute that its table does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Used {
    /// Requests that read it, or chose items by it.
    pub reads: u64,
    /// Requests that wrote it.
    pub writes: u64,
}

/// A day's requests for an attribute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DayOfUse {
    /// Which.
    pub attribute: String,
    /// When the last were told of, microseconds since the epoch.
    pub last: Micros,
    /// How many there were.
    pub used: Used,
}

/// What requests ask for that tables do not have. Figures for a forecast: a telling whose reply is lost
/// may be added twice.
pub trait UsageStore: Sync {
    /// Adds to the figures of the day of `at`, microseconds since the epoch.
    fn add_usage(
        &self,
        table: &TableName,
        used: &BTreeMap<String, Used>,
        at: Micros,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The figures of a table, by day.
    fn usage(&self, table: &TableName) -> impl Future<Output = Result<Vec<DayOfUse>, StoreError>> + Send;
}
