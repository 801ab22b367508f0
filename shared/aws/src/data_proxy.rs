//! Owns a data proxy's invocation, as [`crate::counter`] owns a counter's: what a function URL makes of a request,
//! answered as [`evercount_proxy::Proxy`] answers it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use evercount_core::change::TableName;
use evercount_core::order::Micros;
use evercount_core::shadow::prefetch::{BOUNDS_DEFAULT, PrefetchBounds};
use evercount_pipeline::arrive::{self, Arriving};
use evercount_pipeline::ports::{ShadowPassStore, SourceTable, StoreError, UsageStore};
use evercount_pipeline::prefetch::{self, Places};
use evercount_proxy::Proxy;
use evercount_proxy::answer::Refusal;
use evercount_proxy::proxy::{ProxyStore, ProxyTable};
use evercount_proxy::upstream::Upstream;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Method, Request, Response};
use serde::{Deserialize, Serialize};

use crate::metrics::Metrics;
use crate::sources::{Sources, WaysOut};

/// Longest body of an answer, in bytes. Lambda takes 6 MB of an invocation
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>), in which the body is as base64, a
/// third longer, beside the headers.
pub const ANSWER_BYTES_MAX: usize = 4_600_000;

/// How often it is stored what was asked for and is not there, microseconds: an instance does nothing between
/// invocations, so one of them waits for it.
const USAGE_PAUSE: Micros = 10_000_000;

/// So much of an invocation's time is left when no further page of values is begun, microseconds: a page is a
/// hundred rows, each read and written.
const PAGE_MICROS: Micros = 15_000_000;

/// How long a table is left alone that was gone through to fetch values ahead, microseconds: to go through it
/// reads all of it.
const PASS_PAUSE: Micros = 3_600_000_000;

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// It is neither what a function URL sends nor what the schedule does.
    #[error("this is not what a function URL sends, nor `{{\"look_after\": true}}`: {0}")]
    Unknown(serde_json::Error),
    /// What is kept beside tables could not be looked after; the next invocation goes on.
    #[error("what is kept beside tables could not be looked after: {0}")]
    Store(#[from] StoreError),
}

/// What the schedule says.
#[derive(Deserialize)]
struct Scheduled {
    look_after: bool,
}

/// What an invocation is answered with.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub enum Answered {
    /// A request was answered.
    Request(LambdaFunctionUrlResponse),
    /// What is kept beside tables was looked after: of so many tables something was done.
    LookedAfter {
        /// How many.
        tables: usize,
    },
}

/// Answers the requests of a function URL.
#[derive(Debug)]
pub struct DataProxy<U, S, T> {
    proxy: Proxy<U, S, T>,
    clock: fn() -> Micros,
    stored_at: AtomicI64,
    ways_out: Option<WaysOut>,
    places: Mutex<Places>,
    metrics: Option<Metrics>,
}

