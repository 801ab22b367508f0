//! Owns how requests are made that no client of the SDK makes: signed by whoever runs this, and sent the way
//! the clients send theirs.

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use tokio::sync::Mutex;

use crate::clients::Https;

/// Credentials are asked for anew so long before they end: clocks differ, and requests take time.
const BEFORE_THE_END: Duration = Duration::from_secs(300);
/// And after so long where they do not say when they end, as the SDK does.
const KEPT_FOR: Duration = Duration::from_secs(900);

/// Why a request came to nothing.
pub(crate) type Failed = Box<dyn Error + Send + Sync>;

/// What a request is signed for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// DynamoDB.
    #[cfg(feature = "proxy")]
    DynamoDb,
    /// Lambda, and URLs of functions.
    Lambda,
    /// S3.
    S3,
}

impl Service {
    /// Its name in signatures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "proxy")]
            Self::DynamoDb => "dynamodb",
            Self::Lambda => "lambda",
            Self::S3 => "s3",
        }
    }

    /// How its signatures are made. S3 takes paths as they are sent, and wants the digest of the body
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>).
    fn settings(self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self == Self::S3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        settings
    }
}

/// Why nobody can be asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CallerError {
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

/// Scheme and host of an endpoint; `None` where a URL is none of one.
pub(crate) fn endpoint(url: &str) -> Option<(Scheme, Authority)> {
    let uri: Uri = url.trim_end_matches('/').parse().ok()?;
    let (scheme, authority) = (uri.scheme()?.clone(), uri.authority()?.clone());
    let is_web = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
    (is_web && matches!(uri.path(), "" | "/")).then_some((scheme, authority))
}

/// The URL of DynamoDB, as the SDK finds it.
pub(crate) async fn dynamodb_url(
    region: &str,
    endpoint: Option<String>,
    fips: bool,
    dual_stack: bool,
) -> Result<String, CallerError> {
    let wrong = |error: &dyn Error| CallerError::NoEndpoint(error.to_string());
    let params = Params::builder().region(region).use_fips(fips).use_dual_stack(dual_stack);
    let params = params.set_endpoint(endpoint).build().map_err(|error| wrong(&error))?;
    let resolver = DefaultResolver::new();
    let found = ResolveEndpoint::resolve_endpoint(&resolver, &params);
    let found = found.await.map_err(|error| wrong(&*error))?;
    Ok(found.url().to_owned())
}

/// What the names of hosts end with in the partition of a region, which are alike: one of its services is known to
/// the SDK.
pub(crate) async fn domain_of(region: &str, dual_stack: bool) -> Result<String, CallerError> {
    let known = dynamodb_url(region, None, false, dual_stack).await?;
    let domain = known.split_once(&format!(".{region}.")).map(|(_, domain)| domain.to_owned());
    domain.ok_or(CallerError::Url(known))
}

/// Who asks, and how.
#[derive(Debug)]
pub(crate) struct Caller {
    https: Https,
    credentials: SharedCredentialsProvider,
    known: Mutex<Option<(Credentials, SystemTime)>>,
    region: String,
}

impl Caller {
    pub(crate) fn new(https: Https, credentials: SharedCredentialsProvider, region: String) -> Self {
        Self { https, credentials, known: Mutex::default(), region }
    }

    /// The region that it asks in.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Credentials that hold for now.
    pub(crate) async fn credentials(&self, now: SystemTime) -> Result<Credentials, Failed> {
        let mut known = self.known.lock().await;
        if let Some((credentials, until)) = &*known
            && now < *until
        {
            return Ok(credentials.clone());
        }
        let found = self.credentials.provide_credentials().await?;
        let until = match found.expiry() {
            Some(end) => end.checked_sub(BEFORE_THE_END),
            None => now.checked_add(KEPT_FOR),
        };
        *known = until.map(|until| (found.clone(), until));
        Ok(found)
    }

