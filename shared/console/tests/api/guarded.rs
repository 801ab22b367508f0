//! What no other page can make a browser do, and what every answer says to it.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use crate::seed::{get, post, send, shop};

const REPLAY: &str = "/api/v1/quarantine/replay";

#[tokio::test]
async fn every_answer_has_a_strict_policy() {
    for path in ["/", "/api/v1/counts", "/api/v1/openapi.json", "/nothing", "/page.js"] {
        let answer = send(shop(true).await, get(path)).await;
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{path}");
        assert!(!policy.contains("unsafe"), "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
        assert_eq!(answer.headers[header::X_FRAME_OPTIONS], "DENY", "{path}");
    }
}

#[tokio::test]
async fn another_page_can_do_nothing() {
    for (name, value, status) in [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "none", 403),
        ("origin", "http://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "http://127.0.0.1:8787", 200),
        ("sec-fetch-site", "same-origin", 200),
    ] {
        let mut request = post(REPLAY, r#"{"dry_run":true}"#);
        request.headers_mut().insert(name, value.parse().unwrap());
        let answer = send(shop(true).await, request).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {value}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_form_of_another_page_is_no_json() {
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let mut request = post(REPLAY, "{}");
        request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
        let answer = send(shop(true).await, request).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        assert!(answer.json()["fix"].as_str().unwrap().contains("application/json"));
    }
}

#[tokio::test]
async fn a_name_that_was_made_to_point_here_is_refused() {
    for host in ["evil.example", "127.0.0.1.evil.example:8787", ""] {
        let request = Request::get("/api/v1/counts").header(header::HOST, host);
        let answer = send(shop(true).await, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
}

#[tokio::test]
async fn what_is_too_long_or_no_json_is_refused_as_a_problem() {
    let long = format!(r#"{{"dry_run":true,"x":"{}"}}"#, "a".repeat(20_000));
    for (body, status) in [
        (long.as_str(), StatusCode::PAYLOAD_TOO_LARGE),
        ("", StatusCode::BAD_REQUEST),
        ("[", StatusCode::BAD_REQUEST),
        ("null", StatusCode::BAD_REQUEST),
        (r#"{"dry_run":1}"#, StatusCode::BAD_REQUEST),
        (r#"{"dry":true}"#, StatusCode::BAD_REQUEST),
    ] {
        let answer = send(shop(true).await, post(REPLAY, body)).await;
        assert_eq!(answer.status, status, "{body:.40}: {}", answer.text);
        assert!(answer.json()["fix"].is_string());
    }
    let mut other = get("/api/v1/counts");
    *other.method_mut() = axum::http::Method::DELETE;
    let answer = send(shop(true).await, other).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(answer.json()["fix"].is_string());
}

#[tokio::test]
async fn the_page_is_sent_compressed_to_whoever_takes_that_and_once() {
    let mut request = get("/page.js");
    request.headers_mut().insert(header::ACCEPT_ENCODING, "br, gzip;q=0.8".parse().unwrap());
    let first = send(shop(true).await, request).await;
    assert_eq!(first.headers[header::CONTENT_ENCODING], "gzip");
    let plain = send(shop(true).await, get("/page.js")).await;
    assert!(!plain.headers.contains_key(header::CONTENT_ENCODING));
    assert_ne!(first.headers[header::ETAG], plain.headers[header::ETAG]);
    let mut again = get("/page.js");
    again.headers_mut().insert(header::IF_NONE_MATCH, plain.headers[header::ETAG].clone());
    assert_eq!(send(shop(true).await, again).await.status, StatusCode::NOT_MODIFIED);
}
