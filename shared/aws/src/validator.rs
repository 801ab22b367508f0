//! Owns a shadow validator's invocation, as [`crate::counter`] owns a counter's: the Lambda function
//! and the local runner both run exactly this.
//!
//! It is invoked on a schedule, and may be invoked by anything that takes new evidence for a reason
//! to look; what the payload says is nothing to it. What it does is stored as it goes, so an
//! invocation may end anywhere.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercount_core::definition::DefinitionName;
use evercount_core::logic::{Catalog, LogicState, PlanId};
use evercount_core::order::Micros;
use evercount_pipeline::adapt::{AdaptOptions, Adapted};
use evercount_pipeline::alert::{self, Alerts};
use evercount_pipeline::maintain::{self, Draining};
use evercount_pipeline::ports::{SourceTable, Store, StoreError};

use crate::analyzer::log_adjustment;
use crate::counter::stop_at;
use crate::metrics::Metrics;

/// What an invocation did, and what it found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ValidateReport {
    /// Rounds over all definitions: more than one where there was more to walk, and time.
    pub rounds: u32,
    /// The adjustments that were touched, each as it stands now.
    pub adapted: Adapted,
    /// Alerts that were raised.
    pub told: usize,
    /// Versions counted beside the active one.
    pub shadows: usize,
    /// Versions that stand by for a rollback.
    pub standbys: usize,
    /// Versions that are no longer counted, and whose rows have not all gone over yet.
    pub draining: usize,
}

/// Why an invocation failed: what was not done is done by the next one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ValidateError {
    /// The store did not answer, or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Definitions could not be taken further; all others were.
    #[error("{} could not be taken further: {}", list(.0), .0.first().map(|(_, why)| why.to_string()).unwrap_or_default())]
    Definitions(Vec<(DefinitionName, StoreError)>),
    /// An alert could not be delivered.
    #[error("an alert could not be delivered: {0}")]
    Alert(StoreError),
}

fn list(failed: &[(DefinitionName, StoreError)]) -> String {
    let names: Vec<String> = failed.iter().map(|(name, _)| format!("`{name}`")).collect();
    names.join(", ")
}

/// Told of every invocation that could look.
pub type ValidateHook = Arc<dyn Fn(&ValidateReport) + Send + Sync>;

/// Validates new versions, again and again.
pub struct Validator<S, T, A> {
    store: S,
    source: T,
    alerts: A,
    options: AdaptOptions,
    clock: fn() -> Micros,
    metrics: Option<Metrics>,
    hook: Option<ValidateHook>,
    draining: Mutex<Draining>,
}

impl<S, T, A> fmt::Debug for Validator<S, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator")
            .field("options", &self.options)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

impl<S: Store + Send, T: SourceTable, A: Alerts> Validator<S, T, A> {
    /// A validator. `clock` gives the time in microseconds since the epoch.
    #[must_use]
    pub fn new(store: S, source: T, alerts: A, options: AdaptOptions, clock: fn() -> Micros) -> Self {
        let draining = Mutex::default();
        Self { store, source, alerts, options, clock, metrics: None, hook: None, draining }
    }

