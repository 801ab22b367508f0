//! Where objects are, and what answers of S3 mean.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use super::*;
use crate::clients::{Https, Trusted};

async fn s3(region: &str, url: Option<&str>, fips: bool, dual_stack: bool) -> S3 {
    let credentials = SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test"));
    let caller = Caller::new(Https::new(Trusted::Amazon), credentials, region.to_owned());
    S3::new(caller, url.map(str::to_owned), fips, dual_stack).await.unwrap()
}

#[test]
fn a_place_is_a_bucket_and_what_keys_begin_with() {
    let place = S3Place::parse("s3://my-bucket.eu/a/b=1.x_y-z/").unwrap();
    assert_eq!((place.bucket(), place.key("m").as_str()), ("my-bucket.eu", "a/b=1.x_y-z/m"));
    assert_eq!(place.to_string(), "s3://my-bucket.eu/a/b=1.x_y-z/");
    for text in ["s3://bucket", "s3://bucket/"] {
        assert_eq!(S3Place::parse(text).unwrap().key("m"), "m");
    }
    for wrong in [
        "bucket/a",
        "s3://",
        "s3://ab",
        "s3://Bucket",
        "s3://bucket-",
        "s3://a..b",
        "s3://bucket//a",
        "s3://bucket/a*",
        "s3://bucket/a?",
        "s3://bucket/${x}",
        "s3://bucket/../a",
        "https://bucket",
    ] {
        assert_eq!(S3Place::parse(wrong), None, "{wrong}");
    }
}

#[tokio::test]
async fn a_bucket_is_at_its_own_host_or_at_an_endpoint_by_its_path() {
    let of = async |region, url, fips, dual, bucket: &str| {
        s3(region, url, fips, dual).await.url(bucket, "a b/ü+c").unwrap().to_string()
    };
    let path = "/a%20b/%C3%BC%2Bc";
    for (region, fips, dual, host) in [
        ("eu-central-1", false, false, "bucket.s3.eu-central-1.amazonaws.com"),
        ("cn-north-1", false, false, "bucket.s3.cn-north-1.amazonaws.com.cn"),
        ("us-east-1", true, false, "bucket.s3-fips.us-east-1.amazonaws.com"),
        ("us-east-1", true, true, "bucket.s3-fips.dualstack.us-east-1.amazonaws.com"),
    ] {
        assert_eq!(of(region, None, fips, dual, "bucket").await, format!("https://{host}{path}"));
    }
    let dotted = of("eu-central-1", None, false, false, "a.bucket").await;
    assert_eq!(dotted, format!("https://s3.eu-central-1.amazonaws.com/a.bucket{path}"));
    let local = of("eu-central-1", Some("http://127.0.0.1:4566/"), false, false, "bucket").await;
    assert_eq!(local, format!("http://127.0.0.1:4566/bucket{path}"));
}

#[test]
fn a_list_has_keys_in_the_form_of_urls() {
    let body = "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\"><Name>b</Name><IsTruncated>true</IsTruncated>\
                <Contents><Key>a%2Bb+c/%C3%BC</Key><Size>1</Size></Contents><Contents><Key>d</Key></Contents>\
                </ListBucketResult>";
    let page = read_page(body.as_bytes()).unwrap();
    assert_eq!(page, ListPage { keys: vec!["a+b c/ü".to_owned(), "d".to_owned()], goes_on: true });
    assert_eq!(read_page(b"<html></html>"), None);
    assert_eq!(read_page(b"<ListBucketResult><Key>%FF</Key></ListBucketResult>"), None);
}

#[tokio::test]
async fn answers_are_told_apart_by_what_may_work_later() {
    let s3 = s3("eu-central-1", None, false, false).await;
    let judge = |status: u16, code: &str, region: Option<&str>| {
        let mut answer = Response::builder().status(status);
        if let Some(region) = region {
            answer = answer.header("x-amz-bucket-region", region);
        }
        let body = format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
        s3.judge("bucket", "key", &answer.body(Bytes::from(body)).unwrap())
    };
    assert_eq!(judge(412, "PreconditionFailed", None), Failure::Conflict);
    assert_eq!(judge(409, "ConditionalRequestConflict", None), Failure::Conflict);
    for (status, code) in [(503, "SlowDown"), (500, "InternalError"), (400, "ExpiredToken"), (429, "")] {
        assert!(matches!(judge(status, code, None), Failure::Transient(_)), "{status} {code}");
    }
    let told = |failure| match failure {
        Failure::Refused(why) => why,
        other => format!("{other:?}"),
    };
    assert!(told(judge(403, "AccessDenied", None)).contains("it is not there, or may not be"));
    assert!(told(judge(301, "PermanentRedirect", Some("us-west-2"))).contains("is in us-west-2"));
    assert!(
        told(judge(403, "SignatureDoesNotMatch", Some("eu-central-1"))).contains("SignatureDoesNotMatch")
    );
}
