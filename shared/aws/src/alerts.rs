//! Owns where alerts go: to the people who subscribe to an SNS topic, and, where there is an event
//! bus, to EventBridge, whose rules hand them on to whatever acts on them. Without either, an alert
//! is a line in the log.

use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::error::ProvideErrorMetadata as _;
use evercount_core::adjustment::{Cause, Certificate, Partitions};
use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::verdict::Compared;
use evercount_pipeline::alert::{Alert, Alerts};
use evercount_pipeline::ports::StoreError;
use evercount_wire::adjustment::to_json;

use crate::bus::Bus;
use crate::calls::{Destination as _, Entry, put_all};
use crate::clients::Clients;
use crate::config::AdjustingConfig;
use crate::dynamo::{Failure, judge, retrying, timeouts};

/// The `detail-type` of a rejected adjustment on a bus.
pub const REJECTED: &str = "Adjustment rejected";

/// The `detail-type` of an adjustment that was taken back.
pub const REVERTED: &str = "Adjustment reverted";

/// Longest subject, in characters of ASCII, and longest message, in bytes
/// (<https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>).
const SUBJECT_MAX: usize = 99;
const MESSAGE_BYTES_MAX: usize = 256 * 1_024;

/// Alerts on an SNS topic, an event bus, both or neither.
#[derive(Clone, Debug, Default)]
pub struct AwsAlerts {
    topic: Option<Topic>,
    bus: Option<Bus>,
}

impl AwsAlerts {
    /// Alerts that are only logged.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Alerts on what a configuration names.
    #[must_use]
    pub fn configured(clients: &Clients, config: &AdjustingConfig) -> Self {
        let mut alerts = Self::new();
        if let Some(topic) = &config.alert_topic {
            alerts = alerts.with_topic(&clients.sns(), topic);
        }
        if let Some(bus) = &config.event_bus {
            alerts = alerts.with_bus(&clients.eventbridge(), bus);
        }
        alerts
    }

    /// Publishes them on a topic as well, by its ARN. Retries and timeouts of the client are
    /// replaced by this module's.
    #[must_use]
    pub fn with_topic(self, sns: &Client, arn: &str) -> Self {
        Self { topic: Some(Topic::new(sns, arn)), ..self }
    }

    /// Puts them on an event bus as well, by its name or ARN.
    #[must_use]
    pub fn with_bus(self, eventbridge: &aws_sdk_eventbridge::Client, bus: &str) -> Self {
        Self { bus: Some(Bus::new(eventbridge, bus)), ..self }
    }
}

impl Alerts for AwsAlerts {
    /// A topic and a bus do not wait for each other; what failed on either is tried on both again.
    async fn raise(&self, alert: &Alert) -> Result<(), StoreError> {
        let plan = &alert.adjustment.plan;
        tracing::error!(
            definition = %plan.definition,
            plan = %plan.id,
            outcome = alert.adjustment.outcome.name(),
            sentence = alert.sentence,
            command = alert.command,
            "an adjustment went wrong"
        );
        let published = match &self.topic {
            Some(topic) => topic.publish(alert).await,
            None => Ok(()),
        };
        let put = match &self.bus {
            Some(bus) => put_all(bus, &[event(alert)]).await,
            None => Ok(()),
        };
        published.and(put)
    }
}

fn event(alert: &Alert) -> Entry {
    let adjustment = &alert.adjustment;
    Entry {
        subject: adjustment.plan.definition.as_str().to_owned(),
        kind: if adjustment.outcome == PlanOutcome::Reverted { REVERTED } else { REJECTED },
        body: fitting(adjustment),
        at: adjustment.updated_at,
    }
}

/// The adjustment's JSON; one that does not fit goes without what its plan says at length, which
/// `evercount plan show` has.
fn fitting(adjustment: &Adjustment) -> String {
    let whole = to_json(adjustment).to_string();
    if whole.len() <= Bus::BODY_BYTES_MAX {
        return whole;
    }
    let mut brief = adjustment.clone();
    if let Cause::Schema { changes, .. } = &mut brief.plan.cause {
        changes.clear();
    }
    brief.plan.update = None;
    brief.plan.certificate = Certificate::Undecided;
    brief.plan.affected = Partitions::All;
    brief.plan.choices.clear();
    brief.report.by_group.clear();
    let mut json = to_json(&brief);
    if let Some(fields) = json.as_object_mut() {
        fields.insert("truncated".to_owned(), serde_json::json!({ "plan": adjustment.plan.id.as_str() }));
    }
    json.to_string()
}

/// A topic.
#[derive(Clone, Debug)]
struct Topic {
    client: Client,
    arn: String,
}

impl Topic {
    fn new(client: &Client, arn: &str) -> Self {
        let config = client.config().to_builder();
        let config = config.retry_config(RetryConfig::disabled()).timeout_config(timeouts()).build();
        Self { client: Client::from_conf(config), arn: arn.to_owned() }
    }

    async fn publish(&self, alert: &Alert) -> Result<(), StoreError> {
        let (subject, message, plan) = (subject(alert), message(alert), &alert.adjustment.plan);
        retrying(async || {
            let call = self.client.publish().topic_arn(&self.arn).subject(&subject).message(&message);
            let call = if self.arn.ends_with(".fifo") {
                // Such a topic drops what was published a moment ago, which is what it is asked for
                // when an alert is raised again.
                let once = format!("{}-{}", plan.id, alert.adjustment.outcome.name());
                call.message_group_id(plan.definition.as_str()).message_deduplication_id(once)
            } else {
                call
            };
            match call.send().await {
                Ok(_) => Ok(()),
                Err(error) if error.code() == Some("KMSThrottling") => {
                    Err(Failure::Transient("KMSThrottling".to_owned()))
                }
                Err(error) => Err(judge(&error)),
            }
        })
        .await
    }
}

fn subject(alert: &Alert) -> String {
    let adjustment = &alert.adjustment;
    let what = if adjustment.outcome == PlanOutcome::Reverted { "taken back" } else { "rejected" };
    // The name comes last: what is cut of a long one is not what matters.
    let text = format!("Evercount: adjustment {what} for {}", adjustment.plan.definition);
    text.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).take(SUBJECT_MAX).collect()
}

/// What somebody reads who is woken by it: what happened, the numbers, and where to look.
fn message(alert: &Alert) -> String {
    let Adjustment { plan, report, to, .. } = &alert.adjustment;
    let of = |name: &str, compared: Compared| {
        format!(
            "{name}: {} agreed, {} explained, {} unexplained, {} failed",
            compared.agreed, compared.explained, compared.unexplained, compared.failed
        )
    };
    let lines = [
        alert.sentence.clone(),
        String::new(),
        format!("table: {}", plan.table),
        format!("definition: {}", plan.definition),
        format!(
            "version: {} (planned on v{:04})",
            to.map_or_else(|| "none".to_owned(), |to| format!("v{to:04}")),
            plan.from
        ),
        format!("class: {}", plan.class.name()),
        of("ledger rows", report.census.compared),
        of("changes", report.changes),
        String::new(),
        format!("Look closer with: {}", alert.command),
    ];
    let mut text = lines.join("\n");
    let end = (0..=text.len().min(MESSAGE_BYTES_MAX)).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text
}
