//! Which tables a running `evercount local` captures, and what it takes for their counts to be
//! whole.
//!
//! A count of an empty table claims to have seen every row. A table whose change log is off may
//! have got rows since: then the claim is withdrawn *before* the log is turned on, and an audit,
//! which reads the table after that, makes it good. A crash in between leaves a count that says
//! it started late, never one that is wrong and says that it is exact.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType, TableDescription};
use evercount_core::change::TableName;
use evercount_core::logic::{Coverage, LogicId, LogicVersion};
use evercount_core::order::Micros;
use evercount_local::stack::now;
use evercount_local::{EmbeddedAws, Pump, PumpStart, Stack};
use evercount_pipeline::audit::{self, AuditOptions};
use evercount_pipeline::ports::CatalogStore;
use evercount_pipeline::recheck;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::feed::Feed;
use super::{DRAIN, until};

/// How often new definitions and new tables are looked for.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// How often ambiguous rows are looked at again while there are any.
const RECHECK_PAUSE: Duration = Duration::from_secs(3);
/// Bound on timestamp error: one machine has one clock.
const MARGIN: Duration = Duration::from_secs(1);
/// How soon an audit that met rows in flux is tried again.
const AUDIT_PAUSE: Duration = Duration::from_secs(5);
/// How long a pump rests where nothing was written.
const IDLE_PAUSE: Duration = Duration::from_millis(40);
/// How long a pump rests where something failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

pub const MARGIN_MICROS: Micros = 1_000_000;

/// Turns the change log of a table on, where there is such a table and it has none.
///
/// # Errors
/// What DynamoDB said.
pub async fn log_changes(dynamodb: &aws_sdk_dynamodb::Client, table: &str) -> Result<(), String> {
    match describe(dynamodb, table).await? {
        Some(found) if found.stream_specification.is_none() => {
            let specification = StreamSpecification::builder()
                .stream_enabled(true)
                .stream_view_type(StreamViewType::NewAndOldImages)
                .build()
                .map_err(|error| error.to_string())?;
            let update = dynamodb.update_table().table_name(table).stream_specification(specification);
            update.send().await.map(drop).map_err(|error| DisplayErrorContext(error).to_string())
        }
        _ => Ok(()),
    }
}

async fn describe(
    dynamodb: &aws_sdk_dynamodb::Client,
    table: &str,
) -> Result<Option<TableDescription>, String> {
    match dynamodb.describe_table().table_name(table).send().await {
        Ok(found) => Ok(found.table),
        Err(error) => match error.as_service_error() {
            Some(refused) if refused.is_resource_not_found_exception() => Ok(None),
            // `schema.table` of a captured database may be no name that DynamoDB takes.
            Some(refused) if refused.meta().code() == Some("ValidationException") => Ok(None),
            _ => Err(DisplayErrorContext(error).to_string()),
        },
    }
}

/// Tells a table from a later one of the same name, and its change log from a later one.
fn identity(table: &TableDescription) -> String {
    format!("{:?} {:?} {:?}", table.table_id, table.creation_date_time, table.latest_stream_label)
}

struct Captured {
    identity: String,
    pump: JoinHandle<()>,
}

impl Drop for Captured {
    fn drop(&mut self) {
        // A page that was on its way may be put again, which a ledger takes for what it is.
        self.pump.abort();
    }
}

/// The counted tables.
pub struct Tables<'a> {
    stack: &'a Stack,
    aws: &'a EmbeddedAws,
    stream: &'a str,
    epoch: u16,
    feed: Arc<Feed>,
    captured: BTreeMap<TableName, Captured>,
    /// Logic versions whose claim to be whole was withdrawn, and when to audit them.
    withdrawn: BTreeMap<LogicId, Instant>,
    recheck_at: Instant,
}

impl<'a> Tables<'a> {
    /// No table is captured yet.
    pub fn new(stack: &'a Stack, aws: &'a EmbeddedAws, stream: &'a str, epoch: u16, feed: Arc<Feed>) -> Self {
        let (captured, withdrawn) = (BTreeMap::new(), BTreeMap::new());
        Self { stack, aws, stream, epoch, feed, captured, withdrawn, recheck_at: Instant::now() }
    }

    /// Captures every counted table until told to stop, and then what was written by then.
    pub async fn run(&mut self, stopped: watch::Receiver<bool>) {
        loop {
            let round = async {
                self.round(&stopped).await;
                tokio::time::sleep(LOOK_PAUSE).await;
            };
            tokio::select! {
                () = until(stopped.clone()) => break,
                () = round => {}
            }
        }
        for captured in self.captured.values_mut() {
            if let Err(error) = (&mut captured.pump).await {
                self.feed.trouble("capture", error);
            }
        }
    }

    async fn round(&mut self, stopped: &watch::Receiver<bool>) {
        let versions = match self.stack.store().versions().await {
            Ok(versions) => versions,
            Err(error) => return self.feed.trouble("count definitions", error),
        };
        self.feed.well("count definitions");
        let mut counted: BTreeMap<TableName, Vec<LogicVersion>> = BTreeMap::new();
        for version in versions.into_iter().filter(|version| version.state.is_live()) {
            counted.entry(version.definition.table.clone()).or_default().push(version);
        }
        self.captured.retain(|table, _| counted.contains_key(table));
        self.make_whole(&counted).await;
        for (table, logics) in &counted {
            let about = format!("table `{table}`");
            match self.look(table, logics, stopped).await {
                Ok(()) => self.feed.well(&about),
                Err(why) => self.feed.trouble(&about, why),
            }
        }
        if Instant::now() >= self.recheck_at && self.feed.take_ambiguous() {
            self.recheck_at = Instant::now() + RECHECK_PAUSE;
            self.recheck().await;
        }
    }

