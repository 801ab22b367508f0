//! Questions of a batch to functions of users → their answers, by whoever runs functions.
//!
//! A counter asks for a whole batch at once, and need not run anything itself: the Lambda function that counts has
//! no interpreter, and what people wrote runs where nothing can be written.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::function::{Answers, FunctionId, Functions as _, Question, Unanswered, add_unanswered};
use evercount_core::predicate::Truth;
use evercount_sandbox::cache::Cache;
use evercount_sandbox::evaluator::{Evaluator, Failures};
use evercount_sandbox::limits::Limits;

use crate::functions::{self, NotAtHand};
use crate::ports::{FunctionStore, StoreError};

/// Whoever runs functions for those who count in a store.
pub trait Runner<S> {
    /// Answers questions, the first ones first, until `keep_going` says that there is no time for more; or some of
    /// them, where all would take long, so that what is answered can be counted meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] where nobody can be asked now: the batch has to come again.
    fn ask(
        &mut self,
        store: &S,
        questions: &[Question],
        keep_going: &impl Fn() -> bool,
    ) -> impl Future<Output = Result<Answers, StoreError>>;
}

/// Runs the functions of the store in this process.
#[derive(Clone, Debug, Default)]
pub struct InProcess(Cache);

impl<S: FunctionStore> Runner<S> for InProcess {
    async fn ask(
        &mut self,
        store: &S,
        questions: &[Question],
        keep_going: &impl Fn() -> bool,
    ) -> Result<Answers, StoreError> {
        let named: BTreeSet<FunctionId> =
            questions.iter().flat_map(|question| &question.functions).copied().collect();
        let at_hand = functions::bring(store, &mut self.0, &named, Limits::default()).await?;
        let evaluator = Evaluator::new(&at_hand.ready, keep_going);
        let mut answers = Answers::default();
        for Question { functions, item } in questions {
            let judged = functions.iter().filter_map(|id| Some((*id, evaluator.judge(id, item)?)));
            let truths: BTreeMap<FunctionId, Truth> = judged.collect();
            if evaluator.timed_out() {
                break;
            }
            answers.given.push(truths);
        }
        answers.unanswered = of_missing(&at_hand.missing);
        add_unanswered(&mut answers.unanswered, of_failed(evaluator.into_failures()));
        Ok(answers)
    }
}

fn of_missing(missing: &BTreeMap<FunctionId, NotAtHand>) -> BTreeMap<FunctionId, Unanswered> {
    missing.iter().map(|(id, why)| (*id, Unanswered { images: 0, because: why.to_string() })).collect()
}

fn of_failed(failed: BTreeMap<FunctionId, Failures>) -> BTreeMap<FunctionId, Unanswered> {
    let told = |Failures { calls, first }| Unanswered { images: calls, because: first.to_string() };
    failed.into_iter().map(|(id, failures)| (id, told(failures))).collect()
}
