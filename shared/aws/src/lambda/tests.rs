//! Where Lambda is, what its answers mean, and what no call takes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use evercount_core::function::FunctionId;
use evercount_core::value::{Item, Value};

use super::*;
use crate::clients::{Https, Trusted};

fn runner(region: &str, url: Option<&str>, fips: bool, dual_stack: bool) -> LambdaRunner {
    let credentials = SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test"));
    let caller = Caller::new(Https::new(Trusted::Amazon), credentials, region.to_owned());
    LambdaRunner::new(caller, "runner".to_owned(), url.map(str::to_owned), fips, dual_stack)
}

/// Hosts are those of <https://docs.aws.amazon.com/general/latest/gr/lambda-service.html>.
#[tokio::test]
async fn lambda_is_where_the_region_has_it_or_at_an_endpoint() {
    for (region, url, fips, dual, expected) in [
        ("eu-central-1", None, false, false, "lambda.eu-central-1.amazonaws.com"),
        ("cn-north-1", None, false, false, "lambda.cn-north-1.amazonaws.com.cn"),
        ("us-east-1", None, true, false, "lambda-fips.us-east-1.amazonaws.com"),
        ("us-east-1", None, false, true, "lambda.us-east-1.api.aws"),
        ("eu-central-1", Some("http://127.0.0.1:4566/"), false, false, "127.0.0.1:4566"),
    ] {
        let (_, authority) = runner(region, url, fips, dual).place.find(region).await.unwrap();
        assert_eq!(authority, expected);
    }
}

#[test]
fn answers_are_told_apart_by_what_may_work_later() {
    let runner = runner("eu-central-1", None, false, false);
    let judge = |status: u16, failed: bool| {
        let mut answer = Response::builder().status(status);
        if failed {
            answer = answer.header("x-amz-function-error", "Unhandled");
        }
        runner.judge(&answer.body(Bytes::from_static(b"{\"Message\":\"m\"}")).unwrap())
    };
    assert_eq!(judge(200, false), Ok(()));
    for (status, failed) in
        [(200, true), (409, false), (429, false), (500, false), (502, false), (503, false)]
    {
        assert!(matches!(judge(status, failed), Err(Failure::Transient(_))), "{status}");
    }
    for status in [400, 403, 404, 413] {
        let Err(Failure::Refused(told)) = judge(status, false) else { unreachable!("{status}") };
        assert!(told.contains("`runner`") && told.contains("\"m\""), "{told}");
    }
}

#[tokio::test]
async fn an_item_that_no_call_takes_has_no_answer_and_stops_nothing() {
    let runner = runner("eu-central-1", Some("http://127.0.0.1:1/"), false, false);
    let id = FunctionId::of_digest([1; 32]);
    let long = Value::String("x".repeat(PAYLOAD_BYTES_MAX));
    let question = Question { functions: [id].into(), item: Item::from([("long".to_owned(), long)]) };
    let (_, answers) = runner.ask_some(&[question]).await.unwrap();
    assert_eq!(answers.given, [[].into()]);
    assert!(answers.unanswered.values().all(|one| one.images == 1 && one.because.contains("too many")));
}
