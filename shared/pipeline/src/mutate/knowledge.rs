//! What an agent knows of a table: its schema versions, what leads from one to another, and its shadow
//! schema; and how long that is taken to be so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercount_core::change::{RowKey, TableName};
use evercount_core::conform::Shape;
use evercount_core::migration::graph::SchemaGraph;
use evercount_core::migration::written::Written;
use evercount_core::mutation::detect::detect;
use evercount_core::mutation::refusal::Refusal;
use evercount_core::mutation::{Intent, Kind, Stamp};
use evercount_core::order::Micros;
use evercount_core::path::Path;
use evercount_core::registration::Lookup;
use evercount_core::schema::Schema;
use evercount_core::shadow::ShadowSchema;
use evercount_core::value::Item;

use super::{Agent, Request};
use crate::ports::{CountedTable, RegistryStore, ShadowSchemaStore, ShadowStore, StoreError};
use crate::{beside, kept};

/// How long what is known of a table is taken to be so, microseconds: a second. Nothing rests on it but
/// how soon a change is noticed: whatever a decision could do wrong by it, its write is conditional on.
const FRESH_FOR: Micros = 1_000_000;

/// Times that what is known of a table is loaded for one item. The schema would have to go on as often
/// meanwhile for the last one not to do.
const LOADS_MAX: u32 = 2;

/// Tables of which something is kept warm.
const TABLES_MAX: usize = 256;

/// What agents of one process know of tables: all of it can be loaded again.
#[derive(Debug, Default)]
pub struct Warm {
    tables: Mutex<BTreeMap<TableName, Knowledge>>,
}

