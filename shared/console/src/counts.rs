//! Counts: what they stand at, by group, now or at a time, and what they were.

use std::sync::Arc;

use evercount_core::bounds::bounds;
use evercount_core::logic::{LogicState, LogicVersion, Relation};
use evercount_core::order::Micros;
use evercount_core::reading::Reading;
use evercount_core::timeline::active_at;
use evercount_pipeline::discovery::ServiceDirectory;
use evercount_pipeline::ports::SourceTable;
use evercount_pipeline::read;
use evercount_view::{GroupDoc, ReadingDoc, is_open, time};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::console::{ConsoleStore, Served};
use crate::live;
use crate::problem::Problem;

/// Groups of one answer, unless fewer are asked for.
pub const GROUPS_MAX: usize = 1_000;
/// Groups of one answer where nobody says.
const GROUPS: usize = 100;
/// Most points of a series: each is one read.
pub const POINTS_MAX: usize = 168;

/// A plan that waits for a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct OpenPlan {
    /// Its id.
    pub id: String,
    /// What became of it so far.
    pub outcome: String,
    /// What it says.
    pub sentence: String,
}

/// A count in short.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CountDoc {
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: String,
    /// The active logic version.
    pub version: u32,
    /// What it is grouped by.
    pub group_by: Vec<String>,
    /// Which items count, as PartiQL writes it; null where all do.
    #[serde(rename = "where")]
    #[schema(required)]
    pub filter: Option<String>,
    /// Items in all.
    pub total: i64,
    /// Whether that equals a recount.
    pub exact: bool,
    /// The truth lies within this many items.
    pub uncertain: u64,
    /// While it is being filled: the least it will come to; null where nothing limits it, or it is whole.
    #[schema(required)]
    pub n_min: Option<i64>,
    /// The most it will come to.
    #[schema(required)]
    pub n_max: Option<i64>,
    /// Why it may differ from a recount.
    pub doubts: Vec<String>,
    /// How many groups there are.
    pub groups: usize,
    /// Distinct values, estimated; null where the definition asks for none.
    #[schema(required)]
    pub distinct: Option<u64>,
    /// Versions that are counted beside it.
    pub watched: Vec<u32>,
    /// Plans that go on or wait.
    pub open_plans: Vec<OpenPlan>,
}

/// All counts.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CountList {
    /// The counts, by name.
    pub counts: Vec<CountDoc>,
}

/// How groups are sorted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// The largest first.
    #[default]
    Largest,
    /// The smallest first.
    Smallest,
    /// By their values.
    Key,
}

/// Which groups of a count, and of when.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GroupQuery {
    /// The logic version; the active one by default.
    #[param(minimum = 0)]
    pub version: Option<u32>,
    /// What was counted at this time, ISO 8601: from the last cut before it.
    pub as_of: Option<String>,
    /// How groups are sorted.
    #[param(inline)]
    pub sort: Option<Sort>,
    /// How many groups; 100 by default, 1,000 at most.
    #[param(minimum = 0, maximum = 1000)]
    pub limit: Option<u32>,
    /// How many groups to pass over.
    #[param(minimum = 0)]
    pub offset: Option<u32>,
    /// Only groups one of whose values contains this text, in any case.
    pub search: Option<String>,
}

/// From which cut a reading of the past is.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AsOf {
    /// The time asked for.
    pub asked: String,
    /// When the cut was taken.
    pub cut_at: String,
    /// How much earlier that was, seconds.
    pub age_seconds: f64,
    /// The version that was the active one then; null where none was.
    #[schema(required)]
    pub active_version: Option<u32>,
}

/// One count with some of its groups.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CountPage {
    /// The reading; `groups` holds those of this page.
    #[serde(flatten)]
    pub reading: ReadingDoc,
    /// What it is grouped by.
    pub group_by: Vec<String>,
    /// Which items count, as PartiQL writes it.
    #[serde(rename = "where")]
    #[schema(required)]
    pub filter: Option<String>,
    /// The state of the version.
    pub state: String,
    /// How many groups there are in all, after `search`.
    pub groups_total: usize,
    /// The `offset` of the next page; null after the last one.
    #[schema(required)]
    pub next: Option<usize>,
    /// From which cut it is; null where it is of now.
    #[schema(required)]
    pub as_of: Option<AsOf>,
}

/// What a count stood at at a cut.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Point {
    /// When the cut was taken.
    pub at: String,
    /// Which version counted it.
    pub version: u32,
    /// Items in all.
    pub total: i64,
    /// Whether that was exact.
    pub exact: bool,
    /// The truth lay within this many items.
    pub uncertain: u64,
    #[serde(skip)]
    pub(crate) micros: Micros,
}

