//! `evercount console`: the web page and the API, on this machine.
//!
//! It prints `ready http://127.0.0.1:PORT` on one line of standard output once it answers, with `--json`
//! `{"ready": …, "target": …}`, and goes on until it is stopped. It opens nothing by itself.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use evercount_aws::config::SEGMENTS;
use evercount_aws::dynamo::{CountedTables, DynamoServices, DynamoStore};
use evercount_aws::meter::meter;
use evercount_console::{Hosts, Served, Settings, TargetDoc, router};
use evercount_local::stack::now;
use evercount_pipeline::adapt::AdaptOptions;
use evercount_pipeline::count::CountMode;
use serde_json::json;
use tokio::net::TcpListener;

use crate::args::ConsoleArgs;
use crate::exit::Exit;
use crate::show;
use crate::target::{self, Opened, Place, Target};

/// Pages of ledger or source that one word may read.
const PAGES: u32 = 8;

/// Runs the command.
pub async fn run(args: ConsoleArgs) -> anyhow::Result<Exit> {
    if !args.listen.ip().is_loopback() {
        bail!(
            "`--listen {}` is not on this machine alone, and the console asks nobody for a password; listen on 127.0.0.1, and reach it from elsewhere through SSH",
            args.listen
        );
    }
    let opened = target::open(args.target.target).await?;
    let served = serve(&opened, &args).await;
    opened.stack.stop().await;
    served.map(|()| Exit::Ok)
}

/// A console on what is opened.
pub async fn served(opened: &Opened, writes: bool) -> Served<DynamoStore, CountedTables, DynamoServices> {
    let options = opened.config.options;
    let settings = Settings {
        target: described(opened, writes).await,
        count: options,
        adapt: AdaptOptions {
            has_ledger: options.mode == CountMode::Ledger,
            source_is_readable: true,
            epoch: options.epoch,
            margin: opened.margin(None),
            pages: PAGES,
            segments: SEGMENTS,
            meter,
        },
        audits: true,
        clock: now,
    };
    let store = opened.stack.store().clone();
    let source = opened.stack.counted_tables();
    let services = DynamoServices::new(opened.stack.dynamodb(), &opened.config.tables.metadata);
    Served::new(store, source, services, settings)
}

async fn serve(opened: &Opened, args: &ConsoleArgs) -> anyhow::Result<()> {
    let console = Arc::new(served(opened, !args.read_only).await);
    let listener = TcpListener::bind(args.listen).await.with_context(|| {
        format!("could not listen on {}; `--listen 127.0.0.1:0` takes any free port", args.listen)
    })?;
    let url = format!("http://{}", listener.local_addr().unwrap_or(args.listen));
    if args.output.json {
        show::line(json!({"ready": url, "target": opened.to_json()}));
    } else {
        show::remark(format!("target: {}", opened.target));
        show::line(format!("ready {url}"));
    }
    let stopped = async {
        // Where no signal can be listened for, it goes on until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let answering = axum::serve(listener, router(console, Hosts::Loopback)).into_future();
    tokio::select! {
        ended = answering => ended.context("the console could not go on"),
        () = stopped => Ok(()),
    }
}

/// The target as the page names it. Account and region are in the name of the metadata table.
async fn described(opened: &Opened, writes: bool) -> TargetDoc {
    let metadata = &opened.config.tables.metadata;
    let table = opened.stack.dynamodb().describe_table().table_name(metadata).send().await;
    let arn = table.ok().and_then(|table| table.table).and_then(|table| table.table_arn);
    let Place { account, region } = arn.as_deref().map(Place::of_arn).unwrap_or_default();
    let kind = match opened.target {
        Target::Embedded { .. } => "embedded",
        Target::Local { .. } => "local",
        Target::Endpoint(_) => "endpoint",
        Target::Aws(_) => "aws",
    };
    TargetDoc {
        kind: kind.to_owned(),
        text: opened.target.to_string(),
        account,
        region,
        writes,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Where it listens unless told otherwise.
pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8787);
