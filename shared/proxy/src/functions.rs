//! Owns the functions that somebody wrote, while requests come that need them: each is read from the
//! registry once, so that one that was added a moment ago is used and nothing is restarted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use evercount_core::function::{FunctionId, Functions};
use evercount_core::predicate::Truth;
use evercount_core::value::Item;
use evercount_pipeline::ports::{FunctionStore, StoreError};
use evercount_sandbox::cache::Cache;
use evercount_sandbox::function::Function;
use evercount_sandbox::limits::Limits;
use evercount_sandbox::outcome::{Judgement, Migration};

/// Functions that were loaded, whoever needed them first.
#[derive(Debug, Default)]
pub struct Shelf(Mutex<Cache>);

impl Shelf {
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

impl Functions for AtHand {
    fn judge(&self, id: &FunctionId, item: &Item) -> Option<Truth> {
        match self.0.get(id)?.judge(item, &mut || true).outcome {
            Judgement::Judged(truth) => Some(truth),
            Judgement::Failed(failure) => {
                tracing::warn!(function = %id, %failure, "a function failed");
                None
            }
        }
    }

    fn migrate(&self, id: &FunctionId, item: &Item) -> Result<Item, String> {
        let function = self.0.get(id).ok_or_else(|| "it is not at hand".to_owned())?;
        // Its fuel is its bound: a tenth of a second.
        match function.migrate(item, &mut || true).outcome {
            Migration::Migrated(item) => Ok(item),
            // Its reason is as confidential as the item.
            Migration::Refused { .. } => Err("it refuses the item".to_owned()),
            Migration::Failed(failure) => {
                tracing::warn!(function = %id, %failure, "a function failed");
                Err(failure.to_string())
            }
        }
    }
}
