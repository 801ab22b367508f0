//! Owns an upstream that asks who calls: each request is signed anew, with the credentials of whoever runs the
//! proxy, because the signature that it came with is of another host.
//!
//! There are two such upstreams: DynamoDB itself, and the URL of the data proxy's function, through which an
//! unmodified SDK reaches it by way of a proxy on its own machine.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use evercount_proxy::upstream::{RESPONSE_BYTES_MAX, Unreachable, Upstream};
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap,
    HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use tokio::sync::Mutex;

/// How long the upstream may take for one request, connecting to it among it.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// Credentials are asked for anew so long before they end: clocks differ, and requests take time.
const BEFORE_THE_END: Duration = Duration::from_secs(300);
/// And after so long where they do not say when they end, as the SDK does.
const KEPT_FOR: Duration = Duration::from_secs(900);

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

/// What a request is signed for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// DynamoDB.
    DynamoDb,
    /// The URL of a function.
    Lambda,
}

impl Service {
    /// Its name in signatures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Lambda => "lambda",
        }
    }
}

/// Why there is no such upstream.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignedError {
    /// Nothing says where.
    #[error("no region is known; set AWS_REGION")]
    NoRegion,
    /// Nothing says who.
    #[error("no credentials are known")]
    NoCredentials,
    /// It is no URL of an endpoint.
    #[error("`{0}` is no URL of an endpoint, such as https://dynamodb.eu-central-1.amazonaws.com")]
    Url(String),
    /// The SDK knows no endpoint.
    #[error("no endpoint of DynamoDB is known: {0}")]
    NoEndpoint(String),
}

/// Whom to ask, as whom, and where.
pub(crate) struct Caller {
    pub(crate) connector: Connector,
    pub(crate) credentials: SharedCredentialsProvider,
    pub(crate) region: String,
}

/// The URL of DynamoDB, as the SDK finds it.
pub(crate) async fn dynamodb_url(
    region: &str,
    endpoint: Option<String>,
    fips: bool,
    dual_stack: bool,
) -> Result<String, SignedError> {
    let wrong = |error: &dyn std::error::Error| SignedError::NoEndpoint(error.to_string());
    let params = Params::builder().region(region).use_fips(fips).use_dual_stack(dual_stack);
    let params = params.set_endpoint(endpoint).build().map_err(|error| wrong(&error))?;
    let resolver = DefaultResolver::new();
    let found = ResolveEndpoint::resolve_endpoint(&resolver, &params);
    let found = found.await.map_err(|error| wrong(&*error))?;
    Ok(found.url().to_owned())
}

/// An upstream that asks who calls.
#[derive(Debug)]
pub struct Signed {
    connector: Connector,
    credentials: SharedCredentialsProvider,
    known: Mutex<Option<(Credentials, SystemTime)>>,
    region: String,
    service: Service,
    scheme: Scheme,
    authority: Authority,
}

impl Signed {
    pub(crate) fn new(caller: Caller, service: Service, url: &str) -> Result<Self, SignedError> {
        let Caller { connector, credentials, region } = caller;
        let wrong = || SignedError::Url(url.to_owned());
        let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err(wrong()) };
        if !matches!(uri.path(), "" | "/") || (*scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
            return Err(wrong());
        }
        let (scheme, authority) = (scheme.clone(), authority.clone());
        Ok(Self { connector, credentials, known: Mutex::default(), region, service, scheme, authority })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// Credentials that hold for now.
    async fn credentials(&self, now: SystemTime) -> Result<Credentials, Unreachable> {
        let mut known = self.known.lock().await;
        if let Some((credentials, until)) = &*known
            && now < *until
        {
            return Ok(credentials.clone());
        }
        let asked = self.credentials.provide_credentials().await;
        let found = asked.map_err(|error| Unreachable::because(&self.authority, &error))?;
        let until = match found.expiry() {
            Some(end) => end.checked_sub(BEFORE_THE_END),
            None => now.checked_add(KEPT_FOR),
        };
        *known = until.map(|until| (found.clone(), until));
        Ok(found)
    }

