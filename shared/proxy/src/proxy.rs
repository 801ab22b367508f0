//! Owns what becomes of one request.

use bytes::Bytes;
use http::{Request, Response};

use crate::answer::Refusal;
use crate::upstream::Upstream;

/// A proxy in front of an upstream.
#[derive(Debug)]
pub struct Proxy<U> {
    upstream: U,
}

impl<U: Upstream> Proxy<U> {
    /// A proxy that passes everything on.
    #[must_use]
    pub fn new(upstream: U) -> Self {
        Self { upstream }
    }

    /// The answer to a request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.upstream
            .send(request)
            .await
            .unwrap_or_else(|unreachable| Refusal::Unavailable(unreachable.to_string()).answer())
    }
}

#[cfg(feature = "server")]
impl<U: Upstream + 'static> crate::server::Handler for Proxy<U> {
    fn handle(
        &self,
        request: Request<Bytes>,
    ) -> impl std::future::Future<Output = Response<Bytes>> + Send {
        Self::handle(self, request)
    }
}
