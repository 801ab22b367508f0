//! What routes ask of a console, and the one that is served from a store.

use std::sync::Arc;

use evercount_core::change::TableName;
use evercount_core::order::Micros;
use evercount_pipeline::adapt::AdaptOptions;
use evercount_pipeline::count::{CountMode, CountOptions};
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::ports::{
    AuditStore, ForecastStore, RegistryStore, ShadowSchemaStore, SourceTable, Store, UsageStore,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::counts::{CountList, CountPage, GroupQuery, Series};
use crate::forecasts::{Advices, Outlooks, TableStory};
use crate::health::Health;
use crate::live::{Memory, Pulse};
use crate::plans::{Decided, PlanList, Say, Story};
use crate::problem::Problem;
use crate::records::{QuarantineList, Replays};
use crate::schemas::{Cardinalities, Diff, History, Lineages, SubjectList, SubjectVersion, SubjectVersions};
use crate::versions::VersionList;
use crate::work::{AuditAsk, Audits, Walks};
use crate::{counts, forecasts, health, live, plans, records, schemas, versions, work};

/// Where the counts are kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct TargetDoc {
    /// `embedded`, `local` (a running `evercount local`), `endpoint` or `aws`.
    pub kind: String,
    /// It in words, as every command names it.
    pub text: String,
    /// The AWS account; null where it is not known.
    #[schema(required)]
    pub account: Option<String>,
    /// The AWS region; null where it is not known.
    #[schema(required)]
    pub region: Option<String>,
    /// Whether anything may be changed from here.
    pub writes: bool,
    /// The version of the console.
    pub version: String,
}

/// How a console is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the counts are kept.
    pub target: TargetDoc,
    /// How records are read, for replays.
    pub count: CountOptions,
    /// What the target allows, for plans; whether a table can be read is asked of the source.
    pub adapt: AdaptOptions,
    /// Whether an audit may run in this process: it outlives its request.
    pub audits: bool,
    /// The time, microseconds since the epoch.
    pub clock: fn() -> Micros,
}

impl Settings {
    /// Those of a deployed console, which looks and changes nothing: its role allows no write, and an audit
    /// takes longer than a request may.
    #[must_use]
    pub fn deployed(region: Option<String>, count: CountOptions, clock: fn() -> Micros) -> Self {
        let text = format!("AWS, region {}", region.as_deref().unwrap_or("unknown"));
        let target = TargetDoc {
            kind: "aws".to_owned(),
            text,
            account: None,
            region,
            writes: false,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Self { target, count, adapt: AdaptOptions::BARE, audits: false, clock }
    }
}

/// All that a console reads and writes.
pub trait ConsoleStore:
    Store + RegistryStore + ForecastStore + ShadowSchemaStore + UsageStore + AuditStore
{
}

impl<S: Store + RegistryStore + ForecastStore + ShadowSchemaStore + UsageStore + AuditStore> ConsoleStore
    for S
{
}

/// A console on a store, a source of tables, and a directory of services.
#[derive(Debug)]
pub struct Served<S, T, D> {
    /// Where counts, plans and schemas are.
    pub(crate) store: S,
    /// The tables that are counted.
    pub(crate) source: T,
    /// Who says of itself that it writes or reads a table.
    pub(crate) services: D,
    /// How it is set up.
    pub(crate) settings: Settings,
    /// What was read lately.
    pub(crate) memory: Memory,
}

impl<S: ConsoleStore, T: SourceTable, D: ServiceDirectory> Served<S, T, D> {
    /// A console that has read nothing yet.
    #[must_use]
    pub fn new(store: S, source: T, services: D, settings: Settings) -> Self {
        Self { store, source, services, settings, memory: Memory::default() }
    }

    pub(crate) fn now(&self) -> Micros {
        (self.settings.clock)()
    }

    /// What the target allows for a table.
    pub(crate) async fn adapt_options(&self, table: &TableName) -> AdaptOptions {
        let source_is_readable = self.source.facts(table).await.partition_key.is_some();
        let has_ledger = self.settings.count.mode == CountMode::Ledger;
        AdaptOptions { source_is_readable, has_ledger, ..self.settings.adapt }
    }