    /// Captures a table that is there and was not, and no longer one that is gone.
    async fn look(
        &mut self,
        table: &TableName,
        logics: &[LogicVersion],
        stopped: &watch::Receiver<bool>,
    ) -> Result<(), String> {
        let own = self.stack.store().tables();
        if [&own.metadata, &own.ledger, &own.counts].iter().any(|own| own.as_str() == table.as_str()) {
            return Err("Evercount writes to it when it counts, so counting it would never end".to_owned());
        }
        let Some(found) = describe(self.stack.dynamodb(), table.as_str()).await? else {
            self.captured.remove(table);
            return Ok(());
        };
        let known = self.captured.get(table);
        let another = known.is_some_and(|captured| captured.identity != identity(&found));
        if known.is_some_and(|captured| !another && !captured.pump.is_finished()) {
            return Ok(());
        }
        if another || found.stream_specification.is_none() {
            self.withdraw(logics).await?;
        }
        let mut pump =
            Pump::new(self.aws.database(), self.stack.kinesis().clone(), self.stream, self.aws.region());
        // The whole log, again at each start: a ledger knows the changes it has seen, and what an
        // earlier run did not come to is among them.
        pump.attach(table.as_str(), &PumpStart::TrimHorizon).map_err(|error| with_causes(&error))?;
        // Asked again, since attaching may have turned the log on.
        let identity = match describe(self.stack.dynamodb(), table.as_str()).await? {
            Some(found) => identity(&found),
            None => return Ok(()),
        };
        let pumping = pumped(pump, format!("capture of `{table}`"), Arc::clone(&self.feed), stopped.clone());
        self.captured.insert(table.clone(), Captured { identity, pump: tokio::spawn(pumping) });
        self.feed.tell(format!("table `{table}` is captured"));
        Ok(())
    }

    /// Withdraws the claim that every row was seen.
    async fn withdraw(&mut self, logics: &[LogicVersion]) -> Result<(), String> {
        for logic in logics.iter().filter(|logic| logic.coverage == Coverage::Whole) {
            let late = LogicVersion { coverage: Coverage::Since(now()), ..logic.clone() };
            self.stack.store().update_version(logic, &late).await.map_err(|error| error.to_string())?;
            self.withdrawn.insert(logic.id.clone(), Instant::now() + MARGIN);
        }
        Ok(())
    }

    /// Audits the logic versions whose claim was withdrawn; an audit that saw every row restores it.
    async fn make_whole(&mut self, counted: &BTreeMap<TableName, Vec<LogicVersion>>) {
        let late: Vec<&LogicVersion> =
            counted.values().flatten().filter(|logic| logic.coverage != Coverage::Whole).collect();
        self.withdrawn.retain(|id, _| late.iter().any(|logic| logic.id == *id));
        let source = self.stack.counted_tables();
        let options = AuditOptions { one_in: 1, repair: true, margin: MARGIN_MICROS, epoch: self.epoch };
        for logic in late {
            let table = &logic.definition.table;
            let due = self.withdrawn.get_mut(&logic.id).filter(|due| **due <= Instant::now());
            let Some(due) = due.filter(|_| self.captured.contains_key(table)) else { continue };
            *due = Instant::now() + AUDIT_PAUSE;
            let about = format!("audit of {}", logic.id);
            match audit::run(self.stack.store(), &source, logic, options, now, |_| {}).await {
                Ok(report) => {
                    self.feed.well(&about);
                    if report.repaired > 0 {
                        let rows = rows(report.repaired);
                        self.feed.tell(format!("{about}: {rows} from before `{table}` was captured"));
                    }
                }
                Err(error) => self.feed.trouble(&about, error),
            }
        }
    }

    async fn recheck(&self) {
        let source = self.stack.counted_tables();
        for table in self.captured.keys() {
            let about = format!("recheck of `{table}`");
            let store = self.stack.store();
            match recheck::run(store, &source, table, self.epoch, now(), MARGIN_MICROS).await {
                Ok(done) => {
                    self.feed.well(&about);
                    if done.waiting > 0 {
                        self.feed.look_for_ambiguous();
                    }
                    if done.settled > 0 {
                        let rows = rows(done.settled);
                        self.feed.tell(format!("{about}: {rows} whose changes could not be ordered"));
                    }
                }
                Err(error) => {
                    self.feed.look_for_ambiguous();
                    self.feed.trouble(&about, error);
                }
            }
        }
    }
}

/// Pumps until told to stop, and then what was written by then.
async fn pumped(mut pump: Pump, about: String, feed: Arc<Feed>, stopped: watch::Receiver<bool>) {
    let out_of_patience = async {
        until(stopped.clone()).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::pin!(out_of_patience);
    loop {
        let last = *stopped.borrow();
        let round = tokio::select! {
            round = pump.run_until_idle() => round,
            () = &mut out_of_patience => return,
        };
        let pause = match round {
            Ok(_) => {
                feed.well(&about);
                IDLE_PAUSE
            }
            Err(error) => {
                feed.trouble(&about, with_causes(&error));
                RETRY_PAUSE
            }
        };
        if last {
            return;
        }
        tokio::select! {
            () = until(stopped.clone()) => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn rows(n: u64) -> String {
    if n == 1 { "1 row".to_owned() } else { format!("{n} rows") }
}

/// An error with what caused it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
