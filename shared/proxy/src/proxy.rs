//! Owns what becomes of one request.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use evercount_core::change::TableName;
use evercount_core::fingerprint::SchemaId;
use evercount_core::mutation::refusal::Refusal as Why;
use evercount_core::order::Micros;
use evercount_core::path::Path;
use evercount_core::registration::Lookup;
use evercount_core::resolve::{Columns, Mode, Obstacle, Standing, resolve};
use evercount_core::schema::Schema;
use evercount_core::schema_change::Subject;
use evercount_core::value::Item;
use evercount_pipeline::mutate::Warm;
use evercount_pipeline::ports::{
    CountedTable, FunctionStore, MutationTrail, RegistryStore, ShadowSchemaStore, ShadowStore, StoreError,
    TableKeys,
};
use evercount_pipeline::prefetch::PrefetchReport;
use evercount_pipeline::transform::DECLARED_BY;
use evercount_wire::nearest::nearest;
use http::{HeaderMap, HeaderName, Request, Response};
use serde_json::Value;

use crate::answer::Refusal;
use crate::functions::Shelf;
use crate::operation::Operation;
use crate::options::ProxyOptions;
use crate::request::{Asked, array, asked};
use crate::tables::{Known, Tables};
use crate::tally::{Counted, Tally};
use crate::upstream::Upstream;
use crate::usage::Usage;

/// The header in which a client says for which schema version of its tables it was written: a number, or a
/// schema's id.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("x-evercount-schema-version");

/// A proxy in front of an upstream.
#[derive(Debug)]
pub struct Proxy<U, S, T> {
    pub(crate) upstream: U,
    pub(crate) store: S,
    pub(crate) table: T,
    pub(crate) options: ProxyOptions,
    pub(crate) clock: fn() -> Micros,
    pub(crate) warm: Warm,
    pub(crate) shelf: Shelf,
    pub(crate) tally: Counted,
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
        Self {
            upstream,
            store,
            table,
            options,
            clock,
            warm: Warm::default(),
            shelf: Shelf::default(),
            tally: Counted::default(),
            tables,
            usage: Usage::default(),
        }
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

    /// Counts what was fetched ahead beside the requests.
    pub fn fetched_ahead(&self, report: &PrefetchReport) {
        self.tally.fetched_ahead(report);
    }

    /// What became of requests, and what was fetched ahead of them, since this was asked last.
    #[must_use]
    pub fn take_tally(&self) -> Tally {
        self.tally.take()
    }

