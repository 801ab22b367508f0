//! Owns how an invocation reaches a handler: with its body as it came.
//!
//! `lambda_runtime` reads every body with serde, in a wrapper that follows the path to each value for
//! its error messages, into a type that cannot borrow from it. A handler that reads six megabytes of
//! records itself pays for that twice. So a layer takes the body out of the invocation before the
//! runtime reads it, leaves `null` in its place, and hands it to the handler beside the event.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use lambda_runtime::tower::Layer;
use lambda_runtime::{Error, LambdaEvent, LambdaInvocation, Runtime, Service, service_fn};
use serde::Serialize;

/// An invocation as it came.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Its payload: the bytes of a JSON text, unread.
    pub body: Bytes,
    /// When it must have ended, microseconds since the epoch.
    pub deadline: i64,
}

/// Why a handler was not called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoBody;

impl std::fmt::Display for NoBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the invocation has no body: it was not made by the runtime this handler runs in")
    }
}

impl std::error::Error for NoBody {}

/// Where the body of the invocation at hand is between the layer and the handler, with the id of its
/// request. The runtime makes one invocation after the other.
#[derive(Clone, Default)]
struct Aside(Arc<Mutex<Option<(String, Bytes)>>>);

impl Aside {
    fn put(&self, request: String, body: Bytes) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((request, body));
    }

    fn take(&self, request: &str) -> Result<Bytes, NoBody> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        held.filter(|(of, _)| of == request).map(|(_, body)| body).ok_or(NoBody)
    }
}

/// The layer that takes bodies out of invocations.
struct TakeBody(Aside);

/// The service of that layer.
struct BodyTaken<S> {
    inner: S,
    aside: Aside,
}

impl<S> Layer<S> for TakeBody {
    type Service = BodyTaken<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BodyTaken { inner, aside: self.0.clone() }
    }
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for BodyTaken<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> Self::Future {
        let body = std::mem::replace(&mut invocation.body, Bytes::from_static(b"null"));
        self.aside.put(invocation.context.request_id.clone(), body);
        self.inner.call(invocation)
    }
}

/// Runs a handler on invocations as they come, until the environment is shut down.
///
/// # Errors
/// Where the Runtime API cannot be reached. An error of the handler is the answer to its invocation.
pub async fn run<H, F, R>(handler: H) -> Result<(), Error>
where
    H: Fn(Invocation) -> F,
    F: Future<Output = Result<R, Error>>,
    R: Serialize,
{
    runtime(handler).run().await
}

/// The runtime of a handler, for who puts layers around it.
pub fn runtime<'a, H, F, R>(
    handler: H,
) -> Runtime<impl Service<LambdaInvocation, Response = (), Error = Error> + use<'a, H, F, R>>
where
    H: Fn(Invocation) -> F + 'a,
    F: Future<Output = Result<R, Error>> + 'a,
    R: Serialize + 'a,
{
    let aside = Aside::default();
    let layer = TakeBody(aside.clone());
    let call = service_fn(move |event: LambdaEvent<()>| {
        let invocation = aside.take(&event.context.request_id);
        // The Runtime API tells milliseconds.
        let deadline = i64::try_from(event.context.deadline.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let answer = invocation.map(|body| handler(Invocation { body, deadline }));
        async move { answer.map_err(Error::from)?.await }
    });
    Runtime::new(call).layer(layer)
}

/// The time, microseconds since the epoch.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
