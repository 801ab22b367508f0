//! What passes comes back byte for byte; what does not is told in DynamoDB's form.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Mutex;

use evercount_pipeline::memory::Memory;
use http::StatusCode;
use serde_json::json;

use super::*;
use crate::upstream::Unreachable;

/// Answers whatever comes with one answer, and remembers what came.
struct Fixed(Result<Response<Bytes>, Unreachable>, Mutex<Vec<Request<Bytes>>>);

impl Upstream for Fixed {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unreachable> {
        self.1.lock().unwrap().push(request);
        self.0.clone()
    }
}

fn proxy(answer: Result<Response<Bytes>, Unreachable>) -> Proxy<Fixed, Memory, Memory> {
    Proxy::new(
        Fixed(answer, Mutex::default()),
        Memory::default(),
        Memory::default(),
        ProxyOptions::default(),
        || 0,
    )
}

#[tokio::test]
async fn an_answer_comes_back_byte_for_byte_with_its_headers() {
    let body: &[u8] = b" {\"Item\" : {\"n\":{\"N\":\"1.50\"}}, \"x\":\xff}\n";
    let answer = Response::builder()
        .status(StatusCode::IM_A_TEAPOT)
        .header("x-amzn-requestid", "ABC")
        .header("x-amz-crc32", "17")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .body(Bytes::from_static(body))
        .unwrap();
    let proxy = proxy(Ok(answer.clone()));
    for (target, sent) in [
        (
            "DynamoDB_20120810.GetItem",
            "{\"TableName\": \"t\", \"Key\": {\"id\":{\"S\":\"a\"}}, \"n\": 1.500 }",
        ),
        ("DynamoDB_20120810.GetItem", "no JSON"),
        ("DynamoDB_20120810.Unheard", "{}"),
        ("DynamoDBStreams_20120810.ListStreams", "{}"),
    ] {
        let request = Request::post("/?x=1").header("x-amz-target", target).header("x-own", "kept");
        let came = proxy.handle(request.body(Bytes::from(sent)).unwrap()).await;
        assert_eq!(
            (came.status(), came.headers(), came.body()),
            (answer.status(), answer.headers(), answer.body())
        );
        let went = proxy.upstream.1.lock().unwrap().pop().unwrap();
        assert_eq!((went.body().as_ref(), went.uri().to_string()), (sent.as_bytes(), "/?x=1".to_owned()));
        assert_eq!(went.headers().get("x-own").unwrap(), "kept");
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_told_of_in_dynamodbs_form() {
    let proxy = proxy(Err(Unreachable("no answer from 10.0.0.1".to_owned())));
    let answer = proxy.handle(Request::post("/").body(Bytes::new()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    let told = json!({ "__type": "com.amazon.coral.availability#ServiceUnavailableException",
        "message": "no answer from 10.0.0.1" });
    assert_eq!(body, told);
    let crc = answer.headers().get("x-amz-crc32").unwrap().to_str().unwrap();
    assert_eq!(crc, crc32fast::hash(answer.body()).to_string());
    assert_eq!(answer.headers().get("content-length").unwrap(), &answer.body().len().to_string());
}

#[test]
fn a_version_is_said_by_its_number_or_its_id() {
    let said = |text: &str| {
        let headers = [(VERSION_HEADER, text.parse().unwrap())].into_iter().collect();
        said_version(&headers)
    };
    assert_eq!(said("3"), Ok(Some(3)));
    assert_eq!(said("v3"), Ok(Some(3)));
    assert!(said("three").is_err() && said("").is_err());
    assert_eq!(said_version(&HeaderMap::new()), Ok(None));
}
