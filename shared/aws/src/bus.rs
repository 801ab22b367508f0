//! Owns the EventBridge bus: of schema change events, and of adjustments that went wrong.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use evercount_pipeline::ports::StoreError;

use crate::calls::{Destination, Entry, Outcome};
use crate::dynamo::{judge, timeouts};

/// The `source` of the events, for the patterns of rules.
pub const SOURCE: &str = "evercount";

/// What an entry counts besides its detail: 14 bytes for its time, its source and detail type
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html>).
const ENVELOPE_BYTES: usize = 14 + SOURCE.len();

/// A bus.
#[derive(Clone, Debug)]
pub(crate) struct Bus {
    client: Client,
    name: String,
}

impl Bus {
    pub(crate) fn new(client: &Client, name: &str) -> Self {
        let config = client.config().to_builder();
        let config = config.retry_config(RetryConfig::disabled()).timeout_config(timeouts()).build();
        Self { client: Client::from_conf(config), name: name.to_owned() }
    }
}

/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html>
/// names the errors after which an entry may be sent again.
fn outcome(result: &PutEventsResultEntry) -> Outcome {
    let Some(code) = result.error_code() else { return Outcome::Taken };
    let why = format!("{code}: {}", result.error_message().unwrap_or_default());
    match code {
        "InternalFailure" | "InternalException" | "ThrottlingException" | "ServiceUnavailable" => {
            Outcome::Later(why)
        }
        _ => Outcome::Refused(why),
    }
}

impl Destination for Bus {
    /// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>
    const ENTRIES_MAX: usize = 10;
    /// Less than 256 KB in all.
    const BYTES_MAX: usize = 256 * 1_024 - 1;
    /// The bus puts fields of its own around an event, and targets have the same limit.
    const BODY_BYTES_MAX: usize = 240 * 1_024;
    const NAME: &'static str = "eventbridge";
    /// EventBridge promises no order.
    const ORDERED: bool = false;

    fn bytes(entry: &Entry) -> usize {
        entry.body.len() + entry.kind.len() + ENVELOPE_BYTES
    }

    async fn put(&self, entries: &[&Entry]) -> Result<Vec<Outcome>, StoreError> {
        let mut call = self.client.put_events();
        for entry in entries {
            let event = PutEventsRequestEntry::builder()
                .event_bus_name(&self.name)
                .source(SOURCE)
                .detail_type(entry.kind)
                .detail(&entry.body)
                .time(DateTime::from_secs(entry.at.div_euclid(1_000_000)));
            call = call.entries(event.build());
        }
        match call.send().await {
            Ok(output) => Ok(output.entries().iter().map(outcome).collect()),
            Err(error) => Err(judge(&error).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_sent_again_only_where_that_can_help() {
        let check = |code: Option<&str>, later: bool| {
            let result = PutEventsResultEntry::builder().set_error_code(code.map(str::to_owned)).build();
            let outcome = outcome(&result);
            assert_eq!(matches!(outcome, Outcome::Later(_)), later, "{code:?}");
            assert_eq!(outcome == Outcome::Taken, code.is_none(), "{code:?}");
        };
        check(None, false);
        check(Some("ThrottlingException"), true);
        check(Some("InternalFailure"), true);
        check(Some("MalformedDetail"), false);
        check(Some("NotAuthorizedForSourceException"), false);
    }
}
