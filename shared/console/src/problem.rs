//! What could not be done, as a JSON problem (RFC 9457) that names the fix.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use evercount_pipeline::ports::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

/// A problem: <https://www.rfc-editor.org/rfc/rfc9457>.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status says what kind it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, in a sentence.
    pub detail: String,
    /// What to do about it.
    pub fix: String,
}

impl Problem {
    /// A problem with a status.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            fix: fix.into(),
        }
    }

    /// Something is not there.
    #[must_use]
    pub fn absent(detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail, fix)
    }

    /// Something was asked for in a way that has no answer.
    #[must_use]
    pub fn bad(detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail, fix)
    }

    /// Something cannot be done as things stand.
    #[must_use]
    pub fn conflict(detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail, fix)
    }

    /// A name that is not known, with the one that is most like it.
    pub fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>, list: &str) -> Self {
        let fix = evercount_view::did_you_mean(name, known, list);
        Self::absent(format!("there is no {what} `{}`", evercount_view::plain(name)), fix)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::conflict(
                "somebody else changed it just now",
                "look at it again, and repeat what you asked for",
            ),
            StoreError::Rejected(why) => Self::conflict(why, "change what is asked for as the sentence says"),
            StoreError::Unavailable(why) => {
                tracing::warn!(why, "the store is unavailable");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the store could not be reached",
                    "ask again in a few seconds; `evercount doctor` says what is wrong if it stays",
                )
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
