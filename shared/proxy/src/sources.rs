//! Owns where values of columns to come are fetched from: a JSON document behind a URL without TLS, and the
//! item of the same key in another table of the same DynamoDB. Any other source is refused by name.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use evercount_core::change::RowKey;
use evercount_core::shadow::PrefetchFrom;
use evercount_core::value::{Item, Value};
use evercount_pipeline::ports::{CountedTable, StoreError};
use evercount_pipeline::prefetch::{Fetched, PrefetchSource};
use evercount_wire::json::{dynamodb_json, read_plain};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// How long a source may take for one value.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest document, in bytes: an item of DynamoDB has at most 400 KB.
const DOCUMENT_BYTES_MAX: usize = 512 * 1024;

/// The sources of a proxy.
#[derive(Debug)]
pub struct Sources<'t, T> {
    table: &'t T,
    client: Client<HttpConnector, Full<Bytes>>,
    failure: Mutex<Option<String>>,
}

impl<'t, T: CountedTable> Sources<'t, T> {
    /// Sources, of which those that are tables are reached through `table`.
    #[must_use]
    pub fn new(table: &'t T) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(TIMEOUT));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { table, client, failure: Mutex::default() }
    }

    /// Why a source gave no answer the last time, if one did not since this was asked.
    #[must_use]
    pub fn take_failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn document(&self, url: &str) -> Result<Bytes, String> {
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is no URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err("only URLs that start with http:// can be fetched from; put a local gateway before \
                        another source"
                .to_owned());
        }
        let asking = async {
            let request = Request::get(uri).body(Full::default()).map_err(|error| error.to_string())?;
            let answer = self.client.request(request).await.map_err(|error| error.to_string())?;
            match answer.status() {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND => return Ok(Bytes::new()),
                status => return Err(format!("it answered with status {}", status.as_u16())),
            }
            let body = Limited::new(answer.into_body(), DOCUMENT_BYTES_MAX).collect().await;
            Ok(body.map_err(|error| error.to_string())?.to_bytes())
        };
        tokio::time::timeout(TIMEOUT, asking)
            .await
            .map_err(|_| format!("it gave no answer in {} s", TIMEOUT.as_secs()))?
    }

    async fn ask(&self, from: &PrefetchFrom, row: &RowKey, item: &Item) -> Result<Fetched, String> {
        match from {
            PrefetchFrom::Http { url, pointer } => {
                let Some(url) = filled(url, item) else { return Ok(Fetched { value: None, bytes: 0 }) };
                let document = self.document(&url).await?;
                let value = if document.is_empty() { None } else { pointed(&document, pointer)? };
                Ok(Fetched { value, bytes: document.len() as u64 })
            }
            PrefetchFrom::Table { table, attribute } => {
                let row = RowKey { table: table.clone(), identity: row.identity.clone() };
                let found = self.table.item(&row).await.map_err(|error| error.to_string())?;
                let bytes = found.as_ref().map_or(0, |item| dynamodb_json(item).len() as u64);
                Ok(Fetched { value: found.and_then(|mut item| item.remove(attribute)), bytes })
            }
            PrefetchFrom::S3 { bucket, .. } => Err(format!(
                "objects of S3, as of the bucket `{bucket}`, cannot be fetched from here; name a URL that \
                 starts with http://, or a table"
            )),
        }
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

/// A text with the item's attributes in the places that name them, fit for a URL; `None` where the item does
/// not have one.
fn filled(text: &str, item: &Item) -> Option<String> {
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        filled.push_str(before);
        let value = match item.get(name)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    filled.push(char::from(byte))
                }
                _ => write!(filled, "%{byte:02X}").ok()?,
            }
        }
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_url_has_the_items_attributes_and_nothing_that_is_none_of_one() {
        let item = Item::from([
            ("id".to_owned(), Value::String("a/b?c=1 ü".to_owned())),
            ("n".to_owned(), Value::Number("1.50".parse().unwrap())),
        ]);
        assert_eq!(filled("http://x/{id}/{n}", &item).unwrap(), "http://x/a%2Fb%3Fc%3D1%20%C3%BC/1.5");
        assert_eq!(filled("http://x/{other}", &item), None);
        assert_eq!(filled("http://x/{id", &item), None);
    }

    #[test]
    fn a_pointer_leads_to_a_value_or_to_none() {
        let document = br#"{"tier": {"name": "gold", "none": null}, "n": 12.50}"#;
        assert_eq!(pointed(document, "/tier/name").unwrap(), Some(Value::String("gold".to_owned())));
        assert_eq!(pointed(document, "/n").unwrap(), Some(Value::Number("12.5".parse().unwrap())));
        assert_eq!(pointed(document, "/tier/none").unwrap(), None);
        assert_eq!(pointed(document, "/nothing").unwrap(), None);
        assert!(pointed(b"<html>", "").is_err());
    }
}