impl<U: Upstream, S: ProxyStore + ShadowPassStore + UsageStore, T: ProxyTable + SourceTable>
    DataProxy<U, S, T>
{
    /// A proxy behind a function URL. `clock` gives the time in microseconds since the epoch.
    #[must_use]
    pub fn new(proxy: Proxy<U, S, T>, clock: fn() -> Micros) -> Self {
        Self {
            proxy,
            clock,
            stored_at: AtomicI64::new(0),
            ways_out: None,
            places: Mutex::default(),
            metrics: None,
        }
    }

    /// Writes a line of metrics to standard output for every request, and for values that were fetched ahead.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Fetches values of columns to come ahead as well, by these ways out.
    #[must_use]
    pub fn with_sources(mut self, ways_out: WaysOut) -> Self {
        self.ways_out = Some(ways_out);
        self
    }

    /// Answers an invocation, which is JSON and must have ended at `deadline`, microseconds since the epoch: a
    /// request of a function URL, or a schedule's, upon which columns that have arrived are noticed and
    /// their values moved into the tables.
    ///
    /// # Errors
    /// [`InvocationError`] where it is neither, or the stores do not answer the latter.
    pub async fn handle(&self, invocation: &[u8], deadline: Micros) -> Result<Answered, InvocationError> {
        match serde_json::from_slice(invocation) {
            Ok(event) => Ok(Answered::Request(self.answer(event).await)),
            Err(error) => match serde_json::from_slice(invocation) {
                Ok(Scheduled { look_after: true }) => Box::pin(self.look_after(deadline)).await,
                _ => Err(InvocationError::Unknown(error)),
            },
        }
    }

    /// Moves what has arrived, page by page, for as long as there is time, and fetches ahead in the time that is
    /// left. What is left to do is the next invocation's.
    async fn look_after(&self, deadline: Micros) -> Result<Answered, InvocationError> {
        let (store, table) = (self.proxy.store(), self.proxy.table());
        let stamps = |name: &TableName| self.proxy.options().mutations.of(name).stamps;
        let mut seen = BTreeSet::new();
        loop {
            let now = (self.clock)();
            let turn = Box::pin(arrive::turn(store, store, table, stamps, 1, now)).await?;
            let mut is_more = false;
            for (name, how) in turn {
                is_more |= matches!(how, Arriving::Page(_));
                tracing::info!(table = %name, ?how, "what is kept beside a table was looked after");
                seen.insert(name);
            }
            if !is_more || deadline.saturating_sub((self.clock)()) < PAGE_MICROS {
                break;
            }
        }
        let fetched = Box::pin(self.fetch_ahead(deadline, &mut seen)).await;
        self.tell_metrics();
        fetched?;
        Ok(Answered::LookedAfter { tables: seen.len() })
    }

    /// Fetches values of columns to come ahead.
    async fn fetch_ahead(&self, deadline: Micros, seen: &mut BTreeSet<TableName>) -> Result<(), StoreError> {
        let Some(ways_out) = &self.ways_out else { return Ok(()) };
        let time = deadline.saturating_sub((self.clock)()).saturating_sub(PAGE_MICROS);
        let bounds = PrefetchBounds { time: time.clamp(0, BOUNDS_DEFAULT.time), ..BOUNDS_DEFAULT };
        let sources = Sources::new(self.proxy.table(), ways_out);
        let lock = || self.places.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is invoked meanwhile begins anew, and passes over what this one has fetched.
        let mut places = std::mem::take(&mut *lock());
        let (store, table) = (self.proxy.store(), self.proxy.table());
        let turn = prefetch::turn(store, table, &sources, &mut places, bounds, PASS_PAUSE, self.clock).await;
        *lock() = places;
        for (name, ran) in turn? {
            match ran {
                Ok(report) if report.asked > 0 => {
                    self.proxy.fetched_ahead(&report);
                    let (asked, fetched, failed) = (report.asked, report.fetched, report.failed);
                    let because = sources.take_failure();
                    tracing::info!(table = %name, asked, fetched, failed, because, "values were fetched ahead");
                    seen.insert(name);
                }
                Ok(_) => {}
                // Of one table, nothing is fetched; the others have theirs.
                Err(error) => tracing::warn!(table = %name, %error, "no values could be fetched ahead"),
            }
        }
        Ok(())
    }

    async fn answer(&self, event: LambdaFunctionUrlRequest) -> LambdaFunctionUrlResponse {
        let answer = match request(event) {
            // Boxed, as what is stored below: with the calls of stores inside, futures are large.
            Ok(request) => Box::pin(self.proxy.handle(request)).await,
            Err(refusal) => refusal.answer(),
        };
        Box::pin(self.store_usage()).await;
        self.tell_metrics();
        response(answer)
    }

    fn tell_metrics(&self) {
        let tally = self.proxy.take_tally();
        let line = self.metrics.as_ref().and_then(|metrics| metrics.proxied(&tally, (self.clock)()));
        line.iter().for_each(|line| println!("{line}"));
    }

    /// Stores what was asked for and is not there, where that is due.
    async fn store_usage(&self) {
        let now = (self.clock)();
        let stored_at = self.stored_at.load(Ordering::Relaxed);
        let is_due = !(0..USAGE_PAUSE).contains(&now.saturating_sub(stored_at));
        if !is_due || self.proxy.usage().is_empty() {
            return;
        }
        self.stored_at.store(now, Ordering::Relaxed);
        if let Err(error) = self.proxy.usage().store(self.proxy.store(), now).await {
            tracing::warn!(%error, "what was asked for could not be stored");
        }
    }
}

/// The request that a function URL was sent.
fn request(event: LambdaFunctionUrlRequest) -> Result<Request<Bytes>, Refusal> {
    let wrong = |what: &str| Refusal::Validation(format!("the request's {what} cannot be read"));
    let body = event.body.unwrap_or_default();
    let body = match event.is_base64_encoded {
        true => STANDARD.decode(body).map_err(|_| wrong("body"))?,
        false => body.into_bytes(),
    };
    let method = event.request_context.http.method.unwrap_or_default();
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| wrong("method"))?;
    let mut uri = event.raw_path.filter(|path| path.starts_with('/')).unwrap_or_else(|| "/".to_owned());
    if let Some(query) = event.raw_query_string.filter(|query| !query.is_empty()) {
        uri = format!("{uri}?{query}");
    }
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri.parse().map_err(|_| wrong("path"))?;
    *request.headers_mut() = event.headers;
    Ok(request)
}

