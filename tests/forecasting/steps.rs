//! What a run writes, and what it does not write twice.

use evercount_core::change::TableName;
use evercount_core::order::Micros;
use evercount_core::prediction::{ImportKind, Imported, Outlook, Prediction, Standing, Tally};
use evercount_core::schema_change::Subject;
use evercount_forecast::history::Seconds;
use evercount_forecast::trained::Model;
use evercount_pipeline::forecast::{ForecastReport, Warm, run};
use evercount_pipeline::imports::USAGE_OF_PROXY;
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{ForecastStore, ShadowSchemaStore, UsageStore, Used};

use super::history::{START, register, shop};

const DAY: Seconds = 86_400;

async fn forecast(store: &Memory, at: Seconds) -> ForecastReport {
    run(store, store, &Model::shipped().unwrap(), &mut Warm::default(), at * 1_000_000).await.unwrap()
}

async fn of(store: &Memory, table: &str) -> Prediction {
    let all = store.predictions_of(&Subject::new(table)).await.unwrap();
    all.last().unwrap().clone()
}

fn plan(text: &str, at: Micros) -> Imported {
    Imported { kind: ImportKind::ReleasesCsv, name: "plan.csv".to_owned(), at, text: text.to_owned() }
}

#[tokio::test]
async fn a_run_writes_predictions_and_the_same_run_again_writes_nothing() {
    let (store, shop) = (Memory::default(), shop(4));
    let now = START + 1_000 * DAY;
    register(&store, &shop, 0, now).await;
    let first = forecast(&store, now).await;
    assert_eq!((first.tables, first.made, first.revised, first.open), (3, 3, 0, 3), "{first:?}");
    let before = store.inspect(|state| state.forecasts.clone());
    let again = forecast(&store, now).await;
    assert_eq!((again.made, again.revised, again.settled.len()), (0, 0, 0));
    assert_eq!(store.inspect(|state| state.forecasts.clone()), before);
    let (orders, countries) = (of(&store, "orders").await, of(&store, "countries").await);
    let p = |one: &Prediction| one.headline().unwrap().said.p;
    assert!(p(&orders) > 2.0 * p(&countries), "{} {}", orders.summary(), countries.summary());
    assert!(orders.summary().starts_with("orders changes within 183 days with"), "{}", orders.summary());
}

#[tokio::test]
async fn too_little_of_a_past_is_said_to_be() {
    let (store, shop) = (Memory::default(), shop(2));
    register(&store, &shop, 0, START + 10 * DAY).await;
    forecast(&store, START + 10 * DAY).await;
    let orders = of(&store, "orders").await;
    assert!(matches!(&orders.outlook, Outlook::CannotJudge { because } if because.contains("half a year")));
    // As soon as it can be said, it is.
    register(&store, &shop, START + 10 * DAY, START + 200 * DAY).await;
    let report = forecast(&store, START + 200 * DAY).await;
    assert_eq!(report.made, 3);
    let all = store.predictions_of(&Subject::new("orders")).await.unwrap();
    assert_eq!((all.len(), all[1].claims().len()), (2, 12));
    // What it was before: a table whose imported past is long enough.
    let text = "at,table,event,column,type\n1400000000,young,create_table,id,INT\n1500000000,young,add_column,x,INT\n";
    let past = Imported { kind: ImportKind::History, name: "old".to_owned(), at: 0, text: text.to_owned() };
    store.put_import(&past).await.unwrap();
    let report = forecast(&store, START + 201 * DAY).await;
    assert_eq!(report.tables, 3, "what only an import knows is not kept");
}