    /// The answer to a request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let answered = match self.admit(&request).await {
            Ok(None) => self.send_on(request).await.inspect(|_| self.tally.add(|tally| tally.passed += 1)),
            Ok(Some(mine)) => {
                let done = self.carry_out_request(&request, &mine).await;
                done.inspect(|_| self.tally.add(|tally| tally.carried_out += 1))
            }
            Err(refusal) => Err(refusal),
        };
        answered.unwrap_or_else(|refusal| {
            self.tally.refused(&refusal);
            refusal.answer()
        })
    }

    /// Sends a request on.
    pub(crate) async fn send_on(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Refusal> {
        let began = (self.clock)();
        let sent = self.upstream.send(request).await;
        let took = (self.clock)().saturating_sub(began).max(0);
        self.tally.add(|tally| tally.upstream = tally.upstream.saturating_add(took));
        sent.map_err(|unreachable| Refusal::Unavailable(unreachable.to_string()))
    }

    /// Whether a request may go on, and what of it has to be carried out here; `None` where it goes on as it
    /// came.
    async fn admit(&self, request: &Request<Bytes>) -> Result<Option<Mine>, Refusal> {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(Operation::of_target);
        let Some(operation) = operation.filter(|_| !self.options.is_off()) else { return Ok(None) };
        // What is no JSON names nothing, and is refused upstream.
        let Ok(body) = serde_json::from_slice::<Value>(request.body()) else { return Ok(None) };
        let said = said_version(request.headers());
        let mut parts = Vec::new();
        for asked in asked(operation, &body) {
            let mut part = Part::straight(asked);
            match self.options.mode_of(part.table()) {
                Mode::Off => {}
                Mode::Observe => {
                    if let Err(refusal) = self.resolved(operation, &said, &mut part).await {
                        self.tell(operation, &part, &refusal);
                    }
                    part.needs_agent = false;
                }
                Mode::Strict => {
                    if let Err(refusal) = self.resolved(operation, &said, &mut part).await {
                        self.tell(operation, &part, &refusal);
                        if let Refusal::Mutation { outcome, .. } = &refusal {
                            self.tally.add(|tally| *tally.mutations.entry(outcome).or_default() += 1);
                        }
                        return Err(refusal);
                    }
                }
            }
            parts.push(part);
        }
        // A transaction that is put together wrongly is refused upstream.
        let actions = array(body.get("TransactItems"));
        let is_whole = actions.is_empty() || actions.len() == parts.len();
        let is_mine = is_whole && parts.iter().any(|part| part.needs_agent);
        Ok(is_mine.then_some(Mine { operation, body, parts }))
    }

    fn tell(&self, operation: Operation, part: &Part, refusal: &Refusal) {
        let mode = self.options.mode_of(part.table());
        tracing::warn!(
            table = part.table(),
            operation = operation.name(),
            mode = mode.name(),
            why = %refusal.message(),
            "a request does not fit the schema"
        );
    }

    async fn carry_out_request(
        &self,
        request: &Request<Bytes>,
        mine: &Mine,
    ) -> Result<Response<Bytes>, Refusal> {
        let Mine { operation, body, parts } = mine;
        match (operation, parts.as_slice()) {
            (Operation::PutItem | Operation::UpdateItem | Operation::DeleteItem, [part]) => {
                self.write_one(*operation, request.headers(), body, part).await
            }
            (Operation::BatchWriteItem, parts) => self.write_batch(request, body, parts).await,
            (Operation::TransactWriteItems, parts) => self.write_together(body, parts).await,
            (operation, parts) => {
                if parts.iter().any(|part| !part.beside().is_empty()) {
                    self.tally.add(|tally| tally.reads_beside += 1);
                }
                self.read(*operation, request, body, parts).await
            }
        }
    }

    /// Looks up every attribute that a part of a request names, and whether it has to be carried out here.
    async fn resolved(
        &self,
        operation: Operation,
        said: &Result<Option<u32>, Refusal>,
        part: &mut Part,
    ) -> Result<(), Refusal> {
        let table = part.table().to_owned();
        let now = (self.clock)();
        let forget = || self.warm.forget(&TableName::new(&table));
        let known = self.tables.get(&self.store, &table, now, forget).await;
        // Where nothing is registered nothing can be judged.
        let Some(known) = known.map_err(|error| unreadable(&table, &error))? else { return Ok(()) };
        let mut declared = said.clone()?;
        if let Some(text) = part.asked.declared.take()
            && known.columns.standing(DECLARED_BY) == Standing::Unknown
        {
            declared = Some(version_of(&text).ok_or_else(|| {
                Refusal::Validation(format!(
                    "`{DECLARED_BY}` is neither the number of a schema version nor its id"
                ))
            })?);
            part.declared_by_item = true;
            part.asked.namings.retain(|naming| naming.attribute != DECLARED_BY);
        }
        let other = declared.filter(|number| *number != known.in_force);
        let found = match other {
            None => resolve(&known.columns, &part.asked.namings),
            Some(number) => {
                let columns = self.columns_of(&table, number, &known, now).await?;
                resolve(&columns, &part.asked.namings)
            }
        };
        let shows =
            declared.is_none() && part.asked.writes && !found.unknown.is_empty() && known.in_force > 1;
        let shown = if shows { self.detected(&table, &part.asked, &known, now).await? } else { None };
        declared = declared.or(shown);
        if shown.is_none() {
            for (attribute, is_write) in found.absent() {
                self.usage.add(&table, attribute, *is_write);
            }
            let (unknown, is_strict) =
                (found.unknown.len() as u64, self.options.mode_of(&table) == Mode::Strict);
            self.tally.add(|tally| {
                *(if is_strict { &mut tally.unknown_refused } else { &mut tally.unknown_passed }) += unknown;
            });
            if let Some(obstacle) = found.obstacles.first() {
                let hint = match obstacle {
                    Obstacle::Unknown { attribute } => did_you_mean(attribute, &known),
                    Obstacle::Unanswerable { .. } => String::new(),
                };
                let operation = operation.name();
                return Err(Refusal::Validation(format!("{operation} on `{table}`: {obstacle}{hint}")));
            }
        }
        part.declared = declared;
        let stamps = || self.options.mutations.of(&TableName::new(&table)).stamps;
        let names_beside = || part.asked.namings.iter().any(|one| known.beside.contains(&one.attribute));
        let needed = declared.is_some()
            || if part.asked.writes {
                !known.beside.is_empty() || stamps()
            } else {
                !known.beside.is_empty() && (part.asked.whole || names_beside())
            };
        if needed && operation.is_statement() {
            return Err(Refusal::Validation(format!(
                "{} on `{table}`: a statement cannot be carried out where items carry versions, have values beside \
                 the table or are wanted in another version of the schema; write the request as GetItem, Query, \
                 PutItem, UpdateItem or the like",
                operation.name()
            )));
        }
        part.needs_agent = needed;
        part.known = Some(known);
        Ok(())
    }

    /// The columns of another version of a table's schema than the one in force.
    async fn columns_of(
        &self,
        table: &str,
        number: u32,
        known: &Known,
        now: Micros,
    ) -> Result<Columns, Refusal> {
        let failed = |error: StoreError| unreadable(table, &error);
        let versions = self.tables.versions(&self.store, table, known.in_force, now).await.map_err(failed)?;
        if let Some(schema) = versions.get(&number) {
            return Ok(known.columns_of(schema));
        }
        let subject = Subject::new(table);
        let why = match self.store.schema_version(&subject, number, now).await.map_err(failed)? {
            Lookup::Found(version) => return Ok(known.columns_of(&version.schema)),
            Lookup::Expired { .. } => Why::ExpiredVersion { named: number, in_force: known.in_force },
            Lookup::Absent => Why::UnknownVersion { named: number.to_string(), in_force: known.in_force },
        };
        let told = Refusal::Validation(format!("a request on `{table}`: {why}"));
        Err(Refusal::Mutation { outcome: why.reason(), told: Box::new(told) })
    }

    /// The newest version of a table's schema that has every attribute that is named, where the one in force
    /// has not.
    async fn detected(
        &self,
        table: &str,
        asked: &Asked,
        known: &Known,
        now: Micros,
    ) -> Result<Option<u32>, Refusal> {
        let versions = self.tables.versions(&self.store, table, known.in_force, now).await;
        let versions = versions.map_err(|error| unreadable(table, &error))?;
        let has_all = |schema| resolve(&known.columns_of(schema), &asked.namings).unknown.is_empty();
        let fitting: Vec<_> = versions.iter().rev().filter(|(_, schema)| has_all(schema)).collect();
        // What is put whole has what its version asks for.
        let named: BTreeSet<&str> = asked.namings.iter().map(|naming| naming.attribute.as_str()).collect();
        let is_asked_for = |schema: &Schema| {
            let required = schema.columns().filter(|(_, field)| field.required);
            required
                .filter_map(|(path, _)| Path::parse(path.as_str()).ok())
                .all(|path| named.contains(path.column_name()))
        };
        let whole = fitting.iter().find(|(_, schema)| is_asked_for(schema));
        Ok(whole.or_else(|| fitting.first()).map(|(number, _)| **number))
    }
}

