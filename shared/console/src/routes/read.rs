//! Questions: what reads and changes nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use evercount_view::QuarantinedDoc;
use serde::Deserialize;
use utoipa::IntoParams;

use super::asked::{Asked, Named};
use crate::console::{Console, TargetDoc};
use crate::counts::{CountList, CountPage, GroupQuery, POINTS_MAX, Series};
use crate::forecasts::{Advices, Outlooks, TableStory};
use crate::health::Health;
use crate::plans::{PlanList, Story};
use crate::problem::Problem;
use crate::records::QuarantineList;
use crate::schemas::{Cardinalities, Diff, History, Lineages, SubjectList, SubjectVersion, SubjectVersions};
use crate::versions::VersionList;
use crate::work::{Audits, Walks};

type On = State<Arc<dyn Console>>;
type Answer<T> = Result<Json<T>, Problem>;

/// Points of a series where nobody says: two days of hours.
const POINTS: u32 = 48;
/// Hours of cardinality where nobody says.
const HOURS: u32 = 48;
/// Most hours: the year.
const HOURS_MAX: u32 = 8_784;
/// Records of one page of the quarantine where nobody says, and at most.
const RECORDS: u32 = 100;
const RECORDS_MAX: u32 = 1_000;

/// How much of a series.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SeriesQuery {
    /// How many cuts back; 48 by default, 168 at most.
    #[param(minimum = 0, maximum = 168)]
    points: Option<u32>,
}

/// Which plans.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PlanQuery {
    /// Of this count only.
    count: Option<String>,
    /// Only those that go on or wait.
    open: Option<bool>,
}

/// Which version of a schema.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VersionQuery {
    /// Its number; the current one by default.
    #[param(minimum = 0)]
    version: Option<u32>,
}

/// Which two versions.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DiffQuery {
    /// The one; by default the other's parent.
    #[param(minimum = 0)]
    from: Option<u32>,
    /// The other; the current one by default.
    #[param(minimum = 0)]
    to: Option<u32>,
}

/// How long back.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CardinalityQuery {
    /// Hours back; 48 by default, 8,784 at most.
    #[param(minimum = 0, maximum = 8784)]
    hours: Option<u32>,
}

/// Which page.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many; 100 by default, 1,000 at most.
    #[param(minimum = 0, maximum = 1000)]
    limit: Option<u32>,
    /// How many to pass over.
    #[param(minimum = 0)]
    offset: Option<u32>,
}

/// Of which table.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ForecastQuery {
    /// The table; all of them by default.
    table: Option<String>,
}

macro_rules! question {
    ($(#[$doc:meta])* $name:ident, $path:literal, ($($param:tt)*), $answer:ty, |$console:ident $(, $arg:pat_param => $typ:ty)*| $do:expr) => {
        $(#[$doc])*
        #[utoipa::path(
            get, path = $path, tag = "questions", params($($param)*),
            responses(
                (status = 200, body = $answer),
                (status = 304, description = "What `If-None-Match` names still stands."),
                (status = 400, body = Problem, content_type = "application/problem+json"),
                (status = 404, body = Problem, content_type = "application/problem+json"),
            )
        )]
        pub async fn $name(State($console): On $(, $arg: $typ)*) -> Answer<$answer> {
            let answer: Result<$answer, Problem> = $do;
            Ok(Json(answer?))
        }
    };
}

