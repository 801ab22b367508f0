//! Schemas: subjects, their versions, how two differ, what happened, who is concerned.

use evercount_core::diff::diff_with_renames;
use evercount_core::drift::drift;
use evercount_core::order::Micros;
use evercount_core::registration::{Lookup, StoredWatch};
use evercount_core::registry::{SchemaVersion, SubjectState};
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::Subject;
use evercount_pipeline::discovery::{self, ServiceDirectory};
use evercount_pipeline::ports::SourceTable;
use evercount_view::{
    Cardinality, ChangeDoc, HeldDoc, HistoryDoc, LineageDoc, PolicyDoc, Seen, SubjectDoc, SubjectVersionHead,
    origin, plain, time,
};
use evercount_wire::diff_view::{outline, renames_through, view};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use crate::console::{ConsoleStore, Served};
use crate::problem::Problem;

/// No window of time is longer than a day.
const WINDOW_MAX: Micros = 86_400_000_000;
/// Fields whose distinct values are told: each is one read.
const FIELDS_MAX: usize = 100;

/// All subjects, by name.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SubjectList {
    /// The subjects.
    pub subjects: Vec<SubjectDoc>,
}

/// The versions of a subject, oldest first.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SubjectVersions {
    /// The subject.
    pub subject: SubjectDoc,
    /// Its versions, those that are no longer kept included.
    pub versions: Vec<SubjectVersionHead>,
}

/// One version of a schema.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SubjectVersion {
    /// The subject.
    pub subject: String,
    /// `declared`, `observed` or `event`.
    pub origin: String,
    /// Its number.
    pub version: u32,
    /// Its id.
    pub id: String,
    /// Whether it is the current one.
    pub is_current: bool,
    /// Whether the table is gone.
    pub dropped: bool,
    /// The version it came from; null for the first.
    #[schema(required)]
    pub parent: Option<u32>,
    /// When it began to be in force.
    pub at: String,
    /// When it was recorded.
    pub created_at: String,
    /// How far it moved from its parent, in [0, 1].
    pub drift: f64,
    /// What it breaks for readers.
    pub breaks: Vec<String>,
    /// The changes that made it.
    pub changes: Vec<ChangeDoc>,
    /// Its key.
    pub key: Vec<String>,
    /// Its fields, each after what holds it: `path`, `name`, `type`, `nullable`, `key`, and in how many rows it
    /// was `seen`.
    #[schema(value_type = Vec<Object>)]
    pub fields: Vec<Value>,
    /// Changes that wait for a person.
    pub pending: Vec<ChangeDoc>,
    /// Which changes make versions by themselves.
    pub policy: PolicyDoc,
    /// What was seen of it: `records`, `lanes`, `first`, `last`; null where nothing was.
    #[schema(value_type = Option<Object>, required)]
    pub seen: Option<Value>,
}

/// One of the two versions of a difference.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct DiffSide {
    /// Its number.
    pub version: u32,
    /// Its id.
    pub id: String,
    /// When it began to be in force.
    pub at: String,
}

/// How two versions differ.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Diff {
    /// The subject.
    pub subject: String,
    /// The one.
    pub from: DiffSide,
    /// The other.
    pub to: DiffSide,
    /// How far they are apart, in [0, 1].
    pub drift: f64,
    /// `addition`, `revision` or `model`.
    pub class: String,
    /// What the drift is made of.
    pub parts: BTreeMap<String, f64>,
    /// How many fields are `added`, `dropped`, `renamed`, `retyped`, `constrained`.
    pub summary: BTreeMap<String, u64>,
    /// The keys, where they differ: `previous` and `now`.
    #[schema(value_type = Option<Object>, required)]
    pub key: Option<Value>,
    /// The fields of both as a tree: `mark` (`same`, `added`, `dropped`, `renamed`, `retyped`,
    /// `constrained`), `path`, `previous_path`, `before`, `after`, `notes` and `children`.
    #[schema(value_type = Vec<Object>)]
    pub tree: Vec<Value>,
}

/// What happened to a schema, oldest first.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct History {
    /// The subject.
    pub subject: String,
    /// When it was seen first.
    pub first_seen: String,
    /// What happened.
    pub history: Vec<HistoryDoc>,
    /// Changes that made no version.
    pub held: Vec<HeldDoc>,
}

/// Who writes and reads a subject.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Lineages {
    /// Its producers, and its consumers with the version each has acknowledged.
    #[serde(flatten)]
    pub lineage: LineageDoc,
}

