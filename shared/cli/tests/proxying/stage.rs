//! Owns a proxy on a port, before an embedded DynamoDB, with a registry of its own.

use std::sync::Arc;

use evercount_aws::dynamo::{DynamoTable, TableNames};
use evercount_core::evolution::{Judgement, Proposal, evolve, new_subject};
use evercount_core::order::Micros;
use evercount_core::registration::Registration;
use evercount_core::registry::{Origin, Policy};
use evercount_core::resolve::Mode;
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::Subject;
use evercount_local::stack::now;
use evercount_local::{EmbeddedAws, EmbeddedOptions};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::RegistryStore;
use evercount_proxy::server::{PlainUpstream, listen, serve};
use evercount_proxy::upstream::Upstream;
use evercount_proxy::{Proxy, ProxyOptions};
use http::Request;
use serde_json::Value;
use tokio::sync::oneshot;

/// A served proxy.
pub struct Stage {
    pub aws: EmbeddedAws,
    pub url: String,
    pub proxy: Arc<Proxy<PlainUpstream, Memory, DynamoTable>>,
    _stop: oneshot::Sender<()>,
}

impl Stage {
    /// What is registered holds at once, so that a test need not wait.
    pub async fn new(mode: Mode) -> Self {
        Self::known_for(mode, 0).await
    }

    /// What is known of a table is taken for current for so long, microseconds.
    pub async fn known_for(mode: Mode, known_for: Micros) -> Self {
        let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
        let options = ProxyOptions { mode, known_for, ..ProxyOptions::default() };
        let upstream = PlainUpstream::new(&aws.dynamodb_endpoint()).unwrap();
        let table = DynamoTable::new(&aws.dynamodb(), TableNames::default());
        let proxy = Arc::new(Proxy::new(upstream, Memory::default(), table, options, now));
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(serve(listener, Arc::clone(&proxy), async {
            let _: Result<(), _> = stopped.await;
        }));
        Self { aws, url, proxy, _stop: stop }
    }

    /// Registers a table's next schema version, of text columns.
    pub async fn register(&self, table: &str, columns: &[&str]) {
        register(self.proxy.store(), table, columns).await;
    }
}

/// Registers a table's next schema version, of text columns.
pub async fn register<S: RegistryStore>(store: &S, table: &str, columns: &[&str]) {
    let now: Micros = now();
    let field = |name: &&str| (FieldPath::column(name), Field::of(TypeSet::of(FieldType::STRING)));
    let schema = Schema { fields: columns.iter().map(field).collect(), key: vec![] };
    let subject = Subject::new(table);
    let stored = store.subject(&subject).await.unwrap();
    let before =
        stored.clone().unwrap_or_else(|| new_subject(subject.clone(), Origin::Event, Policy::default(), now));
    let proposal = Proposal { schema, changes: vec![], position: None, at: now };
    let evolved = evolve(&before, None, &proposal, |_| Judgement::default(), now);
    let mut registration = Registration::empty(subject, now);
    registration.add(stored.map(|state| state.revision), &before, evolved);
    store.register(&registration).await.unwrap();
}

/// An answer: status, media type and body.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    pub status: u16,
    pub media_type: String,
    pub body: Value,
}

/// Sends a request as an SDK would.
pub async fn send(client: &PlainUpstream, target: Option<&str>, body: &str) -> Answer {
    let signature = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/dynamodb/aws4_request, \
                     SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";
    let mut request = Request::post("/")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", signature);
    if let Some(target) = target {
        request = request.header("x-amz-target", target);
    }
    let answer = client.send(request.body(body.to_owned().into()).unwrap()).await.unwrap();
    let crc = answer.headers().get("x-amz-crc32").map(|crc| crc.to_str().unwrap().to_owned());
    if let Some(crc) = crc {
        assert_eq!(crc, crc32fast::hash(answer.body()).to_string(), "{target:?} {body}");
    }
    let media_type = answer.headers().get("content-type");
    Answer {
        status: answer.status().as_u16(),
        media_type: media_type.map(|text| text.to_str().unwrap().to_owned()).unwrap_or_default(),
        body: serde_json::from_slice(answer.body())
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(answer.body()).into_owned())),
    }
}

/// Sends a request by the operation's name.
pub async fn call(client: &PlainUpstream, operation: &str, body: &Value) -> Answer {
    send(client, Some(&format!("DynamoDB_20120810.{operation}")), &body.to_string()).await
}
