//! Alerts on an SNS and an EventBridge that say what they are told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use aws_smithy_http_client::Builder;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use evercount_aws::alerts::{AwsAlerts, REJECTED, REVERTED};
use evercount_core::adoption::PlanOutcome;
use evercount_core::fingerprint::{Fingerprint, SchemaId};
use evercount_core::logic::Coverage;
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, SchemaChangeEvent, Subject, Typed};
use evercount_pipeline::adapt::{self, AdaptOptions};
use evercount_pipeline::alert::{Alert, Alerts};
use evercount_pipeline::define;
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{NoSource, StoreError};
use evercount_wire::adjustment::to_json;
use evercount_wire::definition::{DefinitionParts, build};
use serde_json::{Value, json};

const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:alerts";
const BUS: &str = "shop-bus";

/// An adjustment that went wrong, of an event with so many changes.
async fn alert(outcome: PlanOutcome, verdict: &str, changes: usize) -> Alert {
    let store = Memory::default();
    let parts = DefinitionParts {
        name: "by_status".to_owned(),
        table: "orders".to_owned(),
        group_by: vec!["status".to_owned()],
        ..DefinitionParts::default()
    };
    define::create(&store, build(parts).unwrap(), Coverage::Whole, 1).await.unwrap();
    let change = |n: usize| SchemaChange {
        kind: ChangeKind::AddColumn {
            column: FieldPath::column(&format!("c{n}")),
            typed: Typed::default(),
            default: None,
        },
        evidence: Evidence::Declared { statement: format!("ALTER TABLE orders ADD c{n}; ").repeat(20) },
    };
    let event = SchemaChangeEvent {
        subject: Subject::new("orders"),
        from: None,
        to: SchemaId { version: 2, fingerprint: Fingerprint(2) },
        changes: (0..changes).map(change).collect(),
        drift: 0.0,
        position: None,
        at: 1,
    };
    let options = AdaptOptions::BARE;
    let adapted = adapt::schema_changed(&store, &NoSource, &event, options, 5_000_000).await.unwrap();
    let mut adjustment = adapted.adjustments.into_iter().next().unwrap();
    adjustment.outcome = outcome;
    adjustment.to = Some(2);
    adjustment.verdict = Some(verdict.to_owned());
    adjustment.report.census.compared.unexplained = 3;
    Alert::of(&adjustment).unwrap()
}

/// An SNS and an EventBridge on loopback, told apart by how they are spoken to.
#[derive(Clone, Default)]
struct Services {
    published: Arc<Mutex<Vec<BTreeMap<String, String>>>>,
    put: Arc<Mutex<Vec<Value>>>,
    /// Statuses and codes with which SNS refuses its next calls.
    refusals: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
}

