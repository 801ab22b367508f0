//! Owns what a proxy needs of the DynamoDB behind it.

use std::error::Error;
use std::fmt;
use std::future::Future;

use bytes::Bytes;
use http::{Request, Response};

/// Longest request, in bytes: DynamoDB takes 16 MB at most
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
pub const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest answer, in bytes. DynamoDB gives at most 16 MB of items (`BatchGetItem`), which as JSON are at
/// most so many: a binary grows by a third, and a control character takes six bytes.
pub const RESPONSE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Why there is no answer. Nothing is known of what became of the request.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

impl Unreachable {
    /// That an upstream gave no answer, with the error and all its causes.
    #[must_use]
    pub fn because(upstream: &impl fmt::Display, error: &dyn Error) -> Self {
        let mut told = error.to_string();
        let mut cause = error.source();
        while let Some(because) = cause {
            told = format!("{told}: {because}");
            cause = because.source();
        }
        Self(format!("no answer from {upstream}: {told}"))
    }
}

/// The DynamoDB behind a proxy.
pub trait Upstream: Send + Sync {
    /// Sends a request and gives back the answer as it came, whatever its status.
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Bytes>, Unreachable>> + Send;
}

impl<U: Upstream> Upstream for std::sync::Arc<U> {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Bytes>, Unreachable>> + Send {
        (**self).send(request)
    }
}