/// An answer as a function URL gives it back.
fn response(answer: Response<Bytes>) -> LambdaFunctionUrlResponse {
    let answer = match answer.body().len() {
        length if length > ANSWER_BYTES_MAX => too_long(length).answer(),
        _ => answer,
    };
    let (parts, body) = answer.into_parts();
    let mut response = LambdaFunctionUrlResponse::default();
    response.status_code = i64::from(parts.status.as_u16());
    response.headers = parts.headers;
    // Of a connection, of which Lambda has its own.
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        response.headers.remove(name);
    }
    response.body = Some(STANDARD.encode(body));
    response.is_base64_encoded = true;
    response
}

fn too_long(length: usize) -> Refusal {
    Refusal::Validation(format!(
        "the answer has {length} bytes, and a function gives back {ANSWER_BYTES_MAX} at most; ask for less at once \
         (a Limit, fewer keys, a ProjectionExpression), or run `evercount proxy` beside the client instead of the \
         function"
    ))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]
    use std::sync::Arc;

    use evercount_core::evolution::{Judgement, Proposal, evolve, new_subject};
    use evercount_core::registration::Registration;
    use evercount_core::registry::{Origin, Policy};
    use evercount_core::schema::{Constraints, Field, FieldPath, FieldType, Schema, TypeSet};
    use evercount_core::shadow::{ShadowColumn, ShadowSchema, ShadowState};
    use evercount_pipeline::memory::Memory;
    use evercount_pipeline::ports::{RegistryStore, ShadowSchemaStore};
    use evercount_proxy::ProxyOptions;
    use evercount_proxy::upstream::Unreachable;
    use serde_json::{Value, json};

    use super::*;

    /// Answers whatever comes with a body, and remembers what came.
    struct Fixed(Vec<u8>, Mutex<Vec<Request<Bytes>>>);

    impl Upstream for Fixed {
        async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unreachable> {
            self.1.lock().unwrap().push(request);
            let answer = Response::builder().header("x-amz-crc32", "17").header("connection", "close");
            Ok(answer.body(self.0.clone().into()).unwrap())
        }
    }

    fn proxy(answer: &[u8]) -> (DataProxy<Arc<Fixed>, Memory, Memory>, Arc<Fixed>) {
        let upstream = Arc::new(Fixed(answer.to_vec(), Mutex::default()));
        let options = ProxyOptions::default();
        let (store, table) = (Memory::default(), Memory::default());
        let now = || 1_000_000_000_000_000;
        let proxy = Proxy::new(Arc::clone(&upstream), store, table, options, now);
        (DataProxy::new(proxy, || 1_000_000_000_000_000), upstream)
    }

    const DEADLINE: Micros = 1_000_000_030_000_000;

    async fn answered(
        proxy: &DataProxy<Arc<Fixed>, Memory, Memory>,
        event: &[u8],
    ) -> LambdaFunctionUrlResponse {
        match proxy.handle(event, DEADLINE).await.unwrap() {
            Answered::Request(response) => response,
            other => panic!("{other:?}"),
        }
    }

    /// As a function URL sends it
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>).
    fn event(body: Value, is_base64: bool) -> Vec<u8> {
        let http = json!({"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "10.0.0.1",
            "userAgent": "aws-sdk-rust"});
        let iam = json!({"accessKey": "AKIA", "accountId": "111122223333", "callerId": "AIDA", "cognitoIdentity": null,
            "principalOrgId": null, "userArn": "arn:aws:iam::111122223333:user/u", "userId": "AIDA"});
        let context = json!({"accountId": "111122223333", "apiId": "url-id", "authentication": null,
            "authorizer": {"iam": iam}, "domainName": "url-id.lambda-url.us-west-2.on.aws",
            "domainPrefix": "url-id", "http": http, "requestId": "id", "routeKey": "$default",
            "stage": "$default", "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_i64});
        json!({"version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "x=1",
            "headers": {"host": "url-id.lambda-url.us-west-2.on.aws", "content-type": "application/x-amz-json-1.0",
                "x-amz-target": "DynamoDB_20120810.GetItem"},
            "requestContext": context, "body": body, "isBase64Encoded": is_base64})
        .to_string()
        .into_bytes()
    }

    #[tokio::test]
    async fn what_the_url_was_sent_goes_on_and_comes_back_as_it_is() {
        let answer = b"{\"Item\": {}} \xff";
        let (proxy, upstream) = proxy(answer);
        let sent = r#"{"TableName": "t", "Key": {"id": {"S": "a"}}}"#;
        for event in [event(json!(sent), false), event(json!(STANDARD.encode(sent)), true)] {
            let response = answered(&proxy, &event).await;
            let went = upstream.1.lock().unwrap().pop().unwrap();
            assert_eq!((went.method(), went.uri().to_string()), (&Method::POST, "/?x=1".to_owned()));
            assert_eq!(went.headers()["x-amz-target"], "DynamoDB_20120810.GetItem");
            assert_eq!(went.body(), sent);
            let response = serde_json::to_value(response).unwrap();
            let expected = json!({"statusCode": 200, "headers": {"x-amz-crc32": "17"}, "cookies": [],
                "body": STANDARD.encode(answer), "isBase64Encoded": true});
            assert_eq!(response, expected);
        }
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_and_what_is_no_event_is_an_error() {
        let (proxy, _) = proxy(b"{}");
        let response = answered(&proxy, &event(json!("no base64!"), true)).await;
        assert_eq!(response.status_code, 400);
        for wrong in ["{\"Records\": []}", "{\"look_after\": false}", "[]"] {
            assert!(proxy.handle(wrong.as_bytes(), DEADLINE).await.is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_lambda_would_not_give_back_is_refused_with_what_to_do() {
        let (proxy, _) = proxy(&vec![b'x'; ANSWER_BYTES_MAX + 1]);
        let response = answered(&proxy, &event(json!("{}"), false)).await;
        assert_eq!(response.status_code, 400);
        let body = STANDARD.decode(response.body.unwrap()).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let told = body["message"].as_str().unwrap();
        assert!(told.contains("4600001 bytes") && told.contains("ProjectionExpression"), "{told}");
    }

    /// Registers a schema of `orders`, of texts.
    async fn register(store: &Memory, columns: &[&str]) {
        let field = |name: &&str| (FieldPath::column(name), Field::of(TypeSet::of(FieldType::STRING)));
        let schema = Schema { fields: columns.iter().map(field).collect(), key: vec![] };
        let (subject, at) = (TableName::new("orders"), 1_000_000);
        let before = new_subject(subject.clone(), Origin::Event, Policy::default(), at);
        let proposal = Proposal { schema, changes: vec![], position: None, at };
        let evolved = evolve(&before, None, &proposal, |_| Judgement::default(), at);
        let mut registration = Registration::empty(subject, at);
        registration.add(None, &before, evolved);
        store.register(&registration).await.unwrap();
    }

    #[tokio::test]
    async fn upon_a_schedule_columns_that_have_arrived_are_noticed_and_moved() {
        let (proxy, _) = proxy(b"{}");
        let store = proxy.proxy.store();
        let said = async || proxy.handle(b"{\"look_after\": true}", DEADLINE).await.unwrap();
        assert_eq!(said().await, Answered::LookedAfter { tables: 0 });
        register(store, &["id", "gift"]).await;
        let orders = TableName::new("orders");
        let column = ShadowColumn {
            types: TypeSet::of(FieldType::STRING),
            default: None,
            constraints: Constraints::default(),
            expected_at: None,
            probability: 0.7,
            source: String::new(),
            prefetch: None,
            state: ShadowState::Expected,
        };
        let mut shadow = ShadowSchema::nothing(orders.clone(), 0);
        shadow.columns.insert("gift".to_owned(), column);
        store.replace_shadow_schema(None, &shadow).await.unwrap();
        assert_eq!(said().await, Answered::LookedAfter { tables: 1 });
        let shadow = store.shadow_schema(&orders).await.unwrap().unwrap();
        assert!(matches!(shadow.columns["gift"].state, ShadowState::Moved { .. }), "{shadow:?}");
    }

    #[tokio::test]
    async fn what_was_asked_for_is_stored_now_and_then() {
        let (proxy, _) = proxy(b"{}");
        let used = async || proxy.proxy.store().usage(&TableName::new("t")).await.unwrap().len();
        proxy.proxy.usage().add("t", "gift", false);
        answered(&proxy, &event(json!("{}"), false)).await;
        assert_eq!(used().await, 1);
        // Within the pause it waits.
        proxy.proxy.usage().add("t", "note", false);
        answered(&proxy, &event(json!("{}"), false)).await;
        assert_eq!(used().await, 1);
        proxy.stored_at.store(0, Ordering::Relaxed);
        answered(&proxy, &event(json!("{}"), false)).await;
        assert_eq!(used().await, 2);
    }
}
