//! Owns how a proxy is served on this machine, and how it reaches an upstream that speaks plain HTTP.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

use crate::answer::Refusal;
use crate::upstream::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, Unreachable, Upstream};

/// How long the upstream may take for one request: DynamoDB's own bound is below it.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to be connected to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
    let router = Router::new().fallback(move |request: Request<Body>| {
        let handler = Arc::clone(&handler);
        async move { answer(&*handler, request).await.map(Body::from) }
    });
    // Small answers go out at once: waiting for more to send would cost each request 40 ms.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection without TCP_NODELAY");
        }
    });
    axum::serve(listener, router).with_graceful_shutdown(stopped).await
}

async fn answer<H: Handler>(handler: &H, request: Request<Body>) -> Response<Bytes> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_BYTES_MAX).await else { return Refusal::TooLarge.answer() };
    let mut answer = handler.handle(Request::from_parts(parts, body)).await;
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
    client: Client<HttpConnector, Full<Bytes>>,
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
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { authority: authority.clone(), client })
    }
}

impl Upstream for PlainUpstream {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unreachable> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        parts.uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|error| Unreachable(error.to_string()))?;
        for of_connection in [HOST, CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
            parts.headers.remove(of_connection);
        }
        let authority = &self.authority;
        let failed = |error: &dyn std::error::Error| Unreachable::because(authority, error);
        let sending = async {
            let request = Request::from_parts(parts, Full::new(body));
            let answer = self.client.request(request).await.map_err(|error| failed(&error))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, RESPONSE_BYTES_MAX).collect().await;
            let body = body.map_err(|error| failed(&*error))?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        let timed_out =
            |_| Unreachable(format!("no answer from {authority} in {} s", SEND_TIMEOUT.as_secs()));
        tokio::time::timeout(SEND_TIMEOUT, sending).await.map_err(timed_out)?
    }
}
