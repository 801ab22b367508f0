//! Owns the counting of attributes that were asked for and are not in their table: what a forecaster reads
//! as a sign that they are about to come.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Most attributes that are counted by name between two takings; scanners ask for many.
const ATTRIBUTES_MAX: usize = 10_000;

/// How often an attribute was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Used {
    /// Requests that read it, or chose items by it.
    pub reads: u64,
    /// Requests that wrote it.
    pub writes: u64,
}

/// What was asked for, by table and attribute.
pub type Asked = BTreeMap<(String, String), Used>;

/// The counter.
#[derive(Debug, Default)]
pub struct Usage(Mutex<Asked>);

impl Usage {
    /// Counts one request for an attribute.
    pub fn add(&self, table: &str, attribute: &str, is_write: bool) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (table.to_owned(), attribute.to_owned());
        if asked.len() >= ATTRIBUTES_MAX && !asked.contains_key(&key) {
            return;
        }
        let used = asked.entry(key).or_default();
        *(if is_write { &mut used.writes } else { &mut used.reads }) += 1;
    }

    /// What was counted since it was taken last.
    #[must_use]
    pub fn take(&self) -> Asked {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