/// Distinct values of a subject's fields by windows of time.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Cardinalities {
    /// The subject.
    pub subject: String,
    /// Since when.
    pub since: String,
    /// The fields that have sketches, at most 100.
    pub fields: Vec<Cardinality>,
}

async fn find<S: ConsoleStore>(store: &S, name: &str) -> Result<SubjectState, Problem> {
    if let Some(found) = store.subject(&Subject::new(name)).await? {
        return Ok(found);
    }
    let all = store.subjects().await?;
    let names = all.iter().map(|state| state.subject.as_str());
    Err(Problem::unknown("subject", name, names, "GET /api/v1/subjects"))
}

async fn version<S: ConsoleStore>(
    store: &S,
    state: &SubjectState,
    number: Option<u32>,
    now: Micros,
) -> Result<SchemaVersion, Problem> {
    let name = plain(&state.subject);
    let Some(number) = number.or(state.current.map(|id| id.version)) else {
        return Err(Problem::absent(
            format!("`{name}` has no version yet"),
            "its history tells what was held, and why",
        ));
    };
    match store.schema_version(&state.subject, number, now).await? {
        Lookup::Found(found) => Ok(*found),
        Lookup::Expired { .. } => Err(Problem::absent(
            format!("version {number} of `{name}` is no longer kept"),
            "its history still tells what it changed",
        )),
        Lookup::Absent => Err(Problem::absent(
            format!("`{name}` has no version {number}"),
            state.current.map_or_else(
                || "it has none yet".to_owned(),
                |id| format!("its current one is {}", id.version),
            ),
        )),
    }
}

/// All subjects.
pub async fn list<S, T, D>(served: &Served<S, T, D>) -> Result<SubjectList, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let mut subjects = Vec::new();
    for state in served.store.subjects().await? {
        let heads = served.store.schema_versions(&state.subject).await?;
        let head = heads.iter().find(|head| Some(head.id) == state.current);
        subjects.push(SubjectDoc::of(&state, head));
    }
    Ok(SubjectList { subjects })
}

/// The versions of a subject.
pub async fn versions<S, T, D>(served: &Served<S, T, D>, name: &str) -> Result<SubjectVersions, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let state = find(&served.store, name).await?;
    let heads = served.store.schema_versions(&state.subject).await?;
    let head = heads.iter().find(|head| Some(head.id) == state.current);
    let subject = SubjectDoc::of(&state, head);
    Ok(SubjectVersions { subject, versions: heads.iter().map(SubjectVersionHead::from).collect() })
}

/// One version of a subject.
pub async fn one<S, T, D>(
    served: &Served<S, T, D>,
    name: &str,
    number: Option<u32>,
) -> Result<SubjectVersion, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let state = find(&served.store, name).await?;
    let version = version(&served.store, &state, number, served.now()).await?;
    let watches: Vec<StoredWatch> = served.store.watches(&state.subject).await?.into_values().collect();
    let seen = Seen::of(&watches, version.id.version);
    let fields = outline(&version.schema);
    let field = |line: &evercount_wire::diff_view::Line| {
        let mut field = line.side.to_json();
        let presence = seen.as_ref().and_then(|seen| seen.presence(&line.side.path));
        if let Value::Object(fields) = &mut field {
            fields.insert("depth".to_owned(), json!(line.depth));
            if let Some(presence) = presence {
                fields.insert("seen".to_owned(), json!(presence.with));
                fields.insert("presence".to_owned(), json!(presence.share()));
            }
        }
        field
    };
    Ok(SubjectVersion {
        subject: state.subject.to_string(),
        origin: origin(state.origin).to_owned(),
        version: version.id.version,
        id: version.id.to_string(),
        is_current: state.current == Some(version.id),
        dropped: state.dropped,
        parent: version.parent,
        at: time(version.at),
        created_at: time(version.created_at),
        drift: version.drift,
        breaks: version.breaks.clone(),
        changes: version.changes.iter().map(ChangeDoc::from).collect(),
        key: version.schema.key.iter().map(|path| path.as_str().to_owned()).collect(),
        fields: fields.iter().map(field).collect(),
        pending: state.pending.iter().map(ChangeDoc::from).collect(),
        policy: (&state.policy).into(),
        seen: seen.as_ref().map(Seen::to_json),
    })
}

