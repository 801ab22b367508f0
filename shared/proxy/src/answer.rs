//! Owns the answers that the proxy gives itself, in the form in which DynamoDB gives its own.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// The media type of the protocol.
pub const MEDIA_TYPE: &str = "application/x-amz-json-1.0";

/// By which SDKs tell that a body came as it was sent.
const CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");

/// In which the proxy says what became of a mutation: [`evercount_pipeline::mutate::Mutated::word`].
pub const OUTCOME_HEADER: HeaderName = HeaderName::from_static("x-evercount-outcome");

/// Why a request is not answered by the upstream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// A condition does not hold; the item that it does not hold of, where the writer wants to see it.
    Condition {
        /// Why.
        message: String,
        /// The item, in DynamoDB JSON.
        item: Option<Value>,
    },
    /// Others write the item at the same time.
    Conflict(String),
    /// A transaction was not executed, and why, action by action.
    Canceled(Vec<Reason>),
    /// Another request was carried out under the token of a transaction.
    OtherRequest,
    /// A mutation is refused; the stable word for it.
    Mutation {
        /// The word.
        outcome: &'static str,
        /// How it is told.
        told: Box<Refusal>,
    },
    /// The request is not what it may be. SDKs do not repeat it.
    Validation(String),
    /// The body is longer than DynamoDB takes.
    TooLarge,
    /// The upstream or a store does not answer. SDKs repeat the request.
    Unavailable(String),
    /// Something the proxy cannot do; SDKs repeat the request.
    Internal(String),
}

/// Why one action of a transaction was not executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// DynamoDB's word; `None` where nothing was wrong with it.
    pub code: &'static str,
    /// In words.
    pub message: Option<String>,
    /// The item that a condition does not hold of, in DynamoDB JSON.
    pub item: Option<Value>,
}

impl Reason {
    /// Nothing was wrong.
    pub const NONE: Self = Self { code: "None", message: None, item: None };

    fn json(&self) -> Value {
        let mut json = json!({ "Code": self.code });
        if let Some(object) = json.as_object_mut() {
            object.extend(self.message.clone().map(|message| ("Message".to_owned(), message.into())));
            object.extend(self.item.clone().map(|item| ("Item".to_owned(), item)));
        }
        json
    }
}

impl Refusal {
    fn parts(&self) -> (StatusCode, &'static str, &str) {
        match self {
            Self::Condition { message, .. } => (
                StatusCode::BAD_REQUEST,
                "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
                message,
            ),
            Self::Conflict(message) => (
                StatusCode::BAD_REQUEST,
                "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
                message,
            ),
            Self::Canceled(_) => {
                (StatusCode::BAD_REQUEST, "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "")
            }
            Self::OtherRequest => (
                StatusCode::BAD_REQUEST,
                "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException",
                "ClientRequestToken was used for a request with other parameters within the last 10 minutes",
            ),
            Self::Mutation { told, .. } => told.parts(),
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
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Mutation { told, .. } => told.message(),
            Self::Canceled(reasons) => {
                let codes: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
                Cow::Owned(format!(
                    "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
                    codes.join(", ")
                ))
            }
            _ => Cow::Borrowed(self.parts().2),
        }
    }

    /// The answer.
    #[must_use]
    pub fn answer(&self) -> Response<Bytes> {
        if let Self::Mutation { outcome, told } = self {
            let mut answer = told.answer();
            answer.headers_mut().insert(OUTCOME_HEADER, HeaderValue::from_static(outcome));
            return answer;
        }
        let (status, kind, _) = self.parts();
        let mut body = json!({ "__type": kind, "message": self.message() });
        match (self, body.as_object_mut()) {
            (Self::Condition { item: Some(item), .. }, Some(object)) => {
                object.insert("Item".to_owned(), item.clone());
            }
            (Self::Canceled(reasons), Some(object)) => {
                // SDKs look for the text under either name.
                object.insert("Message".to_owned(), self.message().into());
                let reasons = reasons.iter().map(Reason::json).collect();
                object.insert("CancellationReasons".to_owned(), reasons);
            }
            _ => {}
        }
        body_answer(status, &body)
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
