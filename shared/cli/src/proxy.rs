//! `evercount proxy`: the data proxy on a loopback port, until somebody stops it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use evercount_core::resolve::Mode;
use evercount_local::client;
use evercount_local::stack::now;
use evercount_proxy::server::{PlainUpstream, listen, serve};
use evercount_proxy::{Proxy, ProxyOptions};
use serde::Deserialize;
use serde_json::json;

use crate::args::proxy::ProxyArgs;
use crate::exit::Exit;
use crate::show;
use crate::target::{self, Target};

/// How often it is stored what was asked for and is not there.
const USAGE_PAUSE: Duration = Duration::from_secs(10);

/// The region that an upstream at a URL is told; emulators do not ask.
const REGION: &str = "eu-central-1";

/// What a configuration file may say.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Stated {
    mode: Option<String>,
    #[serde(default)]
    tables: BTreeMap<String, String>,
}

/// Runs the command.
pub async fn run(args: ProxyArgs) -> anyhow::Result<Exit> {
    let options = options(&args)?;
    // The registry is where the other commands have it, and so are the tables unless somebody says otherwise.
    let opened = target::open(None).await?;
    let upstream = match (&args.upstream, &opened.target, opened.stack.embedded_aws()) {
        (Some(url), _, _) => url.clone(),
        (None, _, Some(aws)) => aws.dynamodb_endpoint(),
        (None, Target::Local { dynamodb, .. }, None) => dynamodb.clone(),
        (None, Target::Endpoint(url), None) => url.clone(),
        (None, other, None) => bail!("`evercount proxy` has no way to {other}; name its URL with --upstream"),
    };
    let plain = PlainUpstream::new(&upstream).map_err(|wrong| anyhow!(wrong))?;
    let listener =
        listen(args.listen).await.with_context(|| format!("could not listen on {}", args.listen))?;
    let url = format!("http://{}", listener.local_addr().context("the port is not known")?);
    let mode = options.mode.name();
    let table = match &args.upstream {
        Some(url) => opened.stack.store().written_tables(&client::dynamodb(url, REGION)),
        None => opened.stack.store().written_tables(opened.stack.dynamodb()),
    };
    let proxy = Arc::new(Proxy::new(plain, opened.stack.store().clone(), table, options, now));
    if args.output.json {
        tell(
            &json!({ "ready": url, "upstream": upstream, "mode": mode, "pid": std::process::id() })
                .to_string(),
        )?;
    } else {
        tell(&format!("ready {url}"))?;
    }
    let store_usage = async || {
        if let Err(error) = proxy.usage().store(proxy.store(), now()).await {
            show::remark(format!("what was asked for could not be stored: {error}"));
        }
    };
    let storing = async {
        loop {
            tokio::time::sleep(USAGE_PAUSE).await;
            store_usage().await;
        }
    };
    tokio::select! {
        served = serve(listener, Arc::clone(&proxy), stopped()) => served.context("serving ended by itself")?,
        () = storing => {}
    }
    store_usage().await;
    opened.stack.stop().await;
    Ok(Exit::Ok)
}

/// One line, at once: whoever started this waits for it.
fn tell(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("could not write to standard output")
}

/// Resolves when this process is asked to end.
async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if let Err(error) = tokio::signal::ctrl_c().await {
        show::remark(format!("could not listen for Ctrl-C: {error}"));
        std::future::pending::<()>().await;
    }
}

fn options(args: &ProxyArgs) -> anyhow::Result<ProxyOptions> {
    let stated = args.config.as_deref().map_or_else(|| Ok(Stated::default()), read)?;
    let parse = |name: &str| {
        Mode::parse(name).with_context(|| format!("`{name}` is no mode; there are strict, observe and off"))
    };
    let mode = match (args.mode, &stated.mode) {
        (Some(mode), _) => mode.into(),
        (None, Some(name)) => parse(name)?,
        (None, None) => Mode::default(),
    };
    let tables = stated.tables.iter().map(|(table, name)| Ok((table.clone(), parse(name)?)));
    let tables = tables.collect::<anyhow::Result<_>>()?;
    Ok(ProxyOptions { mode, tables, ..ProxyOptions::default() })
}

fn read(file: &Path) -> anyhow::Result<Stated> {
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not right", file.display()))
}
