//! Owns a schema forecaster's invocation, as [`crate::counter`] owns a counter's: the Lambda function and the
//! local runner both run exactly this.
//!
//! It is invoked on a schedule, and may be invoked by anything. What it does is stored as it goes, so an
//! invocation may end anywhere. Nothing is trained in it: the model is shipped.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use evercount_core::order::Micros;
use evercount_core::prediction::Standing;
use evercount_forecast::trained::Model;
use evercount_pipeline::forecast::{self, ForecastReport, Settled, Warm};
use evercount_pipeline::ports::{ForecastStore, RegistryStore, ShadowSchemaStore, StoreError, UsageStore};

use crate::metrics::Metrics;

pub use evercount_forecast::trained::ModelError;

/// Told of every invocation that went through.
pub type ForecastHook = Arc<dyn Fn(&ForecastReport) + Send + Sync>;

/// Predicts, and judges what was predicted, again and again.
pub struct Forecaster<S> {
    store: S,
    model: Model,
    clock: fn() -> Micros,
    metrics: Option<Metrics>,
    hook: Option<ForecastHook>,
    warm: Mutex<Warm>,
}

impl<S> fmt::Debug for Forecaster<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forecaster").field("metrics", &self.metrics).finish_non_exhaustive()
    }
}

impl<S: RegistryStore + ForecastStore + ShadowSchemaStore + UsageStore> Forecaster<S> {
    /// A forecaster with the model that is shipped. `clock` gives the time in microseconds since the epoch.
    ///
    /// # Errors
    /// [`ModelError`] where the model cannot be read.
    pub fn new(store: S, clock: fn() -> Micros) -> Result<Self, ModelError> {
        let model = Model::shipped()?;
        Ok(Self { store, model, clock, metrics: None, hook: None, warm: Mutex::default() })
    }

    /// Writes a line of metrics to standard output for every invocation.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Reports every invocation to `hook`.
    #[must_use]
    pub fn with_report(mut self, hook: ForecastHook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Judges, learns and predicts, as of now.
    ///
    /// # Errors
    /// Whatever the store answers; the next invocation goes on from there.
    pub async fn handle(&self) -> Result<ForecastReport, StoreError> {
        let now = (self.clock)();
        let mut warm = std::mem::take(&mut *self.lock());
        // Boxed: with the store's calls inside, the future is large.
        let run = Box::pin(forecast::run(&self.store, &self.store, &self.model, &mut warm, now)).await;
        *self.lock() = warm;
        let report = run?;
        self.tell(&report, now);
        Ok(report)
    }

    /// Says what became of an invocation.
    fn tell(&self, report: &ForecastReport, now: Micros) {
        report.settled.iter().for_each(log_settled);
        for (table, column, state) in &report.shadowed {
            tracing::info!(%table, column, state, "shadow schema changed");
        }
        for left_out in &report.left_out {
            tracing::warn!(left_out, "part of an imported document cannot be read");
        }
        let reliability = report.reliability();
        tracing::info!(
            tables = report.tables,
            made = report.made,
            revised = report.revised,
            settled = report.settled.len(),
            open = report.open,
            brier = reliability.map(|(brier, _)| brier),
            bias = reliability.map(|(_, bias)| bias),
            "schemas forecast"
        );
        if let Some(metrics) = &self.metrics {
            println!("{}", metrics.forecast(report, now));
        }
        if let Some(hook) = &self.hook {
            hook(report);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Warm> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line for each prediction that came or came to its end, with how it differs from what was said.
fn log_settled(settled: &Settled) {
    let Settled { table, column, standing, error, discrepancy } = settled;
    let (column, source) = match column {
        Some((column, source)) => (Some(column.as_str()), Some(source.as_str())),
        None => (None, None),
    };
    let state = standing.name();
    match standing {
        Standing::Confirmed | Standing::Open => {
            tracing::info!(%table, column, source, state, error, discrepancy, "prediction settled");
        }
        Standing::Refuted | Standing::Expired => {
            tracing::warn!(%table, column, source, state, error, discrepancy, "prediction settled");
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use evercount_pipeline::memory::Memory;

    use super::*;

    #[tokio::test]
    async fn an_invocation_tells_what_it_did_and_of_reliability_only_once_there_is_some() {
        let told = Arc::new(AtomicUsize::new(0));
        let hook = told.clone();
        let forecaster = Forecaster::new(Memory::default(), || 1_000_000_000_000_000).unwrap().with_report(
            Arc::new(move |report| {
                hook.fetch_add(1 + report.tables, Ordering::Relaxed);
            }),
        );
        let report = forecaster.handle().await.unwrap();
        assert_eq!((told.load(Ordering::Relaxed), report.reliability()), (1, None));
        let metrics = Metrics { namespace: "evercount".to_owned(), service: "schema-forecaster".to_owned() };
        let line = metrics.forecast(&report, 0);
        assert!(line.contains("tables_forecast") && !line.contains("forecast_brier"), "{line}");
    }
}
