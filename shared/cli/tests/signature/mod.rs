//! Whether a request is signed as AWS demands it, with the key that is known here, as it arrived.

use std::str::FromStr as _;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::Request;

pub const ID: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub const REGION: &str = "eu-central-1";

/// Headers that the signer puts there itself.
const OWN: [&str; 4] = ["host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];

/// What a service demands of a signature.
pub struct Demands<'a> {
    pub service: &'a str,
    pub token: Option<&'a str>,
    /// Headers that have to be signed.
    pub headers: &'a [&'a str],
    pub settings: SigningSettings,
}

/// Says what is wrong with a signature.
pub fn check(request: &Request<Bytes>, demands: Demands<'_>) -> Result<(), String> {
    let Demands { service, token, headers: needed, settings } = demands;
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let came = header("authorization").ok_or("no signature")?;
    if !came.contains(&format!("Credential={ID}/")) || !came.contains(&format!("/{service}/aws4_request")) {
        return Err(format!("signed for something else: {came}"));
    }
    let signed =
        came.split("SignedHeaders=").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
    for needed in needed {
        if !signed.split(';').any(|name| name == *needed) {
            return Err(format!("{needed} is not signed: {came}"));
        }
    }
    let others = signed.split(';').filter(|name| !OWN.contains(name));
    let headers = others.map(|name| (name, header(name).unwrap_or_default()));
    let date = header("x-amz-date").unwrap_or_default();
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).map_err(|error| error.to_string())?;
    let at: SystemTime = date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().into();
    let identity = Credentials::new(ID, SECRET, token.map(str::to_owned), None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(service)
        .time(at)
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let url = format!("http://{}{}", header("host").unwrap_or_default(), request.uri());
    let url = http::Uri::from_str(&url).map_err(|error| error.to_string())?.to_string();
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new(request.method().as_str(), &url, headers, body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let expected = instructions.headers().find(|(name, _)| *name == "authorization").map(|(_, value)| value);
    if expected == Some(came) { Ok(()) } else { Err(format!("{came} is not {expected:?}")) }
}
