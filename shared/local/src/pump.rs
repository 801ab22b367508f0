//! Decides how the writes of DynamoDB tables get onto a Kinesis stream: what Kinesis Data Streams
//! for DynamoDB does on AWS and the embedded DynamoDB cannot.
//!
//! It reads each table's change log (DynamoDB Streams, in process), so it sees the writes of every
//! client. What one record looks like is in [`record`].

pub mod record;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use dynoxide::actions::create_table::StreamSpecification;
use dynoxide::actions::get_records::{GetRecordsRequest, GetRecordsResponse};
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::update_table::UpdateTableRequest;
use dynoxide::{Database, DynoxideError};

use crate::put::{Entry, PutError, put_in_order};
use record::{Converted, convert};

/// The images the pump needs; the change log's other view types leave some out.
const VIEW_TYPE: &str = "NEW_AND_OLD_IMAGES";
/// Changes read at once: two full `PutRecords` calls.
const PAGE_CHANGES: usize = 1_000;
const IDLE_PAUSE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(40));
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Where in a table's change log the pump starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PumpStart {
    /// At the oldest change still kept (24 hours, and only since the log was turned on).
    #[default]
    TrimHorizon,
    /// With the next write.
    Latest,
    /// After this position, as [`Pump::positions`] gave it.
    After(String),
}

/// Why the pump stopped.
#[derive(Debug, thiserror::Error)]
pub enum PumpError {
    /// The table's change log could not be turned on or read.
    #[error("could not read the changes of table `{table}`")]
    Table {
        /// The table.
        table: String,
        /// What the database said.
        source: DynoxideError,
    },
    /// The table already has a change log without both images, which another reader may rely on.
    #[error(
        "table `{table}` has a stream of view type `{view_type}`, and capture needs `NEW_AND_OLD_IMAGES`"
    )]
    ViewType {
        /// The table.
        table: String,
        /// The view type it has.
        view_type: String,
    },
    /// The stream did not take the records.
    #[error(transparent)]
    Put(#[from] PutError),
    /// A change has no JSON form.
    #[error("could not write a change of table `{table}` as JSON")]
    Json {
        /// The table.
        table: String,
        /// The value that has none.
        source: serde_json::Error,
    },
    /// The task that read the change log ended by itself.
    #[error("the reader of a change log ended: {0}")]
    Reader(#[from] tokio::task::JoinError),
}

/// What a pump did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pumped {
    /// Records put on the stream.
    pub records: u64,
    /// Writes that changed nothing, of which DynamoDB makes no record.
    pub unchanged: u64,
    /// Changes whose record is too large for Kinesis: skipped, as on AWS, where the metric
    /// `FailedToReplicateRecordCount` counts them.
    pub oversized: u64,
}

impl Pumped {
    fn add(&mut self, other: Self) {
        self.records += other.records;
        self.unchanged += other.unchanged;
        self.oversized += other.oversized;
    }
}

#[derive(Debug)]
struct Table {
    iterator: String,
    position: Option<String>,
}

/// Captures tables onto one Kinesis stream, in the order of their writes.
///
/// A position moves only after its records are on the stream, so a cancelled or failed call loses
/// nothing and may put the last page twice. Both copies carry the same `eventID` and time.
pub struct Pump {
    database: Database,
    kinesis: Client,
    stream: String,
    region: String,
    tables: BTreeMap<String, Table>,
}

impl std::fmt::Debug for Pump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pump")
            .field("stream", &self.stream)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

impl Pump {
    /// A pump onto `stream` that captures no table yet. `region` goes into the records.
    #[must_use]
    pub fn new(database: Database, kinesis: Client, stream: &str, region: &str) -> Self {
        Self {
            database,
            kinesis,
            stream: stream.to_owned(),
            region: region.to_owned(),
            tables: BTreeMap::new(),
        }
    }

