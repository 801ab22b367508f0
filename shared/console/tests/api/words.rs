//! Words of a person: what a dry run says is what is done, and it does nothing.

use std::sync::Arc;

use axum::http::StatusCode;
use evercount_console::{Console, Hosts, router};
use serde_json::{Value, json};

use crate::described;
use crate::seed::{get, post, send_to, shop};

struct Page(axum::Router);

impl Page {
    async fn open(writes: bool) -> Self {
        let console: Arc<dyn Console> = shop(writes).await;
        Self(router(console, Hosts::Loopback))
    }

    async fn ask(&self, path: &str) -> Value {
        let answer = send_to(&self.0, get(path)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.json()
    }

    async fn say(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = send_to(&self.0, post(path, &body.to_string())).await;
        described::holds(path, "post", answer.status.as_u16(), &answer.json());
        (answer.status.as_u16(), answer.json())
    }

    async fn plan(&self) -> Value {
        let plans = self.ask("/api/v1/plans").await;
        self.ask(&format!("/api/v1/plans/{}", plans["plans"][0]["id"].as_str().unwrap())).await
    }
}

#[tokio::test]
async fn a_plan_is_approved_taken_over_and_taken_back() {
    let page = Page::open(true).await;
    let before = page.plan().await;
    let outcome = before["plan"]["outcome"].as_str().unwrap().to_owned();
    if outcome == "awaiting_approval" {
        let action = &before["actions"][0];
        let path = action["path"].as_str().unwrap();
        let (_, dry) = page.say(path, json!({"dry_run": true})).await;
        assert_eq!((&dry["will"], &dry["done"]), (&action["will"], &Value::Null));
        assert_eq!(page.plan().await["plan"]["outcome"], before["plan"]["outcome"], "a dry run does nothing");
        let (status, done) = page.say(path, json!({"revision": before["revision"]})).await;
        assert_eq!(status, 200, "{done}");
        assert!(done["done"].is_string());
        let (status, again) = page.say(path, json!({"revision": before["revision"]})).await;
        assert_eq!(status, 409, "{again}");
    }
    let watched = page.plan().await;
    let named = |story: &Value, name: &str| {
        story["actions"].as_array().unwrap().iter().find(|one| one["action"] == name).cloned()
    };
    if let Some(promote) = named(&watched, "promote") {
        let (status, done) = page.say(promote["path"].as_str().unwrap(), json!({})).await;
        assert_eq!(status, 200, "{done}");
    }
    let promoted = page.plan().await;
    let rollback = named(&promoted, "rollback").unwrap_or_else(|| panic!("no rollback: {promoted:#}"));
    let (_, dry) = page.say(rollback["path"].as_str().unwrap(), json!({"dry_run": true})).await;
    assert_eq!(dry["will"], rollback["will"]);
    let (status, done) = page.say(rollback["path"].as_str().unwrap(), json!({})).await;
    assert_eq!(status, 200, "{done}");
    assert_eq!(page.plan().await["plan"]["outcome"], "reverted");
    let (status, none) = page.say("/api/v1/counts/by_status/rollback", json!({})).await;
    assert_eq!(status, 409, "{none}");
}

#[tokio::test]
async fn a_plan_is_rejected_once() {
    let page = Page::open(true).await;
    let id = page.plan().await["plan"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/plans/{id}/reject");
    let (status, stale) = page.say(&path, json!({"revision": 4_000})).await;
    assert_eq!(status, 409, "{stale}");
    let (status, done) = page.say(&path, json!({})).await;
    assert_eq!((status, &done["plan"]["outcome"]), (200, &json!("rejected")), "{done}");
    assert_eq!(page.say(&path, json!({})).await.0, 409);
}

#[tokio::test]
async fn words_that_fit_nothing_are_refused() {
    let page = Page::open(true).await;
    let id = page.plan().await["plan"]["id"].as_str().unwrap().to_owned();
    for (path, body, status) in [
        (format!("/api/v1/plans/{id}/approve"), json!({"choice": 7}), vec![400, 409]),
        ("/api/v1/plans/none/approve".to_owned(), json!({}), vec![404]),
        ("/api/v1/counts/by_status/versions/9/promote".to_owned(), json!({}), vec![404]),
        ("/api/v1/counts/by_status/versions/1/promote".to_owned(), json!({}), vec![409]),
        ("/api/v1/counts/none/rollback".to_owned(), json!({}), vec![404]),
        ("/api/v1/backfills/pause".to_owned(), json!({"count": "by_note"}), vec![409]),
        ("/api/v1/backfills/resume".to_owned(), json!({"count": "none"}), vec![404]),
        ("/api/v1/audits".to_owned(), json!({"count": "none"}), vec![404]),
        ("/api/v1/audits".to_owned(), json!({"count": "by_note", "sample": 0.0}), vec![400]),
        ("/api/v1/audits".to_owned(), json!({"count": "by_note", "sample": -1e300}), vec![400]),
        ("/api/v1/quarantine/none/replay".to_owned(), json!({}), vec![400]),
    ] {
        let (told, problem) = page.say(&path, body).await;
        assert!(status.contains(&told), "{path}: {problem}");
    }
}

#[tokio::test]
async fn a_record_that_is_still_poison_stays() {
    let page = Page::open(true).await;
    let path = "/api/v1/quarantine/orders-cdc%2FshardId-000000000000%234711/replay";
    let (_, dry) = page.say(path, json!({"dry_run": true})).await;
    assert_eq!((&dry["done"], &dry["kept"]), (&json!(false), &json!([])));
    let (status, done) = page.say(path, json!({})).await;
    assert_eq!((status, done["kept"].as_array().unwrap().len()), (200, 1), "{done}");
    assert_eq!(page.ask("/api/v1/quarantine").await["total"], json!(1));
}

#[tokio::test]
async fn an_audit_goes_on_after_its_answer_and_is_told_of() {
    let page = Page::open(true).await;
    let (status, begun) = page.say("/api/v1/audits", json!({"count": "by_note"})).await;
    assert_eq!(status, 200, "{begun}");
    for _ in 0..200 {
        let audits = page.ask("/api/v1/audits").await;
        if audits["audits"][0]["state"] != "running" {
            assert_eq!(audits["audits"][0]["state"], "done", "{audits}");
            assert_eq!(audits["audits"][0]["rows"], json!(12));
            assert_eq!(audits["audits"][0]["found"]["differing"], json!({}));
            assert_eq!(page.ask("/api/v1/health").await["last_audit"]["rows"], json!(12));
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the audit does not end");
}

#[tokio::test]
async fn where_nothing_may_be_written_a_word_does_nothing_and_its_dry_run_still_tells() {
    let page = Page::open(false).await;
    let id = page.plan().await["plan"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/plans/{id}/reject");
    assert_eq!(page.say(&path, json!({"dry_run": true})).await.0, 200);
    let (status, problem) = page.say(&path, json!({})).await;
    assert_eq!(status, 403);
    assert!(problem["fix"].as_str().unwrap().contains("--target aws"));
    assert_eq!(page.say("/api/v1/quarantine/replay", json!({})).await.0, 403);
}
