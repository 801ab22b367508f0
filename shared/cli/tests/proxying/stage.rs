//! Owns a proxy on a port, before an embedded DynamoDB, with a registry of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use evercount_aws::dynamo::{DynamoStore, DynamoTable, TableNames, from_attributes};
use evercount_core::change::TableName;
use evercount_core::evolution::{Judgement, Proposal, evolve, new_subject};
use evercount_core::migration::graph::Migration;
use evercount_core::mutation::settings::MutationSettings;
use evercount_core::order::Micros;
use evercount_core::registration::Registration;
use evercount_core::registry::{Origin, Policy};
use evercount_core::resolve::Mode;
use evercount_core::schema::{Constraints, Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::{ChangeKind, Evidence, SchemaChange, Subject};
use evercount_core::shadow::{ShadowColumn, ShadowSchema, ShadowState};
use evercount_core::value::Item;
use evercount_local::stack::now;
use evercount_local::{EmbeddedAws, EmbeddedOptions, Stack};
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::{RegistryStore, ShadowSchemaStore as _};
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

/// Registers a table's next schema version as it is, with what changed.
pub async fn evolve_to<S: RegistryStore>(store: &S, table: &str, schema: Schema, changes: Vec<ChangeKind>) {
    let now: Micros = now();
    let subject = Subject::new(table);
    let stored = store.subject(&subject).await.unwrap();
    let before =
        stored.clone().unwrap_or_else(|| new_subject(subject.clone(), Origin::Event, Policy::default(), now));
    let evidence = || Evidence::Declared { statement: format!("ALTER TABLE {table}") };
    let changes = changes.into_iter().map(|kind| SchemaChange { kind, evidence: evidence() }).collect();
    let proposal = Proposal { schema, changes, position: None, at: now };
    let evolved = evolve(&before, None, &proposal, |_| Judgement::default(), now);
    let mut registration = Registration::empty(subject, now);
    registration.add(stored.map(|state| state.revision), &before, evolved);
    store.register(&registration).await.unwrap();
}

/// Registers a table's next schema version, of text columns.
pub async fn register<S: RegistryStore>(store: &S, table: &str, columns: &[&str]) {
    let field = |name: &&str| (FieldPath::column(name), Field::of(TypeSet::of(FieldType::STRING)));
    let schema = Schema { fields: columns.iter().map(field).collect(), key: vec![] };
    evolve_to(store, table, schema, vec![]).await;
}

/// An answer: status, media type and body.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    pub status: u16,
    pub media_type: String,
    pub body: Value,
    /// What the proxy says became of a mutation.
    pub outcome: Option<String>,
    /// The version that it says the item has from then on.
    pub version: Option<String>,
}

/// Sends a request as an SDK would.
pub async fn send(client: &PlainUpstream, target: Option<&str>, body: &str) -> Answer {
    send_with(client, target, &[], body).await
}

/// Sends a request as an SDK would that somebody gave headers of their own.
pub async fn send_with(
    client: &PlainUpstream,
    target: Option<&str>,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let signature = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/dynamodb/aws4_request, \
                     SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";
    let mut request = Request::post("/")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", signature);
    if let Some(target) = target {
        request = request.header("x-amz-target", target);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = client.send(request.body(body.to_owned().into()).unwrap()).await.unwrap();
    let crc = answer.headers().get("x-amz-crc32").map(|crc| crc.to_str().unwrap().to_owned());
    if let Some(crc) = crc {
        assert_eq!(crc, crc32fast::hash(answer.body()).to_string(), "{target:?} {body}");
    }
    let header = |name: &str| answer.headers().get(name).map(|text| text.to_str().unwrap().to_owned());
    Answer {
        status: answer.status().as_u16(),
        media_type: header("content-type").unwrap_or_default(),
        outcome: header("x-evercount-outcome"),
        version: header("x-evercount-item-version"),
        body: serde_json::from_slice(answer.body())
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(answer.body()).into_owned())),
    }
}

/// Sends a request by the operation's name, with headers.
pub async fn call_with(
    client: &PlainUpstream,
    operation: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Answer {
    send_with(client, Some(&format!("DynamoDB_20120810.{operation}")), headers, &body.to_string()).await
}

/// Sends a request by the operation's name.
pub async fn call(client: &PlainUpstream, operation: &str, body: &Value) -> Answer {
    send(client, Some(&format!("DynamoDB_20120810.{operation}")), &body.to_string()).await
}

/// An expected text column.
pub fn expected(default: Option<&str>) -> ShadowColumn {
    ShadowColumn {
        types: TypeSet::of(FieldType::STRING),
        default: default.map(|text| evercount_core::value::Value::String(text.to_owned())),
        constraints: Constraints::default(),
        expected_at: None,
        probability: 0.9,
        source: "a test".to_owned(),
        prefetch: None,
        state: ShadowState::Expected,
    }
}

/// A proxy before a whole stack, whose registry and shadow store are in its DynamoDB.
pub struct Live {
    pub stack: Stack,
    pub url: String,
    pub proxy: Arc<Proxy<PlainUpstream, DynamoStore, DynamoTable>>,
    _stop: oneshot::Sender<()>,
}

impl Live {
    /// What is registered holds at once.
    pub async fn new(mutations: MutationSettings, written: BTreeMap<TableName, Vec<Migration>>) -> Self {
        let stack = Stack::embedded(EmbeddedOptions::default(), TableNames::default()).await.unwrap();
        let options = ProxyOptions { mutations, written, known_for: 0, ..ProxyOptions::default() };
        let endpoint = stack.embedded_aws().unwrap().dynamodb_endpoint();
        let upstream = PlainUpstream::new(&endpoint).unwrap();
        let table = stack.store().written_tables(stack.dynamodb());
        let proxy = Arc::new(Proxy::new(upstream, stack.store().clone(), table, options, now));
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(serve(listener, Arc::clone(&proxy), async {
            let _: Result<(), _> = stopped.await;
        }));
        Self { stack, url, proxy, _stop: stop }
    }

    /// A client of it.
    pub fn client(&self) -> PlainUpstream {
        PlainUpstream::new(&self.url).unwrap()
    }

    /// Says that a table is believed to get text columns, each with a default.
    pub async fn believe(&self, table: &str, columns: &[(&str, Option<&str>)]) {
        let columns =
            columns.iter().map(|(name, default)| ((*name).to_owned(), expected(*default))).collect();
        let table = TableName::new(table);
        let shadow = ShadowSchema { revision: 1, columns, ..ShadowSchema::nothing(table, now()) };
        self.stack.store().replace_shadow_schema(None, &shadow).await.unwrap();
    }

    /// The item as it is in the table itself.
    pub async fn stored(&self, table: &str, id: &str) -> Option<Item> {
        let key = AttributeValue::S(id.to_owned());
        let got = self.stack.dynamodb().get_item().table_name(table).key("id", key).send().await.unwrap();
        got.item.map(|item| from_attributes(item).unwrap())
    }
}
