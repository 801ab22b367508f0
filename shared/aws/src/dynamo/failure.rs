//! Owns what a failed call means: decide again, try again, or give up.

use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use backon::{ExponentialBuilder, Retryable};
use evercount_pipeline::ports::StoreError;
use evercount_wire::items::ItemError;

use super::value::ConversionError;

/// Attempts after the first. With the pauses below, a call gives up after three seconds at most;
/// the caller has its own, slower loop around that.
const RETRIES_MAX: usize = 7;
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(800);

/// What a failed call means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// A condition does not hold.
    Conflict,
    /// The same call may work later. It may have worked already.
    Transient(String),
    /// The same call cannot work.
    Refused(String),
}

impl Failure {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict => Self::Conflict,
            Failure::Transient(why) => Self::Unavailable(why),
            Failure::Refused(why) => Self::Rejected(why),
        }
    }
}

/// Pauses between attempts: exponential, jittered, bounded.
pub(crate) fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(PAUSE_MIN)
        .with_max_delay(PAUSE_MAX)
        .with_max_times(RETRIES_MAX)
        .with_jitter()
}

/// Tries a call until it works, cannot work, or has failed too often.
pub(crate) async fn retrying<T, F, Fut>(attempt: F) -> Result<T, StoreError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Failure>>,
{
    attempt.retry(pauses()).when(Failure::is_transient).await.map_err(StoreError::from)
}

/// What a failed call means.
pub(crate) fn judge<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(context) => by_code(
            context.err().code().unwrap_or_default(),
            context.err().message().unwrap_or_default(),
            context.raw().status().as_u16(),
        ),
        SdkError::ConstructionFailure(_) => Failure::Refused(DisplayErrorContext(error).to_string()),
        // Timed out, not sent, or answered with what is no answer.
        _ => Failure::Transient(DisplayErrorContext(error).to_string()),
    }
}

/// What a failed transaction means.
pub(super) fn judge_transaction(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> Failure {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            let reasons = cancelled.cancellation_reasons().iter();
            by_reasons(
                reasons.map(|reason| (reason.code().unwrap_or("None"), reason.message().unwrap_or_default())),
            )
        }
        _ => judge(error),
    }
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>
fn by_code(code: &str, message: &str, status: u16) -> Failure {
    let said = || {
        if message.is_empty() { format!("{code} (status {status})") } else { format!("{code}: {message}") }
    };
    match code {
        "ConditionalCheckFailedException" => Failure::Conflict,
        "TransactionConflictException"
        | "TransactionInProgressException"
        | "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "InternalServerError"
        | "ServiceUnavailable"
        // Credentials that were good a moment ago are renewed by the next attempt.
        | "ExpiredTokenException"
        | "RequestExpired" => Failure::Transient(said()),
        _ if status >= 500 || status == 429 => Failure::Transient(said()),
        _ => Failure::Refused(said()),
    }
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
fn by_reasons<'a>(reasons: impl Iterator<Item = (&'a str, &'a str)>) -> Failure {
    let mut worst = Failure::Transient("TransactionCanceledException without a reason".to_owned());
    for (code, message) in reasons {
        match code {
            "None" => {}
            // Whatever else is wrong, it is wrong with a commit that has to be made anew.
            "ConditionalCheckFailed" => return Failure::Conflict,
            "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" => {
                if worst.is_transient() {
                    worst = Failure::Transient(code.to_owned());
                }
            }
            _ => worst = Failure::Refused(format!("{code}: {message}")),
        }
    }
    worst
}

/// What a stored item that cannot be read means. One that a later release wrote can be read once
/// that release runs again, so records wait for it; one that is broken stays broken.
pub(super) fn unreadable(error: ItemError) -> StoreError {
    let said = format!("a stored item cannot be read: {error}");
    if error.is_newer() { StoreError::Unavailable(said) } else { StoreError::Rejected(said) }
}

impl From<ConversionError> for Failure {
    fn from(error: ConversionError) -> Self {
        Self::Refused(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_code_is_a_conflict_a_pause_or_an_end() {
        let name = |failure: &Failure| match failure {
            Failure::Conflict => "conflict",
            Failure::Transient(_) => "transient",
            Failure::Refused(_) => "refused",
        };
        for (code, status, expected) in [
            ("ConditionalCheckFailedException", 400, "conflict"),
            ("TransactionConflictException", 400, "transient"),
            ("TransactionInProgressException", 400, "transient"),
            ("ProvisionedThroughputExceededException", 400, "transient"),
            ("ThrottlingException", 400, "transient"),
            ("InternalServerError", 500, "transient"),
            ("", 503, "transient"),
            ("SomethingNew", 429, "transient"),
            ("ExpiredTokenException", 400, "transient"),
            ("ValidationException", 400, "refused"),
            ("AccessDeniedException", 400, "refused"),
            ("ResourceNotFoundException", 400, "refused"),
            ("ItemCollectionSizeLimitExceededException", 400, "refused"),
            ("SomethingNew", 400, "refused"),
        ] {
            assert_eq!(name(&by_code(code, "", status)), expected, "{code} {status}");
        }
    }

    #[test]
    fn a_cancelled_transaction_is_what_its_gravest_reason_says() {
        let check = |codes: &[&str], expected: Failure| {
            assert_eq!(by_reasons(codes.iter().map(|code| (*code, "why"))), expected, "{codes:?}");
        };
        check(&["None", "ConditionalCheckFailed"], Failure::Conflict);
        check(&["TransactionConflict", "ConditionalCheckFailed"], Failure::Conflict);
        check(&["ValidationError", "ConditionalCheckFailed"], Failure::Conflict);
        check(&["None", "TransactionConflict"], Failure::Transient("TransactionConflict".to_owned()));
        check(&["ThrottlingError", "None"], Failure::Transient("ThrottlingError".to_owned()));
        check(
            &["ValidationError", "TransactionConflict"],
            Failure::Refused("ValidationError: why".to_owned()),
        );
        check(
            &["ItemCollectionSizeLimitExceeded"],
            Failure::Refused("ItemCollectionSizeLimitExceeded: why".to_owned()),
        );
        check(&[], Failure::Transient("TransactionCanceledException without a reason".to_owned()));
    }

    #[test]
    fn an_item_of_a_later_release_makes_records_wait_and_a_broken_one_does_not() {
        assert!(matches!(unreadable(ItemError::NewerFormat("2".to_owned())), StoreError::Unavailable(_)));
        assert!(matches!(unreadable(ItemError::Missing { name: "at".to_owned() }), StoreError::Rejected(_)));
    }
}