impl Warm {
    /// Loads what is known of a table again when it is next asked for.
    pub fn forget(&self, table: &TableName) {
        if let Some(known) = self.lock().get_mut(table) {
            known.loaded_at = Micros::MIN;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TableName, Knowledge>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of one table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Knowledge {
    loaded_at: Micros,
    shadow: Option<Arc<ShadowSchema>>,
    versions: Arc<Versions>,
}

#[derive(Debug, Default)]
struct Versions {
    in_force: Option<u32>,
    /// The revision of the migrations that the registry keeps.
    written: u64,
    graph: SchemaGraph,
    shapes: BTreeMap<u32, Shape>,
    /// The columns of each version.
    columns: BTreeMap<u32, BTreeSet<String>>,
}

impl Knowledge {
    /// What is known of a table by now.
    pub(super) async fn load<R: RegistryStore, S: ShadowSchemaStore, T>(
        agent: &Agent<'_, R, S, T>,
        warm: &Warm,
        table: &TableName,
        now: Micros,
    ) -> Result<Self, StoreError> {
        let known = warm.lock().get(table).cloned();
        if let Some(known) = &known
            && (0..FRESH_FOR).contains(&now.saturating_sub(known.loaded_at))
        {
            return Ok(known.clone());
        }
        let current = agent.registry.subject(table).await?.and_then(|state| state.current);
        let in_force = current.map(|id| id.version);
        let versions = match in_force {
            None => Arc::default(),
            Some(number) => {
                let written = agent.registry.written(table).await?;
                let same = |known: &Self| {
                    known.versions.in_force == in_force && known.versions.written == written.revision
                };
                match known.filter(same) {
                    Some(same) => same.versions,
                    None => Arc::new(Versions::load(agent, table, number, written, now).await?),
                }
            }
        };
        let shadow = agent.store.shadow_schema(table).await?.map(Arc::new);
        let loaded = Self { loaded_at: now, shadow, versions };
        let mut tables = warm.lock();
        if tables.len() >= TABLES_MAX && !tables.contains_key(table) {
            tables.pop_first();
        }
        tables.insert(table.clone(), loaded.clone());
        Ok(loaded)
    }

    /// What is known of a table by now, and one of its items. Where the item, or whoever asks, is of a later
    /// schema version than the one that is taken to be in force, both are loaded again.
    pub(super) async fn and_item<R: RegistryStore, S: ShadowSchemaStore + ShadowStore, T: CountedTable>(
        agent: &Agent<'_, R, S, T>,
        warm: &Warm,
        key: &RowKey,
        asked: Option<u32>,
        now: Micros,
    ) -> Result<(Self, beside::Whole), StoreError> {
        for _ in 0..LOADS_MAX {
            let known = Self::load(agent, warm, &key.table, now).await?;
            let whole = beside::item(agent.table, agent.store, key, known.shadow()).await?;
            if !known.is_behind(whole.0.as_ref(), asked) {
                return Ok((known, whole));
            }
            warm.forget(&key.table);
        }
        let known = Self::load(agent, warm, &key.table, now).await?;
        let whole = beside::item(agent.table, agent.store, key, known.shadow()).await?;
        // Whoever asks for a version that there never was is told so by whoever knows the others.
        if known.is_behind(whole.0.as_ref(), None) {
            return Err(StoreError::Unavailable(format!("the schema of `{}` keeps changing", key.table)));
        }
        Ok((known, whole))
    }

    /// What the table is believed to get.
    #[must_use]
    pub fn shadow(&self) -> Option<&ShadowSchema> {
        self.shadow.as_deref()
    }

    /// The number of the version in force.
    #[must_use]
    pub fn in_force(&self) -> Option<u32> {
        self.versions.in_force
    }

    /// What leads from one version to another.
    #[must_use]
    pub fn graph(&self) -> &SchemaGraph {
        &self.versions.graph
    }

    /// The columns that the version in force has and another does not.
    pub(super) fn unnamed(&self, number: Option<u32>) -> BTreeSet<String> {
        let Some(other) = number.filter(|number| Some(*number) != self.in_force()) else {
            return BTreeSet::new();
        };
        let columns = |number: u32| self.versions.columns.get(&number);
        match (self.in_force().and_then(columns), columns(other)) {
            (Some(current), Some(other)) => current.difference(other).cloned().collect(),
            _ => BTreeSet::new(),
        }
    }

    /// The columns that a mutation of a version cannot name: those that only the version in force has, and
    /// those that are kept beside the table, unless its version has them.
    pub(super) fn beyond(&self, number: Option<u32>) -> BTreeSet<String> {
        let own = number.or(self.in_force()).and_then(|number| self.versions.columns.get(&number));
        let beside = self.shadow().into_iter().flat_map(ShadowSchema::kept_beside).map(|(name, _)| name);
        let beside = beside.filter(|name| own.is_none_or(|own| !own.contains(*name)));
        beside.cloned().chain(self.unnamed(number)).collect()
    }

    /// Attributes that a decision depends on, be they there or not: those that are kept beside the table, those
    /// that the writer's change or condition is about, those that it takes away, and, where it was written for
    /// another version, those of every version.
    pub(super) fn looked_for(&self, intent: &dyn Intent, written_for: Option<u32>) -> BTreeSet<String> {
        let beside = self.shadow().into_iter().flat_map(ShadowSchema::kept_beside).map(|(name, _)| name);
        let all_of_it = written_for.is_some() && written_for != self.in_force();
        let columns = self.versions.columns.values().flatten();
        let columns = columns.filter(|name| all_of_it || intent.depends_on(name));
        beside.chain(columns).cloned().chain(intent.removes()).collect()
    }

    /// Whether a mutation shows no version that is known, so that it may be of one that is not known yet.
    pub(super) fn knows_nothing_like(&self, request: &Request<'_>) -> bool {
        let kind = request.intent.kind();
        let is_shown = || self.detected(&request.intent.stated(), kind == Kind::Put).is_some();
        request.declared.is_none() && kind != Kind::Delete && self.in_force().is_some() && !is_shown()
    }

    /// Whether it was loaded at this time.
    pub(super) fn is_of(&self, now: Micros) -> bool {
        self.loaded_at == now
    }

    fn has(&self, number: u32) -> bool {
        self.versions.shapes.contains_key(&number)
    }

    /// Whether something is of a later version than the one that is taken to be in force.
    pub(super) fn is_behind(&self, item: Option<&Item>, declared: Option<u32>) -> bool {
        let stored = item.and_then(|item| Stamp::of(item).schema);
        let in_force = self.in_force().unwrap_or(0);
        stored.into_iter().chain(declared).any(|number| number > in_force)
    }

    /// The version that a mutation was written for: what it says, or what its attributes show.
    pub(super) async fn written_for<R: RegistryStore, S, T>(
        &self,
        agent: &Agent<'_, R, S, T>,
        request: &Request<'_>,
        now: Micros,
    ) -> Result<Result<Option<u32>, Refusal>, StoreError> {
        let Some(in_force) = self.in_force() else { return Ok(Ok(None)) };
        let Some(named) = request.declared else {
            let kind = request.intent.kind();
            let stated = request.intent.stated();
            let shown = if kind == Kind::Delete { None } else { self.detected(&stated, kind == Kind::Put) };
            return Ok(Ok(Some(shown.unwrap_or(in_force))));
        };
        if self.has(named) {
            return Ok(Ok(Some(named)));
        }
        let subject = &request.row.table;
        Ok(Err(match agent.registry.schema_version(subject, named, now).await? {
            Lookup::Expired { .. } => Refusal::ExpiredVersion { named, in_force },
            _ => Refusal::UnknownVersion { named: named.to_string(), in_force },
        }))
    }

    /// The version that attributes show. Columns that the table is believed to get say nothing of a version
    /// that does not have them.
    pub(super) fn detected(&self, attributes: &Item, whole: bool) -> Option<u32> {
        let beside = |name: &String| self.shadow().is_some_and(|shadow| shadow.columns.contains_key(name));
        let fits = |(number, shape): (&u32, &Shape)| {
            let columns = self.versions.columns.get(number);
            let is_of_it =
                |name: &String| columns.is_some_and(|columns| columns.contains(name)) || !beside(name);
            let of_it = attributes.iter().filter(|(name, _)| is_of_it(name));
            let of_it = of_it.map(|(name, value)| (name.clone(), value.clone())).collect();
            shape.has(&of_it, whole).then_some(*number)
        };
        detect(self.versions.shapes.iter().filter_map(fits), self.in_force()?)
    }
}

impl Versions {
    async fn load<R: RegistryStore, S, T>(
        agent: &Agent<'_, R, S, T>,
        table: &TableName,
        in_force: u32,
        written: Written,
        now: Micros,
    ) -> Result<Self, StoreError> {
        let kept = kept::versions(agent.registry, table, now).await?;
        let besides = agent.written.get(table).cloned().unwrap_or_default();
        Ok(Self {
            in_force: Some(in_force),
            written: written.revision,
            columns: kept.iter().map(|version| (version.id.version, columns(&version.schema))).collect(),
            shapes: kept.iter().map(|version| (version.id.version, Shape::of(&version.schema))).collect(),
            graph: SchemaGraph::new(&kept, written.migrations.into_iter().chain(besides)),
        })
    }
}

fn columns(schema: &Schema) -> BTreeSet<String> {
    let names = schema.columns().filter_map(|(path, _)| Path::parse(path.as_str()).ok());
    names.map(|path| path.column_name().to_owned()).collect()
}
