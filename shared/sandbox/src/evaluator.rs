//! The functions that a batch of records needs, as core asks them: answers, and a tally of failures.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use evercount_core::function::{FunctionId, Functions};
use evercount_core::predicate::Truth;
use evercount_core::value::Item;

use crate::function::Function;
use crate::outcome::{Failure, Judgement, Migration};

/// What became of one function's calls that have no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failures {
    /// How many there were.
    pub calls: u64,
    /// Why the first one has none.
    pub first: Failure,
}

/// Asks functions on core's behalf. One batch, one evaluator: `keep_going` is the batch's clock.
pub struct Evaluator<'a> {
    functions: &'a BTreeMap<FunctionId, Arc<Function>>,
    keep_going: &'a dyn Fn() -> bool,
    failures: RefCell<BTreeMap<FunctionId, Failures>>,
    timed_out: RefCell<bool>,
}

impl<'a> Evaluator<'a> {
    /// An evaluator of these functions; of any other, there is no answer.
    #[must_use]
    pub fn new(functions: &'a BTreeMap<FunctionId, Arc<Function>>, keep_going: &'a dyn Fn() -> bool) -> Self {
        Self { functions, keep_going, failures: RefCell::default(), timed_out: RefCell::default() }
    }

    /// Whether a call had no answer because the batch's time was up. Then its record has to come again:
    /// that it could not be judged says nothing of the record.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        *self.timed_out.borrow()
    }

    /// What failed, but for calls that timed out.
    #[must_use]
    pub fn into_failures(self) -> BTreeMap<FunctionId, Failures> {
        self.failures.into_inner()
    }

    fn fail(&self, id: &FunctionId, failure: Failure) {
        if failure == Failure::TimedOut {
            self.timed_out.replace(true);
            return;
        }
        let mut failures = self.failures.borrow_mut();
        let failed = failures.entry(*id).or_insert(Failures { calls: 0, first: failure });
        failed.calls = failed.calls.saturating_add(1);
    }
}

impl Functions for Evaluator<'_> {
    fn judge(&self, id: &FunctionId, item: &Item) -> Option<Truth> {
        match self.functions.get(id)?.judge(item, &mut || (self.keep_going)()).outcome {
            Judgement::Judged(truth) => Some(truth),
            Judgement::Failed(failure) => {
                self.fail(id, failure);
                None
            }
        }
    }

    fn migrate(&self, id: &FunctionId, item: &Item) -> Result<Item, String> {
        let function = self.functions.get(id).ok_or_else(|| "it is not at hand".to_owned())?;
        match function.migrate(item, &mut || (self.keep_going)()).outcome {
            Migration::Migrated(item) => Ok(item),
            // Its reason is as confidential as the item.
            Migration::Refused { .. } => Err("it refuses the item".to_owned()),
            Migration::Failed(failure) => {
                let because = failure.to_string();
                self.fail(id, failure);
                Err(because)
            }
        }
    }
}
