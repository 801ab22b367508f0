//! Forecasts: how probable schema changes are, and which columns may come or go.

use std::sync::OnceLock;

use evercount_forecast::candidates::Trust;
use evercount_forecast::online::Adjustment;
use evercount_forecast::predict::{Question, predict};
use evercount_forecast::registry;
use evercount_forecast::signals::Signals;
use evercount_forecast::trained::Model;
use evercount_forecast::units::HORIZONS;
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::kept;
use evercount_pipeline::ports::{RegistryStore, SourceTable, Store};
use evercount_view::{TableOutlook, time};
use serde::Serialize;
use utoipa::ToSchema;

use crate::console::Served;
use crate::problem::Problem;

/// What is forecast.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Outlooks {
    /// When it was said.
    pub at: String,
    /// The tables.
    pub tables: Vec<TableOutlook>,
}

/// The model that is shipped, read once.
static MODEL: OnceLock<Option<Model>> = OnceLock::new();

/// What is forecast, of one table or of all.
pub async fn list<S, T, D>(served: &Served<S, T, D>, table: Option<&str>) -> Result<Outlooks, Problem>
where
    S: Store + RegistryStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let at = served.now();
    let mut versions = Vec::new();
    for state in served.store.subjects().await? {
        versions.extend(kept::versions(&served.store, &state.subject, at).await?);
    }
    let history = registry::history("registry", &versions);
    let Some(model) = MODEL.get_or_init(|| Model::shipped().ok()) else {
        return Err(Problem::conflict("the model that is shipped cannot be read", "install evercount anew"));
    };
    let now = at / 1_000_000;
    let (signals, trust, adjustment) = (Signals::default(), Trust::default(), Adjustment::default());
    let question = Question { now, horizons: &HORIZONS, model, adjustment, signals: &signals, trust: &trust };
    let mut forecasts = predict(&history, &question);
    if let Some(wanted) = table {
        if !forecasts.iter().any(|one| &*one.table == wanted) {
            let known = forecasts.iter().map(|one| &*one.table);
            return Err(Problem::unknown("table", wanted, known, "GET /api/v1/forecasts"));
        }
        forecasts.retain(|one| &*one.table == wanted);
    }
    Ok(Outlooks { at: time(at), tables: forecasts.iter().map(|one| TableOutlook::of(one, now)).collect() })
}
