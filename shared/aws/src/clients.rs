//! Owns how SDK clients are made: once, from the environment.
//!
//! The SDK itself reads region, credentials and `AWS_ENDPOINT_URL`, which points the same code at
//! an emulator.

/// The clients of a process.
#[derive(Clone, Debug)]
pub struct Clients {
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Kinesis.
    pub kinesis: aws_sdk_kinesis::Client,
    config: aws_config::SdkConfig,
}

impl Clients {
    /// A client of EventBridge, made only for those who have an event bus. It shares connections
    /// and credentials with the others.
    #[must_use]
    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::new(&self.config)
    }

    /// A client of SNS, made only for those who have a topic; it shares as much.
    #[must_use]
    pub fn sns(&self) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.config)
    }
}

/// Clients for the region, credentials and endpoint of the environment. They share one
/// connection pool and one credentials cache.
pub async fn from_env() -> Clients {
    let config = aws_config::load_from_env().await;
    Clients {
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        kinesis: aws_sdk_kinesis::Client::new(&config),
        config,
    }
}
