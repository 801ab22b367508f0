//! Serves the console of a small shop in memory, for whoever sends it requests: `infra/fuzz` does.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "it is for tests")]

#[path = "../tests/api/seed.rs"]
#[expect(dead_code, clippy::panic, clippy::indexing_slicing, reason = "tests use all of it")]
mod seed;

use evercount_console::{Hosts, router};

#[tokio::main]
async fn main() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("ready http://{}", listener.local_addr().unwrap());
    let console = seed::shop(true).await;
    axum::serve(listener, router(console, Hosts::Loopback)).await.unwrap();
}
