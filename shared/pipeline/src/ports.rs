//! What the steps need of the world: narrow store traits in the words of the flow.
//!
//! Methods are declared `-> impl Future + Send`, so that steps can be spawned; implementations
//! still write `async fn`. Every write is conditional or idempotent: any of them may be repeated
//! after a lost reply.

mod audits;
mod forecasts;
mod shadow;
mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use evercount_core::adoption::{Adjustment, PolicyBook, TrailEntry};
use evercount_core::backfill::Segment;
use evercount_core::change::{RowKey, TableName, TableShape};
use evercount_core::chunk::{Commit, Quarantined};
use evercount_core::counting::Cells;
use evercount_core::definition::DefinitionName;
use evercount_core::evolution::HeldChange;
use evercount_core::function::{FunctionEntry, FunctionId, FunctionName};
use evercount_core::lane::{LaneId, LaneState, SequenceNumber};
use evercount_core::ledger::LedgerRow;
use evercount_core::lineage::{Consumer, Lineage, ProducerId, Seen, WindowSketch};
use evercount_core::logic::{AdoptedShape, Catalog, LogicId, LogicVersion};
use evercount_core::migration::written::Written;
use evercount_core::order::{Floor, Micros};
use evercount_core::registration::{Lookup, Recorded, Registration, StoredWatch, VersionHead};
use evercount_core::registry::SubjectState;
use evercount_core::schema::FieldPath;
use evercount_core::schema_change::Subject;
use evercount_core::value::{Item, Value};

pub use audits::AuditStore;
pub use forecasts::{ForecastCommit, ForecastStore};
pub use shadow::{
    BesideWrite, CountedTable, ItemWrite, MutationTrail, ShadowPassStore, ShadowSchemaStore, ShadowStore,
    TableKeys, TableWrite,
};
pub use usage::{DayOfUse, UsageStore, Used};

/// Why a store call did not do what it was asked to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// Something the write was conditional on has changed: load again and decide again.
    #[error("the store changed since it was read")]
    Conflict,
    /// Throttled, timed out or unreachable. A write may or may not have happened.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store refuses the request as it is; repeating it cannot help.
    #[error("the store refuses the request: {0}")]
    Rejected(String),
}

/// What a commit cost.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Cost {
    /// Write units, as DynamoDB bills them.
    pub write_units: f64,
    /// Read units.
    pub read_units: f64,
}

/// A page of rows.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<(RowKey, T)>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<String>,
    /// What reading it cost, in read units.
    pub read_units: f64,
}

impl<T> Page<T> {
    /// The page after the last one, which nobody read.
    #[must_use]
    pub fn none() -> Self {
        Self { rows: Vec::new(), next: None, read_units: 0.0 }
    }
}

/// What a source says of a table as a whole. What it does not say is `None`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SourceFacts {
    /// The attribute of the partition key.
    pub partition_key: Option<String>,
    /// Items, roughly.
    pub items: Option<u64>,
    /// Bytes, roughly.
    pub bytes: Option<u64>,
}

/// What the store knows of tables as a whole.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TableFacts {
    /// When each table was last emptied.
    pub floors: BTreeMap<TableName, Floor>,
    /// What each source said last of its tables' columns, and when (microseconds since the
    /// epoch).
    pub shapes: BTreeMap<TableName, (Micros, TableShape)>,
}

/// What one transaction changes in the catalog.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CatalogEdit {
    /// Versions to create; none of them may exist.
    pub create: Vec<LogicVersion>,
    /// Versions to replace, each from exactly this.
    pub change: Vec<(LogicVersion, LogicVersion)>,
    /// The shape in which a table (by the name its ledger rows are kept under) is adopted for
    /// counting from now on.
    pub adopt: Option<(TableName, AdoptedShape)>,
    /// Adjustments to create (`None`) or to replace, where their revision is still that of the
    /// first.
    pub adjustments: Vec<(Option<Adjustment>, Adjustment)>,
    /// What to add to the audit trail.
    pub trail: Vec<TrailEntry>,
}

impl CatalogEdit {
    /// Whether it changes what counters evaluate, and so raises the catalog's revision.
    #[must_use]
    pub fn is_evaluated(&self) -> bool {
        !self.create.is_empty() || !self.change.is_empty() || self.adopt.is_some()
    }

    /// How many items it writes; one transaction takes [`evercount_core::chunk::ACTIONS_MAX`].
    #[must_use]
    pub fn actions(&self) -> usize {
        // A new adjustment is entered in the list of plans as well.
        let planned = self.adjustments.iter().filter(|(from, _)| from.is_none()).count();
        self.create.len()
            + self.change.len()
            + usize::from(self.is_evaluated())
            + usize::from(self.adopt.is_some())
            + self.adjustments.len()
            + planned
            + self.trail.len()
    }
}

