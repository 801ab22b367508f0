//! The API on the in-memory store: every question, every word, every refusal.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod described;
mod guarded;
mod seed;
mod words;

use axum::http::{Request, StatusCode, header};
use seed::{SCRIPT, get, send, send_to, shop};
use serde_json::{Value, json};

async fn asked(path: &str) -> Value {
    let answer = send(shop(true).await, get(path)).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    described::holds(path, "get", 200, &answer.json());
    answer.json()
}

#[tokio::test]
async fn counts_are_listed_and_read_by_group() {
    let counts = asked("/api/v1/counts").await;
    let names: Vec<&str> =
        counts["counts"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["by_note", "by_status"]);
    assert_eq!(counts["counts"][1]["total"], json!(12));
    let count = asked("/api/v1/counts/by_note?limit=2&sort=key&offset=1").await;
    assert_eq!((&count["groups_total"], &count["next"]), (&json!(6), &json!(3)));
    assert_eq!(count["groups"].as_array().unwrap().len(), 2);
    let found = asked("/api/v1/counts/by_note?search=SCRIPT").await;
    assert_eq!(found["groups"], json!([{"key": {"note": SCRIPT}, "n": 1}]));
    let then = asked("/api/v1/counts/by_note?as_of=2026-11-28T21:30:00Z").await;
    assert_eq!(then["total"], json!(12), "{then}");
    assert!(then["as_of"]["cut_at"].is_string());
}

#[tokio::test]
async fn a_series_is_of_cuts_and_ends_now() {
    let series = asked("/api/v1/counts/by_note/series").await;
    let points = series["points"].as_array().unwrap();
    assert_eq!(points.len(), 4, "{series}");
    assert!(points.windows(2).all(|two| two[0]["at"].as_str() < two[1]["at"].as_str()));
}

#[tokio::test]
async fn every_other_question_has_an_answer_as_it_is_described() {
    for path in [
        "/api/v1/target",
        "/api/v1/counts/by_status/versions",
        "/api/v1/plans",
        "/api/v1/plans?count=by_status&open=true",
        "/api/v1/schemas",
        "/api/v1/schemas/orders",
        "/api/v1/schemas/orders?version=1",
        "/api/v1/schemas/orders/versions",
        "/api/v1/schemas/orders/diff",
        "/api/v1/schemas/orders/diff?from=2&to=1",
        "/api/v1/schemas/orders/history",
        "/api/v1/schemas/orders/lineage",
        "/api/v1/schemas/orders/cardinality?hours=1",
        "/api/v1/quarantine",
        "/api/v1/quarantine?limit=0",
        "/api/v1/backfills",
        "/api/v1/audits",
        "/api/v1/forecasts",
        "/api/v1/forecasts/orders",
        "/api/v1/advice",
        "/api/v1/health",
    ] {
        asked(path).await;
    }
    let diff = asked("/api/v1/schemas/orders/diff").await;
    assert_eq!(diff["summary"]["added"], json!(1), "{diff}");
}

#[tokio::test]
async fn what_the_forecaster_keeps_is_shown_with_what_came_of_it() {
    let all = asked("/api/v1/forecasts").await;
    let orders = &all["tables"][0];
    assert_eq!((&orders["kept"]["state"], &orders["chances"][0]["said"][0]), (&json!("open"), &json!(0.4)));
    assert_eq!(all["shadow"][0]["columns"][0]["default"], json!(false));
    assert_eq!((&all["reliability"][0]["came"], &all["learnt"]["confirmed"]), (&json!(1), &json!(1)));
    assert_eq!(all["learnt"]["evidence"]["release"], json!({"came": 1, "of": 2}));
    let story = asked("/api/v1/forecasts/orders").await;
    let past = story["past"].as_array().unwrap();
    assert_eq!((past.len(), &past[0]["chances"][0]["came"]), (1, &json!(true)), "{story}");
    assert_eq!(story["happened"].as_array().unwrap().len(), 2);
    assert_eq!(story["shadow"]["columns"][0]["state"], json!("expected"));
    let advice = asked("/api/v1/advice").await;
    assert!(advice["notes"][0].as_str().unwrap().contains("--bytes orders=BYTES"), "{advice}");
}

#[tokio::test]
async fn the_last_audit_stands_whoever_ran_it() {
    let audits = asked("/api/v1/audits").await;
    let found = &audits["audits"][0]["found"];
    assert_eq!((&found["differing"]["stale"], &found["clean"]), (&json!(1), &json!(false)), "{audits}");
    let health = asked("/api/v1/health").await;
    assert_eq!(health["last_audit"]["count"], json!("by_status"));
    assert_eq!(health["never_audited"], json!(["by_note"]));
}

