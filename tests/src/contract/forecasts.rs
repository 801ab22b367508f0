//! Rules of a store of predictions.

#![expect(clippy::unwrap_used, reason = "rules of a contract fail by panicking")]

use evercount_core::prediction::{
    Claim, ColumnBelief, ExpectedAt, IMPORT_BYTES_MAX, ImportKind, Imported, Kind, Learnt, Outlook,
    Prediction, Probability, ReliabilityPoint, Standing, Tally,
};
use evercount_core::schema_change::Subject;
use evercount_pipeline::ports::{ForecastCommit, ForecastStore, StoreError};

use super::AT;

fn prediction(table: &str, revision: u64) -> Prediction {
    let said = Probability { p: 0.4, from: 0.3125, to: 0.5 };
    let now = Probability { p: 0.41, ..said };
    let claim = |days, came| Claim { kind: Kind::Any, days, said, now, came };
    let column = ColumnBelief {
        column: "gift\"note".to_owned(),
        typed: Some("TEXT".to_owned()),
        kind: Kind::Add,
        p: 0.7,
        source: "release".to_owned(),
        evidence: "the release `gifts` names it".to_owned(),
        precision: "assumed, not measured: 7 of 10".to_owned(),
        since: AT,
        at: Some(AT + 1),
        until: AT + 2,
        standing: Standing::Refuted,
        came: None,
        counted: Some(false),
        discrepancy: "it has not come".to_owned(),
    };
    let open =
        ColumnBelief { typed: None, at: None, standing: Standing::Open, counted: None, ..column.clone() };
    Prediction {
        table: Subject::new(table),
        made_at: AT,
        ends_at: AT + 5,
        updated_at: AT + 1,
        outlook: Outlook::Claims {
            claims: vec![claim(30, Some(false)), claim(183, None)],
            expected: ExpectedAt { from: None, middle: Some(AT + 9), to: None },
            because: "it is like most tables".to_owned(),
        },
        columns: vec![column, open],
        planned: vec![("gifts".to_owned(), AT + 1)],
        standing: Standing::Confirmed,
        came: Some((AT + 3, "got `x` (S)".to_owned())),
        error: Some(0.6),
        discrepancy: "40 % was said".to_owned(),
        revision,
    }
}

fn unjudged(table: &str, revision: u64) -> Prediction {
    Prediction {
        outlook: Outlook::CannotJudge { because: "it is young".to_owned() },
        columns: Vec::new(),
        planned: Vec::new(),
        standing: Standing::Open,
        came: None,
        error: None,
        discrepancy: String::new(),
        ..prediction(table, revision)
    }
}

fn commit(from: Option<u64>, to: &Prediction) -> ForecastCommit {
    ForecastCommit { prediction: (from, to.clone()), past: None, learnt: None }
}

fn learnt(revision: u64) -> Learnt {
    let trust = [("release".to_owned(), Tally { hits: 1, of: 2 })].into();
    Learnt { surprise_micro: -400_000, confirmed: 1, refuted: 2, trust, updated_at: AT, revision }
}

fn point(days: u32) -> ReliabilityPoint {
    let mut point = ReliabilityPoint::empty(1_767_225_600_000_000, Kind::Any, days);
    point.count(0.4, true, false);
    point
}

fn document(kind: ImportKind, name: &str, text: &str) -> Imported {
    Imported { kind, name: name.to_owned(), at: AT, text: text.to_owned() }
}

/// What was said, what is thought now, and what came.
pub async fn a_prediction_comes_back_as_it_was_written(store: &impl ForecastStore) {
    assert_eq!(store.predictions().await, Ok(Vec::new()));
    assert_eq!(store.learnt().await, Ok(Learnt::default()));
    let (one, other) = (prediction("orders", 1), unjudged("carts", 1));
    store.commit_forecast(&commit(None, &one)).await.unwrap();
    store.commit_forecast(&commit(None, &other)).await.unwrap();
    assert_eq!(store.predictions().await.unwrap(), [other.clone(), one.clone()], "by table");
    assert_eq!(store.predictions_of(&one.table).await.unwrap(), [one]);
    // What a later one lacks does not stay.
    let later = unjudged("orders", 2);
    store.commit_forecast(&commit(Some(1), &later)).await.unwrap();
    assert_eq!(store.predictions().await.unwrap(), [other, later]);
}