/// What a version counted at a time.
#[derive(Clone, PartialEq, Debug)]
pub struct Cut {
    /// Which version.
    pub logic: LogicId,
    /// When the counts were read, microseconds since the epoch.
    pub at: Micros,
    /// Up to where each lane had counted.
    pub lanes: BTreeMap<LaneId, LaneState>,
    /// The whole count: what [`evercount_core::counting::whole`] gives, with the doubt there was.
    pub cells: Cells,
}

/// Count definitions and their logic versions.
pub trait CatalogStore: Sync {
    /// The live logic; `None` where its revision is still `known`.
    fn catalog(&self, known: Option<u64>)
    -> impl Future<Output = Result<Option<Catalog>, StoreError>> + Send;

    /// Every logic version, live or not.
    fn versions(&self) -> impl Future<Output = Result<Vec<LogicVersion>, StoreError>> + Send;

    /// Executes an edit: all of it or nothing. It raises the catalog's revision where it changes
    /// what counters evaluate.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where a version or adjustment to be created exists, or something to
    /// be replaced is not what the edit says it is; [`StoreError::Rejected`] where it is more than
    /// one transaction holds.
    fn edit_catalog(&self, edit: &CatalogEdit) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Stores a new logic version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the version exists.
    fn create_version(&self, version: &LogicVersion) -> impl Future<Output = Result<(), StoreError>> + Send {
        async move {
            let create = vec![version.clone()];
            self.edit_catalog(&CatalogEdit { create, ..CatalogEdit::default() }).await
        }
    }

    /// Replaces a logic version's state and coverage.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the stored one is not `from`.
    fn update_version(
        &self,
        from: &LogicVersion,
        to: &LogicVersion,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        async move {
            let change = vec![(from.clone(), to.clone())];
            self.edit_catalog(&CatalogEdit { change, ..CatalogEdit::default() }).await
        }
    }

    /// The adjustments of a definition, or of all, oldest first.
    fn adjustments(
        &self,
        definition: Option<&DefinitionName>,
    ) -> impl Future<Output = Result<Vec<Adjustment>, StoreError>> + Send;

    /// What was decided and done about a definition, oldest first.
    fn trail(
        &self,
        definition: &DefinitionName,
    ) -> impl Future<Output = Result<Vec<TrailEntry>, StoreError>> + Send;

    /// How plans are treated.
    fn policy_book(&self) -> impl Future<Output = Result<PolicyBook, StoreError>> + Send;

    /// Replaces how plans are treated.
    fn set_policy_book(&self, book: &PolicyBook) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps what a version counted at a time.
    fn put_cut(&self, cut: &Cut) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The last cut of a version at or before a time.
    fn cut_at(
        &self,
        logic: &LogicId,
        at: Micros,
    ) -> impl Future<Output = Result<Option<Cut>, StoreError>> + Send;

