//! Owns an upstream that asks who calls: each request is signed anew, with the credentials of whoever runs the
//! proxy, because the signature that it came with is of another host.
//!
//! There are two such upstreams: DynamoDB itself, and the URL of the data proxy's function, through which an
//! unmodified SDK reaches it by way of a proxy on its own machine.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use evercount_proxy::upstream::{RESPONSE_BYTES_MAX, Unreachable, Upstream};
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};

use crate::caller::{Caller, Failed, endpoint};

pub use crate::caller::{CallerError, Service};

/// How long the upstream may take for one request, connecting to it among it.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// What belongs to the connection or the signature that a request came with.
const OF_THE_CALLER: [HeaderName; 9] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    TRANSFER_ENCODING,
    HeaderName::from_static("x-amz-content-sha256"),
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-security-token"),
];

/// An upstream that asks who calls.
#[derive(Debug)]
pub struct Signed {
    caller: Caller,
    service: Service,
    scheme: Scheme,
    authority: Authority,
}

impl Signed {
    pub(crate) fn new(caller: Caller, service: Service, url: &str) -> Result<Self, CallerError> {
        let (scheme, authority) = endpoint(url).ok_or_else(|| CallerError::Url(url.to_owned()))?;
        Ok(Self { caller, service, scheme, authority })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// The request as this upstream takes it.
    fn signed(
        &self,
        request: Request<Bytes>,
        credentials: Credentials,
        now: SystemTime,
    ) -> Result<Request<Bytes>, Failed> {
        let (mut parts, body) = request.into_parts();
        OF_THE_CALLER.iter().for_each(|name| drop(parts.headers.remove(name)));
        if self.service == Service::DynamoDb {
            // The proxy reads what comes back.
            parts.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let url = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        parts.uri = url.path_and_query(path).build()?;
        self.caller.signed(self.service, Request::from_parts(parts, body), credentials, now)
    }
}

impl Upstream for Signed {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unreachable> {
        let sending = async {
            let now = SystemTime::now();
            let credentials = self.caller.credentials(now).await?;
            self.caller.exchange(self.signed(request, credentials, now)?, RESPONSE_BYTES_MAX).await
        };
        let seconds = SEND_TIMEOUT.as_secs();
        let timed_out = |_| Unreachable(format!("no answer from {} in {seconds} s", self.authority));
        let sent = tokio::time::timeout(SEND_TIMEOUT, sending).await.map_err(timed_out)?;
        sent.map_err(|error| Unreachable::because(&self.authority, &*error))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::time::UNIX_EPOCH;

    use aws_credential_types::provider::SharedCredentialsProvider;

    use super::*;
    use crate::clients::{Https, Trusted};

    fn caller() -> Caller {
        let credentials = Credentials::new("id", "secret", Some("token".to_owned()), None, "test");
        let credentials = SharedCredentialsProvider::new(credentials);
        Caller::new(Https::new(Trusted::Amazon), credentials, "eu-central-1".to_owned())
    }

    #[tokio::test]
    async fn what_a_request_came_with_is_replaced_and_what_it_wants_is_signed() {
        let url = "https://dynamodb.eu-central-1.amazonaws.com/";
        let upstream = Signed::new(caller(), Service::DynamoDb, url).unwrap();
        let request = Request::post("http://127.0.0.1:8001/?x=1")
            .header("host", "127.0.0.1:8001")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=somebody")
            .header("x-amz-date", "20200101T000000Z")
            .header("x-amz-security-token", "theirs")
            .header("x-amz-target", "DynamoDB_20120810.GetItem")
            .header("content-type", "application/x-amz-json-1.0")
            .header("accept-encoding", "gzip")
            .header("x-forwarded-for", "10.0.0.1")
            .header("content-length", "2")
            .body(Bytes::from_static(b"{}"))
            .unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let credentials = upstream.caller.credentials(now).await.unwrap();
        let sent = upstream.signed(request, credentials, now).unwrap();
        assert_eq!(sent.uri().to_string(), "https://dynamodb.eu-central-1.amazonaws.com/?x=1");
        let header = |name: &str| sent.headers().get(name).map(|value| value.to_str().unwrap());
        let authorization = header("authorization").unwrap();
        let expected = "AWS4-HMAC-SHA256 Credential=id/20260101/eu-central-1/dynamodb/aws4_request, \
                        SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=";
        assert!(authorization.starts_with(expected), "{authorization}");
        assert_eq!(header("x-amz-date"), Some("20260101T000000Z"));
        assert_eq!(header("x-amz-security-token"), Some("token"));
        assert_eq!(header("accept-encoding"), Some("identity"));
        assert_eq!((header("host"), header("content-length")), (None, None));
        assert_eq!((header("x-forwarded-for"), sent.body().as_ref()), (Some("10.0.0.1"), &b"{}"[..]));
    }

    #[test]
    fn an_endpoint_is_a_url_without_a_path() {
        for wrong in ["", "dynamodb", "ftp://x", "https://x/path", "https:///"] {
            let refused = Signed::new(caller(), Service::Lambda, wrong).unwrap_err();
            assert_eq!(refused, CallerError::Url(wrong.to_owned()));
        }
    }
}
