//! The page, as it was built: served from the binary.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
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

/// Answers with a file, or says that whoever asks has it.
pub fn serve(asset: Asset, headers: &HeaderMap) -> Response {
    let tag = tag(asset.bytes);
    if has(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let kind = HeaderValue::from_static(asset.kind);
    let again = HeaderValue::from_static("no-cache");
    let headers = [(header::CONTENT_TYPE, kind), (header::ETAG, tag), (header::CACHE_CONTROL, again)];
    (headers, asset.bytes).into_response()
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