    /// Removes the cells of a version that nothing is derived from any more.
    fn delete_cells(&self, logic: &LogicId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes all versions of a definition, their cells included. Returns whether there were any.
    fn delete_definition(
        &self,
        name: &DefinitionName,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Counts: lanes, ledger rows and cells.
pub trait CountStore: Sync {
    /// How far a lane has come (consistent read).
    fn lane(&self, lane: &LaneId) -> impl Future<Output = Result<LaneState, StoreError>> + Send;

    /// Enters a lane in the directory of lanes. A lane does so before its first commit, so that
    /// whoever fences all lanes finds it.
    fn register_lane(&self, lane: &LaneId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// All lanes with their states (consistent read).
    fn lanes(&self) -> impl Future<Output = Result<BTreeMap<LaneId, LaneState>, StoreError>> + Send;

    /// Raises a lane's fence: its commits in flight will conflict.
    fn fence(&self, lane: &LaneId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Ledger rows by key; rows that do not exist are left out. May be stale: a commit is
    /// conditional on what was read.
    fn rows(
        &self,
        keys: &BTreeSet<RowKey>,
    ) -> impl Future<Output = Result<BTreeMap<RowKey, LedgerRow>, StoreError>> + Send;

    /// A page of a table's ledger rows (consistent read).
    fn rows_of_table(
        &self,
        table: &TableName,
        after: Option<String>,
    ) -> impl Future<Output = Result<Page<LedgerRow>, StoreError>> + Send;

    /// The cells that one lane keeps of a logic version, by counter item.
    fn cells_of_lane(
        &self,
        logic: &LogicId,
        lane: &LaneId,
    ) -> impl Future<Output = Result<Vec<(u32, Cells)>, StoreError>> + Send;

    /// All cells of a logic version, over all lanes, summed (consistent read).
    fn cells(&self, logic: &LogicId) -> impl Future<Output = Result<Cells, StoreError>> + Send;

    /// Executes a transaction: all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where a condition does not hold.
    fn commit(&self, commit: &Commit) -> impl Future<Output = Result<Cost, StoreError>> + Send;
}

/// Tables as a whole: when they were emptied, what their columns are.
pub trait TableStore: Sync {
    /// Everything known (consistent read).
    fn table_facts(&self) -> impl Future<Output = Result<TableFacts, StoreError>> + Send;

    /// Raises a table's floor; a later floor stands.
    fn raise_floor(
        &self,
        table: &TableName,
        floor: &Floor,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Stores what a source said of a table's columns; something said later stands.
    fn learn_shape(
        &self,
        table: &TableName,
        at: Micros,
        shape: &TableShape,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Records put aside.
pub trait QuarantineStore: Sync {
    /// All of them, oldest first within a lane.
    fn quarantined(&self) -> impl Future<Output = Result<Vec<Quarantined>, StoreError>> + Send;

    /// One of them.
    fn quarantined_record(
        &self,
        lane: &LaneId,
        sequence: &SequenceNumber,
    ) -> impl Future<Output = Result<Option<Quarantined>, StoreError>> + Send;

    /// Puts records aside that make no count uncertain; one that is there already is replaced.
    fn put_aside(&self, records: &[Quarantined]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What a lane has seen of a subject's producers since the record it told of last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducersSeen {
    /// The subject.
    pub subject: Subject,
    /// The lane.
    pub lane: LaneId,
    /// The last record that is in it: what was told up to there is not added again.
    pub through: SequenceNumber,
    /// What was seen of each since the telling before.
    pub producers: BTreeMap<ProducerId, Seen>,
}

/// Subjects, their schema versions and what happened to them. Nothing here scans a table: every
/// read is of an item, of a partition, or of a batch of items.
pub trait RegistryStore: Sync {
    /// All subjects, by name.
    fn subjects(&self) -> impl Future<Output = Result<Vec<SubjectState>, StoreError>> + Send;

    /// A subject's state (consistent read).
    fn subject(
        &self,
        subject: &Subject,
    ) -> impl Future<Output = Result<Option<SubjectState>, StoreError>> + Send;

    /// Replaces a subject's state, as for an edit of its policy; `None` creates it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the stored one's revision is not that of `from`.
    fn update_subject(
        &self,
        from: Option<&SubjectState>,
        to: &SubjectState,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The heads of a subject's versions, ascending; expired ones may be among them or not.
    fn schema_versions(
        &self,
        subject: &Subject,
    ) -> impl Future<Output = Result<Vec<VersionHead>, StoreError>> + Send;

    /// A version of a subject by its number. One whose retention is over by `now` is expired,
    /// whether or not it has been deleted yet.
    fn schema_version(
        &self,
        subject: &Subject,
        number: u32,
        now: Micros,
    ) -> impl Future<Output = Result<Lookup, StoreError>> + Send;

    /// What one lane has seen of a subject (consistent read).
    fn watch(
        &self,
        subject: &Subject,
        lane: &LaneId,
    ) -> impl Future<Output = Result<Option<StoredWatch>, StoreError>> + Send;

    /// What all lanes have seen of a subject (consistent read).
    fn watches(
        &self,
        subject: &Subject,
    ) -> impl Future<Output = Result<BTreeMap<LaneId, StoredWatch>, StoreError>> + Send;

    /// Executes a registration: all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where a revision is not the stored one or a version exists;
    /// [`StoreError::Rejected`] where it is more than one transaction holds.
    fn register(&self, registration: &Registration) -> impl Future<Output = Result<Cost, StoreError>> + Send;

    /// What happened to a subject's schema, oldest first.
    fn history(&self, subject: &Subject) -> impl Future<Output = Result<Vec<Recorded>, StoreError>> + Send;

    /// Changes of a subject that made no version, oldest first.
    fn held(&self, subject: &Subject) -> impl Future<Output = Result<Vec<HeldChange>, StoreError>> + Send;

    /// Events that are not published yet: subject by subject, in the order of their versions.
    fn unpublished(&self) -> impl Future<Output = Result<Vec<Recorded>, StoreError>> + Send;

    /// Notes that an event has been published; saying it again changes nothing.
    fn published(&self, event_id: &str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Adds to what is known of producers, in batches. One lane tells of one subject at a time.
    fn touch_producers(&self, seen: &[ProducersSeen]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The migrations that people wrote between a subject's versions (consistent read).
    fn written(&self, subject: &Subject) -> impl Future<Output = Result<Written, StoreError>> + Send;

    /// Replaces them where the stored ones are of revision `from`; 0 stands for none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where others are stored; [`StoreError::Rejected`] where they are more than one
    /// item holds.
    fn replace_written(
        &self,
        subject: &Subject,
        from: u64,
        to: &Written,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes a consumer's acknowledgement; a later one stands.
    fn acknowledge(
        &self,
        subject: &Subject,
        consumer: &Consumer,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Who writes and reads a subject.
    fn lineage(&self, subject: &Subject) -> impl Future<Output = Result<Lineage, StoreError>> + Send;

    /// Stores sketches, in batches; one of the same field, window and lane is replaced.
    fn put_sketches(&self, sketches: &[WindowSketch]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The sketches of a field whose windows start in `[from, to)` and that are not expired by
    /// `now`, over all lanes, by window and lane.
    fn sketches(
        &self,
        subject: &Subject,
        path: &FieldPath,
        window: std::ops::Range<Micros>,
        now: Micros,
    ) -> impl Future<Output = Result<Vec<WindowSketch>, StoreError>> + Send;
}

/// Functions that somebody wrote: modules by their content address, and the list of their names.
pub trait FunctionStore: Sync {
    /// A module; `None` where no such module was ever added. Whoever loads it holds the bytes against the
    /// id; a store that can tell that they were changed rejects the read.
    fn module(&self, id: &FunctionId) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;

    /// The list, by name (consistent read).
    fn functions(&self) -> impl Future<Output = Result<Vec<FunctionEntry>, StoreError>> + Send;

    /// Adds a module and enters it in the list; `from` is the entry of the name that it replaces, `None`
    /// where there is none. The module is there before the entry is. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the stored entry is neither `from` nor already `to`;
    /// [`StoreError::Rejected`] where the module's digest is not the entry's id.
    fn put_function(
        &self,
        from: Option<&FunctionEntry>,
        to: &FunctionEntry,
        module: &[u8],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes a name off the list. Returns whether it was there. The module stays: logic versions name it
    /// by its id, also those that a rollback goes back to.
    fn remove_function(&self, name: &FunctionName) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Everything a store offers.
pub trait Store: CatalogStore + CountStore + TableStore + QuarantineStore + FunctionStore {}

impl<S: CatalogStore + CountStore + TableStore + QuarantineStore + FunctionStore> Store for S {}

/// The table that is counted, where Evercount can read it.
pub trait SourceTable: Sync {
    /// The current image of a row (consistent read); `None` where it does not exist.
    fn row(&self, row: &RowKey) -> impl Future<Output = Result<Option<Item>, StoreError>> + Send;

    /// What is known of the table without reading it; nothing, where the source does not tell.
    fn facts(&self, table: &TableName) -> impl Future<Output = SourceFacts> + Send {
        let _ = table;
        async { SourceFacts::default() }
    }

    /// A page of one segment of the table (consistent read).
    fn scan(
        &self,
        table: &TableName,
        segment: Segment,
        after: Option<String>,
    ) -> impl Future<Output = Result<Page<Item>, StoreError>> + Send;

    /// A page of the items with these values of the partition key (consistent read). A source that
    /// cannot look items up by it scans.
    fn partition(
        &self,
        table: &TableName,
        attribute: &str,
        values: &[Value],
        after: Option<String>,
    ) -> impl Future<Output = Result<Page<Item>, StoreError>> + Send {
        async move {
            let mut page = self.scan(table, Segment::WHOLE, after).await?;
            page.rows.retain(|(_, item)| item.get(attribute).is_some_and(|value| values.contains(value)));
            Ok(page)
        }
    }
}

/// A source that cannot be read back: a captured database, say.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSource;

impl SourceTable for NoSource {
    async fn row(&self, _: &RowKey) -> Result<Option<Item>, StoreError> {
        Err(Self::refusal())
    }

    async fn scan(&self, _: &TableName, _: Segment, _: Option<String>) -> Result<Page<Item>, StoreError> {
        Err(Self::refusal())
    }
}

impl NoSource {
    fn refusal() -> StoreError {
        StoreError::Rejected("the source of this table cannot be read back".to_owned())
    }
}