/// What a count was, the oldest first; the last point is of now.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Series {
    /// The count.
    pub count: String,
    /// Its points.
    pub points: Vec<Point>,
}

/// The name of a state.
pub fn state_name(state: LogicState) -> &'static str {
    LogicState::ALL.iter().find(|(known, _)| *known == state).map_or("unknown", |(_, name)| name)
}

fn filter_text(version: &LogicVersion) -> Option<String> {
    version.definition.filter.as_ref().map(evercount_wire::predicate::to_text)
}

fn group_by(version: &LogicVersion) -> Vec<String> {
    version.definition.group_by.iter().map(ToString::to_string).collect()
}

/// All versions of a count, oldest first.
pub async fn versions_of<S: ConsoleStore>(store: &S, name: &str) -> Result<Vec<LogicVersion>, Problem> {
    let all = store.versions().await?;
    let (mut of, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|version| version.id.definition.as_str() == name);
    if of.is_empty() {
        let names = others.iter().map(|version| version.id.definition.as_str());
        return Err(Problem::unknown("count", name, names, "GET /api/v1/counts"));
    }
    of.sort_by_key(|version| version.id.number);
    Ok(of)
}

/// The active one of a count's versions.
pub fn active(name: &str, versions: &[LogicVersion]) -> Result<LogicVersion, Problem> {
    versions.iter().find(|version| version.state == LogicState::Active).cloned().ok_or_else(|| {
        Problem::absent(
            format!("`{name}` has no active version"),
            "`GET /api/v1/counts/{name}/versions` lists what there is",
        )
    })
}

/// All counts.
pub async fn list<S, T, D>(served: &Served<S, T, D>) -> Result<CountList, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let versions = served.store.versions().await?;
    let adjustments = served.store.adjustments(None).await?;
    let mut counts = Vec::new();
    for version in versions.iter().filter(|version| version.state == LogicState::Active) {
        let reading = live::reading(served, version).await?;
        let of = |one: &&evercount_core::adoption::Adjustment| {
            one.plan.definition == version.id.definition && is_open(one)
        };
        let open: Vec<_> = adjustments.iter().filter(of).collect();
        let filling = open.iter().any(|one| one.is_filling());
        // Each row that is still to be read adds to the count, or adds nothing.
        let limits = filling.then(|| bounds(Relation::Unrelated, 0, reading.uncertain, reading.total));
        let watched = versions
            .iter()
            .filter(|one| one.id.definition == version.id.definition && one.state == LogicState::Shadow)
            .map(|one| one.id.number);
        let short = ReadingDoc::without_groups(&reading);
        counts.push(CountDoc {
            name: short.name,
            table: short.table,
            version: short.version,
            group_by: group_by(version),
            filter: filter_text(version),
            total: short.total,
            exact: short.exact,
            uncertain: short.uncertain,
            n_min: limits.as_ref().map(|limits| limits.min),
            n_max: limits.as_ref().and_then(|limits| limits.max),
            doubts: short.doubts,
            groups: reading.groups.len(),
            distinct: short.distinct,
            watched: watched.collect(),
            open_plans: open
                .iter()
                .map(|one| OpenPlan {
                    id: one.plan.id.to_string(),
                    outcome: one.outcome.name().to_owned(),
                    sentence: one.plan.sentence.clone(),
                })
                .collect(),
        });
    }
    counts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(CountList { counts })
}

