//! Owns how SDK clients are made: once, from the environment.
//!
//! A function's come from what Lambda sets and nothing else; [`Clients::new`] looks for no profile, asks no
//! metadata service and reads no certificate store, which is what a start would be spent on. A
//! person's come from wherever people keep region and credentials. For both, `AWS_ENDPOINT_URL` points
//! the same code at an emulator.

mod access;
mod https;
mod roots;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_types::SdkConfig;

use aws_types::service_config::ServiceConfigKey;

#[cfg(feature = "proxy")]
use crate::caller::dynamodb_url;
use crate::caller::{Caller, CallerError};
use crate::config::ConfigErrors;
use crate::dynamo::{DynamoStore, TableNames, timeouts};
use crate::lambda::LambdaRunner;
use crate::s3::{S3, S3Place};
use crate::s3_functions::S3Functions;
#[cfg(feature = "proxy")]
use crate::signed::{Service, Signed};

pub use access::Access;
pub(crate) use https::Https;
#[cfg(any(feature = "proxy", test))]
pub(crate) use roots::Trusted;
pub use roots::{Roots, VARIABLE as ROOTS_VARIABLE};

/// What the clients of a process are made from. They share one connection pool and one credentials
/// cache.
#[derive(Clone, Debug)]
pub struct Clients {
    config: SdkConfig,
    https: Https,
}

impl Clients {
    /// The clients of a function.
    ///
    /// # Errors
    /// [`ConfigErrors`] where a file that the environment names is not what it should be.
    pub fn new(access: Access) -> Result<Self, ConfigErrors> {
        let Access { region, keys, endpoint, endpoints, fips, dual_stack, roots } = access;
        let https = Https::new(roots.load().map_err(|error| ConfigErrors(vec![error]))?);
        let credentials = Credentials::new(keys.id, keys.secret, keys.token, None, "environment");
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(https.clone())
            .service_config(endpoints)
            // As the stores want them, so that these need not make clients of their own.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            .use_fips(fips)
            .use_dual_stack(dual_stack);
        config.set_endpoint_url(endpoint);
        Ok(Self { config: config.build(), https })
    }

    /// The clients of a person: region, credentials and endpoint of the environment, of a profile, or
    /// of a metadata service. Trusted is what the machine trusts.
    #[cfg(feature = "profiles")]
    pub async fn of_a_person() -> Self {
        let https = Https::new(Trusted::Native);
        let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(https.clone());
        Self { config: loader.load().await, https }
    }

    /// A client of DynamoDB.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// DynamoDB itself as the upstream of a proxy: where the clients have it, unless `url` names it.
    ///
    /// # Errors
    /// [`CallerError`] where nothing says where it is, or who asks.
    #[cfg(feature = "proxy")]
    pub async fn dynamodb_upstream(&self, url: Option<&str>) -> Result<Signed, CallerError> {
        let caller = self.caller()?;
        let url = match url {
            Some(url) => url.to_owned(),
            None => {
                let (fips, dual_stack) = self.variants();
                dynamodb_url(caller.region(), self.endpoint_of("DynamoDB"), fips, dual_stack).await?
            }
        };
        Signed::new(caller, Service::DynamoDb, &url)
    }

    /// The URL of the data proxy's function as the upstream of another.
    ///
    /// # Errors
    /// [`CallerError`] where nothing says who asks, or the URL is none.
    #[cfg(feature = "proxy")]
    pub fn function_upstream(&self, url: &str) -> Result<Signed, CallerError> {
        Signed::new(self.caller()?, Service::Lambda, url)
    }

    /// A store on three tables.
    #[must_use]
    pub fn store(&self, tables: TableNames) -> DynamoStore {
        let clients = self.clone();
        DynamoStore::with_client(move || clients.dynamodb(), tables)
    }

    /// A store on three tables, which has functions in S3 where a place there is named.
    ///
    /// # Errors
    /// [`CallerError`] where nothing says where S3 is, or who asks.
    pub async fn store_with_functions(
        &self,
        tables: TableNames,
        functions: Option<S3Place>,
    ) -> Result<DynamoStore, CallerError> {
        let store = self.store(tables);
        match functions {
            Some(place) => Ok(store.with_functions(self.functions(place).await?)),
            None => Ok(store),
        }
    }

    /// The functions at a place in S3.
    ///
    /// # Errors
    /// [`CallerError`] where nothing says where S3 is, or who asks.
    pub async fn functions(&self, place: S3Place) -> Result<S3Functions, CallerError> {
        Ok(S3Functions::new(self.s3().await?, place))
    }

    /// Who runs functions of users: a function of Lambda's, by its name or ARN.
    ///
    /// # Errors
    /// [`CallerError`] where nothing says which region is meant, or who asks.
    pub fn function_runner(&self, function: String) -> Result<LambdaRunner, CallerError> {
        let (fips, dual_stack) = self.variants();
        Ok(LambdaRunner::new(self.caller()?, function, self.endpoint_of("Lambda"), fips, dual_stack))
    }

    /// S3.
    ///
    /// # Errors
    /// [`CallerError`] where nothing says where it is, or who asks.
    pub async fn s3(&self) -> Result<S3, CallerError> {
        let (fips, dual_stack) = self.variants();
        S3::new(self.caller()?, self.endpoint_of("S3"), fips, dual_stack).await
    }

    /// Whether endpoints are those of FIPS, and of both versions of IP.
    fn variants(&self) -> (bool, bool) {
        (self.config.use_fips().unwrap_or(false), self.config.use_dual_stack().unwrap_or(false))
    }

    fn caller(&self) -> Result<Caller, CallerError> {
        let region = self.config.region().ok_or(CallerError::NoRegion)?.to_string();
        let credentials = self.config.credentials_provider().ok_or(CallerError::NoCredentials)?;
        Ok(Caller::new(self.https.clone(), credentials, region))
    }

    /// The endpoint of a service that somebody named.
    fn endpoint_of(&self, service: &str) -> Option<String> {
        let of_service = || {
            let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL");
            self.config.service_config()?.load_config(key.profile("endpoint_url").build().ok()?)
        };
        of_service().or_else(|| self.config.endpoint_url().map(str::to_owned))
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
