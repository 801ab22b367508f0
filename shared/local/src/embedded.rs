//! Decides how the embedded DynamoDB and Kinesis are started, what they keep, and how they stop.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use dynoxide::{Database, DynoxideError};
use ferrokinesis::store::{Store, StoreOptions};
use tokio::net::TcpListener;
use tokio::sync::{RwLock, oneshot, watch};
use tokio::task::JoinHandle;

use crate::client;
use crate::poller::PollerOptions;

/// The account id of the embedded AWS.
pub const ACCOUNT_ID: &str = "000000000000";

/// Larger than any Kinesis request body may be, so it only stops nonsense.
const KINESIS_BODY_LIMIT: usize = 32 * 1024 * 1024;

/// How long a client with an unfinished request may hold up a stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Records forgotten in one step; between steps other requests run.
const FORGET_RECORDS: usize = 10_000;

/// How long an idle poller of the embedded Kinesis waits if no put wakes it.
const IDLE_PAUSE: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

/// DynamoDB Streams keep a change for 24 hours; the change log is trimmed to that on opening.
const CHANGE_LOG_HOURS: u32 = 24;

/// How to start the embedded AWS.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The SQLite file that holds the DynamoDB tables; `None` keeps them in memory. Kinesis is in
    /// memory either way: what a pump has not delivered is still in the table's change log.
    pub data_file: Option<PathBuf>,
    /// The most open shards over all streams.
    pub shard_limit: u32,
    /// The DynamoDB port on 127.0.0.1; 0 takes any free one.
    pub dynamodb_port: u16,
    /// The Kinesis port on 127.0.0.1; 0 takes any free one.
    pub kinesis_port: u16,
    /// The region in stream ARNs and in the clients made here.
    pub region: String,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            data_file: None,
            shard_limit: 500,
            dynamodb_port: 0,
            kinesis_port: 0,
            region: "eu-central-1".to_owned(),
        }
    }
}

/// Why the embedded AWS could not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The port is taken or may not be used.
    #[error("could not listen on `127.0.0.1:{port}` for {service}")]
    Listen {
        /// `DynamoDB` or `Kinesis`.
        service: &'static str,
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The data file could not be opened, or is not a DynamoDB database.
    #[error("could not open the DynamoDB data `{data}`")]
    Database {
        /// The file, or `memory`.
        data: String,
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// DynamoDB and Kinesis, in this process, on 127.0.0.1.
///
/// Both serve until [`EmbeddedAws::stop`] or until this is dropped; a drop tells them to stop and
/// does not wait.
#[derive(Debug)]
pub struct EmbeddedAws {
    dynamodb: Server,
    kinesis: Server,
    stores: Stores,
    puts: watch::Receiver<()>,
    region: String,
}

/// What the services keep their data in. Neither part has a `Debug` of its own.
struct Stores {
    database: Database,
    streams: Store,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stores")
    }
}

impl EmbeddedAws {
    /// Starts both services and returns once they accept connections.
    ///
    /// # Errors
    /// When a port cannot be listened on or the data file cannot be opened.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let dynamodb_listener = listen("DynamoDB", options.dynamodb_port).await?;
        let kinesis_listener = listen("Kinesis", options.kinesis_port).await?;
        let database =
            open_database(options.data_file.as_deref()).map_err(|source| EmbeddedError::Database {
                data: options
                    .data_file
                    .as_ref()
                    .map_or_else(|| "memory".to_owned(), |path| path.display().to_string()),
                source,
            })?;
        let (router, streams) = ferrokinesis::create_app(StoreOptions {
            create_stream_ms: 0,
            delete_stream_ms: 0,
            update_stream_ms: 0,
            shard_limit: options.shard_limit,
            aws_account_id: ACCOUNT_ID.to_owned(),
            aws_region: options.region.clone(),
            ..StoreOptions::default()
        });
        let (put, puts) = watch::channel(());
        let gate = Arc::new(Gate { lock: RwLock::new(()), put });
        let router = router.layer(from_fn_with_state(gate, one_put_at_a_time));
        let served = database.clone();
        Ok(Self {
            dynamodb: Server::spawn(dynamodb_listener, move |listener, stopped| async move {
                dynoxide::server::serve_with_shutdown(listener, served, stopped).await
            })?,
            kinesis: Server::spawn(kinesis_listener, move |listener, stopped| async move {
                let serving = axum::serve(listener, router).with_graceful_shutdown(stopped);
                serving.await.map_err(|error| error.to_string())
            })?,
            stores: Stores { database, streams },
            puts,
            region: options.region,
        })
    }

    /// The DynamoDB endpoint, such as `http://127.0.0.1:41234`.
    #[must_use]
    pub fn dynamodb_endpoint(&self) -> String {
        format!("http://{}", self.dynamodb.address)
    }

    /// The Kinesis endpoint, such as `http://127.0.0.1:41235`.
    #[must_use]
    pub fn kinesis_endpoint(&self) -> String {
        format!("http://{}", self.kinesis.address)
    }

    /// The region the services say they are in.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// An SDK client of the embedded DynamoDB.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        client::dynamodb(&self.dynamodb_endpoint(), &self.region)
    }

    /// An SDK client of the embedded Kinesis.
    #[must_use]
    pub fn kinesis(&self) -> aws_sdk_kinesis::Client {
        client::kinesis(&self.kinesis_endpoint(), &self.region)
    }

    /// The database under the DynamoDB endpoint, for what has no API: the pump's reads and
    /// `sweep_ttl`.
    #[must_use]
    pub fn database(&self) -> Database {
        self.stores.database.clone()
    }

    /// Options for a poller of this Kinesis: the defaults, but a put wakes the poller, so it is at
    /// once quick and nearly free when idle.
    #[must_use]
    pub fn poller_options(&self) -> PollerOptions {
        PollerOptions { wake: Some(self.puts.clone()), idle_pause: IDLE_PAUSE, ..PollerOptions::default() }
    }

    /// Frees the memory of the records of `stream` up to and with each shard's checkpoint.
    ///
    /// The embedded Kinesis keeps every record for 24 hours, about 1 KB each; a long replay calls
    /// this now and then with the lowest checkpoints of all who read the stream. It returns how
    /// many records it freed. A shard id it does not understand is left alone.
    pub async fn forget(&self, stream: &str, checkpoints: &BTreeMap<String, String>) -> usize {
        let mut freed = 0;
        for (shard, checkpoint) in checkpoints {
            let Some(Ok(index)) = shard.strip_prefix("shardId-").map(str::parse::<u32>) else {
                continue;
            };
            // ferrokinesis keys records by the shard's index and the sequence number. All numbers
            // of a stream have the same length, and `~` stands above every digit.
            let (from, to) = (format!("{index:08x}/"), format!("{index:08x}/{checkpoint}~"));
            loop {
                let streams = &self.stores.streams;
                let old = streams.get_records_range_limited(stream, &from, &to, FORGET_RECORDS).await;
                if old.is_empty() {
                    break;
                }
                let keys: Vec<String> = old.into_iter().map(|(key, _)| key).collect();
                freed += keys.len();
                streams.delete_record_keys(stream, &keys).await;
            }
        }
        freed
    }

    /// Stops both services: no new connections, running requests finish, and nothing is left
    /// running on return. A client that holds a request open for 5 seconds is cut off.
    pub async fn stop(self) {
        self.dynamodb.stop().await;
        self.kinesis.stop().await;
    }
}