/// One count with some of its groups.
pub async fn one<S, T, D>(
    served: &Served<S, T, D>,
    name: &str,
    query: GroupQuery,
) -> Result<CountPage, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let versions = versions_of(&served.store, name).await?;
    let wanted = |number: u32| {
        versions.iter().find(|version| version.id.number == number).cloned().ok_or_else(|| {
            let known: Vec<String> = versions.iter().map(|one| one.id.number.to_string()).collect();
            Problem::absent(
                format!("`{name}` has no version {number}"),
                format!("it has {}", known.join(", ")),
            )
        })
    };
    let Some(text) = &query.as_of else {
        let version = match query.version {
            Some(number) => wanted(number)?,
            None => active(name, &versions)?,
        };
        let reading = live::reading(served, &version).await?;
        return Ok(page(&reading, &version, &query, None));
    };
    let at: jiff::Timestamp = text.parse().map_err(|_| {
        Problem::bad(
            format!("`as_of` is no time: `{}`", evercount_view::plain(text)),
            "write it as ISO 8601, such as 2026-01-31T09:30:00Z",
        )
    })?;
    let at = at.as_microsecond();
    if at > served.now() {
        return Err(Problem::bad(
            format!("{} is still to come", time(at)),
            "leave `as_of` out to read the counts of now",
        ));
    }
    let definition = versions.first().map(|version| version.id.definition.clone());
    let trail = match &definition {
        Some(definition) => served.store.trail(definition).await?,
        None => Vec::new(),
    };
    let then = active_at(&versions, &trail, at);
    let version = match query.version.or(then) {
        Some(number) => wanted(number)?,
        None => {
            return Err(Problem::absent(
                format!("`{name}` was not counted at {}", time(at)),
                "ask for a later time",
            ));
        }
    };
    let Some(cut) = served.store.cut_at(&version.id, at).await? else {
        return Err(Problem::absent(
            format!("no cut of version {} of `{name}` was kept before {}", version.id.number, time(at)),
            "ask for a later time: the active version is cut once an hour while counts are maintained",
        ));
    };
    let reading = read::of_cut(&version, &cut);
    let as_of = AsOf {
        asked: time(at),
        cut_at: time(cut.at),
        age_seconds: at.saturating_sub(cut.at) as f64 / 1e6,
        active_version: then,
    };
    Ok(page(&reading, &version, &query, Some(as_of)))
}

/// The groups of a reading that are asked for.
fn page(reading: &Reading, version: &LogicVersion, query: &GroupQuery, as_of: Option<AsOf>) -> CountPage {
    let search = query.search.as_ref().map(|text| text.to_lowercase());
    let found = |key: &evercount_core::group::GroupKey| {
        search.as_ref().is_none_or(|text| {
            key.parts().iter().any(|(_, value)| {
                evercount_wire::group::value_json(value).to_string().to_lowercase().contains(text.as_str())
            })
        })
    };
    let mut groups: Vec<_> = reading.groups.iter().filter(|(key, _)| found(key)).collect();
    match query.sort.unwrap_or_default() {
        Sort::Largest => groups.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0))),
        Sort::Smallest => groups.sort_by(|a, b| a.1.cmp(b.1).then_with(|| a.0.cmp(b.0))),
        Sort::Key => {}
    }
    let size = |number: Option<u32>| number.and_then(|number| usize::try_from(number).ok());
    let limit = size(query.limit).unwrap_or(GROUPS).min(GROUPS_MAX);
    let offset = size(query.offset).unwrap_or(0);
    let shown = groups.iter().skip(offset).take(limit);
    let shown = shown.map(|(key, n)| GroupDoc::of(reading, key, **n)).collect();
    let end = offset.saturating_add(limit);
    CountPage {
        reading: ReadingDoc { groups: shown, ..ReadingDoc::without_groups(reading) },
        group_by: group_by(version),
        filter: filter_text(version),
        state: state_name(version.state).to_owned(),
        groups_total: groups.len(),
        next: (end < groups.len() && limit > 0).then_some(end),
        as_of,
    }
}

/// What a count was at its cuts, back from now.
pub async fn series<S, T, D>(served: &Served<S, T, D>, name: &str, points: usize) -> Result<Series, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let versions = versions_of(&served.store, name).await?;
    let now = served.now();
    let current = active(name, &versions)?;
    let reading: Arc<Reading> = live::reading(served, &current).await?;
    let mut found = vec![point(&reading, now)];
    let (mut version, mut before) = (Some(&current), now);
    while let Some(of) = version {
        if found.len() > points.min(POINTS_MAX) {
            break;
        }
        match earlier(served, of, before).await? {
            Some(one) => {
                before = one.micros.saturating_sub(1);
                found.push(one);
            }
            // What was counted before it began, its parent counted.
            None => version = versions.iter().find(|one| Some(one.id.number) == of.parent),
        }
    }
    found.reverse();
    Ok(Series { count: name.to_owned(), points: found })
}

fn point(reading: &Reading, at: Micros) -> Point {
    Point {
        at: time(at),
        version: reading.logic.id.number,
        total: reading.total,
        exact: reading.is_exact(),
        uncertain: reading.uncertain,
        micros: at,
    }
}

/// The last cut of a version at or before a time. Cuts never change, and are read once.
async fn earlier<S, T, D>(
    served: &Served<S, T, D>,
    version: &LogicVersion,
    before: Micros,
) -> Result<Option<Point>, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    if let Some(known) = served.memory.point(&version.id, before) {
        return Ok(Some(known));
    }
    let Some(cut) = served.store.cut_at(&version.id, before).await? else { return Ok(None) };
    let one = point(&read::of_cut(version, &cut), cut.at);
    served.memory.keep_point(&version.id, before, one.clone());
    Ok(Some(one))
}
