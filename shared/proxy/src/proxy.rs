//! Owns what becomes of one request.

use bytes::Bytes;
use evercount_core::fingerprint::SchemaId;
use evercount_core::order::Micros;
use evercount_core::resolve::{Mode, Obstacle, resolve};
use evercount_pipeline::ports::{
    CountedTable, FunctionStore, MutationTrail, RegistryStore, ShadowSchemaStore, ShadowStore, StoreError,
    TableKeys,
};
use http::{HeaderMap, HeaderName, Request, Response};
use serde_json::Value;

use crate::answer::Refusal;
use crate::operation::Operation;
use crate::options::ProxyOptions;
use crate::request::{Asked, asked};
use crate::tables::{Known, Tables};
use crate::upstream::Upstream;
use crate::usage::Usage;

/// The header in which a client says for which schema version of its tables it was written: a number, or a
/// schema's id.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("x-evercount-schema-version");

/// Least likeness, in [0, 1], at which a known name is offered for an unknown one.
const LIKENESS_MIN: f64 = 0.7;

/// A proxy in front of an upstream.
#[derive(Debug)]
pub struct Proxy<U, S, T> {
    upstream: U,
    store: S,
    table: T,
    options: ProxyOptions,
    clock: fn() -> Micros,
    tables: Tables,
    usage: Usage,
}

/// What a proxy keeps: the registry, shadow schemas, what is beside tables, the trail of mutations, and
/// functions that somebody wrote.
pub trait ProxyStore:
    RegistryStore + ShadowSchemaStore + ShadowStore + MutationTrail + FunctionStore + Send
{
}

impl<S: RegistryStore + ShadowSchemaStore + ShadowStore + MutationTrail + FunctionStore + Send> ProxyStore
    for S
{
}

/// The tables behind a proxy, where it has to look at an item itself.
pub trait ProxyTable: CountedTable + TableKeys + Send {}

impl<T: CountedTable + TableKeys + Send> ProxyTable for T {}

impl<U: Upstream, S: ProxyStore, T: ProxyTable> Proxy<U, S, T> {
    /// A proxy. `store` has what it keeps, `table` reaches the tables of the very same DynamoDB as
    /// `upstream` does, and `clock` gives the time in microseconds since the epoch.
    #[must_use]
    pub fn new(upstream: U, store: S, table: T, options: ProxyOptions, clock: fn() -> Micros) -> Self {
        let tables = Tables::new(options.known_for);
        Self { upstream, store, table, options, clock, tables, usage: Usage::default() }
    }

    /// The tables, as the proxy itself reads and writes them.
    #[must_use]
    pub fn table(&self) -> &T {
        &self.table
    }

    /// What it may do.
    #[must_use]
    pub fn options(&self) -> &ProxyOptions {
        &self.options
    }

    /// Where the registry is.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The attributes that were asked for and are not in their table.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// The answer to a request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        if let Err(refusal) = self.admit(&request).await {
            return refusal.answer();
        }
        self.upstream
            .send(request)
            .await
            .unwrap_or_else(|unreachable| Refusal::Unavailable(unreachable.to_string()).answer())
    }

    /// Whether a request may go on.
    async fn admit(&self, request: &Request<Bytes>) -> Result<(), Refusal> {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(Operation::of_target);
        let Some(operation) = operation.filter(|_| !self.options.is_off()) else { return Ok(()) };
        // What is no JSON names nothing, and is refused upstream.
        let Ok(body) = serde_json::from_slice::<Value>(request.body()) else { return Ok(()) };
        for one in asked(operation, &body) {
            let mode = self.options.mode_of(&one.table);
            if mode == Mode::Off {
                continue;
            }
            let known = self.tables.get(&self.store, &one.table, (self.clock)()).await;
            let known = match (known, mode) {
                (Ok(Some(known)), _) => known,
                // Nothing is registered, and so nothing can be judged.
                (Ok(None), _) => continue,
                (Err(error), Mode::Observe) => {
                    tracing::warn!(table = one.table, %error, "the schema of a table could not be read");
                    continue;
                }
                (Err(error), _) => return Err(unreadable(&one.table, &error)),
            };
            if let Some(refusal) = self.judge(operation, request.headers(), &one, &known) {
                let why = refusal.message();
                tracing::warn!(
                    table = one.table,
                    operation = operation.name(),
                    mode = mode.name(),
                    why,
                    "a request does not fit the schema"
                );
                if mode == Mode::Strict {
                    return Err(refusal);
                }
            }
        }
        Ok(())
    }

    fn judge(
        &self,
        operation: Operation,
        headers: &HeaderMap,
        asked: &Asked,
        known: &Known,
    ) -> Option<Refusal> {
        let table = &asked.table;
        let found = resolve(&known.columns, &asked.namings);
        for (attribute, is_write) in found.absent() {
            self.usage.add(table, attribute, *is_write);
        }
        if let Some(refusal) = other_version(headers, table, known.in_force) {
            return Some(refusal);
        }
        if let Some(obstacle) = found.obstacles.first() {
            let hint = match obstacle {
                Obstacle::Unknown { attribute } => nearest(attribute, known),
                Obstacle::Unsplittable { .. } => String::new(),
            };
            let operation = operation.name();
            return Some(Refusal::Validation(format!("{operation} on `{table}`: {obstacle}{hint}")));
        }
        let expected = found.reads.iter().chain(&found.writes).next()?;
        Some(Refusal::Validation(format!(
            "{} on `{table}`: `{expected}` is expected and not in the table yet, and this proxy keeps no values \
             beside tables",
            operation.name()
        )))
    }
}

fn unreadable(table: &str, error: &StoreError) -> Refusal {
    Refusal::Unavailable(format!("the schema of `{table}` could not be read: {error}"))
}

/// What is wrong with the version that a client says it was written for.
fn other_version(headers: &HeaderMap, table: &str, in_force: u32) -> Option<Refusal> {
    let said = headers.get(VERSION_HEADER)?.to_str().unwrap_or("");
    let number = SchemaId::parse(said).map(|id| id.version);
    match number.or_else(|| said.trim_start_matches('v').parse().ok()) {
        Some(number) if number == in_force => None,
        Some(number) => Some(Refusal::Validation(format!(
            "the request was written for version {number} of the schema of `{table}`, and version {in_force} is \
             in force; this proxy migrates no items"
        ))),
        None => Some(Refusal::Validation(format!(
            "`{VERSION_HEADER}` is neither the number of a schema version nor its id"
        ))),
    }
}

/// The known name that is most like an unknown one, as a question.
fn nearest(attribute: &str, known: &Known) -> String {
    let likeness = |name: &str| strsim::jaro_winkler(&attribute.to_lowercase(), &name.to_lowercase());
    let near = known.columns.names().map(|name| (likeness(name), name));
    let near = near.filter(|(likeness, _)| *likeness >= LIKENESS_MIN);
    let nearest = near.max_by(|one, other| one.0.total_cmp(&other.0));
    nearest.map(|(_, name)| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(feature = "server")]
impl<U, S, T> crate::server::Handler for Proxy<U, S, T>
where
    U: Upstream + 'static,
    S: ProxyStore + 'static,
    T: ProxyTable + 'static,
{
    fn handle(&self, request: Request<Bytes>) -> impl std::future::Future<Output = Response<Bytes>> + Send {
        Self::handle(self, request)
    }
}

#[cfg(test)]
mod tests;
