//! Owns how requests get to AWS and back: HTTP/1.1 and TLS, for the SDK's clients and for what is asked
//! without one.
//!
//! The SDK's own HTTP client cannot be built without HTTP/2, which takes a twentieth of a function and which
//! DynamoDB does not speak. So the client that it is made of is used as it is, with the connections of all
//! clients in one pool. Connecting has its time here; how long an answer may take is for those to say who ask.

use std::fmt;
use std::sync::{Arc, LazyLock};

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector as SmithyConnector, HttpConnectorFuture, HttpConnectorSettings,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::Request;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::client::legacy::connect::{CaptureConnection, Connect, HttpConnector, capture_connection};
use hyper_util::client::legacy::{Builder, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::ring;

use super::roots::Trusted;
use crate::dynamo::CONNECT_TIMEOUT;

/// What sends requests, or why nothing can.
type Sender = Result<Box<dyn Fn(Request<SdkBody>) -> ResponseFuture + Send + Sync>, rustls::Error>;

/// A pool of connections, made when the first of them is needed: reading roots is for those who do.
#[derive(Clone)]
pub(crate) struct Https(Arc<LazyLock<Sender, Box<dyn FnOnce() -> Sender + Send>>>);

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Https").finish_non_exhaustive()
    }
}

impl Https {
    /// Connections to whoever `trusted` vouches for; where no TLS is asked for, to anybody.
    pub(crate) fn new(trusted: Trusted) -> Self {
        Self::looking_up(trusted, GaiResolver::new())
    }

    /// As [`Https::new`], with names looked up by `resolver`.
    pub(crate) fn looking_up<R>(trusted: Trusted, resolver: R) -> Self
    where
        R: Send + 'static,
        HttpsConnector<HttpConnector<R>>: Connect + Clone + Send + Sync,
    {
        Self(Arc::new(LazyLock::new(Box::new(move || sender(trusted, resolver)))))
    }
}

fn sender<R>(trusted: Trusted, resolver: R) -> Sender
where
    R: 'static,
    HttpsConnector<HttpConnector<R>>: Connect + Clone + Send + Sync,
{
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted.roots())
        .with_no_client_auth();
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    // Or the end of a request may wait until its beginning has been received.
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let https =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    let client = Builder::new(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(https);
    Ok(Box::new(move |request| client.request(request)))
}

impl SmithyConnector for Https {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let refused = |error: Box<dyn std::error::Error + Send + Sync>| {
            HttpConnectorFuture::ready(Err(ConnectorError::user(error)))
        };
        let send = match &**self.0 {
            Ok(send) => send,
            Err(error) => return refused(error.clone().into()),
        };
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return refused(error.into()),
        };
        let captured = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || retrieved(captured.clone()));
        }
        let sent = send(request);
        HttpConnectorFuture::new(async move {
            // Whatever goes wrong on the way may go right another time, which is what this kind means.
            let answer = sent.await.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The connection that a request was sent on, for the SDK to tell that it must not be used again.
fn retrieved(captured: CaptureConnection) -> Option<ConnectionMetadata> {
    captured.connection_metadata().as_ref()?;
    let poison = move || {
        if let Some(connection) = captured.connection_metadata().as_ref() {
            connection.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}

impl HttpClient for Https {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