    /// Writes a line of metrics to standard output for every invocation.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Reports every invocation to `hook`.
    #[must_use]
    pub fn with_report(mut self, hook: ValidateHook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Looks at every definition, and goes on with what is half walked while there is time.
    /// `deadline` is when the invocation must have ended, microseconds since the epoch.
    ///
    /// # Errors
    /// [`ValidateError`], once everything else was done.
    pub async fn handle(&self, deadline: Micros) -> Result<ValidateReport, ValidateError> {
        let stop_at = stop_at((self.clock)(), deadline);
        let mut report = ValidateReport::default();
        let mut draining = std::mem::take(&mut *self.lock());
        let rounds = Box::pin(self.rounds(&mut report, &mut draining, stop_at)).await;
        *self.lock() = draining;
        // Boxed, as all of it: with the store's calls inside, the futures are large and deep.
        let told = Box::pin(self.raise(&mut report)).await;
        let looked = Box::pin(self.look(&mut report)).await;
        self.tell(&report);
        rounds?;
        looked?;
        told.map_err(ValidateError::Alert)?;
        match report.adapted.failed.clone() {
            failed if failed.is_empty() => Ok(report),
            failed => Err(ValidateError::Definitions(failed)),
        }
    }

    async fn rounds(
        &self,
        report: &mut ValidateReport,
        draining: &mut Draining,
        stop_at: Micros,
    ) -> Result<(), StoreError> {
        let mut visited: BTreeMap<PlanId, u64> = BTreeMap::new();
        loop {
            let now = (self.clock)();
            let round = maintain::run_from(&self.store, &self.source, draining, self.options, now);
            let adapted = Box::pin(round).await?;
            report.rounds += 1;
            adapted.adjustments.iter().filter(|one| one.updated_at == now).for_each(log_adjustment);
            let mut is_walking = false;
            for one in adapted.adjustments.iter().filter(|one| !one.progress.done) {
                let before = visited.insert(one.plan.id.clone(), one.progress.visited).unwrap_or(0);
                is_walking |= one.progress.visited > before;
            }
            // Each as it stands now; and what befell any of them is told, as is what a cut showed.
            let Adapted { alerts, negative, mut adjustments, .. } = std::mem::take(&mut report.adapted);
            adjustments.retain(|one| adapted.adjustments.iter().all(|now| now.plan.id != one.plan.id));
            report.adapted = Adapted { alerts, negative, adjustments, ..Adapted::default() };
            report.adapted.add(adapted);
            let now = (self.clock)();
            match report.adapted.resumes_at {
                _ if now >= stop_at => return Ok(()),
                _ if is_walking => {}
                // The budget is by the second, and the schedule by the minute.
                Some(due) if due < stop_at => {
                    let wait = u64::try_from(due.saturating_sub(now)).unwrap_or(0);
                    tokio::time::sleep(Duration::from_micros(wait)).await;
                }
                _ => return Ok(()),
            }
        }
    }

    async fn raise(&self, report: &mut ValidateReport) -> Result<(), StoreError> {
        let now = (self.clock)();
        let due = alert::due(&self.store, now).await?;
        report.told = alert::tell(&self.store, &self.alerts, &due, now).await?.len();
        Ok(())
    }

    /// Counts the versions by what they are at.
    async fn look(&self, report: &mut ValidateReport) -> Result<(), StoreError> {
        let versions = self.store.versions().await?;
        let of = |state: LogicState| versions.iter().filter(|one| one.state == state).count();
        (report.shadows, report.standbys) = (of(LogicState::Shadow), of(LogicState::Standby));
        let catalog = Catalog::new(0, versions.iter().cloned(), []);
        report.draining = catalog.tables().map(|table| catalog.draining_of(table).len()).sum();
        Ok(())
    }

    /// Says what became of an invocation.
    fn tell(&self, report: &ValidateReport) {
        tracing::info!(
            rounds = report.rounds,
            adjustments = report.adapted.adjustments.len(),
            shadows = report.shadows,
            standbys = report.standbys,
            draining = report.draining,
            alerts = report.told,
            failed = report.adapted.failed.len(),
            "versions validated"
        );
        if report.adapted.negative > 0 {
            let negative = report.adapted.negative;
            tracing::error!(
                negative,
                "groups hold less than nothing: changes were missed, and an audit finds them"
            );
        }
        for (definition, error) in &report.adapted.failed {
            tracing::error!(%definition, %error, "a definition could not be taken further");
        }
        if let Some(metrics) = &self.metrics {
            println!("{}", metrics.validated(report, (self.clock)()));
        }
        if let Some(hook) = &self.hook {
            hook(report);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Draining> {
        self.draining.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use evercount_core::adoption::PlanOutcome;
    use evercount_core::group::Cell;
    use evercount_core::lane::LaneId;
    use evercount_core::logic::Coverage;
    use evercount_pipeline::alert::MemoryAlerts;
    use evercount_pipeline::memory::Memory;
    use evercount_pipeline::ports::{CatalogStore, NoSource};
    use evercount_pipeline::publish::Mishap;
    use evercount_pipeline::{adapt, define};
    use evercount_wire::definition::{DefinitionParts, build};

    use super::*;

    const NOW: Micros = 1_000_000_000_000_000;
    const OPTIONS: AdaptOptions = AdaptOptions::BARE;

    fn definition(group_by: &[&str]) -> evercount_core::definition::CountDefinition {
        let parts = DefinitionParts {
            name: "orders".to_owned(),
            table: "orders".to_owned(),
            group_by: group_by.iter().map(|path| (*path).to_owned()).collect(),
            ..DefinitionParts::default()
        };
        build(parts).unwrap()
    }

    #[tokio::test]
    async fn what_was_planned_is_taken_over_and_what_it_replaced_stands_by() {
        let store = Memory::default();
        define::create(&store, definition(&["status", "channel"]), Coverage::Whole, 1).await.unwrap();
        adapt::redefine(&store, &NoSource, definition(&["status"]), OPTIONS, NOW).await.unwrap().unwrap();
        let validator = Validator::new(store, NoSource, Arc::<MemoryAlerts>::default(), OPTIONS, || NOW + 1);
        let report = validator.handle(NOW + 30_000_000).await.unwrap();
        assert_eq!((report.shadows, report.standbys, report.draining, report.told), (0, 1, 0, 0));
        let versions = validator.store.versions().await.unwrap();
        let states: Vec<_> = versions.iter().map(|one| one.state).collect();
        assert_eq!(states, [LogicState::Standby, LogicState::Active]);
    }

    #[tokio::test]
    async fn a_count_below_zero_is_told_and_a_lane_below_zero_is_none() {
        let store = Memory::default();
        let version = define::create(&store, definition(&["status"]), Coverage::Whole, 1).await.unwrap();
        let cells_of = |lane: &str, n: i64| {
            let lane = LaneId::of_shard("orders-cdc", lane);
            ((version.id.clone(), lane, 0), [(Cell::Overflow, n)].into())
        };
        store.tamper(|state| state.cells.extend([cells_of("shardId-0", -2), cells_of("shardId-1", 2)]));
        let validator =
            |store, now| Validator::new(store, NoSource, Arc::<MemoryAlerts>::default(), OPTIONS, now);
        let sound = validator(store, || NOW + 1);
        assert_eq!(sound.handle(NOW + 30_000_000).await.unwrap().adapted.negative, 0);
        sound.store.tamper(|state| state.cells.extend([cells_of("shardId-1", 1)]));
        let wrong = validator(sound.store, || NOW + 2 + maintain::CUT_EVERY);
        assert_eq!(wrong.handle(NOW + 30_000_000 + maintain::CUT_EVERY).await.unwrap().adapted.negative, 1);
    }

    #[tokio::test]
    async fn an_invocation_fails_until_its_alert_is_delivered() {
        let store = Memory::default();
        define::create(&store, definition(&["status", "channel"]), Coverage::Whole, 1).await.unwrap();
        adapt::redefine(&store, &NoSource, definition(&["status"]), OPTIONS, NOW).await.unwrap().unwrap();
        store.tamper(|state| {
            for one in state.adjustments.values_mut() {
                one.outcome = PlanOutcome::Reverted;
                one.verdict = Some("taken back: planted".to_owned());
            }
        });
        let alerts: Arc<MemoryAlerts> = Arc::default();
        let validator = Validator::new(store, NoSource, alerts.clone(), OPTIONS, || NOW + 1);
        for mishap in [Mishap::CutAfter(0), Mishap::Refused] {
            alerts.expect(mishap);
            let failed = validator.handle(NOW + 30_000_000).await;
            assert!(matches!(failed, Err(ValidateError::Alert(_))), "{failed:?}");
        }
        assert_eq!(validator.handle(NOW + 30_000_000).await.unwrap().told, 1);
        assert_eq!(validator.handle(NOW + 30_000_000).await.unwrap().told, 0);
        assert_eq!(alerts.alerts().len(), 1);
    }
}
