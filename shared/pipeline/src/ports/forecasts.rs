//! What the forecaster's step needs of the world. Whoever shows predictions reads them through the same.

use std::future::Future;

use evercount_core::prediction::{ImportKind, Imported, Learnt, Prediction, ReliabilityPoint};
use evercount_core::schema_change::Subject;

use super::StoreError;

/// What one transaction writes about one table's prediction.
#[derive(Clone, PartialEq, Debug)]
pub struct ForecastCommit {
    /// The prediction that stands from now on, where the stored one's revision is that of `from`; `None`
    /// where there is none.
    pub prediction: (Option<u64>, Prediction),
    /// The one that stood until now, where another window begins.
    pub past: Option<Prediction>,
    /// What was learnt, from the stored revision (0 where nothing is stored), with the points that follow
    /// from the same claims. All writers of points write what was learnt, so they need no condition of their
    /// own.
    pub learnt: Option<(Learnt, Vec<ReliabilityPoint>)>,
}

/// Predictions, what was learnt from them, and the documents they are made from.
pub trait ForecastStore: Sync {
    /// The predictions that stand now, one for each table, by table (consistent read).
    fn predictions(&self) -> impl Future<Output = Result<Vec<Prediction>, StoreError>> + Send;

    /// All predictions of a table, the past ones too, oldest first.
    fn predictions_of(
        &self,
        table: &Subject,
    ) -> impl Future<Output = Result<Vec<Prediction>, StoreError>> + Send;

    /// What was learnt; nothing, where nothing was (consistent read).
    fn learnt(&self) -> impl Future<Output = Result<Learnt, StoreError>> + Send;

    /// How reliable predictions were, by month, kind and days.
    fn reliability(&self) -> impl Future<Output = Result<Vec<ReliabilityPoint>, StoreError>> + Send;

    /// Executes a commit: all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the stored prediction or what was learnt is not of the revision that
    /// the commit goes on from.
    fn commit_forecast(&self, commit: &ForecastCommit)
    -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The imported documents, by kind and name.
    fn imports(&self) -> impl Future<Output = Result<Vec<Imported>, StoreError>> + Send;

    /// Keeps a document; one of the same kind and name is replaced.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] where its name or length is beyond the limits.
    fn put_import(&self, imported: &Imported) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets a document. Returns whether it was there.
    fn remove_import(
        &self,
        kind: ImportKind,
        name: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
