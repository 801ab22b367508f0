//! A run that dies at any store call, before it or after it, and is run again: what is stored in the end is
//! what is stored without.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use evercount_core::change::TableName;
use evercount_core::order::Micros;
use evercount_core::prediction::{ImportKind, Imported, Learnt, Prediction, ReliabilityPoint};
use evercount_core::schema_change::Subject;
use evercount_core::shadow::ShadowSchema;
use evercount_forecast::history::Seconds;
use evercount_forecast::trained::Model;
use evercount_pipeline::forecast::{Warm, run};
use evercount_pipeline::memory::{Forecasts, Memory};
use evercount_pipeline::ports::{
    DayOfUse, ForecastCommit, ForecastStore, ShadowSchemaStore, StoreError, UsageStore, Used,
};

use super::history::{START, register, shop};

const DAY: Seconds = 86_400;

/// When a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    /// Nothing was done.
    Before,
    /// It was done, and the reply was lost.
    After,
}

/// A store that dies once.
struct Dying<'a> {
    store: &'a Memory,
    calls: AtomicUsize,
    dies: Option<(usize, When)>,
}

impl Dying<'_> {
    async fn call<T>(&self, does: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let place = self.calls.fetch_add(1, Ordering::Relaxed);
        let dead = || Err(StoreError::Unavailable("the process died".to_owned()));
        match self.dies {
            Some((at, When::Before)) if at == place => dead(),
            Some((at, When::After)) if at == place => {
                does.await?;
                dead()
            }
            _ => does.await,
        }
    }
}

impl ForecastStore for Dying<'_> {
    async fn predictions(&self) -> Result<Vec<Prediction>, StoreError> {
        self.call(self.store.predictions()).await
    }

    async fn predictions_of(&self, table: &Subject) -> Result<Vec<Prediction>, StoreError> {
        self.call(self.store.predictions_of(table)).await
    }

    async fn learnt(&self) -> Result<Learnt, StoreError> {
        self.call(self.store.learnt()).await
    }

    async fn reliability(&self) -> Result<Vec<ReliabilityPoint>, StoreError> {
        self.call(self.store.reliability()).await
    }

    async fn commit_forecast(&self, commit: &ForecastCommit) -> Result<(), StoreError> {
        self.call(self.store.commit_forecast(commit)).await
    }

    async fn imports(&self) -> Result<Vec<Imported>, StoreError> {
        self.call(self.store.imports()).await
    }

    async fn put_import(&self, imported: &Imported) -> Result<(), StoreError> {
        self.call(self.store.put_import(imported)).await
    }

    async fn remove_import(&self, kind: ImportKind, name: &str) -> Result<bool, StoreError> {
        self.call(self.store.remove_import(kind, name)).await
    }
}

impl ShadowSchemaStore for Dying<'_> {
    async fn shadow_schemas(&self) -> Result<Vec<ShadowSchema>, StoreError> {
        self.call(self.store.shadow_schemas()).await
    }

    async fn shadow_schema(&self, table: &TableName) -> Result<Option<ShadowSchema>, StoreError> {
        self.call(self.store.shadow_schema(table)).await
    }

    async fn replace_shadow_schema(&self, from: Option<u64>, to: &ShadowSchema) -> Result<(), StoreError> {
        self.call(self.store.replace_shadow_schema(from, to)).await
    }
}

impl UsageStore for Dying<'_> {
    async fn add_usage(
        &self,
        table: &TableName,
        used: &BTreeMap<String, Used>,
        at: Micros,
    ) -> Result<(), StoreError> {
        self.call(self.store.add_usage(table, used, at)).await
    }

    async fn usage(&self, table: &TableName) -> Result<Vec<DayOfUse>, StoreError> {
        self.call(self.store.usage(table)).await
    }
}

/// Everything that a forecaster writes.
type Written = (Forecasts, BTreeMap<TableName, ShadowSchema>);

/// A year and a half, looked at six times, by runs of which one dies. Returns what is stored in the end, and
/// how many calls there were.
async fn lived(dies: Option<(usize, When)>) -> (Written, usize) {
    let (store, shop, model) = (Memory::default(), shop(6), Model::shipped().unwrap());
    let text = "date,feature,tables,columns\n2022-11-20,tax,orders,orders.extra_36:N\n2022-12-01,no,orders,orders.no:N\n";
    let plan = Imported { kind: ImportKind::ReleasesCsv, name: "plan".into(), at: 0, text: text.into() };
    store.put_import(&plan).await.unwrap();
    let dying = Dying { store: &store, calls: AtomicUsize::new(0), dies };
    let mut known = 0;
    for day in [1_000, 1_050, 1_140, 1_200, 1_400, 1_500] {
        let now = START + day * DAY;
        register(&store, &shop, known, now).await;
        known = now;
        let mut runs = 0;
        while run(&store, &dying, &model, &mut Warm::default(), now * 1_000_000).await.is_err() {
            runs += 1;
            assert!(runs < 3, "it does not get any further: {dies:?}");
        }
    }
    let written = store.inspect(|state| (state.forecasts.clone(), state.shadow_schemas.clone()));
    (written, dying.calls.into_inner())
}

#[tokio::test]
async fn a_run_that_dies_at_any_call_is_gone_on_with_as_if_it_had_not() {
    let (whole, calls) = lived(None).await;
    let (forecasts, shadows) = &whole;
    assert!(forecasts.past.len() >= 3 && !forecasts.points.is_empty() && calls > 40, "{calls} {whole:#?}");
    assert_eq!(forecasts.learnt.trust["release"].of, 2);
    let states: Vec<(&str, &str)> = shadows[&TableName::new("orders")]
        .columns
        .iter()
        .map(|(name, column)| (name.as_str(), column.state.name()))
        .collect();
    assert_eq!(states, [("extra_36", "arrived"), ("no", "given up")]);
    for place in 0..calls {
        for when in [When::Before, When::After] {
            let (torn, _) = lived(Some((place, when))).await;
            assert_eq!(torn, whole, "died at call {place}, {when:?}");
        }
    }
}
