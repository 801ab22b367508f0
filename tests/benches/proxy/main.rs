//! What the data proxy costs: requests a second through it as a share of going straight to the same embedded
//! DynamoDB, and what it adds to a request, at several numbers of connections.
//!
//! `cargo bench -p evercount-tests --bench proxy [-- --json]`
//!
//! Half of the requests put an item, half get it again. Short rounds of the two ways alternate, so that what else the
//! machine does meets both alike; a share is the median over pairs of rounds, and the time added is between the times
//! of all requests. The client is of neither way's making. Clients, proxy and database share the machine's cores, which
//! is the hardest case for the proxy.
//!
//! What a user runs is built for release, and so are the figures that count. Under `--profile dev` all that speaks HTTP
//! (`hyper`, `tokio`, `http`) is not optimized while the database's storage is, which makes each hop dearer than it is.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may panic and prints its figures"
)]

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use comfy_table::{Table, presets};
use evercount_aws::dynamo::{DynamoStore, TableNames};
use evercount_aws::setup::create_tables;
use evercount_core::evolution::{Judgement, Proposal, evolve, new_subject};
use evercount_core::registration::Registration;
use evercount_core::registry::{Origin, Policy};
use evercount_core::resolve::Mode;
use evercount_core::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
use evercount_core::schema_change::Subject;
use evercount_local::stack::now;
use evercount_local::{EmbeddedAws, EmbeddedOptions};
use evercount_pipeline::ports::RegistryStore as _;
use evercount_proxy::server::{PlainUpstream, listen, serve};
use evercount_proxy::{Proxy, ProxyOptions};
use evercount_tests::figures::{self, Figure, Goal};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// Connections at the same time.
const CONNECTIONS: [usize; 3] = [1, 4, 16];
/// Requests of a round, over all connections.
const REQUESTS: usize = 320;
/// Pairs of rounds, one of each way, after those that warm up.
const PAIRS: usize = 40;
/// Pairs that warm up.
const WARM: usize = 3;
/// The share that is promised.
const SHARE: f64 = 0.6;

/// A client as SDKs have one, of neither way's own making.
#[derive(Clone)]
struct Caller {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Caller {
    fn new(url: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { url: format!("{url}/"), client: Client::builder(TokioExecutor::new()).build(connector) }
    }

    async fn call(&self, operation: &str, body: &Value) {
        let signature = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/dynamodb/aws4_request, \
                         SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";
        let request = Request::post(&self.url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-date", "20260101T000000Z")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("authorization", signature);
        let request = request.body(Full::new(body.to_string().into())).unwrap();
        let answer = self.client.request(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }
}

/// One way at one number of connections: requests a second of each round, and the times of all requests,
/// milliseconds.
#[derive(Default)]
struct Way {
    rates: Vec<f64>,
    times: Vec<f64>,
}

impl Way {
    /// A time that so many of a hundred requests did not exceed.
    fn within(&self, hundredths: usize) -> f64 {
        let mut sorted = self.times.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() * hundredths / 100]
    }
}

/// One round: requests a second, and the time of each.
async fn round(clients: &[Caller]) -> (f64, Vec<f64>) {
    let started = Instant::now();
    let of_each = REQUESTS / clients.len();
    let running: Vec<_> = clients
        .iter()
        .enumerate()
        .map(|(number, client)| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(of_each);
                for n in 0..of_each {
                    let key = json!({"S": format!("{number}-{}", n / 2)});
                    let (operation, body) = if n % 2 == 0 {
                        let item = json!({"id": key, "state": {"S": "NEW"}, "amount": {"N": "12"},
                            "note": {"S": "some text"}});
                        ("PutItem", json!({"TableName": "orders", "Item": item}))
                    } else {
                        ("GetItem", json!({"TableName": "orders", "Key": {"id": key}}))
                    };
                    let started = Instant::now();
                    client.call(operation, &body).await;
                    times.push(started.elapsed().as_secs_f64() * 1_000.0);
                }
                times
            })
        })
        .collect();
    let mut times = Vec::with_capacity(REQUESTS);
    for one in running {
        times.extend(one.await.unwrap());
    }
    (times.len() as f64 / started.elapsed().as_secs_f64(), times)
}

