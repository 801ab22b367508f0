//! Those who follow changes, as tasks that take one store call at a time: the analyzer with an
//! event, a person with another definition, a round of maintenance, a reader.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use evercount_core::adoption::{Adjustment, PlanOutcome};
use evercount_core::backfill::Segment;
use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::definition::{CountDefinition, DefinitionName};
use evercount_core::group::GroupKey;
use evercount_core::logic::{AdoptedShape, LogicState, LogicVersion};
use evercount_core::reading::{Doubt, Exactness, Reading};
use evercount_core::value::Item;
use evercount_pipeline::adapt::{self, AdaptOptions, Decision, Planner};
use evercount_pipeline::answering::Answering;
use evercount_pipeline::audit::{self, AuditOptions};
use evercount_pipeline::ports::{CatalogStore, Page, SourceTable, StoreError};
use evercount_pipeline::recheck::{self, Rechecked};
use evercount_pipeline::{maintain, read, validate};

use super::source::{News, Source};
use crate::simulation::chaos::Chaos;

/// What somebody is about.
#[derive(Clone, Debug)]
pub enum Errand {
    /// A change of the schema, told of.
    Follow(Box<News>),
    /// The same once more.
    Again(Box<News>),
    /// Another definition, asked for at a time.
    Redefine(Box<CountDefinition>, i64),
    /// A round of maintenance.
    Maintain,
    /// A promotion is taken back.
    RollBack(DefinitionName),
    /// Whatever waits for a person is approved.
    Approve,
    /// The rows from before a count are read.
    Fill(DefinitionName),
    /// The ledger is held against the source and repaired.
    Repair(DefinitionName),
    /// A count is read.
    Read(DefinitionName),
}

impl Errand {
    /// Its name in what a run reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Follow(_) => "follow",
            Self::Again(_) => "follow_again",
            Self::Redefine(..) => "redefine",
            Self::Maintain => "maintain",
            Self::RollBack(_) => "roll_back",
            Self::Approve => "approve",
            Self::Fill(_) => "fill",
            Self::Repair(_) => "repair",
            Self::Read(_) => "read",
        }
    }

    /// Whether it is taken up again until it is done.
    #[must_use]
    pub fn persists(&self) -> bool {
        matches!(self, Self::Follow(_) | Self::Redefine(..))
    }
}

/// What came of an errand.
pub enum Done {
    /// It is done.
    Nothing,
    /// A count was read.
    Reading(Box<Reading>),
}

/// An errand under way.
pub type Work = Pin<Box<dyn Future<Output = Result<Done, StoreError>> + Send>>;

/// Rows of a page of the source.
pub const PAGE_ROWS: u32 = 3;

/// The source, for those who read it back.
#[derive(Clone)]
pub struct Readable(pub Arc<Mutex<Source>>);