    /// Says so where nothing may be changed from here.
    pub(crate) fn may_write(&self) -> Result<(), Problem> {
        if self.settings.target.writes {
            return Ok(());
        }
        Err(Problem::new(
            axum::http::StatusCode::FORBIDDEN,
            "nothing is changed from here: the target is AWS, and nobody named it",
            "start the console with `evercount console --target aws`",
        ))
    }
}

/// What the routes ask of a console.
#[async_trait::async_trait]
pub trait Console: Send + Sync {
    /// Where the counts are kept.
    fn target(&self) -> TargetDoc;
    /// What everything stands at.
    async fn pulse(&self) -> Result<Pulse, Problem>;
    /// Says that something was changed from here.
    fn changed(&self);
    /// All counts.
    async fn counts(&self) -> Result<CountList, Problem>;
    /// One count with some of its groups.
    async fn count(&self, name: &str, query: GroupQuery) -> Result<CountPage, Problem>;
    /// What a count was.
    async fn series(&self, name: &str, points: usize) -> Result<Series, Problem>;
    /// The logic versions of a count.
    async fn versions(&self, name: &str) -> Result<VersionList, Problem>;
    /// Lets a version take over.
    async fn promote(&self, name: &str, number: u32, say: Say) -> Result<Decided, Problem>;
    /// Takes a promotion back.
    async fn roll_back(&self, name: &str, say: Say) -> Result<Decided, Problem>;
    /// All plans.
    async fn plans(&self, count: Option<&str>, open: bool) -> Result<PlanList, Problem>;
    /// One plan as a story.
    async fn plan(&self, id: &str) -> Result<Story, Problem>;
    /// Goes on with a plan that waits.
    async fn approve(&self, id: &str, say: Say) -> Result<Decided, Problem>;
    /// Leaves the logic as it is.
    async fn reject(&self, id: &str, say: Say) -> Result<Decided, Problem>;
    /// All subjects.
    async fn subjects(&self) -> Result<SubjectList, Problem>;
    /// The versions of a subject.
    async fn subject_versions(&self, subject: &str) -> Result<SubjectVersions, Problem>;
    /// One version; the current one where none is named.
    async fn subject(&self, subject: &str, version: Option<u32>) -> Result<SubjectVersion, Problem>;
    /// How two versions differ.
    async fn diff(&self, subject: &str, from: Option<u32>, to: Option<u32>) -> Result<Diff, Problem>;
    /// What happened to a schema.
    async fn history(&self, subject: &str) -> Result<History, Problem>;
    /// Who writes and reads a subject.
    async fn lineage(&self, subject: &str) -> Result<Lineages, Problem>;
    /// Distinct values of its fields.
    async fn cardinality(&self, subject: &str, hours: u32) -> Result<Cardinalities, Problem>;
    /// What is in quarantine.
    async fn quarantine(&self, limit: usize, offset: usize) -> Result<QuarantineList, Problem>;
    /// One record with its bytes.
    async fn record(&self, id: &str) -> Result<evercount_view::QuarantinedDoc, Problem>;
    /// Counts records that can be understood by now.
    async fn replay(&self, id: Option<&str>, dry_run: bool) -> Result<Replays, Problem>;
    /// What is being filled.
    async fn walks(&self) -> Result<Walks, Problem>;
    /// Halts a walk, or lets it go on.
    async fn pause(&self, count: &str, paused: bool, dry_run: bool) -> Result<Walks, Problem>;
    /// Audits that run or ran.
    async fn audits(&self) -> Result<Audits, Problem>;
    /// Starts an audit.
    async fn audit(self: Arc<Self>, ask: AuditAsk) -> Result<Audits, Problem>;
    /// How probable schema changes are.
    async fn forecasts(&self, table: Option<&str>) -> Result<Outlooks, Problem>;
    /// What is forecast of one table, what was, and what came.
    async fn forecast(&self, table: &str) -> Result<TableStory, Problem>;
    /// What to count ahead.
    async fn advice(&self) -> Result<Advices, Problem>;
    /// How things stand.
    async fn health(&self) -> Result<Health, Problem>;
}

#[async_trait::async_trait]
impl<S, T, D> Console for Served<S, T, D>
where
    S: ConsoleStore + Send + Sync + 'static,
    T: SourceTable + Send + Sync + 'static,
    D: ServiceDirectory + Send + Sync + 'static,
{
    fn target(&self) -> TargetDoc {
        self.settings.target.clone()
    }
    async fn pulse(&self) -> Result<Pulse, Problem> {
        live::pulse(self).await
    }
    fn changed(&self) {
        self.memory.forget();
    }
    async fn counts(&self) -> Result<CountList, Problem> {
        counts::list(self).await
    }
    async fn count(&self, name: &str, query: GroupQuery) -> Result<CountPage, Problem> {
        counts::one(self, name, query).await
    }
    async fn series(&self, name: &str, points: usize) -> Result<Series, Problem> {
        counts::series(self, name, points).await
    }
    async fn versions(&self, name: &str) -> Result<VersionList, Problem> {
        versions::list(self, name).await
    }
    async fn promote(&self, name: &str, number: u32, say: Say) -> Result<Decided, Problem> {
        versions::promote(self, name, number, say).await
    }
    async fn roll_back(&self, name: &str, say: Say) -> Result<Decided, Problem> {
        versions::roll_back(self, name, say).await
    }
    async fn plans(&self, count: Option<&str>, open: bool) -> Result<PlanList, Problem> {
        plans::list(self, count, open).await
    }
    async fn plan(&self, id: &str) -> Result<Story, Problem> {
        plans::story(self, id).await
    }
    async fn approve(&self, id: &str, say: Say) -> Result<Decided, Problem> {
        plans::approve(self, id, say).await
    }
    async fn reject(&self, id: &str, say: Say) -> Result<Decided, Problem> {
        plans::reject(self, id, say).await
    }
    async fn subjects(&self) -> Result<SubjectList, Problem> {
        schemas::list(self).await
    }
    async fn subject_versions(&self, subject: &str) -> Result<SubjectVersions, Problem> {
        schemas::versions(self, subject).await
    }
    async fn subject(&self, subject: &str, version: Option<u32>) -> Result<SubjectVersion, Problem> {
        schemas::one(self, subject, version).await
    }
    async fn diff(&self, subject: &str, from: Option<u32>, to: Option<u32>) -> Result<Diff, Problem> {
        schemas::diff(self, subject, from, to).await
    }
    async fn history(&self, subject: &str) -> Result<History, Problem> {
        schemas::history(self, subject).await
    }
    async fn lineage(&self, subject: &str) -> Result<Lineages, Problem> {
        schemas::lineage(self, subject).await
    }
    async fn cardinality(&self, subject: &str, hours: u32) -> Result<Cardinalities, Problem> {
        schemas::cardinality(self, subject, hours).await
    }
    async fn quarantine(&self, limit: usize, offset: usize) -> Result<QuarantineList, Problem> {
        records::list(self, limit, offset).await
    }
    async fn record(&self, id: &str) -> Result<evercount_view::QuarantinedDoc, Problem> {
        records::one(self, id).await
    }
    async fn replay(&self, id: Option<&str>, dry_run: bool) -> Result<Replays, Problem> {
        records::replay(self, id, dry_run).await
    }
    async fn walks(&self) -> Result<Walks, Problem> {
        work::walks(self).await
    }
    async fn pause(&self, count: &str, paused: bool, dry_run: bool) -> Result<Walks, Problem> {
        work::pause(self, count, paused, dry_run).await
    }
    async fn audits(&self) -> Result<Audits, Problem> {
        work::audits(self).await
    }
    async fn audit(self: Arc<Self>, ask: AuditAsk) -> Result<Audits, Problem> {
        work::audit(self, ask).await
    }
    async fn forecasts(&self, table: Option<&str>) -> Result<Outlooks, Problem> {
        forecasts::list(self, table).await
    }
    async fn forecast(&self, table: &str) -> Result<TableStory, Problem> {
        forecasts::one(self, table).await
    }
    async fn advice(&self) -> Result<Advices, Problem> {
        forecasts::advice(self).await
    }
    async fn health(&self) -> Result<Health, Problem> {
        health::look(self).await
    }
}
