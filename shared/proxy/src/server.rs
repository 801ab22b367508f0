//! Owns how a proxy is served on this machine, and how it reaches an upstream that speaks plain HTTP.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answer::Refusal;
use crate::upstream::{REQUEST_BYTES_MAX, Unreachable, Upstream};
use link::Links;

mod link;

/// How long the upstream may take for one request: DynamoDB's own bound is below it.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// How long no connection is accepted after the system had none to give.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// The answer to a request.
    fn handle(&self, request: Request<Bytes>) -> impl Future<Output = Response<Bytes>> + Send;
}

/// Listens where the proxy may be reached: on this machine alone, because whoever reaches it has the
/// rights of the proxy upstream.
///
/// # Errors
/// Where the address is another machine's to reach, or is taken.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let loopback = match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    };
    if !loopback {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "only a loopback address, such as 127.0.0.1, may be listened on: whoever reaches the proxy has \
             its rights",
        ));
    }
    TcpListener::bind(address).await
}

/// Serves until `stopped` resolves; requests that run are then finished.
///
/// # Errors
/// Where the listener fails.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    handler: Arc<H>,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // Dropped, it tells connections to end.
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stopped = pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut stopped => break,
        };
        match accepted {
            Ok((stream, _)) => {
                drop(connections.spawn(serve_one(stream, Arc::clone(&handler), stopping.clone())))
            }
            Err(error) if is_of_one(&error) => {
                tracing::debug!(%error, "a connection that did not come about")
            }
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted now");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop((listener, stop));
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Whether an error is of one connection, and says nothing of the next.
fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves one connection until its client closes it, or until there are to be no requests any more.
async fn serve_one<H: Handler>(stream: TcpStream, handler: Arc<H>, mut stopping: watch::Receiver<()>) {
    // Small answers go out at once: waiting for more to send would cost each request 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection without TCP_NODELAY");
    }
    let service = service_fn(|request: Request<Incoming>| async {
        Ok::<_, Infallible>(answer(&*handler, request).await.map(Full::new))
    });
    let mut serving = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        biased;
        served = serving.as_mut() => served,
        _ = stopping.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended in an error");
    }
}

async fn answer<H: Handler>(handler: &H, request: Request<Incoming>) -> Response<Bytes> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, REQUEST_BYTES_MAX).collect().await else {
        return Refusal::TooLarge.answer();
    };
    let mut answer = handler.handle(Request::from_parts(parts, body.to_bytes())).await;
    // Of the connection to the upstream, not of this one.
    answer.headers_mut().remove(CONNECTION);
    answer.headers_mut().remove(TRANSFER_ENCODING);
    answer
}

/// An upstream without TLS: the embedded DynamoDB, or an emulator. Requests keep the signature they came
/// with, which such an upstream does not check.
#[derive(Clone, Debug)]
pub struct PlainUpstream {
    authority: Authority,
    host: HeaderValue,
    links: Arc<Links>,
}

impl PlainUpstream {
    /// An upstream at a URL such as `http://127.0.0.1:8000`.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn new(url: &str) -> Result<Self, String> {
        let wrong = || format!("`{url}` is no URL of a DynamoDB without TLS, such as http://127.0.0.1:8000");
        let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err(wrong()) };
        if *scheme != Scheme::HTTP || !matches!(uri.path(), "" | "/") {
            return Err(wrong());
        }
        let host = authority
            .port()
            .map_or_else(|| authority.host().to_owned(), |port| format!("{}:{port}", authority.host()));
        let host = HeaderValue::from_str(&host).map_err(|_| wrong())?;
        Ok(Self { authority: authority.clone(), host, links: Arc::new(Links::new(authority)) })
    }
}

impl Upstream for PlainUpstream {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unreachable> {
        let (mut parts, body) = request.into_parts();
        // The URI is sent as it stands, and only what is asked for stands in it.
        if parts.uri.authority().is_some() || parts.uri.path_and_query().is_none() {
            let wanted = parts.uri.path_and_query().cloned();
            parts.uri = Uri::from(wanted.unwrap_or_else(|| PathAndQuery::from_static("/")));
        }
        for of_connection in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
            parts.headers.remove(of_connection);
        }
        parts.headers.insert(HOST, self.host.clone());
        parts.version = Version::HTTP_11;
        let authority = &self.authority;
        let sending = self.links.exchange(Request::from_parts(parts, Full::new(body)));
        match tokio::time::timeout(SEND_TIMEOUT, sending).await {
            Ok(answer) => answer.map_err(|error| Unreachable::because(authority, &*error)),
            Err(_) => Err(Unreachable(format!("no answer from {authority} in {} s", SEND_TIMEOUT.as_secs()))),
        }
    }
}