/// The schema of `orders`, in force.
async fn register(store: &DynamoStore) {
    let columns = ["id", "state", "amount", "note"].into_iter();
    let field = |name| (FieldPath::column(name), Field::of(TypeSet::of(FieldType::STRING)));
    let schema = Schema { fields: columns.map(field).collect(), key: vec![] };
    let (subject, at) = (Subject::new("orders"), now());
    let before = new_subject(subject.clone(), Origin::Event, Policy::default(), at);
    let proposal = Proposal { schema, changes: vec![], position: None, at };
    let evolved = evolve(&before, None, &proposal, |_| Judgement::default(), at);
    let mut registration = Registration::empty(subject, at);
    registration.add(None, &before, evolved);
    store.register(&registration).await.unwrap();
}

async fn measure() -> Vec<(usize, [Way; 2])> {
    let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.unwrap();
    create_tables(&aws.dynamodb(), &TableNames::default()).await.unwrap();
    let store = DynamoStore::new(&aws.dynamodb(), TableNames::default());
    register(&store).await;
    let upstream = PlainUpstream::new(&aws.dynamodb_endpoint()).unwrap();
    let table = store.written_tables(&aws.dynamodb());
    let options = ProxyOptions { mode: Mode::Strict, ..ProxyOptions::default() };
    let proxy = Arc::new(Proxy::new(upstream, store, table, options, now));
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let through = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, proxy, std::future::pending()));
    let made = json!({"TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]});
    Caller::new(&through).call("CreateTable", &made).await;

    let mut measured = Vec::new();
    for connections in CONNECTIONS {
        let clients = [aws.dynamodb_endpoint(), through.clone()]
            .map(|url| (0..connections).map(|_| Caller::new(&url)).collect::<Vec<Caller>>());
        let mut ways = [Way::default(), Way::default()];
        for pair in 0..WARM + PAIRS {
            // Either way goes first in half of the pairs.
            for way in [pair % 2, 1 - pair % 2] {
                let (rate, times) = round(&clients[way]).await;
                if pair >= WARM {
                    ways[way].rates.push(rate);
                    ways[way].times.extend(times);
                }
            }
        }
        measured.push((connections, ways));
    }
    aws.stop().await;
    measured
}

fn main() {
    let as_json = std::env::args().any(|argument| argument == "--json");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let measured = runtime.block_on(measure());
    let mut figures = Vec::new();
    let mut details = Vec::new();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "connections",
        "straight, a second",
        "through",
        "share",
        "p50 added, ms",
        "p99 added, ms",
    ]);
    for (connections, [straight, through]) in &measured {
        let pairs = straight.rates.iter().zip(&through.rates);
        let share = figures::median(pairs.map(|(straight, through)| through / straight)).unwrap();
        let added = |hundredths| through.within(hundredths) - straight.within(hundredths);
        let (p50, p99) = (added(50), added(99));
        let rates = [straight, through].map(|way| figures::median(way.rates.iter().copied()).unwrap());
        let (names, what) = match connections {
            1 => (["share_1", "p99_added_1"], "one connection"),
            4 => (["share_4", "p99_added_4"], "4 connections"),
            _ => (["share_16", "p99_added_16"], "16 connections"),
        };
        let of_straight = format!("requests through the proxy, of straight, {what}");
        figures.push(Figure::new(names[0], of_straight, share, Goal::AtLeast(SHARE)));
        figures.push(Figure::new(names[1], format!("p99 that the proxy adds, {what}, ms"), p99, Goal::None));
        details.push(json!({"connections": connections, "straight_a_second": rates[0],
            "through_a_second": rates[1], "p50_added_ms": p50, "p99_added_ms": p99}));
        let row = rates.map(|rate| format!("{rate:.0}"));
        let row = [connections.to_string()].into_iter().chain(row);
        table.add_row(row.chain([format!("{share:.2}"), format!("{p50:.2}"), format!("{p99:.2}")]));
    }
    println!("{}", figures::report("proxy", &figures, &json!(details), as_json));
    if !as_json {
        println!("\n{table}");
    }
}
