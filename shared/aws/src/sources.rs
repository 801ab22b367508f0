//! Owns where values of columns to come are fetched from: a JSON document behind a URL, one in an object of S3, and
//! the item of the same key in another table of the same DynamoDB.
//!
//! Whoever writes a shadow schema names the host, so that a source is asked only where it may be
//! ([`may_be_at`]); addresses are looked at after names were looked up, and no redirection is followed.
//! URLs are anybody's, so the certificates that are trusted are those that the machine trusts, and not AWS's own.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::vec;

use bytes::Bytes;
use evercount_core::change::RowKey;
use evercount_core::shadow::PrefetchFrom;
use evercount_core::shadow::prefetch::may_be_at;
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{CountedTable, StoreError};
use evercount_pipeline::prefetch::{Fetched, PrefetchSource};
use evercount_wire::json::{dynamodb_json, read_plain};
use http::header::{ACCEPT, USER_AGENT};
use http::{Request, StatusCode, Uri};
use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::OnceCell;
use tower::service_fn;

use crate::caller::{Failed, exchange, told};
use crate::clients::{Clients, Https, Trusted};
use crate::s3::{S3, is_bucket};

pub use evercount_core::shadow::prefetch::Asker;

/// How long a source may take for one value.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest document, in bytes: an item of DynamoDB has at most 400 KB.
const DOCUMENT_BYTES_MAX: usize = 512 * 1024;

/// The ways out: to URLs, and to S3. Neither is made before it is needed, because the certificates of the machine
/// take longer to read than all else that a function starts with.
#[derive(Debug)]
pub struct WaysOut {
    asker: Asker,
    clients: Clients,
    web: Https,
    s3: OnceCell<S3>,
}

impl WaysOut {
    /// The ways out of whoever asks; S3 is reached as the clients reach AWS.
    #[must_use]
    pub fn new(asker: Asker, clients: Clients) -> Self {
        let web = Https::looking_up(Trusted::Native, service_fn(move |name| outside(asker, name)));
        Self { asker, clients, web, s3: OnceCell::new() }
    }

    /// The document behind a URL; `None` where the source says that there is none.
    async fn document(&self, url: &str) -> Result<Option<Bytes>, String> {
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no URL"))?;
        let (Some("http" | "https"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err("only URLs that start with https:// or http:// can be fetched from".to_owned());
        };
        // An address that is written out is not looked up.
        let written: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        if written.is_some_and(|address| !may_be_at(self.asker, address)) {
            return Err(format!("no source may be at {host}"));
        }
        let request = Request::get(uri).header(ACCEPT, "application/json").header(USER_AGENT, "evercount");
        let request = request.body(Bytes::new()).map_err(|error| error.to_string())?;
        let answer = exchange(&self.web, request, DOCUMENT_BYTES_MAX).await;
        let answer = answer.map_err(|error| told(&*error))?;
        match answer.status() {
            StatusCode::OK => Ok(Some(answer.into_body())),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(format!("it answered with status {}", status.as_u16())),
        }
    }

    /// The document in an object; `None` where there is none.
    async fn object(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, String> {
        if !is_bucket(bucket) {
            return Err(format!("`{bucket}` is no name of a bucket"));
        }
        let s3 = self.s3.get_or_try_init(|| self.clients.s3()).await.map_err(|error| error.to_string())?;
        let object = s3.get(bucket, key, DOCUMENT_BYTES_MAX).await.map_err(|error| error.to_string())?;
        Ok(object.map(|object| object.bytes))
    }
}

/// Looks a name up, and lets through the addresses at which a source may be.
async fn outside(asker: Asker, name: Name) -> Result<vec::IntoIter<SocketAddr>, Failed> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
    // One that leads inside makes the others suspect.
    match found.iter().all(|address| may_be_at(asker, address.ip())) {
        true => Ok(found.into_iter()),
        false => Err(format!("no source may be where `{name}` is").into()),
    }
}

/// The sources of a proxy.
#[derive(Debug)]
pub struct Sources<'t, T> {
    table: &'t T,
    ways_out: &'t WaysOut,
    failure: Mutex<Option<String>>,
}

impl<'t, T: CountedTable> Sources<'t, T> {
    /// Sources, of which those that are tables are reached through `table`.
    #[must_use]
    pub fn new(table: &'t T, ways_out: &'t WaysOut) -> Self {
        Self { table, ways_out, failure: Mutex::default() }
    }

    /// Why a source gave no answer the last time, if one did not since this was asked.
    #[must_use]
    pub fn take_failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn ask(&self, from: &PrefetchFrom, row: &RowKey, item: &Item) -> Result<Fetched, String> {
        const NOTHING: Fetched = Fetched { value: None, bytes: 0 };
        let asking = async {
            let (document, pointer) = match from {
                PrefetchFrom::Http { url, pointer } => {
                    let Some(url) = filled(url, item, Fit::Url) else { return Ok(NOTHING) };
                    (self.ways_out.document(&url).await?, pointer)
                }
                PrefetchFrom::S3 { bucket, key, pointer } => {
                    let Some(key) = filled(key, item, Fit::Key) else { return Ok(NOTHING) };
                    (self.ways_out.object(bucket, &key).await?, pointer)
                }
                PrefetchFrom::Table { table, attribute } => {
                    let row = RowKey { table: table.clone(), identity: row.identity.clone() };
                    let found = self.table.item(&row).await.map_err(|error| error.to_string())?;
                    let bytes = found.as_ref().map_or(0, |item| dynamodb_json(item).len() as u64);
                    return Ok(Fetched { value: found.and_then(|mut item| item.remove(attribute)), bytes });
                }
            };
            let Some(document) = document else { return Ok(NOTHING) };
            Ok(Fetched { value: pointed(&document, pointer)?, bytes: document.len() as u64 })
        };
        let late = |_| format!("it gave no answer in {} s", TIMEOUT.as_secs());
        tokio::time::timeout(TIMEOUT, asking).await.map_err(late)?
    }
}

impl<T: CountedTable> PrefetchSource for Sources<'_, T> {
    async fn fetch(&self, from: &PrefetchFrom, row: &RowKey, item: &Item) -> Result<Fetched, StoreError> {
        self.ask(from, row, item).await.map_err(|why| {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
            StoreError::Unavailable(why)
        })
    }
}

/// What stands in a document where a pointer leads; `None` where nothing does, or null.
fn pointed(document: &[u8], pointer: &str) -> Result<Option<Value>, String> {
    let document: serde_json::Value =
        serde_json::from_slice(document).map_err(|_| "its answer is no JSON".to_owned())?;
    match document.pointer(pointer) {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(found) => read_plain(&found.to_string())
            .map(Some)
            .map_err(|error| format!("its answer is not right: {error}")),
    }
}

/// How a value is made fit for its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Whatever is not plain is encoded.
    Url,
    /// As it is; but one with a slash would choose among objects that the place does not name.
    Key,
}

/// A text with the item's attributes in the places that name them; `None` where the item does not have one, or
/// one is not fit.
fn filled(text: &str, item: &Item, fit: Fit) -> Option<String> {
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        filled.push_str(before);
        let value = match item.get(name)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        match fit {
            Fit::Key if value.contains('/') => return None,
            Fit::Key => filled.push_str(&value),
            Fit::Url => encode(&value, &mut filled)?,
        }
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

fn encode(value: &str, url: &mut String) -> Option<()> {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
            _ => write!(url, "%{byte:02X}").ok()?,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests;
