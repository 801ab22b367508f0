//! What the data proxy costs: requests a second through it as a share of going straight to the same embedded
//! DynamoDB, and what it adds to a request, at several numbers of connections.
//!
//! `cargo bench -p evercount-tests --bench proxy [-- --json]`
//!
//! Half of the requests put an item, half get it again. The ways take turns, so that what else the machine
//! does meets both alike; of each the fastest round counts for throughput, and the time added is between the
//! medians over rounds. Clients, proxy and database share the machine's cores, which is the hardest case for the
//! proxy.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may panic and prints its figures"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

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
use evercount_proxy::upstream::Upstream as _;
use evercount_proxy::{Proxy, ProxyOptions};
use evercount_tests::figures::{self, Figure, Goal};
use http::Request;
use serde_json::{Value, json};

/// Connections at the same time.
const CONNECTIONS: [usize; 3] = [1, 4, 16];
/// Requests of a round, over all connections.
const REQUESTS: usize = 1_600;
/// Rounds of each way, after one that warms up.
const ROUNDS: usize = 5;
/// The share that is promised.
const SHARE: f64 = 0.6;

/// One way at one number of connections.
#[derive(Default)]
struct Way {
    /// Requests a second of the fastest round.
    fastest: f64,
    /// Medians and 99th percentiles of rounds, milliseconds.
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Way {
    fn add(&mut self, rate: f64, mut times: Vec<Duration>) {
        times.sort();
        let of = |hundredths: usize| times[times.len() * hundredths / 100].as_secs_f64() * 1_000.0;
        self.fastest = self.fastest.max(rate);
        self.p50.push(of(50));
        self.p99.push(of(99));
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

async fn call(client: &PlainUpstream, operation: &str, body: &Value) {
    let signature = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/dynamodb/aws4_request, \
                     SignedHeaders=host;x-amz-date;x-amz-target, Signature=0";
    let request = Request::post("/")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("authorization", signature);
    let answer = client.send(request.body(body.to_string().into()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200, "{}", String::from_utf8_lossy(answer.body()));
}

/// Requests a second, and the time of each.
async fn round(clients: &[PlainUpstream]) -> (f64, Vec<Duration>) {
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
                    call(&client, operation, &body).await;
                    times.push(started.elapsed());
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
    call(&PlainUpstream::new(&through).unwrap(), "CreateTable", &made).await;

    let mut measured = Vec::new();
    for connections in CONNECTIONS {
        let clients = [aws.dynamodb_endpoint(), through.clone()].map(|url| {
            (0..connections).map(|_| PlainUpstream::new(&url).unwrap()).collect::<Vec<PlainUpstream>>()
        });
        let mut ways = [Way::default(), Way::default()];
        for turn in 0..=ROUNDS {
            for (way, clients) in ways.iter_mut().zip(&clients) {
                let (rate, times) = round(clients).await;
                if turn > 0 {
                    way.add(rate, times);
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
        let share = through.fastest / straight.fastest;
        let added = |of: fn(&Way) -> &Vec<f64>| median(of(through)) - median(of(straight));
        let (p50, p99) = (added(|way| &way.p50), added(|way| &way.p99));
        let (names, what) = match connections {
            1 => (["share_1", "p99_added_1"], "one connection"),
            4 => (["share_4", "p99_added_4"], "4 connections"),
            _ => (["share_16", "p99_added_16"], "16 connections"),
        };
        let of_straight = format!("requests through the proxy, of straight, {what}");
        figures.push(Figure::new(names[0], of_straight, share, Goal::AtLeast(SHARE)));
        figures.push(Figure::new(names[1], format!("p99 that the proxy adds, {what}, ms"), p99, Goal::None));
        details.push(json!({"connections": connections, "straight_a_second": straight.fastest,
            "through_a_second": through.fastest, "p50_added_ms": p50, "p99_added_ms": p99}));
        let row = [straight.fastest, through.fastest].map(|rate| format!("{rate:.0}"));
        let row = [connections.to_string()].into_iter().chain(row);
        table.add_row(row.chain([format!("{share:.2}"), format!("{p50:.2}"), format!("{p99:.2}")]));
    }
    println!("{}", figures::report("proxy", &figures, &json!(details), as_json));
    if !as_json {
        println!("\n{table}");
    }
}