impl Readable {
    /// Looks at the source.
    pub fn with<T>(&self, look: impl FnOnce(&mut Source) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The ledger's key of a row.
#[must_use]
pub fn row_key(table: &TableName, key: u32) -> RowKey {
    RowKey { table: table.clone(), identity: RowIdentity::Key(format!(r#"{{"id":"k{key}"}}"#).into()) }
}

impl SourceTable for Readable {
    async fn row(&self, row: &RowKey) -> Result<Option<Item>, StoreError> {
        let digits: String = row.identity.as_str().chars().filter(char::is_ascii_digit).collect();
        let key: Option<u32> = digits.parse().ok();
        Ok(key.and_then(|key| self.with(|source| source.row(key).cloned())))
    }

    async fn scan(
        &self,
        table: &TableName,
        segment: Segment,
        after: Option<String>,
    ) -> Result<Page<Item>, StoreError> {
        let from: u32 = after.and_then(|after| after.parse().ok()).unwrap_or(0);
        let page: Vec<(u32, Item)> = self.with(|source| {
            let keys: Vec<u32> = source
                .keys()
                .filter(|key| *key >= from && key % segment.of == segment.number)
                .take(PAGE_ROWS as usize)
                .collect();
            keys.into_iter().filter_map(|key| Some((key, source.row(key)?.clone()))).collect()
        });
        let next =
            page.last().filter(|_| page.len() == PAGE_ROWS as usize).map(|(key, _)| (key + 1).to_string());
        let rows: Vec<_> = page.into_iter().map(|(key, item)| (row_key(table, key), item)).collect();
        let read_units = rows.len() as f64;
        Ok(Page { rows, next, read_units })
    }
}

/// What everybody who follows has at hand.
#[derive(Clone)]
pub struct Desk {
    /// The store.
    pub store: Chaos,
    /// The source.
    pub source: Readable,
    /// Whether counts ask functions, so that what is read back has to come with answers.
    pub asks: bool,
    /// The clock.
    pub clock: Arc<AtomicI64>,
    /// What makes plans.
    pub planner: Planner,
    /// What the surroundings allow.
    pub options: AdaptOptions,
    /// Bound on clock skew that repairs assume.
    pub margin: i64,
}

impl Desk {
    /// Starts an errand.
    #[must_use]
    pub fn start(&self, errand: Errand) -> Work {
        let desk = self.clone();
        Box::pin(async move { desk.run(errand).await })
    }

    async fn run(self, errand: Errand) -> Result<Done, StoreError> {
        if self.asks {
            let source = Answering::new(self.source.clone(), self.store.clone());
            return Box::pin(self.run_on(errand, &source)).await;
        }
        Box::pin(self.run_on(errand, &self.source)).await
    }

    async fn run_on<T: SourceTable>(&self, errand: Errand, source: &T) -> Result<Done, StoreError> {
        let (store, options, planner) = (&self.store, self.options, self.planner);
        let now = self.clock.load(Ordering::Relaxed);
        match errand {
            Errand::Follow(news) | Errand::Again(news) => {
                let shape = AdoptedShape {
                    version: news.event.to.version,
                    columns: news.columns.clone(),
                    declared: true,
                };
                adapt::follow(store, source, &news.event, Some(shape), planner, options, now).await?;
            }
            Errand::Redefine(definition, at) => {
                let asked = ((*definition).clone(), at);
                adapt::redefine_at(store, source, asked, planner, options, now).await?;
            }
            Errand::Maintain => {
                let done = maintain::run(store, source, options, now).await?;
                if let Some((_, error)) = done.failed.into_iter().next() {
                    return Err(error);
                }
            }
            Errand::RollBack(name) => {
                let active = store.versions().await?.into_iter();
                let active =
                    active.filter(|one| one.id.definition == name && one.state == LogicState::Active);
                if let Some(promoted) = active.max_by_key(|one| one.id.number) {
                    validate::roll_back(store, &promoted.id, "somebody did not like it", now).await?;
                }
            }
            Errand::Approve => {
                let waiting = store.adjustments(None).await?.into_iter();
                let waits =
                    |one: &Adjustment| one.outcome == PlanOutcome::AwaitingApproval && one.to.is_some();
                for one in waiting.filter(waits) {
                    match adapt::decide(store, source, one, Decision::Approve, options, now).await {
                        // Where the source cannot be read, nobody can have it read.
                        Ok(_) | Err(StoreError::Rejected(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Errand::Fill(name) => {
                adapt::fill(store, source, &name, options, now).await?;
            }
            Errand::Repair(name) => {
                if let Some(active) = self.active(&name).await? {
                    let clock = self.clock.clone();
                    let read_at = move || clock.load(Ordering::Relaxed);
                    let options = AuditOptions { one_in: 1, repair: true, margin: self.margin, epoch: 0 };
                    audit::run(store, source, &active, options, read_at, |_| {}).await?;
                }
            }
            Errand::Read(name) => {
                if let Some(active) = self.active(&name).await? {
                    return Ok(Done::Reading(Box::new(read::run(store, &active).await?)));
                }
            }
        }
        Ok(Done::Nothing)
    }

    /// Asks the source for every row whose changes could not be ordered.
    ///
    /// # Errors
    /// Whatever the stores answer.
    pub async fn recheck(&self) -> Result<Rechecked, StoreError> {
        let (store, now, margin) = (&self.store, self.clock.load(Ordering::Relaxed), self.margin);
        let table = self.source.with(|source| source.table());
        if self.asks {
            let source = Answering::new(self.source.clone(), store.clone());
            return recheck::run(store, &source, &table, 0, now, margin).await;
        }
        recheck::run(store, &self.source, &table, 0, now, margin).await
    }

    async fn active(&self, name: &DefinitionName) -> Result<Option<LogicVersion>, StoreError> {
        let versions = self.store.versions().await?;
        Ok(versions.into_iter().find(|one| one.id.definition == *name && one.state == LogicState::Active))
    }
}

/// The groups of a reading whose cut is one cut.
#[must_use]
pub fn at_one_cut(reading: &Reading) -> Option<&BTreeMap<GroupKey, i64>> {
    match &reading.exactness {
        Exactness::Inexact(doubts) if doubts.contains(&Doubt::Moving) => None,
        _ => Some(&reading.groups),
    }
}
