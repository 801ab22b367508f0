//! Answers that are kept while nothing was written, and tags by which whoever asks again is spared them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::OnceCell;

use crate::assets::{has, tag};
use crate::console::Console;
use crate::live::Pulse;
use crate::problem::Problem;

/// How long an answer stands at most: some of it (how long ago something was) moves without a write.
const LIFE: Duration = Duration::from_secs(10);
/// Answers kept beside each other; with more, all are dropped.
const ANSWERS_MAX: usize = 256;
/// Longest answer, bytes: a function URL gives out 6 MB.
const ANSWER_MAX: usize = 6_000_000;
/// What is never kept: it moves by itself.
const MOVING: [&str; 2] = ["/api/v1/health", "/api/v1/audits"];

#[derive(Clone)]
struct Kept {
    pulse: Pulse,
    made: Instant,
    cell: Arc<OnceCell<(Bytes, HeaderValue)>>,
}

/// Answers by what was asked.
#[derive(Clone)]
pub struct Answers {
    console: Arc<dyn Console>,
    kept: Arc<Mutex<HashMap<String, Kept>>>,
}

impl Answers {
    /// None yet.
    pub fn new(console: Arc<dyn Console>) -> Self {
        Self { console, kept: Arc::default() }
    }

    fn cell(&self, asked: String, pulse: Pulse) -> Arc<OnceCell<(Bytes, HeaderValue)>> {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ANSWERS_MAX && !all.contains_key(&asked) {
            all.clear();
        }
        let new = || Kept { pulse, made: Instant::now(), cell: Arc::default() };
        let kept = all.entry(asked).or_insert_with(new);
        if kept.pulse != pulse || kept.made.elapsed() > LIFE {
            *kept = new();
        }
        kept.cell.clone()
    }
}

/// Answers a question from what is kept, or asks, once for all who ask the same.
pub async fn answer(State(answers): State<Answers>, request: Request, next: Next) -> Response {
    if *request.method() != Method::GET {
        return next.run(request).await;
    }
    let headers = request.headers().clone();
    let path = request.uri().path();
    let asked = request.uri().path_and_query().map_or(path, |asked| asked.as_str()).to_owned();
    let cell = if MOVING.contains(&path) {
        Arc::default()
    } else {
        match answers.console.pulse().await {
            Ok(pulse) => answers.cell(asked, pulse),
            Err(problem) => return problem.into_response(),
        }
    };
    let made = cell.get_or_try_init(async || {
        let response = next.run(request).await;
        if response.status() != StatusCode::OK {
            return Err(response);
        }
        let bytes = axum::body::to_bytes(response.into_body(), ANSWER_MAX).await.map_err(|_| {
            Problem::bad("the answer is longer than 6 MB", "ask for less: `limit` and `offset`")
                .into_response()
        })?;
        let tag = tag(&bytes);
        Ok((bytes, tag))
    });
    match made.await {
        Ok((bytes, tag)) => told(&headers, bytes.clone(), tag.clone()),
        Err(response) => response,
    }
}

fn told(headers: &HeaderMap, bytes: Bytes, tag: HeaderValue) -> Response {
    let again = HeaderValue::from_static("no-cache");
    let kept = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, again)];
    if has(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (kept, kind, Body::from(bytes)).into_response()
}

/// What the framework answers by itself, as text, becomes a problem like all others.
pub async fn compose(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
    if !(status.is_client_error() || status.is_server_error()) || is_problem {
        return response;
    }
    Problem::new(status, "the request cannot be read", "`GET /api/v1/openapi.json` says what is expected")
        .into_response()
}