/// From the revision that was read, or not at all.
pub async fn a_prediction_is_replaced_only_from_its_revision(store: &impl ForecastStore) {
    let one = prediction("orders", 1);
    store.commit_forecast(&commit(None, &one)).await.unwrap();
    for from in [None, Some(0), Some(2)] {
        let refused = store.commit_forecast(&commit(from, &prediction("orders", 9))).await;
        assert_eq!(refused, Err(StoreError::Conflict), "{from:?}");
    }
    assert_eq!(store.predictions().await.unwrap(), [one]);
    let absent = store.commit_forecast(&commit(Some(1), &prediction("carts", 2))).await;
    assert_eq!(absent, Err(StoreError::Conflict));
}

/// The prediction, what it taught and the points, or none of them.
pub async fn a_forecast_commit_is_all_or_nothing(store: &impl ForecastStore) {
    let one = prediction("orders", 1);
    let lesson = |revision| Some((learnt(revision), vec![point(30), point(183)]));
    let all = ForecastCommit { learnt: lesson(1), ..commit(None, &one) };
    store.commit_forecast(&all).await.unwrap();
    assert_eq!(store.learnt().await.unwrap(), learnt(1));
    assert_eq!(store.reliability().await.unwrap(), [point(30), point(183)]);
    // What was learnt meanwhile is no longer what was read.
    let stale = ForecastCommit { learnt: lesson(1), ..commit(Some(1), &prediction("orders", 2)) };
    assert_eq!(store.commit_forecast(&stale).await, Err(StoreError::Conflict));
    assert_eq!(store.predictions().await.unwrap(), [one]);
    let next = ForecastCommit {
        learnt: Some((learnt(2), vec![point(90)])),
        ..commit(Some(1), &prediction("orders", 2))
    };
    store.commit_forecast(&next).await.unwrap();
    assert_eq!(store.learnt().await.unwrap().revision, 2);
    assert_eq!(store.reliability().await.unwrap(), [point(30), point(90), point(183)], "by days");
}

/// Oldest first, the one that stands last; of other tables none, also of those with names alike.
pub async fn past_predictions_are_kept_with_their_table(store: &impl ForecastStore) {
    let first = prediction("orders", 1);
    store.commit_forecast(&commit(None, &first)).await.unwrap();
    store.commit_forecast(&commit(None, &prediction("orders2", 1))).await.unwrap();
    let second = Prediction { made_at: AT + 10, ..prediction("orders", 2) };
    let moved = ForecastCommit { past: Some(first.clone()), ..commit(Some(1), &second) };
    store.commit_forecast(&moved).await.unwrap();
    assert_eq!(store.predictions_of(&first.table).await.unwrap(), [first, second.clone()]);
    assert_eq!(store.predictions().await.unwrap(), [second, prediction("orders2", 1)]);
}

/// By kind and name; one of the same is replaced, by a shorter one too.
pub async fn documents_come_back_as_they_were_given(store: &impl ForecastStore) {
    let long = "at,table,event,column,type\n".repeat(20_000);
    let history = document(ImportKind::History, "shop.csv", &long);
    let plan = document(ImportKind::ReleasesCsv, "plan.csv", "date,feature,tables,columns\n");
    for one in [&history, &plan] {
        store.put_import(one).await.unwrap();
    }
    assert_eq!(store.imports().await.unwrap(), [plan.clone(), history]);
    let shorter = Imported { at: AT + 1, ..document(ImportKind::History, "shop.csv", "at") };
    store.put_import(&shorter).await.unwrap();
    assert_eq!(store.imports().await.unwrap(), [plan.clone(), shorter]);
    assert_eq!(store.remove_import(ImportKind::History, "shop.csv").await, Ok(true));
    assert_eq!(store.remove_import(ImportKind::History, "shop.csv").await, Ok(false));
    assert_eq!(store.imports().await.unwrap(), [plan]);
}

/// Nothing is cut short: what is too long is refused, and the limit is named.
pub async fn a_document_beyond_the_limits_is_rejected(store: &impl ForecastStore) {
    let large = document(ImportKind::History, "shop.csv", &"x".repeat(IMPORT_BYTES_MAX + 1));
    let unnamed = document(ImportKind::Flags, "", "[]");
    let odd = document(ImportKind::Flags, "a#b", "[]");
    for one in [large, unnamed, odd] {
        let refused = store.put_import(&one).await;
        assert!(matches!(refused, Err(StoreError::Rejected(_))), "{refused:?}");
    }
    assert_eq!(store.imports().await, Ok(Vec::new()));
}
