//! Decides how the AWS SDKs are set up to talk to an emulator: plain HTTP, fixed credentials, and
//! no look-up of profiles, metadata services or certificates.

use aws_smithy_http_client::Builder;

/// The key id, secret and provider name that emulators accept and AWS does not know.
const TEST_CREDENTIALS: (&str, &str, &str) = ("test", "test", "embedded");

/// A DynamoDB client for an emulator at `endpoint`, such as `http://127.0.0.1:8000`.
///
/// It has no TLS, so an `https` endpoint fails on the first call.
#[must_use]
pub fn dynamodb(endpoint: &str, region: &str) -> aws_sdk_dynamodb::Client {
    use aws_sdk_dynamodb::config::{
        BehaviorVersion, Config, Credentials, Region, StalledStreamProtectionConfig,
    };
    let (key, secret, provider) = TEST_CREDENTIALS;
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(key, secret, None, None, provider))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(Builder::new().build_http())
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

/// A Kinesis client for an emulator at `endpoint`, such as `http://127.0.0.1:4567`.
///
/// It has no TLS, so an `https` endpoint fails on the first call.
#[must_use]
pub fn kinesis(endpoint: &str, region: &str) -> aws_sdk_kinesis::Client {
    use aws_sdk_kinesis::config::{
        BehaviorVersion, Config, Credentials, Region, StalledStreamProtectionConfig,
    };
    let (key, secret, provider) = TEST_CREDENTIALS;
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(key, secret, None, None, provider))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(Builder::new().build_http())
        .build();
    aws_sdk_kinesis::Client::from_conf(config)
}
