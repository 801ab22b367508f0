//! Predictions and what belongs to them, in memory.

use std::collections::BTreeMap;

use evercount_core::order::Micros;
use evercount_core::prediction::{ImportKind, Imported, Kind, Learnt, Prediction, ReliabilityPoint};
use evercount_core::schema_change::Subject;

use super::Memory;
use crate::imports;
use crate::ports::{ForecastCommit, ForecastStore, StoreError};

/// Everything about forecasts.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Forecasts {
    /// The predictions that stand now.
    pub current: BTreeMap<Subject, Prediction>,
    /// Those that are past.
    pub past: BTreeMap<(Subject, Micros), Prediction>,
    /// What was learnt.
    pub learnt: Learnt,
    /// How reliable predictions were.
    pub points: BTreeMap<(Micros, Kind, u32), ReliabilityPoint>,
    /// Imported documents.
    pub imports: BTreeMap<(ImportKind, String), Imported>,
}

impl ForecastStore for Memory {
    async fn predictions(&self) -> Result<Vec<Prediction>, StoreError> {
        Ok(self.lock().forecasts.current.values().cloned().collect())
    }

    async fn predictions_of(&self, table: &Subject) -> Result<Vec<Prediction>, StoreError> {
        let state = self.lock();
        let past = state.forecasts.past.iter().filter(|((of, _), _)| of == table).map(|(_, one)| one);
        Ok(past.chain(state.forecasts.current.get(table)).cloned().collect())
    }

    async fn learnt(&self) -> Result<Learnt, StoreError> {
        Ok(self.lock().forecasts.learnt.clone())
    }

    async fn reliability(&self) -> Result<Vec<ReliabilityPoint>, StoreError> {
        Ok(self.lock().forecasts.points.values().cloned().collect())
    }

    async fn commit_forecast(&self, commit: &ForecastCommit) -> Result<(), StoreError> {
        let forecasts = &mut self.lock().forecasts;
        let (from, to) = &commit.prediction;
        let is_as_read = forecasts.current.get(&to.table).map(|one| one.revision) == *from;
        let learnt = commit.learnt.as_ref();
        let is_learnt_as_read = learnt.is_none_or(|(to, _)| forecasts.learnt.revision + 1 == to.revision);
        if !is_as_read || !is_learnt_as_read {
            return Err(StoreError::Conflict);
        }
        forecasts.current.insert(to.table.clone(), to.clone());
        if let Some(past) = &commit.past {
            forecasts.past.insert((past.table.clone(), past.made_at), past.clone());
        }
        if let Some((to, points)) = learnt {
            forecasts.learnt = to.clone();
            forecasts.points.extend(points.iter().map(|point| (point.key(), point.clone())));
        }
        Ok(())
    }

    async fn imports(&self) -> Result<Vec<Imported>, StoreError> {
        Ok(self.lock().forecasts.imports.values().cloned().collect())
    }

    async fn put_import(&self, imported: &Imported) -> Result<(), StoreError> {
        imports::check(imported)?;
        let key = (imported.kind, imported.name.clone());
        self.lock().forecasts.imports.insert(key, imported.clone());
        Ok(())
    }

    async fn remove_import(&self, kind: ImportKind, name: &str) -> Result<bool, StoreError> {
        Ok(self.lock().forecasts.imports.remove(&(kind, name.to_owned())).is_some())
    }
}
