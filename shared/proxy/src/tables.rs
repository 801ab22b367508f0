//! Owns what is known of tables while requests come: their columns, for as long as that may be taken for
//! current.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use evercount_core::change::TableName;
use evercount_core::mutation::{SCHEMA_ATTRIBUTE, VERSION_ATTRIBUTE};
use evercount_core::order::Micros;
use evercount_core::registration::Lookup;
use evercount_core::resolve::Columns;
use evercount_core::schema_change::Subject;
use evercount_pipeline::ports::{RegistryStore, ShadowSchemaStore, StoreError};

/// Most tables that are remembered; requests name tables that there are not as well.
const TABLES_MAX: usize = 1_000;

/// What is known of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// The number of the schema version in force.
    pub in_force: u32,
    /// Its columns and those it is expected to get.
    pub columns: Columns,
}

/// When a table was looked up, and what was found; `None` for a table without a registered schema, of which
/// nothing can be judged.
type Looked = (Micros, Option<Arc<Known>>);

/// Tables by name.
#[derive(Debug)]
pub struct Tables {
    max_age: Micros,
    known: RwLock<BTreeMap<String, Looked>>,
}

impl Tables {
    /// None yet. What was looked up is taken for current for `max_age` microseconds.
    #[must_use]
    pub fn new(max_age: Micros) -> Self {
        Self { max_age, known: RwLock::default() }
    }

    /// What is known of a table by now; `None` where it has no registered schema.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn get<S: RegistryStore + ShadowSchemaStore>(
        &self,
        store: &S,
        table: &str,
        now: Micros,
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
        known.insert(table.to_owned(), (now, found.clone()));
        Ok(found)
    }
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
    let expected = shadow.iter().flat_map(|shadow| shadow.kept_beside());
    let expected = expected.map(|(name, column)| (name.clone(), column.default.clone()));
    let columns = Columns::new(&version.schema, expected).with(VERSION_ATTRIBUTE).with(SCHEMA_ATTRIBUTE);
    Ok(Some(Known { in_force: id.version, columns }))
}
