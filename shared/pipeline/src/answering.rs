//! A source whose items come with the answers of the functions that counts ask, so that what is read
//! back is judged as what the stream brought.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercount_core::backfill::Segment;
use evercount_core::change::{Change, RowKey, TableName};
use evercount_core::function::{self, FunctionId, Images};
use evercount_core::logic::{Catalog, TableLogic};
use evercount_core::value::{Item, Value};
use evercount_sandbox::cache::Cache;
use evercount_sandbox::evaluator::Evaluator;
use evercount_sandbox::limits::Limits;

use crate::ports::{CatalogStore, FunctionStore, Page, SourceFacts, SourceTable, StoreError};
use crate::{functions, read};

/// A source whose items come with answers, by the catalog and the modules of a store.
#[derive(Debug)]
pub struct Answering<T, S> {
    source: T,
    store: S,
    kept: Mutex<Kept>,
}

/// What is kept from one page to the next; losing it costs reads.
#[derive(Debug, Default)]
struct Kept {
    catalog: Option<Arc<Catalog>>,
    functions: Cache,
}

impl<T: SourceTable, S: CatalogStore + FunctionStore> Answering<T, S> {
    /// A source whose items come with answers.
    #[must_use]
    pub fn new(source: T, store: S) -> Self {
        Self { source, store, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The catalog as it is now, read where it is another than before.
    async fn catalog(&self) -> Result<Arc<Catalog>, StoreError> {
        let known = self.kept().catalog.clone();
        let read = self.store.catalog(known.as_ref().map(|catalog| catalog.revision)).await?;
        let catalog = read.map(Arc::new).or(known).unwrap_or_default();
        self.kept().catalog = Some(Arc::clone(&catalog));
        Ok(catalog)
    }

    async fn answered(&self, table: &TableName, mut page: Page<Item>) -> Result<Page<Item>, StoreError> {
        let named = functions_of(&*self.catalog().await?, table);
        if !named.is_empty() {
            let mut cache = std::mem::take(&mut self.kept().functions);
            let at_hand = functions::bring(&self.store, &mut cache, &named, Limits::default()).await;
            self.kept().functions = cache;
            let at_hand = at_hand?;
            let evaluator = Evaluator::new(&at_hand.ready, &UNTIMED);
            for (_, item) in &mut page.rows {
                *item = function::with_answers(&evaluator, &named, item).into_owned();
            }
        }
        Ok(page)
    }
}

/// Each call is bounded by its fuel, and there are few.
const UNTIMED: fn() -> bool = || true;

impl<T: SourceTable, S: CatalogStore + FunctionStore> SourceTable for Answering<T, S> {
    async fn row(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        let found = self.source.row(row).await?.map(|item| (row.clone(), item));
        let page = Page { rows: found.into_iter().collect(), ..Page::none() };
        Ok(self.answered(&row.table, page).await?.rows.pop().map(|(_, item)| item))
    }

    async fn facts(&self, table: &TableName) -> SourceFacts {
        self.source.facts(table).await
    }

    async fn scan(
        &self,
        table: &TableName,
        segment: Segment,
        after: Option<String>,
    ) -> Result<Page<Item>, StoreError> {
        let page = self.source.scan(table, segment, after).await?;
        self.answered(table, page).await
    }

    async fn partition(
        &self,
        table: &TableName,
        attribute: &str,
        values: &[Value],
        after: Option<String>,
    ) -> Result<Page<Item>, StoreError> {
        let page = self.source.partition(table, attribute, values, after).await?;
        self.answered(table, page).await
    }
}

/// Gives changes the answers of the functions that counts of their tables ask.
///
/// # Errors
/// [`StoreError`] where the store cannot be read.
pub async fn answer(
    store: &(impl CatalogStore + FunctionStore),
    changes: &mut [Change],
) -> Result<(), StoreError> {
    let catalog = read::catalog(store).await?;
    let mut cache = Cache::default();
    for change in changes {
        let named = functions_of(&catalog, &change.row.table);
        let at_hand = functions::bring(store, &mut cache, &named, Limits::default()).await?;
        let evaluator = Evaluator::new(&at_hand.ready, &UNTIMED);
        function::answer(change, &evaluator, &named, Images::Both);
    }
    Ok(())
}

fn functions_of(catalog: &Catalog, table: &TableName) -> BTreeSet<FunctionId> {
    catalog.table(table).map(TableLogic::functions).unwrap_or_default()
}
