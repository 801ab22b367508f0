//! Owns how objects in S3 are read and written: the four calls that are used, over the way to the network that
//! the SDK's clients take. S3's own client would be as large as all others of a function together.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::LengthLimitError;

use crate::caller::{Caller, CallerError, Service, domain_of, endpoint, told};
use crate::dynamo::{Failure, retrying};
use evercount_pipeline::ports::StoreError;

/// How long one attempt at a call may take, of an object of a megabyte.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest answer that is no object, in bytes: a page of a list has at most a thousand keys of 1,024.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A place in S3: a bucket, and what the keys of its objects begin with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct S3Place {
    bucket: String,
    /// Empty, or ending with `/`.
    prefix: String,
}

impl S3Place {
    /// The place that a text names: `s3://BUCKET` or `s3://BUCKET/PREFIX`. A prefix has letters, digits, `_`, `-`,
    /// `.` and `=` between its slashes, because policies read other characters as patterns.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let named = text.strip_prefix("s3://")?;
        let (bucket, prefix) = named.split_once('/').unwrap_or((named, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_part = |part: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "_-.=".contains(c);
            !part.is_empty() && part.chars().all(fits) && part.chars().any(|c| c != '.')
        };
        let fits = is_bucket(bucket) && (prefix.is_empty() || prefix.split('/').all(is_part));
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        fits.then(|| Self { bucket: bucket.to_owned(), prefix })
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key of an object there.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl fmt::Display for S3Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// Whether a text can be the name of a bucket
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
#[must_use]
pub fn is_bucket(name: &str) -> bool {
    let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.chars().all(|c| is_edge(c) || c == '-' || c == '.')
        && name.starts_with(is_edge)
        && name.ends_with(is_edge)
        && !name.contains("..")
}

/// Where buckets are.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Buckets {
    /// In AWS, where each has a host of its own; what those of a region end with.
    Aws(String),
    /// At an endpoint that somebody named. Emulators know buckets by the path.
    Endpoint(Scheme, Authority),
}

/// What is demanded of the object that a write replaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replaces {
    /// Nothing.
    Any,
    /// That there is none.
    Nothing,
    /// That it is the one with this tag.
    Tagged(HeaderValue),
}

/// An object that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// What is in it.
    pub bytes: Bytes,
    /// What tells it from others that were under its key.
    pub tag: Option<HeaderValue>,
}

/// S3.
#[derive(Clone, Debug)]
pub struct S3 {
    caller: Arc<Caller>,
    buckets: Buckets,
}

impl S3 {
    pub(crate) async fn new(
        caller: Caller,
        url: Option<String>,
        fips: bool,
        dual_stack: bool,
    ) -> Result<Self, CallerError> {
        let buckets = match url {
            Some(url) => {
                let (scheme, authority) = endpoint(&url).ok_or(CallerError::Url(url))?;
                Buckets::Endpoint(scheme, authority)
            }
            None => {
                let region = caller.region();
                let domain = domain_of(region, false).await?;
                let name = if fips { "s3-fips" } else { "s3" };
                let stack = if dual_stack { ".dualstack" } else { "" };
                Buckets::Aws(format!("{name}{stack}.{region}.{domain}"))
            }
        };
        Ok(Self { caller: Arc::new(caller), buckets })
    }

    /// Reads an object; `None` where there is none. Where its reader may not list the bucket, S3 does not say
    /// that there is none, and the read is rejected.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read, or is longer than `bytes_max`.
    pub async fn get(&self, bucket: &str, key: &str, bytes_max: usize) -> Result<Option<Object>, StoreError> {
        retrying(|| async {
            let answer = self.call(Method::GET, bucket, key, None, Bytes::new(), bytes_max).await?;
            match answer.status() {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND if code(answer.body()) != "NoSuchBucket" => return Ok(None),
                _ => return Err(self.judge(bucket, key, &answer)),
            }
            let tag = answer.headers().get(ETAG).cloned();
            Ok(Some(Object { bytes: answer.into_body(), tag }))
        })
        .await
    }

