//! Owns the clients of the year: real requests over loopback, through the data proxy, to the embedded DynamoDB
//! that `evercount local` runs on.

use std::cell::Cell;
use std::sync::Arc;

use evercount_aws::dynamo::{DynamoStore, DynamoTable, TableNames};
use evercount_aws::setup::create_tables;
use evercount_core::order::Micros;
use evercount_core::resolve::Mode;
use evercount_core::schema_change::Subject;
use evercount_forecast::history::Seconds;
use evercount_local::{EmbeddedAws, EmbeddedOptions};
use evercount_pipeline::ports::RegistryStore as _;
use evercount_proxy::proxy::VERSION_HEADER;
use evercount_proxy::server::{PlainUpstream, listen, serve};
use evercount_proxy::upstream::Upstream as _;
use evercount_proxy::{Proxy, ProxyOptions};
use http::Request;
use serde_json::{Value, json};
use tokio::sync::oneshot;

thread_local! {
    /// The time of the year. Each test has a thread, and its proxy is served on it.
    static NOW: Cell<Micros> = const { Cell::new(0) };
}

/// A proxy before a DynamoDB, and whoever asks it.
pub struct Traffic {
    aws: EmbeddedAws,
    /// Where the registry, predictions and what is kept beside tables are.
    pub store: DynamoStore,
    /// The tables, as Evercount writes them itself.
    pub written: DynamoTable,
    proxy: Arc<Proxy<PlainUpstream, DynamoStore, DynamoTable>>,
    through: PlainUpstream,
    straight: PlainUpstream,
    _stop: oneshot::Sender<()>,
}

/// A status and what came with it.
pub type Answer = (u16, Value);

impl Traffic {
    /// A proxy on a free port, which refuses what does not fit.
    pub async fn start() -> Self {
        let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
        create_tables(&aws.dynamodb(), &TableNames::default()).await.unwrap();
        let store = DynamoStore::new(&aws.dynamodb(), TableNames::default());
        let upstream = PlainUpstream::new(&aws.dynamodb_endpoint()).unwrap();
        // What is registered holds at once: a week passes in no time.
        let options = ProxyOptions { mode: Mode::Strict, known_for: 0, ..ProxyOptions::default() };
        let written = store.written_tables(&aws.dynamodb());
        let table = store.written_tables(&aws.dynamodb());
        let proxy = Arc::new(Proxy::new(upstream, store.clone(), table, options, || NOW.get()));
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let through = PlainUpstream::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let straight = PlainUpstream::new(&aws.dynamodb_endpoint()).unwrap();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(serve(listener, Arc::clone(&proxy), async {
            let _: Result<(), _> = stopped.await;
        }));
        Self { aws, store, written, proxy, through, straight, _stop: stop }
    }

    /// From now on it is so late.
    pub fn at(&self, now: Seconds) {
        NOW.set(now * 1_000_000);
    }

    /// Ends it.
    pub async fn stop(self) {
        self.aws.stop().await;
    }

    /// Makes a table through the proxy, which lets such requests pass.
    pub async fn create(&self, table: &str, key: &str) {
        let made = json!({"TableName": table, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}]});
        let (status, told) = self.ask("CreateTable", &made).await;
        assert_eq!(status, 200, "{told}");
    }

    /// A request through the proxy, by a client that says it was written for the schema version in force.
    pub async fn ask(&self, operation: &str, body: &Value) -> Answer {
        let subject = Subject::new(body["TableName"].as_str().unwrap());
        let current = self.store.subject(&subject).await.unwrap().and_then(|state| state.current);
        send(&self.through, operation, body, current.map(|id| id.version)).await
    }

    /// A request that does not go through the proxy: what the table itself holds.
    pub async fn ask_straight(&self, operation: &str, body: &Value) -> Answer {
        send(&self.straight, operation, body, None).await
    }

    /// Stores what was asked for, as the proxy does every few seconds.
    pub async fn store_usage(&self) {
        self.proxy.usage().store(self.proxy.store(), NOW.get()).await.unwrap();
    }
}

async fn send(client: &PlainUpstream, operation: &str, body: &Value, version: Option<u32>) -> Answer {
    let signature = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/dynamodb/aws4_request, \
                     SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";
    let mut request = Request::post("/")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("authorization", signature);
    if let Some(version) = version {
        request = request.header(VERSION_HEADER, version);
    }
    let answer = client.send(request.body(body.to_string().into()).unwrap()).await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}