/// One service: its address, and the two ways to end it.
#[derive(Debug)]
struct Server {
    address: SocketAddr,
    /// Dropping it stops the server as sending on it does.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    fn spawn<S, F>(listener: TcpListener, serve: S) -> Result<Self, EmbeddedError>
    where
        S: FnOnce(TcpListener, Stopped) -> F,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let address = listener.local_addr().map_err(|source| EmbeddedError::Listen {
            service: "a service",
            port: 0,
            source,
        })?;
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped: Stopped = Box::pin(async move {
            // An error means that the sender was dropped, which is the other way to stop.
            let _ = stopped.await;
        });
        let serving = serve(listener, stopped);
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%address, error, "the embedded service ended");
            }
        });
        Ok(Self { address, stop, task })
    }

    async fn stop(self) {
        // The receiver is gone only if the server ended by itself.
        let _ = self.stop.send(());
        let mut task = self.task;
        if tokio::time::timeout(STOP_TIMEOUT, &mut task).await.is_err() {
            task.abort();
            // Waiting for an aborted task gives the cancellation and nothing else.
            let _ = task.await;
        }
    }
}

type Stopped = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn listen(service: &'static str, port: u16) -> Result<TcpListener, EmbeddedError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|source| EmbeddedError::Listen { service, port, source })
}

/// What the requests of the embedded Kinesis pass through.
struct Gate {
    lock: RwLock<()>,
    put: watch::Sender<()>,
}

/// Makes a put and a read of the embedded Kinesis exclude each other, and tells pollers of puts.
///
/// ferrokinesis takes the sequence numbers of a put first and stores the records later, one by
/// one. With two puts at once a reader can see the later numbers first, move its iterator past
/// the earlier ones and never see those: real Kinesis does not lose records so.
async fn one_put_at_a_time(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let operation = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.rsplit('.').next());
    let exclusive = match operation {
        Some("PutRecord" | "PutRecords") => true,
        Some("GetRecords") => false,
        _ => return next.run(request).await,
    };
    // The body is read before the lock is taken, so a slow client holds up only itself.
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, KINESIS_BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let request = Request::from_parts(parts, Body::from(bytes));
    if exclusive {
        let response = {
            let _put = gate.lock.write().await;
            next.run(request).await
        };
        gate.put.send_replace(());
        response
    } else {
        let _read = gate.lock.read().await;
        next.run(request).await
    }
}

/// Opens the database with an index on the change log's order.
///
/// dynoxide takes each change's number by a scan of the whole change log and reads the log by
/// another, so without the index a write to a captured table slows down with every earlier one.
fn open_database(path: Option<&Path>) -> Result<Database, Box<dyn std::error::Error + Send + Sync>> {
    if let Some(path) = path {
        let text = path.to_str().ok_or("the path is not valid UTF-8")?;
        index_change_log(text)?;
        let database = Database::new(text)?;
        // Puts SQLite in `synchronous = NORMAL`: a commit survives the process, not a power cut,
        // and costs no wait for the disk.
        database.disable_bulk_loading()?;
        return Ok(database);
    }
    // Nothing outside reaches an in-memory database, so it is filled from an empty indexed one.
    let directory = tempfile::tempdir()?;
    let template = directory.path().join("empty.db");
    let text = template.to_str().ok_or("the temporary directory is not valid UTF-8")?;
    index_change_log(text)?;
    let database = Database::memory()?;
    database.restore_from(text)?;
    Ok(database)
}

fn index_change_log(path: &str) -> Result<(), DynoxideError> {
    let storage = dynoxide::storage::Storage::new(path)?;
    storage.conn().execute_batch(&format!(
        "CREATE INDEX IF NOT EXISTS evercount_change_order
             ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
         DELETE FROM _stream_records
             WHERE created_at < unixepoch() - {CHANGE_LOG_HOURS} * 3600;"
    ))?;
    Ok(())
}