impl Services {
    async fn start(&self) -> String {
        let services = self.clone();
        let router = Router::new().fallback(move |request: Request| {
            let services = services.clone();
            async move { services.answer(request).await }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        endpoint
    }

    async fn answer(&self, request: Request) -> Response {
        let target = request.headers().get("x-amz-target").cloned();
        let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
        if let Some(target) = target {
            assert_eq!(target, "AWSEvents.PutEvents");
            let body: Value = serde_json::from_slice(&body).unwrap();
            let entries = body["Entries"].as_array().unwrap().clone();
            let taken = vec![json!({ "EventId": "e" }); entries.len()];
            self.put.lock().unwrap().extend(entries);
            return reply(
                200,
                "application/x-amz-json-1.1",
                json!({ "FailedEntryCount": 0, "Entries": taken }),
            );
        }
        let form = form(std::str::from_utf8(&body).unwrap());
        assert_eq!(form["Action"], "Publish");
        self.published.lock().unwrap().push(form);
        match self.refusals.lock().unwrap().pop_front() {
            Some((status, code)) => reply(
                status,
                "text/xml",
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>as told</Message></Error></ErrorResponse>"
                ),
            ),
            None => reply(
                200,
                "text/xml",
                "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>",
            ),
        }
    }
}

fn reply(status: u16, kind: &str, body: impl ToString) -> Response {
    let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    response.header("content-type", kind).body(Body::from(body.to_string())).unwrap()
}

/// The fields of a form.
fn form(text: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap();
        (decoded(name), decoded(value))
    };
    text.split('&').map(pair).collect()
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, behind) {
            (b'%', [a, b, behind @ ..]) => {
                let hex = [*a, *b];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
                rest = behind;
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn sns(endpoint: &str) -> aws_sdk_sns::Client {
    use aws_sdk_sns::config::{BehaviorVersion, Config, Credentials, Region};
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(Builder::new().build_http())
        .build();
    aws_sdk_sns::Client::from_conf(config)
}

fn eventbridge(endpoint: &str) -> aws_sdk_eventbridge::Client {
    use aws_sdk_eventbridge::config::{BehaviorVersion, Config, Credentials, Region};
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(Builder::new().build_http())
        .build();
    aws_sdk_eventbridge::Client::from_conf(config)
}

#[tokio::test]
async fn an_alert_is_a_message_for_people_and_an_event_for_rules() {
    let services = Services::default();
    let endpoint = services.start().await;
    let alerts = AwsAlerts::new().with_topic(&sns(&endpoint), TOPIC).with_bus(&eventbridge(&endpoint), BUS);
    let rejected = alert(PlanOutcome::Rejected, "reject: 3 of 9 comparisons differ", 1).await;
    let reverted = alert(PlanOutcome::Reverted, "taken back: a recount sides with the other", 1).await;
    alerts.raise(&rejected).await.unwrap();
    alerts.raise(&reverted).await.unwrap();
    let published = services.published.lock().unwrap().clone();
    assert_eq!(published.len(), 2);
    assert_eq!(published[0]["TopicArn"], TOPIC);
    assert_eq!(published[0]["Subject"], "Evercount: adjustment rejected for by_status");
    assert_eq!(published[1]["Subject"], "Evercount: adjustment taken back for by_status");
    let message = &published[0]["Message"];
    assert!(message.starts_with(&rejected.sentence), "{message}");
    let told = ["3 unexplained", "table: orders", "version: v0002 (planned on v0001)", &rejected.command];
    for told in told {
        assert!(message.contains(told), "{told}: {message}");
    }
    assert!(!published[0].contains_key("MessageGroupId"));
    let put = services.put.lock().unwrap().clone();
    let entry = |kind: &str, alert: &Alert| {
        let detail = to_json(&alert.adjustment).to_string();
        json!({ "EventBusName": BUS, "Source": "evercount", "DetailType": kind, "Detail": detail, "Time": 5 })
    };
    assert_eq!(put, [entry(REJECTED, &rejected), entry(REVERTED, &reverted)]);
}

#[tokio::test]
async fn a_topic_that_keeps_order_is_told_what_is_the_same_alert() {
    let services = Services::default();
    let endpoint = services.start().await;
    let alerts = AwsAlerts::new().with_topic(&sns(&endpoint), &format!("{TOPIC}.fifo"));
    let rejected = alert(PlanOutcome::Rejected, "reject: it differs", 1).await;
    alerts.raise(&rejected).await.unwrap();
    alerts.raise(&rejected).await.unwrap();
    let published = services.published.lock().unwrap().clone();
    assert_eq!(published[0]["MessageGroupId"], "by_status");
    assert_eq!(
        published[0]["MessageDeduplicationId"],
        format!("{}-rejected", rejected.adjustment.plan.id.as_str())
    );
    assert_eq!(published[0]["MessageDeduplicationId"], published[1]["MessageDeduplicationId"]);
}

#[tokio::test]
async fn a_topic_is_tried_again_where_that_can_help_and_the_bus_does_not_wait_for_it() {
    let services = Services::default();
    let endpoint = services.start().await;
    let alerts = AwsAlerts::new().with_topic(&sns(&endpoint), TOPIC).with_bus(&eventbridge(&endpoint), BUS);
    let rejected = alert(PlanOutcome::Rejected, "reject: it differs", 1).await;
    services.refusals.lock().unwrap().extend([
        (500, "InternalError"),
        (400, "KMSThrottling"),
        (429, "Throttled"),
    ]);
    alerts.raise(&rejected).await.unwrap();
    assert_eq!(services.published.lock().unwrap().len(), 4);
    services.refusals.lock().unwrap().push_back((403, "AuthorizationError"));
    let refused = alerts.raise(&rejected).await;
    assert_eq!(refused, Err(StoreError::Rejected("AuthorizationError: as told".to_owned())));
    assert_eq!((services.published.lock().unwrap().len(), services.put.lock().unwrap().len()), (5, 2));
    // Without a topic and a bus an alert is a line in the log.
    AwsAlerts::new().raise(&rejected).await.unwrap();
}

#[tokio::test]
async fn an_event_too_large_for_the_bus_goes_without_what_the_plan_says_at_length() {
    let services = Services::default();
    let endpoint = services.start().await;
    let alerts = AwsAlerts::new().with_bus(&eventbridge(&endpoint), BUS);
    let rejected = alert(PlanOutcome::Rejected, "reject: it differs", 1_000).await;
    assert!(to_json(&rejected.adjustment).to_string().len() > 256 * 1_024);
    alerts.raise(&rejected).await.unwrap();
    let put = services.put.lock().unwrap().clone();
    let detail: Value = serde_json::from_str(put[0]["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(detail["outcome"], "rejected");
    assert_eq!(detail["truncated"]["plan"], detail["plan"]["id"]);
}