#[tokio::test]
async fn a_year_is_predicted_settled_and_learnt_from() {
    let (store, shop) = (Memory::default(), shop(6));
    let began = START + 1_000 * DAY;
    register(&store, &shop, 0, began).await;
    let releases = "date,feature,tables,columns\n2022-11-20,tax,orders,orders.extra_36:N\n2022-11-01,never,orders,orders.never:N\nx\n";
    store.put_import(&plan(releases, 0)).await.unwrap();
    let (mut settled, mut left_out) = (Vec::new(), Vec::new());
    for week in 0..60 {
        let now = began + week * 7 * DAY;
        register(&store, &shop, now - 7 * DAY, now).await;
        let report = forecast(&store, now).await;
        settled.extend(report.settled);
        left_out = report.left_out;
    }
    assert_eq!(left_out.len(), 1, "{left_out:?}");
    let table = |name: &str| -> Vec<Standing> {
        let of = |one: &&evercount_pipeline::forecast::Settled| {
            &*one.table.to_string() == name && one.column.is_none()
        };
        settled.iter().filter(of).map(|one| one.standing).collect()
    };
    assert!(table("orders").iter().all(|one| *one == Standing::Confirmed), "{settled:#?}");
    assert!(table("countries").iter().all(|one| *one == Standing::Refuted), "{settled:#?}");
    let column =
        |name: &str| settled.iter().find(|one| one.column.as_ref().is_some_and(|(column, _)| column == name));
    let (tax, never) = (column("extra_36").unwrap(), column("never").unwrap());
    assert_eq!((tax.standing, never.standing), (Standing::Confirmed, Standing::Refuted));
    let learnt = store.learnt().await.unwrap();
    assert_eq!(learnt.trust["release"], Tally { hits: 1, of: 2 });
    assert_eq!(learnt.confirmed + learnt.refuted, 6, "three tables, two windows: {learnt:?}");
    let points = store.reliability().await.unwrap();
    let (brier, error) = evercount_pipeline::forecast::reliability(&points).unwrap();
    assert!((0.0..0.5).contains(&brier) && error.abs() < 0.8, "{brier} {error}");
    let said: u64 = points.iter().map(|point| point.total().n).sum();
    let all: usize = store.inspect(|state| {
        let past = state.forecasts.past.values().chain(state.forecasts.current.values());
        past.flat_map(|one| one.claims().to_vec()).filter(|claim| claim.came.is_some()).count()
    });
    assert_eq!(said, all as u64, "each claim that came to its end is in one point");
}

#[tokio::test]
async fn what_the_proxy_was_asked_for_becomes_a_candidate_and_fades() {
    let (store, shop) = (Memory::default(), shop(4));
    let now = START + 1_000 * DAY;
    register(&store, &shop, 0, now).await;
    let orders = TableName::new("orders");
    let asked = |name: &str, reads, writes| (name.to_owned(), Used { reads, writes });
    let told = [asked("gift", 8, 4), asked("typo", 1, 1), asked("orders_0", 50, 0)].into();
    store.add_usage(&orders, &told, (now - DAY) * 1_000_000).await.unwrap();
    // Another proxy hands a document over.
    let text = r#"{"unknown": [{"table": "carts", "attribute": "note", "requests": 40, "days": 7}]}"#;
    let (kind, name) = (ImportKind::Usage, USAGE_OF_PROXY.to_owned());
    let usage = Imported { kind, name, at: now * 1_000_000, text: text.to_owned() };
    store.put_import(&usage).await.unwrap();
    forecast(&store, now).await;
    let requested = |one: &Prediction| -> Vec<(String, String, Standing)> {
        let requested = one.columns.iter().filter(|column| column.source == "requested");
        requested.map(|one| (one.column.clone(), one.evidence.clone(), one.standing)).collect()
    };
    let gift = |evidence: &str, standing| vec![("gift".to_owned(), evidence.to_owned(), standing)];
    // A typing mistake is none, and neither is a column that the table has.
    let expected = gift("it was asked for 12 times in 2 days", Standing::Open);
    assert_eq!(requested(&of(&store, "orders").await), expected);
    let carts = requested(&of(&store, "carts").await);
    assert_eq!((carts.len(), carts[0].0.as_str()), (1, "note"));
    let shadow = store.shadow_schema(&orders).await.unwrap().unwrap();
    assert_eq!(shadow.columns.keys().collect::<Vec<_>>(), ["gift"]);
    // Two months on, nobody has asked again.
    forecast(&store, now + 60 * DAY).await;
    let expected = gift("it was asked for 12 times in 2 days", Standing::Expired);
    assert_eq!(requested(&of(&store, "orders").await), expected);
    let shadow = store.shadow_schema(&orders).await.unwrap().unwrap();
    assert_eq!(shadow.columns["gift"].state.name(), "given up");
}