/// How two versions differ; by default the current one and its parent.
pub async fn diff<S, T, D>(
    served: &Served<S, T, D>,
    name: &str,
    from: Option<u32>,
    to: Option<u32>,
) -> Result<Diff, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let (store, now) = (&served.store, served.now());
    let state = find(store, name).await?;
    let after = version(store, &state, to, now).await?;
    let Some(from) = from.or(after.parent) else {
        return Err(Problem::bad(
            format!("version {} of `{}` came from no other", after.id.version, plain(name)),
            "name the version to compare it with as `from`",
        ));
    };
    let before = version(store, &state, Some(from), now).await?;
    let renames = renames(store, &before, &after).await?;
    let moved = drift(&diff_with_renames(&before.schema, &after.schema, &renames));
    let shown = view(&before.schema, &after.schema, &renames);
    let mut whole = shown.to_json();
    let mut take = |name: &str| whole.get_mut(name).map(Value::take).unwrap_or_default();
    let (key, tree) = (take("key"), take("tree"));
    let side = |version: &SchemaVersion| DiffSide {
        version: version.id.version,
        id: version.id.to_string(),
        at: time(version.at),
    };
    let tally = shown.tally();
    let marks = evercount_wire::diff_view::Mark::ALL.iter().filter(|(_, name)| *name != "same");
    let n = |mark| tally.get(mark).copied().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    Ok(Diff {
        subject: after.subject.to_string(),
        from: side(&before),
        to: side(&after),
        drift: moved.score,
        class: moved.class.name().to_owned(),
        parts: moved.parts.iter().map(|(part, score)| (part.name().to_owned(), *score)).collect(),
        summary: marks.map(|(mark, name)| ((*name).to_owned(), n(mark))).collect(),
        key: (!key.is_null()).then_some(key),
        tree: match tree {
            Value::Array(nodes) => nodes,
            _ => Vec::new(),
        },
    })
}

/// The fields that went on under other names from one version to the other, as the history has
/// them; towards an earlier version they go back.
async fn renames<S: ConsoleStore>(
    store: &S,
    before: &SchemaVersion,
    after: &SchemaVersion,
) -> Result<Vec<(FieldPath, FieldPath)>, Problem> {
    let (first, last) = (before.id.version.min(after.id.version), before.id.version.max(after.id.version));
    let mut history = store.history(&before.subject).await?;
    history.retain(|recorded| {
        let event = &recorded.event;
        event.from != Some(event.to) && event.to.version > first && event.to.version <= last
    });
    history.sort_by_key(|recorded| recorded.event.to.version);
    let renames = renames_through(history.iter().flat_map(|recorded| &recorded.event.changes));
    let is_back = after.id.version < before.id.version;
    Ok(renames.into_iter().map(|(from, to)| if is_back { (to, from) } else { (from, to) }).collect())
}

/// What happened to a schema.
pub async fn history<S, T, D>(served: &Served<S, T, D>, name: &str) -> Result<History, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let state = find(&served.store, name).await?;
    let events = served.store.history(&state.subject).await?;
    let held = served.store.held(&state.subject).await?;
    Ok(History {
        subject: state.subject.to_string(),
        first_seen: time(state.first_seen),
        history: events.iter().map(HistoryDoc::from).collect(),
        held: held.iter().map(|one| HeldDoc::of(&state, one)).collect(),
    })
}

/// Who writes and reads a subject.
pub async fn lineage<S, T, D>(served: &Served<S, T, D>, name: &str) -> Result<Lineages, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let state = find(&served.store, name).await?;
    let lineage = discovery::lineage(&served.store, &served.services, &state.subject).await?;
    Ok(Lineages { lineage: LineageDoc::of(&state, &lineage) })
}

/// Distinct values of a subject's fields.
pub async fn cardinality<S, T, D>(
    served: &Served<S, T, D>,
    name: &str,
    hours: u32,
) -> Result<Cardinalities, Problem>
where
    S: ConsoleStore,
    T: SourceTable,
    D: ServiceDirectory,
{
    let now = served.now();
    let state = find(&served.store, name).await?;
    let schema = version(&served.store, &state, None, now).await?.schema;
    let from = now.saturating_sub(Micros::from(hours).saturating_mul(3_600_000_000));
    let mut fields = Vec::new();
    for path in schema.fields.keys().filter(|path| !path.is_root()).take(FIELDS_MAX) {
        // A window that began before and reaches into the time asked for tells of it too.
        let window = from.saturating_sub(WINDOW_MAX)..now;
        let mut sketches = served.store.sketches(&state.subject, path, window, now).await?;
        sketches.retain(|sketch| sketch.start.saturating_add(sketch.length) > from);
        if !sketches.is_empty() {
            fields.push(Cardinality::of(path, &sketches));
        }
    }
    Ok(Cardinalities { subject: state.subject.to_string(), since: time(from), fields })
}
