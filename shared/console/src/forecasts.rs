//! Forecasts: how probable schema changes are, which columns are held ready, how good what was said was, and
//! what to count ahead.
//!
//! What the forecaster keeps is shown as it is kept. A table that it has not come to yet is forecast as it
//! would, and nothing is written.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use evercount_core::schema_change::Subject;
use evercount_forecast::trained::{Model, Part};
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::ports::SourceTable;
use evercount_pipeline::{advise, outlook};
use evercount_view::{
    AdviceDoc, BinDoc, HistoryDoc, LearntDoc, MonthDoc, ShadowSchemaDoc, TableOutlook, notes, time,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::console::{ConsoleStore, Served};
use crate::problem::Problem;

/// What is forecast.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Outlooks {
    /// When it was said.
    pub at: String,
    /// The tables.
    pub tables: Vec<TableOutlook>,
    /// Columns that are held ready, by table.
    pub shadow: Vec<ShadowSchemaDoc>,
    /// How reliable the predictions here were, by the month in which they came to their end.
    pub reliability: Vec<MonthDoc>,
    /// What was learnt from those.
    pub learnt: LearntDoc,
    /// How good such forecasts were for projects that the model had not seen.
    pub measured: Vec<MeasuredDoc>,
    /// What of imported documents could not be read.
    pub left_out: Vec<String>,
}

/// What is forecast of one table, what was, and what came.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct TableStory {
    /// When it was said.
    pub at: String,
    /// What is said now.
    pub now: TableOutlook,
    /// What was said before, oldest first.
    pub past: Vec<TableOutlook>,
    /// What happened to its schema, oldest first.
    pub happened: Vec<HistoryDoc>,
    /// Columns that are held ready; null where none ever was.
    #[schema(required)]
    pub shadow: Option<ShadowSchemaDoc>,
}

/// What to count ahead.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Advices {
    /// What saves most for its price first.
    pub advice: Vec<AdviceDoc>,
    /// Why there is no advice on something.
    pub notes: Vec<String>,
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

fn model() -> Result<&'static Model, Problem> {
    let model = MODEL.get_or_init(|| Model::shipped().ok()).as_ref();
    model.ok_or_else(|| {
        Problem::conflict("the model that is shipped cannot be read", "install evercount anew")
    })
}

async fn basis<S, T, D>(served: &Served<S, T, D>) -> Result<outlook::Basis, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    // Whoever comes while it is loaded waits, and finds the versions at hand.
    let mut warm = served.memory.warm.lock().await;
    Ok(outlook::load(&served.store, &served.store, &mut warm, served.now()).await?)
}

/// What is said of each table now, and what of imported documents could not be read.
async fn all<S, T, D>(served: &Served<S, T, D>) -> Result<(Vec<TableOutlook>, Vec<String>), Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let store = &served.store;
    let predictions = store.predictions().await?;
    let mut tables: BTreeMap<String, TableOutlook> =
        predictions.iter().map(|one| (one.table.to_string(), TableOutlook::stored(one))).collect();
    let subjects = store.subjects().await?;
    let mut left_out = Vec::new();
    if subjects.iter().any(|state| !tables.contains_key(state.subject.as_str())) {
        let basis = basis(served).await?;
        let now = served.now() / 1_000_000;
        for forecast in basis.forecast(model()?, now) {
            // A table that only an imported history knows is nobody's here.
            if subjects.iter().any(|state| state.subject.as_str() == &*forecast.table) {
                let anew = || TableOutlook::of(&forecast, now);
                tables.entry(forecast.table.to_string()).or_insert_with(anew);
            }
        }
        left_out = basis.left_out;
    }
    Ok((tables.into_values().collect(), left_out))
}

fn unknown(wanted: &str, tables: &[TableOutlook]) -> Problem {
    let known = tables.iter().map(|one| one.table.as_str());
    Problem::unknown("table", wanted, known, "GET /api/v1/forecasts")
}

/// What is forecast, of one table or of all.
pub async fn list<S, T, D>(served: &Served<S, T, D>, table: Option<&str>) -> Result<Outlooks, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let store = &served.store;
    let (mut tables, left_out) = all(served).await?;
    let mut shadow = store.shadow_schemas().await?;
    if let Some(wanted) = table {
        if !tables.iter().any(|one| one.table == wanted) {
            return Err(unknown(wanted, &tables));
        }
        tables.retain(|one| one.table == wanted);
        shadow.retain(|one| one.table.as_str() == wanted);
    }
    Ok(Outlooks {
        at: time(served.now()),
        tables,
        shadow: shadow.iter().map(ShadowSchemaDoc::from).collect(),
        reliability: store.reliability().await?.iter().map(MonthDoc::from).collect(),
        learnt: LearntDoc::from(&store.learnt().await?),
        measured: model()?.parts.iter().map(MeasuredDoc::from).collect(),
        left_out,
    })
}

/// What is forecast of one table, what was, and what came.
pub async fn one<S, T, D>(served: &Served<S, T, D>, table: &str) -> Result<TableStory, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let store = &served.store;
    let (tables, _) = all(served).await?;
    let Some(now) = tables.iter().find(|one| one.table == table).cloned() else {
        return Err(unknown(table, &tables));
    };
    let subject = Subject::new(table);
    let since = now.kept.as_ref().map(|kept| kept.made_at.clone());
    let past = store.predictions_of(&subject).await?;
    let past = past.iter().map(TableOutlook::stored);
    let past = past.filter(|one| one.kept.as_ref().map(|kept| &kept.made_at) != since.as_ref()).collect();
    let happened = store.history(&subject).await?;
    let shadow = store.shadow_schema(&subject).await?;
    Ok(TableStory {
        at: time(served.now()),
        now,
        past,
        happened: happened.iter().map(HistoryDoc::from).collect(),
        shadow: shadow.as_ref().map(ShadowSchemaDoc::from),
    })
}

/// What to count ahead.
pub async fn advice<S, T, D>(served: &Served<S, T, D>) -> Result<Advices, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let forecasts = basis(served).await?.forecast(model()?, served.now() / 1_000_000);
    let advised = advise::run(&served.store, &served.source, &forecasts, &BTreeMap::new()).await?;
    Ok(Advices { advice: AdviceDoc::all(&advised), notes: notes(&advised) })
}