    /// Captures `table` from `start` on, and turns its change log on if it has none. A table that
    /// is deleted and made again has to be attached again, as on AWS.
    ///
    /// # Errors
    /// When the table does not exist, or has a stream that lacks one of the images.
    pub fn attach(&mut self, table: &str, start: &PumpStart) -> Result<(), PumpError> {
        let failed = |source| PumpError::Table { table: table.to_owned(), source };
        let metadata = self.database.get_table_metadata(table).map_err(failed)?.ok_or_else(|| {
            failed(DynoxideError::ResourceNotFoundException(format!("Table: {table} not found")))
        })?;
        if !metadata.stream_enabled {
            let request = UpdateTableRequest {
                table_name: table.to_owned(),
                stream_specification: Some(StreamSpecification {
                    stream_enabled: true,
                    stream_view_type: Some(VIEW_TYPE.to_owned()),
                }),
                ..UpdateTableRequest::default()
            };
            self.database.update_table(request).map_err(failed)?;
        } else if let Some(view_type) = metadata.stream_view_type.filter(|kind| kind != VIEW_TYPE) {
            return Err(PumpError::ViewType { table: table.to_owned(), view_type });
        }
        let (kind, position) = match start {
            PumpStart::TrimHorizon => ("TRIM_HORIZON", None),
            PumpStart::Latest => ("LATEST", None),
            PumpStart::After(position) => ("AFTER_SEQUENCE_NUMBER", Some(position.clone())),
        };
        let request = GetShardIteratorRequest {
            stream_arn: dynoxide::streams::stream_arn(table, ""),
            shard_id: dynoxide::streams::shard_id(table),
            shard_iterator_type: kind.to_owned(),
            sequence_number: position.clone(),
        };
        let iterator = self.database.get_shard_iterator(request).map_err(failed)?.shard_iterator;
        let table_state = Table { iterator: iterator.unwrap_or_default(), position };
        self.tables.insert(table.to_owned(), table_state);
        Ok(())
    }

    /// By table, the position after which another pump may go on. Tables of which nothing was read
    /// are left out.
    #[must_use]
    pub fn positions(&self) -> BTreeMap<String, String> {
        self.tables.iter().filter_map(|(name, table)| Some((name.clone(), table.position.clone()?))).collect()
    }

    /// Pumps until no table has a change left.
    ///
    /// # Errors
    /// When a table is gone or the stream does not take records; positions are kept.
    pub async fn run_until_idle(&mut self) -> Result<Pumped, PumpError> {
        let mut total = Pumped::default();
        loop {
            let round = self.round().await?;
            if round == Pumped::default() {
                return Ok(total);
            }
            total.add(round);
        }
    }

    /// Pumps until `shutdown` resolves. What fails is logged and tried again.
    pub async fn run(&mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut idle = IDLE_PAUSE.0;
        loop {
            let round = tokio::select! {
                () = &mut shutdown => return,
                round = self.round() => round,
            };
            let pause = match round {
                Ok(round) if round == Pumped::default() => {
                    let pause = idle;
                    idle = (idle * 2).min(IDLE_PAUSE.1);
                    pause
                }
                Ok(_) => {
                    idle = IDLE_PAUSE.0;
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "changes could not be pumped");
                    RETRY_PAUSE
                }
            };
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One page of each table. A table that fails does not keep the others from their turn.
    async fn round(&mut self) -> Result<Pumped, PumpError> {
        let mut total = Pumped::default();
        let mut failed = None;
        for (name, table) in &mut self.tables {
            let route = Route {
                database: &self.database,
                kinesis: &self.kinesis,
                stream: &self.stream,
                region: &self.region,
            };
            match route.page(name, table).await {
                Ok(pumped) => total.add(pumped),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(total), Err)
    }
}

/// From where to where a page goes.
struct Route<'a> {
    database: &'a Database,
    kinesis: &'a Client,
    stream: &'a str,
    region: &'a str,
}

impl Route<'_> {
    async fn page(&self, name: &str, table: &mut Table) -> Result<Pumped, PumpError> {
        let mut pumped = Pumped::default();
        let page = read_page(self.database, name, &table.iterator).await?;
        let mut entries: Vec<Entry> = Vec::with_capacity(page.records.len());
        for change in &page.records {
            let converted = convert(change, name, self.region)
                .map_err(|source| PumpError::Json { table: name.to_owned(), source })?;
            match converted {
                Converted::Entry(entry) => entries.push(entry),
                Converted::Unchanged => pumped.unchanged += 1,
                Converted::Oversized { bytes } => {
                    tracing::warn!(
                        table = name,
                        event = change.event_id,
                        bytes,
                        "a change is too large for Kinesis"
                    );
                    pumped.oversized += 1;
                }
            }
        }
        put_in_order(self.kinesis, self.stream, &entries).await?;
        pumped.records = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        if let Some(last) = page.records.last() {
            table.position = Some(last.dynamodb.sequence_number.clone());
        }
        if let Some(next) = page.next_shard_iterator {
            table.iterator = next;
        }
        Ok(pumped)
    }
}

async fn read_page(
    database: &Database,
    table: &str,
    iterator: &str,
) -> Result<GetRecordsResponse, PumpError> {
    let request = GetRecordsRequest { shard_iterator: iterator.to_owned(), limit: Some(PAGE_CHANGES) };
    let database = database.clone();
    // The database is synchronous and shares one lock with all requests.
    let read = tokio::task::spawn_blocking(move || database.get_records(request)).await?;
    read.map_err(|source| PumpError::Table { table: table.to_owned(), source })
}
