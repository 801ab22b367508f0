//! `evercount proxy`: the data proxy on a loopback port, until somebody stops it.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use evercount_local::stack::now;
use evercount_proxy::Proxy;
use evercount_proxy::server::{listen, serve};
use serde_json::json;
use tokio::net::TcpListener;

use crate::args::proxy::{ProxyArgs, SignArg};
use crate::arriving::look_after;
use crate::exit::Exit;
use crate::show;
use crate::target;

mod config;
mod upstream;
mod written;

use upstream::Forward;

/// How often it is stored what was asked for and is not there.
const USAGE_PAUSE: Duration = Duration::from_secs(10);

/// Runs the command.
pub async fn run(args: ProxyArgs) -> anyhow::Result<Exit> {
    let options = config::options(&args).await?;
    if args.sign == Some(SignArg::Lambda) {
        return forward(&args).await;
    }
    // The registry is where the other commands have it, and so are the tables unless somebody says otherwise.
    let opened = target::open(args.target.target).await?;
    let (upstream, table) = upstream::of_target(&args, &opened).await?;
    let (listener, mode, to) = (bind(&args).await?, options.mode.name(), upstream.url());
    let proxy = Arc::new(Proxy::new(upstream, opened.stack.store().clone(), table, options, now));
    ready(&args, &listener, &to, mode)?;
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
    let tell_of = |what: String| show::remark(what);
    let trouble = |what: Option<String>| {
        if let Some(what) = what {
            show::remark(format!("what is kept beside tables could not be looked after: {what}"));
        }
    };
    let looking_after =
        look_after(proxy.store(), proxy.table(), &proxy.options().mutations, tell_of, trouble);
    tokio::select! {
        served = serve(listener, Arc::clone(&proxy), stopped()) => served.context("serving ended by itself")?,
        () = storing => {}
        never = looking_after => match never {},
    }
    store_usage().await;
    opened.stack.stop().await;
    Ok(Exit::Ok)
}

/// Passes everything on to the data proxy's function, which does what this one would.
async fn forward(args: &ProxyArgs) -> anyhow::Result<Exit> {
    if args.mode.is_some() || args.config.is_some() {
        bail!("modes are the function's with `--sign lambda`: ProxyMode and ProxyTableModes of its stack");
    }
    let upstream = upstream::of_function(args).await?;
    let listener = bind(args).await?;
    ready(args, &listener, &upstream.url(), "of the function")?;
    serve(listener, Arc::new(Forward(upstream)), stopped()).await.context("serving ended by itself")?;
    Ok(Exit::Ok)
}

async fn bind(args: &ProxyArgs) -> anyhow::Result<TcpListener> {
    listen(args.listen).await.with_context(|| format!("could not listen on {}", args.listen))
}

/// Says where the proxy is.
fn ready(args: &ProxyArgs, listener: &TcpListener, upstream: &str, mode: &str) -> anyhow::Result<()> {
    let url = format!("http://{}", listener.local_addr().context("the port is not known")?);
    if !args.output.json {
        return tell(&format!("ready {url}"));
    }
    tell(&json!({ "ready": url, "upstream": upstream, "mode": mode, "pid": std::process::id() }).to_string())
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
