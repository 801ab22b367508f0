//! Owns connections to an upstream without TLS, which go from request to request.
//!
//! Whoever sends a request also drives its connection. A task of the connection's own, as clients of HTTP mostly
//! have, would be switched to and back from several times for each request, which is a good part of what a
//! proxy on the same machine costs.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::Authority;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::upstream::RESPONSE_BYTES_MAX;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one is kept without a request.
const IDLE_FOR: Duration = Duration::from_secs(30);
/// Most that are kept without a request.
const IDLE_MAX: usize = 128;
/// Where URLs of HTTP lead that name no port.
const PORT: u16 = 80;

/// Why a request was not answered.
pub(super) type LinkError = Box<dyn Error + Send + Sync>;

/// Connections to one upstream.
pub(super) struct Links {
    host: String,
    port: u16,
    /// The one that was used last is at the end.
    idle: Mutex<VecDeque<(Instant, Link)>>,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Links {
    pub(super) fn new(authority: &Authority) -> Self {
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Self { host, port: authority.port_u16().unwrap_or(PORT), idle: Mutex::default() }
    }

    /// Sends a request, which names its host in a header and in its URI only what is asked for, and reads its
    /// answer.
    ///
    /// # Errors
    /// What is wrong. The upstream may have got the request all the same.
    pub(super) async fn exchange(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, LinkError> {
        while let Some(mut link) = self.take() {
            // Upstreams close what is idle.
            if !link.is_open().await {
                continue;
            }
            match link.exchange(request).await {
                Ok(answer) => return Ok(self.keep(link, answer)),
                Err(Failed::Unsent(unsent)) => request = *unsent,
                Err(Failed::Sent(error)) => return Err(error),
            }
        }
        let mut link = self.connect().await?;
        match link.exchange(request).await {
            Ok(answer) => Ok(self.keep(link, answer)),
            Err(Failed::Unsent(_)) => Err("the connection was closed at once".into()),
            Err(Failed::Sent(error)) => Err(error),
        }
    }

    fn take(&self) -> Option<Link> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_back().map(|(_, link)| link)
    }

    fn keep(&self, link: Link, answer: Response<Bytes>) -> Response<Bytes> {
        if link.is_idle() {
            let now = Instant::now();
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let is_old = |(since, _): &(Instant, Link)| now.duration_since(*since) > IDLE_FOR;
            while idle.len() >= IDLE_MAX || idle.front().is_some_and(is_old) {
                idle.pop_front();
            }
            idle.push_back((now, link));
        }
        answer
    }

    async fn connect(&self) -> Result<Link, LinkError> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it could not be connected to in time");
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(late)??;
        stream.set_nodelay(true)?;
        let (sends, driven) = handshake(TokioIo::new(stream)).await?;
        Ok(Link { sends, driven, is_closed: false })
    }
}

/// One connection.
struct Link {
    sends: SendRequest<Full<Bytes>>,
    driven: Connection<TokioIo<TcpStream>, Full<Bytes>>,
    is_closed: bool,
}

/// Why a connection did not give an answer.
enum Failed {
    /// Nothing of the request was sent; here it is again.
    Unsent(Box<Request<Full<Bytes>>>),
    /// The upstream may have it.
    Sent(LinkError),
}

impl Link {
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Failed> {
        let head = self.sends.try_send_request(request);
        let answer = self.driving(head).await.map_err(|mut error| match error.take_message() {
            Some(unsent) => Failed::Unsent(Box::new(unsent)),
            None => Failed::Sent(error.into_error().into()),
        })?;
        let (head, body) = answer.into_parts();
        let body = self.driving(Limited::new(body, RESPONSE_BYTES_MAX).collect()).await;
        Ok(Response::from_parts(head, body.map_err(Failed::Sent)?.to_bytes()))
    }

    /// Whether it can take a request, by what has come of it.
    async fn is_open(&mut self) -> bool {
        poll_fn(|cx| {
            self.drive(cx);
            Poll::Ready(self.is_idle())
        })
        .await
    }

    /// Whether it can take a request, as far as is known.
    fn is_idle(&self) -> bool {
        !self.is_closed && self.sends.is_ready()
    }

    /// Lets the connection do what it can. An error of its own is told to whoever awaits something of it.
    fn drive(&mut self, cx: &mut Context<'_>) {
        self.is_closed = self.is_closed || Pin::new(&mut self.driven).poll(cx).is_ready();
    }

    /// Drives the connection for as long as something of it is awaited.
    async fn driving<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = pin!(awaited);
        poll_fn(|cx| {
            // Nothing but the connection has news of what is awaited, which is asked after each of its turns.
            let mut no_news = Context::from_waker(Waker::noop());
            let ready = awaited.as_mut().poll(&mut no_news);
            // Also where it is there already: for its next request the connection has to be done with this one.
            self.drive(cx);
            if ready.is_ready() { ready } else { awaited.as_mut().poll(&mut no_news) }
        })
        .await
    }
}
