//! Forecasts: how probable schema changes are, and which columns may come or go.

use std::sync::OnceLock;

use evercount_forecast::candidates::Trust;
use evercount_forecast::online::Adjustment;
use evercount_forecast::predict::{Question, predict};
use evercount_forecast::registry;
use evercount_forecast::signals::Signals;
use evercount_forecast::trained::{Model, Part};
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
    /// How good such forecasts were for projects that the model had not seen.
    pub measured: Vec<MeasuredDoc>,
}

/// What was said in a range of probabilities, and what came.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct BinDoc {
    /// Forecasts in it.
    pub n: u64,
    /// Their mean probability.
    pub said: f64,
    /// The share of them that came true.
    pub came: f64,
}

/// How good forecasts of a kind of change within some days were.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct MeasuredDoc {
    /// The kind: `any`, `add`, `drop`, `retype`.
    pub kind: String,
    /// Within so many days.
    pub days: u32,
    /// Forecasts that were judged.
    pub forecasts: u64,
    /// The share of them where a change came.
    pub base_rate: f64,
    /// The mean squared distance of the probability from what came; lower is better.
    pub brier: f64,
    /// That of saying the same share of all.
    pub brier_of_base_rate: f64,
    /// How often what changed had the higher probability of two.
    pub auc: f64,
    /// The mean distance of what was said from what came.
    pub calibration_error: f64,
    /// Points of a reliability diagram; ranges without forecasts are left out.
    pub reliability: Vec<BinDoc>,
}

impl From<&Part> for MeasuredDoc {
    fn from(part: &Part) -> Self {
        let measured = &part.measured;
        let any = measured.bins.iter().filter(|bin| bin.n > 0);
        Self {
            kind: part.target.kind.name().to_owned(),
            days: part.target.days,
            forecasts: measured.rows,
            base_rate: measured.base_rate,
            brier: measured.brier,
            brier_of_base_rate: measured.brier_of_base_rate,
            auc: measured.auc,
            calibration_error: measured.ece,
            reliability: any.map(|bin| BinDoc { n: bin.n, said: bin.said, came: bin.came }).collect(),
        }
    }
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
    Ok(Outlooks {
        at: time(at),
        tables: forecasts.iter().map(|one| TableOutlook::of(one, now)).collect(),
        measured: model.parts.iter().map(MeasuredDoc::from).collect(),
    })
}
