//! How long requests take, 50 in flight, on a count of 10,000 groups that goes on meanwhile: over loopback,
//! with the in-memory store. Ratios are to one reading of that count by the step that commands use.
//!
//! `cargo bench -p evercount-console --bench console`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

#[path = "../tests/api/seed.rs"]
#[expect(dead_code, clippy::panic, reason = "tests use all of it")]
mod seed;

use std::sync::Arc;
use std::time::{Duration, Instant};

use evercount_console::{Hosts, Served, router};
use evercount_core::audit;
use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::logic::Coverage;
use evercount_pipeline::discovery::NoServices;
use evercount_pipeline::memory::Memory;
use evercount_pipeline::ports::CatalogStore;
use evercount_pipeline::{define, operator, read};
use evercount_wire::definition::{DefinitionParts, build};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const GROUPS: usize = 10_000;
const IN_FLIGHT: usize = 50;
const REQUESTS: usize = 200;
/// Rows of one transaction.
const ROWS: usize = 50;

async fn write(store: &Memory, from: usize, n: usize) {
    let table = TableName::new("orders");
    let version = audit::read_version(0, seed::NOW, 0);
    let change = |n: usize| {
        let id = format!("o-{n}");
        let identity = RowIdentity::Key(format!(r#"{{"id":"{id}"}}"#).into());
        let item = seed::item(&[("id", &id), ("city", &format!("city {}", n % GROUPS))]);
        audit::observation(RowKey { table: table.clone(), identity }, Some(item), version.clone())
    };
    let changes: Vec<_> = (from..from + n).map(change).collect();
    operator::apply(store, &changes, None, seed::NOW).await.unwrap();
}

/// Asks over one connection, again and again; how long each took.
async fn ask(address: std::net::SocketAddr, paths: &[String]) -> Vec<Duration> {
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    let mut took = Vec::new();
    for path in paths {
        let began = Instant::now();
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let (mut length, mut line, mut first) = (0, String::new(), true);
        loop {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            if first {
                assert!(line.contains(" 200 "), "{path}: {line}");
                first = false;
            }
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        took.push(began.elapsed());
    }
    took
}

fn main() {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(run());
}

async fn run() {
    let store = Memory::default();
    let parts = DefinitionParts {
        name: "by_city".to_owned(),
        table: "orders".to_owned(),
        group_by: vec!["city".to_owned()],
        ..DefinitionParts::default()
    };
    define::create(&store, build(parts).unwrap(), Coverage::Whole, seed::NOW).await.unwrap();
    for from in (0..GROUPS).step_by(ROWS) {
        write(&store, from, ROWS).await;
    }
    let version = store.versions().await.unwrap().remove(0);
    let began = Instant::now();
    let reading = read::run(&store, &version).await.unwrap();
    let one = began.elapsed();
    assert_eq!(reading.groups.len(), GROUPS);

    let served = Arc::new(Served::new(store, seed::Orders(Vec::new()), NoServices, seed::settings(false)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answering = tokio::spawn(axum::serve(listener, router(served, Hosts::Loopback)).into_future());
    println!("one reading of {GROUPS} groups: {one:.2?}");
    let same = |_: usize| "/api/v1/counts/by_city?limit=100".to_owned();
    let pages = |n: usize| format!("/api/v1/counts/by_city?limit=100&offset={}", n % 100 * 100);
    for (name, path) in [("the first page", &same as &dyn Fn(usize) -> String), ("a hundred pages", &pages)] {
        let clients: Vec<_> = (0..IN_FLIGHT)
            .map(|client| {
                let paths: Vec<String> = (0..REQUESTS).map(|n| path(client * 7 + n)).collect();
                tokio::spawn(async move { ask(address, &paths).await })
            })
            .collect();
        let began = Instant::now();
        let mut took = Vec::new();
        for client in clients {
            took.extend(client.await.unwrap());
        }
        let whole = began.elapsed().as_secs_f64();
        took.sort();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
        println!(
            "{name}, {IN_FLIGHT} in flight: p50 {:.2?}, p99 {:.2?} ({:.2} × one reading), {:.0} a second",
            at(0.5),
            at(0.99),
            at(0.99).as_secs_f64() / one.as_secs_f64(),
            took.len() as f64 / whole
        );
    }
    answering.abort();
}
