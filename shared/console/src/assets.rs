//! The page, as it was built: served from the binary.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::OnceLock;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use xxhash_rust::xxh3::xxh3_128;

/// One file of the page.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Where it is.
    pub path: &'static str,
    /// What it is.
    pub kind: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// The files of the page.
pub const ASSETS: [Asset; 4] = [
    Asset { path: "/", kind: "text/html; charset=utf-8", bytes: include_bytes!("../assets/index.html") },
    Asset {
        path: "/page.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../assets/page.js"),
    },
    Asset { path: "/page.css", kind: "text/css; charset=utf-8", bytes: include_bytes!("../assets/page.css") },
    Asset { path: "/icon.svg", kind: "image/svg+xml", bytes: include_bytes!("../assets/icon.svg") },
];

/// The files compressed, once for the life of the process: with their tags.
static COMPRESSED: OnceLock<BTreeMap<&'static str, (Bytes, HeaderValue)>> = OnceLock::new();

fn compressed(asset: Asset) -> Option<(Bytes, HeaderValue)> {
    let all = COMPRESSED.get_or_init(|| {
        let gzip = |asset: Asset| {
            let mut writer = GzEncoder::new(Vec::new(), Compression::best());
            writer.write_all(asset.bytes).ok()?;
            let bytes = Bytes::from(writer.finish().ok()?);
            let tag = tag(&bytes);
            Some((asset.path, (bytes, tag)))
        };
        ASSETS.into_iter().filter_map(gzip).collect()
    });
    all.get(asset.path).cloned()
}

/// Whether a request takes gzip, and did not say that it does not.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let all = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = all.flat_map(|value| value.split(',')).map(|one| one.replace(' ', ""));
    codings
        .any(|one| one == "gzip" || one.strip_prefix("gzip;q=").is_some_and(|q| !["0", "0.0"].contains(&q)))
}

/// Answers with a file, or says that whoever asks has it.
pub fn serve(asset: Asset, headers: &HeaderMap) -> Response {
    let gzip = if takes_gzip(headers) { compressed(asset) } else { None };
    let is_gzip = gzip.is_some();
    let (bytes, tag) = gzip.unwrap_or_else(|| (Bytes::from_static(asset.bytes), tag(asset.bytes)));
    let kept = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ];
    if has(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    let mut response =
        (kept, [(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind))], bytes).into_response();
    if is_gzip {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// A strong tag of bytes.
pub fn tag(bytes: &[u8]) -> HeaderValue {
    let text = format!("\"{:032x}\"", xxh3_128(bytes));
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether a request says that it has what a tag is of.
pub fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = tags.flat_map(|value| value.split(',')).map(|one| one.trim().trim_start_matches("W/"));
    tags.any(|one| one == "*" || one.as_bytes() == tag.as_bytes())
}
