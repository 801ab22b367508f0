//! What a forecast is made from, loaded for whoever asks now and writes nothing: the registry, what was
//! imported, and what was learnt from predictions that came to their end.

use evercount_core::order::Micros;
use evercount_forecast::candidates::Trust;
use evercount_forecast::history::{History, Seconds};
use evercount_forecast::online::Adjustment;
use evercount_forecast::predict::{Question, TableForecast, predict};
use evercount_forecast::settle::{adjustment, trust};
use evercount_forecast::signals::Signals;
use evercount_forecast::trained::Model;
use evercount_forecast::units::HORIZONS;

use crate::forecast::{Warm, load_history, load_usage, read_imports};
use crate::ports::{ForecastStore, RegistryStore, StoreError, UsageStore};

/// What a forecast is made from.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Basis {
    /// What happened.
    pub history: History,
    /// Releases, experiments and requests.
    pub signals: Signals,
    /// How often that was right.
    pub trust: Trust,
    /// What was learnt from predictions since.
    pub adjustment: Adjustment,
    /// What of imported documents could not be read.
    pub left_out: Vec<String>,
}

impl Basis {
    /// Forecasts every table there is.
    #[must_use]
    pub fn forecast(&self, model: &Model, now: Seconds) -> Vec<TableForecast> {
        let (adjustment, signals, trust) = (self.adjustment, &self.signals, &self.trust);
        predict(&self.history, &Question { now, horizons: &HORIZONS, model, adjustment, signals, trust })
    }
}

/// What a forecast is made from at a time, as the forecaster takes it.
///
/// # Errors
/// Whatever the stores answer.
pub async fn load<R: RegistryStore, F: ForecastStore + UsageStore>(
    registry: &R,
    store: &F,
    warm: &mut Warm,
    now: Micros,
) -> Result<Basis, StoreError> {
    let mut known = read_imports(&store.imports().await?, now);
    let history = load_history(registry, warm, &known.histories, now).await?;
    known.signals.usage.unknown.extend(load_usage(store, warm, now).await?);
    let learnt = store.learnt().await?;
    Ok(Basis {
        history,
        signals: known.signals,
        trust: trust(&learnt),
        adjustment: adjustment(&learnt),
        left_out: known.left_out,
    })
}
