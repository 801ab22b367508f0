//! Owns the counting of what became of requests: what a function's metrics are made of.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use evercount_core::order::Micros;
use evercount_pipeline::mutate::Mutated;
use evercount_pipeline::prefetch::PrefetchReport;

use crate::answer::Refusal;

/// What became of requests, and what was fetched ahead of them, since it was taken last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Requests that went on as they came.
    pub passed: u64,
    /// Requests that were carried out here.
    pub carried_out: u64,
    /// Requests that were refused here.
    pub refused: u64,
    /// Requests that came to nothing because the upstream or a store gave no answer.
    pub failed: u64,
    /// Attributes that a table does not have, in requests that were refused for it.
    pub unknown_refused: u64,
    /// Attributes that a table does not have, in requests that were let pass.
    pub unknown_passed: u64,
    /// Reads that were answered with what is kept beside a table.
    pub reads_beside: u64,
    /// Writes of which something went beside a table.
    pub writes_beside: u64,
    /// Mutations by what became of them: [`Mutated::word`], or the word of a refusal.
    pub mutations: BTreeMap<&'static str, u64>,
    /// How long the upstream took, microseconds.
    pub upstream: Micros,
    /// Values of columns to come that sources were asked for ahead.
    pub prefetch_asked: u64,
    /// Of these, what they had.
    pub prefetch_fetched: u64,
    /// Of these, answers that did not come.
    pub prefetch_failed: u64,
    /// How long that took, microseconds.
    pub prefetch_took: Micros,
}

/// The counter.
#[derive(Debug, Default)]
pub(crate) struct Counted(Mutex<Tally>);

impl Counted {
    /// Counts something.
    pub(crate) fn add(&self, add: impl FnOnce(&mut Tally)) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Counts a mutation.
    pub(crate) fn mutated(&self, mutated: &Mutated) {
        self.add(|tally| {
            *tally.mutations.entry(mutated.word()).or_default() += 1;
            let is_beside = mutated.outcome.as_ref().is_ok_and(|decision| decision.row.is_some());
            tally.writes_beside += u64::from(is_beside);
        });
    }

    /// Counts values that were fetched ahead.
    pub(crate) fn fetched_ahead(&self, report: &PrefetchReport) {
        self.add(|tally| {
            tally.prefetch_asked += report.asked;
            tally.prefetch_fetched += report.fetched;
            tally.prefetch_failed += report.failed;
            tally.prefetch_took = tally.prefetch_took.saturating_add(report.took);
        });
    }

    /// Counts what is answered to a request that was not carried out.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        self.add(|tally| match refusal {
            Refusal::Unavailable(_) | Refusal::Internal(_) => tally.failed += 1,
            _ => tally.refused += 1,
        });
    }

    /// What was counted since it was taken last.
    pub(crate) fn take(&self) -> Tally {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