#[tokio::test]
async fn a_plan_is_a_story_with_what_can_be_done() {
    let plans = asked("/api/v1/plans").await;
    let id = plans["plans"][0]["id"].as_str().unwrap();
    let story = asked(&format!("/api/v1/plans/{id}")).await;
    assert_eq!(story["plan"]["count"], json!("by_status"));
    let actions: Vec<&str> =
        story["actions"].as_array().unwrap().iter().map(|one| one["action"].as_str().unwrap()).collect();
    assert!(actions.contains(&"reject"), "{story}");
    assert!(!story["class_words"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn what_a_record_holds_stays_text() {
    let record = asked("/api/v1/quarantine/orders-cdc%2FshardId-000000000000%234711").await;
    assert!(record["raw_base64"].as_str().unwrap().starts_with("PHNjcmlwdD5"));
    let answer = send(shop(true).await, get("/api/v1/schemas/orders")).await;
    assert!(answer.text.contains(SCRIPT), "it is shown as it is");
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_that_names_the_fix() {
    for (path, status, fix) in [
        ("/api/v1/counts/by_statu", 404, "did you mean `by_status`?"),
        ("/api/v1/counts/by_statu/series", 404, "did you mean"),
        ("/api/v1/counts/zzz/versions", 404, "GET /api/v1/counts"),
        ("/api/v1/counts/by_status?version=9", 404, "it has 1"),
        ("/api/v1/counts/by_status?as_of=soon", 400, "ISO 8601"),
        ("/api/v1/counts/by_status?as_of=2027-01-01T00:00:00Z", 400, "leave `as_of` out"),
        ("/api/v1/counts/by_status?as_of=2026-01-01T00:00:00Z", 404, "later time"),
        ("/api/v1/counts/by_status?sort=worst", 400, "openapi.json"),
        ("/api/v1/counts/by_status?limit=-1", 400, "openapi.json"),
        ("/api/v1/counts/%ff", 400, "openapi.json"),
        ("/api/v1/plans/nothing", 404, "GET /api/v1/plans"),
        ("/api/v1/plans?count=by_statu", 404, "did you mean"),
        ("/api/v1/schemas/order", 404, "did you mean `orders`?"),
        ("/api/v1/schemas/orders?version=9", 404, "current one is 2"),
        ("/api/v1/schemas/orders/diff?to=1", 400, "as `from`"),
        ("/api/v1/schemas/orders/diff?from=8", 404, "current one is 2"),
        ("/api/v1/quarantine/no", 400, "GET /api/v1/quarantine"),
        ("/api/v1/quarantine/lane%231", 404, "GET /api/v1/quarantine"),
        ("/api/v1/forecasts?table=zzz", 404, "GET /api/v1/forecasts"),
        ("/api/v1/forecasts/order", 404, "did you mean `orders`?"),
        ("/api/v1/nothing", 404, "openapi.json"),
    ] {
        let answer = send(shop(true).await, get(path)).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{path}");
        let problem = answer.json();
        assert!(problem["fix"].as_str().unwrap().contains(fix), "{path}: {problem}");
        assert_eq!(problem["status"], json!(status));
    }
}

#[tokio::test]
async fn an_answer_that_still_stands_is_not_sent_again() {
    let router = evercount_console::router(shop(true).await, evercount_console::Hosts::Loopback);
    let first = send_to(&router, get("/api/v1/counts")).await;
    let tag = first.headers[header::ETAG].clone();
    let again = |tag: &axum::http::HeaderValue| {
        Request::get("/api/v1/counts")
            .header(header::HOST, "localhost:1")
            .header(header::IF_NONE_MATCH, tag)
            .body(axum::body::Body::empty())
            .unwrap()
    };
    let second = send_to(&router, again(&tag)).await;
    assert_eq!((second.status, second.text.as_str()), (StatusCode::NOT_MODIFIED, ""));
    let plans = send_to(&router, get("/api/v1/plans")).await.json();
    let id = plans["plans"][0]["id"].as_str().unwrap();
    let rejected = send_to(&router, seed::post(&format!("/api/v1/plans/{id}/reject"), "{}")).await;
    assert_eq!(rejected.status, StatusCode::OK, "{}", rejected.text);
    let third = send_to(&router, again(&tag)).await;
    assert_eq!(third.status, StatusCode::OK, "what was changed from here is seen at once");
    assert_eq!(third.json()["counts"][1]["open_plans"], json!([]));
}