question!(
    /// Where the counts are kept, and whether anything may be changed from here.
    target, "/api/v1/target", (), TargetDoc, |console| Ok(console.target())
);
question!(
    /// All counts with their totals.
    counts, "/api/v1/counts", (), CountList, |console| console.counts().await
);
question!(
    /// One count with some of its groups, now or at a time.
    count, "/api/v1/counts/{name}", (("name" = String, Path, description = "The count.", example = "by_status"), GroupQuery), CountPage,
    |console, Named(name) => Named<String>, Asked(query) => Asked<GroupQuery>| console.count(&name, query).await
);
question!(
    /// What a count was at its stored cuts, for a sparkline.
    series, "/api/v1/counts/{name}/series", (("name" = String, Path, description = "The count.", example = "by_status"), SeriesQuery), Series,
    |console, Named(name) => Named<String>, Asked(query) => Asked<SeriesQuery>| {
        let points = usize::try_from(query.points.unwrap_or(POINTS)).unwrap_or(POINTS_MAX);
        console.series(&name, points.min(POINTS_MAX)).await
    }
);
question!(
    /// The logic versions of a count, and what a rollback would do.
    versions, "/api/v1/counts/{name}/versions", (("name" = String, Path, description = "The count.", example = "by_status")), VersionList,
    |console, Named(name) => Named<String>| console.versions(&name).await
);
question!(
    /// All plans, the newest first.
    plans, "/api/v1/plans", (PlanQuery), PlanList,
    |console, Asked(query) => Asked<PlanQuery>| {
        console.plans(query.count.as_deref(), query.open.unwrap_or(false)).await
    }
);
question!(
    /// One plan as a story: what changed, the certificate, costs, agreement, verdict, and what can be done.
    plan, "/api/v1/plans/{id}", (("id" = String, Path, description = "The plan's id.")), Story,
    |console, Named(id) => Named<String>| console.plan(&id).await
);
question!(
    /// All tables and event types whose schema is known.
    schemas, "/api/v1/schemas", (), SubjectList, |console| console.subjects().await
);
question!(
    /// One version of a schema.
    schema, "/api/v1/schemas/{subject}", (("subject" = String, Path, description = "The subject.", example = "orders"), VersionQuery), SubjectVersion,
    |console, Named(subject) => Named<String>, Asked(query) => Asked<VersionQuery>| {
        console.subject(&subject, query.version).await
    }
);
question!(
    /// The versions of a schema, with drift scores.
    schema_versions, "/api/v1/schemas/{subject}/versions", (("subject" = String, Path, description = "The subject.", example = "orders")), SubjectVersions,
    |console, Named(subject) => Named<String>| console.subject_versions(&subject).await
);
question!(
    /// How two versions of a schema differ, as a tree.
    diff, "/api/v1/schemas/{subject}/diff", (("subject" = String, Path, description = "The subject.", example = "orders"), DiffQuery), Diff,
    |console, Named(subject) => Named<String>, Asked(query) => Asked<DiffQuery>| {
        console.diff(&subject, query.from, query.to).await
    }
);
question!(
    /// What happened to a schema, with drift scores, and what was held.
    history, "/api/v1/schemas/{subject}/history", (("subject" = String, Path, description = "The subject.", example = "orders")), History,
    |console, Named(subject) => Named<String>| console.history(&subject).await
);
question!(
    /// Who writes and reads a subject, and which version each reader has acknowledged.
    lineage, "/api/v1/schemas/{subject}/lineage", (("subject" = String, Path, description = "The subject.", example = "orders")), Lineages,
    |console, Named(subject) => Named<String>| console.lineage(&subject).await
);
question!(
    /// Distinct values of fields by windows of time, each with its standard error.
    cardinality, "/api/v1/schemas/{subject}/cardinality", (("subject" = String, Path, description = "The subject.", example = "orders"), CardinalityQuery), Cardinalities,
    |console, Named(subject) => Named<String>, Asked(query) => Asked<CardinalityQuery>| {
        console.cardinality(&subject, query.hours.unwrap_or(HOURS).min(HOURS_MAX)).await
    }
);
question!(
    /// Records that could not be counted.
    quarantine, "/api/v1/quarantine", (PageQuery), QuarantineList,
    |console, Asked(query) => Asked<PageQuery>| {
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let limit = size(query.limit.unwrap_or(RECORDS).min(RECORDS_MAX));
        console.quarantine(limit, size(query.offset.unwrap_or(0))).await
    }
);
question!(
    /// One such record with its bytes.
    record, "/api/v1/quarantine/{id}", (("id" = String, Path, description = "LANE#SEQUENCE.", example = "orders-cdc/shardId-000000000000#4711")), QuarantinedDoc,
    |console, Named(id) => Named<String>| console.record(&id).await
);
question!(
    /// What is being filled, how fast, and how long it has to go.
    backfills, "/api/v1/backfills", (), Walks, |console| console.walks().await
);
question!(
    /// Audits that run or ran in this console, and the last one of each count, whoever ran it.
    audits, "/api/v1/audits", (), Audits, |console| console.audits().await
);
question!(
    /// How probable schema changes are, and which columns may come or go.
    forecasts, "/api/v1/forecasts", (ForecastQuery), Outlooks,
    |console, Asked(query) => Asked<ForecastQuery>| console.forecasts(query.table.as_deref()).await
);
question!(
    /// What is forecast of one table, what was said before, what came, and which columns are held ready.
    forecast, "/api/v1/forecasts/{table}", (("table" = String, Path, description = "The table.", example = "orders")), TableStory,
    |console, Named(table) => Named<String>| console.forecast(&table).await
);
question!(
    /// What to count ahead, so that changes that are likely need no rescan, and what that costs.
    advice, "/api/v1/advice", (), Advices, |console| console.advice().await
);
question!(
    /// Lanes and how far behind they are, what waits, what it has cost, the last audit.
    health, "/api/v1/health", (), Health, |console| console.health().await
);
