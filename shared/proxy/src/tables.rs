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

/// A table that was looked up.
#[derive(Debug)]
struct Looked {
    at: Micros,
    /// `None` for a table without a registered schema, of which nothing can be judged.
    found: Option<Arc<Known>>,
    /// Whether somebody looks it up again by now.
    is_renewed: bool,
}

/// What a request does that needs to know a table.
enum Next {
    /// It takes what is known.
    Take(Option<Arc<Known>>),
    /// It looks the table up while others take what is known, which is here.
    Renew(Option<Arc<Known>>),
    /// It looks the table up.
    Look,
}

/// Which part of the time for which a table is known, its last, has one request look it up again, so that not all
/// that come at its end have to.
const RENEWED_IN_LAST: Micros = 8;

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
        let found = match self.next(table, now) {
            Next::Take(found) => return Ok(found),
            Next::Renew(known) => match load(store, table, now).await {
                Ok(found) => found.map(Arc::new),
                // It is known for a little longer, and looked up by another then.
                Err(_) => return Ok(known),
            },
            Next::Look => load(store, table, now).await?.map(Arc::new),
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TABLES_MAX && !known.contains_key(table) {
            let oldest = known.iter().min_by_key(|(_, looked)| looked.at).map(|(name, _)| name.clone());
            oldest.and_then(|name| known.remove(&name));
        }
        let news = Looked { at: now, found: found.clone(), is_renewed: false };
        let before = known.insert(table.to_owned(), news);
        drop(known);
        if before.is_some_and(|before| before.found != found) {
            heard();
        }
        Ok(found)
    }

    fn next(&self, table: &str, now: Micros) -> Next {
        let renewed_at = self.max_age - self.max_age / RENEWED_IN_LAST;
        let age = |looked: &Looked| now.saturating_sub(looked.at);
        let is_current = |looked: &&Looked| (0..self.max_age).contains(&age(looked));
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let Some(looked) = known.get(table).filter(is_current) else { return Next::Look };
            if looked.is_renewed || age(looked) < renewed_at {
                return Next::Take(looked.found.clone());
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match known.get_mut(table) {
            Some(looked) if !looked.is_renewed => {
                looked.is_renewed = true;
                Next::Renew(looked.found.clone())
            }
            Some(looked) => Next::Take(looked.found.clone()),
            None => Next::Look,
        }
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

#[cfg(test)]
mod tests;