    /// The request with its signature. Its URI has scheme and host.
    pub(crate) fn signed(
        &self,
        service: Service,
        mut request: Request<Bytes>,
        credentials: Credentials,
        now: SystemTime,
    ) -> Result<Request<Bytes>, Failed> {
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service.name())
            .time(now)
            .settings(service.settings())
            .build()?
            .into();
        let url = request.uri().to_string();
        let signable = SignableRequest::new(
            request.method().as_str(),
            &url,
            of_the_signature(request.headers()),
            SignableBody::Bytes(request.body()),
        )?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    /// Sends a request as it is; of an answer that is longer, nothing is given back.
    pub(crate) async fn exchange(
        &self,
        request: Request<Bytes>,
        bytes_max: usize,
    ) -> Result<Response<Bytes>, Failed> {
        exchange(&self.https, request, bytes_max).await
    }

    /// Signs a request and sends it.
    pub(crate) async fn call(
        &self,
        service: Service,
        request: Request<Bytes>,
        bytes_max: usize,
    ) -> Result<Response<Bytes>, Failed> {
        let now = SystemTime::now();
        let credentials = self.credentials(now).await?;
        self.exchange(self.signed(service, request, credentials, now)?, bytes_max).await
    }
}

/// Sends a request as it is; of an answer that is longer, nothing is given back.
pub(crate) async fn exchange(
    https: &Https,
    request: Request<Bytes>,
    bytes_max: usize,
) -> Result<Response<Bytes>, Failed> {
    let answer = https.call(HttpRequest::try_from(request.map(SdkBody::from))?).await?;
    let (parts, body) = answer.try_into_http1x()?.into_parts();
    let body = Limited::new(body, bytes_max).collect().await?.to_bytes();
    Ok(Response::from_parts(parts, body))
}

/// An error with all its causes.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    let (mut told, mut cause) = (error.to_string(), error.source());
    while let Some(because) = cause {
        told = format!("{told}: {because}");
        cause = because.source();
    }
    told
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

    use aws_credential_types::provider::{ProvideCredentials, future};

    use super::*;
    use crate::clients::Trusted;

    /// Credentials that end, and how often somebody asked.
    #[derive(Clone, Debug)]
    struct Ending(Arc<AtomicUsize>, Option<SystemTime>);

    impl ProvideCredentials for Ending {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let asked = self.0.fetch_add(1, Ordering::Relaxed);
            let found = Credentials::new(format!("id{asked}"), "secret", None, self.1, "test");
            future::ProvideCredentials::ready(Ok(found))
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn caller(ends: Option<SystemTime>) -> (Caller, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let credentials = SharedCredentialsProvider::new(Ending(Arc::clone(&asked), ends));
        (Caller::new(Https::new(Trusted::Amazon), credentials, "us-east-1".to_owned()), asked)
    }

    #[tokio::test]
    async fn credentials_are_asked_for_anew_before_they_end() {
        let (caller, asked) = self::caller(Some(at(10_000)));
        for (now, times) in [(1_000, 1), (9_699, 1), (9_700, 2)] {
            caller.credentials(at(now)).await.unwrap();
            assert_eq!(asked.load(Ordering::Relaxed), times, "at {now}");
        }
        let (caller, asked) = self::caller(None);
        for (now, times) in [(1_000, 1), (1_899, 1), (1_900, 2)] {
            caller.credentials(at(now)).await.unwrap();
            assert_eq!(asked.load(Ordering::Relaxed), times, "at {now}");
        }
    }

    /// With the key of the examples in AWS's documentation of signatures; worked out by the four steps of that
    /// page (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>), in another
    /// language.
    #[test]
    fn a_signature_for_s3_is_of_the_path_as_it_is_sent_and_of_the_body() {
        let (caller, _) = self::caller(None);
        let request = Request::get("https://examplebucket.s3.amazonaws.com/a%20b/c%2Bd").body(Bytes::new());
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "test",
        );
        let signed = caller.signed(Service::S3, request.unwrap(), credentials, at(1_369_353_600)).unwrap();
        let header = |name: &str| signed.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(
            header("x-amz-content-sha256"),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            header("authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=0255c2d1892e78383add480b1ef1021daaea319bae7f935ae91185eb170143a1"
        );
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
}
