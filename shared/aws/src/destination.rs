//! Owns how a DynamoDB table is connected to a Kinesis stream, and taken off it: its streaming
//! destination, with times in microseconds, because changes of an item are ordered by them.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds_gettingstarted.html>

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    ApproximateCreationDateTimePrecision as Precision, DestinationStatus,
    EnableKinesisStreamingConfiguration, KinesisDataStreamDestination, UpdateKinesisStreamingConfiguration,
};
use evercount_pipeline::ports::StoreError;

use crate::dynamo::{judge, retrying, without_retries};

/// How often and how many times a destination is looked at until it is as it was asked to be: five
/// minutes. DynamoDB takes about one.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
const LOOKS_MAX: u32 = 300;

/// What was done to connect or disconnect a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    /// It was connected.
    Connected,
    /// It was connected already, and its times are in microseconds now.
    MadePrecise,
    /// It was disconnected.
    Disconnected,
    /// All was as it should be.
    Nothing,
}

impl Done {
    /// A word for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::MadePrecise => "made_precise",
            Self::Disconnected => "disconnected",
            Self::Nothing => "nothing",
        }
    }
}

/// What was done, and to which table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// What was done.
    pub done: Done,
    /// The table's ARN.
    pub table_arn: String,
}

/// Why a table was not connected or disconnected.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DestinationError {
    /// There is no such table.
    #[error("there is no table `{0}`")]
    NoTable(String),
    /// What answers is no whole DynamoDB.
    #[error("this DynamoDB has no streaming destinations")]
    NotOffered,
    /// DynamoDB does not get through to the stream.
    #[error("DynamoDB could not connect table `{table}` to the stream: {why}")]
    Failed {
        /// The table.
        table: String,
        /// What DynamoDB says of it.
        why: String,
    },
    /// It takes too long.
    #[error("the destination of table `{table}` is still {status}")]
    Pending {
        /// The table.
        table: String,
        /// What it is.
        status: String,
    },
    /// A call failed.
    #[error(transparent)]
    Call(#[from] StoreError),
}

impl DestinationError {
    fn of(error: StoreError) -> Self {
        match error {
            StoreError::Rejected(why) if why.starts_with("UnknownOperationException") => Self::NotOffered,
            error => Self::Call(error),
        }
    }
}

/// Connects a table to a stream, by its ARN, with times in microseconds, and waits until its changes
/// go there. Where that is so already nothing is done.
///
/// # Errors
/// [`DestinationError`]; what was asked for may still happen.
pub async fn connect(client: &Client, table: &str, stream: &str) -> Result<Report, DestinationError> {
    let on = Destination { client: &without_retries(client), table, stream };
    let table_arn = on.table_arn().await?;
    let done = match on.settled().await? {
        Some(known) if is_active(&known) && is_precise(&known) => Done::Nothing,
        Some(known) if is_active(&known) => {
            on.make_precise().await?;
            Done::MadePrecise
        }
        _ => {
            on.enable().await?;
            Done::Connected
        }
    };
    if done != Done::Nothing {
        let after = on.settled().await?;
        if !after.as_ref().is_some_and(|after| is_active(after) && is_precise(after)) {
            let told = after.and_then(|after| after.destination_status_description);
            let why = told.filter(|why| !why.is_empty()).unwrap_or_else(|| "it does not say why".to_owned());
            return Err(DestinationError::Failed { table: table.to_owned(), why });
        }
    }
    Ok(Report { done, table_arn })
}

/// Takes a table off a stream, by its ARN. What is on the stream stays there.
///
/// # Errors
/// [`DestinationError`]; what was asked for may still happen.
pub async fn disconnect(client: &Client, table: &str, stream: &str) -> Result<Report, DestinationError> {
    let on = Destination { client: &without_retries(client), table, stream };
    let table_arn = on.table_arn().await?;
    if !on.settled().await?.is_some_and(|known| is_active(&known)) {
        return Ok(Report { done: Done::Nothing, table_arn });
    }
    on.disable().await?;
    on.settled().await?;
    Ok(Report { done: Done::Disconnected, table_arn })
}

