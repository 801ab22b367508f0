//! Owns how SDK clients are made: once, from the environment.
//!
//! A function's come from what Lambda sets and nothing else; [`Clients::new`] looks for no profile, asks no
//! metadata service and reads no certificate store, which is what a start would be spent on. A
//! person's come from wherever people keep region and credentials. For both, `AWS_ENDPOINT_URL` points
//! the same code at an emulator.

mod access;
mod roots;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region, SharedCredentialsProvider, SharedHttpClient,
};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext};
use aws_types::SdkConfig;

use crate::config::ConfigErrors;
use crate::dynamo::timeouts;

pub use access::Access;
pub use roots::{Roots, VARIABLE as ROOTS_VARIABLE};

/// What the clients of a process are made from. They share one connection pool and one credentials
/// cache.
#[derive(Clone, Debug)]
pub struct Clients {
    config: SdkConfig,
}

impl Clients {
    /// The clients of a function.
    ///
    /// # Errors
    /// [`ConfigErrors`] where a file that the environment names is not what it should be.
    pub fn new(access: Access) -> Result<Self, ConfigErrors> {
        let Access { region, keys, endpoint, endpoints, fips, dual_stack, roots } = access;
        let roots = roots.load().map_err(|error| ConfigErrors(vec![error]))?;
        let credentials = Credentials::new(keys.id, keys.secret, keys.token, None, "environment");
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(https(roots))
            .service_config(endpoints)
            // As the stores want them, so that these need not make clients of their own.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            .use_fips(fips)
            .use_dual_stack(dual_stack);
        config.set_endpoint_url(endpoint);
        Ok(Self { config: config.build() })
    }

    /// The clients of a person: region, credentials and endpoint of the environment, of a profile, or
    /// of a metadata service. Trusted is what the machine trusts.
    #[cfg(feature = "profiles")]
    pub async fn of_a_person() -> Self {
        let loader = aws_config::defaults(BehaviorVersion::latest());
        Self { config: loader.http_client(https(TlsContext::default())).load().await }
    }

    /// A client of DynamoDB.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// A client of Kinesis.
    #[cfg(feature = "kinesis")]
    #[must_use]
    pub fn kinesis(&self) -> aws_sdk_kinesis::Client {
        aws_sdk_kinesis::Client::new(&self.config)
    }

    /// A client of EventBridge, for those who have an event bus.
    #[cfg(feature = "eventbridge")]
    #[must_use]
    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::new(&self.config)
    }

    /// A client of SNS, for those who have a topic.
    #[cfg(feature = "alerts")]
    #[must_use]
    pub fn sns(&self) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.config)
    }
}

fn https(context: TlsContext) -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https()
}