/// A request that is carried out here.
struct Mine {
    operation: Operation,
    body: Value,
    parts: Vec<Part>,
}

/// A part of a request: a read of a table, or one item that is written.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) asked: Asked,
    /// What is known of the table; `None` where it has no registered schema, or nobody looked.
    known: Option<Arc<Known>>,
    /// The schema version that it was written for, or wants to see.
    pub(crate) declared: Option<u32>,
    /// Whether the item says so by its attribute [`DECLARED_BY`], which is none of its own.
    pub(crate) declared_by_item: bool,
    /// Whether the upstream alone cannot carry it out.
    pub(crate) needs_agent: bool,
}

impl Part {
    fn straight(asked: Asked) -> Self {
        Self { asked, known: None, declared: None, declared_by_item: false, needs_agent: false }
    }

    pub(crate) fn table(&self) -> &str {
        &self.asked.table
    }

    /// The columns of which values are beside the table.
    pub(crate) fn beside(&self) -> &BTreeSet<String> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        self.known.as_ref().map_or(&NONE, |known| &known.beside)
    }

    /// The schema version that it was written for, where that is not the one in force.
    pub(crate) fn other_version(&self) -> Option<u32> {
        self.declared.filter(|number| self.known.as_ref().is_none_or(|known| known.in_force != *number))
    }

    /// What items have in expected columns by default.
    pub(crate) fn defaults(&self) -> Item {
        let Some(known) = &self.known else { return Item::new() };
        let defaults = known
            .columns
            .expected()
            .filter_map(|name| Some((name.to_owned(), known.columns.default_of(name)?.clone())));
        defaults.collect()
    }
}

fn unreadable(table: &str, error: &StoreError) -> Refusal {
    Refusal::Unavailable(format!("the schema of `{table}` could not be read: {error}"))
}

/// The number of a schema version, from itself or from the version's id.
fn version_of(said: &str) -> Option<u32> {
    let number = SchemaId::parse(said).map(|id| id.version);
    number.or_else(|| said.trim_start_matches('v').parse().ok())
}

/// The version that a client says it was written for.
fn said_version(headers: &HeaderMap) -> Result<Option<u32>, Refusal> {
    let Some(said) = headers.get(VERSION_HEADER) else { return Ok(None) };
    let number = said.to_str().ok().and_then(version_of);
    number.map(Some).ok_or_else(|| {
        Refusal::Validation(format!(
            "`{VERSION_HEADER}` is neither the number of a schema version nor its id"
        ))
    })
}

/// The known name that is most like an unknown one, as a question.
fn did_you_mean(attribute: &str, known: &Known) -> String {
    nearest(attribute, known.columns.names())
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
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
