//! How much the proxy costs: requests a second through it as a share of going straight, and what it adds to
//! the slowest of a hundred. Printed, never asserted.

use std::time::{Duration, Instant};

use evercount_core::resolve::Mode;
use evercount_proxy::server::PlainUpstream;
use serde_json::json;

use super::stage::{Stage, call};

/// Clients at a time.
const CLIENTS: usize = 4;
/// Requests of each in one round.
const REQUESTS: usize = 500;
/// Rounds, each straight and through the proxy.
const ROUNDS: usize = 3;

/// Half puts, half gets; the time of each request.
async fn round(url: &str) -> (f64, Vec<Duration>) {
    let started = Instant::now();
    let clients = (0..CLIENTS).map(|number| {
        let client = PlainUpstream::new(url).unwrap();
        tokio::spawn(async move {
            let mut times = Vec::with_capacity(REQUESTS);
            for n in 0..REQUESTS {
                let key = json!({"S": format!("{number}-{}", n / 2)});
                let started = Instant::now();
                let answer = if n % 2 == 0 {
                    let item = json!({"id": key, "state": {"S": "NEW"}, "amount": {"N": "12"}, "note": {"S": "some text"}});
                    call(&client, "PutItem", &json!({"TableName": "orders", "Item": item})).await
                } else {
                    call(&client, "GetItem", &json!({"TableName": "orders", "Key": {"id": key}})).await
                };
                times.push(started.elapsed());
                assert_eq!(answer.status, 200);
            }
            times
        })
    });
    let mut times = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        times.extend(client.await.unwrap());
    }
    times.sort();
    (times.len() as f64 / started.elapsed().as_secs_f64(), times)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures: run it alone, with --ignored --nocapture"]
async fn throughput_and_the_time_that_the_proxy_adds() {
    let stage = Stage::known_for(Mode::Strict, 1_000_000).await;
    let client = PlainUpstream::new(&stage.url).unwrap();
    super::refusing::table(&client).await;
    stage.register("orders", &["id", "state", "amount", "note"]).await;
    let straight = stage.aws.dynamodb_endpoint();
    round(&straight).await;
    for _ in 0..ROUNDS {
        let (direct, direct_times) = round(&straight).await;
        let (through, through_times) = round(&stage.url).await;
        let p99 = |times: &[Duration]| times[times.len() * 99 / 100].as_secs_f64() * 1_000.0;
        println!(
            "straight {direct:.0}/s, through the proxy {through:.0}/s: {:.0} %; p99 {:.2} ms and {:.2} ms: {:+.2} ms",
            through / direct * 100.0,
            p99(&direct_times),
            p99(&through_times),
            p99(&through_times) - p99(&direct_times),
        );
    }
    stage.aws.stop().await;
}