    /// Writes an object.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where it would replace another than is demanded.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        replaces: &Replaces,
    ) -> Result<(), StoreError> {
        let condition = match replaces {
            Replaces::Any => None,
            Replaces::Nothing => Some((IF_NONE_MATCH, HeaderValue::from_static("*"))),
            Replaces::Tagged(tag) => Some((IF_MATCH, tag.clone())),
        };
        let condition: HeaderMap = condition.into_iter().collect();
        retrying(|| async {
            let headers = Some(condition.clone());
            let answer =
                self.call(Method::PUT, bucket, key, headers, bytes.clone(), ANSWER_BYTES_MAX).await?;
            if answer.status() == StatusCode::OK { Ok(()) } else { Err(self.judge(bucket, key, &answer)) }
        })
        .await
    }

    /// Deletes an object; also where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        retrying(|| async {
            let answer = self.call(Method::DELETE, bucket, key, None, Bytes::new(), ANSWER_BYTES_MAX).await?;
            match answer.status() {
                StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
                _ => Err(self.judge(bucket, key, &answer)),
            }
        })
        .await
    }

    /// The keys of a bucket that begin with a prefix, in their order.
    ///
    /// # Errors
    /// [`StoreError`], also where there are more than `keys_max`.
    pub async fn list(&self, bucket: &str, prefix: &str, keys_max: usize) -> Result<Vec<String>, StoreError> {
        let mut keys: Vec<String> = Vec::new();
        loop {
            let page = retrying(|| async {
                // Keys come in the form of URLs, so that none has to be told from the XML around it.
                let mut query = "?encoding-type=url&list-type=2&prefix=".to_owned();
                encode(prefix, true, &mut query);
                if let Some(last) = keys.last() {
                    query.push_str("&start-after=");
                    encode(last, true, &mut query);
                }
                let answer =
                    self.call(Method::GET, bucket, &query, None, Bytes::new(), ANSWER_BYTES_MAX).await?;
                match answer.status() {
                    StatusCode::OK => read_page(answer.body())
                        .ok_or_else(|| Failure::Refused(format!("the list of `{bucket}` cannot be read"))),
                    _ => Err(self.judge(bucket, prefix, &answer)),
                }
            })
            .await?;
            let is_whole = !page.goes_on || page.keys.is_empty();
            keys.extend(page.keys);
            if keys.len() > keys_max {
                let told = format!("there are more than {keys_max} objects at s3://{bucket}/{prefix}");
                return Err(StoreError::Rejected(told));
            }
            if is_whole {
                return Ok(keys);
            }
        }
    }

    /// One attempt at a call. What is asked for is a key, or a query of the bucket that begins with `?`.
    async fn call(
        &self,
        method: Method,
        bucket: &str,
        wanted: &str,
        headers: Option<HeaderMap>,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<Response<Bytes>, Failure> {
        let refused = |error: &(dyn std::error::Error + 'static)| Failure::Refused(told(error));
        let url = self.url(bucket, wanted).map_err(|error| refused(&error))?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = url;
        *request.headers_mut() = headers.unwrap_or_default();
        let calling = self.caller.call(Service::S3, request, bytes_max);
        let late = |_| Failure::Transient(format!("S3 gave no answer in {} s", ATTEMPT_TIMEOUT.as_secs()));
        let called = tokio::time::timeout(ATTEMPT_TIMEOUT, calling).await.map_err(late)?;
        called.map_err(|error| match error.is::<LengthLimitError>() {
            true => Failure::Refused(format!("s3://{bucket}/{wanted} is longer than {bytes_max} bytes")),
            false => Failure::Transient(format!("no answer from S3: {}", told(&*error))),
        })
    }

    fn url(&self, bucket: &str, wanted: &str) -> Result<Uri, http::Error> {
        let (scheme, host, mut path) = match &self.buckets {
            // A certificate is of one name before the suffix, and no name with dots in it.
            Buckets::Aws(suffix) if bucket.contains('.') => {
                (Scheme::HTTPS, suffix.clone(), format!("/{bucket}"))
            }
            Buckets::Aws(suffix) => (Scheme::HTTPS, format!("{bucket}.{suffix}"), String::new()),
            Buckets::Endpoint(scheme, authority) => {
                (scheme.clone(), authority.to_string(), format!("/{bucket}"))
            }
        };
        path.push('/');
        match wanted.starts_with('?') {
            true => path.push_str(wanted),
            false => encode(wanted, false, &mut path),
        }
        Uri::builder().scheme(scheme).authority(host).path_and_query(path).build()
    }

    /// What an answer means that is none to what was asked
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
    fn judge(&self, bucket: &str, key: &str, answer: &Response<Bytes>) -> Failure {
        let (status, code) = (answer.status(), code(answer.body()));
        let region = answer.headers().get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
        if let Some(region) = region.filter(|region| *region != self.caller.region()) {
            let asked = self.caller.region();
            return Failure::Refused(format!("the bucket `{bucket}` is in {region}, and {asked} was asked"));
        }
        let said = format!("S3 answers {} {code} for s3://{bucket}/{key}", status.as_u16());
        match (status, code.as_str()) {
            // Of two writers at once, one is told either.
            (StatusCode::PRECONDITION_FAILED, _) | (StatusCode::CONFLICT, "ConditionalRequestConflict") => {
                Failure::Conflict
            }
            (_, "ExpiredToken" | "RequestTimeout" | "RequestTimeTooSkewed" | "OperationAborted") => {
                Failure::Transient(said)
            }
            (StatusCode::FORBIDDEN, "AccessDenied") => {
                Failure::Refused(format!("{said}: it is not there, or may not be read or written"))
            }
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Failure::Transient(said)
            }
            _ => Failure::Refused(said),
        }
    }
}

/// A page of a list.
#[derive(PartialEq, Eq, Debug)]
struct ListPage {
    keys: Vec<String>,
    goes_on: bool,
}

/// Reads a page of `ListObjectsV2`, of which two elements matter; neither holds others.
fn read_page(body: &[u8]) -> Option<ListPage> {
    let text = std::str::from_utf8(body).ok()?;
    text.contains("<ListBucketResult").then_some(())?;
    let goes_on = elements(text, "IsTruncated").next() == Some("true");
    let keys = elements(text, "Key").map(decode).collect::<Option<_>>()?;
    Some(ListPage { keys, goes_on })
}

/// The code of an error; empty where there is none.
fn code(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let code = elements(&text, "Code").next().unwrap_or_default();
    code.chars().take(64).collect()
}

/// What stands in the elements of a name that hold text only.
fn elements<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (inside, after) = after.split_once(&close)?;
        rest = after;
        Some(inside)
    })
}

/// Adds a text as S3 wants it in URLs and signatures; slashes stay where it is a path.
fn encode(text: &str, slashes: bool, url: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
            b'/' if !slashes => url.push('/'),
            // Writing to a text does not fail.
            _ => drop(write!(url, "%{byte:02X}")),
        }
    }
}

/// A text that came in the form of URLs.
fn decode(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