    /// The request as this upstream takes it.
    fn signed(
        &self,
        request: Request<Bytes>,
        credentials: Credentials,
        now: SystemTime,
    ) -> Result<Request<Bytes>, Unreachable> {
        let failed = |error: &dyn std::error::Error| Unreachable::because(&self.authority, error);
        let (mut parts, body) = request.into_parts();
        OF_THE_CALLER.iter().for_each(|name| drop(parts.headers.remove(name)));
        if self.service == Service::DynamoDb {
            // The proxy reads what comes back.
            parts.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let url = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        parts.uri = url.path_and_query(path).build().map_err(|error| failed(&error))?;
        let mut request = Request::from_parts(parts, body);
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service.name())
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let url = request.uri().to_string();
        let signable = SignableRequest::new(
            request.method().as_str(),
            &url,
            of_the_signature(request.headers()),
            SignableBody::Bytes(request.body()),
        );
        let signature = sign(signable.map_err(|error| failed(&error))?, &params);
        let (instructions, _) = signature.map_err(|error| failed(&error))?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unreachable> {
        let failed = |error: &dyn std::error::Error| Unreachable::because(&self.authority, error);
        let request = HttpRequest::try_from(request.map(SdkBody::from)).map_err(|error| failed(&error))?;
        let answer = self.connector.call(request).await.map_err(|error| failed(&error))?;
        let answer = answer.try_into_http1x().map_err(|error| failed(&error))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, RESPONSE_BYTES_MAX).collect().await;
        let body = body.map_err(|error| failed(&*error))?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

impl Upstream for Signed {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unreachable> {
        let sending = async {
            let now = SystemTime::now();
            let credentials = self.credentials(now).await?;
            self.exchange(self.signed(request, credentials, now)?).await
        };
        let seconds = SEND_TIMEOUT.as_secs();
        let timed_out = |_| Unreachable(format!("no answer from {} in {seconds} s", self.authority));
        tokio::time::timeout(SEND_TIMEOUT, sending).await.map_err(timed_out)?
    }
}

/// The headers that are signed besides the host: those that say what is wanted. Others may be changed on the
/// way.
fn of_the_signature(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let said =
        headers.iter().filter(|(name, _)| *name == CONTENT_TYPE || name.as_str().starts_with("x-amz-"));
    said.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::UNIX_EPOCH;

    use aws_credential_types::provider::future;

    use super::*;

    /// Credentials that end, and how often somebody asked.
    #[derive(Clone, Debug)]
    struct Ending(Arc<AtomicUsize>, Option<SystemTime>);

    impl aws_credential_types::provider::ProvideCredentials for Ending {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let asked = self.0.fetch_add(1, Ordering::Relaxed);
            let token = Some("token".to_owned());
            let found = Credentials::new(format!("id{asked}"), "secret", token, self.1, "test");
            future::ProvideCredentials::ready(Ok(found))
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn signed(service: Service, ends: Option<SystemTime>) -> (Signed, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let credentials = SharedCredentialsProvider::new(Ending(Arc::clone(&asked), ends));
        let connector = Connector::builder().build_http();
        let caller = Caller { connector, credentials, region: "eu-central-1".to_owned() };
        (Signed::new(caller, service, "https://dynamodb.eu-central-1.amazonaws.com/").unwrap(), asked)
    }

    #[tokio::test]
    async fn what_a_request_came_with_is_replaced_and_what_it_wants_is_signed() {
        let (upstream, _) = signed(Service::DynamoDb, None);
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
        let now = at(1_767_225_600);
        let credentials = upstream.credentials(now).await.unwrap();
        let sent = upstream.signed(request, credentials, now).unwrap();
        assert_eq!(sent.uri().to_string(), "https://dynamodb.eu-central-1.amazonaws.com/?x=1");
        let header = |name: &str| sent.headers().get(name).map(|value| value.to_str().unwrap());
        let authorization = header("authorization").unwrap();
        let expected = "AWS4-HMAC-SHA256 Credential=id0/20260101/eu-central-1/dynamodb/aws4_request, \
                        SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=";
        assert!(authorization.starts_with(expected), "{authorization}");
        assert_eq!(header("x-amz-date"), Some("20260101T000000Z"));
        assert_eq!(header("x-amz-security-token"), Some("token"));
        assert_eq!(header("accept-encoding"), Some("identity"));
        assert_eq!((header("host"), header("content-length")), (None, None));
        assert_eq!((header("x-forwarded-for"), sent.body().as_ref()), (Some("10.0.0.1"), &b"{}"[..]));
    }

    #[tokio::test]
    async fn credentials_are_asked_for_anew_before_they_end() {
        let (upstream, asked) = signed(Service::Lambda, Some(at(10_000)));
        for (now, times) in [(1_000, 1), (9_699, 1), (9_700, 2)] {
            upstream.credentials(at(now)).await.unwrap();
            assert_eq!(asked.load(Ordering::Relaxed), times, "at {now}");
        }
        let (upstream, asked) = signed(Service::Lambda, None);
        for (now, times) in [(1_000, 1), (1_899, 1), (1_900, 2)] {
            upstream.credentials(at(now)).await.unwrap();
            assert_eq!(asked.load(Ordering::Relaxed), times, "at {now}");
        }
    }

    #[tokio::test]
    async fn dynamodb_is_where_the_sdk_finds_it() {
        let url = |region: &'static str, endpoint: Option<&str>, fips| {
            dynamodb_url(region, endpoint.map(str::to_owned), fips, false)
        };
        let of = async |region, endpoint, fips| url(region, endpoint, fips).await.unwrap();
        assert_eq!(of("eu-central-1", None, false).await, "https://dynamodb.eu-central-1.amazonaws.com");
        assert_eq!(of("cn-north-1", None, false).await, "https://dynamodb.cn-north-1.amazonaws.com.cn");
        assert_eq!(of("us-east-1", None, true).await, "https://dynamodb-fips.us-east-1.amazonaws.com");
        assert_eq!(of("x", Some("http://127.0.0.1:8000"), false).await, "http://127.0.0.1:8000");
        assert!(url("no region", None, false).await.is_err());
    }

    #[test]
    fn an_endpoint_is_a_url_without_a_path() {
        for wrong in ["", "dynamodb", "ftp://x", "https://x/path", "https:///"] {
            let (upstream, _) = signed(Service::Lambda, None);
            let Signed { connector, credentials, region, .. } = upstream;
            let caller = Caller { connector, credentials, region };
            let refused = Signed::new(caller, Service::Lambda, wrong).unwrap_err();
            assert_eq!(refused, SignedError::Url(wrong.to_owned()));
        }
    }
}
