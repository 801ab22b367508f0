//! Owns the functions that somebody wrote, while requests come that need them: each is read from the
//! registry once, so that one that was added a moment ago is used and nothing is restarted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use evercount_core::change::TableName;
use evercount_core::function::{FunctionId, Functions};
use evercount_core::migration::graph::Migration;
use evercount_core::order::Micros;
use evercount_core::predicate::Truth;
use evercount_core::value::Item;
use evercount_pipeline::ports::{FunctionStore, RegistryStore, StoreError};
use evercount_sandbox::cache::Cache;
use evercount_sandbox::evaluator::Evaluator;
use evercount_sandbox::function::Function;
use evercount_sandbox::limits::Limits;

/// Functions that were loaded, whoever needed them first.
#[derive(Debug, Default)]
pub struct Shelf(Mutex<Cache>, Mutex<BTreeMap<TableName, Looked>>);

/// When it was looked which migrations the registry keeps, and which it does.
type Looked = (Micros, Arc<[Migration]>);

/// How long these are taken for all, microseconds: as long as the agent takes what it knows to be so.
const LOOKED_FOR: Micros = 1_000_000;

/// Most tables of which they are remembered.
const TABLES_MAX: usize = 256;

impl Shelf {
    /// The migrations that the registry keeps for a table.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn written<S: RegistryStore>(
        &self,
        store: &S,
        table: &TableName,
        now: Micros,
    ) -> Result<Arc<[Migration]>, StoreError> {
        let lock = || self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(table).cloned();
        if let Some((at, known)) = known
            && (0..LOOKED_FOR).contains(&now.saturating_sub(at))
        {
            return Ok(known);
        }
        let kept: Arc<[Migration]> = store.written(table).await?.migrations.into();
        let mut tables = lock();
        if tables.len() >= TABLES_MAX && !tables.contains_key(table) {
            tables.pop_first();
        }
        tables.insert(table.clone(), (now, kept.clone()));
        Ok(kept)
    }

    /// Brings functions to hand; of one that the store does not have, or that is not fit, the log tells.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn bring<S: FunctionStore>(
        &self,
        store: &S,
        named: &BTreeSet<FunctionId>,
    ) -> Result<AtHand, StoreError> {
        let mut ready = BTreeMap::new();
        for id in named {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id);
            let loaded = match known {
                Some(known) => known,
                None => match store.module(id).await? {
                    Some(module) => self.0.lock().unwrap_or_else(PoisonError::into_inner).load(
                        id,
                        &module,
                        Limits::default(),
                    ),
                    None => {
                        tracing::warn!(function = %id, "a function that nobody added is needed");
                        continue;
                    }
                },
            };
            match loaded {
                Ok(function) => drop(ready.insert(*id, function)),
                Err(why) => tracing::warn!(function = %id, %why, "a function is not fit"),
            }
        }
        Ok(AtHand(ready))
    }
}

/// Functions that are ready, as core asks them.
#[derive(Default)]
pub struct AtHand(BTreeMap<FunctionId, Arc<Function>>);

impl fmt::Debug for AtHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys().map(ToString::to_string)).finish()
    }
}

impl AtHand {
    /// Asks a function, and tells the log of one that failed. Its fuel is its bound: a tenth of a second.
    fn asked<T>(&self, ask: impl FnOnce(&Evaluator<'_>) -> T) -> T {
        let evaluator = Evaluator::new(&self.0, &|| true);
        let answer = ask(&evaluator);
        for (id, failures) in evaluator.into_failures() {
            tracing::warn!(function = %id, failure = %failures.first, "a function failed");
        }
        answer
    }
}

impl Functions for AtHand {
    fn judge(&self, id: &FunctionId, item: &Item) -> Option<Truth> {
        self.asked(|evaluator| evaluator.judge(id, item))
    }

    fn migrate(&self, id: &FunctionId, item: &Item) -> Result<Item, String> {
        self.asked(|evaluator| evaluator.migrate(id, item))
    }
}
