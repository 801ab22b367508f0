//! Owns the answers that the proxy gives itself, in the form in which DynamoDB gives its own.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// The media type of the protocol.
pub const MEDIA_TYPE: &str = "application/x-amz-json-1.0";

/// By which SDKs tell that a body came as it was sent.
const CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");

/// Why a request is not answered by the upstream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The request is not what it may be. SDKs do not repeat it.
    Validation(String),
    /// The body is longer than DynamoDB takes.
    TooLarge,
    /// The upstream or a store does not answer. SDKs repeat the request.
    Unavailable(String),
    /// Something the proxy cannot do; SDKs repeat the request.
    Internal(String),
}

impl Refusal {
    fn parts(&self) -> (StatusCode, &'static str, &str) {
        match self {
            Self::Validation(message) => {
                (StatusCode::BAD_REQUEST, "com.amazon.coral.validate#ValidationException", message)
            }
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "com.amazon.coral.service#RequestEntityTooLargeException",
                "Request must be smaller than 16777216 bytes for the DynamoDB service",
            ),
            Self::Unavailable(message) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "com.amazon.coral.availability#ServiceUnavailableException",
                message,
            ),
            Self::Internal(message) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "com.amazonaws.dynamodb.v20120810#InternalServerError",
                message,
            ),
        }
    }

    /// Why, in words.
    #[must_use]
    pub fn message(&self) -> &str {
        self.parts().2
    }

    /// The answer.
    #[must_use]
    pub fn answer(&self) -> Response<Bytes> {
        let (status, kind, message) = self.parts();
        body_answer(status, &json!({ "__type": kind, "message": message }))
    }
}

/// An answer of a JSON body.
#[must_use]
pub fn body_answer(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    replace_body(&mut answer, Bytes::from(body.to_string()));
    answer
}

/// Puts another body into an answer; what its headers say of the body is true of the new one.
pub fn replace_body(answer: &mut Response<Bytes>, body: Bytes) {
    let headers = answer.headers_mut();
    headers.remove(TRANSFER_ENCODING);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CRC32, HeaderValue::from(crc32fast::hash(&body)));
    *answer.body_mut() = body;
}
