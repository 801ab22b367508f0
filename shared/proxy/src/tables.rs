//! Owns what is known of tables while requests come: their columns, for as long as that may be taken for
//! current.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use evercount_core::change::TableName;
use evercount_core::mutation::{SCHEMA_ATTRIBUTE, VERSION_ATTRIBUTE};
use evercount_core::order::Micros;
use evercount_core::registration::Lookup;
use evercount_core::resolve::Columns;
use evercount_core::schema::Schema;
use evercount_core::schema_change::Subject;
use evercount_core::value::Value;
use evercount_pipeline::kept;
use evercount_pipeline::ports::{RegistryStore, ShadowSchemaStore, StoreError};

/// Most tables that are remembered; requests name tables that there are not as well.
const TABLES_MAX: usize = 1_000;

/// What is known of a table.
#[derive(Clone, PartialEq, Debug)]
pub struct Known {
    /// The number of the schema version in force.
    pub in_force: u32,
    /// Its columns and those it is expected to get.
    pub columns: Columns,
    /// The columns of which values are kept beside it, or were and are not deleted there yet.
    pub beside: BTreeSet<String>,
    expected: Vec<(String, Option<Value>)>,
}

impl Known {
    /// The columns of another version of its schema, and those it is expected to get.
    #[must_use]
    pub fn columns_of(&self, version: &Schema) -> Columns {
        columns(version, &self.expected)
    }
}

/// The versions of a table's schema that are kept, by number, while one is in force.
type Versions = (u32, Arc<BTreeMap<u32, Schema>>);

/// When a table was looked up, and what was found; `None` for a table without a registered schema, of which
/// nothing can be judged.
type Looked = (Micros, Option<Arc<Known>>);

/// Tables by name.
#[derive(Debug)]
pub struct Tables {
    max_age: Micros,
    known: RwLock<BTreeMap<String, Looked>>,
    versions: Mutex<BTreeMap<String, Versions>>,
}

impl Tables {
    /// None yet. What was looked up is taken for current for `max_age` microseconds.
    #[must_use]
    pub fn new(max_age: Micros) -> Self {
        Self { max_age, known: RwLock::default(), versions: Mutex::default() }
    }

    /// What is known of a table by now; `None` where it has no registered schema. Where that is news, `heard`
    /// is told.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn get<S: RegistryStore + ShadowSchemaStore>(
        &self,
        store: &S,
        table: &str,
        now: Micros,
        heard: impl FnOnce(),
    ) -> Result<Option<Arc<Known>>, StoreError> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, found)) = known.get(table)
                && (0..self.max_age).contains(&now.saturating_sub(*at))
            {
                return Ok(found.clone());
            }
        }
        let found = load(store, table, now).await?.map(Arc::new);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TABLES_MAX && !known.contains_key(table) {
            let oldest = known.iter().min_by_key(|(_, (at, _))| *at).map(|(name, _)| name.clone());
            oldest.and_then(|name| known.remove(&name));
        }
        let before = known.insert(table.to_owned(), (now, found.clone()));
        drop(known);
        if before.is_some_and(|(_, before)| before != found) {
            heard();
        }
        Ok(found)
    }

    /// Every version of a table's schema that is kept. They are read once for each that comes into force, by
    /// whoever needs another than that one.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn versions<S: RegistryStore>(
        &self,
        store: &S,
        table: &str,
        in_force: u32,
        now: Micros,
    ) -> Result<Arc<BTreeMap<u32, Schema>>, StoreError> {
        let lock = || self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            lock().get(table).filter(|(number, _)| *number == in_force).map(|(_, known)| known.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let kept = kept::versions(store, &Subject::new(table), now).await?;
        let kept = kept.into_iter().map(|version| (version.id.version, version.schema)).collect();
        let kept: Arc<BTreeMap<u32, Schema>> = Arc::new(kept);
        let mut versions = lock();
        if versions.len() >= TABLES_MAX && !versions.contains_key(table) {
            versions.pop_first();
        }
        versions.insert(table.to_owned(), (in_force, kept.clone()));
        Ok(kept)
    }
}

fn columns(schema: &Schema, expected: &[(String, Option<Value>)]) -> Columns {
    Columns::new(schema, expected.iter().cloned()).with(VERSION_ATTRIBUTE).with(SCHEMA_ATTRIBUTE)
}

async fn load<S: RegistryStore + ShadowSchemaStore>(
    store: &S,
    table: &str,
    now: Micros,
) -> Result<Option<Known>, StoreError> {
    let subject = Subject::new(table);
    let Some(id) = store.subject(&subject).await?.and_then(|state| state.current) else { return Ok(None) };
    let Lookup::Found(version) = store.schema_version(&subject, id.version, now).await? else {
        // Another became current meanwhile; the next request finds it.
        return Err(StoreError::Conflict);
    };
    let shadow = store.shadow_schema(&TableName::new(table)).await?;
    let kept = shadow.iter().flat_map(|shadow| shadow.kept_beside());
    let expected: Vec<_> = kept.map(|(name, column)| (name.clone(), column.default.clone())).collect();
    let beside = expected.iter().map(|(name, _)| name.clone()).collect();
    let columns = columns(&version.schema, &expected);
    Ok(Some(Known { in_force: id.version, columns, beside, expected }))
}