fn is_active(destination: &KinesisDataStreamDestination) -> bool {
    destination.destination_status == Some(DestinationStatus::Active)
}

fn is_precise(destination: &KinesisDataStreamDestination) -> bool {
    destination.approximate_creation_date_time_precision == Some(Precision::Microsecond)
}

/// A table's place on a stream.
struct Destination<'a> {
    client: &'a Client,
    table: &'a str,
    stream: &'a str,
}

impl Destination<'_> {
    async fn table_arn(&self) -> Result<String, DestinationError> {
        let described = retrying(async || {
            let call = self.client.describe_table().table_name(self.table);
            call.send().await.map_err(|error| judge(&error))
        });
        match described.await {
            Ok(described) => Ok(described.table.and_then(|table| table.table_arn).unwrap_or_default()),
            Err(StoreError::Rejected(why)) if why.starts_with("ResourceNotFoundException") => {
                Err(DestinationError::NoTable(self.table.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What DynamoDB says of it, once that is no longer on its way to something else.
    async fn settled(&self) -> Result<Option<KinesisDataStreamDestination>, DestinationError> {
        let mut status = String::new();
        for _ in 0..LOOKS_MAX {
            let described = retrying(async || {
                let call = self.client.describe_kinesis_streaming_destination().table_name(self.table);
                call.send().await.map_err(|error| judge(&error))
            });
            let all = described.await.map_err(DestinationError::of)?;
            let all = all.kinesis_data_stream_destinations.unwrap_or_default();
            let known = all.into_iter().find(|one| one.stream_arn.as_deref() == Some(self.stream));
            match known.as_ref().and_then(|known| known.destination_status.as_ref()) {
                Some(
                    on_its_way @ (DestinationStatus::Enabling
                    | DestinationStatus::Disabling
                    | DestinationStatus::Updating),
                ) => status = on_its_way.as_str().to_owned(),
                _ => return Ok(known),
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        Err(DestinationError::Pending { table: self.table.to_owned(), status })
    }

    async fn enable(&self) -> Result<(), DestinationError> {
        let settings = EnableKinesisStreamingConfiguration::builder()
            .approximate_creation_date_time_precision(Precision::Microsecond)
            .build();
        let enabled = retrying(async || {
            let call = self
                .client
                .enable_kinesis_streaming_destination()
                .table_name(self.table)
                .stream_arn(self.stream)
                .enable_kinesis_streaming_configuration(settings.clone());
            match call.send().await {
                Ok(_) => Ok(()),
                // The reply to the last attempt was lost, or somebody else enables it.
                Err(error)
                    if error.as_service_error().is_some_and(|one| one.is_resource_in_use_exception()) =>
                {
                    Ok(())
                }
                Err(error) => Err(judge(&error)),
            }
        });
        enabled.await.map_err(DestinationError::of)
    }

    async fn make_precise(&self) -> Result<(), DestinationError> {
        let settings = UpdateKinesisStreamingConfiguration::builder()
            .approximate_creation_date_time_precision(Precision::Microsecond)
            .build();
        let updated = retrying(async || {
            let call = self
                .client
                .update_kinesis_streaming_destination()
                .table_name(self.table)
                .stream_arn(self.stream)
                .update_kinesis_streaming_configuration(settings.clone());
            call.send().await.map(|_| ()).map_err(|error| judge(&error))
        });
        updated.await.map_err(DestinationError::of)
    }

    async fn disable(&self) -> Result<(), DestinationError> {
        let disabled = retrying(async || {
            let call = self
                .client
                .disable_kinesis_streaming_destination()
                .table_name(self.table)
                .stream_arn(self.stream);
            call.send().await.map(|_| ()).map_err(|error| judge(&error))
        });
        disabled.await.map_err(DestinationError::of)
    }
}
