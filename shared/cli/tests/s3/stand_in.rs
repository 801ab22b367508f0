//! Owns what stands for S3: a port that admits whoever signed for it, and knows the calls that are used
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>).

// Here and not at the root, so that a test takes this file by its path and needs nothing beside.
#[path = "../signature/mod.rs"]
mod signature;
#[path = "../served/mod.rs"]
mod served;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SigningSettings, UriPathNormalizationMode,
};
use bytes::Bytes;
use evercount_aws::clients::{Access, Clients};
use evercount_proxy::server::Handler;
use http::{Method, Request, Response};

use served::Served;
use signature::{Demands, ID, REGION, SECRET};

pub const TOKEN: &str = "a+token/with=signs";

/// Keys on a page of a list: fewer than there are.
const PAGE: usize = 2;

#[derive(Default)]
struct Port {
    objects: Mutex<BTreeMap<String, (u64, Bytes)>>,
    written: AtomicU64,
    denies_lists: AtomicBool,
    fails_once: AtomicBool,
    calls: Mutex<Vec<String>>,
    refused: Mutex<Vec<String>>,
}

/// A served port, which has one bucket, `bucket`.
pub struct StandIn {
    served: Served<Port>,
}

impl StandIn {
    pub async fn start() -> Self {
        Self { served: Served::start(Port::default()).await }
    }

    /// What an environment says that leads here.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ACCESS_KEY_ID", ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_SESSION_TOKEN", TOKEN.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ENDPOINT_URL_S3", self.served.url.clone()),
        ]
    }

    /// The clients of a function that is told so.
    pub fn clients(&self) -> Clients {
        let known = self.environment();
        let lookup = |name: &str| known.iter().find(|(one, _)| *one == name).map(|(_, value)| value.clone());
        Clients::new(Access::from_lookup(lookup).unwrap()).unwrap()
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.served.port.put(key, Bytes::copy_from_slice(bytes));
    }

    pub fn keys(&self) -> Vec<String> {
        self.served.port.objects.lock().unwrap().keys().cloned().collect()
    }

    /// From now on nobody may list the bucket, so that an object that is not there is denied.
    pub fn deny_lists(&self) {
        self.served.port.denies_lists.store(true, Ordering::Relaxed);
    }

    /// The next call is told to come again.
    pub fn fail_once(&self) {
        self.served.port.fails_once.store(true, Ordering::Relaxed);
    }

    /// What was called.
    pub fn calls(&self) -> Vec<String> {
        self.served.port.calls.lock().unwrap().clone()
    }

    /// Why calls were not admitted.
    pub fn refused(&self) -> Vec<String> {
        self.served.port.refused.lock().unwrap().clone()
    }
}

impl Port {
    fn put(&self, key: &str, bytes: Bytes) {
        let tag = self.written.fetch_add(1, Ordering::Relaxed);
        self.objects.lock().unwrap().insert(key.to_owned(), (tag, bytes));
    }

    fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if self.fails_once.swap(false, Ordering::Relaxed) {
            return error(503, "SlowDown");
        }
        let Some(key) = request.uri().path().strip_prefix("/bucket/") else {
            return error(404, "NoSuchBucket");
        };
        let key = decoded(key);
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let tag = self.objects.lock().unwrap().get(&key).map(|(tag, _)| format!("\"{tag}\""));
        let query = request.uri().query().unwrap_or_default();
        match *request.method() {
            Method::GET if key.is_empty() && query.contains("list-type=2") => self.list(query),
            Method::GET => match self.objects.lock().unwrap().get(&key) {
                Some((tag, bytes)) => {
                    Response::builder().header("etag", format!("\"{tag}\"")).body(bytes.clone()).unwrap()
                }
                None if self.denies_lists.load(Ordering::Relaxed) => error(403, "AccessDenied"),
                None => error(404, "NoSuchKey"),
            },
            Method::PUT => {
                let is_new = header("if-none-match").is_none_or(|said| said == "*" && tag.is_none());
                let is_that = header("if-match").is_none_or(|said| tag == Some(said));
                if !is_new || !is_that {
                    return error(412, "PreconditionFailed");
                }
                self.put(&key, request.body().clone());
                Response::new(Bytes::new())
            }
            Method::DELETE => {
                self.objects.lock().unwrap().remove(&key);
                Response::builder().status(204).body(Bytes::new()).unwrap()
            }
            _ => error(405, "MethodNotAllowed"),
        }
    }

    fn list(&self, query: &str) -> Response<Bytes> {
        if self.denies_lists.load(Ordering::Relaxed) {
            return error(403, "AccessDenied");
        }
        let of = |name: &str| {
            let said = query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            decoded(said.unwrap_or_default())
        };
        let (prefix, after) = (of("prefix"), of("start-after"));
        let objects = self.objects.lock().unwrap();
        let mut keys = objects.keys().filter(|key| key.starts_with(&prefix) && **key > after);
        let page: Vec<&String> = keys.by_ref().take(PAGE).collect();
        let contents: String =
            page.iter().map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>")).collect();
        let goes_on = keys.next().is_some();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Name>bucket</Name><IsTruncated>{goes_on}</IsTruncated>{contents}</ListBucketResult>"
        );
        Response::new(Bytes::from(body))
    }
}

impl Handler for Port {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.calls.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
        if let Err(why) = check(&request) {
            self.refused.lock().unwrap().push(why);
            return error(403, "SignatureDoesNotMatch");
        }
        self.answer(&request)
    }
}

fn error(status: u16, code: &str) -> Response<Bytes> {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
    Response::builder().status(status).body(Bytes::from(body)).unwrap()
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// Whether a request is signed for S3.
fn check(request: &Request<Bytes>) -> Result<(), String> {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let headers = &["host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];
    signature::check(request, Demands { service: "s3", token: Some(TOKEN), headers, settings })
}
