//! What no request gets past: which host it names, where a word comes from, and what every answer says to
//! the browser.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// Which names a console answers to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hosts {
    /// Any: it is behind something that checked who asks.
    Any,
    /// The loopback names, with or without a port. Any other name that leads here is another page's, whose
    /// name was made to point at this machine.
    Loopback,
}

/// Everything that a page may load, and from where: itself alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Lets a request through, or says why not.
pub async fn guard(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let mut response = match check(&hosts, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn check(hosts: &Hosts, request: &Request) -> Result<(), Problem> {
    let host = text(request.headers(), header::HOST).or(request.uri().authority().map(|one| one.as_str()));
    if *hosts == Hosts::Loopback && !host.is_some_and(is_loopback) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this console answers to the names of this machine alone",
            "open it as http://127.0.0.1 with its port",
        ));
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(());
    }
    let foreign = || {
        Problem::new(
            StatusCode::FORBIDDEN,
            "another page may not do anything here",
            "open the console itself, and do it there",
        )
    };
    if text(request.headers(), HeaderName::from_static("sec-fetch-site"))
        .is_some_and(|site| site != "same-origin")
    {
        return Err(foreign());
    }
    let origin = request.headers().get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("null"));
    if let Some(origin) = origin {
        let of = origin.split_once("://").map(|(_, of)| of);
        if of.is_none() || of != host {
            return Err(foreign());
        }
    }
    Ok(())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn is_loopback(host: &str) -> bool {
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|here| {
        host.strip_prefix(here).is_some_and(|rest| {
            rest.is_empty()
                || rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for here in ["127.0.0.1:8787", "localhost", "[::1]:1"] {
            assert!(is_loopback(here), "{here}");
        }
        for there in ["127.0.0.1.example", "localhost.example:1", "example", "127.0.0.1:80@evil", ""] {
            assert!(!is_loopback(there), "{there}");
        }
    }
}
